package beyondtrust

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// plain is a body as UTF-8, without byte order mark and NULs: raw itself, or a copy in the
// record's scratch.
func plain(r *record.Record, raw []byte) []byte {
	switch {
	case len(raw) >= 2 && raw[0] == 0xFF && raw[1] == 0xFE:
		return fromUTF16(r, raw[2:], 0)
	case len(raw) >= 2 && raw[0] == 0xFE && raw[1] == 0xFF:
		return fromUTF16(r, raw[2:], 1)
	case len(raw) >= 4 && raw[0] != 0 && raw[1] == 0 && raw[2] != 0 && raw[3] == 0:
		return fromUTF16(r, raw, 0)
	case len(raw) >= 4 && raw[0] == 0 && raw[1] != 0 && raw[2] == 0 && raw[3] != 0:
		return fromUTF16(r, raw, 1)
	case len(raw) >= 3 && raw[0] == 0xEF && raw[1] == 0xBB && raw[2] == 0xBF:
		raw = raw[3:]
	}
	if bytes.IndexByte(raw, 0) < 0 {
		return raw
	}
	out := r.Begin(len(raw))
	for _, c := range raw {
		if c != 0 {
			out = append(out, c)
		}
	}
	return r.End(out)
}

// fromUTF16 transcodes pairs of octets of which the one at index low is the lower half.
// What is no character becomes U+FFFD, NULs and half a pair at the end are left out.
func fromUTF16(r *record.Record, b []byte, bigEndian int) []byte {
	unit := func(at int) rune { return rune(b[at+bigEndian]) | rune(b[at+1-bigEndian])<<8 }
	out := r.Begin(len(b)/2*3 + 4)
	for at := 0; at+1 < len(b); at += 2 {
		c := unit(at)
		if utf16.IsSurrogate(c) {
			low := rune(-1)
			if at+3 < len(b) {
				low = unit(at + 2)
			}
			if c = utf16.DecodeRune(c, low); c != utf8.RuneError {
				at += 2
			}
		}
		if c != 0 {
			out = utf8.AppendRune(out, c)
		}
	}
	return r.End(out)
}

// isForm reports whether b begins like name=value.
func isForm(b []byte) bool {
	for i, c := range b[:min(len(b), 2*maxName)] {
		switch {
		case c == '=':
			return i > 0
		case c|0x20-'a' > 'z'-'a' && c-'0' > 9 && bytes.IndexByte(record.Bytes("_-.+%[]"), c) < 0:
			return false
		}
	}
	return false
}

// readForm reads a body of name=value joined by "&" (application/x-www-form-urlencoded).
// A "&" in a value that was not encoded is told apart by there being no name behind it.
// Where the form is one field that holds a body, that body is read.
func readForm(r *record.Record, v *values, b []byte, packed bool) (reason string) {
	// A space is never in what was encoded, so that there "+" means itself.
	plus := bytes.IndexByte(b, ' ') < 0
	var inside []byte
	for rest := b; len(rest) > 0 && len(r.Fields) < kit.MaxValues; {
		var pair []byte
		pair, rest = cutPair(rest)
		i := bytes.IndexByte(pair, '=')
		if i < 0 {
			continue
		}
		name, text := formText(r, pair[:i], true), formText(r, pair[i+1:], plus)
		if lookup(name) == unknown && len(text) > 0 && text[0] == '{' {
			inside = text
		}
		kit.AddText(r, name, text)
	}
	if packed && inside != nil && len(r.Fields) == 1 {
		empty(r)
		return readBody(r, v, inside, false)
	}
	v.read(r, nil)
	v.markedBy(v.text[markEvent])
	return ""
}

// cutPair cuts the first pair off a form.
func cutPair(b []byte) (pair, rest []byte) {
	for at := 0; at < len(b); at++ {
		if b[at] == '&' && (at+1 == len(b) || isForm(b[at+1:])) {
			return b[:at], b[at+1:]
		}
	}
	return b, nil
}

// formText undoes the encoding of a name or value: itself, or a copy in the record's
// scratch. What is no escape stays.
func formText(r *record.Record, text []byte, plus bool) []byte {
	if bytes.IndexByte(text, '%') < 0 && (!plus || bytes.IndexByte(text, '+') < 0) {
		return text
	}
	out := r.Begin(len(text))
	for at := 0; at < len(text); at++ {
		c := text[at]
		switch {
		case c == '+' && plus:
			c = ' '
		case c == '%' && at+2 < len(text) && hexValue(text[at+1]) >= 0 && hexValue(text[at+2]) >= 0:
			c = byte(hexValue(text[at+1])<<4 | hexValue(text[at+2]))
			at += 2
		}
		out = append(out, c)
	}
	return r.End(out)
}

func hexValue(c byte) int {
	switch {
	case c-'0' <= 9:
		return int(c - '0')
	case c|0x20-'a' <= 'f'-'a':
		return int(c|0x20-'a') + 10
	}
	return -1
}

// markedBy notes what a mark in the body says the event is.
func (v *values) markedBy(mark []byte) {
	for k, class := range classes {
		if class != "" && class == string(mark) {
			v.marked = kind(k)
		}
	}
}
