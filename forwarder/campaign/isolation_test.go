package campaign

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/control"
	"github.com/siemfwd/siemfwd/forwarder/peertest"
)

// TestOneDeadSinkSlowsNoOther offers events to three sinks, of which one takes connections
// and reads nothing and one refuses them, and looks at how far behind the third is. A round
// is a second.
func TestOneDeadSinkSlowsNoOther(t *testing.T) {
	const rate = 5000
	c := begin(t, 5, 4, 300)
	hole := blackHole(t)
	out := newListener(t, "127.0.0.1:0")
	p := peertest.StartSiemfwd(t, []string{program(t)}, nil, t.TempDir(), fmt.Sprintf(`shutdown_grace: 1s
sources:
  in: {type: syslog, vendor: text, listen: ["tcp://127.0.0.1:0"], spool: 4GiB}
sinks:
  hole: {type: syslog, address: "tcp://%s", format: raw, header: none, framing: lf}
  refusing: {type: syslog, address: "tcp://127.0.0.1:%d", format: raw, header: none, framing: lf}
  third: {type: syslog, address: "tcp://%s", format: raw, header: none, framing: lf}
`, hole, peertest.FreePort(t), out.addr()))
	conn, err := net.Dial("tcp", p.Listening("in"))
	require.NoError(t, err)
	memory := watchMemory(p.PID())
	sent := offer(t, conn, rate, time.Duration(c.rounds)*time.Second)
	require.NoError(t, conn.Close())
	st := p.Until(patience, "the third has it all", func(st control.Status) bool {
		return lane(st, "third").Received == uint64(sent) && lane(st, "third").Waiting == 0
	})
	first, last := memory.stop()
	out.until(t, sent)
	p.Stop()
	got, slowest := out.stop()
	assert.Equal(t, sent, got, "events at the third")
	for _, name := range []string{"hole", "refusing"} {
		// What a black hole's kernel has confirmed counts as delivered.
		assert.Positive(t, lane(st, name).Waiting, name)
	}
	if *long {
		assert.Less(t, slowest, time.Second)
		assert.Less(t, last, first+32<<20, "memory is flat")
	}
	c.figures("one black hole, one refusing, %d events offered at %d/s: %d of them at the third, at most %s behind; memory at most %d MiB in the first quarter, %d MiB in the last",
		sent, rate, got, millis(slowest), first>>20, last>>20)
}

func lane(st control.Status, sink string) control.Lane {
	for _, l := range st.Lanes {
		if l.Sink == sink {
			return l
		}
	}
	return control.Lane{}
}

// blackHole takes connections and reads nothing from them.
func blackHole(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var all []net.Conn
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all = append(all, c)
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
		for _, c := range all {
			_ = c.Close()
		}
	})
	return l.Addr().String()
}

// offer writes events that say when they were written, at a steady rate, and returns how
// many.
func offer(t *testing.T, conn net.Conn, rate int, d time.Duration) (sent int) {
	done := make(chan struct{})
	defer time.AfterFunc(d, func() { close(done) }).Stop()
	return offerUntil(t, conn, rate, 500, done)
}

// offerUntil is offer until done is closed, with so many octets beside what an event says.
func offerUntil(t *testing.T, conn net.Conn, rate, padding int, done <-chan struct{}) (sent int) {
	const step = 10 * time.Millisecond
	pad := strings.Repeat("x", padding)
	var buf []byte
	tick := time.NewTicker(step)
	defer tick.Stop()
	for began := time.Now(); ; {
		select {
		case <-done:
			return sent
		case <-tick.C:
		}
		at := time.Since(began)
		buf = buf[:0]
		for want := int(at.Seconds() * float64(rate)); sent < want; sent++ {
			buf = fmt.Appendf(buf, `{"id":"t%d","at":%d,"pad":"%s"}`+"\n", sent, time.Now().UnixNano(), pad)
		}
		_, err := conn.Write(buf)
		require.NoError(t, err)
	}
}

// listener is a receiver of lines over TCP.
type listener struct {
	l    net.Listener
	done sync.WaitGroup

	mu      sync.Mutex
	conns   []net.Conn
	lines   int
	slowest time.Duration // from when an event was written
	closed  bool
}

func newListener(t *testing.T, address string) *listener {
	l, err := net.Listen("tcp", address)
	require.NoError(t, err)
	s := &listener{l: l}
	s.done.Go(s.accept)
	t.Cleanup(func() { s.stop() })
	return s
}

func (s *listener) addr() string { return s.l.Addr().String() }

func (s *listener) accept() {
	for {
		c, err := s.l.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.closed {
			_ = c.Close()
		}
		s.conns = append(s.conns, c)
		s.mu.Unlock()
		s.done.Go(func() { s.read(c) })
	}
}

func (s *listener) read(c net.Conn) {
	lines := bufio.NewReaderSize(c, 1<<20)
	for {
		line, err := lines.ReadSlice('\n')
		if err != nil {
			return
		}
		late := time.Duration(0)
		if _, rest, ok := bytes.Cut(line, []byte(`"at":`)); ok {
			at, _, _ := bytes.Cut(rest, []byte(","))
			n, _ := strconv.ParseInt(string(at), 10, 64)
			late = time.Since(time.Unix(0, n))
		}
		s.mu.Lock()
		s.lines++
		s.slowest = max(s.slowest, late)
		s.mu.Unlock()
	}
}

// until waits for as many lines.
func (s *listener) until(t *testing.T, lines int) {
	t.Helper()
	require.Eventually(t, func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.lines >= lines }, patience, 5*time.Millisecond)
}

// stop ends all connections and returns how many lines came, and how late the latest.
func (s *listener) stop() (int, time.Duration) {
	_ = s.l.Close()
	s.mu.Lock()
	s.closed = true
	for _, c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.done.Wait()
	return s.lines, s.slowest
}

// memory samples the resident size of a process.
type memory struct {
	end  context.CancelFunc
	done chan struct{}
	all  []int64
}

func watchMemory(pid int) *memory {
	ctx, end := context.WithCancel(context.Background())
	m := &memory{end: end, done: make(chan struct{})}
	go func() {
		defer close(m.done)
		for ctx.Err() == nil {
			m.all = append(m.all, resident(pid))
			pause(ctx, 50*time.Millisecond)
		}
	}()
	return m
}

// stop returns the most octets in the first quarter of the samples and in the last.
func (m *memory) stop() (first, last int64) {
	m.end()
	<-m.done
	q := (len(m.all) + 3) / 4
	for _, n := range m.all[:q] {
		first = max(first, n)
	}
	for _, n := range m.all[len(m.all)-q:] {
		last = max(last, n)
	}
	return first, last
}

// resident is the VmRSS of a process in octets; 0 when it cannot be read.
func resident(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	kib, _ := strconv.ParseInt(fields[0], 10, 64)
	return kib << 10
}
