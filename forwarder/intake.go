package forwarder

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/forwarder/source"
	"github.com/siemfwd/siemfwd/forwarder/spool"
)

// intake is what a source writes to: its spool, behind the memory of the deliveries
// it has seen. It implements source.Log.
type intake struct {
	name  string
	spool *spool.Spool
	keep  time.Duration
	bury  func(ctx context.Context, source string, raw event.Raw, reason string) error
	log   *slog.Logger

	ready func()           // called by Ready, once per run
	since func() time.Time // from when on keys are remembered however old they are; nil: never

	turn       chan struct{} // holds one token: who has it may append keyed events
	seen       *seen
	tickets    *tickets // nil when the vendor joins nothing
	rules      *Rules
	duplicates atomic.Uint64
	refused    atomic.Uint64

	mu       sync.Mutex
	warnings map[string]uint64
}

func newIntake(name string, s *spool.Spool, keep time.Duration, log *slog.Logger) *intake {
	in := &intake{name: name, spool: s, keep: keep, log: log,
		turn: make(chan struct{}, 1), seen: newSeen(keep), warnings: map[string]uint64{}}
	in.turn <- struct{}{}
	return in
}

// What is read of a spool at the start for the keys and tickets in it, in octets, and how
// many keys are remembered, unless a source relies on more: the memory of deliveries must
// not grow with the backlog, nor must the start take longer with it.
const (
	mostReread = 64 << 20
	mostKeys   = 1 << 18
)

// keepFor returns how long keys must be remembered for a source, where keep is what the
// configuration says.
func keepFor(s source.Source, keep time.Duration) time.Duration {
	if r, ok := s.(source.Rememberer); ok {
		return max(keep, r.Remember())
	}
	return keep
}

// wake prepares the intake for its source.
func (in *intake) wake(s source.Source, now time.Time) error {
	if r, ok := s.(source.Rememberer); ok {
		in.since = func() time.Time { return r.Since(in.spool.Mark) }
		in.seen.least = r.Remember()
	}
	if _, none := s.(source.Keyless); none && in.tickets == nil {
		return nil
	}
	return in.remember(now)
}

// remember rebuilds the memory of keys and tickets from the spool.
func (in *intake) remember(now time.Time) error {
	since := now.Add(-max(in.keep, in.tickets.keep()))
	if reach := in.spool.Reach(mostReread); reach.After(since) {
		since = reach
	}
	if in.since != nil {
		in.seen.since = in.since()
		in.seen.old = true
		for _, t := range []time.Time{in.seen.since, now.Add(-in.seen.least)} {
			if t.Before(since) {
				since = t
			}
		}
	}
	for e, err := range in.spool.Range(since, now.Add(time.Hour)) {
		if err != nil {
			return err
		}
		if e.Key != (event.Key{}) {
			in.seen.add(e.Key, e.Time)
		}
		in.tickets.note(e.Raw)
	}
	return nil
}

// Emit implements source.Log.
func (in *intake) Emit(ctx context.Context, b *event.Batch) error {
	if b.Len() == 0 && len(b.Marks) == 0 {
		return nil
	}
	in.tickets.noteAll(b)
	if !keyed(b) {
		return in.spool.Emit(ctx, b)
	}
	// Looking a key up and appending its event is one step: a repeated delivery that
	// arrives meanwhile must neither be stored again nor be answered before the first
	// is durable.
	select {
	case <-in.turn:
	case <-ctx.Done():
		return ctx.Err()
	}
	t, err := in.appendNew(ctx, b)
	in.turn <- struct{}{}
	if err != nil {
		return err
	}
	return in.spool.Wait(ctx, t)
}

func (in *intake) appendNew(ctx context.Context, b *event.Batch) (spool.Ticket, error) {
	if in.since != nil {
		in.seen.since, in.seen.old = in.since(), true
	}
	var added []event.Key
	dropped := uint64(0)
	b.Keep(func(i int) bool {
		r := b.At(i)
		if r.Key == (event.Key{}) {
			return true
		}
		if !in.seen.add(r.Key, r.Time) {
			dropped++
			return false
		}
		added = append(added, r.Key)
		return true
	})
	if b.Len() == 0 && len(b.Marks) == 0 {
		in.duplicates.Add(dropped)
		return in.spool.Barrier(), nil
	}
	t, err := in.spool.Append(ctx, b)
	if err != nil {
		for _, k := range added {
			in.seen.forget(k)
		}
		return t, err
	}
	in.duplicates.Add(dropped)
	return t, nil
}

func keyed(b *event.Batch) bool {
	for i := range b.Len() {
		if b.At(i).Key != (event.Key{}) {
			return true
		}
	}
	return false
}

// Mark implements source.Log.
func (in *intake) Mark(key string) []byte { return in.spool.Mark(key) }

// Refuse implements source.Log.
func (in *intake) Refuse(ctx context.Context, raw event.Raw, reason string) {
	in.refused.Add(1)
	if err := in.bury(ctx, in.name, raw, reason); err != nil && !errors.Is(err, context.Canceled) {
		in.log.Error("a refused body could not be kept among the dead letters", "err", err)
	}
}

// Ready implements source.Log.
func (in *intake) Ready() { in.ready() }

// Keep implements source.Log.
func (in *intake) Keep() time.Duration { return in.keep }

func (in *intake) warn(ws []record.Warning) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, w := range ws {
		in.warnings[w.Kind]++
	}
}

// Full reports whether the spool takes nothing now, which sources that can tell their
// senders to wait do ask.
func (in *intake) Full() bool { return in.spool.Stats().Full }

// warned returns how often each kind of warning was given.
func (in *intake) warned() map[string]uint64 {
	in.mu.Lock()
	defer in.mu.Unlock()
	return maps.Clone(in.warnings)
}

// seen remembers keys for a while, the oldest of very many less long. Its owner serialises
// the calls.
type seen struct {
	keep  time.Duration
	least time.Duration // keys stay for that long however many they are
	since time.Time     // if old: what came later stays however old it is
	old   bool
	at    map[event.Key]time.Time
	order []event.Key // oldest first, from head
	head  int
}

func newSeen(keep time.Duration) *seen {
	return &seen{keep: keep, at: map[event.Key]time.Time{}}
}

// add notes k and reports whether it was new.
func (s *seen) add(k event.Key, t time.Time) bool {
	s.expire(t)
	if _, known := s.at[k]; known {
		return false
	}
	s.at[k] = t
	s.order = append(s.order, k)
	return true
}

// forget takes back the latest add of k.
func (s *seen) forget(k event.Key) { delete(s.at, k) }

// holds says whether the oldest key, of t, is still to be remembered.
func (s *seen) holds(now, t time.Time) bool {
	age := now.Sub(t)
	switch {
	case s.old && !t.Before(s.since), age < s.least:
		return true
	case len(s.order)-s.head >= mostKeys:
		return false
	}
	return age < s.keep
}

func (s *seen) expire(now time.Time) {
	for s.head < len(s.order) {
		k := s.order[s.head]
		if t, ok := s.at[k]; ok && s.holds(now, t) {
			break
		}
		delete(s.at, k)
		s.head++
	}
	if s.head > 1024 && 2*s.head > len(s.order) {
		s.order = append(s.order[:0], s.order[s.head:]...)
		s.head = 0
	}
}
