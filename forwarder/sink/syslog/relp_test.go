package syslog

import (
	"crypto/tls"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/framing"
	"github.com/siemfwd/siemfwd/forwarder/peertest"
	"github.com/siemfwd/siemfwd/forwarder/sink"
)

// relpReceiver answers every frame of every connection, and returns the messages.
func relpReceiver(t *testing.T, l net.Listener) <-chan string {
	messages, done := make(chan string, 100), make(chan struct{})
	serve := func(c net.Conn) {
		defer c.Close()
		reader := framing.RELPReader{Max: 1 << 16}
		var buf []byte
		for {
			f, n, err := reader.Next(buf)
			if err != nil {
				return
			}
			buf = buf[n:]
			if f.Command != nil {
				if string(f.Command) == "syslog" {
					messages <- string(f.Data)
				}
				_, _ = c.Write(framing.AppendRELP(nil, f.TXNR, "rsp", []byte("200 OK")))
				continue
			}
			chunk := make([]byte, 1<<10)
			n, err = c.Read(chunk)
			if buf = append(buf, chunk[:n]...); err != nil {
				return
			}
		}
	}
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serve(c)
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return messages
}

// The address decides what is spoken.
func TestRELP(t *testing.T) {
	dir := t.TempDir()
	pair, ca, key := issue(t, dir, "receiver")
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	covered, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}})
	require.NoError(t, err)
	for scheme, l := range map[string]net.Listener{"relp": plain, "relp+tls": covered} {
		t.Run(scheme, func(t *testing.T) {
			messages := relpReceiver(t, l)
			c := config(scheme + "://" + l.Addr().String())
			if scheme == "relp+tls" {
				c.TLS = TLS{CA: ca}
			}
			s, err := Spec().Build(&c, component.Env{Log: slog.New(slog.DiscardHandler), Meter: component.NoMeter{}})
			require.NoError(t, err)
			p := s.(component.Prober).Probe(t.Context())
			require.NoError(t, p[0].Err)
			assert.True(t, strings.HasPrefix(p[0].Note, map[string]string{"relp": "RELP", "relp+tls": "RELP, TLS 1.3, certificate until 2"}[scheme]), p[0].Note)

			require.NoError(t, s.Send(t.Context(), items("a", "b\nc")))
			s.(sink.Confirmer).Settle(t.Context())
			require.EqualValues(t, 2, s.(sink.Confirmer).Progress().Before)
			require.Equal(t, "a", <-messages)
			require.Equal(t, "b\nc", <-messages)
			require.NoError(t, s.Close())
		})
	}
	for want, change := range map[string]func(c *Config){
		"TLS handshake: ":            func(c *Config) { c.TLS.CA = "" },
		"tls.ca: no certificate in ": func(c *Config) { c.TLS.CA = key },
		"connection refused":         func(c *Config) {},
	} {
		c := config("relp+tls://" + covered.Addr().String())
		c.TLS.CA = ca
		change(&c)
		if want != "connection refused" {
			l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}})
			require.NoError(t, err)
			relpReceiver(t, l)
			c.Address = "relp+tls://" + l.Addr().String()
		}
		s, err := Spec().Build(&c, component.Env{Log: slog.New(slog.DiscardHandler), Meter: component.NoMeter{}})
		require.NoError(t, err)
		err = s.Send(t.Context(), items("a"))
		require.ErrorContains(t, err, "connect to "+c.Address+": ")
		require.ErrorContains(t, err, want)
		require.NoError(t, s.Close())
	}

	// The TLS handshake is under connect_timeout, too.
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()
	c := config("relp+tls://" + silent.Addr().String())
	c.ConnectTimeout = 50 * time.Millisecond
	s, err := newSink(&c, component.Env{})
	require.NoError(t, err)
	defer s.Close()
	require.EqualError(t, s.Send(t.Context(), items("a")), "connect to "+c.Address+": no answer within 50ms")
}

// rsyslog's TLS is that of GnuTLS; each side asks for the other's certificate.
func TestRELPRsyslogOverTLS(t *testing.T) {
	dir := t.TempDir()
	_, receiver, receiverKey := issue(t, dir, "rsyslog.example.net")
	_, own, ownKey := issue(t, dir, "siemfwd.example.net")
	peer := peertest.Rsyslog(t, peertest.Receiver{Transport: peertest.RELP,
		TLS: &peertest.TLS{CA: own, Cert: receiver, Key: receiverKey, Name: "siemfwd.example.net"}})
	c := config("relp+tls://" + peer.Addr)
	c.TLS = TLS{CA: receiver, Cert: own, Key: ownKey}
	s, err := newSink(&c, component.Env{})
	require.NoError(t, err)
	var want []string
	for i := range 50 {
		texts := batch(100*i, 100)
		require.NoError(t, s.Send(t.Context(), items(texts...)))
		want = append(want, texts...)
	}
	s.(sink.Confirmer).Settle(t.Context())
	require.EqualValues(t, len(want), s.(sink.Confirmer).Progress().Before)
	require.NoError(t, s.Close())
	require.Equal(t, want, peer.Lines())
}
