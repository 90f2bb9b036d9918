package syslog

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

// handshake is how long a client may take for its TLS handshake.
const handshake = 10 * time.Second

// acceptor takes connections from one listener.
type acceptor struct {
	*run
	at       address
	listener net.Listener
	tls      *tls.Config // nil: the stream itself
	conns    sync.WaitGroup
	crowded  bool // newcomers are being refused
	refused  int
}

func (r *run) stream(a address, l net.Listener, conf *tls.Config) endpoint {
	s := &acceptor{run: r, at: a, listener: l, tls: conf}
	return endpoint{address: a.String(), serve: s.serve, stop: func() { l.Close() }, Closer: l}
}

func (s *acceptor) serve() {
	defer s.conns.Wait()
	var pause time.Duration
	for {
		c, err := s.listener.Accept()
		switch {
		case err == nil:
			if pause > 0 {
				pause = 0
				s.env.Log.Info("accepting connections again", "address", s.at.String())
			}
			s.admit(c)
		case s.ctx.Err() != nil || errors.Is(err, net.ErrClosed):
			return
		default:
			// Most likely no file descriptors are left. Those who knock stay in the
			// kernel's queue meanwhile.
			if pause == 0 {
				s.env.Log.Error("connections cannot be accepted", "address", s.at.String(), "err", err,
					"hint", "LimitNOFILE= in the systemd unit bounds open files, max_connections bounds connections")
			}
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			select {
			case <-time.After(pause):
			case <-s.ctx.Done():
			}
		}
	}
}

// admit starts a connection, or closes it at once.
func (s *acceptor) admit(nc net.Conn) {
	peer := peerOf(nc.RemoteAddr())
	if !s.allowed(peer.Addr(), 1) {
		nc.Close()
		return
	}
	n, most := int(s.open.Add(1)), s.cfg.MaxConnections
	if n > most {
		s.open.Add(-1)
		nc.Close()
		s.refused++
		s.env.Meter.Add("connections_refused", 1)
		if !s.crowded {
			s.crowded = true
			s.env.Log.Warn("new connections are closed: there are as many as max_connections allows", "address", s.at.String(), "max_connections", most, "peer", peer)
		}
		return
	}
	if s.crowded && n <= most-most/10 {
		s.env.Log.Info("new connections are taken again", "address", s.at.String(), "refused", s.refused)
		s.crowded, s.refused = false, 0
	}
	s.env.Meter.Set("connections", float64(n))
	s.conns.Go(func() {
		defer func() { s.env.Meter.Set("connections", float64(s.open.Add(-1))) }()
		defer nc.Close()
		s.talk(nc, peer)
	})
}

// talk reads from a connection until it ends.
func (s *acceptor) talk(nc net.Conn, peer netip.AddrPort) {
	if s.tls == nil {
		newConn(s.run, nc, peer, s.at.scheme).serve()
		return
	}
	tc := tls.Server(nc, s.tls)
	ctx, cancel := context.WithTimeout(s.ctx, handshake)
	err := tc.HandshakeContext(ctx)
	cancel()
	if err != nil {
		if s.ctx.Err() == nil {
			s.warn(peer.Addr(), "connection closed: no TLS handshake", "err", err)
		}
		return
	}
	defer tc.Close() // sends close_notify
	newConn(s.run, tc, peer, s.at.scheme).serve()
}

// peerOf returns the zero AddrPort for sockets that have no such thing.
func peerOf(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	p := t.AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}
