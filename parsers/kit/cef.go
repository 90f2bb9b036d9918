package kit

import (
	"bytes"

	"github.com/siemfwd/siemfwd/forwarder/record"
)

// CEF is the header of a CEF event, unescaped. Values are nil where the header ended
// before them.
type CEF struct {
	Version                        []byte // "0", "1" or as written
	Vendor, Product, DeviceVersion []byte
	Class, Name, Severity          []byte
	// Fields is how many of the seven fields were there; with fewer than seven the
	// event is not CEF, but what was read may still be of use.
	Fields int
	// Extension is the rest of the event, for Extension.
	Extension []byte
}

// ReadCEF reads the header of an event that begins with Marker 'C'. Escapes are undone
// in r's scratch. A last field without the closing pipe is taken as it is.
func ReadCEF(r *record.Record, b []byte) CEF {
	var h CEF
	b = trimSpace(b[min(len(b), len("CEF:")):])
	to := [...]*[]byte{&h.Version, &h.Vendor, &h.Product, &h.DeviceVersion, &h.Class, &h.Name, &h.Severity}
	for _, field := range to {
		end, escaped := pipe(b)
		text := trim(b[:end])
		if escaped {
			text = unescapeHeader(r, text)
		}
		*field = text
		h.Fields++
		if end == len(b) {
			if len(text) == 0 {
				h.Fields--
			}
			return h
		}
		b = b[end+1:]
	}
	h.Extension = b
	return h
}

// pipe is the offset of the first pipe that no backslash escapes, or len(b).
func pipe(b []byte) (end int, escaped bool) {
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '|':
			return i, escaped
		case '\\':
			escaped = true
			i++
		}
	}
	return len(b), escaped
}

func unescapeHeader(r *record.Record, text []byte) []byte {
	out := r.Begin(len(text))
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+1 < len(text) && (text[i+1] == '|' || text[i+1] == '\\') {
			i++
		}
		out = append(out, text[i])
	}
	return r.End(out)
}

// Extension goes through the pairs of a CEF extension. A value runs to the space
// before the next key and its "="; an "=" that no key stands before belongs to the
// value, escaped or not.
//
//	for x := (kit.Extension{Rest: h.Extension}); x.Next(); { … x.Key, x.Text(r) … }
type Extension struct {
	Rest []byte
	// Loose is text before the first key.
	Loose []byte
	Key   []byte
	Value []byte // trimmed, with its escapes
	// Escaped says that Value holds a backslash.
	Escaped bool

	key   int // length of the key at the front of Rest, which "=" follows
	begun bool
}

// Next moves to the next pair.
func (x *Extension) Next() bool {
	if !x.begun {
		x.begun = true
		start, key, _ := nextPair(x.Rest, 0)
		x.Loose = trim(x.Rest[:start])
		x.Rest, x.key = x.Rest[start:], key
	}
	if x.key == 0 {
		return false
	}
	x.Key = x.Rest[:x.key:x.key]
	rest := x.Rest[x.key+1:]
	start, key, escaped := nextPair(rest, 0)
	x.Value, x.Escaped = trim(rest[:start]), escaped
	x.Rest, x.key = rest[start:], key
	return true
}

// Text is Value with its escapes undone: a slice of the event, or of r's scratch.
func (x *Extension) Text(r *record.Record) []byte {
	if !x.Escaped {
		return x.Value
	}
	out := r.Begin(len(x.Value))
	for i := 0; i < len(x.Value); i++ {
		c := x.Value[i]
		if c == '\\' && i+1 < len(x.Value) {
			next := x.Value[i+1]
			switch next {
			case '=', '\\', '|':
				c = next
				i++
			case 'n':
				c = '\n'
				i++
			case 'r':
				c = '\r'
				i++
			}
		}
		out = append(out, c)
	}
	return r.End(out)
}

// nextPair finds the first key in b from at on that begins there or behind white
// space, and that an unescaped "=" follows. Without one start is len(b). escaped says
// that there is a backslash before it.
func nextPair(b []byte, at int) (start, key int, escaped bool) {
	for i := at; ; i++ {
		n := bytes.IndexByte(b[i:], '=')
		if n < 0 {
			return len(b), 0, escaped || bytes.IndexByte(b[at:], '\\') >= 0
		}
		i += n
		start = i
		for start > at && classes[b[start-1]]&classExt != 0 {
			start--
		}
		if start < i && (start == at || isSpace(b[start-1])) && classes[b[start]]&classKeyStart != 0 {
			return start, i - start, bytes.IndexByte(b[at:start], '\\') >= 0
		}
	}
}
