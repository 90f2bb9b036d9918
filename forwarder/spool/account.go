package spool

import (
	"slices"
	"time"
)

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

// skip moves the position over events that will never come. Those it moved over before
// Rewind are not counted again.
func (r *Reader) skip(to uint64, why int) {
	from := r.pos.Index
	if to <= from {
		return
	}
	r.pos.Index = to
	n := to - from
	if r.c != nil {
		n = r.note(gap{from, to})
	}
	if why == expired {
		r.skipped.Expired += n
	} else if r.skipped.Damaged += n; n > 0 {
		r.s.damage.lost(from, to, r.hurt)
	}
	r.hurt = false
	if r.c == nil {
		return
	}
	if p := r.c.position(); p.Index == from {
		r.commit(p)
	}
}

// note adds g to the gaps, which are in order and do not touch, and returns how many
// of its events were in none.
func (r *Reader) note(g gap) (fresh uint64) {
	fresh = g.to - g.from
	all := g
	i := len(r.gaps)
	for i > 0 && r.gaps[i-1].to >= g.from {
		i--
	}
	j := i
	for ; j < len(r.gaps) && r.gaps[j].from <= g.to; j++ {
		k := r.gaps[j]
		fresh -= min(g.to, k.to) - max(g.from, k.from)
		all.from, all.to = min(all.from, k.from), max(all.to, k.to)
	}
	r.gaps = slices.Replace(r.gaps, i, j, all)
	return fresh
}

// passed reports whether index is in a gap: the reader has said that it will not come,
// and it must not come all the same when it is read again.
func (r *Reader) passed(index uint64) bool {
	for _, g := range r.gaps {
		if g.from <= index && index < g.to {
			return true
		}
	}
	return false
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
	r.pos.Index = max(r.pos.Index, p.Index) // over a gap that was passed before Rewind
}

// Rewind goes back to where the last Commit left off: Next returns again what came
// after it. What was skipped stays so, and is counted once. It is called by the
// goroutine that calls Next. A reader without a name has no place to go back to.
func (r *Reader) Rewind() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || r.c == nil {
		return
	}
	if p := r.c.position(); p.Index < r.pos.Index {
		r.leave()
		r.pos = p
	}
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
