package campaign

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/control"
	"github.com/siemfwd/siemfwd/forwarder/peertest"
	"github.com/siemfwd/siemfwd/forwarder/simulate"
	"github.com/siemfwd/siemfwd/forwarder/sink"
	"github.com/siemfwd/siemfwd/forwarder/spool"
	"github.com/siemfwd/siemfwd/forwarder/spool/faultfs"
)

// disk is a small one that something else fills.
type disk interface {
	what() string
	fs() spool.FS
	fill(ctx context.Context) // takes every octet until ctx ends, and gives all of it back
}

// TestDiskFull lets something else fill the disk under load. A round is a second of that.
func TestDiskFull(t *testing.T) {
	c := begin(t, 4, 3, 60)
	dir := t.TempDir()
	small := smallDisk(t, filepath.Join(dir, "state"))
	f := newFlood(t, dir, small, c.rounds, c.draw(0))
	f.until("all sources are read", func(st control.Status) bool {
		for _, s := range st.Sources {
			if s.Received < 100 {
				return false
			}
		}
		return true
	})
	f.sink.unplug() // what is delivered could give way otherwise
	full, empty := context.WithCancel(t.Context())
	var filler sync.WaitGroup
	filler.Go(func() { small.fill(full) })
	f.untilStill()
	unready := f.readyz()
	assert.NotEqual(t, http.StatusOK, unready, "readyz while the disk is full")
	before, lines, busy, odd, acked := f.Status(), f.lines.Load(), f.hooks.busy.Load(), f.hooks.odd.Load(), f.acked()
	f.hooks.slowest.Store(0)
	pause(t.Context(), time.Duration(c.rounds)*time.Second)
	after := f.Status()
	slowest := time.Duration(f.hooks.slowest.Load())
	busy, odd, wrote := f.hooks.busy.Load()-busy, f.hooks.odd.Load()-odd, f.lines.Load()-lines
	taken := uint64(0)
	for i := range after.Sources {
		taken += after.Sources[i].Received - before.Sources[i].Received
	}
	assert.Positive(t, busy, "answers 503 with Retry-After")
	assert.Zero(t, odd, "other answers")
	assert.LessOrEqual(t, taken, uint64(20), "what is taken fits in a last gap")
	empty()
	filler.Wait()
	freed := time.Now()
	f.until("it takes events again, alone", func(st control.Status) bool {
		for i := range st.Sources {
			if st.Sources[i].Full || st.Sources[i].Received <= after.Sources[i].Received {
				return false
			}
		}
		return f.acked() > acked
	})
	recovered := time.Since(freed)
	f.sink.revive(nil)
	s, missing, udp := f.end()
	assert.Zero(t, s.missing, "acknowledged and gone: %v", missing)
	assert.Equal(t, udp.sent, udp.arrived+udp.dropped, "datagrams")
	if *long {
		assert.Less(t, slowest, time.Second)
		assert.Less(t, wrote, int64(20_000), "lines that fit in the buffers of a connection")
	}
	c.figures("%s full for %ds: %d answers 503 with Retry-After, slowest %s, %d others, /readyz %d; %d events taken, %d lines left a TCP sender; recovered alone in %s; %d acknowledged, %d missing; UDP %d sent = %d arrived + %d counted as dropped",
		small.what(), c.rounds, busy, millis(slowest), odd, unready, taken, wrote, millis(recovered), s.acked, s.missing, udp.sent, udp.arrived, udp.dropped)
}

// flood is a forwarder with all kinds of sources under load.
type flood struct {
	*daemon
	hooks hooks
	book  *ledger
	api   *simulate.API
	sink  *receiver
	http  string
	lines atomic.Int64 // written to TCP
	grams atomic.Int64 // sent over UDP
	stop  context.CancelFunc
	all   sync.WaitGroup
}

// newFlood starts one whose load lasts for so many seconds and some more.
func newFlood(t *testing.T, dir string, small disk, seconds int, draw *rand.Rand) *flood {
	api, err := simulate.CheckPoint(simulate.Options{Seed: draw.Uint64(), Events: 1500 * (seconds + 30), For: time.Duration(seconds+30) * time.Second})
	require.NoError(t, err)
	t.Cleanup(func() { _ = api.Close() })
	f := &flood{book: newLedger(), api: api, http: fmt.Sprintf("127.0.0.1:%d", peertest.FreePort(t))}
	config := configure(t, dir, fmt.Sprintf(`http: {listen: "%s"}
defaults: {keep: 1h, spool: 8MiB}
sources:
  hook: {type: webhook, vendor: json, listen: "127.0.0.1:0", path: /hooks/json, auth: {type: none}, dedupe: X-Delivery}
  tcp: {type: syslog, vendor: text, listen: ["tcp://127.0.0.1:0"]}
  udp: {type: syslog, vendor: text, listen: ["udp://127.0.0.1:0"], receive_buffer: 256KiB}
  api: {type: poll, vendor: checkpoint, base_url: "%s", client_id: "%s", access_key: %s, every: 200ms, since: 1h, overlap: 2s, settle: 100ms, timeout: 2s, requests_per_minute: 600000}
sinks:
  archive: {type: stdout, format: raw}
`, f.http, api.URL, simulate.ClientID, simulate.Secret))
	f.sink = &receiver{name: "archive", book: f.book}
	f.sink.revive(nil)
	f.daemon = launch(t, config, small.fs(), map[string]sink.Sink{"archive": f.sink})
	var at target
	at.set(f.listening("hook"))
	ctx, stop := context.WithCancel(t.Context())
	f.stop = stop
	f.hooks = hooks{target: &at, book: f.book, pause: 10 * time.Millisecond, padding: 4000}
	f.hooks.run(ctx, &f.all, 8, draw)
	f.all.Go(func() { f.tcp(ctx, f.listening("tcp")) })
	f.all.Go(func() { f.udp(ctx, f.listening("udp")) })
	return f
}

// tcp writes lines, some 2000 a second as long as they are read, and acknowledges each that
// was written to the end: nobody breaks this connection.
func (f *flood) tcp(ctx context.Context, address string) {
	conn, err := net.Dial("tcp", address)
	if !assert.NoError(f.t, err) {
		return
	}
	defer conn.Close()
	pad := strings.Repeat("t", 500)
	for ctx.Err() == nil {
		var buf []byte
		var list []string
		for range 20 {
			id := newID("t", false)
			list = append(list, id)
			buf = fmt.Appendf(buf, `{"id":"%s","pad":"%s"}`+"\n", id, pad)
		}
		for len(buf) > 0 {
			_ = conn.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
			n, err := conn.Write(buf)
			buf = buf[n:]
			if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				assert.NoError(f.t, err)
				return
			}
		}
		f.book.ack(list...)
		f.lines.Add(20)
		pause(ctx, 10*time.Millisecond)
	}
}

// udp sends datagrams, some 5000 a second.
func (f *flood) udp(ctx context.Context, address string) {
	conn, err := net.Dial("udp", address)
	if !assert.NoError(f.t, err) {
		return
	}
	defer conn.Close()
	pad := strings.Repeat("u", 200)
	for ctx.Err() == nil {
		for range 50 {
			if _, err := fmt.Fprintf(conn, `{"id":"%s","pad":"%s"}`, newID("u", false), pad); err == nil {
				f.grams.Add(1)
			}
		}
		pause(ctx, 10*time.Millisecond)
	}
}

// untilStill waits until what the spools had reserved is used up, too.
func (f *flood) untilStill() {
	var before uint64
	var since time.Time
	f.until("the disk is full", func(st control.Status) bool {
		var now uint64
		full := true
		for _, s := range st.Sources {
			now += s.Received
			full = full && (s.Full || s.Name == "api") // the poller may just be pausing
		}
		if !full || now != before {
			before, since = now, time.Now()
		}
		return time.Since(since) > 1500*time.Millisecond
	})
}

func (f *flood) acked() int {
	f.book.mu.Lock()
	defer f.book.mu.Unlock()
	n := 0
	for id := range f.book.acked {
		if id[0] == 'w' {
			n++
		}
	}
	return n
}

func (f *flood) readyz() int {
	resp, err := http.Get("http://" + f.http + "/readyz")
	require.NoError(f.t, err)
	require.NoError(f.t, resp.Body.Close())
	http.DefaultClient.CloseIdleConnections()
	return resp.StatusCode
}

// dropped is what the forwarder says the kernel dropped.
func (f *flood) dropped() (n int64) {
	resp, err := http.Get("http://" + f.http + "/metrics")
	require.NoError(f.t, err)
	defer http.DefaultClient.CloseIdleConnections()
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(f.t, err)
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "siemfwd_udp_dropped_total") {
			v, err := strconv.ParseFloat(strings.Fields(line)[1], 64)
			require.NoError(f.t, err)
			n += int64(v)
		}
	}
	return n
}

// datagrams is what became of them.
type datagrams struct{ sent, arrived, dropped int64 }

// end stops the load, lets everything arrive and compares.
func (f *flood) end() (sums, []string, datagrams) {
	f.stop()
	f.all.Wait()
	var udp datagrams
	f.until("nothing waits, and every datagram is received or counted", func(st control.Status) bool {
		udp = datagrams{sent: f.grams.Load(), dropped: f.dropped()}
		for _, s := range st.Sources {
			if s.Name == "udp" {
				udp.arrived = int64(s.Received)
			}
		}
		return idle(st) && udp.sent == udp.arrived+udp.dropped
	})
	for _, e := range f.api.Events() {
		if e.Handed && e.Last {
			f.book.ack(e.ID)
		}
	}
	// The last page that was handed out may be on its way still.
	f.until("polled events arrive", func(st control.Status) bool { return idle(st) && f.book.awaited("archive") == 0 })
	f.daemon.end()
	s, missing := f.book.sum("archive")
	return s, missing, udp
}

// smallDisk mounts a tmpfs where it may, and is a file system in memory otherwise.
func smallDisk(t *testing.T, dir string) disk {
	require.NoError(t, os.Mkdir(dir, 0o700))
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64m"); err != nil {
		t.Logf("no tmpfs: %v", err)
		fs := faultfs.New()
		fs.Room(64 << 20)
		return simulated{fs}
	}
	t.Cleanup(func() { assert.NoError(t, syscall.Unmount(dir, 0)) })
	return mounted(dir)
}

type mounted string

func (mounted) what() string { return "a tmpfs of 64 MiB" }
func (mounted) fs() spool.FS { return nil }
func (m mounted) fill(ctx context.Context) {
	path := filepath.Join(string(m), "filler")
	f, err := os.Create(path)
	if err != nil {
		return
	}
	defer os.Remove(path)
	defer f.Close()
	for size := 64 << 10; ctx.Err() == nil; {
		if _, err := f.Write(make([]byte, size)); err == nil {
			continue
		}
		if size = 4096; ctx.Err() == nil {
			pause(ctx, 20*time.Millisecond)
		}
	}
}

type simulated struct{ disk *faultfs.FS }

func (simulated) what() string   { return "a simulated disk (no tmpfs could be mounted)" }
func (s simulated) fs() spool.FS { return s.disk }
func (s simulated) fill(ctx context.Context) {
	for ctx.Err() == nil {
		s.disk.Room(s.disk.Used())
		pause(ctx, 20*time.Millisecond)
	}
	s.disk.Room(256 << 20)
}
