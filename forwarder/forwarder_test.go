package forwarder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/siemfwd/siemfwd/forwarder/control"
	"github.com/siemfwd/siemfwd/forwarder/deadletter"
	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/peertest"
	"github.com/siemfwd/siemfwd/forwarder/sink"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// script is a sink that answers as the test says and remembers what it took.
type script struct {
	answer func(n int, items []sink.Item) error // n counts the calls from 1

	mu    sync.Mutex
	calls int
	took  []string
}

func (s *script) Send(ctx context.Context, items []sink.Item) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	refused := map[int]bool{}
	if s.answer != nil {
		err := s.answer(s.calls, items)
		var r *sink.Rejected
		if errors.As(err, &r) && r.Index != nil {
			for _, i := range r.Index {
				refused[i] = true
			}
			for i, it := range items {
				if !refused[i] {
					s.took = append(s.took, string(it.Payload))
				}
			}
			return err
		}
		if err != nil {
			return err
		}
	}
	for _, it := range items {
		s.took = append(s.took, string(it.Payload))
	}
	return nil
}

func (s *script) Close() error { return nil }

func (s *script) taken() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.took...)
}

// daemon is a forwarder that runs in the test.
type daemon struct {
	*Forwarder
	t    *testing.T
	stop func()
	done chan error
}

// start runs a forwarder with one syslog source "in" (vendor text) and the given sinks.
func start(t *testing.T, dir string, sinks map[string]sink.Sink) *daemon {
	t.Helper()
	return startWith(t, dir, "format: raw", sinks)
}

// startWith is start with the keys of every sink.
func startWith(t *testing.T, dir, keys string, sinks map[string]sink.Sink) *daemon {
	t.Helper()
	return startNamed(t, dir, keys, []string{"in"}, sinks)
}

// startSources is start with n sources.
func startSources(t *testing.T, dir string, n int, sinks map[string]sink.Sink) *daemon {
	t.Helper()
	var names []string
	for i := range n {
		names = append(names, fmt.Sprint("in", i))
	}
	return startNamed(t, dir, "format: raw", names, sinks)
}

func startNamed(t *testing.T, dir, keys string, sources []string, sinks map[string]sink.Sink) *daemon {
	t.Helper()
	var y strings.Builder
	fmt.Fprintf(&y, "state: %s\nhttp: {listen: \"\"}\nshutdown_grace: 2s\nsources:\n", filepath.Join(dir, "state"))
	for _, name := range sources {
		fmt.Fprintf(&y, "  %s: {type: syslog, vendor: text, listen: [\"tcp://127.0.0.1:0\"]}\n", name)
	}
	y.WriteString("sinks:\n")
	for name := range sinks {
		fmt.Fprintf(&y, "  %s: {type: stdout, %s}\n", name, keys)
	}
	path := filepath.Join(dir, "siemfwd.yaml")
	require.NoError(t, os.WriteFile(path, []byte(y.String()), 0o600))
	return startFile(t, path, sinks)
}

// startFile runs a forwarder with the configuration in a file; the sinks given take the
// place of those it names. tune changes the forwarder before it runs.
func startFile(t *testing.T, path string, sinks map[string]sink.Sink, tune ...func(*Forwarder)) *daemon {
	t.Helper()
	cfg, problems := Load(path, Strict)
	require.NoError(t, problems.Err())
	f, err := New(cfg, Options{Sinks: sinks, Log: slog.New(peertest.BalanceLog(t, slog.DiscardHandler))})
	require.NoError(t, err)
	for _, change := range tune {
		change(f)
	}
	ctx, stop := context.WithCancel(context.Background())
	d := &daemon{Forwarder: f, t: t, stop: stop, done: make(chan error, 1)}
	ready := make(chan struct{})
	go func() { d.done <- f.Run(ctx, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-d.done:
		stop()
		t.Fatalf("the forwarder ended: %v", err)
	case <-time.After(10 * time.Second):
		stop()
		t.Fatal("not ready after 10 s")
	}
	return d
}

func (d *daemon) end() {
	d.t.Helper()
	peertest.Balanced(d.t, d.Status())
	d.stop()
	select {
	case err := <-d.done:
		require.NoError(d.t, err)
	case <-time.After(10 * time.Second):
		d.t.Fatal("still running 10 s after the stop")
	}
}

// send writes lines to the first source over one connection.
func (d *daemon) send(lines ...string) {
	d.t.Helper()
	d.sendTo(d.cfg.Sources[0].Name, lines...)
}

// sendTo writes lines to a source that listens on TCP.
func (d *daemon) sendTo(source string, lines ...string) {
	d.t.Helper()
	addr := ""
	for _, s := range d.Status().Sources {
		if s.Name == source {
			addr = strings.TrimPrefix(s.Listening[0], "tcp://")
		}
	}
	c, err := net.Dial("tcp", addr)
	require.NoError(d.t, err)
	_, err = c.Write([]byte(strings.Join(lines, "\n") + "\n"))
	require.NoError(d.t, err)
	require.NoError(d.t, c.Close())
}

// eventually waits until the status is as wanted, and holds the accounting at every look.
func (d *daemon) eventually(what string, want func(control.Status) bool) control.Status {
	d.t.Helper()
	var st control.Status
	require.Eventually(d.t, func() bool {
		st = d.Status()
		peertest.Balanced(d.t, st)
		return want(st)
	}, time.Minute, 2*time.Millisecond, what)
	return st
}

func laneOf(st control.Status, sinkName string) control.Lane {
	for _, l := range st.Lanes {
		if l.Sink == sinkName {
			return l
		}
	}
	return control.Lane{}
}

// batchOf is one batch of n events.
func batchOf(n int) *event.Batch {
	b := &event.Batch{}
	for _, text := range numbered(0, n) {
		b.Add(event.Raw{Data: []byte(text), Time: time.Now()})
	}
	return b
}

var (
	discard      = slog.New(slog.DiscardHandler)
	errStoreFull = fmt.Errorf("%w: 10 MiB", deadletter.ErrFull)
)

func numbered(from, n int) []string {
	var lines []string
	for i := range n {
		lines = append(lines, fmt.Sprintf("event %05d", from+i))
	}
	return lines
}

func TestEventsArriveOnceInOrder(t *testing.T) {
	out := &script{}
	d := start(t, t.TempDir(), map[string]sink.Sink{"out": out})
	defer d.end()
	lines := numbered(0, 5000)
	d.send(lines...)
	d.eventually("5000 delivered", func(st control.Status) bool { return laneOf(st, "out").Delivered == 5000 })
	assert.Equal(t, lines, out.taken())
}

func TestAFailingSinkGetsEverythingLater(t *testing.T) {
	out := &script{answer: func(n int, _ []sink.Item) error {
		if n <= 3 {
			return errors.New("connection refused")
		}
		return nil
	}}
	d := start(t, t.TempDir(), map[string]sink.Sink{"out": out})
	defer d.end()
	lines := numbered(0, 100)
	d.send(lines...)
	d.eventually("down", func(st control.Status) bool { return !st.Sinks[0].Up && laneOf(st, "out").Waiting == 100 })
	d.eventually("delivered", func(st control.Status) bool { return st.Sinks[0].Up && laneOf(st, "out").Delivered == 100 })
	assert.Equal(t, lines, out.taken())
}

func TestADeadSinkHoldsNobodyUp(t *testing.T) {
	good, dead := &script{}, &script{answer: func(int, []sink.Item) error { return errors.New("no route to host") }}
	d := start(t, t.TempDir(), map[string]sink.Sink{"good": good, "dead": dead})
	defer d.end()
	d.send(numbered(0, 3000)...)
	st := d.eventually("the good one has all", func(st control.Status) bool { return laneOf(st, "good").Delivered == 3000 })
	assert.EqualValues(t, 3000, laneOf(st, "dead").Waiting)
	assert.False(t, laneOf(st, "dead").Oldest.IsZero())
}

func TestARefusedEventBecomesADeadLetter(t *testing.T) {
	for name, say := range map[string]func(i int) *sink.Rejected{
		"named": func(i int) *sink.Rejected {
			return &sink.Rejected{Index: []int{i}, Reason: errors.New("400 bad event")}
		},
		"unnamed": func(int) *sink.Rejected { return &sink.Rejected{Reason: errors.New("400 bad batch")} },
	} {
		t.Run(name, func(t *testing.T) {
			out := &script{}
			out.answer = func(_ int, items []sink.Item) error {
				for i, it := range items {
					if strings.HasSuffix(string(it.Payload), "00617") {
						return say(i)
					}
				}
				return nil
			}
			d := start(t, t.TempDir(), map[string]sink.Sink{"out": out})
			defer d.end()
			lines := numbered(0, 1000)
			d.send(lines...)
			st := d.eventually("all settled", func(st control.Status) bool { return laneOf(st, "out").Waiting == 0 && st.Sources[0].Received == 1000 })
			assert.EqualValues(t, 1, laneOf(st, "out").Dead)
			assert.EqualValues(t, 999, laneOf(st, "out").Delivered)
			assert.Equal(t, append(append([]string{}, lines[:617]...), lines[618:]...), out.taken())
			n := 0
			for letter, err := range d.dead.All(time.Time{}) {
				require.NoError(t, err)
				n++
				assert.Equal(t, "event 00617", string(letter.Raw))
				assert.Equal(t, "out", letter.Sink)
				assert.Contains(t, letter.Reason, "400 bad")
			}
			assert.Equal(t, 1, n)
		})
	}
}

// A sink that settles only the first items of a batch is sent the rest, and nothing of it
// twice.
func TestABatchThatIsSettledInPart(t *testing.T) {
	out := &script{}
	out.answer = func(n int, items []sink.Item) error {
		p := &sink.Partial{Done: min(7, len(items))}
		for i, it := range items[:p.Done] {
			if strings.HasSuffix(string(it.Payload), "17") {
				p.Done, p.Rejected = i+1, &sink.Rejected{Index: []int{i}, Reason: errors.New("400 bad event"), Answer: "no"}
				break
			}
			out.took = append(out.took, string(it.Payload))
		}
		if n%3 == 0 {
			p.Err = &sink.Busy{For: time.Millisecond, Err: errors.New("503 busy")}
		}
		return p
	}
	d := start(t, t.TempDir(), map[string]sink.Sink{"out": out})
	defer d.end()
	lines := numbered(0, 200)
	d.send(lines...)
	st := d.eventually("all settled", func(st control.Status) bool { return laneOf(st, "out").Waiting == 0 && st.Sources[0].Received == 200 })
	assert.EqualValues(t, 2, laneOf(st, "out").Dead)
	assert.EqualValues(t, 198, laneOf(st, "out").Delivered)
	assert.Equal(t, slices.Concat(lines[:17], lines[18:117], lines[118:]), out.taken())
	assert.Equal(t, []string{"event 00017", "event 00117"}, d.letters(t))
}

func TestARestartGoesOnWhereItStopped(t *testing.T) {
	dir := t.TempDir()
	away := errors.New("away")
	d := start(t, dir, map[string]sink.Sink{"a": &script{}, "b": &script{answer: func(int, []sink.Item) error { return away }}})
	d.send(numbered(0, 500)...)
	d.eventually("a has all", func(st control.Status) bool { return laneOf(st, "a").Delivered == 500 })
	d.end()

	a, b := &script{}, &script{}
	d = start(t, dir, map[string]sink.Sink{"a": a, "b": b})
	defer d.end()
	st := d.eventually("b has all", func(st control.Status) bool { return laneOf(st, "b").Delivered == 500 })
	assert.EqualValues(t, 500, st.Sources[0].Received, "received begins with what was waiting")
	assert.Empty(t, a.taken())
	assert.Equal(t, numbered(0, 500), b.taken())
}

func TestAnEventThatCannotBeRenderedIsADeadLetter(t *testing.T) {
	out := &script{}
	d := startWith(t, t.TempDir(), "format: json, max_size: 20B", map[string]sink.Sink{"out": out})
	defer d.end()
	d.send("one", "two")
	st := d.eventually("settled", func(st control.Status) bool { return laneOf(st, "out").Dead == 2 })
	assert.Zero(t, laneOf(st, "out").Filtered)
	assert.Empty(t, out.taken())
	var raws []string
	for letter, err := range d.dead.All(time.Time{}) {
		require.NoError(t, err)
		assert.Contains(t, letter.Reason, "cannot be rendered")
		raws = append(raws, string(letter.Raw))
	}
	assert.Equal(t, []string{"one", "two"}, raws)
}

func TestShutdownEndsWithinTheGraceWhenASinkHangs(t *testing.T) {
	hang := &hanging{entered: make(chan struct{}, 1)}
	d := start(t, t.TempDir(), map[string]sink.Sink{"out": hang})
	d.send("one")
	<-hang.entered
	began := time.Now()
	d.end()
	assert.Less(t, time.Since(began), 5*time.Second)
}

type hanging struct{ entered chan struct{} }

func (h *hanging) Send(ctx context.Context, _ []sink.Item) error {
	select {
	case h.entered <- struct{}{}:
	default: // nobody waits for one more
	}
	<-ctx.Done()
	return ctx.Err()
}

func (h *hanging) Close() error { return nil }
