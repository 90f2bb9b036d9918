package campaign

import (
	"crypto/sha256"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/control"
	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/peertest"
	"github.com/siemfwd/siemfwd/forwarder/spool"
)

// mostResident is what the process may take with any backlog.
const mostResident = 128 << 20

// TestMemoryWithABacklog starts a forwarder on a large backlog, a fifth of it webhooks'
// deliveries that are remembered, with all sinks down, feeds it, and looks at its memory. A
// round is a GiB.
func TestMemoryWithABacklog(t *testing.T) {
	c := begin(t, 7, 0, 20)
	octets := int64(c.rounds) << 30
	scaled := ""
	if c.rounds == 0 {
		octets = 300 << 20
	} else if free := freeSpace(t); free < octets+10<<30 {
		octets = max(free-10<<30, 1<<30)
		scaled = fmt.Sprintf(" (scaled down: %d GiB are free)", free>>30)
	}
	dir := t.TempDir()
	sinks := []string{"one", "two", "three"}
	fillSpool(t, filepath.Join(dir, "state", "sources", "in"), octets/5*4, false, sinks)
	fillSpool(t, filepath.Join(dir, "state", "sources", "hook"), octets/5, true, sinks)
	yaml := `sources:
  in: {type: syslog, vendor: text, listen: ["tcp://127.0.0.1:0"], spool: 25GiB}
  hook: {type: webhook, vendor: json, listen: "127.0.0.1:0", path: /hooks/json, auth: {type: none}, dedupe: X-Delivery, spool: 25GiB}
sinks:
`
	for _, name := range sinks {
		yaml += fmt.Sprintf("  %s: {type: syslog, address: \"tcp://127.0.0.1:%d\", format: cef, framing: lf}\n", name, peertest.FreePort(t))
	}
	siemfwd := program(t)
	syscall.Sync() // a backlog at rest, and not one the disk is at
	began := time.Now()
	p := peertest.StartSiemfwd(t, []string{siemfwd}, nil, dir, yaml)
	opened := time.Since(began)
	atStart := resident(p.PID())
	memory := watchMemory(p.PID())
	conn, err := net.Dial("tcp", p.Listening("in"))
	require.NoError(t, err)
	hold := 2 * time.Second
	if *long {
		hold = 2 * time.Minute
	}
	offer(t, conn, 1000, hold)
	require.NoError(t, conn.Close())
	var stored int64
	st := p.Until(patience, "sinks are down", func(st control.Status) bool {
		stored = 0
		for _, s := range st.Sources {
			stored += s.SpoolBytes
		}
		down := true
		for _, s := range st.Sinks {
			down = down && !s.Up
		}
		return down
	})
	first, last := memory.stop()
	most := max(first, last)
	var waiting uint64
	for _, l := range st.Lanes {
		waiting = max(waiting, l.Waiting)
	}
	p.Stop()
	assert.GreaterOrEqual(t, stored, octets)
	assert.LessOrEqual(t, most, int64(mostResident))
	if *long {
		assert.Less(t, opened, 2*time.Second)
		assert.LessOrEqual(t, atStart, int64(100<<20))
	}
	c.figures("%.1f GiB of backlog%s, 3 sinks down, 1000 events/s for %s: start %s with %d MiB resident, at most %d MiB",
		float64(stored)/(1<<30), scaled, hold, millis(opened), atStart>>20, most>>20)
}

// freeSpace is how many octets the disk of temporary files has left.
func freeSpace(t *testing.T) int64 {
	var s syscall.Statfs_t
	require.NoError(t, syscall.Statfs(t.TempDir(), &s))
	return int64(s.Bavail) * s.Bsize
}

// fillSpool writes a log of events that readers have still to get.
func fillSpool(t *testing.T, dir string, octets int64, keyed bool, readers []string) {
	s, err := spool.Open(dir, spool.Options{Sync: spool.OS, Keep: time.Hour})
	require.NoError(t, err)
	for _, name := range readers {
		_, err := s.Reader(name, spool.Oldest)
		require.NoError(t, err)
	}
	pad := strings.Repeat("x", 600)
	var b event.Batch
	var text []byte
	for n := 0; s.Stats().Bytes < octets; {
		b.Reset()
		for range 1000 {
			n++
			text = fmt.Appendf(text[:0], `{"id":"b%d","pad":"%s"}`, n, pad)
			r := event.Raw{Data: text, Time: time.Now()}
			if keyed {
				sum := sha256.Sum256(text[:20])
				copy(r.Key[:], sum[:])
			}
			b.Add(r)
		}
		require.NoError(t, s.Emit(t.Context(), &b))
	}
	require.NoError(t, s.Close())
}
