package relp

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

	"github.com/siemfwd/siemfwd/forwarder/framing"
	"github.com/siemfwd/siemfwd/forwarder/sink"
)

// answered is a session of which ten messages were sent, after it has read input in
// pieces.
func answered(t testing.TB, input []byte, careful bool, piece func(off int) int) (s *session, p sink.Progress, end string) {
	s = &session{o: &Options{To: "relp://h:1"}, ledger: new(sink.Ledger), reader: framing.RELPReader{Max: mostAnswer},
		in: make([]byte, mostAnswer+framing.RELPOverhead), window: make([]answer, 16), tail: 10, careful: careful,
		moved: make(chan struct{}, 1), ended: make(chan struct{})}
	s.ledger.Take(0, 7)
	for off := 0; off < len(input); {
		n := copy(s.in[s.have:], input[off:min(len(input), off+piece(off))])
		require.NotZero(t, n, "no room for an answer")
		s.have, off = s.have+n, off+n
		if err := s.take(); err != nil {
			s.end(err)
			end, _, _ = strings.Cut(err.Error(), `"`) // the sample is what was there
			return s, s.Progress(), end
		}
	}
	return s, s.Progress(), ""
}

// Progress is the ledger's.
func (s *session) Progress() sink.Progress { return s.ledger.Progress() }

// Whatever a receiver says, in whatever pieces: no more is confirmed than was taken and
// answered.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte("2 rsp 6 200 OK\n4 rsp 6 200 OK\n3 rsp 9 500 never\n0 serverclose 0\n"), uint16(3), true)
	f.Add([]byte("2 rsp 6 200 OK\n3 rsp 9 500 never\n"), uint16(1), false)
	f.Add([]byte("11 rsp 3 200\n12 rsp 3 200\n"), uint16(7), false)
	f.Add([]byte("2 rsp 7000 200 "+strings.Repeat("x", 6996)+"\n3 rsp 0\n"), uint16(70), true)
	f.Fuzz(func(t *testing.T, input []byte, seed uint16, careful bool) {
		whole, p, end := answered(t, input, careful, func(int) int { return 1 << 20 })
		pieces, q, again := answered(t, input, careful, func(off int) int { return 1 + (off*int(seed)+int(seed>>3))%97 })
		require.Equal(t, end, again)
		require.Equal(t, whole.head, pieces.head)
		require.Equal(t, whole.refused, pieces.refused)
		if end == "" {
			require.Equal(t, p.Confirmed, q.Confirmed)
		}
		for _, p := range []sink.Progress{p, q} {
			require.LessOrEqual(t, p.Confirmed+p.Before, uint64(7))
			require.LessOrEqual(t, p.Confirmed+p.Before, whole.head)
		}
		require.LessOrEqual(t, whole.head, whole.tail)
		require.LessOrEqual(t, int(whole.head)-int(whole.skipped), strings.Count(string(input), " rsp "))
	})
}

// TestSwallow is no test: a benchmark runs it in a process of its own to receive, so that
// what receiving costs is not counted.
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
	swallow(c)
}

func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkSend sends events of 900 octets to another process, in batches as large as
// Limits allows.
func BenchmarkSend(b *testing.B) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestSwallow$")
	cmd.Env = append(os.Environ(), "SIEMFWD_BENCH_SWALLOW=1")
	out, err := cmd.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, cmd.Start())
	at := make([]byte, 64)
	n, err := out.Read(at)
	require.NoError(b, err)
	s := New(options(strings.TrimSpace(string(at[:n]))))
	many := items(strings.Split(strings.Repeat("<14>"+strings.Repeat("x", 896)+"\n", 128), "\n")[:128]...)
	b.SetBytes(900)
	b.ReportAllocs()
	b.ResetTimer()
	before := cpu()
	for sent := 0; sent < b.N; {
		k := min(b.N-sent, len(many))
		require.NoError(b, s.Send(b.Context(), many[:k]))
		sent += k
	}
	s.Settle(b.Context())
	b.StopTimer()
	b.ReportMetric(float64(cpu()-before)/1e3/float64(b.N), "cpu-µs/event")
	require.NoError(b, s.Close())
	_, _ = io.Copy(io.Discard, out)
	require.NoError(b, cmd.Wait())
}
