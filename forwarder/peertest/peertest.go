// Package peertest runs a real rsyslog or syslog-ng beside a test, as the receiver of
// what a sink sends or as the sender of what a source reads, and siemfwd itself as a
// process that can be killed. It is for tests only: import it from _test.go files.
//
// A peer is one process in the foreground with a configuration, a state folder and
// loopback ports of its own; the machine's own syslog service is never touched. It
// is looked for in the folder named by SIEMFWD_PEERS, where Debian packages were
// unpacked side by side with dpkg -x, and then where the packages install it. When
// it is not there the test is skipped, or fails when SIEMFWD_REQUIRE_PEERS is 1.
package peertest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Transport is how messages cross the loopback.
type Transport uint8

// The transports.
const (
	TCP        Transport = iota // each message ends with a line feed
	TCPCounted                  // each message follows its length in octets (RFC 6587 3.4.1)
	UDP                         // each message is a datagram
	RELP                        // each message is a frame that is answered
)

// String names the transport for a test's name.
func (t Transport) String() string {
	switch t {
	case TCP:
		return "tcp"
	case TCPCounted:
		return "tcp counted"
	case UDP:
		return "udp"
	case RELP:
		return "relp"
	}
	return fmt.Sprintf("transport %d", uint8(t))
}

// Receiver asks for a peer that writes down what it gets.
type Receiver struct {
	Transport  Transport
	MaxMessage int  // octets; longer messages are cut or split by the peer; 0 is 256 KiB
	TLS        *TLS // nil: plain text; for TCPCounted and RELP
	LineFeeds  bool // messages may hold line feeds, and are UTF-8: Lines has each whole; RELP always
}

// TLS names the files of a peer's identity, and says whom it speaks with.
type TLS struct {
	CA, Cert, Key string // of a Sender that shows no certificate, CA alone
	Name          string // in the certificate of the other side; "": a Receiver asks for none, not for RELP
}

// Layout is how a sending peer writes its messages.
type Layout uint8

// The layouts.
const (
	RFC5424  Layout = iota // the peer's own rendering of RFC 5424
	RFC3164                // the peer's own rendering of RFC 3164
	Verbatim               // the octets handed to Send
)

// String names the layout for a test's name.
func (l Layout) String() string {
	switch l {
	case RFC5424:
		return "rfc5424"
	case RFC3164:
		return "rfc3164"
	case Verbatim:
		return "verbatim"
	}
	return fmt.Sprintf("layout %d", uint8(l))
}

// Sender asks for a peer that forwards what Send hands it.
type Sender struct {
	Transport  Transport
	Layout     Layout
	To         string // host:port; need not listen yet, the peer tries again every second
	MaxMessage int    // octets; 0 is 256 KiB
	TLS        *TLS   // nil: plain text; for TCPCounted and RELP
	LineFeeds  bool   // what Send hands over may hold line feeds; RELP always
	// Relay, for TCP, TCPCounted and UDP of rsyslog: Addr takes what goes out, by the same
	// transport and with the same TLS, instead of what Send sends.
	Relay bool
	// Durable, for RELP of rsyslog: Addr takes RELP instead of what Send sends, and
	// answers a message when it is in a queue on disk.
	Durable bool
}

// Peer is a running syslog daemon. It stops when the test ends, or at Stop.
type Peer struct {
	Addr string // host:port it listens on: a Receiver's Transport, a Sender's plain TCP
	File string // the messages a Receiver got, one a line, header and all; "" for a Sender

	t       testing.TB
	name    string
	udp     bool // it listens on Addr over UDP
	escaped bool // File holds JSON strings, or the insides of them
	counted bool // a Sender counts the octets of what Send hands it
	env     []string
	argv    []string
	output  *lockedBuffer
	counter *lineCounter // of Await

	mu     sync.Mutex
	cmd    *exec.Cmd
	exited chan struct{} // closed when cmd has ended
}

const (
	defaultMaxMessage = 256 << 10
	startTimeout      = 20 * time.Second
	stopTimeout       = 10 * time.Second
	pollInterval      = 10 * time.Millisecond
)

// Lines returns the complete lines that a Receiver has written so far. A message that
// holds a line feed makes more than one, but for LineFeeds, where each is a message.
func (p *Peer) Lines() []string {
	p.t.Helper()
	data, err := os.ReadFile(p.File)
	if err != nil && !os.IsNotExist(err) {
		p.t.Fatalf("%s: %v", p.name, err)
	}
	end := bytes.LastIndexByte(data, '\n')
	if end < 0 {
		return nil
	}
	lines := strings.Split(string(data[:end]), "\n")
	if p.escaped {
		for i, line := range lines {
			if inside, ok := strings.CutPrefix(line, syslogNGKey); ok {
				line = strings.TrimSuffix(inside, `"}`)
			}
			if err := json.Unmarshal([]byte(`"`+line+`"`), &lines[i]); err != nil {
				p.t.Fatalf("%s: line %d, %q: %v", p.name, i+1, line, err)
			}
		}
	}
	return lines
}

// WaitLines waits until a Receiver has written at least n lines and returns all of
// them. The test fails with the peer's own words when it has not within timeout, or
// when it died.
func (p *Peer) WaitLines(n int, timeout time.Duration) []string {
	p.t.Helper()
	p.Await(n, timeout)
	return p.Lines()
}

// Await waits as WaitLines does, and returns nothing: of a growing file it reads what is new.
func (p *Peer) Await(n int, timeout time.Duration) {
	p.t.Helper()
	if p.counter == nil {
		p.counter = &lineCounter{path: p.File}
	}
	counter := p.counter
	p.waitFor(timeout, func() error {
		got, err := counter.count()
		if err == nil && got < n {
			err = fmt.Errorf("%d of %d lines", got, n)
		}
		return err
	})
}

// Send hands messages to a Sender, in order, over one connection. It returns when the
// peer's end of the connection has all the octets; that it has forwarded them is for
// the receiving side to see. A message holds no line feed, but for RELP and LineFeeds.
func (p *Peer) Send(messages ...string) {
	p.t.Helper()
	conn, err := net.DialTimeout("tcp", p.Addr, startTimeout)
	if err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
	defer func() { _ = conn.Close() }()
	var buf bytes.Buffer
	for _, m := range messages {
		if p.counted {
			fmt.Fprintf(&buf, "%d %s", len(m), m)
		} else {
			buf.WriteString(m + "\n")
		}
	}
	if _, err = conn.Write(buf.Bytes()); err == nil {
		err = conn.(*net.TCPConn).CloseWrite()
	}
	if err == nil {
		_ = conn.SetReadDeadline(time.Now().Add(startTimeout))
		_, err = io.Copy(io.Discard, conn) // the peer closes when it has read to the end
	}
	if err != nil {
		p.t.Fatalf("%s: sending to it: %v", p.name, err)
	}
}

// Output returns what the peer has said on standard output and standard error.
func (p *Peer) Output() string { return p.output.String() }

// Stop ends the peer's process and waits until it is gone. It may be called more than
// once.
func (p *Peer) Stop() { p.end(syscall.SIGTERM) }

// Kill ends the peer's process at once, as kill -9 does, and waits until it is gone.
func (p *Peer) Kill() { p.end(syscall.SIGKILL) }

func (p *Peer) end(how syscall.Signal) {
	cmd, exited := p.process()
	_ = cmd.Process.Signal(how)
	select {
	case <-exited:
	case <-time.After(stopTimeout):
		_ = cmd.Process.Kill()
		<-exited
	}
}

// process returns the latest process and what is closed when it has ended.
func (p *Peer) process() (*exec.Cmd, chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd, p.exited
}

// Start starts the peer again after Stop or Kill, with the same configuration, state and
// port, and waits until it listens.
func (p *Peer) Start() {
	p.t.Helper()
	cmd := exec.Command(p.argv[0], p.argv[1:]...)
	cmd.Env = append(os.Environ(), p.env...)
	cmd.Stdout, cmd.Stderr = p.output, p.output
	cmd.SysProcAttr = dieWithTest()
	if err := cmd.Start(); err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(exited)
	}()
	p.mu.Lock()
	p.cmd, p.exited = cmd, exited
	p.mu.Unlock()
	p.waitFor(startTimeout, func() error {
		if p.udp {
			return boundUDP(p.Addr)
		}
		conn, err := net.DialTimeout("tcp", p.Addr, time.Second)
		if err == nil {
			err = conn.Close()
		}
		return err
	})
}

// start runs the program for the first time.
func (p *Peer) start(env []string, argv ...string) *Peer {
	p.t.Helper()
	p.env, p.argv, p.output = env, argv, new(lockedBuffer)
	p.t.Cleanup(func() {
		if cmd, _ := p.process(); cmd != nil {
			p.Stop()
		}
	})
	p.Start()
	return p
}

// waitFor polls cond until it returns nil, and fails the test with its last error
// when the time is up or the peer is gone.
func (p *Peer) waitFor(timeout time.Duration, cond func() error) {
	p.t.Helper()
	cmd, exited := p.process()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	late := time.After(timeout)
	for {
		err := cond()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-exited:
			if err = cond(); err == nil {
				return
			}
			p.t.Fatalf("%s: it ended: %v (%v)\n%s", p.name, cmd.ProcessState, err, p.Output())
		case <-late:
			p.t.Fatalf("%s: not within %v: %v\n%s", p.name, timeout, err, p.Output())
		}
	}
}

// install is where a program and what it loads were found.
type install struct {
	bin     string
	modules string   // folder of its loadable modules
	env     []string // what it needs to find its libraries
}

// find returns the first install whose program and modules are there. It ends the test
// when there is none. Both patterns are relative to a root folder.
func find(t testing.TB, pkg, program, modules string) install {
	t.Helper()
	roots := []string{"/"}
	if dir := os.Getenv("SIEMFWD_PEERS"); dir != "" {
		roots = []string{dir, "/"}
	}
	for _, root := range roots {
		bin := filepath.Join(root, "usr/sbin", program)
		mods, _ := filepath.Glob(filepath.Join(root, modules))
		if _, err := os.Stat(bin); err != nil || len(mods) == 0 {
			continue
		}
		in := install{bin: bin, modules: mods[len(mods)-1]}
		if root != "/" {
			libs, _ := filepath.Glob(filepath.Join(root, "usr/lib/*-linux-gnu*"))
			libs = append(libs, filepath.Join(root, "usr/lib", program))
			in.env = []string{"LD_LIBRARY_PATH=" + strings.Join(libs, ":")}
		}
		return in
	}
	text := fmt.Sprintf("%s is missing: install Debian's package %s, or unpack it with dpkg -x into a folder and name that in SIEMFWD_PEERS", program, pkg)
	if os.Getenv("SIEMFWD_REQUIRE_PEERS") == "1" {
		t.Fatal(text)
	}
	t.Skip(text)
	return install{}
}

// writeConfig writes a configuration into a folder of its own and returns both paths.
func writeConfig(t testing.TB, text string) (dir, file string) {
	t.Helper()
	dir = t.TempDir()
	file = filepath.Join(dir, "peer.conf")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(text, "@DIR@", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, file
}

func orDefault(n, def int) int {
	if n > 0 {
		return n
	}
	return def
}

// lineCounter counts the line feeds of a file that grows.
type lineCounter struct {
	path   string
	offset int64
	lines  int
}

func (c *lineCounter) count() (int, error) {
	f, err := os.Open(c.path)
	if err != nil {
		return c.lines, err
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.NewSectionReader(f, c.offset, 1<<62))
	c.offset += int64(len(data))
	c.lines += bytes.Count(data, []byte{'\n'})
	return c.lines, err
}

// lockedBuffer is a buffer that may be read while a process writes to it.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
