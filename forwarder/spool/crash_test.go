package spool_test

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/spool"
	"github.com/siemfwd/siemfwd/forwarder/spool/faultfs"
)

var (
	rounds = flag.Int("spool.rounds", 0, "random logs each campaign makes; 0 is a short one")
	seed   = flag.Uint64("spool.seed", 1, "where the campaigns begin")
)

// campaign runs do with one seed after the other, each in its own time.
func campaign(t *testing.T, usual int, do func(t *testing.T, r *rand.Rand)) {
	if testing.Short() {
		usual /= 5
	}
	if *rounds > 0 {
		usual = *rounds
	}
	for i := range uint64(usual) {
		synctest.Test(t, func(t *testing.T) {
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("repeat with -spool.seed=%d -spool.rounds=1", *seed+i)
				}
			})
			do(t, rand.New(rand.NewPCG(*seed+i, 7)))
		})
	}
}

// history is what was given to a log and what it said to that. Batches have a
// number; the events of batch n are "n.0", "n.1" and so on.
type history struct {
	mu      sync.Mutex
	size    []int  // events of each batch
	emitter []int  // whose it is
	marked  []bool // it carries a mark, whose value is its number
	acked   []bool
	seen    map[string]bool // events a reader got
}

func (h *history) batch(r *rand.Rand, emitter int) (*event.Batch, int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := len(h.size)
	b := &event.Batch{}
	size := r.IntN(6)
	marked := size == 0 || r.IntN(3) == 0
	for i := range size {
		b.Add(event.Raw{Data: fmt.Appendf(nil, "%d.%d %s", n, i, strings.Repeat("x", r.IntN(300))), Time: time.Now()})
	}
	if marked {
		b.Marks = []event.Mark{{Key: "same", Value: fmt.Append(nil, r.IntN(10))}, {Key: key(emitter), Value: binary.BigEndian.AppendUint64(nil, uint64(n))}}
	}
	h.size, h.emitter = append(h.size, size), append(h.emitter, emitter)
	h.marked, h.acked = append(h.marked, marked), append(h.acked, false)
	return b, n
}

func key(emitter int) string { return fmt.Sprint("emitter ", emitter) }

func (h *history) ack(n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.acked[n] = true
}

func (h *history) got(list []spool.Entry) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.seen == nil {
		h.seen = map[string]bool{}
	}
	for _, e := range list {
		id, _, _ := strings.Cut(string(e.Data), " ")
		h.seen[id] = true
	}
}

// check compares what a log holds with what it was given.
func (h *history) check(t *testing.T, s *spool.Spool) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	there := map[string]bool{}
	have := make([]int, len(h.size))
	last := map[int]int{}
	index := uint64(0)
	for e, err := range s.Range(time.Time{}, time.Time{}) {
		require.NoError(t, err)
		require.Greater(t, e.Index, index)
		index = e.Index
		id, _, _ := strings.Cut(string(e.Data), " ")
		require.False(t, there[id], "event %s is there twice", id)
		there[id] = true
		var n, i int
		_, err := fmt.Sscanf(id, "%d.%d", &n, &i)
		require.NoError(t, err)
		have[n]++
		require.GreaterOrEqual(t, n, last[h.emitter[n]], "order of emitter %d", h.emitter[n])
		last[h.emitter[n]] = n
	}
	for id := range h.seen {
		require.True(t, there[id], "event %s was there already", id)
	}
	marks := map[int]int{}
	for n, size := range h.size {
		if h.acked[n] {
			require.Equal(t, size, have[n], "events of acknowledged batch %d", n)
			if h.marked[n] {
				marks[h.emitter[n]] = n
			}
		}
		if h.marked[n] {
			require.Contains(t, []int{0, size}, have[n], "events of batch %d, which has a mark", n)
		}
	}
	for emitter := range 4 {
		v := s.Mark(key(emitter))
		least, some := marks[emitter]
		if v == nil {
			require.False(t, some, "mark of batch %d", least)
			continue
		}
		n := int(binary.BigEndian.Uint64(v))
		require.GreaterOrEqual(t, n, least, "mark of emitter %d", emitter)
		require.Equal(t, h.size[n], have[n], "events of batch %d, whose mark is there", n)
	}
}

// follow reads with one reader, commits now and then and notes what it got. The
// reader of number 0 never commits, so that nothing is removed.
func follow(ctx context.Context, t *testing.T, rd *spool.Reader, r *rand.Rand, number int, h *history, seen *progress) {
	var run spool.Run
	at := rd.Position().Index
	skipped := rd.Skipped()
	seen.begin(t, at-skipped.Damaged-skipped.Expired)
	defer func() { seen.read(rd.Position().Index) }() // it passes what is lost by itself
	for {
		if err := rd.Next(ctx, &run, spool.Limits{Events: 1 + r.IntN(20), Bytes: 1 + r.IntN(2000)}); err != nil {
			return
		}
		for _, e := range run.Entries {
			assert.GreaterOrEqual(t, e.Index, at)
			assert.Equal(t, e.Index+1, e.Pos.Index)
			at = e.Pos.Index
		}
		seen.read(at)
		h.got(run.Entries)
		if number > 0 && r.IntN(3) == 0 {
			_ = rd.Commit(run.Entries[r.IntN(len(run.Entries))].Pos)
		}
	}
}

// progress is what one reader has got over all restarts.
type progress struct {
	mu   sync.Mutex
	most uint64
}

func (p *progress) begin(t *testing.T, at uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	// It may repeat, but never skip.
	assert.LessOrEqual(t, at, max(p.most, 1))
}

func (p *progress) read(to uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.most = max(p.most, to)
}

// faults makes calls fail now and then.
func faults(r *rand.Rand) func(op faultfs.Op, name string) error {
	odds := map[faultfs.Op]int{}
	for _, op := range []faultfs.Op{faultfs.Sync, faultfs.Write, faultfs.Create, faultfs.Rename, faultfs.SyncDir, faultfs.Truncate, faultfs.Remove, faultfs.Allocate} {
		if r.IntN(4) == 0 {
			odds[op] = 2 + r.IntN(30)
		}
	}
	errs := []error{syscall.EIO, syscall.ENOSPC, errors.New("no such luck")}
	return func(op faultfs.Op, name string) error {
		n := odds[op]
		if n == 0 || r.IntN(n) > 0 {
			return nil
		}
		err := errs[r.IntN(len(errs))]
		if op == faultfs.Write {
			return &faultfs.Torn{N: r.IntN(400), Err: err}
		}
		return err
	}
}

// life runs a log on fs for a while, under load and with faults, and returns what
// is left of the file system after a power cut, a kill or an orderly end.
func life(t *testing.T, r *rand.Rand, fs *faultfs.FS, h *history, seen []progress) *faultfs.FS {
	o := spool.Options{Log: testLog(t), FS: fs, Segment: 300 + r.Int64N(20000), Keep: 1000 * time.Hour, Window: time.Duration(r.IntN(3)) * time.Millisecond}
	t.Logf("opening:\n%v", fs)
	if r.IntN(5) == 0 && len(h.size) > 0 {
		fs.Inject(func(op faultfs.Op, name string) error { // a disk that is full from the start
			if op == faultfs.Create {
				return syscall.ENOSPC
			}
			return nil
		})
	}
	s, err := spool.Open("/log", o)
	if errors.Is(err, syscall.ENOSPC) { // there is no segment to be read
		fs.Inject(nil)
		s, err = spool.Open("/log", o)
	}
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	if len(h.size) > 0 && r.IntN(2) == 0 {
		fs.Inject(nil)
	}
	if s.Stats().Err == nil {
		h.check(t, s)
	}
	readers := make([]*spool.Reader, len(seen))
	for i := range readers {
		readers[i], err = s.Reader(fmt.Sprint("reader ", i), spool.Oldest)
		require.NoError(t, err)
	}
	if r.IntN(2) == 0 {
		fs.Inject(nil)
	}
	ctx, cancel := context.WithCancel(t.Context())
	for _, op := range []faultfs.Op{faultfs.Sync, faultfs.SyncDir, faultfs.Create, faultfs.Write} {
		if r := rand.New(rand.NewPCG(r.Uint64(), 4)); r.IntN(2) == 0 || op == faultfs.Sync {
			fs.Delay(op, func(name string) time.Duration {
				if op == faultfs.Write && !strings.Contains(name, ".seg") {
					return 0 // that is done with a lock held, which stops this clock
				}
				return time.Duration(r.IntN(4000)) * time.Microsecond
			})
		}
	}
	if r.IntN(2) == 0 {
		fs.Inject(faults(rand.New(rand.NewPCG(r.Uint64(), 1))))
	}
	if r.IntN(4) == 0 {
		fs.Room(fs.Used() + r.Int64N(20000))
	}
	var wg sync.WaitGroup
	for emitter := range 4 {
		r := rand.New(rand.NewPCG(r.Uint64(), 2))
		wg.Go(func() {
			for ctx.Err() == nil {
				b, n := h.batch(r, emitter)
				ctx, cancel := context.WithTimeout(ctx, time.Duration(r.IntN(2000))*time.Millisecond)
				if s.Emit(ctx, b) == nil {
					h.ack(n)
				}
				cancel()
				time.Sleep(time.Duration(r.IntN(5)) * time.Millisecond)
			}
		})
	}
	for i := range seen {
		r := rand.New(rand.NewPCG(r.Uint64(), 3))
		wg.Go(func() { follow(ctx, t, readers[i], r, i, h, &seen[i]) })
	}
	time.Sleep(time.Duration(r.IntN(200)) * time.Millisecond)
	if r.IntN(8) == 0 {
		time.Sleep(time.Second)
	}
	end := r.IntN(4)
	t.Logf("end %d:\n%v", end, fs)
	next := fs
	switch end {
	case 0:
		next = fs.Kill()
	case 1, 2:
		next = fs.Crash(r)
	}
	cancel()
	err = s.Close()
	wg.Wait()
	if end == 3 {
		next = fs.Kill()
		if err == nil {
			// Everything was made durable.
			next = fs.Crash(r)
		}
	}
	next.Room(-1)
	return next
}

// testLog writes to the log of a test.
func testLog(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}

func TestNothingAcknowledgedIsLost(t *testing.T) {
	campaign(t, 100, func(t *testing.T, r *rand.Rand) {
		fs := faultfs.New()
		var h history
		seen := make([]progress, 2)
		for range 1 + r.IntN(5) {
			fs = life(t, r, fs, &h, seen)
			if t.Failed() {
				return
			}
		}
		s := open(t, "/log", spool.Options{FS: fs})
		h.check(t, s)
		require.NoError(t, s.Close())
	})
}
