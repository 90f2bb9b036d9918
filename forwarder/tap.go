package forwarder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/siemfwd/siemfwd/formatters"
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
}

// tapView is one way to look at an event: that of a sink, or none in particular.
type tapView struct {
	sink   string // "": none
	judge  *Judge // nil: nothing is left out
	format formatters.Formatter
}

// tapStream is one source of a tap.
type tapStream struct {
	name    string
	vendor  kit.Vendor
	zone    *time.Location
	rules   *Rules
	tickets *tickets
	spool   *spool.Spool
	reader  *spool.Reader
	run     spool.Run
	at      int // the next entry of run
	missed  uint64
}

// errTapOver ends a tap that has shown what it was asked for.
var errTapOver = errors.New("shown")

// Tap implements control.Tapper.
func (f *Forwarder) Tap(ctx context.Context, ask control.Tap, out control.Out[control.Tapped]) error {
	t := &tap{Tap: ask, out: out}
	var err error
	if ask.When != "" {
		if t.cond, err = when.Parse(ask.When); err != nil {
			return fmt.Errorf("condition %s: %w", ask.When, err)
		}
	}
	if t.views, err = f.tapViews(ask); err != nil {
		return err
	}
	if t.streams, err = f.tapStreams(ask.Sources); err != nil {
		return err
	}
	if t.streams = slices.DeleteFunc(t.streams, t.useless); len(t.streams) == 0 {
		return errors.New("there is nothing to see: the sink does not read the source")
	}
	for _, s := range t.streams {
		if ask.Since.IsZero() {
			if s.reader, err = s.spool.Reader("", spool.Newest); err != nil {
				return err
			}
		} else {
			s.reader = s.spool.ReaderSince(ask.Since)
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

// tapStreams finds the sources that are asked for, all when none is named.
func (f *Forwarder) tapStreams(names []string) ([]*tapStream, error) {
	var all []*tapStream
	for i, s := range f.sources {
		if len(names) > 0 && !slices.Contains(names, s.name) {
			continue
		}
		v, err := VendorOf(&f.cfg.Sources[i])
		if err != nil {
			return nil, err
		}
		all = append(all, &tapStream{name: s.name, vendor: v, zone: f.cfg.Sources[i].Timezone, rules: s.rules, tickets: s.tickets, spool: s.spool})
	}
	for _, n := range names {
		if !slices.ContainsFunc(all, func(s *tapStream) bool { return s.name == n }) {
			return nil, fmt.Errorf("there is no source %q", n)
		}
	}
	return all, nil
}

func (f *Forwarder) tapViews(ask control.Tap) (views []tapView, err error) {
	var format formatters.Formatter
	name := ask.As
	if name == "record" {
		name = "json"
	}
	if name != "" {
		if format, err = formatters.New(name, formatters.Options{Host: f.host, Raw: true}); err != nil {
			return nil, err
		}
	}
	if len(ask.Sinks) == 0 && !ask.Dropped {
		return []tapView{{format: format}}, nil
	}
	for i := range f.cfg.Sinks {
		c := &f.cfg.Sinks[i]
		if len(ask.Sinks) > 0 && !slices.Contains(ask.Sinks, c.Name) {
			continue
		}
		v := tapView{sink: c.Name, format: format}
		judge, err := NewJudge(c)
		if err != nil {
			return nil, err
		}
		v.judge = &judge
		if format == nil && !ask.Dropped && !ask.Raw {
			if v.format, err = formatters.New(c.Format, formatOptions(c, f.host)); err != nil {
				return nil, err
			}
		}
		views = append(views, v)
	}
	for _, n := range ask.Sinks {
		if !slices.ContainsFunc(views, func(v tapView) bool { return v.sink == n }) {
			return nil, fmt.Errorf("there is no sink %q", n)
		}
	}
	return views, nil
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
		if at := oldestKept(s.spool); s.spool.Stats().First > 1 && at.After(t.Since) {
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
		for _, s := range t.streams {
			if s.at == len(s.run.Entries) {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if err := s.reader.Poll(&s.run, tapRun); err != nil {
					return err
				}
				s.at = 0
				if err := t.noteMissed(s); err != nil {
					return err
				}
			}
			if s.at < len(s.run.Entries) && (first == nil || s.run.Entries[s.at].Time.Before(first.run.Entries[first.at].Time)) {
				first = s
			}
		}
		if first == nil {
			return t.out.Flush()
		}
		first.at++
		if err := t.entry(first, &first.run.Entries[first.at-1]); err != nil {
			return err
		}
	}
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
	return t.out.Flush()
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

// line is what a view shows of the record; ok is false when that is nothing.
func (t *tap) line(v *tapView, source string, e *spool.Entry) (l control.Tapped, ok bool, err error) {
	r := &t.rec
	l = control.Tapped{Source: source, Sink: v.sink, Position: e.Index, Received: e.Time, UID: string(r.AppendUID(nil)),
		Severity: r.Severity, Class: text(r.Class), Name: text(r.Name), Facts: facts(r), Message: text(r.Message)}
	if v.judge != nil {
		verdict := v.judge.Decide(source, r)
		if verdict.Takes() == t.Dropped {
			return l, false, nil
		}
		l.Reason = verdict.Why
		if verdict.At != (config.Pos{}) {
			l.Line = verdict.At.String()
		}
	}
	switch {
	case t.Raw:
		l.Out = e.Data
	case v.format != nil:
		if l.Out, err = v.format.Append(nil, r); err != nil {
			l.Message, l.Out = "cannot be rendered: "+err.Error(), nil
		}
	}
	return l, true, nil
}

func text(b []byte) string { return string(bytes.ToValidUTF8(b, []byte("\uFFFD"))) }

// facts lists what people look for first.
func facts(r *record.Record) string {
	var b strings.Builder
	for _, k := range [...]record.Key{record.UserName, record.SrcIP, record.DstUser, record.DstIP, record.DstHost, record.Service,
		record.PolicyName, record.FileName, record.ProcessName, record.ThreatName, record.ObjectName} {
		if v := r.Get(k); len(v) > 0 {
			if b.Len() > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(record.Keys[k].Name)
			b.WriteByte('=')
			b.WriteString(text(v))
		}
	}
	return b.String()
}
