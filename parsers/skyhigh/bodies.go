package skyhigh

import (
	"bytes"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// cef reads a CEF body. The incident's group is Name and class id, "Alert.Policy" and
// "Dlp"; numbered slots stand under what their labels say.
func (in *incident) cef(body []byte) bool {
	r := in.r
	h := kit.ReadCEF(r, body)
	if h.Fields < 7 {
		return false
	}
	in.severity = grade(h.Severity)
	in.header(h.Vendor, h.Product, h.DeviceVersion)
	if isAudit(h.Product) || isAudit(h.DeviceVersion) || number(h.Class) {
		in.audit = true
		r.Class, r.Name, r.Category = h.Class, h.Name, record.Bytes("Dashboard Audit Logs")
	} else if len(h.Name) > 0 && len(h.Class) > 0 {
		group := append(append(r.Begin(len(h.Name)+len(h.Class)+1), h.Name...), '.')
		for _, c := range h.Class {
			if c > ' ' {
				group = append(group, c)
			}
		}
		in.add(incidentGroup, nil, r.End(group), true, true)
	}
	var labels labels
	for x := (kit.Extension{Rest: h.Extension}); x.Next(); {
		value := x.Text(r)
		if slot, label := slotOf(x.Key); slot > 0 {
			if label {
				labels.name(in, slot, x.Key, value)
			} else {
				labels.value(in, slot, x.Key, value)
			}
			continue
		}
		in.add(cefKey(x.Key), x.Key, value, false, bytes.IndexByte(value, '"') >= 0)
	}
	labels.rest(in)
	if in.audit {
		r.Message = in.text(description)
		r.Set(record.UserName, in.text(userInfoEmail))
	}
	return true
}

// leef reads a LEEF body, in whose values <caret>, <pipe> and <tab> stand for the
// separators.
func (in *incident) leef(body []byte) bool {
	r := in.r
	h := kit.ReadLEEF(body)
	if h.Fields < 5 {
		return false
	}
	in.header(h.Vendor, h.Product, h.DeviceVersion)
	for a := h.All(); a.Next(); {
		value := kit.LEEFText(r, a.Value)
		k := leefKey(a.Key)
		if k == sev {
			in.severity = grade(value)
		}
		in.add(k, a.Key, value, false, len(value) != len(a.Value) || bytes.IndexByte(value, '"') >= 0)
	}
	return true
}

// header keeps what a CEF or LEEF header says of the device.
func (in *incident) header(vendor, product, version []byte) {
	kit.AddText(in.r, record.Bytes("deviceVendor"), vendor)
	kit.AddText(in.r, record.Bytes("deviceProduct"), product)
	kit.AddText(in.r, record.Bytes("deviceVersion"), version)
}

func isAudit(v []byte) bool { return bytes.HasPrefix(v, []byte("Dashboard Audit Logs")) }

func number(v []byte) bool { return len(v) > 0 && positive(v) }

// grade reads a header's severity from 1 to 10; 0 is anything else.
func grade(v []byte) int {
	n, ok := score(v)
	if !ok {
		return 0
	}
	return n
}

// cefKey finds the key of one of CEF's own names, or any spelling.
func cefKey(name []byte) key {
	switch string(name) {
	case "start":
		return timeCreated
	case "end":
		return timeModified
	case "suser":
		return actorID
	case "dhost":
		return destinationHost
	case "fname":
		return contentItemName
	}
	return key(known(name))
}

// leefKey finds the key of one of LEEF's own names, or any spelling. The vendor writes
// a host's name into dst.
func leefKey(name []byte) key {
	switch string(name) {
	case "cat":
		return incidentGroup
	case "devTime":
		return timeCreated
	case "dst":
		return destinationHost
	}
	return key(known(name))
}

// slotOf returns 1 to 8 for cs1 to cs6, flexString1 and flexString2, and whether name
// is the one of the slot's label; 0 for other names.
func slotOf(name []byte) (slot int, label bool) {
	if bytes.HasSuffix(name, []byte("Label")) {
		name, label = name[:len(name)-len("Label")], true
	}
	switch {
	case len(name) == 3 && name[0] == 'c' && name[1] == 's' && name[2]-'1' < 6:
		return int(name[2] - '0'), label
	case len(name) == 11 && string(name[:10]) == "flexString" && name[10]-'1' < 2:
		return 6 + int(name[10]-'0'), label
	}
	return 0, false
}

// labels brings slots and their labels together, in whatever order they come.
type labels [9]struct{ key, value, labelKey, label []byte }

func (l *labels) value(in *incident, slot int, name, value []byte) {
	s := &l[slot]
	if s.key != nil {
		in.add(otherKey, name, value, false, true)
		return
	}
	if s.key, s.value = name, value; s.labelKey != nil {
		l.add(in, slot)
	}
}

func (l *labels) name(in *incident, slot int, name, label []byte) {
	s := &l[slot]
	if s.labelKey != nil {
		in.add(otherKey, name, label, true, true)
		return
	}
	if s.labelKey, s.label = name, label; s.key != nil {
		l.add(in, slot)
	}
}

// rest adds what came alone.
func (l *labels) rest(in *incident) {
	for i := range l {
		switch s := &l[i]; {
		case s.key != nil && s.labelKey == nil:
			in.add(otherKey, s.key, s.value, false, true)
		case s.key == nil && s.labelKey != nil:
			in.add(otherKey, s.labelKey, s.label, true, true)
		}
	}
}

// add adds a slot's value under the key its label means; with any other label under
// the slot's own name, with the label beside it.
func (l *labels) add(in *incident, slot int) {
	s := &l[slot]
	if k := labelKey(s.label); k != otherKey {
		in.add(k, nil, s.value, false, true)
		return
	}
	in.add(otherKey, s.key, s.value, false, true)
	in.add(otherKey, s.labelKey, s.label, true, true)
}

func labelKey(label []byte) key {
	switch string(label) {
	case "Responses", "Response":
		return responses
	case "Activity", "Activities":
		return activityNames
	case "Source IPs", "SourceIPs", "sourceIPs":
		return sourceIPs
	case "Services":
		return serviceNames
	}
	return key(known(label))
}

// api reads an object of the Incidents API. The keys of information, which is an
// object or a list of {key, value}, stand beside the others.
func (in *incident) api(body []byte) bool {
	n := 0
	m := kit.Members(body)
	for ; m.Next(); n++ {
		if !m.Is("information") {
			in.member(m.DecodedName(in.r), m.Value)
			continue
		}
		switch kit.KindOf(m.Value) {
		case record.Map:
			for i := kit.Members(m.Value); i.Next(); {
				in.member(i.DecodedName(in.r), i.Value)
			}
		case record.List:
			in.pairList(m.Value)
		default:
			in.member(m.Name, m.Value)
		}
	}
	return n > 0 && m.Err() == nil
}

// pairList adds the information that came as a list. An item that is not {key, value}
// is kept in information.
func (in *incident) pairList(list []byte) {
	for i := kit.Items(list); i.Next(); {
		name, ok := kit.Find(i.Value, "key")
		value, also := kit.Find(i.Value, "value")
		if !ok || !also || kit.KindOf(name) != record.String {
			in.member(record.Bytes("information"), i.Value)
			continue
		}
		in.member(kit.Unquote(in.r, name), value)
	}
}

// member adds one member as it is typed, but for what stands for null, times, and
// identifiers.
func (in *incident) member(name, value []byte) {
	r := in.r
	k := key(known(name))
	if k != otherKey {
		name = record.Bytes(keyNames[k])
	} else {
		name = canonical(r, name)
	}
	n := len(r.Fields)
	if kit.JSON(r, name, value) != nil {
		return
	}
	if f := &r.Fields[n]; f.Kind == record.String {
		switch text := f.Text; {
		case len(text) == 0:
		case isNull(text):
			f.Kind, f.Text = record.Null, nil
		case identifiers[k]:
			f.Text = in.withoutSpace(text)
		case len(text) >= 19 && (text[3] == ' ' || text[4] == '-'):
			if t, ok := in.moment(k, name, text); ok {
				f.Text, f.Plain = kit.TimeText(r, t), kit.Plain(name)
			}
		}
	}
	in.place(k, n)
}
