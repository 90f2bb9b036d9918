package syslog

import (
	"flag"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/siemfwd/siemfwd/forwarder/framing"
	"github.com/siemfwd/siemfwd/forwarder/peertest"
)

var long = flag.Bool("long", false, "ten times the events, and a hundred restarts")

func relpTexts(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("<14>1 2023-11-14T22:13:20.123Z host app - - - event %d\nof many é", i)
	}
	return out
}

// Everything a real rsyslog sends comes once, in order, with line feeds inside.
func TestRELPRsyslog(t *testing.T) {
	n := 100_000
	if *long {
		n *= 10
	}
	r := start(t, config(localRELP), newSpool())
	_, at, _ := strings.Cut(r.Addrs()[0], "://")
	peer := peertest.RsyslogTo(t, peertest.Sender{Transport: peertest.RELP, Layout: peertest.Verbatim, To: at})
	want := relpTexts(n)
	began := time.Now()
	peer.Send(want...)
	got := texts(r.spool.wait(t, n))
	t.Logf("%d events a second", int(float64(n)/time.Since(began).Seconds()))
	for i := range want { // not all at once: the difference would fill the screen
		require.Equal(t, want[i], got[i])
	}
	peer.Stop()
	require.Zero(t, r.lines.count("WARN"), r.lines.String())
}

// rsyslog's TLS is that of GnuTLS; each side asks for the other's certificate.
func TestRELPRsyslogOverTLS(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t, dir)
	file := func(name string) string { return filepath.Join(dir, name) }
	ca.issue(t, file("a.crt"), file("a.key"), "siemfwd.example.net")
	ca.issue(t, file("b.crt"), file("b.key"), "rsyslog.example.net")
	c := config("relp+tls://127.0.0.1:0")
	c.TLS = TLS{Cert: file("a.crt"), Key: file("a.key"), ClientCA: ca.file}
	r := start(t, c, newSpool())
	_, at, _ := strings.Cut(r.Addrs()[0], "://")
	peer := peertest.RsyslogTo(t, peertest.Sender{Transport: peertest.RELP, Layout: peertest.Verbatim, To: at,
		TLS: &peertest.TLS{CA: ca.file, Cert: file("b.crt"), Key: file("b.key"), Name: "siemfwd.example.net"}})
	want := relpTexts(5000)
	peer.Send(want...)
	require.Equal(t, want, texts(r.spool.wait(t, len(want))))
	peer.Stop()
	require.Zero(t, r.lines.count("WARN"), r.lines.String())
}

// feed sends texts to a RELP receiver that comes and goes, until each has its answer.
func feed(t *testing.T, at string, texts []string) {
	for next := 0; next < len(texts); {
		c, err := net.DialTimeout("tcp", at, time.Second)
		if err != nil {
			time.Sleep(10 * time.Millisecond) // until it is there again
			continue
		}
		next = feedSession(&relpSender{Conn: c, reader: framing.RELPReader{Max: 1 << 10}}, texts, next)
		c.Close()
	}
}

// feedSession returns the first text without an answer.
func feedSession(s *relpSender, texts []string, next int) int {
	_ = s.SetDeadline(time.Now().Add(patience))
	if _, err := s.Write([]byte(relpOpen)); err != nil {
		return next
	}
	if _, err := s.next(); err != nil {
		return next
	}
	first := next
	for sent := next; next < len(texts); {
		var out []byte
		for ; sent < len(texts) && sent-next < 100; sent++ {
			out = framing.AppendRELP(out, uint32(2+sent-first), "syslog", []byte(texts[sent]))
		}
		if _, err := s.Write(out); err != nil {
			return next
		}
		s.acknowledge()
		if got, err := s.next(); err != nil || got == "0 serverclose " {
			return next
		}
		next++
	}
	return next
}

// acknowledge has the kernel acknowledge what it received: librelp, which leaves the Nagle
// algorithm on, sends no answer before that.
func (s *relpSender) acknowledge() {
	if raw, err := s.Conn.(*net.TCPConn).SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1) })
	}
}

// A real rsyslog with its queue on disk is killed again and again while it sends a backlog:
// nothing is missing, and what it had not read the answer of comes again. (Stopped in good
// order in the middle of a backlog rsyslog itself gives up what it waits for the answers of.)
func TestRELPRsyslogDies(t *testing.T) {
	n, kills := 20_000, 5
	if *long {
		n, kills = 1_000_000, 100
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	at := l.Addr().String()
	require.NoError(t, l.Close())
	peer := peertest.RsyslogTo(t, peertest.Sender{Transport: peertest.RELP, Layout: peertest.Verbatim, To: at, Durable: true})
	want := relpTexts(n)
	feed(t, peer.Addr, want)
	peer.Stop() // it writes down where its queue ends

	sp := newSpool()
	r := start(t, config("relp://"+at), sp)
	peer.Start()
	for i := range kills {
		eventually(t, "load", func() bool { return sp.count() >= n*(i+1)/(kills+2) })
		peer.Kill()
		peer.Start()
	}
	seen, looked := make(map[string]bool, n), 0
	eventually(t, "everything comes", func() bool {
		sp.mu.Lock()
		defer sp.mu.Unlock()
		for ; looked < len(sp.events); looked++ {
			seen[string(sp.events[looked].Data)] = true
		}
		return len(seen) == n
	})
	for _, text := range want {
		require.True(t, seen[text], text)
	}
	require.NoError(t, r.stop())
	t.Logf("%d events, rsyslog killed %d times: 0 missing, %d twice", n, kills, sp.count()-n)
}
