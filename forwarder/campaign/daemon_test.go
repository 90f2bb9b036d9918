package campaign

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder"
	"github.com/siemfwd/siemfwd/forwarder/control"
	"github.com/siemfwd/siemfwd/forwarder/peertest"
	"github.com/siemfwd/siemfwd/forwarder/sink"
	"github.com/siemfwd/siemfwd/forwarder/spool"
)

// patience is how long a test waits for what must come. It says nothing about how soon
// that should be.
const patience = 60 * time.Second

// daemon is a forwarder that runs in the test.
type daemon struct {
	*forwarder.Forwarder
	t     *testing.T
	stop  context.CancelFunc
	done  chan error
	ready time.Duration // how long it took to start
}

// configure writes a configuration whose state is in dir, and returns its path.
func configure(t *testing.T, dir, yaml string) string {
	t.Helper()
	path := filepath.Join(dir, "siemfwd.yaml")
	if !strings.Contains(yaml, "http: {") {
		yaml = "http: {listen: \"\"}\n" + yaml
	}
	text := fmt.Sprintf("state: %s\nshutdown_grace: 1s\n%s", filepath.Join(dir, "state"), yaml)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// launch runs a forwarder and returns when it is ready.
func launch(t *testing.T, config string, fs spool.FS, sinks map[string]sink.Sink) *daemon {
	t.Helper()
	cfg, problems := forwarder.Load(config, forwarder.Strict)
	require.NoError(t, problems.Err())
	began := time.Now()
	var out slog.Handler = slog.DiscardHandler
	if testing.Verbose() {
		out = slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError})
	}
	log := slog.New(peertest.BalanceLog(t, out))
	f, err := forwarder.New(cfg, forwarder.Options{Sinks: sinks, FS: fs, Log: log})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	d := &daemon{Forwarder: f, t: t, stop: stop, done: make(chan error, 1)}
	ready := make(chan struct{})
	go func() { d.done <- f.Run(ctx, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-d.done:
		stop()
		require.NoError(t, err)
		require.Fail(t, "the forwarder ended")
	case <-time.After(patience):
		stop()
		require.Fail(t, "the forwarder is not ready")
	}
	d.ready = time.Since(began)
	return d
}

// end stops the forwarder and waits for that.
func (d *daemon) end() {
	d.t.Helper()
	peertest.Balanced(d.t, d.Status())
	d.stop()
	select {
	case err := <-d.done:
		require.NoError(d.t, err)
	case <-time.After(patience):
		require.Fail(d.t, "the forwarder does not end")
	}
}

// listening is where a source listens, as host:port.
func (d *daemon) listening(source string) string {
	d.t.Helper()
	for _, s := range d.Status().Sources {
		if s.Name == source && len(s.Listening) > 0 {
			_, rest, ok := strings.Cut(s.Listening[0], "://")
			if !ok {
				rest = s.Listening[0]
			}
			host, _, _ := strings.Cut(rest, "/")
			return host
		}
	}
	require.Fail(d.t, "source "+source+" does not listen")
	return ""
}

// until waits until the status is as wanted, and holds the accounting at every look.
func (d *daemon) until(what string, want func(control.Status) bool) control.Status {
	d.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		st := d.Status()
		peertest.Balanced(d.t, st)
		if want(st) {
			return st
		}
		require.True(d.t, time.Now().Before(deadline), "%s: not within %s: %+v", what, patience, st)
		time.Sleep(2 * time.Millisecond) // between two looks
	}
}

// idle says that nothing waits.
func idle(st control.Status) bool {
	for _, l := range st.Lanes {
		if l.Waiting > 0 {
			return false
		}
	}
	return true
}

// receiver is a sink in memory. It is up and down as its moods say.
type receiver struct {
	name string
	book *ledger

	mu    sync.Mutex
	draw  *rand.Rand // nil: in a good mood
	down  bool       // since some time and for some time
	power bool       // the machine that sends has power
}

var (
	errDown  = errors.New("receiver is down")
	errPower = errors.New("the power is gone")
)

// revive makes the receiver take what a new forwarder sends, in the moods that draw says.
func (r *receiver) revive(draw *rand.Rand) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.draw, r.power, r.down = draw, true, false
}

// unplug makes it that what the old forwarder sends arrives nowhere.
func (r *receiver) unplug() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.power = false
}

// Send implements sink.Sink.
func (r *receiver) Send(ctx context.Context, items []sink.Item) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	mood := 9
	if r.draw != nil {
		if r.draw.IntN(20) == 0 {
			r.down = !r.down
		}
		mood = r.draw.IntN(10)
	}
	switch {
	case !r.power:
		return errPower
	case ctx.Err() != nil:
		return ctx.Err()
	case r.down:
		return errDown
	case mood == 0:
		return &sink.Busy{For: 5 * time.Millisecond, Err: errDown}
	case mood == 1: // it has some of them and says so to nobody
		r.book.arrive(r.name, ids(items[:r.draw.IntN(len(items)+1)])...)
		return errDown
	}
	return r.take(items, mood == 2)
}

// take refuses poor events, of a batch that has any all at once when it is vague.
func (r *receiver) take(items []sink.Item, vague bool) error {
	var refused []int
	for i := range items {
		if id := idOf(items[i].Payload); strings.HasSuffix(id, "poor") {
			refused = append(refused, i)
		}
	}
	if len(refused) > 0 && vague {
		return &sink.Rejected{Reason: errors.New("one of them is poor")}
	}
	good := make([]sink.Item, 0, len(items))
	for i, at := 0, 0; i < len(items); i++ {
		if at < len(refused) && refused[at] == i {
			at++
			continue
		}
		good = append(good, items[i])
	}
	r.book.arrive(r.name, ids(good)...)
	if len(refused) > 0 {
		return &sink.Rejected{Index: refused, Reason: errors.New("poor event")}
	}
	return nil
}

// Close implements sink.Sink.
func (r *receiver) Close() error { return nil }

func ids(items []sink.Item) []string {
	list := make([]string, 0, len(items))
	for i := range items {
		if id := idOf(items[i].Payload); id != "" {
			list = append(list, id)
		}
	}
	return list
}
