// Package sink says what a sink is. The ways out are its folders; the table of them
// is forwarder/tables.go.
package sink

import (
	"context"
	"fmt"
	"time"
)

// Item is one rendered event. Its slices belong to the lane and are valid until
// Send returns.
type Item struct {
	Payload []byte
	Key     []byte    // the record's uid; nil unless the sink's Spec asks for it
	Source  string    // the source's name
	Time    time.Time // event time
}

// Sink is one way out. Send and Close are called by one goroutine; Close may be
// called while Send runs, and makes it return.
type Sink interface {
	// Send makes one attempt, in order. nil: all were taken. *Rejected: these will
	// never be taken, the others were. *Partial: the first were taken, or refused, and the
	// rest is to be sent again. *Busy: not now, the receiver says when.
	// Anything else: the other side is not well, send the same again later. No error
	// text holds a secret.
	Send(ctx context.Context, items []Item) error
	Close() error
}

// Limits bounds one Send. Zero means no bound of the sink's own.
type Limits struct{ Events, Bytes int }

// Limiter is a Sink with bounds of its own.
type Limiter interface{ Limits() Limits }

// Rejected says that the receiver will never take some items: they become dead
// letters. Index lists them; nil means all, and that the receiver did not say which.
type Rejected struct {
	Index  []int
	Reason error
	Answer string // the receiver's own words, as far as they matter and hold no secret
}

// Error tells how many were refused and why.
func (r *Rejected) Error() string {
	if r.Index == nil {
		return fmt.Sprintf("batch refused: %v", r.Reason)
	}
	return fmt.Sprintf("%d refused: %v", len(r.Index), r.Reason)
}

// Unwrap returns the reason.
func (r *Rejected) Unwrap() error { return r.Reason }

// Busy says that the receiver asked for a pause. A lane waits no longer than a minute.
type Busy struct {
	For time.Duration
	Err error
}

// Error tells for how long and why.
func (b *Busy) Error() string { return fmt.Sprintf("busy for %v: %v", b.For, b.Err) }

// Unwrap returns the cause.
func (b *Busy) Unwrap() error { return b.Err }

// Partial says that a Send settled the first Done items: those in Rejected are refused,
// the others were taken. The rest is to be sent again: at once when Err is nil, otherwise
// as Err says, which may be a *Busy but no *Rejected.
type Partial struct {
	Done     int
	Rejected *Rejected // whose Index is of the Send's items; nil: none was refused
	Err      error
}

// Error tells how far the Send came and why no farther.
func (p *Partial) Error() string {
	switch {
	case p.Err != nil:
		return fmt.Sprintf("%d taken: %v", p.Done, p.Err)
	case p.Rejected != nil:
		return fmt.Sprintf("%d looked at: %v", p.Done, p.Rejected)
	}
	return fmt.Sprintf("%d taken, the rest is to be sent again", p.Done)
}

// Unwrap returns why the rest was not taken.
func (p *Partial) Unwrap() error { return p.Err }
