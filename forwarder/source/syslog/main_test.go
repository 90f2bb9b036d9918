package syslog

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/source"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// spool is a source.Log in memory.
type spool struct {
	ready chan struct{}
	emit  func(ctx context.Context, b *event.Batch) error // nil: take at once

	mu      sync.Mutex
	changed *sync.Cond
	events  []event.Raw
	batches int
}

var _ source.Log = (*spool)(nil)

func newSpool() *spool {
	s := &spool{ready: make(chan struct{}, 8)}
	s.changed = sync.NewCond(&s.mu)
	return s
}

func (s *spool) Emit(ctx context.Context, b *event.Batch) error {
	if s.emit != nil {
		if err := s.emit(ctx, b); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range b.Len() {
		r := b.At(i)
		r.Data = bytes.Clone(r.Data)
		s.events = append(s.events, r)
	}
	s.batches++
	s.changed.Broadcast()
	return nil
}

func (s *spool) Mark(string) []byte                        { return nil }
func (s *spool) Refuse(context.Context, event.Raw, string) {}
func (s *spool) Ready()                                    { s.ready <- struct{}{} }
func (s *spool) Keep() time.Duration                       { return time.Hour }

// wait returns the events once there are n of them.
func (s *spool) wait(t testing.TB, n int) []event.Raw {
	t.Helper()
	late := false
	timer := time.AfterFunc(patience, func() {
		s.mu.Lock()
		late = true
		s.mu.Unlock()
		s.changed.Broadcast()
	})
	defer timer.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.events) < n && !late {
		s.changed.Wait()
	}
	require.Equal(t, n, len(s.events), "events")
	return append([]event.Raw(nil), s.events...)
}

func (s *spool) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.events)
}

func texts(events []event.Raw) []string {
	out := make([]string, len(events))
	for i, e := range events {
		out[i] = string(e.Data)
	}
	return out
}

// meter counts in memory.
type meter struct {
	mu     sync.Mutex
	counts map[string]uint64
	gauges map[string]float64
}

func (m *meter) Add(name string, n uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counts[name] += n
}

func (m *meter) Set(name string, v float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gauges[name] = v
}

func (m *meter) count(name string) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.counts[name]
}

func (m *meter) gauge(name string) float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.gauges[name]
}

// lines is a log in memory.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *lines) count(part string) int { return strings.Count(l.String(), part) }

// rig is a source that runs.
type rig struct {
	*Source
	spool *spool
	meter *meter
	lines *lines
	stop  func() error // ends Run and returns what it returned
}

// config is a configuration with the defaults and these addresses.
func config(listen ...string) Config {
	c := *Spec().Config().(*Config)
	c.Listen = listen
	return c
}

func build(t testing.TB, c Config) (*Source, *meter, *lines) {
	t.Helper()
	m, l := &meter{counts: map[string]uint64{}, gauges: map[string]float64{}}, &lines{}
	s, err := Spec().Build(&c, component.Env{Name: "in", Log: slog.New(slog.NewTextHandler(l, nil)), Meter: m})
	require.NoError(t, err)
	return s.(*Source), m, l
}

// start runs a source until the test ends, or stop is called.
func start(t testing.TB, c Config, sp *spool) *rig {
	t.Helper()
	s, m, l := build(t, c)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, sp) }()
	r := &rig{Source: s, spool: sp, meter: m, lines: l}
	r.stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(patience):
			return fmt.Errorf("Run did not return")
		}
	})
	t.Cleanup(func() { _ = r.stop() })
	select {
	case <-sp.ready:
	case err := <-done:
		done <- err
		require.NoError(t, err, "Run returned at once")
	case <-time.After(patience):
		t.Fatal("the source is not ready")
	}
	require.Len(t, s.Addrs(), len(c.Listen))
	return r
}

// dial connects to the source's i-th address.
func (r *rig) dial(t testing.TB, i int) net.Conn {
	t.Helper()
	network, at, _ := strings.Cut(r.Addrs()[i], "://")
	c, err := net.Dial(network, at)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

func (r *rig) send(t testing.TB, c net.Conn, text string) {
	t.Helper()
	_, err := c.Write([]byte(text))
	require.NoError(t, err)
}

// closed waits until the source has closed the connection.
func closed(t testing.TB, c net.Conn) {
	t.Helper()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(patience)))
	_, err := c.Read(make([]byte, 1))
	require.Error(t, err)
	var timeout net.Error
	if e, ok := err.(net.Error); ok {
		timeout = e
	}
	require.False(t, timeout != nil && timeout.Timeout(), "the source did not close the connection")
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, patience, 2*time.Millisecond, what)
}
