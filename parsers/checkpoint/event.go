package checkpoint

import (
	"bytes"
	"strconv"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// event is one event being read into a record. Texts are nil where the event has none;
// those of enumerations are as word makes them.
type event struct {
	r *record.Record

	id, customer, misspelt   []byte // misspelt: the customer under its other name
	saas, entity, link, hash []byte
	state, kind, confidence  []byte
	level                    []byte // severity
	created                  record.Time
	description, data        []byte
	sender, recipient        []byte // of senderAddress and recipients
	at                       struct{ misspelt, actions, available int }

	actions actions
	found   finding // what data and description say
	version []byte  // changes when the event does
}

func (e *event) read(r *record.Record, raw []byte) error {
	if err := kit.JSONMembers(r, raw); err != nil {
		return err
	}
	e.r = r
	e.at.misspelt, e.at.actions, e.at.available = -1, -1, -1
	e.members()
	if len(e.customer) == 0 && e.at.misspelt >= 0 {
		e.customer = e.misspelt
		r.Fields[e.at.misspelt].Name = record.Bytes("customerId")
	}
	if e.at.actions >= 0 {
		e.actions.read(r, e.at.actions)
	}
	e.find()
	e.header()
	e.facts()
	e.identify(raw)
	e.found.addFields(r)
	return nil
}

// members finds the documented members at the top level; of those with one name the
// first counts.
func (e *event) members() {
	r := e.r
	for i := 0; i < len(r.Fields); i += 1 + int(r.Fields[i].Size) {
		switch string(r.Fields[i].Name) {
		case "eventId":
			if e.id == nil {
				e.id = e.scalar(i)
			}
		case "customerId":
			e.text(i, &e.customer)
		case "cusomerId": // as the vendor's own description of the structure has it
			e.at.misspelt = i
			e.text(i, &e.misspelt)
		case "saas":
			e.text(i, &e.saas)
		case "entityId":
			e.text(i, &e.entity)
		case "entityLink":
			e.text(i, &e.link)
		case "attachmentMd5":
			e.text(i, &e.hash)
		case "state":
			e.word(i, &e.state)
		case "type":
			e.word(i, &e.kind)
		case "confidenceIndicator":
			e.text(i, &e.confidence)
		case "severity":
			if e.level == nil {
				e.level = wordOf(r, e.scalar(i))
			}
		case "description":
			e.text(i, &e.description)
		case "data":
			if r.Fields[i].Kind != record.Map {
				e.text(i, &e.data)
			}
		case "senderAddress":
			e.text(i, &e.sender)
		case "recipients":
			e.firstOf(i, &e.recipient)
		case "eventCreated":
			if e.created.IsZero() {
				e.created = timeOf(r, i)
			}
		case "actions":
			e.list(i, &e.at.actions)
		case "availableEventActions":
			e.list(i, &e.at.available)
		}
	}
}

// scalar is the text of a string, a number or a bool. What else stands in its place
// stays a field, and is noted.
func (e *event) scalar(i int) []byte {
	f := &e.r.Fields[i]
	if f.Kind == record.List || f.Kind == record.Map {
		e.r.Warn("wrong_type", f.Name)
	}
	if len(f.Text) == 0 {
		return nil
	}
	return f.Text
}

// text is scalar for what should be a string.
func (e *event) text(i int, to *[]byte) {
	if f := &e.r.Fields[i]; f.Kind == record.Number || f.Kind == record.Bool {
		e.r.Warn("wrong_type", f.Name)
	}
	if text := e.scalar(i); *to == nil {
		*to = text
	}
}

// word is text for enumerations, which the vendor prints as "Suspicious malware" and
// sends as "suspicious_malware".
func (e *event) word(i int, to *[]byte) {
	before := *to
	if e.text(i, to); before == nil && *to != nil {
		*to = wordOf(e.r, *to)
	}
}

// wordOf is text with letters in lower case and underscores for spaces.
func wordOf(r *record.Record, text []byte) []byte {
	text = bytes.TrimSpace(text)
	for _, c := range text {
		if c == ' ' || c-'A' <= 'Z'-'A' {
			return r.End(appendWord(r.Begin(len(text)), text))
		}
	}
	return text
}

func appendWord[T string | []byte](dst []byte, text T) []byte {
	for i := range len(text) {
		c := text[i]
		switch {
		case c == ' ':
			c = '_'
		case c-'A' <= 'Z'-'A':
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return dst
}

// firstOf takes a text, or the first text of a list.
func (e *event) firstOf(i int, to *[]byte) {
	r := e.r
	if f := &r.Fields[i]; f.Kind == record.List && f.Size > 0 {
		i++
	}
	if f := &r.Fields[i]; f.Kind == record.String && *to == nil && len(f.Text) > 0 {
		*to = f.Text
	}
}

// list takes a list, or one object in the place of a list.
func (e *event) list(i int, to *int) {
	switch f := &e.r.Fields[i]; f.Kind {
	case record.Null:
		return
	case record.List:
	default:
		e.r.Warn("wrong_type", f.Name)
		if f.Kind != record.Map {
			return
		}
	}
	if *to < 0 {
		*to = i
	}
}

// timeOf reads field i as a time and rewrites it as RFC 3339 in UTC. A time without
// zone is UTC. What is no time is noted.
func timeOf(r *record.Record, i int) record.Time {
	f := &r.Fields[i]
	if f.Kind == record.Null || f.Kind == record.String && len(f.Text) == 0 {
		return record.Time{}
	}
	var t record.Time
	ok := false
	if f.Kind == record.String {
		t, ok = kit.ParseTime(f.Text)
	}
	if !ok && (f.Kind == record.String || f.Kind == record.Number) {
		t, ok = kit.ParseEpoch(f.Text)
	}
	if !ok {
		r.Warn("time", f.Name)
		return record.Time{}
	}
	f.Kind, f.Text, f.Plain = record.String, kit.TimeText(r, t), true
	return t
}

// header sets the record's header values.
func (e *event) header() {
	r := e.r
	r.Vendor, r.Product, r.Version = record.Bytes("Check Point"), record.Bytes("Harmony Email and Collaboration"), record.Bytes("1.0")
	r.ID, r.Time = e.id, e.created
	r.Class, r.Category = e.kind, e.kind
	r.Name = title(r, e.kind)
	if len(e.kind) == 0 {
		r.Warn("missing_type", nil)
	}
	r.Severity = e.severity()
	r.Outcome = e.state
	if r.Action = e.actions.last(); len(r.Action) == 0 {
		r.Action = e.state
	}
	switch {
	case len(e.description) > 0:
		r.Message = e.description
	case len(e.found.text) > 0:
		r.Message = e.found.text
	default:
		r.Message = e.summary()
	}
}

// summary is the message of an event that has none.
func (e *event) summary() []byte {
	b := append(e.r.Begin(len(e.kind)+len(e.saas)+len(" event in ")), e.kind...)
	if len(b) > 0 {
		b = append(b, ' ')
	}
	b = append(b, "event"...)
	if len(e.saas) > 0 {
		b = append(append(b, " in "...), e.saas...)
	}
	return e.r.End(b)
}

// title is a type for people: its words with a capital each, 128 octets at most.
func title(r *record.Record, kind []byte) []byte {
	if len(kind) == 0 {
		return record.Bytes("Security Event")
	}
	kind = kind[:min(len(kind), 128)]
	b := r.Begin(len(kind))
	start := true
	for _, c := range kind {
		switch {
		case c == '_':
			c = ' '
		case start && c-'a' <= 'z'-'a':
			c -= 'a' - 'A'
		}
		b = append(b, c)
		start = c == ' '
	}
	return r.End(b)
}

// severity is on the scale of 1 to 5, as a digit or a word.
func (e *event) severity() int {
	switch string(e.level) {
	case "1", "lowest", "very_low":
		return 2
	case "2", "low":
		return 3
	case "3", "medium":
		return 5
	case "4", "high":
		return 8
	case "5", "highest", "critical":
		return 10
	}
	e.r.Warn("unknown_severity", e.level)
	return 5
}

// identify sets what makes the event this event in this state: whatever of it changes
// makes an update of it.
func (e *event) identify(raw []byte) {
	const vendor = "checkpoint|"
	r := e.r
	if len(e.id) == 0 {
		r.Warn("missing_id", nil)
		r.Identity = r.End(kit.AppendCanonical(append(r.Begin(len(vendor)+len(raw)), vendor...), raw))
		return
	}
	b := append(r.Begin(128+len(e.id)+len(e.state)+len(e.kind)+len(e.confidence)), vendor...)
	b = append(append(b, e.id...), '|')
	version := len(b)
	b = append(append(b, e.state...), '|')
	b = append(strconv.AppendInt(b, int64(r.Severity), 10), '|')
	b = append(append(b, e.kind...), '|')
	b = append(append(b, e.confidence...), '|')
	b = append(strconv.AppendInt(b, int64(e.actions.count), 10), '|')
	if t := e.actions.time; !t.IsZero() {
		b = t.Append(b, 9)
	}
	r.Identity = r.End(b)
	e.version = r.Identity[version:]
}
