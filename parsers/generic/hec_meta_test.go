package generic

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

type readsQuery = func(query string, body []byte, add func([]byte, event.Key)) *kit.Answer

func stored(read readsQuery, query, body string) (out []string, a *kit.Answer) {
	a = read(query, []byte(body), func(data []byte, _ event.Key) { out = append(out, string(data)) })
	return out, a
}

// What an envelope says holds for those behind it in the request.
func TestHECSticky(t *testing.T) {
	read := HEC().Hook.ReadQuery
	for _, c := range []struct {
		query, body string
		want        []string
	}{
		{"", `{"event":"a","host":"h"}{"event":"b"}`, []string{`{"event":"a","host":"h"}`, `{"host":"h","event":"b"}`}},
		{"", `{"event":"a","host":"h","time":1}{"event":"b","host":"i"}{"event":"c","time":"2","index":"x"} { "event":"d"}`,
			[]string{`{"event":"a","host":"h","time":1}`, `{"time":1,"event":"b","host":"i"}`, `{"host":"i","event":"c","time":"2","index":"x"}`, `{"time":"2","host":"i","index":"x", "event":"d"}`}},
		{"", `{"event":"a","host":"h"}{"event":"b","host":null}{"event":"c"}`, []string{`{"event":"a","host":"h"}`, `{"event":"b","host":null}`, `{"host":"h","event":"c"}`}},
		{"", `[{"event":"a","source":"s"},{"event":"b"}]{"event":"c"}`, []string{`{"event":"a","source":"s"}`, `{"source":"s","event":"b"}`, `{"source":"s","event":"c"}`}},
		{"", `{"event":{"host":"inner"},"fields":{"host":"f"}}{"event":"b"}`, []string{`{"event":{"host":"inner"},"fields":{"host":"f"}}`, `{"event":"b"}`}},
		{"host=h&sourcetype=a%22b&token=t&channel=c&auto_extract_timestamp=true", `{"event":"a","host":"own"}{"event":"b"}`,
			[]string{`{"sourcetype":"a\"b","event":"a","host":"own"}`, `{"host":"own","sourcetype":"a\"b","event":"b"}`}},
	} {
		got, a := stored(read, c.query, c.body)
		assert.Nil(t, a)
		assert.Equal(t, c.want, got)
		for _, e := range got {
			assert.True(t, detectJSON([]byte(e)), e)
		}
	}
	r := readAs(t, HEC(), `{"time":1770091506,"host":"h","index":"x","event":"d"}`)
	assert.Equal(t, "h", string(r.Host))
	assert.Equal(t, "x", string(r.Text("index")))
	assert.Equal(t, "2026-02-03T04:05:06Z", r.Time.Go().Format(time.RFC3339Nano))
}

// The query of a raw request holds for all its events, and the record shows it.
func TestHECRawQuery(t *testing.T) {
	got, a := stored(readRaw, "host=web1&source=%2Fvar%2Flog%2Fx&sourcetype=app&index=main&channel=c1&time=1770091506.25", "deny \"tcp\"\\\t\x01\xff\r\nsecond")
	require.Nil(t, a)
	require.Len(t, got, 2)
	assert.Equal(t, `{"channel":"c1","time":"1770091506.25","host":"web1","source":"/var/log/x","sourcetype":"app","index":"main","event":"deny \"tcp\"\\\t\u0001`+"\xff\"}", got[0])
	r := readAs(t, HEC(), got[0])
	assert.Equal(t, "deny \"tcp\"\\\t\x01\xff", strings.ReplaceAll(string(r.Message), "\uFFFD", "\xff"))
	assert.Equal(t, "web1", string(r.Host))
	assert.Equal(t, "app", string(r.Class))
	assert.Equal(t, "2026-02-03T04:05:06.25Z", r.Time.Go().Format(time.RFC3339Nano))
	assert.Equal(t, []string{"channel", "source", "sourcetype", "index"}, names(r))
	assert.Equal(t, "second", string(readAs(t, HEC(), got[1]).Message))

	got, a = stored(readRaw, "host=h", `{"id":"1","x":2} {}`)
	require.Nil(t, a)
	assert.Equal(t, []string{`{"host":"h","event":{"id":"1","x":2}}`, `{"host":"h","event":{}}`}, got)
	// Sent again, an event comes over another channel, and is the same all the same.
	one, _ := stored(readRaw, "host=h&channel=a", `{"id":"1"}`)
	two, _ := stored(readRaw, "host=h&channel=b", `{"id":"1"}`)
	assert.Equal(t, string(readAs(t, HEC(), one[0]).Identity), string(readAs(t, HEC(), two[0]).Identity))
	assert.Equal(t, `hec|s|{"event":{"id":"1"},"host":"h"}`, string(readAs(t, HEC(), one[0]).Identity))

	got, a = stored(readRaw, "auto=1&host=", "as it came")
	assert.Nil(t, a)
	assert.Equal(t, []string{"as it came"}, got)
}

func TestHECQueryRefused(t *testing.T) {
	for _, read := range []readsQuery{HEC().Hook.ReadQuery, readRaw} {
		for _, query := range []string{"time=yesterday", "time=-1", "host=" + strings.Repeat("h", mostMeta+1)} {
			got, a := stored(read, query, `{"event":"a"}`)
			require.NotNil(t, a, query)
			assert.Empty(t, got)
			assert.Equal(t, 400, a.Status)
			assert.Equal(t, `{"text":"Invalid data format","code":6}`, a.Body)
			assert.NotEmpty(t, a.Reason)
		}
	}
	assert.Equal(t, `{"text":"No data","code":5}`, func() string { _, a := stored(readRaw, "host=h", "\n"); return a.Body }())
}

// One long word does not become as many as there are events.
func TestHECRepeatsABoundedAmount(t *testing.T) {
	long := strings.Repeat("h", 1<<20)
	n, octets := 0, 0
	count := func(data []byte, _ event.Key) { n++; octets += len(data) }
	a := HEC().Hook.Read([]byte(`{"event":1,"host":"`+long+`"}`+strings.Repeat(`{"event":1}`, 100_000)), count)
	require.NotNil(t, a)
	assert.Equal(t, 413, a.Status)
	assert.Zero(t, a.Taken)
	assert.Less(t, octets, mostRepeated+4<<20)
	n, octets = 0, 0
	a = readRaw("host="+long[:mostMeta], []byte(strings.Repeat("x\n", 1_000_000)), count)
	require.NotNil(t, a)
	assert.Equal(t, 413, a.Status)
	assert.Less(t, octets, mostRepeated+1<<20)
}

func FuzzHECRead(f *testing.F) {
	for _, seed := range [][2]string{{"", `{"event":"a","host":"h"}{"event":"b"}`}, {"host=a%22&time=1", "x\ny\xff"}, {"channel=c", `{"a":1}{}`}, {"", `[{"event":1,"time":2},{"event":{}}]`}} {
		f.Add(seed[0], []byte(seed[1]))
	}
	hec := HEC()
	var raw *kit.Way
	for i := range hec.Hook.Ways {
		if hec.Hook.Ways[i].Path == "/raw" {
			raw = &hec.Hook.Ways[i]
		}
	}
	f.Fuzz(func(t *testing.T, query string, body []byte) {
		plain, refused := 0, hec.Hook.Read(body, func([]byte, event.Key) {})
		a := hec.Hook.ReadQuery(query, body, func(data []byte, _ event.Key) {
			plain++
			require.Nil(t, checkHEC(data), "%q", data)
			var r record.Record
			r.Raw, r.Received = data, time.Unix(0, 0)
			require.NoError(t, hec.Parse(&r, data), "%q", data)
		})
		if a == nil {
			require.Nil(t, refused)
			require.Positive(t, plain)
		}
		lines := 0
		if a := raw.ReadQuery("host=h", body, func(data []byte, _ event.Key) {
			lines++
			require.Equal(t, "h", func() string { v, _ := kit.Find(data, "host"); return strings.Trim(string(v), `"`) }(), "%q", data)
		}); a == nil {
			require.Positive(t, lines, fmt.Sprintf("%q", body))
		}
	})
}
