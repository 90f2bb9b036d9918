package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/control"
	"github.com/siemfwd/siemfwd/forwarder/peertest"
)

// From one real rsyslog to another by RELP, through a siemfwd that is killed again and
// again: nothing is missing.
func TestRELPThroughKills(t *testing.T) {
	const n, kills = 20_000, 4
	out := peertest.Rsyslog(t, peertest.Receiver{Transport: peertest.RELP})
	at, err := freePort()
	require.NoError(t, err)
	p := startProcess(t, t.TempDir(), fmt.Sprintf(`sources:
  network: {type: syslog, vendor: text, listen: ["relp://%s"]}
sinks:
  siem: {type: syslog, address: "relp://%s", format: raw, header: none}
`, at, out.Addr))
	in := peertest.RsyslogTo(t, peertest.Sender{Transport: peertest.RELP, Layout: peertest.Verbatim, To: at})
	want := make([]string, n)
	for i := range want {
		want[i] = fmt.Sprintf("<14>1 2023-11-14T22:13:20.123Z host app - - - event %d\nof many é", i)
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		in.Send(want...)
	}()
	for i := range kills {
		// A part of what is new has come in, and a part of that has gone out.
		out.WaitLines(n*(i+1)/(kills+2), time.Minute)
		p.kill()
		p.start()
	}
	<-sent
	seen := map[string]bool{}
	for lines := n; len(seen) < n; lines++ {
		for _, line := range out.WaitLines(lines, time.Minute) {
			seen[line] = true
		}
	}
	for _, text := range want {
		text = strings.Replace(text, "\n", "#012", 1) // as a line of its own
		require.True(t, seen[text], text)
	}
	p.until("nothing waits", func(st control.Status) bool { return st.Lanes[0].Waiting == 0 })
	p.stop()
	t.Logf("%d events, siemfwd killed %d times: 0 missing, %d twice", n, kills, len(out.Lines())-n)
}
