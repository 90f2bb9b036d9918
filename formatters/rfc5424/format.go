package rfc5424

import (
	"bytes"
	"errors"
	"fmt"
	"math"

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
	App       string // APP-NAME
	SDID      string // SD-ID of the facts; "" or "-" leaves them out
	Multiline bool   // see Encoder
	Max       int    // see Encoder; facts that do not fit are left out, too
	// Digits is Encoder's, for every message; nil is 3, and for a message that is passed
	// on as many as it came with.
	Digits *int
}

// Formatter renders records as RFC 5424 messages. It may be used by any number of
// goroutines.
type Formatter struct {
	Encoder
	facility             int
	asGiven              bool // a message that is passed on keeps its digits
	host, fixed, app, id []byte
}

// New checks o and returns a Formatter.
func New(o Options) (*Formatter, error) {
	f := &Formatter{
		Encoder:  Encoder{Digits: 3, Multiline: o.Multiline, Max: o.Max},
		facility: o.Facility,
		host:     []byte(o.Host), fixed: []byte(o.FixedHost), app: []byte(o.App),
	}
	if f.asGiven = o.Digits == nil; !f.asGiven {
		f.Digits = *o.Digits
	}
	if f.Digits < 0 || f.Digits > 6 {
		return nil, fmt.Errorf("time digits %d: want 0 to 6", f.Digits)
	}
	if o.Facility < 0 || o.Facility > 23 {
		return nil, fmt.Errorf("facility %d: want 0 to 23", o.Facility)
	}
	if o.Max < 0 {
		return nil, fmt.Errorf("message size %d: want a positive number of bytes", o.Max)
	}
	if err := check("host", o.FixedHost, MaxHost, ""); err != nil {
		return nil, err
	}
	if err := check("app name", o.App, MaxApp, ""); err != nil {
		return nil, err
	}
	if o.SDID != "" && o.SDID != "-" {
		if err := check("sd id", o.SDID, MaxName, `=]"`); err != nil {
			return nil, err
		}
		f.id = []byte(o.SDID)
	}
	return f, nil
}

// check reports what stands in the way of using s as it is.
func check(what, s string, limit int, but string) error {
	if len(s) > limit {
		return fmt.Errorf("%s %q: longer than %d characters", what, s, limit)
	}
	legal := text.Printable(but)
	for i := range len(s) {
		if !legal[s[i]] {
			return fmt.Errorf("%s %q: character %q is not allowed", what, s, s[i])
		}
	}
	return nil
}

// Append appends r. A record that was read from an RFC 5424 message is written with
// the values of that message's header and its structured data again.
func (f *Formatter) Append(dst []byte, r *record.Record) ([]byte, error) {
	start := len(dst)
	r.Shortened = 0
	if r.Syslog.V5424 {
		dst = f.appendAgain(dst, r)
		dst, cut := f.appendMsg(dst, start, r.Message)
		if cut {
			r.Shortened++
		}
		return dst, nil
	}
	dst = f.appendOwn(dst, r)
	facts := len(dst)
	dst, left := f.appendFacts(dst, start, r, "")
	dst, cut := f.appendMsg(dst, start, r.Message)
	if cut || left > 0 {
		// Once more, with the parameter that says so.
		dst, left = f.appendFacts(dst[:facts], start, r, truncated)
		if dst, cut = f.appendMsg(dst, start, r.Message); cut {
			left++
		}
	}
	r.Shortened = left
	return dst, nil
}

// truncated is the parameter that announces that facts or text are missing.
const truncated = ` truncated="true"`

var errNoRoom = errors.New("rfc5424: message: the header alone is longer than the largest message")

// AppendHeader appends everything up to and including the SP before MSG, with "-" for
// the structured data, and returns how many octets are left for MSG.
func (f *Formatter) AppendHeader(dst []byte, r *record.Record) ([]byte, int, error) {
	start := len(dst)
	dst = append(f.appendOwn(dst, r), "- "...)
	if f.Max == 0 {
		return dst, math.MaxInt, nil
	}
	left := f.Max - (len(dst) - start)
	if left <= 0 {
		return dst[:start], 0, errNoRoom
	}
	return dst, left, nil
}

func (f *Formatter) appendOwn(dst []byte, r *record.Record) []byte {
	m := Message{
		Facility: f.facility, Severity: text.SyslogSeverity(r.Severity),
		Time: r.When(), Host: f.host, App: f.app, MsgID: r.Class,
	}
	switch {
	case len(f.fixed) > 0:
		m.Host = f.fixed
	case len(r.Host) > 0:
		m.Host = r.Host
	}
	return f.appendHeader(dst, &m, f.Digits)
}

// appendAgain writes the header and structured data the record came with. A value
// that was the NILVALUE is the NILVALUE again.
func (f *Formatter) appendAgain(dst []byte, r *record.Record) []byte {
	s := &r.Syslog
	m := Message{
		Facility: int(s.Facility), Severity: int(s.Severity), Time: r.Time,
		Host: r.Host, App: s.App, ProcID: s.ProcID, MsgID: s.MsgID,
	}
	if len(f.fixed) > 0 {
		m.Host = f.fixed
	}
	digits := f.Digits
	if f.asGiven {
		digits = int(r.Time.Digits)
	}
	dst = f.appendHeader(dst, &m, digits)
	mark := len(dst)
	if len(s.SD) > 0 {
		// The quotes and brackets are as they should be, but a counted frame may have
		// brought line ends and bad UTF-8 in a value.
		dst = text.AppendLine(dst, s.SD, text.Stops{}, false, text.NoLimit)
	}
	// An SD-ID stands in a message once (RFC 5424 section 6.3.2).
	if replay := r.Get(record.Replay); len(replay) > 0 && len(f.id) > 0 && !f.given(s.SD) {
		dst = append(appendValue(append(append(dst, '['), f.id...), leads[record.Replay], replay), ']')
	}
	if len(dst) == mark {
		dst = append(dst, '-')
	}
	return dst
}

// given reports whether structured data has an element with the formatter's SD-ID.
func (f *Formatter) given(sd []byte) bool {
	for {
		i := bytes.Index(sd, f.id)
		if i < 0 {
			return false
		}
		if end := i + len(f.id); i > 0 && sd[i-1] == '[' && end < len(sd) && (sd[end] == ' ' || sd[end] == ']') {
			return true
		}
		sd = sd[i+1:]
	}
}

// leads holds, for each fact, SP and PARAM-NAME up to the opening quote.
var leads = func() (t [len(record.Keys)]string) {
	for k := range record.Keys {
		t[k] = " " + record.Keys[k].Name + `="`
	}
	return t
}()

// appendFacts writes the facts as parameters of one element, behind the given one, or
// "-". left is how many had no room.
func (f *Formatter) appendFacts(dst []byte, start int, r *record.Record, first string) (_ []byte, left int) {
	set := r.Facts()
	k, ok := set.Next(0)
	if !ok && first == "" || len(f.id) == 0 {
		return append(dst, '-'), 0
	}
	end := text.NoLimit
	if f.Max > 0 {
		end = start + f.Max - len("]")
	}
	mark := len(dst)
	dst = append(append(dst, '['), f.id...)
	empty := len(dst)
	if dst = append(dst, first...); len(dst) > end {
		dst = dst[:empty]
	}
	for ; ok; k, ok = set.Next(k + 1) {
		before := len(dst)
		if record.Keys[k].Kind == record.FactTime {
			dst = append(r.GetTime(k).AppendJSON(append(dst, leads[k]...)), '"')
		} else {
			dst = appendValue(dst, leads[k], r.Get(k))
		}
		if len(dst) > end {
			dst = dst[:before]
			left++
		}
	}
	if len(dst) == empty {
		return append(dst[:mark], '-'), left
	}
	return append(dst, ']'), left
}
