package spool

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
