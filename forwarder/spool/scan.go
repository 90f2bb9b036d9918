package spool

import (
	"slices"

	"github.com/siemfwd/siemfwd/forwarder/event"
)

// scanned is what reading a whole segment tells.
type scanned struct {
	head    bool   // the head is complete and was applied to marks
	frames  int    // intact ones
	salt    uint32 // 0 when there is no intact frame
	next    uint64 // index after the last event
	acked   uint64 // everything before this index was acknowledged
	end     int64  // where the last complete batch ends
	newest  int64  // newest time of reception
	damaged []region
	clean   bool   // the log was closed in good order
	unsure  point  // behind it, nothing is known to be on the disk; 0 is the beginning
	kept    []byte // the intact frames behind unsure, without what is void
}

// point is a place between two batches.
type point struct {
	off  int64
	next uint64 // index of the event behind it
}

type region struct{ off, len int64 }

// void is a part of a batch with marks that is not complete and was never
// acknowledged: it is to be as if it had not been written.
type void struct {
	off, end    int64
	first, next uint64
}

// scanner reads the frames of one segment in order.
type scanner struct {
	scanned
	w     window
	size  int64
	first uint64
	marks map[string][]byte

	whole uint64       // every index from here up to next was seen intact
	batch []event.Mark // those of the open batch
	open  bool         // inside a batch
	was   scanned      // when the open batch began, and end is where

	starts []point // of what was written at once and is not known to be durable
	void   []void
}

// scan reads the frames of a segment up to size, adds its marks to marks and finds
// where it ends: a trailing part without an intact frame, and a trailing batch
// without its last frame, are not part of it.
//
// What was written last before a crash may be in the memory of the kernel only, or
// even be what an fdatasync failed to write. So unless the log was closed in good
// order scan returns that part, for it to be written again elsewhere.
func scan(f File, first uint64, size int64, marks map[string][]byte) scanned {
	s := scanner{scanned: scanned{next: first, newest: noTime}, size: size, first: first, marks: marks, whole: first}
	s.w.reset(f)
	for off := int64(0); off < size; {
		h, b, v := s.w.frame(off, size, true)
		if v == good && (s.salt == 0 || h.salt == s.salt) {
			s.frame(off, &h, b)
			off += int64(h.size)
			continue
		}
		to := s.w.search(off+1, size, s.salt)
		if to == size {
			break
		}
		s.damaged = append(s.damaged, region{off, to - off})
		s.giveUp(off)
		off = to
	}
	r := s.scanned
	if s.open {
		r = s.was
		r.damaged, r.newest, r.acked = s.damaged, s.newest, s.acked
	}
	r.unsure = point{r.end, r.next}
	if r.clean {
		return r
	}
	s.void = slices.DeleteFunc(s.void, func(v void) bool { return v.next <= r.acked })
	if len(s.starts) > 0 && s.starts[0].off < r.end {
		r.unsure = s.starts[0]
	}
	if len(s.void) > 0 && s.void[0].off < r.unsure.off {
		r.unsure = point{s.void[0].off, s.void[0].first}
	}
	s.keep(&r)
	return r
}

// frame takes note of an intact frame at off.
func (s *scanner) frame(off int64, h *header, b []byte) {
	if !s.open {
		s.was, s.open = s.scanned, true
		s.was.end = off
	}
	s.salt, s.frames = h.salt, s.frames+1
	s.clean = h.kind == kindNote
	if acked := h.acked(b); acked > 0 {
		s.acked = max(s.acked, acked)
		s.starts = append(s.starts, point{off, s.next})
		for s.starts[0].next < s.acked && len(s.starts) > 1 {
			s.starts = s.starts[1:]
		}
	}
	whole := true
	switch h.kind {
	case kindHead:
		if s.frames == 1 && len(h.payload(b)) >= headSize {
			s.newest = max(s.newest, headNewest(h.payload(b)))
			s.head = h.flags&flagLast != 0
		}
	case kindEvent:
		if h.index < s.next {
			break // written again after a failed sync, or copied here
		}
		if h.index > s.next {
			s.whole = h.index
		}
		s.next = h.index + 1
		s.newest = max(s.newest, h.time)
		s.batch = nil
	case kindMark:
		whole = s.mark(h, b)
	}
	if h.flags&flagLast != 0 {
		s.end = off + int64(h.size)
		if !whole {
			s.giveUp(s.end)
		}
		s.open, s.batch = false, nil
	}
}

// mark takes note of a mark. The marks of a batch count when its last one is
// reached and nothing of the batch is missing; mark returns false when something is.
func (s *scanner) mark(h *header, b []byte) bool {
	if h.index > s.next { // the events before it are damaged
		s.whole, s.next = h.index, h.index
	}
	m, ok := parseMark(h.payload(b))
	if !ok || h.index < s.next || uint64(m.events) > s.next-s.whole || int(m.ord) != len(s.batch) {
		s.batch = nil
		return h.index < s.next // that of a copy is no loss
	}
	s.batch = append(s.batch, event.Mark{Key: m.Key, Value: slices.Clone(m.Value)})
	if h.flags&flagLast == 0 {
		return true
	}
	if len(s.batch) != int(m.all) {
		return false
	}
	for _, m := range s.batch {
		s.marks[m.Key] = m.Value
	}
	s.head = s.head || s.next == s.first && s.frames == len(s.batch)+1
	return true
}

// giveUp ends the open batch, which is not complete, at off.
func (s *scanner) giveUp(off int64) {
	if s.open {
		s.void = append(s.void, void{s.was.end, off, s.was.next, s.next})
	}
	s.open, s.batch = false, nil
}

// keep collects the intact frames behind the point that is unsure.
func (s *scanner) keep(r *scanned) {
	voids := s.void
	r.next = r.unsure.next
	for off := r.unsure.off; off < r.end; {
		for len(voids) > 0 && off >= voids[0].end {
			voids = voids[1:]
		}
		if len(voids) > 0 && off >= voids[0].off {
			off = voids[0].end
			continue
		}
		h, b, v := s.w.frame(off, r.end, true)
		if v != good || h.salt != r.salt {
			off = s.w.search(off+1, r.end, r.salt)
			continue
		}
		r.kept = append(r.kept, b...)
		r.next = max(r.next, h.index)
		if h.kind == kindEvent {
			r.next = max(r.next, h.index+1)
		}
		off += int64(h.size)
	}
}
