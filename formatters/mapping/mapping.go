// Package mapping lets a sink's configuration say what stands under the keys of a format:
// its `map:`. Each key gets the value a record has under a path, or the same text in
// every event; a value that an event does not have leaves the key out.
package mapping

import (
	"slices"
	"strings"
	"unicode"
	"unsafe"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/forwarder/when"
)

// Most is how many keys one map may have.
const Most = 32

// Plan is a map made ready. It may be used by any number of goroutines, each with a
// record of its own.
type Plan struct {
	entries []entry
	extras  int
}

// entry is one key.
type entry struct {
	key    string
	value  value
	label  value          // of slots
	places []record.Place // the first takes the value, the others are emptied; none: an extra
	time   bool           // the place holds a time
}

// value is what stands under a key: a text, or what a path leads to.
type value struct {
	path *when.Path
	text string
}

func (v *value) of(r *record.Record) []byte {
	if v.path != nil {
		return v.path.Text(r)
	}
	return record.Bytes(v.text)
}

// Format is what a map's keys are those of.
type Format uint8

// The formats with keys.
const (
	CEF Format = iota
	LEEF
)

// New makes a map ready; one with errors among its Problems is not for it. Keys come
// in the order of their names.
func New(format Format, keys map[string]string) (*Plan, error) {
	p := &Plan{}
	names := make([]string, 0, len(keys))
	for k := range keys {
		names = append(names, k)
	}
	slices.Sort(names)
	for _, k := range names {
		slot, labels := strings.CutSuffix(k, "Label")
		if _, ok := slotOf(format, slot); ok && labels {
			continue // with its slot
		}
		v, err := parse(keys[k])
		if err != nil {
			return nil, err
		}
		e := entry{key: k, value: v}
		e.places, e.time = placesOf(format, k)
		if _, ok := slotOf(format, k); ok {
			if e.label = (value{text: labelFor(k, v)}); keys[k+"Label"] != "" {
				if e.label, err = parseLabel(keys[k+"Label"]); err != nil {
					return nil, err
				}
			}
		}
		if len(e.places) == 0 {
			p.extras++
		}
		p.entries = append(p.entries, e)
	}
	return p, nil
}

// Swap holds what a Plan replaced, until Restore.
type Swap struct{ old [2 * Most]record.Value }

// Apply puts the map's values into r. Every value is taken from the record as it was.
func (p *Plan) Apply(r *record.Record, s *Swap) {
	var set [Most]record.Value
	for i := range p.entries {
		e := &p.entries[i]
		if e.time {
			set[i].Time = e.at(r)
		} else {
			set[i].Text = e.value.of(r)
		}
		if label := e.label.of(r); len(label) > 0 {
			set[i].Label = unsafe.String(unsafe.SliceData(label), len(label))
		}
	}
	n := 0
	for i := range p.entries {
		e := &p.entries[i]
		for j, place := range e.places {
			v := set[i]
			if j > 0 {
				v = record.Value{}
			}
			s.old[n] = r.Swap(place, v)
			n++
		}
		if len(e.places) == 0 && len(set[i].Text) > 0 {
			r.Extras = append(r.Extras, record.Extra{Key: e.key, Value: set[i].Text})
		}
	}
}

// at is the value as a time.
func (e *entry) at(r *record.Record) record.Time {
	if e.value.path == nil {
		return record.Time{}
	}
	return e.value.path.Time(r)
}

// Restore puts back what Apply replaced.
func (p *Plan) Restore(r *record.Record, s *Swap) {
	n := 0
	for i := range p.entries {
		n += len(p.entries[i].places)
	}
	for i := len(p.entries) - 1; i >= 0; i-- {
		places := p.entries[i].places
		for j := len(places) - 1; j >= 0; j-- {
			n--
			r.Swap(places[j], s.old[n])
		}
	}
	r.Extras = r.Extras[:0]
}

// parse reads a value: text in quotes, a path, or text that cannot be one.
func parse(s string) (value, error) {
	if text, ok := quoted(s); ok {
		return value{text: text}, nil
	}
	p, err := when.ParsePath(s)
	switch {
	case err == nil:
		return value{path: p}, nil
	case pathLike(s):
		return value{}, err
	}
	return value{text: s}, nil
}

// parseLabel reads a label: a text, unless it is a path to the vendor's fields.
func parseLabel(s string) (value, error) {
	if strings.HasPrefix(s, "fields.") {
		return parse(s)
	}
	if text, ok := quoted(s); ok {
		s = text
	}
	return value{text: s}, nil
}

// quoted takes the quotes off a text that has them at both ends.
func quoted(s string) (string, bool) {
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1], true
	}
	return s, false
}

// pathLike reports whether somebody who wrote s may have meant a path: names in small
// letters, or names joined by dots.
func pathLike(s string) bool {
	if strings.HasPrefix(s, "fields.") {
		return true
	}
	parts := strings.Split(s, ".")
	for _, part := range parts {
		if part == "" || part[0]-'0' <= 9 {
			return false
		}
		for _, c := range part {
			if c != '_' && c > 0x7f || !unicode.IsLetter(c) && !unicode.IsDigit(c) && c != '_' || len(parts) == 1 && unicode.IsUpper(c) {
				return false
			}
		}
	}
	return true
}

// labelFor makes a label of what a slot shows: PolicyName for policy.name.
func labelFor(key string, v value) string {
	if v.path == nil {
		return key
	}
	var b strings.Builder
	for _, part := range strings.FieldsFunc(strings.TrimPrefix(v.path.String(), "fields."), func(c rune) bool {
		return c > 0x7f || !unicode.IsLetter(c) && !unicode.IsDigit(c)
	}) {
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	if b.Len() == 0 {
		return key
	}
	return b.String()
}

// slotOf finds the slot of a key.
func slotOf(format Format, key string) (record.Slot, bool) {
	if format != CEF {
		return 0, false
	}
	for s := range record.Slots {
		if record.Slots[s].CEF == key {
			return record.Slot(s), true
		}
	}
	return 0, false
}

// own are the places of keys that are no fact's.
var own = [...]map[string][]record.Place{
	CEF: {
		"rt": {record.PlaceTime}, "externalId": {record.PlaceID}, "act": {record.PlaceAction}, "outcome": {record.PlaceOutcome},
		"cat": {record.PlaceCategory}, "msg": {record.PlaceMessage},
		"dvchost":        {record.PlaceOf(record.DeviceHost), record.PlaceHost},
		"start":          {record.PlaceOf(record.Start), record.PlaceOf(record.ObjectCreated)},
		"threatAttackID": {record.PlaceOf(record.ThreatTechnique)}, "reportedResourceID": {record.PlaceOf(record.ObjectID)},
		"reportedResourceName": {record.PlaceOf(record.ObjectName)}, "reportedResourceType": {record.PlaceOf(record.ObjectType)},
	},
	LEEF: {
		"devTime": {record.PlaceTime}, "externalId": {record.PlaceID}, "action": {record.PlaceAction}, "outcome": {record.PlaceOutcome},
		"cat": {record.PlaceCategory}, "msg": {record.PlaceMessage}, "eventName": {record.PlaceName},
		"deviceHost": {record.PlaceOf(record.DeviceHost), record.PlaceHost},
	},
}

// placesOf finds where a record holds what stands under a key.
func placesOf(format Format, key string) (places []record.Place, time bool) {
	if s, ok := slotOf(format, key); ok {
		return []record.Place{record.PlaceOfSlot(s)}, s >= record.FlexDate1
	}
	if p, ok := own[format][key]; ok {
		return p, p[0] == record.PlaceTime || key == "start"
	}
	for k := range record.Key(len(record.Keys)) {
		info := &record.Keys[k]
		if name := [...]string{CEF: info.CEF, LEEF: info.LEEF}[format]; name == key {
			return []record.Place{record.PlaceOf(k)}, info.Kind == record.FactTime
		}
	}
	return nil, false
}
