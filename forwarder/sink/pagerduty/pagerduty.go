// Package pagerduty sends events to PagerDuty's Events API v2, one after the other: what
// has one dedup_key arrives in the order in which it happened.
package pagerduty

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/sink"
	"github.com/siemfwd/siemfwd/forwarder/sink/web"
)

// Config is what a pagerduty sink is told.
type Config struct {
	RoutingKey component.Secret `yaml:"routing_key" required:"true" doc:"integration key of the service (Events API v2), 32 characters"`
	URL        string           `yaml:"url" doc:"where events are posted; in the EU service region https://events.eu.pagerduty.com/v2/enqueue"`

	HTTP web.Config `yaml:",inline"`
}

func defaults() Config {
	return Config{URL: "https://events.pagerduty.com/v2/enqueue", HTTP: web.Defaults()}
}

// keyLength is that of every routing key, in characters.
const keyLength = 32

// Check implements component.Checker.
func (c *Config) Check(r *component.Report) {
	web.CheckURL(r, "url", c.URL, defaults().URL)
	c.HTTP.CheckTLS(r, c.URL)
	key := c.RoutingKey.Reveal()
	switch {
	case key == "" || strings.Contains(key, "${"):
	case len(key) != keyLength:
		r.Error("routing_key", fmt.Sprintf("it has %d characters", len(key)), "the integration key of a service has 32; a key of the REST API is something else")
	case strings.ContainsFunc(key, func(c rune) bool { return c <= ' ' || c >= 0x7f }):
		r.Error("routing_key", "it holds what no key can", "the integration key of a service, of the type Events API v2")
	}
}

// Spec is the sink's entry in the table of ways out.
func Spec() component.Spec[sink.Sink] {
	return component.Of("pagerduty", "incidents in PagerDuty, triggered and resolved", defaults(),
		func(c *Config, env component.Env) (sink.Sink, error) { return New(c, env) })
}

// Sink is a pagerduty sink. Payloads are events as formatters/pagerduty writes them.
type Sink struct {
	cfg    Config
	client *web.Client
	lead   []byte // what an event begins with instead of its brace

	life context.Context // ends with Close
	end  context.CancelFunc

	mu  sync.Mutex // held by Send
	buf []byte
}

var (
	_ sink.Sink    = (*Sink)(nil)
	_ sink.Limiter = (*Sink)(nil)
)

// New makes a Sink of a configuration that Check found no errors in. It does not connect.
func New(c *Config, env component.Env) (*Sink, error) {
	var r component.Report
	c.Check(&r)
	c.HTTP.Check(&r)
	for _, f := range r.Findings {
		if !f.Warning {
			return nil, fmt.Errorf("%s: %s", f.Path, f.Text)
		}
	}
	u, err := web.ParseURL(c.URL)
	if err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	key, _ := json.Marshal(c.RoutingKey.Reveal()) // of a string: no error
	s := &Sink{cfg: *c, lead: append(append([]byte(`{"routing_key":`), key...), ',')}
	if s.client, err = web.New(u, c.HTTP, web.Options{Log: env.Log, Secrets: []string{c.RoutingKey.Reveal()}}); err != nil {
		return nil, err
	}
	s.life, s.end = context.WithCancel(context.Background())
	return s, nil
}

// Limits implements sink.Limiter: a Send is a request for each event.
func (s *Sink) Limits() sink.Limits { return sink.Limits{Events: 50} }

// Close implements sink.Sink.
func (s *Sink) Close() error {
	s.end()
	err := s.client.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	return err
}

// Send implements sink.Sink.
func (s *Sink) Send(ctx context.Context, items []sink.Item) error {
	if s.life.Err() != nil {
		return errClosed
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.life, cancel)()
	s.mu.Lock()
	defer s.mu.Unlock()
	err := web.OneByOne(items, func(item *sink.Item) error { return s.post(ctx, item.Payload) })
	if err != nil && s.life.Err() != nil {
		return errClosed
	}
	return err
}

var (
	errClosed = fmt.Errorf("pagerduty: %w", net.ErrClosed)
	jsonType  = http.Header{"Content-Type": {"application/json"}}
)

// post makes one attempt.
func (s *Sink) post(ctx context.Context, payload []byte) error {
	if len(payload) > 1 && payload[0] == '{' { // as every event of the format pagerduty is
		s.buf = append(append(s.buf[:0], s.lead...), payload[1:]...)
		payload = s.buf
	}
	a, err := s.client.Do(ctx, &web.Request{Header: jsonType, Body: payload})
	if err != nil {
		return err
	}
	err = s.client.Judge(a)
	var rejected *sink.Rejected
	if errors.As(err, &rejected) && aboutKey(a.Body) {
		return rejected.Reason // the event is good: the configuration is to be mended
	}
	return err
}

// aboutKey reports whether the answer to an event that was refused (400) is about the
// routing key.
func aboutKey(body []byte) bool {
	var w struct {
		Message string   `json:"message"`
		Errors  []string `json:"errors"`
	}
	if json.Unmarshal(body, &w) != nil {
		return false
	}
	for _, text := range append(w.Errors, w.Message) {
		if t := strings.ToLower(text); strings.Contains(t, "routing_key") || strings.Contains(t, "routing key") {
			return true
		}
	}
	return false
}

// Probe implements component.Prober: it finds out whether PagerDuty answers. Whether the
// key is good only an event would tell.
func (s *Sink) Probe(ctx context.Context) []component.Probe {
	return []component.Probe{s.client.Reach(ctx, nil)}
}
