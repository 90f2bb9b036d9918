package spool

import (
	"math"
	"time"
)

// Readers without a name have no cursor: they keep nothing from being removed, hold
// nobody up, and what is gone before they come to it is in their Account. Commit does
// nothing for them, and Position is behind what Next returned.

// ReaderAt returns a reader without a name that begins at p.
func (s *Spool) ReaderAt(p Pos) *Reader { return s.reader(p) }

// ReaderSince returns a reader without a name for the events received at t or later, the
// zero time being before all. It begins a little earlier, so that up to a segment of
// older events comes first.
func (s *Spool) ReaderSince(t time.Time) *Reader {
	least := int64(math.MinInt64)
	if !t.IsZero() {
		least = toNano(t)
	}
	first, _ := s.extent(least)
	return s.reader(Pos{Index: first})
}

// Poll is Next that does not wait: run is empty when there is nothing more to read now.
func (r *Reader) Poll(run *Run, max Limits) error {
	run.Entries = run.Entries[:0]
	if max.Events <= 0 {
		max.Events = math.MaxInt
	}
	if max.Bytes <= 0 {
		max.Bytes = readAhead
	}
	for {
		news, err := r.fill(run, max)
		if err != nil || news != nil || len(run.Entries) > 0 {
			return err
		}
	}
}
