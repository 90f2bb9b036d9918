package rfc3164

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/siemfwd/siemfwd/formatters/text"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

// Options says what records are rendered with.
type Options struct {
	Facility int // 0–23
	// Host is the host name of this daemon, for records that name none.
	Host string
	// FixedHost stands in every message instead of the record's host.
	FixedHost string
	App       string         // the TAG; "" for none
	Zone      *time.Location // see Encoder
	Multiline bool           // see Encoder
	Max       int            // see Encoder
}

// Formatter renders records as RFC 3164 messages. It may be used by any number of
// goroutines.
type Formatter struct {
	Encoder
	facility   int
	fixed, app []byte
}

// New checks o and returns a Formatter.
func New(o Options) (*Formatter, error) {
	if o.Facility < 0 || o.Facility > 23 {
		return nil, fmt.Errorf("facility %d: want 0 to 23", o.Facility)
	}
	if o.Max < 0 {
		return nil, fmt.Errorf("message size %d: want a positive number of bytes", o.Max)
	}
	for i := range len(o.FixedHost) {
		if !hostSet[o.FixedHost[i]] {
			return nil, fmt.Errorf("host %q: character %q is not allowed", o.FixedHost, o.FixedHost[i])
		}
	}
	for i := range len(o.App) {
		if !tagSet[o.App[i]] {
			return nil, fmt.Errorf("app name %q: character %q is not allowed in a tag", o.App, o.App[i])
		}
	}
	return &Formatter{
		Encoder: Encoder{
			Host: []byte(o.Host), Zone: o.Zone, NoTag: o.App == "",
			Multiline: o.Multiline, Max: o.Max,
		},
		facility: o.Facility, fixed: []byte(o.FixedHost), app: []byte(o.App),
	}, nil
}

// Append appends r. A record that came as a syslog message with an application name
// keeps its PRI, and its application and process id in the TAG.
func (f *Formatter) Append(dst []byte, r *record.Record) ([]byte, error) {
	start := len(dst)
	m := f.own(r)
	if s := &r.Syslog; s.V5424 || s.Present && len(s.App) > 0 {
		m.Facility, m.Severity = int(s.Facility), int(s.Severity)
		m.App, m.ProcID = s.App, s.ProcID
	}
	dst = f.appendHeader(dst, &m)
	dst, cut := f.appendMsg(dst, start, r.Message)
	r.Shortened = 0
	if cut {
		r.Shortened = 1
	}
	return dst, nil
}

var errNoRoom = errors.New("rfc3164: message: the header alone is longer than the largest message")

// AppendHeader appends everything up to and including the SP before the text, and
// returns how many octets are left for it.
func (f *Formatter) AppendHeader(dst []byte, r *record.Record) ([]byte, int, error) {
	start := len(dst)
	m := f.own(r)
	dst = append(f.appendHeader(dst, &m), ' ')
	if f.Max == 0 {
		return dst, math.MaxInt, nil
	}
	left := f.Max - (len(dst) - start)
	if left <= 0 {
		return dst[:start], 0, errNoRoom
	}
	return dst, left, nil
}

func (f *Formatter) own(r *record.Record) Message {
	m := Message{
		Facility: f.facility, Severity: text.SyslogSeverity(r.Severity),
		Time: r.When(), Host: r.Host, App: f.app,
	}
	if len(f.fixed) > 0 {
		m.Host = f.fixed
	}
	return m
}
