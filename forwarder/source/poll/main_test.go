package poll

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/source"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory is a source.Log as the forwarder has it, without a disk: it survives the
// source that writes to it.
type memory struct {
	mu     sync.Mutex
	seen   map[event.Key]bool
	events []string // the data, in order
	marks  map[string][]byte
	emits  []emitted
	ready  int
	refuse []string
	// before and after are asked at every Emit; an error of after comes when all is
	// durable.
	before, after func(n int, b *event.Batch) error
}

// emitted is one Emit that worked.
type emitted struct {
	events, new int
	position    position // zero: it had no mark
	marks       int
}

func newMemory() *memory {
	return &memory{seen: map[event.Key]bool{}, marks: map[string][]byte{}}
}

func (m *memory) Emit(ctx context.Context, b *event.Batch) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := len(m.emits) + 1
	if m.before != nil {
		if err := m.before(n, b); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	e := emitted{events: b.Len(), marks: len(b.Marks)}
	b.Keep(func(i int) bool {
		r := b.At(i)
		known := m.seen[r.Key]
		m.seen[r.Key] = true
		if !known {
			m.events = append(m.events, string(r.Data))
		}
		return !known
	})
	e.new = b.Len()
	for _, k := range b.Marks {
		m.marks[k.Key] = bytes.Clone(k.Value)
		if k.Key == markPosition {
			e.position, _, _ = readPosition(k.Value)
		}
	}
	m.emits = append(m.emits, e)
	if m.after != nil {
		return m.after(n, b)
	}
	return nil
}

func (m *memory) Mark(key string) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return bytes.Clone(m.marks[key])
}

func (m *memory) Refuse(_ context.Context, raw event.Raw, reason string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refuse = append(m.refuse, fmt.Sprintf("%d octets: %s", len(raw.Data), reason))
}

func (m *memory) Ready() {
	m.mu.Lock()
	m.ready++
	m.mu.Unlock()
}

func (m *memory) Keep() time.Duration { return time.Hour }

// ids returns the id and version of every event that is durable, in order.
func (m *memory) ids() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []string
	for _, e := range m.events {
		var r wireRow
		if json.Unmarshal([]byte(e), &r) == nil {
			out = append(out, r.ID+r.V)
		}
	}
	return out
}

func (m *memory) position() position {
	p, _, _ := readPosition(m.Mark(markPosition))
	return p
}

// numbers is a meter that remembers.
type numbers struct {
	mu sync.Mutex
	n  map[string]float64
}

func (n *numbers) Add(name string, by uint64) {
	n.put(name, func(v float64) float64 { return v + float64(by) })
}
func (n *numbers) Set(name string, to float64) {
	n.put(name, func(float64) float64 { return to })
}

func (n *numbers) put(name string, f func(float64) float64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.n == nil {
		n.n = map[string]float64{}
	}
	n.n[name] = f(n.n[name])
}

func (n *numbers) get(name string) float64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.n[name]
}

// lines is a log that remembers.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// pipes connects a client and a server in memory.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.done); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-p.done:
		return nil, errors.New("connection refused")
	}
}

// serve runs a handler at the other end of the returned transport.
func serve(t *testing.T, h http.Handler, timeout time.Duration) *http.Transport {
	t.Helper()
	p := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	srv := &http.Server{Handler: h, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(p) }()
	over := newTransport(timeout)
	over.Proxy, over.DialContext = nil, p.dial
	t.Cleanup(func() {
		over.CloseIdleConnections()
		_ = srv.Close()
		<-done
	})
	return over
}

// bench is a source with everything around it.
type bench struct {
	*Source
	t     *testing.T
	api   *vendorAPI
	log   *memory
	meter *numbers
	said  *lines
	over  *http.Transport
	cfg   Config

	stop context.CancelFunc
	done chan struct{}
	errs []error // that Run ended with
}

// setUp makes a source that was never run. change may be nil.
func setUp(t *testing.T, api *vendorAPI, change func(*Config)) *bench {
	t.Helper()
	if api.page == 0 {
		api.page = 10
	}
	cfg, _ := VendorConfig(api.vendor().Poll)
	b := &bench{t: t, api: api, log: newMemory(), meter: &numbers{}, said: &lines{}, cfg: *cfg.(*Config)}
	if change != nil {
		change(&b.cfg)
	}
	b.over = serve(t, api, b.cfg.Timeout)
	b.renew()
	return b
}

// renew makes the source anew, as a start of the process does.
func (b *bench) renew() {
	b.t.Helper()
	v := b.api.vendor()
	log := slog.New(slog.NewTextHandler(b.said, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	s, err := New(&b.cfg, v.Poll.Config(), v, component.Env{Name: "in", Log: log, Meter: b.meter},
		Options{Transport: b.over, Spread: func() float64 { return 0.5 }})
	require.NoError(b.t, err)
	b.Source = s
}

// start runs the source as the forwarder does: again after a failure, when the pause it
// asks for is over.
func (b *bench) start() {
	ctx, stop := context.WithCancel(context.Background())
	b.stop, b.done = stop, make(chan struct{})
	go func() {
		defer close(b.done)
		for {
			err := b.Run(ctx, b.log)
			if ctx.Err() != nil {
				assert.NoError(b.t, err)
				return
			}
			b.log.mu.Lock()
			b.errs = append(b.errs, err)
			b.log.mu.Unlock()
			wait := time.Second
			if p := new(source.Pause); errors.As(err, &p) {
				wait = p.For
			}
			if source.Sleep(ctx, wait) != nil {
				return
			}
		}
	}()
}

// end stops it and waits until nothing of it is left.
func (b *bench) end() {
	b.stop()
	<-b.done
	synctest.Wait()
}

func (b *bench) failures() []error {
	b.log.mu.Lock()
	defer b.log.mu.Unlock()
	return slices.Clone(b.errs)
}

// pass lets a time of the bubble's clock pass, and everything that happens in it.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// today is the day that bubbles begin on.
var today = time.Date(2026, 3, 3, 0, 0, 0, 0, time.UTC)

// bubble runs a test in a bubble of time, that begins at noon.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(today.Add(12 * time.Hour)))
		f(t)
	})
}

// at is a time today, in the bubble.
func at(clock string) time.Time {
	for _, layout := range []string{"15:04:05.000", "15:04:05", "15:04"} {
		if t, err := time.Parse(layout, clock); err == nil {
			return today.Add(t.Sub(time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)))
		}
	}
	panic(clock)
}

func many(n int, from time.Time, every time.Duration) (items []item, ids []string) {
	for i := range n {
		id := fmt.Sprintf("e%d", i)
		items = append(items, item{id: id, at: from.Add(time.Duration(i) * every)})
		ids = append(ids, id)
	}
	return items, ids
}

func hang(r *http.Request) { _, _ = io.Copy(io.Discard, r.Body); <-r.Context().Done() }
