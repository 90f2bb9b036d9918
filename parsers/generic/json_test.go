package generic

import (
	"bytes"
	"embed"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

func readAs(t testing.TB, v kit.Vendor, raw string) *record.Record {
	r := &record.Record{Raw: []byte(raw), Received: time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC), Source: "s"}
	require.NoError(t, v.Parse(r, r.Raw), raw)
	return r
}

func names(r *record.Record) (out []string) {
	for i := 0; i < len(r.Fields); i += 1 + int(r.Fields[i].Size) {
		out = append(out, string(r.Fields[i].Name))
	}
	return out
}

func TestJSONVendor(t *testing.T) {
	r := readAs(t, JSON, `{"@timestamp":"2026-02-03T04:05:06.789Z","message":"m","log":{"level":"WARNING"},"event":{"id":"e-1","action":"login","outcome":"failure","code":"4625"},"user":{"name":"ada","id":"7"},"source":{"ip":"198.51.100.9","port":50311},"destination.ip":"192.0.2.1","host":{"name":"web1"},"vendor":"Acme","product":"Box","x":[1,{"y":null}]}`)
	assert.Equal(t, "2026-02-03T04:05:06.789Z", r.Time.Go().Format(time.RFC3339Nano))
	for want, got := range map[string][]byte{
		"m": r.Message, "e-1": r.ID, "login": r.Action, "failure": r.Outcome, "4625": r.Class, "web1": r.Host, "Acme": r.Vendor, "Box": r.Product,
		"ada": r.Get(record.UserName), "7": r.Get(record.UserID), "198.51.100.9": r.Get(record.SrcIP), "50311": r.Get(record.SrcPort), "192.0.2.1": r.Get(record.DstIP),
	} {
		assert.Equal(t, want, string(got))
	}
	assert.Equal(t, 5, r.Severity)
	assert.Equal(t, []string{"@timestamp", "message", "log", "event", "user", "source", "destination.ip", "host", "vendor", "product", "x"}, names(r))
	assert.True(t, strings.HasPrefix(string(r.Identity), `json|s|{"@timestamp":`))

	r = readAs(t, JSON, " {\"a\":1} \n")
	assert.Equal(t, `{"a":1}`, string(r.Message))
	assert.Empty(t, r.Identity)
	assert.True(t, r.Time.IsZero())
	r = readAs(t, JSON, `["a",1]`)
	assert.Equal(t, []string{"value"}, names(r))
	assert.Equal(t, `["a",1]`, string(r.Message))
	for _, raw := range []string{``, `{`, `{"a":1}x`, `text`} {
		var r record.Record
		assert.Error(t, JSON.Parse(&r, []byte(raw)), raw)
		assert.Empty(t, r.Fields)
	}
}

func TestJSONTimes(t *testing.T) {
	berlin := time.FixedZone("", 3600)
	for in, want := range map[string]string{
		`1770091506`: "2026-02-03T04:05:06Z", `1770091506123`: "2026-02-03T04:05:06.123Z", `"1770091506.5"`: "2026-02-03T04:05:06.5Z",
		`"2026-02-03T04:05:06+02:00"`: "2026-02-03T02:05:06Z", `"2026-02-03 04:05:06"`: "2026-02-03T03:05:06Z",
		`5`: "", `-1`: "", `"yesterday"`: "", `null`: "", `true`: "", `{}`: "",
	} {
		r := &record.Record{Zone: berlin, Received: time.Date(2026, 2, 3, 0, 0, 0, 0, time.UTC)}
		require.NoError(t, JSON.Parse(r, []byte(`{"time":`+in+`}`)))
		if want == "" {
			assert.True(t, r.Time.IsZero(), in)
			continue
		}
		assert.Equal(t, want, r.Time.Go().Format(time.RFC3339Nano), in)
	}
	r := readAs(t, JSON, `{"time":"unknown","ts":1770091506}`)
	assert.False(t, r.Time.IsZero(), "the first that is a time")
}

func TestJSONSeverity(t *testing.T) {
	for in, want := range map[string]int{
		`"severity":"High"`: 8, `"severity":7`: 7, `"severity":"10"`: 10, `"severity":11`: 0, `"severity":0`: 0, `"severity":-1`: 0, `"severity":1.5`: 0,
		`"level":"ERROR"`: 8, `"level":30`: 0, `"level":"emerg"`: 10, `"level":"crit"`: 9, `"level":"medium"`: 5, `"level":"low"`: 3, `"level":"Info"`: 1,
		`"level":"debug"`: 0, `"level":"something else that is long"`: 0, `"level":""`: 0, `"level":"odd","severity":"low"`: 3,
	} {
		assert.Equal(t, want, readAs(t, JSON, "{"+in+"}").Severity, in)
	}
}

func TestJSONFactsAreTyped(t *testing.T) {
	r := readAs(t, JSON, `{"src_ip":"unknown","source":{"ip":"::1"},"src_port":"http","dst_ip":"10.0.0.1","dest_ip":"10.0.0.2","user":{"name":null,"email":"a@b"}}`)
	assert.Equal(t, "::1", string(r.Get(record.SrcIP)))
	assert.False(t, r.Has(record.SrcPort))
	assert.Equal(t, "10.0.0.1", string(r.Get(record.DstIP)), "the first wins")
	assert.Equal(t, "a@b", string(r.Get(record.UserName)))
}

func TestJSONDetect(t *testing.T) {
	for in, want := range map[string]bool{`{"a":1}`: true, "\uFEFF {} \n": true, `[1]`: false, `{"a":1} x`: false, `{"a":1`: false, ``: false, `text`: false} {
		assert.Equal(t, want, JSON.Detect([]byte(in)), in)
	}
}

func rawsOf(t testing.TB, fs embed.FS) (all [][]byte) {
	samples, err := kit.ReadSamples(kit.Vendor{Samples: fs})
	require.NoError(t, err)
	require.NotEmpty(t, samples)
	for _, s := range samples {
		all = append(all, s.Raw)
	}
	return all
}

func TestJSONAllocatesNothing(t *testing.T) {
	var r record.Record
	for _, raw := range rawsOf(t, jsonSamples) {
		assert.Zero(t, testing.AllocsPerRun(100, func() {
			r.Reset()
			r.Raw = raw
			_ = JSON.Parse(&r, raw)
			JSON.Detect(raw)
		}), "%s", raw)
	}
	hec := HEC()
	for _, raw := range rawsOf(t, hecSamples)[:2] {
		assert.Zero(t, testing.AllocsPerRun(100, func() {
			r.Reset()
			r.Raw = raw
			_ = hec.Parse(&r, raw)
			hec.Detect(raw)
		}), "%s", raw)
	}
}

func FuzzJSONVendor(f *testing.F) {
	for _, raw := range rawsOf(f, jsonSamples) {
		f.Add(raw)
	}
	for _, raw := range rawsOf(f, hecSamples) {
		f.Add(raw)
	}
	hec := HEC()
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, v := range []kit.Vendor{JSON, hec} {
			r := &record.Record{Raw: raw, Source: "s"}
			err := v.Parse(r, raw)
			v.Detect(raw)
			if err != nil {
				require.Empty(t, r.Fields)
				continue
			}
			require.NotEmpty(t, r.Message)
			require.GreaterOrEqual(t, r.Severity, 0)
			require.LessOrEqual(t, r.Severity, 10)
			for i := range r.Fields {
				require.LessOrEqual(t, i+int(r.Fields[i].Size), len(r.Fields)-1)
			}
			require.Equal(t, len(r.ID) > 0, len(r.Identity) > 0)
			if v.Name == "json" {
				require.True(t, json.Valid(r.Message) || bytes.ContainsAny(raw, `ms\`))
			}
		}
	})
}
