package forwarder

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/control"
)

// collector is a syslog receiver that can die: what it has not read by then is gone.
type collector struct {
	t    *testing.T
	addr string

	mu    sync.Mutex
	l     net.Listener
	conns []*net.TCPConn
	seen  map[string]int
	limit int // lines it reads before it stops reading; 0: all
	done  sync.WaitGroup
}

func newCollector(t *testing.T) *collector {
	c := &collector{t: t, addr: "127.0.0.1:0", seen: map[string]int{}}
	c.live()
	t.Cleanup(c.die)
	return c
}

func (c *collector) live() {
	l, err := net.Listen("tcp", c.addr)
	require.NoError(c.t, err)
	c.addr = l.Addr().String()
	c.mu.Lock()
	c.l = l
	c.mu.Unlock()
	c.done.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			c.mu.Lock()
			c.conns = append(c.conns, conn.(*net.TCPConn))
			c.mu.Unlock()
			c.done.Go(func() { c.read(conn) })
		}
	})
}

func (c *collector) read(conn net.Conn) {
	defer conn.Close()
	lines := bufio.NewScanner(conn)
	for n := 0; lines.Scan(); n++ {
		c.mu.Lock()
		stop := c.limit > 0 && n >= c.limit
		if !stop {
			c.seen[lines.Text()]++
		}
		c.mu.Unlock()
		if stop {
			return
		}
	}
}

// die resets its connections and does not listen any more.
func (c *collector) die() {
	c.mu.Lock()
	_ = c.l.Close()
	for _, conn := range c.conns {
		_ = conn.SetLinger(0)
		_ = conn.Close()
	}
	c.conns = nil
	c.mu.Unlock()
	c.done.Wait()
}

func (c *collector) count() (different, times int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.seen {
		times += n
	}
	return len(c.seen), times
}

// A receiver that dies over and over with data in its receive buffer loses nothing of it:
// what it may not have read is sent again.
func TestWhatADeadReceiverHadNotReadIsSentAgain(t *testing.T) {
	dir := t.TempDir()
	c := newCollector(t)
	path := filepath.Join(dir, "siemfwd.yaml")
	require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, `state: %s
http: {listen: ""}
shutdown_grace: 5s
sources: {in: {type: syslog, vendor: text, listen: ["tcp://127.0.0.1:0"]}}
sinks: {siem: {type: syslog, address: "tcp://%s", format: raw, resend: {age: 2s}}}
`, filepath.Join(dir, "state"), c.addr), 0o600))
	d := startFile(t, path, nil)
	defer d.end()
	sent := 0
	for round := range 5 {
		c.mu.Lock()
		c.limit = 50 + 10*round // then it hangs up with the rest unread
		c.mu.Unlock()
		d.send(numbered(sent, 300)...)
		sent += 300
		d.eventually("received", func(st control.Status) bool { return st.Sources[0].Received == uint64(sent) })
		require.Eventually(t, func() bool { n, _ := c.count(); return n > 40 }, 10*time.Second, time.Millisecond)
		c.die()
		c.live()
	}
	c.mu.Lock()
	c.limit = 0
	c.mu.Unlock()
	st := d.eventually("all delivered", func(st control.Status) bool { return laneOf(st, "siem").Delivered == uint64(sent) })
	assert.Zero(t, laneOf(st, "siem").Dead)
	different, times := c.count()
	assert.Equal(t, sent, different)
	t.Logf("%d events, received %d times in all", different, times)
}

// A stop asks the receiver to close and believes it when it does: nothing waits for
// resend.age, and nothing is sent again by the next start.
func TestAStopSettlesTCP(t *testing.T) {
	dir := t.TempDir()
	c := newCollector(t)
	path := filepath.Join(dir, "siemfwd.yaml")
	require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, `state: %s
http: {listen: ""}
shutdown_grace: 10s
sources: {in: {type: syslog, vendor: text, listen: ["tcp://127.0.0.1:0"]}}
sinks: {siem: {type: syslog, address: "tcp://%s", format: raw, resend: {age: 1h}}}
`, filepath.Join(dir, "state"), c.addr), 0o600))
	d := startFile(t, path, nil)
	d.send(numbered(0, 500)...)
	st := d.eventually("sent", func(st control.Status) bool { return laneOf(st, "siem").Unconfirmed == 500 })
	assert.Zero(t, laneOf(st, "siem").Delivered)
	d.end()
	d = startFile(t, path, nil)
	st = d.Status()
	assert.Zero(t, laneOf(st, "siem").Waiting)
	d.send("one more")
	d.eventually("sent", func(st control.Status) bool { return laneOf(st, "siem").Unconfirmed == 1 })
	d.end()
	different, times := c.count()
	assert.Equal(t, 501, different)
	assert.Equal(t, 501, times)
}
