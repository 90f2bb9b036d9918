package forwarder

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/deadletter"
	"github.com/siemfwd/siemfwd/forwarder/sink"
	"github.com/siemfwd/siemfwd/forwarder/spool"
)

// sinkState is one sink with what its lanes share: whose turn it is to send, and
// whether it is up.
type sinkState struct {
	name    string
	kind    string
	sink    sink.Sink
	limits  sink.Limits
	dead    *deadletter.Store
	log     *slog.Logger
	observe func(d time.Duration) // of one successful Send

	turn chan struct{} // holds one token: who has it may call Send

	mu    sync.Mutex
	state state
}

// state is whether a component works, since when, and what is wrong if it does not.
type state struct {
	up    bool
	since time.Time
	why   string
	tries int // failures since it last worked
}

func newSinkState(name, kind string, s sink.Sink, dead *deadletter.Store, log *slog.Logger) *sinkState {
	st := &sinkState{name: name, kind: kind, sink: s, dead: dead, log: log, turn: make(chan struct{}, 1),
		observe: func(time.Duration) {}, state: state{up: true, since: time.Now()}}
	st.turn <- struct{}{}
	if l, ok := s.(sink.Limiter); ok {
		st.limits = l.Limits()
	}
	return st
}

// cut returns how many of items go into one Send: at least one, at most most, and
// no more than the sink's limits allow.
func (s *sinkState) cut(items []sink.Item, most int) int {
	n := min(len(items), max(most, 1))
	if s.limits.Events > 0 {
		n = min(n, s.limits.Events)
	}
	if s.limits.Bytes > 0 {
		sum := 0
		for i := range n {
			if sum += len(items[i].Payload); sum > s.limits.Bytes && i > 0 {
				return i
			}
		}
	}
	return n
}

// send makes one attempt, alone.
func (s *sinkState) send(ctx context.Context, items []sink.Item) error {
	select {
	case <-s.turn:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { s.turn <- struct{}{} }()
	return s.sink.Send(ctx, items)
}

// took notes a successful Send that began at the given time.
func (s *sinkState) took(began time.Time) {
	now := time.Now()
	s.observe(now.Sub(began))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.up {
		return
	}
	s.log.Info("up", "after", now.Sub(s.state.since).Round(time.Millisecond).String(), "failures", s.state.tries)
	s.state = state{up: true, since: now}
}

// down notes a failed Send; it logs only when the sink was up, or when what is wrong
// has changed.
func (s *sinkState) down(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.tries++
	why := err.Error()
	if !s.state.up && s.state.why == why {
		return
	}
	s.log.Warn("down, events wait on disk and are sent when it is back", "err", why)
	if s.state.up {
		s.state.up, s.state.since = false, time.Now()
	}
	s.state.why = why
}

func (s *sinkState) current() state {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// bury keeps an event that the receiver will never take. It returns nil once that is
// durable.
func (s *sinkState) bury(ctx context.Context, source string, e *spool.Entry, rendered []byte, reason error) error {
	s.log.Warn("event refused, it is kept among the dead letters", "source", source, "position", e.Index, "reason", reason.Error())
	return s.dead.Add(ctx, deadletter.Letter{
		Source: source, Sink: s.name, Reason: reason.Error(), First: time.Now(), Received: e.Time,
		Index: e.Index, Raw: e.Data, Rendered: rendered,
	})
}
