package forwarder

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/control"
	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/peertest"
	"github.com/siemfwd/siemfwd/forwarder/sink"
)

// late is a Confirmer whose receiver confirms when the test says so.
type late struct {
	sink.Ledger
	before func(items []sink.Item) error // decides each Send; nil: all are taken
	settle bool                          // Settle confirms everything

	mu   sync.Mutex
	got  []string // of all sessions
	last int      // of got: where the session began
	sent chan struct{}
}

func newLate() *late { return &late{settle: true, sent: make(chan struct{}, 1<<16)} }

func (s *late) Send(_ context.Context, items []sink.Item) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.Begin(); err != nil {
		return err
	}
	var rejected *sink.Rejected
	if s.before != nil {
		if err := s.before(items); err != nil && !errors.As(err, &rejected) {
			return err
		}
	}
	n := 0
	for i, it := range items {
		if rejected != nil && (rejected.Index == nil || rejected.Index[0] == i) {
			continue
		}
		s.got = append(s.got, string(it.Payload))
		n++
	}
	s.Take(s.Progress().Session, n)
	s.sent <- struct{}{}
	if rejected != nil {
		return rejected
	}
	return nil
}

func (s *late) Settle(context.Context) {
	if p := s.Progress(); s.settle {
		s.Confirm(p.Session, p.Taken)
	}
}

func (s *late) Close() error { return nil }

func (s *late) confirm(n uint64) { s.Confirm(s.Progress().Session, n) }

// lose ends the session; what was not confirmed did not arrive.
func (s *late) lose(why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.Progress()
	s.got = s.got[:s.last+int(p.Confirmed)]
	s.last = len(s.got)
	s.End(p.Session, errors.New(why))
}

func (s *late) taken() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.got...)
}

func TestDeliveredIsWhatIsConfirmed(t *testing.T) {
	out := newLate()
	d := start(t, t.TempDir(), map[string]sink.Sink{"out": out})
	defer d.end()
	lines := numbered(0, 1000)
	d.send(lines...)
	st := d.eventually("all handed over", func(st control.Status) bool { return laneOf(st, "out").Unconfirmed == 1000 })
	assert.Zero(t, laneOf(st, "out").Delivered)
	assert.EqualValues(t, 1000, laneOf(st, "out").Waiting)

	out.confirm(617)
	st = d.eventually("some confirmed, by an idle lane", func(st control.Status) bool { return laneOf(st, "out").Delivered == 617 })
	assert.EqualValues(t, 383, laneOf(st, "out").Unconfirmed)
	assert.EqualValues(t, 618, d.lanes[0].reader.Position().Index)

	out.lose("connection reset by peer")
	d.eventually("the rest again, by an idle lane", func(control.Status) bool { return len(out.taken()) == 1000 })
	assert.Equal(t, lines, out.taken())
	d.eventually("down still", func(st control.Status) bool {
		return !st.Sinks[0].Up && st.Sinks[0].Error == "connected again, the receiver has not confirmed anything yet"
	})
	assert.Equal(t, "connection reset by peer", d.sinks[0].current().why)
	out.confirm(383)
	d.eventually("up", func(st control.Status) bool { return st.Sinks[0].Up && laneOf(st, "out").Delivered == 1000 })
}

func TestOrderHoldsWhenASessionEndsWhileSending(t *testing.T) {
	out := newLate()
	var d *daemon
	lost := false
	out.before = func(items []sink.Item) error {
		if !lost && string(items[0].Payload) == "event 00100" {
			lost = true
			p := out.Progress()
			out.got, out.last = out.got[:40], 40
			out.Confirm(p.Session, 40)
			out.End(p.Session, errors.New("broken pipe"))
			return fmt.Errorf("%w: broken pipe", sink.ErrSession)
		}
		return nil
	}
	d = start(t, t.TempDir(), map[string]sink.Sink{"out": out})
	defer d.end()
	d.send(numbered(0, 100)...)
	d.eventually("the first are sent", func(st control.Status) bool { return laneOf(st, "out").Unconfirmed == 100 })
	d.send(numbered(100, 100)...)
	d.eventually("all are", func(control.Status) bool { return len(out.taken()) == 200 })
	assert.Equal(t, numbered(0, 200), out.taken(), "in order, and what was confirmed only once")
	out.confirm(160)
	d.eventually("delivered", func(st control.Status) bool { return laneOf(st, "out").Delivered == 200 })
}

func TestAStopWaitsUntilTheSinkHasSettled(t *testing.T) {
	dir := t.TempDir()
	out := newLate()
	d := start(t, dir, map[string]sink.Sink{"out": out})
	d.send(numbered(0, 300)...)
	d.eventually("sent", func(st control.Status) bool { return laneOf(st, "out").Unconfirmed == 300 })
	d.end()

	out = newLate()
	out.settle = false
	d = start(t, dir, map[string]sink.Sink{"out": out})
	d.send(numbered(300, 300)...)
	d.eventually("sent", func(st control.Status) bool { return laneOf(st, "out").Unconfirmed == 300 })
	out.confirm(100)
	d.eventually("confirmed", func(st control.Status) bool { return laneOf(st, "out").Delivered == 100 })
	d.end()
	assert.Equal(t, numbered(300, 300), out.taken(), "what had settled is not sent again")

	out = newLate()
	d = start(t, dir, map[string]sink.Sink{"out": out})
	defer d.end()
	d.eventually("the rest is sent again", func(st control.Status) bool { return laneOf(st, "out").Unconfirmed == 200 })
	assert.Equal(t, numbered(400, 200), out.taken())
}

func TestARefusedEventAmongUnconfirmedOnesDiesOnce(t *testing.T) {
	out := newLate()
	out.before = func(items []sink.Item) error {
		for i, it := range items {
			if string(it.Payload) == "event 00050" {
				return &sink.Rejected{Index: []int{i}, Reason: errors.New("400 bad event"), Answer: `{"code":6}`}
			}
		}
		return nil
	}
	d := start(t, t.TempDir(), map[string]sink.Sink{"out": out})
	defer d.end()
	lines := numbered(0, 100)
	d.send(lines...)
	d.eventually("sent", func(st control.Status) bool { return laneOf(st, "out").Unconfirmed == 99 })
	out.lose("gone")
	d.eventually("sent again", func(control.Status) bool { return len(out.taken()) == 99 })
	out.confirm(99)
	st := d.eventually("settled", func(st control.Status) bool { return laneOf(st, "out").Waiting == 0 })
	assert.EqualValues(t, 1, laneOf(st, "out").Dead)
	assert.EqualValues(t, 99, laneOf(st, "out").Delivered)
	assert.Equal(t, append(append([]string{}, lines[:50]...), lines[51:]...), out.taken())
	n := 0
	for letter, err := range d.dead.All(time.Time{}) {
		require.NoError(t, err)
		n++
		assert.Equal(t, `{"code":6}`, letter.Answer)
		assert.EqualValues(t, 1, letter.Attempts)
		assert.Len(t, letter.UID, 64)
		assert.Equal(t, "event 00050", string(letter.Rendered))
	}
	assert.Equal(t, 1, n)
}

func TestAReceiverThatClosesAtOnceIsNotFlooded(t *testing.T) {
	out := newLate()
	d := start(t, t.TempDir(), map[string]sink.Sink{"out": out})
	defer d.end()
	d.send("one")
	began := time.Now()
	for range 5 {
		<-out.sent
		out.lose("closed")
	}
	<-out.sent
	assert.Greater(t, time.Since(began), 800*time.Millisecond, "four pauses that grow")
}

func TestLanesShareAConfirmer(t *testing.T) {
	remote := newRemote(t, rand.New(rand.NewPCG(1, 1)))
	remote.quiet = true
	r := newRig(t, t.TempDir(), remote, 2)
	for i := range 2 {
		r.emit(i, 500)
	}
	r.until("all sent", func(st control.Status) bool {
		return st.Lanes[0].Unconfirmed+st.Lanes[1].Unconfirmed == uint64(remote.wanted())
	})
	remote.confirmSome(1)
	r.until("all delivered", func(st control.Status) bool { return st.Lanes[0].Waiting+st.Lanes[1].Waiting == 0 })
	r.stop()
	remote.check(1)
}

// TestRandomScripts lets two lanes send to a receiver that confirms late, in part or
// never, refuses, and loses its sessions at any moment, over several restarts.
func TestRandomScripts(t *testing.T) {
	scripts := 15
	if testing.Short() {
		scripts = 5
	}
	for i := range scripts {
		seed := uint64(time.Now().UnixNano()) + uint64(i)
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			rnd := rand.New(rand.NewPCG(seed, 0))
			remote := newRemote(t, rand.New(rand.NewPCG(seed, 1)))
			dir := t.TempDir()
			runs := 1 + rnd.IntN(3)
			for run := range runs {
				r := newRig(t, dir, remote, 2)
				for range 20 {
					r.emit(rnd.IntN(2), rnd.IntN(60))
					remote.meddle()
					r.balanced()
				}
				if run < runs-1 {
					r.stop()
					continue
				}
				r.until("settled", func(st control.Status) bool {
					remote.meddle()
					return st.Lanes[0].Waiting+st.Lanes[1].Waiting == 0
				})
				r.stop()
			}
			remote.check(runs)
		})
	}
}

// rig runs the lanes of a forwarder without its sources.
type rig struct {
	t    *testing.T
	f    *Forwarder
	end  func()
	done sync.WaitGroup
	to   *remote
}

func newRig(t *testing.T, dir string, to *remote, sources int) *rig {
	t.Helper()
	var y strings.Builder
	fmt.Fprintf(&y, "state: %s\nhttp: {listen: \"\"}\nshutdown_grace: 2s\ndefaults: {sync: os}\nsources:\n", filepath.Join(dir, "state"))
	for i := range sources {
		fmt.Fprintf(&y, "  s%d: {type: syslog, vendor: text, listen: [\"tcp://127.0.0.1:%d\"]}\n", i, i+1)
	}
	y.WriteString("sinks: {out: {type: stdout, format: raw, drop: [[message ~ skip]]}}\n")
	path := filepath.Join(dir, "siemfwd.yaml")
	require.NoError(t, os.WriteFile(path, []byte(y.String()), 0o600))
	cfg, problems := Load(path, Strict)
	require.NoError(t, problems.Err())
	to.begin()
	f, err := New(cfg, Options{Sinks: map[string]sink.Sink{"out": to}})
	require.NoError(t, err)
	to.letters = f.letters
	stop, end := context.WithCancel(context.Background())
	r := &rig{t: t, f: f, end: end, to: to}
	for _, l := range f.lanes {
		l.wait = backoff{first: time.Millisecond, most: 4 * time.Millisecond}
		r.done.Go(func() { l.superviseLane(context.WithoutCancel(stop), stop) })
	}
	return r
}

func (f *Forwarder) letters(t *testing.T) (raws []string) {
	for l, err := range f.dead.All(time.Time{}) {
		require.NoError(t, err)
		raws = append(raws, string(l.Raw))
	}
	return raws
}

// emit puts n events into the spool of a source; some of them are filtered, some will
// be refused.
func (r *rig) emit(source, n int) {
	b := &event.Batch{}
	for range n {
		b.Add(event.Raw{Data: []byte(r.to.next(source)), Time: time.Now()})
	}
	require.NoError(r.t, r.f.sources[source].spool.Emit(context.Background(), b))
}

func (r *rig) balanced() control.Status {
	st := r.f.Status()
	peertest.Balanced(r.t, st)
	for _, l := range st.Lanes {
		require.LessOrEqual(r.t, l.Unconfirmed, l.Waiting)
	}
	return st
}

func (r *rig) until(what string, want func(control.Status) bool) {
	r.t.Helper()
	require.Eventually(r.t, func() bool { return want(r.balanced()) }, 30*time.Second, time.Millisecond, what)
}

func (r *rig) stop() {
	r.end()
	r.done.Wait()
	r.balanced()
	r.to.letters = nil
	require.NoError(r.t, r.f.close())
}

// remote is a Confirmer with a receiver that lives longer than it, and remembers what
// it got and what it confirmed.
type remote struct {
	t     *testing.T
	quiet bool // nothing goes wrong

	mu      sync.Mutex
	rnd     *rand.Rand
	ledger  *sink.Ledger
	run     int      // from 1
	finals  []uint64 // the last session of each run before
	session []string // of the session, in the order taken
	up      uint64   // of them are confirmed
	silent  bool     // nothing of the one before was unconfirmed
	sure    map[string]confirmation
	made    [2][]string
	letters func(*testing.T) []string
	dead    []string
}

// confirmation says when an event was confirmed.
type confirmation struct {
	run     int
	session uint64
	silent  bool // nobody had to be told that the session began: it may be over before anybody looks
}

func newRemote(t *testing.T, rnd *rand.Rand) *remote {
	return &remote{t: t, rnd: rnd, sure: map[string]confirmation{}}
}

func (r *remote) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.run++; r.run > 1 {
		r.finals = append(r.finals, r.ledger.Progress().Session)
	}
	r.ledger, r.session, r.up, r.silent = &sink.Ledger{}, nil, 0, false
}

func (r *remote) next(source int) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	kind := "event"
	switch n := r.rnd.IntN(20); {
	case n < 3:
		kind = "skip"
	case n == 3 && !r.quiet:
		kind = "bad"
	}
	text := fmt.Sprintf("%d %06d %s", source, len(r.made[source]), kind)
	r.made[source] = append(r.made[source], text)
	return text
}

func (r *remote) wanted() (n int) {
	for _, list := range r.made {
		for _, text := range list {
			if strings.HasSuffix(text, "event") {
				n++
			}
		}
	}
	return n
}

func (r *remote) Progress() sink.Progress { return r.ledger.Progress() }
func (r *remote) Limits() sink.Limits     { return sink.Limits{Events: 40} }
func (r *remote) Close() error            { return nil }

func (r *remote) Send(_ context.Context, items []sink.Item) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err := r.ledger.Begin(); err != nil {
		return err
	}
	what := r.rnd.IntN(20)
	if r.quiet {
		what = 19
	}
	switch what {
	case 0:
		return errors.New("busy somehow")
	case 1:
		r.lose()
		return fmt.Errorf("%w: noticed late", sink.ErrSession)
	case 2:
		r.lose()
		return errors.New("connection refused")
	case 3:
		if r.up == uint64(len(r.session)) {
			r.lose() // and goes on with the next one
		}
	case 4:
		return &sink.Busy{For: time.Millisecond, Err: errors.New("429")}
	}
	partial := r.partial(len(items))
	if partial != nil {
		items = items[:partial.Done]
	}
	var bad []int
	for i, it := range items {
		if strings.HasSuffix(string(it.Payload), "bad") {
			bad = append(bad, i)
		}
	}
	if bad != nil && partial == nil && r.rnd.IntN(2) == 0 {
		return &sink.Rejected{Reason: errors.New("one of them is bad")}
	}
	refused := bad
	for i, it := range items {
		if len(bad) > 0 && bad[0] == i {
			bad = bad[1:]
			continue
		}
		text := string(it.Payload)
		now := r.ledger.Progress().Session
		// Who misses a whole session cannot know what the one before it confirmed.
		if c, ok := r.sure[text]; ok && !c.silent && append(r.finals, now)[c.run-1] <= c.session+1 {
			assert.Fail(r.t, "sent again though it was confirmed", "%s, in session %d of run %d, now %d", text, c.session, c.run, now)
		}
		r.session = append(r.session, text)
	}
	r.ledger.Take(r.ledger.Progress().Session, len(items)-len(refused))
	if what == 5 {
		r.confirmSome(1)
	}
	if what == 6 {
		r.lose()
	}
	var rejected *sink.Rejected
	if refused != nil {
		rejected = &sink.Rejected{Index: refused, Reason: errors.New("bad")}
	}
	switch {
	case partial != nil:
		partial.Rejected = rejected
		return partial
	case rejected != nil:
		return rejected
	}
	return nil
}

// partial says, now and then, that only the first of n items are looked at.
func (r *remote) partial(n int) *sink.Partial {
	if r.quiet || r.rnd.IntN(5) > 0 {
		return nil
	}
	p := &sink.Partial{Done: r.rnd.IntN(n + 1)}
	switch r.rnd.IntN(3) {
	case 0:
		p.Err = errors.New("503 busy")
	case 1:
		p.Err = &sink.Busy{For: time.Millisecond, Err: errors.New("503")}
	}
	return p
}

// confirmSome confirms up to a share of what is not; r.mu is held, or nobody else runs.
func (r *remote) confirmSome(share float64) {
	to := r.up + uint64(float64(uint64(len(r.session))-r.up)*share)
	now := r.ledger.Progress().Session
	for ; r.up < to; r.up++ {
		r.sure[r.session[r.up]] = confirmation{r.run, now, r.silent}
	}
	r.ledger.Confirm(now, to)
}

func (r *remote) lose() {
	r.ledger.End(r.ledger.Progress().Session, errors.New("connection lost"))
	r.silent = r.up == uint64(len(r.session))
	r.session, r.up = nil, 0
}

// meddle is what happens to a receiver between two Sends.
func (r *remote) meddle() {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch r.rnd.IntN(10) {
	case 0:
		r.lose()
	case 1, 2, 3, 4:
		r.confirmSome(r.rnd.Float64())
	case 5, 6:
		r.confirmSome(1)
	}
}

func (r *remote) Settle(context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch r.rnd.IntN(3) {
	case 0:
		r.confirmSome(1)
	case 1:
		r.confirmSome(.5)
		r.lose()
	}
	if r.letters != nil {
		r.dead = r.letters(r.t)
	}
}

// check wants each event where it belongs: confirmed, or among the dead letters (once
// per run at most), or nowhere when it was filtered.
func (r *remote) check(runs int) {
	dead := map[string]int{}
	for _, raw := range r.dead {
		dead[raw]++
	}
	for _, list := range r.made {
		for _, text := range list {
			_, arrived := r.sure[text]
			assert.Equal(r.t, strings.HasSuffix(text, "event"), arrived, text)
			if strings.HasSuffix(text, "bad") {
				assert.True(r.t, dead[text] >= 1 && dead[text] <= runs, "%s: %d letters", text, dead[text])
			} else {
				assert.Zero(r.t, dead[text], text)
			}
		}
	}
}

// Under drop_oldest events expire although they were sent, when nothing is confirmed. What
// is confirmed all the same is delivered, what has to be sent again and is gone is expired.
func TestSentEventsThatExpireAreCountedOnce(t *testing.T) {
	out := newLate()
	d := startYAML(t, t.TempDir(), `sources:
  in: {type: syslog, vendor: text, listen: ["tcp://127.0.0.1:0"], spool: 256KiB, keep: 0s, when_full: drop_oldest}
sinks: {out: {type: stdout, format: raw}}
`, map[string]sink.Sink{"out": out})
	defer d.end()
	long := strings.Repeat("x", 1000)
	emit := func(n int) {
		for i := range n {
			b := &event.Batch{}
			b.Add(event.Raw{Data: fmt.Appendf(nil, "event %d %s", i, long), Time: time.Now()})
			require.NoError(t, d.sources[0].spool.Emit(t.Context(), b))
			peertest.Balanced(t, d.Status())
		}
	}
	var st control.Status
	for n := 50; n <= 1000; n += 50 { // the lane keeps up
		emit(50)
		st = d.eventually("all sent", func(control.Status) bool { return len(out.taken()) == n })
	}
	assert.Zero(t, laneOf(st, "out").Expired, "they were sent")
	out.confirm(100)
	d.eventually("100 delivered, though they were gone", func(st control.Status) bool {
		return laneOf(st, "out").Delivered == 100 && laneOf(st, "out").Unconfirmed == 900
	})
	out.lose("connection reset")
	st = d.eventually("what is left is sent again", func(st control.Status) bool {
		l := laneOf(st, "out")
		return l.Expired > 500 && l.Unconfirmed == l.Waiting && l.Waiting > 0
	})
	left := laneOf(st, "out").Waiting
	assert.EqualValues(t, 1000, 100+laneOf(st, "out").Expired+left)
	emit(200)
	d.eventually("sent", func(st control.Status) bool {
		return st.Sources[0].Received == 1200 && laneOf(st, "out").Unconfirmed == laneOf(st, "out").Waiting
	})
	out.confirm(out.Progress().Taken)
	st = d.eventually("settled", func(st control.Status) bool { return laneOf(st, "out").Waiting == 0 })
	assert.EqualValues(t, 1200, laneOf(st, "out").Delivered+laneOf(st, "out").Expired)
}
