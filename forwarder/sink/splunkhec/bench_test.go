package splunkhec

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/sink"
)

// TestSwallow is no test: a benchmark runs it in a process of its own to receive, so
// that what receiving costs is not counted.
func TestSwallow(t *testing.T) {
	if os.Getenv("SIEMFWD_BENCH_SWALLOW") == "" {
		t.Skip("for the benchmarks")
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, success)
	}))
	defer s.Close()
	_, err := os.Stdout.WriteString(s.URL + "\n")
	require.NoError(t, err)
	_, _ = io.Copy(io.Discard, os.Stdin) // until the benchmark has ended
}

func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// envelopes are n events of about 900 octets, as different from each other as real ones.
func envelopes(n int) []sink.Item {
	draw := rand.New(rand.NewPCG(1, 2))
	all := make([]sink.Item, n)
	for i := range all {
		all[i].Payload = fmt.Appendf(nil, `{"time":%d.%03d,"host":"fw%d","source":"siemfwd:fw","sourcetype":"_json","event":{"id":"%016x","time":"2026-11-20T10:%02d:%02d.%03dZ","vendor":"Skyhigh Security","name":"Anomalous Access Location","severity":%d,"user":{"name":"user%d@example.net"},"src":{"ip":"10.%d.%d.%d"},"fields":{%s}},"fields":{"event_id":"%016x%016x","vendor":"Skyhigh Security","severity":"5"}}`,
			1700000000+i, i%1000, draw.IntN(50), draw.Uint64(), i%60, i%59, i%1000, draw.IntN(11), draw.IntN(5000), draw.IntN(256), draw.IntN(256), draw.IntN(256),
			`"policy":"`+strings.Repeat("block uploads of card numbers to unsanctioned services, ", 8)+`"`, draw.Uint64(), draw.Uint64())
		all[i].Source = "fw"
	}
	return all
}

// BenchmarkSend sends requests as large as Limits allows to another process.
func BenchmarkSend(b *testing.B) {
	for _, zip := range []bool{false, true} {
		b.Run(map[bool]string{false: "plain", true: "gzip"}[zip], func(b *testing.B) {
			cmd := exec.Command(os.Args[0], "-test.run=^TestSwallow$")
			cmd.Env = append(os.Environ(), "SIEMFWD_BENCH_SWALLOW=1")
			out, err := cmd.StdoutPipe()
			require.NoError(b, err)
			in, err := cmd.StdinPipe()
			require.NoError(b, err)
			require.NoError(b, cmd.Start())
			url, err := bufio.NewReader(out).ReadString('\n')
			require.NoError(b, err)
			c := config(strings.TrimSpace(url))
			c.Gzip = &zip
			s, _, _ := build(b, c)
			many := envelopes(500)
			b.SetBytes(int64(len(many[0].Payload)))
			b.ReportAllocs()
			b.ResetTimer()
			before := cpu()
			for sent := 0; sent < b.N; {
				k := min(b.N-sent, len(many))
				require.NoError(b, s.Send(b.Context(), many[:k]))
				sent += k
			}
			b.StopTimer()
			b.ReportMetric(float64(cpu()-before)/1e3/float64(b.N), "cpu-µs/event")
			require.NoError(b, in.Close())
			_, _ = io.Copy(io.Discard, out)
			require.NoError(b, cmd.Wait())
		})
	}
}
