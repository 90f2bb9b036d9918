package spool

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/event"
)

// maxShown bounds how many damaged places of one segment are told one by one.
const maxShown = 1000

// Damage is a place of a segment where frames are damaged or missing.
type Damage struct {
	Offset, Bytes int64  // the octets that hold no intact frame; Bytes 0: nothing stands where frames are missing
	First, Events uint64 // the events that are lost there: index of the first, and how many
	Why           string
}

// Checked is what reading every frame of one segment told.
type Checked struct {
	SegmentFile
	Frames, Events, Marks uint64 // intact frames, the events among them, and the marks
	Next                  uint64 // index after the last event
	Oldest, Newest        time.Time
	Places, Lost          uint64   // damaged places, and the events lost to them
	Damage                []Damage // the first thousand places
	// Unfinished octets at the end of the newest segment are of an append that was never
	// acknowledged; opening the log cuts them off. In older segments they stand behind
	// the last event readers look for. Either is no damage.
	Unfinished int64
	Gone       bool // retention removed it meanwhile
}

// Check reads every frame of the log and calls each for every segment, and step from
// time to time with the octets read so far, of View.Bytes in all. It needs as much memory
// as the largest frame, whatever the size of the log. The error is that of ctx, or of a
// segment that cannot be opened.
func (v *View) Check(ctx context.Context, each func(*Checked), step func(read int64)) error {
	var k walk
	var done int64
	for i := range v.Segments {
		c := checker{walk: &k, stop: v.stop(i)}
		c.SegmentFile = v.Segments[i]
		f, err := v.fs.Open(c.Path)
		switch {
		case errors.Is(err, fs.ErrNotExist) && (i == 0 || v.removed(i)):
			c.Gone = true
		case errors.Is(err, fs.ErrNotExist):
			c.Next = c.First
			c.missing(c.stop, 0, 0, "the segment is gone")
		case err != nil:
			return fmt.Errorf("spool: %w", err)
		default:
			k.begin(f, c.Size)
			err = c.run(ctx, func(off int64) { step(done + off) })
			_ = f.Close()
			if err != nil {
				return err
			}
		}
		done += c.Size
		step(done)
		each(&c.Checked)
	}
	return nil
}

// removed says that retention has reached segment i: the ones before it are gone, too.
func (v *View) removed(i int) bool {
	f, err := v.fs.Open(v.Segments[i-1].Path)
	if err == nil {
		_ = f.Close()
	}
	return errors.Is(err, fs.ErrNotExist)
}

// checker checks one segment.
type checker struct {
	Checked
	walk *walk
	stop uint64 // readers leave the segment at this index
	hole Damage // the last damaged stretch, as long as no event behind it was seen

	last     int64  // where the last complete batch ends
	lastNext uint64 // index after its last event
}

func (c *checker) run(ctx context.Context, at func(off int64)) error {
	const often = 4 << 20
	c.Next, c.lastNext = c.First, c.First
	var told int64
	for {
		s, ok := c.walk.next()
		if !ok {
			break
		}
		if c.walk.off-told >= often {
			if err := ctx.Err(); err != nil {
				return err
			}
			told = c.walk.off
			at(told)
		}
		if !c.active {
			c.walk.forget()
		}
		if s.frame == nil {
			c.end()
			c.hole = Damage{Offset: s.off, Bytes: s.size, First: c.Next, Why: "no intact frame"}
			continue
		}
		c.frame(&s)
	}
	c.finish()
	return ctx.Err()
}

// end settles the last hole.
func (c *checker) end() {
	switch {
	case c.hole.Bytes == 0:
	case c.hole.Events == 0 && c.Next >= c.stop:
		c.Unfinished += c.hole.Bytes // nobody reads that far
	default:
		c.note(c.hole)
	}
	c.hole = Damage{}
}

func (c *checker) note(d Damage) {
	c.Places++
	c.Lost += d.Events
	if len(c.Damage) < maxShown {
		c.Damage = append(c.Damage, d)
	}
}

// missing takes note that the events from c.Next up to an index are not there.
func (c *checker) missing(to uint64, off, size int64, why string) {
	if to > c.Next {
		c.note(Damage{Offset: off, Bytes: size, First: c.Next, Events: to - c.Next, Why: why})
		c.Next = to
	}
}

// frame looks at an intact frame.
func (c *checker) frame(s *step) {
	c.Frames++
	h := &s.header
	if c.hole.Bytes > 0 && h.index >= c.Next {
		c.hole.Events = min(h.index, c.stop) - min(c.Next, c.stop)
		c.Next = max(c.Next, min(h.index, c.stop))
		c.end()
	}
	switch h.kind {
	case kindHead:
		if h.index != c.First || s.off != 0 {
			c.note(Damage{Offset: s.off, Bytes: s.size, First: h.index, Why: "a head that belongs elsewhere"})
		}
	case kindMark:
		c.Marks++
		if _, ok := parseMark(h.payload(s.frame)); !ok {
			c.note(Damage{Offset: s.off, Bytes: s.size, First: h.index, Why: "a mark that cannot be read"})
		}
	case kindEvent:
		c.event(s)
	}
	if h.flags&flagLast != 0 {
		c.last, c.lastNext = s.off+s.size, c.Next
	}
}

func (c *checker) event(s *step) {
	h := &s.header
	c.Events++
	if h.index < c.Next || h.index >= c.stop {
		return // written again elsewhere after a failed sync
	}
	c.missing(h.index, s.off, 0, "frames are missing")
	c.Next = h.index + 1
	var r event.Raw
	if !h.decode(s.frame, &r) {
		c.note(Damage{Offset: s.off, Bytes: s.size, First: h.index, Events: 1, Why: "an event that cannot be read"})
		return
	}
	if c.Oldest.IsZero() || r.Time.Before(c.Oldest) {
		c.Oldest = r.Time
	}
	if r.Time.After(c.Newest) {
		c.Newest = r.Time
	}
}

// finish judges the end of the segment.
func (c *checker) finish() {
	hole := c.hole
	switch {
	case c.active:
		c.end() // all of it was durable
	case c.stop == maxIndex:
		c.Unfinished, c.Next = c.Size-c.last, c.lastNext
	case c.Next >= c.stop:
		c.Unfinished += hole.Bytes
	case hole.Bytes > 0:
		c.missing(c.stop, hole.Offset, hole.Bytes, hole.Why)
	default:
		c.missing(c.stop, c.Size, 0, "frames are missing up to the next segment")
	}
}

// Problem says what is wrong with a cursor of a log with events from one index up to
// another; "" when nothing is.
func (c *CursorFile) Problem(first, next uint64) string {
	switch {
	case c.Slots == 0:
		return "damaged: its reader begins at the oldest event"
	case c.Pos.Index > next:
		return fmt.Sprintf("it is ahead of the log, which ends before event %d: %d events are lost", next, c.Pos.Index-next)
	case c.Seen > next:
		return fmt.Sprintf("the log went up to event %d when it was written and ends before event %d: %d events are lost", c.Seen-1, next, c.Seen-next)
	}
	return ""
}
