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
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/control"
	"github.com/siemfwd/siemfwd/forwarder/deadletter"
	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/sink"
	"github.com/siemfwd/siemfwd/forwarder/spool/faultfs"
)

// steps takes what a retry puts out.
type steps []control.RetryStep

func (s *steps) Put(l control.RetryStep) error { *s = append(*s, l); return nil }
func (s *steps) Flush() error                  { return nil }

func (s steps) last() control.RetryStep { return s[len(s)-1] }

// retrying runs a retry and returns its last step.
func (d *daemon) retrying(ask control.DeadFilter) (control.RetryStep, error) {
	d.t.Helper()
	var got steps
	err := d.RetryDead(d.t.Context(), control.Retry{DeadFilter: ask, Yes: true}, &got)
	if len(got) == 0 {
		return control.RetryStep{}, err
	}
	last := got.last()
	last.Again = nil
	for _, s := range got {
		last.Again = append(last.Again, s.Again...)
	}
	return last, err
}

func (f *Forwarder) allLetters(t *testing.T) (list []deadletter.Letter) {
	t.Helper()
	for l, err := range f.dead.All(time.Time{}) {
		require.NoError(t, err)
		l.Raw, l.Rendered = append([]byte(nil), l.Raw...), append([]byte(nil), l.Rendered...)
		list = append(list, l)
	}
	return list
}

// picky refuses every event that ends in one of these, by name or without, until it is
// told to take everything.
type picky struct {
	script
	bad    []string
	named  bool
	answer string
	cured  atomic.Bool
}

func newPicky(named bool, bad ...string) *picky {
	p := &picky{bad: bad, named: named, answer: `{"code":6}`}
	p.script.answer = func(_ int, items []sink.Item) error {
		var index []int
		for i, it := range items {
			for _, b := range p.bad {
				if strings.HasSuffix(string(it.Payload), b) && !p.cured.Load() {
					index = append(index, i)
				}
			}
		}
		switch {
		case len(index) == 0:
			return nil
		case p.named:
			return &sink.Rejected{Index: index, Reason: errors.New("400 bad event"), Answer: p.answer}
		}
		return &sink.Rejected{Reason: errors.New("400 bad batch"), Answer: p.answer}
	}
	return p
}

// A cured receiver gets what it refused: dead becomes delivered, each event once, and no
// letter is left, over a restart, too.
func TestRetryDeliversWhatWasDead(t *testing.T) {
	for _, named := range []bool{true, false} {
		t.Run(fmt.Sprint("named ", named), func(t *testing.T) {
			dir := t.TempDir()
			out := newPicky(named, "13", "57", "99")
			d := start(t, dir, map[string]sink.Sink{"out": out, "other": &script{}})
			d.send(numbered(0, 1000)...)
			d.eventually("dead", func(st control.Status) bool { return laneOf(st, "out").Dead == 30 && laneOf(st, "out").Waiting == 0 })
			var got steps
			require.NoError(t, d.RetryDead(t.Context(), control.Retry{DeadFilter: control.DeadFilter{Sink: "out"}}, &got))
			assert.Equal(t, control.RetryStep{Total: 30, Left: 30}, got.last(), "it was only asked")

			out.cured.Store(true)
			step, err := d.retrying(control.DeadFilter{Sink: "out"})
			require.NoError(t, err)
			assert.Equal(t, control.RetryStep{Total: 30, Sent: 30}, step)
			st := d.eventually("delivered", func(st control.Status) bool { return laneOf(st, "out").Dead == 0 })
			assert.EqualValues(t, 1000, laneOf(st, "out").Delivered)
			assert.EqualValues(t, 1000, laneOf(st, "other").Delivered)
			assert.ElementsMatch(t, numbered(0, 1000), out.taken())
			assert.Empty(t, d.allLetters(t))
			assert.Zero(t, st.Letters)
			assert.EqualValues(t, 30, laneOf(st, "out").Retried)
			for _, l := range d.Snapshot().Lanes { // whose counters never go down
				if l.Sink == "out" {
					assert.Equal(t, [3]uint64{970, 30, 30}, [3]uint64{l.Delivered, l.Dead, l.Retried})
				}
			}
			step, err = d.retrying(control.DeadFilter{Sink: "out"})
			require.NoError(t, err)
			assert.Zero(t, step.Total)
			d.end()

			d = start(t, dir, map[string]sink.Sink{"out": out, "other": &script{}})
			defer d.end()
			d.send("one more")
			st = d.eventually("delivered", func(st control.Status) bool { return laneOf(st, "out").Delivered == 1 })
			assert.Zero(t, laneOf(st, "out").Dead)
			assert.Empty(t, d.allLetters(t))
		})
	}
}

// What is refused again is kept, with one attempt more, the time it was first refused, and
// what the receiver says now; the rest is delivered.
func TestRetryKeepsWhatIsRefusedAgain(t *testing.T) {
	out := newPicky(true, "1", "2", "3")
	d := start(t, t.TempDir(), map[string]sink.Sink{"out": out})
	defer d.end()
	d.send(numbered(0, 10)...)
	d.eventually("dead", func(st control.Status) bool { return laneOf(st, "out").Dead == 3 })
	before := d.allLetters(t)
	require.Len(t, before, 3)
	out.bad, out.answer = []string{"2"}, "still wrong"
	step, err := d.retrying(control.DeadFilter{Sink: "out"})
	require.NoError(t, err)
	assert.Equal(t, control.RetryStep{Total: 3, Sent: 2, Refused: 1,
		Again: []control.Refused{{ID: before[1].ID, New: 4, Reason: "400 bad event", Answer: "still wrong"}}}, step)
	after := d.allLetters(t)
	require.Len(t, after, 1)
	want := before[1]
	want.ID, want.At, want.Attempts, want.Answer = 4, after[0].At, want.Attempts+1, "still wrong"
	assert.Equal(t, want, after[0])
	st := d.eventually("two are delivered", func(st control.Status) bool { return laneOf(st, "out").Dead == 1 })
	assert.EqualValues(t, 9, laneOf(st, "out").Delivered)

	// By its id, and by what was said.
	step, err = d.retrying(control.DeadFilter{Sink: "out", Reason: "no such words"})
	require.NoError(t, err)
	assert.Zero(t, step)
	out.cured.Store(true)
	step, err = d.retrying(control.DeadFilter{IDs: []uint64{4}, Reason: "STILL wrong"})
	require.NoError(t, err)
	assert.Equal(t, control.RetryStep{Total: 1, Sent: 1}, step)
	assert.ElementsMatch(t, numbered(0, 10), out.taken())
}

// A sink that is not well ends the retry at once, and nothing is gone.
func TestRetryStopsWhenTheSinkIsDown(t *testing.T) {
	out := newPicky(true, "5")
	d := start(t, t.TempDir(), map[string]sink.Sink{"out": out})
	defer d.end()
	d.send(numbered(0, 100)...)
	d.eventually("dead", func(st control.Status) bool { return laneOf(st, "out").Dead == 10 })
	out.mu.Lock()
	well := out.script.answer
	out.script.answer = func(int, []sink.Item) error { return errors.New("connection refused") }
	out.mu.Unlock()
	step, err := d.retrying(control.DeadFilter{Sink: "out"})
	require.ErrorIs(t, err, control.ErrSinkDown)
	assert.EqualError(t, err, "sink is not well: out: connection refused")
	assert.Equal(t, control.RetryStep{Total: 10, Left: 10}, step)
	assert.Len(t, d.allLetters(t), 10)
	assert.EqualValues(t, 10, laneOf(d.Status(), "out").Dead)

	// One that asks for a pause gets it.
	busy := 0
	out.mu.Lock()
	out.script.answer = func(n int, items []sink.Item) error {
		if busy++; busy < 3 {
			return &sink.Busy{For: time.Millisecond, Err: errors.New("429")}
		}
		return nil
	}
	out.mu.Unlock()
	step, err = d.retrying(control.DeadFilter{Sink: "out"})
	require.NoError(t, err)
	assert.Equal(t, control.RetryStep{Total: 10, Sent: 10}, step)
	assert.NotNil(t, well)
}

func TestRetryNeedsASinkAndASource(t *testing.T) {
	dir := t.TempDir()
	d := start(t, dir, map[string]sink.Sink{"out": &script{}})
	defer d.end()
	add := func(l deadletter.Letter) { require.NoError(t, d.dead.Add(t.Context(), l)) }
	add(deadletter.Letter{Source: "hooks", Sink: "-", Reason: "not JSON", Raw: []byte("{")})
	add(deadletter.Letter{Source: "removed", Sink: "out", Raw: []byte("x")})
	add(deadletter.Letter{Source: "in", Sink: "removed", Raw: []byte("x")})
	for want, ask := range map[string]control.DeadFilter{
		"no event could be made of them":              {Sink: "-"},
		"bodies that a source refused at its door":    {IDs: []uint64{1e12 + 1}},
		`there is no sink "nobody"`:                   {Sink: "nobody"},
		`letter 2 is of sink "removed", which is not`: {IDs: []uint64{2}},
		"say which sink's letters":                    {Source: "in"},
	} {
		_, err := d.retrying(ask)
		assert.ErrorContains(t, err, want)
	}
	step, err := d.retrying(control.DeadFilter{Sink: "out"})
	require.NoError(t, err)
	assert.EqualValues(t, 1, step.Left)
	assert.Contains(t, step.Note, "letters from removed are kept: there is no such source in the configuration")
	assert.Len(t, d.allLetters(t), 3)
}

// Letters from before the start are in no count; sending them changes none.
func TestRetryOfOldLetters(t *testing.T) {
	dir := t.TempDir()
	out := newPicky(false, "0")
	d := start(t, dir, map[string]sink.Sink{"out": out})
	d.send(numbered(0, 50)...)
	d.eventually("dead", func(st control.Status) bool { return laneOf(st, "out").Dead == 5 })
	d.end()
	d = start(t, dir, map[string]sink.Sink{"out": out})
	defer d.end()
	d.send(numbered(50, 50)...)
	d.eventually("more dead", func(st control.Status) bool { return laneOf(st, "out").Dead == 5 && laneOf(st, "out").Waiting == 0 })
	out.cured.Store(true)
	step, err := d.retrying(control.DeadFilter{Sink: "out"})
	require.NoError(t, err)
	assert.Equal(t, control.RetryStep{Total: 10, Sent: 10}, step)
	st := d.Status()
	require.Zero(t, laneOf(st, "out").Balance())
	assert.EqualValues(t, 50, laneOf(st, "out").Delivered)
	assert.Zero(t, laneOf(st, "out").Dead)
	assert.ElementsMatch(t, numbered(0, 100), out.taken())
}

// A Confirmer's letters are gone when the receiver has confirmed them, and sent again when
// a session is lost before.
func TestRetryThroughAConfirmer(t *testing.T) {
	out := newLate()
	refuse := &atomic.Bool{}
	refuse.Store(true)
	out.before = func(items []sink.Item) error {
		for i, it := range items {
			if refuse.Load() && strings.HasSuffix(string(it.Payload), "7") {
				return &sink.Rejected{Index: []int{i}, Reason: errors.New("400 bad event")}
			}
		}
		return nil
	}
	d := start(t, t.TempDir(), map[string]sink.Sink{"out": out})
	defer d.end()
	for i := range 40 { // one by one: this receiver names one event of a batch
		d.send(numbered(i, 1)...)
		d.eventually("taken or refused", func(st control.Status) bool {
			return laneOf(st, "out").Received == uint64(i+1) && len(out.taken())+len(d.allLetters(t)) == i+1
		})
	}
	out.confirm(36)
	d.eventually("dead", func(st control.Status) bool { return laneOf(st, "out").Dead == 4 && laneOf(st, "out").Waiting == 0 })
	refuse.Store(false)

	done := make(chan error, 1)
	var got steps
	go func() {
		done <- d.RetryDead(t.Context(), control.Retry{DeadFilter: control.DeadFilter{Sink: "out"}, Yes: true}, &got)
	}()
	d.eventually("sent", func(control.Status) bool { return len(out.taken()) == 40 })
	assert.Len(t, d.allLetters(t), 4, "nothing is confirmed")
	out.confirm(37)
	d.eventually("one is confirmed", func(control.Status) bool { return len(d.allLetters(t)) == 3 })
	out.lose("connection reset by peer")
	d.eventually("sent again", func(control.Status) bool { return len(out.taken()) == 40 })
	assert.Len(t, d.allLetters(t), 3)
	out.confirm(3)
	select {
	case err := <-done:
		require.NoError(t, err)
	case <-time.After(15 * time.Second):
		t.Fatal("the retry goes on")
	}
	assert.Equal(t, control.RetryStep{Total: 4, Sent: 4}, got.last())
	assert.ElementsMatch(t, numbered(0, 40), out.taken())
	st := d.eventually("delivered", func(st control.Status) bool { return laneOf(st, "out").Dead == 0 })
	assert.EqualValues(t, 40, laneOf(st, "out").Delivered)
}

// A receiver that never confirms ends the retry, not the letters.
func TestRetryGivesUpOnSessionsThatEnd(t *testing.T) {
	out := newLate()
	d := start(t, t.TempDir(), map[string]sink.Sink{"out": out})
	defer d.end()
	require.NoError(t, d.dead.Add(t.Context(), deadletter.Letter{Source: "in", Sink: "out", Raw: []byte("x")}))
	stop := make(chan struct{})
	var breaker sync.WaitGroup
	breaker.Go(func() {
		for {
			select {
			case <-out.sent:
				out.lose("closed by peer")
			case <-stop:
				return
			}
		}
	})
	_, err := d.retrying(control.DeadFilter{Sink: "out"})
	close(stop)
	breaker.Wait()
	require.ErrorIs(t, err, control.ErrSinkDown)
	assert.ErrorContains(t, err, "the receiver confirms nothing")
	assert.Len(t, d.allLetters(t), 1)
}

// A stop of the forwarder, and of the one who asked, ends a retry whose sink hangs.
func TestRetryEndsWithTheForwarder(t *testing.T) {
	hang := &hanging{entered: make(chan struct{}, 100)}
	d := start(t, t.TempDir(), map[string]sink.Sink{"hang": hang})
	for range 3 {
		require.NoError(t, d.dead.Add(t.Context(), deadletter.Letter{Source: "in", Sink: "hang", Raw: []byte("x")}))
	}
	done := make(chan error, 1)
	var got steps
	go func() {
		done <- d.RetryDead(t.Context(), control.Retry{DeadFilter: control.DeadFilter{Sink: "hang"}, Yes: true}, &got)
	}()
	<-hang.entered
	var second steps
	err := d.RetryDead(t.Context(), control.Retry{DeadFilter: control.DeadFilter{Sink: "hang"}, Yes: true}, &second)
	assert.ErrorContains(t, err, "another retry is under way")
	d.end()
	assert.Error(t, <-done)
	assert.EqualValues(t, 3, got.last().Left)
}

// killer is a sink that keeps, of the end of each of its Sends, what the disk would be after
// a kill and after a power cut: the receiver has the events and nobody knows.
type killer struct {
	*script
	fs *faultfs.FS

	mu   sync.Mutex
	cuts []*faultfs.FS
	had  [][]string // what the receiver had by each
}

func (p *killer) Send(ctx context.Context, items []sink.Item) error {
	err := p.script.Send(ctx, items)
	p.mu.Lock()
	defer p.mu.Unlock()
	n := uint64(len(p.cuts))
	p.cuts = append(p.cuts, p.fs.Clone(), p.fs.Clone().Crash(rand.New(rand.NewPCG(n, n))))
	p.had = append(p.had, p.script.taken(), p.script.taken())
	return err
}

// onDisk starts a forwarder whose logs are on fs.
func onDisk(t *testing.T, dir string, fs *faultfs.FS, out sink.Sink) *daemon {
	t.Helper()
	path := filepath.Join(dir, "siemfwd.yaml")
	require.NoError(t, os.WriteFile(path, []byte("state: "+dir+`
control: ""
http: {listen: ""}
shutdown_grace: 2s
sources:
  in: {type: syslog, vendor: text, listen: ["tcp://127.0.0.1:0"]}
sinks:
  out: {type: stdout, format: raw}
`), 0o600))
	cfg, problems := Load(path, Strict)
	require.NoError(t, problems.Err())
	f, err := New(cfg, Options{Sinks: map[string]sink.Sink{"out": out}, FS: fs})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	d := &daemon{Forwarder: f, t: t, stop: stop, done: make(chan error, 1)}
	ready := make(chan struct{})
	go func() { d.done <- f.Run(ctx, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-d.done:
		t.Fatalf("the forwarder ended: %v", err)
	}
	return d
}

// Killed after the receiver has the letters and before they are removed, the forwarder
// sends them again: a duplicate, never a loss.
func TestRetryKilledBeforeTheRemoval(t *testing.T) {
	dir, fs := t.TempDir(), faultfs.New()
	refusing := newPicky(true, "3")
	d := onDisk(t, dir, fs, refusing)
	d.send(numbered(0, 100)...)
	d.eventually("dead", func(st control.Status) bool { return laneOf(st, "out").Dead == 10 && laneOf(st, "out").Waiting == 0 })
	d.end()
	var want []string
	for _, l := range numbered(0, 100) {
		if strings.HasSuffix(l, "3") {
			want = append(want, l)
		}
	}

	p := &killer{script: &script{}, fs: fs}
	d = onDisk(t, dir, fs, p)
	_, err := d.retrying(control.DeadFilter{IDs: []uint64{1, 2, 3}})
	require.NoError(t, err)
	_, err = d.retrying(control.DeadFilter{Sink: "out"})
	require.NoError(t, err)
	d.end()
	assert.Equal(t, want, p.script.taken(), "without a kill each comes once")
	require.Len(t, p.cuts, 4)
	for i, cut := range p.cuts {
		again := &script{}
		d := onDisk(t, dir, cut, again)
		require.NotEmpty(t, d.allLetters(t))
		step, err := d.retrying(control.DeadFilter{Sink: "out"})
		require.NoError(t, err)
		assert.EqualValues(t, step.Total, step.Sent)
		for _, l := range d.Status().Lanes {
			require.Zero(t, l.Balance(), "%+v", l)
		}
		assert.Empty(t, d.allLetters(t))
		d.end()
		assert.Subset(t, append(p.had[i], again.taken()...), want, "nothing is lost")
		assert.Len(t, append(p.had[i], again.taken()...), len(want)+[]int{3, 3, 7, 7}[i], "and what was in hand comes twice")
	}
}

// Retrying, listing and clearing while events come, die and are delivered: the numbers add
// up at every look, and every event is delivered once, dead, or was thrown away.
func TestRetryUnderTraffic(t *testing.T) {
	out := &script{}
	var moody atomic.Uint64
	out.answer = func(_ int, items []sink.Item) error {
		var index []int
		for i := range items {
			if moody.Add(1)%7 == 0 {
				index = append(index, i)
			}
		}
		if index == nil {
			return nil
		}
		return &sink.Rejected{Index: index, Reason: errors.New("not now")}
	}
	d := start(t, t.TempDir(), map[string]sink.Sink{"out": out})
	defer d.end()
	const rounds, each = 150, 40
	stop := make(chan struct{})
	var traffic, tools sync.WaitGroup
	traffic.Go(func() {
		s := d.source("in")
		for i := range rounds {
			var b event.Batch
			for _, l := range numbered(i*each, each) {
				b.Add(event.Raw{Data: []byte(l), Time: time.Now()})
			}
			if !assert.NoError(t, s.Emit(context.Background(), &b)) {
				return
			}
		}
	})
	again := func(do func()) {
		tools.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					do()
				}
			}
		})
	}
	var sent, cleared uint64
	again(func() {
		step, err := d.retrying(control.DeadFilter{Sink: "out"})
		assert.NoError(t, err)
		sent += step.Sent
	})
	again(func() {
		_, err := d.DeadGroups(context.Background(), control.DeadFilter{})
		assert.NoError(t, err)
		for _, l := range d.Status().Lanes {
			assert.Zero(t, l.Balance(), "%+v", l)
		}
	})
	again(func() {
		list, err := d.DeadGroups(context.Background(), control.DeadFilter{})
		if assert.NoError(t, err) && len(list) > 0 {
			n, err := d.ClearDead(context.Background(), control.ClearDead{DeadFilter: control.DeadFilter{IDs: []uint64{list[0].FirstID}}, Yes: true})
			assert.NoError(t, err)
			cleared += n.Letters
		}
	})
	traffic.Wait()
	d.eventually("settled", func(st control.Status) bool {
		return laneOf(st, "out").Received == rounds*each && laneOf(st, "out").Waiting == 0
	})
	close(stop)
	tools.Wait()
	seen := map[string]bool{}
	for _, l := range out.taken() {
		assert.False(t, seen[l], "%s came twice", l)
		seen[l] = true
	}
	letters := d.allLetters(t)
	for _, l := range letters {
		assert.False(t, seen[string(l.Raw)], "%s is delivered and a letter", l.Raw)
	}
	lane := laneOf(d.Status(), "out")
	assert.Zero(t, lane.Balance())
	assert.EqualValues(t, len(seen), lane.Delivered)
	assert.NotZero(t, sent)
	assert.LessOrEqual(t, uint64(len(letters)), lane.Dead)
	t.Logf("%d sent again, %d cleared, %d letters left", sent, cleared, len(letters))
}

// A letter is rendered with all that a lane has: also when the sink's max_size shortens it.
func TestARetriedLetterMayBeShortened(t *testing.T) {
	out := newPicky(true, "adTruncated=true")
	d := startWith(t, t.TempDir(), "format: cef, max_size: 300B", map[string]sink.Sink{"out": out})
	defer d.end()
	d.send(strings.Repeat("long ", 150))
	d.eventually("dead", func(st control.Status) bool { return laneOf(st, "out").Dead == 1 })
	out.cured.Store(true)
	last, err := d.retrying(control.DeadFilter{Sink: "out"})
	require.NoError(t, err)
	assert.EqualValues(t, 1, last.Sent, "%+v %+v", last, d.allLetters(t))
	require.Len(t, out.taken(), 1)
	assert.LessOrEqual(t, len(out.taken()[0]), 300)
}
