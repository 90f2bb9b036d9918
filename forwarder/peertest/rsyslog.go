package peertest

import (
	"fmt"
	"net"
	"path/filepath"
	"testing"
)

// Control characters and 8-bit octets are left alone: rsyslog would otherwise write
// #011 for a tab, also in %rawmsg%.
const rsyslogGlobal = `global(workDirectory="@DIR@" maxMessageSize="%[1]d" net.enableDNS="off" parser.escapeControlCharactersOnReceive="off")
template(name="verbatim" type="string" string="%%rawmsg%%")
template(name="line" type="string" string="%%rawmsg%%\n")
`

const rsyslogTCP = `module(load="imtcp" maxFrameSize="%[1]d" maxSessions="2000")
input(type="imtcp" address="127.0.0.1" port="%[2]d" supportOctetCountedFraming="%[3]s" ruleset="out")
`

const rsyslogUDP = `module(load="imudp")
input(type="imudp" address="127.0.0.1" port="%[2]d" rcvbufSize="8m" ruleset="out")
`

// Rsyslog starts rsyslogd as a receiver. With TCP a leading number is part of the
// message; with TCPCounted rsyslog still accepts a message that ends with a line feed
// when its frame does not begin with a digit.
func Rsyslog(t testing.TB, r Receiver) *Peer {
	t.Helper()
	port, size := freePort(t), orDefault(r.MaxMessage, defaultMaxMessage)
	conf := fmt.Sprintf(rsyslogGlobal, size)
	switch r.Transport {
	case TCP:
		conf += fmt.Sprintf(rsyslogTCP, size, port, "off")
	case TCPCounted:
		conf += fmt.Sprintf(rsyslogTCP, size, port, "on")
	case UDP:
		conf += fmt.Sprintf(rsyslogUDP, size, port)
	}
	conf += `ruleset(name="out") { action(type="omfile" file="@DIR@/received" template="line") }` + "\n"
	return startRsyslog(t, conf, port, r.Transport == UDP, "received")
}

// RsyslogTo starts rsyslogd as a sender.
func RsyslogTo(t testing.TB, s Sender) *Peer {
	t.Helper()
	host, to, err := net.SplitHostPort(s.To)
	if err != nil {
		t.Fatalf("rsyslogd: sending to %q: %v", s.To, err)
	}
	protocol, framing := "tcp", "traditional"
	switch s.Transport {
	case TCP:
	case TCPCounted:
		framing = "octet-counted"
	case UDP:
		protocol = "udp"
	}
	template := map[Layout]string{
		RFC5424:  "RSYSLOG_SyslogProtocol23Format",
		RFC3164:  "RSYSLOG_TraditionalForwardFormat",
		Verbatim: "verbatim",
	}[s.Layout]
	port, size := freePort(t), orDefault(s.MaxMessage, defaultMaxMessage)
	conf := fmt.Sprintf(rsyslogGlobal, size) + fmt.Sprintf(rsyslogTCP, size, port, "off") +
		fmt.Sprintf(`ruleset(name="out") {
  action(type="omfwd" target=%q port=%q protocol=%q TCP_Framing=%q template=%q
         action.resumeRetryCount="-1" action.resumeInterval="1")
}
`, host, to, protocol, framing, template)
	return startRsyslog(t, conf, port, false, "")
}

func startRsyslog(t testing.TB, conf string, port int, udp bool, received string) *Peer {
	t.Helper()
	in := find(t, "rsyslog", "rsyslogd", "usr/lib/*/rsyslog")
	dir, file := writeConfig(t, conf)
	p := &Peer{t: t, name: "rsyslogd", Addr: fmt.Sprintf("127.0.0.1:%d", port)}
	if received != "" {
		p.File = filepath.Join(dir, received)
	}
	return p.start(udp, in.env, in.bin, "-n", "-f", file, "-i", "NONE", "-M", in.modules)
}
