// Package splunkhec sends events to Splunk's HTTP Event Collector, as envelopes or as
// raw text, and, where the token has indexer acknowledgement, learns when they are
// indexed.
package splunkhec

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/sink"
	"github.com/siemfwd/siemfwd/forwarder/sink/web"
)

// Spec is the sink's entry in the table of ways out. The sink it builds is a
// sink.Confirmer when `ack: true`.
func Spec() component.Spec[sink.Sink] {
	return component.Of("splunk_hec", "Splunk's HTTP Event Collector, with indexer acknowledgement", defaults(),
		func(c *Config, env component.Env) (sink.Sink, error) {
			s, err := New(c, env)
			if err != nil {
				return nil, err
			}
			if c.Ack {
				return &Confirming{s}, nil
			}
			return s, nil
		})
}

// Sink is a HEC sink. Payloads are complete envelopes without line feeds, or, for
// endpoint raw, text. Each Send is one request, and a second one where the first was
// refused for want of a channel or for its indexed fields.
//
// Counters: capacity_warnings (words of the receiver that it is nearly full),
// line_feeds_replaced (in raw text, by a space, because they would split it).
type Sink struct {
	cfg       Config
	env       component.Env
	auth      []string
	endpoints []*endpoint

	life context.Context // ends with Close
	end  context.CancelFunc

	mu   sync.Mutex // held by Send
	next int        // of endpoints, the turn
	buf  []byte
	most int // largest body after a 413; 0: none is known
	gz   web.Gzip
	pace pace
	said map[string]bool // what was logged once

	state acks
}

var (
	_ sink.Sink    = (*Sink)(nil)
	_ sink.Limiter = (*Sink)(nil)
)

// New makes a Sink of a configuration that Check found no errors in. It does not
// connect.
func New(c *Config, env component.Env) (*Sink, error) {
	var r component.Report
	c.Check(&r)
	c.HTTP.Check(&r)
	for _, f := range r.Findings {
		if !f.Warning {
			return nil, fmt.Errorf("%s: %s", f.Path, f.Text)
		}
	}
	s := &Sink{cfg: *c, env: env, auth: []string{"Splunk " + c.Token.Reveal()}, said: map[string]bool{}}
	o := web.Options{Log: env.Log, Secrets: []string{c.Token.Reveal()}, MostAnswer: mostAnswer}
	for _, address := range c.addresses() {
		e, err := newEndpoint(address, c, o)
		if err != nil {
			return nil, err
		}
		s.endpoints = append(s.endpoints, e)
	}
	s.life, s.end = context.WithCancel(context.Background())
	s.state.init(s)
	return s, nil
}

// mostAnswer is how much of an answer is read: the acknowledgements of mostAsked ids.
const mostAnswer = 1 << 20

// Limits implements sink.Limiter.
func (s *Sink) Limits() sink.Limits {
	return sink.Limits{Events: s.cfg.BatchEvents, Bytes: int(s.cfg.BatchSize)}
}

// Close implements sink.Sink.
func (s *Sink) Close() error {
	s.end()
	s.state.close()
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, e := range s.endpoints {
		errs = append(errs, e.client.Close())
	}
	return errors.Join(errs...)
}

// Send implements sink.Sink.
func (s *Sink) Send(ctx context.Context, items []sink.Item) error {
	if len(items) == 0 {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.life, cancel)()
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.forget()
	if err := s.pace.wait(ctx); err != nil {
		return s.ended(err)
	}
	if s.cfg.Ack {
		if err := s.state.room(ctx, len(items)); err != nil {
			return s.ended(err)
		}
	}
	return s.twice(ctx, items)
}

// onceMore says that a second attempt at once is worth it.
type onceMore struct {
	bare  bool // without the indexed fields of the first item
	first int  // with so many of the items only; 0: all
	err   error
}

func (o *onceMore) Error() string { return o.err.Error() }

// twice makes one attempt, and another one where that is worth it.
func (s *Sink) twice(ctx context.Context, items []sink.Item) error {
	err := s.attempt(ctx, items, false)
	var again *onceMore
	if !errors.As(err, &again) {
		return err
	}
	part := items
	if again.first > 0 {
		part = items[:again.first]
	}
	err = s.attempt(ctx, part, again.bare)
	if errors.As(err, &again) {
		err = again.err
	}
	if err == nil && len(part) < len(items) {
		return &sink.Partial{Done: len(part)}
	}
	return err
}

// attempt is one request.
func (s *Sink) attempt(ctx context.Context, items []sink.Item, bare bool) error {
	e := s.pick(ctx)
	n := s.body(items, bare)
	way := s.state.route(e)
	h := s.header(&way)
	began := time.Now()
	a, err := e.client.Do(ctx, &web.Request{URL: s.target(e, items[0].Source), Header: h, Body: s.packed(e, h)})
	if err != nil {
		if ctx.Err() == nil {
			s.failed(e, 0)
		}
		if !errors.Is(err, web.ErrUnsent) {
			s.state.doubt(e, &way)
		}
		return s.ended(err)
	}
	r := readReply(e.client, a, n)
	if !r.known && (r.verdict == taken || a.Status >= 500) {
		s.state.doubt(e, &way)
	}
	s.pace.answered(a.At, a.At.Sub(began), r.full)
	if r.full {
		s.env.Meter.Add("capacity_warnings", 1)
	}
	o := outcome{sink: s, e: e, way: way, n: n, all: len(items), bare: bare, answer: a, reply: r, err: e.client.Fail(errors.New(r.words))}
	return o.settle()
}

// ended turns the error of a Send that Close ended into one that says so.
func (s *Sink) ended(err error) error {
	if s.life.Err() != nil {
		return fmt.Errorf("splunk_hec: %w", net.ErrClosed)
	}
	return err
}

// once logs a warning that the sink gave no more than once.
func (s *Sink) once(text string, args ...any) {
	if !s.said[text] {
		s.said[text] = true
		s.env.Log.Warn(text, args...)
	}
}

// compresses reports whether requests to a receiver are compressed.
func (s *Sink) compresses(e *endpoint) bool {
	if s.cfg.Gzip != nil {
		return *s.cfg.Gzip
	}
	return !web.Loopback(e.post)
}

// fixedIndex reports whether all events go to one index, which is the configuration's
// or the token's.
func (s *Sink) fixedIndex() bool {
	return s.cfg.Endpoint == rawEndpoint || !strings.Contains(s.cfg.Index, "{")
}
