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
// A batch is taken when the kernel has all of it and the receiver is not known to have
// closed. Syslog has no acknowledgement; what is confirmed all the same is told at Stream.
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

	ledger sink.Ledger // of streams

	mu      sync.Mutex // held by Send
	link    link       // nil: not connected
	session uint64     // that the link is for
	buf     []byte
	ends    []int
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

	if err := s.open(ctx); err != nil {
		return err
	}
	err := s.link.send(ctx, items)
	var refused *sink.Rejected
	switch {
	case err == nil:
		s.took(len(items))
	case errors.As(err, &refused):
	default:
		err = s.failure(ctx, "write to", err)
		s.drop(err)
	}
	return err
}

// open sees to it that there is a link that can be used.
func (s *Sink) open(ctx context.Context) error {
	for {
		session, err := s.ledger.Begin()
		if err != nil {
			return fmt.Errorf("%w: %w", err, s.ledger.Progress().Ended)
		}
		if s.link == nil {
			s.session = session
			break
		}
		why := s.link.gone()
		if why == nil {
			return nil
		}
		s.drop(fmt.Errorf("%s: %w", s.to, cause(why)))
	}
	if err := s.connect(ctx); err != nil {
		return s.failure(ctx, "connect to", err)
	}
	return nil
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

// drop ends the link and its session.
func (s *Sink) drop(why error) {
	s.ledger.End(s.session, why)
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
	for {
		switch e := err.(type) {
		case *net.OpError:
			err = e.Err
		case *os.SyscallError:
			err = e.Err
		default:
			return err
		}
	}
}
