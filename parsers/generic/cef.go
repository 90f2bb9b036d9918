package generic

import (
	"bytes"
	"embed"
	"errors"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

//go:embed samples/cef-*.txtar
var cefSamples embed.FS

// CEF reads events in ArcSight's Common Event Format, alone, behind a syslog header or
// behind other text. The header's values and every key of the dictionary that the record
// has a place for stand there, so that CEF written from it says the same; all pairs are
// fields under the sender's keys.
var CEF = kit.Vendor{
	Name:    "cef",
	Product: "any product that writes CEF",
	Doc:     "CEF events, with or without syslog header: header values, dictionary keys as facts, custom slots with their labels",
	Parse:   parseCEF,
	Detect:  detectCEF,
	Shape:   kit.Lines,
	Samples: cefSamples,
}

var (
	errNoCEF    = errors.New("no CEF header")
	errShortCEF = errors.New("CEF header with fewer than seven fields")
)

func parseCEF(r *record.Record, raw []byte) error {
	h := kit.ReadHeader(raw, r.Received, r.Zone)
	at := markerIn(h.Body, 'C')
	if at < 0 {
		return errNoCEF
	}
	c := kit.ReadCEF(r, h.Body[at:])
	if c.Fields < 7 {
		return errShortCEF
	}
	takeHeader(r, &h)
	r.Vendor, r.Product, r.Version, r.Class, r.Name = c.Vendor, c.Product, c.DeviceVersion, c.Class, c.Name
	r.Severity = cefSeverity(c.Severity)
	p := places{r: r, of: &cefPlaces}
	p.text("deviceVendor", c.Vendor)
	p.text("deviceProduct", c.Product)
	p.text("deviceVersion", c.DeviceVersion)
	p.text("deviceEventClassId", c.Class)
	p.text("name", c.Name)
	p.text("severity", c.Severity)
	x := kit.Extension{Rest: c.Extension}
	for x.Next() {
		p.add(x.Key, x.Text(r))
	}
	p.loose(x.Loose)
	p.finish(h.Time)
	setIdentityText(r, "cef|", h.Body)
	return nil
}

// setIdentityText is setIdentity for events that are not JSON.
func setIdentityText(r *record.Record, kind string, body []byte) {
	if len(r.ID) > 0 {
		id := append(r.Begin(len(kind)+len(r.Source)+len(body)+1), kind...)
		r.Identity = r.End(append(append(append(id, r.Source...), '|'), body...))
	}
}

func detectCEF(raw []byte) bool {
	at := markerIn(raw, 'C')
	return at >= 0 && bytes.Count(raw[at:], []byte{'|'}) >= 6
}

// markerIn is the offset at which a CEF ('C') or LEEF ('L') event begins in b, or -1.
func markerIn(b []byte, kind byte) int {
	word := "CEF:"
	if kind == 'L' {
		word = "LEEF:"
	}
	for at := 0; ; at++ {
		n := bytes.Index(b[at:], record.Bytes(word))
		if n < 0 {
			return -1
		}
		if at += n; kit.Marker(b[at:]) == kind && (at == 0 || b[at-1]|0x20-'a' > 'z'-'a') {
			return at
		}
	}
}

// takeHeader takes what a syslog header says that the event behind it may not. The
// severity of PRI is the transport's, not the event's.
func takeHeader(r *record.Record, h *kit.Header) {
	r.Time, r.Host = h.Time, h.Host
	r.Syslog.Present, r.Syslog.Facility, r.Syslog.Severity = h.Present, h.Facility, h.Severity
}

// cefSeverity reads a severity as a number or one of the words.
func cefSeverity(v []byte) int {
	n, digits := 0, len(v) > 0
	for _, c := range v {
		if digits = digits && c-'0' <= 9; digits {
			n = min(10*n+int(c-'0'), 10)
		}
	}
	if digits {
		return n
	}
	for _, w := range [...]struct {
		word  string
		level int
	}{{"low", 3}, {"medium", 5}, {"high", 8}, {"very-high", 10}, {"very high", 10}, {"critical", 10}, {"informational", 1}, {"info", 1}} {
		if len(v) == len(w.word) && bytes.EqualFold(v, record.Bytes(w.word)) {
			return w.level
		}
	}
	return 0
}
