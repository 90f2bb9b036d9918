package forwarder

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/formatters"
	"github.com/siemfwd/siemfwd/forwarder/control"
	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/forwarder/sink"
	"github.com/siemfwd/siemfwd/forwarder/when"
)

// bisect plays a lane that sends n items to a receiver that refuses batches with a bad
// one in them as a whole, and returns how many Sends that took and what was found bad.
func bisect(n int, bad func(i int) bool) (sends int, found []int) {
	h := halving{size: n}
	for next := 0; next < n; {
		m := min(max(h.size, 1), n-next)
		sends++
		refused := false
		for i := next; i < next+m; i++ {
			refused = refused || bad(i)
		}
		switch {
		case !refused:
			next += m
			h.took(next, m)
		case m > 1:
			h.refused(next, m)
		default:
			found = append(found, next)
			next++
			h.single(next)
		}
	}
	return sends, found
}

func TestABadEventIsFoundInTwelveRequests(t *testing.T) {
	worst := 0
	for at := range 1000 {
		sends, found := bisect(1000, func(i int) bool { return i == at })
		assert.Equal(t, []int{at}, found)
		worst = max(worst, sends-1)
	}
	assert.LessOrEqual(t, worst, 12, "beyond the one that it would have taken")
	for every, most := range map[int]int{1: 1100, 2: 1600, 10: 1000, 100: 220} {
		sends, found := bisect(1000, func(i int) bool { return i%every == every-1 })
		assert.Len(t, found, 1000/every)
		assert.LessOrEqual(t, sends, most, "every %d", every)
	}
}

// The same through the daemon, where a sink has limits of its own, and with what a dead
// letter tells of it.
func TestARefusedBatchIsHalvedUntilTheBadEventStandsAlone(t *testing.T) {
	out := &script{}
	sends := 0
	out.answer = func(_ int, items []sink.Item) error {
		sends++
		for _, it := range items {
			if strings.HasSuffix(string(it.Payload), "00617") {
				return &sink.Rejected{Reason: errors.New("400"), Answer: fmt.Sprintf("one of %d is bad", len(items))}
			}
		}
		return nil
	}
	d := start(t, t.TempDir(), map[string]sink.Sink{"out": out})
	defer d.end()
	require.NoError(t, d.sources[0].spool.Emit(t.Context(), batchOf(1000)))
	d.eventually("all settled", func(st control.Status) bool { return laneOf(st, "out").Waiting == 0 })
	out.mu.Lock()
	defer out.mu.Unlock()
	assert.LessOrEqual(t, sends, 13)
	for letter, err := range d.dead.All(time.Time{}) {
		require.NoError(t, err)
		assert.Equal(t, "one of 1 is bad", letter.Answer)
		assert.GreaterOrEqual(t, letter.Attempts, uint64(5))
		assert.False(t, letter.First.After(letter.At))
	}
}

// A receiver may ask for an hour; a lane asks again after a minute, for the cure may come
// at any time.
func TestAPauseIsNeverLong(t *testing.T) {
	l := &lane{wait: backoff{first: 250 * time.Millisecond, most: 30 * time.Second}}
	for range 100 {
		p := l.pause(errors.New("connection refused"))
		assert.LessOrEqual(t, p, 30*time.Second)
		assert.GreaterOrEqual(t, p, 125*time.Millisecond)
	}
	assert.GreaterOrEqual(t, l.pause(errors.New("connection refused")), 15*time.Second)
	busy := func(d time.Duration) error { return fmt.Errorf("send: %w", &sink.Busy{For: d}) }
	assert.Equal(t, 5*time.Second, l.pause(busy(5*time.Second)))
	assert.Equal(t, time.Minute, l.pause(busy(time.Hour)))
	assert.GreaterOrEqual(t, l.pause(busy(0)), 50*time.Millisecond)
}

// One sink hangs and is shared by two sources, another refuses connections; the third
// gets everything meanwhile, and the hanging one is let go by a stop.
func TestASlowSinkOfTwoSourcesHoldsNobodyUp(t *testing.T) {
	hang := &hanging{entered: make(chan struct{}, 1)}
	dead := &script{answer: func(int, []sink.Item) error { return errors.New("no route to host") }}
	good := &script{}
	d := startSources(t, t.TempDir(), 2, map[string]sink.Sink{"good": good, "dead": dead, "hang": hang})
	for i := range 2 {
		require.NoError(t, d.sources[i].spool.Emit(t.Context(), batchOf(2000)))
	}
	d.eventually("the good one has all", func(st control.Status) bool {
		n := uint64(0)
		for _, l := range st.Lanes {
			if l.Sink == "good" {
				n += l.Delivered
			}
		}
		return n == 4000
	})
	d.end()
}

var _ sink.Sink = (*hanging)(nil)

func TestAFullStoreOfDeadLettersIsAnAlarmAndNoLoss(t *testing.T) {
	l := &lane{wait: backoff{first: time.Millisecond, most: time.Millisecond}, sink: newSinkState("out", "", &script{}, nil, discard)}
	n := 0
	err := l.persist(context.Background(), func() error {
		if n++; n < 4 {
			assert.Equal(t, n == 1, l.sink.current().up)
			return errStoreFull
		}
		return nil
	})
	require.NoError(t, err)
	assert.Equal(t, 4, n)
	assert.True(t, l.sink.current().up)

	ended, end := context.WithCancel(context.Background())
	end()
	err = l.persist(ended, func() error { return errStoreFull })
	require.ErrorIs(t, err, context.Canceled)
	require.EqualError(t, l.persist(ended, func() error { return errors.New("disk") }), "disk")
}

// A bug in a sink, a formatter or a condition costs what it is about, and not the process.
func TestWhatPanicsIsDownOrDeadAndNothingElse(t *testing.T) {
	broken := &script{answer: func(n int, _ []sink.Item) error {
		if n <= 2 {
			panic("index out of range")
		}
		return nil
	}}
	good := &script{}
	d := start(t, t.TempDir(), map[string]sink.Sink{"broken": broken, "good": good})
	defer d.end()
	d.send("one", "two")
	d.eventually("down", func(st control.Status) bool {
		return slices.ContainsFunc(st.Sinks, func(s control.Sink) bool {
			return s.Error == "sink failed, please report this: index out of range"
		})
	})
	d.eventually("all delivered in the end", func(st control.Status) bool {
		return laneOf(st, "good").Delivered == 2 && laneOf(st, "broken").Delivered == 2
	})
	assert.Equal(t, []string{"one", "two"}, broken.taken())

	l, run := renderer(t, "text", "json", "", "fine", "poison", "fine")
	l.format = fragile{l.format}
	l.render(run)
	require.Len(t, l.buried, 21)
	assert.Equal(t, 1, l.buried[0].entry)
	assert.EqualError(t, l.buried[0].why, "cannot be rendered: formatter failed")
	assert.Len(t, l.items, 43)

	l.filter.When = []*when.Cond{nil} // no condition the language can make
	l.render(run)
	assert.Len(t, l.items, 43, "sent all the same")
}

type fragile struct{ formatters.Formatter }

func (f fragile) Append(dst []byte, r *record.Record) ([]byte, error) {
	if strings.Contains(string(r.Raw), "poison") {
		panic("nil map")
	}
	return f.Formatter.Append(dst, r)
}
