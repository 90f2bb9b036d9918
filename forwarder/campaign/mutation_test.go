package campaign

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/control"
	"github.com/siemfwd/siemfwd/forwarder/sink"
)

// TestMutations changes one file below the state folder of a forwarder at rest, starts it,
// and wants every event back whose frame is still there, every other one counted, and new
// events taken.
func TestMutations(t *testing.T) {
	c := begin(t, 3, 100, 10_000)
	states := []*state{newState(t, true), newState(t, false)}
	var all verdict
	for i := range c.rounds {
		draw := c.draw(i)
		v := states[draw.IntN(len(states))].suffer(t, draw)
		all.add(v)
		if t.Failed() {
			t.Logf("repeat with -seed %d -rounds 1", c.seed+uint64(i))
			break
		}
	}
	if *long {
		assert.Less(t, all.slowest, 5*time.Second)
	}
	c.figures("%d mutations, %d of them cost events, %d events lost and %d counted, %d intact ones delivered, %d intact ones missing, slowest start %s",
		all.cases, all.costly, all.lost, all.counted, all.delivered, all.missing, millis(all.slowest))
}

// verdict is what came of mutations.
type verdict struct {
	cases, costly      int
	lost, counted      int // where it can be known
	delivered, missing int
	slowest            time.Duration
}

func (v *verdict) add(o verdict) {
	v.cases++
	if o.lost > 0 {
		v.costly++
	}
	v.lost += o.lost
	v.counted += o.counted
	v.delivered += o.delivered
	v.missing += o.missing
	v.slowest = max(v.slowest, o.slowest)
}

// state is the state folder of a forwarder that has delivered some of its events and keeps
// the others, and some dead letters.
type state struct {
	closed bool // in good order; otherwise it was killed
	dir    string
	files  []string          // below dir, those that can be mutated
	frames map[string][]byte // of each event that was not delivered, by id
	newest string
}

const mutationYAML = `sources:
  hook: {type: webhook, vendor: json, listen: "127.0.0.1:0", path: /hooks/json, auth: {type: none}, dedupe: X-Delivery, keep: 1h, spool: 1MiB}
sinks:
  one: {type: stdout, format: raw}
`

// newState makes one.
func newState(t *testing.T, closed bool) *state {
	dir := t.TempDir()
	s := &state{closed: closed, dir: filepath.Join(dir, "kept"), frames: map[string][]byte{}}
	config := configure(t, dir, mutationYAML)
	book := newLedger()
	in := &receiver{name: "one", book: book}
	in.revive(nil)
	d := launch(t, config, nil, map[string]sink.Sink{"one": in})
	draw := rand.New(rand.NewPCG(3, 3))
	fill := func(n int, poor bool) {
		var at target
		at.set(d.listening("hook"))
		h := hooks{target: &at, book: book, poor: poor, padding: 1500}
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		h.run(ctx, &wg, 2, draw)
		want := d.Status().Sources[0].Received + uint64(n)
		d.until("some events are there", func(st control.Status) bool { return st.Sources[0].Received >= want })
		stop()
		wg.Wait()
		at.gone()
	}
	fill(200, true)
	d.end() // whoever was in the middle of a delivery is done
	d = launch(t, config, nil, map[string]sink.Sink{"one": in})
	d.until("they have arrived", idle)
	in.unplug()
	gone := book.settled("one")
	fill(600, false)
	if closed {
		d.end()
	}
	copyTree(t, filepath.Join(dir, "state"), s.dir)
	if !closed {
		d.end()
	}
	s.survey(t, gone)
	return s
}

// settled returns what has arrived at a sink.
func (l *ledger) settled(sink string) map[string]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	gone := map[string]bool{}
	for id := range l.arrived[sink] {
		gone[id] = true
	}
	return gone
}

// survey finds the files and, of the events that are not gone, their frames: at 12 stands
// the length of a frame.
func (s *state) survey(t *testing.T, gone map[string]bool) {
	require.NoError(t, filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(s.dir, path)
		s.files = append(s.files, rel)
		if filepath.Ext(rel) != ".seg" || !strings.HasPrefix(rel, "sources/") {
			return nil
		}
		s.newest = max(s.newest, rel)
		data, err := os.ReadFile(path)
		for len(data) >= 32 {
			n := int(binary.LittleEndian.Uint32(data[12:]))
			if n < 32 || n > len(data) {
				break // what was reserved
			}
			if id := idOf(data[:n]); id != "" && !gone[id] && !strings.HasSuffix(id, "poor") {
				s.frames[id] = bytes.Clone(data[:n])
			}
			data = data[n:]
		}
		return err
	}))
	require.Greater(t, len(s.frames), 500)
	require.Greater(t, len(s.files), 6)
}

// copyTree copies a state folder, without what is no file and without reserves, which are
// empty files as far as a copy goes.
func copyTree(t *testing.T, from, to string) {
	require.NoError(t, filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(from, path)
		switch {
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		case !d.Type().IsRegular():
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), data, 0o600)
	}))
}

// suffer mutates a copy of the state and says what came of it.
func (s *state) suffer(t *testing.T, draw *rand.Rand) (v verdict) {
	dir, err := os.MkdirTemp("", "siemfwd-mutation")
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	config := configure(t, dir, mutationYAML)
	copyTree(t, s.dir, filepath.Join(dir, "state"))
	file := s.files[draw.IntN(len(s.files))]
	if draw.IntN(3) > 0 { // segments are what matters
		for filepath.Ext(file) != ".seg" {
			file = s.files[draw.IntN(len(s.files))]
		}
	}
	m := mutations[draw.IntN(len(mutations))]
	what := fmt.Sprintf("%s of %s", m.name, file)
	m.do(t, draw, filepath.Join(dir, "state", file))
	intact := s.intact(t, filepath.Join(dir, "state", "sources"))

	book := newLedger()
	in := &receiver{name: "one", book: book}
	in.revive(nil)
	d := launch(t, config, nil, map[string]sink.Sink{"one": in})
	v.slowest = d.ready
	st := d.until(what+": what is there has arrived", idle)
	v.counted = int(st.Lanes[0].Expired)
	knowable := s.closed || file != s.newest
	if knowable {
		v.lost = len(s.frames) - len(intact)
		assert.Equal(t, v.lost, v.counted, "%s: events lost, events counted", what)
	} else {
		v.counted = 0
	}
	for id := range intact {
		if book.arrived["one"][id] == 0 {
			v.missing++
		}
	}
	v.delivered = len(intact) - v.missing
	assert.Zero(t, v.missing, what)
	assert.Equal(t, http.StatusOK, post(t, d.listening("hook")), what)
	d.until(what+": a new event has arrived", func(control.Status) bool { return book.has("one", "new") })
	d.end()
	return v
}

// intact returns the ids of undelivered events whose frames are still there.
func (s *state) intact(t *testing.T, dir string) map[string]bool {
	var all [][]byte
	segments, err := filepath.Glob(filepath.Join(dir, "*", "*.seg"))
	require.NoError(t, err)
	for _, path := range segments {
		if data, err := os.ReadFile(path); err == nil {
			all = append(all, data)
		}
	}
	there := map[string]bool{}
	for id, frame := range s.frames {
		for _, data := range all {
			if bytes.Contains(data, frame) {
				there[id] = true
				break
			}
		}
	}
	return there
}

func post(t *testing.T, address string) int {
	resp, err := http.Post("http://"+address+"/hooks/json", "application/json", strings.NewReader(`{"id":"new"}`))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	http.DefaultClient.CloseIdleConnections()
	return resp.StatusCode
}

func (l *ledger) has(sink, id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.arrived[sink][id] > 0
}

// mutations are what may become of a file.
var mutations = []struct {
	name string
	do   func(t *testing.T, draw *rand.Rand, path string)
}{
	{"flip a bit", edit(func(draw *rand.Rand, data []byte) []byte {
		data[draw.IntN(len(data))] ^= 1 << draw.IntN(8)
		return data
	})},
	{"flip ten bits", edit(func(draw *rand.Rand, data []byte) []byte {
		for range 10 {
			data[draw.IntN(len(data))] ^= 1 << draw.IntN(8)
		}
		return data
	})},
	{"truncate", edit(func(draw *rand.Rand, data []byte) []byte { return data[:draw.IntN(len(data))] })},
	{"truncate within the last 4 KiB", edit(func(draw *rand.Rand, data []byte) []byte {
		return data[:max(0, len(data)-1-draw.IntN(4096))]
	})},
	{"cut a piece out", edit(func(draw *rand.Rand, data []byte) []byte {
		i := draw.IntN(len(data))
		return append(data[:i:i], data[min(len(data), i+draw.IntN(5000)):]...)
	})},
	{"zero a piece", edit(func(draw *rand.Rand, data []byte) []byte {
		i := draw.IntN(len(data))
		clear(data[i:min(len(data), i+draw.IntN(5000))])
		return data
	})},
	{"zero the beginning", edit(func(draw *rand.Rand, data []byte) []byte { clear(data[:draw.IntN(len(data))]); return data })},
	{"zero the end", edit(func(draw *rand.Rand, data []byte) []byte { clear(data[draw.IntN(len(data)):]); return data })},
	{"zero all", edit(func(_ *rand.Rand, data []byte) []byte { clear(data); return data })},
	{"double a piece", edit(func(draw *rand.Rand, data []byte) []byte {
		i := draw.IntN(len(data))
		j := min(len(data), i+draw.IntN(5000))
		return append(append(data[:j:j], data[i:j]...), data[j:]...)
	})},
	{"double all", edit(func(_ *rand.Rand, data []byte) []byte { return append(data, data...) })},
	{"add noise", edit(func(draw *rand.Rand, data []byte) []byte { return append(data, noise(draw, 1000)...) })},
	{"add zeros", edit(func(draw *rand.Rand, data []byte) []byte { return append(data, make([]byte, draw.IntN(10_000))...) })},
	{"put noise in", edit(func(draw *rand.Rand, data []byte) []byte {
		i := draw.IntN(len(data))
		return append(append(data[:i:i], noise(draw, 300)...), data[i:]...)
	})},
	{"put noise over", edit(func(draw *rand.Rand, data []byte) []byte {
		copy(data[draw.IntN(len(data)):], noise(draw, 5000))
		return data
	})},
	{"empty", edit(func(*rand.Rand, []byte) []byte { return nil })},
	{"delete", func(t *testing.T, _ *rand.Rand, path string) { require.NoError(t, os.Remove(path)) }},
	{"copy beside", func(t *testing.T, draw *rand.Rand, path string) {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		name := fmt.Sprintf("%020d", 1+draw.IntN(2000)) + filepath.Ext(path)
		to := filepath.Join(filepath.Dir(path), name)
		if _, err := os.Stat(to); err != nil {
			require.NoError(t, os.WriteFile(to, data, 0o600))
		}
	}},
	{"copy a neighbour over it", func(t *testing.T, draw *rand.Rand, path string) {
		beside, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"+filepath.Ext(path)))
		require.NoError(t, err)
		if len(beside) == 0 {
			return
		}
		if data, err := os.ReadFile(beside[draw.IntN(len(beside))]); err == nil { // no folder
			require.NoError(t, os.WriteFile(path, data, 0o600))
		}
	}},
	{"a folder in the place", func(t *testing.T, _ *rand.Rand, path string) {
		require.NoError(t, os.Remove(path))
		require.NoError(t, os.MkdirAll(filepath.Join(path, "inside"), 0o700))
	}},
	{"a link to nowhere in the place", func(t *testing.T, _ *rand.Rand, path string) {
		require.NoError(t, os.Remove(path))
		require.NoError(t, os.Symlink(path, path))
	}},
}

func noise(draw *rand.Rand, most int) []byte {
	b := make([]byte, 1+draw.IntN(most))
	for i := range b {
		b[i] = byte(draw.Uint32())
	}
	return b
}

// edit changes the content of a file.
func edit(f func(draw *rand.Rand, data []byte) []byte) func(*testing.T, *rand.Rand, string) {
	return func(t *testing.T, draw *rand.Rand, path string) {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		if len(data) == 0 {
			data = []byte{0}
		}
		require.NoError(t, os.WriteFile(path, f(draw, data), 0o600))
	}
}
