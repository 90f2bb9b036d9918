package kit

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/siemfwd/siemfwd/forwarder/record"
)

// What stringEnd saw.
const (
	jsonPlain   = 1 << iota // only printable ASCII and no escape
	jsonEscaped             // at least one escape
	jsonBad                 // the string is wrong at the offset returned
)

// Eight octets at a time: ones is one in each, high the top bit of each.
const (
	ones = 0x0101010101010101
	high = 0x8080808080808080
)

// stringEnd returns the offset of the quote that ends the string whose text begins
// at at, having checked its escapes; with jsonBad the offset is that of the first
// wrong octet, len(b) when the string does not end.
func stringEnd(b []byte, at int) (end int, flags uint8) {
	var odd uint64 // top bits of octets that are not printable ASCII
	flags = jsonPlain
	for {
		for at+8 <= len(b) {
			x := binary.LittleEndian.Uint64(b[at:])
			quote, slash := x^('"'*ones), x^('\\'*ones)
			// The lowest bit set in m marks the first octet that is a quote, a
			// backslash or below space; those above it may be wrong.
			m := ((quote-ones)&^quote | (slash-ones)&^slash | (x-' '*ones)&^x) & high
			wide := x | ((x &^ high) + ones) // top bit: DEL and above
			if m == 0 {
				odd |= wide
				at += 8
				continue
			}
			n := bits.TrailingZeros64(m) &^ 7
			odd |= wide & (1<<n - 1)
			at += n / 8
			break
		}
		for at < len(b) && b[at] >= ' ' && b[at] != '"' && b[at] != '\\' {
			odd |= uint64(b[at]) | (uint64(b[at]&0x7f) + 1)
			at++
		}
		if at >= len(b) {
			return at, jsonBad
		}
		switch b[at] {
		case '"':
			if odd&high != 0 {
				flags &^= jsonPlain
			}
			return at, flags
		case '\\':
			n := escapeLen(b, at)
			if n <= 0 {
				return at - n, jsonBad
			}
			at += n
			flags = jsonEscaped
		default:
			return at, jsonBad
		}
	}
}

// escapeLen is the length of the escape at at, or minus the distance to its first
// wrong octet.
func escapeLen(b []byte, at int) int {
	if at+1 >= len(b) {
		return at - len(b)
	}
	switch b[at+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		for i := at + 2; i < at+6; i++ {
			if i >= len(b) || hexValue(b[i]) < 0 {
				return at - i
			}
		}
		return 6
	}
	return -1
}

func hexValue(c byte) rune {
	switch {
	case c-'0' <= 9:
		return rune(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return rune(c|0x20-'a') + 10
	}
	return -1
}

func hexRune(b []byte) rune {
	return hexValue(b[0])<<12 | hexValue(b[1])<<8 | hexValue(b[2])<<4 | hexValue(b[3])
}

// unescape decodes the checked text of a string into r's scratch.
func unescape(r *record.Record, text []byte) []byte {
	return r.End(appendUnescaped(r.Begin(len(text)), text))
}

// appendUnescaped appends the decoded form of the checked text of a string. It is
// never longer than the text.
func appendUnescaped(dst, text []byte) []byte {
	for {
		at := 0
		for at < len(text) && text[at] != '\\' {
			at++
		}
		dst = append(dst, text[:at]...)
		if at == len(text) {
			return dst
		}
		c := text[at+1]
		text = text[at+2:]
		switch c {
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'u':
			ru := hexRune(text)
			text = text[4:]
			if utf16.IsSurrogate(ru) {
				low := rune(-1)
				if len(text) >= 6 && text[0] == '\\' && text[1] == 'u' {
					low = hexRune(text[2:])
				}
				if ru = utf16.DecodeRune(ru, low); ru != utf8.RuneError {
					text = text[6:]
				}
			}
			dst = utf8.AppendRune(dst, ru)
			continue
		}
		dst = append(dst, c)
	}
}

// plainText reports what record.Field.Plain promises of b.
func plainText(b []byte) bool {
	at := 0
	for ; at+8 <= len(b); at += 8 {
		x := binary.LittleEndian.Uint64(b[at:])
		quote, slash := x^('"'*ones), x^('\\'*ones)
		if ((quote-ones)&^quote|(slash-ones)&^slash|(x-' '*ones)&^x|x|((x&^high)+ones))&high != 0 {
			return plainWide(b[at:])
		}
	}
	return plainWide(b[at:])
}

// plainWide is plainText octet by octet.
func plainWide(b []byte) bool {
	for at := 0; at < len(b); {
		c := b[at]
		if c < utf8.RuneSelf {
			if c < ' ' || c == '"' || c == '\\' || c == 0x7f {
				return false
			}
			at++
			continue
		}
		ru, n := utf8.DecodeRune(b[at:])
		if ru == utf8.RuneError && n == 1 || ru < 0xA0 || ru == 0x2028 || ru == 0x2029 {
			return false
		}
		at += n
	}
	return true
}

// warnUTF8 notes once that a text is not UTF-8.
func warnUTF8(r *record.Record) {
	for i := range r.Warnings {
		if r.Warnings[i].Kind == "utf8" {
			return
		}
	}
	r.Warn("utf8", nil)
}

// ScalarText is the decoded text of a JSON scalar, nil of null, lists and objects; it is
// copied only when it holds an escape.
func ScalarText(value []byte) []byte {
	switch KindOf(value) {
	case record.Number, record.Bool:
		return value
	case record.String:
		if bytes.IndexByte(value, '\\') >= 0 {
			return AppendUnquoted(nil, value)
		}
		return value[1 : len(value)-1]
	}
	return nil
}
