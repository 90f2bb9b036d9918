package poll

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/source"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// What one Emit holds at most; a page that is larger becomes several, the last with
// the mark.
const (
	emitEvents = 1000
	emitBytes  = 4 << 20
	mostEvent  = 64 << 20 // of one event, as the spool has it; a larger one goes to the dead letters
)

// smallest is the shortest window there is.
const smallest = time.Millisecond

// mostRestarts is how often one reading of a window begins again because its cursor
// went stale.
const mostRestarts = 2

// errRunaway says that an API repeats itself.
var errRunaway = errors.New("the API hands out the same rows and the same cursor again and again")

// tour is a reading of several windows, one behind the other.
type tour struct {
	s        *Source
	log      source.Log
	emitting context.Context // an Emit is not given up before it ends: half of it may be done
	// progress is where the position stands; nil when the reading does not move it.
	progress *progress
	// frontier is how far had been read before: new rows before it are late. Zero: they
	// are not.
	frontier time.Time
	// step is told of every page. Optional.
	step func(at time.Time, rows, fresh int)

	batch event.Batch
}

// through reads from one time to another, in windows as long as may be.
func (t *tour) through(ctx context.Context, from, to time.Time) error {
	cfg := &t.s.cfg
	span, most := cfg.Span, 0
	for at := from.Truncate(smallest); at.Before(to); {
		k := &walk{tour: t, w: kit.Window{From: at.UTC(), To: earlier(at.Add(span), to).UTC()}}
		split, err := k.run(ctx)
		if err != nil {
			return err
		}
		at = k.reached
		switch {
		case split:
			most = k.count
			span = max((k.w.To.Sub(at) / 2).Truncate(smallest), smallest)
		case 4*k.count <= most:
			span = min(2*span, cfg.Span)
		}
	}
	return nil
}

// walk is the reading of one window, page by page.
type walk struct {
	*tour
	w     kit.Window
	began time.Time // by this machine's clock

	reached time.Time // everything of the window before it is durable
	count   int       // rows, repeated ones too
	pages   int
	idle    int // pages in a row that brought nothing but known rows behind a known cursor
	keys    map[event.Key]struct{}
	cursors map[event.Key]struct{}
	rows    []row // of the page in hand
}

// row is a row of a page with what identifies it.
type row struct {
	kit.Row
	key, id event.Key
}

// run reads the window to its end, or to where it has to be split: then split is true
// and reached says what of it is left. When a cursor went stale or an answer was lost,
// what is left is read again; when that does not help it is split, for a shorter walk
// is more likely to get to its end.
func (k *walk) run(ctx context.Context) (split bool, err error) {
	k.reached = k.w.From
	most := 0
	for again := 0; ; again++ {
		// What is before reached may be forgotten already.
		k.began, k.w.From = time.Now(), k.reached
		k.count, k.pages, k.idle = 0, 0, 0
		k.keys, k.cursors = map[event.Key]struct{}{}, map[event.Key]struct{}{hash(nil): {}}
		split, err = k.pagesOf(ctx)
		most = max(most, k.count)
		var stale *kit.Stale
		var lost *errLost
		switch {
		case !errors.As(err, &stale) && !errors.As(err, &lost):
			return split, err
		case again < mostRestarts:
		case k.w.To.Sub(k.reached) > smallest:
			k.count = most
			return true, nil
		default:
			return false, k.s.unwell(err)
		}
	}
}

func (k *walk) pagesOf(ctx context.Context) (split bool, err error) {
	var cursor []byte
	for {
		next, err := k.page(ctx, cursor)
		if err != nil {
			return false, err
		}
		if next.Note != "" {
			k.s.say("answer", next.Note)
		}
		fresh := k.identify()
		k.count += len(k.rows)
		k.pages++
		ceiling := k.s.cfg.Ceiling
		if ceiling > 0 && k.pages == 1 && next.Total >= ceiling && k.w.To.Sub(k.w.From) > smallest {
			k.count = max(k.count, next.Total)
			return true, nil
		}
		if err := k.turning(next, fresh); err != nil {
			return false, err
		}
		reached := k.reached
		if k.s.ordered && !next.From.IsZero() {
			reached = later(reached, earlier(next.From.Truncate(smallest), k.w.To))
		}
		full := ceiling > 0 && k.count >= ceiling
		split := (full || next.More && k.pages >= k.s.cfg.MaxPages) && k.w.To.Sub(reached) > smallest
		switch {
		case split:
		case !next.More:
			reached = k.w.To
			if full {
				k.s.say("ceiling", fmt.Sprintf("one millisecond holds %d rows or more, some of it may be missing", ceiling))
			}
		case k.pages >= k.s.cfg.MaxPages:
			return false, k.s.unwell(fmt.Errorf("one millisecond has more than %d pages", k.pages))
		}
		if err := k.deliver(ctx, reached); err != nil {
			return false, err
		}
		if split || !next.More {
			return split, nil
		}
		cursor = bytes.Clone(next.Cursor)
	}
}

// page asks for one page and reads it into rows.
func (k *walk) page(ctx context.Context, cursor []byte) (next kit.Next, err error) {
	api := k.s.client.api
	r, err := api.Page(k.w, cursor)
	if err != nil {
		return next, k.s.unwell(err)
	}
	err = k.s.ask(ctx, k.log, r, api.OneWay && cursor != nil, func(a *answer) (err error) {
		k.rows = k.rows[:0]
		next, err = api.Read(k.w, cursor, a.status, a.header, a.body, func(r kit.Row) {
			if len(r.Raw) > 0 {
				k.rows = append(k.rows, row{Row: r})
			}
		})
		return err
	})
	return next, err
}

// identify gives the rows their keys and their order, and returns how many of them this
// walk has not met before.
func (k *walk) identify() (fresh int) {
	for i := range k.rows {
		r := &k.rows[i]
		r.id, r.key = k.s.identify(&r.Row)
		if _, met := k.keys[r.key]; !met {
			k.keys[r.key] = struct{}{}
			fresh++
		}
	}
	// Rows without a time go last.
	slices.SortStableFunc(k.rows, func(a, b row) int {
		switch {
		case a.Time.IsZero() || b.Time.IsZero():
			return flag(a.Time.IsZero()) - flag(b.Time.IsZero())
		case a.Time.Nanos < b.Time.Nanos:
			return -1
		}
		return flag(a.Time.Nanos > b.Time.Nanos)
	})
	return fresh
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

// turning reports an API that goes round in a circle: two pages one after the other
// without a row not met before, each with a cursor that was there before. One alone is
// nothing: a cursor may stay the same over a whole walk.
func (k *walk) turning(next kit.Next, fresh int) error {
	if !next.More {
		return nil
	}
	c := hash(next.Cursor)
	if _, met := k.cursors[c]; !met || fresh > 0 {
		k.cursors[c] = struct{}{}
		k.idle = 0
		return nil
	}
	if k.idle++; k.idle < 2 {
		return nil
	}
	return k.s.unwell(errRunaway)
}

// deliver makes the rows of the page durable, and with the last of them the position
// when it has moved.
func (k *walk) deliver(ctx context.Context, reached time.Time) error {
	now, b := time.Now(), &k.batch
	b.Reset()
	first, fresh := 0, 0
	for i := range k.rows {
		r := &k.rows[i]
		if len(r.Raw) > mostEvent {
			k.log.Refuse(ctx, event.Raw{Data: r.Raw, Time: now, Key: r.key}, "event is too long")
			continue
		}
		if b.Len() >= emitEvents || b.Len() > 0 && b.Bytes()+len(r.Raw) > emitBytes {
			n, err := k.emit(k.rows[first:i])
			if err != nil {
				return err
			}
			first, fresh = i, fresh+n
		}
		b.Add(event.Raw{Data: r.Raw, Time: now, Key: r.key})
	}
	var next position
	moved := k.progress != nil && reached.After(k.reached)
	if moved {
		next = k.progress.reach(reached, k.s.client.clock.at(k.began))
		next.Since = k.s.receivedAfter(next.Final)
		b.Marks = append(b.Marks, next.mark())
	}
	n, err := k.emit(k.rows[first:])
	if err != nil {
		return err
	}
	k.reached = reached
	if moved {
		k.progress.now = next
		k.s.moved(next)
	}
	if k.step != nil {
		k.step(reached, len(k.rows), fresh+n)
	}
	return nil
}

// emit makes the batch durable, counts which of its rows were new, and empties it.
func (k *walk) emit(rows []row) (fresh int, err error) {
	b := &k.batch
	if b.Len() == 0 && len(b.Marks) == 0 {
		return 0, nil
	}
	if err := k.log.Emit(k.emitting, b); err != nil {
		return 0, err
	}
	fresh = b.Len()
	for i, at := 0, 0; i < fresh; i++ {
		key := b.At(i).Key
		for at < len(rows) && rows[at].key != key {
			at++
		}
		if at < len(rows) {
			k.s.arrived(&rows[at], k.frontier)
		}
	}
	b.Reset()
	return fresh, nil
}

// identify returns what identifies a row's event, and the event in its state.
func (s *Source) identify(r *kit.Row) (id, key event.Key) {
	text := append(make([]byte, 0, 256), s.vendor...)
	text = append(text, 0)
	if len(r.ID) == 0 {
		text = append(text, "content\x00"...)
		if _, err := kit.SkipValue(r.Raw, 0); err == nil {
			text = kit.AppendCanonical(text, r.Raw)
		} else {
			text = append(text, r.Raw...)
		}
		id = hash(text)
		return id, id
	}
	text = append(text, r.ID...)
	id = hash(text)
	if len(r.Version) == 0 || !s.cfg.Updates {
		return id, id
	}
	text = append(append(text, 0), r.Version...)
	return id, hash(text)
}

func hash(text []byte) (k event.Key) {
	sum := sha256.Sum256(text)
	copy(k[:], sum[:])
	return k
}
