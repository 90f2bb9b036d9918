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
	head int64 // octets of its head; 0 when it was made by an earlier process
	room int64 // octets reserved on the disk; the committer's, under OS the writer's
	cold int64 // octets let go of by the page cache; the committer's
	sent int64 // under OS: octets the kernel was told to write

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
		seg.file = f
		seg.reserve(0, s.segLimit)
		head := appendHead(nil, s.salt, first, now, newest, sorted(marks))
		if _, err := f.WriteAt(head, 0); err != nil {
			return err
		}
		seg.head, seg.size = int64(len(head)), int64(len(head))
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
	return seg, nil
}

// reserve makes sure that there is room on the disk for a while. Without it, all
// works the same, only slower, and a full disk is noticed a little later.
func (seg *segment) reserve(size, limit int64) {
	const step = 4 << 20
	if size+step/2 < seg.room || seg.room >= limit {
		return
	}
	seg.room = min(max(seg.room, size)+step, limit)
	_ = seg.file.Allocate(seg.room)
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
