package syslog

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/framing"
	"github.com/siemfwd/siemfwd/forwarder/sink"
)

// streams makes sinks over TCP and over TLS, each with a listener for its receiver.
func streams(t *testing.T, change func(c *Config), test func(t *testing.T, s *Stream, l net.Listener)) {
	dir := t.TempDir()
	pair, ca, _ := issue(t, dir, "server")
	for _, scheme := range []string{"tcp", "tls"} {
		t.Run(scheme, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			if scheme == "tls" {
				l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{pair}})
			}
			t.Cleanup(func() { l.Close() })
			c := config(scheme + "://" + l.Addr().String())
			if scheme == "tls" {
				c.TLS.CA = ca
			}
			c.Framing = "lf"
			change(&c)
			s, _ := build(t, c)
			test(t, &Stream{s}, l)
		})
	}
}

func resend(size component.Size, age time.Duration) func(c *Config) {
	return func(c *Config) { c.Resend = Resend{size, age} }
}

// until waits for a progress.
func until(t *testing.T, s *Stream, what string, want func(p sink.Progress) bool) sink.Progress {
	t.Helper()
	deadline := time.After(patience)
	for {
		p := s.Progress()
		if want(p) {
			return p
		}
		select {
		case <-p.Changed:
		case <-deadline:
			require.Fail(t, what, "%+v", p)
		}
	}
}

// accept takes a connection and shakes hands, while the sink sends.
func accept(t *testing.T, l net.Listener) func() net.Conn {
	t.Helper()
	var c net.Conn
	var err error
	var done sync.WaitGroup
	done.Go(func() {
		if c, err = l.Accept(); err != nil {
			return
		}
		if tc, ok := c.(*tls.Conn); ok {
			err = tc.HandshakeContext(t.Context())
		}
	})
	return func() net.Conn {
		done.Wait()
		require.NoError(t, err)
		t.Cleanup(func() { c.Close() })
		return c
	}
}

func TestConfirmedAfterAWhile(t *testing.T) {
	streams(t, resend(1<<20, 50*time.Millisecond), func(t *testing.T, s *Stream, l net.Listener) {
		receive(t, l, framing.LF)
		began := time.Now()
		send(t, s.Sink, batch(0, 10)...)
		p := s.Progress()
		assert.EqualValues(t, 10, p.Taken)
		until(t, s, "confirmed", func(p sink.Progress) bool { return p.Confirmed == 10 })
		assert.GreaterOrEqual(t, time.Since(began), 50*time.Millisecond)
		send(t, s.Sink, "a", "")
		until(t, s, "confirmed", func(p sink.Progress) bool { return p.Confirmed == 12 })
		send(t, s.Sink, "", "\n")
		until(t, s, "confirmed", func(p sink.Progress) bool { return p.Confirmed == 14 })
		s.Sink.mu.Lock()
		defer s.Sink.mu.Unlock()
		w := s.link.(*stream).window
		w.mu.Lock()
		defer w.mu.Unlock()
		assert.False(t, w.waiting, "nobody looks any more")
	})
}

func TestConfirmedBySize(t *testing.T) {
	const size = 64 << 10
	streams(t, resend(size, time.Hour), func(t *testing.T, s *Stream, l net.Listener) {
		receive(t, l, framing.LF)
		line := strings.Repeat("x", 1023)
		for i := range 300 {
			send(t, s.Sink, line)
			want := uint64(max(0, i+1-64))
			if want > 40 {
				want -= 40 // TLS has octets of its own
			} else {
				want = 0
			}
			until(t, s, "the older ones are confirmed", func(p sink.Progress) bool { return p.Confirmed >= want })
		}
		assert.LessOrEqual(t, s.Progress().Confirmed, uint64(300-60))
	})
}

// What the receiver's kernel has no room for is not confirmed, however old it is.
func TestUnacknowledgedIsNotConfirmed(t *testing.T) {
	streams(t, resend(0, 0), func(t *testing.T, s *Stream, l net.Listener) {
		accepted := accept(t, l)
		send(t, s.Sink, "first")
		peer := accepted()
		until(t, s, "first", func(p sink.Progress) bool { return p.Confirmed == 1 })
		raw := s.link.(*stream).raw
		line := strings.Repeat("x", 1<<20-1)
		done := make(chan error, 1)
		go func() {
			for range 40 { // more than both kernels have room for
				if err := s.Send(t.Context(), items(line)); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
		for calm, before := 0, int64(0); calm < 100; calm++ {
			confirmed := s.Progress().Confirmed
			written := raw.written.Load()
			queued, err := raw.queued()
			require.NoError(t, err)
			// A write in progress is in the queue and not yet counted.
			require.GreaterOrEqual(t, raw.written.Load()+writeSize-queued, int64(confirmed-1)<<20)
			if written != before {
				calm, before = 0, written
			}
			time.Sleep(time.Millisecond)
		}
		p := s.Progress()
		assert.Less(t, p.Confirmed, p.Taken)
		go func() { _, _ = io.Copy(io.Discard, peer) }()
		require.NoError(t, <-done)
		until(t, s, "room", func(p sink.Progress) bool { return p.Confirmed == 41 })
	})
}

func TestAClosedConnectionIsNoticedByItself(t *testing.T) {
	streams(t, resend(1<<20, time.Hour), func(t *testing.T, s *Stream, l net.Listener) {
		accepted := accept(t, l)
		send(t, s.Sink, "a", "b")
		peer := accepted()
		_, err := io.ReadFull(peer, make([]byte, 4))
		require.NoError(t, err)
		require.NoError(t, peer.Close())
		p := until(t, s, "session over", func(p sink.Progress) bool { return p.Session == 1 })
		assert.Zero(t, p.Taken)
		assert.Zero(t, p.Before)
		assert.EqualError(t, p.Ended, s.to.String()+": the receiver closed the connection")
		require.ErrorIs(t, s.Send(t.Context(), items("c")), sink.ErrSession, "a and b come first")
		accepted = accept(t, l)
		send(t, s.Sink, "a", "b")
		accepted()
		assert.EqualValues(t, 2, s.Progress().Taken)
	})
}

func TestSettle(t *testing.T) {
	for name, peer := range map[string]struct {
		do   func(t *testing.T, c net.Conn)
		want uint64
	}{
		"reads all and closes": {func(t *testing.T, c net.Conn) {
			_, err := io.Copy(io.Discard, c)
			assert.NoError(t, err)
			c.Close()
		}, 3},
		"dies with it unread": {func(t *testing.T, c net.Conn) {
			if tc, ok := c.(*tls.Conn); ok {
				c = tc.NetConn()
			}
			// Closing with something unread is a reset.
			assert.Eventually(t, func() bool { n, _ := c.Read(make([]byte, 1)); return n == 1 }, patience, time.Millisecond)
			assert.NoError(t, c.(*net.TCPConn).SetLinger(0))
			c.Close()
		}, 0},
		"does not close": {func(t *testing.T, c net.Conn) { _, _ = io.Copy(io.Discard, c) }, 3},
	} {
		t.Run(name, func(t *testing.T) {
			streams(t, resend(1<<20, time.Hour), func(t *testing.T, s *Stream, l net.Listener) {
				accepted := accept(t, l)
				send(t, s.Sink, "a", "b", "c")
				c := accepted()
				var done sync.WaitGroup
				done.Go(func() { peer.do(t, c) })
				until(t, s, "taken", func(p sink.Progress) bool { return p.Taken == 3 || p.Session > 0 })
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				if name == "does not close" {
					cancel()
					require.Eventually(t, func() bool {
						n, err := s.link.(*stream).raw.queued()
						return assert.NoError(t, err) && n == 0
					}, patience, time.Millisecond, "acknowledged")
				}
				s.Settle(ctx)
				cancel()
				p := s.Progress()
				if p.Session == 0 {
					p.Before = p.Confirmed
				}
				assert.Equal(t, peer.want, p.Before)
				c.Close()
				done.Wait()
			})
		})
	}
	s, _ := build(t, config("tcp://127.0.0.1:1"))
	(&Stream{s}).Settle(t.Context()) // never connected
}

func TestUDPConfirmsNothing(t *testing.T) {
	c := config("udp://127.0.0.1:514")
	s, err := Spec().Build(&c, component.Env{Meter: component.NoMeter{}})
	require.NoError(t, err)
	defer s.Close()
	_, is := s.(sink.Confirmer)
	assert.False(t, is)
}
