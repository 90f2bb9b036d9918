package forwarder

import (
	"context"
	"sync"
	"time"
)

// holdGrace is how long a batch in hand may take when a lane is to be held.
const holdGrace = 2 * time.Second

// gate lets somebody hold a lane between two batches, do something to it, and let it go
// on. The zero gate is open.
type gate struct {
	mu    sync.Mutex
	inner sync.Mutex // who holds the lane

	soft, hard context.CancelFunc // of the pass that runs; nil: none does
	idle       chan struct{}      // closed when that pass has ended
	open       chan struct{}      // closed when nobody holds the lane; nil: nobody does
}

// enter waits until nobody holds the lane and returns what the pass that begins then is
// to run with. leave tells that it has ended, and whether it did because somebody wants
// to hold the lane. ok is false when stop ended before.
func (g *gate) enter(ctx, stop context.Context) (hard, soft context.Context, leave func() (held bool), ok bool) {
	g.mu.Lock()
	for g.open != nil {
		open := g.open
		g.mu.Unlock()
		select {
		case <-open:
		case <-stop.Done():
			return nil, nil, nil, false
		}
		g.mu.Lock()
	}
	defer g.mu.Unlock()
	hard, g.hard = context.WithCancel(ctx)
	soft, g.soft = context.WithCancel(stop)
	g.idle = make(chan struct{})
	return hard, soft, func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		held := soft.Err() != nil && stop.Err() == nil
		g.soft()
		g.hard()
		g.soft, g.hard = nil, nil
		close(g.idle)
		return held
	}, true
}

// hold stops the lane: at once when it waits for something, after the batch in hand when
// that takes no longer than a while, and within it otherwise, so that the receiver may
// have the batch or not. It calls do, with nobody else working with the lane, and lets
// it go on.
func (g *gate) hold(do func() error) error {
	g.inner.Lock()
	defer g.inner.Unlock()
	g.mu.Lock()
	g.open = make(chan struct{})
	soft, hard, idle := g.soft, g.hard, g.idle
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		close(g.open)
		g.open = nil
		g.mu.Unlock()
	}()
	if soft != nil {
		soft()
		late := time.AfterFunc(holdGrace, hard)
		<-idle
		late.Stop()
	}
	return do()
}

// discard gives up everything that waits for the lane, and returns how much that is. What
// its receiver has confirmed is delivered, and what is among the dead letters already is
// dead. The lane is held meanwhile.
func (l *lane) discard() (events uint64, err error) {
	if err := l.takeConfirmed(); err != nil {
		return 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.reader.Position().Index
	if events, err = l.reader.Discard(); err != nil {
		return 0, err
	}
	dead := min(events, l.deadBehind(at))
	events -= dead
	l.tally.dead += dead
	l.tally.cleared += events
	l.held, l.unconfirmed = false, 0
	if l.flight != nil {
		l.flight.drop()
		l.flight.dead = nil
	}
	return events, nil
}

// deadBehind counts the events at or behind an index that are among the dead letters.
func (l *lane) deadBehind(at uint64) (n uint64) {
	if l.flight != nil {
		for _, index := range l.flight.dead {
			if index >= at {
				n++
			}
		}
		return n
	}
	for i := l.counted; l.held && i < len(l.buried); i++ {
		if l.buried[i].done {
			n++
		}
	}
	return n
}
