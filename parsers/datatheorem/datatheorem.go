// Package datatheorem reads the webhooks of Data Theorem: API Secure, Web Secure, Cloud
// Secure, Mobile Secure and the Protect products. A delivery is one object,
//
//	{"event": {"type": "PRODUCT__EVENT", "data": {…}, "version": 1}, "time": 1767607200, "host": "securetheorem.com"}
//
// which is also the shape of a Splunk HEC event: the same events may come in through a
// HEC listener. The vendor publishes few of the type tokens and calls its webhooks beta,
// so that a token decides only as far as its words are understood, and nothing is
// dropped for being new.
package datatheorem

import (
	"bytes"
	"embed"
	"errors"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

//go:embed samples/*.txtar
var samples embed.FS

//go:embed README.md
var readme string

// Vendor reads one envelope at a time.
var Vendor = kit.Vendor{
	Name:    "datatheorem",
	Product: "Data Theorem API, Web, Cloud and Mobile Secure",
	Doc:     "Data Theorem webhooks: policy violations, discovered assets, mobile findings, account events",
	Parse:   parse,
	Detect:  detect,
	Shape:   kit.Body,
	Samples: samples,
	Readme:  readme,
	Hook:    &hook,
}

// vendorHost is what every delivery names as its host. It is the portal, never the
// affected system.
const vendorHost = "securetheorem.com"

// decade is 2010-01-01T00:00:00Z. Earlier times are placeholders (the vendor's own
// documentation shows 123456789).
const decade = 1262304000 * 1e9

// errNoEnvelope is what parse returns for JSON that is no delivery.
var errNoEnvelope = errors.New("delivery is not an object")

func parse(r *record.Record, raw []byte) error {
	if err := kit.JSON(r, nil, raw); err != nil {
		return err
	}
	if r.Fields[0].Kind != record.Map {
		r.Undo(0)
		return errNoEnvelope
	}
	r.Vendor, r.Product = record.Bytes("Data Theorem"), record.Bytes("Data Theorem")
	at := r.Find(0, "event")
	if at >= 0 && r.Fields[at].Kind == record.String {
		parseTest(r, r.Fields[at].Text)
		return nil
	}
	d := delivery{when: member(r, 0, "time")}
	if at < 0 {
		r.Warn("missing_event", nil)
	} else {
		d.typ, d.version = member(r, at, "type"), member(r, at, "version")
	}
	d.keepData(r, raw, at)
	d.settle(r, raw)
	return nil
}

// parseTest reads what the portal's connection test posts: {"event": "Hello, world!"}.
func parseTest(r *record.Record, text []byte) {
	r.Undo(0)
	r.Test = true
	r.Class, r.Name = record.Bytes("test"), record.Bytes("Connection test")
	r.Category = r.Class
	r.Severity = 1
	r.Message = text
}

// delivery is an envelope whose data has been made the record's fields. Its own fields
// are copies; Kind tells an absent one (Null) apart.
type delivery struct {
	typ, version, when record.Field
	event, data        bool // whether the envelope held them
}

func member(r *record.Record, parent int, name string) record.Field {
	if r.Fields[parent].Kind == record.Map {
		if i := r.Find(parent, name); i >= 0 {
			return r.Fields[i]
		}
	}
	return record.Field{}
}

// keepData makes the members of event.data the record's fields, and adds behind them
// what stands in the envelope besides the documented keys. at is the event, or -1.
func (d *delivery) keepData(r *record.Record, raw []byte, at int) {
	data := -1
	if d.event = at >= 0; d.event && r.Fields[at].Kind == record.Map {
		data = r.Find(at, "data")
	}
	if d.data = data >= 0; !d.data {
		r.Warn("missing_data", nil)
	}
	// Whether the two objects have more members than were looked for.
	more := extra(r, 0, "event", "time", "host")
	if d.event {
		more = more || r.Fields[at].Kind != record.Map || extra(r, at, "type", "data", "version")
	}
	switch {
	case !d.data:
		r.Undo(0)
	case r.Fields[data].Kind == record.Map:
		n := copy(r.Fields, r.Fields[data+1:data+1+int(r.Fields[data].Size)])
		r.Undo(n)
	default:
		n := copy(r.Fields, r.Fields[data:data+1+int(r.Fields[data].Size)])
		r.Undo(n)
	}
	if more {
		d.keepRest(r, raw)
	}
}

// extra reports whether the object at parent has members other than three.
func extra(r *record.Record, parent int, a, b, c string) bool {
	end := parent + 1 + int(r.Fields[parent].Size)
	for i := parent + 1; i < end; i += 1 + int(r.Fields[i].Size) {
		if n := string(r.Fields[i].Name); n != a && n != b && n != c {
			return true
		}
	}
	return false
}

// keepRest adds the undocumented members of the envelope and of its event, under their
// names, where data has none of that name.
func (d *delivery) keepRest(r *record.Record, raw []byte) {
	for m := kit.Members(raw); m.Next(); {
		switch {
		case m.Is("time") || m.Is("host"):
		case !m.Is("event"):
			addMember(r, &m)
		case kit.KindOf(m.Value) != record.Map:
			addMember(r, &m)
		default:
			for e := kit.Members(m.Value); e.Next(); {
				if !e.Is("type") && !e.Is("data") && !e.Is("version") {
					addMember(r, &e)
				}
			}
		}
	}
}

func addMember(r *record.Record, m *kit.Iter) {
	name := m.DecodedName(r)
	for i := 0; i < len(r.Fields); i += 1 + int(r.Fields[i].Size) {
		if bytes.Equal(r.Fields[i].Name, name) {
			return
		}
	}
	// The whole text was read before, so that this cannot fail.
	_ = kit.JSON(r, name, m.Value)
}

// settle sets everything but the fields.
func (d *delivery) settle(r *record.Record, raw []byte) {
	typ := scalar(d.typ)
	if len(typ) == 0 {
		r.Warn("missing_type", nil)
	}
	r.Version = scalar(d.version)
	if len(r.Version) > 0 && string(r.Version) != "1" {
		r.Fields = append(r.Fields, record.Field{Name: record.Bytes("schema_version"), Kind: d.version.Kind, Text: d.version.Text, Plain: d.version.Plain})
		r.Warn("unknown_version", r.Version)
	}
	normalizeTimes(r)
	var v values
	v.read(r)
	d.setTime(r, raw)
	setEvent(r, typ, &v)
	d.setIdentity(r, raw, typ, &v)
}

func scalar(f record.Field) []byte {
	if f.Kind == record.Null {
		return nil
	}
	return f.Text
}

// setTime takes the envelope's time, unless it is none or a placeholder.
func (d *delivery) setTime(r *record.Record, raw []byte) {
	f := d.when
	if f.Kind == record.Number || f.Kind == record.String {
		if t, ok := kit.ParseEpoch(f.Text); ok && t.Nanos >= decade {
			r.Time = t
			return
		}
	}
	name := record.Bytes("time_orig")
	switch {
	case f.Kind == record.List || f.Kind == record.Map:
		if v, ok := kit.Find(raw, "time"); ok {
			_ = kit.JSON(r, name, v)
		}
	case f.Name != nil:
		r.Fields = append(r.Fields, record.Field{Name: name, Kind: f.Kind, Text: f.Text, Plain: f.Plain})
	}
	r.AddPlain(record.Bytes("time_suspect"), record.Bool, record.Bytes("true"))
}

// setIdentity makes the event's identity of what appendIdentity is given for the same
// delivery by the hook.
func (d *delivery) setIdentity(r *record.Record, raw, typ []byte, v *values) {
	id := identity{typ: typ, uuid: v.uuid, status: v.status, time: scalar(d.when)}
	if id.loose() {
		e, _ := kit.Find(raw, "event")
		id.data = identityData(e)
	}
	r.Identity = r.End(id.append(r.Begin(256 + len(id.data))))
}

// identity is what makes an event this event. The uuid alone does not: a violation may
// be opened, resolved and opened again.
type identity struct {
	typ, uuid, status, time []byte
	data                    []byte // the JSON text; used when loose
}

// loose reports whether the uuid and the time do not identify the event.
func (i *identity) loose() bool { return len(i.uuid) == 0 || len(i.time) == 0 }

func (i *identity) append(dst []byte) []byte {
	dst = append(dst, "dt|"...)
	if i.loose() {
		dst = append(kit.AppendCanonical(dst, i.data), '|')
		dst = append(append(dst, i.typ...), '|')
		return append(dst, i.time...)
	}
	dst = append(append(dst, i.typ...), '|')
	dst = append(append(dst, i.uuid...), '|')
	dst = append(append(dst, i.status...), '|')
	return append(dst, i.time...)
}

// identityData is an event's data, or all of the event where there is none.
func identityData(event []byte) []byte {
	if data, ok := kit.Find(event, "data"); ok {
		return data
	}
	return event
}
