package forwarder

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/config"
	"github.com/siemfwd/siemfwd/forwarder/control"
	"github.com/siemfwd/siemfwd/forwarder/spool"
	"github.com/siemfwd/siemfwd/forwarder/trail"
	"github.com/siemfwd/siemfwd/forwarder/when"
)

// errStops is told to those who want something of a forwarder that is about to end.
var errStops = errors.New("the forwarder stops")

// replayPatience is how long a replay that is stopped waits for what it sent to be
// confirmed. What is not is sent again when it goes on.
const replayPatience = 10 * time.Second

// replay is a replay that runs: a lane with another reader. Its own goroutine runs the
// lane, another one keeps its state; who asked for it only watches.
type replay struct {
	*lane
	from   *replayReader
	folder replayFolder
	trail  *trail.Trail
	live   *lane
	resume bool
	note   string // on what cannot be sent again
	told   uint64 // events sent that the live lane was told of

	state replayState // as it was when it began, and its names

	mu   sync.Mutex
	done bool  // everything has been sent
	err  error // what it waits for, beside the sink
}

// jobs are replays: they use sinks, so they end with the lanes.
type jobs struct {
	mu         sync.Mutex
	hard, soft context.Context // Run's; nil: it does not run
	all        sync.WaitGroup
	running    map[string]bool // ids
	closed     bool
	patience   time.Duration // see replayPatience
}

func (j *jobs) begin(hard, soft context.Context) {
	j.mu.Lock()
	j.hard, j.soft, j.patience = hard, soft, replayPatience
	j.mu.Unlock()
}

// start runs work beside the lanes, unless they are about to end or id runs already.
// stop ends with ctx or with the forwarder.
func (j *jobs) start(ctx context.Context, id string, work func(hard, soft, stop context.Context)) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.closed || j.soft == nil || j.soft.Err() != nil:
		return errStops
	case j.running[id]:
		return fmt.Errorf("replay %s is running already", id)
	}
	if j.running == nil {
		j.running = map[string]bool{}
	}
	j.running[id] = true
	stop, cancel := context.WithCancel(ctx)
	unhook := context.AfterFunc(j.soft, cancel)
	j.all.Go(func() {
		defer func() {
			unhook()
			cancel()
			j.mu.Lock()
			delete(j.running, id)
			j.mu.Unlock()
		}()
		work(j.hard, j.soft, stop)
	})
	return nil
}

// wait returns when the last replay has ended; none begins any more.
func (j *jobs) wait() {
	j.mu.Lock()
	j.closed = true
	j.mu.Unlock()
	j.all.Wait()
}

func (j *jobs) runs(id string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.running[id]
}

// Replay implements control.Replayer.
func (f *Forwarder) Replay(ctx context.Context, ask control.Replay, out control.Out[control.Replayed]) error {
	r, err := f.newReplay(ask)
	if err != nil {
		return err
	}
	if r.state.Done {
		step := r.step()
		step.Already = r.resume
		return out.Put(step)
	}
	if err := out.Put(r.step()); err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return err
	}
	over := make(chan struct{})
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := f.jobs.start(ctx, r.state.ID, func(hard, soft, stop context.Context) {
		defer close(over)
		f.runReplay(r, hard, soft, stop)
	}); err != nil {
		return err
	}
	return r.report(over, cancel, out)
}

// report puts out how far the replay is until it is over. A client that is gone ends it.
func (r *replay) report(over <-chan struct{}, cancel func(), out control.Out[control.Replayed]) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	var gone error
	for {
		select {
		case <-tick.C:
			if gone == nil {
				if gone = errors.Join(out.Put(r.step()), out.Flush()); gone != nil {
					cancel()
				}
			}
		case <-over:
			if gone != nil {
				return gone
			}
			step := r.step()
			if step.Done {
				return out.Put(step)
			}
			return errors.Join(out.Put(step), errors.New("stopped"))
		}
	}
}

// newReplay finds the replay that is asked for, or makes it. One whose state is Done
// has nothing to do and must not run.
func (f *Forwarder) newReplay(ask control.Replay) (*replay, error) {
	src, live := f.source(ask.Source), f.lane(ask.Source, ask.Sink)
	sink := sinkOf(f.cfg, ask.Sink)
	switch {
	case src == nil:
		return nil, fmt.Errorf("there is no source %q", ask.Source)
	case sink == nil:
		return nil, fmt.Errorf("there is no sink %q", ask.Sink)
	case live == nil:
		return nil, fmt.Errorf("%s does not read %s, by from: (%s)", ask.Sink, ask.Source, sink.FromPos)
	}
	r := &replay{live: live, folder: replayFolder(filepath.Join(f.cfg.State, replaysDir))}
	old, ok := r.folder.find(ask.Words, f.log)
	switch {
	case ok && f.jobs.runs(old.ID):
		return nil, fmt.Errorf("replay %s, which is the same, is running already", old.ID)
	case ok && !ask.Again:
		r.state, r.resume = old, true
	default:
		r.state = f.planReplay(src, ask, r.folder)
		r.note = lost(src.spool, r.state)
	}
	cond, err := condition(r.state.When)
	if err != nil {
		return nil, err
	}
	if r.lane, err = f.newLane(src, live.sink, sourceOf(f.cfg, ask.Source), sink); err != nil {
		return nil, err
	}
	r.from = newReplayReader(src.spool, r.state.Next, r.state.End)
	r.from.cond, r.from.since, r.from.until, r.from.lane = cond, r.state.Since, r.state.Until, r.lane
	r.from.pace(ask.Rate)
	r.lane.reader, r.lane.replay, r.lane.log = r.from, []byte(r.state.ID), r.lane.log.With("replay", r.state.ID)
	return r, nil
}

func sinkOf(cfg *config.Config, name string) *config.Sink {
	for i := range cfg.Sinks {
		if cfg.Sinks[i].Name == name {
			return &cfg.Sinks[i]
		}
	}
	return nil
}

// condition reads a condition; nil for none.
func condition(text string) (*when.Cond, error) {
	if text == "" {
		return nil, nil
	}
	c, err := when.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("condition %s: %w", text, err)
	}
	return c, nil
}

// planReplay is a new replay of what is stored now. One of nothing is done.
func (f *Forwarder) planReplay(src *sourceState, ask control.Replay, folder replayFolder) replayState {
	now := time.Now()
	st := replayState{ID: folder.name(now), Words: ask.Words, Source: ask.Source, Sink: ask.Sink, Since: ask.Since, Until: ask.Until, When: ask.When,
		Started: now, Changed: now, End: src.spool.Stats().Synced}
	if st.Until.IsZero() || st.Until.After(now) {
		st.Until = now
	}
	st.First = st.End
	for e, err := range src.spool.Range(st.Since, st.Until) {
		if err == nil {
			st.First = min(st.First, e.Index)
		}
		break
	}
	st.Next = st.First
	st.Done = st.First == st.End
	return st
}

// step says how far the replay is.
func (r *replay) step() control.Replayed {
	st := r.now()
	s := control.Replayed{ID: st.ID, Since: st.Since, Until: st.Until, Resumed: r.resume, Total: st.End - st.First, Read: st.Next - st.First,
		Sent: st.Sent, Dead: st.Dead, Gone: st.Gone, LeftOut: st.Next - st.First - st.Sent - st.Dead - st.Gone, Done: st.Done, Note: r.note}
	_, _, s.At = r.from.progress()
	r.mu.Lock()
	err := r.err
	r.mu.Unlock()
	if now := r.sink.current(); !now.up {
		s.Paused = fmt.Sprintf("%s is down: %s", r.sink.name, now.words())
	} else if err != nil {
		s.Paused = err.Error()
	}
	return s
}

// lost says what retention has removed of the time that is asked for.
func lost(log *spool.Spool, st replayState) string {
	at := oldestKept(log)
	switch {
	case at.IsZero():
		return "nothing is kept of " + st.Source
	case log.Stats().First > 1 && at.After(st.Since):
		return fmt.Sprintf("the oldest event kept of %s is of %s: what came before cannot be sent again", st.Source, clock(at))
	}
	return ""
}

// now is the state at this moment.
func (r *replay) now() replayState {
	st := r.state
	r.lane.mu.Lock()
	t := r.tally
	at, gone, _ := r.from.progress()
	r.lane.mu.Unlock()
	st.Next = max(st.Next, at)
	st.Sent += t.delivered
	st.Dead += t.dead
	st.Gone += gone
	r.mu.Lock()
	st.Done = st.Done || r.done
	r.mu.Unlock()
	return st
}

// runReplay runs a replay until everything is sent or stop ends, and keeps its state.
func (f *Forwarder) runReplay(r *replay, hard, soft, stop context.Context) {
	if !r.sink.join() {
		return
	}
	r.trail = trail.Open(r.folder.trail(r.state.ID), f.log)
	r.trail.Start(time.Now(), r.state.Next, !r.resume)
	r.folder.tidy(f.log)
	r.keep(time.Now())
	r.log.Info("replay begins", "events", r.state.End-r.state.Next, "resumed", r.resume)
	over := make(chan struct{})
	var keeper sync.WaitGroup
	keeper.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case now := <-tick.C:
				r.keep(now)
			case <-over:
				return
			}
		}
	})
	r.pump(hard, stop)
	f.jobs.mu.Lock()
	patience := f.jobs.patience
	f.jobs.mu.Unlock()
	r.part(hard, soft, patience)
	close(over)
	keeper.Wait()
	r.keep(time.Now())
	_ = r.trail.Close()
	r.from.Close()
	st := r.now()
	r.log.Info("replay ends", "done", st.Done, "sent", st.Sent, "dead", st.Dead, "gone", st.Gone)
}

// pump runs the lane. A disk that fails is tried again.
func (r *replay) pump(hard, stop context.Context) {
	wait := backoff{first: time.Second, most: 30 * time.Second}
	for {
		err := r.pass(hard, stop)
		r.mu.Lock()
		if r.done = errors.Is(err, errReplayed); !r.done {
			r.err = err
		}
		r.mu.Unlock()
		if err == nil || errors.Is(err, errReplayed) || errors.Is(err, spool.ErrClosed) || !sleep(stop, wait.next()) {
			return
		}
	}
}

// part takes the replay's lane from its sink. What was sent has a while to be confirmed.
func (r *replay) part(hard, soft context.Context, patience time.Duration) {
	if r.flight == nil {
		return
	}
	ctx, cancel := context.WithTimeout(soft, patience)
	r.settleSent(ctx)
	cancel()
	if soft.Err() != nil {
		r.land(hard)
		return
	}
	r.sink.quit(hard)
}

// settleSent waits until what was sent is confirmed, or its session or ctx ends.
func (l *lane) settleSent(ctx context.Context) {
	for !l.flight.empty() {
		p := l.flight.sink.Progress()
		s, any, over := l.flight.settled(p)
		if any && l.commit(s) != nil || over || l.flight.empty() {
			return
		}
		select {
		case <-p.Changed:
		case <-ctx.Done():
			return
		}
	}
}

// keep makes the state durable. What cannot be is sent again after a crash.
func (r *replay) keep(now time.Time) {
	st := r.now()
	st.Changed = now
	r.trail.Look(now, st.Next)
	sent := st.Sent - r.state.Sent
	r.live.replayed.Add(sent - r.told)
	r.told = sent
	if err := r.folder.save(st); err != nil {
		r.log.Warn("replay: its position cannot be kept: it would go on where it was before", "err", err)
	}
}
