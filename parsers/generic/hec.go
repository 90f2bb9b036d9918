package generic

import (
	"bytes"
	"embed"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

//go:embed samples/hec-*.txtar
var hecSamples embed.FS

// HEC reads the envelopes that Splunk's HTTP Event Collector takes,
//
//	{"time": 1767607200.123, "host": "…", "source": "…", "sourcetype": "…", "index": "…", "event": …, "fields": {…}}
//
// An envelope that one of others recognises is read as that vendor's; only vendors with
// a Hook are asked, whose deliveries may have this shape. Of any other, an event that
// is an object is read as vendor json reads it; the envelope's own members stand behind
// the event's among the fields.
func HEC(others ...kit.Vendor) kit.Vendor {
	others = slices.DeleteFunc(slices.Clone(others), func(v kit.Vendor) bool { return v.Hook == nil || v.Detect == nil })
	hook := hecHook
	hook.Ways = hecWays()
	hook.Read = func(body []byte, add func(data []byte, key event.Key)) *kit.Answer {
		return readHEC("", body, others, add)
	}
	hook.ReadQuery = func(query string, body []byte, add func(data []byte, key event.Key)) *kit.Answer {
		return readHEC(query, body, others, add)
	}
	return kit.Vendor{
		Name:    "hec",
		Product: "anything that sends to a Splunk HTTP Event Collector",
		Doc:     "Splunk HEC envelopes: text or JSON events with time, host, source and index",
		Parse: func(r *record.Record, raw []byte) error {
			if o := recognise(others, raw); o != nil {
				return o.Parse(r, raw)
			}
			return parseHEC(r, raw)
		},
		Detect:  detectHEC,
		Shape:   kit.Body,
		Samples: hecSamples,
		Hook:    &hook,
		Options: &hecOptions,
	}
}

// recognise returns the vendor whose envelope it is, or nil.
func recognise(others []kit.Vendor, envelope []byte) *kit.Vendor {
	for i := range others {
		if o := &others[i]; o.Detect(envelope) {
			return o
		}
	}
	return nil
}

// keyOf is the key that the vendor of an envelope gives its deliveries.
func keyOf(o *kit.Vendor, envelope []byte) (key event.Key) {
	if o.Hook.Read != nil {
		o.Hook.Read(envelope, func(_ []byte, k event.Key) { key = k })
	}
	return key
}

// hecAnswer is one of HEC's answers.
func hecAnswer(status, code int, text string) kit.Answer {
	return kit.Answer{Status: status, Body: `{"text":"` + text + `","code":` + strconv.Itoa(code) + `}`}
}

// hecHook answers with HEC's status and code; HEC gives it its Read. The answers are
// never written to.
var hecHook = kit.Hook{
	OK:        hecAnswer(http.StatusOK, 0, "Success"),
	Full:      hecAnswer(http.StatusServiceUnavailable, 9, "Server is busy"),
	Missing:   hecAnswer(http.StatusUnauthorized, 2, "Token is required"),
	Malformed: hecAnswer(http.StatusUnauthorized, 3, "Invalid authorization"),
	Denied:    hecAnswer(http.StatusForbidden, 4, "Invalid token"),
	Query:     hecAnswer(http.StatusBadRequest, 16, "Query string authorization is not enabled"),
	Failed:    hecAnswer(http.StatusInternalServerError, 8, "Internal server error"),
	Also:      []string{"/event", "/event/1.0"},
	Acks:      &hecAcks,
}

// readHEC splits a body: envelopes one after another, or a list of them, which HEC
// itself does not take. As with HEC, what stands before the first wrong envelope is
// taken, and the answer says which one that is; a list is taken as a whole or not. Host,
// source, sourcetype, index and time of an envelope hold for those behind it, too, which
// are completed with them, unless they are another vendor's.
func readHEC(query string, body []byte, others []kit.Vendor, add func(data []byte, key event.Key)) *kit.Answer {
	var meta hecMeta
	if bad := meta.readQuery(query, false); bad != nil {
		return bad
	}
	take := func(envelope []byte) {
		if o := recognise(others, envelope); o != nil {
			add(envelope, keyOf(o, envelope))
			return
		}
		add(meta.complete(envelope), event.Key{})
	}
	at, n := 0, 0
	if bytes.HasPrefix(body, record.Bytes("\uFEFF")) {
		at = 3
	}
	for taken := 0; ; {
		rest := bytes.TrimLeft(body[at:], " \t\r\n")
		if at = len(body) - len(rest); at == len(body) {
			break
		}
		end, err := kit.SkipValue(body, at)
		if err != nil {
			return invalidFormat.answer(n, taken, err.Error())
		}
		value := body[at:end:end]
		if list := kit.Items(value); value[0] == '[' {
			for list.Next() {
				if f := checkHEC(list.Value); f != nil {
					return f.answer(n, taken, f.reason)
				}
			}
			for list = kit.Items(value); list.Next(); n++ {
				take(list.Value)
			}
		} else {
			if f := checkHEC(value); f != nil {
				return f.answer(n, taken, f.reason)
			}
			take(value)
			n++
		}
		if bad := meta.tooMuch(); bad != nil {
			return bad
		}
		at, taken = end, end
	}
	if n == 0 {
		a := hecAnswer(http.StatusBadRequest, 5, "No data")
		a.Reason = "body is empty"
		return &a
	}
	return nil
}

// hecFault is what can be wrong with an envelope.
type hecFault struct {
	code         int
	text, reason string
}

// The faults, by their codes.
var (
	invalidFormat = &hecFault{6, "Invalid data format", "envelope is not an object"}
	invalidTime   = &hecFault{6, "Invalid data format", "time is not a time"}
	eventRequired = &hecFault{12, "Event field is required", "event is missing"}
	eventBlank    = &hecFault{13, "Event field cannot be blank", "event is blank"}
	nestedFields  = &hecFault{15, "Error in handling indexed fields", "fields are nested"}
)

func (f *hecFault) answer(n, taken int, reason string) *kit.Answer {
	a := hecAnswer(http.StatusBadRequest, f.code, f.text)
	a.Body = a.Body[:len(a.Body)-1] + `,"invalid-event-number":` + strconv.Itoa(n) + "}"
	a.Reason, a.Taken = "envelope "+strconv.Itoa(n)+": "+reason, taken
	return &a
}

func checkHEC(envelope []byte) *hecFault {
	if kit.KindOf(envelope) != record.Map {
		return invalidFormat
	}
	e, _ := kit.Find(envelope, "event")
	switch kit.KindOf(e) {
	case record.Null:
		return eventRequired
	case record.String:
		if len(e) == len(`""`) {
			return eventBlank
		}
	case record.Map:
		if m := kit.Members(e); !m.Next() {
			return eventBlank
		}
	}
	if t, ok := kit.Find(envelope, "time"); ok && kit.KindOf(t) != record.Null {
		if _, ok := kit.ParseEpoch(bytes.Trim(t, `"`)); !ok {
			return invalidTime
		}
	}
	if f, ok := kit.Find(envelope, "fields"); ok && kit.KindOf(f) != record.Null && !flat(f) {
		return nestedFields
	}
	return nil
}

// flat reports whether fields is an object of scalars and lists of scalars.
func flat(fields []byte) bool {
	if kit.KindOf(fields) != record.Map {
		return false
	}
	for m := kit.Members(fields); m.Next(); {
		switch kit.KindOf(m.Value) {
		case record.Map:
			return false
		case record.List:
			for i := kit.Items(m.Value); i.Next(); {
				if k := kit.KindOf(i.Value); k == record.Map || k == record.List {
					return false
				}
			}
		}
	}
	return true
}

// errNoEnvelope is what parseHEC returns for JSON that is no envelope.
var errNoEnvelope = errors.New("hec: envelope is not an object with an event")

func parseHEC(r *record.Record, raw []byte) error {
	e, ok := kit.Find(raw, "event")
	if !ok {
		return parseBare(r, raw)
	}
	kind, err := kit.KindOf(e), error(nil)
	switch kind {
	case record.Map:
		err = kit.JSONMembers(r, e)
	case record.String:
		r.Message = kit.Unquote(r, e)
	default:
		err = kit.JSON(r, record.Bytes("event"), e)
	}
	if err != nil {
		return err
	}
	events := len(r.Fields)
	if err := readEnvelope(r, raw); err != nil {
		r.Undo(0)
		return err
	}
	if kind == record.Map {
		// The envelope's members do not pass for the event's.
		all := r.Fields
		r.Fields = all[:events]
		readMembers(r, 0)
		r.Fields = all
	}
	if len(r.Class) == 0 {
		r.Class = r.Text("sourcetype")
	}
	if len(r.Message) == 0 {
		r.Message = e
	}
	fallback(r, "HEC", "hec")
	if len(r.ID) > 0 {
		setIdentity(r, "hec|", withoutChannel(r, raw))
	}
	return nil
}

// readEnvelope takes what stands around the event: time and host into their places,
// all else among the fields, where the event has none of that name.
func readEnvelope(r *record.Record, raw []byte) error {
	m := kit.Members(raw)
	for m.Next() {
		switch {
		case m.Is("event"):
		case m.Is("time"):
			if kit.KindOf(m.Value) == record.Null || !r.Time.IsZero() {
				continue
			}
			t, ok := kit.ParseEpoch(kit.Unquote(r, m.Value))
			if !ok {
				r.Warn("time", m.Value)
				continue
			}
			r.Time = t
		case m.Is("host") && kit.KindOf(m.Value) == record.String:
			r.Host = kit.Unquote(r, m.Value)
		case m.Is("fields") && kit.KindOf(m.Value) == record.Map:
			for f := kit.Members(m.Value); f.Next(); {
				addMember(r, &f)
			}
		default:
			addMember(r, &m)
		}
	}
	if err := m.Err(); err != nil {
		return err
	}
	// Members does not look behind the object's end.
	end, err := kit.SkipValue(raw, bytes.IndexByte(raw, '{'))
	if err == nil && len(bytes.TrimLeft(raw[end:], " \t\r\n")) > 0 {
		err = errNoEnvelope
	}
	return err
}

func addMember(r *record.Record, m *kit.Iter) {
	name := m.DecodedName(r)
	for i := 0; i < len(r.Fields); i += 1 + int(r.Fields[i].Size) {
		if bytes.Equal(r.Fields[i].Name, name) {
			return
		}
	}
	// It was checked before; over the number of values a record takes it is left out.
	if err := kit.JSON(r, name, m.Value); err != nil {
		r.Warn("too_many_values", name)
	}
}

// detectHEC recognises an object that holds an event and nothing an envelope does not
// have.
func detectHEC(raw []byte) bool {
	found, about := false, false
	m := kit.Members(raw)
	for m.Next() {
		switch {
		case m.Is("event"):
			found = kit.KindOf(m.Value) != record.Null
		case m.Is("time"), m.Is("host"), m.Is("source"), m.Is("sourcetype"), m.Is("index"), m.Is("fields"):
			about = true
		default:
			return false
		}
	}
	return found && about && m.Err() == nil
}
