package text

import (
	"math"
	"unicode/utf8"
)

// NoLimit is the bound of what is not bounded.
const NoLimit = math.MaxInt

// Replacement is U+FFFD in UTF-8: what stands for one bad byte.
const Replacement = "\uFFFD"

// TrimBOM returns s without one leading U+FEFF.
func TrimBOM(s []byte) []byte {
	if len(s) >= 3 && s[0] == 0xEF && s[1] == 0xBB && s[2] == 0xBF {
		return s[3:]
	}
	return s
}

// Cut returns the longest prefix of s that has at most n bytes and does not end
// inside a rune.
func Cut(s []byte, n int) []byte {
	if len(s) <= n {
		return s
	}
	n = max(n, 0)
	for back := 1; back < utf8.UTFMax && n-back >= 0; back++ {
		if b := s[n-back]; utf8.RuneStart(b) {
			if b >= utf8.RuneSelf {
				if _, size := utf8.DecodeRune(s[n-back:]); size > back {
					return s[:n-back]
				}
			}
			break
		}
	}
	return s[:n]
}

// AppendLine appends s as one line of text: characters of esc get a backslash in
// front, TAB stays, every other C0 control and DEL becomes # and three octal digits
// (the spelling syslog daemons use), LF stays when lf is set. At most limit bytes are
// appended; what does not fit is left out from the end, never half a rune or half a
// replacement.
func AppendLine(dst, s []byte, esc Stops, lf bool, limit int) []byte {
	dst, _ = AppendLineCut(dst, s, esc, lf, limit)
	return dst
}

// AppendLineCut is AppendLine, and tells whether something was left out.
func AppendLineCut(dst, s []byte, esc Stops, lf bool, limit int) (_ []byte, cut bool) {
	i := Index(s, esc)
	if i == len(s) && i <= limit {
		return append(dst, s...), false
	}
	end := NoLimit
	if limit < NoLimit-len(dst) {
		end = len(dst) + limit
	}
	for {
		if room := end - len(dst); i > room {
			return append(dst, s[:max(room, 0)]...), true
		}
		dst, s = append(dst, s[:i]...), s[i:]
		mark := len(dst)
		for len(s) > 0 {
			c := s[0]
			switch {
			case c >= utf8.RuneSelf:
				var size int
				dst, size = appendRune(dst, s)
				s = s[size:]
			case c == '\t', c == '\n' && lf:
				dst, s = append(dst, c), s[1:]
			case c < 0x20 || c == 0x7f:
				dst, s = append(dst, '#', '0'+c>>6, '0'+c>>3&7, '0'+c&7), s[1:]
			case esc.has(c):
				dst, s = append(dst, '\\', c), s[1:]
			default:
				c = 0
			}
			if len(dst) > end {
				return dst[:mark], true
			}
			if mark = len(dst); c == 0 {
				break
			}
			if len(s) > 0 && s[0] < utf8.RuneSelf {
				break
			}
		}
		if len(s) == 0 {
			return dst, false
		}
		i = Index(s, esc)
	}
}

func (t Stops) has(c byte) bool {
	return byte(t.a) == c || byte(t.b) == c || byte(t.c) == c
}

// appendRune appends the first rune of s, which is not empty, and returns how many
// bytes of s it took. A bad byte is appended as U+FFFD.
func appendRune(dst, s []byte) ([]byte, int) {
	r, size := utf8.DecodeRune(s)
	if r == utf8.RuneError && size == 1 {
		return append(dst, Replacement...), 1
	}
	return append(dst, s[:size]...), size
}

// Set is a set of bytes.
type Set [256]bool

// Printable is the set of RFC 5424's PRINTUSASCII (33 to 126) without the characters
// of but.
func Printable(but string) *Set {
	var s Set
	for c := byte(33); c < 127; c++ {
		s[c] = true
	}
	for _, c := range []byte(but) {
		s[c] = false
	}
	return &s
}

// AppendName appends s, without a leading U+FEFF, cut to limit characters; every code
// point outside of legal, which holds ASCII only, is replaced by one "_".
func AppendName(dst, s []byte, legal *Set, limit int) []byte {
	s = TrimBOM(s)
	for i, n := 0, 0; i < len(s) && n < limit; n++ {
		c := s[i]
		switch {
		case legal[c]:
			dst = append(dst, c)
			i++
		case c < utf8.RuneSelf:
			dst = append(dst, '_')
			i++
		default:
			_, size := utf8.DecodeRune(s[i:])
			dst = append(dst, '_')
			i += size
		}
	}
	return dst
}

// SyslogSeverity is the syslog severity of a severity on the record's scale of 0 to
// 10; 0 is unknown and, as everything out of range below, a notice.
func SyslogSeverity(scale int) int {
	switch {
	case scale >= 9:
		return 2
	case scale >= 7:
		return 3
	case scale >= 5:
		return 4
	case scale >= 3 || scale <= 0:
		return 5
	default:
		return 6
	}
}
