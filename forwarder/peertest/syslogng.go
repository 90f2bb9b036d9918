package peertest

import (
	"fmt"
	"net"
	"path/filepath"
	"testing"
)

// The configuration language of 3.38 is also read by every later syslog-ng.
const syslogNGGlobal = `@version: 3.38
options { use-dns(no); dns-cache(no); keep-hostname(yes); stats-freq(0); log-msg-size(%d); create-dirs(no); chain-hostnames(no); };
`

// syslogNGKey begins a line of JSON, which ends with a quote and a brace.
const syslogNGKey = `{"m":"`

// SyslogNG starts syslog-ng as a receiver. It accepts nothing but its Transport's own
// framing, and speaks no RELP.
func SyslogNG(t testing.TB, r Receiver) *Peer {
	t.Helper()
	port := freePort(t)
	conf := fmt.Sprintf(syslogNGGlobal, orDefault(r.MaxMessage, defaultMaxMessage))
	switch r.Transport {
	case TCP:
		conf += syslogNGSource("network", "tcp", port, "no-parse", nil)
	case TCPCounted:
		conf += syslogNGSource("syslog", "tcp", port, "no-parse", r.TLS)
	case UDP:
		conf += syslogNGSource("network", "udp", port, "no-parse", nil)
	case RELP:
		t.Fatal("syslog-ng: speaks no RELP: no such LogProto plugin found; transport='relp'")
	}
	line := "$MSG"
	if r.LineFeeds {
		line = "$(format-json m=$MSG)"
	}
	conf += fmt.Sprintf(`destination d_out { file("@DIR@/received" template("%s\n")); };
log { source(s_in); destination(d_out); flags(flow-control); };
`, line)
	peer := startSyslogNG(t, conf, port, r.Transport == UDP, "received")
	peer.escaped = r.LineFeeds
	return peer
}

// SyslogNGTo starts syslog-ng as a sender. It counts octets only around RFC 5424.
func SyslogNGTo(t testing.TB, s Sender) *Peer {
	t.Helper()
	if s.Transport == TCPCounted && s.Layout != RFC5424 {
		t.Fatalf("syslog-ng: counts octets only around rfc5424, not %v", s.Layout)
	}
	host, to, err := net.SplitHostPort(s.To)
	if err != nil {
		t.Fatalf("syslog-ng: sending to %q: %v", s.To, err)
	}
	driver, transport, parse, more := "network", "tcp", "", ""
	in := driver
	if s.LineFeeds {
		in = "syslog"
	}
	switch s.Transport {
	case TCP:
	case TCPCounted:
		driver = "syslog"
		if s.TLS != nil {
			transport, more = "tls", s.TLS.options()
		}
	case UDP:
		transport = "udp"
	case RELP:
		t.Fatal("syslog-ng: speaks no RELP: no such LogProto plugin found; transport='relp'")
	}
	switch {
	case s.Layout == RFC5424 && driver == "network":
		more = "flags(syslog-protocol)"
	case s.Layout == Verbatim && transport == "tcp":
		parse, more = "no-parse", `template("$MSG\n")`
	case s.Layout == Verbatim:
		parse, more = "no-parse", `template("$MSG")`
	}
	port := freePort(t)
	conf := fmt.Sprintf(syslogNGGlobal, orDefault(s.MaxMessage, defaultMaxMessage)) +
		syslogNGSource(in, "tcp", port, parse, nil) +
		fmt.Sprintf(`destination d_out { %s(%q port(%s) transport(%q) time-reopen(1) %s); };
log { source(s_in); destination(d_out); flags(flow-control); };
`, driver, host, to, transport, more)
	peer := startSyslogNG(t, conf, port, false, "")
	peer.counted = s.LineFeeds
	return peer
}

// options is the tls() of a driver. A listener that asks for no certificate still has to
// be told not to want one.
func (t *TLS) options() string {
	conf := fmt.Sprintf("ca-file(%q) ", t.CA)
	if t.Cert != "" {
		conf += fmt.Sprintf("cert-file(%q) key-file(%q) ", t.Cert, t.Key)
	}
	if t.Name == "" {
		return fmt.Sprintf("tls(%speer-verify(optional-untrusted))", conf)
	}
	return fmt.Sprintf("tls(%speer-verify(required-trusted))", conf)
}

func syslogNGSource(driver, transport string, port int, flags string, tls *TLS) string {
	more := "max-connections(2000) log-iw-size(200000)"
	if tls != nil {
		transport, more = "tls", more+" "+tls.options()
	}
	if transport == "udp" {
		more = "so-rcvbuf(8388608)"
	}
	return fmt.Sprintf("source s_in { %s(ip(127.0.0.1) port(%d) transport(%q) flags(%s) %s); };\n",
		driver, port, transport, flags, more)
}

func startSyslogNG(t testing.TB, conf string, port int, udp bool, received string) *Peer {
	t.Helper()
	in := find(t, "syslog-ng-core", "syslog-ng", "usr/lib/syslog-ng/[0-9]*")
	dir, file := writeConfig(t, conf)
	p := &Peer{t: t, name: "syslog-ng", udp: udp, Addr: fmt.Sprintf("127.0.0.1:%d", port)}
	if received != "" {
		p.File = filepath.Join(dir, received)
	}
	return p.start(in.env, in.bin, "--foreground", "--no-caps", "--cfgfile", file,
		"--module-path", in.modules, "--persist-file", filepath.Join(dir, "persist"),
		"--control", filepath.Join(dir, "ctl"), "--pidfile", filepath.Join(dir, "pid"))
}
