package web

import (
	"context"
	"errors"
	"net/http"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/sink"
)

// OneByOne sends items that each need a request of their own, in order, and returns what
// a Send returns that came as far. send makes one attempt; a *sink.Rejected of it is about
// its item, whatever its Index, and the next item follows. With another error the Send
// ends.
func OneByOne(items []sink.Item, send func(item *sink.Item) error) error {
	var refused *sink.Rejected
	for i := range items {
		err := send(&items[i])
		var r *sink.Rejected
		switch {
		case err == nil:
		case errors.As(err, &r):
			if refused == nil {
				refused = &sink.Rejected{Reason: r.Reason, Answer: r.Answer}
			}
			refused.Index = append(refused.Index, i)
		case i == 0:
			return err
		default:
			return &sink.Partial{Done: i, Rejected: refused, Err: err}
		}
	}
	if refused != nil {
		return refused
	}
	return nil
}

// RoundTrip implements http.RoundTripper for requests that another package makes. Unlike
// Do it has no deadline of its own and takes no secrets out of errors, but those of the
// connection name no more than the receiver.
func (c *Client) RoundTrip(r *http.Request) (*http.Response, error) {
	if c.life.Err() != nil {
		return nil, http.ErrServerClosed
	}
	trip, err := c.transport()
	if err != nil {
		return nil, err
	}
	return trip.RoundTrip(r)
}

// Reach finds out whether the receiver answers at all, by a HEAD request with header h:
// no event is sent. What it answers says little, for few receivers expect one.
func (c *Client) Reach(ctx context.Context, h http.Header) component.Probe {
	p := component.Probe{What: Origin(c.to)}
	a, err := c.Do(ctx, &Request{Method: http.MethodHead, Header: h})
	switch {
	case err != nil:
		p.Err = err
	case a.Status == http.StatusUnauthorized || a.Status == http.StatusProxyAuthRequired || a.Status >= 500:
		p.Err = c.Fail(errors.New(c.Words(a)))
	default:
		p.Note = "it answers; no event was sent, so whether it takes one is not known"
	}
	return p
}
