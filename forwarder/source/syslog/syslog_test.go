package syslog

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/event"
)

const (
	localTCP = "tcp://127.0.0.1:0"
	localUDP = "udp://127.0.0.1:0"
)

func TestReceives(t *testing.T) {
	dir := t.TempDir()
	for _, listen := range []string{localTCP, localUDP, "tcp://[::1]:0", "udp://[::1]:0", "tcp://localhost:0", "udp://:0", "unix://" + dir + "/s", "unixgram://" + dir + "/g"} {
		t.Run(listen, func(t *testing.T) {
			if strings.Contains(listen, "[::1]") && !hasIPv6() {
				t.Skip("this machine has no IPv6")
			}
			before := time.Now()
			r := start(t, config(listen), newSpool())
			var c net.Conn
			if listen == "udp://:0" {
				_, port, err := net.SplitHostPort(strings.TrimPrefix(r.Addrs()[0], "udp://"))
				require.NoError(t, err)
				c, err = net.Dial("udp", "127.0.0.1:"+port)
				require.NoError(t, err)
				defer c.Close()
			} else {
				c = r.dial(t, 0)
			}
			r.send(t, c, "<14>one\r\n")
			first := r.spool.wait(t, 1)[0]
			r.send(t, c, "<15>two\x00")
			events := r.spool.wait(t, 2)
			assert.Equal(t, []string{"<14>one", "<15>two"}, texts(events))
			assert.False(t, first.Time.Before(before))
			assert.False(t, first.Cut())
			if strings.HasPrefix(listen, "unix") {
				assert.False(t, first.Peer.IsValid())
			} else {
				assert.Equal(t, c.LocalAddr().String(), first.Peer.String())
			}
			require.NoError(t, r.stop())
			assert.Empty(t, r.Addrs())
		})
	}
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left, "sockets stay behind")
}

func hasIPv6() bool {
	l, err := net.Listen("tcp", "[::1]:0")
	if err == nil {
		l.Close()
	}
	return err == nil
}

// Everything a sender can do wrong gets a clear answer, and the next event is unharmed.
func TestBadStreams(t *testing.T) {
	mib := strings.Repeat("x", 1<<20)
	tests := []struct {
		name, framing, send string
		want                []string
		size                int    // of the first event, when it was cut
		counter, line       string // both empty: nothing to complain about
		closes              bool   // the source closes the connection
	}{
		{name: "NULs", send: "a\x00b\x00\x00c\n", want: []string{"a", "b", "c"}},
		{name: "invalid UTF-8", send: "\xff\xfe<14>\xc3\n", want: []string{"\xff\xfe<14>\xc3"}},
		{name: "PRI alone", send: "<14>\n<14>Nov 20 10:11:12 h\n", want: []string{"<14>", "<14>Nov 20 10:11:12 h"}},
		{name: "only line ends", send: "\n\r\n\n\x00"},
		{name: "trailers counted with the message", send: "3 a\r\n4 b\nc\n1 \n2 d ", want: []string{"a", "b\nc", "d "}},
		{name: "no line end", send: "<14>x", want: []string{"<14>x"}},
		{name: "line of 10 MiB", send: strings.Repeat(mib, 10) + "\nb\n", want: []string{mib, "b"}, size: 10 << 20,
			counter: "events_cut", line: "an event was cut"},
		{name: "minus one in auto", send: "-1 x\n", want: []string{"-1 x"}},
		{name: "minus one", framing: "octet_counting", send: "-1 x\n", counter: "frames_bad_length", line: "a frame's length cannot be read", closes: true},
		{name: "eleven digits", send: "1 a99999999999 x\n", want: []string{"a"}, counter: "frames_bad_length", line: "a frame's length cannot be read", closes: true},
		{name: "eight digits", send: "1 a99999999 x\n", want: []string{"a"}, counter: "frames_too_large", line: "a counted frame is longer than max_event", closes: true},
		{name: "half a frame", send: "1 a10 bcd", want: []string{"a"}, counter: "frames_incomplete", line: "connection ended inside a counted frame"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := config(localTCP)
			if tt.framing != "" {
				c.Framing = tt.framing
			}
			r := start(t, c, newSpool())
			for range 3 { // each has a line of its own
				conn := r.dial(t, 0)
				r.send(t, conn, tt.send)
				if !tt.closes {
					require.NoError(t, conn.(*net.TCPConn).CloseWrite())
				}
				closed(t, conn)
			}
			next := r.dial(t, 0)
			r.send(t, next, "5 after")
			events := r.spool.wait(t, 3*len(tt.want)+1)
			want := append(append(append(append([]string{}, tt.want...), tt.want...), tt.want...), "after")
			for i, text := range texts(events) { // not Equal: a difference of a MiB helps nobody
				require.True(t, want[i] == text, "event %d is %.80q", i, text)
			}
			if tt.size > 0 {
				assert.Equal(t, tt.size, events[0].Size)
				assert.True(t, events[0].Cut())
			}
			if tt.counter != "" {
				assert.EqualValues(t, 3, r.meter.count(tt.counter))
				assert.Equal(t, 3, r.lines.count(tt.line), r.lines.String())
				assert.Equal(t, 3, r.lines.count("WARN"), r.lines.String())
				assert.Contains(t, r.lines.String(), "peer=127.0.0.1")
			} else {
				assert.Zero(t, r.lines.count("WARN"), r.lines.String())
			}
		})
	}
}

func TestSlowDribble(t *testing.T) {
	r := start(t, config(localTCP), newSpool())
	c := r.dial(t, 0)
	for _, b := range []byte("<14>ab\r\n3 c\nd12 0123456789ab\n") {
		r.send(t, c, string(b))
	}
	assert.Equal(t, []string{"<14>ab", "c\nd", "0123456789ab"}, texts(r.spool.wait(t, 3)))
}

func TestDatagrams(t *testing.T) {
	c := config(localUDP)
	c.MaxEvent = 1000
	r := start(t, c, newSpool())
	conn := r.dial(t, 0)
	long := strings.Repeat("y", 60000)
	for _, d := range []string{"", "\n", "\x00", "a\nb", "46 not counted", long, strings.Repeat("z", 1000) + "\r\n", "last"} {
		r.send(t, conn, d)
	}
	events := r.spool.wait(t, 5)
	assert.Equal(t, []string{"a\nb", "46 not counted", long[:1000], strings.Repeat("z", 1000), "last"}, texts(events))
	assert.Equal(t, 60000, events[2].Size)
	assert.False(t, events[3].Cut())
	assert.EqualValues(t, 1, r.meter.count("events_cut"))
}

func TestUnixDatagramLongerThanMaxEvent(t *testing.T) {
	c := config("unixgram://" + t.TempDir() + "/g")
	c.MaxEvent = 1000
	r := start(t, c, newSpool())
	r.send(t, r.dial(t, 0), strings.Repeat("y", 5000))
	e := r.spool.wait(t, 1)[0]
	assert.Equal(t, strings.Repeat("y", 1000), string(e.Data))
	assert.Equal(t, 5000, e.Size)
}

// A burst arrives while every Emit takes as long as a slow disk. A burst that the receive
// buffer holds is whole however busy the processors are; of one four times as long, which
// takes a reader that keeps up with the sender beside it, none goes missing unnoticed.
func TestUDPBurst(t *testing.T) {
	const held = 5_000 // 900 octets each, which the kernel accounts as 2 304, of 16 MiB
	require.Zero(t, burst(t, held), "datagrams of %d lost", held)
	t.Logf("%d of %d datagrams lost", burst(t, 4*held), 4*held)
}

// burst sends n datagrams as fast as it can and returns how many the kernel dropped.
func burst(t *testing.T, n int) (lost uint64) {
	sp := newSpool()
	sp.emit = func(context.Context, *event.Batch) error {
		time.Sleep(5 * time.Millisecond) // the disk
		return nil
	}
	r := start(t, config(localUDP), sp)
	if r.lines.count("smaller receive buffer") > 0 {
		t.Skip("the kernel does not grant the receive buffer here")
	}
	c := r.dial(t, 0)
	msg := []byte("<14>00000 " + strings.Repeat("x", 890))
	for i := range n {
		copy(msg[4:9], fmt.Sprintf("%05d", i))
		_, err := c.Write(msg)
		require.NoError(t, err)
	}
	eventually(t, "every datagram is either taken or counted", func() bool {
		return uint64(sp.count())+r.meter.count("udp_dropped") == uint64(n)
	})
	require.NoError(t, r.stop())
	last := ""
	for _, e := range sp.events {
		require.Len(t, e.Data, 900)
		require.Less(t, last, string(e.Data[4:9]), "order")
		last = string(e.Data[4:9])
	}
	return r.meter.count("udp_dropped")
}

// Datagrams for which nobody has room are counted, and told of when it begins and ends.
func TestUDPDropsAreCounted(t *testing.T) {
	const n = 3000
	gate := make(chan struct{})
	sp := newSpool()
	sp.emit = func(ctx context.Context, _ *event.Batch) error {
		select {
		case <-gate:
		case <-ctx.Done():
		}
		return ctx.Err()
	}
	c := config(localUDP)
	c.ReceiveBuffer = 16 << 10
	r := start(t, c, sp)
	conn := r.dial(t, 0)
	for range n {
		r.send(t, conn, strings.Repeat("x", 20_000))
	}
	eventually(t, "drops are counted while nothing is read", func() bool { return r.meter.count("udp_dropped") > 0 })
	close(gate)
	eventually(t, "every datagram is either taken or counted", func() bool {
		return uint64(sp.count())+r.meter.count("udp_dropped") == n
	})
	require.NoError(t, r.stop())
	assert.Equal(t, 1, r.lines.count("the kernel drops datagrams"), r.lines.String())
	assert.Equal(t, 1, r.lines.count("the kernel drops no more datagrams"), r.lines.String())
}

func TestDrops(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	d := drops{}
	step := func(count uint32, after time.Duration, end bool) string {
		at = at.Add(after)
		n, began, ended := d.seen(count, at, end)
		return fmt.Sprintf("%d %t %t %d", n, began, ended, d.episode)
	}
	assert.Equal(t, "0 false false 0", step(0, 0, false))
	assert.Equal(t, "5 true false 5", step(5, time.Second, false))
	assert.Equal(t, "2 false false 7", step(7, time.Second, false))
	assert.Equal(t, "0 false false 7", step(7, time.Second, false))
	assert.Equal(t, "0 false true 7", step(7, dropsOver, false))
	assert.Equal(t, "0 false false 7", step(7, dropsOver, false))
	d.count = 1<<32 - 2
	assert.Equal(t, "4 true false 4", step(2, time.Second, false))
	assert.Equal(t, "0 false true 4", step(2, time.Second, true))
}

// While the log takes nothing the sender is held up, and afterwards nothing is missing.
func TestBackPressure(t *testing.T) {
	gate := make(chan struct{})
	sp := newSpool()
	sp.emit = func(ctx context.Context, _ *event.Batch) error {
		select {
		case <-gate:
		case <-ctx.Done():
		}
		return ctx.Err()
	}
	r := start(t, config(localTCP), sp)
	c := r.dial(t, 0)
	line := []byte("<14>" + strings.Repeat("x", 895) + "\n")
	sent := 0
	for {
		require.NoError(t, c.SetWriteDeadline(time.Now().Add(300*time.Millisecond)))
		n, err := c.Write(line)
		if err != nil {
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			sent++
			close(gate)
			require.NoError(t, c.SetWriteDeadline(time.Now().Add(patience)))
			_, err = c.Write(line[n:])
			require.NoError(t, err)
			break
		}
		sent++
		require.Less(t, sent, 100_000, "the sender is never held up")
	}
	for _, e := range sp.wait(t, sent) {
		require.Len(t, e.Data, 899)
	}
	assert.Less(t, sp.batches, sent/20, "batches are large under load")
}

// What was read, and what the kernel had, is emitted at shutdown; a line that is not
// finished too.
func TestShutdown(t *testing.T) {
	began, gate := make(chan struct{}, 8), make(chan struct{})
	sp := newSpool()
	sp.emit = func(context.Context, *event.Batch) error {
		began <- struct{}{}
		<-gate
		return nil
	}
	r := start(t, config(localTCP, localUDP), sp)
	c, u := r.dial(t, 0), r.dial(t, 1)
	r.send(t, c, "a\n")
	r.send(t, u, "U")
	<-began
	<-began
	r.send(t, c, "b\nc\nhalf") // behind the batch that is being emitted
	r.send(t, u, "V")
	stopped := make(chan error)
	go func() { stopped <- r.stop() }()
	eventually(t, "the listener is closed", func() bool {
		n, err := net.Dial("tcp", c.RemoteAddr().String())
		if err == nil {
			n.Close()
		}
		return err != nil
	})
	close(gate)
	require.NoError(t, <-stopped)
	assert.ElementsMatch(t, []string{"a", "b", "c", "half", "U", "V"}, texts(sp.wait(t, 6)))
	assert.Equal(t, 1, r.lines.count("connection closed inside an event because the source stops"), r.lines.String())
	assert.Equal(t, 1, r.lines.count("connections closed because the source stops"), r.lines.String())
}

// A log that fails ends the source with that error, and Run may be called again.
func TestLogFails(t *testing.T) {
	for _, listen := range []string{localTCP, localUDP} {
		s, _, l := build(t, config(listen))
		broken := errors.New("no space left on device")
		sp := newSpool()
		sp.emit = func(context.Context, *event.Batch) error { return broken }
		for range 2 {
			done := make(chan error, 1)
			go func() { done <- s.Run(t.Context(), sp) }()
			<-sp.ready
			network, at, _ := strings.Cut(s.Addrs()[0], "://")
			c, err := net.Dial(network, at)
			require.NoError(t, err)
			_, err = c.Write([]byte("a\n"))
			require.NoError(t, err)
			select {
			case err := <-done:
				require.ErrorIs(t, err, broken)
			case <-time.After(patience):
				t.Fatal("Run does not return")
			}
			c.Close()
		}
		assert.Equal(t, 2, l.count("events that were read are lost"), l.String())
	}
}

func TestListenErrors(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer tcp.Close()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer udp.Close()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, []byte("not a socket"), 0o600))
	live := filepath.Join(t.TempDir(), "live")
	other, err := net.Listen("unix", live)
	require.NoError(t, err)
	defer other.Close()
	_, port, err := net.SplitHostPort(tcp.Addr().String())
	require.NoError(t, err)

	for listen, want := range map[string]string{
		"tcp://" + tcp.Addr().String():      "listen on tcp://" + tcp.Addr().String() + `: address already in use: another program has this port: ss -lnp "sport = :` + port + `" shows which`,
		"udp://" + udp.LocalAddr().String(): "address already in use: another program has this port",
		"tcp://192.0.2.1:5514":              "listen on tcp://192.0.2.1:5514: cannot assign requested address: this machine does not have the address",
		"unix://" + file:                    "address already in use: another program has this socket, or the file is no socket",
		"unix://" + live:                    "address already in use: another program has this socket",
		"unixgram://" + file:                "address already in use",
		"unix:///no/such/folder/s":          "no such file or directory",
	} {
		s, _, _ := build(t, config(localTCP, localUDP, listen))
		sp := newSpool()
		err := s.Run(t.Context(), sp)
		require.ErrorContains(t, err, want)
		assert.Empty(t, sp.ready, "not ready")
		assert.Empty(t, s.Addrs())
	}
	assert.FileExists(t, file)
	c := config("tls://127.0.0.1:0")
	c.TLS = TLS{Cert: "/no/such/cert", Key: "/no/such/key"}
	s, _, _ := build(t, c)
	require.EqualError(t, s.Run(t.Context(), newSpool()), "listen on tls://127.0.0.1:0: open /no/such/cert: no such file or directory; open /no/such/key: no such file or directory")
	err = listenError(address{"tcp", "0.0.0.0:514"}, &net.OpError{Op: "listen", Net: "tcp", Err: os.NewSyscallError("bind", os.ErrPermission)})
	assert.EqualError(t, err, "listen on tcp://0.0.0.0:514: permission denied")
	err = listenError(address{"tcp", "0.0.0.0:514"}, &net.OpError{Op: "listen", Net: "tcp", Err: os.NewSyscallError("bind", syscall.EACCES)})
	assert.ErrorContains(t, err, "listen on tcp://0.0.0.0:514: permission denied: ports below 1024 need CAP_NET_BIND_SERVICE")
	assert.ErrorContains(t, err, "setcap cap_net_bind_service=+ep")
}

func TestStaleSocketIsReplaced(t *testing.T) {
	for _, network := range []string{"unix", "unixgram"} {
		path := filepath.Join(t.TempDir(), "s")
		if network == "unix" {
			l, err := net.ListenUnix(network, &net.UnixAddr{Name: path, Net: network})
			require.NoError(t, err)
			l.SetUnlinkOnClose(false)
			l.Close()
		} else {
			c, err := net.ListenUnixgram(network, &net.UnixAddr{Name: path, Net: network})
			require.NoError(t, err)
			c.Close() // leaves the socket behind
		}
		require.FileExists(t, path)
		r := start(t, config(network+"://"+path), newSpool())
		info, err := os.Stat(path)
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o660), info.Mode().Perm())
		r.send(t, r.dial(t, 0), "a\n")
		r.spool.wait(t, 1)
	}
}

func TestAllow(t *testing.T) {
	c := config(localTCP, localUDP)
	c.Allow = []string{"192.0.2.0/24", "::1"}
	r := start(t, c, newSpool())
	for range 2 {
		conn := r.dial(t, 0)
		closed(t, conn)
		r.send(t, r.dial(t, 1), "no")
	}
	eventually(t, "both are counted", func() bool { return r.meter.count("peers_denied") == 4 })
	eventually(t, "both are said", func() bool { return r.lines.count("a peer that is not in allow was refused") == 4 })

	c.Allow = []string{"127.0.0.0/8"}
	r = start(t, c, newSpool())
	r.send(t, r.dial(t, 0), "yes\n")
	r.send(t, r.dial(t, 1), "yes")
	r.spool.wait(t, 2)
}

func TestParseNetwork(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.0.0/8": "10.0.0.0/8", "10.1.2.3/8": "10.0.0.0/8", "127.0.0.1": "127.0.0.1/32", "::1": "::1/128",
		"::ffff:10.0.0.0/104": "10.0.0.0/8", "::ffff:10.0.0.1": "10.0.0.1/32",
	} {
		p, err := parseNetwork(text)
		require.NoError(t, err)
		assert.Equal(t, netip.MustParsePrefix(want), p)
	}
	for _, text := range []string{"", "localhost", "10.0.0.0/33", "10.0.0", "fe80::1%eth0"} {
		_, err := parseNetwork(text)
		assert.Error(t, err, text)
	}
}

func TestCheck(t *testing.T) {
	tests := []struct {
		name   string
		change func(c *Config)
		want   []string
	}{
		{"defaults", func(*Config) {}, nil},
		{"all schemes", func(c *Config) {
			c.Listen = []string{"udp://:514", "tcp://[::]:514", "tls://0.0.0.0:6514", "unix:///run/s", "unixgram:///run/g"}
			c.TLS = TLS{Cert: "c", Key: "k"}
		}, nil},
		{"nothing to listen on", func(c *Config) { c.Listen = nil }, []string{"listen: no address to listen on"}},
		{"bad addresses", func(c *Config) {
			c.Listen = []string{"127.0.0.1:514", "http://h:1", "udp://h", "tcp://h:x", "tcp://h:70000", "unix://run/s", "tcp://h:1/p", "tcp://u@h:1", "tcp://h:", "udp://%zz"}
		}, []string{
			`listen[0]: address "127.0.0.1:514": first path segment in URL cannot contain colon`,
			`listen[1]: address "http://h:1": scheme "http" is not supported`,
			`listen[2]: address "udp://h" has no port`,
			`listen[3]: address "tcp://h:x": invalid port ":x" after host`,
			`listen[4]: address "tcp://h:70000": port 65535 is not between 0 and 65535`,
			`listen[5]: address "unix://run/s": a socket needs an absolute path, with three slashes before it`,
			`listen[6]: address "tcp://h:1/p": there is more than a host and a port`,
			`listen[7]: address "tcp://u@h:1": there is more than a host and a port`,
			`listen[8]: address "tcp://h:" has no port`,
			`listen[9]: address "udp://%zz": invalid URL escape "%zz"`,
		}},
		{"twice", func(c *Config) { c.Listen = []string{"udp://h:1", "tcp://h:1", "udp://h:1", localTCP, localTCP} },
			[]string{"listen[2]: udp://h:1 is listed twice"}},
		{"tls without certificate", func(c *Config) { c.Listen = []string{"tls://:6514"} }, []string{"tls: a tls:// address needs a certificate and its key"}},
		{"certificate without tls", func(c *Config) { c.TLS.Cert = "c" }, []string{"tls: no address uses it (warning)"}},
		{"numbers", func(c *Config) {
			c.MaxEvent, c.MaxConnections, c.ReceiveBuffer, c.IdleTimeout = 10, 0, 2<<30, -1
		}, []string{"max_event: 10B is not between 480B and 64MiB", "receive_buffer: 2GiB is not between 0B and 1GiB",
			"max_connections: 0 connections are too few", "idle_timeout: a time cannot be negative"}},
		{"words", func(c *Config) { c.Framing, c.Allow = "relp", []string{"10.0.0.0/8", "all"} },
			[]string{`allow[1]: "all" is neither an address nor a network`, `framing: "relp" is no framing`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := config("udp://127.0.0.1:514")
			tt.change(&c)
			var r component.Report
			c.Check(&r)
			var got []string
			failed := false
			for _, f := range r.Findings {
				line := f.Path + ": " + f.Text
				if f.Warning {
					line += " (warning)"
				}
				failed = failed || !f.Warning
				got = append(got, line)
			}
			assert.Equal(t, tt.want, got)
			_, err := New(&c, component.Env{Meter: component.NoMeter{}})
			assert.Equal(t, failed, err != nil)
		})
	}
}
