package syslog

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/siemfwd/siemfwd/forwarder/framing"
	"github.com/siemfwd/siemfwd/forwarder/sink"
)

// connect makes the link. One function per scheme.
func (s *Sink) connect(parent context.Context) (err error) {
	ctx, cancel := context.WithTimeout(parent, s.cfg.ConnectTimeout)
	defer cancel()
	switch s.to.scheme {
	case "udp":
		s.link, err = s.dialUDP(ctx)
	case "tcp":
		s.link, err = s.dialTCP(ctx)
	case "tls":
		s.link, err = s.dialTLS(ctx)
	}
	var late net.Error
	var lookup *net.DNSError
	if errors.As(err, &late) && late.Timeout() && !errors.As(err, &lookup) {
		return fmt.Errorf("no answer within %v", s.cfg.ConnectTimeout)
	}
	return err
}

// errLeft is what gone and send return for a receiver that has closed.
var errLeft = errors.New("the receiver closed the connection")

// stream is a connection over which messages are framed.
type stream struct {
	net.Conn
	sink *Sink
	left func() error // why the peer cannot be reached any more, or nil
}

func (s *Sink) dialTCP(ctx context.Context) (link, error) {
	c, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	raw, err := c.SyscallConn()
	if err != nil {
		c.Close()
		return nil, err
	}
	scrap := make([]byte, 512)
	return &stream{c, s, func() error { return leftTCP(raw, scrap) }}, nil
}

func (s *Sink) dialTLS(ctx context.Context) (link, error) {
	c, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	tc, err := s.shakeHands(ctx, c)
	if err != nil {
		return nil, err
	}
	w := &watched{Conn: tc, done: make(chan struct{})}
	go w.read()
	return &stream{w, s, w.why}, nil
}

// shakeHands makes a TLS connection of c, or closes it.
func (s *Sink) shakeHands(ctx context.Context, c net.Conn) (*tls.Conn, error) {
	conf, err := s.cfg.TLS.config(s.to.host)
	if err != nil {
		c.Close()
		return nil, err
	}
	tc := tls.Client(c, conf)
	if err := tc.HandshakeContext(ctx); err != nil {
		c.Close()
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	return tc, nil
}

// dial makes a TCP connection whose unacknowledged octets are given up after
// WriteTimeout, so that a receiver which has vanished is noticed.
func (s *Sink) dial(ctx context.Context) (*net.TCPConn, error) {
	d := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		cerr := c.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(s.cfg.WriteTimeout.Milliseconds()))
		})
		return errors.Join(cerr, err)
	}}
	c, err := d.DialContext(ctx, "tcp", s.to.at)
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}

func (t TLS) config(host string) (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host}
	if t.ServerName != "" {
		conf.ServerName = t.ServerName
	}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("tls.ca: %w", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls.ca: no certificate in %s", t.CA)
		}
	}
	if t.Cert != "" {
		pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, fmt.Errorf("tls.cert %s with tls.key %s: %w", t.Cert, t.Key, err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, nil
}

func (c *stream) send(ctx context.Context, items []sink.Item) error {
	defer context.AfterFunc(ctx, func() { _ = c.SetWriteDeadline(time.Unix(1, 0)) })()
	for buf := c.sink.render(items); len(buf) > 0; {
		if err := c.SetWriteDeadline(time.Now().Add(c.sink.cfg.WriteTimeout)); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil { // the deadline it had set is gone
			return err
		}
		n, err := c.Write(buf[:min(len(buf), writeSize)])
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("the receiver took less than %d bytes in %v", writeSize, c.sink.cfg.WriteTimeout)
		} else if err != nil {
			return err
		}
		buf = buf[n:]
	}
	// What was written to a receiver that had closed meanwhile went nowhere.
	return c.left()
}

// writeSize is how much is written under one deadline: a slow receiver is no dead one.
const writeSize = 128 << 10

// render makes the octets of a batch, valid until the next one.
func (s *Sink) render(items []sink.Item) []byte {
	buf, replaced := s.buf[:0], 0
	for i := range items {
		if s.frame == framing.OctetCounting {
			buf = framing.AppendOctet(buf, items[i].Payload)
		} else if len(items[i].Payload) > 0 {
			var n int
			buf, n = framing.AppendLF(buf, items[i].Payload)
			replaced += n
		}
	}
	if cap(buf) <= 4<<20 {
		s.buf = buf
	}
	if replaced > 0 {
		s.env.Meter.Add("line_feeds_replaced", uint64(replaced))
	}
	return buf
}

func (c *stream) gone() error { return c.left() }

func (c *stream) abort() {
	if w, ok := c.Conn.(*watched); ok {
		w.abort()
		return
	}
	_ = c.Close()
}

// leftTCP looks whether the peer has closed or reset the connection. Receivers of syslog
// say nothing; what they say all the same is read into scrap and forgotten, or it would
// hide the end.
func leftTCP(raw syscall.RawConn, scrap []byte) (err error) {
	cerr := raw.Control(func(fd uintptr) {
		for {
			n, rerr := unix.Read(int(fd), scrap)
			switch {
			case errors.Is(rerr, unix.EAGAIN):
				return
			case errors.Is(rerr, unix.EINTR):
			case rerr != nil:
				err = rerr
				return
			case n == 0:
				err = errLeft
				return
			}
		}
	})
	return errors.Join(cerr, err)
}

// watched is a connection that somebody reads from: with TLS, a close, an alert and new
// keys are all records to be read. Close waits for the reader to end.
type watched struct {
	*tls.Conn
	err  atomic.Pointer[error]
	done chan struct{}
}

func (w *watched) read() {
	defer close(w.done)
	_, err := io.Copy(io.Discard, w.Conn)
	if err == nil {
		err = errLeft
	}
	w.err.Store(&err)
}

func (w *watched) why() error {
	if err := w.err.Load(); err != nil {
		return *err
	}
	return nil
}

// Close implements net.Conn. It says close_notify first.
func (w *watched) Close() error {
	err := w.Conn.Close()
	<-w.done
	return err
}

func (w *watched) abort() {
	_ = w.NetConn().Close()
	<-w.done
}
