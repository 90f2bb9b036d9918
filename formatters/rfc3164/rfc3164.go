// Package rfc3164 writes syslog messages the old (BSD) way, as RFC 3164 describes it
// and receivers have come to read it.
//
//	<PRI>Mmm dd hh:mm:ss HOST TAG[PID]: MSG
package rfc3164

import (
	"bytes"
	"strconv"
	"time"

	"github.com/siemfwd/siemfwd/formatters/text"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

// The longest values written, in octets. RFC 3164 §5.3 bounds the TAG only.
const (
	MaxHost = 255
	MaxTag  = 32
	MaxPID  = 128
)

// Message is one syslog message.
type Message struct {
	Facility, Severity int // 0–23, 0–7; brought into range
	// Time is written in the encoder's zone, without year and zone. The format has no
	// way to leave it out: a zero Time is 1 January.
	Time   record.Time
	Host   []byte // empty: the encoder's own
	App    []byte // becomes the TAG; empty: no TAG and no PID
	ProcID []byte // stands in brackets behind the TAG
	Msg    []byte
}

// Encoder says how messages are written. It may be used by any number of goroutines.
type Encoder struct {
	Host        []byte         // own host name, for messages that name none
	Zone        *time.Location // of the timestamp, which does not tell it; nil: UTC
	ShortHost   bool           // cut the host name at its first dot; addresses stay whole
	NoTag       bool           // no TAG: CEF and LEEF bodies bring their own
	ISO         bool           // RFC 3339 timestamp in UTC with 3 digits, which some receivers take
	IPv6Literal bool           // keep colons in HOST; receivers take what follows one for a TAG
	Multiline   bool           // keep LF in MSG, for framings that do not need it
	// Max bounds the message in octets by cutting the end of MSG on a rune boundary.
	// 0 means no bound.
	Max int
}

var (
	hostSet = text.Printable("")
	tagSet  = tagChars()
	pidSet  = text.Printable("[]")
)

func tagChars() *text.Set {
	var s text.Set
	for c := range s {
		s[c] = c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' ||
			c == '_' || c == '.' || c == '/' || c == '-'
	}
	return &s
}

// Append appends m to dst without framing and returns the extended slice.
func (e *Encoder) Append(dst []byte, m *Message) []byte {
	start := len(dst)
	dst = e.appendHeader(dst, m)
	dst, _ = e.appendMsg(dst, start, m.Msg)
	return dst
}

// appendHeader appends everything up to the TAG's colon or, without TAG, the host.
func (e *Encoder) appendHeader(dst []byte, m *Message) []byte {
	pri := min(max(m.Facility, 0), 23)*8 + min(max(m.Severity, 0), 7)
	dst = append(dst, '<')
	dst = strconv.AppendInt(dst, int64(pri), 10)
	dst = append(dst, '>')
	if e.ISO {
		dst = m.Time.Append(dst, 3)
	} else {
		dst = e.appendTime(dst, m.Time)
	}
	dst = e.appendHost(append(dst, ' '), m.Host)
	if e.NoTag {
		return dst
	}
	mark := len(dst)
	dst = text.AppendName(append(dst, ' '), m.App, tagSet, MaxTag)
	if len(dst) == mark+1 {
		return dst[:mark]
	}
	if len(m.ProcID) > 0 {
		dst = text.AppendName(append(dst, '['), m.ProcID, pidSet, MaxPID)
		dst = append(dst, ']')
	}
	return append(dst, ':')
}

// appendMsg appends SP and MSG to a message that began at start; nothing when there
// is no text or no room for any. cut tells that text is missing.
func (e *Encoder) appendMsg(dst []byte, start int, msg []byte) (_ []byte, cut bool) {
	mark := len(dst)
	dst = append(dst, ' ')
	limit := text.NoLimit
	if e.Max > 0 {
		limit = e.Max - (len(dst) - start)
	}
	dst, cut = text.AppendLineCut(dst, text.TrimBOM(msg), text.Stops{}, e.Multiline, limit)
	if len(dst) == mark+1 {
		return dst[:mark], cut
	}
	return dst, cut
}

const months = "JanFebMarAprMayJunJulAugSepOctNovDec"

func (e *Encoder) appendTime(dst []byte, t record.Time) []byte {
	at := t.Go()
	if e.Zone != nil {
		at = at.In(e.Zone)
	}
	_, month, day := at.Date()
	hour, minute, second := at.Clock()
	dst = append(dst, months[3*month-3:3*month]...)
	dst = append(dst, ' ')
	if day < 10 {
		dst = append(dst, ' ', byte('0'+day))
	} else {
		dst = two(dst, day)
	}
	dst = append(two(append(dst, ' '), hour), ':')
	dst = append(two(dst, minute), ':')
	return two(dst, second)
}

func two(dst []byte, n int) []byte { return append(dst, byte('0'+n/10), byte('0'+n%10)) }

func (e *Encoder) appendHost(dst, host []byte) []byte {
	if host = text.TrimBOM(host); len(host) == 0 {
		host = e.Host
	}
	if e.ShortHost && !text.IPv4(host) && !text.IPv6(host) {
		if dot := bytes.IndexByte(host, '.'); dot > 0 {
			host = host[:dot]
		}
	}
	if len(host) == 0 {
		return append(dst, "localhost"...)
	}
	mark := len(dst)
	dst = text.AppendName(dst, host, hostSet, MaxHost)
	if !e.IPv6Literal {
		// Receivers end the field at a colon; "-" keeps an address legible.
		for i := mark; i < len(dst); i++ {
			if dst[i] == ':' {
				dst[i] = '-'
			}
		}
	}
	return dst
}
