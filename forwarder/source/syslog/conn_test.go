package syslog

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/framing"
)

// held is what the program has on its heap and its stacks.
func held() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// Both ends of the connections are in this process, so the figure is too high.
func TestSilentConnectionsAreCheap(t *testing.T) {
	const n = 2000
	r := start(t, config(localTCP), newSpool())
	before := held()
	for range n {
		r.dial(t, 0)
	}
	eventually(t, "all are accepted", func() bool { return r.meter.gauge("connections") == n })
	cost := held() - before
	t.Logf("%d connections that say nothing: %d KiB", n, cost>>10)
	assert.Less(t, cost, int64(48<<20))
	c := r.dial(t, 0)
	r.send(t, c, "a\n")
	r.spool.wait(t, 1)
	require.NoError(t, r.stop())
	assert.Zero(t, r.meter.gauge("connections"))
}

func TestMaxConnections(t *testing.T) {
	c := config(localTCP)
	c.MaxConnections = 2
	r := start(t, c, newSpool())
	a, b := r.dial(t, 0), r.dial(t, 0)
	r.send(t, a, "a\n")
	r.send(t, b, "b\n")
	r.spool.wait(t, 2)
	for range 3 {
		closed(t, r.dial(t, 0))
	}
	eventually(t, "all three are counted", func() bool { return r.meter.count("connections_refused") == 3 })
	eventually(t, "and said once", func() bool { return r.lines.count("new connections are closed") == 1 })
	a.Close()
	eventually(t, "one has left", func() bool { return r.meter.gauge("connections") == 1 })
	r.send(t, r.dial(t, 0), "c\n")
	r.spool.wait(t, 3)
	eventually(t, "it says so", func() bool { return r.lines.count("new connections are taken again") == 1 })
}

func TestIdleTimeout(t *testing.T) {
	c := config(localTCP)
	c.IdleTimeout = 50 * time.Millisecond
	r := start(t, c, newSpool())
	conn := r.dial(t, 0)
	r.send(t, conn, "a\nhalf")
	closed(t, conn)
	assert.Equal(t, []string{"a", "half"}, texts(r.spool.wait(t, 2)))
	eventually(t, "it says why", func() bool { return r.lines.count("connection closed: idle_timeout passed") == 1 })
	assert.Contains(t, r.lines.String(), "unfinished_bytes=4")
}

// refusing is a listener whose Accept fails a few times.
type refusing struct {
	net.Listener
	mu   sync.Mutex
	left int
}

func (l *refusing) Accept() (net.Conn, error) {
	l.mu.Lock()
	left := l.left
	l.left--
	l.mu.Unlock()
	if left > 0 {
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	}
	return l.Listener.Accept()
}

func TestAcceptErrors(t *testing.T) {
	s, _, lines := build(t, config(localTCP))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	sp := newSpool()
	r := newRun(s, sp)
	e := r.stream(address{"tcp", l.Addr().String()}, &refusing{Listener: l, left: 5}, nil)
	var wg sync.WaitGroup
	wg.Go(e.serve)
	c, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	_, err = c.Write([]byte("a\n"))
	require.NoError(t, err)
	sp.wait(t, 1)
	c.Close()
	r.fail(nil)
	e.stop()
	wg.Wait()
	assert.Equal(t, 1, lines.count("connections cannot be accepted"), lines.String())
	assert.Equal(t, 1, lines.count("too many open files"), lines.String())
	assert.Equal(t, 1, lines.count("accepting connections again"), lines.String())
}

// newRun is a run without endpoints.
func newRun(s *Source, sp *spool) *run {
	r := &run{Source: s, log: sp, emit: context.Background(), turns: make(chan struct{}, largeTurns)}
	r.ctx, r.fail = context.WithCancelCause(context.Background())
	return r
}

// script is a connection that reads in pieces of its choice.
type script struct {
	net.Conn
	rest  []byte
	piece func() int
	end   error
}

func (s *script) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		return 0, s.end
	}
	n := copy(p, s.rest[:min(len(s.rest), max(1, s.piece()))])
	s.rest = s.rest[n:]
	return n, nil
}

func (s *script) SetReadDeadline(time.Time) error { return nil }

var somePeer = netip.MustParseAddrPort("192.0.2.7:514")

// A buffer follows the traffic, and nothing of it stays counted.
func TestBufferFollowsTraffic(t *testing.T) {
	s, _, _ := build(t, config(localTCP))
	r := newRun(s, newSpool())
	defer r.fail(nil)
	line := strings.Repeat("x", 899) + "\n"
	size := fullBuffer
	nc := &script{rest: []byte(strings.Repeat(line, 4000)), piece: func() int { return size }, end: io.EOF}
	c := newConn(r, nc, somePeer, "tcp")
	most := 0
	nc.piece = func() int {
		most = max(most, len(c.buf))
		return size
	}
	c.serve()
	assert.Equal(t, fullBuffer, most)
	assert.Equal(t, 4000, r.log.(*spool).count())
	assert.Zero(t, r.memory.used.Load())

	// The same amount in small pieces makes it small again.
	size = 900
	nc.rest, c.buf = []byte(strings.Repeat(line, 4000)), nil
	require.True(t, c.resize(fullBuffer))
	least := fullBuffer
	nc.piece = func() int {
		least = min(least, len(c.buf))
		return size
	}
	c.serve()
	assert.LessOrEqual(t, least, 16<<10)
	assert.Zero(t, r.memory.used.Load())
}

// Silence makes a large buffer small.
func TestBufferShrinksInSilence(t *testing.T) {
	s, _, _ := build(t, config(localTCP))
	r := newRun(s, newSpool())
	defer r.fail(nil)
	c := newConn(r, &script{}, somePeer, "tcp")
	require.True(t, c.resize(fullBuffer))
	c.have = copy(c.buf, "half")
	c.last = time.Now()
	require.False(t, c.arm())
	assert.Equal(t, c.last.Add(calm), c.armed)
	require.True(t, c.wait())
	assert.Len(t, c.buf, fullBuffer, "too early")
	c.last = time.Now().Add(-calm)
	require.True(t, c.wait())
	assert.Len(t, c.buf, firstBuffer)
	assert.Equal(t, "half", string(c.buf[:c.have]))
	assert.EqualValues(t, firstBuffer, r.memory.used.Load())
}

// Many endless events cannot fill the memory.
func TestMemoryIsBounded(t *testing.T) {
	s, _, lines := build(t, config(localTCP))
	r := newRun(s, newSpool())
	defer r.fail(nil)
	require.True(t, r.memory.take(mostMemory-64<<10, mostMemory))
	nc := &script{rest: bytes.Repeat([]byte("x"), 1<<20), piece: func() int { return 1 << 20 }, end: io.EOF}
	newConn(r, nc, somePeer, "tcp").serve()
	assert.Equal(t, 1, lines.count("connection closed: the unfinished events of all connections fill the memory"), lines.String())
	assert.EqualValues(t, mostMemory-64<<10, r.memory.used.Load())
	// With ample memory gone, others still read with small buffers.
	nc = &script{rest: bytes.Repeat([]byte("x\n"), 8<<10), piece: func() int { return 1 << 20 }, end: io.EOF}
	newConn(r, nc, somePeer, "tcp").serve()
	assert.Equal(t, 1+8<<10, r.log.(*spool).count(), "and the half event of the first")
}

func TestReadError(t *testing.T) {
	s, m, lines := build(t, config(localTCP))
	r := newRun(s, newSpool())
	defer r.fail(nil)
	newConn(r, &script{rest: []byte("a\nb"), piece: func() int { return 9 }, end: errors.New("connection reset by peer")}, somePeer, "tcp").serve()
	newConn(r, &script{rest: []byte("1 a9 b"), piece: func() int { return 9 }, end: errors.New("connection reset by peer")}, somePeer, "tcp").serve()
	assert.Equal(t, []string{"a", "b", "a"}, texts(r.log.(*spool).wait(t, 3)))
	assert.EqualValues(t, 1, m.count("frames_incomplete"))
	assert.Equal(t, 1, lines.count(`peer=192.0.2.7 err="incomplete_frame: 1 of 9 octets: \"9 b\""`), lines.String())
}

func TestQuiet(t *testing.T) {
	var q quiet
	now := time.Unix(1_700_000_000, 0)
	a, b := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	pass := func(peer netip.Addr, text string) bool { return q.pass(peer, text, now) }
	for range quietLines {
		assert.True(t, pass(a, "x"))
	}
	assert.False(t, pass(a, "x"))
	assert.False(t, pass(b, "x"), "the same network")
	assert.True(t, pass(a, "y"))
	assert.True(t, pass(netip.Addr{}, "x"))
	assert.Empty(t, q.left(now.Add(quietTime/2), false))
	left := q.left(now.Add(quietTime), false)
	require.Len(t, left, 1, "every line is told of, by itself or by a number")
	assert.Equal(t, summary{matter{netip.MustParseAddr("2001:db8::"), "x"}, 2}, left[0])
	assert.True(t, pass(a, "x"))
	for i := range 3 * quietPeers {
		pass(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), "x")
	}
	assert.LessOrEqual(t, len(q.said), quietPeers)
	left = q.left(now, true)
	require.Len(t, left, 1)
	assert.EqualValues(t, 2*quietPeers+1, left[0].times, "peers beyond those remembered")
	assert.True(t, pass(netip.MustParseAddr("192.0.2.1"), "x"))
}

// Whatever a peer sends, in whatever pieces: what comes out is what the framing says.
func FuzzConn(f *testing.F) {
	f.Add([]byte("<14>a\n3 b\nc\n-1 x\n99999999999 x"), uint16(3))
	f.Add([]byte("<14>\x00\xff\n05 hello"), uint16(1))
	f.Add(bytes.Repeat([]byte("x"), 9000), uint16(700))
	f.Fuzz(func(t *testing.T, input []byte, seed uint16) {
		c := config(localTCP)
		c.MaxEvent = leastEvent
		s, err := New(&c, component.Env{Log: slog.New(slog.DiscardHandler), Meter: component.NoMeter{}})
		require.NoError(t, err)
		r := newRun(s, newSpool())
		defer r.fail(nil)
		step := int(seed)
		newConn(r, &script{rest: input, end: io.EOF, piece: func() int { step = step*31 + 7; return step % 97 }}, somePeer, "tcp").serve()

		var want []string
		keep := func(data []byte, cut bool) {
			if end := data[len(data)-1]; !cut && (end == '\n' || end == 0) {
				data = framing.TrimEnd(data)
			}
			if len(data) > 0 {
				want = append(want, string(data))
			}
		}
		fr := framing.Reader{Max: leastEvent}
		rest := input
		for {
			m, n, err := fr.Next(rest)
			rest = rest[n:]
			if err == nil && m.Data == nil {
				if m, err = fr.End(rest); err == nil && m.Data != nil {
					keep(m.Data, m.Size > len(m.Data))
				}
				break
			}
			if err != nil {
				break
			}
			keep(m.Data, m.Size > len(m.Data))
		}
		got := texts(r.log.(*spool).events)
		require.Equal(t, len(want), len(got))
		for i := range want {
			require.Equal(t, want[i], got[i])
		}
		require.Zero(t, r.memory.used.Load())
	})
}
