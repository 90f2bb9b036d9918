// Package slack writes records as messages of Slack: a JSON object with a headline, and
// beside a coloured bar what happened, a handful of facts and where it comes from. Channel
// and credentials are for whoever sends it.
//
// What an event says stands in objects of type plain_text, in which Slack reads nothing:
// no mention, no link, no markup. Only the line for notifications, "text", is one that
// Slack reads; there &, < and > are entities, and an invisible word joiner (U+2060) keeps
// addresses and names from becoming links and mentions.
package slack

import (
	"bytes"
	"errors"
	"strconv"

	"github.com/siemfwd/siemfwd/formatters/text"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

// Formatter renders records as messages. It may be used by any number of goroutines.
type Formatter struct{}

// The longest that texts get, in octets, which are never fewer than Slack's characters:
// its own limits are 150 for a headline, 3000 for a section and 2000 for a field.
const (
	mostHead    = 150
	mostSection = 2900
	mostField   = 400
	mostContext = 400
	mostText    = 500
)

// level is how bad it is, for people.
type level struct{ word, color string }

var levels = [...]level{
	{"UNKNOWN", "#9e9e9e"}, {"INFO", "#2196f3"}, {"LOW", "#4caf50"}, {"MEDIUM", "#ffc107"}, {"HIGH", "#ff5722"}, {"CRITICAL", "#b71c1c"},
}

func levelOf(severity int) *level { return &levels[(min(max(severity, 0), 10)+1)/2] }

// fields are the facts shown, of which a message takes ten.
var fields = [...]struct {
	title string
	of    []record.Key // the first that is known
}{
	{"User", []record.Key{record.UserName, record.UserID}},
	{"Target user", []record.Key{record.DstUser}},
	{"Source", []record.Key{record.SrcIP, record.SrcHost}},
	{"Destination", []record.Key{record.DstHost, record.DstIP}},
	{"Service", []record.Key{record.Service}},
	{"File", []record.Key{record.FilePath, record.FileName}},
	{"Object", []record.Key{record.ObjectName, record.ObjectID}},
	{"Policy", []record.Key{record.PolicyName, record.PolicyID}},
	{"Rule", []record.Key{record.RuleName, record.RuleID}},
	{"Threat", []record.Key{record.ThreatName, record.ThreatCategory}},
}

const (
	mostFields = 10
	plainText  = `{"type":"plain_text","emoji":false,"text":"`
)

var errNoRoom = errors.New("slack: message: longer than the largest event")

// Append appends the message.
func (f Formatter) Append(dst []byte, r *record.Record) ([]byte, error) {
	return f.AppendMax(dst, r, text.NoLimit)
}

// AppendMax appends the message, if it has at most limit octets.
func (f Formatter) AppendMax(dst []byte, r *record.Record, limit int) ([]byte, error) {
	base := len(dst)
	l := levelOf(r.Severity)
	name := r.Name
	for _, other := range [...][]byte{r.Class, r.Message, record.Bytes("Event")} {
		if len(bytes.TrimSpace(name)) == 0 {
			name = other
		}
	}
	dst = appendHead(append(dst, `{"text":"[`...), l, r)
	dst = append(dst, "] "...)
	dst = appendSafe(dst, text.Cut(name, mostText))
	if len(r.Message) > 0 && !bytes.Equal(name, r.Message) {
		dst = appendSafe(append(dst, ": "...), text.Cut(r.Message, mostText))
	}
	dst = append(dst, `","mrkdwn":false,"parse":"none","link_names":false,"unfurl_links":false,"unfurl_media":false,"blocks":[{"type":"header","text":`+plainText...)
	dst = appendHead(dst, l, r)
	dst = append(dst, " · "...)
	dst = appendCut(dst, r, name, mostHead-len("CRITICAL 10 · …"))
	dst = append(append(append(dst, `"}}],"attachments":[{"color":"`...), l.color...), `","blocks":[`...)
	if len(r.Message) > 0 {
		dst = append(dst, `{"type":"section","text":`+plainText...)
		dst = append(appendCut(dst, r, r.Message, mostSection), `"}},`...)
	}
	dst = appendFields(dst, r)
	dst = append(appendContext(dst, r), `]}]}`...)
	if len(dst)-base > limit {
		return dst[:base], errNoRoom
	}
	return dst, nil
}

// appendHead appends the severity as word and number.
func appendHead(dst []byte, l *level, r *record.Record) []byte {
	dst = append(append(dst, l.word...), ' ')
	return strconv.AppendInt(dst, int64(min(max(r.Severity, 0), 10)), 10)
}

// appendCut appends v within a string of JSON, most octets of it.
func appendCut(dst []byte, r *record.Record, v []byte, most int) []byte {
	cut := text.Cut(v, most)
	dst = text.AppendJSON(dst, "", cut)
	dst = dst[:len(dst)-1]
	if len(cut) < len(v) {
		r.Shortened++
		dst = append(dst, "…"...)
	}
	return dst
}

// appendFields appends a section with the facts that are known.
func appendFields(dst []byte, r *record.Record) []byte {
	n := 0
	add := func(title string, v []byte) {
		if len(v) == 0 || n == mostFields {
			return
		}
		if n++; n == 1 {
			dst = append(dst, `{"type":"section","fields":[`...)
		} else {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, plainText...), title...), `\n`...)
		dst = append(appendCut(dst, r, v, mostField), `"}`...)
	}
	add("Outcome", r.Outcome)
	add("Action", r.Action)
	for i := range fields {
		for _, k := range fields[i].of {
			if v := r.Get(k); len(v) > 0 {
				add(fields[i].title, v)
				break
			}
		}
	}
	if n > 0 {
		dst = append(dst, `]},`...)
	}
	return dst
}

// appendContext appends the line that says where the event comes from.
func appendContext(dst []byte, r *record.Record) []byte {
	dst = append(dst, `{"type":"context","elements":[`+plainText...)
	dst = r.When().Append(dst, 0)
	for _, v := range [...][]byte{r.Vendor, r.Product, record.Bytes(r.Source), r.Host, r.ID} {
		if len(v) > 0 {
			dst = appendCut(append(dst, " · "...), r, v, mostContext)
		}
	}
	if v := r.Get(record.Replay); len(v) > 0 {
		dst = appendCut(append(dst, " · replay "...), r, v, mostContext)
	}
	return append(dst, `"}]}`...)
}

// joined are characters by which Slack recognises links and mentions.
var joined = [128]string{'@': "@\u2060", '#': "#\u2060", ':': ":\u2060", '.': ".\u2060", '!': "!\u2060"}

// appendSafe appends v within a string of JSON as text that Slack reads, in which it finds
// nothing but text.
func appendSafe(dst, v []byte) []byte {
	from := 0
	flush := func(to int) {
		dst = text.AppendJSON(dst, "", v[from:to])
		dst = dst[:len(dst)-1]
	}
	for i, c := range v {
		with := ""
		switch c {
		case '&':
			with = "&amp;"
		case '<':
			with = "&lt;"
		case '>':
			with = "&gt;"
		case '@', '#', ':', '.', '!':
			with = joined[c]
		case '\n', '\r':
			with = " "
		default:
			continue
		}
		flush(i)
		dst = append(dst, with...)
		from = i + 1
	}
	flush(len(v))
	return dst
}
