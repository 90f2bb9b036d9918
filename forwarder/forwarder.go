// Package forwarder is the daemon: it takes events from sources, makes them durable,
// and carries them through lanes to sinks. It knows no vendor and no format but by
// its tables.
package forwarder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/config"
	"github.com/siemfwd/siemfwd/forwarder/control"
	"github.com/siemfwd/siemfwd/forwarder/deadletter"
	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/sink"
	"github.com/siemfwd/siemfwd/forwarder/sockets"
	"github.com/siemfwd/siemfwd/forwarder/source"
	"github.com/siemfwd/siemfwd/forwarder/spool"
	"github.com/siemfwd/siemfwd/forwarder/telemetry"
	"github.com/siemfwd/siemfwd/forwarder/trail"
)

// Options are what the one who starts a forwarder decides, beside its configuration.
type Options struct {
	Log     *slog.Logger // nil: nothing is logged
	Version string
	// Sinks replaces the sink built for a name, for tests and for `demo`.
	Sinks map[string]sink.Sink
	// FS holds the spools and the dead letters; nil is the operating system's. Tests cut
	// the power of another.
	FS spool.FS
	// Sockets are those that the service manager opened; nil: none.
	Sockets *sockets.Set
}

// Forwarder is one running daemon. Several may run in one process.
type Forwarder struct {
	cfg      *config.Config
	opts     Options
	log      *slog.Logger
	started  time.Time
	host     string
	stopping atomic.Bool
	httpAddr string // where metrics are served; "" until Run, and when they are not

	kinds   []sourceKind
	metrics *telemetry.Registry
	dead    *deadletter.Store
	sources []*sourceState
	sinks   []*sinkState
	lanes   []*lane
	trails  []*trail.Trail // of the lanes
	jobs    jobs
	closers []io.Closer // in the order of opening

	firstLetter uint64     // ID of the first dead letter since the start
	retrying    sync.Mutex // held by the retry that runs
	retries     int        // since the start
}

// New opens what the configuration names: the state folder, a spool per source, the
// sinks. Nothing runs and no port is bound until Run. On an error everything opened
// is closed again.
func New(cfg *config.Config, o Options) (_ *Forwarder, err error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	f := &Forwarder{cfg: cfg, opts: o, log: o.Log, kinds: sourceKinds(), started: time.Now()}
	defer func() {
		if err != nil {
			_ = f.close()
		}
	}()
	if f.host, err = os.Hostname(); err != nil {
		f.host = "localhost"
	}
	f.metrics = telemetry.NewRegistry(f)
	if err := os.MkdirAll(cfg.State, 0o700); err != nil {
		return nil, fmt.Errorf("state folder: %w; set state: to a folder this user may write", err)
	}
	if f.dead, err = deadletter.OpenOn(o.FS, filepath.Join(cfg.State, "dead"), o.Log); err != nil {
		return nil, fmt.Errorf("dead letters: %w", err)
	}
	f.closers = append(f.closers, f.dead)
	f.firstLetter = f.dead.Next()
	for i := range cfg.Sinks {
		if err := f.addSink(&cfg.Sinks[i]); err != nil {
			return nil, fmt.Errorf("sink %s: %w", cfg.Sinks[i].Name, err)
		}
	}
	for i := range cfg.Sources {
		if err := f.addSource(&cfg.Sources[i]); err != nil {
			return nil, fmt.Errorf("source %s: %w", cfg.Sources[i].Name, err)
		}
	}
	return f, nil
}

func (f *Forwarder) env(kind, name string) component.Env {
	env := component.Env{Name: name, Host: f.host, Log: f.log.With(kind, name), Meter: f.metrics.Meter(name)}
	if f.opts.Sockets != nil {
		env.Sockets = f.opts.Sockets
	}
	return env
}

func (f *Forwarder) addSink(c *config.Sink) error {
	kind, err := findSink(c.Type)
	if err != nil {
		return err
	}
	env := f.env("sink", c.Name)
	s := f.opts.Sinks[c.Name]
	if s == nil {
		if s, err = kind.Build(c.Config, env); err != nil {
			return err
		}
	}
	st := newSinkState(c.Name, c.Type, s, f.dead, env.Log)
	st.observe = func(d time.Duration) { f.metrics.ObserveSend(c.Name, d) }
	st.buried = f.trailDeaths
	f.sinks = append(f.sinks, st)
	f.closers = append(f.closers, s)
	return nil
}

func (f *Forwarder) addSource(c *config.Source) error {
	kind, err := findSource(c.Type, f.kinds)
	if err != nil {
		return err
	}
	vendor, rules, err := readingOf(c)
	if err != nil {
		return err
	}
	env := f.env("source", c.Name)
	env.State = filepath.Join(f.cfg.State, "keys", c.Name) // not the spool's folder, where it would be a foreign file
	src, err := kind.make(c, vendor, env)
	if err != nil {
		return err
	}
	keep := keepFor(src, c.Keep)
	known := newTickets(vendor.Join, env.Log)
	opts := spoolOptions(c, env.Log)
	opts.Keep, opts.FS = max(keep, known.keep()), f.opts.FS
	if r, ok := src.(source.Rememberer); ok {
		opts.Since = r.Since
	}
	sp, err := spool.Open(filepath.Join(f.cfg.State, "sources", c.Name), opts)
	if err != nil {
		return err
	}
	f.closers = append(f.closers, sp)
	st := &sourceState{intake: newIntake(c.Name, sp, keep, env.Log), source: src, kind: c.Type, vendor: c.Vendor, first: make(chan struct{})}
	st.tickets, st.rules = known, rules
	st.intake.bury = func(ctx context.Context, source string, raw event.Raw, reason string) error {
		return f.dead.Add(ctx, deadletter.Letter{Source: source, Sink: deadletter.NoSink, Reason: reason, First: raw.Time, Received: raw.Time,
			Peer: raw.Peer, Raw: raw.Data, Size: raw.Size})
	}
	if err := st.intake.wake(src, time.Now()); err != nil {
		return fmt.Errorf("memory of deliveries: %w", err)
	}
	f.sources = append(f.sources, st)
	for i := range f.cfg.Sinks {
		if !f.cfg.Sinks[i].Reads(c.Name) {
			continue
		}
		if err := f.addLane(st, f.sinks[i], c, &f.cfg.Sinks[i]); err != nil {
			return fmt.Errorf("lane to %s: %w", f.cfg.Sinks[i].Name, err)
		}
	}
	f.setBase(st)
	return nil
}

func spoolOptions(c *config.Source, log *slog.Logger) spool.Options {
	o := spool.Options{Max: int64(c.Spool), Keep: c.Keep, Log: log}
	switch c.WhenFull {
	case "drop_oldest":
		o.WhenFull = spool.DropOldest
	case "drop_newest":
		o.WhenFull = spool.DropNewest
	}
	if c.Sync == "os" {
		o.Sync = spool.OS
	}
	return o
}

// newLane makes a lane that is still to be given a reader.
func (f *Forwarder) newLane(src *sourceState, snk *sinkState, sc *config.Source, kc *config.Sink) (*lane, error) {
	kind, err := findSink(kc.Type)
	if err != nil {
		return nil, err
	}
	vendor, err := VendorOf(sc)
	if err != nil {
		return nil, err
	}
	format, err := formatOf(kc, f.host)
	if err != nil {
		return nil, err
	}
	filter, err := filterOf(kc)
	if err != nil {
		return nil, err
	}
	l := &lane{source: src, sink: snk, vendor: vendor, format: format, meter: f.metrics.Meter(kc.Name), filter: filter, zone: sc.Timezone,
		keyed: kind.keyed, log: f.log.With("source", sc.Name, "sink", kc.Name),
		wait: backoff{first: 250 * time.Millisecond, most: 30 * time.Second}}
	if snk.confirmer != nil {
		l.flight = &flight{sink: snk.confirmer}
	}
	return l, nil
}

func (f *Forwarder) addLane(src *sourceState, snk *sinkState, sc *config.Source, kc *config.Sink) error {
	l, err := f.newLane(src, snk, sc, kc)
	if err != nil {
		return err
	}
	start := spool.Newest
	if kc.Start == "oldest" {
		start = spool.Oldest
	}
	fresh := !slices.Contains(src.spool.Readers(), kc.Name)
	reader, err := src.spool.Reader(kc.Name, start)
	if err != nil {
		return err
	}
	l.reader = reader
	l.first = !slices.ContainsFunc(f.lanes, func(l *lane) bool { return l.source == src })
	snk.lanes.Add(1)
	a := reader.Account() // what is gone already is to be counted, too
	l.opened = a.Next - a.Waiting - a.Expired - a.Damaged
	f.lanes = append(f.lanes, l)
	f.openTrail(l, fresh)
	return nil
}

// setBase lets the count of received events begin with what the source's slowest lane
// has not settled. What its other lanes settled before counts as delivered by them.
func (f *Forwarder) setBase(src *sourceState) {
	src.base = src.spool.Stats().Synced
	for _, l := range f.lanes {
		if l.source == src {
			src.base = min(src.base, l.opened)
		}
	}
	for _, l := range f.lanes {
		if l.source == src {
			l.tally.delivered = l.opened - src.base
		}
	}
}

// Run works until ctx ends, then shuts down within the configured grace: sources
// first, then lanes, which finish the batch they are at. ready, if not nil, is called
// once when every source that listens does. One that fails before it ever did so ends Run
// with its error; one that fails later is started again and again. What is not delivered
// stays on disk. Run closes the forwarder; it can run only once.
func (f *Forwarder) Run(ctx context.Context, ready func()) error {
	defer context.AfterFunc(ctx, func() { f.stopping.Store(true) })()
	defer func() {
		if err := f.close(); err != nil {
			f.log.Error("closing", "err", err)
		}
	}()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	// Sources stop when ctx ends; lanes get the grace to finish the batch in hand.
	laneCtx, stopLanes := context.WithCancel(context.WithoutCancel(ctx))
	defer stopLanes()
	ctl, err := control.Listen(f.cfg.Control, f.log, f)
	if err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	defer ctl.Close()
	web, err := f.serveHTTP()
	if err != nil {
		return err
	}
	defer web()
	defer f.keepTrails()()
	f.jobs.begin(laneCtx, ctx)

	var lanes, sources sync.WaitGroup
	for _, l := range f.lanes {
		lanes.Go(func() { l.superviseLane(laneCtx, ctx) })
	}
	for _, s := range f.sources {
		sources.Go(func() { s.supervise(ctx, f.log.With("source", s.name)) })
	}
	failed := f.awaitSources(ctx)
	switch {
	case failed != nil:
		stop()
	case ctx.Err() == nil:
		f.opts.Sockets.Warn(f.log)
		if ready != nil {
			ready()
		}
	}
	<-ctx.Done()
	f.log.Info("stopping", "grace", f.cfg.Grace.String())
	grace := time.AfterFunc(f.cfg.Grace, stopLanes)
	defer grace.Stop()
	end := time.Now().Add(f.cfg.Grace + afterGrace)
	f.awaitEnd(&sources, end, "sources")
	f.awaitEnd(&lanes, end, "sinks")
	f.jobs.wait()
	f.lastWords()
	return failed
}

// awaitSources waits until every source that listens does. One that fails before it has
// listened at all (its port is taken, say) is a failure of the start: a forwarder that says
// that it is ready while senders find nobody loses their events in silence. A source that
// asks others loses nothing while they do not answer, and is not waited for.
func (f *Forwarder) awaitSources(ctx context.Context) error {
	for _, s := range f.sources {
		if _, listens := s.source.(listener); !listens {
			continue
		}
		select {
		case <-s.first:
		case <-ctx.Done():
			return nil
		}
		if now := s.current(); !now.up && ctx.Err() == nil {
			return fmt.Errorf("source %s cannot start: %s", s.name, now.why)
		}
	}
	return nil
}

// listener is a source that listens, and says where.
type listener interface{ Addrs() []string }

// superviseLane runs a lane until laneCtx ends, or, once stop has ended, until the
// batch in hand is settled and what was sent is confirmed. A disk that fails is a change
// of state and tried again.
func (l *lane) superviseLane(laneCtx, stop context.Context) {
	if l.flight != nil {
		defer l.land(laneCtx)
	}
	wait := backoff{first: time.Second, most: 30 * time.Second}
	failed := false
	for {
		hard, soft, leave, ok := l.gate.enter(laneCtx, stop)
		if !ok {
			return
		}
		began := time.Now()
		err := l.pass(hard, soft)
		if time.Since(began) > wait.most { // it had worked
			failed = false
			wait.reset()
		}
		switch held := leave(); {
		case held:
			continue
		case err == nil:
			return
		}
		if !failed {
			l.log.Error("lane stopped, trying again", "err", err)
			failed = true
		}
		if !sleep(stop, wait.next()) {
			return
		}
	}
}

func (f *Forwarder) close() error {
	var errs []error
	for i := len(f.closers) - 1; i >= 0; i-- {
		errs = append(errs, f.closers[i].Close())
	}
	f.closers = nil
	return errors.Join(errs...)
}
