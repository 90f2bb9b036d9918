// Package pagerduty writes records as events of PagerDuty's Events API v2, without the
// routing key, which is a credential and for whoever sends them.
//
// An event triggers an incident, or resolves it where the vendor's own record says that
// the matter is closed. What belongs together has one dedup_key: the vendor and its id.
package pagerduty

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"

	"github.com/siemfwd/siemfwd/formatters/text"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

// Most is the longest event, in octets: PagerDuty takes 512 KB with the routing key.
const Most = 512_000 - 64

// PagerDuty's own limits, in characters.
const (
	mostSummary = 1024
	mostKey     = 255
)

// details renders what stands as custom_details, one JSON object, in at most limit octets.
type details interface {
	AppendMax(dst []byte, r *record.Record, limit int) ([]byte, error)
}

// Formatter renders records as events. It may be used by any number of goroutines.
type Formatter struct {
	details details
	host    []byte
}

// New returns a Formatter. host is the source of events that name no host.
func New(d details, host string) Formatter {
	if host == "" {
		host = "siemfwd"
	}
	return Formatter{d, []byte(host)}
}

// closings are the words that say of a vendor's record that the matter is closed; those
// under "" hold for vendors that are not in the table.
var closings = map[string]struct{ outcomes, actions []string }{
	"Data Theorem":     {[]string{"RESOLVED", "FIXED", "WONT_FIX", "CLOSED"}, []string{"resolved", "wont_fix", "accepted"}},
	"Check Point":      {[]string{"remediated", "dismissed", "exception"}, nil},
	"Skyhigh Security": {[]string{"resolved", "false positive", "suppressed", "archived"}, nil},
	"BeyondTrust":      {[]string{"Approved", "Denied"}, nil},
	"":                 {[]string{"resolved", "closed", "fixed"}, nil},
}

// Resolves reports whether the record says that its matter is closed.
func Resolves(r *record.Record) bool {
	c, ok := closings[string(r.Vendor)]
	if !ok {
		c = closings[""]
	}
	return is(r.Outcome, c.outcomes) || is(r.Action, c.actions)
}

func is(v []byte, words []string) bool {
	for _, w := range words {
		if len(v) == len(w) && bytes.EqualFold(v, record.Bytes(w)) {
			return true
		}
	}
	return false
}

var errNoRoom = errors.New("pagerduty: event: longer than the largest event")

// Append appends the event.
func (f Formatter) Append(dst []byte, r *record.Record) ([]byte, error) {
	return f.AppendMax(dst, r, Most)
}

// AppendMax appends the event in at most limit octets, and never more than PagerDuty takes:
// custom_details loses its fields, or all it has.
func (f Formatter) AppendMax(dst []byte, r *record.Record, limit int) ([]byte, error) {
	base := len(dst)
	limit = min(limit, Most)
	if Resolves(r) {
		dst = append(appendKey(append(dst, `{"event_action":"resolve","dedup_key":"`...), r), '"', '}')
		return f.within(dst, base, limit)
	}
	dst = appendKey(append(dst, `{"event_action":"trigger","dedup_key":"`...), r)
	dst = append(dst, `","client":"siemfwd","payload":{"summary":"`...)
	dst = appendSummary(dst, r)
	dst = text.AppendJSON(dst, `","source":"`, f.source(r))
	dst = append(append(append(dst, `,"severity":"`...), severity(r.Severity)...), `","timestamp":"`...)
	dst = append(r.When().AppendJSON(dst), '"')
	for _, m := range [...]struct {
		lead string
		v    []byte
	}{{`,"component":"`, r.Product}, {`,"group":"`, r.Vendor}, {`,"class":"`, r.Class}} {
		if len(m.v) > 0 {
			dst = text.AppendJSON(dst, m.lead, text.Cut(m.v, mostSummary))
		}
	}
	dst = append(dst, `,"custom_details":`...)
	out, err := f.details.AppendMax(dst, r, limit-(len(dst)-base)-2)
	if err != nil {
		r.Shortened++
		out = append(dst, `{"error":"the event is longer than PagerDuty takes"}`...)
	}
	return f.within(append(out, "}}"...), base, limit)
}

func (f Formatter) within(dst []byte, base, limit int) ([]byte, error) {
	if len(dst)-base > limit {
		return dst[:base], errNoRoom
	}
	return dst, nil
}

// severity is PagerDuty's word for one on the scale of 0 to 10.
func severity(n int) string {
	switch {
	case n >= 9:
		return "critical"
	case n >= 6:
		return "error"
	case n >= 3:
		return "warning"
	}
	return "info"
}

// appendSummary appends what people read first, within a string.
func appendSummary(dst []byte, r *record.Record) []byte {
	name := r.Name
	if len(name) == 0 {
		name = r.Class
	}
	left := mostSummary
	add := func(v []byte) {
		cut := text.Cut(v, max(left, 0))
		if left -= len(cut); len(cut) < len(v) {
			r.Shortened++
		}
		dst = text.AppendJSON(dst, "", cut)
		dst = dst[:len(dst)-1]
	}
	switch {
	case len(name) == 0 && len(r.Message) == 0:
		name = record.Bytes("Event")
	case len(name) > 0 && len(r.Message) > 0:
		add(name)
		add(record.Bytes(": "))
		name = r.Message
	case len(name) == 0:
		name = r.Message
	}
	add(name)
	return dst
}

// source is what the event is about: the asset or host that it names.
func (f Formatter) source(r *record.Record) []byte {
	for _, k := range [...]record.Key{record.DstHost, record.ObjectName, record.SrcHost, record.SrcIP, record.DeviceHost} {
		if v := r.Get(k); len(v) > 0 {
			return text.Cut(v, mostSummary)
		}
	}
	if len(r.Host) > 0 {
		return r.Host
	}
	return f.host
}

// appendKey appends the dedup_key within a string: VENDOR/ID, or its SHA-256 where that
// is too long; the event's own identity where the vendor gives no id.
func appendKey(dst []byte, r *record.Record) []byte {
	if len(r.ID) == 0 {
		return r.AppendUID(dst)
	}
	vendor := r.Vendor
	if len(vendor) == 0 {
		vendor = record.Bytes(r.Source)
	}
	if len(vendor)+1+len(r.ID) <= mostKey {
		dst = text.AppendJSON(dst, "", vendor)
		dst = text.AppendJSON(dst[:len(dst)-1], "/", r.ID)
		return dst[:len(dst)-1]
	}
	h := sha256.New()
	h.Write(vendor)
	h.Write(record.Bytes("/"))
	h.Write(r.ID)
	var sum [sha256.Size]byte
	return hex.AppendEncode(dst, h.Sum(sum[:0]))
}
