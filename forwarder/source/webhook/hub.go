// Package webhook takes events that products post over HTTP. A sender is told that all
// is well only when its events are on disk.
//
// Webhooks with the same `listen` share one listener, which a Hub keeps; a vendor's
// kit.Hook says how bodies are taken apart and what senders are told.
package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/certs"
	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/source"
	"github.com/siemfwd/siemfwd/forwarder/source/webhook/gate"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

var (
	errNoHub = errors.New("webhook: made without a hub")
	errTaken = errors.New("address and path are taken")
	errTLS   = errors.New("tls: another webhook of the address says something else")
)

// Hub joins the webhooks of one address in one listener. The listener is open while at
// least one of them runs. A Hub is safe for concurrent use.
type Hub struct {
	limits limits

	mu   sync.Mutex
	open map[string]*listener   // by address as configured
	tls  map[string]certs.Files // by address: what the first webhook of it says that says anything
}

// limits are what a listener bears.
type limits struct {
	connections int           // open at a time; more wait in the kernel
	perPeer     int           // of them, from one address of another host; more are closed
	headerBytes int           // of one request
	header      time.Duration // for a request's header to arrive
	request     time.Duration // for all of a request to arrive
	idle        time.Duration // between two requests of a connection
	bodies      int64         // octets of long bodies being received
	full        time.Duration // for the log to have room
	emit        time.Duration // for events to be on disk
	drain       time.Duration // for requests in hand when a source ends
	gone        time.Duration // how long a path that ended answers 503 instead of 404
}

// NewHub returns a Hub without listeners.
func NewHub() *Hub {
	return &Hub{open: map[string]*listener{}, tls: map[string]certs.Files{}, limits: limits{
		connections: 2048,
		perPeer:     1024,
		headerBytes: 16 << 10,
		header:      10 * time.Second,
		request:     30 * time.Second,
		idle:        2 * time.Minute,
		bodies:      64 << 20,
		full:        600 * time.Millisecond,
		emit:        10 * time.Second,
		drain:       5 * time.Second,
		gone:        time.Minute,
	}}
}

// New makes a source that posts to cfg's address and path reach. hook may be nil: then
// every body that is not empty is one event, as with a hook that says nothing.
func (h *Hub) New(cfg *Config, hook *kit.Hook, env component.Env) (source.Source, error) {
	if h == nil {
		return nil, errNoHub
	}
	for _, part := range []struct {
		key string
		component.Checker
	}{{"", cfg}, {"auth.", &cfg.Auth}, {"tls.", &cfg.TLS}} {
		var r component.Report
		part.Check(&r)
		for _, f := range r.Findings {
			if !f.Warning {
				return nil, fmt.Errorf("%s%s %s", part.key, f.Path, f.Text)
			}
		}
	}
	if hook == nil {
		hook = &kit.Hook{}
	}
	if env.Log == nil {
		env.Log = slog.New(slog.DiscardHandler)
	}
	if env.Meter == nil {
		env.Meter = component.NoMeter{}
	}
	g, err := gate.New(&cfg.Auth, gate.Options{Name: env.Name, State: env.State, Log: env.Log})
	if err != nil {
		return nil, fmt.Errorf("auth: %w", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if known := h.tls[cfg.Listen]; !known.Given() && cfg.TLS.Given() {
		h.tls[cfg.Listen] = cfg.TLS
	}
	s := &Source{hub: h, cfg: *cfg, hook: hook, env: env, gate: g}
	if hook.Acks != nil {
		s.channels = newChannels()
	}
	return s, nil
}

// Source is one webhook.
type Source struct {
	hub  *Hub
	cfg  Config
	hook *kit.Hook
	env  component.Env
	gate *gate.Gate

	channels *channels // nil: nobody is given acknowledgements

	mu    sync.Mutex
	bound string // URL without path; "" while Run is not running
}

// Run implements source.Source. When ctx ends, requests in hand are answered before it
// returns, for a few seconds at most; new ones are told to come back.
func (s *Source) Run(ctx context.Context, log source.Log) error {
	if err := s.gate.Open(); err != nil {
		return err
	}
	r := newRoute(s, log)
	l, err := s.hub.join(s, r)
	if err != nil {
		r.cancel()
		return err
	}
	var judging sync.WaitGroup
	judging.Go(func() { s.gate.Run(r.ctx) }) // until requests in hand are answered
	s.setBound(l.url())
	s.env.Log.Info("listening", "address", l.url())
	log.Ready()
	select {
	case <-ctx.Done():
		err = nil
	case <-l.failed:
		err = l.err
	}
	s.setBound("")
	l.end(r)
	r.drain(s.hub.limits.drain)
	judging.Wait()
	s.hub.leave(s.cfg.Listen, l)
	return err
}

// pathsOf are all that lead to a source.
func pathsOf(c *Config, hook *kit.Hook) []string {
	paths := []string{c.Path}
	if hook == nil {
		return paths
	}
	for _, also := range hook.Also {
		paths = append(paths, c.below(also))
	}
	for i := range hook.Ways {
		paths = append(paths, c.below(hook.Ways[i].Path))
	}
	return paths
}

// below is a path behind the configured one.
func (c *Config) below(path string) string { return strings.TrimSuffix(c.Path, "/") + path }

func (s *Source) setBound(url string) {
	s.mu.Lock()
	s.bound = url
	s.mu.Unlock()
}

// Addrs returns where the source listens, http://HOST:PORT or https://HOST:PORT, with
// the real port where that is 0. It is empty while Run is not running. The path, which
// may be a secret, is left out.
func (s *Source) Addrs() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bound == "" {
		return nil
	}
	return []string{s.bound}
}

// join adds a route to the listener of an address, which is opened for the first one.
func (h *Hub) join(s *Source, r *route) (*listener, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	address := s.cfg.Listen
	files := h.tls[address]
	if s.cfg.TLS.Given() && s.cfg.TLS != files {
		return nil, errTLS
	}
	l := h.open[address]
	if l == nil {
		var err error
		if l, err = listen(address, files, h.limits, s.env); err != nil {
			return nil, err
		}
		h.open[address] = l
	}
	if err := l.add(r); err != nil {
		if l.users == 0 {
			delete(h.open, address)
			l.close(time.Second)
		}
		return nil, err
	}
	l.users++
	return l, nil
}

// leave closes the listener after its last route.
func (h *Hub) leave(address string, l *listener) {
	h.mu.Lock()
	l.users--
	last := l.users == 0
	if last || l.broken() {
		if h.open[address] == l {
			delete(h.open, address)
		}
	}
	if last {
		// Under the lock: the next join binds the same address.
		l.close(time.Second)
	}
	h.mu.Unlock()
}
