package sink

import (
	"context"
	"errors"
	"sync"
)

// Progress is how far a Confirmer has come. Items are counted from the start of a
// session: one connection, or one channel.
type Progress struct {
	// Session tells one session from the next, which has the next number. It changes
	// when a session ends, not when the next connection stands.
	Session uint64
	// Taken is how many items Send took in this session: those of every Send that
	// returned nil, and those of a *Rejected, or settled by a *Partial, that are not refused.
	Taken uint64
	// Confirmed is how many of them, counted from the first, the receiver has for good.
	Confirmed uint64
	// Before is how many items of the session before this one were confirmed when it
	// ended. What it took beyond that is to be sent again.
	Before uint64
	// Ended is why the session before this one ended; nil when nobody knows.
	Ended error
	// Changed is closed when any of the above is no longer so.
	Changed <-chan struct{}
}

// ErrSession is wrapped by the error of a Confirmer's Send that found a session over:
// nothing of the batch was taken, Progress shows the next session, and Send can be
// called again at once.
var ErrSession = errors.New("session is over")

// Confirmer is a Sink that learns only after Send that the receiver has the items:
// Send hands over in order, and a lane's cursor moves only to what is confirmed. It
// keeps no payload for that: when a session ends, its lanes read from the log again
// what it took and did not confirm.
//
// A session that ended with items unconfirmed has to be known to the lanes before anything
// goes into the next one, or what comes later would overtake. So the first Send after such
// an end takes nothing and returns an error that wraps ErrSession, at once
// (Ledger.Begin does that), and so does a Send that itself finds the session over; lanes
// look at Progress and call again. When nothing was unconfirmed a Send may go on with the
// next session. A Send takes all of a batch, or as much of it as a *Partial says, into one
// session or nothing of it. Any other error while the session goes on (the receiver is
// busy, say) leaves Taken as it is.
//
// Send blocks, until ctx ends, while more is unconfirmed than the sink allows. A receiver
// that confirms nothing for too long is an error and the end of the session.
//
// A receiver that may refuse an item after it was taken: the sink ends the session, and
// in the next one waits for the answers within Send, up to what had been taken before.
//
// A Ledger keeps the numbers.
type Confirmer interface {
	Sink
	// Progress may be called at any time by any goroutine.
	Progress() Progress
	// Settle tries, until ctx ends, to have everything confirmed that was taken. It is
	// called once, after the last Send and before Close; Progress then shows, of the
	// session that was, what came of it.
	Settle(ctx context.Context)
}

// Ledger keeps the numbers of a Confirmer. The zero Ledger is ready. Its methods are
// safe for concurrent use.
type Ledger struct {
	mu      sync.Mutex
	now     Progress
	untold  bool          // a session ended with items unconfirmed, and Begin has not said so
	answers uint64        // items the receiver has, those of a Send that still runs included
	changed chan struct{} // nil: nobody waits for it
}

// Progress implements Confirmer.
func (l *Ledger) Progress() Progress {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	p := l.now
	p.Changed = l.changed
	return p
}

// Begin is for the beginning of Send. It returns the session that is going on, or
// ErrSession the first time after one ended with items unconfirmed.
func (l *Ledger) Begin() (session uint64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.untold {
		l.untold = false
		err = ErrSession
	}
	return l.now.Session, err
}

// Take notes that n more items were taken, if session goes on, and returns how many
// that makes.
func (l *Ledger) Take(session uint64, n int) (taken uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if session != l.now.Session || n <= 0 {
		return l.now.Taken
	}
	l.now.Taken += uint64(n)
	l.now.Confirmed = min(l.answers, l.now.Taken)
	l.tell()
	return l.now.Taken
}

// Confirm notes that the receiver has the first n items of session, if that goes on.
// Fewer than before is ignored; more than were taken count when they are, so that an
// answer may come before Send has returned.
func (l *Ledger) Confirm(session, n uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if session != l.now.Session || n <= l.answers {
		return
	}
	l.answers = n
	if c := min(n, l.now.Taken); c != l.now.Confirmed {
		l.now.Confirmed = c
		l.tell()
	}
}

// End ends session, if it goes on: what is not confirmed is to be sent again.
func (l *Ledger) End(session uint64, why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if session == l.now.Session {
		l.untold = l.untold || l.now.Taken > l.now.Confirmed
		l.now = Progress{Session: session + 1, Before: l.now.Confirmed, Ended: why}
		l.answers = 0
		l.tell()
	}
}

func (l *Ledger) tell() {
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}
