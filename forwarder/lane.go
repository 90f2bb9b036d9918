package forwarder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/siemfwd/siemfwd/formatters"
	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/forwarder/sink"
	"github.com/siemfwd/siemfwd/forwarder/spool"
	"github.com/siemfwd/siemfwd/forwarder/when"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// What one reading of the spool brings at most; a sink's own limits cut it further.
const (
	runEvents = 1024
	runBytes  = 512 << 10
)

// lane carries one source's events to one sink: read, parse, filter, render, send,
// commit. One goroutine runs it and owns all its buffers; its only lasting state is
// the cursor of its reader. Only the tally is read by others.
type lane struct {
	source *sourceState
	sink   *sinkState
	reader laneReader
	vendor kit.Vendor
	format formatters.Formatter
	meter  component.Meter // the sink's
	filter when.Filter
	zone   *time.Location
	keyed  bool   // the sink wants Item.Key
	first  bool   // of its source's lanes: it counts the parser's warnings
	replay []byte // the replay's id; nil: the lane is none
	log    *slog.Logger

	run     spool.Run
	rec     record.Record
	out     []byte
	spans   []span
	items   []sink.Item
	opened  uint64        // index of the cursor when the lane was made
	seen    uint64        // index behind the newest event that was read: warnings count once
	passed  int           // entries of the run that are settled
	next    int           // the first item that is not
	held    bool          // the run is not settled: pass goes on with it after a failure
	buried  []burial      // entries of the run that are dead without having been sent, in order
	counted int           // how many of them are settled
	refusal *refusal      // that the receiver answered and is not settled; nil: none
	halving halving       // of the run
	wait    backoff       // after failures
	skipped spool.Skipped // that was logged
	flight  *flight       // what is sent and not confirmed; nil: the sink's Send is its answer
	gate    gate          // for those who want to hold the lane
	guest   *retry        // whose letters the lane carries; nil: it carries what its source takes

	replayed atomic.Uint64 // events that replays sent beside it, since the start
	working  atomic.Int64  // since when it reads and renders the run, which waits for nobody; 0: it does not

	mu          sync.Mutex
	tally       tally
	unconfirmed uint64
}

// laneReader is what a lane reads: a spool.Reader, or what a replay has of one.
type laneReader interface {
	NextOr(ctx context.Context, run *spool.Run, max spool.Limits, other <-chan struct{}) error
	Commit(p spool.Pos) error
	Rewind()
	Discard() (events uint64, err error)
	Account() spool.Account
	Skipped() spool.Skipped
	Waiting() (events uint64, oldest time.Time)
	Position() spool.Pos
}

// span is one rendered event: where its bytes stand in the lane's output buffer,
// and which entry of the run it came from.
type span struct {
	from, to       int
	keyFrom, keyTo int
	entry          int
	when           record.Time
	refusals       int       // of batches it was in
	refused        time.Time // when the first of them was
}

// tally is what became of the events a lane has settled. With what its reader says of
// the rest it is exact at every moment:
//
//	next − base = delivered + filtered + dead + expired + waiting
//
// where base is the index at which the source's count of received events begins, and
// next the index after the last durable event.
type tally struct {
	delivered, filtered, dead uint64
	cleared                   uint64 // given up by hand: expired
	retried                   uint64 // of the dead: delivered since by a retry
}

// account is the tally with the reader's account of the same moment. Of those waiting,
// unconfirmed are sent.
type account struct {
	tally
	expired, waiting, next, unconfirmed uint64
}

// now is what has become of the events up to now: those that a retry delivered are not
// dead any more. The sum stays the same.
func (t tally) now() tally {
	t.retried = min(t.retried, t.dead) // a letter is written before its event is settled
	t.delivered, t.dead = t.delivered+t.retried, t.dead-t.retried
	return t
}

// account holds off settling while it asks the reader.
func (l *lane) account() account {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.reader.Account()
	return account{l.tally.now(), a.Expired + a.Damaged + l.tally.cleared, a.Waiting, a.Next, min(l.unconfirmed, a.Waiting)}
}

// pass runs the lane until stop ends and the batch in hand is settled, or ctx ends.
func (l *lane) pass(ctx, stop context.Context) error {
	for {
		if !l.held {
			if err := l.fetch(stop); err != nil {
				if stop.Err() != nil {
					return nil
				}
				return err
			}
		}
		switch err := l.deliver(ctx, stop); {
		case err == nil:
			l.held = false
		case errors.Is(err, errRewound):
		case stop.Err() != nil:
			return nil
		default:
			return err
		}
	}
}

// fetch waits for events and makes them the run in hand.
func (l *lane) fetch(stop context.Context) error {
	limits := spool.Limits{Events: runEvents, Bytes: runBytes}
	for l.run.Entries = l.run.Entries[:0]; len(l.run.Entries) == 0; {
		var changed <-chan struct{}
		if l.flight != nil {
			var err error
			if changed, err = l.confirm(stop); err != nil && !errors.Is(err, errRewound) {
				return err
			}
		}
		if err := l.reader.NextOr(stop, &l.run, limits, changed); err != nil {
			return fmt.Errorf("spool of %s: %w", l.source.name, err)
		}
	}
	l.noteSkipped()
	l.passed, l.next, l.held = 0, 0, true
	l.working.Store(time.Now().UnixNano())
	l.render(&l.run)
	l.working.Store(0)
	return nil
}

// render parses, filters and formats every entry of the run into the lane's buffers.
func (l *lane) render(run *spool.Run) {
	l.out, l.spans = l.out[:0], l.spans[:0]
	l.buried, l.counted, l.refusal = l.buried[:0], 0, nil
	for i := range run.Entries {
		e := &run.Entries[i]
		if l.flight != nil && l.flight.isDead(e.Index) {
			l.buried = append(l.buried, burial{entry: i, done: true})
			continue
		}
		fresh := e.Index >= l.seen
		if !l.read(e) {
			continue
		}
		from := len(l.out)
		out, err := l.append()
		if errors.Is(err, formatters.ErrTooLong) {
			l.buried = append(l.buried, burial{entry: i, why: err})
			continue
		}
		if err != nil {
			l.rec.Reset()
			l.unreadable(e, fmt.Errorf("render: %w", err))
			if out, err = l.append(); err != nil {
				l.buried = append(l.buried, burial{entry: i, why: fmt.Errorf("cannot be rendered: %w", err)})
				continue
			}
		}
		l.out = out
		if l.rec.Shortened > 0 && fresh {
			l.meter.Add("shortened_events", 1)
		}
		s := span{from: from, to: len(l.out), entry: i, when: l.rec.When()}
		if l.keyed {
			s.keyFrom = len(l.out)
			l.out = l.rec.AppendUID(l.out)
			s.keyTo = len(l.out)
		}
		l.spans = append(l.spans, s)
	}
	l.items = l.items[:0]
	for i := range l.spans {
		s := &l.spans[i]
		l.items = append(l.items, sink.Item{
			Payload: l.out[s.from:s.to:s.to], Key: l.out[s.keyFrom:s.keyTo:s.keyTo],
			Source: l.source.name, Time: s.when.Go(),
		})
	}
	l.halving = halving{size: len(l.items)}
}

// read fills the lane's record from an entry and reports whether the sink takes it.
func (l *lane) read(e *spool.Entry) (pass bool) {
	again := e.Index < l.seen
	l.seen = max(l.seen, e.Index+1)
	l.rec.Reset()
	o := Origin{Source: l.source.name, Zone: l.zone, Position: e.Index, Rules: l.source.rules, tickets: l.source.tickets}
	if err := ReadEvent(&l.rec, l.vendor, e.Raw, o); err != nil && !again {
		l.log.Error("parser failed, the event goes on as text", "err", err, "position", e.Index)
	}
	if l.first && len(l.rec.Warnings) > 0 && !again {
		l.source.warn(l.rec.Warnings)
	}
	l.rec.Set(record.Replay, l.replay)
	if l.rec.Test {
		return false
	}
	return l.decide()
}

// decide asks the sink's conditions. An event on which they break is sent.
func (l *lane) decide() (pass bool) {
	defer func() {
		if p := recover(); p != nil {
			pass = true
			l.log.Error("conditions failed, the event is sent", "err", fmt.Sprintf("%v\n%s", p, debug.Stack()), "position", l.rec.Position)
		}
	}()
	pass, _ = l.filter.Decide(&l.rec)
	return pass
}

// append appends the record to what the lane has rendered. An event on which the formatter
// breaks is an event that cannot be rendered.
func (l *lane) append() (out []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("formatter failed")
			l.log.Error("formatter failed", "err", fmt.Sprintf("%v\n%s", p, debug.Stack()), "position", l.rec.Position)
		}
	}()
	return l.format.Append(l.out, &l.rec)
}

func (l *lane) unreadable(e *spool.Entry, err error) {
	begin(&l.rec, e.Raw, Origin{Source: l.source.name, Zone: l.zone, Position: e.Index})
	asText(&l.rec, e.Data, err)
	l.rec.Set(record.Replay, l.replay)
}

// step is a part of the way of a lane's cursor: where it leads, and what became of the
// events on it.
type step struct {
	to                        spool.Pos
	delivered, filtered, dead uint32
}

// upTo returns the step over what is left of the run up to and with the entry last.
// Entries that are neither delivered nor dead were filtered. What is missing between
// entries, expired or damaged, is in the reader's account.
func (l *lane) upTo(last int, delivered, dead int) step {
	n := last + 1 - l.passed
	l.passed = last + 1
	for l.counted < len(l.buried) && l.buried[l.counted].entry <= last {
		l.counted++
		dead++
	}
	return step{l.run.Entries[last].Pos, uint32(delivered), uint32(n - delivered - dead), uint32(dead)}
}

// commit moves the cursor along s.
func (l *lane) commit(s step) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.reader.Commit(s.to); err != nil {
		return fmt.Errorf("cursor of %s in the spool of %s: %w", l.sink.name, l.source.name, err)
	}
	l.tally.delivered += uint64(s.delivered)
	l.tally.filtered += uint64(s.filtered)
	l.tally.dead += uint64(s.dead)
	if l.flight != nil {
		l.unconfirmed -= min(l.unconfirmed, uint64(s.delivered))
	}
	return nil
}

// noteSkipped logs, once each, that events are gone from the spool before they were
// delivered.
func (l *lane) noteSkipped() {
	now := l.reader.Skipped()
	if now != l.skipped {
		l.log.Error("events are gone from the spool before they were delivered",
			"expired", now.Expired-l.skipped.Expired, "damaged", now.Damaged-l.skipped.Damaged)
		l.skipped = now
	}
}
