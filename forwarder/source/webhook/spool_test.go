package webhook

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/spool"
)

// The environment of a test binary that is to be a daemon.
const (
	daemonDir  = "SIEMFWD_TEST_WEBHOOK_DIR"
	daemonAddr = "SIEMFWD_TEST_WEBHOOK_ADDR"
)

// spooled is a source.Log on disk.
type spooled struct {
	*spool.Spool
	ready func()
}

func (s spooled) Ready()                                         { s.ready() }
func (s spooled) Keep() time.Duration                            { return time.Hour }
func (s spooled) Full() bool                                     { return s.Stats().Full }
func (s spooled) Refuse(context.Context, event.Raw, string)      {}
func (s spooled) Emit(ctx context.Context, b *event.Batch) error { return s.Spool.Emit(ctx, b) }

// daemon runs a webhook on a spool until it is killed. It says "ready" when it listens.
func daemon(dir, addr string) {
	s, err := spool.Open(dir, spool.Options{Keep: time.Hour})
	if err == nil {
		cfg := Config{Listen: addr, Path: "/hook", Auth: Auth{Type: "bearer", Token: component.NewSecret("t0ken")}}
		source, buildErr := NewHub().New(&cfg, nil, component.Env{Name: "hooks"})
		if err = buildErr; err == nil {
			err = source.Run(context.Background(), spooled{s, func() { fmt.Println("ready") }})
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// startDaemon runs the test binary as a daemon.
func startDaemon(t testing.TB, dir, addr string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), daemonDir+"="+dir, daemonAddr+"="+addr)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "ready\n", line)
	return cmd
}

// 64 senders post 200 events each to a daemon that is killed again and again: what was
// answered with 2xx is on disk.
func TestKilledDaemon(t *testing.T) {
	const senders, each, kills = 64, 200, 5
	dir, addr := filepath.Join(t.TempDir(), "spool"), free(t)
	cmd := startDaemon(t, dir, addr)
	transport := &http.Transport{MaxIdleConnsPerHost: senders}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 20 * time.Second}
	var acked, tries atomic.Int64
	post := func(id string) bool {
		tries.Add(1)
		req, _ := http.NewRequest(http.MethodPost, "http://"+addr+"/hook", strings.NewReader(`{"id":"`+id+`","text":"`+strings.Repeat("x", 600)+`"}`))
		req.Header.Set("Authorization", "Bearer t0ken")
		res, err := client.Do(req)
		if err != nil {
			return false
		}
		defer res.Body.Close()
		_, _ = io.Copy(io.Discard, res.Body)
		return res.StatusCode == 200
	}
	began := time.Now()
	var all sync.WaitGroup
	for s := range senders {
		all.Go(func() {
			for i := range each {
				for wait := time.Millisecond; !post(fmt.Sprintf("%d/%d", s, i)); wait = min(2*wait, 50*time.Millisecond) {
					time.Sleep(wait) // as a sender does
				}
				acked.Add(1)
			}
		})
	}
	for k := range kills {
		// Spread over the run, whatever the machine's speed.
		enough := int64(senders * each * (k + 1) / (kills + 1))
		require.Eventually(t, func() bool { return acked.Load() >= enough }, 2*time.Minute, time.Millisecond)
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait()
		cmd = startDaemon(t, dir, addr)
	}
	all.Wait()
	took := time.Since(began)
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()

	s, err := spool.Open(dir, spool.Options{})
	require.NoError(t, err)
	defer s.Close()
	stored, seen := 0, map[string]bool{}
	for e, err := range s.Range(time.Time{}, time.Now().Add(time.Hour)) {
		require.NoError(t, err)
		_, rest, _ := strings.Cut(string(e.Data), `"id":"`)
		id, _, _ := strings.Cut(rest, `"`)
		seen[id] = true
		stored++
	}
	missing := 0
	for s := range senders {
		for i := range each {
			if !seen[fmt.Sprintf("%d/%d", s, i)] {
				missing++
			}
		}
	}
	assert.Zero(t, missing)
	assert.EqualValues(t, senders*each, acked.Load())
	assert.Len(t, seen, senders*each)
	assert.LessOrEqual(t, stored, int(tries.Load()))
	t.Logf("%d senders × %d: %d requests in %s (%.0f/s), %d kills, %d events stored, %d missing", senders, each, tries.Load(), took.Round(time.Millisecond), float64(senders*each)/took.Seconds(), kills, stored, missing)
}
