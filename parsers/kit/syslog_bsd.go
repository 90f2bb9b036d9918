package kit

import "github.com/siemfwd/siemfwd/forwarder/record"

// bsd reads a header that begins with a time, RFC 3164 and its relatives.
func (h *Header) bsd(b []byte, in *arrival) bool {
	rest, ok := h.time(b, in)
	if !ok && h.Present {
		rest, ok = h.cisco(b, in)
	}
	if !ok {
		return false
	}
	if colon(rest) {
		// Cisco ends the time with a colon; no host follows.
		h.Body = trimSpace(rest[1:])
		h.tag(in)
		return true
	}
	h.host(trimSpace(rest), in)
	return true
}

// time reads a time in any of the forms seen and returns what follows it, which is
// nothing, a space or a colon.
func (h *Header) time(b []byte, in *arrival) (rest []byte, ok bool) {
	if len(b) > 0 && (b[0] == '*' || b[0] == '.') {
		b = b[1:] // Cisco: the clock is not synchronised
	}
	var t record.Time
	var z Zone
	if len(b) > 3 && b[3] == ' ' {
		t, z, rest, ok = bsdStamp(b, in)
	} else if t, z, rest, ok = cutTime(b); ok && z == ZoneNone {
		t = InZone(t, in.zone, in.received)
	}
	if !ok || len(rest) > 0 && rest[0] != ' ' && !colon(rest) {
		return b, false
	}
	h.Time, h.Zone = t, z
	return rest, true
}

// bsdStamp reads "Mmm dd hh:mm:ss", with the year before or behind the time of day or
// without it.
func bsdStamp(b []byte, in *arrival) (t record.Time, z Zone, rest []byte, ok bool) {
	s, rest, ok := cutStamp(b)
	year := 0
	if !ok {
		if year, s, rest, ok = cutDateStamp(b); !ok {
			return t, ZoneNone, b, false
		}
	} else if len(rest) >= 5 && rest[0] == ' ' && (rest[1] == '2' && rest[2] == '0' || rest[1] == '1' && rest[2] == '9') {
		if low := two(rest[3], rest[4]); low >= 0 && (len(rest) == 5 || rest[5] == ' ' || colon(rest[5:])) {
			year, rest = two(rest[1], rest[2])*100+low, rest[5:]
		}
	}
	zone := in.zone
	off, z, after := cutZoneWord(rest)
	switch {
	case z == ZoneGiven:
		s.off, zone, rest = off, nil, after
	case z == ZoneUnknown && colon(after) && Marker(trimSpace(rest)) == 0:
		rest = after
	default:
		z = ZoneNone
	}
	if year == 0 {
		t, ok = s.closest(in.received, zone)
		return t, z, rest, ok
	}
	if !date(year, s.mon, s.day) {
		return t, z, b, false
	}
	t, ok = s.in(year)
	return InZone(t, zone, in.received), z, rest, ok
}

// colon reports whether b begins with a colon that ends a word.
func colon(b []byte) bool {
	return len(b) > 0 && b[0] == ':' && (len(b) == 1 || b[1] == ' ')
}

// cisco reads "sequence number: time" and "sequence number: host: time".
func (h *Header) cisco(b []byte, in *arrival) (rest []byte, ok bool) {
	n := skipDigits(b, 0)
	if n == 0 || n > 10 || n+1 >= len(b) || b[n] != ':' || b[n+1] != ' ' {
		return b, false
	}
	b = b[n+2:]
	if rest, ok = h.time(b, in); ok {
		return rest, true
	}
	n = hostLen(b)
	if n < 2 || n >= len(b) || b[n] != ' ' || b[n-1] != ':' {
		return b, false
	}
	if rest, ok = h.time(b[n+1:], in); ok {
		h.Host = b[: n-1 : n-1]
	}
	return rest, ok
}

// host reads the host, if there is one, and what follows it.
func (h *Header) host(b []byte, in *arrival) {
	end := hostLen(b)
	switch {
	case end == 0, end < len(b) && b[end] != ' ', Marker(b) != 0:
		end = 0
	case in.tagged && b[end-1] == ':' && (end < 2 || b[end-2] != ':'):
		if end+1 < len(b) && b[end+1] == '%' {
			// Cisco ASA: a colon between host and message.
			h.Host, b = b[:end-1:end-1], b[end:]
		}
		end = 0
	default:
		h.Host, b = b[:end:end], b[end:]
	}
	if len(b) > 0 && b[0] == ' ' {
		b = b[1:]
	}
	h.Body = b
	h.tag(in)
}

// hostOnly reads "host CEF:…" and "host LEEF:…", the only lines in which a word is
// taken for a host without a time before it.
func (h *Header) hostOnly() bool {
	b := h.Body
	end := hostLen(b)
	if end == 0 || end+1 >= len(b) || b[end] != ' ' || Marker(b) != 0 || Marker(b[end+1:]) == 0 {
		return false
	}
	h.Host, h.Body = b[:end:end], b[end+1:]
	return true
}

// tag reads "app:", "app[pid]:" and "app[pid]" from the front of the message, and a
// lone colon before it. Any other first word stays in the message, Cisco's %FACILITY
// too, which is the name of the message.
func (h *Header) tag(in *arrival) {
	if !in.tagged {
		return
	}
	b := h.Body
	if len(b) > 1 && b[0] == ':' && b[1] == ' ' {
		b = b[2:]
		h.Body = b
	}
	n := 0
	for n < len(b) && n <= 48 && classes[b[n]]&classTag != 0 {
		n++
	}
	if n == 0 || n > 48 || n == len(b) || b[0] == '%' || Marker(b) != 0 {
		return
	}
	app, pid := b[:n:n], []byte(nil)
	if b[n] == '[' {
		end := n + 1
		for end < len(b) && end < n+130 && b[end]-33 <= 126-33 && b[end] != ']' && b[end] != '[' {
			end++
		}
		if end >= len(b) || b[end] != ']' {
			return
		}
		pid, n = b[n+1:end:end], end+1
		if n < len(b) && b[n] == ':' {
			n++
		}
	} else if b[n] == ':' {
		n++
	} else {
		return
	}
	if n < len(b) {
		if b[n] != ' ' {
			return
		}
		n++
	}
	h.App, h.ProcID, h.Body = app, pid, b[n:]
}

func hostLen(b []byte) int {
	n := 0
	for n < len(b) && classes[b[n]]&classHost != 0 {
		n++
	}
	return n
}

func trimSpace(b []byte) []byte {
	for len(b) > 0 && b[0] == ' ' {
		b = b[1:]
	}
	return b
}

// Marker reports whether b begins like a CEF ('C') or LEEF ('L') event, "CEF:0" or,
// as some relays write it, "CEF: 0"; else it is 0.
func Marker(b []byte) byte {
	if len(b) < 5 {
		return 0
	}
	kind := b[0]
	switch {
	case kind == 'C' && string(b[:4]) == "CEF:":
		b = b[4:]
	case kind == 'L' && string(b[:5]) == "LEEF:":
		b = b[5:]
	default:
		return 0
	}
	if b = trimSpace(b); len(b) > 0 && b[0]-'0' <= 9 {
		return kind
	}
	return 0
}
