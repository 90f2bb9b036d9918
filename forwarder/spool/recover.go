package spool

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io/fs"
	"maps"
	"path/filepath"
	"strings"
	"syscall"
)

// recover makes the log ready: it finds the segments, reads the newest one and
// the cursors, cuts off what a crash left half written.
func (s *Spool) recover() error {
	names, err := s.fs.List(s.dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		path := filepath.Join(s.dir, name)
		first, ok := parseSegmentName(name)
		switch {
		case ok:
			seg, err := s.recognise(path, first)
			if err != nil {
				return err
			}
			if seg != nil {
				s.segs = append(s.segs, seg)
				s.total += seg.size
			}
		case strings.HasSuffix(name, segExt+tmpExt), name == readersName+tmpExt:
			if s.fs.Remove(path) != nil {
				_ = s.damage.setAside(path) // a folder, perhaps
			}
		case name != lockName && name != cursorDir && name != quarantine && name != reserveName && name != readersName:
			s.log.Warn("spool: foreign file left alone", "file", path)
		}
	}
	s.loadCursors()
	s.missedCursors()
	s.unlisted = len(s.cursors) > 0
	last := s.readNewest()
	next := last.next
	for _, c := range s.cursors {
		next = max(next, c.seen)
	}
	s.next = max(next, 1)
	s.newest = last.newest
	for s.salt == 0 {
		var b [4]byte
		_, _ = rand.Read(b[:])
		s.salt = binary.LittleEndian.Uint32(b[:])
	}
	if err := s.goOn(last); err != nil {
		return err
	}
	s.tail.index, s.durable = s.firstFree(), s.firstFree()
	s.end.Store(s.tail.index)
	s.placeCursors()
	s.reserve()
	if s.unlisted {
		s.listReaders()
	}
	return nil
}

// occupy takes the lock and sees to it that the folders of the log are folders.
func (s *Spool) occupy() error {
	path := filepath.Join(s.dir, lockName)
	held, err := s.fs.Lock(path)
	if err != nil && !errors.Is(err, ErrLocked) && s.damage.setAside(path) == nil {
		held, err = s.fs.Lock(path)
	}
	if err != nil {
		return err
	}
	s.held = held
	path = filepath.Join(s.dir, cursorDir)
	if err = s.fs.Mkdir(path); err != nil && s.damage.setAside(path) == nil {
		err = s.fs.Mkdir(path)
	}
	if err != nil {
		err = errors.Join(err, held.Close())
	}
	return err
}

// recognise opens a segment and reads its head. It returns nil for what is not the
// segment its name says, or cannot be read, which it moves out of the way. The error is
// that of a process that can open nothing.
func (s *Spool) recognise(path string, first uint64) (*segment, error) {
	seg := &segment{first: first, path: path, created: noTime, before: noTime}
	f, err := s.fs.Open(path)
	if err == nil {
		defer f.Close()
		seg.size, err = f.Size()
	}
	switch {
	case err == nil:
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ENOMEM):
		return nil, err
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	default:
		s.log.Error("spool: segment cannot be opened, set aside", "err", err)
		return nil, s.damage.setAside(path)
	}
	var w window
	w.buf = make([]byte, headerSize+headSize)
	w.reset(f)
	h, b, v := w.frame(0, min(seg.size, headerSize+headSize), true)
	if v != good || h.kind != kindHead || len(h.payload(b)) < headSize {
		return seg, nil
	}
	if h.index != first {
		s.log.Error("spool: segment is not what its name says, set aside", "file", path, "begins with", h.index)
		return nil, s.damage.setAside(path)
	}
	seg.created, seg.before = h.time, headNewest(h.payload(b))
	s.salt = h.salt
	return seg, nil
}

// readNewest reads the newest segment, and older ones only as long as the head of
// those read is damaged, for the marks. Segments nothing can be read from are
// dropped from the end of the list.
func (s *Spool) readNewest() scanned {
	last := scanned{next: 1, newest: noTime}
	found := false
	for i := len(s.segs) - 1; i >= 0; i-- {
		seg := s.segs[i]
		marks := map[string][]byte{}
		r, err := s.scanFile(seg, marks)
		if err != nil {
			s.log.Error("spool: segment cannot be read", "err", err)
		}
		for k, v := range marks {
			if _, newer := s.marks[k]; !newer {
				s.marks[k] = v
			}
		}
		if !found {
			if r.frames == 0 {
				s.log.Error("spool: no intact frame in segment, set aside", "file", seg.path)
				_ = s.damage.setAside(seg.path)
				s.total -= seg.size
				s.segs = s.segs[:i]
				last.next = max(last.next, seg.first)
				continue
			}
			r.next = max(r.next, last.next)
			last, found = r, true
			if s.salt == 0 {
				s.salt = r.salt
			}
		}
		if r.head {
			break
		}
	}
	maps.DeleteFunc(s.marks, func(_ string, v []byte) bool { return len(v) == 0 })
	return last
}

func (s *Spool) scanFile(seg *segment, marks map[string][]byte) (scanned, error) {
	f, err := s.fs.Open(seg.path)
	if err != nil {
		return scanned{}, err
	}
	defer f.Close()
	r := scan(f, seg.first, seg.size, marks)
	for _, d := range r.damaged {
		s.damage.found(f, seg, d.off, d.len)
	}
	return r, nil
}

// goOn opens the newest segment for appending when the log was closed in good
// order. Otherwise it begins another one with what may not have reached the disk,
// as a new file the kernel is known to write.
func (s *Spool) goOn(last scanned) error {
	n := len(s.segs)
	if n > 0 && last.clean && s.next == last.next {
		seg := s.segs[n-1]
		err := s.reopen(seg, last.end)
		if err == nil {
			s.active, s.tail.off = seg, seg.size
			return nil
		}
		s.log.Error("spool: newest segment cannot be continued, beginning another", "file", seg.path, "err", err)
	}
	first := s.next
	if n > 0 {
		first = last.unsure.next
		s.unsure = gap{first, last.next}
	}
	kept := &fill{buf: last.kept, first: first, next: s.next, newest: s.newest, batches: 1}
	seg, err := s.newSegment(first, s.marks, s.newest, []*fill{kept}, true)
	if noRoom(err) && s.useReserve() == nil {
		seg, err = s.newSegment(first, s.marks, s.newest, []*fill{kept}, true)
	}
	if err != nil && n > 0 {
		return s.goOnWithout(s.segs[n-1], last, kept, err)
	}
	if err != nil {
		return err
	}
	if n > 0 {
		old := s.segs[n-1]
		s.total -= old.size
		if old.first >= seg.first {
			s.segs = s.segs[:n-1]
		} else {
			s.cut(old, last)
			s.total += old.size
		}
	}
	s.segs = append(s.segs, seg)
	s.total += seg.size
	s.active, s.tail.off = seg, seg.size
	return nil
}

// goOnWithout starts the log although no segment can be begun, since the disk is full,
// say: what is known to be on the disk can be read, and the committer tries to begin one
// until it can.
func (s *Spool) goOnWithout(seg *segment, last scanned, kept *fill, why error) error {
	f, err := s.fs.Open(seg.path)
	if err != nil {
		return errors.Join(why, err)
	}
	if last.end < seg.size {
		s.damage.cut(f, seg, last.end, seg.size-last.end)
	}
	seg.file = f
	s.active, s.tail.off = seg, last.unsure.off
	if len(kept.buf) > 0 {
		kept.seq = 1
		s.seq, s.writtenSeq = 1, 1
		s.unsynced, s.unsyncedBytes = []*fill{kept}, len(kept.buf)
	}
	s.broken(why)
	return nil
}

// cut ends a segment where the next one goes on. Readers stop there anyway; that it
// cannot be done does no harm.
func (s *Spool) cut(seg *segment, last scanned) {
	f, err := s.fs.Open(seg.path)
	if err != nil {
		return
	}
	if last.end < seg.size {
		s.log.Warn("spool: unfinished end of the newest segment cut off", "file", seg.path, "octets", seg.size-last.end)
		s.damage.cut(f, seg, last.end, seg.size-last.end)
	}
	if f.Truncate(last.unsure.off) == nil {
		seg.size = last.unsure.off
	}
	_ = f.Close()
}

func (s *Spool) reopen(seg *segment, end int64) error {
	f, err := s.fs.Open(seg.path)
	if err != nil {
		return err
	}
	if end < seg.size {
		s.log.Warn("spool: unfinished end of the newest segment cut off", "file", seg.path, "octets", seg.size-end)
		s.damage.cut(f, seg, end, seg.size-end)
		err = f.Truncate(end)
	}
	// What a killed process wrote is in the kernel's hands still, and readers are
	// about to see it.
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	s.total -= seg.size - end
	seg.file, seg.size = f, end
	seg.reserve(end, s.segLimit)
	return nil
}
