package spool

import (
	"errors"
	"io/fs"
	"iter"
	"math"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/event"
)

// walk goes over the frames of one segment in the order of the file.
type walk struct {
	w    window
	size int64
	salt uint32
	off  int64 // of the next step
	cold int64 // octets the page cache was told to forget
}

// step is one intact frame, or, with a nil frame, a stretch in which there is none.
type step struct {
	off, size int64
	header    header
	frame     []byte // valid until the next step
}

// begin goes to the start of a segment. The buffer is kept.
func (k *walk) begin(f File, size int64) {
	k.w.reset(f)
	k.size, k.salt, k.off, k.cold = size, 0, 0, 0
}

// next returns the next step; false when the segment has been read.
func (k *walk) next() (s step, ok bool) {
	if k.off >= k.size {
		return s, false
	}
	s.off = k.off
	h, b, v := k.w.frame(k.off, k.size, true)
	if v == good && (k.salt == 0 || h.salt == k.salt) {
		k.salt = h.salt
		s.header, s.frame, s.size = h, b, int64(h.size)
	} else {
		s.size = k.w.search(k.off+1, k.size, k.salt) - k.off
	}
	k.off += s.size
	return s, true
}

// skip goes to where the event at p stands, if it does.
func (k *walk) skip(p Pos) {
	if p.Offset <= 0 || p.Offset >= k.size {
		return
	}
	if h, _, v := k.w.frame(p.Offset, k.size, true); v == good && h.index == p.Index {
		k.off, k.cold = p.Offset, p.Offset
	}
}

// forget has the page cache let go of what was read: nobody will read it again soon, and
// what others have cached is worth more.
func (k *walk) forget() {
	if c, ok := k.w.f.(cache); ok && k.off-k.cold >= warmBytes {
		c.Forget(k.cold, k.off-k.cold)
		k.cold = k.off
	}
}

// maxIndex is behind every event.
const maxIndex = math.MaxUint64

// stop is the index at which readers leave segment i.
func (v *View) stop(i int) uint64 {
	if i+1 < len(v.Segments) {
		return v.Segments[i+1].First
	}
	return maxIndex
}

// Range yields the events received at from or later and before to, in the order of the
// log; a zero time is no bound. The entry is valid until the next one is asked for.
// Damaged events are left out; an error ends the sequence.
func (v *View) Range(from, to time.Time) iter.Seq2[Entry, error] { return v.RangeAt(0, from, to) }

// RangeAt is Range for the events with that index or a later one.
func (v *View) RangeAt(index uint64, from, to time.Time) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		least, below := int64(noTime), int64(math.MaxInt64)
		if !from.IsZero() {
			least = toNano(from)
		}
		if !to.IsZero() {
			below = toNano(to)
		}
		for e, err := range v.from(Pos{Index: index}, least) {
			if err != nil {
				yield(e, err)
				return
			}
			if n := toNano(e.Time); n >= least && n < below && !yield(e, nil) {
				return
			}
		}
	}
}

// from yields the events at p and behind it. Segments in which nothing was
// received at least or later may be left out.
func (v *View) from(p Pos, least int64) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		var k walk
		for i := range v.Segments {
			seg, stop := &v.Segments[i], v.stop(i)
			if stop <= p.Index {
				continue
			}
			if i+1 < len(v.Segments) {
				if newest := v.Segments[i+1].before; newest != noTime && newest < least {
					continue
				}
			}
			f, err := v.fs.Open(seg.Path)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				yield(Entry{}, err)
				return
			}
			k.begin(f, seg.Size)
			if p.Segment == seg.First {
				k.skip(p)
			}
			more := k.events(max(p.Index, seg.First), stop, func(e Entry) bool {
				e.Pos.Segment = seg.First
				return yield(e, nil)
			})
			_ = f.Close()
			if !more {
				return
			}
		}
	}
}

// events yields the segment's events from one index up to another, once each.
func (k *walk) events(from, stop uint64, yield func(Entry) bool) bool {
	for from < stop {
		s, ok := k.next()
		if !ok {
			break
		}
		if s.frame == nil || s.header.kind != kindEvent || s.header.index < from {
			continue
		}
		if s.header.index >= stop {
			break
		}
		from = s.header.index + 1
		var r event.Raw
		if s.header.decode(s.frame, &r) {
			e := Entry{Raw: r, Index: s.header.index, Pos: Pos{Index: from, Offset: k.off}}
			if !yield(e) {
				return false
			}
		}
		k.forget()
	}
	return true
}
