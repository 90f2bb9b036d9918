// Package file is the sink that appends one line an event to files, and returns only
// when the lines are on disk.
//
// A file that is opened again and ends without a line feed was being written when
// something crashed: its last, half-written line is cut, and nothing else. The events
// of that line were never reported as taken, so they come again.
//
// The sink is the only writer of its files and holds a lock (flock) on each while it
// is open. A file that is moved away or deleted is created anew with the next batch.
package file

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/sink"
)

// Config is a file sink's configuration.
type Config struct {
	Path     string        `yaml:"path" required:"true" doc:"file to append to; {source} is the source's name, {date} the day of the event time in UTC"`
	Rotate   Rotate        `yaml:"rotate" doc:"when a file is put aside, under a name with the time in it, and another begun"`
	Compress string        `yaml:"compress" enum:"none|zstd" doc:"what becomes of files that were put aside, and of those of days that are over"`
	Keep     time.Duration `yaml:"keep" doc:"files that were put aside, and those of days that are over, are deleted when nobody wrote to them for so long; 0: never"`
}

// Check finds what is wrong with the path.
func (c *Config) Check(r *component.Report) {
	if c.Path == "" {
		return // said already: it is required
	}
	var bad *templateError
	if _, err := parseTemplate(c.Path); errors.As(err, &bad) {
		r.Error("path", bad.text, bad.hint)
	} else if !filepath.IsAbs(c.Path) {
		r.Warn("path", "path is relative to the daemon's working directory", "begin it with /")
	}
	c.checkRotation(r)
}

// Spec is the table entry.
func Spec() component.Spec[sink.Sink] {
	return component.Of("file", "one line an event, appended to files", Config{Compress: "none"},
		func(c *Config, env component.Env) (sink.Sink, error) { return New(c, env) })
}

const (
	maxOpen  = 64          // files open between batches
	idle     = time.Minute // a file not written to for this long is closed by the next batch
	dirMode  = 0o750
	fileMode = 0o640
)

// New makes a file sink. It touches no file before the first Send.
func New(c *Config, env component.Env) (sink.Sink, error) {
	t, err := parseTemplate(c.Path)
	if err != nil {
		return nil, err
	}
	if env.Log == nil {
		env.Log = slog.New(slog.DiscardHandler)
	}
	s := &files{template: t, rotate: c.Rotate, log: env.Log, maxOpen: maxOpen, now: time.Now, open: openFile, keys: map[key]*stream{}}
	if c.Compress == "zstd" || c.Keep > 0 {
		s.janitor = newJanitor(t, c, env.Log)
	}
	return s, nil
}

type files struct {
	template template
	rotate   Rotate
	janitor  *janitor // nil: files stay as they are
	log      *slog.Logger
	maxOpen  int
	now      func() time.Time
	open     func(root *os.Root, name string) (handle, error)

	closed  atomic.Bool
	mu      sync.Mutex // of all below; held by Send and Close
	root    *os.Root
	streams []*stream       // those that are open or have something to write
	keys    map[key]*stream // into streams
	touched []*stream       // by the batch in hand, in the order of its events
	batch   uint64          // number of the batch in hand
}

var errClosed = errors.New("closed")

// Send returns nil once every line is on disk (fdatasync). Otherwise no line of the
// batch is in the files, as far as the disk lets that be taken back.
func (s *files) Send(ctx context.Context, items []sink.Item) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.Load() {
		return errClosed
	}
	s.janitor.start()
	s.batch++
	for i := range items {
		st := s.streamOf(&items[i])
		st.buf = appendLine(st.buf, items[i].Payload)
	}
	now := s.now()
	err := s.flush(ctx, now)
	for _, st := range s.touched {
		st.settle(err == nil)
	}
	s.touched = s.touched[:0]
	s.trim(now)
	return err
}

// streamOf returns the stream an event goes to, as one that the batch touches.
func (s *files) streamOf(item *sink.Item) *stream {
	k := s.template.key(item)
	st := s.keys[k]
	if st == nil {
		name := s.template.name(k)
		for _, other := range s.streams {
			if other.name == name { // two sources' names may be cleaned to the same
				st = other
			}
		}
		if st == nil {
			st = &stream{name: name}
			s.streams = append(s.streams, st)
		}
		s.keys[k] = st
	}
	if st.batch != s.batch {
		st.batch = s.batch
		s.touched = append(s.touched, st)
	}
	return st
}

// flush writes and syncs what each touched stream holds.
func (s *files) flush(ctx context.Context, now time.Time) error {
	for _, st := range s.touched {
		if err := ctx.Err(); err != nil {
			return err
		}
		if s.closed.Load() {
			return errClosed
		}
		err := s.ready(st)
		if err == nil && s.due(st, now) {
			if err = s.putAside(st, now); err == nil {
				err = s.ready(st)
			}
		}
		if err == nil {
			err = st.write()
		}
		if err != nil {
			return &fileError{s.full(st), cause(err)}
		}
		st.used, st.last = now, now
	}
	return nil
}

// ready makes sure that st has its file open, and that it is still the one its path
// leads to, as the last batch left it.
func (s *files) ready(st *stream) error {
	if st.file != nil {
		if s.current(st) {
			return nil
		}
		s.log.Info("file was moved, deleted or changed by someone else, it is opened anew", "file", s.full(st))
		_ = st.close()
	}
	s.evict(s.maxOpen - 1)
	if err := s.openBase(); err != nil {
		return err
	}
	f, err := s.open(s.root, st.name)
	if err != nil {
		return err
	}
	size, cut, err := cutTail(f)
	if err != nil {
		_ = f.Close()
		return err
	}
	if cut > 0 {
		s.log.Warn("half-written last line was cut", "file", s.full(st), "bytes", cut)
	}
	st.file, st.size, st.before = f, size, size
	if st.last = s.now(); size > 0 {
		if info, err := f.Stat(); err == nil {
			st.last = info.ModTime()
		}
	}
	if !s.current(st) { // it was put away between being opened and locked
		_ = st.close()
		return errReplaced
	}
	return nil
}

// current reports whether the path still leads to the file that is open, and nobody
// else has written to it or emptied it.
func (s *files) current(st *stream) bool {
	there, err := os.Stat(s.full(st))
	if err != nil {
		return false
	}
	ours, err := st.file.Stat()
	return err == nil && os.SameFile(there, ours) && ours.Size() == st.size
}

// openBase makes sure that root is what the base's path leads to now.
func (s *files) openBase() error {
	base := s.template.base
	if s.root != nil {
		ours, err := s.root.Stat(".")
		there, err2 := os.Stat(base)
		if err == nil && err2 == nil && os.SameFile(ours, there) {
			return nil
		}
		_ = s.root.Close()
		s.root = nil
	}
	if _, err := os.Stat(base); errors.Is(err, os.ErrNotExist) {
		if err := os.MkdirAll(base, dirMode); err != nil {
			return err
		}
		syncParents(base)
	}
	root, err := os.OpenRoot(base)
	if err != nil {
		return err
	}
	s.root = root
	return nil
}

// evict closes the files used least recently until at most n are open.
func (s *files) evict(n int) {
	for {
		var oldest *stream
		open := 0
		for _, st := range s.streams {
			if st.file == nil {
				continue
			}
			open++
			if oldest == nil || st.used.Before(oldest.used) {
				oldest = st
			}
		}
		if open <= n {
			return
		}
		_ = oldest.close()
	}
}

// trim closes files that were not used for a while, so that a deleted one gives its
// space back, and forgets streams without a file.
func (s *files) trim(now time.Time) {
	kept := s.streams[:0]
	for _, st := range s.streams {
		if st.file != nil && now.Sub(st.used) > idle {
			_ = st.close()
		}
		if st.file != nil {
			kept = append(kept, st)
		}
	}
	if len(kept) == len(s.streams) {
		return
	}
	clear(s.streams[len(kept):])
	s.streams = kept
	for k, st := range s.keys {
		if st.file == nil {
			delete(s.keys, k)
		}
	}
}

// Close closes the files. A Send in progress returns before its next file.
func (s *files) Close() error {
	s.closed.Store(true)
	s.janitor.close()
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, st := range s.streams {
		errs = append(errs, st.close())
	}
	s.streams = nil
	clear(s.keys)
	if s.root != nil {
		errs = append(errs, s.root.Close())
		s.root = nil
	}
	return errors.Join(errs...)
}

func (s *files) full(st *stream) string { return filepath.Join(s.template.base, st.name) }

// fileError says once which file an error is about.
type fileError struct {
	file string
	err  error
}

func (e *fileError) Error() string { return e.file + ": " + e.err.Error() }

func (e *fileError) Unwrap() error { return e.err }

// cause is err without the operation and the path, which fileError tells better.
func cause(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
