// Package raw hands on events as they were received.
package raw

import (
	"bytes"
	"unicode/utf8"

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
	dst, cut := f.append(dst, r, limit)
	r.Shortened = 0
	if cut {
		r.Shortened = 1
	}
	return dst, nil
}

func (f Formatter) append(dst []byte, r *record.Record, limit int) (_ []byte, cut bool) {
	raw := r.Raw
	if f.Text {
		raw = text.TrimBOM(raw)
	}
	if !f.Multiline || f.Text {
		raw = trim(raw)
	}
	switch {
	case f.Text:
		return text.AppendLineCut(dst, raw, text.Stops{}, f.Multiline, limit)
	case f.Multiline:
		return append(dst, text.Cut(raw, limit)...), len(raw) > limit
	}
	n := clean(raw)
	if n > limit {
		return append(dst, text.Cut(raw[:n], limit)...), true
	}
	dst, raw, limit = append(dst, raw[:n]...), raw[n:], limit-n
	for i, c := range raw {
		switch {
		case separates(c) && limit >= len("#ooo"):
			dst, limit = append(dst, '#', '0', '0'+c>>3, '0'+c&7), limit-len("#ooo")
		case separates(c) || limit == 0:
			return dst, true
		default:
			if utf8.RuneStart(c) && limit < utf8.UTFMax && len(text.Cut(raw[i:], limit)) == 0 {
				return dst, true
			}
			dst, limit = append(dst, c), limit-1
		}
	}
	return dst, false
}

// separates reports whether c ends an event for some receiver of lines.
func separates(c byte) bool { return c == '\n' || c == '\r' || c == 0 }

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
	for len(s) > 0 && (separates(s[len(s)-1])) {
		s = s[:len(s)-1]
	}
	return s
}
