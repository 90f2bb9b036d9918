package cef

import (
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/siemfwd/siemfwd/formatters/text"
)

var (
	headerStops = text.StopAt('\\', '|', '|')
	valueStops  = text.StopAt('\\', '=', '=')
)

// appendHeaderText appends one value of the header: cut to limit characters, spaces
// at its ends taken off, "\" and "|" escaped, every run of line ends and TABs turned
// into one space.
func appendHeaderText(dst, s []byte, limit int) []byte {
	return appendEscaped(dst, trim(text.TrimBOM(s)), headerStops, limit, true)
}

// appendValue appends the value of an extension key: cut to limit characters, spaces
// at its ends taken off, "\" and "=" escaped, line ends as \n and \r.
func appendValue(dst, s []byte, limit int) []byte {
	return appendEscaped(dst, trim(text.TrimBOM(s)), valueStops, limit, false)
}

// bare reports whether s can be copied if it is clean: it is within limit and has
// something else than spaces at its ends.
func bare(s []byte, limit int) bool {
	return len(s) > 0 && len(s) <= limit && s[0] != ' ' && s[len(s)-1] != ' '
}

func trim(s []byte) []byte {
	for len(s) > 0 && s[0] == ' ' {
		s = s[1:]
	}
	for len(s) > 0 && s[len(s)-1] == ' ' {
		s = s[:len(s)-1]
	}
	return s
}

// appendEscaped appends s character by character. The limit counts characters before
// escaping; a space that would stand at either end is not written.
func appendEscaped(dst, s []byte, stops text.Stops, limit int, header bool) []byte {
	start := len(dst)
	gap := false // what was written last stands for a run of line ends and TABs
	for len(s) > 0 && limit > 0 {
		n := text.Index(s, stops)
		if len(dst) == start {
			for n > 0 && s[0] == ' ' {
				s, n = s[1:], n-1
			}
		}
		if n > 0 {
			n = min(n, limit)
			dst, s, limit, gap = append(dst, s[:n]...), s[n:], limit-n, false
			continue
		}
		if len(s) == 0 {
			break
		}
		size, as := classify(s)
		wasGap := gap
		gap = header && (as == asBreak || as == asReturn || as == asTab)
		switch {
		case gap && wasGap, len(dst) == start && (gap || as == asSpace || as == asTab):
			s = s[size:]
			continue
		case gap, as == asSpace, as == asTab:
			dst = append(dst, ' ')
		case as == asBreak:
			dst = append(dst, '\\', 'n')
		case as == asReturn:
			dst = append(dst, '\\', 'r')
		case as == asBad:
			dst = append(dst, text.Replacement...)
		case as == asEscaped:
			dst = append(dst, '\\', s[0])
		default:
			dst = append(dst, s[:size]...)
		}
		s, limit = s[size:], limit-1
	}
	for len(dst) > start && dst[len(dst)-1] == ' ' {
		dst = dst[:len(dst)-1]
	}
	return dst
}

// as is what becomes of one character.
type as uint8

const (
	asItself  as = iota
	asEscaped    // with a backslash in front
	asBreak      // LF and what other programs take for one: NEL, U+2028, U+2029
	asReturn     // CR
	asTab
	asSpace // every other control character
	asBad   // a byte that is not UTF-8
)

// classify tells what becomes of the first character of s, which is not plain text.
func classify(s []byte) (size int, _ as) {
	switch c := s[0]; {
	case c == '\n':
		return 1, asBreak
	case c == '\r':
		return 1, asReturn
	case c == '\t':
		return 1, asTab
	case c < 0x20 || c == 0x7f:
		return 1, asSpace
	case c < utf8.RuneSelf:
		return 1, asEscaped
	}
	r, size := utf8.DecodeRune(s)
	switch {
	case r == utf8.RuneError && size == 1:
		return 1, asBad
	case r == 0x85 || r == '\u2028' || r == '\u2029':
		return size, asBreak
	case r < 0xA0:
		return size, asSpace
	default:
		return size, asItself
	}
}

// appendTyped appends a value that is not plain text, in the one way every receiver
// reads; nothing when it does not fit the type.
func appendTyped(dst []byte, t Type, v []byte) []byte {
	v = trim(v)
	switch t {
	case Integer, Long:
		if short(v) {
			return append(dst, v...)
		}
	}
	switch t {
	case Integer:
		if n, ok := integer(v); ok && narrow(n) {
			return strconv.AppendInt(dst, n, 10)
		}
	case Long:
		if n, ok := integer(v); ok {
			return strconv.AppendInt(dst, n, 10)
		}
	case Double:
		if ok, _ := text.Number(v); ok {
			return append(dst, v...)
		}
	case IPv4:
		v4, _ := address(v)
		return append(dst, v4...)
	case IPv6:
		_, v6 := address(v)
		return append(dst, v6...)
	case IP:
		v4, v6 := address(v)
		return append(append(dst, v4...), v6...)
	case MAC:
		return appendMAC(dst, v)
	case Timestamp:
		if n, ok := integer(v); ok {
			return strconv.AppendInt(dst, n, 10)
		}
		return appendValue(dst, v, text.NoLimit)
	}
	return dst
}

// short reports whether v is an integer that can be copied: up to nine digits, the
// first not a zero.
func short(v []byte) bool {
	if len(v) == 0 || len(v) > 9 || v[0] == '0' {
		return false
	}
	for _, c := range v {
		if c-'0' > 9 {
			return false
		}
	}
	return true
}

// narrow reports whether n fits the format's integers.
func narrow(n int64) bool { return n >= math.MinInt32 && n <= math.MaxInt32 }

// tooWide reports whether v is an integer, but not one of 32 bits.
func tooWide(v []byte) bool {
	n, ok := integer(trim(v))
	return ok && !narrow(n)
}

// integer reads a decimal integer, with leading zeros and a fraction of zeros.
func integer(v []byte) (int64, bool) {
	neg := len(v) > 0 && v[0] == '-'
	if neg {
		v = v[1:]
	}
	var n uint64
	i := 0
	for ; i < len(v) && v[i]-'0' <= 9; i++ {
		d := uint64(v[i] - '0')
		if n > (math.MaxInt64-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	if i == 0 {
		return 0, false
	}
	if i+1 < len(v) && v[i] == '.' {
		for i++; i < len(v) && v[i] == '0'; i++ {
		}
	}
	if i < len(v) {
		return 0, false
	}
	if neg {
		return -int64(n), true
	}
	return int64(n), true
}

// address tells IPv4 from IPv6. An IPv4-mapped address is the IPv4 address; a zone is
// left out, for no receiver takes it.
func address(v []byte) (v4, v6 []byte) {
	if text.IPv4(v) {
		return v, nil
	}
	for i, c := range v {
		if c == '%' {
			v = v[:i]
			break
		}
	}
	if !text.IPv6(v) {
		return nil, nil
	}
	const mapped = "::ffff:"
	if len(v) > len(mapped) && text.IPv4(v[len(mapped):]) {
		for i := range len(mapped) {
			if v[i]|0x20 != mapped[i]|0x20 {
				return nil, v
			}
		}
		return v[len(mapped):], nil
	}
	return nil, v
}

// appendMAC appends a MAC address, however it was written, as six pairs with colons.
func appendMAC(dst, v []byte) []byte {
	start, n := len(dst), 0
	for _, c := range v {
		switch {
		case c == ':' || c == '-' || c == '.':
			continue
		case c-'0' <= 9 || c|0x20-'a' <= 5:
		default:
			return dst[:start]
		}
		if n > 0 && n%2 == 0 {
			dst = append(dst, ':')
		}
		dst = append(dst, c)
		n++
	}
	if n != 12 {
		return dst[:start]
	}
	return dst
}
