// Package slack posts events to a channel of Slack, by an incoming webhook or by the Web
// API. Slack takes about one message a second: what comes faster is put together in one
// message, a digest, which says how many events it stands for and is the delivery of all
// of them.
package slack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/sink"
	"github.com/siemfwd/siemfwd/forwarder/sink/web"
)

// Spec is the sink's entry in the table of ways out.
func Spec() component.Spec[sink.Sink] {
	return component.Of("slack", "a channel of Slack; more than one event a second become one message", defaults(),
		func(c *Config, env component.Env) (sink.Sink, error) { return New(c, env) })
}

// Sink is a slack sink. Payloads are messages as formatters/slack writes them.
//
// Counters: digests (messages for more than one event), digested_events (in them).
type Sink struct {
	cfg    Config
	env    component.Env
	client *web.Client
	header http.Header
	room   *rate.Limiter // nil: no bound, for tests

	life context.Context // ends with Close
	end  context.CancelFunc

	mu sync.Mutex // held by Send
}

var (
	_ sink.Sink    = (*Sink)(nil)
	_ sink.Limiter = (*Sink)(nil)
)

// What Slack bears: https://api.slack.com/docs/rate-limits, posting messages.
const (
	perMessage = time.Second
	burst      = 3
)

// New makes a Sink of a configuration that Check found no errors in. It does not connect.
func New(c *Config, env component.Env) (*Sink, error) {
	var r component.Report
	c.Check(&r)
	c.HTTP.Check(&r)
	for _, f := range r.Findings {
		if !f.Warning {
			return nil, errors.New(strings.TrimPrefix(f.Path+": "+f.Text, ": "))
		}
	}
	u, err := web.ParseURL(c.address())
	if err != nil {
		return nil, err
	}
	s := &Sink{cfg: *c, env: env, header: http.Header{"Content-Type": {"application/json; charset=utf-8"}}}
	if s.client, err = web.New(u, c.HTTP, web.Options{Log: env.Log, Secrets: c.secrets()}); err != nil {
		return nil, err
	}
	if !c.Token.IsZero() {
		s.header["Authorization"] = []string{"Bearer " + c.Token.Reveal()}
	}
	s.room = rate.NewLimiter(rate.Every(perMessage), burst)
	s.life, s.end = context.WithCancel(context.Background())
	return s, nil
}

// Limits implements sink.Limiter: they bound a digest.
func (s *Sink) Limits() sink.Limits { return sink.Limits{Events: 1000, Bytes: 4 << 20} }

// Close implements sink.Sink.
func (s *Sink) Close() error {
	s.end()
	err := s.client.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	return err
}

// Send implements sink.Sink. It waits until a message may be posted.
func (s *Sink) Send(ctx context.Context, items []sink.Item) error {
	if s.life.Err() != nil {
		return errClosed
	}
	if len(items) == 0 {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.life, cancel)()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.room != nil && len(items) > 1 && s.room.Tokens() < float64(len(items)) {
		if err := s.digest(ctx, items); err != nil {
			return s.ended(err)
		}
		return nil
	}
	return s.ended(web.OneByOne(items, func(item *sink.Item) error { return s.post(ctx, item.Payload) }))
}

func (s *Sink) digest(ctx context.Context, items []sink.Item) error {
	err := s.post(ctx, digest(items))
	if err == nil {
		s.env.Meter.Add("digests", 1)
		s.env.Meter.Add("digested_events", uint64(len(items)))
	}
	return err
}

var errClosed = fmt.Errorf("slack: %w", net.ErrClosed)

func (s *Sink) ended(err error) error {
	if err != nil && s.life.Err() != nil {
		return errClosed
	}
	return err
}

// post posts one message; where Slack does not like its shape, its words alone.
func (s *Sink) post(ctx context.Context, payload []byte) error {
	plain, err := s.attempt(ctx, payload)
	if !plain {
		return err
	}
	words := bare(payload)
	if words == nil {
		return err
	}
	_, err = s.attempt(ctx, words)
	return err
}

func (s *Sink) attempt(ctx context.Context, payload []byte) (plain bool, err error) {
	if s.room != nil {
		if err := s.room.Wait(ctx); err != nil {
			if ctx.Err() != nil {
				return false, ctx.Err()
			}
			return false, s.client.Fail(err) // the deadline is nearer than the next message
		}
	}
	a, err := s.client.Do(ctx, &web.Request{Header: s.header, Body: s.addressed(payload)})
	if err != nil {
		return false, err
	}
	return s.judge(a)
}

// addressed puts the channel into a message, where the address does not say it.
func (s *Sink) addressed(payload []byte) []byte {
	if s.cfg.Token.IsZero() || len(payload) < 2 || payload[0] != '{' {
		return payload
	}
	id, _ := json.Marshal(s.cfg.ChannelID) // of a string: no error
	out := append(append([]byte(`{"channel":`), id...), ',')
	return append(out, payload[1:]...)
}

// bare is a message of nothing but its text; nil when it has none.
func bare(payload []byte) []byte {
	var m message
	if json.Unmarshal(payload, &m) != nil || m.Text == "" {
		return nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	_ = e.Encode(map[string]any{"text": m.Text, "mrkdwn": false, "parse": "none", "link_names": false, "unfurl_links": false, "unfurl_media": false})
	return b.Bytes()
}

// Probe implements component.Prober. Of a token it asks Slack whether it is good; of an
// incoming webhook nothing can be known without a message.
func (s *Sink) Probe(ctx context.Context) []component.Probe {
	u := *s.client.URL()
	path, ok := strings.CutSuffix(u.Path, "chat.postMessage")
	if s.cfg.Token.IsZero() || !ok {
		return []component.Probe{s.client.Reach(ctx, nil)}
	}
	u.Path = path + "auth.test"
	p := component.Probe{What: web.Origin(&u), Note: "token accepted; whether it may post to the channel is not known"}
	a, err := s.client.Do(ctx, &web.Request{URL: &u, Header: s.header, Body: []byte("{}")})
	if err == nil {
		_, err = s.judge(a)
	}
	if err != nil {
		p.Note, p.Err = "", err
	}
	return []component.Probe{p}
}
