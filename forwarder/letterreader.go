package forwarder

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/control"
	"github.com/siemfwd/siemfwd/forwarder/deadletter"
	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/spool"
)

var (
	// errNoLetters ends a lane that has carried all its letters.
	errNoLetters = errors.New("no more letters")
	errNoConfirm = errors.New("the receiver confirms nothing: its connection ended again and again before that")
)

// mostSessions is how many sessions in a row may end without a letter confirmed.
const mostSessions = 3

// letterReader is what a retry's lane reads. Positions are those of letters: Index is the
// ID of the letter behind it. One goroutine uses it.
type letterReader struct {
	retry  *retry
	lane   *lane
	hard   context.Context // not of the one who asked: what the receiver has must not stay because he has gone away
	filter control.DeadFilter
	from   uint64 // the first ID to be read
	below  uint64 // IDs that were there when the retry began
	since  time.Time
	next   func() (deadletter.Letter, error, bool) // nil: to be opened
	stop   func()
	ahead  *deadletter.Letter // was read and did not fit

	out     []outstanding // that were read and are not settled, in order
	arena   []byte
	rewound int // sessions that ended since something was settled
}

// outstanding is a letter on its way.
type outstanding struct {
	deadletter.Letter // without Raw and Rendered
	refused           bool
}

func newLetterReader(hard context.Context, r *retry, l *lane) *letterReader {
	lr := &letterReader{retry: r, lane: l, hard: hard, filter: r.ask, below: r.f.dead.Next(), since: r.ask.Since}
	lr.filter.Source, lr.filter.Sink = l.source.name, l.sink.name
	return lr
}

func (r *letterReader) close() {
	if r.stop != nil {
		r.stop()
	}
	r.next, r.stop, r.ahead = nil, nil, nil
}

// letter returns the next letter; nil when there is none.
func (r *letterReader) letter() (*deadletter.Letter, error) {
	if l := r.ahead; l != nil {
		r.ahead = nil
		return l, nil
	}
	if r.next == nil {
		r.next, r.stop = iter.Pull2(meant(r.retry.f.dead.All(r.since), r.filter))
	}
	for {
		l, err, ok := r.next()
		switch {
		case err != nil:
			return nil, err
		case !ok || l.ID >= r.below:
			return nil, nil
		case l.ID >= r.from:
			return &l, nil
		}
	}
}

// NextOr implements laneReader.
func (r *letterReader) NextOr(ctx context.Context, run *spool.Run, max spool.Limits, other <-chan struct{}) error {
	if r.rewound >= mostSessions {
		return r.retry.unwell(r.lane.sink.name, errNoConfirm)
	}
	run.Entries, r.arena = run.Entries[:0], r.arena[:0]
	for len(run.Entries) < max.Events {
		l, err := r.letter()
		if err != nil {
			return err
		}
		if l == nil {
			break
		}
		if len(run.Entries) > 0 && (len(r.arena)+len(l.Raw) > max.Bytes || l.Replay != string(r.lane.replay)) {
			raw := *l
			raw.Raw = slices.Clone(l.Raw)
			r.ahead = &raw
			break
		}
		r.take(run, l)
		r.lane.replay = []byte(l.Replay)
	}
	if f := r.lane.flight; f != nil {
		f.dead = f.dead[:0] // refused letters are not read again
	}
	switch {
	case len(run.Entries) > 0:
		return nil
	case len(r.out) == 0:
		return errNoLetters
	}
	select {
	case <-other:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *letterReader) take(run *spool.Run, l *deadletter.Letter) {
	at := len(r.arena)
	r.arena = append(r.arena, l.Raw...)
	run.Entries = append(run.Entries, spool.Entry{
		Raw:   event.Raw{Data: r.arena[at:len(r.arena):len(r.arena)], Time: l.Received, Peer: l.Peer, Size: l.Size},
		Index: l.Index, Pos: spool.Pos{Index: l.ID + 1},
	})
	o := outstanding{Letter: *l}
	o.Raw, o.Rendered = nil, nil
	r.out = append(r.out, o)
	r.from = l.ID + 1
}

// Commit implements laneReader: the letters before p that were not refused are delivered,
// and removed.
func (r *letterReader) Commit(p spool.Pos) error {
	n := 0
	var gone []deadletter.Letter
	for n < len(r.out) && r.out[n].ID < p.Index {
		if !r.out[n].refused {
			gone = append(gone, r.out[n].Letter)
		}
		n++
	}
	if err := r.retry.f.dead.Remove(r.hard, gone...); err != nil {
		return err
	}
	if n > 0 {
		r.rewound = 0
	}
	r.out = r.out[:copy(r.out, r.out[n:])]
	r.retry.sent(r.lane, gone)
	return r.retry.tell(false)
}

// refused keeps letters that were refused again: with what the receiver says now, and the
// time it was first said.
func (r *letterReader) refused(ctx context.Context, again []deadletter.Letter) error {
	olds := make([]deadletter.Letter, 0, len(again))
	at := make([]int, 0, len(again))
	for i := range again {
		l := &again[i]
		k := slices.IndexFunc(r.out, func(o outstanding) bool {
			return !o.refused && o.Index == l.Index && o.Received.Equal(l.Received) && !slices.ContainsFunc(olds, func(x deadletter.Letter) bool { return x.ID == o.ID })
		})
		if k < 0 {
			return errors.New("a letter was refused that was not sent")
		}
		old := &r.out[k]
		l.First, l.Attempts = old.First, old.Attempts+l.Attempts
		olds, at = append(olds, old.Letter), append(at, k)
	}
	ids, err := r.retry.f.dead.Refuse(ctx, olds, again)
	if err != nil {
		return err
	}
	const some = 20
	for i, k := range at {
		r.out[k].refused = true
		r.retry.step.Refused++
		if r.retry.step.Refused <= some {
			r.retry.step.Again = append(r.retry.step.Again, control.Refused{ID: olds[i].ID, New: ids[i], Reason: again[i].Reason, Answer: again[i].Answer})
		}
	}
	return r.retry.tell(false)
}

// Rewind implements laneReader: what is not settled is read again.
func (r *letterReader) Rewind() {
	r.close()
	r.rewound++
	if i := slices.IndexFunc(r.out, func(o outstanding) bool { return !o.refused }); i >= 0 {
		r.from, r.since = r.out[i].ID, r.out[i].At
	}
	r.out = r.out[:0]
}

// Position implements laneReader.
func (r *letterReader) Position() spool.Pos {
	if len(r.out) > 0 {
		return spool.Pos{Index: r.out[0].ID}
	}
	return spool.Pos{Index: r.from}
}

// What only those ask who look at a source's own lanes.

// Discard implements laneReader.
func (r *letterReader) Discard() (uint64, error) { return 0, nil }

// Account implements laneReader.
func (r *letterReader) Account() spool.Account { return spool.Account{} }

// Skipped implements laneReader.
func (r *letterReader) Skipped() spool.Skipped { return spool.Skipped{} }

// Waiting implements laneReader.
func (r *letterReader) Waiting() (uint64, time.Time) { return 0, time.Time{} }
