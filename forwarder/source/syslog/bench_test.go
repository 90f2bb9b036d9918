package syslog

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/framing"
)

// counter is a log that takes everything at once and keeps nothing.
type counter struct {
	*spool
	events, batches atomic.Int64
}

func (c *counter) Emit(_ context.Context, b *event.Batch) error {
	c.events.Add(int64(b.Len()))
	c.batches.Add(1)
	return nil
}

// TestSend is no test: a benchmark runs it in a process of its own to send events, so
// that what sending costs is not counted.
func TestSend(t *testing.T) {
	target := os.Getenv("SIEMFWD_BENCH_SEND")
	if target == "" {
		t.Skip("for the benchmarks")
	}
	n, err := strconv.Atoi(os.Getenv("SIEMFWD_BENCH_EVENTS"))
	require.NoError(t, err)
	network, at, _ := strings.Cut(target, "://")
	if network == "relp" {
		sendRELP(t, at, n)
		return
	}
	c, err := net.Dial(network, at)
	require.NoError(t, err)
	defer c.Close()
	line := "<14>" + strings.Repeat("x", 895) + "\n"
	if network == "udp" {
		for i := range n {
			_, err := c.Write([]byte(line))
			require.NoError(t, err)
			if i%200 == 199 {
				time.Sleep(time.Millisecond) // 200 000 a second at most
			}
		}
		return
	}
	chunk := []byte(strings.Repeat(line, 200))
	for sent := 0; sent < n; {
		k := min(n-sent, 200)
		_, err := c.Write(chunk[:k*len(line)])
		require.NoError(t, err)
		sent += k
	}
}

// sendRELP sends n messages with at most 128 of them unanswered, as rsyslog does.
func sendRELP(t *testing.T, at string, n int) {
	c, err := net.Dial("tcp", at)
	require.NoError(t, err)
	s := &relpSender{Conn: c, reader: framing.RELPReader{Max: 1 << 10}}
	defer c.Close()
	s.write(t, relpOpen)
	s.expect(t, "1 rsp "+relpOffers)
	message := []byte("<14>" + strings.Repeat("x", 896))
	var out []byte
	in := make([]byte, 64<<10)
	for sent, answered := 0, 0; answered < n; {
		out = out[:0]
		for ; sent < n && sent-answered < 128; sent++ {
			out = framing.AppendRELP(out, uint32(2+sent), "syslog", message)
		}
		_, err := c.Write(out)
		require.NoError(t, err)
		k, err := c.Read(in)
		require.NoError(t, err)
		answered += bytes.Count(in[:k], []byte("\n"))
	}
}

func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkReceive takes lines of 900 octets from another process.
func BenchmarkReceive(b *testing.B) {
	for _, listen := range []string{localTCP, localUDP, localRELP} {
		b.Run(strings.TrimSuffix(listen, "://127.0.0.1:0"), func(b *testing.B) {
			log := &counter{spool: newSpool()}
			c := config(listen)
			s, m, _ := build(b, c)
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error, 1)
			go func() { done <- s.Run(ctx, log) }()
			<-log.ready
			cmd := exec.Command(os.Args[0], "-test.run=^TestSend$")
			cmd.Env = append(os.Environ(), "SIEMFWD_BENCH_SEND="+s.Addrs()[0], fmt.Sprintf("SIEMFWD_BENCH_EVENTS=%d", b.N))
			b.SetBytes(900)
			b.ResetTimer()
			before := cpu()
			require.NoError(b, cmd.Run())
			for log.events.Load()+int64(m.count("udp_dropped")) < int64(b.N) {
				time.Sleep(100 * time.Microsecond)
			}
			b.StopTimer()
			b.ReportMetric(float64(cpu()-before)/1e3/float64(b.N), "cpu-µs/event")
			b.ReportMetric(float64(log.events.Load())/float64(max(1, log.batches.Load())), "events/batch")
			b.ReportMetric(float64(m.count("udp_dropped")), "dropped")
			cancel()
			require.NoError(b, <-done)
		})
	}
}

// endless repeats its text for ever.
type endless struct {
	script
	text []byte
	off  int
}

func (e *endless) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		k := copy(p[n:], e.text[e.off:])
		n += k
		e.off = (e.off + k) % len(e.text)
	}
	return n, nil
}

// BenchmarkConn is a connection without its socket: framing, and the copy into batches.
func BenchmarkConn(b *testing.B) {
	c := config(localTCP)
	s, err := New(&c, component.Env{Meter: component.NoMeter{}})
	require.NoError(b, err)
	r := newRun(s, nil)
	defer r.fail(nil)
	log := &counter{}
	r.log = log
	conn := newConn(r, &endless{text: []byte("<14>" + strings.Repeat("x", 895) + "\n")}, somePeer, "tcp")
	require.True(b, conn.resize(fullBuffer))
	b.ReportAllocs()
	b.SetBytes(900)
	for log.events.Store(0); log.events.Load() < int64(b.N); {
		n, err := conn.nc.Read(conn.buf[conn.have:])
		require.NoError(b, err)
		conn.have += n
		conn.take(n)
	}
}

// Receiving allocates nothing for an event, by stream or by datagram.
func TestReceivingAllocatesNothing(t *testing.T) {
	s, _, _ := build(t, config(localTCP))
	r := newRun(s, nil)
	defer r.fail(nil)
	r.log = &counter{}
	line := strings.Repeat("x", 899) + "\n"
	c := newConn(r, &script{}, somePeer, "tcp")
	require.True(t, c.resize(fullBuffer))
	require.Zero(t, testing.AllocsPerRun(10, func() {
		for range 200 {
			c.have += copy(c.buf[c.have:], line)
		}
		require.True(t, c.take(200*len(line)))
		require.Zero(t, c.have)
	}))

	pc, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	defer pc.Close()
	out, err := net.DialUDP("udp", nil, pc.LocalAddr().(*net.UDPAddr))
	require.NoError(t, err)
	defer out.Close()
	raw, err := pc.SyscallConn()
	require.NoError(t, err)
	in := newReceiver(1 << 16)
	got, payload := 0, []byte(line)
	one := func(fd uintptr) bool {
		n, err := in.receive(fd)
		for i := range n {
			data, size, peer := in.at(i)
			if len(framing.TrimEnd(data)) == 899 && size == 900 && peer.IsValid() {
				got++
			}
		}
		return err == nil
	}
	require.Zero(t, testing.AllocsPerRun(10, func() {
		for range 50 {
			_, _ = out.Write(payload)
		}
		for target := got + 50; got < target; {
			_ = raw.Read(one)
		}
	}))
}
