// Package poll asks the APIs of vendors for events, again and again: windows of time
// that overlap, pages, logins, rate limits. What is particular to a vendor is in its
// kit.Poll.
//
// Events are keyed, so that the forwarder keeps each of them once however often it is
// read. The position travels in the same append as the last events before it, and
// never passes a page that could not be read: what goes wrong is read again, after
// the end of the process too.
package poll

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/source"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

var errNoVendor = errors.New("a polled source is made for a vendor, with New")

// Source is one API that is asked. It implements source.Source.
type Source struct {
	cfg     Config
	own     any // the vendor's keys
	lookups []kit.Lookup
	vendor  string
	ordered bool
	client  *client
	log     *slog.Logger
	meter   component.Meter

	mu       sync.Mutex
	position position
	late     time.Duration // the most an event was late
	said     map[string]string
	held     time.Time   // the pause that is durable
	failing  bool        // the last Run ended with an error, and nothing has got further since
	known    [2]families // of the events seen lately
	run      *run        // nil while Run does not run
	filling  bool        // a backfill is going on
}

// families are ids of events, whatever their state.
type families map[event.Key]struct{}

// mostKnown bounds each of the two families.
const mostKnown = 1 << 15

// run is one Run.
type run struct {
	ctx   context.Context // ends with the Run
	outer context.Context // ends with the forwarder
	log   source.Log
	ready sync.Once
	walks sync.WaitGroup // backfills
}

// Options are what a source gets from outside, for tests. The zero Options is the
// world as it is.
type Options struct {
	Transport http.RoundTripper // what requests travel over
	Spread    func() float64    // where the spread of pauses comes from: drawn from [0, 1)
}

// New makes a source that asks the API of a vendor. own is what VendorConfig returned
// for it, filled in.
func New(cfg *Config, own any, v kit.Vendor, env component.Env, o Options) (*Source, error) {
	if o.Transport == nil {
		o.Transport = newTransport(cfg.Timeout)
	}
	if o.Spread == nil {
		o.Spread = rand.Float64
	}
	if v.Poll == nil {
		return nil, fmt.Errorf("vendor %s cannot be polled", v.Name)
	}
	api, err := v.Poll.Open(own)
	if err != nil {
		return nil, err
	}
	cl, err := newClient(api, cfg, o, env.Meter)
	if err != nil {
		return nil, err
	}
	s := &Source{cfg: *cfg, own: own, lookups: v.Poll.Lookups, vendor: v.Name, ordered: v.Poll.Defaults.Ordered, client: cl, log: env.Log, meter: env.Meter,
		said: map[string]string{}}
	for _, name := range []string{"api_calls", "api_throttled", "api_logins", "late_events"} {
		s.meter.Add(name, 0)
	}
	return s, nil
}

// Run implements source.Source. It returns a *source.Pause when the API does not give
// what is asked of it.
func (s *Source) Run(outer context.Context, log source.Log) (err error) {
	ctx, cancel := context.WithCancel(outer)
	r := &run{ctx: ctx, outer: outer, log: log}
	s.mu.Lock()
	s.run = r
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.run, s.failing = nil, err != nil
		s.mu.Unlock()
		cancel()
		r.walks.Wait()
		s.client.http.CloseIdleConnections()
	}()
	if err := s.load(ctx, log); err != nil {
		return unlessEnded(ctx, err)
	}
	for {
		began := time.Now()
		if err := s.look(ctx, log); err != nil {
			return unlessEnded(ctx, err)
		}
		if source.Sleep(ctx, s.cfg.Every-time.Since(began)) != nil {
			return nil
		}
	}
}

// unlessEnded returns err, or nil when ctx has ended and err is its consequence.
func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// load reads where to go on. The very first time that is made durable before anything
// is asked, so that a failing start does not move it.
func (s *Source) load(ctx context.Context, log source.Log) error {
	p, ok, err := readPosition(log.Mark(markPosition))
	if err != nil {
		return err
	}
	if until := readTime(log.Mark(markPause)); !until.IsZero() {
		if left := min(time.Until(until), longestPause); left > 0 {
			s.client.gate.shut(left, 0)
		}
	}
	if !ok {
		now := time.Now()
		start := s.client.clock.at(now)
		since := start.Add(-s.cfg.Since).Truncate(smallest)
		p = position{Read: since, Final: since, Since: s.receivedAfter(since)}
		b := event.Batch{Marks: []event.Mark{p.mark(), timeMark(markRescan, start)}}
		if err := log.Emit(ctx, &b); err != nil {
			return err
		}
	}
	s.moved(p)
	return nil
}

// look reads everything up to now that is not final yet, and rescans when it is time.
func (s *Source) look(ctx context.Context, log source.Log) error {
	p := s.at()
	t := &tour{s: s, log: log, emitting: ctx, frontier: p.Read,
		progress: &progress{overlap: s.cfg.Overlap, settle: s.cfg.Settle, now: p}}
	sure := s.client.clock.known()
	to := s.end()
	if !sure {
		// The position is by the API's clock, and ours may be behind it: without asking,
		// nobody would ever know. What has been read once may be asked for at any time.
		to = later(to, later(p.Read, p.Final.Add(smallest)))
	}
	if err := t.through(ctx, p.Final, to); err != nil {
		return err
	}
	if now := s.end(); !sure && now.Sub(to) > s.cfg.Every {
		if err := t.through(ctx, to, now); err != nil {
			return err
		}
	}
	s.ready()
	if s.cfg.Rescan <= 0 {
		return nil
	}
	now := s.client.clock.now()
	if now.Sub(readTime(log.Mark(markRescan))) < s.cfg.RescanEvery {
		return nil
	}
	t = &tour{s: s, log: log, emitting: ctx}
	if err := t.through(ctx, now.Add(-s.cfg.Rescan), p.Final); err != nil {
		return err
	}
	return log.Emit(ctx, &event.Batch{Marks: []event.Mark{timeMark(markRescan, now)}})
}

// end is where a look that begins now ends, by the API's time.
func (s *Source) end() time.Time {
	return s.client.clock.now().Add(-s.cfg.Settle).Truncate(smallest)
}

// receivedAfter is a time by this machine's clock that lies before everything was
// received that the API dates at t or later: it hands out nothing before its time.
func (s *Source) receivedAfter(t time.Time) time.Time {
	const clocksDiffer = time.Minute // more than the estimate of skew is off
	return t.Add(s.client.clock.skew() - clocksDiffer)
}

// at is the position.
func (s *Source) at() position {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.position
}

// moved notes a position that is durable.
func (s *Source) moved(p position) {
	s.mu.Lock()
	further := p.Read.After(s.position.Read) && !s.position.Read.IsZero()
	s.position = p
	s.mu.Unlock()
	if further {
		s.ready()
	}
	s.meter.Set("behind_seconds", max(0, s.behind(p)).Seconds())
}

// behind is how far a position is from where it could be.
func (s *Source) behind(p position) time.Duration {
	return s.client.clock.now().Add(-s.cfg.Settle).Sub(p.Read)
}

// arrived counts a row that was new when it became durable.
func (s *Source) arrived(r *row, frontier time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(r.ID) > 0 && len(r.Version) > 0 {
		_, young := s.known[0][r.id]
		_, old := s.known[1][r.id]
		if len(s.known[0]) >= mostKnown || s.known[0] == nil {
			s.known = [2]families{{}, s.known[0]}
		}
		s.known[0][r.id] = struct{}{}
		if young || old {
			return // an update, which has the time of the event
		}
	}
	if frontier.IsZero() || r.Time.IsZero() {
		return
	}
	late := frontier.Sub(r.Time.Go())
	if late <= 0 {
		return
	}
	s.meter.Add("late_events", 1)
	if late <= s.late {
		return
	}
	s.late = late
	s.meter.Set("late_seconds_max", late.Seconds())
	if most := s.cfg.Overlap; late > most-most/5 && late <= most {
		s.sayLocked("late", fmt.Sprintf("events appear almost as late as the overlap of %s allows; make it longer", most))
	}
}

// say logs a change of state: text, when it is not what was said last of that kind. An
// empty text says that the state is over, and is not logged.
func (s *Source) say(kind, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sayLocked(kind, text)
}

func (s *Source) sayLocked(kind, text string) {
	if s.said[kind] == text {
		return
	}
	s.said[kind] = text
	if text != "" {
		s.log.Warn(text)
	}
}

// ready tells the forwarder, once in every run, that events are being read.
func (s *Source) ready() {
	s.mu.Lock()
	r := s.run
	s.failing = false
	s.mu.Unlock()
	if r != nil {
		r.ready.Do(r.log.Ready)
	}
}

// answered is ready for an answer that may not be the one that matters: after a Run
// that failed it takes more to be well again.
func (s *Source) answered() {
	s.mu.Lock()
	failing := s.failing
	s.mu.Unlock()
	if !failing {
		s.ready()
	}
}
