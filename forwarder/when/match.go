package when

import (
	"bytes"
	"net/netip"
	"strconv"
	"unsafe"

	"github.com/siemfwd/siemfwd/forwarder/record"
)

// Match reports whether the condition holds for r. It may use r's scratch, and
// allocates nothing once that has grown to its size.
func (c *Cond) Match(r *record.Record) bool {
	switch c.op {
	case notEqual, notMatch, missing:
		return !c.some(r)
	default:
		return c.some(r)
	}
}

// some reports whether some value of the field has what the operator asks for, leaving
// its negation aside.
func (c *Cond) some(r *record.Record) bool {
	switch c.field.ref {
	case refFields:
		w := walk{cond: c, fields: r.Fields}
		return w.members(0, len(r.Fields), c.field.path)
	case refSeverity:
		return c.lo <= r.Severity && r.Severity <= c.hi
	case refTime:
		return c.instant(r.When().Nanos)
	case refReceived:
		return c.instant(r.Received.UnixNano())
	case refPeer:
		return c.peer(r)
	case refWarnings:
		return c.warning(r)
	case refFact:
		if c.field.kind == kindTime {
			return c.factTime(r)
		}
		if c.field.kind == kindIP && c.net.IsValid() {
			return c.address(r.Get(c.field.key))
		}
	}
	return c.value(text(r, &c.field))
}

// text returns the value of a field that is one text; nil when there is none.
func text(r *record.Record, f *field) []byte {
	switch f.ref {
	case refID:
		return r.ID
	case refVendor:
		return r.Vendor
	case refProduct:
		return r.Product
	case refVersion:
		return r.Version
	case refClass:
		return r.Class
	case refName:
		return r.Name
	case refCategory:
		return r.Category
	case refAction:
		return r.Action
	case refOutcome:
		return r.Outcome
	case refMessage:
		return r.Message
	case refSource:
		return record.Bytes(r.Source)
	case refRaw:
		return r.Raw
	case refHost:
		return r.Host
	case refFact:
		return r.Get(f.key)
	default:
		return nil
	}
}

// value tests one text. Empty is absent.
func (c *Cond) value(b []byte) bool {
	if len(b) == 0 {
		return false
	}
	switch c.op {
	case exists, missing:
		return true
	case match, notMatch:
		return c.re.Match(b)
	case equal, notEqual:
		if string(b) == c.want {
			return true
		}
		if !c.isNum {
			return false
		}
	}
	if c.isTime {
		t, ok := parseTime(b)
		return ok && c.instant(t)
	}
	if b[0] > '9' { // neither a digit nor a minus sign
		return false
	}
	n, ok := parseNumber(view(b))
	return ok && c.ordered(n.compare(c.num))
}

// ordered reports whether the outcome of a comparison is what the operator asks for.
func (c *Cond) ordered(sign int) bool {
	switch c.op {
	case greater:
		return sign > 0
	case greaterEqual:
		return sign >= 0
	case less:
		return sign < 0
	case lessEqual:
		return sign <= 0
	default:
		return sign == 0
	}
}

func (c *Cond) instant(nanos int64) bool {
	switch {
	case nanos < c.time:
		return c.ordered(-1)
	case nanos > c.time:
		return c.ordered(1)
	default:
		return c.ordered(0)
	}
}

func (c *Cond) factTime(r *record.Record) bool {
	t := r.GetTime(c.field.key)
	switch {
	case t.IsZero():
		return false
	case c.op == exists || c.op == missing:
		return true
	default:
		return c.instant(t.Nanos)
	}
}

func (c *Cond) address(b []byte) bool {
	if zone := bytes.IndexByte(b, '%'); zone >= 0 {
		b = b[:zone]
	}
	if len(b) == 0 || b[0] > 'f' || len(b) > len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255") {
		return false
	}
	a, err := netip.ParseAddr(view(b))
	return err == nil && c.net.Contains(a.Unmap())
}

func (c *Cond) peer(r *record.Record) bool {
	if !r.Peer.IsValid() {
		return false
	}
	switch c.op {
	case exists, missing:
		return true
	case match, notMatch:
		b := r.Peer.Unmap().AppendTo(r.Begin(64))
		return c.value(r.End(b))
	default:
		return c.net.Contains(r.Peer.WithZone("").Unmap())
	}
}

// warning tests each warning as its kind, and as KIND:DETAIL.
func (c *Cond) warning(r *record.Record) bool {
	for _, w := range r.Warnings {
		if c.value(record.Bytes(w.Kind)) {
			return true
		}
		if len(w.Detail) > 0 && c.value(r.Join(":", record.Bytes(w.Kind), w.Detail)) {
			return true
		}
	}
	return false
}

// AppendValue appends what r has for the condition's field, for showing why it held or
// not: several values are parted by ", ", and nothing is appended when there is none.
func (c *Cond) AppendValue(dst []byte, r *record.Record) []byte {
	switch c.field.ref {
	case refSeverity:
		dst = strconv.AppendInt(dst, int64(r.Severity), 10)
		for _, s := range severities {
			if s.lo <= r.Severity && r.Severity <= s.hi {
				dst = append(append(dst, ' '), s.word...)
			}
		}
		return dst
	case refTime:
		return r.When().AppendJSON(dst)
	case refReceived:
		return record.At(r.Received).AppendJSON(dst)
	case refPeer:
		if r.Peer.IsValid() {
			dst = r.Peer.Unmap().AppendTo(dst)
		}
		return dst
	case refWarnings:
		for i, w := range r.Warnings {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = append(dst, w.Kind...)
			if len(w.Detail) > 0 {
				dst = append(append(dst, ':'), w.Detail...)
			}
		}
		return dst
	case refFields:
		w := walk{cond: c, fields: r.Fields, show: true, dst: dst, start: len(dst)}
		w.members(0, len(r.Fields), c.field.path)
		return w.dst
	case refFact:
		if c.field.kind == kindTime {
			if t := r.GetTime(c.field.key); !t.IsZero() {
				dst = t.AppendJSON(dst)
			}
			return dst
		}
	}
	return append(dst, text(r, &c.field)...)
}

// view returns b as a string without a copy; it must not outlive the call it is for.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
