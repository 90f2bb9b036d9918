package forwarder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/config"
	"github.com/siemfwd/siemfwd/forwarder/control"
	"github.com/siemfwd/siemfwd/forwarder/deadletter"
	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/forwarder/spool"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// tracer looks for events in what is kept, and tells the way of each.
type tracer struct {
	ask     control.Trace
	cfg     *config.Config
	logs    []traceLog
	letters *deadletter.View // nil: there are none
	replays []replayState
	down    func(sink string) string // what is wrong with a sink; "": nothing, or not known
	// cursor is where the cursor of a lane is, and its trail tells all the way to there.
	cursor func(l *traceLog, sink string) (index uint64, ok bool)
	out    control.Out[control.Traced]

	rec   record.Record
	uid   []byte
	read  uint64 // events of the logs that are done
	told  time.Time
	found int
	quick bool // only events that hold the id as it is written
}

// traceLog is the log of one source.
type traceLog struct {
	cfg     *config.Source
	vendor  kit.Vendor
	rules   *Rules
	tickets *tickets
	view    *spool.View
}

// Trace implements control.Tracer.
func (f *Forwarder) Trace(ctx context.Context, ask control.Trace, out control.Out[control.Traced]) error {
	t := &tracer{ask: ask, cfg: f.cfg, out: out, letters: f.dead.View(), down: func(name string) string {
		for _, s := range f.sinks {
			if now := s.current(); s.name == name && !now.up {
				return fmt.Sprintf("the sink is down since %s: %s", clock(now.since), now.words())
			}
		}
		return ""
	}}
	t.cursor = f.cursor
	for i, s := range f.sources {
		t.logs = append(t.logs, traceLog{cfg: &f.cfg.Sources[i], tickets: s.tickets, view: s.spool.View()})
	}
	return t.run(ctx)
}

func (f *Forwarder) cursor(l *traceLog, sink string) (uint64, bool) {
	for i, lane := range f.lanes {
		if lane.source.name == l.cfg.Name && lane.sink.name == sink {
			at := lane.reader.Position().Index
			f.trails[i].Look(time.Now(), at)
			return at, true
		}
	}
	return 0, false
}

// TraceOf is Trace for a state folder that no forwarder has open. It changes nothing there.
func TraceOf(ctx context.Context, cfg *config.Config, ask control.Trace, out control.Out[control.Traced]) error {
	if _, err := os.ReadDir(cfg.State); err != nil {
		return err
	}
	t := &tracer{ask: ask, cfg: cfg, out: out, down: func(string) string { return "no forwarder is running" },
		cursor: func(l *traceLog, sink string) (uint64, bool) {
			for _, c := range l.view.Cursors {
				if c.Name == sink {
					return c.Pos.Index, true
				}
			}
			return 0, false
		}}
	for i := range cfg.Sources {
		view, err := spool.Look(filepath.Join(cfg.State, logsDir, cfg.Sources[i].Name), nil)
		if errors.Is(err, os.ErrNotExist) {
			continue // it has never run
		}
		if err != nil {
			return err
		}
		t.logs = append(t.logs, traceLog{cfg: &cfg.Sources[i], view: view})
	}
	var err error
	if t.letters, err = deadletter.Look(filepath.Join(cfg.State, deadDir)); err != nil {
		t.letters = nil
	}
	return t.run(ctx)
}

func (t *tracer) run(ctx context.Context) error {
	for _, name := range t.ask.Sources {
		if sourceOf(t.cfg, name) == nil {
			return fmt.Errorf("there is no source %q", name)
		}
	}
	t.ask.UID = strings.ToLower(t.ask.UID)
	if len(t.ask.Sources) > 0 {
		t.logs = slices.DeleteFunc(t.logs, func(l traceLog) bool { return !slices.Contains(t.ask.Sources, l.cfg.Name) })
	}
	t.replays = t.folder().all(slog.New(slog.DiscardHandler))
	total := uint64(0)
	for i := range t.logs {
		l := &t.logs[i]
		var err error
		if l.vendor, l.rules, err = readingOf(l.cfg); err != nil {
			return err
		}
		total += l.view.Next() - l.view.First()
	}
	// Most events hold their id as it is written, so that most others need not be parsed.
	for _, t.quick = range []bool{true, false} {
		if t.quick && t.ask.ID == "" {
			continue
		}
		t.read = 0
		for i := range t.logs {
			if err := t.search(ctx, &t.logs[i], total); err != nil || t.enough() {
				return err
			}
		}
		if t.found > 0 {
			return nil
		}
	}
	if err := t.searchLetters(ctx); err != nil || t.found > 0 {
		return err
	}
	return t.out.Put(control.Traced{Note: t.nothing()})
}

func (t *tracer) enough() bool { return t.ask.Most > 0 && t.found >= t.ask.Most }

// nothing says where was looked in vain.
func (t *tracer) nothing() string {
	text := "no such event"
	for i := range t.logs {
		l := &t.logs[i]
		oldest := l.view.Oldest()
		switch {
		case oldest.IsZero():
			text += fmt.Sprintf("; nothing is kept of %s", l.cfg.Name)
		case t.ask.Since.After(oldest):
			text += fmt.Sprintf("; %s was searched from %s on", l.cfg.Name, clock(t.ask.Since))
		default:
			text += fmt.Sprintf("; the oldest kept of %s is of %s", l.cfg.Name, clock(oldest))
		}
	}
	return text
}

// clock prints a time for people; who reads it may be in another zone than the forwarder.
func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }

// search looks through one log.
func (t *tracer) search(ctx context.Context, l *traceLog, total uint64) error {
	first := l.view.First()
	n := 0
	for e, err := range l.view.Range(t.ask.Since, time.Time{}) {
		if err != nil {
			return fmt.Errorf("spool of %s: %w", l.cfg.Name, err)
		}
		if n++; n%256 == 0 {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err := t.progress(t.read+e.Index-first, total); err != nil {
				return err
			}
		}
		if !t.matches(l, &e) {
			continue
		}
		t.found++
		if err := t.out.Put(control.Traced{Event: t.tell(l, &e)}); err != nil {
			return err
		}
		if err := t.out.Flush(); err != nil || t.enough() {
			return err
		}
	}
	t.read += l.view.Next() - first
	return nil
}

func (t *tracer) progress(read, total uint64) error {
	if now := time.Now(); now.Sub(t.told) >= 200*time.Millisecond {
		t.told = now
		if err := t.out.Put(control.Traced{Read: read, Total: total}); err != nil {
			return err
		}
		return t.out.Flush()
	}
	return nil
}

// matches reads an event into the tracer's record and reports whether it is one that is
// looked for.
func (t *tracer) matches(l *traceLog, e *spool.Entry) bool {
	if t.quick && !bytes.Contains(e.Data, record.Bytes(t.ask.ID)) {
		return false
	}
	t.rec.Reset()
	o := Origin{Source: l.cfg.Name, Zone: l.cfg.Timezone, Position: e.Index, Rules: l.rules, tickets: l.tickets}
	_ = ReadEvent(&t.rec, l.vendor, e.Raw, o)
	if t.ask.ID != "" {
		return string(t.rec.ID) == t.ask.ID
	}
	t.uid = t.rec.AppendUID(t.uid[:0])
	return strings.HasPrefix(string(t.uid), t.ask.UID)
}

// searchLetters looks for an event whose source has let go of it among the dead letters.
func (t *tracer) searchLetters(ctx context.Context) error {
	if t.letters == nil {
		return nil
	}
	for d, err := range t.letters.All(t.ask.Since) {
		if err != nil {
			return fmt.Errorf("dead letters: %w", err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		i := slices.IndexFunc(t.logs, func(l traceLog) bool { return l.cfg.Name == d.Source })
		if i < 0 || d.Sink == "-" {
			continue
		}
		var e spool.Entry
		e.Data, e.Time, e.Peer, e.Size, e.Index = d.Raw, d.Received, d.Peer, d.Size, d.Index
		if !t.matches(&t.logs[i], &e) {
			continue
		}
		t.found++
		ev := t.event(&t.logs[i], &e)
		ev.Hops = []control.Hop{{Stage: control.HopReceived, To: e.Time, Words: receivedWords(&t.logs[i], &e) + ", which has let go of it since"}, letterHop(&d)}
		if err := t.out.Put(control.Traced{Event: ev}); err != nil || t.enough() {
			return err
		}
	}
	return nil
}
