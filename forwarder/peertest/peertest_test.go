package peertest

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const patience = 20 * time.Second

var receivers = []struct {
	name  string
	start func(testing.TB, Receiver) *Peer
}{
	{"rsyslog", Rsyslog},
	{"syslog-ng", SyslogNG},
}

var senders = []struct {
	name  string
	start func(testing.TB, Sender) *Peer
}{
	{"rsyslog", RsyslogTo},
	{"syslog-ng", SyslogNGTo},
}

// dial returns what writes one message to a receiver in its transport's framing.
func dial(t *testing.T, p *Peer, tr Transport) func(message string) {
	t.Helper()
	network := "tcp"
	if tr == UDP {
		network = "udp"
	}
	conn, err := net.Dial(network, p.Addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return func(message string) {
		t.Helper()
		switch tr {
		case TCP:
			message += "\n"
		case TCPCounted:
			message = fmt.Sprintf("%d %s", len(message), message)
		case UDP, RELP:
		}
		_, err := conn.Write([]byte(message))
		require.NoError(t, err)
	}
}

func TestReceiversWriteWhatTheyGet(t *testing.T) {
	messages := []string{
		`<13>Nov 20 10:11:12 web-1 login[4711]: Accepted password for jane`,
		`<165>1 2026-11-20T10:11:12.003Z gw siemfwd - ID47 [ex@32473 a="b \"c\" \]"] ` + "\ufeffgrüße",
		`<14>CEF:0|Acme|Thing|1|100|tab` + "\t" + `and text|5|src=203.0.113.7 msg=a\=b`,
		`<14>1 - - - - - - ` + strings.Repeat("x", 9000),
	}
	for _, r := range receivers {
		for _, tr := range []Transport{TCP, TCPCounted, UDP} {
			t.Run(r.name+"/"+tr.String(), func(t *testing.T) {
				peer := r.start(t, Receiver{Transport: tr})
				send := dial(t, peer, tr)
				for _, m := range messages {
					send(m)
				}
				assert.Equal(t, messages, peer.WaitLines(len(messages), patience))
			})
		}
	}
}

func TestSendersForward(t *testing.T) {
	const in = `<13>Nov 20 10:11:12 web-1 login[4711]: Accepted password for jane`
	for _, s := range senders {
		for _, tr := range []Transport{TCP, TCPCounted, UDP} {
			for _, layout := range []Layout{RFC5424, RFC3164, Verbatim} {
				if s.name == "syslog-ng" && tr == TCPCounted && layout != RFC5424 {
					continue
				}
				t.Run(fmt.Sprintf("%s/%v/%v", s.name, tr, layout), func(t *testing.T) {
					sink := Rsyslog(t, Receiver{Transport: tr})
					s.start(t, Sender{Transport: tr, Layout: layout, To: sink.Addr}).Send(in)
					got := sink.WaitLines(1, patience)
					require.Len(t, got, 1)
					switch layout {
					case RFC5424:
						assert.Regexp(t, `^<13>1 \d{4}-11-20T10:11:12\S* web-1 login 4711 - .*Accepted password for jane$`, got[0])
					case RFC3164:
						assert.Equal(t, in, got[0])
					case Verbatim:
						assert.Equal(t, in, got[0])
					}
				})
			}
		}
	}
}

func TestRELP(t *testing.T) {
	messages := []string{
		`<13>Nov 20 10:11:12 web-1 login[4711]: Accepted password for jane`,
		"<14>1 2026-11-20T10:11:12.003Z h app - - - one\ntwo\tthree \"four\" \\ \x01 grüße",
		"<14>1 - h app - - - " + strings.Repeat("x", 9000),
	}
	sink := Rsyslog(t, Receiver{Transport: RELP})
	RsyslogTo(t, Sender{Transport: RELP, Layout: Verbatim, To: sink.Addr}).Send(messages...)
	assert.Equal(t, messages, sink.WaitLines(len(messages), patience))
}

func TestManyLinesThroughBoth(t *testing.T) {
	const n = 5000
	lines := make([]string, n)
	for i := range lines {
		lines[i] = fmt.Sprintf("<14>Nov 20 10:11:12 h app: event number %d", i)
	}
	for i, r := range receivers {
		t.Run(r.name, func(t *testing.T) {
			sink := r.start(t, Receiver{Transport: TCP})
			via := senders[1-i].start(t, Sender{Transport: TCP, Layout: Verbatim, To: sink.Addr})
			via.Send(lines...)
			assert.Equal(t, lines, sink.WaitLines(n, patience))
		})
	}
}

func TestStopEndsTheProcess(t *testing.T) {
	for _, r := range receivers {
		t.Run(r.name, func(t *testing.T) {
			peer := r.start(t, Receiver{})
			peer.Stop()
			peer.Stop()
			_, err := net.DialTimeout("tcp", peer.Addr, time.Second)
			assert.Error(t, err)
			assert.Empty(t, peer.Lines())
		})
	}
}

func TestStartAgain(t *testing.T) {
	for _, r := range receivers {
		t.Run(r.name, func(t *testing.T) {
			peer := r.start(t, Receiver{})
			for i, end := range []func(){peer.Stop, peer.Kill, peer.Kill} {
				dial(t, peer, TCP)(fmt.Sprintf("<14>Nov 20 10:11:12 h app: %d", i))
				peer.WaitLines(i+1, patience)
				end()
				_, err := net.DialTimeout("tcp", peer.Addr, time.Second)
				require.Error(t, err)
				peer.Start()
			}
			require.Len(t, peer.Lines(), 3)
		})
	}
}

// A stand-in for testing.TB that notes how the test was ended.
type verdict struct {
	testing.TB
	skipped, failed string
}

func (v *verdict) Helper()        {}
func (v *verdict) Skip(a ...any)  { v.skipped = fmt.Sprint(a...); panic(v) }
func (v *verdict) Fatal(a ...any) { v.failed = fmt.Sprint(a...); panic(v) }

func lookFor(t *testing.T, pkg, program, modules string) (in install, v *verdict) {
	t.Helper()
	v = &verdict{TB: t}
	defer func() {
		if r := recover(); r != nil && r != any(v) {
			panic(r)
		}
	}()
	return find(v, pkg, program, modules), v
}

func TestMissingProgramSkipsOrFails(t *testing.T) {
	t.Setenv("SIEMFWD_PEERS", t.TempDir())
	t.Setenv("SIEMFWD_REQUIRE_PEERS", "")
	_, v := lookFor(t, "nosuch-core", "nosuchd", "usr/lib/nosuch")
	assert.Contains(t, v.skipped, "nosuchd is missing: install Debian's package nosuch-core")
	assert.NotContains(t, v.skipped, "\n")
	assert.Empty(t, v.failed)

	t.Setenv("SIEMFWD_REQUIRE_PEERS", "1")
	_, v = lookFor(t, "nosuch-core", "nosuchd", "usr/lib/nosuch")
	assert.Contains(t, v.failed, "nosuch-core")
	assert.Empty(t, v.skipped)
}

func TestUnpackedPackagesComeFirst(t *testing.T) {
	dir := t.TempDir()
	for _, f := range []string{"usr/sbin/syslog-ng", "usr/lib/syslog-ng/3.38/libaffile.so", "usr/lib/x86_64-linux-gnu/libx.so"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, filepath.Dir(f)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, f), nil, 0o755))
	}
	t.Setenv("SIEMFWD_PEERS", dir)
	in, v := lookFor(t, "syslog-ng-core", "syslog-ng", "usr/lib/syslog-ng/[0-9]*")
	require.Empty(t, v.skipped+v.failed)
	assert.Equal(t, install{
		bin:     filepath.Join(dir, "usr/sbin/syslog-ng"),
		modules: filepath.Join(dir, "usr/lib/syslog-ng/3.38"),
		env:     []string{"LD_LIBRARY_PATH=" + filepath.Join(dir, "usr/lib/x86_64-linux-gnu") + ":" + filepath.Join(dir, "usr/lib/syslog-ng")},
	}, in)
}

func TestLineCounterCountsAsTheFileGrows(t *testing.T) {
	c := lineCounter{path: filepath.Join(t.TempDir(), "f")}
	_, err := c.count()
	require.ErrorIs(t, err, os.ErrNotExist)
	for i, step := range []struct {
		text string
		want int
	}{{"a\nb", 1}, {"c\n\n", 3}, {"", 3}, {"d\n", 4}} {
		f, err := os.OpenFile(c.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		require.NoError(t, err)
		_, err = f.WriteString(step.text)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		n, err := c.count()
		require.NoError(t, err)
		assert.Equal(t, step.want, n, "step %d", i)
	}
}
