package forwarder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/control"
	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/sink"
	"github.com/siemfwd/siemfwd/forwarder/spool"
	"github.com/siemfwd/siemfwd/forwarder/spool/faultfs"
	"github.com/siemfwd/siemfwd/parsers"
)

// replayRun is a replay asked for through the control socket.
type replayRun struct {
	t    *testing.T
	stop context.CancelFunc
	done chan error

	mu    sync.Mutex
	steps []control.Replayed
}

func (d *daemon) replay(ask control.Replay) *replayRun {
	d.t.Helper()
	if ask.Source == "" {
		ask.Source = "in"
	}
	if ask.Sink == "" {
		ask.Sink = "out"
	}
	if ask.Since.IsZero() {
		ask.Since = time.Now().Add(-time.Hour)
	}
	if ask.Words == "" {
		ask.Words = "in to out"
	}
	ctx, stop := context.WithCancel(context.Background())
	d.t.Cleanup(stop)
	r := &replayRun{t: d.t, stop: stop, done: make(chan error, 1)}
	client := control.NewClient(d.cfg.Control)
	go func() {
		r.done <- client.Replay(ctx, ask, func(l control.Replayed) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.steps = append(r.steps, l)
			return nil
		})
	}()
	return r
}

// end waits for the end and returns the last step.
func (r *replayRun) end() (control.Replayed, error) {
	r.t.Helper()
	select {
	case err := <-r.done:
		r.mu.Lock()
		defer r.mu.Unlock()
		last := control.Replayed{}
		for _, s := range r.steps {
			if s.ID == "" {
				continue
			}
			last = s
			require.Equal(r.t, s.Read, s.Sent+s.LeftOut+s.Dead+s.Gone, "%+v", s)
		}
		return last, err
	case <-time.After(60 * time.Second):
		r.t.Fatal("the replay has not ended after a minute")
		return control.Replayed{}, nil
	}
}

// all waits for the end of a replay that sends everything.
func (r *replayRun) all() control.Replayed {
	r.t.Helper()
	last, err := r.end()
	require.NoError(r.t, err)
	require.True(r.t, last.Done)
	return last
}

func (r *replayRun) until(what string, want func(control.Replayed) bool) {
	r.t.Helper()
	require.Eventually(r.t, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.done) > 0 || slices.ContainsFunc(r.steps, want)
	}, 15*time.Second, time.Millisecond, what)
	if len(r.done) > 0 {
		err := <-r.done
		r.done <- err
		require.True(r.t, slices.ContainsFunc(r.steps, want), "%s: it has ended: %v", what, err)
	}
}

// idle waits until no replay runs.
func (d *daemon) idle() {
	d.t.Helper()
	require.Eventually(d.t, func() bool {
		d.jobs.mu.Lock()
		defer d.jobs.mu.Unlock()
		return len(d.jobs.running) == 0
	}, 15*time.Second, time.Millisecond)
}

const marked = `"replay":"`

// split parts what a sink of format json took into live events and those of replays.
func split(took []string) (live, again []string) {
	for _, s := range took {
		_, rest, _ := strings.Cut(s, `"message":"`)
		message, _, _ := strings.Cut(rest, `"`)
		if strings.Contains(s, marked) {
			again = append(again, message)
		} else {
			live = append(live, message)
		}
	}
	return live, again
}

// startReplay runs a forwarder whose sink has taken n lines.
func startReplay(t *testing.T, dir string, out sink.Sink, n int) *daemon {
	t.Helper()
	d := startWith(t, dir, "format: json", map[string]sink.Sink{"out": out})
	if n > 0 {
		d.send(numbered(0, n)...)
		d.eventually("delivered", func(st control.Status) bool { return laneOf(st, "out").Delivered == uint64(n) })
	}
	return d
}

func TestAReplaySendsEverythingAgainMarked(t *testing.T) {
	out := &script{}
	d := startReplay(t, t.TempDir(), out, 5000)
	defer d.end()
	last := d.replay(control.Replay{}).all()
	assert.EqualValues(t, 5000, last.Sent)
	assert.EqualValues(t, 5000, last.Total)
	live, again := split(out.taken())
	assert.Equal(t, numbered(0, 5000), live)
	assert.Equal(t, numbered(0, 5000), again)
	for _, s := range out.taken()[5000:] {
		require.Contains(t, s, marked+last.ID+`"`)
	}
	uid := func(s string) string { return s[:80] }
	assert.Equal(t, uid(out.taken()[17]), uid(out.taken()[5017]), "it is the same event")

	st := d.Status()
	assert.EqualValues(t, 5000, laneOf(st, "out").Delivered, "the accounting is of what comes in")
	assert.EqualValues(t, 5000, laneOf(st, "out").Replayed)

	same := d.replay(control.Replay{}).all()
	assert.True(t, same.Already)
	assert.Len(t, out.taken(), 10000, "the same words are done")
	d.replay(control.Replay{Again: true}).all()
	assert.Len(t, out.taken(), 15000)
}

func TestAReplayThatIsStoppedGoesOnAndSendsEachOnce(t *testing.T) {
	dir := t.TempDir()
	const n = 3000
	first := startReplay(t, dir, &script{}, n)
	first.end()

	out := &script{}
	begun := make(chan func(), 1) // the stop of each
	stop := func() {}
	out.answer = func(calls int, _ []sink.Item) error {
		select {
		case stop = <-begun:
		default:
		}
		if calls%3 == 0 {
			stop() // in the middle of a Send, which is then taken
		}
		return nil
	}
	d := startReplay(t, dir, out, 0)
	var id string
	for rounds := 0; ; rounds++ {
		require.Less(t, rounds, 20)
		r := d.replay(control.Replay{Rate: 2000}) // batches of 100
		begun <- r.stop
		_, err := r.end()
		d.idle()
		if id != "" {
			assert.True(t, r.steps[0].Resumed)
			assert.Equal(t, id, r.steps[0].ID)
		}
		id = r.steps[0].ID
		if err == nil {
			break
		}
		if rounds == 1 { // it outlives the forwarder, too
			d.end()
			d = startReplay(t, dir, out, 0)
		}
	}
	d.end()
	live, again := split(out.taken())
	assert.Empty(t, live)
	assert.Equal(t, numbered(0, n), again, "each once, in order")
}

func TestAReplayWaitsForASinkThatIsDown(t *testing.T) {
	out := &script{}
	d := startReplay(t, t.TempDir(), out, 500)
	defer d.end()
	out.mu.Lock()
	down := true
	out.answer = func(int, []sink.Item) error {
		if down {
			return errors.New("connection refused")
		}
		return nil
	}
	out.mu.Unlock()
	r := d.replay(control.Replay{})
	r.until("paused", func(l control.Replayed) bool { return l.Paused == "out is down: connection refused" })
	out.mu.Lock()
	down = false
	out.mu.Unlock()
	last := r.all()
	assert.EqualValues(t, 500, last.Sent)
	assert.Empty(t, last.Paused)
}

func TestWhatASinkRefusesInAReplayIsADeadLetter(t *testing.T) {
	out := &script{}
	d := startReplay(t, t.TempDir(), out, 1000)
	defer d.end()
	out.mu.Lock()
	out.answer = func(_ int, items []sink.Item) error {
		for i, it := range items {
			if strings.Contains(string(it.Payload), "event 00617") {
				return &sink.Rejected{Index: []int{i}, Reason: errors.New("400 bad event")}
			}
		}
		return nil
	}
	out.mu.Unlock()
	last := d.replay(control.Replay{}).all()
	assert.EqualValues(t, 999, last.Sent)
	assert.EqualValues(t, 1, last.Dead)
	n := 0
	for l, err := range d.dead.All(time.Time{}) {
		require.NoError(t, err)
		n++
		assert.Equal(t, last.ID, l.Replay)
		assert.Equal(t, "event 00617", string(l.Raw))
		assert.EqualValues(t, 618, l.Index)
	}
	assert.Equal(t, 1, n)
	assert.Zero(t, laneOf(d.Status(), "out").Dead, "the accounting is of what comes in")

	uid := d.uids("in")
	e := d.trace(control.Trace{UID: uid["event 00617"]}).events[0]
	assert.Equal(t, []string{"delivered", "dead: in replay " + last.ID + ": 400 bad event"}, told(e, "out"))
	e = d.trace(control.Trace{UID: uid["event 00618"]}).events[0]
	assert.Equal(t, []string{"delivered", "replayed: by replay " + last.ID}, told(e, "out"))
	hop := e.Hops[len(e.Hops)-1]
	assert.False(t, hop.To.IsZero() || hop.To.Before(hop.From))
}

func TestAReplayTakesWhatItsConditionsAndTheSinksHold(t *testing.T) {
	high, kept := &script{}, &script{}
	d := startYAML(t, t.TempDir(), tapConfig, map[string]sink.Sink{"high": high, "kept": kept})
	defer d.end()
	var lines []string
	for i := range 1000 {
		lines = append(lines, fmt.Sprintf("n=%d severity=%d user=u%d", i, i%10, i%3))
	}
	d.send(lines...)
	d.eventually("settled", func(st control.Status) bool { return laneOf(st, "high").Delivered == 600 })
	last := d.replay(control.Replay{Sink: "high", When: "user.name = u1"}).all()
	assert.EqualValues(t, 200, last.Sent)
	assert.EqualValues(t, 800, last.LeftOut)

	// Only those of a time.
	all := d.tap(control.Tap{Since: time.Now().Add(-time.Hour), Until: time.Now()}).all()
	from, to := all[100].Received, all[700].Received
	want := uint64(0)
	for _, l := range all {
		if !l.Received.Before(from) && l.Received.Before(to) && l.Severity >= 4 {
			want++
		}
	}
	last = d.replay(control.Replay{Sink: "high", Since: from, Until: to, Words: "some"}).all()
	assert.Equal(t, want, last.Sent)

	for text, ask := range map[string]control.Replay{
		`there is no source "nobody"`:         {Source: "nobody"},
		`there is no sink "nothing"`:          {Sink: "nothing"},
		"high does not read other, by from: ": {Source: "other", Sink: "high"},
		`unknown field "severty"`:             {Sink: "high", When: "severty > 3", Words: "x"},
	} {
		_, err := d.replay(ask).end()
		assert.ErrorContains(t, err, text)
	}
	nothing := d.replay(control.Replay{Source: "other", Sink: "kept", Words: "nothing"}).all()
	assert.Zero(t, nothing.Total)
	assert.False(t, nothing.Already)
	assert.Equal(t, "nothing is kept of other", nothing.Note)
}

// gated is a sink that takes each Send when the test lets it.
type gated struct {
	turn chan struct{}
	took chan []string
}

func (g *gated) Send(ctx context.Context, items []sink.Item) error {
	select {
	case <-g.turn:
	case <-ctx.Done():
		return ctx.Err()
	}
	var texts []string
	for _, it := range items {
		texts = append(texts, string(it.Payload))
	}
	g.took <- texts
	return nil
}

func (g *gated) Close() error { return nil }

func TestAReplayTakesTurnsWithTheLiveLane(t *testing.T) {
	dir := t.TempDir()
	first := startReplay(t, dir, &script{}, 5000)
	first.end()
	g := &gated{turn: make(chan struct{}), took: make(chan []string, 100)}
	d := startReplay(t, dir, g, 0)
	r := d.replay(control.Replay{})
	g.turn <- struct{}{}
	batch := <-g.took
	assert.LessOrEqual(t, len(batch), replayBatch)
	live := []string{"live one", "live two"}
	d.send(live...)
	d.eventually("both want their turn", func(st control.Status) bool { return laneOf(st, "out").Waiting == 2 })
	before := 0
	for ; before < 10; before++ {
		g.turn <- struct{}{}
		if got, _ := split(<-g.took); len(got) > 0 {
			break
		}
	}
	assert.Less(t, before, 4, "batches of the replay went before what came in")
	over, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		for {
			select {
			case g.turn <- struct{}{}:
				<-g.took
			case <-over:
				return
			}
		}
	}()
	assert.EqualValues(t, 5000, r.all().Sent)
	d.eventually("live ones, too", func(st control.Status) bool { return laneOf(st, "out").Delivered == 2 })
	d.end()
	close(over)
	<-gone
}

func TestAReplayToAConfirmerIsDoneWhenEverythingIsConfirmed(t *testing.T) {
	dir := t.TempDir()
	first := startReplay(t, dir, &script{}, 2000)
	first.end()
	out := newLate()
	d := startReplay(t, dir, out, 0)
	defer d.end()
	r := d.replay(control.Replay{})
	require.Eventually(t, func() bool { return len(out.taken()) == 2000 }, 15*time.Second, time.Millisecond)
	out.confirm(617)
	r.until("some confirmed", func(l control.Replayed) bool { return l.Sent == 617 })
	out.lose("connection reset by peer")
	require.Eventually(t, func() bool { return len(out.taken()) == 2000 }, 15*time.Second, time.Millisecond, "the rest again")
	r.mu.Lock()
	assert.False(t, r.steps[len(r.steps)-1].Done)
	r.mu.Unlock()
	p := out.Progress()
	out.confirm(p.Taken)
	assert.EqualValues(t, 2000, r.all().Sent)
	_, again := split(out.taken())
	assert.Equal(t, numbered(0, 2000), again)
	assert.EqualValues(t, 1, d.sinks[0].lanes.Load(), "the replay has left its sink")

	// Stopped with some unconfirmed: they are confirmed while it leaves, or sent again.
	r = d.replay(control.Replay{Words: "second"})
	require.Eventually(t, func() bool { return len(out.taken()) == 4000 }, 15*time.Second, time.Millisecond)
	base := out.Progress().Confirmed
	out.confirm(base + 500)
	r.until("500", func(l control.Replayed) bool { return l.Sent == 500 })
	d.jobs.mu.Lock()
	d.jobs.patience = time.Millisecond
	d.jobs.mu.Unlock()
	r.stop()
	<-r.done
	d.idle()
	out.lose("connection reset by peer")
	r = d.replay(control.Replay{Words: "second"})
	require.Eventually(t, func() bool { return len(out.taken()) == 4000 }, 15*time.Second, time.Millisecond)
	out.confirm(out.Progress().Taken)
	assert.EqualValues(t, 2000, r.all().Sent)
	_, again = split(out.taken())
	assert.Equal(t, slices.Concat(numbered(0, 2000), numbered(0, 2000)), again)
}

func TestAReplayEndsWithTheForwarderAndOnlyOnceAtATime(t *testing.T) {
	dir := t.TempDir()
	first := startReplay(t, dir, &script{}, 10)
	first.end()
	hang := &hanging{entered: make(chan struct{}, 10)}
	d := startReplay(t, dir, hang, 0)
	r := d.replay(control.Replay{})
	<-hang.entered
	_, err := d.replay(control.Replay{}).end()
	assert.ErrorContains(t, err, "is running already")
	_, err = d.replay(control.Replay{Again: true}).end()
	assert.ErrorContains(t, err, "is running already")
	d.end()
	_, err = r.end()
	assert.Error(t, err)
	_, err = d.newReplay(control.Replay{Source: "in", Sink: "out", Words: "in to out"})
	require.NoError(t, err)
	assert.ErrorIs(t, d.jobs.start(context.Background(), "x", nil), errStops)
}

func TestAReplaySaysWhatRetentionRemoved(t *testing.T) {
	d := startYAML(t, t.TempDir(), `sources: {in: {type: syslog, vendor: text, listen: ["tcp://127.0.0.1:0"], keep: 0s, spool: 64KiB}}
sinks: {out: {type: stdout, format: json, raw: false}}
`, map[string]sink.Sink{"out": &script{}})
	defer d.end()
	long := strings.Repeat("x", 1000)
	for i := range 40 {
		d.send(long, long, long, long, long, long, long, long, long, long)
		d.eventually("delivered", func(st control.Status) bool { return laneOf(st, "out").Delivered == uint64(10*(i+1)) })
	}
	require.Eventually(t, func() bool { return d.sources[0].spool.Stats().First > 1 }, 15*time.Second, time.Millisecond)
	r := d.replay(control.Replay{})
	last := r.all()
	assert.Contains(t, r.steps[0].Note, "the oldest event kept of in is of ")
	assert.Less(t, last.Sent, uint64(400))
	assert.Equal(t, last.Total, last.Sent+last.Gone)
}

// reading is a reader of a replay of n events, outside of any forwarder.
func reading(t *testing.T, s *spool.Spool, n uint64) *replayReader {
	t.Helper()
	v, _ := parsers.ByName("text")
	r := newReplayReader(s, 1, n+1)
	r.until = time.Now().Add(time.Hour)
	r.lane = &lane{source: &sourceState{intake: &intake{name: "in"}}, vendor: v}
	return r
}

// A rate is a rate, whatever is left out on the way.
func TestAReplayKeepsItsRate(t *testing.T) {
	for _, perSecond := range []float64{1, 7, 500, 20000} {
		synctest.Test(t, func(t *testing.T) {
			s, err := spool.Open("s", spool.Options{FS: faultfs.New()})
			require.NoError(t, err)
			defer s.Close()
			var b event.Batch
			n := int(10 * perSecond)
			for i := range n {
				b.Add(event.Raw{Data: []byte("event"), Time: time.Now()})
				if i%3 == 0 {
					b.Add(event.Raw{Data: []byte("left out"), Time: time.Now().Add(-time.Hour)})
				}
			}
			require.NoError(t, s.Emit(context.Background(), &b))
			r := reading(t, s, uint64(b.Len()))
			defer func() { r.Close() }()
			r.since = time.Now().Add(-time.Minute)
			r.pace(perSecond)
			began, sent := time.Now(), 0
			var run spool.Run
			for {
				err := r.NextOr(context.Background(), &run, spool.Limits{Events: runEvents, Bytes: runBytes}, nil)
				if errors.Is(err, errReplayed) {
					break
				}
				require.NoError(t, err)
				sent += len(run.Entries)
				require.LessOrEqual(t, len(run.Entries), replayBatch)
				burst := float64(r.limiter.Burst())
				require.LessOrEqual(t, float64(sent), perSecond*time.Since(began).Seconds()+burst+1)
				require.NoError(t, r.Commit(run.Entries[len(run.Entries)-1].Pos))
			}
			assert.Equal(t, n, sent)
			took := time.Since(began).Seconds()
			assert.InDelta(t, 10, took, 2.5, "at %v/s", perSecond)
		})
	}
}

func TestReplaysThatCannotBeReadStopNothing(t *testing.T) {
	dir := replayFolder(t.TempDir())
	good := replayState{ID: "20261120T101112Z", Words: "w", Source: "in", Sink: "out", First: 5, Next: 9, End: 20, Sent: 3, Dead: 1, Started: time.Now()}
	require.NoError(t, dir.save(good))
	for name, text := range map[string]string{
		"a": "", "b": "{", "c": `{"id":"c"}`, "d": `{"id":"x","source":"in","sink":"out"}`,
		"e": `{"id":"e","source":"in","sink":"out","first":9,"next":5,"end":20}`,
		"f": `{"id":"f","source":"in","sink":"out","first":5,"next":6,"end":20,"sent":18446744073709551615}`,
	} {
		require.NoError(t, os.WriteFile(dir.path(name), []byte(text), 0o600))
	}
	require.NoError(t, os.Mkdir(dir.path("folder"), 0o700))
	all := dir.all(slog.New(slog.DiscardHandler))
	require.Len(t, all, 1)
	assert.Equal(t, good.Next, all[0].Next)
	got, ok := dir.find("w", slog.New(slog.DiscardHandler))
	require.True(t, ok)
	assert.Equal(t, good.ID, got.ID)
	_, ok = dir.find("nothing like it", slog.New(slog.DiscardHandler))
	assert.False(t, ok)

	for i := range 2 * mostReplays {
		st := good
		st.ID, st.Done, st.Started = fmt.Sprintf("done-%03d", i), true, good.Started.Add(-time.Duration(i+1)*time.Hour)
		require.NoError(t, dir.save(st))
	}
	dir.tidy(slog.New(slog.DiscardHandler))
	all = dir.all(slog.New(slog.DiscardHandler))
	assert.Len(t, all, mostReplays)
	assert.Equal(t, good.ID, all[len(all)-1].ID, "what is not done stays")
	assert.NotEqual(t, dir.name(time.Now()), good.ID)
	at := time.Date(2026, 11, 20, 10, 11, 12, 0, time.UTC)
	assert.Equal(t, "20261120T101112Z-2", dir.name(at))
}

func FuzzReplayState(f *testing.F) {
	f.Add([]byte(`{"id":"a","source":"in","sink":"out","first":1,"next":2,"end":3,"sent":1}`))
	f.Add([]byte(`{"id":"a","source":"in","sink":"out","first":1,"next":2,"end":18446744073709551615,"sent":18446744073709551615,"dead":2}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		st, err := parseReplay(b)
		if err != nil {
			return
		}
		if st.First > st.Next || st.Next > st.End || st.Sent > st.Next-st.First || st.Dead > st.Next-st.First || st.Gone > st.Next-st.First {
			t.Fatalf("%+v", st)
		}
	})
}

// A replay reads an event as its live lane does: with the rules of its source.
func TestAReplayFollowsTheRulesOfItsSource(t *testing.T) {
	out := &script{}
	d := startYAML(t, t.TempDir(), `sources:
  in: {type: syslog, vendor: kv, listen: ["tcp://127.0.0.1:0"], severity: [{set: 9, when: [fields.kind = door]}]}
sinks:
  out: {type: stdout, when: [severity >= 9]}
`, map[string]sink.Sink{"out": out})
	defer d.end()
	d.send("kind=door severity=1", "kind=other severity=1")
	d.eventually("settled", func(st control.Status) bool {
		return laneOf(st, "out").Delivered == 1 && laneOf(st, "out").Filtered == 1
	})
	last := d.replay(control.Replay{}).all()
	assert.EqualValues(t, 1, last.Sent)
	took := out.taken()
	require.Len(t, took, 2)
	assert.Contains(t, took[1], `"severity":9`)
	assert.Contains(t, took[1], marked)
}

func TestASinkCanLeaveOutReplays(t *testing.T) {
	out := &script{}
	d := startWith(t, t.TempDir(), "format: json, drop: [[replay exists]]", map[string]sink.Sink{"out": out})
	defer d.end()
	d.send(numbered(0, 600)...)
	d.eventually("delivered", func(st control.Status) bool { return laneOf(st, "out").Delivered == 600 })
	last := d.replay(control.Replay{}).all()
	assert.Zero(t, last.Sent)
	assert.EqualValues(t, 600, last.LeftOut)
	assert.Len(t, out.taken(), 600)
}
