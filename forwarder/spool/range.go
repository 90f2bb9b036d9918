package spool

import (
	"errors"
	"iter"
	"math"
	"time"
)

// reader returns a reader without a name that begins at p.
func (s *Spool) reader(p Pos) *Reader {
	return &Reader{s: s, pos: p, bye: make(chan struct{})}
}

// Range yields the durable events received at from or later and before to, in the
// order of the log; a zero time is no bound. Events that become durable meanwhile
// are not among them. No cursor moves. The entry is valid until the next one is
// asked for. A damaged event is left out; an error ends the sequence.
func (s *Spool) Range(from, to time.Time) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		least, below := int64(math.MinInt64), int64(math.MaxInt64)
		if !from.IsZero() {
			least = toNano(from)
		}
		if !to.IsZero() {
			below = toNano(to)
		}
		index, end := s.extent(least)
		r := s.reader(Pos{Index: index})
		defer r.Close()
		var run Run
		for r.pos.Index < end {
			run.Entries = run.Entries[:0]
			_, err := r.fill(&run, Limits{math.MaxInt, math.MaxInt})
			if err != nil {
				if !errors.Is(err, ErrClosed) || r.pos.Index < end {
					yield(Entry{}, err)
				}
				return
			}
			for _, e := range run.Entries {
				if e.Index >= end {
					return
				}
				if n := toNano(e.Time); n >= least && n < below && !yield(e, nil) {
					return
				}
			}
		}
	}
}

// Reach is since when the newest octets of the log, about that many, were received; the
// zero time is from ever on, when it has no more than that.
func (s *Spool) Reach(octets int64) time.Time {
	s.lmu.Lock()
	defer s.lmu.Unlock()
	octets -= s.tail.off
	for i := len(s.segs) - 1; i > 0; i-- {
		if octets -= s.segs[i-1].size; octets < 0 && s.segs[i].before != noTime {
			return fromNano(s.segs[i].before)
		}
	}
	return time.Time{}
}

// extent returns the index of the first segment that can hold an event received at
// least or later, and the index after the last durable event.
func (s *Spool) extent(least int64) (first, end uint64) {
	s.lmu.Lock()
	defer s.lmu.Unlock()
	i := 0
	// The head of a segment says how new the events before it are.
	for i < len(s.segs)-1 && s.segs[i+1].before != noTime && s.segs[i+1].before < least {
		i++
	}
	return s.segs[i].first, s.tail.index
}

// received is when the first event at or behind p was received.
func (s *Spool) received(p Pos) (t time.Time) {
	r := s.reader(p)
	defer r.Close()
	var run Run
	run.w.buf = make([]byte, 4096)
	for len(run.Entries) == 0 {
		if news, err := r.fill(&run, Limits{1, 1}); err != nil || news != nil {
			return t
		}
	}
	return run.Entries[0].Time
}
