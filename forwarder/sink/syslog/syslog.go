// Package syslog sends events by syslog: one datagram each over UDP, framed by line feeds
// or octet counting over TCP and TLS, or by RELP.
package syslog

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/framing"
	"github.com/siemfwd/siemfwd/forwarder/sink"
)

// Spec is the sink's entry in the table of ways out.
func Spec() component.Spec[sink.Sink] {
	return component.Of("syslog", "syslog over UDP, TCP, TLS and RELP", defaults, newSink)
}

// Sink is a syslog sink. It connects when there is something to send and no connection,
// and never tries twice in one Send but for a connection that turns out to be closed
// before anything was written to it.
//
// A batch counts as sent when the kernel has all of it and the receiver is not known to
// have closed: syslog has no acknowledgement. A receiver that closes loses what it had
// not read.
//
// Counters: payloads_cut (longer than a datagram can be), line_feeds_replaced (inside a
// payload, by a space, because with framing lf they would split it).
type Sink struct {
	cfg   Config
	env   component.Env
	to    target
	frame framing.Mode

	life context.Context // ends with Close
	end  context.CancelFunc

	mu   sync.Mutex // held by Send
	link link       // nil: not connected
	buf  []byte
}

// A link is a connection, or the socket for datagrams.
type link interface {
	// send hands one batch to the kernel. After an error, and after ctx has ended, the
	// link is to be closed.
	send(ctx context.Context, items []sink.Item) error
	// gone returns why the link cannot be used any more, or nil.
	gone() error
	// abort closes the link without a word to the peer, and without waiting for it.
	abort()
	Close() error
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
	for _, f := range r.Findings {
		if !f.Warning {
			return nil, fmt.Errorf("%s: %s", f.Path, f.Text)
		}
	}
	s := &Sink{cfg: *c, env: env}
	var err error
	if s.to, err = parseTarget(c.Address); err != nil {
		return nil, err
	}
	s.frame = framing.LF
	if s.to.scheme == "tls" {
		s.frame = framing.OctetCounting
	}
	if c.Framing != "" {
		s.frame, _ = framing.ParseMode(c.Framing)
	}
	s.life, s.end = context.WithCancel(context.Background())
	return s, nil
}

// Limits implements sink.Limiter.
func (s *Sink) Limits() sink.Limits { return sink.Limits{Events: 512, Bytes: 1 << 20} }

// Send implements sink.Sink. After an error some of the items may have arrived.
func (s *Sink) Send(ctx context.Context, items []sink.Item) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.life, cancel)()
	s.mu.Lock()
	defer s.mu.Unlock()

	if s.link != nil && s.link.gone() != nil {
		s.drop()
	}
	if s.link == nil {
		if err := s.connect(ctx); err != nil {
			return s.failure(ctx, "connect to", err)
		}
	}
	err := s.link.send(ctx, items)
	var refused *sink.Rejected
	if err == nil || errors.As(err, &refused) {
		return err
	}
	s.drop()
	return s.failure(ctx, "write to", err)
}

// Close implements sink.Sink.
func (s *Sink) Close() error {
	s.end()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link == nil {
		return nil
	}
	err := s.link.Close()
	s.link = nil
	return err
}

func (s *Sink) drop() {
	s.link.abort()
	s.link = nil
}

// failure says what could not be done with which address, and why.
func (s *Sink) failure(ctx context.Context, what string, err error) error {
	switch {
	case s.life.Err() != nil:
		err = net.ErrClosed
	case ctx.Err() != nil:
		err = ctx.Err()
	default:
		err = cause(err)
	}
	return fmt.Errorf("%s %s: %w", what, s.to, err)
}

// cause leaves out what an error repeats of the address.
func cause(err error) error {
	if op, ok := err.(*net.OpError); ok {
		err = op.Err
	}
	if call, ok := err.(*os.SyscallError); ok {
		err = call.Err
	}
	return err
}
