package main

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// passing is a service manager in small: it holds sockets and passes them to whatever it
// starts, as sd_listen_fds(3) says.
type passing struct {
	t     *testing.T
	names []string
	files []*os.File
}

func (p *passing) pass(name string, s interface{ File() (*os.File, error) }) {
	f, err := s.File()
	require.NoError(p.t, err)
	p.names, p.files = append(p.names, name), append(p.files, f)
}

func (p *passing) stream(name, network, address string) string {
	l, err := net.Listen(network, address)
	require.NoError(p.t, err)
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	p.pass(name, l.(interface{ File() (*os.File, error) }))
	require.NoError(p.t, l.Close())
	return l.Addr().String()
}

func (p *passing) datagram(name, network, address string) string {
	pc, err := net.ListenPacket(network, address)
	require.NoError(p.t, err)
	p.pass(name, pc.(interface{ File() (*os.File, error) }))
	require.NoError(p.t, pc.Close())
	return pc.LocalAddr().String()
}

// start runs siemfwd; what it says comes into said.
func (p *passing) start(config string, said *bytes.Buffer) (stop func()) {
	exe, err := os.Executable()
	require.NoError(p.t, err)
	cmd := exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ exec "$0" run -c "$1"`, exe, config)
	cmd.Env = append(os.Environ(), beSiemfwd+"=1", fmt.Sprintf("LISTEN_FDS=%d", len(p.files)), "LISTEN_FDNAMES="+strings.Join(p.names, ":"))
	cmd.ExtraFiles, cmd.Stderr = p.files, said
	require.NoError(p.t, cmd.Start())
	ended := false
	p.t.Cleanup(func() {
		if !ended {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	return func() {
		ended = true
		require.NoError(p.t, cmd.Process.Signal(syscall.SIGTERM))
		require.NoError(p.t, cmd.Wait(), said.String())
	}
}

// Every kind of listener takes the socket that the service manager opened, whose senders
// are not refused before the start, nor between two of them.
func TestSocketsOfTheServiceManager(t *testing.T) {
	dir := t.TempDir()
	p := &passing{t: t}
	tcp, udp := p.stream("in-tcp", "tcp", "127.0.0.1:0"), p.datagram("in-udp", "udp", "127.0.0.1:0")
	stream, gram := p.stream("in-unix", "unix", filepath.Join(dir, "s")), p.datagram("in-gram", "unixgram", filepath.Join(dir, "d"))
	hooks, status := p.stream("hooks", "tcp", "127.0.0.1:0"), p.stream("status", "tcp", "127.0.0.1:0")
	unused := p.stream("nobody", "tcp", "127.0.0.1:0")
	out, config := filepath.Join(dir, "out.log"), filepath.Join(dir, "siemfwd.yaml")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, `state: %s
http: {listen: "%s"}
sources:
  in: {type: syslog, vendor: text, listen: ["tcp://%s", "udp://%s", "unix://%s", "unixgram://%s"]}
  hooks: {type: webhook, vendor: text, listen: "%s", path: /in, auth: {type: none}}
sinks:
  out: {type: file, path: %s, format: raw}
`, filepath.Join(dir, "state"), status, tcp, udp, stream, gram, hooks, out), 0o600))

	var want []string
	posted := make(chan error, 2)
	send := func(round string) {
		for network, address := range map[string]string{"tcp": tcp, "udp": udp, "unix": stream, "unixgram": gram} {
			c, err := net.Dial(network, address)
			require.NoError(t, err, network)
			_, err = fmt.Fprintf(c, "%s over %s\n", round, network)
			require.NoError(t, err, network)
			require.NoError(t, c.Close())
			want = append(want, round+" over "+network)
		}
		want = append(want, round+" over http")
		go func() {
			res, err := http.Post("http://"+hooks+"/in", "text/plain", strings.NewReader(round+" over http"))
			if err == nil {
				res.Body.Close()
				if res.StatusCode != 200 {
					err = fmt.Errorf("status %d", res.StatusCode)
				}
			}
			posted <- err
		}()
	}
	var said bytes.Buffer
	for _, round := range []string{"before the first start", "between two"} {
		send(round)
		stop := p.start(config, &said)
		require.NoError(t, <-posted)
		require.Eventually(t, func() bool {
			got, _ := os.ReadFile(out)
			for _, line := range want {
				if !strings.Contains(string(got), line) {
					return false
				}
			}
			return true
		}, time.Minute, 10*time.Millisecond)
		res, err := http.Get("http://" + status + "/livez")
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		assert.Equal(t, 200, res.StatusCode)
		stop()
	}
	assert.Equal(t, 2, strings.Count(said.String(), "nobody listens on a socket of the service manager"), said.String())
	assert.Contains(t, said.String(), unused)
	for _, path := range []string{stream, gram} {
		_, err := os.Stat(path)
		assert.NoError(t, err, "the socket's file is the service manager's")
	}
}
