package syslog

import (
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestSwallow is no test: a benchmark runs it in a process of its own to receive, so
// that what receiving costs is not counted.
func TestSwallow(t *testing.T) {
	if os.Getenv("SIEMFWD_BENCH_SWALLOW") == "" {
		t.Skip("for the benchmarks")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, err = os.Stdout.WriteString(l.Addr().String() + "\n")
	require.NoError(t, err)
	c, err := l.Accept()
	require.NoError(t, err)
	_, _ = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{c}, make([]byte, 1<<20))
}

func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkSend sends events of 900 octets over TCP to another process, in batches as
// large as Limits allows.
func BenchmarkSend(b *testing.B) {
	for _, framing := range []string{"lf", "octet_counting"} {
		b.Run(framing, func(b *testing.B) {
			cmd := exec.Command(os.Args[0], "-test.run=^TestSwallow$")
			cmd.Env = append(os.Environ(), "SIEMFWD_BENCH_SWALLOW=1")
			out, err := cmd.StdoutPipe()
			require.NoError(b, err)
			require.NoError(b, cmd.Start())
			at := make([]byte, 64)
			n, err := out.Read(at)
			require.NoError(b, err)
			c := config("tcp://" + strings.TrimSpace(string(at[:n])))
			c.Framing = framing
			s, _ := build(b, c)
			event := "<14>" + strings.Repeat("x", 896)
			many := items(strings.Split(strings.Repeat(event+"\n", 511)+event, "\n")...)
			b.SetBytes(900)
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
			require.NoError(b, s.Close())
			_, _ = io.Copy(io.Discard, out)
			require.NoError(b, cmd.Wait())
		})
	}
}
