package checkpoint

import (
	stdjson "encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

var received = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)

// sample is the event of one of the samples.
func sample(t testing.TB, name string) string {
	t.Helper()
	all, err := kit.ReadSamples(Vendor)
	require.NoError(t, err)
	for _, s := range all {
		if s.Name == name {
			return string(s.Raw)
		}
	}
	require.Fail(t, "no sample "+name)
	return ""
}

func parsed(t testing.TB, raw string) *record.Record {
	t.Helper()
	r := &record.Record{Source: "test", Received: received, Raw: []byte(raw)}
	require.NoError(t, parse(r, r.Raw))
	return r
}

func warnings(r *record.Record) (out []string) {
	for _, w := range r.Warnings {
		out = append(out, strings.TrimSuffix(w.Kind+":"+string(w.Detail), ":"))
	}
	return out
}

// slot is the value of a custom slot, with its label.
func slot(r *record.Record, s record.Slot) string {
	label, text, _ := r.GetSlot(s)
	if label == "" {
		return ""
	}
	return label + "=" + string(text)
}

func TestWhatIsFoundInAnEvent(t *testing.T) {
	for _, c := range []struct {
		sample                          string
		user, mailbox, subject, engine  string
		action, outcome, actions, count string
		severity                        int
		warnings                        []string
	}{
		{sample: "phishing", user: "billing@pay-roll.example", mailbox: "dana.reed@northwind.example", subject: "Your March payslip", engine: "avanan_ap_scan",
			action: "quarantine_email", outcome: "remediated", actions: "quarantine_email", count: "1", severity: 8},
		{sample: "dlp", user: "omar@northwind.example", subject: "Übersicht Q1 💸", engine: "avanan_dlp",
			action: "pending", outcome: "pending", count: "0", severity: 5},
		{sample: "malware", mailbox: "team@northwind.example", subject: "Re: PO 4471",
			action: "restore_email", outcome: "detected", actions: "quarantine_email;restore_email", count: "2", severity: 10},
		{sample: "anomaly", user: "kim@northwind.example", action: "new", outcome: "new", count: "0", severity: 5},
		{sample: "alert", user: "prizes@lucky.example", mailbox: "lee@northwind.example", subject: "Win a prize",
			action: "phishing_found_event", outcome: "new", actions: "phishing_found_event", count: "1", severity: 3},
		{sample: "shadow-it", user: "ravi@northwind.example", action: "new", outcome: "new", count: "0", severity: 2},
		{sample: "description-only", user: "user@customer.com", subject: "please see my credit data", action: "dismissed", outcome: "dismissed", severity: 3},
		{sample: "suspicious-phishing", user: "mailer.example", mailbox: "omar@northwind.example", subject: "Don't miss 'it' {50%} 🎉", engine: "avanan_ap_scan",
			action: "restore_email", outcome: "detected", actions: "add_spam_header;move_to_spam;restore_email", count: "3", severity: 8},
		{sample: "url-click", user: "track@parcel.example", mailbox: "dana.reed@northwind.example", subject: "Parcel | held = yes", engine: "clicktime_protection_scan",
			action: "exception", outcome: "exception", count: "0", severity: 10},
		{sample: "new-kind", action: "new", outcome: "new", count: "0", severity: 2},
		{sample: "odd-types", action: "quarantine", actions: "quarantine", count: "1", severity: 5, warnings: []string{
			"wrong_type:customerId", "wrong_type:state", "wrong_type:confidenceIndicator", "wrong_type:actions", "wrong_type:senderAddress",
			"wrong_type:entityLink", "time:createTime", "unknown_severity:urgent", "missing_id"}},
	} {
		t.Run(c.sample, func(t *testing.T) {
			r := parsed(t, sample(t, c.sample))
			labelled := func(label, text string) string {
				if text == "" {
					return ""
				}
				return label + "=" + text
			}
			assert.Equal(t, c.user, string(r.Get(record.UserName)))
			assert.Equal(t, c.mailbox, string(r.Get(record.DstUser)))
			assert.Equal(t, c.subject, string(r.Get(record.ObjectName)))
			assert.Equal(t, labelled("EmailSubject", c.subject), slot(r, record.CS2))
			assert.Equal(t, labelled("ScanEngine", c.engine), slot(r, record.CS5))
			assert.Equal(t, labelled("Actions", c.actions), slot(r, record.CS4))
			assert.Equal(t, labelled("ActionCount", c.count), slot(r, record.CN1))
			assert.Equal(t, c.action, string(r.Action))
			assert.Equal(t, c.outcome, string(r.Outcome))
			assert.Equal(t, c.severity, r.Severity)
			assert.Equal(t, c.warnings, warnings(r))
			assert.Equal(t, "Check Point", string(r.Vendor))
			assert.Equal(t, "Harmony Email and Collaboration", string(r.Product))
		})
	}
}

func TestNamesAndTypesAsTheyCome(t *testing.T) {
	r := parsed(t, sample(t, "malware"))
	assert.Equal(t, "us:northwind", string(r.Get(record.DeviceID)), "of the misspelt name")
	assert.Equal(t, "us:northwind", string(r.Text("customerId")))
	assert.GreaterOrEqual(t, r.Find(-1, "futureField"), 0)
	assert.Equal(t, "44d88612fea8a8f36de82e1278abb02f", string(r.Get(record.FileHash)))
	assert.Equal(t, "2025-03-03T09:03:59.000001Z", string(r.Time.AppendJSON(nil)))

	r = parsed(t, `{"cusomerId":"b","customerId":"a","eventId":"1","severity":1,"type":"Malicious URL click"}`)
	assert.Equal(t, "a", string(r.Get(record.DeviceID)))
	assert.Equal(t, "b", string(r.Text("cusomerId")), "both are kept")
	assert.Equal(t, "malicious_url_click", string(r.Class))
	assert.Equal(t, "Malicious Url Click", string(r.Name))
	assert.Equal(t, "Malicious URL click", string(r.Text("type")))

	r = parsed(t, sample(t, "dlp"))
	assert.Equal(t, "12", string(r.Fields[r.Find(r.Find(-1, "additionalData"), "matches")].Text))

	r = parsed(t, `{"eventId":"1","severity":1,"type":"spam","recipients":["a@b.example","c@d.example"],"actions":null}`)
	assert.Equal(t, "a@b.example", string(r.Get(record.DstUser)))
	assert.Equal(t, "", slot(r, record.CN1), "it does not say what was done")
	assert.Empty(t, r.Warnings)
}

func TestSeverity(t *testing.T) {
	for text, want := range map[string]int{
		`1`: 2, `"1"`: 2, `"Very Low"`: 2, `"Lowest"`: 2, `2`: 3, `"low"`: 3, `"3"`: 5, `"Medium"`: 5, `4`: 8, `"HIGH"`: 8,
		`5`: 10, `"Critical"`: 10, `"Highest"`: 10,
	} {
		r := parsed(t, `{"eventId":"1","type":"dlp","severity":`+text+`}`)
		assert.Equal(t, want, r.Severity, text)
		assert.Empty(t, r.Warnings, text)
	}
	for text, want := range map[string]string{
		`null`: "unknown_severity", `""`: "unknown_severity", `0`: "unknown_severity:0", `"6"`: "unknown_severity:6", `true`: "unknown_severity:true",
		`[4]`: "wrong_type:severity unknown_severity",
	} {
		r := parsed(t, `{"eventId":"1","type":"dlp","severity":`+text+`}`)
		assert.Equal(t, 5, r.Severity, text)
		assert.Equal(t, want, strings.Join(warnings(r), " "), text)
	}
}

func TestTimes(t *testing.T) {
	for text, want := range map[string]string{
		`"2024-10-15T09:47:06.592720+00:00"`: "2024-10-15T09:47:06.592720Z",
		`"2025-06-29T21:37:45+00:00"`:        "2025-06-29T21:37:45.000Z",
		`"2025-06-29T23:37:45.5+02:00"`:      "2025-06-29T21:37:45.500Z",
		`"2025-06-29T21:37:45.123456"`:       "2025-06-29T21:37:45.123456Z",
		`"2025-06-29 21:37:45"`:              "2025-06-29T21:37:45.000Z",
		`1751233065`:                         "2025-06-29T21:37:45.000Z",
		`1751233065123`:                      "2025-06-29T21:37:45.123Z",
		`"1751233065123"`:                    "2025-06-29T21:37:45.123Z",
	} {
		r := parsed(t, `{"eventId":"1","type":"dlp","severity":1,"eventCreated":`+text+`}`)
		assert.Equal(t, want, string(r.Time.AppendJSON(nil)), text)
		assert.Equal(t, want, string(r.Text("eventCreated")), text)
		assert.Equal(t, r.Time, r.GetTime(record.Start), text)
		assert.Empty(t, r.Warnings, text)
	}
	for _, text := range []string{`"yesterday"`, `{}`, `true`, `-1`} {
		r := parsed(t, `{"eventId":"1","type":"dlp","severity":1,"eventCreated":`+text+`}`)
		assert.True(t, r.Time.IsZero(), text)
		assert.Equal(t, []string{"time:eventCreated"}, warnings(r), text)
	}
	for _, text := range []string{`null`, `""`} {
		r := parsed(t, `{"eventId":"1","type":"dlp","severity":1,"eventCreated":`+text+`}`)
		assert.True(t, r.Time.IsZero(), text)
		assert.Empty(t, warnings(r), text)
	}
}

func TestMessage(t *testing.T) {
	for raw, want := range map[string]string{
		`{"description":"d","data":"t","type":"dlp","saas":"slack"}`:                   "d",
		`{"description":"","data":"a #{\"label\":\"b\"}","type":"dlp","saas":"slack"}`: "a b",
		`{"description":null,"data":"","type":"dlp","saas":"slack"}`:                   "dlp event in slack",
		`{"type":"dlp"}`:   "dlp event",
		`{"saas":"slack"}`: "event in slack",
		`{}`:               "event",
	} {
		assert.Equal(t, want, string(parsed(t, raw).Message), raw)
	}
}

func TestActionsStandInTheOrderOfTime(t *testing.T) {
	var list []string
	for i := range 100 {
		// 7 has no factor in common with 100: every second once, shuffled.
		n := i * 7 % 100
		list = append(list, fmt.Sprintf(`{"actionType":"a%02d","createTime":"2025-03-03T09:%02d:%02dZ"}`, n, n/60, n%60))
	}
	r := parsed(t, `{"eventId":"1","type":"dlp","severity":1,"actions":[`+strings.Join(list, ",")+`]}`)
	assert.Equal(t, "a99", string(r.Action))
	assert.Equal(t, "ActionCount=100", slot(r, record.CN1))
	var want []string
	for i := 100 - mostActions; i < 100; i++ {
		want = append(want, fmt.Sprintf("a%02d", i))
	}
	assert.Equal(t, "Actions="+strings.Join(want, ";"), slot(r, record.CS4))
	assert.Equal(t, "2025-03-03T09:01:39.000Z", string(r.GetTime(record.End).AppendJSON(nil)))

	// Those of one time, and those without, stay as they were sent.
	r = parsed(t, `{"eventId":"1","type":"dlp","severity":1,"state":"new","actions":[
		{"actionType":"b","createTime":"2025-03-03T09:00:00Z"},{"actionType":"c","createTime":"2025-03-03T09:00:00.000Z"},
		{"actionType":"x"},{"actionType":"y","createTime":null},5,{}]}`)
	assert.Equal(t, "Actions=x;y;b;c", slot(r, record.CS4))
	assert.Equal(t, "c", string(r.Action))
	assert.Equal(t, []string{"wrong_type:actions"}, warnings(r))
}

func TestUpdatesHaveAnIdentityOfTheirOwn(t *testing.T) {
	const base = `{"eventId":"e1","state":"new","severity":"4","type":"phishing","confidenceIndicator":"malicious","actions":[{"actionType":"a","createTime":"2025-03-03T09:00:00Z"}],"description":"d"}`
	uid := func(raw string) string { return string(parsed(t, raw).AppendUID(nil)) }
	known := uid(base)
	for _, same := range [][2]string{
		{`"description":"d"`, `"description":"other","more":1`}, {`"4"`, `4`}, {`"4"`, `"High"`}, {`"new"`, `"New"`},
		{`09:00:00Z`, `09:00:00.000000+00:00`}, {`"eventId":"e1",`, ` "eventId" : "e1", "entityLink":"x",`},
	} {
		changed := strings.Replace(base, same[0], same[1], 1)
		require.NotEqual(t, base, changed)
		assert.Equal(t, known, uid(changed), changed)
	}
	seen := map[string]string{known: base}
	for _, other := range [][2]string{
		{`"e1"`, `"e2"`}, {`"new"`, `"remediated"`}, {`"4"`, `"5"`}, {`"phishing"`, `"malware"`}, {`"malicious"`, `"suspicious"`},
		{`09:00:00Z`, `09:00:01Z`}, {`"actions":[`, `"actions":[{"actionType":"z","createTime":"2025-03-03T08:00:00Z"},`},
	} {
		changed := strings.Replace(base, other[0], other[1], 1)
		require.NotEqual(t, base, changed)
		id := uid(changed)
		assert.Empty(t, seen[id], changed)
		seen[id] = changed
	}

	// Without an id, the content is the identity, however it is written.
	assert.Equal(t, uid(`{"type":"dlp","state":"new"}`), uid(`{ "state" : "new",
		"type":"dlp" }`))
	assert.NotEqual(t, uid(`{"type":"dlp","state":"new"}`), uid(`{"type":"dlp","state":"old"}`))
}

func TestWhatIsNoEvent(t *testing.T) {
	for _, raw := range []string{``, `x`, `[]`, `"text"`, `{"eventId":`, `{"eventId":"1"} x`} {
		r := &record.Record{Raw: []byte(raw), Received: received}
		assert.Error(t, parse(r, r.Raw), raw)
		assert.Empty(t, r.Fields, raw)
	}
}

func TestDetect(t *testing.T) {
	all, err := kit.ReadSamples(Vendor)
	require.NoError(t, err)
	for _, s := range all {
		assert.True(t, detect(s.Raw), s.Name)
	}
	for _, raw := range []string{
		``, `{}`, `{"eventId":"1","saas":"x"}`, `{"eventId":"1","eventCreated":"x","incident":{"saas":"y"}}`,
		`{"eventId":"1","saas":"x","eventCreated":`, `["eventId","saas","eventCreated"]`,
	} {
		assert.False(t, detect([]byte(raw)), raw)
	}
}

func TestUnpack(t *testing.T) {
	for raw, want := range map[string][]string{
		`{"responseEnvelope":{"responseCode":200},"responseData":[{"eventId":"1"},{"eventId":"2"}]}`: {`{"eventId":"1"}`, `{"eventId":"2"}`},
		`{"responseData":{"eventId":"1"}}`:                                       {`{"eventId":"1"}`},
		`{"responseEnvelope":{},"responseData":null}`:                            nil,
		`{"responseEnvelope":{},"responseData":{}}`:                              nil,
		`{"responseEnvelope":{}}`:                                                nil,
		`{"responseEnvelope":{"responseCode":403},"responseData":[null]}`:        nil,
		` {"responseData" : [ {"eventId":"1"} , null ] , "responseEnvelope":5 }`: {`{"eventId":"1"}`},
	} {
		var got []string
		assert.True(t, unpack([]byte(raw), func(e []byte) { got = append(got, string(e)) }), raw)
		assert.Equal(t, want, got, raw)
	}
	for _, raw := range []string{``, `{}`, `[]`, `{"eventId":"1"}`, `{"responseData":[`, sample(t, "phishing")} {
		assert.False(t, unpack([]byte(raw), func([]byte) { t.Error("called", raw) }), raw)
	}
}

func TestNothingIsAllocated(t *testing.T) {
	all, err := kit.ReadSamples(Vendor)
	require.NoError(t, err)
	for _, s := range all {
		var r record.Record
		once := func() {
			r.Reset()
			r.Raw, r.Received = s.Raw, received
			if parse(&r, s.Raw) != nil {
				panic(s.Name)
			}
		}
		once()
		once()
		assert.Zero(t, testing.AllocsPerRun(50, once), s.Name)
	}
}

// FuzzParse holds that any bytes are read without a panic, twice to the same record, and
// that a decoded text is no longer than what it was made of.
func FuzzParse(f *testing.F) {
	all, err := kit.ReadSamples(Vendor)
	require.NoError(f, err)
	for _, s := range all {
		f.Add(s.Raw)
		f.Add([]byte(`{"responseEnvelope":{"responseCode":200,"scrollId":"x"},"responseData":[` + string(s.Raw) + `]}`))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var r, again record.Record
		var e event
		r.Raw, r.Received, again.Raw, again.Received = raw, received, raw, received
		if err := e.read(&r, raw); err != nil {
			require.Empty(t, r.Fields)
			return
		}
		require.LessOrEqual(t, len(e.found.text), len(e.data))
		require.NotEmpty(t, r.Identity)
		require.NotEmpty(t, r.Message)
		require.NotEmpty(t, r.Name)
		require.True(t, r.Severity >= 2 && r.Severity <= 10)
		require.Equal(t, len(e.id) > 0, len(e.version) > 0)
		require.NoError(t, parse(&again, raw))
		require.Equal(t, r.Identity, again.Identity)
		require.Equal(t, r.Fields, again.Fields)
		unpacked := 0
		if ok := unpack(raw, func(e []byte) {
			unpacked++
			require.True(t, stdjson.Valid(e))
		}); !ok {
			require.Zero(t, unpacked)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	for _, name := range []string{"phishing", "malware", "anomaly"} {
		b.Run(name, func(b *testing.B) {
			raw := []byte(sample(b, name))
			var r record.Record
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				r.Reset()
				r.Raw, r.Received = raw, received
				if err := parse(&r, raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
