package splunkhec

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/sink/web"
)

// endpoint is one receiver.
type endpoint struct {
	client            *web.Client
	post, ack, health *url.URL

	// Send's alone:
	ill   bool      // the last request failed for a reason of the receiver's
	until time.Time // when an ill one may be looked at again

	// Guarded by acks.mu:
	channel *channel
	noAck   bool // the token has no indexer acknowledgement there
}

// channel is one of HEC's: the numbers of acknowledgements count in it. It is used until
// the first request that nobody knows the end of. Guarded by acks.mu.
type channel struct {
	id      string            // UUID; "": none is named
	last    int64             // number of the last acknowledgement; -1: there was none
	cookies map[string]string // so that a load balancer leads to the indexer that has it
}

// base is the path of HEC when the address has none.
const base = "/services/collector"

func newEndpoint(address string, c *Config, o web.Options) (*endpoint, error) {
	u, err := web.ParseURL(address)
	if err != nil {
		return nil, err
	}
	e := &endpoint{post: u}
	root := *u
	root.RawQuery = ""
	switch i := strings.Index(u.Path, "/collector"); {
	case strings.Trim(u.Path, "/") == "":
		u.Path, root.Path = base+"/"+c.Endpoint, base
	case i >= 0 && (len(u.Path) == i+len("/collector") || u.Path[i+len("/collector")] == '/'):
		root.Path = u.Path[:i+len("/collector")]
		if c.Endpoint == rawEndpoint && strings.Trim(u.Path[len(root.Path):], "/") == "" {
			u.Path = root.Path + "/" + rawEndpoint // without it, it is the one for events
		}
	default:
		root.Path = strings.TrimSuffix(u.Path, "/")
	}
	e.ack, e.health = at(root, "/ack"), at(root, "/health")
	e.client, err = web.New(u, c.HTTP, o)
	return e, err
}

func at(root url.URL, path string) *url.URL {
	root.Path += path
	return &root
}

// pick returns the receiver whose turn it is: the next one that is well, or that says
// so when it is asked after an illness. When all are ill it is the next one.
func (s *Sink) pick(ctx context.Context) *endpoint {
	for range s.endpoints {
		e := s.turn()
		if !e.ill || len(s.endpoints) == 1 {
			return e
		}
		if now := time.Now(); now.After(e.until) {
			if s.healthy(ctx, e) {
				e.ill = false
				return e
			}
			e.until = now.Add(illFor)
		}
	}
	return s.turn()
}

func (s *Sink) turn() *endpoint {
	e := s.endpoints[s.next%len(s.endpoints)]
	s.next++
	return e
}

const (
	illFor     = 60 * time.Second // a receiver that failed is left alone
	healthTime = 5 * time.Second
)

// healthy asks a receiver how it is; its words do not matter.
func (s *Sink) healthy(ctx context.Context, e *endpoint) bool {
	ctx, cancel := context.WithTimeout(ctx, healthTime)
	defer cancel()
	a, err := e.client.Do(ctx, &web.Request{Method: http.MethodGet, URL: e.health, Header: http.Header{"Authorization": s.auth}})
	return err == nil && a.Status == http.StatusOK
}

// failed notes that a receiver is ill, and for how long it wants to be left alone.
func (s *Sink) failed(e *endpoint, pause time.Duration) {
	e.ill, e.until = true, time.Now().Add(max(illFor, pause))
	if pause > 0 {
		e.until = time.Now().Add(pause)
	}
}

// others reports whether there is a receiver that is well.
func (s *Sink) others() bool {
	for _, e := range s.endpoints {
		if !e.ill {
			return true
		}
	}
	return false
}

// route is how a channel of a receiver is reached.
type route struct {
	session uint64
	channel *channel
	id      string // of the channel
	cookie  string
}

// header makes the head of a request over a route.
func (s *Sink) header(r *route) http.Header {
	h := http.Header{"Authorization": s.auth}
	if r.id != "" {
		h["X-Splunk-Request-Channel"] = []string{r.id}
	}
	if r.cookie != "" {
		h["Cookie"] = []string{r.cookie}
	}
	return h
}

// keepCookies takes over what an answer says about cookies. Domain and path do not
// matter: all requests go to one host, and to one service there.
func (c *channel) keepCookies(h http.Header) {
	if len(h["Set-Cookie"]) == 0 {
		return
	}
	const most = 32
	for _, k := range (&http.Response{Header: h}).Cookies() {
		switch gone := k.MaxAge < 0 || !k.Expires.IsZero() && k.Expires.Before(time.Now()); {
		case gone:
			delete(c.cookies, k.Name)
		case len(c.cookies) < most:
			if c.cookies == nil {
				c.cookies = map[string]string{}
			}
			c.cookies[k.Name] = k.Value
		}
	}
}

// cookie is the cookies as one header.
func (c *channel) cookie() string {
	var b strings.Builder
	for name, value := range c.cookies {
		if b.Len() > 0 {
			b.WriteString("; ")
		}
		b.WriteString(name + "=" + value)
	}
	return b.String()
}

// newID returns a random UUID (RFC 9562 section 5.4).
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0F|0x40, b[8]&0x3F|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// Probe implements component.Prober: it asks every receiver whether it knows the token,
// without sending an event. HEC answers a request without events by code 5 once the token
// is accepted.
func (s *Sink) Probe(ctx context.Context) []component.Probe {
	var all []component.Probe
	for _, e := range s.endpoints {
		p := component.Probe{What: web.Origin(e.post), Note: "token accepted"}
		h := s.header(&route{id: newID()})
		a, err := e.client.Do(ctx, &web.Request{Header: h, URL: s.target(e, s.env.Name)})
		if err != nil {
			p.Err = err
		} else if r := readReply(e.client, a, 0); r.verdict != taken && r.code != 5 {
			p.Err = e.client.Fail(errors.New(r.words))
		}
		if p.Err != nil {
			p.Note = ""
		}
		all = append(all, p)
	}
	return all
}
