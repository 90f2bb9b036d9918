package syslog

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/peertest"
)

// The senders people have: every event comes once, in order, as it was sent.
func TestRealSenders(t *testing.T) {
	senders := map[string]func(testing.TB, peertest.Sender) *peertest.Peer{
		"rsyslog": peertest.RsyslogTo, "syslog-ng": peertest.SyslogNGTo,
	}
	for name, sender := range senders {
		for _, transport := range []peertest.Transport{peertest.TCP, peertest.TCPCounted, peertest.UDP} {
			t.Run(name+" "+transport.String(), func(t *testing.T) {
				listen, n := localTCP, 5000
				if transport == peertest.UDP {
					listen, n = localUDP, 500
				}
				r := start(t, config(listen), newSpool())
				_, at, _ := strings.Cut(r.Addrs()[0], "://")
				layout := peertest.Verbatim
				if name == "syslog-ng" && transport == peertest.TCPCounted {
					layout = peertest.RFC5424 // it counts nothing else
				}
				peer := sender(t, peertest.Sender{Transport: transport, Layout: layout, To: at})
				want := make([]string, n)
				for i := range want {
					want[i] = fmt.Sprintf("<14>1 2023-11-14T22:13:20.123Z host app - - - event %d é", i)
				}
				peer.Send(want...)
				got := texts(r.spool.wait(t, n))
				if layout == peertest.RFC5424 {
					for i := range got { // its header is its own
						require.True(t, strings.HasPrefix(got[i], "<14>1 "), got[i])
						_, got[i], _ = strings.Cut(got[i], " event ")
						_, want[i], _ = strings.Cut(want[i], " event ")
					}
				}
				for i := range want { // not all at once: the difference would fill the screen
					require.Equal(t, want[i], got[i])
				}
				require.Zero(t, r.lines.count("WARN"), r.lines.String())
			})
		}
	}
}
