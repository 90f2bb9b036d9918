package splunkhec

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/simulate"
	"github.com/siemfwd/siemfwd/forwarder/sink"
	"github.com/siemfwd/siemfwd/forwarder/source/webhook"
	"github.com/siemfwd/siemfwd/forwarder/spool"
	"github.com/siemfwd/siemfwd/parsers/generic"
)

// The environment of a test binary that is to be a listener.
const (
	listenerDir  = "SIEMFWD_TEST_HEC_DIR"
	listenerAddr = "SIEMFWD_TEST_HEC_ADDR"
)

// onDisk is a source.Log that says "ready" on standard output.
type onDisk struct{ *spool.Spool }

func (onDisk) Ready()                                    { fmt.Println("ready") }
func (onDisk) Keep() time.Duration                       { return time.Hour }
func (d onDisk) Full() bool                              { return d.Stats().Full }
func (onDisk) Refuse(context.Context, event.Raw, string) {}

// listener runs siemfwd's own HEC listener on a spool until it is killed.
func listener(dir, addr string) {
	err := func() error {
		s, err := spool.Open(dir, spool.Options{Keep: time.Hour})
		if err != nil {
			return err
		}
		c := webhook.Config{Listen: addr, Path: "/services/collector", Auth: webhook.Auth{Type: "bearer", Token: component.NewSecret(simulate.SplunkToken)}}
		src, err := webhook.NewHub().New(&c, generic.HEC().Hook, component.Env{Name: "hec"})
		if err != nil {
			return err
		}
		return src.Run(context.Background(), onDisk{s})
	}()
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func startListener(t *testing.T, dir, addr string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), listenerDir+"="+dir, listenerAddr+"="+addr)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "ready\n", line)
	return cmd
}

var number = regexp.MustCompile(`"n":(\d+),`)

// 10 000 events with acknowledgements to siemfwd's own listener, which is killed now and
// then: all are there; without kills each is there once.
func TestOwnListener(t *testing.T) {
	for name, kills := range map[string]int{"undisturbed": 0, "killed": 3} {
		t.Run(name, func(t *testing.T) {
			const all = 10_000
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			addr := l.Addr().String()
			require.NoError(t, l.Close())
			dir := filepath.Join(t.TempDir(), "spool")
			cmd := startListener(t, dir, addr)
			end := func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }
			defer func() { end() }()

			c := config("http://" + addr)
			yes := true
			c.Ack, c.Gzip = true, &yes
			s, _, _ := build(t, c)
			ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
			defer cancel()
			lane := carrier{sink: s, confirmer: s.(sink.Confirmer), items: items(0, all), dead: map[int]error{}, size: 200}
			killed, began := 0, time.Now()
			for lane.done < all {
				require.NoError(t, ctx.Err(), "%d of %d after so long; last: %v", lane.done, all, lane.last)
				if killed < kills && lane.next >= (killed+1)*all/(kills+1) {
					end()
					cmd = startListener(t, dir, addr)
					killed++
				}
				lane.size = min(lane.size, 200)
				lane.step(ctx)
			}
			took := time.Since(began)
			assert.Empty(t, lane.dead)
			end()

			log, err := spool.Open(dir, spool.Options{})
			require.NoError(t, err)
			defer log.Close()
			seen, events := map[string]bool{}, 0
			for e, err := range log.Range(time.Time{}, time.Now().Add(time.Hour)) {
				require.NoError(t, err)
				seen[string(number.FindSubmatch(e.Data)[1])] = true
				events++
			}
			assert.Len(t, seen, all)
			if kills == 0 {
				assert.Equal(t, all, events)
			}
			t.Logf("%d events in %v, %d kills: %d stored, %d missing, %d twice", all, took.Round(time.Millisecond), killed, events, all-len(seen), events-len(seen))
		})
	}
}
