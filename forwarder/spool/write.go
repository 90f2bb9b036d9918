package spool

import (
	"errors"
	"fmt"
	"syscall"
)

const (
	maxTurns = 16      // writes one appender makes for the others
	maxSpare = 2 << 20 // capacity of a buffer worth keeping
)

// flush writes what is encoded until nothing is left, for whoever encoded it. mu
// is held on entry and on return, not while writing.
func (s *Spool) flush() {
	s.writing = true
	for turn := 0; s.fill.batches > 0 && !s.hold; turn++ {
		if turn == maxTurns {
			go func() {
				s.mu.Lock()
				s.flush()
				s.mu.Unlock()
			}()
			return // still writing
		}
		if s.active.size-s.active.head >= s.segLimit && !s.spent {
			s.hold, s.wantRoll = true, true
			poke(s.kick)
			break
		}
		f := s.fill
		s.fill = s.newFill()
		seg, off := s.active, s.active.size
		s.mu.Unlock()
		_, err := seg.file.WriteAt(f.buf, off)
		if err != nil {
			err = s.takeBack(seg, off, err)
		}
		spent := noRoom(err) && !errors.Is(err, errTorn) && s.spendReserve(seg, off)
		if spent {
			if _, err = seg.file.WriteAt(f.buf, off); err != nil {
				err = s.takeBack(seg, off, err)
			}
		} else if err == nil && s.o.Sync == OS {
			seg.reserve(off, s.segLimit)
		}
		s.mu.Lock()
		s.spent = s.spent || spent
		if err != nil {
			s.refused(f, err)
			break
		}
		seg.size += int64(len(f.buf))
		s.total += int64(len(f.buf))
		s.wrote(f)
	}
	s.writing = false
	s.idle.Broadcast()
}

func (s *Spool) newFill() *fill {
	f := &fill{}
	if n := len(s.spare); n > 0 {
		f.buf, s.spare = s.spare[n-1], s.spare[:n-1]
		s.spared -= cap(f.buf)
	}
	return f
}

// recycle keeps the buffer of f for another fill.
func (s *Spool) recycle(f *fill) {
	if n := cap(f.buf); s.spared+n <= maxSpare {
		s.spare = append(s.spare, f.buf[:0])
		s.spared += n
	}
	f.buf = nil
}

// wrote takes note of a written fill.
func (s *Spool) wrote(f *fill) {
	if s.full != nil {
		s.log.Info("spool: the disk has room again")
		s.full = nil
		s.freed()
	}
	s.newest = max(s.newest, f.newest)
	s.writtenSeq = f.seq
	if f.done != nil {
		close(f.done)
	}
	if s.o.Sync == OS {
		s.inflightSeq = f.seq
		s.settle([]*fill{f})
		if s.active.due() {
			poke(s.kick)
		}
		return
	}
	s.unsynced = append(s.unsynced, f)
	s.unsyncedBytes += len(f.buf)
	s.gather.batches += f.batches
	if s.target == 0 {
		poke(s.kick)
	} else if s.gather.batches >= s.target || s.unsyncedBytes >= enoughBytes {
		s.target = 0
		poke(s.enough)
	}
}

// errTorn marks a segment that could not be cut back after a failed write.
var errTorn = errors.New("segment could not be cut back")

// takeBack cuts off what a failed write left. It returns the error that decides
// how to go on.
func (s *Spool) takeBack(seg *segment, off int64, err error) error {
	if e := seg.file.Truncate(off); e != nil {
		return fmt.Errorf("%w: %w: %w", errTorn, err, e)
	}
	return err
}

// noRoom says that err is about space, not about the disk.
func noRoom(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// refused undoes the encoding of f, whose write failed, and of all behind it, and
// lets those who wait for them decide again.
func (s *Spool) refused(f *fill, err error) {
	s.undo(f)
	if noRoom(err) && !errors.Is(err, errTorn) {
		if s.full == nil {
			s.log.Error("spool: no room on the disk, waiting for it", "err", err)
			poke(s.tidy)
		}
		s.full = err
		return
	}
	s.broken(err)
}

// undo gives the indices of f and of all behind it back.
func (s *Spool) undo(f *fill) {
	for _, f := range []*fill{f, s.fill} {
		if f.batches == 0 || f.err != nil {
			continue
		}
		if f.first < s.next {
			s.next = f.first
		}
		s.seq -= uint64(f.batches)
		f.err = errAgain
		if f.done != nil {
			close(f.done)
		}
	}
	s.fill = s.newFill()
}

// broken gives the active segment up; the committer replaces it.
func (s *Spool) broken(err error) {
	if s.fault == nil {
		s.log.Error("spool: the disk failed, going on in a new segment", "err", err)
	}
	s.fault, s.hold = err, true
	poke(s.kick)
}
