// Package record holds one parsed event: the header values every SIEM asks for,
// standard facts under one table of keys, and every field the vendor sent. It is
// a leaf: it imports only the standard library.
package record

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"time"
	"unsafe"
)

// Record is one event, read. A lane owns one Record and reuses it for every
// event: all byte slices point into the raw event, into the record's scratch or
// into constants, are valid until the next Reset, and must not be written to.
// A Record is not safe for concurrent use.
type Record struct {
	// Set by the lane before a parser runs; a parser reads them.
	Source   string         // name of the source in the configuration
	Received time.Time      // when siemfwd got it
	Zone     *time.Location // for times without a zone; nil means UTC
	Position uint64         // of the event in its source's spool
	Raw      []byte         // exactly what was received

	// Set by a parser. Absent is the zero value.
	Time                     Time // when it happened, by the vendor's clock; absent: Received is shown
	Vendor, Product, Version []byte
	ID                       []byte // the vendor's own id of the event or incident
	Class                    []byte // the vendor's stable class of event
	Name                     []byte // the same for a human
	Severity                 int    // 0 unknown, 1–10 on the CEF scale
	Category, Action         []byte
	Outcome, Message         []byte
	Host                     []byte     // observer.host: host of the syslog header
	Peer                     netip.Addr // observer.ip: set by the lane, a parser may override it
	// Identity is what UID is made of: the vendor's words that make this event
	// this event (Join builds it). Empty when the vendor gives none.
	Identity []byte
	// Test marks a sender's connectivity test: counted as filtered, not forwarded.
	Test bool
	// Syslog is what a syslog header said, for rendering it again.
	Syslog Syslog

	Fields   []Field // every field the vendor sent, in its order; see Field
	Warnings []Warning

	// Extras are set for the time of one rendering, by a sink's configuration.
	Extras []Extra

	// Shortened is how many values had to be cut or left out when the record was last
	// rendered. A format sets it; everything else formats leave as it is.
	Shortened int

	facts   [numKeys]fact
	have    [(numKeys + 63) / 64]uint64
	slots   [numSlots]slot
	slotted uint64
	scratch []byte
	open    []int
}

// Syslog is the header of an RFC 5424 or RFC 3164 message. Only a record read
// from an RFC 5424 message has V5424 set and is rendered with these values again.
type Syslog struct {
	Present            bool // a PRI was there
	V5424              bool
	Facility, Severity uint8
	App, ProcID, MsgID []byte // nil when absent or "-"
	// SD is the structured data as it stood on the wire, well-formed, without the
	// NILVALUE; nil when absent.
	SD []byte
}

// Warning is what a parser had to guess: Kind is one of a closed set of words
// (it labels a metric), Detail says where.
type Warning struct {
	Kind   string
	Detail []byte
}

type fact struct {
	text []byte
	time Time
}

type slot struct {
	label string
	text  []byte
	time  Time
}

// Reset empties the record and keeps its memory.
func (r *Record) Reset() {
	const most = 1 << 20
	scratch, fields, warnings, open := r.scratch, r.Fields, r.Warnings, r.open
	if cap(scratch) > most {
		scratch = nil
	}
	// facts and slots are guarded by their bit sets and need no clearing.
	r.have = [len(r.have)]uint64{}
	r.slotted = 0
	r.Source, r.Received, r.Zone, r.Position, r.Raw = "", time.Time{}, nil, 0, nil
	r.Time = Time{}
	r.Vendor, r.Product, r.Version = nil, nil, nil
	r.ID, r.Class, r.Name, r.Severity = nil, nil, nil, 0
	r.Category, r.Action, r.Outcome, r.Message = nil, nil, nil, nil
	r.Host, r.Peer, r.Identity, r.Test = nil, netip.Addr{}, nil, false
	r.Syslog, r.Shortened, r.Extras = Syslog{}, 0, r.Extras[:0]
	r.scratch, r.Fields, r.Warnings, r.open = scratch[:0], fields[:0], warnings[:0], open[:0]
}

// Warn notes what had to be guessed. kind must be a constant.
func (r *Record) Warn(kind string, detail []byte) {
	r.Warnings = append(r.Warnings, Warning{kind, detail})
}

// When is Time, or Received where the vendor gave none.
func (r *Record) When() Time {
	if !r.Time.IsZero() {
		return r.Time
	}
	return At(r.Received)
}

// Scratch returns n zero-or-stale bytes that live as long as the record's event,
// with no spare capacity.
func (r *Record) Scratch(n int) []byte {
	at := len(r.scratch)
	if at+n > cap(r.scratch) {
		// What was handed out stays in the old memory; only new requests move.
		r.scratch = make([]byte, 0, max(2*cap(r.scratch), n, 1024))
		at = 0
	}
	r.scratch = r.scratch[:at+n]
	return r.scratch[at : at+n : at+n]
}

// Begin returns an empty slice in the record's scratch with room for at least n
// bytes; append to it, then hand it to End, which returns it with its final length.
// Between Begin and End nothing else may be taken from the scratch. Appending more
// than n is allowed and costs an allocation.
func (r *Record) Begin(n int) []byte {
	if len(r.scratch)+n > cap(r.scratch) {
		r.scratch = make([]byte, 0, max(2*cap(r.scratch), n, 1024))
	}
	return r.scratch[len(r.scratch):len(r.scratch):cap(r.scratch)]
}

// End closes what Begin opened.
func (r *Record) End(b []byte) []byte {
	if at := len(r.scratch); cap(b) == cap(r.scratch)-at && len(b) > 0 {
		r.scratch = r.scratch[:at+len(b)]
	}
	return b[:len(b):len(b)]
}

// Join copies parts into the scratch with sep between the non-empty ones.
func (r *Record) Join(sep string, parts ...[]byte) []byte {
	n := 0
	for _, p := range parts {
		n += len(p) + len(sep)
	}
	b := r.Begin(n)
	for _, p := range parts {
		if len(p) == 0 {
			continue
		}
		if len(b) > 0 {
			b = append(b, sep...)
		}
		b = append(b, p...)
	}
	return r.End(b)
}

// Bytes returns s as bytes without a copy. They must not be written to.
func Bytes(s string) []byte {
	if s == "" {
		return nil
	}
	return unsafe.Slice(unsafe.StringData(s), len(s))
}

// AppendUID appends the event's stable identity, 64 hexadecimal digits. It is the
// same on every run and machine when the vendor gives an identity; otherwise it is
// made of source, receive time and position, and identifies only this reception.
func (r *Record) AppendUID(dst []byte) []byte {
	var sum [sha256.Size]byte
	if len(r.Identity) > 0 {
		sum = sha256.Sum256(r.Identity)
	} else {
		var b [256]byte
		in := append(b[:0], r.Source...)
		in = append(in, 0)
		in = binary.BigEndian.AppendUint64(in, uint64(r.Received.UnixNano()))
		in = binary.BigEndian.AppendUint64(in, r.Position)
		sum = sha256.Sum256(in)
	}
	return hex.AppendEncode(dst, sum[:])
}
