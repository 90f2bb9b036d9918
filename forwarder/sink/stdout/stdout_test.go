package stdout

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/sink"
	"github.com/siemfwd/siemfwd/forwarder/sink/sinktest"
)

// screen is a writer that may be read while it is written to.
type screen struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *screen) lines() [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := bytes.Clone(s.buf.Bytes())
	if len(text) == 0 {
		return nil
	}
	return bytes.Split(bytes.TrimSuffix(text, []byte{'\n'}), []byte{'\n'})
}

func TestSuite(t *testing.T) {
	sinktest.Run(t, sinktest.Sink{
		New: func(*testing.T) (sink.Sink, func() [][]byte) {
			var s screen
			return New(&s), s.lines
		},
		Stuck: func(t *testing.T) sink.Sink {
			r, w := io.Pipe() // nobody reads
			t.Cleanup(func() { r.Close() })
			return New(w)
		},
		Down: func(*testing.T) sink.Sink {
			r, w := io.Pipe()
			r.CloseWithError(errors.New("nobody is looking"))
			return New(w)
		},
	})
}

func items(payloads ...string) (list []sink.Item) {
	for _, p := range payloads {
		list = append(list, sink.Item{Payload: []byte(p)})
	}
	return list
}

func TestLines(t *testing.T) {
	var out bytes.Buffer
	s := New(&out)
	require.NoError(t, s.Send(t.Context(), items("one", "", "two\nthree\n", "\r\n", "caf\xe9")))
	require.NoError(t, s.Send(t.Context(), items("four")))
	assert.Equal(t, "one\n\ntwo three \n\r \ncaf\xe9\nfour\n", out.String())
}

// tearing takes a number of octets of the first write and fails it.
type tearing struct {
	bytes.Buffer
	take int
	torn bool
}

func (w *tearing) Write(p []byte) (int, error) {
	if !w.torn {
		w.torn = true
		n, _ := w.Buffer.Write(p[:w.take])
		return n, errors.New("full")
	}
	return w.Buffer.Write(p)
}

func TestTornLine(t *testing.T) {
	for take, want := range map[int]string{
		0: "one\ntwo\n",
		2: "on\none\ntwo\n",
		4: "one\none\ntwo\n",
		6: "one\ntw\none\ntwo\n",
	} {
		w := &tearing{take: take}
		s := New(w)
		require.EqualError(t, s.Send(t.Context(), items("one", "two")), "standard output: full")
		require.NoError(t, s.Send(t.Context(), items("one", "two")))
		assert.Equal(t, want, w.String(), "%d octets taken", take)
	}
}

// Two sinks on one file: os.File lets one write finish before the next.
func TestLinesDoNotMix(t *testing.T) {
	f, err := os.OpenFile(filepath.Join(t.TempDir(), "out"), os.O_CREATE|os.O_RDWR, 0o600)
	require.NoError(t, err)
	defer f.Close()
	lines := []string{strings.Repeat("a", 5000), strings.Repeat("b", 7000)}
	var senders sync.WaitGroup
	for _, line := range lines {
		senders.Go(func() {
			s := New(f)
			for range 50 {
				assert.NoError(t, s.Send(t.Context(), items(line, line, line)))
			}
		})
	}
	senders.Wait()
	text, err := os.ReadFile(f.Name())
	require.NoError(t, err)
	seen := map[string]int{}
	for _, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		seen[line]++
	}
	assert.Equal(t, map[string]int{lines[0]: 150, lines[1]: 150}, seen)
}

func TestSpec(t *testing.T) {
	spec := Spec()
	assert.Equal(t, "stdout", spec.Name)
	s, err := spec.Build(spec.Config(), component.Env{})
	require.NoError(t, err)
	require.NoError(t, s.Close())
}
