// Package event holds events as they came in: bytes nobody has looked at yet,
// and the little that is known of how they arrived. It is a leaf: it imports
// only the standard library.
package event

import (
	"net/netip"
	"time"
)

// Key identifies one delivery, so that the same delivery can be recognised when
// a sender repeats it. The zero Key identifies nothing.
type Key [16]byte

// Raw is one event as it was received.
//
// Data belongs to whoever handed the Raw out (a Batch, a spool run) and is valid
// only until that is reset or read again. Do not write to it.
type Raw struct {
	Data []byte
	Time time.Time      // when it was received
	Peer netip.AddrPort // who sent it; zero when there is no peer
	// Size is how many octets the sender sent. It is larger than len(Data) when
	// the event was cut at max_event, and equal to it otherwise.
	Size int
	Key  Key
}

// Cut reports whether the event was longer than its source accepts.
func (r Raw) Cut() bool { return r.Size > len(r.Data) }

// Mark is how far a source has read, in the source's own words. It becomes
// durable together with the events of its batch, or not at all.
type Mark struct {
	Key   string
	Value []byte
}

// Batch collects events for one append. It owns its memory and keeps it over
// Reset, so that a source that reuses its Batch allocates nothing.
// A Batch is not safe for concurrent use.
type Batch struct {
	// Marks become durable with the batch. A batch with marks is atomic: after
	// a crash either all its events and marks are there, or none.
	Marks []Mark

	buf  []byte
	ents []entry
}

type entry struct {
	off, len, size int
	time           time.Time
	peer           netip.AddrPort
	key            Key
}

// Add appends a copy of r. A Size below len(r.Data) is taken as len(r.Data).
func (b *Batch) Add(r Raw) {
	off := len(b.buf)
	b.buf = append(b.buf, r.Data...)
	b.ents = append(b.ents, entry{off, len(r.Data), max(r.Size, len(r.Data)), r.Time, r.Peer, r.Key})
}

// At returns event i, which points into the batch.
func (b *Batch) At(i int) Raw {
	e := &b.ents[i]
	return Raw{Data: b.buf[e.off : e.off+e.len : e.off+e.len], Time: e.time, Peer: e.peer, Size: e.size, Key: e.key}
}

// Len is the number of events.
func (b *Batch) Len() int { return len(b.ents) }

// Bytes is the number of octets of all events together.
func (b *Batch) Bytes() int { return len(b.buf) }

// Keep drops every event for which keep returns false; the order stays.
func (b *Batch) Keep(keep func(i int) bool) {
	n := 0
	for i := range b.ents {
		if keep(i) {
			b.ents[n] = b.ents[i]
			n++
		}
	}
	b.ents = b.ents[:n]
}

// Reset empties the batch and keeps its memory, up to a bound so that one huge
// event does not stay allocated for ever.
func (b *Batch) Reset() {
	const most = 4 << 20
	if cap(b.buf) > most {
		b.buf = nil
	}
	b.buf, b.ents, b.Marks = b.buf[:0], b.ents[:0], b.Marks[:0]
}
