package forwarder

import (
	"context"
	"errors"
	"slices"

	"github.com/siemfwd/siemfwd/forwarder/sink"
)

// errRewound says that a Confirmer's session ended: the lane has gone back to its
// cursor and holds no run.
var errRewound = errors.New("what was not confirmed is sent again")

// errOver says that a session ended before a batch was sent.
var errOver = errors.New("session has ended")

// place is where an item stands among those that a Confirmer took.
type place struct {
	session uint64
	taken   uint64 // with this one
}

// mostHanded bounds the steps a lane remembers; beyond it they are made longer.
const mostHanded = 1 << 15

// flight is what a lane handed over to a Confirmer and what is not confirmed. Steps
// stand in the order of the log; all are of one session.
type flight struct {
	sink    sink.Confirmer
	session uint64
	steps   []handed // from head on
	head    int
	dead    []uint64 // indices behind the cursor that are among the dead letters, in order
	ends    int      // of sessions, since something was confirmed
	paused  bool     // since the latest of them
	told    int      // how often Send said that a session is over, since then
}

// handed is a step that counts once the receiver has confirmed that many items.
type handed struct {
	taken uint64
	step
}

func (f *flight) empty() bool { return f.head == len(f.steps) }

// push adds a step that ends with the item at a place.
func (f *flight) push(s step, at place) {
	if len(f.steps) == cap(f.steps) && f.head > 0 {
		f.steps = f.steps[:copy(f.steps, f.steps[f.head:])]
		f.head = 0
	}
	if len(f.steps)-f.head >= mostHanded {
		f.shorten()
	}
	f.session = at.session
	f.steps = append(f.steps, handed{at.taken, s})
}

// shorten makes one step of every two, which is the next one of both to be confirmed.
func (f *flight) shorten() {
	list := f.steps[f.head:]
	n := 0
	for i := 0; i < len(list); i += 2 {
		list[n] = list[i]
		if i+1 < len(list) {
			list[n].taken = list[i+1].taken
			list[n].add(list[i+1].step)
		}
		n++
	}
	f.steps = f.steps[:f.head+n]
}

// add makes s longer by the step that follows.
func (s *step) add(next step) {
	s.to = next.to
	s.delivered += next.delivered
	s.filtered += next.filtered
	s.dead += next.dead
}

// join lets a step that needs no confirmation follow the last one that does. It returns
// false when there is none.
func (f *flight) join(s step) bool {
	if f.empty() {
		return false
	}
	f.steps[len(f.steps)-1].add(s)
	return true
}

// died remembers an event behind the cursor that is among the dead letters: after going
// back it is not sent again.
func (f *flight) died(index uint64) {
	if i, known := slices.BinarySearch(f.dead, index); !known {
		f.dead = slices.Insert(f.dead, i, index)
	}
}

func (f *flight) isDead(index uint64) bool {
	_, yes := slices.BinarySearch(f.dead, index)
	return yes
}

// again reports whether a Send that found its session over may be tried again at once.
func (f *flight) again() bool {
	f.told++
	return f.told <= 2
}

// settled takes the steps off that p confirms, and returns them as one, and whether
// there were any. over says that the rest is to be sent again.
func (f *flight) settled(p sink.Progress) (s step, any, over bool) {
	if f.empty() {
		return s, false, false
	}
	confirmed := uint64(0)
	switch p.Session {
	case f.session:
		confirmed = p.Confirmed
	case f.session + 1:
		confirmed, over = p.Before, true
	default:
		over = true
	}
	for ; f.head < len(f.steps) && f.steps[f.head].taken <= confirmed; f.head++ {
		s.add(f.steps[f.head].step)
		any = true
	}
	if f.empty() {
		f.steps, f.head = f.steps[:0], 0
		over = false
	}
	return s, any, over
}

// drop forgets all steps and returns how many items they delivered.
func (f *flight) drop() (items uint64) {
	for _, h := range f.steps[f.head:] {
		items += uint64(h.delivered)
	}
	f.steps, f.head = f.steps[:0], 0
	return items
}

// confirm commits what the sink's receiver has confirmed and returns what to wait for;
// nil when everything is. When the session ended before that, it goes back to the
// cursor, pauses if the one before was of no use either, and returns errRewound.
func (l *lane) confirm(stop context.Context) (<-chan struct{}, error) {
	f := l.flight
	p := f.sink.Progress()
	s, any, over := f.settled(p)
	if any {
		if err := l.commit(s); err != nil {
			return nil, err
		}
		n, _ := slices.BinarySearch(f.dead, s.to.Index)
		f.dead = slices.Delete(f.dead, 0, n)
		f.ends, f.told = 0, 0
		l.wait.reset()
		if !over {
			l.sink.up()
		}
	}
	switch {
	case over:
		return nil, l.rewind(stop, p)
	case f.empty():
		return nil, nil
	}
	return p.Changed, nil
}

// rewind goes back to the cursor after a session that ended with p.
func (l *lane) rewind(stop context.Context, p sink.Progress) error {
	f := l.flight
	items := f.drop()
	l.mu.Lock()
	l.unconfirmed = 0
	l.mu.Unlock()
	l.reader.Rewind()
	l.held = false
	l.sink.lost(p.Ended, items)
	f.ends++
	pause := f.ends > 1 && !f.paused
	f.paused, f.told = false, 0
	if pause && !sleep(stop, l.wait.next()) {
		return stop.Err()
	}
	return errRewound
}

// handed counts n more events as sent.
func (l *lane) handed(n int) {
	if l.flight != nil {
		l.mu.Lock()
		l.unconfirmed += uint64(n)
		l.mu.Unlock()
	}
}

// hand makes one attempt to send items. With a Confirmer it also tells where the last
// of them stands; while others have their turn it goes on to commit what is confirmed.
func (l *lane) hand(ctx, stop context.Context, items []sink.Item) (at place, err error) {
	if l.flight == nil {
		return at, l.sink.send(ctx, items)
	}
	for {
		changed, err := l.confirm(stop)
		if err != nil {
			return at, err
		}
		select {
		case <-l.sink.turn:
		case <-changed:
			continue
		case <-ctx.Done():
			return at, ctx.Err()
		}
		if at, err = l.attempt(ctx, items); !errors.Is(err, errOver) {
			return at, err
		}
	}
}

// attempt has the turn and gives it back.
func (l *lane) attempt(ctx context.Context, items []sink.Item) (at place, err error) {
	defer func() { l.sink.turn <- struct{}{} }()
	f := l.flight
	before := f.sink.Progress() // the sink itself sees to it that it does not end from here to Send
	if !f.empty() && before.Session != f.session {
		return at, errOver
	}
	err = l.sink.attempt(ctx, items)
	n := uint64(len(items))
	var rejected *sink.Rejected
	var partial *sink.Partial
	switch {
	case errors.As(err, &partial):
		if n = uint64(min(max(partial.Done, 0), len(items))); partial.Rejected != nil {
			n -= uint64(len(within(partial.Rejected.Index, 0, int(n))))
		}
		if partial.Done <= 0 {
			return at, err
		}
	case errors.As(err, &rejected) && rejected.Index != nil:
		n -= uint64(len(within(rejected.Index, 0, len(items))))
	case err != nil:
		return at, err
	}
	after := f.sink.Progress()
	switch {
	case after.Session == before.Session:
		at = place{after.Session, after.Taken}
	case after.Session == before.Session+1 && n > 0 && after.Taken >= n:
		at = place{after.Session, after.Taken} // nothing had been unconfirmed
	case after.Session == before.Session+1:
		at = place{before.Session, before.Taken + n} // it ended as soon as it had them
	default:
		at = place{after.Session - 1, n} // both
	}
	if !f.empty() && at.session != f.session {
		if s, any, _ := f.settled(after); any {
			if err := l.commit(s); err != nil {
				return at, err
			}
		}
		if !f.empty() {
			return at, errOver
		}
	}
	return at, err
}

// land waits until the sink's lanes have sent their last and it has settled, and
// commits what was confirmed by then.
func (l *lane) land(ctx context.Context) {
	l.sink.leave(ctx)
	if err := l.takeConfirmed(); err != nil {
		l.log.Error("what was confirmed last is sent again after a start", "err", err)
	}
}

// takeConfirmed commits what the receiver has confirmed by now. Nobody else works with
// the lane meanwhile.
func (l *lane) takeConfirmed() error {
	if l.flight == nil {
		return nil
	}
	if s, any, _ := l.flight.settled(l.flight.sink.Progress()); any {
		return l.commit(s)
	}
	return nil
}
