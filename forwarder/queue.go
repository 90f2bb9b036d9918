package forwarder

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/siemfwd/siemfwd/forwarder/config"
	"github.com/siemfwd/siemfwd/forwarder/control"
	"github.com/siemfwd/siemfwd/forwarder/spool"
)

// Where things are in the state folder.
const (
	logsDir = "sources" // a log per source, named as the source is
	deadDir = "dead"
)

// Queue implements control.Queuer. Logs of sources that the configuration does not have
// are looked at through their folders.
func (f *Forwarder) Queue() control.Queue {
	q := control.Queue{State: f.cfg.State, Running: true}
	for _, s := range f.sources {
		q.Stored = append(q.Stored, f.stored(s))
	}
	for _, name := range orphans(f.cfg) {
		q.Stored = append(q.Stored, storedIn(f.cfg, name))
	}
	q.Letters = control.Letters{Letters: lettersOf(f.dead.Counts()), Bytes: f.dead.Bytes()}
	return q
}

func (f *Forwarder) stored(s *sourceState) control.Stored {
	view, stats := s.spool.View(), s.spool.Stats()
	st := describe(f.cfg, s.name, view)
	st.Full, st.Damaged, st.Lost = stats.Full, stats.Damaged, stats.Lost
	for i := range st.Sinks {
		b := &st.Sinks[i]
		for _, l := range f.lanes {
			if l.source == s && l.sink.name == b.Sink {
				b.Waiting, b.Oldest = l.reader.Waiting()
				b.Position = l.reader.Position().Index
			}
		}
	}
	return st
}

// QueueOf is Queue for a state folder that no forwarder has open. It changes nothing
// there.
func QueueOf(cfg *config.Config) (control.Queue, error) {
	q := control.Queue{State: cfg.State}
	if _, err := os.ReadDir(cfg.State); err != nil {
		return q, err
	}
	for i := range cfg.Sources {
		q.Stored = append(q.Stored, storedIn(cfg, cfg.Sources[i].Name))
	}
	for _, name := range orphans(cfg) {
		q.Stored = append(q.Stored, storedIn(cfg, name))
	}
	letters, err := lookAtDead(cfg)
	if letters != nil {
		q.Letters = control.Letters{Letters: lettersOf(letters.Counts()), Bytes: letters.Bytes()}
	}
	return q, err
}

// storedIn describes the log of one source by its folder.
func storedIn(cfg *config.Config, source string) control.Stored {
	view, err := spool.Look(filepath.Join(cfg.State, logsDir, source), nil)
	if err != nil {
		st := describe(cfg, source, nil)
		if !errors.Is(err, os.ErrNotExist) {
			st.Error = err.Error()
		}
		return st
	}
	return describe(cfg, source, view)
}

// orphans lists the logs in the state folder whose source is not in the configuration.
func orphans(cfg *config.Config) (names []string) {
	entries, _ := os.ReadDir(filepath.Join(cfg.State, logsDir))
	for _, e := range entries {
		if e.IsDir() && sourceOf(cfg, e.Name()) == nil {
			names = append(names, e.Name())
		}
	}
	return names
}

func sourceOf(cfg *config.Config, name string) *config.Source {
	for i := range cfg.Sources {
		if cfg.Sources[i].Name == name {
			return &cfg.Sources[i]
		}
	}
	return nil
}

// known reports whether the configuration or the state folder has a source of that name.
func known(cfg *config.Config, source string) bool {
	return sourceOf(cfg, source) != nil || slices.Contains(orphans(cfg), source)
}

// reads reports whether the configuration has a sink of that name that reads the source.
func reads(cfg *config.Config, sink, source string) bool {
	return sourceOf(cfg, source) != nil && slices.ContainsFunc(cfg.Sinks, func(s config.Sink) bool { return s.Name == sink && s.Reads(source) })
}

// describe tells what a log holds; a nil view is that of a log that is not there.
func describe(cfg *config.Config, source string, view *spool.View) control.Stored {
	st := control.Stored{Source: source, First: 1, Next: 1, Orphan: true, Sinks: []control.Behind{}}
	if c := sourceOf(cfg, source); c != nil {
		st.Orphan, st.Type = false, c.Type
		st.Keep, st.Max, st.WhenFull, st.Sync = c.Keep.Seconds(), int64(c.Spool), c.WhenFull, c.Sync
	}
	if view == nil {
		view = &spool.View{}
	}
	st.First, st.Next = view.First(), view.Next()
	st.Events, st.Bytes, st.Segments = st.Next-st.First, view.Bytes(), len(view.Segments)
	st.Oldest, st.Newest = view.Oldest(), view.Newest()
	for _, p := range view.Quarantine {
		st.Quarantine++
		st.QuarantineBytes += p.Bytes
	}
	for i := range view.Cursors {
		c := &view.Cursors[i]
		b := control.Behind{Sink: c.Name, Position: max(c.Pos.Index, st.First), Problem: c.Problem(st.First, st.Next)}
		b.Orphan = !c.Open && !reads(cfg, c.Name, source)
		b.Waiting, b.Oldest = view.Behind(c.Pos)
		st.Sinks = append(st.Sinks, b)
	}
	for i := range cfg.Sinks {
		s := &cfg.Sinks[i]
		known := slices.ContainsFunc(st.Sinks, func(b control.Behind) bool { return b.Sink == s.Name })
		if !known && !st.Orphan && s.Reads(source) {
			st.Sinks = append(st.Sinks, unborn(s, &st))
		}
	}
	slices.SortFunc(st.Sinks, func(a, b control.Behind) int { return cmp.Compare(a.Sink, b.Sink) })
	return st
}

// unborn describes a sink that has never read the log: it begins where start: says.
func unborn(s *config.Sink, st *control.Stored) control.Behind {
	b := control.Behind{Sink: s.Name, Position: st.Next}
	if s.Start == "oldest" {
		b.Position, b.Waiting, b.Oldest = st.First, st.Events, st.Oldest
	}
	return b
}
