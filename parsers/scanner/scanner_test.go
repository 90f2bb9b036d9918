package scanner

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

var received = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func sampleBodies(t testing.TB) map[string][]byte {
	all, err := kit.ReadSamples(Vendor)
	require.NoError(t, err)
	out := map[string][]byte{}
	for _, s := range all {
		out[s.Name] = s.Raw
	}
	require.GreaterOrEqual(t, len(out), 8)
	return out
}

type one struct {
	data []byte
	key  event.Key
}

func split(body string) (got []one, a *kit.Answer) {
	a = hook.Read([]byte(body), func(data []byte, key event.Key) { got = append(got, one{data, key}) })
	return got, a
}

func parsed(t testing.TB, raw string) *record.Record {
	r := &record.Record{Raw: []byte(raw), Received: received, Source: "scanner"}
	require.NoError(t, parse(r, r.Raw))
	return r
}

func TestBodies(t *testing.T) {
	for body, want := range map[string]struct {
		refused string
		events  int
		answer  string
	}{
		``:                           {"body is empty", 0, ""},
		" \r\n":                      {"body is empty", 0, ""},
		`[]`:                         {"body is empty", 0, ""},
		`x`:                          {"body is not JSON", 0, ""},
		`{"id":"a"`:                  {"body is not JSON", 0, ""},
		`"text"`:                     {"alert is not an object", 0, ""},
		`null`:                       {"alert is not an object", 0, ""},
		`[1,2]`:                      {"alert is not an object", 0, ""},
		`[{"id":1},2]`:               {"alert is not an object", 0, ""},
		`{}`:                         {"alert has no members", 0, ""},
		`{"event":{}}`:               {"alert has no members", 0, ""},
		`{"id":"a"}`:                 {"", 1, `{"status":"accepted","id":"a"}`},
		`{"x":null}`:                 {"", 1, `{"status":"accepted"}`},
		`{"id":null}`:                {"", 1, `{"status":"accepted"}`},
		`{"id":{}}`:                  {"", 1, `{"status":"accepted"}`},
		`[{"id":"a"},{"id":"b"}]`:    {"", 2, `{"status":"accepted","ids":["a","b"]}`},
		"{\"id\":\"a\"}\n{\"x\":1}":  {"", 2, `{"status":"accepted","ids":["a",null]}`},
		`{"event":{"id":"a"}}`:       {"", 1, `{"status":"accepted","id":"a"}`},
		`{"event":{"id":"a"},"x":1}`: {"", 1, `{"status":"accepted"}`},
		`{"event":"x"}`:              {"", 1, `{"status":"accepted"}`},
		`{"id":"` + strings.Repeat("x", mostID) + `"}`: {"", 1, `{"status":"accepted"}`},
	} {
		got, a := split(body)
		if want.refused != "" {
			require.NotNil(t, a, body)
			assert.Equal(t, 400, a.Status)
			assert.Equal(t, `{"error":"`+want.refused+`"}`, a.Body, body)
			assert.NotEmpty(t, a.Reason)
			continue
		}
		require.Nil(t, a, body)
		assert.Len(t, got, want.events, body)
		ok := hook.Accepted([]byte(body))
		assert.Equal(t, 200, ok.Status)
		assert.Equal(t, want.answer, ok.Body)
	}
}

// The instant is kept to the nanosecond; a float64 would be 21 ns off.
func TestTimes(t *testing.T) {
	for member, want := range map[string]string{
		`"timestamp":1768471205123456789`:              "2026-01-15T10:00:05.123456789Z",
		`"timestamp":"1768471205123456789"`:            "2026-01-15T10:00:05.123456789Z",
		`"timestamp":1768471205123`:                    "2026-01-15T10:00:05.123Z",
		`"timestamp":1768471205`:                       "2026-01-15T10:00:05Z",
		`"timestamp":1768471205.25`:                    "2026-01-15T10:00:05.25Z",
		`"timestamp":1.768471205e9`:                    "2026-01-15T10:00:05Z",
		`"timestamp":"2026-01-15T11:22:33.000000001Z"`: "2026-01-15T11:22:33.000000001Z",
		`"x":1`:              "2026-03-04T05:06:07Z",
		`"timestamp":0`:      "2026-03-04T05:06:07Z",
		`"timestamp":"soon"`: "2026-03-04T05:06:07Z",
		`"timestamp":null,"detected_in_time_range":{"start":"2026-01-01T00:00:00.000000000Z","end":"2026-01-01T00:05:00.000000007Z"}`: "2026-01-01T00:05:00.000000007Z",
		`"View in Scanner":"https://h/p?a=b&triggered_at=2026-01-15T10%3A00%3a05Z"`:                                                   "2026-01-15T10:00:05Z",
		`"View in Scanner":"https://h/p?triggered_at=2026-01-15T10:00:05Z&x"`:                                                         "2026-01-15T10:00:05Z",
		`"View in Scanner":"https://h/p?triggered_at=%zz&"`:                                                                           "2026-03-04T05:06:07Z",
	} {
		r := parsed(t, `{"id":"x","severity_id":1,`+member+`}`)
		assert.Equal(t, want, r.When().Go().Format(time.RFC3339Nano), member)
		odd := strings.Contains(member, ":0") && strings.HasPrefix(member, `"timestamp":0`) || strings.Contains(member, "soon")
		assert.Equal(t, odd, len(r.Warnings) == 1, member)
	}
}

func TestSeverities(t *testing.T) {
	for member, want := range map[string]int{
		`"severity_id":0`: 0, `"severity_id":1`: 1, `"severity_id":2`: 3, `"severity_id":3`: 5, `"severity_id":4`: 8,
		`"severity_id":5`: 9, `"severity_id":6`: 10, `"severity_id":99`: 5, `"severity_id":"4"`: 8,
		`"severity_id":1,"severity":"Fatal"`: 1, `"severity_id":7,"severity":"Fatal"`: 10,
		`"severity":"Information"`: 1, `"severity":"INFORMATIONAL"`: 1, `"severity":"low"`: 3, `"severity":"Unknown"`: 0,
		`"severity":"Other"`: 5, `"severity":"dire"`: 5, `"x":1`: 5,
	} {
		r := parsed(t, `{"id":"x",`+member+`}`)
		assert.Equal(t, want, r.Severity, member)
		assert.Equal(t, strings.Contains(member, "dire") || strings.Contains(member, "x"), len(r.Warnings) == 1, member)
	}
}

func TestAttackTags(t *testing.T) {
	for tags, want := range map[string][2]string{
		`["tactics.ta0004.privilege_escalation","techniques.t1098.003_x"]`: {"TA0004", "T1098.003"},
		`["techniques.t1098.account_manipulation","techniques.T1098.001"]`: {"", "T1098,T1098.001"},
		`["techniques.t1098.0031","techniques.t10985","techniques.t109"]`:  {"", "T1098"},
		`["techniques.t1078","techniques.t1078","tactics.ta1"]`:            {"", "T1078"},
		`[]`: {}, `null`: {}, `["",7]`: {}, `"techniques.t1078"`: {},
	} {
		r := parsed(t, `{"id":"x","tags":`+tags+`}`)
		assert.Equal(t, want[0], string(r.Get(record.ThreatTactic)), tags)
		assert.Equal(t, want[1], string(r.Get(record.ThreatTechnique)), tags)
		_, slot, _ := r.GetSlot(record.CS3)
		assert.Equal(t, want[1], string(slot), tags)
	}
}

func TestRows(t *testing.T) {
	for row, want := range map[string]map[record.Key]string{
		`{"client.ip":"192.0.2.1","sourceIPAddress":"192.0.2.2"}`:             {record.SrcIP: "192.0.2.2"},
		`{"sourceIPAddress":"cloudtrail.amazonaws.com","SRC_IP":"192.0.2.3"}`: {record.SrcIP: "192.0.2.3"},
		`{"@ecs.source.ip":"2001:db8::1","resource.ip":"192.0.2.9"}`:          {record.SrcIP: "2001:db8::1"},
		`{"actor.id":5,"detail.userIdentity.userName":"u"}`:                   {record.UserName: "u"},
		`{"user.name":null,"actor.alternateId":{},"actor.id":7}`:              {record.UserName: "7"},
		`{"destination.ip":"192.0.2.4","dest_ip":"192.0.2.5"}`:                {record.DstIP: "192.0.2.4"},
		`{"destIp":"x","@ecs.destination.ip":"192.0.2.6"}`:                    {record.DstIP: "192.0.2.6"},
		`{"hostname":"a b"}`:                  nil,
		`{"hostname":"a","e.host.name":"b"}`:  {record.DstHost: "b"},
		`{"hostname":true}`:                   nil,
		`{"@q.count":9}`:                      {record.Count: "9"},
		`{"@q.count":"many"}`:                 nil,
		`{}`:                                  nil,
		`["192.0.2.1"]`:                       nil,
		`null`:                                nil,
		`{"x" : "a \" b" , "client.ip" : ""}`: nil,
	} {
		r := parsed(t, `{"id":"x","results_table":{"rows":[`+row+`]}}`)
		for _, k := range []record.Key{record.SrcIP, record.UserName, record.DstIP, record.DstHost, record.Count} {
			assert.Equal(t, want[k], string(r.Get(k)), "%s: %s", row, record.Keys[k].Name)
		}
		_, slot, _ := r.GetSlot(record.CS4)
		if row[0] == '{' {
			var compact bytes.Buffer
			require.NoError(t, json.Compact(&compact, []byte(row)))
			assert.Equal(t, compact.String(), string(slot))
		} else {
			assert.Empty(t, slot)
		}
	}
	for table, count := range map[string]string{
		`null`: "", `[]`: "", `{}`: "", `{"rows":null,"total_row_count":"12"}`: "12", `{"rows":[],"total_row_count":0}`: "0",
		`{"rows":[{"@q.count":3}],"total_row_count":5}`: "5", `{"rows":[{"@q.count":3}],"total_row_count":-5}`: "3",
	} {
		r := parsed(t, `{"id":"x","results_table":`+table+`}`)
		assert.Equal(t, count, string(r.Get(record.Count)), table)
	}
}

func TestWhatIsLeftOutIsFoundElsewhere(t *testing.T) {
	r := parsed(t, `{"Title":"Root login","View in Scanner":"https://h/?detection_rule_id=r-1","@pagerduty.payload.source":{"a":[1]},"Region":"eu"}`)
	assert.Equal(t, "r-1", string(r.Class))
	assert.Equal(t, "Root login", string(r.Name))
	assert.Equal(t, "Root login", string(r.Message))
	assert.Equal(t, 3, len(r.Fields), "what is for PagerDuty is left out")
	assert.Equal(t, "eu", string(r.Text("Region")))
	r = parsed(t, `{"x":1}`)
	assert.Equal(t, "Scanner detection", string(r.Name))
	assert.Equal(t, "Scanner detection", string(r.Class))
	require.Error(t, parse(&record.Record{}, []byte(`[1]`)))
}

func TestIdentity(t *testing.T) {
	for _, pair := range [][2]string{
		{`{"id":"a","x":1}`, `{"x":2,"id":"\u0061"}`},
		{`{"id":"a"}`, `{"event":{"id":"a"},"time":1}`},
		{`{"x":1,"y":2}`, `{ "y":2, "x":1 }`},
	} {
		a, _ := split(pair[0])
		b, _ := split(pair[1])
		assert.Equal(t, a[0].key, b[0].key)
	}
	seen := map[event.Key]bool{}
	for _, body := range []string{`{"id":"a"}`, `{"id":"b"}`, `{"id":null}`, `{"x":1}`, `{"x":1,"id":""}`} {
		got, _ := split(body)
		require.Len(t, got, 1)
		assert.False(t, seen[got[0].key], body)
		seen[got[0].key] = true
		sum := sha256.Sum256(parsed(t, body).Identity)
		assert.Equal(t, sum[:16], got[0].key[:], body)
	}
}

func TestTestEvents(t *testing.T) {
	for body, want := range map[string]bool{
		`{"message":"This is a Test Event"}`:                       true,
		`{"test":true}`:                                            true,
		`{"event":{"title":"test event","description":"x"}}`:       true,
		`{"message":"a test event","severity":"High"}`:             false,
		`{"message":"a test event","id":"x"}`:                      false,
		`{"test":"true"}`:                                          false,
		`{"a":"test event","b":1,"c":1,"d":1}`:                     false,
		`{"Title":"Contest eventually","View in Scanner":"https"}`: false,
	} {
		r := parsed(t, body)
		assert.Equal(t, want, r.Test, body)
		got, a := split(body)
		require.Nil(t, a)
		assert.Equal(t, want, got[0].key == event.Key{}, body)
	}
}

func TestDetect(t *testing.T) {
	for name, body := range sampleBodies(t) {
		got, _ := split(string(body))
		want := name != "bare" && name != "test-event"
		assert.Equal(t, want, detect(got[0].data), name)
	}
	for _, body := range []string{``, `[]`, `{"event":"x"}`, `{"detection_rule_id":"x"}`, `{"detection_rule_id":"x","query_text":1`} {
		assert.False(t, detect([]byte(body)), body)
	}
}

func TestParseAllocatesNothing(t *testing.T) {
	var r record.Record
	for name, body := range sampleBodies(t) {
		got, a := split(string(body))
		require.Nil(t, a)
		for _, o := range got {
			assert.Zero(t, testing.AllocsPerRun(50, func() {
				r.Reset()
				r.Raw, r.Received = o.data, received
				_ = parse(&r, o.data)
			}), name)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, b := range sampleBodies(f) {
		f.Add(b)
	}
	f.Add([]byte(`{"event":{"id":[],"tags":{"a":1},"results_table":{"rows":[{"\u0061":"\\"}]}},"time":1}`))
	f.Add([]byte("\uFEFF[{\"@pagerduty.x\":{\"a\":1},\"View in Scanner\":\"?triggered_at=%4\"}]"))
	f.Fuzz(func(t *testing.T, body []byte) {
		before := bytes.Clone(body)
		got, a := split(string(body))
		require.Equal(t, before, body)
		if a != nil {
			require.True(t, json.Valid([]byte(a.Body)))
			return
		}
		require.NotEmpty(t, got)
		require.True(t, json.Valid([]byte(hook.Accepted(body).Body)) || !json.Valid(body))
		for _, o := range got {
			r := &record.Record{Raw: o.data, Received: received}
			if err := parse(r, o.data); err != nil {
				require.ErrorContains(t, err, "values")
				continue
			}
			require.NotEmpty(t, r.Name)
			require.Equal(t, r.Test, o.key == event.Key{})
			if !r.Test {
				sum := sha256.Sum256(r.Identity)
				require.Equal(t, sum[:16], o.key[:])
			}
			if _, row, _ := r.GetSlot(record.CS4); len(row) > 0 {
				require.True(t, json.Valid(row))
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	raw := sampleBodies(b)["api-token"]
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
