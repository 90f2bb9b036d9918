package hec

import (
	"fmt"
	"strings"

	"github.com/siemfwd/siemfwd/formatters/text"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

// words is a text with places for the event's own words, taken apart.
type words struct {
	parts []part
	tidy  bool // the event's words become what Splunk allows in names
}

// part is literal text, or a place.
type part struct {
	text  string
	place place
}

// place says which word of the event stands there.
type place uint8

const (
	literal place = iota
	source
	vendor
	product
	class
	category
)

var places = map[string]place{"source": source, "vendor": vendor, "product": product, "class": class, "category": category}

func parse(s string, tidy bool) (words, error) {
	w := words{tidy: tidy}
	for s != "" {
		before, rest, found := strings.Cut(s, "{")
		if before != "" {
			w.parts = append(w.parts, part{text: before})
		}
		if !found {
			break
		}
		name, behind, closed := strings.Cut(rest, "}")
		p, known := places[name]
		if !closed || !known {
			return w, fmt.Errorf("{%s: want {source}, {vendor}, {product}, {class} or {category}", rest)
		}
		w.parts = append(w.parts, part{place: p})
		s = behind
	}
	return w, nil
}

// append appends a member of the envelope with a comma; nothing when no word is there.
func (w *words) append(dst []byte, lead string, r *record.Record) []byte {
	mark := len(dst)
	dst = append(dst, lead...)
	begin := len(dst)
	for i := range w.parts {
		p := &w.parts[i]
		v := p.of(r)
		if w.tidy && p.place != literal {
			dst = appendTidy(dst, v)
			continue
		}
		dst = text.AppendJSON(dst, "", v)
		dst = dst[:len(dst)-1] // its closing quote
	}
	if len(dst) == begin {
		return dst[:mark]
	}
	return append(dst, '"', ',')
}

func (p *part) of(r *record.Record) []byte {
	switch p.place {
	case source:
		return record.Bytes(r.Source)
	case vendor:
		return r.Vendor
	case product:
		return r.Product
	case class:
		return r.Class
	case category:
		return r.Category
	}
	return record.Bytes(p.text)
}

// appendTidy appends v in lower case, with one "_" for each run of what is no ASCII
// letter, digit or "-".
func appendTidy(dst, v []byte) []byte {
	gap := true
	for _, c := range v {
		switch {
		case c-'0' <= 9, c-'a' <= 25, c == '-':
		case c-'A' <= 25:
			c |= 0x20
		default:
			if !gap {
				dst = append(dst, '_')
			}
			gap = true
			continue
		}
		dst, gap = append(dst, c), false
	}
	return dst
}
