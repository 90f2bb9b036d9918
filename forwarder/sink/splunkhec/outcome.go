package splunkhec

import (
	"bytes"
	"fmt"

	"github.com/siemfwd/siemfwd/forwarder/sink"
	"github.com/siemfwd/siemfwd/forwarder/sink/web"
)

// outcome is the answer to a request that held the first n of all items of a Send.
type outcome struct {
	sink   *Sink
	e      *endpoint
	way    route
	n, all int
	bare   bool // the first item went without its indexed fields
	answer *web.Answer
	reply  reply
	err    error // the answer, for people
}

// settle turns the answer into what Send returns.
func (o *outcome) settle() error {
	s, r := o.sink, &o.reply
	switch r.verdict {
	case taken:
		return o.taken()
	case tooLarge:
		if o.n > 1 {
			s.most = len(s.buf) / 2
			return &sink.Rejected{Reason: o.err, Answer: r.words}
		}
		return o.refused(0)
	case badEvent:
		return o.refused(r.number)
	case badFields:
		return o.fields()
	case badIndex:
		// An index that the configuration names is to be mended there, and nothing is to be
		// lost until then. One that was made of the event, or that others of the same
		// request could be written to, is the event's fault.
		if !s.fixedIndex() || r.number > 0 {
			return o.refused(r.number)
		}
	case noChannel:
		return o.channel()
	case noAck:
		s.state.without(o.e)
		return &onceMore{err: o.err}
	}
	return o.unwell()
}

// taken is for an answer that says so.
func (o *outcome) taken() error {
	s := o.sink
	if !o.reply.known && page(o.answer.Body) {
		s.failed(o.e, 0)
		return o.err // a web page, not HEC: the address is wrong, or something stands in between
	}
	if s.cfg.Ack {
		if err := s.state.took(o); err != nil {
			return err
		}
	} else {
		s.state.before(o, o.n)
		if !o.reply.known {
			s.once("the receiver's answer is none of HEC's; its status says that it has the events", "answer", o.reply.words)
		}
	}
	o.e.ill = false
	if o.n < o.all {
		return &sink.Partial{Done: o.n}
	}
	return nil
}

// page reports whether a body is made for a browser.
func page(body []byte) bool { return bytes.HasPrefix(bytes.TrimSpace(body), []byte("<")) }

// refused says that item k will never be taken; those before it were. k is -1 where the
// receiver does not say which it is.
func (o *outcome) refused(k int) error {
	switch {
	case k < 0 && o.n > 1:
		return &sink.Rejected{Reason: o.err, Answer: o.reply.words}
	case k < 0:
		k = 0
	}
	if !o.sink.state.before(o, k) {
		return &onceMore{first: k, err: o.err}
	}
	bad := &sink.Rejected{Index: []int{k}, Reason: o.err, Answer: o.reply.words}
	if k+1 == o.all {
		return bad
	}
	return &sink.Partial{Done: k + 1, Rejected: bad}
}

// fields is for indexed fields that are not taken: the event is sent again without.
func (o *outcome) fields() error {
	k := o.reply.number
	if k < 0 && o.n == 1 {
		k = 0
	}
	switch {
	case k == 0 && !o.bare && bytes.Contains(o.sink.buf, []byte(fields)):
		o.sink.once("the receiver does not take an event's indexed fields; such events go without", "answer", o.reply.words)
		return &onceMore{bare: true, err: o.err}
	case k > 0 && !o.sink.state.before(o, k):
		return &onceMore{first: k, err: o.err}
	case k > 0:
		return &sink.Partial{Done: k}
	}
	return o.refused(k)
}

// channel is for a channel that is missing or not known any more.
func (o *outcome) channel() error {
	s := o.sink
	if s.cfg.Ack {
		s.state.lost(o.way.session, o.err)
		return fmt.Errorf("%w: %w", sink.ErrSession, o.err)
	}
	s.state.name(o.e)
	return &onceMore{err: o.err}
}

// unwell is for a receiver that takes nothing now.
func (o *outcome) unwell() error {
	s, k := o.sink, max(o.reply.number, 0)
	pause := web.RetryAfter(o.answer)
	s.failed(o.e, pause)
	err := o.err
	if pause > 0 && !s.others() {
		err = &sink.Busy{For: pause, Err: err}
	}
	if k > 0 && s.state.before(o, k) {
		return &sink.Partial{Done: k, Err: err}
	}
	return err
}
