// Package skyhigh reads the incidents of Skyhigh Security (formerly McAfee MVISION
// Cloud): the lines that the Cloud Connector sends by syslog, with a body of key=value
// pairs, CEF or LEEF, and the objects of the Incidents API. Whichever way an incident
// comes, it becomes the same record.
package skyhigh

import (
	"bytes"
	"embed"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

//go:embed samples/*.txtar
var samples embed.FS

//go:embed README.md
var readme string

// Vendor reads one incident at a time: a syslog line, or a JSON object.
var Vendor = kit.Vendor{
	Name:    "skyhigh",
	Product: "Skyhigh Security CASB",
	Doc:     "Skyhigh Security incidents: Cloud Connector syslog (key=value, CEF, LEEF) and the Incidents API",
	Parse:   parse,
	Detect:  detect,
	Shape:   kit.Lines,
	Samples: samples,
	Readme:  readme,
	Unpack:  unpack,
	Poll:    &poll,
}

func parse(r *record.Record, raw []byte) error {
	r.Vendor, r.Product, r.Version = record.Bytes("Skyhigh Security"), record.Bytes("Skyhigh CASB"), record.Bytes("1.0")
	in := incident{r: r}
	if isObject(raw) {
		in.read(raw)
		return nil
	}
	h := kit.ReadHeaderUntagged(raw, r.Received, r.Zone)
	body := h.Body
	if len(h.Host) > 0 && len(body) > 0 && (body[0] == '[' || body[0] == '=') && known(h.Host) > 0 {
		// There is no host: the first key was taken for it.
		body = raw[bytes.Index(raw, h.Host):]
		h.Host = nil
	}
	r.Host = h.Host
	r.Set(record.DeviceHost, h.Host)
	r.Syslog.Present, r.Syslog.Facility, r.Syslog.Severity = h.Present, h.Facility, h.Severity
	in.received = h.Time
	in.read(body)
	return nil
}

// read reads a body, whatever it is.
func (in *incident) read(body []byte) {
	in.clean = clean(body)
	n := len(in.r.Fields)
	ok := false
	switch kit.Marker(body) {
	case 'C':
		ok = in.cef(body)
	case 'L':
		ok = in.leef(body)
	default:
		if isObject(body) {
			ok = in.api(body)
		} else {
			ok = in.pairs(body)
		}
	}
	if !ok {
		in.r.Undo(n)
		in.r.Message = body
		in.r.Time = in.received
		in.r.Warn("unparsed", record.Bytes("no incident"))
		return
	}
	in.finish()
}

func isObject(body []byte) bool {
	for len(body) > 0 && body[0] <= ' ' {
		body = body[1:]
	}
	return len(body) > 0 && body[0] == '{'
}

// pairs reads a body of key=value pairs.
func (in *incident) pairs(body []byte) bool {
	kv := kit.KV{Text: body, Known: known, List: isList, Order: order}
	n := 0
	for ; kv.Next(); n++ {
		value := kv.Value
		if kv.Quoted && kv.Quotes {
			value = bytes.TrimSpace(in.r.End(kit.AppendUndoubled(in.r.Begin(len(value)), value)))
		}
		if kv.NoEquals {
			in.r.Warn("missing_equals", kv.Key)
		}
		if kv.Unterminated {
			in.r.Warn("unterminated_quote", kv.Key)
		}
		in.add(key(kv.ID), kv.Key, value, kv.Quoted, kv.Quotes)
	}
	if n > 0 && len(kv.Loose) > 0 {
		in.r.Warn("unparsed_text", nil)
		kit.AddText(in.r, record.Bytes("_unparsed"), kv.Loose)
	}
	return n > 0
}

// detect reports whether raw looks like an incident of this vendor.
func detect(raw []byte) bool {
	if bytes.Contains(raw, []byte("incidentGroup")) && bytes.Contains(raw, []byte("incidentId")) {
		return true
	}
	at := bytes.Index(raw, []byte("EF:")) // CEF: and LEEF:
	if at < 0 {
		return false
	}
	header := raw[at:min(len(raw), at+120)]
	for _, name := range [...]string{"|Skyhigh Security|", "|McAfee|MVISION Cloud|", "|McAfee (Skyhigh)|", "|Skyhigh Networks|"} {
		if bytes.Contains(header, record.Bytes(name)) {
			return true
		}
	}
	return false
}
