package generic

import (
	"bytes"
	"embed"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

//go:embed samples/json-*.txtar
var jsonSamples embed.FS

// JSON reads any JSON object. Its members are the fields; a few names that nearly every
// product uses in the same sense also become header values and facts (see topPlace and placeOf).
// Where several name the same, the first in the event wins.
var JSON = kit.Vendor{
	Name:    "json",
	Product: "any product that writes JSON",
	Doc:     "JSON objects: every member a field, the usual names also facts",
	Parse:   parseJSON,
	Detect:  detectJSON,
	Shape:   kit.Values,
	Samples: jsonSamples,
}

func parseJSON(r *record.Record, raw []byte) error {
	value := bytes.Trim(bytes.TrimPrefix(raw, record.Bytes("\uFEFF")), " \t\r\n")
	if kit.KindOf(value) == record.Map {
		if err := kit.JSONMembers(r, value); err != nil {
			return err
		}
		readMembers(r, 0)
	} else if err := kit.JSON(r, record.Bytes("value"), value); err != nil {
		return err
	}
	if len(r.Message) == 0 {
		r.Message = value
	}
	fallback(r, "JSON", "json")
	setIdentity(r, "json|", value)
	return nil
}

// fallback names what the event itself does not.
func fallback(r *record.Record, product, class string) {
	for _, f := range [...]struct {
		at   *[]byte
		text string
	}{{&r.Vendor, "Unknown"}, {&r.Product, product}, {&r.Version, "1.0"}, {&r.Class, class}} {
		if len(*f.at) == 0 {
			*f.at = record.Bytes(f.text)
		}
	}
	if len(r.Name) == 0 {
		r.Name = r.Class
	}
}

// setIdentity makes the event's identity of its source and all of its content, where it
// has an id. The id alone may be that of an incident with many events, and without one
// the same content may be another occurrence.
func setIdentity(r *record.Record, kind string, value []byte) {
	if len(r.ID) == 0 {
		return
	}
	id := append(r.Begin(len(kind)+len(r.Source)+len(value)+1), kind...)
	id = append(append(id, r.Source...), '|')
	r.Identity = r.End(kit.AppendCanonical(id, value))
}

func detectJSON(raw []byte) bool {
	raw = bytes.TrimLeft(bytes.TrimPrefix(raw, record.Bytes("\uFEFF")), " \t\r\n")
	if len(raw) == 0 || raw[0] != '{' {
		return false
	}
	end, err := kit.SkipValue(raw, 0)
	return err == nil && len(bytes.TrimLeft(raw[end:], " \t\r\n")) == 0
}

// place is what a member's value is good for.
type place uint8

const (
	nowhere place = iota
	placeTime
	placeID
	placeClass
	placeName
	placeMessage
	placeSeverity
	placeHost
	placeVendor
	placeProduct
	placeCategory
	placeAction
	placeOutcome
	placeFact // and above: a record.Key
)

func fact(k record.Key) place { return placeFact + place(k) }

// placeOf is the table of the names that stand in an object of the top level, or there
// as "object.member", which is how some products flatten them.
func placeOf(object, name []byte) place {
	switch string(object) {
	case "host":
		if string(name) == "name" || string(name) == "hostname" {
			return placeHost
		}
	case "user":
		switch string(name) {
		case "name", "email":
			return fact(record.UserName)
		case "id":
			return fact(record.UserID)
		}
	case "source", "src":
		switch string(name) {
		case "ip", "address":
			return fact(record.SrcIP)
		case "port":
			return fact(record.SrcPort)
		}
	case "destination", "dest", "dst":
		switch string(name) {
		case "ip", "address":
			return fact(record.DstIP)
		case "port":
			return fact(record.DstPort)
		}
	case "log":
		if string(name) == "level" {
			return placeSeverity
		}
	case "event":
		return eventPlace(name)
	case "file":
		if string(name) == "name" {
			return fact(record.FileName)
		}
	case "url":
		if string(name) == "full" || string(name) == "original" {
			return fact(record.URL)
		}
	}
	return nowhere
}

// topPlace is the table of the names at the top level.
func topPlace(name []byte) place {
	switch string(name) {
	case "time", "timestamp", "@timestamp", "_time", "ts", "datetime", "event_time", "eventTime":
		return placeTime
	case "id", "event_id", "eventId", "uuid":
		return placeID
	case "event_type", "eventType", "type":
		return placeClass
	case "name", "event_name", "eventName", "title":
		return placeName
	case "message", "msg":
		return placeMessage
	case "severity", "level":
		return placeSeverity
	case "host", "hostname":
		return placeHost
	case "vendor":
		return placeVendor
	case "product":
		return placeProduct
	case "category":
		return placeCategory
	case "action":
		return placeAction
	case "outcome", "result":
		return placeOutcome
	case "user", "username", "user_name", "userName":
		return fact(record.UserName)
	case "src_ip", "source_ip", "sourceIp", "srcIp", "src", "client_ip", "clientIp", "remote_addr":
		return fact(record.SrcIP)
	case "src_port", "source_port", "srcPort", "sourcePort":
		return fact(record.SrcPort)
	case "dst_ip", "dest_ip", "destination_ip", "dstIp", "destIp", "destinationIp", "dst", "dest":
		return fact(record.DstIP)
	case "dst_port", "dest_port", "destination_port", "dstPort", "destPort", "destinationPort":
		return fact(record.DstPort)
	case "file_name", "filename", "fileName":
		return fact(record.FileName)
	case "url":
		return fact(record.URL)
	case "reason":
		return fact(record.Reason)
	}
	if i := bytes.IndexByte(name, '.'); i > 0 {
		return placeOf(name[:i], name[i+1:])
	}
	return nowhere
}

func eventPlace(name []byte) place {
	switch string(name) {
	case "id":
		return placeID
	case "action":
		return placeAction
	case "outcome":
		return placeOutcome
	case "category":
		return placeCategory
	case "code":
		return placeClass
	}
	return nowhere
}

// readMembers fills the record from the top-level fields from on, and the members of
// the objects among them.
func readMembers(r *record.Record, from int) {
	n := len(r.Fields)
	for i := from; i < n; i += 1 + int(r.Fields[i].Size) {
		f := r.Fields[i]
		if f.Kind != record.Map {
			setPlace(r, topPlace(f.Name), &f)
			continue
		}
		for j := i + 1; j <= i+int(f.Size); j += 1 + int(r.Fields[j].Size) {
			m := r.Fields[j]
			setPlace(r, placeOf(f.Name, m.Name), &m)
		}
	}
}

func setPlace(r *record.Record, p place, f *record.Field) {
	if len(f.Text) == 0 {
		return
	}
	first := func(at *[]byte) {
		if len(*at) == 0 {
			*at = f.Text
		}
	}
	switch p {
	case nowhere:
	case placeTime:
		if r.Time.IsZero() {
			r.Time = timeOf(r, f)
		}
	case placeID:
		first(&r.ID)
	case placeClass:
		first(&r.Class)
	case placeName:
		first(&r.Name)
	case placeMessage:
		first(&r.Message)
	case placeSeverity:
		if r.Severity == 0 {
			r.Severity = severityOf(f)
		}
	case placeHost:
		first(&r.Host)
	case placeVendor:
		first(&r.Vendor)
	case placeProduct:
		first(&r.Product)
	case placeCategory:
		first(&r.Category)
	case placeAction:
		first(&r.Action)
	case placeOutcome:
		first(&r.Outcome)
	default:
		setFact(r, record.Key(p-placeFact), f)
	}
}

// setFact sets a fact that is not set yet to a value of its kind.
func setFact(r *record.Record, k record.Key, f *record.Field) {
	if r.Has(k) {
		return
	}
	switch record.Keys[k].Kind {
	case record.FactIP:
		if !kit.IsIP(f.Text) {
			return
		}
	case record.FactNumber:
		for _, c := range f.Text {
			if c-'0' > 9 {
				return
			}
		}
	}
	r.Set(k, f.Text)
}

// century is 2000-01-01T00:00:00Z; numbers that would be earlier are no times.
const century = 946684800 * 1e9

// timeOf reads a time: a number of seconds, milliseconds or nanoseconds since 1970, or
// a date. A date without a zone is in the source's.
func timeOf(r *record.Record, f *record.Field) record.Time {
	if f.Kind != record.Number && f.Kind != record.String {
		return record.Time{}
	}
	if t, ok := kit.ParseEpoch(f.Text); ok {
		if t.Nanos < century {
			return record.Time{}
		}
		return t
	}
	t, zone, ok := kit.ParseTimeZone(f.Text)
	if !ok {
		return record.Time{}
	}
	if zone == kit.ZoneNone {
		t = kit.InZone(t, r.Zone, r.Received)
	}
	return t
}

// severityOf reads a word, or a number from 0 to 10 under a name that says severity. A
// level as a number counts differently everywhere.
func severityOf(f *record.Field) int {
	if f.Kind == record.Number || f.Text[0]-'0' <= 9 {
		if string(f.Name) == "severity" && len(f.Text) <= 2 {
			n := 0
			for _, c := range f.Text {
				if c-'0' > 9 {
					return 0
				}
				n = 10*n + int(c-'0')
			}
			if n <= 10 {
				return n
			}
		}
		return 0
	}
	var buf [16]byte
	if len(f.Text) > len(buf) {
		return 0
	}
	word := append(buf[:0], f.Text...)
	for i, c := range word {
		if c-'A' <= 'Z'-'A' {
			word[i] = c | 0x20
		}
	}
	switch string(word) {
	case "emergency", "emerg", "panic", "alert":
		return 10
	case "critical", "crit", "fatal":
		return 9
	case "error", "err", "high", "severe":
		return 8
	case "warning", "warn", "medium", "moderate":
		return 5
	case "notice", "low":
		return 3
	case "informational", "information", "info":
		return 1
	}
	return 0
}
