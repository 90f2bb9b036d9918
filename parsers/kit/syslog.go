package kit

import (
	"time"

	"github.com/siemfwd/siemfwd/forwarder/record"
)

// Header is what stands before the message in a syslog line, and the message. Its
// slices point into the line.
type Header struct {
	// Syslog is PRI, the tag and the RFC 5424 fields, fit for Record.Syslog: V5424
	// is set only when PRI, APP-NAME, PROCID and MSGID are as RFC 5424 wants them,
	// SD holds structured data only when it is well-formed. The tag of an RFC 3164
	// line stands in App and ProcID.
	record.Syslog
	Time    record.Time // zero when there is none, NILVALUE, or an impossible one
	Zone    Zone        // where Time's zone is from; with ZoneNone it was the source's
	BadTime bool        // an RFC 5424 line has a time that cannot be
	Host    []byte      // nil when absent or NILVALUE
	// LooseSD is structured data that is not well-formed but can be read with SD.
	LooseSD []byte
	// Body is the message, without byte order mark and without LF, CR and NUL at its
	// end. For a line without a header it is the line.
	Body []byte
}

// ReadHeader reads the header of a syslog line: RFC 5424, RFC 3164 and what devices
// make of it: no PRI, ISO or full dates, Cisco's sequence numbers and clock marks, no
// host, no tag, a bare CEF or LEEF line. It never fails: what does not look like a
// header stays in Body. received and zone serve times without year and without zone;
// a nil zone is UTC. It allocates nothing.
func ReadHeader(raw []byte, received time.Time, zone *time.Location) (h Header) {
	h.read(trimLine(raw), &arrival{received, zone, true})
	return h
}

// ReadHeaderUntagged is ReadHeader for senders that write no TAG: in an RFC 3164 line
// Body is everything behind the host and one space.
func ReadHeaderUntagged(raw []byte, received time.Time, zone *time.Location) (h Header) {
	h.read(trimLine(raw), &arrival{received, zone, false})
	return h
}

func trimLine(b []byte) []byte {
	for len(b) > 0 {
		if c := b[len(b)-1]; c != '\n' && c != '\r' && c != 0 {
			break
		}
		b = b[:len(b)-1]
	}
	return b
}

// arrival is what a header is read with besides the line.
type arrival struct {
	received time.Time
	zone     *time.Location
	tagged   bool
}

func (h *Header) read(b []byte, in *arrival) {
	pri, n := readPRI(b)
	rest := b[n:]
	if n == 0 || pri > 191 {
		// A PRI that cannot be is dropped only when a header follows it.
		if !h.bsd(rest, in) {
			h.Body = b
			h.hostOnly()
		}
		return
	}
	h.Present, h.Facility, h.Severity = true, uint8(pri/8), uint8(pri%8)
	if len(rest) > 1 && rest[0] == '1' && rest[1] == ' ' && h.ietf(rest[2:], in) {
		return
	}
	if !h.bsd(rest, in) {
		h.Body = rest
		if !h.hostOnly() {
			h.tag(in)
		}
	}
}

// readPRI reads <n>; its length is 0 when there is none.
func readPRI(b []byte) (pri, length int) {
	if len(b) < 3 || b[0] != '<' {
		return 0, 0
	}
	for i := 1; i < 5 && i < len(b); i++ {
		c := b[i]
		if c == '>' && i > 1 {
			return pri, i + 1
		}
		if c-'0' > 9 {
			break
		}
		pri = pri*10 + int(c-'0')
	}
	return 0, 0
}

// ietf reads an RFC 5424 header behind "<n>1 ".
func (h *Header) ietf(b []byte, in *arrival) bool {
	t, zone, rest, ok := cutTime(b)
	if !ok || len(rest) == 0 || rest[0] != ' ' {
		end, clean := word(b)
		if end == 0 || !clean || b[0] != '-' && b[0]-'0' > 9 {
			return false
		}
		t, zone, rest = record.Time{}, ZoneNone, b[end:]
		h.BadTime = end != 1
	}
	var ok1, ok2, ok3, ok4 bool
	h.Host, rest, ok1 = field(rest, 255)
	h.App, rest, ok2 = field(rest, 48)
	h.ProcID, rest, ok3 = field(rest, 128)
	h.MsgID, rest, ok4 = field(rest, 32)
	valid := ok1 && ok2 && ok3 && ok4
	h.Time, h.Zone, h.V5424 = t, zone, valid
	if zone == ZoneNone {
		h.Time = InZone(t, in.zone, in.received)
	}
	if len(rest) > 0 {
		h.sd(rest[1:])
	}
	return true
}

// sd reads STRUCTURED-DATA and the message behind it. Without structured data, which
// some senders forget, all of b is the message.
func (h *Header) sd(b []byte) {
	switch {
	case len(b) > 0 && b[0] == '-' && (len(b) == 1 || b[1] == ' '):
		b = b[1:]
	case len(b) > 0 && b[0] == '[':
		if n, ok := cutSD(b); ok {
			h.SD, b = b[:n:n], b[n:]
		} else if n > 0 {
			h.LooseSD, b = b[:n:n], b[n:]
		}
	}
	if len(b) > 0 && b[0] == ' ' {
		b = b[1:]
	}
	if len(b) >= 3 && b[0] == 0xEF && b[1] == 0xBB && b[2] == 0xBF {
		b = b[3:]
	}
	h.Body = b
}

// field reads a space and the header field behind it; NILVALUE is nil. ok says that
// RFC 5424 allows it.
func field(b []byte, most int) (value, rest []byte, ok bool) {
	if len(b) == 0 {
		return nil, b, false
	}
	b = b[1:]
	end, clean := word(b)
	if end == 1 && b[0] == '-' {
		return nil, b[1:], true
	}
	return b[:end:end], b[end:], clean && end > 0 && end <= most
}

// word is the length of the text up to the next space, and whether it is all
// PRINTUSASCII.
func word(b []byte) (end int, clean bool) {
	clean = true
	for i, c := range b {
		if c-33 <= 126-33 {
			continue
		}
		if c == ' ' {
			return i, clean
		}
		clean = false
	}
	return len(b), clean
}
