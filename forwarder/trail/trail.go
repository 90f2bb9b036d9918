// Package trail remembers when a lane's cursor passed where: at most one record of 24
// octets a second, enough to say between which two moments an event was settled, and
// which became dead letters.
//
// A trail is only ever told to people. It is written without fsync, damage costs the
// records it hit, and nothing that happens to it keeps anything from starting or going
// on.
package trail

import (
	"encoding/binary"
	"hash/crc32"
	"iter"
	"time"
)

// Kind says what a step is about.
type Kind uint8

// The kinds of steps. A reader passes over those it does not know, and none is ever
// given another meaning.
const (
	Began  Kind = 1 // the sink began here: what is before Index was never meant for it
	Opened Kind = 2 // after a start, the cursor stood at Index
	Moved  Kind = 3 // everything before Index was settled
	Died   Kind = 4 // the event Index became a dead letter
	Passed Kind = 5 // a person had the cursor pass what is before Index, unsent
)

// Step is one record.
type Step struct {
	Kind  Kind
	Index uint64    // in the log of the source
	Time  time.Time // when it was so
	// Since is when it was last known not to be so: the step was made between the two.
	// It is as old as Time when nothing is known.
	Since time.Time
}

// size of a record: the time in nanoseconds since 1970, the index, milliseconds since
// Since with the kind in the lowest octet, and a checksum of all that.
const size = 24

const (
	mostAgo = 1<<24 - 1  // milliseconds
	seed    = 0x74726c31 // tells a record from zeros and from what else has a CRC-32C
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Append appends the record of a step.
func (s *Step) Append(dst []byte) []byte {
	start := len(dst)
	ago := min(max(s.Time.Sub(s.Since).Milliseconds(), 0), mostAgo)
	if s.Since.IsZero() {
		ago = 0
	}
	dst = binary.LittleEndian.AppendUint64(dst, uint64(s.Time.UnixNano()))
	dst = binary.LittleEndian.AppendUint64(dst, s.Index)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(ago)<<8|uint32(s.Kind))
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli)^seed)
}

// decode reads the record at the beginning of b.
func decode(b []byte) (s Step, ok bool) {
	if len(b) < size || crc32.Checksum(b[:size-4], castagnoli)^seed != binary.LittleEndian.Uint32(b[size-4:]) {
		return s, false
	}
	word := binary.LittleEndian.Uint32(b[16:])
	s.Time = time.Unix(0, int64(binary.LittleEndian.Uint64(b)))
	s.Since = s.Time.Add(-time.Duration(word>>8) * time.Millisecond)
	s.Index = binary.LittleEndian.Uint64(b[8:])
	s.Kind = Kind(word)
	return s, true
}

// Steps yields the steps in b, in their order. Octets that are no record are passed over.
func Steps(b []byte) iter.Seq[Step] {
	return func(yield func(Step) bool) {
		for len(b) >= size {
			s, ok := decode(b)
			if !ok {
				b = b[1:]
				continue
			}
			if !yield(s) {
				return
			}
			b = b[size:]
		}
	}
}

// Pass is one time that a cursor went over an event: after From, and by To. A zero From
// is not known.
type Pass struct{ From, To time.Time }

// Story is what a trail says of one event.
type Story struct {
	Passes []Pass      // in their order; several when it was sent again after a crash
	Died   []time.Time // when it became a dead letter
	Unsent time.Time   // when a person had the cursor pass it; zero: never
	Began  time.Time   // the sink began then, with later events; zero: it did not
	Before time.Time   // the trail begins then, and the cursor was past it; zero: it was not
}

// Of reads what steps say of the event with that index.
func Of(index uint64, steps iter.Seq[Step]) (t Story) {
	var last Step
	known := false
	for s := range steps {
		switch s.Kind {
		case Died:
			if s.Index == index {
				t.Died = append(t.Died, s.Time)
			}
			continue
		case Began, Opened, Moved, Passed:
		default:
			continue
		}
		switch {
		case !known && index < s.Index && s.Kind == Began:
			t.Began = s.Time
		case !known && index < s.Index:
			t.Before = s.Time
		case known && last.Index <= index && index < s.Index:
			if s.Kind == Passed {
				t.Unsent = s.Time
				break
			}
			p := Pass{From: last.Time, To: s.Time}
			if s.Kind == Moved && s.Since.After(p.From) {
				p.From = s.Since
			}
			t.Passes = append(t.Passes, p)
		}
		last, known = s, true
	}
	return t
}
