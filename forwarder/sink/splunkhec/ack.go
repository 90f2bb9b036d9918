package splunkhec

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/sink"
	"github.com/siemfwd/siemfwd/forwarder/sink/web"
)

// Confirming is a Sink with indexer acknowledgement.
//
// A session is one channel for each receiver. It ends when a receiver does not know its
// channel any more, when the numbers of its acknowledgements begin again (another
// indexer took the place behind a load balancer, or it was started anew), and when an
// acknowledgement does not come within ack_timeout. Then all that is not confirmed is
// sent again, over new channels; and for a while one request at a time, so that a
// receiver that never confirms gets few events twice.
type Confirming struct{ *Sink }

var _ sink.Confirmer = (*Confirming)(nil)

// Progress implements sink.Confirmer.
func (c *Confirming) Progress() sink.Progress { return c.state.ledger.Progress() }

// Settle implements sink.Confirmer.
func (c *Confirming) Settle(ctx context.Context) { c.state.settle(ctx) }

// acks is what receivers have taken and not yet confirmed, and the channels over which
// they are asked. Without `ack: true` it only holds channels and cookies.
type acks struct {
	s      *Sink
	ledger sink.Ledger
	wake   chan struct{} // holds a token when something became pending
	rush   chan struct{} // closed by settle
	done   chan struct{} // closed when the questioner has ended

	mu        sync.Mutex
	session   uint64
	pending   []batch // in the order of sending
	items     int     // of all pending
	confirmed uint64  // items of this session
	running   bool
	rushed    bool
	stir      chan struct{} // closed at every change; nil: nobody waits

	fault error // why acknowledgements cannot be asked for; nil: they can
	since time.Time

	first  time.Duration // between two questions, at first
	solo   int           // how many requests are still to be confirmed one at a time
	losses int           // sessions that ended lately
	good   int           // requests confirmed since
}

// batch is what one request handed over.
type batch struct {
	e       *endpoint
	channel *channel
	items   int
	id      int64 // of its acknowledgement, in the channel
	acked   bool
	at      time.Time
}

// How lost sessions are remembered.
const (
	forgiven   = 100 // confirmed requests that make up for them
	mostLosses = 32
)

func (a *acks) init(s *Sink) {
	a.s, a.first = s, shortPoll
	a.wake, a.rush, a.done = make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	a.channels()
}

// channels gives every receiver a new channel, and no cookies.
func (a *acks) channels() {
	for _, e := range a.s.endpoints {
		a.open(e, a.s.cfg.Ack && !e.noAck || a.s.cfg.Endpoint == rawEndpoint || e.channel != nil && e.channel.id != "")
		e.channel.cookies = nil
	}
}

// open gives a receiver a new channel, which has a name or none, and the cookies of the
// former one.
func (a *acks) open(e *endpoint, named bool) {
	c := &channel{last: -1}
	if named {
		c.id = newID()
	}
	if e.channel != nil {
		c.cookies = maps.Clone(e.channel.cookies)
	}
	e.channel = c
}

// name gives a receiver a channel with a name, for requests that need no acknowledgement.
func (a *acks) name(e *endpoint) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.open(e, true)
}

// route returns how a receiver is reached now.
func (a *acks) route(e *endpoint) route {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.over(e.channel)
}

func (a *acks) over(c *channel) route { return route{a.session, c, c.id, c.cookie()} }

// room waits until n more items may be sent.
func (a *acks) room(ctx context.Context, n int) error {
	for {
		if _, err := a.ledger.Begin(); err != nil {
			return err
		}
		stir, err := a.full(n)
		if stir == nil {
			return err
		}
		select {
		case <-stir:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// full returns what to wait for before n more items may be sent; nil: nothing.
func (a *acks) full(n int) (<-chan struct{}, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.fault != nil && time.Since(a.since) >= faultFor:
		return nil, fmt.Errorf("acknowledgements cannot be asked for: %w", a.fault)
	case a.items == 0, a.solo == 0 && a.items+n <= a.s.cfg.AckWindow:
		return nil, nil
	}
	if a.stir == nil {
		a.stir = make(chan struct{})
	}
	return a.stir, nil
}

func (a *acks) stirred() {
	if a.stir != nil {
		close(a.stir)
		a.stir = nil
	}
}

// took notes that the receiver took the request of o.
func (a *acks) took(o *outcome) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	e, c, r := o.e, o.way.channel, &o.reply
	b := batch{e: e, channel: c, items: o.n, id: r.id, at: o.answer.At}
	switch {
	case o.way.session != a.session:
		return nil // it is sent again with all the others of its session
	case !r.known:
		return e.client.Fail(errors.New("what it answered has no acknowledgement in it: " + r.words))
	case !r.hasID:
		a.off(e)
	case b.id > c.last:
	case a.awaits(c):
		a.renew(e.client.Fail(errors.New("another indexer answers, or the same one was started anew; a load balancer must be sticky")))
		return nil
	default:
		a.open(e, true) // after this one; what went before is confirmed
	}
	b.acked, c.last = e.noAck, b.id
	c.keepCookies(o.answer.Header)
	a.push(b)
	return nil
}

// before notes that the receiver has the first k items of o, although it refused the
// request, and reports whether that is good enough. With acknowledgement it is not: there
// will be none for them.
func (a *acks) before(o *outcome, k int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if o.way.session == a.session {
		o.way.channel.keepCookies(o.answer.Header)
	}
	if !a.s.cfg.Ack || k == 0 {
		return true
	}
	if o.e.noAck && o.way.session == a.session {
		a.push(batch{e: o.e, channel: o.way.channel, items: k, acked: true, at: o.answer.At})
	}
	return o.e.noAck
}

// doubt notes that nobody knows whether a request was taken: its channel is not used any
// more.
//
// The numbers of acknowledgements begin anew in every indexer and after every start, with 0
// in Splunk, with 1 in others. The request may be the first one of the channel that an
// indexer got; if that number is pending, an acknowledgement could be for either.
func (a *acks) doubt(e *endpoint, way *route) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.s.cfg.Ack || e.noAck || way.session != a.session {
		return
	}
	for i := range a.pending {
		if b := &a.pending[i]; b.channel == way.channel && !b.acked && b.id <= 1 {
			a.renew(e.client.Fail(errors.New("an answer was lost that may have had the number of another acknowledgement")))
			return
		}
	}
	a.open(e, true)
}

func (a *acks) push(b batch) {
	a.pending = append(a.pending, b)
	a.items += b.items
	a.ledger.Take(a.session, b.items)
	a.advance()
	if len(a.pending) == 0 {
		return
	}
	if !a.running && a.s.life.Err() == nil {
		a.running = true
		go a.run()
	}
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// awaits reports whether an acknowledgement is to come over a channel.
func (a *acks) awaits(c *channel) bool {
	for i := range a.pending {
		if b := &a.pending[i]; b.channel == c && !b.acked {
			return true
		}
	}
	return false
}

// advance confirms the first batches, as far as they are acknowledged.
func (a *acks) advance() (moved bool) {
	n := 0
	for ; n < len(a.pending) && a.pending[n].acked; n++ {
		a.confirmed += uint64(a.pending[n].items)
		a.items -= a.pending[n].items
		a.solo = max(a.solo-1, 0)
		if a.good++; a.good >= forgiven {
			a.losses = 0
		}
	}
	if n == 0 {
		return false
	}
	a.pending = append(a.pending[:0], a.pending[n:]...)
	a.ledger.Confirm(a.session, a.confirmed)
	a.stirred()
	return true
}

// off is for a receiver that has no acknowledgement for this token: what it takes
// counts as delivered.
func (a *acks) off(e *endpoint) {
	if e.noAck {
		return
	}
	e.noAck = true
	a.open(e, a.s.cfg.Endpoint == rawEndpoint)
	a.s.env.Log.Warn("the token has no indexer acknowledgement: events count as delivered when Splunk has taken them, not when they are indexed",
		"receiver", web.Origin(e.post), "hint", "switch it on for the token (useACK), or set ack: false")
	for i := range a.pending {
		if a.pending[i].e == e {
			a.pending[i].acked = true
		}
	}
	a.advance()
}

// renew ends the session.
func (a *acks) renew(why error) {
	a.ledger.End(a.session, why)
	a.session++
	a.pending, a.items, a.confirmed = nil, 0, 0
	a.losses = min(a.losses+1, mostLosses)
	a.solo, a.good = a.losses, 0
	a.fault = nil
	a.channels()
	a.stirred()
}

// lost ends a session, if it goes on, for a channel that is not known any more.
func (a *acks) lost(session uint64, why error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if session == a.session {
		a.renew(why)
	}
}

// without is off for an answer that says so.
func (a *acks) without(e *endpoint) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.off(e)
}

// settle asks until everything is confirmed or ctx ends.
func (a *acks) settle(ctx context.Context) {
	a.mu.Lock()
	if !a.rushed {
		a.rushed = true
		close(a.rush)
	}
	a.mu.Unlock()
	for {
		a.mu.Lock()
		if a.items == 0 {
			a.mu.Unlock()
			return
		}
		if a.stir == nil {
			a.stir = make(chan struct{})
		}
		stir := a.stir
		a.mu.Unlock()
		select {
		case <-stir:
		case <-ctx.Done():
			return
		case <-a.s.life.Done():
			return
		}
	}
}

// close waits for the questioner, whose life has ended.
func (a *acks) close() {
	a.mu.Lock()
	running := a.running
	a.mu.Unlock()
	if running {
		<-a.done
	}
}
