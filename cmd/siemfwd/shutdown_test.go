package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/control"
)

// blackHole accepts connections and never reads from them.
func blackHole(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var mu sync.Mutex
	var held []net.Conn
	var done sync.WaitGroup
	done.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			held = append(held, c)
			mu.Unlock()
		}
	})
	t.Cleanup(func() {
		l.Close()
		done.Wait()
		for _, c := range held {
			c.Close()
		}
	})
	return l.Addr().String()
}

const hangingSink = `sources:
  in: {type: syslog, vendor: text, listen: ["tcp://127.0.0.1:0"]}
sinks:
  siem: {type: syslog, address: "tcp://%s", format: raw, start: oldest}
  archive: {type: file, path: "%s/out.txt", format: raw}
`

// more than the buffers of two kernels hold, in lines of about 1 kB.
const fillers = 20_000

// stuck starts a forwarder whose TCP sink hangs in the middle of a batch, and returns the
// lines it has acknowledged.
func stuck(t *testing.T, dir, keys string) (*process, []string) {
	t.Helper()
	p := startProcess(t, dir, keys+fmt.Sprintf(hangingSink, blackHole(t), dir))
	var lines []string
	for i := range fillers {
		lines = append(lines, fmt.Sprintf("event %06d %s", i, strings.Repeat("x", 1000)))
	}
	require.NoError(t, sendLines(p.listening("in"), lines...))
	before, calm := uint64(0), 0
	p.until("everything received, and the sink stuck", func(st control.Status) bool {
		if sent := st.Lanes[0].Unconfirmed + st.Lanes[0].Delivered; sent != before {
			before, calm = sent, 0
		}
		calm++
		return st.Sources[0].Received == fillers && st.Lanes[1].Waiting == 0 && calm > 50
	})
	require.Less(t, before, uint64(fillers), "it took all")
	return p, lines
}

// everythingArrives starts again, with a receiver that reads, and wants every line that is
// not in the black hole's buffers, which it confirmed.
func everythingArrives(t *testing.T, dir string, p *process, lines []string, from uint64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	seen := map[string]bool{}
	var mu sync.Mutex
	var done sync.WaitGroup
	done.Go(func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		for s := bufio.NewScanner(c); s.Scan(); {
			mu.Lock()
			seen[s.Text()] = true
			mu.Unlock()
		}
	})
	text, err := os.ReadFile(p.config)
	require.NoError(t, err)
	at := strings.Index(string(text), "address: \"tcp://")
	end := at + strings.Index(string(text)[at:], "\",")
	require.NoError(t, os.WriteFile(p.config, []byte(string(text)[:at]+"address: \"tcp://"+l.Addr().String()+string(text)[end:]), 0o600))
	p.start()
	p.until("the rest is sent", func(st control.Status) bool { return st.Lanes[0].Waiting == st.Lanes[0].Unconfirmed })
	p.stop()
	l.Close()
	done.Wait()
	missing := 0
	for _, line := range lines[from:] {
		if !seen[line] {
			missing++
		}
	}
	assert.Zero(t, missing)
}

// A stop ends within the grace although a sink hangs, with status 0, and nothing that was
// acknowledged is lost.
func TestStopWithAHangingSink(t *testing.T) {
	dir := t.TempDir()
	p, lines := stuck(t, dir, "shutdown_grace: 1s\n")
	st := p.until("looked", func(control.Status) bool { return true })
	began := time.Now()
	p.stop()
	took := time.Since(began)
	t.Logf("stopped after %v with a grace of 1s, %d delivered and %d sent of %d", took, st.Lanes[0].Delivered, st.Lanes[0].Unconfirmed, fillers)
	assert.GreaterOrEqual(t, took, time.Second)
	assert.Less(t, took, 12*time.Second)
	assert.Contains(t, p.Log(), "info  stopping grace=")
	assert.Contains(t, p.Log(), "info  stopped waiting=")
	// What the black hole's kernel has acknowledged counts as delivered.
	everythingArrives(t, dir, p, lines, st.Lanes[0].Delivered+st.Lanes[0].Unconfirmed)
}

// A second signal does not wait for the grace.
func TestSecondSignalStopsAtOnce(t *testing.T) {
	dir := t.TempDir()
	p, lines := stuck(t, dir, "shutdown_grace: 10m\n")
	st := p.until("looked", func(control.Status) bool { return true })
	require.NoError(t, syscall.Kill(p.PID(), syscall.SIGTERM))
	require.Eventually(t, func() bool { return strings.Contains(p.Log(), "info  stopping grace=") }, 20*time.Second, time.Millisecond)
	require.NoError(t, syscall.Kill(p.PID(), syscall.SIGTERM))
	assert.Equal(t, exitFailed, p.Wait())
	assert.Contains(t, p.Log(), "stopped at once")
	everythingArrives(t, dir, p, lines, st.Lanes[0].Delivered+st.Lanes[0].Unconfirmed)
}

// What the service manager hears: ready, alive, stopping.
func TestTheServiceManagerIsTold(t *testing.T) {
	dir := t.TempDir()
	socket := filepath.Join(dir, "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	require.NoError(t, err)
	defer l.Close()
	t.Setenv("NOTIFY_SOCKET", socket)
	t.Setenv("WATCHDOG_USEC", "100000")
	next := func() string {
		buf := make([]byte, 4096)
		require.NoError(t, l.SetReadDeadline(time.Now().Add(30*time.Second)))
		n, err := l.Read(buf)
		require.NoError(t, err)
		return string(buf[:n])
	}
	p := startProcess(t, dir, fmt.Sprintf(hangingSink, "127.0.0.1:1", dir))
	assert.Equal(t, "READY=1\nSTATUS=1 source, 2 sinks", next())
	for range 3 {
		assert.Equal(t, "WATCHDOG=1", next())
	}
	require.NoError(t, sendLines(p.listening("in"), "one"))
	p.until("a sink is down", func(st control.Status) bool { return !st.Sinks[0].Up })
	assert.Equal(t, "WATCHDOG=1", next())
	p.stop()
	for said := ""; !strings.HasPrefix(said, "STOPPING=1"); said = next() {
		assert.Contains(t, []string{"", "WATCHDOG=1"}, said)
	}
}
