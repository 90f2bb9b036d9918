// Package raw hands on events as they were received.
package raw

import (
	"bytes"

	"github.com/siemfwd/siemfwd/formatters/text"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

// Formatter renders a record as its raw bytes. The zero value is for streams where a
// line end separates events: line ends behind the event are left out, and LF, CR and
// NUL inside it become #012, #015 and #000. Every other byte stays, valid or not.
type Formatter struct {
	Multiline bool // every byte stays, for framings that count
	// Text renders the event as the text of a syslog message: bad UTF-8 becomes
	// U+FFFD and every control character but TAB (and LF with Multiline) is replaced.
	Text bool
}

// Append appends r. It never fails.
func (f Formatter) Append(dst []byte, r *record.Record) ([]byte, error) {
	return f.AppendMax(dst, r, text.NoLimit)
}

// AppendMax appends r and cuts its end to at most limit octets. It never fails.
func (f Formatter) AppendMax(dst []byte, r *record.Record, limit int) ([]byte, error) {
	raw := r.Raw
	if f.Text {
		raw = text.TrimBOM(raw)
	}
	if !f.Multiline || f.Text {
		raw = trim(raw)
	}
	switch {
	case f.Text:
		return text.AppendLine(dst, raw, text.Stops{}, f.Multiline, limit), nil
	case f.Multiline:
		return append(dst, text.Cut(raw, limit)...), nil
	}
	for {
		n := clean(raw)
		if n > limit {
			return append(dst, text.Cut(raw[:n], limit)...), nil
		}
		dst, raw, limit = append(dst, raw[:n]...), raw[n:], limit-n
		if len(raw) == 0 || limit < len("#ooo") {
			return dst, nil
		}
		dst = append(dst, '#', '0', '0'+raw[0]>>3, '0'+raw[0]&7)
		raw, limit = raw[1:], limit-len("#ooo")
	}
}

// clean is the number of bytes before the first that separates events.
func clean(s []byte) int {
	for _, c := range [...]byte{'\n', '\r', 0} {
		if n := bytes.IndexByte(s, c); n >= 0 {
			s = s[:n]
		}
	}
	return len(s)
}

func trim(s []byte) []byte {
	for len(s) > 0 && (s[len(s)-1] == '\n' || s[len(s)-1] == '\r' || s[len(s)-1] == 0) {
		s = s[:len(s)-1]
	}
	return s
}
