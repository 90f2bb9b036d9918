package generic

import (
	"bytes"
	"strings"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// cefKind is what a key of the extension is to the record.
type cefKind uint8

const (
	cefFact cefKind = iota
	cefSlot
	cefLabel
	cefTime // rt
	cefID
	cefAction
	cefOutcome
	cefCategory
	cefMessage
	cefNumber // typed, without a place of its own
	cefDate
)

type placeIn struct {
	kind cefKind
	key  record.Key
	slot record.Slot
}

// cefPlaces is what the record's own tables say of CEF keys, and the header values.
var cefPlaces = func() kit.Words[placeIn] {
	places := map[string]placeIn{
		"rt": {kind: cefTime}, "externalId": {kind: cefID}, "act": {kind: cefAction}, "outcome": {kind: cefOutcome},
		"cat": {kind: cefCategory}, "msg": {kind: cefMessage},
		"c6a2": {key: record.SrcIP}, "c6a3": {key: record.DstIP},
	}
	for _, name := range strings.Fields("destinationTranslatedPort deviceDirection dvcpid oldFileSize reportedDuration sourceTranslatedPort type") {
		places[name] = placeIn{kind: cefNumber}
	}
	for _, name := range strings.Fields("fileCreateTime fileModificationTime oldFileCreateTime oldFileModificationTime art mrt") {
		places[name] = placeIn{kind: cefDate}
	}
	for k := range record.Keys { // of two facts with one key the first
		if name := record.Keys[k].CEF; name != "" {
			if _, taken := places[name]; !taken {
				places[name] = placeIn{key: record.Key(k)}
			}
		}
	}
	for s := range record.Slots {
		places[record.Slots[s].CEF] = placeIn{kind: cefSlot, slot: record.Slot(s)}
		places[record.Slots[s].Label] = placeIn{kind: cefLabel, slot: record.Slot(s)}
	}
	return kit.NewWords(places)
}()

// places puts the pairs of a CEF or LEEF event where they belong. Of a key that comes
// twice the first counts.
type places struct {
	r      *record.Record
	of     *kit.Words[placeIn]
	names  kit.Names
	rt     record.Time
	labels [len(record.Slots)]string
}

// text adds one value of the header.
func (p *places) text(name string, value []byte) {
	n := len(p.r.Fields)
	kit.AddText(p.r, record.Bytes(name), value)
	p.added(n)
}

// loose keeps text that is in no pair.
func (p *places) loose(text []byte) {
	if len(text) > 0 {
		p.r.Warn("unparsed_text", nil)
		p.text("_unparsed", text)
	}
}

// added gives the field that was appended as r.Fields[n] another name when its own is
// taken.
func (p *places) added(n int) {
	if p.names.Seen(p.r, 0, n) >= 0 {
		p.r.Warn("duplicate_key", p.r.Fields[n].Name)
		p.names.Rename(p.r, 0, n)
	}
}

// add adds one pair.
func (p *places) add(key, value []byte) {
	r := p.r
	n := len(r.Fields)
	place, ok := p.of.Find(key)
	if !ok || len(value) == 0 {
		kit.AddText(r, key, value)
		p.added(n)
		return
	}
	switch place.kind {
	case cefFact:
		p.fact(place.key, key, value)
	case cefSlot:
		p.slot(place.slot, key, value)
	case cefLabel:
		kit.AddText(r, key, value)
		if p.labels[place.slot] == "" {
			p.labels[place.slot] = kit.Text(value)
		}
	case cefTime:
		if t := p.date(key, value); p.rt.IsZero() {
			p.rt = t
		}
	case cefDate:
		p.date(key, value)
	case cefNumber:
		p.number(key, value)
	default:
		kit.AddText(r, key, value)
		if at := headerValue(r, place.kind); len(*at) == 0 {
			*at = value
		}
	}
	p.added(n)
}

func headerValue(r *record.Record, kind cefKind) *[]byte {
	switch kind {
	case cefID:
		return &r.ID
	case cefAction:
		return &r.Action
	case cefOutcome:
		return &r.Outcome
	case cefCategory:
		return &r.Category
	}
	return &r.Message
}

func (p *places) fact(k record.Key, key, value []byte) {
	r := p.r
	switch record.Keys[k].Kind {
	case record.FactTime:
		if t := p.date(key, value); !r.Has(k) {
			r.SetTime(k, t)
		}
		return
	case record.FactNumber:
		if p.number(key, value) && !r.Has(k) {
			r.Set(k, value)
		}
		return
	case record.FactIP:
		kit.AddText(r, key, value)
		if !looksLikeIP(value) {
			// The name of a host in the place of its address.
			if k = hostOf(k); r.Has(k) || record.Keys[k].Kind == record.FactIP {
				return
			}
		}
	default:
		kit.AddText(r, key, value)
	}
	if !r.Has(k) {
		r.Set(k, value)
	}
	if k == record.DeviceHost && len(r.Host) == 0 {
		r.Host = value
	}
}

func hostOf(k record.Key) record.Key {
	switch k {
	case record.SrcIP:
		return record.SrcHost
	case record.DstIP:
		return record.DstHost
	case record.DeviceIP:
		return record.DeviceHost
	}
	return k
}

// looksLikeIP is kit.IsIP without its cost for what cannot be one.
func looksLikeIP(text []byte) bool {
	for _, c := range text {
		if c-'0' > 9 && c|0x20-'a' > 'f'-'a' && c != '.' && c != ':' {
			return false
		}
	}
	return kit.IsIP(text)
}

// slot adds a value of one of the custom slots; its label may come before or later.
func (p *places) slot(s record.Slot, key, value []byte) {
	r := p.r
	switch s {
	case record.FlexDate1, record.DeviceCustomDate1, record.DeviceCustomDate2:
		if t := p.date(key, value); !r.HasSlot(s) {
			r.SetSlotTime(s, "", t)
		}
		return
	case record.CN1, record.CN2, record.CN3, record.FlexNumber1, record.FlexNumber2,
		record.CFP1, record.CFP2, record.CFP3, record.CFP4:
		p.number(key, value)
	default:
		kit.AddText(r, key, value)
	}
	if !r.HasSlot(s) {
		r.SetSlot(s, "", value)
	}
}

// date adds a value that is to be a time, and returns it.
func (p *places) date(key, value []byte) record.Time {
	t, ok := kit.ParseAny(value, p.r.Received, p.r.Zone)
	if !ok {
		p.r.Warn("time", key)
		kit.AddText(p.r, key, value)
		return record.Time{}
	}
	kit.AddTime(p.r, key, t)
	return t
}

// number adds a value that is to be a number, and reports whether it is an integer.
func (p *places) number(key, value []byte) bool {
	if kit.BareKind(value) != record.Number {
		kit.AddText(p.r, key, value)
		return false
	}
	p.r.AddPlain(key, record.Number, value)
	return bytes.IndexByte(value, '.') < 0
}

// finish labels the slots and finds the event's time. A slot without a label goes by
// its own name.
func (p *places) finish(header record.Time) {
	r := p.r
	for s, ok := r.NextSlot(0); ok; s, ok = r.NextSlot(s + 1) {
		label := p.labels[s]
		if label == "" {
			label = record.Slots[s].CEF
		}
		if _, text, t := r.GetSlot(s); len(text) > 0 {
			r.SetSlot(s, label, text)
		} else {
			r.SetSlotTime(s, label, t)
		}
	}
	for _, t := range [...]record.Time{p.rt, r.GetTime(record.End), r.GetTime(record.Start), header} {
		if !t.IsZero() {
			r.Time = t
			return
		}
	}
}
