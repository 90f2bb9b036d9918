package simulate

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"sort"
	"time"
)

// row is one state of one event. Times are nanoseconds since 1970 by the API's clock.
type row struct {
	event   int32 // its number
	state   uint8 // 0, or 1 when it has changed
	handed  bool
	created int64
	at      int64 // what windows are made of
	from    int64 // when it can be read
	until   int64 // when a later state takes its place; 0: never
}

// timeline holds all rows in the order of at.
type timeline struct {
	rows []row
	last int64 // nothing happens behind it
}

// burst is how often, in events, more than a page of them have one time.
const burst = 3000

// newTimeline draws the events. moves says that a change of state changes the time
// that windows are made of, too.
func newTimeline(o *Options, moves bool) *timeline {
	draw := rand.New(rand.NewPCG(o.Seed, uint64(len("siemfwd"))))
	f := &o.Faults
	within := func(d time.Duration) int64 { return int64(draw.Float64() * float64(d)) }
	t := &timeline{}
	start, at, together := o.Start.UnixNano(), int64(0), 0
	for i := range o.Events {
		if f.Ties > 0 && i%burst == burst-1 {
			together = o.PageSize*3/2 + 1
		}
		together--
		if i == 0 || draw.Float64() >= f.Ties && together < 0 {
			at = start + int64(float64(o.For)*float64(i)/float64(o.Events))
			at -= at % int64(time.Millisecond)
		}
		r := row{event: int32(i), created: at, at: at, from: at}
		if draw.Float64() < f.Late {
			r.from += within(f.MostLate)
		}
		if draw.Float64() < f.Updates {
			next := r
			next.state = 1
			next.from = r.from + within(max(0, f.UpdateIn-time.Duration(r.from-at)))
			next.from += int64(time.Millisecond) - next.from%int64(time.Millisecond)
			r.until = next.from
			if moves {
				next.at = next.from
			}
			t.rows = append(t.rows, next)
			t.last = max(t.last, next.from)
		}
		t.rows = append(t.rows, r)
		t.last = max(t.last, r.from)
	}
	slices.SortStableFunc(t.rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.event, b.event), cmp.Compare(a.state, b.state))
	})
	return t
}

// window calls yield for the rows of [from, to) that can be read at now, in the order
// of their times, until it returns false.
func (t *timeline) window(from, to, now int64, yield func(r *row) bool) {
	i := sort.Search(len(t.rows), func(i int) bool { return t.rows[i].at >= from })
	for ; i < len(t.rows) && t.rows[i].at < to; i++ {
		r := &t.rows[i]
		if r.from <= now && (r.until == 0 || now < r.until) && !yield(r) {
			return
		}
	}
}
