package splunkhec

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/sink/web"
)

const (
	shortPoll = 250 * time.Millisecond // between two questions, at first
	longPoll  = 10 * time.Second       // and when nothing is confirmed for long
	rushPoll  = 50 * time.Millisecond
	mostAsked = 10_000           // ids of one question
	faultFor  = 30 * time.Second // that questions fail, before nothing more is sent
)

// run is the questioner: it asks as long as anything is pending.
func (a *acks) run() {
	defer close(a.done)
	life := a.s.life
	for {
		select {
		case <-life.Done():
			return
		case <-a.wake:
		}
		for pause := a.first; a.asking(); {
			if !a.rest(pause) {
				return
			}
			if pause *= 2; a.ask(life) {
				pause = a.first
			}
			pause = min(pause, longPoll)
		}
	}
}

func (a *acks) asking() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.items > 0
}

// rest waits for d, or less when there is a rush, and reports whether life goes on.
func (a *acks) rest(d time.Duration) bool {
	rush := a.rush
	select {
	case <-rush:
		d, rush = rushPoll, nil
	default:
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-rush:
	case <-a.s.life.Done():
		return false
	}
	return true
}

// ask asks every receiver for what is pending there, and reports whether anything was
// confirmed.
func (a *acks) ask(ctx context.Context) (moved bool) {
	for _, e := range a.s.endpoints {
		way, ids := a.question(e)
		if len(ids) == 0 {
			a.expire(e, time.Now())
			continue
		}
		h := a.s.header(&way)
		h["Content-Type"] = contentType[eventEndpoint]
		answer, err := e.client.Do(ctx, &web.Request{URL: e.ack, Header: h, Body: askBody(ids)})
		if ctx.Err() != nil {
			return false
		}
		if a.heard(e, way, answer, err) {
			moved = true
		}
	}
	return moved
}

// question is what to ask a receiver.
func (a *acks) question(e *endpoint) (way route, ids []uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range a.pending {
		if b := &a.pending[i]; b.e == e && b.hasID && !b.acked && len(ids) < mostAsked {
			ids = append(ids, b.id)
		}
	}
	return route{a.session, e.channel, e.cookie()}, ids
}

func askBody(ids []uint64) []byte {
	b := append(make([]byte, 0, 16+8*len(ids)), `{"acks":[`...)
	for i, id := range ids {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, id, 10)
	}
	return append(b, "]}"...)
}

// heard takes an answer to a question, or the error in place of one.
func (a *acks) heard(e *endpoint, way route, answer *web.Answer, err error) (moved bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if way.session != a.session {
		return false
	}
	var confirmed []uint64
	ok := err == nil && answer.Status == 200 && !answer.Cut
	if ok {
		confirmed, ok = readAcks(answer.Body)
	}
	if !ok {
		return a.unheard(e, answer, err)
	}
	a.fault = nil
	e.keepCookies(answer.Header)
	a.acknowledge(e, confirmed)
	moved = a.advance()
	a.late(e, answer.At)
	return moved
}

// expire is late for a receiver that there is nothing to ask.
func (a *acks) expire(e *endpoint, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.late(e, now)
}

// late ends the session when something that a receiver took was not confirmed in time.
func (a *acks) late(e *endpoint, now time.Time) {
	for i := range a.pending {
		if b := &a.pending[i]; b.e == e && !b.acked && now.Sub(b.at) > a.s.cfg.AckTimeout {
			a.renew(e.client.Fail(fmt.Errorf("not acknowledged within %v", a.s.cfg.AckTimeout)))
			return
		}
	}
}

// acknowledge marks the batches with these ids, and those without one before them.
func (a *acks) acknowledge(e *endpoint, ids []uint64) {
	yes := make(map[uint64]bool, len(ids))
	for _, id := range ids {
		yes[id] = true
	}
	var first []int // batches without an id before the next one with
	for i := range a.pending {
		b := &a.pending[i]
		switch {
		case b.e != e:
		case !b.hasID:
			first = append(first, i)
		default:
			b.acked = b.acked || yes[b.id]
			for _, j := range first {
				a.pending[j].acked = a.pending[j].acked || b.acked
			}
			first = first[:0]
		}
	}
}

// unheard is for a question without an answer that can be used.
func (a *acks) unheard(e *endpoint, answer *web.Answer, err error) (moved bool) {
	if err == nil {
		r := readReply(e.client, answer, 0)
		err = e.client.Fail(errors.New(r.words))
		switch r.verdict {
		case noAck:
			a.off(e)
			return true
		case noChannel:
			a.renew(err)
			return false
		}
	}
	if a.fault == nil {
		a.since = time.Now()
	}
	a.fault = err
	if time.Since(a.since) >= faultFor {
		a.stirred() // who waits for room is told
	}
	return false
}
