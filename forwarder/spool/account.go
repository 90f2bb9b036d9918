package spool

import "time"

// Skipped counts the events a reader will never get, since it was opened.
type Skipped struct {
	Expired uint64 // retention removed them first
	Damaged uint64 // their frames are damaged, or their segment is missing
}

// gap is a range of indices that are not there.
type gap struct{ from, to uint64 }

// Why events are skipped.
const (
	expired = iota
	damaged
)

// skip moves the position over events that will never come.
func (r *Reader) skip(to uint64, why int) {
	if to <= r.pos.Index {
		return
	}
	if n := to - r.pos.Index; why == expired {
		r.skipped.Expired += n
	} else {
		r.skipped.Damaged += n
		r.s.damage.lost(r.pos.Index, to, r.hurt)
	}
	r.hurt = false
	g := gap{r.pos.Index, to}
	r.pos.Index = to
	if r.c == nil {
		return
	}
	r.gaps = append(r.gaps, g)
	if p := r.c.position(); p.Index == g.from {
		r.commit(p)
	}
}

// expire takes note that events before first are removed.
func (r *Reader) expire(first uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pos.Index < first {
		r.leave()
		r.skip(first, expired)
	}
}

// Commit says that everything before p is done with: a later reader of the same
// name begins there. Going back is not possible and ignored. It may lag behind
// Next; a position ahead of it is where Next goes on. Commits become durable
// within about a second, and at Close.
func (r *Reader) Commit(p Pos) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return ErrClosed
	}
	if r.c == nil {
		return nil
	}
	if p.Index > r.pos.Index {
		r.leave()
		r.pos = p
	}
	r.commit(p)
	return nil
}

func (r *Reader) commit(p Pos) {
	for len(r.gaps) > 0 && r.gaps[0].from <= p.Index {
		if to := r.gaps[0].to; to > p.Index {
			p = Pos{Index: to}
		}
		r.gaps = r.gaps[:copy(r.gaps, r.gaps[1:])]
	}
	before := r.c.position()
	if p.Index < before.Index {
		return
	}
	r.c.move(p)
	r.s.moved(before.Index, p.Index)
}

// Position is where the last Commit left off.
func (r *Reader) Position() Pos {
	if r.c == nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.pos
	}
	return r.c.position()
}

// Account is where a reader stands, all of it at the same moment:
// what was committed + what was skipped + what is waiting = Next - the place where
// the reader was opened.
type Account struct {
	Skipped
	Next    uint64 // index after the last durable event
	Waiting uint64 // durable events that are neither committed nor skipped
}

// Account returns where the reader stands. Skipped events are counted as soon as
// it is known that they will not come, and are not waiting from then on.
func (r *Reader) Account() Account {
	r.mu.Lock()
	defer r.mu.Unlock()
	a, _ := r.account()
	return a
}

// account also returns the position of the oldest event that waits.
func (r *Reader) account() (Account, Pos) {
	a := Account{Skipped: r.skipped, Next: r.s.end.Load()}
	p := r.pos
	if r.c != nil {
		p = r.c.position()
	}
	a.Waiting = a.Next - min(a.Next, p.Index)
	for _, g := range r.gaps {
		a.Waiting -= min(a.Waiting, g.to-g.from)
	}
	return a, p
}

// Skipped returns how many events were passed over.
func (r *Reader) Skipped() Skipped { return r.Account().Skipped }

// Waiting returns how many events wait, and when the oldest of them was received;
// the zero time when there is none or it cannot be read.
func (r *Reader) Waiting() (events uint64, oldest time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a, p := r.account()
	if a.Waiting == 0 {
		return 0, time.Time{}
	}
	if r.oldest.Index != p.Index || r.oldest.Time.IsZero() {
		r.oldest.Index, r.oldest.Time = p.Index, r.s.received(p)
	}
	return a.Waiting, r.oldest.Time
}
