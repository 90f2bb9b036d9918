package generic

import (
	"embed"
	"errors"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

//go:embed samples/kv-*.txtar
var kvSamples embed.FS

// KV reads key=value pairs, with or without a syslog header before them. Pairs are
// separated by white space, commas or semicolons; a value may stand in double quotes,
// in which \" and "" are a quote; a bare value runs to the next pair. The names that
// vendor json knows become header values and facts.
var KV = kit.Vendor{
	Name:    "kv",
	Product: "any product that writes key=value",
	Doc:     "key=value pairs separated by spaces, commas or semicolons, values in quotes or not",
	Parse:   parseKV,
	Detect:  detectKV,
	Shape:   kit.Lines,
	Samples: kvSamples,
}

// someDay serves detection, for which the year of a header does not matter.
var someDay = time.Unix(1_700_000_000, 0)

func parseKV(r *record.Record, raw []byte) error {
	head := kit.ReadHeaderUntagged(raw, r.Received, r.Zone)
	p := pairs{text: head.Body}
	if !p.next() {
		return errors.New("no key=value pair")
	}
	r.Time, r.Host = head.Time, head.Host
	r.Vendor, r.Version = record.Bytes("Unknown"), record.Bytes("1.0")
	r.Product, r.Class, r.Name = record.Bytes("Key-value"), record.Bytes("kv"), record.Bytes("Key-value event")
	if len(p.loose) > 0 {
		r.Message = p.loose
	}
	for ok := true; ok; ok = p.next() {
		kit.AddText(r, p.key, p.unquoted(r))
	}
	readMembers(r, 0)
	setIdentityText(r, "kv|", head.Body)
	if len(r.Message) == 0 {
		r.Message = head.Body
	}
	return nil
}

// detectKV wants three pairs, and one of them at the front of the text.
func detectKV(raw []byte) bool {
	head := kit.ReadHeaderUntagged(raw, someDay, nil)
	p := pairs{text: head.Body}
	n := 0
	for n < 3 && p.next() && len(p.loose) == 0 {
		n++
	}
	return n == 3
}

// pairs goes through key=value pairs. Its time is linear in the text.
type pairs struct {
	text []byte
	at   int

	key, value []byte
	loose      []byte // text before the first pair
	escaped    bool   // value stood in quotes and holds escapes
	begun      bool
}

// next moves to the next pair.
func (p *pairs) next() bool {
	from, to, ok := p.find(p.at)
	if !p.begun {
		p.begun = true
		p.loose = trim(p.text[:from])
	}
	if !ok {
		return false
	}
	p.key = p.text[from:to:to]
	at := to + 1
	p.escaped = false
	if at < len(p.text) && p.text[at] == '"' {
		if end, escaped, closed := quoted(p.text, at+1); closed {
			p.value, p.escaped, p.at = p.text[at+1:end:end], escaped, end+1
			return true
		}
	}
	next, _, _ := p.find(at)
	p.value, p.at = trim(p.text[at:next]), next
	return true
}

// find returns where the next key stands from at on; without one from is len(text).
func (p *pairs) find(at int) (from, to int, ok bool) {
	key := -1 // where a run of key characters behind a separator began
	if at == 0 || at > len(p.text) || separator(p.text[at-1]) || p.text[at-1] == '"' {
		key = at
	}
	for i := at; i < len(p.text); i++ {
		c := p.text[i]
		switch {
		case c == '=' && key >= 0 && i > key:
			return key, i, true
		case separator(c):
			key = i + 1
		case !keyChar(c):
			key = -1
		}
	}
	return len(p.text), len(p.text), false
}

// quoted finds the quote that ends a value: one that a separator or the end follows.
func quoted(b []byte, at int) (end int, escaped, ok bool) {
	for i := at; i < len(b); i++ {
		switch b[i] {
		case '\\':
			escaped = true
			i++
		case '"':
			if i+1 == len(b) || separator(b[i+1]) {
				return i, escaped, true
			}
			if b[i+1] == '"' {
				escaped = true
				i++
			}
		}
	}
	return 0, false, false
}

// unquoted is the value with its escapes undone.
func (p *pairs) unquoted(r *record.Record) []byte {
	if !p.escaped {
		return p.value
	}
	out := r.Begin(len(p.value))
	for i := 0; i < len(p.value); i++ {
		c := p.value[i]
		if i+1 < len(p.value) && (c == '\\' && (p.value[i+1] == '"' || p.value[i+1] == '\\') || c == '"' && p.value[i+1] == '"') {
			i++
			c = p.value[i]
		}
		out = append(out, c)
	}
	return r.End(out)
}

func separator(c byte) bool { return c == ' ' || c == ',' || c == ';' || c == '\t' || c == '|' }

func keyChar(c byte) bool {
	return c-'0' <= 9 || (c|0x20)-'a' <= 'z'-'a' || c == '_' || c == '.' || c == '-' || c == '@' || c == ':' || c == '/'
}

func trim(b []byte) []byte {
	for len(b) > 0 && (separator(b[0]) || b[0] < ' ') {
		b = b[1:]
	}
	for len(b) > 0 && (separator(b[len(b)-1]) || b[len(b)-1] < ' ') {
		b = b[:len(b)-1]
	}
	return b[:len(b):len(b)]
}
