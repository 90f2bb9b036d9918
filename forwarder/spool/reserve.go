package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// reserveName is a file that takes room on the disk, so that a full one can be given some
// back: for the cursors, and for the events of a log that has Options.Reserve.
const (
	reserveName = "reserve"
	reserveSize = 1 << 20
)

// reserve makes the reserve if there is room for it.
func (s *Spool) reserve() {
	path := filepath.Join(s.dir, reserveName)
	f, err := s.fs.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = s.fs.Create(path)
	}
	if err == nil {
		if err = f.Allocate(max(s.o.Reserve, reserveSize)); err != nil {
			err = errors.Join(err, s.fs.Remove(path))
		}
		err = errors.Join(err, f.Close())
	}
	s.reserved.Store(err == nil)
	if err != nil {
		s.log.Debug("spool: no reserve", "err", err)
	}
}

// restoreReserve makes the reserve again when the disk has room once more.
func (s *Spool) restoreReserve() {
	s.reserve()
	if s.reserved.Load() {
		s.mu.Lock()
		s.spent = false
		s.mu.Unlock()
	}
}

// useReserve gives the reserve back to the disk.
func (s *Spool) useReserve() error {
	s.reserved.Store(false)
	if err := s.fs.Remove(filepath.Join(s.dir, reserveName)); err != nil {
		return fmt.Errorf("reserve: %w", err)
	}
	return nil
}

// spendReserve gives the reserve of a log that has one for its events to a segment, before
// anybody else takes it, and says whether there was one. Whoever writes calls it.
func (s *Spool) spendReserve(seg *segment, size int64) bool {
	if s.o.Reserve == 0 || !s.reserved.Load() || s.useReserve() != nil {
		return false
	}
	_ = seg.file.Allocate(size + s.o.Reserve)
	return true
}
