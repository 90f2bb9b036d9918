package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/control"
	"github.com/siemfwd/siemfwd/forwarder/peertest"
)

// beSiemfwd makes the test binary be siemfwd, so that tests can start, kill and
// restart a real process.
const beSiemfwd = "SIEMFWD_TEST_BE_SIEMFWD"

func TestMain(m *testing.M) {
	if os.Getenv(beSiemfwd) == "1" {
		main()
		return
	}
	testscript.Main(m, map[string]func(){"siemfwd": main})
}

// process is a running `siemfwd run`.
type process struct {
	*peertest.Siemfwd
	t      *testing.T
	config string
	socket string
}

// startProcess runs siemfwd with a configuration whose state is in dir, and waits
// until all its sources are up.
func startProcess(t *testing.T, dir, yaml string) *process {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	s := peertest.StartSiemfwd(t, []string{exe}, []string{beSiemfwd + "=1"}, dir, yaml)
	return &process{Siemfwd: s, t: t, config: s.Config, socket: filepath.Join(s.State, "control.sock")}
}

func (p *process) start() { p.t.Helper(); p.Start() }

// kill ends the process with SIGKILL.
func (p *process) kill() { p.Kill() }

// stop ends it as systemd does and wants exit status 0.
func (p *process) stop() { p.t.Helper(); p.Stop() }

func (p *process) until(what string, want func(control.Status) bool) control.Status {
	p.t.Helper()
	return p.Until(time.Minute, what, want)
}

func (p *process) listening(source string) string { p.t.Helper(); return p.Listening(source) }

// skyhighLine is an audit line of the connector with the given number in its id.
func skyhighLine(i int) string {
	return fmt.Sprintf(`<14>Aug 15 17:06:04 EC-test00.example.net activityNames=[],actorId=user%05d@example.com,actorIdType=USER,incidentGroup=Alert.Policy.Audit,incidentId=AUD-%d,incidentRiskScore=3.0,incidentRiskSeverity=low,informationPolicyName="MFA, for all accounts",responses="[Violation Detected]",serviceNames="[Microsoft Azure]",status=new,timeCreated="Jun 14 2026 06:56:13.518 UTC",timeModified="Aug 15 2026 08:05:59.826 UTC"`, i%777, i)
}

var externalID = regexp.MustCompile(`CEF:0\|Skyhigh Security\|.* externalId=AUD-(\d+) `)

func TestTwentyThousandLinesReachARealReceiverOnceEach(t *testing.T) {
	const n = 20000
	for name, receiver := range map[string]func(testing.TB, peertest.Receiver) *peertest.Peer{"rsyslog": peertest.Rsyslog, "syslog-ng": peertest.SyslogNG} {
		for _, framing := range []string{"lf", "octet_counting"} {
			t.Run(name+"/"+framing, func(t *testing.T) {
				transport := peertest.TCP
				if framing == "octet_counting" {
					transport = peertest.TCPCounted
				}
				peer := receiver(t, peertest.Receiver{Transport: transport})
				p := startProcess(t, t.TempDir(), fmt.Sprintf(`sources:
  casb: {type: syslog, vendor: skyhigh, listen: ["tcp://127.0.0.1:0"]}
sinks:
  siem: {type: syslog, address: "tcp://%s", format: cef, framing: %s, resend: {age: 100ms}}
`, peer.Addr, framing))
				conn, err := net.Dial("tcp", p.listening("casb"))
				require.NoError(t, err)
				var all bytes.Buffer
				for i := range n {
					all.WriteString(skyhighLine(i))
					all.WriteByte('\n')
				}
				_, err = all.WriteTo(conn)
				require.NoError(t, err)
				require.NoError(t, conn.Close())
				p.until("delivered", func(st control.Status) bool { return st.Lanes[0].Delivered == n })
				seen := map[string]int{}
				for _, line := range peer.WaitLines(n, 60*time.Second) {
					m := externalID.FindStringSubmatch(line)
					require.NotNil(t, m, "%s", line)
					seen[m[1]]++
				}
				assert.Len(t, seen, n)
				for id, times := range seen {
					assert.Equal(t, 1, times, "incident %s", id)
				}
				p.stop()
			})
		}
	}
}

func TestWhatAWebhookSenderWasPromisedSurvivesAKill(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "out.ndjson")
	hooks, err := freePort()
	require.NoError(t, err)
	p := startProcess(t, dir, fmt.Sprintf(`sources:
  dt: {type: webhook, vendor: datatheorem, listen: "%s", path: /hooks/dt, auth: {type: bearer, token: t0ken}}
sinks:
  archive: {type: file, path: %s, format: json}
`, hooks, out))
	url := "http://" + hooks + "/hooks/dt"
	var mu sync.Mutex
	promised := map[string]bool{}
	var next atomic.Int64
	ctx, stop := context.WithCancel(context.Background())
	var senders sync.WaitGroup
	for range 16 {
		senders.Go(func() {
			for ctx.Err() == nil {
				id := fmt.Sprintf("00000000-0000-4000-8000-%012d", next.Add(1))
				if postEvent(ctx, url, id) {
					mu.Lock()
					promised[id] = true
					mu.Unlock()
				}
			}
		})
	}
	for round := 1; round <= 3; round++ {
		want := round * 400
		require.Eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return len(promised) >= want }, time.Minute, time.Millisecond)
		p.kill()
		p.start()
	}
	stop()
	senders.Wait()
	st := p.until("all delivered", func(st control.Status) bool { return st.Lanes[0].Waiting == 0 })
	require.Zero(t, st.Lanes[0].Dead)
	p.stop()
	text, err := os.ReadFile(out)
	require.NoError(t, err)
	arrived := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		require.True(t, strings.HasSuffix(line, "}\n"), "half a line: %q", line)
		if _, rest, ok := strings.Cut(line, `"id":"`); ok {
			arrived[rest[:36]] = true
		}
	}
	missing := 0
	for id := range promised {
		if !arrived[id] {
			missing++
		}
	}
	assert.Zero(t, missing, "of %d answered 2xx", len(promised))
	t.Logf("%d events answered 2xx over 3 kills, %d missing", len(promised), missing)
}

func postEvent(ctx context.Context, url, id string) bool {
	body := fmt.Sprintf(`{"event":{"type":"API_SECURE__POLICY_VIOLATION_OPENED","data":{"uuid":"%s","policy_violation_status":"OPEN","relevance":"URGENT"},"version":1},"time":1767607200,"host":"securetheorem.com"}`, id)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return false
	}
	req.Header.Set("Authorization", "Bearer t0ken")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode/100 == 2
}
