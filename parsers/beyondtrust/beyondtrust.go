// Package beyondtrust reads the webhooks of BeyondTrust Endpoint Privilege Management
// (Privilege Management Cloud): requests for just-in-time access to applications and for
// just-in-time administrator rights, and the decisions on them.
//
// The body of such a webhook is a text of the customer's own, in which the product puts
// values in place of %%Name%%. Whether it escapes them is not documented, so a body is
// read in stages: as JSON; as a rendering of a template that is known; as JSON after
// what values can do to it has been repaired; and at last as text. Names count, wherever
// they stand and however they are written.
package beyondtrust

import (
	"bytes"
	"embed"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

//go:embed samples/*.txtar
var samples embed.FS

//go:embed README.md
var readme string

// Vendor reads one body at a time.
var Vendor = kit.Vendor{
	Name:    "beyondtrust",
	Product: "BeyondTrust Endpoint Privilege Management (Privilege Management Cloud)",
	Doc:     "BeyondTrust EPM webhooks: just-in-time access to applications and as administrator, requests and decisions",
	Parse:   parse,
	Detect:  detect,
	Shape:   kit.Body,
	Samples: samples,
	Hook:    &hook,
	Options: &options,
	Join:    &join,
	Readme:  readme,
	Guide:   guide,
}

// parse reads any body; what cannot be understood becomes a record of category
// "unparsed".
func parse(r *record.Record, raw []byte) error {
	r.Vendor, r.Product, r.Version = record.Bytes("BeyondTrust"), record.Bytes("Privilege Management Cloud"), record.Bytes("1")
	b := bytes.TrimSpace(plain(r, raw))
	var v values
	reason := readBody(r, &v, b, true)
	if reason == "" && v.have&variables == 0 {
		reason = "no variable of the product is in the body"
	}
	if reason != "" {
		unparsed(r, b, reason)
		return nil
	}
	v.keep(r)
	v.settle(r)
	return nil
}

// readBody fills the record's fields and the values from a body in one of the shapes
// that templates have. It returns why it could not. packed says that a form's field may
// hold a body in turn.
func readBody(r *record.Record, v *values, b []byte, packed bool) (reason string) {
	switch {
	case len(b) == 0:
		return "body is empty"
	case b[0] == '{' || b[0] == '[':
		return readJSON(r, v, b)
	case b[0] == '<':
		return readXML(r, v, b)
	case isForm(b):
		return readForm(r, v, b, packed)
	}
	return "neither JSON nor a form nor XML"
}

// readJSON reads a body that is JSON, or would be if values had been escaped.
func readJSON(r *record.Record, v *values, b []byte) (reason string) {
	t := findTemplate(b)
	v.marked = t.kindOf()
	valid := kit.ValidJSON(b) && kit.JSON(r, nil, b) == nil
	suspect := false
	if valid {
		o := v.read(r, t)
		suspect = v.control && !escaped(b)
		if !suspect && (t == nil || o.exact || o.possible && !t.walk(r, nil, b, true)) {
			return ""
		}
	}
	switch {
	case t != nil && (t.walk(r, v, b, true) || t.walk(r, v, b, false)):
		if valid && !suspect {
			r.Warn("member_in_text", nil)
		}
		return ""
	case t == nil && vendorExample.walk(r, v, b, true):
		return ""
	}
	if (!valid || suspect) && readRepaired(r, v, t, b, suspect) {
		return ""
	}
	if valid && readAgain(r, v, t, b) {
		return ""
	}
	empty(r)
	return "neither JSON nor a rendering of a known template"
}

// empty takes back all fields.
func empty(r *record.Record) *record.Record {
	r.Undo(0)
	return r
}

const unparsedClass = "unparsed"

// unparsed makes r the record of a body nobody could read: its beginning as message, and
// as fields whatever JSON it is.
func unparsed(r *record.Record, b []byte, reason string) {
	const most = 1 << 10
	if !members(r) {
		empty(r)
	}
	r.Class, r.Category = record.Bytes(unparsedClass), record.Bytes(unparsedClass)
	r.Name = record.Bytes("EPM webhook that could not be read")
	r.Severity = 5
	if r.Message = b; len(b) > most {
		n := most
		for n > most-4 && b[n]&0xC0 == 0x80 {
			n--
		}
		r.Message = b[:n:n]
	}
	r.AddPlain(record.Bytes("parse_error"), record.Bool, record.Bytes("true"))
	r.Warn("unparsed", record.Bytes(reason))
}

// members replaces an object that is the only field by its members; false when there is
// no such object.
func members(r *record.Record) bool {
	if len(r.Fields) == 0 || r.Fields[0].Kind != record.Map {
		return len(r.Fields) > 0 && r.Fields[0].Name != nil
	}
	if r.Fields[0].Name == nil {
		r.Undo(copy(r.Fields, r.Fields[1:]))
	}
	return true
}

// detect recognises a body by our marker or by the product's types of events.
func detect(raw []byte) bool {
	head := bytes.TrimLeft(raw[:min(len(raw), 4096)], " \t\r\n")
	if len(head) == 0 || head[0] != '{' {
		return false
	}
	if findTemplate(head) != nil {
		return true
	}
	at := bytes.Index(head, record.Bytes("EventType"))
	if at < 0 {
		return false
	}
	typ := head[at:min(len(head), at+64)]
	return holds(typ, "eventtypeurmnative") || holds(typ, "eventtypejitadmin")
}
