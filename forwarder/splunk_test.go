package forwarder

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/control"
	"github.com/siemfwd/siemfwd/forwarder/simulate"
	"github.com/siemfwd/siemfwd/forwarder/sink"
)

// TestSplunkGetsEverything sends through the real daemon to a Splunk at its worst. Every
// event is indexed; twice only those whose answer or acknowledgement was lost or could
// not come any more.
func TestSplunkGetsEverything(t *testing.T) {
	worst := simulate.SplunkFaults{
		Codes:  map[int]float64{4: 0.02, 8: 0.03, 9: 0.05, 23: 0.02, 26: 0.03, 27: 0.02},
		Partly: map[int]float64{9: 0.1}, Warnings: 0.1, Bare: 0.05, Lost: 0.03, Cut: 0.03,
	}
	acked := worst
	acked.Move, acked.Restart, acked.AckError = 0.01, 0.01, 0.1
	for name, o := range map[string]simulate.SplunkOptions{
		"without acknowledgement": {Faults: worst},
		"with acknowledgement":    {Faults: acked, Ack: true, AckAfter: 50 * time.Millisecond, Indexers: 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o.Seed = uint64(time.Now().UnixNano())
			t.Log("seed", o.Seed)
			splunk, err := simulate.StartSplunk(o)
			require.NoError(t, err)
			defer splunk.Close()
			dir := t.TempDir()
			path := filepath.Join(dir, "siemfwd.yaml")
			require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, `
state: %s
http: {listen: ""}
shutdown_grace: 2s
sources: {in: {type: syslog, vendor: text, listen: ["tcp://127.0.0.1:0"]}}
sinks: {out: {type: splunk_hec, url: "%s", token: %s, ack: %t, ack_timeout: 1s, batch_events: 40, format: raw, fields: false}}
`, filepath.Join(dir, "state"), splunk.URL, simulate.SplunkToken, o.Ack), 0o600))
			d := startFile(t, path, nil, func(f *Forwarder) {
				f.lanes[0].wait = backoff{first: time.Millisecond, most: 10 * time.Millisecond}
			})
			defer d.end()
			const n = 2000
			lines := numbered(0, n)
			d.send(lines[:n/2]...)
			d.eventually("half of it received", func(st control.Status) bool { return st.Sources[0].Received >= n/2 })
			d.send(lines[n/2:]...)
			d.eventually("half of that", func(st control.Status) bool { return laneOf(st, "out").Delivered > n/2 })
			splunk.Behave(simulate.SplunkFaults{}) // its worst was while it counted
			st := d.eventually("all of it", func(st control.Status) bool { return laneOf(st, "out").Waiting == 0 && st.Sources[0].Received == n })
			assert.EqualValues(t, n, laneOf(st, "out").Delivered)
			assert.Zero(t, laneOf(st, "out").Dead)
			counts, twice := splunk.Counts(), 0
			assert.Len(t, counts, n)
			for _, line := range lines {
				id := `"` + line + `"`
				if assert.NotZero(t, counts[id], line); counts[id] > 1 {
					if twice++; !o.Ack {
						assert.True(t, splunk.Excused(id), "%s is there %d times", line, counts[id])
					}
				}
			}
			t.Log(splunk.Answers(), "twice", twice)
		})
	}
}

// TestHECFromOneForwarderToAnother has the sink send to the listener, with acknowledgement:
// what it is told is indexed is in the other's spool.
func TestHECFromOneForwarderToAnother(t *testing.T) {
	for name, keys := range map[string]string{
		"envelopes": "format: raw, fields: false, gzip: true",
		"raw text":  "format: raw, endpoint: raw",
	} {
		t.Run(name, func(t *testing.T) {
			const token = "11111111-2222-4333-8444-555555555555"
			out := &script{}
			path := filepath.Join(t.TempDir(), "siemfwd.yaml")
			require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, `
state: %s/state
http: {listen: ""}
sources: {hec: {type: webhook, vendor: hec, listen: "127.0.0.1:0", path: /services/collector, auth: {type: bearer, token: %s}}}
sinks: {out: {type: stdout, format: raw}}
`, filepath.Dir(path), token), 0o600))
			to := startFile(t, path, map[string]sink.Sink{"out": out})
			defer to.end()
			address := to.Status().Sources[0].Listening[0]
			address, _, _ = strings.Cut(strings.TrimPrefix(address, "http://"), "/")

			path = filepath.Join(t.TempDir(), "siemfwd.yaml")
			require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, `
state: %s/state
http: {listen: ""}
sources: {in: {type: syslog, vendor: text, listen: ["tcp://127.0.0.1:0"]}}
sinks: {splunk: {type: splunk_hec, url: "http://%s", token: %s, ack: true, %s}}
`, filepath.Dir(path), address, token, keys), 0o600))
			from := startFile(t, path, nil)
			defer from.end()
			const n = 3000
			lines := numbered(0, n)
			from.send(lines...)
			st := from.eventually("all acknowledged", func(st control.Status) bool {
				return st.Sources[0].Received == n && laneOf(st, "splunk").Waiting == 0
			})
			assert.EqualValues(t, n, laneOf(st, "splunk").Delivered)
			st = to.Status()
			assert.EqualValues(t, n, st.Sources[0].Received, "acknowledged is what the other has on disk")
			to.eventually("all out again", func(st control.Status) bool { return laneOf(st, "out").Waiting == 0 })
			got := out.taken()
			require.Len(t, got, n)
			for i, line := range lines {
				require.Contains(t, got[i], line)
			}
		})
	}
}
