package spool

import (
	"fmt"
	"maps"
	"time"
)

// enoughBytes of written octets are made durable without waiting for more.
const enoughBytes = 1 << 20

// commit is the committer: it makes durable what was written and changes the
// active segment. Whatever is slow and not a write is done here.
func (s *Spool) commit() {
	defer s.done.Done()
	var p pace
	p.timer = time.NewTimer(time.Hour)
	p.timer.Stop()
	for {
		stopping := false
		select {
		case <-s.kick:
		case <-s.stop:
			stopping = true
		}
		for s.step(&p, stopping) {
		}
		if stopping {
			return
		}
	}
}

// step does one thing that is to be done; it returns false when there is nothing.
func (s *Spool) step(p *pace, stopping bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if stopping {
		for s.writing {
			s.idle.Wait()
		}
	}
	switch {
	case s.fault != nil:
		return s.replace(stopping)
	case len(s.unsynced) > 0:
		if !stopping && !s.wantRoll {
			s.linger(p)
		}
		s.sync(p)
		return true
	case s.o.Sync == OS && !stopping && !s.wantRoll && s.active.due():
		seg, from, size := s.active, s.active.sent, s.active.size
		seg.sent = size
		s.mu.Unlock()
		seg.drain(from, size)
		s.mu.Lock()
		return true
	case s.wantRoll:
		for s.writing {
			s.idle.Wait()
		}
		if len(s.unsynced) == 0 {
			s.roll()
		}
		return true
	}
	return false
}

// pace is what the committer knows of those it serves.
type pace struct {
	timer *time.Timer
	ended time.Time     // of the last fdatasync
	took  time.Duration // by an fdatasync, lately
	woke  int           // batches the last fdatasync was for
}

// linger waits until as many batches are written as the last fdatasync was for:
// those it woke are likely to be back at once. It waits no longer than a part of
// what an fdatasync takes, and not at all when the last one is long ago.
func (s *Spool) linger(p *pace) {
	most := min(s.o.Window, p.took/2)
	if most <= 0 || p.woke <= s.gather.batches || s.unsyncedBytes >= enoughBytes || time.Since(p.ended) > 2*p.took {
		return
	}
	select {
	case <-s.enough:
	default:
	}
	s.target = p.woke
	s.mu.Unlock()
	p.timer.Reset(most)
	select {
	case <-s.enough:
		p.timer.Stop()
	case <-p.timer.C:
	case <-s.stop:
	}
	s.mu.Lock()
	s.target = 0
}

// sync makes durable what is written.
func (s *Spool) sync(p *pace) {
	n, g, seg, size := len(s.unsynced), s.gather, s.active, s.active.size
	s.gather, s.inflight, s.inflightSeq = newGroup(), g, s.writtenSeq
	s.mu.Unlock()
	began := time.Now()
	err := seg.file.Sync()
	p.ended = time.Now()
	seg.reserve(size, s.segLimit)
	if err == nil {
		seg.cool(size)
	}
	s.mu.Lock()
	s.syncs++
	p.took, p.woke = (3*p.took+p.ended.Sub(began))/4, g.batches
	if err != nil {
		// The kernel may have dropped what it could not write, and the next
		// fdatasync on this file would say that all is well.
		s.broken(err)
		return
	}
	done := s.unsynced[:n]
	s.unsynced = append([]*fill(nil), s.unsynced[n:]...)
	for _, f := range done {
		s.unsyncedBytes -= len(f.buf)
	}
	s.settle(done)
	close(g.done)
}

// settle takes note that fills are durable.
func (s *Spool) settle(fills []*fill) {
	if len(fills) == 0 {
		return
	}
	var octets int64
	for _, f := range fills {
		for _, m := range f.marks {
			if len(m.Value) == 0 {
				delete(s.marks, m.Key)
			} else {
				s.marks[m.Key] = m.Value
			}
		}
		octets += int64(len(f.buf))
		s.recycle(f)
	}
	last := fills[len(fills)-1]
	s.durableSeq, s.durable = last.seq, last.next
	s.lmu.Lock()
	s.tail.index = last.next
	s.end.Store(last.next)
	s.tail.off += octets
	s.tell()
	s.lmu.Unlock()
	if s.unsyncedBytes <= maxUnsynced {
		s.freed()
	}
}

// tell wakes the readers; lmu is held.
func (s *Spool) tell() {
	if s.waiting > 0 {
		close(s.news)
		s.news, s.waiting = make(chan struct{}), 0
	}
}

// firstFree is the index a new segment would begin with: everything before it is
// in the log.
func (s *Spool) firstFree() uint64 {
	if len(s.unsynced) > 0 {
		return s.unsynced[0].first
	}
	if s.fill.batches > 0 {
		return s.fill.first
	}
	return s.next
}

// roll begins a new segment. Everything before it is durable, so its head may
// say how far the sources have read.
func (s *Spool) roll() {
	first, marks, newest := s.firstFree(), maps.Clone(s.marks), s.newest
	again := first == s.active.first // only marks in it
	s.mu.Unlock()
	if s.o.Sync == OS {
		_ = s.active.file.Sync()
	}
	seg, err := s.newSegment(first, marks, newest, nil, again)
	spent := noRoom(err) && s.spendReserve(s.active, s.active.size)
	s.mu.Lock()
	s.wantRoll, s.hold = false, false
	switch {
	case spent:
		s.spent = true // the active segment grows beyond its size instead
	case err != nil:
		s.refused(&fill{}, fmt.Errorf("new segment: %w", err))
		return
	default:
		s.begin(seg, seg.size)
		poke(s.tidy)
	}
	if s.fill.batches > 0 && !s.writing {
		s.flush()
	}
}

// begin makes seg the active segment, durable up to off. It takes the place of
// every segment that begins with the same or a later index.
func (s *Spool) begin(seg *segment, off int64) {
	old := s.active
	s.active = seg
	s.lmu.Lock()
	keep := len(s.segs)
	for keep > 0 && s.segs[keep-1].first >= seg.first {
		keep--
		s.total -= s.segs[keep].size
		s.segs[keep].gone = true
	}
	s.segs = append(append([]*segment(nil), s.segs[:keep]...), seg)
	s.tail.off = off
	s.lmu.Unlock()
	s.total += seg.size
	_ = old.file.Close()
}

// replace begins a new segment in place of one that failed and appends to it
// what was not durable. It returns false when it has to give up.
func (s *Spool) replace(stopping bool) bool {
	const least, most = 50 * time.Millisecond, 5 * time.Second
	s.undo(&fill{})
	for pause := least; ; pause = min(2*pause, most) {
		for s.writing {
			s.idle.Wait()
		}
		first, marks, newest, fills := s.firstFree(), maps.Clone(s.marks), s.newest, s.unsynced
		s.lmu.Lock()
		off := s.tail.off
		s.lmu.Unlock()
		s.mu.Unlock()
		old := s.active
		seg, err := s.newSegment(first, marks, newest, fills, true)
		if noRoom(err) && s.useReserve() == nil {
			seg, err = s.newSegment(first, marks, newest, fills, true)
		}
		if err == nil && first > old.first {
			// Readers stop there anyway, as the next segment begins there.
			_ = old.file.Truncate(off)
		}
		s.mu.Lock()
		if err == nil {
			s.total -= old.size - off
			old.size = off
			s.replaced(seg, fills)
			return true
		}
		s.fault = err
		if stopping {
			s.abandon(err)
			return false
		}
		s.mu.Unlock()
		select {
		case <-s.stop:
			stopping = true
		case <-time.After(pause):
		}
		s.mu.Lock()
	}
}

// replaced takes note that seg holds fills, durably.
func (s *Spool) replaced(seg *segment, fills []*fill) {
	head := seg.size
	for _, f := range fills {
		head -= int64(len(f.buf))
	}
	s.begin(seg, head)
	groups := []*group{s.inflight, s.gather}
	s.gather, s.inflight, s.inflightSeq = newGroup(), nil, s.writtenSeq
	s.unsynced, s.unsyncedBytes = nil, 0
	s.settle(fills)
	for _, g := range groups {
		g.end(nil)
	}
	s.fault, s.hold, s.wantRoll = nil, false, false
	s.log.Info("spool: the disk works again")
	s.freed()
}

// end closes a group once.
func (g *group) end(err error) {
	if g == nil {
		return
	}
	select {
	case <-g.done:
	default:
		g.err = err
		close(g.done)
	}
}

// abandon tells those who wait that what they wait for will not be durable.
func (s *Spool) abandon(err error) {
	err = fmt.Errorf("spool: not durable: %w", err)
	s.inflight.end(err)
	s.gather.end(err)
}
