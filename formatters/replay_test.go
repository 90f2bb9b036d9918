package formatters

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/record"
)

// An event that is sent again says by which replay in every format that has a place for
// it, and is the same event otherwise.
func TestEveryFormatShowsAReplay(t *testing.T) {
	const id = "20261120T101112Z"
	silent := map[string]bool{"raw": true, "rfc3164": true} // text alone
	for _, f := range Names() {
		for _, header := range []string{"", RFC5424} {
			if header != "" && !f.Headed {
				continue
			}
			format, err := New(f.Name, Options{Host: "h", Header: header})
			require.NoError(t, err)
			r := &record.Record{Source: "s", Identity: []byte("x"), Message: []byte("text"), Raw: []byte("text")}
			plain, err := format.Append(nil, r)
			require.NoError(t, err)
			uid := string(r.AppendUID(nil))
			r.Set(record.Replay, []byte(id))
			marked, err := format.Append(nil, r)
			require.NoError(t, err)
			assert.Equal(t, uid, string(r.AppendUID(nil)))
			if silent[f.Name] {
				assert.Equal(t, plain, marked, f.Name)
				continue
			}
			assert.Contains(t, string(marked), id, f.Name)
			assert.NotContains(t, string(plain), "replay", f.Name)
		}
	}
}

// A message that keeps the structured data it came with gets the mark as an element of
// its own, unless there is one with that SD-ID.
func TestAReplayBesideStructuredData(t *testing.T) {
	format, err := New(RFC5424, Options{Host: "h"})
	require.NoError(t, err)
	for sd, want := range map[string]string{
		"":                                    `[siemfwd@32473 replay="7"]`,
		`[a b="c"]`:                           `[a b="c"][siemfwd@32473 replay="7"]`,
		`[siemfwd@324730 b="siemfwd@32473 "]`: `[siemfwd@324730 b="siemfwd@32473 "][siemfwd@32473 replay="7"]`,
		`[a][siemfwd@32473 user.name="x"]`:    `[a][siemfwd@32473 user.name="x"]`,
		`[a][siemfwd@32473]`:                  `[a][siemfwd@32473]`,
	} {
		r := &record.Record{Syslog: record.Syslog{V5424: true, SD: []byte(sd)}, Message: []byte("m")}
		r.Set(record.Replay, []byte("7"))
		out, err := format.Append(nil, r)
		require.NoError(t, err)
		assert.Contains(t, string(out), " "+want+" m")
	}
}
