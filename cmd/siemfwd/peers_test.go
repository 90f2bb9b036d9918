package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/control"
	"github.com/siemfwd/siemfwd/forwarder/peertest"
)

var peersEvents = flag.Int("peers.events", 2000, "events of each variant with a real rsyslog or syslog-ng")

// variant is one way of events between siemfwd and a peer.
type variant struct {
	name      string
	scheme    string
	transport peertest.Transport
	framing   string // of a sink
	lineFeeds bool   // events may hold them
	tls       bool
	mutual    bool // both sides show a certificate
}

// Both peers speak these.
var variants = []variant{
	{name: "udp", scheme: "udp", transport: peertest.UDP},
	{name: "tcp lf", scheme: "tcp", transport: peertest.TCP},
	{name: "tcp counted", scheme: "tcp", transport: peertest.TCPCounted, framing: "octet_counting", lineFeeds: true},
	{name: "tls", scheme: "tls", transport: peertest.TCPCounted, lineFeeds: true, tls: true},
	{name: "mutual tls", scheme: "tls", transport: peertest.TCPCounted, lineFeeds: true, tls: true, mutual: true},
}

// These are for rsyslog alone. syslog-ng 3.38, told to use transport("relp"), says "Unknown
// value specified in the transport() option, no such LogProto plugin found" and ends. The
// TLS of peertest's RELP is always mutual: each side looks for the name of the other.
var relpVariants = []variant{
	{name: "relp", scheme: "relp", transport: peertest.RELP, lineFeeds: true},
	{name: "relp mutual tls", scheme: "relp+tls", transport: peertest.RELP, lineFeeds: true, tls: true, mutual: true},
}

const (
	ourName   = "siemfwd.example.net"
	theirName = "peer.example.net"
	// How many datagrams may be on their way: what is received is waited for before more
	// are sent, so that none of them meets a full buffer, not even one of 208 KiB, which is
	// what Linux gives to a user.
	datagramsUnderway = 200
	peersPatience     = 5 * time.Minute
)

// texts are the events of a variant, each of them once.
func (v *variant) texts() []string {
	out, between := make([]string, *peersEvents), " "
	if v.lineFeeds {
		between = "\n"
	}
	for i := range out {
		out[i] = fmt.Sprintf("<14>1 2023-11-14T22:13:20.123Z host app - - - event %d%sof \"many\" é", i, between)
	}
	return out
}

// chunks is texts in pieces that may be on their way at a time.
func (v *variant) chunks(texts []string) [][]string {
	size, out := 20_000, [][]string(nil)
	if v.transport == peertest.UDP {
		size = datagramsUnderway
	}
	for ; len(texts) > size; texts = texts[size:] {
		out = append(out, texts[:size])
	}
	return append(out, texts)
}

// certificates returns what a peer that listens or sends is told, and what siemfwd is told
// in each role; nil and "" without TLS.
func (v *variant) certificates(t *testing.T) (listener, sender *peertest.TLS, source, sink string) {
	if !v.tls {
		return nil, nil, "", ""
	}
	ca := peertest.NewAuthority(t)
	cert, key := ca.Issue(ourName)
	listener, sender = &peertest.TLS{CA: ca.File}, &peertest.TLS{CA: ca.File, Name: ourName}
	listener.Cert, listener.Key = ca.Issue(theirName)
	source = fmt.Sprintf("tls: {cert: %s, key: %s}", cert, key)
	sink = fmt.Sprintf("tls: {ca: %s, server_name: %s}", ca.File, theirName)
	if v.mutual {
		listener.Name, sender.Cert, sender.Key = ourName, listener.Cert, listener.Key
		source = fmt.Sprintf("tls: {cert: %s, key: %s, client_ca: %s}", cert, key, ca.File)
		sink = fmt.Sprintf("tls: {ca: %s, server_name: %s, cert: %s, key: %s}", ca.File, theirName, cert, key)
	}
	return listener, sender, source, sink
}

// sending runs a siemfwd that sends to at what feed hands it.
func (v *variant) sending(t *testing.T, at, tls string) *process {
	more := ""
	if v.framing != "" {
		more += ", framing: " + v.framing
	}
	if v.lineFeeds {
		more += ", multiline: preserve"
	}
	if v.scheme == "tcp" || v.scheme == "tls" {
		more += ", resend: {age: 100ms}"
	}
	if tls != "" {
		more += ", " + tls
	}
	return startProcess(t, t.TempDir(), fmt.Sprintf(`sources:
  in: {type: syslog, vendor: text, listen: ["tcp://127.0.0.1:0"]}
sinks:
  siem: {type: syslog, address: "%s://%s", format: raw, header: none%s}
`, v.scheme, at, more))
}

// receiving runs a siemfwd that writes down what it receives; got returns that when it has
// n events, and stops it.
func (v *variant) receiving(t *testing.T, tls string) (p *process, got func(n int) []string) {
	if tls != "" {
		tls = ", " + tls
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "out.ndjson")
	p = startProcess(t, dir, fmt.Sprintf(`sources:
  in: {type: syslog, vendor: text, listen: ["%s://127.0.0.1:0"]%s}
sinks:
  out: {type: file, path: %s, format: json, raw: true}
`, v.scheme, tls, file))
	return p, func(n int) []string {
		p.Until(peersPatience, "written", func(st control.Status) bool { return len(st.Lanes) > 0 && st.Lanes[0].Delivered >= uint64(n) })
		p.stop()
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var out []string
		for line := range bytes.Lines(text) {
			var event struct{ Raw string }
			require.NoError(t, json.Unmarshal(line, &event), "%s", line)
			out = append(out, event.Raw)
		}
		return out
	}
}

// sourceTook waits until the source has taken n events.
func sourceTook(p *process, n int) {
	p.Until(peersPatience, fmt.Sprintf("%d events received", n), func(st control.Status) bool { return st.Sources[0].Received >= uint64(n) })
}

// feed hands texts to the source of a sending siemfwd, and calls taken between chunks.
func (v *variant) feed(t *testing.T, p *process, texts []string, taken func(n int)) {
	conn, err := net.Dial("tcp", p.listening("in"))
	require.NoError(t, err)
	defer conn.Close()
	out, n := bufio.NewWriter(conn), 0
	for _, chunk := range v.chunks(texts) {
		for _, text := range chunk {
			fmt.Fprintf(out, "%d %s", len(text), text)
		}
		require.NoError(t, out.Flush())
		n += len(chunk)
		taken(n)
	}
}

// equal holds what arrived to what was sent.
func equal(t *testing.T, began time.Time, want, got []string) {
	t.Helper()
	seconds := time.Since(began).Seconds()
	count := make(map[string]int, len(want))
	for _, text := range got {
		count[text]++
	}
	missing, twice, first := 0, 0, ""
	for _, text := range want {
		switch n := count[text]; n {
		case 0:
			missing, first = missing+1, text
		default:
			twice += n - 1
		}
		delete(count, text)
	}
	t.Logf("%d events: %d missing, %d twice, %d others, %.1f s", len(want), missing, twice, len(count), seconds)
	for text := range count {
		require.Fail(t, "this was not sent", "%q, and this is missing: %q", text, first)
	}
	require.Zero(t, missing, "%q is missing", first)
	require.Zero(t, twice)
}

func TestPeersReceive(t *testing.T) {
	for name, start := range map[string]func(testing.TB, peertest.Receiver) *peertest.Peer{"rsyslog": peertest.Rsyslog, "syslog-ng": peertest.SyslogNG} {
		for _, v := range ofPeer(name) {
			t.Run(name+"/"+v.name, func(t *testing.T) {
				tls, _, _, ours := v.certificates(t)
				peer := start(t, peertest.Receiver{Transport: v.transport, TLS: tls, LineFeeds: v.lineFeeds})
				p := v.sending(t, peer.Addr, ours)
				want, began := v.texts(), time.Now()
				v.feed(t, p, want, func(n int) {
					if v.transport == peertest.UDP {
						peer.Await(n, peersPatience)
					}
				})
				peer.Await(len(want), peersPatience)
				p.Until(peersPatience, "delivered", func(st control.Status) bool { return st.Lanes[0].Delivered == uint64(len(want)) })
				p.stop()
				peer.Stop() // and so writes all it has
				equal(t, began, want, peer.Lines())
			})
		}
	}
}

func TestPeersSend(t *testing.T) {
	for name, start := range map[string]func(testing.TB, peertest.Sender) *peertest.Peer{"rsyslog": peertest.RsyslogTo, "syslog-ng": peertest.SyslogNGTo} {
		for _, v := range ofPeer(name) {
			t.Run(name+"/"+v.name, func(t *testing.T) {
				_, tls, ours, _ := v.certificates(t)
				p, got := v.receiving(t, ours)
				s := peertest.Sender{Transport: v.transport, Layout: peertest.Verbatim, To: p.listening("in"), TLS: tls, LineFeeds: v.lineFeeds}
				body := func(text string) string { return text }
				if name == "syslog-ng" && v.transport == peertest.TCPCounted {
					// Its syslog() driver, the only one that counts octets, writes a header of
					// its own: another time zone, and its sequenceId in SD.
					s.Layout = peertest.RFC5424
					body = func(text string) string { _, b, _ := strings.Cut(text, " event "); return b }
				}
				peer := start(t, s)
				want, began, n := v.texts(), time.Now(), 0
				for _, chunk := range v.chunks(want) {
					peer.Send(chunk...)
					n += len(chunk)
					sourceTook(p, n)
				}
				arrived := got(n)
				peer.Stop()
				for i := range want {
					want[i] = body(want[i])
				}
				for i := range arrived {
					arrived[i] = body(arrived[i])
				}
				equal(t, began, want, arrived)
			})
		}
	}
}

// From siemfwd to siemfwd through a real rsyslog, which takes and hands on by the same
// transport. Its TLS is mutual: the identity is that of the whole process, so that a relay
// that shows a certificate to whom it listens to shows it to whom it sends to.
func TestPeersRelay(t *testing.T) {
	for _, v := range append(variants[:len(variants):len(variants)], relpVariants[0]) {
		if v.tls && !v.mutual {
			continue
		}
		t.Run(v.name, func(t *testing.T) {
			_, tls, source, sink := v.certificates(t)
			out, got := v.receiving(t, source)
			peer := peertest.RsyslogTo(t, peertest.Sender{Transport: v.transport, Layout: peertest.Verbatim, To: out.listening("in"),
				TLS: tls, Relay: true, Durable: v.transport == peertest.RELP})
			in := v.sending(t, peer.Addr, sink)
			want, began := v.texts(), time.Now()
			v.feed(t, in, want, func(n int) {
				if v.transport == peertest.UDP {
					sourceTook(out, n)
				}
			})
			in.Until(peersPatience, "delivered", func(st control.Status) bool { return st.Lanes[0].Delivered == uint64(len(want)) })
			arrived := got(len(want))
			in.stop()
			equal(t, began, want, arrived)
		})
	}
}

// ofPeer lists what a peer speaks.
func ofPeer(name string) []variant {
	if name == "rsyslog" {
		return append(variants[:len(variants):len(variants)], relpVariants...)
	}
	return variants
}
