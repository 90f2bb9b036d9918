package text

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"unicode/utf8"
)

var jsonStops = StopAt('"', '\\', '\\')

// jsonShort holds the letter of JSON's two-character escapes.
var jsonShort = [256]byte{'"': '"', '\\': '\\', '\b': 'b', '\f': 'f', '\n': 'n', '\r': 'r', '\t': 't'}

// jsonRoom is how much of one step may be appended before the room is asked for again:
// one word and the longest escape.
const jsonRoom = 16

// AppendJSON appends lead, which ends in the opening quote of a JSON string, s, and the
// closing quote. Control characters, DEL, U+2028 and U+2029 are escaped, so that the
// result is one line in every reader's eyes; nothing is escaped for HTML.
func AppendJSON(dst []byte, lead string, s []byte) []byte {
	dst, ok := AppendClean(dst, lead, s, jsonStops, '"')
	if ok {
		return dst
	}
	n := len(dst)
	if cap(dst)-n < len(lead)+len(s)+jsonRoom {
		dst = slices.Grow(dst, len(lead)+len(s)+jsonRoom)
	}
	dst = dst[:cap(dst)]
	n += copy(dst[n:], lead)
	i := 0
	for i+8 <= len(s) {
		w := binary.LittleEndian.Uint64(s[i:])
		binary.LittleEndian.PutUint64(dst[n:], w)
		h := jsonStops.hits(w)
		if h == 0 {
			i, n = i+8, n+8
			continue
		}
		clean := bits.TrailingZeros64(h) >> 3
		i, n = i+clean, n+clean
		if e := jsonShort[s[i]]; e != 0 {
			dst[n], dst[n+1] = '\\', e
			i, n = i+1, n+2
		} else {
			i, n, dst = jsonRune(dst, n, s, i)
		}
		if len(dst)-n < len(s)-i+jsonRoom {
			dst = jsonGrow(dst, n, len(s)-i)
		}
	}
	for i < len(s) {
		c := s[i]
		switch e := jsonShort[c]; {
		case e != 0:
			dst[n], dst[n+1] = '\\', e
			i, n = i+1, n+2
		case c >= 0x20 && c < 0x7f:
			dst[n] = c
			i, n = i+1, n+1
			continue
		default:
			i, n, dst = jsonRune(dst, n, s, i)
		}
		if len(dst)-n < len(s)-i+jsonRoom {
			dst = jsonGrow(dst, n, len(s)-i)
		}
	}
	dst[n] = '"'
	return dst[:n+1]
}

// jsonGrow makes room behind dst[:n] for left more bytes as they are.
func jsonGrow(dst []byte, n, left int) []byte {
	dst = slices.Grow(dst[:n], left+jsonRoom)
	return dst[:cap(dst)]
}

// jsonRune writes the characters from s[i] on that no two-character escape exists
// for, at dst[n], and returns where both stand. dst has jsonRoom more bytes than s.
func jsonRune(dst []byte, n int, s []byte, i int) (int, int, []byte) {
	if c := s[i]; c < utf8.RuneSelf {
		return i + 1, n + copy(dst[n:], []byte{'\\', 'u', '0', '0', digit(c >> 4), digit(c & 15)}), dst
	}
	for i < len(s) && s[i] >= utf8.RuneSelf {
		r, size := utf8.DecodeRune(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			n += copy(dst[n:], Replacement)
		case r == '\u2028' || r == '\u2029':
			n += copy(dst[n:], `\u2028`)
			dst[n-1] = digit(byte(r & 15))
		default:
			n += copy(dst[n:], s[i:i+size])
		}
		if i += size; len(dst)-n < len(s)-i+jsonRoom {
			dst = jsonGrow(dst, n, len(s)-i)
		}
	}
	return i, n, dst
}

func digit(v byte) byte { return "0123456789abcdef"[v] }
