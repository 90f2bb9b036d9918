package generic

import (
	"bytes"
	"embed"
	"errors"
	"net/netip"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

//go:embed samples/cef-*.txtar
var cefSamples embed.FS

// CEF reads the ArcSight Common Event Format, with or without a syslog header before
// it. What the dictionary knows becomes a fact, numbered slots keep their labels, and
// every pair is a field under the sender's key.
var CEF = kit.Vendor{
	Name:    "cef",
	Product: "any product that writes CEF",
	Doc:     "ArcSight Common Event Format, with or without a syslog header",
	Parse:   parseCEF,
	Detect:  func(raw []byte) bool { return bodyMarker(raw) == 'C' },
	Shape:   kit.Lines,
	Samples: cefSamples,
}

// bodyMarker tells what stands behind the syslog header, see kit.Marker.
func bodyMarker(raw []byte) byte {
	if m := kit.Marker(raw); m != 0 {
		return m
	}
	h := kit.ReadHeader(raw, someDay, nil)
	return kit.Marker(h.Body)
}

func parseCEF(r *record.Record, raw []byte) error {
	head := kit.ReadHeader(raw, r.Received, r.Zone)
	if kit.Marker(head.Body) != 'C' {
		return errors.New("no CEF header")
	}
	h := kit.ReadCEF(r, head.Body)
	if h.Fields < 7 {
		return errors.New("CEF header with fewer than seven fields")
	}
	r.Time, r.Host = head.Time, head.Host
	r.Vendor, r.Product, r.Version = h.Vendor, h.Product, h.DeviceVersion
	r.Class, r.Name, r.Severity = h.Class, h.Name, cefSeverity(h.Severity)
	kit.AddText(r, record.Bytes("deviceVendor"), h.Vendor)
	kit.AddText(r, record.Bytes("deviceProduct"), h.Product)
	kit.AddText(r, record.Bytes("deviceVersion"), h.DeviceVersion)
	kit.AddText(r, record.Bytes("deviceEventClassId"), h.Class)
	kit.AddText(r, record.Bytes("name"), h.Name)
	kit.AddText(r, record.Bytes("severity"), h.Severity)
	var slots slots
	x := kit.Extension{Rest: h.Extension}
	for x.Next() {
		value := x.Text(r)
		kit.AddText(r, x.Key, value)
		if !slots.take(x.Key, value) {
			setCEF(r, x.Key, value)
		}
	}
	if len(x.Loose) > 0 {
		r.Warn("loose_text", x.Loose)
	}
	slots.set(r)
	setIdentityText(r, "cef|", head.Body)
	return nil
}

// setIdentityText is setIdentity for events that are not JSON.
func setIdentityText(r *record.Record, kind string, body []byte) {
	if len(r.ID) > 0 {
		id := append(r.Begin(len(kind)+len(r.Source)+len(body)+1), kind...)
		r.Identity = r.End(append(append(append(id, r.Source...), '|'), body...))
	}
}

// cefSeverity reads 0–10 or one of the words of the specification.
func cefSeverity(text []byte) int {
	switch string(text) {
	case "Low", "low":
		return 3
	case "Medium", "medium":
		return 5
	case "High", "high":
		return 8
	case "Very-High", "very-high", "Very High":
		return 10
	}
	n := 0
	for _, c := range text {
		if c-'0' > 9 || n > 10 {
			return 0
		}
		n = n*10 + int(c-'0')
	}
	return min(n, 10)
}

// cefFacts finds a fact by CEF's name of it.
var cefFacts = func() map[string]record.Key {
	m := map[string]record.Key{}
	for i, info := range record.Keys {
		if _, taken := m[info.CEF]; info.CEF != "" && !taken {
			m[info.CEF] = record.Key(i)
		}
	}
	return m
}()

// setCEF puts one pair of an extension where it belongs.
func setCEF(r *record.Record, key, value []byte) {
	switch string(key) {
	case "rt":
		if t, ok := anyTime(value); ok {
			r.Time = t
		}
	case "externalId":
		r.ID = value
	case "cat":
		r.Category = value
	case "act":
		r.Action = value
	case "outcome":
		r.Outcome = value
	case "msg":
		r.Message = value
	case "c6a2":
		setOnce(r, record.SrcIP, value)
	case "c6a3":
		setOnce(r, record.DstIP, value)
	case "dvchost":
		r.Set(record.DeviceHost, value)
		if len(r.Host) == 0 {
			r.Host = value
		}
	default:
		if k, ok := cefFacts[string(key)]; ok {
			setTyped(r, k, value)
		}
	}
}

// setTyped sets a fact when the value is of its kind.
func setTyped(r *record.Record, k record.Key, value []byte) {
	switch record.Keys[k].Kind {
	case record.FactTime:
		if t, ok := anyTime(value); ok {
			r.SetTime(k, t)
		}
	case record.FactIP:
		if kit.IsIP(value) {
			r.Set(k, value)
		}
	case record.FactNumber:
		if number(value) {
			r.Set(k, value)
		}
	default:
		r.Set(k, value)
	}
}

func setOnce(r *record.Record, k record.Key, value []byte) {
	if _, err := netip.ParseAddr(kit.Text(value)); err == nil && !r.Has(k) {
		r.Set(k, value)
	}
}

func anyTime(text []byte) (record.Time, bool) {
	if t, ok := kit.ParseEpoch(text); ok {
		return t, true
	}
	return kit.ParseTime(text)
}

// slots collects numbered slots and their labels, which come in any order.
type slots [len(record.Slots)]struct{ label, value []byte }

// take keeps the pair if it is a slot's value or label.
func (s *slots) take(key, value []byte) bool {
	if len(key) < 3 || key[0] != 'c' && key[0] != 'f' && key[0] != 'd' {
		return false
	}
	name, label := bytes.CutSuffix(key, []byte("Label"))
	for i := range record.Slots {
		if record.Slots[i].CEF == string(name) {
			if label {
				s[i].label = value
			} else {
				s[i].value = value
			}
			return true
		}
	}
	return false
}

func (s *slots) set(r *record.Record) {
	for i := range s {
		label := kit.Text(s[i].label)
		if label == "" {
			label = record.Slots[i].CEF
		}
		slot := record.Slot(i)
		if slot == record.FlexDate1 || slot == record.DeviceCustomDate1 || slot == record.DeviceCustomDate2 {
			if t, ok := anyTime(s[i].value); ok {
				r.SetSlotTime(slot, label, t)
			}
			continue
		}
		r.SetSlot(slot, label, s[i].value)
	}
}
