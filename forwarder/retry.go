package forwarder

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/control"
	"github.com/siemfwd/siemfwd/forwarder/deadletter"
	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/forwarder/when"
)

// retry sends dead letters again: a lane like any other carries them, parsed and
// rendered as of today, in the sink's turn; only what it reads, and what becomes of an
// event that is refused, is different. A letter is removed, durably, once the receiver
// has it: whatever ends the process in between, it is there still and sent twice, never
// lost. The sink's conditions are not asked again.
type retry struct {
	f    *Forwarder
	ask  control.DeadFilter
	out  control.Out[control.RetryStep]
	step control.RetryStep
	told time.Time
}

// RetryDead implements control.Retrier. One retry runs at a time.
func (f *Forwarder) RetryDead(ctx context.Context, ask control.Retry, out control.Out[control.RetryStep]) error {
	sinks, err := f.retrySinks(ask.DeadFilter)
	if err != nil {
		return err
	}
	r := &retry{f: f, ask: ask.DeadFilter, out: out}
	type route struct{ source, sink string }
	var routes []route
	for l, err := range meant(f.dead.All(ask.Since), ask.DeadFilter) {
		if err != nil {
			return err
		}
		r.step.Total++
		if at := (route{l.Source, l.Sink}); !slices.Contains(routes, at) && slices.Contains(sinks, l.Sink) {
			routes = append(routes, at)
		}
	}
	if !ask.Yes {
		return r.tell(true)
	}
	if !f.retrying.TryLock() {
		return errors.New("another retry is under way")
	}
	defer f.retrying.Unlock()
	f.retries++
	over := make(chan struct{})
	if err := f.jobs.start(ctx, fmt.Sprint("of dead letters ", f.retries), func(hard, soft, stop context.Context) {
		defer close(over)
		for _, at := range routes {
			if err = r.send(hard, soft, stop, at.source, at.sink); err != nil {
				return
			}
		}
		if stop.Err() != nil {
			err = errors.New("stopped")
		}
	}); err != nil {
		return err
	}
	<-over
	f.log.Info("dead letters sent again by hand", "sent", r.step.Sent, "refused", r.step.Refused, "left", r.step.Total-r.step.Sent-r.step.Refused)
	return errors.Join(err, r.tell(true))
}

// retrySinks returns the sinks of the letters that are meant. Bodies refused at the door
// are nobody's to send again.
func (f *Forwarder) retrySinks(ask control.DeadFilter) (names []string, err error) {
	for _, s := range f.sinks {
		names = append(names, s.name)
	}
	const door = "sink - holds bodies that a source refused at its door: no event could be made of them, and their sender was told so. " +
		"Look at them (dead show), export them, or have the sender send them again"
	switch {
	case ask.Sink == "-":
		return nil, errors.New(door)
	case ask.Sink != "" && !slices.Contains(names, ask.Sink):
		return nil, fmt.Errorf("there is no sink %q in the configuration", ask.Sink)
	case ask.Sink == "" && len(ask.IDs) == 0:
		return nil, errors.New("say which sink's letters, or which letters")
	}
	if ask.Sink == "" {
		for l, err := range meant(f.dead.All(ask.Since), ask) {
			switch {
			case err != nil:
				return nil, err
			case l.Sink == "-":
				return nil, errors.New(door)
			case !slices.Contains(names, l.Sink):
				return nil, fmt.Errorf("letter %d is of sink %q, which is not in the configuration", l.ID, l.Sink)
			}
		}
	}
	return names, nil
}

// send sends the letters of one source and sink.
func (r *retry) send(hard, soft, stop context.Context, source, name string) error {
	l, err := r.lane(source, name)
	if err != nil {
		r.step.Note = err.Error()
		return nil
	}
	if !l.sink.join() {
		return errStops
	}
	letters := newLetterReader(hard, r, l)
	defer letters.close()
	l.reader = letters
	err = l.pass(hard, stop)
	if l.flight != nil { // what was sent has a while to be confirmed
		wait, cancel := context.WithTimeout(soft, replayPatience)
		l.settleSent(wait)
		cancel()
		l.sink.quit(hard)
	}
	if errors.Is(err, errNoLetters) {
		return nil
	}
	return err
}

// lane makes the lane that carries the letters.
func (r *retry) lane(source, name string) (*lane, error) {
	f := r.f
	src, sc := f.source(source), sourceOf(f.cfg, source)
	if src == nil {
		return nil, fmt.Errorf("letters from %s are kept: there is no such source in the configuration that could tell how they are read", source)
	}
	i := slices.IndexFunc(f.sinks, func(s *sinkState) bool { return s.name == name })
	l, err := f.newLane(src, f.sinks[i], sc, &f.cfg.Sinks[i])
	if err != nil {
		return nil, err
	}
	l.guest, l.filter = r, when.Filter{}
	parse := l.vendor.Parse
	l.vendor.Parse = func(rec *record.Record, raw []byte) error {
		err := parse(rec, raw)
		rec.Test = false // it is not left out: it was to be delivered
		return err
	}
	return l, nil
}

// unwell ends a retry whose sink is not well: the letters are kept, and somebody is there
// to try again.
func (r *retry) unwell(name string, err error) error {
	return fmt.Errorf("%w: %s: %w", control.ErrSinkDown, name, err)
}

// sent counts letters that the receiver has and that are removed.
func (r *retry) sent(l *lane, gone []deadletter.Letter) {
	r.step.Sent += uint64(len(gone))
	n := uint64(0)
	for i := range gone {
		if gone[i].ID >= r.f.firstLetter && gone[i].Replay == "" {
			n++ // it died since the start, and is counted as dead
		}
	}
	if main := r.f.lane(l.source.name, l.sink.name); main != nil {
		main.mu.Lock()
		main.tally.retried += n
		main.mu.Unlock()
	}
}

// tell puts the step out: now and then, or at once.
func (r *retry) tell(now bool) error {
	r.step.Left = r.step.Total - min(r.step.Total, r.step.Sent+r.step.Refused)
	if at := time.Now(); now || at.Sub(r.told) >= 100*time.Millisecond {
		r.told = at
		if err := r.out.Put(r.step); err != nil {
			return err
		}
		r.step.Again = nil
		return r.out.Flush()
	}
	return nil
}

// bury keeps events that the receiver will never take: a guest's are letters already.
func (l *lane) bury(ctx context.Context, letters []deadletter.Letter) error {
	if l.guest != nil {
		return l.reader.(*letterReader).refused(ctx, letters)
	}
	return l.sink.bury(ctx, letters)
}
