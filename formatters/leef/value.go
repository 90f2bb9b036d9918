package leef

import (
	"bytes"
	"unicode/utf8"

	"github.com/siemfwd/siemfwd/formatters/text"
)

var headerStops = text.StopAt('|', '|', '|')

// appendField appends one value of the header and its bar: cut to limit characters,
// spaces at its ends taken off, "|" as "_", every run of line ends and TABs and every
// other control character as one space.
func appendField(dst, s []byte, limit int) []byte {
	s = bytes.Trim(text.TrimBOM(s), " ")
	if len(s) > 0 && len(s) <= limit {
		var ok bool
		if dst, ok = text.AppendClean(dst, "", s, headerStops, '|'); ok {
			return dst
		}
	}
	start, gap := len(dst), true
	for len(s) > 0 && limit > 0 {
		c, size := s[0], 1
		wasGap := gap
		gap = c == '\n' || c == '\r' || c == '\t'
		switch {
		case gap && wasGap:
			s = s[1:]
			continue
		case c < 0x20 || c == 0x7f:
			dst = append(dst, ' ')
		case c == '|':
			dst = append(dst, '_')
		case c < utf8.RuneSelf:
			dst = append(dst, c)
		default:
			dst, size = appendRune(dst, s)
		}
		s, limit = s[size:], limit-1
	}
	if tidy := bytes.Trim(dst[start:], " "); len(tidy) > 0 {
		dst = append(dst[:start], tidy...)
	} else {
		dst = append(dst[:start], "unknown"...)
	}
	return append(dst, '|')
}

// appendRune appends the first character of s, which is not ASCII: C1 controls, U+2028
// and U+2029 as a space, a bad byte as U+FFFD. size is what it took of s.
func appendRune(dst, s []byte) (_ []byte, size int) {
	r, size := utf8.DecodeRune(s)
	switch {
	case r == utf8.RuneError && size == 1:
		return append(dst, text.Replacement...), 1
	case r < 0xA0 || r == '\u2028' || r == '\u2029':
		return append(dst, ' '), size
	}
	return append(dst, s[:size]...), size
}

// appendValue appends a value of an attribute: the delimiter and every control character
// as a space, CR and LF together as one. It is cut to limit characters, which cut tells.
// Of a value that is nothing but spaces, nothing is appended.
func (c *Encoder) appendValue(dst, s []byte, limit int) (_ []byte, cut bool) {
	s = text.TrimBOM(s)
	start, shown := len(dst), false
	for len(s) > 0 {
		if limit == 0 {
			cut = true
			break
		}
		if n := min(text.Index(s, c.stops), limit); n > 0 {
			shown = shown || len(bytes.Trim(s[:n], " ")) > 0
			dst, s, limit = append(dst, s[:n]...), s[n:], limit-n
			continue
		}
		size := 1
		switch b := s[0]; {
		case b == '\r' && len(s) > 1 && s[1] == '\n':
			dst, size = append(dst, ' '), 2
		case b < 0x20 || b == 0x7f || b < utf8.RuneSelf && rune(b) == c.delimiter:
			dst = append(dst, ' ')
		case b == '|':
			dst, shown = append(dst, '/'), true
		case b < utf8.RuneSelf: // Index stops at "^" in place of a delimiter that is not ASCII
			dst, shown = append(dst, b), true
		default:
			var r rune
			if r, size = utf8.DecodeRune(s); r == c.delimiter && size > 1 {
				dst = append(dst, ' ')
				break
			}
			at := len(dst)
			dst, size = appendRune(dst, s)
			shown = shown || dst[at] != ' '
		}
		s, limit = s[size:], limit-1
	}
	if !shown {
		return dst[:start], false
	}
	return dst, cut
}
