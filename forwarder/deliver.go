package forwarder

import (
	"context"
	"errors"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/deadletter"
	"github.com/siemfwd/siemfwd/forwarder/sink"
)

// burial is an entry of the run that becomes a dead letter, or is one already.
type burial struct {
	entry int
	why   error
	done  bool
}

// refusal is what a receiver refused of a batch that went out: the items at refused,
// of n from the lane's next on. The others it took.
type refusal struct {
	*sink.Rejected
	n       int
	refused []int // of the lane's items, in order
	at      place
}

// deliver sends the rendered items, in order, until every one of them is taken or is
// a dead letter, and settles each that is. It returns an error only when ctx ends, when
// a Send fails after stop has ended, when the disk fails, or when a Confirmer's session
// ended and the lane has gone back (errRewound).
func (l *lane) deliver(ctx, stop context.Context) error {
	if len(l.buried) > 0 {
		if err := l.persist(stop, func() error { return l.buryUnsent(ctx) }); err != nil {
			return err
		}
	}
	for {
		if l.refusal != nil {
			if err := l.persist(stop, func() error { return l.settleRefusal(ctx) }); err != nil {
				return err
			}
		}
		if l.next == len(l.items) {
			break
		}
		n := l.sink.cut(l.items[l.next:], l.halving.size)
		began := time.Now()
		at, err := l.hand(ctx, stop, l.items[l.next:l.next+n])
		if err == nil {
			if l.sink.sent(began); l.flight == nil {
				l.wait.reset()
			}
			if err := l.settle(n, at); err != nil {
				return err
			}
			l.next += n
			l.halving.took(l.next, n)
			continue
		}
		var partial *sink.Partial
		if errors.As(err, &partial) {
			err = l.partly(ctx, stop, n, at, partial)
			if err == nil && partial.Err == nil {
				l.sink.sent(began)
			}
		} else {
			err = l.failed(ctx, stop, n, at, err)
		}
		if err != nil {
			return err
		}
	}
	return l.finish()
}

// partly settles the first items of a batch of n, of which the sink settled no more, and
// decides what follows for the rest.
func (l *lane) partly(ctx, stop context.Context, n int, at place, p *sink.Partial) error {
	done := min(max(p.Done, 0), n)
	switch {
	case done == 0:
	case p.Rejected != nil:
		l.refuse(done, at, &sink.Rejected{Index: append([]int{}, p.Rejected.Index...), Reason: p.Rejected.Reason, Answer: p.Rejected.Answer})
		if err := l.persist(stop, func() error { return l.settleRefusal(ctx) }); err != nil {
			return err
		}
	default:
		if err := l.settle(done, at); err != nil {
			return err
		}
		l.next += done
		l.halving.took(l.next, done)
	}
	switch {
	case p.Err != nil:
		return l.failed(ctx, stop, n-done, at, p.Err)
	case done == 0:
		return l.failed(ctx, stop, n, at, errors.New("nothing was taken, for no reason"))
	}
	if l.flight == nil {
		l.wait.reset()
	}
	return nil
}

// failed decides what follows from the error of a Send of n items.
func (l *lane) failed(ctx, stop context.Context, n int, at place, err error) error {
	var rejected *sink.Rejected
	switch {
	case errors.Is(err, errRewound):
		return err
	case errors.As(err, &rejected):
		l.refuse(n, at, rejected)
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case l.flight != nil && errors.Is(err, sink.ErrSession) && l.flight.again():
		return nil
	}
	if l.guest != nil && !errors.As(err, new(*sink.Busy)) {
		return l.guest.unwell(l.sink.name, err)
	}
	l.sink.down(err)
	if !sleep(stop, l.pause(err)) {
		return stop.Err()
	}
	if l.flight != nil {
		l.flight.paused, l.flight.told = true, 0
	}
	return nil
}

// pause is how long to wait after a Send failed: longer each time, or as long as the
// receiver asks for. A receiver that is well again within that is not found out before.
func (l *lane) pause(err error) time.Duration {
	var busy *sink.Busy
	if errors.As(err, &busy) && busy.For > 0 {
		return min(max(busy.For, 100*time.Millisecond), longestPause)
	}
	return l.wait.next()
}

// longestPause bounds what a receiver may ask for.
const longestPause = time.Minute

// refuse takes note that the receiver refused items of a batch of n. When it did not
// say which, the batch is halved until one stands alone.
func (l *lane) refuse(n int, at place, r *sink.Rejected) {
	now := time.Now()
	note := func(i int) {
		s := &l.spans[i]
		if s.refusals++; s.refusals == 1 {
			s.refused = now
		}
	}
	refusal := &refusal{Rejected: r, n: n, at: at}
	switch {
	case r.Index == nil && n > 1:
		for i := range n {
			note(l.next + i)
		}
		l.halving.refused(l.next, n)
		return
	case r.Index == nil:
		refusal.refused = []int{l.next}
		l.halving.single(l.next + 1)
	default:
		refusal.refused = within(r.Index, l.next, n)
	}
	for _, i := range refusal.refused {
		note(i)
	}
	l.refusal = refusal
}

// within returns the items of n from first on that a Rejected's indices name, in order
// and each once.
func within(index []int, first, n int) []int {
	named := make([]bool, n)
	for _, i := range index {
		if i >= 0 && i < n {
			named[i] = true
		}
	}
	var list []int
	for i, yes := range named {
		if yes {
			list = append(list, first+i)
		}
	}
	return list
}

// settle settles the next n items, which the sink took and, if it is a Confirmer, took
// as the last ones up to at.
func (l *lane) settle(n int, at place) error {
	if l.flight == nil {
		last := l.spans[l.next+n-1].entry
		return l.commit(l.upTo(last, n, 0))
	}
	for i := range n {
		l.flight.push(l.upTo(l.spans[l.next+i].entry, 1, 0), place{at.session, at.taken - uint64(n-1-i)})
	}
	l.handed(n)
	return nil
}

// settleRefusal settles the items of the refusal: those refused are dead letters first.
func (l *lane) settleRefusal(ctx context.Context) error {
	r := l.refusal
	letters := make([]deadletter.Letter, 0, len(r.refused))
	for _, i := range r.refused {
		s := &l.spans[i]
		d := l.letter(s.entry, r.Reason)
		d.Answer, d.Attempts, d.First, d.Rendered = r.Answer, uint64(s.refusals), s.refused, l.items[i].Payload
		letters = append(letters, d)
	}
	if err := l.bury(ctx, letters); err != nil {
		return err
	}
	if l.flight == nil {
		last := l.spans[l.next+r.n-1].entry
		if err := l.commit(l.upTo(last, r.n-len(r.refused), len(r.refused))); err != nil {
			return err
		}
	} else if err := l.settleApart(r); err != nil {
		return err
	}
	l.next += r.n
	l.refusal = nil
	return nil
}

// settleApart settles the items of a Confirmer's refusal: each that was taken has a place
// of its own.
func (l *lane) settleApart(r *refusal) error {
	taken := r.at.taken - uint64(r.n-len(r.refused))
	dead := r.refused
	for i := l.next; i < l.next+r.n; i++ {
		entry := l.spans[i].entry
		if len(dead) == 0 || dead[0] != i {
			taken++
			l.flight.push(l.upTo(entry, 1, 0), place{r.at.session, taken})
			continue
		}
		dead = dead[1:]
		l.flight.died(l.run.Entries[entry].Index)
		if err := l.join(l.upTo(entry, 0, 1)); err != nil {
			return err
		}
	}
	l.handed(r.n - len(r.refused))
	return nil
}

// finish settles what follows the last item: events that were filtered or buried.
func (l *lane) finish() error {
	last := len(l.run.Entries) - 1
	if l.passed > last {
		return nil
	}
	return l.join(l.upTo(last, 0, 0))
}

// join settles a step that the receiver need not confirm.
func (l *lane) join(s step) error {
	if l.flight != nil && l.flight.join(s) {
		return nil
	}
	return l.commit(s)
}

// buryUnsent keeps the events of the run that no text can be made of (the sink's
// max_size leaves no room, say) among the dead letters, before the cursor passes them.
func (l *lane) buryUnsent(ctx context.Context) error {
	var letters []deadletter.Letter
	for _, b := range l.buried {
		if !b.done {
			letters = append(letters, l.letter(b.entry, b.why))
		}
	}
	if len(letters) == 0 {
		return nil
	}
	if err := l.bury(ctx, letters); err != nil {
		return err
	}
	for i := range l.buried {
		b := &l.buried[i]
		if b.done = true; l.flight != nil {
			l.flight.died(l.run.Entries[b.entry].Index)
		}
	}
	return nil
}

// letter makes a dead letter of an entry of the run. It owns nothing.
func (l *lane) letter(entry int, why error) deadletter.Letter {
	e := &l.run.Entries[entry]
	l.read(e)
	return deadletter.Letter{
		Source: l.source.name, Sink: l.sink.name, Reason: why.Error(), UID: string(l.rec.AppendUID(nil)),
		First: time.Now(), Received: e.Time, Peer: e.Peer, Index: e.Index, Raw: e.Data, Size: e.Size,
		Replay: string(l.replay),
	}
}

// persist calls do until it succeeds, stop ends, or it fails for another reason than
// that there are too many dead letters: until somebody has looked at them nothing more
// may go to the sink, for what it refuses could not be kept.
func (l *lane) persist(stop context.Context, do func() error) error {
	for full := false; ; full = true {
		err := do()
		if err == nil && full {
			l.wait.reset()
			l.sink.up()
		}
		if !errors.Is(err, deadletter.ErrFull) {
			return err
		}
		l.sink.down(err)
		if !sleep(stop, l.wait.next()) {
			return stop.Err()
		}
	}
}

// halving finds the bad events of batches that were refused as a whole.
type halving struct {
	size  int // of the next batch
	bad   int // one of the items up to here, from the next on, is bad; not beyond the next: none is known
	found int // behind the bad item that was found last; 0: none was found
}

// whole is the size of a batch that is bound by the sink's limits only.
const whole = 1 << 30

// took is told that n items up to next were taken.
func (h *halving) took(next, n int) {
	if next < h.bad {
		h.size = (h.bad - next + 1) / 2
		return
	}
	h.size = min(2*max(h.size, n), whole)
}

// refused is told that n items from next on, more than one, were refused.
func (h *halving) refused(next, n int) { h.bad, h.size = next+n, (n+1)/2 }

// single is told that the one item before next is bad. What follows is tried as a whole,
// or, when this was not the first, as far as the bad ones seem to be apart.
func (h *halving) single(next int) {
	if h.size = whole; h.found > 0 {
		h.size = next - h.found
	}
	h.bad, h.found = 0, next
}
