package forwarder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/siemfwd/siemfwd/forwarder/config"
	"github.com/siemfwd/siemfwd/forwarder/control"
	"github.com/siemfwd/siemfwd/forwarder/deadletter"
	"github.com/siemfwd/siemfwd/forwarder/spool"
)

// toCheck is one log of the state folder.
type toCheck struct {
	name   string // its folder within the state folder
	source string // "" is the store of dead letters
	view   *spool.View
	err    error // why there is no view
}

// CheckQueue implements control.Checker. It reads what is durable at this moment, beside
// everything else that goes on.
func (f *Forwarder) CheckQueue(ctx context.Context, ask control.Check, out control.Out[control.CheckStep]) error {
	var logs []toCheck
	for _, s := range f.sources {
		logs = append(logs, toCheck{name: filepath.Join(logsDir, s.name), source: s.name, view: s.spool.View()})
	}
	for _, name := range orphans(f.cfg) {
		logs = append(logs, lookAt(f.cfg, name))
	}
	logs = append(logs, deadLogs(f.dead.View())...)
	return checkLogs(ctx, f.cfg, ask, logs, out)
}

// CheckQueueOf is CheckQueue for a state folder that no forwarder has open. It changes
// nothing there.
func CheckQueueOf(ctx context.Context, cfg *config.Config, ask control.Check, out control.Out[control.CheckStep]) error {
	if _, err := os.ReadDir(cfg.State); err != nil {
		return err
	}
	var logs []toCheck
	for i := range cfg.Sources {
		logs = append(logs, lookAt(cfg, cfg.Sources[i].Name))
	}
	for _, name := range orphans(cfg) {
		logs = append(logs, lookAt(cfg, name))
	}
	letters, err := lookAtDead(cfg)
	switch {
	case err != nil:
		logs = append(logs, toCheck{name: deadDir, err: err})
	case letters != nil:
		logs = append(logs, deadLogs(letters)...)
	}
	return checkLogs(ctx, cfg, ask, logs, out)
}

func deadLogs(letters *deadletter.View) (logs []toCheck) {
	for _, v := range letters.Logs() {
		logs = append(logs, toCheck{name: filepath.Base(v.Dir), view: v})
	}
	return logs
}

func lookAt(cfg *config.Config, source string) toCheck {
	t := toCheck{name: filepath.Join(logsDir, source), source: source}
	t.view, t.err = spool.Look(filepath.Join(cfg.State, t.name), nil)
	return t
}

func checkLogs(ctx context.Context, cfg *config.Config, ask control.Check, logs []toCheck, out control.Out[control.CheckStep]) error {
	for _, name := range ask.Sources {
		if !slices.ContainsFunc(logs, func(l toCheck) bool { return l.source == name }) {
			return fmt.Errorf("there is no source %q, neither in the configuration nor in %s", name, cfg.State)
		}
	}
	c := checking{cfg: cfg, out: out}
	logs = slices.DeleteFunc(logs, func(l toCheck) bool {
		wanted := len(ask.Sources) == 0 || l.source != "" && slices.Contains(ask.Sources, l.source)
		return !wanted || errors.Is(l.err, os.ErrNotExist) // a source that has stored nothing yet
	})
	for _, l := range logs {
		if l.view != nil {
			c.total += l.view.Bytes()
		}
	}
	for _, l := range logs {
		if err := c.log(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

// checking goes over one log after another and tells what it finds.
type checking struct {
	cfg   *config.Config
	out   control.Out[control.CheckStep]
	read  int64 // octets of the logs that are done
	total int64
	gone  error // the one who asked is not there any more
}

func (c *checking) tell(s control.CheckStep, read int64) {
	s.Read, s.Total = c.read+read, c.total
	if c.gone == nil {
		c.gone = c.out.Put(s)
	}
	if c.gone == nil {
		c.gone = c.out.Flush()
	}
}

func (c *checking) log(ctx context.Context, l toCheck) error {
	sum := control.CheckedLog{Log: l.name}
	err := l.err
	if err == nil {
		err = c.segments(ctx, l, &sum)
		c.cursors(l, &sum)
		c.read += l.view.Bytes()
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		sum.Error = err.Error()
	}
	sum.Clean = err == nil && sum.Places == 0 && sum.Cursors == 0
	c.tell(control.CheckStep{Log: &sum}, 0)
	return c.gone
}

func (c *checking) segments(ctx context.Context, l toCheck, sum *control.CheckedLog) error {
	sum.Segments, sum.Foreign = len(l.view.Segments), l.view.Foreign
	for _, p := range l.view.Quarantine {
		sum.Quarantine++
		sum.QuarantineBytes += p.Bytes
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var read int64
	return l.view.Check(ctx, func(s *spool.Checked) {
		sum.Frames += s.Frames
		sum.Events += s.Events
		sum.Bytes += s.Size
		sum.Places += s.Places
		sum.Lost += s.Lost
		c.tell(control.CheckStep{Segment: checkedSegment(l.name, s)}, read)
	}, func(n int64) {
		if read = n; n < l.view.Bytes() {
			c.tell(control.CheckStep{}, n)
		}
		if c.gone != nil {
			stop()
		}
	})
}

func checkedSegment(log string, s *spool.Checked) *control.CheckedSegment {
	out := &control.CheckedSegment{Log: log, File: filepath.Base(s.Path), First: s.First, Next: s.Next, Frames: s.Frames, Events: s.Events,
		Marks: s.Marks, Bytes: s.Size, Oldest: s.Oldest, Newest: s.Newest, Places: s.Places, Lost: s.Lost, Unfinished: s.Unfinished, Gone: s.Gone}
	for _, d := range s.Damage {
		out.Damage = append(out.Damage, control.Damage{Offset: d.Offset, Bytes: d.Bytes, First: d.First, Events: d.Events, Why: d.Why})
	}
	return out
}

func (c *checking) cursors(l toCheck, sum *control.CheckedLog) {
	first, next := l.view.First(), l.view.Next()
	for i := range l.view.Cursors {
		k := &l.view.Cursors[i]
		at := max(k.Pos.Index, first)
		cur := &control.CheckedCursor{Log: l.name, Sink: k.Name, Position: at, Waiting: next - min(at, next), Problem: k.Problem(first, next)}
		cur.Orphan = l.source != "" && !k.Open && !reads(c.cfg, k.Name, l.source)
		if cur.Problem != "" {
			sum.Cursors++
		}
		c.tell(control.CheckStep{Cursor: cur}, l.view.Bytes())
	}
}
