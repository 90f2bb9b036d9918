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
	net.Conn // what messages are written to: raw, or TLS over it
	raw      counted
	sink     *Sink
	window   *window
	err      error         // why nothing can be read any more; once done is closed
	done     chan struct{} // closed when there is nothing to be read any more
}

func (s *Sink) dialTCP(ctx context.Context) (link, error) {
	c, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	raw := count(c)
	return s.newStream(raw, raw), nil
}

func (s *Sink) dialTLS(ctx context.Context) (link, error) {
	c, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	raw := count(c)
	tc, err := s.shakeHands(ctx, raw)
	if err != nil {
		return nil, err
	}
	return s.newStream(raw, tc), nil
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

// newStream watches a connection whose messages are written to c.
func (s *Sink) newStream(raw counted, c net.Conn) *stream {
	st := &stream{Conn: c, raw: raw, sink: s, done: make(chan struct{})}
	st.window = &window{sink: s, session: s.session, conn: raw}
	go st.watch()
	return st
}

// counted is a connection that counts what was written to it.
type counted struct {
	*net.TCPConn
	written *atomic.Int64
}

func count(c *net.TCPConn) counted { return counted{c, new(atomic.Int64)} }

func (c counted) Write(p []byte) (int, error) {
	n, err := c.TCPConn.Write(p)
	c.written.Add(int64(n))
	return n, err
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
	buf, ends := c.sink.render(items)
	whole := 0
	for at := 0; at < len(buf); {
		if err := c.SetWriteDeadline(time.Now().Add(c.sink.cfg.WriteTimeout)); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil { // the deadline it had set is gone
			return err
		}
		n, err := c.Write(buf[at:min(len(buf), at+writeSize)])
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("the receiver took less than %d bytes in %v", writeSize, c.sink.cfg.WriteTimeout)
		} else if err != nil {
			return err
		}
		at += n
		before := whole
		for whole < len(ends) && ends[whole] <= at {
			whole++
		}
		c.window.wrote(whole - before)
	}
	c.window.wrote(len(ends) - whole) // there was nothing to write
	c.window.confirm(false)
	// What was written to a receiver that had closed meanwhile went nowhere.
	return c.gone()
}

// writeSize is how much is written under one deadline: a slow receiver is no dead one.
const writeSize = 128 << 10

// render makes the octets of a batch, and tells where in them each item ends; both are
// valid until the next one.
func (s *Sink) render(items []sink.Item) (octets []byte, ends []int) {
	buf, replaced := s.buf[:0], 0
	s.ends = s.ends[:0]
	for i := range items {
		if s.frame == framing.OctetCounting {
			buf = framing.AppendOctet(buf, items[i].Payload)
		} else if len(items[i].Payload) > 0 {
			var n int
			buf, n = framing.AppendLF(buf, items[i].Payload)
			replaced += n
		}
		s.ends = append(s.ends, len(buf))
	}
	if cap(buf) <= 4<<20 {
		s.buf = buf
	}
	if replaced > 0 {
		s.env.Meter.Add("line_feeds_replaced", uint64(replaced))
	}
	return buf, s.ends
}

// gone implements link. It looks at the socket, too: who watches may not have had its
// turn yet.
func (c *stream) gone() error {
	select {
	case <-c.done:
		return c.err
	default:
		return c.look()
	}
}

// watch reads what the peer says, until it has closed or the connection is: receivers of
// syslog say nothing, and what they say all the same is of no interest. With TLS a close,
// an alert and new keys are all records to be read.
func (c *stream) watch() {
	defer close(c.done)
	_, err := io.Copy(io.Discard, c.Conn)
	closed := err == nil || errors.Is(err, io.ErrUnexpectedEOF)
	if closed {
		err = errLeft
	}
	c.err = err
	c.window.end(closed, err)
}

// look looks at the socket whether the peer has closed or reset the connection. Over TLS
// what it has said and nobody has read yet hides that, for it cannot be left out.
func (c *stream) look() (err error) {
	raw, err := c.raw.SyscallConn()
	if err != nil {
		return err
	}
	flags := unix.MSG_DONTWAIT
	if c.Conn != net.Conn(c.raw) {
		flags |= unix.MSG_PEEK
	}
	scrap := make([]byte, 512)
	cerr := raw.Control(func(fd uintptr) {
		for {
			n, _, rerr := unix.Recvfrom(int(fd), scrap, flags)
			switch {
			case errors.Is(rerr, unix.EINTR):
				continue
			case errors.Is(rerr, unix.EAGAIN):
			case rerr != nil:
				err = rerr
			case n == 0:
				err = errLeft
			case flags&unix.MSG_PEEK == 0:
				continue
			}
			return
		}
	})
	return errors.Join(cerr, err)
}

// Close implements link. Over TLS it says close_notify first, if there is somebody to hear it.
func (c *stream) Close() error {
	_ = c.Conn.Close()
	<-c.done
	return nil
}

func (c *stream) abort() {
	_ = c.raw.Close()
	<-c.done
}
