package forwarder

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/control"
	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/sink"
	"github.com/siemfwd/siemfwd/forwarder/spool"
	"github.com/siemfwd/siemfwd/parsers"
)

// watch is a tap through the control socket of a running daemon.
type watch struct {
	t      *testing.T
	cancel func()
	done   chan error
	begun  chan struct{} // closed with the first note

	mu    sync.Mutex
	notes []string
	lines []control.Tapped
}

func (d *daemon) tap(ask control.Tap) *watch {
	d.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	w := &watch{t: d.t, cancel: cancel, done: make(chan error, 1), begun: make(chan struct{})}
	client := control.NewClient(d.cfg.Control)
	go func() {
		w.done <- client.Tap(ctx, ask, func(l control.Tapped) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			if l.Note == "" {
				w.lines = append(w.lines, l)
				return nil
			}
			if len(w.notes) == 0 {
				close(w.begun)
			}
			w.notes = append(w.notes, l.Note)
			return nil
		})
	}()
	d.t.Cleanup(cancel)
	return w
}

// on waits until the tap is.
func (w *watch) on() *watch {
	w.t.Helper()
	select {
	case <-w.begun:
	case err := <-w.done:
		w.t.Fatalf("the tap ended: %v", err)
	case <-time.After(15 * time.Second):
		w.t.Fatal("no tap after 15 s")
	}
	return w
}

// all waits for the end of the tap and returns what it showed.
func (w *watch) all() []control.Tapped {
	w.t.Helper()
	select {
	case err := <-w.done:
		require.NoError(w.t, err)
	case <-time.After(60 * time.Second):
		w.t.Fatal("the tap has not ended after a minute")
	}
	return w.lines
}

func outs(lines []control.Tapped) (texts []string) {
	for _, l := range lines {
		texts = append(texts, string(l.Out))
	}
	return texts
}

// startYAML runs a forwarder with sources and sinks of the test's own; the sinks are
// replaced by those given.
func startYAML(t *testing.T, dir, yaml string, sinks map[string]sink.Sink) *daemon {
	t.Helper()
	path := filepath.Join(dir, "siemfwd.yaml")
	text := fmt.Sprintf("state: %s\nhttp: {listen: \"\"}\nshutdown_grace: 2s\n%s", filepath.Join(dir, "state"), yaml)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return startFile(t, path, sinks)
}

func TestTapUnderLoadShowsEverythingOnce(t *testing.T) {
	out := &script{}
	d := start(t, t.TempDir(), map[string]sink.Sink{"out": out})
	defer d.end()
	const senders, each = 8, 2500
	w := d.tap(control.Tap{Raw: true, Count: senders * each}).on()
	late := d.tap(control.Tap{Raw: true, Since: time.Now().Add(-time.Hour), Count: senders * each})
	var all sync.WaitGroup
	for i := range senders {
		all.Go(func() { d.send(numbered(i*each, each)...) })
	}
	all.Wait()
	got := outs(w.all())
	require.Equal(t, numbered(0, senders*each), slices.Sorted(slices.Values(got)), "events missing or shown twice")
	assert.Equal(t, got, outs(late.all()), "what looks back sees the same, in the same order")
	d.eventually("delivered", func(st control.Status) bool { return laneOf(st, "out").Delivered == senders*each })
	assert.Equal(t, got, out.taken(), "in the order of delivery")
}

// stuck is a reader that never comes for the second line.
type stuck struct {
	puts chan struct{}
	free chan struct{}
}

func (s *stuck) Put(control.Tapped) error {
	select {
	case s.puts <- struct{}{}:
		return nil
	case <-s.free:
		return errors.New("gone")
	}
}

func (s *stuck) Flush() error { return nil }

func TestATapThatIsNotReadHoldsNobodyUp(t *testing.T) {
	out := &script{}
	d := start(t, t.TempDir(), map[string]sink.Sink{"out": out})
	defer d.end()
	s := &stuck{puts: make(chan struct{}, 1), free: make(chan struct{})}
	done := make(chan error, 1)
	go func() { done <- d.Tap(context.Background(), control.Tap{}, s) }()
	require.Eventually(t, func() bool { return len(s.puts) == 1 }, 15*time.Second, time.Millisecond)
	d.send(numbered(0, 3000)...)
	d.eventually("delivered", func(st control.Status) bool { return laneOf(st, "out").Delivered == 3000 })
	close(s.free)
	assert.ErrorContains(t, <-done, "gone")
}

const tapConfig = `sources:
  in: {type: syslog, vendor: kv, listen: ["tcp://127.0.0.1:0"]}
  other: {type: syslog, vendor: text, listen: ["tcp://127.0.0.1:0"]}
sinks:
  high:
    type: stdout
    from: [in]
    when:
      - severity >= 4
      - user.name != root
  kept:
    type: stdout
    format: cef
    drop:
      - [fields.kind = noise]
      - [source = in, fields.kind = debug]
`

func TestTapTellsWhatASinkDoesNotGetAndWhichLineSaysSo(t *testing.T) {
	d := startYAML(t, t.TempDir(), tapConfig, map[string]sink.Sink{"high": &script{}, "kept": &script{}})
	defer d.end()
	d.send("kind=noise severity=7", "kind=debug severity=1", "kind=login severity=9 user=ann")
	d.eventually("received", func(st control.Status) bool { return st.Sources[0].Received == 3 })
	d.sendTo("other", "hello")
	d.eventually("received", func(st control.Status) bool { return st.Sources[0].Received == 3 && st.Sources[1].Received == 1 })
	since := time.Now().Add(-time.Hour)

	var got []string
	for _, l := range d.tap(control.Tap{Dropped: true, Since: since, Until: time.Now()}).all() {
		got = append(got, fmt.Sprintf("%s %d not to %s: %s (%s)", l.Source, l.Position, l.Sink, l.Reason, filepath.Base(l.Line)))
	}
	assert.Equal(t, []string{
		"in 1 not to kept: dropped by [fields.kind = noise] (siemfwd.yaml:18:10)",
		"in 2 not to high: severity >= 4 does not hold: it is 1 informational (siemfwd.yaml:12:9)",
		"in 2 not to kept: dropped by [source = in, fields.kind = debug] (siemfwd.yaml:19:10)",
		"other 1 not to high: from does not name other (siemfwd.yaml:10:5)",
	}, got)

	one := d.tap(control.Tap{Dropped: true, Sinks: []string{"high"}, Sources: []string{"in"}, Since: since, Until: time.Now()}).all()
	require.Len(t, one, 1)
	assert.EqualValues(t, 2, one[0].Position)

	// As the sink gets it, and only what it takes.
	texts := outs(d.tap(control.Tap{Sinks: []string{"kept"}, Since: since, Until: time.Now()}).all())
	require.Len(t, texts, 2)
	assert.Regexp(t, `^CEF:0\|.*suser=ann`, texts[0])
	assert.Regexp(t, `^CEF:0\|.*msg=hello`, texts[1])

	for ask, want := range map[string]control.Tap{
		`there is no source "nobody"`:  {Sources: []string{"nobody"}},
		`there is no sink "nothing"`:   {Sinks: []string{"nothing"}},
		"there is nothing to see":      {Sources: []string{"other"}, Sinks: []string{"high"}},
		`unknown field "severty"`:      {When: "severty > 3"},
		`format "xml": unknown, want `: {As: "xml"},
	} {
		err := control.NewClient(d.cfg.Control).Tap(context.Background(), want, nil)
		assert.ErrorContains(t, err, ask)
	}
}

func TestTapFiltersAndRenders(t *testing.T) {
	d := startYAML(t, t.TempDir(), tapConfig, map[string]sink.Sink{"high": &script{}, "kept": &script{}})
	defer d.end()
	for i := range 20 {
		d.send(fmt.Sprintf("n=%d severity=%d user=u%d", i, i%10, i))
		d.eventually("received", func(st control.Status) bool { return st.Sources[0].Received == uint64(i+1) })
		d.sendTo("other", fmt.Sprintf("text %d", i))
		d.eventually("received", func(st control.Status) bool { return st.Sources[1].Received == uint64(i+1) })
	}
	past := control.Tap{Since: time.Now().Add(-time.Hour), Until: time.Now()}

	ask := past
	ask.As, ask.When = "record", "user.name = u7"
	lines := d.tap(ask).all()
	require.Len(t, lines, 1)
	assert.Contains(t, string(lines[0].Out), `"uid":"`+lines[0].UID+`"`)
	assert.Equal(t, "user.name=u7", lines[0].Facts)
	assert.Equal(t, 7, lines[0].Severity)

	// Two sources in the order of reception.
	lines = d.tap(past).all()
	require.Len(t, lines, 40)
	for i, l := range lines {
		assert.Equal(t, [...]string{"in", "other"}[i%2], l.Source)
		assert.EqualValues(t, i/2+1, l.Position)
		assert.Empty(t, l.Out)
	}
	ask = past
	ask.Since = lines[30].Received
	assert.Equal(t, lines[30:], d.tap(ask).all())
}

func TestTapSaysWhatItCannotShow(t *testing.T) {
	dir := t.TempDir()
	d := startYAML(t, dir, `sources: {in: {type: syslog, vendor: text, listen: ["tcp://127.0.0.1:0"], keep: 0s, spool: 64KiB}}
sinks: {out: {type: stdout, format: raw}}
`, map[string]sink.Sink{"out": &script{}})
	defer d.end()
	long := strings.Repeat("x", 1000)
	for i := range 4 {
		lines := make([]string, 100)
		for n := range lines {
			lines[n] = long
		}
		d.send(lines...)
		d.eventually("delivered", func(st control.Status) bool { return laneOf(st, "out").Delivered == uint64(100*(i+1)) })
	}
	require.Eventually(t, func() bool { return d.sources[0].spool.Stats().First > 1 }, 15*time.Second, time.Millisecond)
	look := d.tap(control.Tap{Since: time.Now().Add(-time.Hour), Until: time.Now()})
	n := len(look.all())
	assert.Less(t, n, 400)
	assert.Contains(t, look.notes[0], "the oldest event kept of in is of ")
}

func TestATapEndsWithTheForwarder(t *testing.T) {
	d := start(t, t.TempDir(), map[string]sink.Sink{"out": &script{}})
	w := d.tap(control.Tap{}).on()
	d.end()
	select {
	case err := <-w.done:
		assert.ErrorContains(t, err, "the forwarder stops")
	case <-time.After(15 * time.Second):
		t.Fatal("the tap goes on without a forwarder")
	}
}

func TestATapEndsWhenItsTimeIsOver(t *testing.T) {
	d := start(t, t.TempDir(), map[string]sink.Sink{"out": &script{}})
	defer d.end()
	assert.Empty(t, d.tap(control.Tap{Until: time.Now().Add(100 * time.Millisecond)}).all())
}

// What a tap missed because it was slow is said.
func TestTapCountsWhatWasRemovedBeforeItCame(t *testing.T) {
	in, err := spool.Open(t.TempDir(), spool.Options{Max: 64 << 10, WhenFull: spool.DropOldest})
	require.NoError(t, err)
	defer in.Close()
	s := &tapStream{name: "in"}
	s.reader = in.ReaderSince(time.Time{})
	defer s.reader.Close()
	var b event.Batch
	for range 400 {
		b.Reset()
		b.Add(event.Raw{Data: []byte(strings.Repeat("x", 1000)), Time: time.Now()})
		require.NoError(t, in.Emit(context.Background(), &b))
	}
	require.Eventually(t, func() bool { return in.Stats().First > 1 }, 15*time.Second, time.Millisecond)
	kept := &lines{}
	tp := &tap{streams: []*tapStream{s}, views: []tapView{{}}, out: kept}
	s.vendor, _ = parsers.ByName("text")
	require.NoError(t, tp.past(context.Background()))
	missed := 0
	for _, n := range kept.notes {
		_, err := fmt.Sscanf(n, "%d events of in were removed", &missed)
		require.NoError(t, err, n)
	}
	require.Len(t, kept.notes, 1)
	assert.Equal(t, 400, missed+len(kept.events))
}

// lines collects what is put out.
type lines struct {
	notes  []string
	events []control.Tapped
}

func (l *lines) Put(e control.Tapped) error {
	if e.Note != "" {
		l.notes = append(l.notes, e.Note)
	} else {
		l.events = append(l.events, e)
	}
	return nil
}

func (l *lines) Flush() error { return nil }

func TestTapTellsTheTerminalNothingSecret(t *testing.T) {
	t.Setenv("CANARY", "canary-7f3a")
	d := startYAML(t, t.TempDir(), `sources:
  in: {type: webhook, vendor: json, listen: "127.0.0.1:0", path: /x, auth: {type: bearer, token: "${env:CANARY}"}}
sinks: {out: {type: stdout, drop: [[fields.a = 1]]}}
`, map[string]sink.Sink{"out": &script{}})
	defer d.end()
	req, err := http.NewRequest(http.MethodPost, d.Status().Sources[0].Listening[0]+"/x", strings.NewReader(`{"a":1,"b":"c"}`))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer canary-7f3a")
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode)
	d.eventually("received", func(st control.Status) bool { return st.Sources[0].Received == 1 })
	past := control.Tap{Since: time.Now().Add(-time.Hour), Until: time.Now()}
	for _, ask := range []control.Tap{{}, {Raw: true}, {As: "record"}, {Dropped: true}} {
		ask.Since, ask.Until = past.Since, past.Until
		lines := d.tap(ask).all()
		require.Len(t, lines, 1)
		assert.NotContains(t, fmt.Sprintf("%+v %s", lines[0], lines[0].Out), "canary")
	}
}

// Without a forwarder the state folder tells the same.
func TestTapOfAFolder(t *testing.T) {
	dir := t.TempDir()
	d := startYAML(t, dir, tapConfig, map[string]sink.Sink{"high": &script{}, "kept": &script{}})
	for i := range 300 {
		d.send(fmt.Sprintf("n=%d severity=%d kind=login", i, i%10))
		if i%10 == 0 {
			d.sendTo("other", fmt.Sprintf("text %d", i))
		}
	}
	d.eventually("settled", func(st control.Status) bool {
		return st.Sources[0].Received == 300 && st.Sources[1].Received == 30 && laneOf(st, "high").Waiting == 0 && laneOf(st, "kept").Waiting == 0
	})
	asks := []control.Tap{{}, {Raw: true, Count: 17}, {Dropped: true}, {Sinks: []string{"kept"}}, {As: "record", When: "severity >= 8"}}
	for i := range asks {
		asks[i].Since, asks[i].Until = time.Now().Add(-time.Hour), time.Now()
	}
	var online [][]control.Tapped
	for _, ask := range asks {
		online = append(online, d.tap(ask).all())
	}
	d.end()
	cfg := loadAgain(t, dir)
	for i, ask := range asks {
		var got lines
		require.NoError(t, TapOf(context.Background(), cfg, d.host, ask, &got))
		require.Len(t, got.events, len(online[i]))
		for n := range got.events {
			assert.True(t, got.events[n].Received.Equal(online[i][n].Received))
			assert.Equal(t, string(online[i][n].Out), string(got.events[n].Out))
			assert.Equal(t, online[i][n].UID, got.events[n].UID)
			assert.Equal(t, online[i][n].Reason, got.events[n].Reason)
		}
		assert.Equal(t, i == 1, len(got.events) == 17)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	assert.ErrorIs(t, TapOf(ctx, cfg, d.host, asks[0], &lines{}), context.Canceled)
}
