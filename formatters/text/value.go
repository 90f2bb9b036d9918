package text

// Number reports whether s is a number as JSON writes it, and whether it has neither
// fraction nor exponent.
func Number(s []byte) (ok, integer bool) {
	i := 0
	if i < len(s) && s[i] == '-' {
		i++
	}
	switch n := digits(s[i:]); {
	case n == 0, n > 1 && s[i] == '0':
		return false, false
	default:
		i += n
	}
	if i == len(s) {
		return true, true
	}
	if s[i] == '.' {
		n := digits(s[i+1:])
		if n == 0 {
			return false, false
		}
		i += 1 + n
	}
	if i < len(s) && s[i]|0x20 == 'e' {
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		n := digits(s[i:])
		if n == 0 {
			return false, false
		}
		i += n
	}
	return i == len(s), false
}

func digits(s []byte) int {
	for i, c := range s {
		if c-'0' > 9 {
			return i
		}
	}
	return len(s)
}

// IPv4 reports whether s is an IPv4 address in dotted decimal without leading zeros.
func IPv4(s []byte) bool {
	if len(s) < 7 || len(s) > 15 {
		return false
	}
	for part := 1; ; part++ {
		n := digits(s)
		v := 0
		if n == 0 || n > 3 || n > 1 && s[0] == '0' {
			return false
		}
		for _, c := range s[:n] {
			v = v*10 + int(c-'0')
		}
		switch s = s[n:]; {
		case v > 255:
			return false
		case part == 4:
			return len(s) == 0
		case len(s) == 0 || s[0] != '.':
			return false
		}
		s = s[1:]
	}
}

// IPv6 reports whether s is an IPv6 address without a zone (RFC 4291 §2.2).
func IPv6(s []byte) bool {
	if len(s) < 2 || len(s) > 45 {
		return false
	}
	groups, gap := 0, false
	if s[0] == ':' {
		if s[1] != ':' {
			return false
		}
		gap, s = true, s[2:]
	}
	for len(s) > 0 {
		n := 0
		for n < len(s) && n < 5 && hex(s[n]) {
			n++
		}
		if n < len(s) && s[n] == '.' {
			groups += 2
			return IPv4(s) && groups <= 8 && gap == (groups < 8)
		}
		if n == 0 || n > 4 {
			return false
		}
		groups++
		if s = s[n:]; len(s) == 0 {
			break
		}
		if s[0] != ':' || len(s) == 1 {
			return false
		}
		if s = s[1:]; s[0] == ':' {
			if gap {
				return false
			}
			gap, s = true, s[1:]
		}
	}
	return groups <= 8 && gap == (groups < 8)
}

func hex(c byte) bool { return c-'0' <= 9 || c|0x20-'a' <= 5 }
