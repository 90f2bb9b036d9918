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
	// never be taken, the others were. *Busy: not now, the receiver says when.
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

// Busy says that the receiver asked for a pause.
type Busy struct {
	For time.Duration
	Err error
}

// Error tells for how long and why.
func (b *Busy) Error() string { return fmt.Sprintf("busy for %v: %v", b.For, b.Err) }

// Unwrap returns the cause.
func (b *Busy) Unwrap() error { return b.Err }
