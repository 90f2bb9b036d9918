// Package sinktest is the suite every sink passes, so that a lane may treat them all
// alike. A sink's own test hands its constructors to Run.
package sinktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/siemfwd/siemfwd/forwarder/sink"
)

// Sink is how the suite gets what it tests. Each function is called anew for each
// test, and cleans up behind its receiver with t.Cleanup; the suite closes the sink.
type Sink struct {
	// New makes a sink with a receiver that takes everything. received returns the
	// payloads that have arrived so far, in order, without framing.
	New func(t *testing.T) (s sink.Sink, received func() [][]byte)
	// Stuck makes a sink with a receiver that neither takes nor refuses: sooner or
	// later Send blocks. Nil for a sink that cannot block.
	Stuck func(t *testing.T) sink.Sink
	// Down makes a sink whose receiver cannot be reached: Send fails. Nil for a sink
	// that cannot fail.
	Down func(t *testing.T) sink.Sink
	// Secrets are what New, Stuck and Down configured and no error may show.
	Secrets []string
}

// patience is how long a sink may take for what must be quick. It is far beyond what
// any sink needs, so that a slow machine fails nothing.
const patience = 10 * time.Second

// Run runs the suite.
func Run(t *testing.T, s Sink) {
	t.Run("takes all in order", s.takes)
	t.Run("keeps nothing of a batch", s.keepsNothing)
	t.Run("empty batch", s.empty)
	t.Run("cancelled before", s.cancelledBefore)
	t.Run("after close", s.afterClose)
	t.Run("confirms", s.confirms)
	if s.Stuck != nil {
		t.Run("cancelled while stuck", s.cancelledStuck)
		t.Run("closed while stuck", s.closedStuck)
	}
	if s.Down != nil {
		t.Run("down", s.down)
	}
}

// Items makes n different items of one source, as a lane would.
func Items(n int) []sink.Item {
	items := make([]sink.Item, n)
	for i := range items {
		items[i] = sink.Item{
			Payload: fmt.Appendf(nil, `{"n":%d}`, i),
			Key:     fmt.Appendf(nil, "%064x", i),
			Source:  "sinktest",
			Time:    time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC),
		}
	}
	return items
}

// send sends items as a lane does: no more at once than the sink says.
func (s Sink) send(t *testing.T, to sink.Sink, items []sink.Item) {
	t.Helper()
	for len(items) > 0 {
		n := within(to, len(items))
		require.NoError(t, to.Send(t.Context(), items[:n]))
		items = items[n:]
	}
}

// within is how many of n items go into one Send.
func within(to sink.Sink, n int) int {
	if l, ok := to.(sink.Limiter); ok && l.Limits().Events > 0 {
		return min(n, l.Limits().Events)
	}
	return n
}

// check registers that nothing the test started is left when it has cleaned up.
func check(t *testing.T) {
	t.Helper()
	now := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, now) })
}

func (s Sink) takes(t *testing.T) {
	check(t)
	to, received := s.New(t)
	defer s.close(t, to)
	items := Items(300)
	for _, part := range [][]sink.Item{items[:1], items[1:200], items[200:]} {
		s.send(t, to, part)
	}
	s.await(t, received, items)
}

func (s Sink) keepsNothing(t *testing.T) {
	check(t)
	to, received := s.New(t)
	defer s.close(t, to)
	items, want := Items(20), Items(20)
	s.send(t, to, items)
	assert.Equal(t, want, items, "Send wrote to what it was given")
	// The lane reuses its memory.
	for i := range items {
		copy(items[i].Payload, "~~~~~~~~~~~~~~~~")
		copy(items[i].Key, "~~~~~~~~~~~~~~~~")
	}
	more := Items(40)[20:]
	s.send(t, to, more)
	s.await(t, received, append(want, more...))
}

func (s Sink) empty(t *testing.T) {
	check(t)
	to, received := s.New(t)
	defer s.close(t, to)
	require.NoError(t, to.Send(t.Context(), nil))
	require.NoError(t, to.Send(t.Context(), Items(1)))
	s.await(t, received, Items(1))
}

func (s Sink) cancelledBefore(t *testing.T) {
	check(t)
	to, received := s.New(t)
	defer s.close(t, to)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := s.within(t, func() error { return to.Send(ctx, Items(1)) })
	var rejected *sink.Rejected
	require.False(t, errors.As(err, &rejected), "a cancelled Send refused events: %v", err)
	if err == nil {
		s.await(t, received, Items(1))
	}
	s.clean(t, err)
}

func (s Sink) afterClose(t *testing.T) {
	check(t)
	to, _ := s.New(t)
	require.NoError(t, to.Send(t.Context(), Items(1)))
	require.NoError(t, to.Close())
	err := s.within(t, func() error { return to.Send(t.Context(), Items(1)) })
	require.Error(t, err, "Send after Close took events")
	s.clean(t, err)
	assert.NotPanics(t, func() { s.clean(t, to.Close()) })
}

// confirms holds a Confirmer to its contract; for other sinks there is none.
func (s Sink) confirms(t *testing.T) {
	check(t)
	to, received := s.New(t)
	defer s.close(t, to)
	c, ok := to.(sink.Confirmer)
	if !ok {
		t.Skip("its Send is the answer")
	}
	items := Items(300)
	before := c.Progress()
	require.Zero(t, before.Taken)
	require.NoError(t, c.Send(t.Context(), items[:200]))
	select {
	case <-before.Changed:
	default:
		require.Fail(t, "nobody is told of what was taken")
	}
	require.NoError(t, c.Send(t.Context(), items[200:]))
	now := c.Progress()
	require.Equal(t, before.Session, now.Session)
	require.EqualValues(t, 300, now.Taken)
	require.LessOrEqual(t, now.Confirmed, now.Taken)
	s.await(t, received, items)
	_ = s.within(t, func() error { c.Settle(t.Context()); return nil })
	if now = c.Progress(); now.Session == before.Session+1 {
		now.Confirmed = now.Before
	}
	require.EqualValues(t, 300, now.Confirmed, "settled")
}

func (s Sink) cancelledStuck(t *testing.T) {
	check(t)
	to := s.Stuck(t)
	defer s.close(t, to)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := s.interrupt(t, ctx, to, cancel)
	s.clean(t, err)
}

func (s Sink) closedStuck(t *testing.T) {
	check(t)
	to := s.Stuck(t)
	err := s.interrupt(t, t.Context(), to, func() { _ = to.Close() })
	s.clean(t, err)
}

// interrupt sends until Send blocks, calls stop, and returns Send's error.
func (s Sink) interrupt(t *testing.T, ctx context.Context, to sink.Sink, stop func()) error {
	t.Helper()
	items := Items(within(to, 100))
	for i := range items {
		items[i].Payload = bytes.Repeat([]byte{'x'}, 16<<10)
	}
	var mu sync.Mutex
	sends := 0
	failed := make(chan error, 1)
	go func() {
		for {
			if err := to.Send(ctx, items); err != nil {
				failed <- err
				return
			}
			mu.Lock()
			sends++
			mu.Unlock()
		}
	}()
	// Blocked is: no Send has returned for a while.
	for before := -1; ; {
		select {
		case err := <-failed:
			require.NoError(t, err, "Send did not block")
		case <-time.After(200 * time.Millisecond):
		}
		mu.Lock()
		now := sends
		mu.Unlock()
		if now == before {
			break
		}
		before = now
	}
	go stop()
	select {
	case err := <-failed:
		var rejected *sink.Rejected
		require.False(t, errors.As(err, &rejected), "an interrupted Send refused events: %v", err)
		return err
	case <-time.After(patience):
		require.FailNow(t, "Send did not return")
		return nil
	}
}

func (s Sink) down(t *testing.T) {
	check(t)
	to := s.Down(t)
	defer s.close(t, to)
	var first error
	for range 3 {
		err := s.within(t, func() error { return to.Send(t.Context(), Items(within(to, 3))) })
		require.Error(t, err)
		var rejected *sink.Rejected
		require.False(t, errors.As(err, &rejected), "a receiver that is down refused events: %v", err)
		s.clean(t, err)
		if first == nil {
			first = err
		}
		assert.Equal(t, first.Error(), err.Error(), "the lane logs every new text once")
	}
}

// within returns what f returns, if it does so soon.
func (s Sink) within(t *testing.T, f func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-time.After(patience):
		require.FailNow(t, "it did not return")
		return nil
	}
}

// clean asserts that err shows no secret, however it is printed.
func (s Sink) clean(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	for _, secret := range s.Secrets {
		for _, verb := range []string{"%v", "%+v", "%q"} {
			assert.NotContains(t, fmt.Sprintf(verb, err), secret)
		}
	}
}

func (s Sink) close(t *testing.T, to sink.Sink) {
	t.Helper()
	s.clean(t, s.within(t, to.Close))
}

// await waits until exactly items have arrived.
func (s Sink) await(t *testing.T, received func() [][]byte, items []sink.Item) {
	t.Helper()
	deadline := time.Now().Add(patience)
	var got [][]byte
	for got = received(); len(got) < len(items) && time.Now().Before(deadline); got = received() {
		time.Sleep(time.Millisecond)
	}
	require.Len(t, got, len(items))
	for i := range items {
		require.Equal(t, string(items[i].Payload), string(got[i]), "event %d", i)
	}
}
