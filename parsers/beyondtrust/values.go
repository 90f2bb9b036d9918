package beyondtrust

import (
	"bytes"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// values are what a body says of each variable.
type values struct {
	text    [numVariables][]byte // nil: not there, or blank
	have    set                  // the variables in the body
	at      [numVariables]int32  // the field that counts for a variable in have
	control bool                 // a value that has none holds a control character
	open    bool                 // the value of RequestId is a placeholder

	marked kind // what our own template says the event is
	time   record.Time
}

func (v *values) has(one variable) bool { return v.text[one] != nil }

// count returns how many of the product's variables the body has, and how many of them
// say nothing.
func (v *values) count() (all, blanks int) {
	for i := range markFormat {
		if v.have.has(i) {
			all++
			if !v.has(i) {
				blanks++
			}
		}
	}
	return all, blanks
}

// order is how the names of a body compare with those of a template.
type order struct {
	exact    bool // they are the same
	possible bool // all that follow a text of somebody's choice are the template's, and none is there twice
}

// read takes the variables from the record's fields, wherever they stand. Of several
// with one name the last counts; where the body is a rendering of our own template, in
// which the texts of others come last, the first does.
func (v *values) read(r *record.Record, t *template) order {
	*v = values{marked: v.marked}
	c := t.compare()
	for i := range r.Fields {
		f := &r.Fields[i]
		if f.Name == nil {
			continue
		}
		one := lookup(f.Name)
		c.next(one)
		if one == unknown || f.Kind == record.Map || f.Kind == record.List {
			continue
		}
		if clean.has(one) && controlled(f.Text) {
			v.control = true
		}
		if v.have.has(one) && (t != nil || bytes.Equal(r.Fields[v.at[one]].Text, f.Text)) {
			continue
		}
		v.have |= 1 << one
		v.at[one] = int32(i)
		v.text[one] = nil
		if f.Kind != record.Null && !blank(f.Text) {
			v.text[one] = f.Text
		}
		if one == requestID {
			v.open = placeholder(f.Text) != nil
		}
	}
	return c.order()
}

// controlled reports whether text holds what \b, \t, \n, \f and \r stand for.
func controlled(text []byte) bool {
	for _, c := range text {
		if c < ' ' && c >= '\b' && c != '\v' && c <= '\r' {
			return true
		}
	}
	return false
}

// keep rewrites the record's fields: the product's variables by their documented names,
// without those that say nothing, then whatever else was in the body, then the names of
// the placeholders that were left.
func (v *values) keep(r *record.Record) {
	n := len(r.Fields)
	for i := range n {
		f := r.Fields[i]
		one := unknown
		if f.Name != nil && f.Kind != record.Map && f.Kind != record.List {
			one = lookup(f.Name)
		}
		if one == unknown || marks.has(one) || !v.has(one) || v.at[one] != int32(i) {
			continue
		}
		f.Name = record.Bytes(names[one])
		if times.has(one) {
			if t, ok := parseTime(f.Text); ok {
				f = record.Field{Name: f.Name, Kind: record.String, Text: kit.TimeText(r, t), Plain: true}
			}
		}
		r.Fields = append(r.Fields, f)
	}
	keepRest(r, 0, n)
	keepUnresolved(r, n)
	r.Undo(copy(r.Fields, r.Fields[n:]))
}

// keepRest appends copies of the fields from to end that are no variables.
func keepRest(r *record.Record, from, end int) {
	for i := from; i < end; i += 1 + int(r.Fields[i].Size) {
		f := r.Fields[i]
		switch {
		case f.Name != nil && f.Size == 0 && lookup(f.Name) != unknown:
		case f.Name != nil && f.Kind == record.String && placeholder(f.Text) != nil:
		case f.Kind != record.Map && f.Kind != record.List:
			r.Fields = append(r.Fields, f)
		case i == 0 && f.Name == nil && f.Kind == record.Map:
			keepRest(r, i+1, i+1+int(f.Size))
		default:
			keepBelow(r, f, i)
		}
	}
}

// keepBelow appends a copy of the list or object at i, unless it held nothing but
// variables.
func keepBelow(r *record.Record, f record.Field, i int) {
	name := f.Name
	if i == 0 && name == nil {
		name = record.Bytes("body")
	}
	at := len(r.Fields)
	r.Open(name, f.Kind)
	keepRest(r, i+1, i+1+int(f.Size))
	r.Close()
	if f.Size > 0 && r.Fields[at].Size == 0 {
		r.Undo(at)
	}
}

// mostUnresolved is how many names of placeholders are listed.
const mostUnresolved = 64

// keepUnresolved appends the list of the placeholders in the first n fields.
func keepUnresolved(r *record.Record, n int) {
	at := len(r.Fields)
	for i := range n {
		for name, rest := nextPlaceholder(r.Fields[i].Text); name != nil; name, rest = nextPlaceholder(rest) {
			if len(r.Fields) == at {
				r.Open(record.Bytes("unresolved"), record.List)
			}
			if len(r.Fields)-at <= mostUnresolved && !listed(r.Fields[at+1:], name) {
				r.AddPlain(nil, record.String, name)
			}
		}
	}
	if len(r.Fields) > at {
		r.Close()
	}
}

func listed(items []record.Field, text []byte) bool {
	for i := range items {
		if string(items[i].Text) == string(text) {
			return true
		}
	}
	return false
}
