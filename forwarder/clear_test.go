package forwarder

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/control"
	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/sink"
)

func clearing(t *testing.T, d *daemon, ask control.Clear) []control.Cleared {
	t.Helper()
	list, err := d.ClearQueue(t.Context(), ask)
	require.NoError(t, err)
	for _, c := range list {
		require.Empty(t, c.Error)
		require.Equal(t, ask.Yes, c.Done)
	}
	return list
}

// A sink that is down for good is cleared; the other one is not touched, the numbers add
// up, and after a restart the sink begins with what came after.
func TestClearASinkThatIsDown(t *testing.T) {
	dir := t.TempDir()
	away := errors.New("away")
	down := &script{answer: func(int, []sink.Item) error { return away }}
	good := &script{}
	d := start(t, dir, map[string]sink.Sink{"good": good, "down": down})
	d.send(numbered(0, 3000)...)
	d.eventually("waiting", func(st control.Status) bool {
		return laneOf(st, "good").Delivered == 3000 && laneOf(st, "down").Waiting == 3000
	})
	assert.Equal(t, []control.Cleared{{Action: control.ClearSkip, Source: "in", Sink: "down", Events: 3000}}, clearing(t, d, control.Clear{Name: "down"}))
	assert.EqualValues(t, 3000, laneOf(d.Status(), "down").Waiting, "it was only asked")
	began := time.Now()
	assert.EqualValues(t, 3000, clearing(t, d, control.Clear{Name: "down", Yes: true})[0].Events)
	assert.Less(t, time.Since(began), 10*time.Second)
	st := d.eventually("cleared", func(st control.Status) bool { return laneOf(st, "down").Waiting == 0 })
	assert.EqualValues(t, 3000, laneOf(st, "down").Expired)
	assert.EqualValues(t, 3000, laneOf(st, "good").Delivered)
	d.send(numbered(3000, 10)...)
	d.eventually("new ones wait", func(st control.Status) bool { return laneOf(st, "down").Waiting == 10 })
	d.end()

	down = &script{}
	d = start(t, dir, map[string]sink.Sink{"good": &script{}, "down": down})
	defer d.end()
	st = d.eventually("delivered", func(st control.Status) bool { return laneOf(st, "down").Delivered == 10 })
	assert.Zero(t, laneOf(st, "down").Expired)
	assert.Equal(t, numbered(3000, 10), down.taken())
}

// A black hole holds nobody up who clears.
func TestClearASinkThatHangs(t *testing.T) {
	hang := &hanging{entered: make(chan struct{}, 100)}
	d := start(t, t.TempDir(), map[string]sink.Sink{"hang": hang})
	defer d.end()
	d.send(numbered(0, 100)...)
	d.eventually("stored", func(st control.Status) bool { return st.Sources[0].Received == 100 })
	<-hang.entered
	assert.EqualValues(t, 100, clearing(t, d, control.Clear{Name: "in", Yes: true})[0].Events, "by the name of its source, too")
	d.eventually("cleared", func(st control.Status) bool { return laneOf(st, "hang").Expired == 100 })
	d.send("more")
	<-hang.entered // the lane goes on
}

// Clearing while events come and go: every event is delivered or expired, none twice.
func TestClearUnderTraffic(t *testing.T) {
	out := &script{}
	out.answer = func(n int, _ []sink.Item) error {
		if n%3 == 0 {
			return errors.New("unwell")
		}
		return nil
	}
	d := start(t, t.TempDir(), map[string]sink.Sink{"out": out})
	defer d.end()
	const rounds, each = 60, 50
	var traffic sync.WaitGroup
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
	var expired uint64
	for range 30 {
		expired += clearing(t, d, control.Clear{Name: "out", Yes: true})[0].Events
		for _, l := range d.Status().Lanes {
			require.Zero(t, l.Balance(), "%+v", l)
		}
	}
	traffic.Wait()
	st := d.eventually("settled", func(st control.Status) bool {
		return st.Sources[0].Received == rounds*each && laneOf(st, "out").Waiting == 0
	})
	lane := laneOf(st, "out")
	assert.Equal(t, expired, lane.Expired)
	seen := map[string]bool{}
	for _, l := range out.taken() {
		assert.False(t, seen[l], "%s came twice", l)
		seen[l] = true
	}
	assert.EqualValues(t, lane.Delivered, len(seen))
	assert.EqualValues(t, rounds*each, uint64(len(seen))+expired)
}

func TestClearNeedsAName(t *testing.T) {
	d := start(t, t.TempDir(), map[string]sink.Sink{"out": &script{}})
	defer d.end()
	for want, ask := range map[string]control.Clear{
		`nothing is stored under "nobody"; there are the sources in and the sinks out`: {Name: "nobody"},
		`--source goes with a sink`:      {Name: "in", Source: "in"},
		`there is no source "x"`:         {Name: "out", Source: "x"},
		`nothing is stored under "out";`: {Name: "out", Kind: "source"},
	} {
		_, err := d.ClearQueue(t.Context(), ask)
		assert.ErrorContains(t, err, want)
	}
	both := control.Queue{Stored: []control.Stored{{Source: "x", Sinks: []control.Behind{{Sink: "x"}}}}}
	_, err := planClear(both, control.Clear{Name: "x"})
	assert.EqualError(t, err, "x is both a source and a sink: write source:x or sink:x")
	list, err := planClear(both, control.Clear{Name: "x", Kind: "sink"})
	require.NoError(t, err)
	assert.Len(t, list, 1)
}

// What a Confirmer's receiver has confirmed is delivered, what it was sent and has not
// confirmed is given up, and what it refused in between is dead.
func TestClearAConfirmer(t *testing.T) {
	out := newLate()
	out.before = func(items []sink.Item) error {
		for i, it := range items {
			if string(it.Payload) == "event 00050" {
				return &sink.Rejected{Index: []int{i}, Reason: errors.New("400 bad event")}
			}
		}
		return nil
	}
	d := start(t, t.TempDir(), map[string]sink.Sink{"out": out})
	defer d.end()
	d.send(numbered(0, 100)...)
	d.eventually("sent", func(st control.Status) bool { return laneOf(st, "out").Unconfirmed == 99 })
	out.confirm(30)
	assert.EqualValues(t, 69, clearing(t, d, control.Clear{Name: "out", Yes: true})[0].Events)
	st := d.eventually("cleared", func(st control.Status) bool { return laneOf(st, "out").Waiting == 0 })
	assert.Equal(t, control.Lane{Source: "in", Sink: "out", Received: 100, Delivered: 30, Dead: 1, Expired: 69}, laneOf(st, "out"))
	out.confirm(40) // late, and of no use
	d.send(numbered(100, 5)...)
	d.eventually("sent", func(st control.Status) bool { return laneOf(st, "out").Unconfirmed == 5 })
	out.confirm(104)
	st = d.eventually("delivered", func(st control.Status) bool { return laneOf(st, "out").Waiting == 0 })
	assert.Equal(t, control.Lane{Source: "in", Sink: "out", Received: 105, Delivered: 35, Dead: 1, Expired: 69}, laneOf(st, "out"))
}
