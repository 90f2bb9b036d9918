package kit

// cutZone reads the zone that stands directly behind the seconds, or behind one
// space when it is an offset or a name for UTC.
func cutZone(b []byte) (off int, z Zone, rest []byte, ok bool) {
	if len(b) == 0 {
		return 0, ZoneNone, b, true
	}
	switch b[0] {
	case 'Z', 'z':
		return 0, ZoneGiven, b[1:], true
	case '+', '-':
		if off, rest, ok = cutOffset(b); ok {
			return off, ZoneGiven, rest, true
		}
		return 0, ZoneNone, b, false
	case ' ':
		if off, z, rest = cutZoneWord(b); z == ZoneGiven {
			return off, z, rest, true
		}
	}
	return 0, ZoneNone, b, true
}

// cutZoneWord reads an optional zone behind one or more spaces, or a Z or offset
// without one. A word of two to five capitals is an unknown zone.
func cutZoneWord(b []byte) (off int, z Zone, rest []byte) {
	w := b
	for len(w) > 0 && w[0] == ' ' {
		w = w[1:]
	}
	n := 0
	for n < len(w) && n < 6 && w[n]-'A' < 26 {
		n++
	}
	switch word := w[:n]; {
	case n == 0:
		if len(w) > 0 && (w[0] == '+' || w[0] == '-') {
			if off, rest, ok := cutOffset(w); ok {
				return off, ZoneGiven, rest
			}
		}
	case len(w) > n && !endsZone(w[n]) && w[n] != '+' && w[n] != '-':
	case string(word) == "Z", len(w) < len(b) && (string(word) == "UTC" || string(word) == "GMT"):
		if off, rest, ok := cutOffset(w[n:]); ok {
			return off, ZoneGiven, rest
		}
		return 0, ZoneGiven, w[n:]
	case len(w) < len(b) && n >= 2 && n <= 5 && (len(w) == n || endsZone(w[n])):
		return 0, ZoneUnknown, w[n:]
	}
	return 0, ZoneNone, b
}

func endsZone(c byte) bool { return c == ' ' || c == ':' || c == ',' || c == ')' || c == ']' }

// cutOffset reads ±hh, ±hhmm or ±hh:mm.
func cutOffset(b []byte) (sec int, rest []byte, ok bool) {
	if len(b) < 3 || b[0] != '+' && b[0] != '-' {
		return 0, b, false
	}
	h, m, i := two(b[1], b[2]), 0, 3
	switch {
	case len(b) >= 6 && b[3] == ':':
		m, i = two(b[4], b[5]), 6
	case len(b) >= 5 && b[3]-'0' <= 9:
		m, i = two(b[3], b[4]), 5
	}
	if h < 0 || m < 0 || h > 23 || m > 59 || i < len(b) && b[i]-'0' <= 9 {
		return 0, b, false
	}
	sec = h*3600 + m*60
	if b[0] == '-' {
		sec = -sec
	}
	return sec, b[i:], true
}
