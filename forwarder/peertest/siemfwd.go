package peertest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/control"
)

// Siemfwd is a `siemfwd run` in a process of its own, which can be killed and started
// again. Only the test's goroutine calls its methods.
type Siemfwd struct {
	Config string // the file it reads
	State  string // its state folder

	t      testing.TB
	argv   []string
	env    []string
	socket string
	cmd    *exec.Cmd
	log    tailBuffer
}

// StartSiemfwd runs the program argv with `run` and a configuration behind it, and waits
// until all its sources are up. State and configuration are in dir; yaml says the rest,
// without http. env is added to the environment. The process is killed when the test ends.
func StartSiemfwd(t testing.TB, argv, env []string, dir, yaml string) *Siemfwd {
	t.Helper()
	p := &Siemfwd{Config: filepath.Join(dir, "siemfwd.yaml"), State: filepath.Join(dir, "state"), t: t, argv: argv, env: env}
	p.socket = filepath.Join(p.State, "control.sock")
	text := fmt.Sprintf("state: %s\nhttp: {listen: \"\"}\n%s", p.State, yaml)
	if err := os.WriteFile(p.Config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.balanced()
		p.Kill()
	})
	p.Start()
	return p
}

// Start runs the process, which is not running, and waits until all its sources are up.
func (p *Siemfwd) Start() {
	p.t.Helper()
	p.Launch()
	p.Until(time.Minute, "up", func(st control.Status) bool {
		for _, s := range st.Sources {
			if !s.Up {
				return false
			}
		}
		return len(st.Sources) > 0
	})
}

// Launch runs the process, which is not running, and waits for nothing.
func (p *Siemfwd) Launch() {
	p.t.Helper()
	p.cmd = exec.Command(p.argv[0], append(p.argv[1:len(p.argv):len(p.argv)], "run", "-c", p.Config)...)
	p.cmd.Env = append(os.Environ(), p.env...)
	p.cmd.Stderr = &p.log
	p.cmd.SysProcAttr = dieWithTest()
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
}

// Kill ends the process with SIGKILL. It may be called more than once.
func (p *Siemfwd) Kill() {
	if p.cmd != nil && p.cmd.Process != nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	}
}

// Stop ends the process as systemd does, and fails the test unless it ends well.
func (p *Siemfwd) Stop() {
	p.t.Helper()
	_, _ = p.Status()
	err := p.cmd.Process.Signal(syscall.SIGTERM)
	if err == nil {
		err = p.cmd.Wait()
	}
	if err != nil {
		p.t.Fatalf("siemfwd: %v\n%s", err, p.Log())
	}
	p.balanced()
}

// balanced fails the test when the accounting of the process does not add up, or did not
// at its end.
func (p *Siemfwd) balanced() {
	p.t.Helper()
	if p.cmd != nil && p.cmd.ProcessState == nil {
		_, _ = p.Status()
	}
	if strings.Contains(p.Log(), control.Unbalanced) {
		p.t.Errorf("siemfwd: %s\n%s", control.Unbalanced, p.Log())
	}
}

// Wait waits until the process has ended and returns its exit status; -1 when a signal
// ended it.
func (p *Siemfwd) Wait() int {
	_ = p.cmd.Wait()
	return p.cmd.ProcessState.ExitCode()
}

// PID is the number of the process.
func (p *Siemfwd) PID() int { return p.cmd.Process.Pid }

// Log returns the end of what it has said on standard error, over all its lives.
func (p *Siemfwd) Log() string { return p.log.String() }

// Status asks the process; the error is that of one that does not answer. The test fails
// when the accounting of a lane does not add up.
func (p *Siemfwd) Status() (control.Status, error) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	st, err := control.NewClient(p.socket).Status(ctx)
	if err == nil {
		Balanced(p.t, st)
	}
	return st, err
}

// Until waits until the status is as wanted, and returns it. The test ends when it is not
// within d.
func (p *Siemfwd) Until(d time.Duration, what string, want func(control.Status) bool) control.Status {
	p.t.Helper()
	deadline := time.Now().Add(d)
	for {
		st, err := p.Status()
		if err == nil && want(st) {
			return st
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("siemfwd: %s: not within %s; last status %+v, %v\n%s", what, d, st, err, p.Log())
		}
		time.Sleep(pollInterval / 2) // between two looks at another process
	}
}

// Listening is the first address a source listens on, as host:port.
func (p *Siemfwd) Listening(source string) string {
	p.t.Helper()
	addr := ""
	p.Until(startTimeout, source+" listens", func(st control.Status) bool {
		for _, s := range st.Sources {
			if s.Name == source && len(s.Listening) > 0 {
				addr = s.Listening[0]
			}
		}
		return addr != ""
	})
	_, rest, ok := strings.Cut(addr, "://")
	if !ok {
		return addr
	}
	host, _, _ := strings.Cut(rest, "/")
	return host
}

// tailBuffer keeps the end of what is written to it.
type tailBuffer struct {
	mu  sync.Mutex
	buf []byte
}

const mostLog = 256 << 10

func (b *tailBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.buf = append(b.buf, p...)
	if n := len(b.buf) - mostLog; n > mostLog {
		b.buf = append(b.buf[:0], b.buf[n:]...)
	}
	return len(p), nil
}

func (b *tailBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.buf)
}
