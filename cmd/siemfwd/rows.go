package main

import (
	"fmt"

	"github.com/siemfwd/siemfwd/forwarder/record"
)

// row is one line of what people read of a record.
type row struct{ name, value string }

// rows lists a record's header values and facts, in the order of its JSON.
func rows(r *record.Record) []row {
	var all []row
	add := func(name string, value []byte) {
		if len(value) > 0 {
			all = append(all, row{name, printable(value)})
		}
	}
	add("id", r.ID)
	add("time", r.When().AppendJSON(nil))
	add("vendor", r.Vendor)
	add("product", r.Product)
	add("class", r.Class)
	add("name", r.Name)
	all = append(all, row{"severity", fmt.Sprintf("%d %s", r.Severity, severityWord(r.Severity))})
	add("category", r.Category)
	add("action", r.Action)
	add("outcome", r.Outcome)
	add("message", r.Message)
	add("observer.host", r.Host)
	if r.Peer.IsValid() {
		add("observer.ip", []byte(r.Peer.String()))
	}
	set := r.Facts()
	for k, ok := set.Next(0); ok; k, ok = set.Next(k + 1) {
		if record.Keys[k].Kind == record.FactTime {
			add(record.Keys[k].Name, r.GetTime(k).AppendJSON(nil))
		} else {
			add(record.Keys[k].Name, r.Get(k))
		}
	}
	return all
}

// topFields lists the fields the vendor sent; lists and maps are shown by their size.
func topFields(r *record.Record) []row {
	var all []row
	for i := 0; i < len(r.Fields); i += 1 + int(r.Fields[i].Size) {
		f := &r.Fields[i]
		value := printable(f.Text)
		switch f.Kind {
		case record.Null:
			value = "null"
		case record.List:
			value = items(r.Fields[i+1 : i+1+int(f.Size)])
		case record.Map:
			value = fmt.Sprintf("{%s}", plural(int(f.Size), "field"))
		}
		all = append(all, row{"fields." + printable(f.Name), value})
	}
	return all
}

func items(fields []record.Field) string {
	out := "["
	for i := range fields {
		if i > 0 {
			out += ", "
		}
		out += printable(fields[i].Text)
	}
	return out + "]"
}

// printable keeps a terminal safe from what an event holds.
func printable(text []byte) string {
	out := make([]rune, 0, len(text))
	for _, c := range string(text) {
		if c < ' ' || c >= 0x7f && c < 0xa0 {
			c = ' '
		}
		out = append(out, c)
	}
	return string(out)
}

func severityWord(n int) string {
	switch {
	case n >= 9:
		return "critical"
	case n >= 7:
		return "high"
	case n >= 5:
		return "medium"
	case n >= 3:
		return "low"
	case n >= 1:
		return "informational"
	}
	return "unknown"
}
