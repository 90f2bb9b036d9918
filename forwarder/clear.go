package forwarder

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/config"
	"github.com/siemfwd/siemfwd/forwarder/control"
	"github.com/siemfwd/siemfwd/forwarder/spool"
)

// ClearQueue implements control.Clearer. A lane is held while its cursor jumps to the
// end; what it passes over counts as expired, and the cursor is durable when ClearQueue
// returns. What a receiver was just being given may still reach it.
func (f *Forwarder) ClearQueue(_ context.Context, ask control.Clear) ([]control.Cleared, error) {
	list, err := planClear(f.Queue(), ask)
	if err != nil || !ask.Yes {
		return list, err
	}
	var all sync.WaitGroup
	for i := range list {
		all.Go(func() { f.clear(&list[i]) })
	}
	all.Wait()
	for _, c := range list {
		f.log.Warn("cleared by hand", "action", c.Action, "source", c.Source, "sink", c.Sink, "events", c.Events, "done", c.Done)
	}
	return list, nil
}

func (f *Forwarder) clear(c *control.Cleared) {
	err := errors.New("there is no such lane")
	switch s := f.source(c.Source); {
	case s == nil:
		err = clearIn(f.cfg, c)
	case c.Action == control.ClearForget:
		err = s.spool.RemoveReader(c.Sink)
	default:
		if l := f.lane(c.Source, c.Sink); l != nil {
			err = l.gate.hold(func() (err error) {
				if err := l.takeConfirmed(); err != nil {
					return err
				}
				at := l.reader.Position().Index
				c.Events, err = l.discard()
				f.trailCleared(l, at)
				return errors.Join(err, s.spool.SyncCursors())
			})
		}
	}
	noteCleared(c, err)
}

func noteCleared(c *control.Cleared, err error) {
	if c.Done = err == nil; !c.Done {
		c.Error = err.Error()
	}
}

// source returns the source of that name; nil when there is none.
func (f *Forwarder) source(name string) *sourceState {
	for _, s := range f.sources {
		if s.name == name {
			return s
		}
	}
	return nil
}

// lane returns the lane between two names; nil when there is none.
func (f *Forwarder) lane(source, sink string) *lane {
	for _, l := range f.lanes {
		if l.source.name == source && l.sink.name == sink {
			return l
		}
	}
	return nil
}

// ClearQueueOf is ClearQueue for a state folder that no forwarder has open.
func ClearQueueOf(_ context.Context, cfg *config.Config, ask control.Clear) ([]control.Cleared, error) {
	q, err := QueueOf(cfg)
	if err != nil {
		return nil, err
	}
	list, err := planClear(q, ask)
	if err != nil || !ask.Yes {
		return list, err
	}
	for i := range list {
		noteCleared(&list[i], clearIn(cfg, &list[i]))
	}
	return list, nil
}

// clearIn clears in the folder of a log that nobody has open.
func clearIn(cfg *config.Config, c *control.Cleared) error {
	dir := filepath.Join(cfg.State, logsDir, c.Source)
	if c.Action == control.ClearRemove {
		return spool.Remove(dir)
	}
	const ever = 100 * 365 * 24 * time.Hour // nothing else is to go
	s, err := spool.Open(dir, spool.Options{Keep: ever})
	if err != nil {
		return err
	}
	if c.Action == control.ClearForget {
		return errors.Join(s.RemoveReader(c.Sink), s.Close())
	}
	r, err := s.Reader(c.Sink, spool.Oldest)
	if err == nil {
		c.Events, err = r.Discard()
	}
	return errors.Join(err, s.Close())
}

// planClear tells what goes.
func planClear(q control.Queue, ask control.Clear) (list []control.Cleared, err error) {
	var sources, sinks []string
	for i := range q.Stored {
		sources = append(sources, q.Stored[i].Source)
		for _, b := range q.Stored[i].Sinks {
			if !slices.Contains(sinks, b.Sink) {
				sinks = append(sinks, b.Sink)
			}
		}
	}
	isSource := slices.Contains(sources, ask.Name) && ask.Kind != "sink"
	isSink := slices.Contains(sinks, ask.Name) && ask.Kind != "source"
	switch {
	case isSource && isSink:
		return nil, fmt.Errorf("%s is both a source and a sink: write source:%s or sink:%s", ask.Name, ask.Name, ask.Name)
	case !isSource && !isSink:
		return nil, fmt.Errorf("nothing is stored under %q; there are the sources %s and the sinks %s", ask.Name, strings.Join(sources, ", "), strings.Join(sinks, ", "))
	case isSource && ask.Source != "":
		return nil, fmt.Errorf("%s is a source; --source goes with a sink", ask.Name)
	case ask.Source != "" && !slices.Contains(sources, ask.Source):
		return nil, fmt.Errorf("there is no source %q; there are %s", ask.Source, strings.Join(sources, ", "))
	}
	for i := range q.Stored {
		s := &q.Stored[i]
		switch {
		case isSink && (ask.Source == "" || ask.Source == s.Source):
			list = append(list, clearOf(s, ask.Name)...)
		case isSource && s.Source == ask.Name && s.Orphan:
			list = append(list, control.Cleared{Action: control.ClearRemove, Source: s.Source, Events: s.Events, Bytes: s.Bytes})
		case isSource && s.Source == ask.Name:
			list = append(list, clearOf(s, "")...)
		}
	}
	return list, nil
}

// clearOf tells what goes of one log: for one sink, or for all.
func clearOf(s *control.Stored, sink string) (list []control.Cleared) {
	for _, b := range s.Sinks {
		if sink != "" && b.Sink != sink {
			continue
		}
		c := control.Cleared{Action: control.ClearSkip, Source: s.Source, Sink: b.Sink, Events: b.Waiting}
		if b.Orphan {
			c.Action = control.ClearForget
		}
		list = append(list, c)
	}
	return list
}
