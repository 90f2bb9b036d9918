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
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/source"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

var (
	errNoHub = errors.New("webhook: made without a hub")
	errTaken = errors.New("address and path are taken")
)

// Hub joins the webhooks of one address in one listener. The listener is open while at
// least one of them runs. A Hub is safe for concurrent use.
type Hub struct {
	limits limits

	mu   sync.Mutex
	open map[string]*listener // by address as configured
}

// limits are what a listener bears.
type limits struct {
	connections int           // open at a time; more wait in the kernel
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
	return &Hub{open: map[string]*listener{}, limits: limits{
		connections: 2048,
		headerBytes: 16 << 10,
		header:      10 * time.Second,
		request:     30 * time.Second,
		idle:        2 * time.Minute,
		bodies:      64 << 20,
		full:        900 * time.Millisecond,
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
	var r component.Report
	cfg.Check(&r)
	cfg.Auth.Check(&r)
	for _, f := range r.Findings {
		if !f.Warning {
			return nil, fmt.Errorf("%s %s", f.Path, f.Text)
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
	return &Source{hub: h, cfg: *cfg, hook: hook, env: env}, nil
}

// Source is one webhook.
type Source struct {
	hub  *Hub
	cfg  Config
	hook *kit.Hook
	env  component.Env

	mu    sync.Mutex
	bound net.Addr
}

// Run implements source.Source. When ctx ends, requests in hand are answered before it
// returns, for a few seconds at most; new ones are told to come back.
func (s *Source) Run(ctx context.Context, log source.Log) error {
	r := newRoute(s, log)
	paths := s.paths()
	l, err := s.hub.join(s.cfg.Listen, paths, r)
	if err != nil {
		return err
	}
	s.setBound(l.addr)
	log.Ready()
	select {
	case <-ctx.Done():
		err = nil
	case <-l.failed:
		err = l.err
	}
	s.setBound(nil)
	l.end(paths, r)
	r.drain(s.hub.limits.drain)
	s.hub.leave(s.cfg.Listen, l)
	return err
}

// paths are all that lead to the source.
func (s *Source) paths() []string {
	paths := []string{s.cfg.Path}
	for _, also := range s.hook.Also {
		paths = append(paths, strings.TrimSuffix(s.cfg.Path, "/")+also)
	}
	return paths
}

func (s *Source) setBound(a net.Addr) {
	s.mu.Lock()
	s.bound = a
	s.mu.Unlock()
}

// Addrs returns where the source listens, http://HOST:PORT, with the real port where
// that is 0. It is empty while Run is not running. The path, which may be a secret, is
// left out.
func (s *Source) Addrs() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bound == nil {
		return nil
	}
	return []string{"http://" + s.bound.String()}
}

// join adds a route to the listener of an address, which is opened for the first one.
func (h *Hub) join(address string, paths []string, r *route) (*listener, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	l := h.open[address]
	if l == nil {
		var err error
		if l, err = listen(address, h.limits); err != nil {
			return nil, err
		}
		h.open[address] = l
	}
	if by := l.add(paths, r); by != "" {
		return nil, fmt.Errorf("%w by %s: no two webhooks can have the same", errTaken, by)
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

// listener is one address with the paths that are served on it.
type listener struct {
	addr   net.Addr
	limits limits
	desks  *desks
	server *http.Server
	conns  *boundListener
	users  int // guarded by the hub

	failed chan struct{} // closed when it takes no more connections though it should
	err    error         // why, set before

	mu     sync.RWMutex
	routes map[string]*route
	gone   map[string]time.Time // paths that ended, and when
}

func listen(address string, lim limits) (*listener, error) {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	l := &listener{addr: ln.Addr(), limits: lim, desks: newDesks(lim.bodies), failed: make(chan struct{}),
		routes: map[string]*route{}, gone: map[string]time.Time{}}
	l.server = &http.Server{
		Handler:           l,
		ReadHeaderTimeout: lim.header,
		ReadTimeout:       lim.request,
		WriteTimeout:      lim.request + lim.emit,
		IdleTimeout:       lim.idle,
		MaxHeaderBytes:    lim.headerBytes,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
		// The asterisk form is no path of ours.
		DisableGeneralOptionsHandler: true,
	}
	l.conns = bound(ln, lim.connections, l.tellFull)
	go l.serve()
	return l, nil
}

func (l *listener) serve() {
	if err := l.server.Serve(l.conns); !errors.Is(err, http.ErrServerClosed) {
		l.err = fmt.Errorf("listener: %w", err)
		close(l.failed)
	}
}

// tellFull says in the log of one of the sources that senders wait for a connection.
func (l *listener) tellFull() {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for _, r := range l.routes {
		r.quiet.say(r.env.Log, time.Now(), 0, "connections are as many as allowed", l.addr.String(), netip.Addr{})
		return
	}
}

func (l *listener) broken() bool {
	select {
	case <-l.failed:
		return true
	default:
		return false
	}
}

// add adds all paths or none; then it returns the name of the source that has one of
// them already.
func (l *listener) add(paths []string, r *route) (by string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, path := range paths {
		if old := l.routes[path]; old != nil {
			return old.env.Name
		}
	}
	for _, path := range paths {
		delete(l.gone, path)
		l.routes[path] = r
	}
	return ""
}

// end takes paths out; for a while they are answered with 503, because they are
// probably coming back.
func (l *listener) end(paths []string, r *route) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, path := range paths {
		if l.routes[path] == r {
			delete(l.routes, path)
			l.gone[path] = time.Now()
		}
	}
}

// route finds the route of a path and enters it; ended says that there was one until
// now.
func (l *listener) route(path string, k *desk, w http.ResponseWriter) (r *route, ended bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if r = l.routes[path]; r != nil && r.enter(k, w) {
		return r, false
	}
	at, ok := l.gone[path]
	return nil, r != nil || ok && time.Since(at) < l.limits.gone
}

// close ends the server: idle connections at once, those with a request when it is
// answered, or after a while.
func (l *listener) close(wait time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	if err := l.server.Shutdown(ctx); err != nil {
		_ = l.server.Close()
	}
}
