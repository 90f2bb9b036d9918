// Package rfc5424 writes syslog messages as RFC 5424 has them.
//
//	<PRI>1 TIMESTAMP HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA MSG
package rfc5424

import (
	"bytes"
	"strconv"

	"github.com/siemfwd/siemfwd/formatters/text"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

// The longest values of the header's fields, in octets (RFC 5424 §6).
const (
	MaxHost   = 255
	MaxApp    = 48
	MaxProcID = 128
	MaxMsgID  = 32
	MaxName   = 32 // SD-ID and PARAM-NAME
)

// Message is one syslog message. What is empty or zero is written as the NILVALUE.
type Message struct {
	Facility, Severity       int // 0–23, 0–7; brought into range
	Time                     record.Time
	Host, App, ProcID, MsgID []byte
	SD                       []Element
	Msg                      []byte
}

// Element is one SD-ELEMENT. Elements with the same ID are written as one, in the
// place of the first.
type Element struct {
	ID     []byte
	Params []Param
}

// Param is one SD-PARAM. The same name may come again.
type Param struct{ Name, Value []byte }

// Encoder says how messages are written. It may be used by any number of goroutines.
type Encoder struct {
	// Digits is the number of fraction digits of TIMESTAMP, 0 to 6; time is truncated.
	// Receivers with a fixed pattern want 3.
	Digits int
	// BOM announces UTF-8 in front of MSG. Most receivers then fail to recognise CEF
	// and JSON, so it is off unless asked for.
	BOM bool
	// Multiline keeps LF in MSG, for framings that do not need it.
	Multiline bool
	// Max bounds the message in octets by cutting the end of MSG on a rune boundary;
	// what stands before MSG is never cut. 0 means no bound.
	Max int
}

var (
	printable = text.Printable("")
	sdName    = text.Printable(`= ]"`)
	// fieldStops are what Printable leaves out and Index does not stop at by itself.
	fieldStops = text.StopAt(' ', ' ', ' ')
	sdStops    = text.StopAt('"', '\\', ']')
)

// Append appends m to dst without framing and returns the extended slice.
func (e *Encoder) Append(dst []byte, m *Message) []byte {
	start := len(dst)
	dst = e.appendHeader(dst, m, e.Digits)
	dst = appendElements(dst, m.SD)
	dst, _ = e.appendMsg(dst, start, m.Msg)
	return dst
}

// appendHeader appends everything before STRUCTURED-DATA, with the SP.
func (e *Encoder) appendHeader(dst []byte, m *Message, digits int) []byte {
	pri := min(max(m.Facility, 0), 23)*8 + min(max(m.Severity, 0), 7)
	dst = append(dst, '<')
	dst = strconv.AppendInt(dst, int64(pri), 10)
	dst = append(dst, ">1 "...)
	if m.Time.IsZero() {
		dst = append(dst, '-')
	} else {
		dst = m.Time.Append(dst, min(max(digits, 0), 6))
	}
	dst = append(dst, ' ')
	dst = appendField(dst, m.Host, MaxHost)
	dst = appendField(dst, m.App, MaxApp)
	dst = appendField(dst, m.ProcID, MaxProcID)
	return appendField(dst, m.MsgID, MaxMsgID)
}

// appendField appends one field of the header and the SP behind it.
func appendField(dst, s []byte, limit int) []byte {
	if len(s) > 0 && len(s) <= limit {
		var ok bool
		if dst, ok = text.AppendClean(dst, "", s, fieldStops, ' '); ok {
			return dst
		}
	}
	mark := len(dst)
	dst = text.AppendName(dst, s, printable, limit)
	if len(dst) == mark {
		dst = append(dst, '-')
	}
	return append(dst, ' ')
}

// appendMsg appends SP and MSG to a message that began at start; nothing when there
// is no text or no room for any. cut tells that text is missing.
func (e *Encoder) appendMsg(dst []byte, start int, msg []byte) (_ []byte, cut bool) {
	msg = text.TrimBOM(msg)
	if len(msg) == 0 {
		return dst, false
	}
	mark := len(dst)
	dst = append(dst, ' ')
	if e.BOM {
		dst = append(dst, "\uFEFF"...)
	}
	begin, limit := len(dst), text.NoLimit
	if e.Max > 0 {
		limit = e.Max - (len(dst) - start)
	}
	dst, cut = text.AppendLineCut(dst, msg, text.Stops{}, e.Multiline, limit)
	if len(dst) == begin {
		return dst[:mark], cut
	}
	return dst, cut
}

func appendElements(dst []byte, sd []Element) []byte {
	mark := len(dst)
	for i := range sd {
		at := len(dst)
		dst = AppendID(append(dst, '['), sd[i].ID)
		id := dst[at+1:]
		if len(id) == 0 || written(sd[:i], id) {
			dst = dst[:at]
			continue
		}
		n := len(id)
		dst = appendParams(dst, sd[i].Params)
		for j := i + 1; j < len(sd); j++ {
			if same(sd[j].ID, dst[at+1:at+1+n]) {
				dst = appendParams(dst, sd[j].Params)
			}
		}
		dst = append(dst, ']')
	}
	if len(dst) == mark {
		return append(dst, '-')
	}
	return dst
}

// written reports whether one of sd is written under id.
func written(sd []Element, id []byte) bool {
	for i := range sd {
		if same(sd[i].ID, id) {
			return true
		}
	}
	return false
}

// same reports whether raw is written as id.
func same(raw, id []byte) bool {
	var b [MaxName]byte
	return bytes.Equal(AppendID(b[:0], raw), id)
}

// AppendID appends an SD-ID: what RFC 5424 does not allow in it becomes "_", and an
// ID that is too long loses the end of its name but keeps its enterprise number.
func AppendID(dst, id []byte) []byte {
	id = text.TrimBOM(id)
	at := bytes.LastIndexByte(id, '@')
	tail := len(id) - at // of "@PEN"
	if at <= 0 || tail >= MaxName {
		return text.AppendName(dst, id, sdName, MaxName)
	}
	dst = text.AppendName(dst, id[:at], sdName, MaxName-tail)
	return text.AppendName(dst, id[at:], sdName, tail)
}

func appendParams(dst []byte, params []Param) []byte {
	for i := range params {
		mark := len(dst)
		dst = append(dst, ' ')
		dst = text.AppendName(dst, params[i].Name, sdName, MaxName)
		if len(dst) == mark+1 {
			dst = dst[:mark]
			continue
		}
		dst = appendValue(dst, `="`, params[i].Value)
	}
	return dst
}

// appendValue appends lead, which ends in the opening quote, a PARAM-VALUE and the
// closing quote.
func appendValue(dst []byte, lead string, v []byte) []byte {
	dst, ok := text.AppendClean(dst, lead, v, sdStops, '"')
	if ok {
		return dst
	}
	dst = text.AppendLine(append(dst, lead...), text.TrimBOM(v), sdStops, false, text.NoLimit)
	return append(dst, '"')
}
