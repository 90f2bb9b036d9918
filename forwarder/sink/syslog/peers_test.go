package syslog

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/peertest"
)

// The receivers people have: every event arrives once, in order, as it was sent.
func TestRealReceivers(t *testing.T) {
	receivers := map[string]func(testing.TB, peertest.Receiver) *peertest.Peer{
		"rsyslog": peertest.Rsyslog, "syslog-ng": peertest.SyslogNG,
	}
	for name, start := range receivers {
		for _, transport := range []peertest.Transport{peertest.TCP, peertest.TCPCounted, peertest.UDP} {
			t.Run(name+" "+transport.String(), func(t *testing.T) {
				peer := start(t, peertest.Receiver{Transport: transport})
				c := config("tcp://" + peer.Addr)
				n := 5000
				switch transport {
				case peertest.TCPCounted:
					c.Framing = "octet_counting"
				case peertest.UDP:
					c = config("udp://" + peer.Addr)
					n = 100
				}
				want := batch(0, n)
				for i := range want {
					want[i] = strings.Replace(want[i], " - host", " 2023-11-14T22:13:20.123Z host", 1) + " é ends with a space "
				}
				s, _ := build(t, c)
				for from := 0; from < n; from += 500 {
					send(t, s, want[from:min(from+500, n)]...)
				}
				got := peer.WaitLines(n, time.Minute)
				require.Len(t, got, n)
				for i := range want { // not all at once: the difference would fill the screen
					require.Equal(t, want[i], got[i])
				}
			})
		}
	}
}
