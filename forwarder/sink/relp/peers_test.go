package relp

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/peertest"
)

var long = flag.Bool("long", false, "ten times the events, and a real receiver that restarts a hundred times")

// tally counts messages.
func tally(messages []string) map[string]int {
	n := make(map[string]int, len(messages))
	for _, m := range messages {
		n[m]++
	}
	return n
}

// missing returns how many of want are not in got, and how often something came again.
func missing(want []string, got []string) (lost, again int) {
	n := tally(got)
	for _, m := range want {
		if n[m] == 0 {
			lost++
		}
	}
	return lost, len(got) - len(n)
}

// size returns how long a file is, which need not be there.
func size(t *testing.T, path string) int64 {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0
	}
	assert.NoError(t, err)
	return info.Size()
}

// Everything arrives at a real rsyslog, once and in order, with line feeds inside.
func TestRsyslog(t *testing.T) {
	n := 100_000
	if *long {
		n *= 10
	}
	peer := peertest.Rsyslog(t, peertest.Receiver{Transport: peertest.RELP})
	s := start(t, options(peer.Addr))
	want := numbers(0, n)
	want[7], want[8] = "", "<14>1 - é\t\"quoted\" \\ \x01 - - - x\n\ny "
	began := time.Now()
	require.Empty(t, lane(t, s, want))
	t.Logf("%d events a second", int(float64(n)/time.Since(began).Seconds()))
	s.Settle(t.Context())
	got := peer.WaitLines(n, patience)
	require.Len(t, got, n)
	for i := range want { // not all at once: the difference would fill the screen
		require.Equal(t, want[i], got[i])
	}
}

// A real rsyslog that is restarted, or killed, under load gets every event: those that it
// had not answered a second time.
func TestRsyslogRestarts(t *testing.T) {
	restarts, n := 10, 60_000
	if *long {
		restarts, n = 100, 1_000_000
	}
	for name, stop := range map[string]func(p *peertest.Peer){
		"gracefully": (*peertest.Peer).Stop, "kill -9": (*peertest.Peer).Kill,
	} {
		t.Run(name, func(t *testing.T) {
			peer := peertest.Rsyslog(t, peertest.Receiver{Transport: peertest.RELP})
			s := start(t, options(peer.Addr))
			quit, over := make(chan struct{}), make(chan int)
			go func() {
				for i := 0; ; i++ {
					for before := size(t, peer.File); size(t, peer.File) < before+int64(n/restarts/2*50); {
						select {
						case <-quit:
							over <- i
							return
						case <-time.After(time.Millisecond):
						}
					}
					stop(peer)
					peer.Start()
				}
			}()
			want := numbers(0, n)
			require.Empty(t, lane(t, s, want))
			close(quit)
			times := <-over
			s.Settle(t.Context())
			lost, again := missing(want, peer.Lines())
			t.Logf("%d events, rsyslog restarted %d times: %d missing, %d twice", n, times, lost, again)
			require.Zero(t, lost)
			require.NotZero(t, times)
			require.LessOrEqual(t, again, 2*128*(times+1))
		})
	}
}
