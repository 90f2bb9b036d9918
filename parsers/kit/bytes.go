package kit

// Classes of octets.
const (
	classHost = 1 << iota // in a host name or address as devices write them
	classTag              // in the TAG of RFC 3164, generously
	classKey              // in a key
	classKeyStart
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
	return t
}()
