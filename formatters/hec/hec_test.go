package hec_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/formatters/hec"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

func TestTime(t *testing.T) {
	for nanos, want := range map[int64]string{
		1700000000_123456789: "1700000000.123", 1700000000_999999999: "1700000000.999", 0: "0.000", 1_000_000: "0.001", -1: "-0.001", -1_500_000_000: "-1.500",
	} {
		out, err := hec.Append(nil, &hec.Event{Time: record.Unix(nanos, 9), Text: []byte("x")})
		require.NoError(t, err)
		assert.Equal(t, `{"time":`+want+`,"event":"x"}`, string(out))
	}
}

func TestNothingAllocated(t *testing.T) {
	var r record.Record
	r.Open([]byte("user"), record.Map)
	r.Add([]byte("name"), record.String, []byte("bob\n"))
	r.Close()
	e := hec.Event{Time: record.Unix(1, 3), Host: []byte("h"), Text: []byte("a\"b\xff"), Fields: r.Fields}
	buf := make([]byte, 0, 4096)
	assert.Zero(t, testing.AllocsPerRun(100, func() { buf, _ = hec.Append(buf[:0], &e) }))
	assert.Equal(t, `{"time":0.000,"host":"h","event":"a\"b`+"\uFFFD"+`","fields":{"user.name":"bob\n"}}`, string(buf))
}

// FuzzEnvelope holds that no text gets out of its place: one line, one object, and the
// members are those that were given.
func FuzzEnvelope(f *testing.F) {
	f.Add("h", "s", "i", "plain")
	f.Add(`","event":"x"},{"`, "\x00\n", "\u2028", "}\n{\"event\":\"second\"}")
	f.Add("\xff", "", " ", "\\")
	f.Fuzz(func(t *testing.T, host, source, index, text string) {
		e := hec.Event{Host: []byte(host), Source: []byte(source), SourceType: []byte(index), Index: []byte(index), Text: []byte(text)}
		out, err := hec.Append([]byte("kept"), &e)
		if strings.TrimSpace(text) == "" {
			require.ErrorIs(t, err, hec.ErrBlank)
			require.Equal(t, "kept", string(out))
			return
		}
		require.NoError(t, err)
		require.NotContains(t, string(out), "\n")
		var got map[string]string
		require.NoError(t, json.Unmarshal(out[4:], &got))
		for key, want := range map[string]string{"host": host, "source": source, "sourcetype": index, "index": index, "event": text} {
			require.Equal(t, string([]rune(want)), got[key], key)
		}
	})
}
