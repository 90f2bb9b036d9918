package forwarder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/siemfwd/siemfwd/formatters"
	"github.com/siemfwd/siemfwd/forwarder/event"
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
	reader *spool.Reader
	vendor kit.Vendor
	format formatters.Formatter
	filter when.Filter
	zone   *time.Location
	keyed  bool // the sink wants Item.Key
	first  bool // of its source's lanes: it counts the parser's warnings
	log    *slog.Logger

	run     spool.Run
	rec     record.Record
	out     []byte
	spans   []span
	items   []sink.Item
	opened  uint64        // index of the cursor when the lane was made
	passed  int           // entries of the run that are settled
	next    int           // the first item that is not
	held    bool          // the run is not settled: pass goes on with it after a failure
	buried  []int         // entries of the run that cannot be rendered, in order
	why     error         // that the last of them cannot
	graves  int           // how many of them are among the dead letters
	skipped spool.Skipped // that was logged

	mu    sync.Mutex
	tally tally
}

// span is one rendered event: where its bytes stand in the lane's output buffer,
// and which entry of the run it came from.
type span struct {
	from, to       int
	keyFrom, keyTo int
	entry          int
	when           record.Time
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
}

// account is the tally with the reader's account of the same moment.
type account struct {
	tally
	expired, waiting, next uint64
}

// account holds off settling while it asks the reader.
func (l *lane) account() account {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.reader.Account()
	return account{l.tally, a.Expired + a.Damaged, a.Waiting, a.Next}
}

// pass runs the lane until stop ends and the batch in hand is settled, or ctx ends.
func (l *lane) pass(ctx, stop context.Context) error {
	for {
		if !l.held {
			limits := spool.Limits{Events: runEvents, Bytes: runBytes}
			if err := l.reader.Next(stop, &l.run, limits); err != nil {
				if stop.Err() != nil {
					return nil
				}
				return fmt.Errorf("spool of %s: %w", l.source.name, err)
			}
			l.noteSkipped()
			l.passed, l.next, l.held = 0, 0, true
			l.render(&l.run)
		}
		if err := l.deliver(ctx, stop); err != nil {
			if stop.Err() != nil {
				return nil
			}
			return err
		}
		l.held = false
	}
}

// render parses, filters and formats every entry of the run into the lane's buffers.
func (l *lane) render(run *spool.Run) {
	l.out, l.spans = l.out[:0], l.spans[:0]
	l.buried, l.graves = l.buried[:0], 0
	for i := range run.Entries {
		e := &run.Entries[i]
		if !l.read(e) {
			continue
		}
		from := len(l.out)
		out, err := l.format.Append(l.out, &l.rec)
		if err != nil {
			l.rec.Reset()
			l.unreadable(e, fmt.Errorf("render: %w", err))
			if out, err = l.format.Append(l.out, &l.rec); err != nil {
				l.buried, l.why = append(l.buried, i), err
				continue
			}
		}
		l.out = out
		s := span{from: from, to: len(l.out), entry: i, when: l.rec.When()}
		if l.keyed {
			s.keyFrom = len(l.out)
			l.out = l.rec.AppendUID(l.out)
			s.keyTo = len(l.out)
		}
		l.spans = append(l.spans, s)
	}
	l.items = l.items[:0]
	for _, s := range l.spans {
		l.items = append(l.items, sink.Item{
			Payload: l.out[s.from:s.to:s.to], Key: l.out[s.keyFrom:s.keyTo:s.keyTo],
			Source: l.source.name, Time: s.when.Go(),
		})
	}
}

// read fills the lane's record from an entry and reports whether the sink takes it.
func (l *lane) read(e *spool.Entry) (pass bool) {
	l.rec.Reset()
	o := Origin{Source: l.source.name, Zone: l.zone, Position: e.Index, tickets: l.source.tickets}
	if err := ReadEvent(&l.rec, l.vendor, e.Raw, o); err != nil {
		l.log.Error("parser failed, the event goes on as text", "err", err, "position", e.Index)
	}
	if l.first && len(l.rec.Warnings) > 0 {
		l.source.warn(l.rec.Warnings)
	}
	if l.rec.Test {
		return false
	}
	pass, _ = l.filter.Decide(&l.rec)
	return pass
}

func (l *lane) unreadable(e *spool.Entry, err error) {
	begin(&l.rec, e.Raw, Origin{Source: l.source.name, Zone: l.zone, Position: e.Index})
	asText(&l.rec, e.Data, err)
}

// Origin is what a record gets to know of where its event came from.
type Origin struct {
	Source   string
	Zone     *time.Location
	Position uint64

	tickets *tickets // what is known of the source's tickets; nil: nothing
}

// ReadEvent fills r, which is reset, from one event. It cannot fail: what the vendor's
// parser cannot read goes on as text with a warning that begins with "unparsed". An
// error means that the parser itself broke (it panicked), and tells where.
func ReadEvent(r *record.Record, v kit.Vendor, raw event.Raw, o Origin) (broken error) {
	begin(r, raw, o)
	err, broken := guarded(r, v, raw.Data, o.tickets)
	if err != nil {
		r.Reset()
		begin(r, raw, o)
		asText(r, raw.Data, err)
	}
	return broken
}

func begin(r *record.Record, raw event.Raw, o Origin) {
	r.Source, r.Zone, r.Position = o.Source, o.Zone, o.Position
	r.Received, r.Raw = raw.Time, raw.Data
	r.Peer = raw.Peer.Addr().Unmap()
	if raw.Cut() {
		r.Warn("truncated", appendInt(nil, raw.Size))
	}
}

// guarded runs a parser and completes what it read from the event's ticket; a panic is
// an error with the stack in broken.
func guarded(r *record.Record, v kit.Vendor, data []byte, t *tickets) (err, broken error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("parser failed")
			broken = fmt.Errorf("%s: %v\n%s", v.Name, p, debug.Stack())
		}
	}()
	if err := v.Parse(r, data); err != nil || t == nil {
		return err, nil
	}
	if key := v.Join.Needs(r); len(key) > 0 {
		if memo := t.find(key); memo != nil {
			v.Join.Apply(r, memo)
		}
	}
	return nil, nil
}

// asText makes r the record of an event nobody could read. A syslog header, where
// there is one, is still understood.
func asText(r *record.Record, data []byte, err error) {
	h := kit.ReadHeader(data, r.Received, r.Zone)
	r.Message, r.Host, r.Time = h.Body, h.Host, h.Time
	r.Warn("unparsed", record.Bytes(err.Error()))
}

// deliver sends the rendered items, in order, until every one of them is taken or is
// a dead letter, and commits the cursor behind each that is. It returns an error only
// when ctx ends, when a Send fails after stop has ended, or when the disk fails.
func (l *lane) deliver(ctx, stop context.Context) error {
	if err := l.buryUnrendered(ctx); err != nil {
		return err
	}
	size := len(l.items)
	wait := backoff{first: 250 * time.Millisecond, most: 30 * time.Second}
	for l.next < len(l.items) {
		n := l.sink.cut(l.items[l.next:], size)
		began := time.Now()
		err := l.sink.send(ctx, l.items[l.next:l.next+n])
		var rejected *sink.Rejected
		var busy *sink.Busy
		switch {
		case err == nil:
			l.sink.took(began)
			if err := l.settle(ctx, l.next, n, nil, nil); err != nil {
				return err
			}
			l.next, size = l.next+n, min(len(l.items), 2*size)
			wait.reset()
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &rejected) && (rejected.Index != nil || n == 1):
			if err := l.settle(ctx, l.next, n, rejected.Index, rejected.Reason); err != nil {
				return err
			}
			l.next += n
		case errors.As(err, &rejected):
			size = (n + 1) / 2
		case errors.As(err, &busy):
			l.sink.down(err)
			if !sleep(stop, max(busy.For, 100*time.Millisecond)) {
				return stop.Err()
			}
		default:
			l.sink.down(err)
			if !sleep(stop, wait.next()) {
				return stop.Err()
			}
		}
	}
	return l.finish()
}

// settle counts items[from:from+n] as delivered, but for those whose index within
// them is in refused (nil with a reason: all of them), which become dead letters
// first; then it moves the cursor behind them.
func (l *lane) settle(ctx context.Context, from, n int, refused []int, reason error) error {
	dead := 0
	if reason != nil {
		if refused == nil {
			for i := range n {
				refused = append(refused, i)
			}
		}
		for _, i := range refused {
			if i < 0 || i >= n {
				continue
			}
			s := l.spans[from+i]
			if err := l.sink.bury(ctx, l.source.name, &l.run.Entries[s.entry], l.items[from+i].Payload, reason); err != nil {
				return err
			}
			dead++
		}
	}
	last := l.spans[from+n-1].entry
	return l.advance(last, uint64(n-dead), uint64(dead))
}

// finish settles what follows the last item: events that were filtered.
func (l *lane) finish() error {
	return l.advance(len(l.run.Entries)-1, 0, 0)
}

// advance moves the cursor behind the run's entry last. Entries passed that are
// neither delivered nor dead were filtered. What is missing between entries, expired or
// damaged, is in the reader's account.
func (l *lane) advance(last int, delivered, dead uint64) error {
	n := uint64(last + 1 - l.passed)
	if n == 0 {
		return nil
	}
	l.passed = last + 1
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.reader.Commit(l.run.Entries[last].Pos); err != nil {
		return fmt.Errorf("cursor of %s in the spool of %s: %w", l.sink.name, l.source.name, err)
	}
	for len(l.buried) > 0 && l.buried[0] <= last {
		l.buried, l.graves = l.buried[1:], l.graves-1
		dead++
	}
	l.tally.delivered += delivered
	l.tally.dead += dead
	l.tally.filtered += n - delivered - dead
	return nil
}

// buryUnrendered keeps the events of the run that no text can be made of (the sink's
// max_size leaves no room, say) among the dead letters, before the cursor passes them.
func (l *lane) buryUnrendered(ctx context.Context) error {
	for l.graves < len(l.buried) {
		e := &l.run.Entries[l.buried[l.graves]]
		if err := l.sink.bury(ctx, l.source.name, e, nil, fmt.Errorf("cannot be rendered: %w", l.why)); err != nil {
			return err
		}
		l.graves++
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
