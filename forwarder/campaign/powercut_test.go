package campaign

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/control"
	"github.com/siemfwd/siemfwd/forwarder/deadletter"
	"github.com/siemfwd/siemfwd/forwarder/peertest"
	"github.com/siemfwd/siemfwd/forwarder/simulate"
	"github.com/siemfwd/siemfwd/forwarder/sink"
	"github.com/siemfwd/siemfwd/forwarder/spool/faultfs"
)

// cutsOfAWorld is how many power cuts one set of spools lives through.
const cutsOfAWorld = 20

var sinksOfAWorld = []string{"one", "two", "relp"}

// TestPowerCuts runs the whole way from webhooks, RELP and a poller to sinks over a file system
// that loses what was not synced, and tears and reorders the rest, when the power is cut.
func TestPowerCuts(t *testing.T) {
	c := begin(t, 2, cutsOfAWorld, 1000)
	var all sums
	cuts, events := 0, 0
	for world := 0; cuts < c.rounds && !t.Failed(); world++ {
		n := min(cutsOfAWorld, c.rounds-cuts)
		w := newWorld(t, c.draw(world))
		w.live(n)
		s, missing := w.end()
		if !assert.Zero(t, s.missing, "acknowledged and gone: %v", missing) {
			t.Logf("repeat with -seed %d -rounds %d", c.seed+uint64(world), n)
		}
		all.add(s)
		events += w.polled
		cuts += n
	}
	c.figures("%d power cuts, %d acknowledged to webhooks and RELP and %d polled, %d missing, %d sent again, %d dead letters", cuts, all.acked-events, events, all.missing, all.twice, all.dead)
}

// world is one set of spools from its first power cut to its last.
type world struct {
	t      *testing.T
	draw   *rand.Rand
	dir    string
	yaml   string
	disk   *faultfs.FS
	api    *simulate.API
	book   *ledger
	sinks  []*receiver
	relp   *server // a sink that confirms late
	at     target
	relpAt atomic.Pointer[string]
	d      *daemon
	ended  []chan error
	polled int
}

func newWorld(t *testing.T, draw *rand.Rand) *world {
	w := &world{t: t, draw: draw, dir: t.TempDir(), disk: faultfs.New(), book: newLedger()}
	api, err := simulate.CheckPoint(simulate.Options{
		Seed: draw.Uint64(), Events: 300, For: time.Second, PageSize: 20,
		Faults: simulate.Faults{Late: 0.03, MostLate: time.Second, Duplicates: 0.01, Ties: 0.2, Errors: 0.02, Cut: 0.02, Stale: 0.01},
	})
	require.NoError(t, err)
	w.api = api
	t.Cleanup(func() { _ = api.Close() })
	w.relp = newServer(peertest.FreePort(t), func(c net.Conn) { serveRELP(c, w.book, "relp") })
	require.NoError(t, w.relp.up())
	t.Cleanup(w.relp.down)
	w.yaml = fmt.Sprintf(`sources:
  hook: {type: webhook, vendor: json, listen: "127.0.0.1:0", path: /hooks/json, auth: {type: none}, dedupe: X-Delivery, keep: 1h, spool: 1MiB}
  relp: {type: syslog, vendor: text, listen: ["relp://127.0.0.1:0"], keep: 1h, spool: 1MiB}
  api: {type: poll, vendor: checkpoint, base_url: "%s", client_id: "%s", access_key: %s, page_size: 20, every: 100ms, since: 1h, overlap: 10s, settle: 100ms, timeout: 2s, requests_per_minute: 600000, keep: 1h, spool: 4MiB}
sinks:
  one: {type: stdout, format: raw}
  two: {type: stdout, format: raw}
  relp: {type: syslog, address: "relp://%s", format: raw, header: none}
`, api.URL, simulate.ClientID, simulate.Secret, w.relp.address)
	for _, name := range []string{"one", "two"} {
		w.sinks = append(w.sinks, &receiver{name: name, book: w.book})
	}
	return w
}

// start runs a forwarder on what is left of the disk.
func (w *world) start(moody bool) {
	w.t.Helper()
	sinks := map[string]sink.Sink{}
	for _, s := range w.sinks {
		var mood *rand.Rand
		if moody {
			mood = rand.New(rand.NewPCG(w.draw.Uint64(), 6))
		}
		s.revive(mood)
		sinks[s.name] = s
	}
	// The one before may still be ending: each has a control socket of its own.
	control := filepath.Join(w.dir, fmt.Sprintf("%d.sock", len(w.ended)))
	w.d = launch(w.t, configure(w.t, w.dir, "control: "+control+"\n"+w.yaml), w.disk, sinks)
	w.at.set(w.d.listening("hook"))
	address := w.d.listening("relp")
	w.relpAt.Store(&address)
}

// live cuts the power n times.
func (w *world) live(n int) {
	ctx, stop := context.WithCancel(w.t.Context())
	var senders sync.WaitGroup
	h := hooks{target: &w.at, book: w.book, pause: time.Millisecond, poor: true, padding: 600}
	h.run(ctx, &senders, 6, w.draw)
	senders.Go(func() { sendRELP(ctx, w.relpAddress, w.book, 5*time.Millisecond) })
	for range n {
		if w.draw.IntN(4) == 0 {
			w.relp.down()
		}
		require.NoError(w.t, w.relp.up())
		w.start(true)
		w.misbehave()
		w.sleep()
		left := w.disk.Crash(w.draw)
		for _, s := range w.sinks {
			s.unplug()
		}
		w.at.gone()
		w.d.stop() // of no use without power: nobody waits for its end
		w.ended = append(w.ended, w.d.done)
		left.Room(-1)
		w.disk = left
	}
	stop()
	senders.Wait()
	for _, done := range w.ended {
		<-done
	}
}

// relpAddress is where the forwarder takes RELP; before its first start, nowhere.
func (w *world) relpAddress() string {
	if p := w.relpAt.Load(); p != nil {
		return *p
	}
	return ""
}

// misbehave makes the disk slow, and now and then faulty or full.
func (w *world) misbehave() {
	slow := rand.New(rand.NewPCG(w.draw.Uint64(), 7))
	w.disk.Delay(faultfs.Sync, func(string) time.Duration { return time.Duration(slow.IntN(3000)) * time.Microsecond })
	if w.draw.IntN(3) == 0 {
		w.disk.Inject(faults(rand.New(rand.NewPCG(w.draw.Uint64(), 8))))
	}
	if w.draw.IntN(6) == 0 {
		w.disk.Room(w.disk.Used() + w.draw.Int64N(40_000))
	}
}

// faults makes calls fail now and then.
func faults(draw *rand.Rand) func(op faultfs.Op, name string) error {
	odds := map[faultfs.Op]int{}
	for _, op := range []faultfs.Op{faultfs.Sync, faultfs.Write, faultfs.Create, faultfs.Rename, faultfs.SyncDir, faultfs.Truncate} {
		if draw.IntN(3) == 0 {
			odds[op] = 3 + draw.IntN(40)
		}
	}
	return func(op faultfs.Op, name string) error {
		if n := odds[op]; n == 0 || draw.IntN(n) > 0 {
			return nil
		}
		err := []error{syscall.EIO, syscall.ENOSPC, errors.New("no such luck")}[draw.IntN(3)]
		if op == faultfs.Write {
			return &faultfs.Torn{N: draw.IntN(900), Err: err}
		}
		return err
	}
}

// sleep lets the forwarder live for a moment.
func (w *world) sleep() { pause(w.t.Context(), time.Duration(20+w.draw.IntN(120))*time.Millisecond) }

// end lets everything arrive and compares.
func (w *world) end() (sums, []string) {
	w.start(false)
	require.NoError(w.t, w.api.Wait(w.t.Context()))
	for _, e := range w.api.Events() {
		if e.Last {
			w.book.ack(e.ID)
			w.polled++
		}
	}
	// The poller may find an event only by reading again; what never comes is missing.
	late := time.Now().Add(patience / 2)
	w.d.until("nothing waits", func(st control.Status) bool {
		return idle(st) && (w.book.awaited(sinksOfAWorld...) == 0 || time.Now().After(late))
	})
	w.d.end()
	dead, err := deadletter.OpenOn(w.disk, filepath.Join(w.dir, "state", "dead"), nil)
	require.NoError(w.t, err)
	for l, err := range dead.All(time.Time{}) {
		require.NoError(w.t, err)
		w.book.bury(l.Sink, idOf(l.Raw))
	}
	require.NoError(w.t, dead.Close())
	return w.book.sum(sinksOfAWorld...)
}
