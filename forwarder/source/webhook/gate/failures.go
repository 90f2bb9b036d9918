package gate

import (
	"net/netip"
	"sync"
	"time"
)

// How many wrong credentials are borne from one place. Strangers guess; where the right
// one came from lately there may be several senders behind one address, one of which is
// set up wrongly and must not shut out the others.
const (
	strangersPerMinute = 10
	friendsPerMinute   = 600
	friendFor          = time.Hour
	mostPlaces         = 8192
)

// RetryAfter is when a place that is Limited may try again.
const RetryAfter = time.Minute / strangersPerMinute

// failures remembers where wrong credentials came from: how many, less what has been
// forgiven since. It is safe for concurrent use.
type failures struct {
	mu     sync.Mutex
	places map[netip.Addr]*place
}

type place struct {
	level  float64 // wrong ones not forgiven yet
	at     time.Time
	friend time.Time // until when it counts as one
}

func newFailures() *failures { return &failures{places: map[netip.Addr]*place{}} }

// origin is what counts as one place: an address, or the network that one customer has
// of IPv6.
func origin(a netip.Addr) netip.Addr {
	if a = a.Unmap(); !a.Is6() {
		return a
	}
	p, _ := a.WithZone("").Prefix(64)
	return p.Addr()
}

func (p *place) forgive(now time.Time) (limit float64) {
	limit = strangersPerMinute
	if now.Before(p.friend) {
		limit = friendsPerMinute
	}
	if passed := now.Sub(p.at); passed > 0 {
		p.level = max(0, p.level-limit*passed.Minutes())
		p.at = now
	}
	return limit
}

// blocked reports whether nothing from there is looked at for now.
func (f *failures) blocked(a netip.Addr, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.places[origin(a)]
	return p != nil && p.level > 0 && p.forgive(now)-p.level < 1
}

func (f *failures) failed(a netip.Addr, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.get(origin(a), now)
	p.forgive(now)
	p.level++
}

func (f *failures) good(a netip.Addr, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.get(origin(a), now)
	p.friend = now.Add(friendFor)
}

// known reports whether the right credential came from there lately.
func (f *failures) known(a netip.Addr, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.places[origin(a)]
	return p != nil && now.Before(p.friend)
}

func (f *failures) get(a netip.Addr, now time.Time) *place {
	p := f.places[a]
	if p == nil {
		if len(f.places) >= mostPlaces {
			f.makeRoom(now)
		}
		p = &place{at: now}
		f.places[a] = p
	}
	return p
}

// makeRoom forgets those about whom there is nothing to know, or else anyone but a
// friend.
func (f *failures) makeRoom(now time.Time) {
	for a, p := range f.places {
		if p.forgive(now); p.level == 0 && !now.Before(p.friend) {
			delete(f.places, a)
		}
	}
	for _, friends := range []bool{false, true} {
		for a, p := range f.places {
			if len(f.places) < mostPlaces*3/4 {
				return
			}
			if friends || !now.Before(p.friend) {
				delete(f.places, a)
			}
		}
	}
}
