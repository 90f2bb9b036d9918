package kit

import (
	"unsafe"

	"github.com/siemfwd/siemfwd/forwarder/record"
)

// Plain reports whether text is what Field.Plain promises: valid UTF-8 without control
// characters, quote, backslash, U+2028 and U+2029.
func Plain(text []byte) bool { return plainText(text) }

// Text is b as a string without a copy. It is valid as long as b is unchanged: what
// points into a raw event or a record's scratch lives as long as the record's event.
func Text(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// AddText appends a String field and marks it Plain when it is.
func AddText(r *record.Record, name, text []byte) {
	r.Append(name, record.String, text, plainText(text) && plainText(name))
}

// BareKind is the kind of a value that stood without quotes: Bool for true and false,
// Number for an integer of up to 18 digits without leading zeros and for a number with a
// decimal point, else String. Longer integers and exponents may be identifiers.
func BareKind(v []byte) record.Kind {
	if len(v) == 0 {
		return record.String
	}
	if v[0] > '9' {
		if string(v) == "true" || string(v) == "false" {
			return record.Bool
		}
		return record.String
	}
	if v[0] == '-' {
		v = v[1:]
	}
	whole := skipDigits(v, 0)
	switch {
	case whole == 0, whole > 1 && v[0] == '0':
		return record.String
	case whole == len(v):
		if whole > 18 {
			return record.String
		}
		return record.Number
	case v[whole] == '.' && whole+1 < len(v) && skipDigits(v, whole+1) == len(v):
		return record.Number
	}
	return record.String
}

// Classes of octets.
const (
	classHost = 1 << iota // in a host name or address as devices write them
	classTag              // in the TAG of RFC 3164, generously
	classKey              // in a key
	classKeyStart
	classExt // in a key of CEF or LEEF as receivers take them
)

var classes = func() (t [256]uint8) {
	for c := range 256 {
		b := byte(c)
		alpha := b|0x20 >= 'a' && b|0x20 <= 'z'
		if alpha || b == '_' {
			t[c] |= classKey | classKeyStart
		}
		if alpha || b-'0' <= 9 {
			t[c] |= classHost | classTag | classKey
		}
		if b >= 0x80 {
			t[c] |= classHost
		}
	}
	for _, b := range []byte(".-_:/%@") {
		t[b] |= classHost
	}
	for _, b := range []byte(".-_/%@+~$()\\#") {
		t[b] |= classTag
	}
	for _, b := range []byte(".-_") {
		t[b] |= classKey
	}
	for c := range 256 {
		if t[c]&classKey != 0 {
			t[c] |= classExt
		}
	}
	for _, b := range []byte("[]") {
		t[b] |= classExt
	}
	return t
}()

func isSpace(c byte) bool { return c == ' ' || c-'\t' <= '\r'-'\t' }

// trim takes white space off both ends.
func trim(b []byte) []byte {
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	return trimRight(b)
}

func trimRight(b []byte) []byte {
	n := len(b)
	for n > 0 && isSpace(b[n-1]) {
		n--
	}
	return b[:n:n]
}
