package file

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory is a source.Log in memory, which outlives the source.
type memory struct {
	mu    sync.Mutex
	lines []string
	sizes []int
	marks map[string][]byte
	ready chan struct{}
	fail  func(lines int) error // of an Emit, nothing of which is then kept
}

func newMemory() *memory { return &memory{marks: map[string][]byte{}} }

func (m *memory) Emit(ctx context.Context, b *event.Batch) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if m.fail != nil {
		if err := m.fail(len(m.lines)); err != nil {
			return err
		}
	}
	for i := range b.Len() {
		m.lines = append(m.lines, string(b.At(i).Data))
		m.sizes = append(m.sizes, b.At(i).Size)
	}
	for _, k := range b.Marks {
		m.marks[k.Key] = append([]byte(nil), k.Value...)
	}
	return nil
}

func (m *memory) Mark(key string) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.marks[key]
}

func (m *memory) Refuse(context.Context, event.Raw, string) {}
func (m *memory) Keep() time.Duration                       { return time.Hour }
func (m *memory) Ready()                                    { close(m.ready) }

func (m *memory) all() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.lines...)
}

// wait returns the lines once there are n.
func (m *memory) wait(t testing.TB, n int) []string {
	t.Helper()
	eventually(t, "lines arrive", func() bool { return len(m.all()) >= n })
	return m.all()
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, 20*time.Second, 2*time.Millisecond, what)
}

// meter keeps what was counted.
type meter struct {
	mu     sync.Mutex
	counts map[string]uint64
}

func (m *meter) Add(name string, n uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counts[name] += n
}

func (m *meter) Set(string, float64) {}

func (m *meter) count(name string) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.counts[name]
}

// running is a source at work.
type running struct {
	*Source
	meter *meter
	words *words
	stop  func() error // ends it and returns what Run did
}

type words struct {
	mu sync.Mutex
	strings.Builder
}

func (w *words) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.Builder.Write(p)
}

func (w *words) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.Builder.String()
}

var errStopped = errors.New("it had stopped")

func start(t testing.TB, c Config, log *memory, change ...func(*Source)) *running {
	t.Helper()
	r := &running{meter: &meter{counts: map[string]uint64{}}, words: &words{}}
	s, err := New(&c, component.Env{Name: "files", Log: slog.New(slog.NewTextHandler(r.words, nil)), Meter: r.meter})
	require.NoError(t, err)
	for _, f := range change {
		f(s)
	}
	r.Source = s
	ctx, cancel := context.WithCancel(context.Background())
	log.ready = make(chan struct{})
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, log) }()
	select {
	case <-log.ready:
	case err := <-done:
		cancel()
		require.NoError(t, err, "it ended before it was ready")
	}
	var once sync.Once
	r.stop = func() (err error) {
		err = errStopped
		once.Do(func() { cancel(); err = <-done })
		return err
	}
	t.Cleanup(func() { _ = r.stop() })
	return r
}

func configOf(paths ...string) Config {
	c := defaults
	c.Paths, c.Every = paths, 100*time.Millisecond
	return c
}
