package spool

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"sync"

	"github.com/siemfwd/siemfwd/forwarder/event"
)

// Start says where a reader begins whose name the log does not know yet.
type Start uint8

const (
	Newest Start = iota // with the next event that becomes durable
	Oldest              // with the oldest event kept
)

// Limits bounds one run. Zero is no bound but the reader's own, which is about
// a quarter of a MiB. One event is always taken, however large.
type Limits struct{ Events, Bytes int }

// Entry is one event of the log.
type Entry struct {
	event.Raw
	Index uint64
	Pos   Pos // the place just behind it
}

// Run is what one Next read. It owns its memory and keeps it; the entries are
// valid until it is given to Next again. The zero Run is ready.
type Run struct {
	Entries []Entry

	w     window
	owner *Reader
	gen   uint64
}

// Reader reads a log in order and remembers how far its events are done with.
// Next is called by one goroutine at a time, the others by any.
type Reader struct {
	s *Spool
	c *cursor // nil for a reader without a name

	mu      sync.Mutex
	pos     Pos // behind what Next returned
	seg     *segment
	file    File
	salt    uint32
	gen     uint64 // changes when what a Run has buffered no longer fits
	gaps    []gap  // skipped events behind the cursor, in order
	skipped Skipped
	oldest  Entry // cache of Waiting: its Index and Time
	hurt    bool  // damaged octets were passed since the last event
	closed  bool
	bye     chan struct{}
}

// Reader opens the reader of that name. It goes on where its last Commit left
// off; a name never seen begins at start. A name can be open once. The reader
// without a name has no cursor: it begins at start and keeps nothing from being
// removed.
func (s *Spool) Reader(name string, start Start) (*Reader, error) {
	if len(filepath.Base(s.cursorPath(name)))+len(tmpExt) > 255 {
		return nil, fmt.Errorf("spool: reader name of %d octets: %w", len(name), ErrTooBig)
	}
	r := &Reader{s: s, bye: make(chan struct{})}
	known, err := s.open(r, name, start)
	if err != nil {
		return nil, err
	}
	if !known {
		s.listReaders()
	}
	return r, nil
}

// open gives r its cursor and position. known is false when the cursor is new.
func (s *Spool) open(r *Reader, name string, start Start) (known bool, err error) {
	s.cmu.Lock()
	defer s.cmu.Unlock()
	s.lmu.Lock()
	r.pos = Pos{Index: s.tail.index, Segment: s.segs[len(s.segs)-1].first, Offset: s.tail.off}
	if start == Oldest {
		r.pos = Pos{Index: s.segs[0].first, Segment: s.segs[0].first}
	}
	first, ended := s.segs[0].first, s.ended
	s.lmu.Unlock()
	if ended {
		return false, ErrClosed
	}
	if name == "" {
		return true, nil
	}
	c := s.cursors[name]
	known = c != nil
	switch {
	case c == nil:
		c = &cursor{name: name, path: s.cursorPath(name), end: &s.end, pos: r.pos, failed: true}
		err := c.sync(s.fs)
		if noRoom(err) && s.useReserve() == nil {
			err = c.sync(s.fs)
		}
		if err != nil {
			return false, fmt.Errorf("spool: cursor of %s: %w", name, err)
		}
		s.cursors[name] = c
	case c.reader != nil:
		return false, fmt.Errorf("spool: reader %s is open already", name)
	default:
		r.pos = c.position()
	}
	c.reader, r.c = r, c
	r.expire(first)
	return known, nil
}

// Next fills run with the events behind those it returned last, in order. It
// waits until there is one that is durable, for no more than that, until ctx ends
// or reader or log are closed. Every frame is checked; damaged ones are left out
// and counted. It does not allocate while the events are of the same size.
func (r *Reader) Next(ctx context.Context, run *Run, max Limits) error {
	return r.NextOr(ctx, run, max, nil)
}

// NextOr is Next, but for that it returns nil with an empty run when there is no event
// and other is closed.
func (r *Reader) NextOr(ctx context.Context, run *Run, max Limits, other <-chan struct{}) error {
	run.Entries = run.Entries[:0]
	if max.Events <= 0 {
		max.Events = math.MaxInt
	}
	if max.Bytes <= 0 {
		max.Bytes = readAhead
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		news, err := r.fill(run, max)
		if err != nil || len(run.Entries) > 0 {
			return err
		}
		if news == nil {
			continue
		}
		select {
		case <-news:
		case <-other:
			return nil
		case <-r.bye:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// fill does what can be done without waiting: it reads from one segment, or goes
// to the next one. It returns what to wait for when there is nothing to read.
func (r *Reader) fill(run *Run, max Limits) (news <-chan struct{}, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, ErrClosed
	}
	v, news, err := r.s.look(r.pos.Index)
	if news != nil || err != nil {
		return news, err
	}
	r.skip(v.from, expired)
	if v.seg != r.seg {
		if ok, err := r.enter(v); !ok {
			return nil, err
		}
	}
	if run.owner != r || run.gen != r.gen {
		run.owner, run.gen = r, r.gen
		run.w.reset(r.file)
		// The position may be from a time when something else stood there.
		h, _, verdict := run.w.frame(r.pos.Offset, v.limit, true)
		if verdict != good || h.index != r.pos.Index {
			r.pos.Offset = 0
		}
	}
	run.w.room(r.pos.Offset, max.likely(), v.limit)
	r.read(run, max, v)
	return nil, nil
}

// likely is how much buffer a run of that size needs.
func (l Limits) likely() int {
	const most = 8 << 20
	n := most
	if l.Events < most>>10 {
		n = l.Events << 10
	}
	return min(n, l.Bytes, most-most/4) * 5 / 4
}

// view is what a reader may see of the segment it is in.
type view struct {
	seg    *segment
	limit  int64  // octets that are durable
	from   uint64 // the first index to be had
	stop   uint64 // index that is not in it any more
	active bool
}

// look finds the segment of index, or what to wait for.
func (s *Spool) look(index uint64) (v view, news <-chan struct{}, err error) {
	s.lmu.Lock()
	defer s.lmu.Unlock()
	if s.ended {
		return v, nil, ErrClosed
	}
	if index >= s.tail.index {
		s.waiting++
		return v, s.news, nil
	}
	i := max(s.find(index), 0)
	v = view{seg: s.segs[i], limit: s.tail.off, from: s.segs[i].first, stop: s.tail.index, active: true}
	if i < len(s.segs)-1 {
		v.limit, v.stop, v.active = s.segs[i].size, s.segs[i+1].first, false
	}
	return v, nil, nil
}

// find returns the number of the segment index is in, below 0 when it is before
// all of them; lmu is held.
func (s *Spool) find(index uint64) int {
	lo, hi := 0, len(s.segs)
	for lo < hi {
		if m := (lo + hi) / 2; s.segs[m].first <= index {
			lo = m + 1
		} else {
			hi = m
		}
	}
	return lo - 1
}

// enter opens the segment of v. It returns false when there is another one to be
// tried, or an error.
func (r *Reader) enter(v view) (bool, error) {
	r.leave()
	f, err := r.s.fs.Open(v.seg.path)
	if errors.Is(err, fs.ErrNotExist) {
		if r.s.missing(v) {
			r.hurt = true
			r.skip(v.stop, damaged)
		}
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("spool: %w", err)
	}
	if r.pos.Segment != v.seg.first {
		r.pos.Segment, r.pos.Offset = v.seg.first, 0
	}
	r.seg, r.file, r.salt = v.seg, f, 0
	return true, nil
}

// missing says that the segment of v was removed behind the log's back, and not by
// retention: what was in it is lost.
func (s *Spool) missing(v view) bool {
	s.lmu.Lock()
	gone := v.seg.gone
	s.lmu.Unlock()
	if gone {
		return false
	}
	s.damage.missing(v.seg)
	if v.active {
		s.mu.Lock()
		if s.active == v.seg && s.fault == nil {
			s.broken(errors.New("file of the active segment is gone"))
		}
		s.mu.Unlock()
	}
	return true
}

func (r *Reader) leave() {
	if r.file != nil {
		_ = r.file.Close()
	}
	r.seg, r.file = nil, nil
	r.gen++
}

// read takes entries from the segment until run is full, what is buffered is
// used up, or the segment is.
func (r *Reader) read(run *Run, max Limits, v view) {
	bytes := 0
	off := r.pos.Offset
	for len(run.Entries) < max.Events && r.pos.Index < v.stop {
		h, b, verdict := run.w.frame(off, v.limit, len(run.Entries) == 0)
		if verdict == more {
			break
		}
		if verdict == good && r.salt != 0 && h.salt != r.salt {
			verdict = bad
		}
		if verdict == bad {
			if len(run.Entries) > 0 {
				break // the search moves the buffer
			}
			to := v.limit
			if off < v.limit {
				to = run.w.search(off+1, v.limit, r.salt)
				r.s.damage.found(r.file, r.seg, off, to-off)
				r.hurt = true
			}
			off = to
			if off == v.limit {
				r.skip(v.stop, damaged)
			}
			continue
		}
		r.salt = h.salt
		if h.kind == kindEvent && h.index >= r.pos.Index {
			if h.index >= v.stop {
				r.skip(v.stop, damaged)
				break
			}
			if len(r.gaps) > 0 && r.passed(h.index) {
				r.skip(h.index+1, damaged)
				off += int64(h.size)
				continue
			}
			n := h.size - headerSize - h.extra
			if len(run.Entries) > 0 && bytes+n > max.Bytes {
				break
			}
			r.skip(h.index, damaged)
			run.Entries = append(run.Entries, Entry{})
			e := &run.Entries[len(run.Entries)-1]
			if h.decode(b, &e.Raw) {
				bytes += n
				r.hurt = false
				e.Index = h.index
				e.Pos = Pos{Index: h.index + 1, Segment: v.seg.first, Offset: off + int64(h.size)}
				r.pos = e.Pos
			} else {
				run.Entries = run.Entries[:len(run.Entries)-1]
				r.skip(h.index+1, damaged)
			}
		}
		off += int64(h.size)
	}
	r.pos.Segment, r.pos.Offset = v.seg.first, off
}

// Close ends the reader; its name can be opened again. The cursor stays.
func (r *Reader) Close() {
	r.mu.Lock()
	if !r.closed {
		r.closed = true
		close(r.bye)
	}
	r.leave()
	r.mu.Unlock()
	if r.c != nil {
		r.s.cmu.Lock()
		if r.c.reader == r {
			r.c.reader = nil
		}
		r.s.cmu.Unlock()
	}
}
