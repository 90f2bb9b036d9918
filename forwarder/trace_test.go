package forwarder

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/config"
	"github.com/siemfwd/siemfwd/forwarder/control"
	"github.com/siemfwd/siemfwd/forwarder/sink"
)

// traces collects what a trace tells.
type traces struct {
	events []*control.TracedEvent
	notes  []string
}

func (r *traces) Put(l control.Traced) error {
	if l.Event != nil {
		r.events = append(r.events, l.Event)
	}
	if l.Note != "" {
		r.notes = append(r.notes, l.Note)
	}
	return nil
}

func (r *traces) Flush() error { return nil }

// trace asks through the control socket.
func (d *daemon) trace(ask control.Trace) *traces {
	d.t.Helper()
	var r traces
	require.NoError(d.t, control.NewClient(d.cfg.Control).Trace(context.Background(), ask, r.Put))
	return &r
}

// uids maps what was received of a source to its uid.
func (d *daemon) uids(source string) map[string]string {
	d.t.Helper()
	of := map[string]string{}
	for _, l := range d.tap(control.Tap{Raw: true, Sources: []string{source}, Since: time.Now().Add(-time.Hour), Until: time.Now()}).all() {
		of[string(l.Out)] = l.UID
	}
	return of
}

// told is what a trace says of one event at one sink, times left out.
func told(e *control.TracedEvent, sinkName string) (all []string) {
	for _, h := range e.Hops {
		if h.Sink != sinkName {
			continue
		}
		words := h.Stage
		if h.Words != "" {
			words += ": " + h.Words
		}
		if h.Line != "" {
			words += " (" + filepath.Base(h.Line) + ")"
		}
		all = append(all, words)
	}
	return all
}

const traceConfig = `sources:
  in: {type: syslog, vendor: kv, listen: ["tcp://127.0.0.1:0"]}
  other: {type: syslog, vendor: text, sync: os, listen: ["tcp://127.0.0.1:0"]}
sinks:
  good:
    type: stdout
    from: [in]
    when: [severity >= 4]
  away: {type: stdout, format: raw}
  picky: {type: stdout, format: raw, from: [in]}
`

func traceSinks() map[string]sink.Sink {
	return map[string]sink.Sink{"good": &script{},
		"away": &script{answer: func(int, []sink.Item) error { return errors.New("no route to host") }},
		"picky": &script{answer: func(_ int, items []sink.Item) error {
			for i, it := range items {
				if strings.Contains(string(it.Payload), "bad") {
					return &sink.Rejected{Index: []int{i}, Reason: errors.New("400 it is bad")}
				}
			}
			return nil
		}}}
}

func TestTraceTellsEveryOutcome(t *testing.T) {
	dir := t.TempDir()
	d := startYAML(t, dir, traceConfig, traceSinks())
	began := time.Now()
	d.send("n=1 severity=7", "n=2 severity=1", "n=3 severity=9 bad=1")
	d.eventually("settled", func(st control.Status) bool {
		return laneOf(st, "good").Waiting == 0 && laneOf(st, "picky").Dead == 1 && laneOf(st, "picky").Waiting == 0 && st.Sources[0].Received == 3
	})
	d.sendTo("other", "text")
	d.eventually("received", func(st control.Status) bool { return st.Sources[1].Received == 1 && !st.Sinks[1].Up })
	uid, other := d.uids("in"), d.uids("other")

	look := func(ask func(control.Trace) *traces) {
		t.Helper()
		one := ask(control.Trace{UID: uid["n=1 severity=7"]})
		require.Len(t, one.events, 1)
		e := one.events[0]
		assert.Equal(t, uid["n=1 severity=7"], e.UID)
		assert.EqualValues(t, 1, e.Position)
		assert.Equal(t, []string{control.HopReceived, control.HopStored, control.HopRead}, []string{e.Hops[0].Stage, e.Hops[1].Stage, e.Hops[2].Stage})
		assert.Regexp(t, `^by in \(syslog\) from 127\.0\.0\.1:\d+, 14 octets, event 1 of its spool$`, e.Hops[0].Words)
		assert.True(t, e.Hops[0].To.Equal(e.Received))
		assert.Contains(t, e.Hops[1].Words, "sync: batch")
		assert.Equal(t, []string{"delivered"}, told(e, "good"))
		for _, h := range e.Hops {
			if h.Sink == "good" {
				assert.False(t, h.From.Before(e.Received), "not before it was received")
				assert.False(t, h.To.Before(h.From) || h.To.Before(began) || h.To.After(time.Now()))
			}
		}
		require.Len(t, told(e, "away"), 1)
		assert.Regexp(t, `^waiting: it is the next to be confirmed; (the sink is down since .*: no route to host|no forwarder is running)$`, told(e, "away")[0])

		two := ask(control.Trace{UID: uid["n=2 severity=1"][:12]}).events
		require.Len(t, two, 1)
		assert.Equal(t, []string{"filtered: severity >= 4 does not hold: it is 1 informational (siemfwd.yaml:11:12)"}, told(two[0], "good"))
		assert.Regexp(t, `^waiting: 1 events are before it`, told(two[0], "away")[0])

		three := ask(control.Trace{UID: strings.ToUpper(uid["n=3 severity=9 bad=1"])}).events
		require.Len(t, three, 1)
		assert.Equal(t, []string{"dead: 400 it is bad"}, told(three[0], "picky"))
		last := three[0].Hops[len(three[0].Hops)-1]
		assert.NotZero(t, last.Letter)
		assert.False(t, last.To.Before(began))

		text := ask(control.Trace{UID: other["text"], Sources: []string{"other"}}).events
		require.Len(t, text, 1)
		assert.Equal(t, []string{"excluded: from does not name other (siemfwd.yaml:10:5)"}, told(text[0], "good"))
		assert.Contains(t, text[0].Hops[1].Words, "sync: os")

		none := ask(control.Trace{UID: "0000000000"})
		assert.Empty(t, none.events)
		require.Len(t, none.notes, 1)
		assert.Regexp(t, `^no such event; the oldest kept of in is of .*Z; the oldest kept of other is of .*Z$`, none.notes[0])
		assert.Contains(t, ask(control.Trace{UID: uid["n=1 severity=7"], Since: time.Now().Add(time.Hour)}).notes[0], "in was searched from")
	}
	look(d.trace)
	err := control.NewClient(d.cfg.Control).Trace(context.Background(), control.Trace{UID: "abcd", Sources: []string{"nobody"}}, nil)
	assert.ErrorContains(t, err, `there is no source "nobody"`)
	d.end()

	// The same from the folder of a forwarder that does not run, and nothing there changes.
	cfg := loadAgain(t, dir)
	look(func(ask control.Trace) *traces {
		var r traces
		require.NoError(t, TraceOf(context.Background(), cfg, ask, &r))
		return &r
	})
}

func loadAgain(t *testing.T, dir string) *config.Config {
	t.Helper()
	cfg, problems := Load(filepath.Join(dir, "siemfwd.yaml"), Strict)
	require.NoError(t, problems.Err())
	return cfg
}

func TestTraceFindsTheVendorsId(t *testing.T) {
	d := startYAML(t, t.TempDir(), `sources: {in: {type: syslog, vendor: skyhigh, listen: ["tcp://127.0.0.1:0"]}}
sinks: {out: {type: stdout, format: raw}}
`, map[string]sink.Sink{"out": &script{}})
	defer d.end()
	for i := range 3 {
		for range 2 {
			d.send(strings.ReplaceAll(audit, "AUD-2014", fmt.Sprintf("AUD-%d", i)))
		}
	}
	d.eventually("delivered", func(st control.Status) bool { return laneOf(st, "out").Delivered == 6 })
	got := d.trace(control.Trace{ID: "AUD-1"}).events
	require.Len(t, got, 2, "it came twice")
	assert.Equal(t, got[0].UID, got[1].UID)
	assert.Less(t, got[0].Position, got[1].Position)
	assert.Len(t, d.trace(control.Trace{UID: got[0].UID[:8], Most: 1}).events, 1)
}

func TestTraceOverARestartAndASinkThatIsNew(t *testing.T) {
	dir := t.TempDir()
	d := startYAML(t, dir, strings.Replace(traceConfig, "  picky: {type: stdout, format: raw, from: [in]}\n", "", 1), traceSinks())
	d.send("n=1 severity=7")
	d.eventually("delivered", func(st control.Status) bool { return laneOf(st, "good").Delivered == 1 })
	uid := d.uids("in")["n=1 severity=7"]
	d.end()
	d = startYAML(t, dir, traceConfig, traceSinks())
	d.send("n=2 severity=7")
	d.eventually("delivered", func(st control.Status) bool {
		// The first event waits for away, so it counts as delivered to the others.
		return laneOf(st, "good").Delivered == 2 && laneOf(st, "picky").Delivered == 2
	})
	e := d.trace(control.Trace{UID: uid}).events[0]
	assert.Equal(t, []string{"delivered"}, told(e, "good"), "the trail of the first run tells")
	require.Len(t, told(e, "picky"), 1)
	assert.Regexp(t, `^excluded: the sink began with later events, at `, told(e, "picky")[0])
	d.end()
	for _, s := range []string{"good", "picky"} {
		assert.DirExists(t, trailOf(d.cfg.State, "in", s))
	}
}

func TestTraceFindsADeadLetterWhoseEventIsGone(t *testing.T) {
	d := startYAML(t, t.TempDir(), `sources: {in: {type: syslog, vendor: kv, listen: ["tcp://127.0.0.1:0"], keep: 0s, spool: 64KiB}}
sinks: {picky: {type: stdout, format: raw}}
`, map[string]sink.Sink{"picky": traceSinks()["picky"]})
	defer d.end()
	d.send("bad=1")
	d.eventually("dead", func(st control.Status) bool { return laneOf(st, "picky").Dead == 1 })
	uid := d.uids("in")["bad=1"]
	long := "x=" + strings.Repeat("x", 1000)
	for range 20 {
		d.send(long, long, long, long, long, long, long, long, long, long)
	}
	require.Eventually(t, func() bool { return d.sources[0].spool.Stats().First > 1 }, 15*time.Second, time.Millisecond)
	got := d.trace(control.Trace{UID: uid}).events
	require.Len(t, got, 1)
	assert.Contains(t, got[0].Hops[0].Words, "has let go of it since")
	assert.Equal(t, []string{"dead: 400 it is bad"}, told(got[0], "picky"))
}

func TestTraceTellsWhatWasClearedByHandAndWhoseLetterIsGone(t *testing.T) {
	d := startYAML(t, t.TempDir(), traceConfig, traceSinks())
	defer d.end()
	d.send("n=1 severity=7", "n=2 severity=9 bad=1")
	d.eventually("settled", func(st control.Status) bool {
		return laneOf(st, "picky").Dead == 1 && laneOf(st, "away").Waiting == 2
	})
	uid := d.uids("in")
	_, err := d.ClearQueue(context.Background(), control.Clear{Name: "away", Yes: true})
	require.NoError(t, err)
	d.send("n=3 severity=7")
	d.eventually("received", func(st control.Status) bool { return laneOf(st, "picky").Delivered == 2 })
	e := d.trace(control.Trace{UID: uid["n=1 severity=7"]}).events[0]
	assert.Equal(t, []string{"unsent: passed over by hand (queue clear)"}, told(e, "away"))
	assert.Equal(t, []string{"delivered"}, told(e, "picky"))
	e = d.trace(control.Trace{UID: d.uids("in")["n=3 severity=7"]}).events[0]
	assert.Regexp(t, "^waiting: it is the next", told(e, "away")[0])

	for letter, err := range d.dead.All(time.Time{}) {
		require.NoError(t, err)
		require.NoError(t, d.dead.Remove(context.Background(), letter))
	}
	e = d.trace(control.Trace{UID: uid["n=2 severity=9 bad=1"]}).events[0]
	assert.Equal(t, []string{"dead: refused; its dead letter has been sent again or removed since"}, told(e, "picky"))
}

// An id is found however the event writes it.
func TestTraceFindsAnIdThatIsEscaped(t *testing.T) {
	d := startYAML(t, t.TempDir(), `sources: {in: {type: syslog, vendor: json, listen: ["tcp://127.0.0.1:0"]}}
sinks: {out: {type: stdout, format: raw}}
`, map[string]sink.Sink{"out": &script{}})
	defer d.end()
	d.send(`{"id":"a\/b\u0031"}`, `{"id":"c","other":"a/b1"}`)
	d.eventually("delivered", func(st control.Status) bool { return laneOf(st, "out").Delivered == 2 })
	got := d.trace(control.Trace{ID: "a/b1"}).events
	require.Len(t, got, 1)
	assert.EqualValues(t, 1, got[0].Position)
	assert.Len(t, d.trace(control.Trace{ID: "c"}).events, 1)
	assert.Empty(t, d.trace(control.Trace{ID: "d"}).events)
}
