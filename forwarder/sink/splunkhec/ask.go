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
	shortPoll = 100 * time.Millisecond // between two questions, at least
	longPoll  = 10 * time.Second       // and at most
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
		// Twice as long after a question that brought nothing, half as long after another:
		// so the questions keep step with the answers.
		for pause := a.first; a.asking(); pause = min(max(pause, a.first), longPoll) {
			if !a.rest(pause) {
				return
			}
			if a.ask(life) {
				pause /= 2
			} else {
				pause *= 2
			}
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

// ask asks, over every channel, for what is pending there, and reports whether anything
// was confirmed.
func (a *acks) ask(ctx context.Context) (moved bool) {
	for _, q := range a.questions() {
		h := a.s.header(&q.way)
		h["Content-Type"] = contentType[eventEndpoint]
		answer, err := q.e.client.Do(ctx, &web.Request{URL: q.e.ack, Header: h, Body: askBody(q.ids)})
		if ctx.Err() != nil {
			return false
		}
		if a.heard(&q, answer, err) {
			moved = true
		}
	}
	return moved
}

// question is what to ask over one channel.
type question struct {
	e   *endpoint
	way route
	ids []int64
}

// questions are what there is to ask, for the oldest first.
func (a *acks) questions() (list []question) {
	a.mu.Lock()
	defer a.mu.Unlock()
	at := map[*channel]int{}
	for i := range a.pending {
		b := &a.pending[i]
		if b.acked {
			continue
		}
		n, known := at[b.channel]
		if !known {
			n = len(list)
			at[b.channel] = n
			list = append(list, question{e: b.e, way: a.over(b.channel)})
		}
		if q := &list[n]; len(q.ids) < mostAsked {
			q.ids = append(q.ids, b.id)
		}
	}
	return list
}

func askBody(ids []int64) []byte {
	b := append(make([]byte, 0, 16+8*len(ids)), `{"acks":[`...)
	for i, id := range ids {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, id, 10)
	}
	return append(b, "]}"...)
}

// heard takes an answer to a question, or the error in place of one.
func (a *acks) heard(q *question, answer *web.Answer, err error) (moved bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if q.way.session != a.session {
		return false
	}
	var confirmed []int64
	ok := err == nil && answer.Status == 200 && !answer.Cut
	if ok {
		confirmed, ok = readAcks(answer.Body)
	}
	if !ok {
		return a.unheard(q.e, answer, err)
	}
	a.fault = nil
	// Its cookies are not kept: a load balancer that led this question elsewhere is to lead
	// the next one back to whom the events went.
	a.acknowledge(q.way.channel, confirmed)
	moved = a.advance()
	a.late(q, answer.At)
	return moved
}

// late ends the session when something that was asked for was not confirmed in time.
func (a *acks) late(q *question, now time.Time) {
	for i := range a.pending {
		if b := &a.pending[i]; b.channel == q.way.channel && !b.acked && now.Sub(b.at) > a.s.cfg.AckTimeout {
			a.renew(q.e.client.Fail(fmt.Errorf("not acknowledged within %v", a.s.cfg.AckTimeout)))
			return
		}
	}
}

// acknowledge marks the batches with these ids.
func (a *acks) acknowledge(c *channel, ids []int64) {
	yes := make(map[int64]bool, len(ids))
	for _, id := range ids {
		yes[id] = true
	}
	for i := range a.pending {
		if b := &a.pending[i]; b.channel == c {
			b.acked = b.acked || yes[b.id]
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
