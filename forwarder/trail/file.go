package trail

import (
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	ext       = ".trail"
	fileSize  = 1 << 20 // octets, about half a day of a lane that is never idle
	mostFiles = 16
)

// Trail is an open trail: a folder of numbered files, of which the last is written to.
// Its methods are safe for concurrent use. The zero Trail, and a nil one, keep nothing.
type Trail struct {
	dir string
	log *slog.Logger
	max int64 // of one file

	mu     sync.Mutex
	number int
	file   *os.File
	end    int64
	buf    []byte
	failed bool // it was said that it cannot be written

	at    uint64 // where the cursor was, when it was last looked at
	last  time.Time
	known bool
}

// Open opens the trail in dir, which it makes when it is missing. What goes wrong is
// logged, once, and costs the trail only.
func Open(dir string, log *slog.Logger) *Trail { return open(dir, log, fileSize) }

func open(dir string, log *slog.Logger, max int64) *Trail {
	t := &Trail{dir: dir, log: log, max: max}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.complain(err)
	}
	if all := numbers(dir); len(all) > 0 {
		t.number = all[len(all)-1]
	}
	return t
}

// Start notes where the cursor stands when its lane starts; fresh says that the sink
// begins there.
func (t *Trail) Start(now time.Time, index uint64, fresh bool) {
	if t == nil || t.dir == "" {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	kind := Opened
	if fresh {
		kind = Began
	}
	t.at, t.last, t.known = index, now, true
	t.put(Step{Kind: kind, Index: index, Time: now, Since: now})
}

// Look notes where the cursor stands now. It writes nothing when that is where it stood.
func (t *Trail) Look(now time.Time, index uint64) {
	if t == nil || t.dir == "" {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known && t.at == index {
		t.last = now
		return
	}
	t.put(Step{Kind: Moved, Index: index, Time: now, Since: t.last})
	t.at, t.last, t.known = index, now, true
}

// Note notes steps that are none of the cursor's own: Died, Passed.
func (t *Trail) Note(steps ...Step) {
	if t == nil || t.dir == "" {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.put(steps...)
	for i := range steps {
		if s := &steps[i]; s.Kind == Passed {
			t.at, t.last, t.known = s.Index, s.Time, true
		}
	}
}

// put writes steps. What cannot be written is forgotten.
func (t *Trail) put(steps ...Step) {
	t.buf = t.buf[:0]
	err := t.ready()
	if err == nil {
		if t.end == 0 && t.known && steps[0].Kind != Began && steps[0].Kind != Opened {
			// A file can be read without those before it.
			t.buf = (&Step{Kind: Opened, Index: t.at, Time: t.last, Since: t.last}).Append(t.buf)
		}
		for i := range steps {
			t.buf = steps[i].Append(t.buf)
		}
		_, err = t.file.WriteAt(t.buf, t.end)
	}
	if err != nil {
		t.complain(err)
		return
	}
	t.end += int64(len(t.buf))
	t.failed = false
}

// ready opens the file to write to, the next one when the last is full.
func (t *Trail) ready() error {
	if t.file != nil && t.end < t.max {
		return nil
	}
	if t.file != nil {
		_ = t.file.Close()
		t.file = nil
		t.number++
	}
	f, err := os.OpenFile(filepath.Join(t.dir, fileName(max(t.number, 1))), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	fi, err := f.Stat()
	if err != nil || !fi.Mode().IsRegular() {
		_ = f.Close()
		return fmt.Errorf("%s: not a regular file", f.Name())
	}
	t.file, t.number, t.end = f, max(t.number, 1), fi.Size()
	return nil
}

// Trim removes the oldest files that tell of nothing but events before first, and
// those above a bound. It is to be called now and then.
func (t *Trail) Trim(first uint64) {
	if t == nil || t.dir == "" {
		return
	}
	all := numbers(t.dir)
	for i, n := range all[:max(len(all)-1, 0)] {
		path := filepath.Join(t.dir, fileName(n))
		if len(all)-i <= mostFiles && !old(path, first) {
			return
		}
		if err := os.Remove(path); err != nil {
			t.log.Warn("trail: old file cannot be removed", "err", err)
			return
		}
	}
}

// old reports whether every step in a file is about events before first.
func old(path string, first uint64) bool {
	b, err := load(path)
	if err != nil {
		return false
	}
	for s := range Steps(b) {
		if s.Index > first {
			return false
		}
	}
	return true
}

func (t *Trail) complain(err error) {
	if !t.failed {
		t.log.Warn("trail cannot be written: trace will not know when events were settled", "err", err)
	}
	t.failed = true
}

// Close ends the trail.
func (t *Trail) Close() error {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.file == nil {
		return nil
	}
	err := t.file.Close()
	t.file = nil
	return err
}

// Read yields the steps of the trail in dir, beside whoever writes it. What cannot be
// read is passed over.
func Read(dir string) iter.Seq[Step] {
	return func(yield func(Step) bool) {
		for _, n := range numbers(dir) {
			b, err := load(filepath.Join(dir, fileName(n)))
			if err != nil {
				continue
			}
			for s := range Steps(b) {
				if !yield(s) {
					return
				}
			}
		}
	}
}

// load reads a file, and no more of it than any of ours can have.
func load(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, 2*fileSize))
}

func fileName(n int) string { return fmt.Sprintf("%06d%s", n, ext) }

// numbers lists the files of a trail, oldest first.
func numbers(dir string) (all []int) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		digits, ok := strings.CutSuffix(e.Name(), ext)
		n, err := strconv.Atoi(digits)
		if ok && err == nil && n > 0 && fileName(n) == e.Name() && e.Type().IsRegular() {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return all
}
