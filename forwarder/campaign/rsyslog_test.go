package campaign

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/control"
	"github.com/siemfwd/siemfwd/forwarder/peertest"
)

// peer is a real rsyslog that is restarted while it is sent to.
type peer struct {
	*peertest.Peer
	name    string
	end     func()
	lost    int
	again   int
	resends bool // nothing may be missing
}

// TestRsyslogRestarts restarts real rsyslogs under load: gracefully and with kill -9, over
// plain TCP and over RELP, all four at the same time.
func TestRsyslogRestarts(t *testing.T) {
	const rate = 5000
	c := begin(t, 6, 2, 100)
	var peers []*peer
	sinks := ""
	for _, over := range []peertest.Transport{peertest.TCP, peertest.RELP} {
		for _, how := range []string{"stopped", "killed"} {
			p := &peer{Peer: peertest.Rsyslog(t, peertest.Receiver{Transport: over}), name: fmt.Sprintf("%v_%s", over, how)}
			p.end, p.resends = p.Stop, true
			if how == "killed" {
				p.end, p.resends = p.Kill, over == peertest.RELP
			}
			scheme := "tcp"
			if over == peertest.RELP {
				scheme = "relp"
			}
			sinks += fmt.Sprintf("  %s: {type: syslog, address: \"%s://%s\", format: raw, header: none}\n", p.name, scheme, p.Addr)
			peers = append(peers, p)
		}
	}
	f := peertest.StartSiemfwd(t, []string{program(t)}, nil, t.TempDir(), `shutdown_grace: 5s
sources:
  in: {type: syslog, vendor: text, listen: ["tcp://127.0.0.1:0"], spool: 8GiB}
sinks:
`+sinks)
	conn, err := net.Dial("tcp", f.Listening("in"))
	require.NoError(t, err)
	done := make(chan struct{})
	var restarts sync.WaitGroup
	for _, p := range peers {
		draw := rand.New(rand.NewPCG(c.seed, uint64(len(p.name))))
		restarts.Go(func() { p.restart(t, c.rounds, draw) })
	}
	go func() { restarts.Wait(); close(done) }()
	sent := offerUntil(t, conn, rate, 150, done)
	<-done
	require.NoError(t, conn.Close())
	f.Until(5*patience, "nothing waits", func(st control.Status) bool {
		return idle(st) && len(st.Lanes) > 0 && st.Lanes[0].Received == uint64(sent)
	})
	f.Stop()
	var text string
	for _, p := range peers {
		p.Stop() // and so writes what it has
		p.count(t, sent)
		if p.resends {
			assert.Zero(t, p.lost, "%s: events lost", p.name)
		}
		text += fmt.Sprintf("; %s: %d lost, %d twice", p.name, p.lost, p.again)
	}
	c.figures("rsyslog restarted %d times each under %d events/s, %d events%s", c.rounds, rate, sent, text)
}

// restart ends the peer and starts it again, each time after it has got something.
func (p *peer) restart(t *testing.T, times int, draw *rand.Rand) {
	for range times {
		before := fileSize(p.File)
		deadline := time.Now().Add(patience)
		for fileSize(p.File) < before+100<<10 {
			if !assert.True(t, time.Now().Before(deadline), "%s gets nothing\n%s", p.name, p.Output()) {
				return
			}
			pause(t.Context(), 10*time.Millisecond)
		}
		pause(t.Context(), time.Duration(draw.IntN(500))*time.Millisecond)
		p.end()
		pause(t.Context(), time.Duration(draw.IntN(300))*time.Millisecond)
		p.Start()
	}
}

func fileSize(path string) int64 {
	fi, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return fi.Size()
}

// count compares what the peer has written with the events 0 to sent-1.
func (p *peer) count(t *testing.T, sent int) {
	seen := make([]uint16, sent)
	file, err := os.Open(p.File)
	require.NoError(t, err)
	defer file.Close()
	lines := bufio.NewReaderSize(file, 1<<20)
	for {
		line, err := lines.ReadSlice('\n')
		if err != nil {
			break
		}
		_, rest, ok := bytes.Cut(bytes.ReplaceAll(line, []byte{0x5c}, nil), []byte(`"id":"t`)) // with RELP it is the inside of a JSON string
		digits, _, whole := bytes.Cut(rest, []byte(`"`))
		n, err := strconv.Atoi(string(digits))
		if ok && whole && err == nil && n < sent {
			seen[n]++
		}
	}
	for _, n := range seen {
		if n == 0 {
			p.lost++
		} else {
			p.again += int(n) - 1
		}
	}
}
