package spool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Discard gives up everything that waits: it goes to the end of what is durable, commits
// that, and returns how many events it passed over. They are not among what it skipped;
// the caller counts them. It must not run at the same time as Next. A reader without a
// name just goes to the end.
func (r *Reader) Discard() (events uint64, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return 0, ErrClosed
	}
	p := r.s.last()
	if r.c == nil {
		r.leave()
		r.pos = p
		return 0, nil
	}
	at := r.c.position().Index
	events = p.Index - min(p.Index, at)
	for _, g := range r.gaps {
		events -= min(events, min(g.to, p.Index)-min(g.from, p.Index))
	}
	r.leave()
	r.pos = p
	r.commit(p)
	return events, nil
}

// last is the place behind the last durable event.
func (s *Spool) last() Pos {
	s.lmu.Lock()
	defer s.lmu.Unlock()
	return Pos{Index: s.tail.index, Segment: s.segs[len(s.segs)-1].first, Offset: s.tail.off}
}

// SyncCursors returns nil when every Commit up to now is durable.
func (s *Spool) SyncCursors() error { return s.syncCursors() }

// Remove removes the log in dir, which nobody may have open: the error then wraps
// ErrLocked. A log that is not there is no error.
func Remove(dir string) error {
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	held, err := System().Lock(filepath.Join(dir, lockName))
	if err != nil {
		return fmt.Errorf("spool: %s: %w", dir, err)
	}
	defer held.Close()
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}
