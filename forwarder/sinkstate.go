package forwarder

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/deadletter"
	"github.com/siemfwd/siemfwd/forwarder/sink"
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
	buried  func(letters []deadletter.Letter)

	turn chan struct{} // holds one token: who has it may call Send

	confirmer sink.Confirmer // the sink, if it is one
	lanes     atomic.Int64   // that have not sent their last
	settled   chan struct{}  // closed when the confirmer has settled

	mu      sync.Mutex
	state   state
	refused refused
}

// refused is what of the refused events was not logged one by one.
type refused struct {
	logged time.Time
	quiet  int
}

// state is whether a component works, since when, and what is wrong if it does not.
type state struct {
	up    bool
	since time.Time
	why   string
	tries int    // failures since it last worked
	note  string // in the place of why, after something was sent that is not confirmed yet
}

// words tell what is wrong.
func (s state) words() string {
	if s.note != "" {
		return s.note
	}
	return s.why
}

func newSinkState(name, kind string, s sink.Sink, dead *deadletter.Store, log *slog.Logger) *sinkState {
	st := &sinkState{name: name, kind: kind, sink: s, dead: dead, log: log, turn: make(chan struct{}, 1),
		observe: func(time.Duration) {}, buried: func([]deadletter.Letter) {}, state: state{up: true, since: time.Now()}, settled: make(chan struct{})}
	st.turn <- struct{}{}
	if l, ok := s.(sink.Limiter); ok {
		st.limits = l.Limits()
	}
	st.confirmer, _ = s.(sink.Confirmer)
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
	return s.attempt(ctx, items)
}

// attempt calls Send; who calls it has the turn. A sink that panics is down like any other:
// the events wait, and nothing else stops.
func (s *sinkState) attempt(ctx context.Context, items []sink.Item) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("sink failed, please report this: %v", p)
			s.log.Error("sink failed", "err", fmt.Sprintf("%v\n%s", p, debug.Stack()))
		}
	}()
	return s.sink.Send(ctx, items)
}

// sent notes a successful Send that began at the given time. What a Confirmer took says
// only that it could be handed over.
func (s *sinkState) sent(began time.Time) {
	s.observe(time.Since(began))
	if s.confirmer == nil {
		s.up()
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.state.up {
		s.state.note = "connected again, the receiver has not confirmed anything yet"
	}
}

// up notes that the receiver has taken something.
func (s *sinkState) up() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.up {
		return
	}
	now := time.Now()
	s.log.Info("up", "after", now.Sub(s.state.since).Round(time.Millisecond).String(), "failures", s.state.tries)
	s.state = state{up: true, since: now}
}

// down notes a failed Send; it logs only when the sink was up, or when what is wrong
// has changed.
func (s *sinkState) down(err error) {
	s.change(err, "down, events wait on disk and are sent when it is back")
}

// lost notes a session that ended before that many items were confirmed.
func (s *sinkState) lost(err error, items uint64) {
	if err == nil {
		err = sink.ErrSession
	}
	s.change(err, "down, what is not confirmed is sent again when it is back", "events", items)
}

func (s *sinkState) change(err error, what string, more ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.tries++
	s.state.note = ""
	why := err.Error()
	if !s.state.up && s.state.why == why {
		return
	}
	s.log.Warn(what, append([]any{"err", why}, more...)...)
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

// leave says that a lane has sent its last. It returns when the confirmer has settled,
// and at the latest when ctx has ended.
func (s *sinkState) leave(ctx context.Context) {
	if s.lanes.Add(-1) == 0 {
		s.confirmer.Settle(ctx)
		close(s.settled)
		return
	}
	<-s.settled
}

// join adds a lane beside those there are; false when they have sent their last.
func (s *sinkState) join() bool {
	for s.confirmer != nil {
		n := s.lanes.Load()
		if n == 0 {
			return false
		}
		if s.lanes.CompareAndSwap(n, n+1) {
			return true
		}
	}
	return true
}

// quit takes back a join, and waits for no other lane.
func (s *sinkState) quit(ctx context.Context) {
	if s.lanes.Add(-1) == 0 {
		s.confirmer.Settle(ctx)
		close(s.settled)
	}
}

// quietFor is how long refused events are counted before one is logged again.
const quietFor = time.Minute

// bury keeps events that the receiver will never take. It returns nil once that is
// durable. Of many refused at once, or within a minute, one is logged and the others
// counted: they can all be looked at.
func (s *sinkState) bury(ctx context.Context, letters []deadletter.Letter) error {
	if err := s.dead.Add(ctx, letters...); err != nil {
		return err
	}
	s.buried(letters)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if now.Sub(s.refused.logged) < quietFor {
		s.refused.quiet += len(letters)
		return nil
	}
	l := &letters[0]
	words := []any{"source", l.Source, "position", l.Index, "reason", l.Reason}
	if l.Answer != "" {
		words = append(words, "answer", l.Answer)
	}
	if n := s.refused.quiet + len(letters) - 1; n > 0 {
		words = append(words, "others", n)
	}
	s.log.Warn("event refused, it is kept among the dead letters", words...)
	s.refused = refused{logged: now}
	return nil
}
