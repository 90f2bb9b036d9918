// Package text is what the formats share: finding what must not go out as it is,
// replacing it, cutting on rune boundaries, and telling numbers and addresses from
// other text. It is a leaf: it imports only the standard library.
//
// One rule holds everywhere: every byte that is not part of a valid UTF-8 sequence
// becomes one U+FFFD.
package text

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

const (
	ones = 0x0101010101010101
	tops = 0x8080808080808080
)

// Stops is a set of up to three ASCII characters, no digits, that have a meaning in a
// format. The zero Stops is the empty set.
type Stops struct{ a, b, c uint64 }

// StopAt is the set of a, b and c, which may be the same.
func StopAt(a, b, c byte) Stops {
	return Stops{ones * uint64(a), ones * uint64(b), ones * uint64(c)}
}

// hits marks the top bit of bytes of w that are a control character, DEL, not ASCII
// or in the set. The lowest mark is always right; above it there may be false ones.
func (t Stops) hits(w uint64) uint64 {
	return (w | (w + ones) | (w - 0x20*ones) | ((w ^ t.a) - ones) | ((w ^ t.b) - ones) | ((w ^ t.c) - ones)) & tops
}

// Index returns the position of the first byte of s that is a control character
// (TAB and LF are), DEL, not ASCII or one of t; len(s) when there is none.
func Index(s []byte, t Stops) int {
	n := len(s)
	i := 0
	for ; i+8 <= n; i += 8 {
		if h := t.hits(binary.LittleEndian.Uint64(s[i:])); h != 0 {
			return i + bits.TrailingZeros64(h)>>3
		}
	}
	if i == n {
		return n
	}
	if n < 8 {
		return min(n, bits.TrailingZeros64(t.hits(short(s)))>>3)
	}
	// The last eight bytes; those seen before have no hit.
	return min(n, n-8+bits.TrailingZeros64(t.hits(binary.LittleEndian.Uint64(s[n-8:])))>>3)
}

// short is s, 1 to 7 bytes, as a word filled up with digits, which stop nothing.
func short(s []byte) uint64 {
	n := len(s)
	const fill = '0' * ones
	if n >= 4 {
		w := uint64(binary.LittleEndian.Uint32(s)) | uint64(binary.LittleEndian.Uint32(s[n-4:]))<<(8*(n-4))
		return w | fill<<(8*n)
	}
	w := uint64(s[0]) | uint64(s[n/2])<<(8*(n/2)) | uint64(s[n-1])<<(8*(n-1))
	return w | fill<<(8*n)
}

// AppendClean appends lead, s and end and reports true; or, when s is not clean (see
// Index), appends nothing and reports false. It is what makes formats fast: most
// values are short and clean.
func AppendClean(dst []byte, lead string, s []byte, t Stops, end byte) ([]byte, bool) {
	at, n := len(dst), len(s)
	need := len(lead) + n + 8 // the last word may reach past the end
	if cap(dst)-at < need {
		dst = slices.Grow(dst, need)
	}
	b := dst[at : at+need]
	b = b[copy(b, lead):]
	i := 0
	for ; i+8 <= n; i += 8 {
		w := binary.LittleEndian.Uint64(s[i:])
		binary.LittleEndian.PutUint64(b[i:], w)
		if t.hits(w) != 0 {
			return dst[:at], false
		}
	}
	if i < n {
		var w uint64
		if n < 8 {
			w = short(s)
		} else {
			i = n - 8
			w = binary.LittleEndian.Uint64(s[i:])
		}
		binary.LittleEndian.PutUint64(b[i:], w)
		if t.hits(w) != 0 {
			return dst[:at], false
		}
	}
	b[n] = end
	return dst[:at+len(lead)+n+1], true
}
