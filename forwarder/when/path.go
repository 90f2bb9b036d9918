package when

import (
	"strconv"

	"github.com/siemfwd/siemfwd/forwarder/record"
)

// Path names one value of a record, in the words of conditions: severity, user.name,
// fields.NAME. It may be used by any number of goroutines.
type Path struct{ field field }

// ParsePath reads a path. An error is an *Error.
func ParsePath(name string) (*Path, error) {
	f, err := lookup(name)
	if err != nil {
		return nil, err
	}
	return &Path{f}, nil
}

// String returns the path as it was written.
func (p *Path) String() string { return p.field.name }

// Type is what the values of a path are, as far as it is known beforehand.
type Type uint8

// The types of paths.
const (
	Text   Type = iota
	Any         // the vendor's own: it shows when the event is there
	Number      // a whole number
	IP
	Time
)

// Type returns the type of the path's values.
func (p *Path) Type() Type {
	switch p.field.kind {
	case kindAny:
		return Any
	case kindNumber, kindSeverity:
		return Number
	case kindIP:
		return IP
	case kindTime:
		return Time
	}
	return Text
}

// Text returns the value as text; nil when there is none. Several values are parted by
// ", ", times are RFC 3339, objects have no text. It may take from the record's scratch
// and is valid as long as the record's event.
func (p *Path) Text(r *record.Record) []byte {
	switch p.field.ref {
	case refSeverity:
		return r.End(strconv.AppendInt(r.Begin(4), int64(min(max(r.Severity, 0), 10)), 10))
	case refTime, refReceived:
		return r.End(p.Time(r).AppendJSON(r.Begin(32)))
	case refPeer:
		if !r.Peer.IsValid() {
			return nil
		}
		return r.End(r.Peer.Unmap().AppendTo(r.Begin(48)))
	case refWarnings:
		b := r.Begin(128)
		for i, w := range r.Warnings {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = append(b, w.Kind...)
		}
		return r.End(b)
	case refFields:
		w := walk{fields: r.Fields, show: true, plain: true, dst: r.Begin(128)}
		w.members(0, len(r.Fields), p.field.path)
		return r.End(w.dst)
	case refFact:
		if p.field.kind == kindTime {
			if t := r.GetTime(p.field.key); !t.IsZero() {
				return r.End(t.AppendJSON(r.Begin(32)))
			}
			return nil
		}
	}
	return text(r, &p.field)
}

// Time returns the value as a time; zero when it is none. Text is read as RFC 3339, or as
// ten digits of seconds or thirteen of milliseconds since 1970.
func (p *Path) Time(r *record.Record) record.Time {
	switch {
	case p.field.ref == refTime:
		return r.When()
	case p.field.ref == refReceived:
		return record.At(r.Received)
	case p.field.ref == refFact && p.field.kind == kindTime:
		return r.GetTime(p.field.key)
	}
	b := p.Text(r)
	if nanos, ok := parseTime(b); ok {
		return record.Unix(nanos, 3)
	}
	n, unit := int64(0), int64(1e9)
	switch len(b) {
	case 10:
	case 13:
		unit = 1e6
	default:
		return record.Time{}
	}
	for _, c := range b {
		if c-'0' > 9 {
			return record.Time{}
		}
		n = n*10 + int64(c-'0')
	}
	return record.Unix(n*unit, 3)
}

// Values calls each with every value as text, one by one: of lists every item, of objects
// everything inside. What it hands over is valid as long as the record's event.
func (p *Path) Values(r *record.Record, each func(value []byte)) {
	if p.field.ref != refFields {
		if v := p.Text(r); len(v) > 0 {
			each(v)
		}
		return
	}
	w := walk{fields: r.Fields, each: each}
	w.members(0, len(r.Fields), p.field.path)
}
