// Package source says what a source is. The ways in are its folders; the table of
// them is forwarder/tables.go.
package source

import (
	"context"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/event"
)

// Source is one way in.
type Source interface {
	// Run reads until ctx ends, then returns nil with everything it started gone.
	// Any other return is a failure: the caller reports it and calls Run again
	// after a pause. A Source neither retries nor restarts itself.
	Run(ctx context.Context, log Log) error
}

// Log is where a source puts its events. All methods are safe for concurrent use.
type Log interface {
	// Emit returns nil once every event of b and its marks are on disk, and not
	// before. Events whose Key was seen before are left out and counted; that too
	// returns only when the first of them is on disk. Emit blocks while the disk is
	// slow or the spool is full, until ctx ends. It does not keep b, but may drop
	// events from it.
	Emit(ctx context.Context, b *event.Batch) error
	// Mark returns the last value made durable under key; nil when there is none.
	Mark(key string) []byte
	// Refuse keeps a body that no event could be made of among the dead letters,
	// under sink "-", with the reason given to the sender.
	Refuse(ctx context.Context, raw event.Raw, reason string)
	// Ready says that the source is reading (its ports are bound). Call it once in
	// every Run, when that is so.
	Ready()
	// Keep is how long delivered events, and so the memory of keys, are kept.
	Keep() time.Duration
}
