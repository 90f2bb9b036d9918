package source

import (
	"context"
	"time"
)

// Pause is the error of a Run that should not be repeated before For is over: the
// caller waits that long instead of what it would choose itself.
type Pause struct {
	For time.Duration
	Err error
}

// Error is that of what went wrong.
func (p *Pause) Error() string { return p.Err.Error() }

// Unwrap returns what went wrong.
func (p *Pause) Unwrap() error { return p.Err }

// Keyless is a Source whose events have no Key: there is nothing of them to be remembered.
type Keyless interface{ Keyless() }

// Rememberer is a Source that meets its events again and again, and relies on the Log
// to leave out those it has.
type Rememberer interface {
	// Remember is how long the keys of events must be remembered at least.
	Remember() time.Duration
	// Since is from when on events must be remembered however long ago they were
	// received, from what mark returns for the source's marks; the zero time is from
	// ever on. It may be called at any time, by any goroutine.
	Since(mark func(key string) []byte) time.Time
}

// Positioner is a Source that reads along a line of time. Both methods may be called
// at any time, by any goroutine.
type Positioner interface {
	// Position is up to when everything has been read; zero before that is known.
	Position() time.Time
	// Progress says the same for people; "" when there is nothing to say.
	Progress() string
}

// Backfiller is a Source that can read a stretch of the past again while it runs.
type Backfiller interface {
	// Backfill returns when every event of the stretch is durable, those that were so
	// before not twice; the position of Run stays where it is. step is told up to when
	// everything has been read, how many events the last answer had, and how many of
	// them were new.
	Backfill(ctx context.Context, from, to time.Time, step func(at time.Time, events, fresh int)) error
}
