package strict

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Syslog is what a strict reader finds in an RFC 5424 message. "" stands for the NILVALUE.
type Syslog struct {
	PRI                            int
	Time, Host, App, ProcID, MsgID string
	SD                             []Element
	Msg                            string
	HasMsg                         bool
}

// Element is one SD-ELEMENT.
type Element struct {
	ID     string
	Params [][2]string
}

// reader takes a message apart by the letter of RFC 5424 §6 and remembers the first
// thing that is wrong with it.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) fail(format string, a ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, a...)
	}
}

func (r *reader) expect(s string) {
	if !bytes.HasPrefix(r.rest, []byte(s)) {
		r.fail("want %q before %q", s, r.rest)
		return
	}
	r.rest = r.rest[len(s):]
}

// until takes what stands before the first of stops, which is at most limit octets of
// PRINTUSASCII without the characters of but.
func (r *reader) until(stops string, limit int, but string) string {
	n := bytes.IndexAny(r.rest, stops)
	if n < 0 {
		n = len(r.rest)
	}
	s := string(r.rest[:n])
	if n == 0 || n > limit {
		r.fail("%q: %d octets, want 1 to %d", s, n, limit)
	}
	for i := range len(s) {
		if s[i] < 33 || s[i] > 126 || strings.IndexByte(but, s[i]) >= 0 {
			r.fail("%q: character %q", s, s[i])
		}
	}
	r.rest = r.rest[n:]
	return s
}

func (r *reader) field(limit int) string {
	s := r.until(" ", limit, "")
	r.expect(" ")
	if s == "-" {
		return ""
	}
	return s
}

func (r *reader) element() (e Element) {
	r.expect("[")
	e.ID = r.until(" ]", 32, `="`)
	for r.err == nil && !bytes.HasPrefix(r.rest, []byte("]")) {
		r.expect(" ")
		name := r.until("=", 32, ` ]"`)
		r.expect(`="`)
		e.Params = append(e.Params, [2]string{name, r.value()})
	}
	r.expect("]")
	return e
}

func (r *reader) value() string {
	var v []byte
	for r.err == nil {
		if len(r.rest) == 0 {
			r.fail("value without end")
			break
		}
		c := r.rest[0]
		r.rest = r.rest[1:]
		switch c {
		case '"':
			if !utf8.Valid(v) {
				r.fail("value %q is not UTF-8", v)
			}
			return string(v)
		case ']':
			r.fail("bare ] in a value")
		case '\\':
			if len(r.rest) == 0 || strings.IndexByte(`"\]`, r.rest[0]) < 0 {
				r.fail("backslash before %q", r.rest)
				break
			}
			c, r.rest = r.rest[0], r.rest[1:]
			v = append(v, c)
		default:
			v = append(v, c)
		}
	}
	return ""
}

// ReadSyslog reads one message.
func ReadSyslog(b []byte) (m Syslog, err error) {
	r := &reader{rest: b}
	r.expect("<")
	pri := r.until(">", 3, "")
	m.PRI, err = strconv.Atoi(pri)
	if err != nil || m.PRI > 191 || strconv.Itoa(m.PRI) != pri {
		r.fail("PRI %q", pri)
	}
	r.expect(">1 ")
	if m.Time = r.field(32); m.Time != "" {
		if _, err := time.Parse("2006-01-02T15:04:05.999999Z", m.Time); err != nil {
			r.fail("TIMESTAMP: %v", err)
		}
	}
	m.Host, m.App = r.field(255), r.field(48)
	m.ProcID, m.MsgID = r.field(128), r.field(32)
	if bytes.HasPrefix(r.rest, []byte("-")) {
		r.expect("-")
	} else {
		seen := map[string]bool{}
		for r.err == nil && (len(m.SD) == 0 || bytes.HasPrefix(r.rest, []byte("["))) {
			e := r.element()
			if seen[e.ID] {
				r.fail("element %s twice", e.ID)
			}
			seen[e.ID] = true
			m.SD = append(m.SD, e)
		}
	}
	if len(r.rest) > 0 {
		r.expect(" ")
		m.Msg, m.HasMsg = string(r.rest), true
		if m.Msg == "" {
			r.fail("SP without MSG")
		}
	}
	if r.err != nil {
		return m, errors.Join(r.err, fmt.Errorf("in %q", b))
	}
	return m, nil
}
