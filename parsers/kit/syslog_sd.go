package kit

import (
	"unicode/utf8"

	"github.com/siemfwd/siemfwd/forwarder/record"
)

// SD goes through structured data, well-formed or merely readable, as a Header
// holds it:
//
//	for sd := (kit.SD{Rest: h.SD}); sd.Next(); {
//		if sd.Param { … sd.Name, sd.Text(r) … } else { … sd.Name is an SD-ID … }
//	}
type SD struct {
	Rest  []byte // what has not been read yet
	Param bool   // this is a parameter of the last element, else it begins an element
	Name  []byte // SD-ID or PARAM-NAME
	Value []byte // PARAM-VALUE with its escapes

	escaped, inside bool
}

// Next moves to the next element or parameter.
func (s *SD) Next() bool {
	b := s.Rest
	if s.inside {
		for len(b) > 0 && b[0] == ' ' {
			b = b[1:]
		}
		if len(b) > 0 && b[0] != ']' {
			return s.param(b)
		}
		if len(b) > 0 {
			b = b[1:]
		}
		s.inside = false
	}
	if len(b) == 0 || b[0] != '[' {
		s.Rest = nil
		return false
	}
	n := sdName(b[1:])
	s.Name, s.Value, s.Param, s.inside = b[1:1+n:1+n], nil, false, true
	s.Rest = b[1+n:]
	return true
}

func (s *SD) param(b []byte) bool {
	n := sdName(b)
	if n == 0 || n+1 >= len(b) || b[n] != '=' || b[n+1] != '"' {
		s.Rest = nil
		return false
	}
	end, flags := sdValue(b, n+2, false)
	if end < 0 {
		s.Rest = nil
		return false
	}
	s.Name, s.Value, s.Param = b[:n:n], b[n+2:end:end], true
	s.escaped = flags&sdEscaped != 0
	s.Rest = b[end+1:]
	return true
}

// Text is Value without its escapes: a slice of the line, or of r's scratch.
func (s *SD) Text(r *record.Record) []byte {
	if !s.escaped {
		return s.Value
	}
	out := r.Begin(len(s.Value))
	for i := 0; i < len(s.Value); i++ {
		c := s.Value[i]
		if c == '\\' && i+1 < len(s.Value) && sdEscape(s.Value[i+1]) {
			i++
			c = s.Value[i]
		}
		out = append(out, c)
	}
	return r.End(out)
}

// RepairSD returns structured data that is merely readable as well-formed: in r's
// scratch, quotes, brackets and backslashes escaped, control characters written as #
// and three octal digits, octets that are not UTF-8 replaced by U+FFFD, names cut to
// what RFC 5424 allows. It is nil when nothing could be read.
func RepairSD(r *record.Record, loose []byte) []byte {
	out := r.Begin(4*len(loose) + 16)
	open := false
	for sd := (SD{Rest: loose}); sd.Next(); {
		switch {
		case sd.Param:
			if name := sdCut(sd.Name); len(name) > 0 {
				out = append(append(append(out, ' '), name...), '=', '"')
				out = append(appendSDValue(out, sd.Value), '"')
			}
			continue
		case open:
			out = append(out, ']')
		}
		open = len(sdCut(sd.Name)) > 0
		if !open {
			return nil
		}
		out = append(append(out, '['), sdCut(sd.Name)...)
	}
	if !open {
		return nil
	}
	return r.End(append(out, ']'))
}

func sdCut(name []byte) []byte { return name[:min(32, len(name))] }

func appendSDValue(out, value []byte) []byte {
	for len(value) > 0 {
		c := value[0]
		switch {
		case c == '\\' && len(value) > 1 && sdEscape(value[1]):
			out, value = append(out, c, value[1]), value[2:]
			continue
		case sdEscape(c):
			out = append(out, '\\', c)
		case c < ' ' && c != '\t' || c == 0x7f:
			out = append(out, '#', '0'+c>>6, '0'+c>>3&7, '0'+c&7)
		case c >= utf8.RuneSelf:
			ru, n := utf8.DecodeRune(value)
			out, value = utf8.AppendRune(out, ru), value[n:]
			continue
		default:
			out = append(out, c)
		}
		value = value[1:]
	}
	return out
}

func sdEscape(c byte) bool { return c == '"' || c == '\\' || c == ']' }

// cutSD returns the length of the structured data at the front of b, which begins
// with a bracket, and whether it is well-formed: RFC 5424's grammar, UTF-8, no control
// characters. When it is not, the length is that of what can be read, 0 for nothing.
func cutSD(b []byte) (n int, ok bool) {
	if n = sdEnd(b, true); n > 0 {
		return n, true
	}
	return sdEnd(b, false), false
}

// sdEnd is the length of the structured data at the front of b, 0 when it is broken.
func sdEnd(b []byte, strict bool) int {
	at, wide := 0, false
	for at < len(b) && b[at] == '[' {
		n := sdName(b[at+1:])
		if n == 0 || strict && n > 32 {
			return 0
		}
		at += 1 + n
		for at < len(b) && b[at] == ' ' {
			at++
			if !strict {
				for at < len(b) && b[at] == ' ' {
					at++
				}
				if at < len(b) && b[at] == ']' {
					break
				}
			}
			n := sdName(b[at:])
			if n == 0 || strict && n > 32 || at+n+1 >= len(b) || b[at+n] != '=' || b[at+n+1] != '"' {
				return 0
			}
			end, flags := sdValue(b, at+n+2, strict)
			if end < 0 {
				return 0
			}
			wide = wide || flags&sdWide != 0
			at = end + 1
		}
		if at >= len(b) || b[at] != ']' {
			return 0
		}
		at++
	}
	if strict && (at < len(b) && b[at] != ' ' || wide && !utf8.Valid(b[:at])) {
		return 0
	}
	return at
}

func sdName(b []byte) int {
	for i, c := range b {
		if c-33 > 126-33 || c == '=' || c == ']' || c == '"' {
			return i
		}
	}
	return len(b)
}

// What sdValue saw.
const (
	sdEscaped = 1 << iota
	sdWide
)

// sdValue returns the offset of the quote that ends the value beginning at at, or -1.
// A strict value has no control characters and no bare bracket; otherwise a quote ends
// the value only where the element, or another parameter, goes on behind it.
func sdValue(b []byte, at int, strict bool) (end, flags int) {
	for ; at < len(b); at++ {
		switch c := b[at]; {
		case c == '"':
			if strict || sdGoesOn(b[at+1:]) {
				return at, flags
			}
		case c == '\\':
			if at+1 < len(b) && sdEscape(b[at+1]) {
				flags |= sdEscaped
				at++
			}
		case c >= utf8.RuneSelf:
			flags |= sdWide
		case strict && (c == ']' || c < ' ' || c == 0x7f):
			return -1, 0
		}
	}
	return -1, 0
}

// sdGoesOn reports whether b can stand behind the quote that ends a value.
func sdGoesOn(b []byte) bool {
	at := 0
	for at < len(b) && b[at] == ' ' {
		at++
	}
	if at < len(b) && b[at] == ']' {
		return at+1 == len(b) || b[at+1] == ' ' || b[at+1] == '['
	}
	n := sdName(b[at:])
	return at > 0 && n > 0 && at+n+1 < len(b) && b[at+n] == '=' && b[at+n+1] == '"'
}
