package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/siemfwd/siemfwd/forwarder/event"
)

const (
	segExt     = ".seg"
	tmpExt     = ".tmp"
	lockName   = "lock"
	cursorDir  = "cursors"
	quarantine = "quarantine"
)

// segment is one file of the log. Its events have indices from first up to the
// first of the next segment.
type segment struct {
	first   uint64
	path    string
	created int64 // when it was begun; noTime when its head is damaged
	before  int64 // newest time of reception in all segments before it, as its head says

	// Of the active segment these are the writer's, under Spool.mu; they stay as
	// they are when the segment is sealed.
	file File
	size int64 // where the next frame goes; of a sealed segment, its end

	gone bool // removed by retention; under Spool.lmu
}

func segmentName(first uint64) string { return fmt.Sprintf("%020d%s", first, segExt) }

func parseSegmentName(name string) (first uint64, ok bool) {
	s, ok := strings.CutSuffix(name, segExt)
	if !ok || len(s) != 20 {
		return 0, false
	}
	first, err := strconv.ParseUint(s, 10, 64)
	return first, err == nil && first > 0
}

// newSegment makes the segment that begins with index first. Its head and data
// are written before the file takes its name, so a segment with half a head is
// never seen; with sync they are durable, too.
func (s *Spool) newSegment(first uint64, marks map[string][]byte, newest int64, data []*fill, sync bool) (*segment, error) {
	now := toNano(s.o.Now())
	seg := &segment{first: first, path: filepath.Join(s.dir, segmentName(first)), created: now, before: newest}
	tmp := seg.path + tmpExt
	f, err := s.fs.Create(tmp)
	if err != nil {
		return nil, err
	}
	err = func() error {
		// Without the reservation a full disk is noticed a little later, no more.
		_ = f.Allocate(s.segLimit)
		head := appendHead(nil, s.salt, first, now, newest, sorted(marks))
		if _, err := f.WriteAt(head, 0); err != nil {
			return err
		}
		seg.size = int64(len(head))
		for _, d := range data {
			if _, err := f.WriteAt(d.buf, seg.size); err != nil {
				return err
			}
			seg.size += int64(len(d.buf))
		}
		if sync {
			if err := f.Sync(); err != nil {
				return err
			}
		}
		if err := s.fs.Rename(tmp, seg.path); err != nil {
			return err
		}
		return s.fs.SyncDir(s.dir)
	}()
	if err != nil {
		return nil, errors.Join(err, f.Close(), ignoreMissing(s.fs.Remove(tmp)))
	}
	seg.file = f
	return seg, nil
}

func sorted(marks map[string][]byte) []event.Mark {
	list := make([]event.Mark, 0, len(marks))
	for k, v := range marks {
		list = append(list, event.Mark{Key: k, Value: v})
	}
	slices.SortFunc(list, func(a, b event.Mark) int { return strings.Compare(a.Key, b.Key) })
	return list
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// scanned is what reading a whole segment tells.
type scanned struct {
	head    bool   // the head is complete and was applied to marks
	frames  int    // intact ones
	salt    uint32 // 0 when there is no intact frame
	next    uint64 // index after the last event
	end     int64  // where the last complete batch ends
	newest  int64  // newest time of reception
	damaged []region
}

type region struct{ off, len int64 }

// scan reads the frames of a segment up to size, adds its marks to marks and
// finds where it ends: a trailing part without an intact frame, and a trailing
// batch without its last frame, are not part of it.
func scan(f File, first uint64, size int64, marks map[string][]byte) scanned {
	var w window
	w.reset(f)
	r := scanned{next: first, newest: noTime}
	var (
		off   int64
		whole = first // every index from here up to r.next was seen intact
		batch []event.Mark
		open  = false // inside a batch
		was   scanned // r before the open batch
	)
	for off < size {
		h, b, v := w.frame(off, size, true)
		if v == good && r.salt != 0 && h.salt != r.salt {
			v = bad
		}
		if v != good {
			to := w.search(off+1, size, r.salt)
			if to == size {
				break
			}
			r.damaged = append(r.damaged, region{off, to - off})
			batch, open = nil, false
			off = to
			continue
		}
		if !open {
			was, open = r, true
			was.end = off
		}
		r.salt, r.frames = h.salt, r.frames+1
		off += int64(h.size)
		switch h.kind {
		case kindHead:
			if r.frames == 1 && len(h.payload(b)) >= headSize {
				r.newest = max(r.newest, headNewest(h.payload(b)))
				r.head = h.flags&flagLast != 0
			}
		case kindEvent:
			if h.index < r.next {
				break // written again after a failed sync, or copied here
			}
			if h.index > r.next {
				whole = h.index
			}
			r.next = h.index + 1
			r.newest = max(r.newest, h.time)
			batch = nil
		case kindMark:
			if h.index > r.next { // the events before it are damaged
				whole, r.next = h.index, h.index
			}
			m, ok := parseMark(h.payload(b))
			if !ok || h.index < r.next || uint64(m.events) > r.next-whole || int(m.ord) != len(batch) {
				batch = nil
				break
			}
			batch = append(batch, event.Mark{Key: m.Key, Value: slices.Clone(m.Value)})
			if h.flags&flagLast == 0 || len(batch) != int(m.all) {
				break
			}
			for _, m := range batch {
				marks[m.Key] = m.Value
			}
			r.head = r.head || (r.next == first && r.frames == len(batch)+1)
		}
		if h.flags&flagLast != 0 {
			open, batch = false, nil
			r.end = off
		}
	}
	if open {
		damaged, newest := r.damaged, r.newest
		r = was
		r.damaged, r.newest = damaged, newest
	}
	return r
}
