package kit

import (
	"net/netip"
	"unsafe"
)

// IsIP reports whether text is an IPv4 or IPv6 address, without zone or prefix length.
// It allocates nothing for addresses, nor for words.
func IsIP(text []byte) bool {
	if len(text) < len("::") || len(text) > len("0000:0000:0000:0000:0000:ffff:255.255.255.255") {
		return false
	}
	for _, c := range text {
		if c != '.' && c != ':' && hexValue(c) < 0 {
			return false
		}
	}
	// The string is not kept: only a zone would be, and there is none.
	_, err := netip.ParseAddr(unsafe.String(&text[0], len(text)))
	return err == nil
}

// IsHostName reports whether text is a host name of at least two labels (RFC 1123 §2.1)
// and no IPv4 address; a dot at the end is allowed.
func IsHostName(text []byte) bool {
	if n := len(text); n > 0 && text[n-1] == '.' {
		text = text[:n-1]
	}
	if len(text) == 0 || len(text) > 253 {
		return false
	}
	labels, start, digits := 0, 0, true
	for i := 0; i <= len(text); i++ {
		if i < len(text) && text[i] != '.' {
			c := text[i]
			if c-'0' > 9 {
				digits = false
				if c != '-' && c|0x20-'a' > 'z'-'a' {
					return false
				}
			}
			continue
		}
		if n := i - start; n == 0 || n > 63 || text[start] == '-' || text[i-1] == '-' {
			return false
		}
		labels++
		if i < len(text) {
			start, digits = i+1, true
		}
	}
	return labels >= 2 && !digits
}
