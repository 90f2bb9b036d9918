package peertest

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
)

// Control characters and 8-bit octets are left alone: rsyslog would otherwise write
// #011 for a tab, also in %rawmsg%.
const rsyslogGlobal = `global(workDirectory="@DIR@" maxMessageSize="%[1]d" net.enableDNS="off" parser.escapeControlCharactersOnReceive="off")
template(name="verbatim" type="string" string="%%rawmsg%%")
`

const rsyslogLine = `template(name="line" type="string" string="%%rawmsg%%\n")
`

const rsyslogTCP = `module(load="imtcp" maxFrameSize="%[1]d" maxSessions="2000"%[4]s)
input(type="imtcp" address="127.0.0.1" port="%[2]d" supportOctetCountedFraming="%[3]s" ruleset="out")
`

const rsyslogUDP = `module(load="imudp")
input(type="imudp" address="127.0.0.1" port="%[2]d" rcvbufSize="8m" ruleset="out")
`

// The ruleset takes each message at once, on the thread that answers: what is answered
// has been written.
const rsyslogRELP = `module(load="imrelp")
input(type="imrelp" address="127.0.0.1" port="%[2]d" maxDataSize="%[1]d" ruleset="out"%[3]s)
`

// A message may hold line feeds, so that it is written as the inside of a JSON string.
const rsyslogEscaped = `template(name="line" type="string" string="%%rawmsg:::json%%\n")
`

// Rsyslog starts rsyslogd as a receiver. With TCP a leading number is part of the
// message; with TCPCounted rsyslog still accepts a message that ends with a line feed
// when its frame does not begin with a digit. With RELP it answers a message only when
// it is in File.
func Rsyslog(t testing.TB, r Receiver) *Peer {
	t.Helper()
	p, size, queue := newRsyslog(t), orDefault(r.MaxMessage, defaultMaxMessage), ""
	p.received, p.udp = "received", r.Transport == UDP
	line := rsyslogLine
	switch r.Transport {
	case TCP:
		p.conf += fmt.Sprintf(rsyslogTCP, size, p.port, "off", "")
	case TCPCounted:
		p.conf += p.driver(r.TLS) + fmt.Sprintf(rsyslogTCP, size, p.port, "on", r.TLS.listener())
	case UDP:
		p.conf += fmt.Sprintf(rsyslogUDP, size, p.port)
	case RELP:
		p.conf += fmt.Sprintf(rsyslogRELP, size, p.port, r.TLS.parameters())
		queue, p.relp = ` queue.type="direct"`, true
	}
	if r.LineFeeds || p.relp {
		line = rsyslogEscaped
	}
	p.conf = fmt.Sprintf(rsyslogGlobal+line, size) + p.conf +
		fmt.Sprintf(`ruleset(name="out"%s) { action(type="omfile" file="@DIR@/received" template="line") }`+"\n", queue)
	peer := p.start()
	peer.escaped = r.LineFeeds || p.relp
	return peer
}

// RsyslogTo starts rsyslogd as a sender.
func RsyslogTo(t testing.TB, s Sender) *Peer {
	t.Helper()
	p, size := newRsyslog(t), orDefault(s.MaxMessage, defaultMaxMessage)
	host, to, err := net.SplitHostPort(s.To)
	if err != nil {
		t.Fatalf("rsyslogd: sending to %q: %v", s.To, err)
	}
	queue := ""
	action := fmt.Sprintf(`type="omfwd" protocol="tcp" TCP_Framing="traditional" target=%q port=%q`, host, to)
	framing, listener := "off", ""
	if s.LineFeeds || s.Relay && s.Transport == TCPCounted {
		framing = "on"
	}
	if s.Relay {
		listener = s.TLS.listener()
	}
	input := p.driver(s.TLS) + fmt.Sprintf(rsyslogTCP, size, p.port, framing, listener)
	switch s.Transport {
	case TCP:
	case TCPCounted:
		action = strings.Replace(action, "traditional", "octet-counted", 1) + s.TLS.action()
	case UDP:
		action = strings.Replace(action, `"tcp"`, `"udp"`, 1)
		if s.Relay {
			input, p.udp = fmt.Sprintf(rsyslogUDP, size, p.port), true
		}
	case RELP:
		action = fmt.Sprintf(`type="omrelp" target=%q port=%q%s`, host, to, s.TLS.parameters())
		input, p.relp = fmt.Sprintf(rsyslogTCP, size, p.port, "on", ""), true
		if s.Durable {
			input, queue = fmt.Sprintf(rsyslogRELP, size, p.port, ""), ` queue.type="direct"`
			action += ` queue.type="disk" queue.filename="out" queue.checkpointInterval="100" queue.size="10000000" queue.saveOnShutdown="on"`
		}
		// One worker keeps the order.
		input = `module(load="omrelp") main_queue(queue.workerThreads="1")` + "\n" + input
	}
	template := map[Layout]string{
		RFC5424:  "RSYSLOG_SyslogProtocol23Format",
		RFC3164:  "RSYSLOG_TraditionalForwardFormat",
		Verbatim: "verbatim",
	}[s.Layout]
	p.conf = fmt.Sprintf(rsyslogGlobal+rsyslogLine, size) + input + fmt.Sprintf(`ruleset(name="out"%s) {
  action(%s template=%q action.resumeRetryCount="-1" action.resumeInterval="1")
}
`, queue, action, template)
	peer := p.start()
	peer.counted = s.Transport == RELP || s.LineFeeds
	return peer
}

// parameters are those of imrelp and omrelp.
func (t *TLS) parameters() string {
	if t == nil {
		return ""
	}
	return fmt.Sprintf(` tls="on" tls.caCert=%q tls.myCert=%q tls.myPrivKey=%q tls.authMode="name" tls.permittedPeer=[%q]`, t.CA, t.Cert, t.Key, t.Name)
}

// driver names the files of TLS over TCP, which are those of the whole process, and notes
// that the module for it is needed.
func (r *rsyslog) driver(t *TLS) string {
	if t == nil {
		return ""
	}
	r.tls = true
	conf := fmt.Sprintf(`global(defaultNetstreamDriver="gtls" defaultNetstreamDriverCAFile=%q`, t.CA)
	if t.Cert != "" {
		conf += fmt.Sprintf(` defaultNetstreamDriverCertFile=%q defaultNetstreamDriverKeyFile=%q`, t.Cert, t.Key)
	}
	return conf + ")\n"
}

// listener are the parameters of imtcp.
func (t *TLS) listener() string {
	switch {
	case t == nil:
		return ""
	case t.Name == "":
		return ` streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="anon"`
	}
	return fmt.Sprintf(` streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="x509/name" permittedPeer=[%q]`, t.Name)
}

// action are the parameters of omfwd.
func (t *TLS) action() string {
	if t == nil {
		return ""
	}
	return fmt.Sprintf(` streamDriver="gtls" streamDriverMode="1" streamDriverAuthMode="x509/name" streamDriverPermittedPeers=%q`, t.Name)
}

// rsyslog is an rsyslogd that is to be started.
type rsyslog struct {
	t              testing.TB
	port           int
	conf           string
	received       string // name of the file it writes to; "" for a sender
	udp, relp, tls bool
}

func newRsyslog(t testing.TB) *rsyslog { return &rsyslog{t: t, port: freePort(t)} }

func (r *rsyslog) start() *Peer {
	r.t.Helper()
	in := r.find()
	dir, file := writeConfig(r.t, r.conf)
	p := &Peer{t: r.t, name: "rsyslogd", udp: r.udp, Addr: fmt.Sprintf("127.0.0.1:%d", r.port)}
	if r.received != "" {
		p.File = filepath.Join(dir, r.received)
	}
	return p.start(in.env, in.bin, "-n", "-f", file, "-i", "NONE", "-M", in.modules)
}

// find looks for the program, and for the modules of the packages rsyslog-relp and
// rsyslog-gnutls where they are needed.
func (r *rsyslog) find() install {
	r.t.Helper()
	const modules = "usr/lib/*/rsyslog"
	pkg, module := "rsyslog", ""
	switch {
	case r.relp:
		pkg, module = "rsyslog-relp", "/imrelp.so"
	case r.tls:
		pkg, module = "rsyslog-gnutls", "/lmnsd_gtls.so"
	}
	in := find(r.t, pkg, "rsyslogd", modules+module)
	if module != "" {
		in.modules = filepath.Dir(in.modules)
	}
	return in
}
