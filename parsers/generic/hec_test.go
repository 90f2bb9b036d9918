package generic

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

func TestHECParse(t *testing.T) {
	hec := HEC()
	r := readAs(t, hec, `{"time":"1770091506.250","host":"web1","source":"/var/log/app.json","sourcetype":"app:json","index":"main","event":{"level":"error","msg":"disk full","path":"/srv","host":"other"},"fields":{"env":["a","b"],"path":"not this one"},"channel":"c"}`)
	assert.Equal(t, "2026-02-03T04:05:06.25Z", r.Time.Go().Format(time.RFC3339Nano))
	assert.Equal(t, "web1", string(r.Host))
	assert.Equal(t, "disk full", string(r.Message))
	assert.Equal(t, "app:json", string(r.Class))
	assert.Equal(t, 8, r.Severity)
	assert.Equal(t, []string{"level", "msg", "path", "host", "source", "sourcetype", "index", "env", "channel"}, names(r))
	assert.Equal(t, "/srv", string(r.Text("path")))

	r = readAs(t, hec, `{"event":"deny \"tcp\"","time":1770091506}`)
	assert.Equal(t, `deny "tcp"`, string(r.Message))
	assert.Empty(t, r.Fields)
	r = readAs(t, hec, `{"event":[1,2],"time":"x","host":null}`)
	assert.Equal(t, `[1,2]`, string(r.Message))
	assert.Equal(t, []string{"event", "host"}, names(r))
	assert.Equal(t, []record.Warning{{Kind: "time", Detail: []byte(`"x"`)}}, r.Warnings)
	assert.True(t, r.Time.IsZero())

	r = readAs(t, hec, `{"event":{"id":"1","x":2},"source":"level"}`)
	assert.Equal(t, `hec|s|{"event":{"id":"1","x":2},"source":"level"}`, string(r.Identity))

	r = readAs(t, hec, `{"level":"error","msg":"bare"}`)
	assert.Equal(t, "bare", string(r.Message))
	assert.Equal(t, 8, r.Severity)
	r = readAs(t, hec, `<13>bare "text"`)
	assert.Equal(t, `<13>bare "text"`, string(r.Message))
	assert.Equal(t, "hec", string(r.Class))

	for _, raw := range []string{``, `[]`, `{"a":`, `{"event":`, `{"event":"x"`, `{"event":"x"} y`, `{"event":{"a":1},"x":}`} {
		var r record.Record
		assert.Error(t, hec.Parse(&r, []byte(raw)), raw)
		assert.Empty(t, r.Fields, raw)
	}
}

// Vectors of HEC's own answers.
func TestHECRead(t *testing.T) {
	hook := HEC().Hook
	for _, c := range []struct {
		body   string
		events []string
		answer string
		taken  int
	}{
		{`{"event":"a"}{"event":"b"}`, []string{`{"event":"a"}`, `{"event":"b"}`}, "", 0},
		{"\uFEFF {\"event\":\"a\"}\r\n{\"event\":\"b\"}\n", []string{`{"event":"a"}`, `{"event":"b"}`}, "", 0},
		{`[{"event":"a"},{"event":1}]`, []string{`{"event":"a"}`, `{"event":1}`}, "", 0},
		{``, nil, `{"text":"No data","code":5}`, 0},
		{" \n", nil, `{"text":"No data","code":5}`, 0},
		{`[]`, nil, `{"text":"No data","code":5}`, 0},
		{`{"event":"a"}{"event":`, []string{`{"event":"a"}`}, `{"text":"Invalid data format","code":6,"invalid-event-number":1}`, 13},
		{`{"event":"a"}{"foo":1}{"event":"c"}`, []string{`{"event":"a"}`}, `{"text":"Event field is required","code":12,"invalid-event-number":1}`, 13},
		{`{"event":null}`, nil, `{"text":"Event field is required","code":12,"invalid-event-number":0}`, 0},
		{`{"event":""}`, nil, `{"text":"Event field cannot be blank","code":13,"invalid-event-number":0}`, 0},
		{`{"event":{ }}`, nil, `{"text":"Event field cannot be blank","code":13,"invalid-event-number":0}`, 0},
		{`"text"`, nil, `{"text":"Invalid data format","code":6,"invalid-event-number":0}`, 0},
		{`{"event":"x","time":"1700000000.5"}`, []string{`{"event":"x","time":"1700000000.5"}`}, "", 0},
		{`{"event":"x","time":null}`, []string{`{"event":"x","time":null}`}, "", 0},
		{`{"event":"x","time":-5}`, nil, `{"text":"Invalid data format","code":6,"invalid-event-number":0}`, 0},
		{`{"event":"x","time":{}}`, nil, `{"text":"Invalid data format","code":6,"invalid-event-number":0}`, 0},
		{`{"event":"x","fields":{"a":"b","c":["d",1]}}`, []string{`{"event":"x","fields":{"a":"b","c":["d",1]}}`}, "", 0},
		{`{"event":"x","fields":{"a":{}}}`, nil, `{"text":"Error in handling indexed fields","code":15,"invalid-event-number":0}`, 0},
		{`{"event":"x","fields":[]}`, nil, `{"text":"Error in handling indexed fields","code":15,"invalid-event-number":0}`, 0},
		{`{"event":"a"} [{"event":"b"},{}]`, []string{`{"event":"a"}`}, `{"text":"Event field is required","code":12,"invalid-event-number":1}`, 13},
	} {
		var got []string
		a := hook.Read([]byte(c.body), func(data []byte, key event.Key) {
			got = append(got, string(data))
			assert.Zero(t, key)
		})
		assert.Equal(t, c.events, got, c.body)
		if c.answer == "" {
			assert.Nil(t, a, c.body)
			continue
		}
		require.NotNil(t, a, c.body)
		assert.Equal(t, 400, a.Status)
		assert.Equal(t, c.answer, a.Body)
		assert.Equal(t, c.taken, a.Taken, c.body)
		assert.NotEmpty(t, a.Reason)
	}
}

// The ways besides that of envelopes.
func TestHECWays(t *testing.T) {
	ways := map[string]kit.Way{}
	for _, w := range HEC().Hook.Ways {
		ways[w.Path] = w
	}
	for body, want := range map[string][]string{
		"a\r\n\nb \n":           {"a", "b "},
		"\uFEFFone":             {"one"},
		`{"a":1}{"b":` + "\n2}": {`{"a":1}`, `{"b":` + "\n2}"},
		`[{"a":1},{"b":2}]`:     {`{"a":1}`, `{"b":2}`},
		"{\"a\":1}\n{\"b\"\n":   {`{"a":1}`, `{"b"`},
		"1 2":                   {"1 2"},
		"\xff\x00\n":            {"\xff\x00"},
	} {
		var got []string
		assert.Nil(t, ways["/raw"].Read([]byte(body), func(d []byte, k event.Key) {
			got = append(got, string(d))
			assert.Zero(t, k)
		}), body)
		assert.Equal(t, want, got, "%q", body)
	}
	for _, empty := range []string{"", " \r\n\n"} {
		a := ways["/raw/1.0"].Read([]byte(empty), func([]byte, event.Key) { t.Error("an event") })
		require.NotNil(t, a)
		assert.Equal(t, `{"text":"No data","code":5}`, a.Body)
	}
	assert.Equal(t, kit.Answer{Status: 400, Body: `{"text":"ACK is disabled","code":14}`}, ways["/ack"].OK)
	assert.Equal(t, kit.Answer{Status: 200, Body: `{"text":"HEC is healthy","code":17}`}, ways["/health"].OK)
	assert.Equal(t, 503, ways["/health/1.0"].Full.Status)
}

// An envelope that another vendor knows is that vendor's, with its key.
func TestHECOfAnotherVendor(t *testing.T) {
	other := kit.Vendor{
		Detect: func(raw []byte) bool { return bytes.Contains(raw, []byte("mine")) },
		Parse:  func(r *record.Record, _ []byte) error { r.Name = []byte("known"); return nil },
		Hook: &kit.Hook{Read: func(body []byte, add func([]byte, event.Key)) *kit.Answer {
			add(body, event.Key{1})
			return nil
		}},
	}
	hec := HEC(other)
	assert.Equal(t, "known", string(readAs(t, hec, `{"event":"mine"}`).Name))
	assert.Equal(t, "hec", string(readAs(t, hec, `{"event":"yours"}`).Name))
	var keys []event.Key
	require.Nil(t, hec.Hook.Read([]byte(`{"event":"mine"}{"event":"yours"}`), func(_ []byte, k event.Key) { keys = append(keys, k) }))
	assert.Equal(t, []event.Key{{1}, {}}, keys)
}

func TestHECDetect(t *testing.T) {
	hec := HEC()
	for in, want := range map[string]bool{
		`{"event":"x","time":1}`: true, `{"sourcetype":"a","event":{}}`: true, `{"event":"x"}`: false, `{"event":null,"time":1}`: false,
		`{"event":"x","time":1,"other":2}`: false, `{"time":1}`: false, `[]`: false, `{"event":"x","time":1`: false,
	} {
		assert.Equal(t, want, hec.Detect([]byte(in)), in)
	}
}
