// Package webhook sends events to any receiver that takes them by HTTP: one request an
// event, or many events as a JSON array or as lines.
//
// Every request carries Idempotency-Key: the event's uid, or of several events the
// SHA-256 of their uids one after the other. A request that is repeated because its answer
// was lost has the same key, if it holds the same events.
package webhook

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/credential"
	"github.com/siemfwd/siemfwd/forwarder/framing"
	"github.com/siemfwd/siemfwd/forwarder/sink"
	"github.com/siemfwd/siemfwd/forwarder/sink/web"
)

// Spec is the sink's entry in the table of ways out. check tells what is wrong with a
// template or its content type, and which ("content_type") it is.
func Spec(check func(template, contentType string) (field string, err error)) component.Spec[sink.Sink] {
	d := defaults()
	d.check = check
	return component.Of("webhook", "any receiver of HTTP requests, by template or in batches", d,
		func(c *Config, env component.Env) (sink.Sink, error) { return New(c, env) })
}

// Sink is a webhook sink. Payloads are whole bodies when there is a template, otherwise
// events.
//
// Counters: line_feeds_replaced (with batch lines, by a space, because they would split
// the event).
type Sink struct {
	cfg    Config
	env    component.Env
	client *web.Client
	token  *web.Client // of token_url; nil: no token is fetched
	auth   *credential.Credential
	sign   *credential.Credential // nil: requests are not signed
	head   http.Header

	life context.Context // ends with Close
	end  context.CancelFunc

	mu  sync.Mutex // held by Send
	buf bytes.Buffer
}

var (
	_ sink.Sink    = (*Sink)(nil)
	_ sink.Limiter = (*Sink)(nil)
)

// New makes a Sink of a configuration that Check found no errors in. It does not connect.
func New(c *Config, env component.Env) (*Sink, error) {
	var r component.Report
	c.Check(&r)
	c.Auth.Check(&r)
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
	o := web.Options{Log: env.Log, Secrets: c.secrets()}
	s := &Sink{cfg: *c, env: env, head: http.Header{}}
	if s.client, err = web.New(u, c.HTTP, o); err != nil {
		return nil, err
	}
	for name, value := range c.Headers {
		s.head.Set(name, value.Reveal())
	}
	if err := s.credentials(o); err != nil {
		return nil, err
	}
	s.life, s.end = context.WithCancel(context.Background())
	return s, nil
}

// credentials makes what requests are shown with.
func (s *Sink) credentials(o web.Options) (err error) {
	var fetching *http.Client
	if s.cfg.Auth.TokenURL != "" {
		u, err := web.ParseURL(s.cfg.Auth.TokenURL)
		if err != nil {
			return fmt.Errorf("auth.token_url: %w", err)
		}
		conf := s.cfg.HTTP
		if u.Host != s.client.URL().Host {
			conf.TLS = s.cfg.TokenTLS
		}
		if s.token, err = web.New(u, conf, o); err != nil {
			return err
		}
		fetching = &http.Client{Transport: s.token, Timeout: conf.Timeout}
	}
	if s.auth, err = credential.New(&s.cfg.Auth, fetching); err != nil {
		return fmt.Errorf("auth: %w", err)
	}
	// Headers that HTTP cannot carry are found by the same rule.
	if _, err = credential.New(&credential.Config{Type: "none", Headers: s.cfg.Headers}, nil); err != nil {
		return fmt.Errorf("headers: %w", err)
	}
	if !s.cfg.Sign.Secret.IsZero() {
		s.sign, err = credential.New(&credential.Config{Type: "hmac", Name: s.cfg.Sign.Header, Secret: s.cfg.Sign.Secret, Timestamp: "t=", Prefix: "v1="}, nil)
		if err != nil {
			return fmt.Errorf("sign: %w", err)
		}
	}
	return nil
}

// mostAtOnce bounds one Send where each event has a request of its own.
const mostAtOnce = 100

// Limits implements sink.Limiter.
func (s *Sink) Limits() sink.Limits {
	if s.cfg.Batch == single {
		return sink.Limits{Events: mostAtOnce}
	}
	return sink.Limits{Events: s.cfg.BatchEvents, Bytes: int(s.cfg.BatchSize)}
}

// Close implements sink.Sink.
func (s *Sink) Close() error {
	s.end()
	err := s.client.Close()
	if s.token != nil {
		err = errors.Join(err, s.token.Close())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return err
}

// errDisabled is every Send's answer with `enabled: false`.
var errDisabled = errors.New("webhook: switched off by enabled: false, events wait on disk")

// offPause is how long a sink that is switched off wants to be left alone.
const offPause = time.Minute

// Send implements sink.Sink.
func (s *Sink) Send(ctx context.Context, items []sink.Item) error {
	switch {
	case s.life.Err() != nil:
		return fmt.Errorf("webhook: %w", net.ErrClosed)
	case len(items) == 0:
		return nil
	case !s.cfg.Enabled:
		return &sink.Busy{For: offPause, Err: errDisabled}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.life, cancel)()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cfg.Batch == single {
		return web.OneByOne(items, func(item *sink.Item) error {
			return s.post(ctx, item.Payload, s.contentType(item.Payload), string(item.Key))
		})
	}
	defer s.forget()
	s.join(items)
	return s.post(ctx, s.buf.Bytes(), s.contentType(items[0].Payload), batchKey(items))
}

func (s *Sink) forget() {
	if s.buf.Cap() > 4<<20 {
		s.buf = bytes.Buffer{}
	}
	s.buf.Reset()
}

// contentType is that of a request whose first event is given.
func (s *Sink) contentType(first []byte) string {
	switch {
	case s.cfg.ContentType != "":
		return s.cfg.ContentType
	case s.cfg.Template != "", s.cfg.Batch == array:
		return "application/json"
	case !json.Valid(first):
		return "text/plain; charset=utf-8"
	case s.cfg.Batch == lines:
		return "application/x-ndjson"
	}
	return "application/json"
}

// join puts items into s.buf as one body. In an array, what is no JSON becomes a string.
func (s *Sink) join(items []sink.Item) {
	s.buf.Reset()
	if s.cfg.Batch == lines {
		b, replaced := s.buf.AvailableBuffer(), 0
		for i := range items {
			var k int
			b, k = framing.AppendLF(b, items[i].Payload)
			replaced += k
		}
		if s.buf.Write(b); replaced > 0 {
			s.env.Meter.Add("line_feeds_replaced", uint64(replaced))
		}
		return
	}
	for i := range items {
		s.buf.WriteByte([2]byte{'[', ','}[min(i, 1)])
		if p := items[i].Payload; json.Valid(p) {
			s.buf.Write(p)
		} else {
			text, _ := json.Marshal(string(p)) // of a string: no error
			s.buf.Write(text)
		}
	}
	s.buf.WriteByte(']')
}

// batchKey identifies a batch; "" where one of its events has no key.
func batchKey(items []sink.Item) string {
	if len(items) == 1 {
		return string(items[0].Key)
	}
	h := sha256.New()
	for i := range items {
		if len(items[i].Key) == 0 {
			return ""
		}
		h.Write(items[i].Key)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// post makes one request, and a second one when a token that was fetched may have ended
// before its time.
func (s *Sink) post(ctx context.Context, body []byte, contentType, key string) error {
	for again := false; ; again = true {
		h := s.head.Clone()
		h.Set("Content-Type", contentType)
		if key != "" {
			h.Set("Idempotency-Key", key)
		}
		if err := s.show(ctx, h, body); err != nil {
			return s.ended(ctx, s.client.Fail(err))
		}
		a, err := s.client.Do(ctx, &web.Request{Method: s.cfg.Method, Header: h, Body: body})
		if err != nil {
			return s.ended(ctx, err)
		}
		if a.Status == http.StatusUnauthorized && s.auth.Refused(h) && !again {
			continue
		}
		if token := strings.TrimPrefix(h.Get("Authorization"), "Bearer "); s.token != nil && token != "" {
			a.Body = bytes.ReplaceAll(a.Body, []byte(token), []byte("<secret>")) // for what it says may be logged
		}
		return s.client.Judge(a)
	}
}

// show puts credentials and signature into the head of a request.
func (s *Sink) show(ctx context.Context, h http.Header, body []byte) error {
	if err := s.auth.Put(ctx, h, body); err != nil {
		return err
	}
	if s.sign != nil {
		return s.sign.Put(ctx, h, body)
	}
	return nil
}

// ended turns the error of a Send that was ended from outside into one that says so.
func (s *Sink) ended(ctx context.Context, err error) error {
	switch {
	case s.life.Err() != nil:
		return fmt.Errorf("webhook: %w", net.ErrClosed)
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return err
}

// Probe implements component.Prober: it finds out whether the receiver answers, and
// fetches a token where one is needed.
func (s *Sink) Probe(ctx context.Context) []component.Probe {
	if !s.cfg.Enabled {
		return []component.Probe{{What: web.Origin(s.client.URL()), Note: "enabled is false: nothing was tried"}}
	}
	h := s.head.Clone()
	if err := s.show(ctx, h, nil); err != nil {
		return []component.Probe{{What: "auth.token_url", Err: s.client.Fail(err)}}
	}
	return []component.Probe{s.client.Reach(ctx, h)}
}
