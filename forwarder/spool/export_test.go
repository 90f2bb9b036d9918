package spool

import "github.com/siemfwd/siemfwd/forwarder/event"

// HeaderSize is the least a frame has before its payload.
const HeaderSize = headerSize

// IsFrame says that b is one intact frame.
func IsFrame(b []byte) bool {
	if len(b) < headerSize {
		return false
	}
	h, ok := parseHeader(b)
	return ok && h.size == len(b) && intact(b)
}

// AppendEvent appends a frame.
func AppendEvent(dst []byte, index uint64, r *event.Raw) []byte {
	return appendEvent(dst, &stamp{salt: 1, flags: flagLast}, index, r)
}

// ParseEvent reads a frame that is alone in b. The checksum is not compared: no
// fuzzer guesses it.
func ParseEvent(b []byte) (r event.Raw, index uint64, ok bool) {
	if len(b) < headerSize {
		return r, 0, false
	}
	h, ok := parseHeader(b)
	if !ok || h.size != len(b) || h.kind != kindEvent {
		return r, 0, false
	}
	ok = h.decode(b, &r)
	return r, h.index, ok
}
