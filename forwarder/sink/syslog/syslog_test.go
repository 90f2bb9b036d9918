package syslog

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/framing"
	"github.com/siemfwd/siemfwd/forwarder/sink"
)

func TestStreams(t *testing.T) {
	tests := []struct {
		framing  string
		mode     framing.Mode
		want     []string
		replaced uint64
	}{
		{"", framing.LF, []string{"a", "b c", "d", "é "}, 1},
		{"lf", framing.LF, []string{"a", "b c", "d", "é "}, 1},
		{"octet_counting", framing.OctetCounting, []string{"a", "b\nc", "d", "é "}, 0},
	}
	for _, tt := range tests {
		r := listen(t, "", tt.mode)
		c := config("tcp://" + r.Addr().String())
		c.Framing = tt.framing
		s, m := build(t, c)
		send(t, s, "a", "b\nc", "", "d\n", "\n")
		send(t, s)
		send(t, s, "é ")
		assert.Equal(t, tt.want, r.wait(t, 4))
		assert.Equal(t, tt.replaced, m.counts["line_feeds_replaced"])
		assert.Equal(t, 1, r.accepted, "one connection for all")
	}
}

func TestBigBatch(t *testing.T) {
	r := listen(t, "", framing.LF)
	s, _ := build(t, config("tcp://"+r.Addr().String()))
	big := strings.Repeat("x", 5<<20)
	send(t, s, big, "after")
	send(t, s, batch(0, 512)...)
	got := r.wait(t, 514)
	assert.True(t, got[0] == big)
	assert.Equal(t, append([]string{"after"}, batch(0, 512)...), got[1:])
}

func TestUDP(t *testing.T) {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer pc.Close()
	s, m := build(t, config("udp://"+pc.LocalAddr().String()))
	long := strings.Repeat("x", most4-1) + "é"
	send(t, s, "a", "", "b\nc\n", long)
	buf := make([]byte, 1<<17)
	for _, want := range []string{"a", "b\nc", long[:most4-1]} {
		require.NoError(t, pc.SetReadDeadline(time.Now().Add(patience)))
		n, _, err := pc.ReadFrom(buf)
		require.NoError(t, err)
		require.True(t, want == string(buf[:n]), "%.60q", buf[:n])
	}
	assert.EqualValues(t, 1, m.counts["payloads_cut"])
}

// Over UDP the network tells when nobody listens; that is an error, and after the
// receiver's return all is well again.
func TestUDPRefused(t *testing.T) {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	at := pc.LocalAddr().String()
	pc.Close()
	s, _ := build(t, config("udp://"+at))
	err = s.Send(t.Context(), items("a", "b"))
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	assert.EqualError(t, err, "write to udp://"+at+": connection refused")
	pc, err = net.ListenPacket("udp", at)
	require.NoError(t, err)
	defer pc.Close()
	send(t, s, "a")
	require.NoError(t, pc.SetReadDeadline(time.Now().Add(patience)))
	n, _, err := pc.ReadFrom(make([]byte, 9))
	require.NoError(t, err)
	assert.Equal(t, 1, n)
}

// A receiver that is restarted between two batches costs nothing: the close is seen
// before the next write, or the write is known to have failed.
func TestReceiverRestarts(t *testing.T) {
	r := listen(t, "", framing.LF)
	at := r.Addr().String()
	s, _ := build(t, config("tcp://"+at))
	want, got := []string{}, []string{}
	for i := range 50 {
		texts := batch(10*i, 10)
		send(t, s, texts...)
		want = append(want, texts...)
		got = append(got, r.wait(t, 10)...)
		r.stop()
		if i%5 == 0 { // sometimes it is missed meanwhile
			err := s.Send(t.Context(), items("x"))
			require.EqualError(t, err, "session is over: tcp://"+at+": the receiver closed the connection")
			require.ErrorIs(t, err, sink.ErrSession)
			err = s.Send(t.Context(), items("x"))
			require.EqualError(t, err, "connect to tcp://"+at+": connection refused")
		}
		r = listen(t, at, framing.LF)
	}
	assert.Equal(t, want, got)
}

// A connection that is reset, not closed, is noticed as well.
func TestReset(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	s, _ := build(t, config("tcp://"+l.Addr().String()))
	send(t, s, "a")
	c, err := l.Accept()
	require.NoError(t, err)
	require.NoError(t, c.(*net.TCPConn).SetLinger(0))
	require.NoError(t, c.Close())
	send(t, s, "b")
	c, err = l.Accept()
	require.NoError(t, err)
	defer c.Close()
	buf := make([]byte, 9)
	n, err := c.Read(buf)
	require.NoError(t, err)
	assert.Equal(t, "b\n", string(buf[:n]))
}

// What a receiver says is of no interest, and does not hide that it has gone.
func TestTalkativeReceiver(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	s, _ := build(t, config("tcp://"+l.Addr().String()))
	send(t, s, "a")
	c, err := l.Accept()
	require.NoError(t, err)
	_, err = c.Write([]byte(strings.Repeat("welcome to the log host\r\n", 100)))
	require.NoError(t, err)
	send(t, s, "b")
	require.NoError(t, c.(*net.TCPConn).CloseWrite())
	require.NoError(t, c.Close())
	send(t, s, "c")
	c, err = l.Accept()
	require.NoError(t, err)
	c.Close()
}

// A receiver that accepts and never reads is given up after write_timeout, and ctx and
// Close end the wait at once.
func TestBlackHole(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	big := items(strings.Repeat("x", 64<<20))
	at := "tcp://" + l.Addr().String()

	c := config(at)
	c.WriteTimeout = 100 * time.Millisecond
	s, _ := build(t, c)
	err = s.Send(t.Context(), big)
	require.EqualError(t, err, "write to "+at+": the receiver took less than 131072 bytes in 100ms")
	assert.Nil(t, s.link)

	s, _ = build(t, config(at))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err = s.Send(ctx, big)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, s.Send(ctx, items("x")), context.DeadlineExceeded)

	other, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer other.Close()
	s, _ = build(t, config("tcp://"+other.Addr().String()))
	done := make(chan error, 1)
	go func() { done <- s.Send(context.Background(), big) }()
	accepted, err := other.Accept()
	require.NoError(t, err)
	defer accepted.Close()
	_, err = accepted.Read(make([]byte, 1)) // it is being written
	require.NoError(t, err)
	require.NoError(t, s.Close())
	select {
	case err := <-done:
		require.ErrorIs(t, err, net.ErrClosed)
	case <-time.After(patience):
		t.Fatal("Close does not end Send")
	}
	require.ErrorIs(t, s.Send(t.Context(), items("x")), net.ErrClosed)
}

// A receiver that is slow, but takes something, is not given up.
func TestSlowReceiver(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	c := config("tcp://" + l.Addr().String())
	c.WriteTimeout = 2 * time.Second
	s, _ := build(t, c)
	const total = 24 << 20
	done := make(chan error, 1)
	go func() { done <- s.Send(t.Context(), items(strings.Repeat("x", total-1))) }()
	peer, err := l.Accept()
	require.NoError(t, err)
	defer peer.Close()
	got, buf := 0, make([]byte, 256<<10)
	for began := time.Now(); got < total; {
		n, err := peer.Read(buf)
		require.NoError(t, err)
		got += n
		if time.Since(began) < 3*time.Second { // longer than write_timeout in all
			time.Sleep(10 * time.Millisecond)
		}
	}
	require.NoError(t, <-done)
}

func TestConnectErrors(t *testing.T) {
	s, _ := build(t, config("tcp://name.invalid:514"))
	err := s.Send(t.Context(), items("x"))
	require.ErrorContains(t, err, "connect to tcp://name.invalid:514: lookup name.invalid")

	// Nobody answers: the queue of a listener that never accepts is full.
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	require.NoError(t, err)
	defer syscall.Close(fd)
	require.NoError(t, syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	require.NoError(t, syscall.Listen(fd, 0))
	sa, err := syscall.Getsockname(fd)
	require.NoError(t, err)
	at := (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: sa.(*syscall.SockaddrInet4).Port}).String()
	for {
		c, err := net.DialTimeout("tcp", at, 100*time.Millisecond)
		if err != nil {
			break
		}
		defer c.Close()
	}
	c := config("tcp://" + at)
	c.ConnectTimeout = 50 * time.Millisecond
	s, _ = build(t, c)
	require.EqualError(t, s.Send(t.Context(), items("x")), "connect to tcp://"+at+": no answer within 50ms")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.Send(ctx, items("x")), context.Canceled)
}

func TestCause(t *testing.T) {
	err := cause(&net.OpError{Op: "write", Net: "tcp", Err: os.NewSyscallError("write", syscall.EPIPE)})
	assert.Equal(t, syscall.EPIPE, err)
	assert.Equal(t, err, cause(&net.OpError{Op: "writeto", Net: "tcp", Err: &net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.EPIPE)}}))
	plain := errors.New("plain")
	assert.Equal(t, plain, cause(plain))
}

func TestSendAllocatesLittle(t *testing.T) {
	r := listen(t, "", framing.LF)
	s, _ := build(t, config("tcp://"+r.Addr().String()))
	many := items(batch(0, 500)...)
	send(t, s, "warm")
	assert.Zero(t, testing.AllocsPerRun(20, func() { s.render(many) }))
}

func TestCheck(t *testing.T) {
	tests := []struct {
		name   string
		change func(c *Config)
		want   []string
	}{
		{"loopback", func(c *Config) { c.Address = "tcp://localhost:514" }, nil},
		{"loopback by number", func(c *Config) { c.Address = "tcp://[::1]:514" }, nil},
		{"plain", func(c *Config) { c.Address = "tcp://siem.example.net:514" }, []string{"address: events cross the network in plain text (warning)"}},
		{"udp", func(c *Config) { c.Address, c.Framing = "udp://127.0.0.1:514", "lf" }, []string{
			"address: over UDP events are lost without notice when the receiver or the network is busy or down (warning)",
			"framing: a datagram is one message: there is no framing on udp (warning)"}},
		{"tls", func(c *Config) { c.Address = "tls://siem.example.net:6514" }, nil},
		{"tls with lf", func(c *Config) { c.Address, c.Framing = "tls://h:6514", "lf" }, []string{"framing: RFC 5425 wants octet_counting over TLS (warning)"}},
		{"tls without tls", func(c *Config) { c.TLS.CA = "ca" }, []string{"tls: the address is not tls://, so nothing is encrypted (warning)"}},
		{"half a pair", func(c *Config) { c.Address, c.TLS.Cert = "tls://h:6514", "c" }, []string{"tls: cert and key go together"}},
		{"a secret that cannot be read", func(c *Config) { c.Address = "${cred:siem}" }, nil},
		{"no address", func(c *Config) { c.Address = "" }, []string{"address: no receiver"}},
		{"no port", func(c *Config) { c.Address = "tcp://h" }, []string{`address: address "tcp://h" has no port`}},
		{"no host", func(c *Config) { c.Address = "tcp://:514" }, []string{`address: address "tcp://:514" has no host`}},
		{"port 0", func(c *Config) { c.Address = "tcp://h:0" }, []string{`address: address "tcp://h:0": the port is not between 1 and 65535`}},
		{"no scheme", func(c *Config) { c.Address = "//h:514" }, []string{`address: address "//h:514" has no scheme`}},
		{"relp", func(c *Config) { c.Address = "relp://127.0.0.1:2514" }, nil},
		{"relp in the clear", func(c *Config) { c.Address, c.Framing, c.Window, c.AnswerTimeout = "relp://h:2514", "lf", 0, 0 }, []string{
			"address: events cross the network in plain text (warning)", "framing: RELP has a framing of its own (warning)",
			"window: 0 is not between 1 and 65536", "answer_timeout: there is no time to answer"}},
		{"relp over tls", func(c *Config) { c.Address, c.TLS.CA, c.Window = "relp+tls://h:2514", "ca", 1000 }, nil},
		{"window without relp", func(c *Config) { c.Window = 5 }, []string{": window and answer_timeout are for relp: nothing is answered over tcp (warning)"}},
		{"another scheme", func(c *Config) { c.Address = "beep://h:2514" }, []string{`address: address "beep://h:2514": scheme "beep" is not supported`}},
		{"password", func(c *Config) { c.Address = "tcp://me:geheim@h:514" }, []string{`address: address "tcp://me:xxxxx@h:514": there is more than a host and a port`}},
		{"not a URL", func(c *Config) { c.Address = "tcp://h h" }, []string{`address: address "tcp://h h": invalid character " " in host name`}},
		{"auto", func(c *Config) { c.Framing = "auto" }, []string{`framing: "auto" is no framing to send with`}},
		{"times", func(c *Config) { c.ConnectTimeout, c.WriteTimeout = 0, -1 }, []string{
			"connect_timeout: there is no time to connect", "write_timeout: there is no time to write"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := config("tcp://127.0.0.1:514")
			tt.change(&c)
			var r component.Report
			c.Check(&r)
			var got []string
			for _, f := range r.Findings {
				line := f.Path + ": " + f.Text
				if f.Warning {
					line += " (warning)"
				}
				got = append(got, line)
			}
			assert.Equal(t, tt.want, got)
		})
	}
	_, err := New(&Config{Address: "${cred:siem}", ConnectTimeout: 1, WriteTimeout: 1}, component.Env{})
	require.Error(t, err)
	_, err = New(&Config{}, component.Env{})
	require.EqualError(t, err, "address: no receiver")
}

func TestLimits(t *testing.T) {
	var s sink.Limiter = &Sink{}
	assert.Equal(t, sink.Limits{Events: 512, Bytes: 1 << 20}, s.Limits())
}
