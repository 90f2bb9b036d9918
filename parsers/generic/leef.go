package generic

import (
	"embed"
	"errors"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

//go:embed samples/leef-*.txtar
var leefSamples embed.FS

// LEEF reads IBM's Log Event Extended Format 1.0 and 2.0, with or without a syslog
// header before it. The predefined attributes become facts; every attribute is a field.
var LEEF = kit.Vendor{
	Name:    "leef",
	Product: "any product that writes LEEF",
	Doc:     "IBM Log Event Extended Format 1.0 and 2.0, with or without a syslog header",
	Parse:   parseLEEF,
	Detect:  func(raw []byte) bool { return bodyMarker(raw) == 'L' },
	Shape:   kit.Lines,
	Samples: leefSamples,
}

func parseLEEF(r *record.Record, raw []byte) error {
	head := kit.ReadHeader(raw, r.Received, r.Zone)
	if kit.Marker(head.Body) != 'L' {
		return errors.New("no LEEF header")
	}
	h := kit.ReadLEEF(head.Body)
	if h.Fields < 5 {
		return errors.New("LEEF header with fewer than five fields")
	}
	r.Time, r.Host = head.Time, head.Host
	r.Vendor, r.Product, r.Version = h.Vendor, h.Product, h.DeviceVersion
	r.Class, r.Name = h.EventID, h.EventID
	kit.AddText(r, record.Bytes("vendor"), h.Vendor)
	kit.AddText(r, record.Bytes("product"), h.Product)
	kit.AddText(r, record.Bytes("version"), h.DeviceVersion)
	kit.AddText(r, record.Bytes("eventId"), h.EventID)
	a := h.All()
	for a.Next() {
		kit.AddText(r, a.Key, a.Value)
		setLEEF(r, a.Key, a.Value)
	}
	if len(a.Loose) > 0 {
		r.Warn("loose_text", a.Loose)
	}
	return nil
}

// setLEEF puts a predefined attribute where it belongs.
func setLEEF(r *record.Record, key, value []byte) {
	switch string(key) {
	case "cat":
		r.Category = value
	case "devTime":
		if t, ok := anyTime(value); ok {
			r.Time = t
		}
	case "sev":
		r.Severity = cefSeverity(value)
	case "msg":
		r.Message = value
	case "identHostName":
		setTyped(r, record.SrcHost, value)
	default:
		if k, ok := leefFact(key); ok {
			setTyped(r, k, value)
		}
	}
}

func leefFact(key []byte) (record.Key, bool) {
	switch string(key) {
	case "src":
		return record.SrcIP, true
	case "dst":
		return record.DstIP, true
	case "srcPort":
		return record.SrcPort, true
	case "dstPort":
		return record.DstPort, true
	case "srcMAC":
		return record.SrcMAC, true
	case "dstMAC":
		return record.DstMAC, true
	case "usrName":
		return record.UserName, true
	case "domain":
		return record.UserDomain, true
	case "proto":
		return record.Protocol, true
	case "srcBytes":
		return record.BytesOut, true
	case "dstBytes":
		return record.BytesIn, true
	case "policy":
		return record.PolicyName, true
	case "resource":
		return record.ObjectName, true
	case "url":
		return record.URL, true
	}
	return 0, false
}
