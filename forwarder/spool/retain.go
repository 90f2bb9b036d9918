package spool

import (
	"math"
	"time"
)

// housekeep makes cursors durable and removes what need not be kept, once a second
// and when it is asked to. While the disk is full it lets an append try again four
// times a second, and whenever it has removed something.
func (s *Spool) housekeep() {
	defer s.done.Done()
	const usual, soon = time.Second, 250 * time.Millisecond
	t := time.NewTimer(usual)
	defer t.Stop()
	complained, wasFull := false, false
	for {
		due := false
		select {
		case <-s.tidy:
		case <-t.C:
			due = true
		case <-s.stop:
			return
		}
		err := s.syncCursors()
		if err != nil && !complained {
			s.log.Error("spool: cursors cannot be written; after a crash their readers repeat events", "err", err)
		}
		complained = err != nil
		removed := s.reclaim()
		s.mu.Lock()
		full := s.full != nil
		broken := s.fault != nil
		s.probe = full && (s.probe || due || removed > 0)
		s.freed()
		s.mu.Unlock()
		s.cmu.Lock()
		unlisted := s.unlisted
		s.cmu.Unlock()
		if due && unlisted {
			s.listReaders()
		}
		if due && !full && !broken && !s.reserved.Load() {
			s.restoreReserve()
		}
		switch {
		case full && (due || !wasFull):
			t.Reset(soon)
		case due:
			t.Reset(usual)
		}
		wasFull = full
	}
}

// moved is told of every step of a cursor. A step out of the oldest segment may
// make room somebody waits for.
func (s *Spool) moved(from, to uint64) {
	s.lmu.Lock()
	left := len(s.segs) > 1 && from < s.segs[1].first && to >= s.segs[1].first
	alone := len(s.segs) == 1 && to == s.tail.index
	s.lmu.Unlock()
	if left || alone {
		poke(s.tidy)
	}
}

// reclaim removes segments from the oldest on and returns how many.
func (s *Spool) reclaim() (removed int) {
	young := s.young()
	for ; ; removed++ {
		done := s.delivered()
		s.mu.Lock()
		over := s.over(s.need) || s.o.Max > 0 && s.total+s.segLimit > s.o.Max
		// Of a full disk one segment at a time is given back: perhaps it is enough.
		over = over || s.full != nil && removed == 0
		newest, next := s.newest, s.next
		first := s.active.first
		s.mu.Unlock()
		seg := s.oldest(done, newest, young, over)
		if seg == nil {
			s.mu.Lock()
			s.stuck = s.over(s.need)
			if s.stuck && first < next && (done >= next || s.o.WhenFull == DropOldest) && s.active.first == first && s.fault == nil {
				// All there is stands in the active segment.
				s.hold, s.wantRoll, s.stuck = true, true, false
				poke(s.kick)
			}
			if !s.stuck {
				s.need = 0
			}
			s.mu.Unlock()
			if removed > 0 {
				_ = s.fs.SyncDir(s.dir)
			}
			return removed
		}
		s.mu.Lock()
		s.total -= seg.size
		s.mu.Unlock()
		s.expire()
		if err := ignoreMissing(s.fs.Remove(seg.path)); err != nil {
			s.log.Error("spool: segment cannot be removed", "err", err)
		}
	}
}

// delivered is the index all cursors have passed, as far as that is durable.
func (s *Spool) delivered() uint64 {
	s.cmu.Lock()
	defer s.cmu.Unlock()
	least := uint64(math.MaxUint64)
	for _, c := range s.cursors {
		c.mu.Lock()
		least = min(least, c.durable)
		c.mu.Unlock()
	}
	return least
}

// young is from when on events stay for their age.
func (s *Spool) young() int64 {
	young := toNano(s.o.Now().Add(-s.o.Keep))
	if s.o.Since == nil {
		return young
	}
	since := s.o.Since(s.Mark)
	if since.IsZero() {
		return math.MinInt64
	}
	return min(young, toNano(since)-1)
}

// oldest takes the oldest segment off the list if it may go: what was received after
// young stays, unless over says that the room is needed.
func (s *Spool) oldest(delivered uint64, newest, young int64, over bool) *segment {
	s.lmu.Lock()
	defer s.lmu.Unlock()
	if len(s.segs) < 2 {
		return nil
	}
	seg, next := s.segs[0], s.segs[1]
	switch {
	case delivered >= next.first:
		if n := next.before; n != noTime {
			newest = n
		}
		if !over && newest > young {
			return nil
		}
	case !over || s.o.WhenFull != DropOldest:
		return nil
	}
	seg.gone = true
	s.segs = append([]*segment(nil), s.segs[1:]...)
	return seg
}

// expire tells the readers what is not there any more.
func (s *Spool) expire() {
	s.lmu.Lock()
	first := s.segs[0].first
	s.lmu.Unlock()
	s.cmu.Lock()
	var readers []*Reader
	for _, c := range s.cursors {
		if c.reader != nil {
			readers = append(readers, c.reader)
		}
	}
	s.cmu.Unlock()
	for _, r := range readers {
		r.expire(first)
	}
}
