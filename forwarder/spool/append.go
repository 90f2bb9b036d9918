package spool

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/siemfwd/siemfwd/forwarder/event"
)

const (
	maxFill     = 4 << 20 // octets that may wait for the one that writes
	maxUnsynced = 8 << 20 // octets that may wait for fdatasync
)

// Ticket stands for what was appended up to some moment. The zero Ticket stands
// for nothing, which is durable.
type Ticket struct{ g *group }

// group is all that one fdatasync makes durable.
type group struct {
	done    chan struct{}
	err     error // set before done is closed
	batches int
}

func newGroup() *group { return &group{done: make(chan struct{})} }

// fill is what is written by one call.
type fill struct {
	buf     []byte
	first   uint64 // index of its first event
	next    uint64 // index after its last
	seq     uint64 // number of its last batch
	batches int
	marks   []event.Mark
	newest  int64
	done    chan struct{} // nil while nobody waits
	err     error         // set before done is closed
}

// errAgain is the err of a fill that was not written and whose batches have to
// be encoded again.
var errAgain = errors.New("again")

// Append writes the events and marks of b at the end of the log. When it returns
// nil the operating system has them: the end of the process does not lose them,
// Wait on the ticket for what a power cut does not lose either. Append does not
// keep b. A mark with an empty value takes the one under its key away.
//
// While there is no room it does what Options.WhenFull says; blocking ends with
// ctx, and the error then wraps ErrFull and the cause of ctx. Whatever the error,
// nothing of b can be relied on to be in the log, and nothing not to be.
func (s *Spool) Append(ctx context.Context, b *event.Batch) (Ticket, error) {
	size, err := measure(b)
	if err != nil {
		return Ticket{}, err
	}
	if size == 0 {
		return s.Barrier(), nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if ok, err := s.admit(ctx, size, b.Len()); !ok {
			return Ticket{}, err
		}
		f := s.fill
		f.buf = slices.Grow(f.buf, int(size)+math.MaxUint8)
		s.encode(f, b)
		if !s.writing && !s.hold {
			s.flush()
		}
		if f.err == nil && s.writtenSeq < f.seq {
			if f.done == nil {
				f.done = make(chan struct{})
			}
			s.mu.Unlock()
			err := waitFor(ctx, f.done)
			s.mu.Lock()
			if err != nil && f.err == nil && s.writtenSeq < f.seq {
				return Ticket{}, fmt.Errorf("spool: not written yet: %w", err)
			}
		}
		if f.err == nil {
			return s.ticket(f.seq), nil
		}
		if f.err != errAgain {
			return Ticket{}, f.err
		}
	}
}

// Wait returns nil when everything t stands for is durable.
func (s *Spool) Wait(ctx context.Context, t Ticket) error {
	if t.g == nil {
		return nil
	}
	if err := waitFor(ctx, t.g.done); err != nil {
		s.mu.Lock()
		fault := s.fault
		s.mu.Unlock()
		if fault != nil {
			return fmt.Errorf("spool: not durable yet: %w: %w", fault, err)
		}
		return fmt.Errorf("spool: not durable yet: %w", err)
	}
	return t.g.err
}

// Emit appends b and returns nil once it is durable.
func (s *Spool) Emit(ctx context.Context, b *event.Batch) error {
	t, err := s.Append(ctx, b)
	if err != nil {
		return err
	}
	return s.Wait(ctx, t)
}

// Barrier returns a ticket for everything appended so far.
func (s *Spool) Barrier() Ticket {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ticket(s.writtenSeq)
}

// ticket returns the ticket of batch seq, which is written.
func (s *Spool) ticket(seq uint64) Ticket {
	switch {
	case seq <= s.durableSeq:
		return Ticket{}
	case seq <= s.inflightSeq:
		return Ticket{s.inflight}
	}
	return Ticket{s.gather}
}

// measure returns the octets the frames of b take at most.
func measure(b *event.Batch) (int64, error) {
	n := int64(b.Bytes()) + int64(b.Len())*(headerSize+6)
	if b.Bytes() > MaxEvent {
		for i := range b.Len() {
			if len(b.At(i).Data) > MaxEvent {
				return 0, fmt.Errorf("spool: event of %d octets: %w", len(b.At(i).Data), ErrTooBig)
			}
		}
	}
	if len(b.Marks) > math.MaxUint16 {
		return 0, fmt.Errorf("spool: batch with %d marks: %w", len(b.Marks), ErrTooBig)
	}
	for _, m := range b.Marks {
		if len(m.Key) > math.MaxUint16 || len(m.Value) > MaxEvent {
			return 0, fmt.Errorf("spool: mark of %d octets: %w", len(m.Key)+len(m.Value), ErrTooBig)
		}
		n += int64(headerSize + markSize + len(m.Key) + len(m.Value))
	}
	return n, nil
}

// admit waits until size octets may be encoded. It returns false and no error
// when they were dropped instead.
func (s *Spool) admit(ctx context.Context, size int64, events int) (bool, error) {
	asked := false // housekeeping was asked for room
	for {
		if s.closed {
			return false, ErrClosed
		}
		pushBack := false // waiting is the disk's pace, not a matter of room
		switch {
		case s.fault != nil:
		case s.full != nil && s.probe:
			s.probe = false
			return true, nil
		case s.full != nil:
		case s.unsyncedBytes > maxUnsynced, len(s.fill.buf) > maxFill:
			pushBack = true
		case !s.over(size):
			return true, nil
		default:
			s.need = max(s.need, size)
			if !asked && !s.stuck {
				asked = true
				poke(s.tidy)
				pushBack = true
			}
		}
		if s.o.WhenFull == DropNewest && !pushBack {
			s.dropped += uint64(events)
			return false, nil
		}
		if s.space == nil {
			s.space = make(chan struct{})
		}
		ch := s.space
		s.mu.Unlock()
		err := waitFor(ctx, ch)
		s.mu.Lock()
		if err != nil {
			cause := error(ErrFull)
			if e := errors.Join(s.fault, s.full); e != nil {
				cause = fmt.Errorf("%w: %w", ErrFull, e)
			}
			return false, fmt.Errorf("spool: %w: %w", cause, err)
		}
	}
}

// over says that size more octets are more than the log may have. A log without
// events takes whatever comes.
func (s *Spool) over(size int64) bool {
	if s.o.Max <= 0 || s.total+int64(len(s.fill.buf))+size <= s.o.Max {
		return false
	}
	return s.total > s.active.size || s.active.first < s.next
}

// freed wakes everyone who waits in admit.
func (s *Spool) freed() {
	if s.space != nil {
		close(s.space)
		s.space = nil
	}
}

// encode appends the frames of b to f.
func (s *Spool) encode(f *fill, b *event.Batch) {
	st := stamp{salt: s.salt}
	if len(f.buf) == 0 {
		f.first, f.newest = s.next, noTime
		st.acked = s.durable
	}
	if len(b.Marks) == 0 {
		st.flags = flagLast
	}
	for i := range b.Len() {
		r := b.At(i)
		f.buf = appendEvent(f.buf, &st, s.next, &r)
		f.newest = max(f.newest, toNano(r.Time))
		st.acked = 0
		s.next++
	}
	if n := len(b.Marks); n > 0 {
		now := toNano(s.o.Now())
		for i, m := range b.Marks {
			if i == n-1 {
				st.flags = flagLast
			}
			m.Value = slices.Clone(m.Value)
			f.marks = append(f.marks, m)
			f.buf = appendMark(f.buf, &st, s.next, now, &mark{m, uint32(b.Len()), uint16(i), uint16(n)})
			st.acked = 0
		}
	}
	s.seq++
	f.next, f.seq = s.next, s.seq
	f.batches++
}
