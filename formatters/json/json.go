// Package json writes records as JSON: one object, keys always in the same order,
// what is empty left out.
package json

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/netip"
	"strconv"

	"github.com/siemfwd/siemfwd/formatters/text"
	"github.com/siemfwd/siemfwd/formatters/tree"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

// Formatter renders records as one line of JSON. The zero value leaves out raw. It
// may be used by any number of goroutines.
type Formatter struct {
	Raw     bool         // with the bytes as they were received
	Numbers tree.Numbers // how numbers stand; the zero value writes them as they came
}

// Append appends r. It never fails.
func (f Formatter) Append(dst []byte, r *record.Record) ([]byte, error) {
	dst = appendHead(dst, r)
	dst = appendFacts(dst, r, f.Numbers)
	dst = appendFields(dst, r, f.Numbers)
	dst = appendWarnings(dst, r, "")
	r.Shortened = 0
	return f.appendRaw(dst, r), nil
}

var errNoRoom = errors.New("json: record: longer than the largest message even without raw and fields")

// AppendMax appends r in at most limit octets. A record that is longer loses raw, then
// fields, and says so among its warnings; when that is not enough it fails.
func (f Formatter) AppendMax(dst []byte, r *record.Record, limit int) ([]byte, error) {
	base := len(dst)
	dst, _ = f.Append(dst, r)
	if len(dst)-base <= limit {
		return dst, nil
	}
	r.Shortened = 1
	if f.Raw && len(r.Raw) > 0 {
		dst = appendFacts(appendHead(dst[:base], r), r, f.Numbers)
		dst = append(appendWarnings(appendFields(dst, r, f.Numbers), r, "truncated:raw"), '}')
		if len(dst)-base <= limit {
			return dst, nil
		}
	}
	dst = appendFacts(appendHead(dst[:base], r), r, f.Numbers)
	dst = append(appendWarnings(dst, r, "truncated:fields"), '}')
	if len(dst)-base > limit {
		r.Shortened = 0
		return dst[:base], errNoRoom
	}
	return dst, nil
}

// AppendIndent appends r over several lines, for people. It allocates.
func (f Formatter) AppendIndent(dst []byte, r *record.Record) []byte {
	line, _ := f.Append(nil, r)
	out := bytes.NewBuffer(dst)
	if err := json.Indent(out, line, "", "  "); err != nil {
		return append(dst, line...)
	}
	return out.Bytes()
}

// appendHead appends the brace and everything before the facts.
func appendHead(dst []byte, r *record.Record) []byte {
	dst = append(dst, '{')
	if len(r.ID) > 0 {
		dst = append(text.AppendJSON(dst, `"id":"`, r.ID), ',')
	}
	dst = append(r.AppendUID(append(dst, `"uid":"`...)), '"')
	dst = appendTime(dst, `,"time":"`, r.When())
	dst = appendTime(dst, `,"received":"`, record.At(r.Received))
	dst = appendText(dst, `,"source":"`, record.Bytes(r.Source))
	dst = appendText(dst, `,"vendor":"`, r.Vendor)
	dst = appendText(dst, `,"product":"`, r.Product)
	dst = appendText(dst, `,"version":"`, r.Version)
	dst = appendText(dst, `,"class":"`, r.Class)
	dst = appendText(dst, `,"name":"`, r.Name)
	dst = append(dst, `,"severity":`...)
	dst = strconv.AppendInt(dst, int64(min(max(r.Severity, 0), 10)), 10)
	dst = appendText(dst, `,"category":"`, r.Category)
	dst = appendText(dst, `,"action":"`, r.Action)
	dst = appendText(dst, `,"outcome":"`, r.Outcome)
	dst = appendText(dst, `,"message":"`, r.Message)
	return appendObserver(dst, r.Host, r.Peer)
}

func appendObserver(dst, host []byte, ip netip.Addr) []byte {
	if len(host) == 0 && !ip.IsValid() {
		return dst
	}
	dst = append(dst, `,"observer":{`...)
	if len(host) > 0 {
		dst = text.AppendJSON(dst, `"host":"`, host)
		if ip.IsValid() {
			dst = append(dst, ',')
		}
	}
	if ip.IsValid() {
		dst = append(ip.Unmap().AppendTo(append(dst, `"ip":"`...)), '"')
	}
	return append(dst, '}')
}

// appendText appends a member; key holds all of it up to the opening quote. Empty
// text appends nothing.
func appendText(dst []byte, key string, v []byte) []byte {
	if len(v) == 0 {
		return dst
	}
	return text.AppendJSON(dst, key, v)
}

// appendTime is appendText for a time.
func appendTime(dst []byte, key string, t record.Time) []byte {
	if t.IsZero() {
		return dst
	}
	return append(t.AppendJSON(append(dst, key...)), '"')
}

func appendWarnings(dst []byte, r *record.Record, more string) []byte {
	if len(r.Warnings) == 0 && more == "" {
		return dst
	}
	dst = append(dst, `,"warnings":[`...)
	for i := range r.Warnings {
		w := &r.Warnings[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = text.AppendJSON(dst, `"`, record.Bytes(w.Kind))
		if len(w.Detail) > 0 {
			// The detail goes on where the kind's closing quote was.
			dst = text.AppendJSON(dst[:len(dst)-1], ":", w.Detail)
		}
	}
	if more != "" {
		if len(r.Warnings) > 0 {
			dst = append(dst, ',')
		}
		dst = text.AppendJSON(dst, `"`, record.Bytes(more))
	}
	return append(dst, ']')
}

// appendRaw appends raw, if it is to be shown, and the last brace.
func (f Formatter) appendRaw(dst []byte, r *record.Record) []byte {
	if f.Raw {
		dst = appendText(dst, `,"raw":"`, r.Raw)
	}
	return append(dst, '}')
}
