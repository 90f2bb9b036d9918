package campaign

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/control"
	"github.com/siemfwd/siemfwd/forwarder/peertest"
	"github.com/siemfwd/siemfwd/forwarder/simulate"
)

// killsOfABlock is after how many kills everything is to arrive and is compared.
const killsOfABlock = 50

// mostBatch is the most events a lane hands to a sink, or has there without an answer; the
// resend window of plain TCP, 1 MiB, holds some more of these.
const mostBatch = 1024

// TestKills kills the real program at random moments under load from all sides, while all of
// its sinks but a file go up and down.
func TestKills(t *testing.T) {
	c := begin(t, 1, 4, 1000)
	k := newKills(t, c)
	for done := 0; done < c.rounds && !t.Failed(); {
		n := min(killsOfABlock, c.rounds-done)
		block := done / killsOfABlock
		k.block(c.draw(block), n)
		done += n
		t.Logf("%d kills, %s: %s", done, time.Since(c.began).Round(time.Second), k)
		if t.Failed() {
			t.Logf("repeat with -seed %d -rounds %d", c.seed+uint64(block), n)
		}
		k.kills = done
	}
	k.finish()
	outages := k.tcp.downs + k.relp.downs
	for name, twice := range k.twice {
		assert.LessOrEqual(t, twice, 4*2*mostBatch*(k.kills+outages), "sent again to %s", name)
	}
	c.figures("%d kills, %d outages of sinks, %s", k.kills, outages, k)
}

// kills is a forwarder that is killed, with all that is around it.
type kills struct {
	t    *testing.T
	p    *peertest.Siemfwd
	api  *simulate.API
	tcp  *server
	relp *server
	hec  *simulate.Splunk // a new one for each block, which is up and down as it likes
	book *ledger
	out  string // what the file sink writes
	read int64  // of it

	kills                        int
	acked, polled, missing       int
	twice                        map[string]int // by sink, of what senders did not send again
	lines                        atomic.Int64   // written to the plain TCP source
	arrived                      int            // of them
	hookAt, tcpAt, relpAt, hecAt string
	polledAlready                map[string]bool
}

func (k *kills) String() string {
	return fmt.Sprintf("%d acknowledged to webhooks and RELP and %d polled, %d missing at 4 sinks; sent again to file %d, TCP %d, RELP %d, HEC %d; of %d lines over plain TCP %d were lost with the process",
		k.acked, k.polled, k.missing, k.twice["file"], k.twice["tcp"], k.twice["relp"], k.twice["hec"], k.lines.Load(), int(k.lines.Load())-k.arrived)
}

func newKills(t *testing.T, c *run) *kills {
	k := &kills{t: t, book: newLedger(), twice: map[string]int{}, polledAlready: map[string]bool{}}
	seconds := c.rounds + 2
	api, err := simulate.CheckPoint(simulate.Options{
		Seed: c.seed, Events: 20 * seconds, For: time.Duration(seconds) * 700 * time.Millisecond, PageSize: 200, TokenLife: 5 * time.Second,
		Faults: simulate.Faults{Late: 0.02, MostLate: 2 * time.Second, Duplicates: 0.01, Ties: 0.2, Errors: 0.02, Cut: 0.02, Stale: 0.01, Revoke: 0.01},
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = api.Close() })
	k.api = api
	k.tcp = newServer(peertest.FreePort(t), func(c net.Conn) { serveLines(c, k.book, "tcp") })
	k.relp = newServer(peertest.FreePort(t), func(c net.Conn) { serveRELP(c, k.book, "relp") })
	t.Cleanup(k.tcp.down)
	t.Cleanup(k.relp.down)
	t.Cleanup(func() { _ = k.hec.Close() })
	require.NoError(t, k.tcp.up())
	require.NoError(t, k.relp.up())
	port := func() string { return fmt.Sprintf("127.0.0.1:%d", peertest.FreePort(t)) }
	k.hookAt, k.tcpAt, k.relpAt, k.hecAt = port(), port(), port(), port()
	k.newHEC()
	dir := t.TempDir()
	k.out = filepath.Join(dir, "out")
	k.p = peertest.StartSiemfwd(t, []string{program(t)}, nil, dir, fmt.Sprintf(`shutdown_grace: 5s
defaults: {keep: 2m, spool: 2GiB}
sources:
  hook: {type: webhook, vendor: json, listen: "%s", path: /hooks/json, auth: {type: none}, dedupe: X-Delivery}
  tcp: {type: syslog, vendor: text, listen: ["tcp://%s"]}
  relp: {type: syslog, vendor: text, listen: ["relp://%s"]}
  api: {type: poll, vendor: checkpoint, base_url: "%s", client_id: "%s", access_key: %s, page_size: 200, every: 200ms, since: 1h, overlap: 5s, settle: 200ms, timeout: 2s, requests_per_minute: 600000}
sinks:
  file: {type: file, path: "%s", format: raw}
  tcp: {type: syslog, address: "tcp://%s", format: raw, header: none, framing: lf}
  relp: {type: syslog, address: "relp://%s", format: raw, header: none}
  hec: {type: splunk_hec, url: "http://%s", token: %s, ack: true, ack_timeout: 10s, format: raw, endpoint: raw}
`, k.hookAt, k.tcpAt, k.relpAt, api.URL, simulate.ClientID, simulate.Secret, k.out, k.tcp.address, k.relp.address, k.hecAt, simulate.SplunkToken))
	return k
}

// block kills n times, then lets everything arrive and compares.
func (k *kills) block(draw *rand.Rand, n int) {
	ctx, stop := context.WithCancel(k.t.Context())
	var senders sync.WaitGroup
	var at target
	at.set(k.hookAt)
	h := hooks{target: &at, book: k.book, pause: 5 * time.Millisecond, padding: 800}
	h.run(ctx, &senders, 8, draw)
	senders.Go(func() { k.sendLines(ctx) })
	senders.Go(func() { sendRELP(ctx, func() string { return k.relpAt }, k.book, 20*time.Millisecond) })
	for range n {
		for _, s := range []*server{k.tcp, k.relp} {
			switch {
			case !s.isUp() && draw.IntN(2) == 0:
				require.NoError(k.t, s.up())
			case s.isUp() && draw.IntN(4) == 0:
				s.down()
			}
		}
		k.hec.Behave(moods[draw.IntN(len(moods))])
		pause(ctx, time.Duration(draw.IntN(500))*time.Millisecond)
		k.p.Kill()
		if draw.IntN(5) == 0 { // and once more before it has got anywhere
			k.p.Launch()
			pause(ctx, time.Duration(draw.IntN(80))*time.Millisecond)
			k.p.Kill()
		}
		k.p.Start()
	}
	stop()
	senders.Wait()
	at.gone()
	require.NoError(k.t, k.tcp.up())
	require.NoError(k.t, k.relp.up())
	k.hec.Behave(simulate.SplunkFaults{})
	k.settle()
	k.newHEC()
}

// moods are those of a HEC receiver.
var moods = []simulate.SplunkFaults{
	{}, {},
	{Codes: map[int]float64{9: 1}}, // busy, which is as good as down
	{Codes: map[int]float64{8: 0.2}, Lost: 0.1, Cut: 0.1, Restart: 0.1, AckLost: 0.2},
}

// newHEC begins with an empty one, between two blocks.
func (k *kills) newHEC() {
	if k.hec != nil {
		require.NoError(k.t, k.hec.Close())
	}
	var err error
	k.hec, err = simulate.StartSplunk(simulate.SplunkOptions{Listen: k.hecAt, Seed: uint64(number.Load()), Ack: true, AckAfter: 50 * time.Millisecond})
	require.NoError(k.t, err)
}

// readHEC notes what is indexed.
func (k *kills) readHEC() {
	counts := map[string]int{}
	for event, n := range k.hec.Counts() {
		counts[idOf([]byte(event))] += n
	}
	k.book.mu.Lock()
	defer k.book.mu.Unlock()
	k.book.arrived["hec"] = counts
}

// settle waits until nothing moves any more and compares.
func (k *kills) settle() {
	deadline := time.Now().Add(2 * patience)
	k.p.Until(3*patience, "nothing waits", func(st control.Status) bool {
		if !idle(st) {
			return false
		}
		k.readFile()
		k.readHEC()
		return k.book.awaited(k.sinks()...) == 0 || time.Now().After(deadline)
	})
	s, missing := k.book.sum(k.sinks()...)
	assert.Zero(k.t, s.missing, "acknowledged and gone: %v", missing)
	k.missing += s.missing
	k.book.mu.Lock()
	defer k.book.mu.Unlock()
	for id := range k.book.acked {
		if id[0] == 'w' || id[0] == 'r' {
			k.acked++
		}
	}
	for name, list := range k.book.arrived {
		for id, n := range list {
			if id != "" && id[0] != 'r' { // those of RELP the sender repeats
				k.twice[name] += n - 1
			}
			if name == "file" && id != "" && id[0] == 't' {
				k.arrived++
			}
		}
	}
	// Polled events may come again as long as the API has them.
	for name, list := range k.book.arrived {
		for id := range list {
			k.polledAlready[name+" "+id] = id != "" && id[0] != 'w' && id[0] != 'r' && id[0] != 't'
			if !k.polledAlready[name+" "+id] {
				delete(k.polledAlready, name+" "+id)
			}
		}
	}
	clear(k.book.acked)
	clear(k.book.arrived)
}

// finish compares what the API has handed out, and ends the process.
func (k *kills) finish() {
	require.NoError(k.t, k.api.Wait(k.t.Context()))
	want := map[string]bool{}
	for _, e := range k.api.Events() {
		want[e.ID] = true
	}
	left := func() (n int) {
		k.book.mu.Lock()
		defer k.book.mu.Unlock()
		for _, name := range k.sinks() {
			for id := range want {
				if !k.polledAlready[name+" "+id] && k.book.arrived[name][id] == 0 {
					n++
				}
			}
		}
		return n
	}
	least, since := math.MaxInt, time.Now()
	k.p.Until(10*patience, "all polled events are there", func(st control.Status) bool {
		k.readFile()
		k.readHEC()
		if n := left(); n < least {
			least, since = n, time.Now()
		}
		return idle(st) && (least == 0 || time.Since(since) > patience)
	})
	k.p.Stop()
	k.polled = len(want)
	k.missing += left()
	assert.Zero(k.t, left(), "polled events missing")
}

func (k *kills) sinks() []string { return []string{"file", "tcp", "relp", "hec"} }

// readFile reads what the file sink has written since the last time.
func (k *kills) readFile() {
	file, err := os.Open(k.out)
	if os.IsNotExist(err) {
		return
	}
	require.NoError(k.t, err)
	defer file.Close()
	lines := bufio.NewReaderSize(io.NewSectionReader(file, k.read, math.MaxInt64-k.read), 1<<20)
	var list []string
	for {
		line, err := lines.ReadSlice('\n')
		if err != nil {
			break // what stands there is half a line
		}
		k.read += int64(len(line))
		list = append(list, idOf(line))
	}
	k.book.arrive("file", list...)
}

// sendLines writes lines to the plain TCP source, some 1000 a second, for as long as each
// connection holds.
func (k *kills) sendLines(ctx context.Context) {
	pad := strings.Repeat("t", 300)
	for ctx.Err() == nil {
		c, err := net.Dial("tcp", k.tcpAt)
		for err == nil && ctx.Err() == nil {
			for range 10 {
				if _, err = fmt.Fprintf(c, `{"id":"%s","pad":"%s"}`+"\n", newID("t", false), pad); err != nil {
					break
				}
				k.lines.Add(1)
			}
			pause(ctx, 10*time.Millisecond)
		}
		if c != nil {
			_ = c.Close()
		}
		pause(ctx, 10*time.Millisecond)
	}
}

// serveLines notes what comes.
func serveLines(c net.Conn, book *ledger, name string) {
	lines := bufio.NewReaderSize(c, 256<<10)
	for {
		line, err := lines.ReadSlice('\n')
		if err != nil {
			return
		}
		book.arrive(name, idOf(line))
	}
}
