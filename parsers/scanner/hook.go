package scanner

import (
	"bytes"
	"net/http"

	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// hook takes one alert a request, and more than one where a proxy collects them. The
// answers are never written to.
var hook = kit.Hook{
	Read:     read,
	Accepted: accepted,
	Denied:   kit.Answer{Status: http.StatusUnauthorized, Body: `{"error":"unauthorized"}`},
	MaxBody:  5 << 20,
}

// read takes a body apart. It is good only as a whole.
func read(body []byte, add func(data []byte, key event.Key)) *kit.Answer {
	n, bad, err := kit.EachValue(body, func(value []byte) *kit.Answer {
		bad := check(value)
		if bad == nil {
			add(value, keyOf(unwrap(value)))
		}
		return bad
	})
	switch {
	case err != nil:
		return refuse("body is not JSON", err.Error())
	case bad != nil:
		return bad
	case n == 0:
		return refuse("body is empty", "body is empty")
	}
	return nil
}

// check says what keeps a value from being an alert. Because a template may replace
// every member, any will do.
func check(value []byte) *kit.Answer {
	if kit.KindOf(value) != record.Map {
		return refuse("alert is not an object", "alert is not an object")
	}
	if m := kit.Members(unwrap(value)); !m.Next() {
		return refuse("alert has no members", "alert has no members")
	}
	return nil
}

func refuse(text, reason string) *kit.Answer {
	return &kit.Answer{Status: http.StatusBadRequest, Body: `{"error":"` + text + `"}`, Reason: reason}
}

// accepted names the alerts that were taken by their ids: one as "id", several as "ids",
// with null for one that has none.
func accepted(body []byte) kit.Answer {
	ids, n := make([]byte, 0, 64), 0
	_ = kit.SplitValues(body, func(value []byte) {
		if n++; n > 1 {
			ids = append(ids, ',')
		}
		id, ok := kit.Find(unwrap(value), "id")
		if k := kit.KindOf(id); !ok || k == record.Map || k == record.List || len(id) > mostID {
			id = record.Bytes("null")
		}
		ids = append(ids, id...)
	})
	text := `{"status":"accepted"}`
	switch {
	case n > 1:
		text = `{"status":"accepted","ids":[` + string(ids) + `]}`
	case string(ids) != "null":
		text = `{"status":"accepted","id":` + string(ids) + `}`
	}
	return kit.Answer{Status: http.StatusOK, Body: text}
}

// mostID is the longest id that is sent back; a UUID has 36 characters.
const mostID = 128

// keyOf is the start of the hash of the alert's identity; a test event may be repeated.
func keyOf(alert []byte) (key event.Key) {
	if _, test := testText(alert); test {
		return key
	}
	var id []byte
	for m := kit.Members(alert); m.Next(); {
		if m.Is("id") {
			id = kit.ScalarText(m.Value)
			break
		}
	}
	var buf [1024]byte
	return kit.KeyOf(appendIdentity(buf[:0], id, alert))
}

// unwrap returns the alert in an envelope of a Splunk HEC, {"event": {…}, "time": …};
// anything else as it is.
func unwrap(value []byte) []byte {
	var alert []byte
	m := kit.Members(value)
	for m.Next() {
		switch {
		case m.Is("event"):
			if kit.KindOf(m.Value) != record.Map || alert != nil {
				return value
			}
			alert = m.Value
		case m.Is("time"), m.Is("host"), m.Is("source"), m.Is("sourcetype"), m.Is("index"), m.Is("fields"):
		default:
			return value
		}
	}
	if alert == nil || m.Err() != nil || len(bytes.TrimLeft(value[m.End():], " \t\r\n")) > 0 {
		return value
	}
	return alert
}

// testText recognises a test event, whose shape is not published: "test": true, or next
// to nothing but a text that says so. An alert, which has one of an alert's own members,
// is never taken for one.
func testText(alert []byte) (said []byte, ok bool) {
	const most = 3
	n := 0
	for m := kit.Members(alert); m.Next(); n++ {
		switch {
		case m.Is("id"), m.Is("detection_rule_id"), m.Is("severity"), m.Is("severity_id"), m.Is("results_table"),
			m.Is("query_text"), m.Is("timestamp"), m.Is("detected_in_time_range"), m.Is("View in Scanner"):
			return nil, false
		case m.Is("test") && string(m.Value) == "true":
			ok = true
		case kit.KindOf(m.Value) == record.String && saysTest(m.Value):
			said, ok = m.Value, true
		}
		if n == most {
			return nil, false
		}
	}
	return said, ok
}

// saysTest reports whether a text has the words "test event", in any case.
func saysTest(text []byte) bool {
	const words = "test event"
	for i := 0; i+len(words) <= len(text); i++ {
		if sameFold(text[i:i+len(words)], words) {
			return true
		}
	}
	return false
}

// detect recognises an alert by the members that only Scanner sends.
func detect(raw []byte) bool {
	rule, table, query := false, false, false
	m := kit.Members(unwrap(raw))
	for m.Next() {
		switch {
		case m.Is("View in Scanner"):
			return kit.KindOf(m.Value) == record.String
		case m.Is("detection_rule_id"):
			rule = kit.KindOf(m.Value) == record.String
		case m.Is("results_table"):
			table = true
		case m.Is("query_text"):
			query = true
		}
	}
	return m.Err() == nil && rule && (table || query)
}
