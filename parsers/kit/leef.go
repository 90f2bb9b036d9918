package kit

import (
	"bytes"

	"github.com/siemfwd/siemfwd/forwarder/record"
)

// LEEF is the header of a LEEF event, which has no escapes. Values are nil where the
// header ended before them.
type LEEF struct {
	Version                        []byte // "1.0" or "2.0"
	Vendor, Product, DeviceVersion []byte
	EventID                        []byte
	Fields                         int // how many of these five were there
	// Delimiter separates the attributes: one character, or "#011", which relays write
	// for a TAB; empty when a relay made the TABs spaces, so that an attribute ends
	// before the next key.
	Delimiter  []byte
	Attributes []byte
}

// ReadLEEF reads the header of an event that begins with Marker 'L'.
func ReadLEEF(b []byte) LEEF {
	var h LEEF
	b = trimSpace(b[min(len(b), len("LEEF:")):])
	to := [...]*[]byte{&h.Version, &h.Vendor, &h.Product, &h.DeviceVersion, &h.EventID}
	for _, field := range to {
		end := bytes.IndexByte(b, '|')
		if end < 0 {
			if text := trim(b); len(text) > 0 {
				*field = text
				h.Fields++
			}
			return h
		}
		*field = trim(b[:end])
		h.Fields++
		b = b[end+1:]
	}
	h.Delimiter = tab
	if len(h.Version) > 0 && h.Version[0] != '1' {
		if end := bytes.IndexByte(b, '|'); end >= 0 && end <= 6 {
			if d, ok := delimiter(b[:end]); ok {
				h.Delimiter, b = d, b[end+1:]
			}
		}
	}
	if len(h.Delimiter) == 1 && h.Delimiter[0] == '\t' && bytes.IndexByte(b, '\t') < 0 {
		if h.Delimiter = nil; bytes.Contains(b, octalTab) {
			h.Delimiter = octalTab
		}
	}
	h.Attributes = b
	return h
}

var tab, octalTab = record.Bytes("\t"), record.Bytes("#011")

// ascii holds every one-character delimiter.
var ascii = func() (t [128]byte) {
	for i := range t {
		t[i] = byte(i)
	}
	return t
}()

// delimiter reads the sixth field of LEEF 2.0: nothing, one character, or its number
// in hexadecimal as x5E or 0x5E.
func delimiter(b []byte) ([]byte, bool) {
	switch {
	case len(b) == 0:
		return tab, true
	case len(b) == 1:
		return b, true
	case b[0] == '0' && len(b) > 2:
		b = b[1:]
	}
	if b[0]|0x20 != 'x' || len(b) < 2 {
		return nil, false
	}
	n := rune(0)
	for _, c := range b[1:] {
		v := hexValue(c)
		if v < 0 {
			return nil, false
		}
		n = n<<4 | v
	}
	if n == 0 || int(n) >= len(ascii) {
		return nil, false
	}
	return ascii[n : n+1 : n+1], true
}

// Attributes goes through the attributes of a LEEF event. An attribute ends before a
// delimiter that another key and "=" follow.
//
//	for a := h.All(); a.Next(); { … a.Key, a.Value … }
type Attributes struct {
	Key, Value []byte // the value is trimmed
	// Loose is text before the first key.
	Loose []byte

	rest      []byte
	delimiter []byte
	ext       Extension
	begun     bool
}

// All iterates over the attributes.
func (h *LEEF) All() Attributes {
	return Attributes{rest: h.Attributes, delimiter: h.Delimiter, ext: Extension{Rest: h.Attributes}}
}

// Next moves to the next attribute.
func (a *Attributes) Next() bool {
	if len(a.delimiter) == 0 {
		ok := a.ext.Next()
		a.Key, a.Value, a.Loose = a.ext.Key, a.ext.Value, a.ext.Loose
		return ok
	}
	if !a.begun {
		a.begun = true
		if !a.keyAt(0) {
			end := a.next(0)
			a.Loose = trim(a.rest[:end])
			a.rest = a.rest[end:]
		}
	}
	a.rest = a.rest[a.skip(0):]
	eq := bytes.IndexByte(a.rest, '=')
	if eq < 0 {
		return false
	}
	end := a.next(eq + 1)
	a.Key, a.Value = trim(a.rest[:eq]), trim(a.rest[eq+1:end])
	a.rest = a.rest[end:]
	return true
}

// skip is the offset behind delimiters and spaces at at.
func (a *Attributes) skip(at int) int {
	for {
		switch {
		case bytes.HasPrefix(a.rest[at:], a.delimiter):
			at += len(a.delimiter)
		case at < len(a.rest) && a.rest[at] == ' ':
			at++
		default:
			return at
		}
	}
}

// next is the offset of the next delimiter, from at on, that a key follows.
func (a *Attributes) next(at int) int {
	for {
		n := bytes.Index(a.rest[at:], a.delimiter)
		if n < 0 {
			return len(a.rest)
		}
		end := at + n
		at = a.skip(end)
		if at == len(a.rest) || a.keyAt(at) {
			return end
		}
	}
}

// keyAt reports whether a key and "=" stand at at.
func (a *Attributes) keyAt(at int) bool {
	b, start := a.rest, at
	for at < len(b) && classes[b[at]]&classExt != 0 && b[at] != a.delimiter[0] {
		at++
	}
	return at > start && at < len(b) && b[at] == '='
}

// AppendCarets appends text with the words that stand for LEEF's separators in some
// products' values, <caret>, <pipe> and <tab>, as the characters themselves.
func AppendCarets(dst, text []byte) []byte {
	for {
		n := bytes.IndexByte(text, '<')
		if n < 0 {
			return append(dst, text...)
		}
		dst, text = append(dst, text[:n]...), text[n:]
		switch {
		case bytes.HasPrefix(text, []byte("<caret>")):
			dst, text = append(dst, '^'), text[len("<caret>"):]
		case bytes.HasPrefix(text, []byte("<pipe>")):
			dst, text = append(dst, '|'), text[len("<pipe>"):]
		case bytes.HasPrefix(text, []byte("<tab>")):
			dst, text = append(dst, '\t'), text[len("<tab>"):]
		default:
			dst, text = append(dst, '<'), text[1:]
		}
	}
}

// LEEFText is a value with AppendCarets applied: a slice of the event, or of r's
// scratch.
func LEEFText(r *record.Record, value []byte) []byte {
	if bytes.IndexByte(value, '<') < 0 {
		return value
	}
	return r.End(AppendCarets(r.Begin(len(value)), value))
}
