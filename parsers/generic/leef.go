package generic

import (
	"bytes"
	"embed"
	"errors"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

//go:embed samples/leef-*.txtar
var leefSamples embed.FS

// LEEF reads events in QRadar's Log Event Extended Format, 1.0 and 2.0, alone, behind a
// syslog header or behind other text. The predefined attributes are facts, all
// attributes are fields.
var LEEF = kit.Vendor{
	Name:    "leef",
	Product: "any product that writes LEEF",
	Doc:     "LEEF 1.0 and 2.0 events, with or without syslog header: predefined attributes as facts",
	Parse:   parseLEEF,
	Detect:  detectLEEF,
	Shape:   kit.Lines,
	Samples: leefSamples,
}

// leefPlaces are the predefined attributes, as CEF keys where they mean the same.
var leefPlaces = kit.NewWords(map[string]placeIn{
	"devTime": {kind: cefTime}, "cat": {kind: cefCategory}, "action": {kind: cefAction}, "act": {kind: cefAction},
	"outcome": {kind: cefOutcome}, "msg": {kind: cefMessage}, "message": {kind: cefMessage}, "externalId": {kind: cefID},
	"proto": {key: record.Protocol}, "src": {key: record.SrcIP}, "dst": {key: record.DstIP},
	"srcPort": {key: record.SrcPort}, "dstPort": {key: record.DstPort}, "srcMAC": {key: record.SrcMAC}, "dstMAC": {key: record.DstMAC},
	"usrName": {key: record.UserName}, "domain": {key: record.UserDomain}, "identHostName": {key: record.SrcHost},
	"srcBytes": {key: record.BytesIn}, "dstBytes": {key: record.BytesOut}, "role": {key: record.SrcUserPrivileges},
	"policy": {key: record.PolicyName}, "resource": {key: record.ObjectName}, "url": {key: record.URL}, "reason": {key: record.Reason},
	"srcPreNATPort": {kind: cefNumber}, "dstPreNATPort": {kind: cefNumber}, "srcPostNATPort": {kind: cefNumber},
	"dstPostNATPort": {kind: cefNumber}, "srcPackets": {kind: cefNumber}, "dstPackets": {kind: cefNumber}, "totalPackets": {kind: cefNumber}, "sev": {kind: cefNumber},
})

var (
	errNoLEEF    = errors.New("no LEEF header")
	errShortLEEF = errors.New("LEEF header with fewer than five fields")
)

func detectLEEF(raw []byte) bool {
	at := markerIn(raw, 'L')
	return at >= 0 && bytes.Count(raw[at:], []byte{'|'}) >= 4
}

func parseLEEF(r *record.Record, raw []byte) error {
	h := kit.ReadHeader(raw, r.Received, r.Zone)
	at := markerIn(h.Body, 'L')
	if at < 0 {
		return errNoLEEF
	}
	l := kit.ReadLEEF(h.Body[at:])
	if l.Fields < 5 {
		return errShortLEEF
	}
	takeHeader(r, &h)
	r.Vendor, r.Product, r.Version, r.Class, r.Name = l.Vendor, l.Product, l.DeviceVersion, l.EventID, l.EventID
	p := places{r: r, of: &leefPlaces}
	p.text("vendor", l.Vendor)
	p.text("product", l.Product)
	p.text("version", l.DeviceVersion)
	p.text("eventId", l.EventID)
	a := l.All()
	for a.Next() {
		if r.Severity == 0 && string(a.Key) == "sev" {
			r.Severity = cefSeverity(a.Value)
		}
		p.add(a.Key, a.Value)
	}
	p.loose(a.Loose)
	p.finish(h.Time)
	setIdentityText(r, "leef|", h.Body)
	return nil
}
