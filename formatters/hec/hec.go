// Package hec writes the envelopes of Splunk's HTTP Event Collector:
//
//	{"time":1700000000.123,"host":"fw1","source":"…","sourcetype":"…","index":"…","event":…,"fields":{…}}
//
// One envelope is one line. A request is envelopes one after another, with or without
// LF between them, no array and no commas. The member "fields" is the last one, and it
// is flat.
package hec

import (
	"bytes"
	"errors"

	"github.com/siemfwd/siemfwd/formatters/text"
	"github.com/siemfwd/siemfwd/formatters/tree"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

// Event is one event. What is empty is left out; Splunk then takes the defaults of the
// token, and the time at which it got the event.
type Event struct {
	Time                            record.Time
	Host, Source, SourceType, Index []byte
	JSON                            []byte // the event as JSON, complete and on one line; or
	Text                            []byte // the event as text
	// Fields are indexed at once. They are flattened: names joined by dots, every value
	// a string or a list of strings.
	Fields []record.Field
}

// ErrBlank is the answer for an event without any text. A receiver refuses it (code 13)
// and does not look at what follows it in the request.
var ErrBlank = errors.New("hec: event: blank, which no receiver takes")

var flat = tree.Flat{Joint: '.'}

// Append appends e to dst and returns the extended slice; dst as it was for a blank
// event.
func Append(dst []byte, e *Event) ([]byte, error) {
	if blank(e.JSON) && blank(e.Text) {
		return dst, ErrBlank
	}
	dst = append(dst, '{')
	dst = appendTime(dst, e.Time)
	dst = appendText(dst, `"host":"`, e.Host)
	dst = appendText(dst, `"source":"`, e.Source)
	dst = appendText(dst, `"sourcetype":"`, e.SourceType)
	dst = appendText(dst, `"index":"`, e.Index)
	if len(e.JSON) > 0 {
		dst = append(append(dst, `"event":`...), e.JSON...)
	} else {
		dst = text.AppendJSON(dst, `"event":"`, e.Text)
	}
	dst, _ = flat.Append(dst, `,"fields":`, e.Fields)
	return append(dst, '}'), nil
}

// appendTime appends seconds since 1970 with three digits behind the dot, truncated,
// and a comma.
func appendTime(dst []byte, t record.Time) []byte {
	if t.IsZero() {
		return dst
	}
	ms := t.Millis()
	dst = append(dst, `"time":`...)
	if ms < 0 {
		dst, ms = append(dst, '-'), -ms
	}
	dst = appendInt(dst, ms/1000)
	ms %= 1000
	return append(dst, '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10), ',')
}

func appendText(dst []byte, lead string, v []byte) []byte {
	if len(v) == 0 {
		return dst
	}
	return append(text.AppendJSON(dst, lead, v), ',')
}

// blank reports whether nothing but white space is in v.
func blank(v []byte) bool { return len(bytes.TrimSpace(v)) == 0 }
