package file

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/source"
)

// Source follows files.
//
// Counters: files_truncated (read from the beginning again, because they were truncated
// or replaced in place), events_cut (longer than max_event), files_lost_bytes (octets of
// files that were gone before they were read). Gauges: files_followed, files_unread_bytes.
type Source struct {
	cfg Config
	env component.Env

	drained time.Duration
	blind   bool // as on a system that tells nothing of changes

	mu   sync.Mutex // of what others ask
	told progress
}

// progress is what a source tells of itself.
type progress struct {
	files  int
	unread int64
	bad    int       // files that cannot be read
	at     time.Time // when everything had been read; zero: it has not
}

// New makes a Source of a configuration that Check found no errors in. It opens nothing
// before Run.
func New(c *Config, env component.Env) (*Source, error) {
	var r component.Report
	c.Check(&r)
	for _, f := range r.Findings {
		if !f.Warning {
			return nil, fmt.Errorf("%s: %s", f.Path, f.Text)
		}
	}
	if env.Log == nil {
		env.Log = slog.New(slog.DiscardHandler)
	}
	if env.Meter == nil {
		env.Meter = component.NoMeter{}
	}
	return &Source{cfg: *c, env: env, drained: drained}, nil
}

// Position implements source.Positioner: when everything there was had been read.
func (s *Source) Position() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.told.at
}

// Progress implements source.Positioner.
func (s *Source) Progress() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := fmt.Sprintf("%d files followed", s.told.files)
	if s.told.files == 1 {
		text = "1 file followed"
	}
	if s.told.unread > 0 {
		text += fmt.Sprintf(", %d KiB to read", (s.told.unread+1023)>>10)
	}
	if s.told.bad > 0 {
		text += fmt.Sprintf(", %d cannot be read", s.told.bad)
	}
	return text
}

// run is one call of Run.
type run struct {
	*Source
	log   source.Log
	tails map[ident]*tail
	first bool // nothing is remembered: these are the files of the first start
	fresh bool // which is not durable yet
	crowd bool // more files than max_files were found, which was logged
	sick  map[string]string

	buf   []byte
	batch event.Batch
	now   func() time.Time
}

// How long a file that was renamed or deleted is followed after it grew last: whoever
// writes to it may go on until it is told to open the new one. Then the line at its end is
// handed out even without a line feed.
const drained = time.Minute

// chunk is how much is read of one file at a time, beside room for the longest event.
const chunk = 512 << 10

// Run implements source.Source.
func (s *Source) Run(ctx context.Context, log source.Log) error {
	r := &run{Source: s, log: log, tails: map[ident]*tail{}, sick: map[string]string{}, now: time.Now}
	r.buf = make([]byte, int(s.cfg.MaxEvent)+chunk)
	defer r.closeAll()
	remembered, ever, err := recall(log.Mark)
	if err != nil {
		return err
	}
	r.first = !ever
	r.resume(remembered)
	w := r.watch()
	defer w.close()
	r.look(w)
	r.first, r.fresh = false, !ever
	log.Ready()
	every := time.NewTicker(s.cfg.Every)
	defer every.Stop()
	for {
		more, err := r.round(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		r.report(more)
		if more {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
			r.look(w)
		case e := <-w.events():
			if r.grown(w, e) {
				continue
			}
			r.look(w)
		case err := <-w.errors():
			s.env.Log.Debug("changes of files were missed, all are looked at", "err", err)
			r.look(w)
		}
	}
}

// round reads on in every file that may have something new, makes it durable, and
// reports whether there is more.
func (r *run) round(ctx context.Context) (more bool, err error) {
	r.batch.Reset()
	var changed [buckets]bool
	var part []*tail
	cut := 0
	for id, t := range r.tails {
		if !t.dirty || t.done {
			continue
		}
		before := t.next
		n, again := r.readOn(t)
		cut += n
		t.dirty = again
		more = more || again
		before.Size = t.next.Size // that alone is nothing to write down
		if t.next != before {
			part = append(part, t)
			changed[id.bucket()] = true
		}
		if r.batch.Bytes() >= 2*chunk {
			more = true
			break
		}
	}
	for id, t := range r.tails {
		if t.done || r.fresh {
			changed[id.bucket()] = true
		}
	}
	changed[0] = changed[0] || r.fresh
	if changed == [buckets]bool{} {
		return more, nil
	}
	note(&r.batch, changed, r.tails)
	if err := r.log.Emit(ctx, &r.batch); err != nil {
		return false, err
	}
	if cut > 0 {
		r.env.Meter.Add("events_cut", uint64(cut))
	}
	r.fresh = false
	for _, t := range part {
		t.settled()
	}
	for id, t := range r.tails {
		if t.done {
			delete(r.tails, id)
		}
	}
	return more, nil
}

// readOn reads one file's next stretch into the batch.
func (r *run) readOn(t *tail) (cut int, more bool) {
	if err := r.open(t); err != nil {
		return 0, false
	}
	info, err := t.f.Stat()
	if err != nil {
		r.cannot(t.Path, err)
		return 0, false
	}
	if info.Size() < t.next.Offset || !t.same(t.f) {
		r.env.Meter.Add("files_truncated", 1)
		r.env.Log.Info("truncated or replaced, read from its beginning", "file", t.Path, "was_at", t.next.Offset, "size", info.Size())
		t.restart()
	}
	now := r.now()
	out := func(data []byte, size int) {
		if size > len(data) {
			cut++
		}
		r.batch.Add(event.Raw{Data: data, Time: now, Size: size})
	}
	at, scan := t.next.Offset, t.scan
	more, err = t.pull(r.buf, int(r.cfg.MaxEvent), out)
	if err != nil {
		r.cannot(t.Path, err)
		return cut, false
	}
	if t.next.Offset != at || t.scan != scan || info.Size() != t.next.Size {
		t.read = now
	}
	t.next.Size = info.Size()
	t.identify()
	if t.moved && !more && now.Sub(t.read) >= r.drained {
		if err := t.last(r.buf, int(r.cfg.MaxEvent), out); err != nil {
			r.cannot(t.Path, err)
			return cut, false
		}
		t.close()
		t.done = t.gone
	}
	return cut, more
}

// open opens a file by its path, and makes sure that it is the one meant.
func (r *run) open(t *tail) error {
	if t.f != nil {
		return nil
	}
	f, err := os.Open(t.Path)
	if err == nil {
		var info os.FileInfo
		if info, err = f.Stat(); err == nil && identOf(info) != t.ident {
			f.Close()
			t.dirty = false
			return errors.New("another file") // the next look tells them apart
		}
	}
	if err != nil {
		t.dirty = false
		r.cannot(t.Path, err)
		return err
	}
	t.f = f
	delete(r.sick, t.Path)
	return nil
}

// cannot logs why a file cannot be read, once for each reason.
func (r *run) cannot(path string, err error) {
	var at *os.PathError
	if errors.As(err, &at) {
		err = at.Err // it repeats the path
	}
	if r.sick[path] == err.Error() {
		return
	}
	r.sick[path] = err.Error()
	hint := "it is tried again"
	if errors.Is(err, os.ErrPermission) {
		hint = "the service's user or group must be allowed to read it: setfacl -m g:siemfwd:r, or logrotate's create with that group"
	}
	r.env.Log.Warn("a file cannot be read", "file", path, "err", err, "hint", hint)
}

// report tells how far the source is.
func (r *run) report(more bool) {
	p := progress{files: len(r.tails), bad: len(r.sick)}
	for _, t := range r.tails {
		p.unread += max(0, t.Size-t.Offset)
	}
	if !more && p.bad == 0 {
		p.at = r.now()
	}
	r.env.Meter.Set("files_followed", float64(p.files))
	r.env.Meter.Set("files_unread_bytes", float64(p.unread))
	r.mu.Lock()
	if p.at.IsZero() {
		p.at = r.told.at
	}
	r.told = p
	r.mu.Unlock()
}

func (r *run) closeAll() {
	for _, t := range r.tails {
		t.close()
	}
}
