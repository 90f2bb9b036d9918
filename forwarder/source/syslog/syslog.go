// Package syslog receives events by syslog: datagrams over UDP and unix sockets, streams
// over TCP, TLS and unix sockets, framed by line feeds or octet counting, and RELP, which
// answers every message that is on disk. It takes messages as they are; reading their
// headers is a parser's work.
package syslog

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/certs"
	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/framing"
	"github.com/siemfwd/siemfwd/forwarder/source"
)

// Spec is the source's entry in the table of ways in.
func Spec() component.Spec[source.Source] {
	return component.Of("syslog", "syslog over UDP, TCP, TLS, RELP and unix sockets", defaults,
		func(c *Config, env component.Env) (source.Source, error) { return New(c, env) })
}

// Source is a syslog source. Its events have a time of receipt and, but for unix
// sockets, a peer.
//
// Counters: udp_dropped (datagrams the kernel had no room for), events_cut (longer than
// max_event), frames_incomplete, frames_bad_length, frames_too_large (all three with
// the loss of at most that frame and what the sender had in flight behind it; over RELP
// nothing is lost with it), frames_broken (a peer of a relp:// address speaks no RELP),
// connections_refused (above max_connections), peers_denied (by allow: connections and
// datagrams). Gauges: connections, tls_not_after_seconds.
type Source struct {
	cfg   Config
	env   component.Env
	mode  framing.Mode
	where []address
	allow []netip.Prefix
	quiet quiet // over all runs

	mu    sync.Mutex
	bound []string
}

// New makes a Source of a configuration that Check found no errors in.
func New(c *Config, env component.Env) (*Source, error) {
	s := &Source{cfg: *c, env: env}
	var r component.Report
	c.Check(&r)
	for _, f := range r.Findings {
		if !f.Warning {
			return nil, fmt.Errorf("%s: %s", f.Path, f.Text)
		}
	}
	s.mode, _ = framing.ParseMode(c.Framing)
	for _, text := range c.Listen {
		a, err := parseAddress(text)
		if err != nil {
			return nil, err
		}
		s.where = append(s.where, a)
	}
	for _, text := range c.Allow {
		p, err := parseNetwork(text)
		if err != nil {
			return nil, err
		}
		s.allow = append(s.allow, p)
	}
	return s, nil
}

// Keyless implements source.Keyless.
func (s *Source) Keyless() {}

// Addrs returns the addresses the source is listening on, in the order and form of
// listen, with the real port where that is 0. It is empty while Run is not running.
func (s *Source) Addrs() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.bound...)
}

// How long Run goes on after its context ends.
const (
	// linger is for octets and datagrams that the kernel already has.
	linger = 100 * time.Millisecond
	// drain is for the log to take the events that were read.
	drain = 5 * time.Second
)

// run is one call of Run.
type run struct {
	*Source
	log    source.Log
	ctx    context.Context // ends when everything is to end
	fail   context.CancelCauseFunc
	emit   context.Context // outlives ctx by drain
	memory memory
	turns  chan struct{} // taken by connections that emit a large buffer
	open   atomic.Int64  // connections
	closed atomic.Int64  // connections that the end of ctx closed

	identity *certs.Identity // of the addresses with TLS; nil: there are none
}

// endpoint is one bound address.
type endpoint struct {
	address   string
	serve     func() // returns after stop, with the socket closed and all it started gone
	stop      func() // called once, when run.ctx has ended
	io.Closer        // for when serve will not be called
}

// Run implements source.Source. Events that were read, and what the kernel had
// received, are still emitted after ctx ended, for a few seconds at most.
func (s *Source) Run(ctx context.Context, log source.Log) error {
	r := &run{Source: s, log: log, turns: make(chan struct{}, largeTurns)}
	r.ctx, r.fail = context.WithCancelCause(ctx)
	defer r.fail(nil)
	emit, stopEmit := context.WithCancel(context.WithoutCancel(ctx))
	defer stopEmit()
	r.emit = emit

	ends, err := r.bindAll()
	if err != nil {
		return err
	}
	log.Ready()
	r.env.Meter.Add("udp_dropped", 0) // an alert can tell 0 from not there
	var serving sync.WaitGroup
	serving.Go(r.summarise)
	r.watchCertificate(r.ctx, &serving)
	defer func() { r.tell(r.quiet.left(time.Now(), true)) }()
	for _, e := range ends {
		serving.Go(e.serve)
	}

	<-r.ctx.Done()
	for _, e := range ends {
		e.stop()
	}
	giveUp := time.AfterFunc(drain, stopEmit)
	defer giveUp.Stop()
	serving.Wait()
	s.setBound(nil)
	if n := r.closed.Load(); n > 0 {
		s.env.Log.Info("connections closed because the source stops", "connections", n)
	}
	if ctx.Err() != nil {
		return nil
	}
	return context.Cause(r.ctx)
}

// bindAll binds every address, or none.
func (r *run) bindAll() ([]endpoint, error) {
	var ends []endpoint
	var bound []string
	for _, a := range r.where {
		e, err := r.bind(a)
		if err != nil {
			for _, e := range ends {
				e.Close()
			}
			return nil, listenError(a, err)
		}
		ends = append(ends, e)
		bound = append(bound, e.address)
	}
	r.setBound(bound)
	return ends, nil
}

func (s *Source) setBound(addresses []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bound = addresses
}

// allowed reports whether peer may send, and counts and tells when it may not.
func (r *run) allowed(peer netip.Addr, n uint64) bool {
	if len(r.allow) == 0 || !peer.IsValid() {
		return true
	}
	for _, p := range r.allow {
		if p.Contains(peer) {
			return true
		}
	}
	r.env.Meter.Add("peers_denied", n)
	r.warn(peer, "a peer that is not in allow was refused")
	return false
}

// warn logs a line about a peer. When the same is said of it very often, summarise tells
// how often instead.
func (r *run) warn(peer netip.Addr, text string, args ...any) {
	if !r.quiet.pass(peer, text, time.Now()) {
		return
	}
	if peer.IsValid() {
		args = append([]any{"peer", peer}, args...)
	}
	r.env.Log.Warn(text, args...)
}

// summarise logs what warn left out, until the run ends.
func (r *run) summarise() {
	tick := time.NewTicker(quietTime)
	defer tick.Stop()
	for {
		select {
		case <-r.ctx.Done():
			return
		case now := <-tick.C:
			r.tell(r.quiet.left(now, false))
		}
	}
}

func (r *run) tell(left []summary) {
	for _, s := range left {
		if s.peer.IsValid() {
			r.env.Log.Warn(s.text, "peer", s.peer, "times_more", s.times)
		} else {
			r.env.Log.Warn(s.text, "times_more", s.times)
		}
	}
}
