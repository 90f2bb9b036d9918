package forwarder

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/config"
	"github.com/siemfwd/siemfwd/forwarder/control"
	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/forwarder/spool"
	"github.com/siemfwd/siemfwd/forwarder/when"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// tapRun is what a tap or a trace reads of a spool at once.
var tapRun = spool.Limits{Events: 256}

// tap is one look at the events that pass. It reads the spools like a lane, so it
// misses nothing, and holds no cursor, so it holds nobody up.
type tap struct {
	control.Tap
	cond    *when.Cond
	streams []*tapStream
	views   []tapView

	mu    sync.Mutex // around everything below
	out   control.Out[control.Tapped]
	rec   record.Record
	shown int
	sent  int // of those shown, up to the last flush
}

// tapStream is one source of a tap.
type tapStream struct {
	name    string
	vendor  kit.Vendor
	zone    *time.Location
	rules   *Rules
	tickets *tickets
	oldest  func() (at time.Time, removed bool) // the oldest event that is kept, and whether there were older ones

	reader *spool.Reader // of a log that is open
	run    spool.Run
	at     int // the next entry of run
	missed uint64

	pull func() (spool.Entry, error, bool) // of a log that nobody has open; nil: it is open
	head spool.Entry                       // what was pulled last
	has  bool
}

// errTapOver ends a tap that has shown what it was asked for.
var errTapOver = errors.New("shown")

// Tap implements control.Tapper.
func (f *Forwarder) Tap(ctx context.Context, ask control.Tap, out control.Out[control.Tapped]) error {
	t, err := newTap(f.cfg, f.host, ask, out)
	if err != nil {
		return err
	}
	for _, s := range t.streams {
		src := f.source(s.name)
		s.tickets = src.tickets
		s.oldest = func() (time.Time, bool) { return oldestKept(src.spool), src.spool.Stats().First > 1 }
		if ask.Since.IsZero() {
			if s.reader, err = src.spool.Reader("", spool.Newest); err != nil {
				return err
			}
		} else {
			s.reader = src.spool.ReaderSince(ask.Since)
		}
		defer s.reader.Close()
	}
	if err := t.out.Put(control.Tapped{Note: t.words()}); err != nil {
		return err
	}
	err = t.past(ctx)
	if err == nil && (ask.Until.IsZero() || time.Now().Before(ask.Until)) {
		if !ask.Until.IsZero() {
			var cancel context.CancelFunc
			ctx, cancel = context.WithDeadline(ctx, ask.Until)
			defer cancel()
		}
		err = t.follow(ctx)
	}
	switch {
	case errors.Is(err, errTapOver) || errors.Is(err, context.DeadlineExceeded):
		return nil
	case errors.Is(err, context.Canceled) || errors.Is(err, spool.ErrClosed):
		return errors.New("the forwarder stops")
	}
	return err
}

// TapOf is Tap for a state folder that no forwarder has open: what is kept from Since on.
// It changes nothing there.
func TapOf(ctx context.Context, cfg *config.Config, host string, ask control.Tap, out control.Out[control.Tapped]) error {
	if _, err := os.ReadDir(cfg.State); err != nil {
		return err
	}
	t, err := newTap(cfg, host, ask, out)
	if err != nil {
		return err
	}
	for _, s := range t.streams {
		view, err := spool.Look(filepath.Join(cfg.State, logsDir, s.name), nil)
		if errors.Is(err, os.ErrNotExist) {
			view, err = &spool.View{}, nil // it has never run
		}
		if err != nil {
			return err
		}
		s.oldest = func() (time.Time, bool) { return view.Oldest(), view.First() > 1 }
		next, stop := iter.Pull2(view.Range(ask.Since, ask.Until))
		defer stop()
		s.pull = next
	}
	if err := t.out.Put(control.Tapped{Note: t.words()}); err != nil {
		return err
	}
	if err = t.past(ctx); errors.Is(err, errTapOver) {
		return nil
	}
	return err
}

// newTap prepares a tap; its streams are still to be given something to read.
func newTap(cfg *config.Config, host string, ask control.Tap, out control.Out[control.Tapped]) (*tap, error) {
	t := &tap{Tap: ask, out: out}
	var err error
	if t.cond, err = condition(ask.When); err != nil {
		return nil, err
	}
	if t.views, err = tapViews(cfg, host, ask); err != nil {
		return nil, err
	}
	for _, name := range ask.Sources {
		if sourceOf(cfg, name) == nil {
			return nil, fmt.Errorf("there is no source %q", name)
		}
	}
	for i := range cfg.Sources {
		c := &cfg.Sources[i]
		if len(ask.Sources) > 0 && !slices.Contains(ask.Sources, c.Name) {
			continue
		}
		vendor, rules, err := readingOf(c)
		if err != nil {
			return nil, err
		}
		t.streams = append(t.streams, &tapStream{name: c.Name, vendor: vendor, zone: c.Timezone, rules: rules})
	}
	if t.streams = slices.DeleteFunc(t.streams, t.useless); len(t.streams) == 0 {
		return nil, errors.New("there is nothing to see: the sink does not read the source")
	}
	return t, nil
}

// useless reports whether no view shows anything of a source.
func (t *tap) useless(s *tapStream) bool {
	return !t.Dropped && !slices.ContainsFunc(t.views, func(v tapView) bool { return v.judge == nil || v.judge.sink.Reads(s.name) })
}

// words says what is being watched.
func (t *tap) words() string {
	var names []string
	for _, s := range t.streams {
		names = append(names, s.name)
	}
	text := "watching " + strings.Join(names, ", ")
	if t.Since.IsZero() {
		return text
	}
	for _, s := range t.streams {
		if at, removed := s.oldest(); removed && at.After(t.Since) {
			text += fmt.Sprintf("; the oldest event kept of %s is of %s", s.name, at.UTC().Format(time.RFC3339))
		}
	}
	return text
}

// oldestKept is when the oldest event of a spool was received; zero when it is empty.
func oldestKept(s *spool.Spool) time.Time {
	r := s.ReaderSince(time.Time{})
	defer r.Close()
	var run spool.Run
	if err := r.Poll(&run, spool.Limits{Events: 1}); err != nil || len(run.Entries) == 0 {
		return time.Time{}
	}
	return run.Entries[0].Time
}

// past shows what is there already, of all sources in the order of reception.
func (t *tap) past(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		var first *tapStream
		var e *spool.Entry
		for _, s := range t.streams {
			next, err := t.peek(ctx, s)
			if err != nil {
				return err
			}
			if next != nil && (e == nil || next.Time.Before(e.Time)) {
				first, e = s, next
			}
		}
		if e == nil {
			return t.out.Flush()
		}
		if err := t.entry(first, e); err != nil {
			return err
		}
		first.at, first.has = first.at+1, false
	}
}

// peek returns the next event that is there already; nil when there is none.
func (t *tap) peek(ctx context.Context, s *tapStream) (*spool.Entry, error) {
	if s.pull != nil {
		if !s.has {
			var err error
			if s.head, err, s.has = s.pull(); !s.has || err != nil {
				return nil, err
			}
			if s.at%tapRun.Events == 0 && ctx.Err() != nil {
				return nil, ctx.Err()
			}
		}
		return &s.head, nil
	}
	if s.at == len(s.run.Entries) {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err := s.reader.Poll(&s.run, tapRun); err != nil {
			return nil, err
		}
		s.at = 0
		if err := t.noteMissed(s); err != nil {
			return nil, err
		}
		if err := t.flush(); err != nil {
			return nil, err
		}
	}
	if s.at == len(s.run.Entries) {
		return nil, nil
	}
	return &s.run.Entries[s.at], nil
}

// flush sends what was put out since the last time, if anything was.
func (t *tap) flush() error {
	if t.sent == t.shown {
		return nil
	}
	t.sent = t.shown
	return t.out.Flush()
}

// follow shows what comes, until ctx ends.
func (t *tap) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	for _, s := range t.streams {
		all.Go(func() {
			for {
				err := s.reader.Next(ctx, &s.run, tapRun)
				if err == nil {
					err = t.batch(ctx, s)
				}
				if err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

func (t *tap) batch(ctx context.Context, s *tapStream) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.noteMissed(s); err != nil {
		return err
	}
	for i := range s.run.Entries {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := t.entry(s, &s.run.Entries[i]); err != nil {
			return err
		}
	}
	return t.flush()
}

// noteMissed says that events went before the tap came to them.
func (t *tap) noteMissed(s *tapStream) error {
	now := s.reader.Skipped()
	n := now.Expired + now.Damaged
	if n == s.missed {
		return nil
	}
	text := fmt.Sprintf("%d events of %s were removed from its spool, or are damaged, and cannot be shown", n-s.missed, s.name)
	s.missed = n
	return t.out.Put(control.Tapped{Note: text})
}

// entry shows one event in every view that has it.
func (t *tap) entry(s *tapStream, e *spool.Entry) error {
	if !t.Since.IsZero() && e.Time.Before(t.Since) || !t.Until.IsZero() && !e.Time.Before(t.Until) {
		return nil
	}
	t.rec.Reset()
	o := Origin{Source: s.name, Zone: s.zone, Position: e.Index, Rules: s.rules, tickets: s.tickets}
	_ = ReadEvent(&t.rec, s.vendor, e.Raw, o) // a parser that breaks is the lanes' to report
	if t.cond != nil && !t.cond.Match(&t.rec) {
		return nil
	}
	for i := range t.views {
		l, ok, err := t.line(&t.views[i], s.name, e)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if err := t.out.Put(l); err != nil {
			return err
		}
		if t.shown++; t.shown == t.Count {
			return errTapOver
		}
	}
	return nil
}
