package datatheorem

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"

	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

var received = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// bodies are the raw sections of the samples.
func bodies(t testing.TB) map[string][]byte {
	entries, err := samples.ReadDir("samples")
	require.NoError(t, err)
	all := map[string][]byte{}
	for _, e := range entries {
		b, err := samples.ReadFile("samples/" + e.Name())
		require.NoError(t, err)
		for _, f := range txtar.Parse(b).Files {
			if f.Name == "raw" {
				all[strings.TrimSuffix(e.Name(), ".txtar")] = bytes.TrimSuffix(f.Data, []byte("\n"))
			}
		}
	}
	require.GreaterOrEqual(t, len(all), 8)
	return all
}

type one struct {
	data []byte
	key  event.Key
}

func split1(t testing.TB, body string) ([]one, *kit.Answer) {
	var got []one
	a := hook.Read([]byte(body), func(data []byte, key event.Key) { got = append(got, one{data, key}) })
	return got, a
}

func parsed(t testing.TB, raw string) *record.Record {
	r := &record.Record{Raw: []byte(raw), Received: received, Source: "dt"}
	require.NoError(t, parse(r, r.Raw))
	return r
}

func warnings(r *record.Record) (kinds []string) {
	for _, w := range r.Warnings {
		kinds = append(kinds, w.Kind)
	}
	return kinds
}

func fields(r *record.Record) string {
	var s strings.Builder
	var walk func(from, to int, named bool)
	walk = func(from, to int, named bool) {
		for i := from; i < to; i += 1 + int(r.Fields[i].Size) {
			f := &r.Fields[i]
			if i > from {
				s.WriteByte(',')
			}
			if named {
				s.WriteString(string(f.Name) + ":")
			}
			switch f.Kind {
			case record.Map:
				s.WriteByte('{')
				walk(i+1, i+1+int(f.Size), true)
				s.WriteByte('}')
			case record.List:
				s.WriteByte('[')
				walk(i+1, i+1+int(f.Size), false)
				s.WriteByte(']')
			case record.String:
				s.WriteString(`"` + string(f.Text) + `"`)
			case record.Null:
				s.WriteString("null")
			default:
				s.Write(f.Text)
			}
		}
	}
	walk(0, len(r.Fields), true)
	return s.String()
}

// The bad-payload table: what is refused, with which words.
func TestReadRefuses(t *testing.T) {
	for name, c := range map[string]struct{ body, answer string }{
		"1 empty":             {"", `{"text":"No data","code":5}`},
		"1 white space":       {" \r\n", `{"text":"No data","code":5}`},
		"1 mark only":         {"\uFEFF", `{"text":"No data","code":5}`},
		"1 empty list":        {"[]", `{"text":"No data","code":5}`},
		"2 truncated":         {`{"event":{"type":"API_SECURE__X","data":{"uuid":"1"`, `{"text":"Invalid data format","code":6}`},
		"2 second truncated":  {`{"event":{}}{"event":`, `{"text":"Invalid data format","code":6}`},
		"2 no JSON":           {`event=1`, `{"text":"Invalid data format","code":6}`},
		"2 no object":         {`"hello"`, `{"text":"Invalid data format","code":6}`},
		"2 list of numbers":   {`[1,2]`, `{"text":"Invalid data format","code":6}`},
		"3 no event":          {`{"time":1,"host":"securetheorem.com"}`, `{"text":"Event field is required","code":12}`},
		"3 null event":        {`{"event":null}`, `{"text":"Event field is required","code":12}`},
		"3 in the second":     {`{"event":{"type":"A__B","data":{}}}{"x":1}`, `{"text":"Event field is required","code":12}`},
		"4 blank event":       {`{"event":""}`, `{"text":"Event field cannot be blank","code":13}`},
		"first fault decides": {`{"event":""}{`, `{"text":"Event field cannot be blank","code":13}`},
	} {
		t.Run(name, func(t *testing.T) {
			_, a := split1(t, c.body)
			require.NotNil(t, a)
			assert.Equal(t, 400, a.Status)
			assert.Equal(t, c.answer, a.Body)
			assert.NotEmpty(t, a.Reason)
		})
	}
}

func TestOddPayloads(t *testing.T) {
	for name, c := range map[string]struct {
		body     string
		fields   string
		warnings []string
	}{
		"5 no data":       {`{"event":{"type":"X__Y","version":1},"time":1767607200}`, ``, []string{"missing_data", "unknown_type"}},
		"6 null data":     {`{"event":{"type":"A__USER_CREATED","data":null},"time":1767607200}`, `data:null`, nil},
		"6 list data":     {`{"event":{"type":"A__USER_CREATED","data":[1,{"a":2}]},"time":1767607200}`, `data:[1,{a:2}]`, nil},
		"6 string data":   {`{"event":{"type":"A__USER_CREATED","data":"x"},"time":1767607200}`, `data:"x"`, nil},
		"7 unknown":       {`{"event":{"type":"X__Y","data":{"a":1.50},"version":2},"time":1767607200}`, `a:1.50,schema_version:2`, []string{"unknown_version", "unknown_type"}},
		"10 word":         {`{"event":{"type":"A__USER_X","data":{}},"time":"yesterday"}`, `time_orig:"yesterday",time_suspect:true`, nil},
		"10 negative":     {`{"event":{"type":"A__USER_X","data":{}},"time":-5}`, `time_orig:-5,time_suspect:true`, nil},
		"10 object":       {`{"event":{"type":"A__USER_X","data":{}},"time":{}}`, `time_orig:{},time_suspect:true`, nil},
		"10 null":         {`{"event":{"type":"A__USER_X","data":{}},"time":null}`, `time_orig:null,time_suspect:true`, nil},
		"10 none":         {`{"event":{"type":"A__USER_X","data":{}}}`, `time_suspect:true`, nil},
		"10 placeholder":  {`{"event":{"type":"A__USER_X","data":{}},"time":123456789}`, `time_orig:123456789,time_suspect:true`, nil},
		"14 UTF-8":        {"{\"event\":{\"type\":\"A__USER_X\",\"data\":{\"a\":\"\xff\"}},\"time\":1767607200}", "a:\"\xff\"", []string{"utf8"}},
		"15 mark":         {"\uFEFF{\"event\":{\"type\":\"A__USER_X\",\"data\":{}},\"time\":1767607200}", ``, nil},
		"16 unknown keys": {`{"x":{"y":1},"event":{"z":[],"type":"A__USER_X","data":{"q":{"r":0},"x":1}},"time":1767607200,"host":"h"}`, `q:{r:0},x:1,z:[]`, nil},
		"no type":         {`{"event":{"data":{"a":1}},"time":1767607200}`, `a:1`, []string{"missing_type"}},
		"event a number":  {`{"event":5,"time":1767607200}`, `event:5`, []string{"missing_data", "missing_type"}},
		"event an object": {`{"event":{},"time":1767607200}`, ``, []string{"missing_data", "missing_type"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, a := split1(t, c.body)
			require.Nil(t, a)
			require.Len(t, got, 1)
			assert.NotZero(t, got[0].key)
			r := parsed(t, string(got[0].data))
			assert.Equal(t, c.fields, fields(r))
			assert.Equal(t, c.warnings, warnings(r))
			assert.NotZero(t, r.Severity)
			assert.NotEmpty(t, r.Name)
			assert.NotEmpty(t, r.Message)
			assert.Equal(t, strings.HasPrefix(name, "10"), r.Time.IsZero())
			assert.False(t, r.Test)
		})
	}
}

func TestTimes(t *testing.T) {
	for in, want := range map[string]string{
		`"1611733052"`: "2021-01-27T07:37:32Z", `1611733052`: "2021-01-27T07:37:32Z", `1611733052.25`: "2021-01-27T07:37:32.25Z",
		`1611733052000`: "2021-01-27T07:37:32Z", `1611733052000000000`: "2021-01-27T07:37:32Z", `1262304000`: "2010-01-01T00:00:00Z",
	} {
		r := parsed(t, `{"event":{"type":"A__USER_X","data":{}},"time":`+in+`}`)
		assert.Equal(t, want, r.When().Go().Format(time.RFC3339Nano), in)
		assert.Empty(t, r.Fields)
	}
}

func TestConnectionTest(t *testing.T) {
	got, a := split1(t, `{"event": "Hello, world!"}`)
	require.Nil(t, a)
	require.Len(t, got, 1)
	assert.Zero(t, got[0].key, "a test may be repeated")
	r := parsed(t, string(got[0].data))
	assert.True(t, r.Test)
	assert.Equal(t, "Hello, world!", string(r.Message))
	assert.Equal(t, "test", string(r.Category))
	assert.Empty(t, r.Identity)
	assert.Empty(t, r.Fields)
}

func TestSeveralInOneBody(t *testing.T) {
	a, b := `{"event":{"type":"A__B","data":{"uuid":"1"}},"time":1767607200}`, `{"event":{"type":"A__B","data":{"uuid":"2"}},"time":1767607200}`
	for _, body := range []string{a + b, a + "\n" + b + "\n", "[" + a + "," + b + "]"} {
		got, answer := split1(t, body)
		require.Nil(t, answer)
		require.Len(t, got, 2)
		assert.Equal(t, a, string(got[0].data))
		assert.Equal(t, b, string(got[1].data))
		assert.NotEqual(t, got[0].key, got[1].key)
	}
}

// The key of a delivery is the beginning of what uid is made of.
func TestIdentity(t *testing.T) {
	base := `{"event":{"type":"API_SECURE__POLICY_VIOLATION_OPENED","data":{"uuid":"u","policy_violation_status":"OPEN"},"version":1},"time":1767607200,"host":"securetheorem.com"}`
	same := []string{base,
		`{"host":"securetheorem.com","time":1767607200,"event":{"version":1,"data":{"x":1,"policy_violation_status":"OPEN","uuid":"\u0075"},"type":"API_SECURE__POLICY_VIOLATION_OPENED"}}`}
	differ := []string{strings.Replace(base, "OPENED", "RESOLVED", 1), strings.Replace(base, `"OPEN"`, `"RESOLVED"`, 1),
		strings.Replace(base, `"u"`, `"v"`, 1), strings.Replace(base, "7200", "7201", 1), strings.Replace(base, `"uuid"`, `"id"`, 1),
		strings.Replace(base, `"time":1767607200,`, "", 1), `{"event":{"type":"A__B"}}`, `{"event":{"type":"A__B","x":1}}`}
	keys := map[event.Key]bool{}
	for i, raw := range append(same, differ...) {
		got, a := split1(t, raw)
		require.Nil(t, a)
		r := parsed(t, raw)
		sum := sha256.Sum256(r.Identity)
		assert.Equal(t, sum[:16], got[0].key[:], raw)
		if i < len(same) {
			assert.Equal(t, "dt|API_SECURE__POLICY_VIOLATION_OPENED|u|OPEN|1767607200", string(r.Identity))
		}
		keys[got[0].key] = true
	}
	assert.Len(t, keys, 1+len(differ))

	a := parsed(t, `{"event":{"type":"M__USER_DELETED","data":{"user_login_email":"a","deleted_by":"b"}},"time":1767607200}`)
	b := parsed(t, `{"event":{"type":"M__USER_DELETED","data":{ "deleted_by" : "b", "user_login_email" : "a"}},"time":1767607200}`)
	assert.Equal(t, `dt|{"deleted_by":"b","user_login_email":"a"}|M__USER_DELETED|1767607200`, string(a.Identity))
	assert.Equal(t, a.Identity, b.Identity)
	for _, body := range bodies(t) {
		got, answer := split1(t, string(body))
		require.Nil(t, answer)
		for _, o := range got {
			if r := parsed(t, string(o.data)); !r.Test {
				sum := sha256.Sum256(r.Identity)
				assert.Equal(t, sum[:16], o.key[:])
			}
		}
	}
}

func TestSeverityActionOutcome(t *testing.T) {
	for _, c := range []struct {
		typ, data, name string
		severity        int
		action, outcome string
	}{
		{"API_SECURE__POLICY_VIOLATION_OPENED", `"policy_violation_status":"OPEN","relevance":"URGENT"`, "Policy violation opened", 9, "opened", "OPEN"},
		{"API_SECURE__POLICY_VIOLATION_OPENED", `"relevance":"IMPORTANT"`, "Policy violation opened", 6, "opened", "OPEN"},
		{"WEB_SECURE__POLICY_VIOLATION_OPENED", `"relevance":"PROACTIVE"`, "Policy violation opened", 3, "opened", "OPEN"},
		{"API_SECURE__POLICY_VIOLATION_OPENED", `"relevance":"NEW"`, "Policy violation opened", 5, "opened", "OPEN"},
		{"API_SECURE__POLICY_VIOLATION_RESOLVED", `"relevance":"URGENT"`, "Policy violation resolved", 2, "resolved", "RESOLVED"},
		{"API_SECURE__POLICY_VIOLATION_OPENED", `"policy_violation_status":"RESOLVED","relevance":"URGENT"`, "Policy violation resolved", 2, "resolved", "RESOLVED"},
		{"API_SECURE__POLICY_VIOLATION_WONT_FIX", `"policy_violation_status":"CLOSED_WONT_FIX"`, "Policy violation closed (won't fix)", 4, "wont_fix", "CLOSED_WONT_FIX"},
		{"API_SECURE__POLICY_VIOLATION_MOVED", `"policy_violation_status":"PARKED","relevance":"IMPORTANT"`, "Policy violation moved", 6, "", "PARKED"},
		{"API_SECURE__NETWORK_SERVICE_DISCOVERED", ``, "Network service discovered", 3, "discovered", ""},
		{"CLOUD_SECURE__BUCKET_DISCOVERED", ``, "Bucket discovered", 3, "discovered", ""},
		{"MOBILE_SECURE__USER_LOGIN_FAILED", ``, "User login failed", 5, "login", "failure"},
		{"MOBILE_SECURE__USER_LOGIN_SUCCESSFUL", ``, "User login successful", 1, "login", "success"},
		{"MOBILE_SECURE__USER_CREATED", ``, "User created", 3, "created", ""},
		{"MOBILE_SECURE__USER_UPDATED", ``, "User updated", 3, "updated", ""},
		{"MOBILE_SECURE__USER_DELETED", ``, "User deleted", 4, "deleted", ""},
		{"MOBILE_SECURE__FINDING_NOTE_CREATED", `"severity":"HIGH"`, "Finding note created", 1, "created", ""},
		{"MOBILE_SECURE__TARGET_CREATED", `"severity":"HIGH","priority":"P0"`, "Target created", 9, "created", "OPEN"},
		{"MOBILE_SECURE__TARGET_CREATED", `"severity":"MEDIUM"`, "Target created", 5, "created", "OPEN"},
		{"MOBILE_SECURE__TARGET_CREATED", `"severity":"LOW","current_status":"NEW"`, "Target created", 3, "created", "NEW"},
		{"MOBILE_SECURE__TARGET_FIXED", `"severity":"HIGH"`, "Target fixed", 2, "resolved", "RESOLVED"},
		{"MOBILE_SECURE__TARGET_CLOSED_RISK_ACCEPTED", `"severity":"HIGH"`, "Target closed risk accepted", 4, "accepted", "ACCEPTED"},
		{"MOBILE_SECURE__TARGET_CLOSED_COMPENSATING_CONTROL", ``, "Target closed compensating control", 4, "accepted", "ACCEPTED"},
		{"MOBILE_PROTECT__ATTACK_BLOCKED", ``, "Attack blocked", 5, "", ""},
		{"NEW", `"policy_violation_status":"OPEN","relevance":"URGENT"`, "Policy violation opened", 9, "opened", "OPEN"},
		{"NEW", `"user_login_email":"a@b"`, "NEW", 5, "", ""},
		{"NEW__THING", `"discovered_via":"X","type":"Y"`, "Thing", 3, "", ""},
	} {
		r := parsed(t, `{"event":{"type":"`+c.typ+`","data":{`+c.data+`}},"time":1767607200}`)
		what := c.typ + " " + c.data
		if c.name != "NEW" && c.name != "Thing" {
			assert.Equal(t, c.name, string(r.Name), what)
		}
		assert.Equal(t, c.severity, r.Severity, what)
		assert.Equal(t, c.action, string(r.Action), what)
		assert.Equal(t, c.outcome, string(r.Outcome), what)
		assert.Equal(t, strings.HasPrefix(c.typ, "NEW"), len(r.Warnings) == 1, what)
	}
}

func TestFirstLine(t *testing.T) {
	for in, want := range map[string]string{
		`a\n\nb`: "a", "a\r\nb": "a", "\n\\n  x y \\r\\nz": "x y", "": "", ` \n `: "", `a\b`: `a\b`, `a\`: `a\`, "one": "one",
	} {
		assert.Equal(t, want, string(firstLine([]byte(in))), "%q", in)
	}
}

func TestAssets(t *testing.T) {
	r := parsed(t, `{"event":{"type":"API_SECURE__POLICY_VIOLATION_OPENED","data":{"uuid":"u","affected_asset":null,"relevance":"URGENT"}},"time":1767607200}`)
	assert.False(t, r.Has(record.ObjectID), "the violation is not the asset")
	assert.False(t, r.HasSlot(record.CS6))
	r = parsed(t, `{"event":{"type":"API_SECURE__POLICY_VIOLATION_OPENED","data":{"affected_asset":{"name":"Orders API","belongs_to_asset_group":null,"url":null}}},"time":1767607200}`)
	assert.False(t, r.Has(record.DstHost))
	assert.False(t, r.Has(record.URL))
	assert.False(t, r.HasSlot(record.CS4))
	_, name, _ := r.GetSlot(record.CS1)
	assert.Equal(t, "Orders API", string(name))
	assert.Equal(t, "Policy violation opened: Orders API", string(r.Message))
}

func TestDetect(t *testing.T) {
	for body, want := range map[string]bool{
		`{"event":"x","host":"securetheorem.com"}`:                       true,
		`{"event":{"type":"API_SECURE__X","data":{}}}`:                   true,
		`{"event":{"type":"SUPPLY_CHAIN__X_9","data":{"a":1}},"time":1}`: true,
		`{"event":{"type":"API_SECURE__X","data":[]}}`:                   false,
		`{"event":{"type":"API_SECURE__x","data":{}}}`:                   false,
		`{"event":{"type":"OTHER__X","data":{}}}`:                        false,
		`{"event":{"type":"API_SECURE","data":{}}}`:                      false,
		`{"event":{"type":"API_SECURE__","data":{}}}`:                    false,
		`{"event":"x","host":"web1"}`:                                    false,
		`{"host":"securetheorem.com"}`:                                   false,
		`{"event":{},"host":"securetheorem.com"`:                         false,
		`<13>text`:                                                       false, ``: false, `[]`: false,
	} {
		assert.Equal(t, want, detect([]byte(body)), body)
	}
}

func TestParseAllocatesNothing(t *testing.T) {
	all := bodies(t)
	all["bad"] = []byte("{\"event\":{\"type\":\"A__B\",\"data\":{\"a\":\"\xff\\n\"},\"version\":3},\"time\":\"x\"}")
	var r record.Record
	for name, body := range all {
		got, a := split1(t, string(body))
		require.Nil(t, a)
		for _, o := range got {
			assert.Zero(t, testing.AllocsPerRun(100, func() {
				r.Reset()
				r.Raw, r.Received = o.data, received
				_ = parse(&r, o.data)
			}), name)
		}
		n := 0
		assert.LessOrEqual(t, testing.AllocsPerRun(100, func() {
			_ = read(body, func([]byte, event.Key) { n++ })
		}), 2.0+float64(len(got)), "read of %s", name)
	}
}

func FuzzRead(f *testing.F) {
	for _, b := range bodies(f) {
		f.Add(b)
	}
	f.Add([]byte("\uFEFF[]"))
	f.Add([]byte(`{"event":{"type":5,"data":{"uuid":[]}},"time":{}}{"event":1}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var got []one
		before := bytes.Clone(body)
		a := hook.Read(body, func(data []byte, key event.Key) { got = append(got, one{data, key}) })
		require.Equal(t, before, body)
		if a != nil {
			require.Equal(t, 400, a.Status)
			require.True(t, json.Valid([]byte(a.Body)))
			return
		}
		require.NotEmpty(t, got)
		for _, o := range got {
			require.True(t, json.Valid(o.data), "%q", o.data)
			require.True(t, bytes.Contains(body, o.data))
			r := &record.Record{Raw: o.data, Received: received}
			if err := parse(r, o.data); err != nil {
				require.ErrorContains(t, err, "values")
				continue
			}
			require.True(t, r.Test || len(r.Identity) > 0)
			require.Equal(t, r.Test, o.key == event.Key{})
			require.NotEmpty(t, r.Name)
			require.Positive(t, r.Severity)
			require.LessOrEqual(t, len(r.Name), 128)
			detect(o.data)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	raw := bodies(b)["violation-opened"]
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
}

func BenchmarkRead(b *testing.B) {
	raw := bodies(b)["violation-opened"]
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if a := hook.Read(raw, func([]byte, event.Key) { n++ }); a != nil {
			b.Fatal(a)
		}
	}
}
