package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/control"
	"github.com/siemfwd/siemfwd/forwarder/deadletter"
)

// buryScript is `bury STATE SOURCE SINK REASON FILE`: each line of FILE is a dead letter.
func buryScript(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 5 {
		ts.Fatalf("usage: bury STATE SOURCE SINK REASON FILE")
	}
	for line := range strings.Lines(ts.ReadFile(args[4])) {
		ts.Check(buryIn(ts.MkAbs(args[0]), deadletter.Letter{Source: args[1], Sink: args[2], Reason: args[3], Raw: []byte(strings.TrimSuffix(line, "\n"))}))
	}
}

// buryIn puts letters into the store of a state folder.
func buryIn(state string, letters ...deadletter.Letter) error {
	s, err := unlocked(func() (*deadletter.Store, error) { return deadletter.Open(filepath.Join(state, "dead"), nil) })
	if err != nil {
		return err
	}
	defer s.Close()
	for i := range letters {
		letters[i].First = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
		letters[i].Received = letters[i].First.Add(-time.Hour)
	}
	return s.Add(context.Background(), letters...)
}

// deadYAML is a configuration for dead letters, and its state folder.
func deadYAML(t *testing.T) (dir, yaml string) {
	t.Helper()
	return t.TempDir(), `sources:
  in: {type: syslog, vendor: text, listen: ["tcp://127.0.0.1:0"]}
sinks:
  siem: {type: stdout, format: raw}
`
}

// The same commands show the same, with a forwarder and without one.
func TestDeadOnlineAndOffline(t *testing.T) {
	dir, yaml := deadYAML(t)
	state := filepath.Join(dir, "state")
	binary := deadletter.Letter{Source: "in", Sink: "siem", Reason: "event is 70112 octets, receiver takes 65535", Answer: `{"code":6}`, UID: "abc", Attempts: 3,
		Index: 17, Peer: netip.MustParseAddrPort("192.0.2.7:514"), Raw: []byte("caf\xe9\x00 one\ntwo \x1b[31m"), Rendered: []byte("CEF:0|x"), Size: 70112}
	other := binary
	other.Reason, other.Raw, other.Rendered, other.Size, other.Answer = "event is 80000 octets, receiver takes 65535", []byte("plain"), nil, 0, ""
	require.NoError(t, buryIn(state, binary, other, deadletter.Letter{Source: "hooks", Sink: "-", Reason: "not JSON", Raw: []byte("{")}))
	p := startProcess(t, dir, yaml)
	dead := func(want int, args ...string) (out, words string) {
		t.Helper()
		args = append([]string{"dead"}, args...)
		status, out, words := command(t, append(args, "-c", p.config)...)
		require.Equal(t, want, status, words)
		return out, words
	}
	look := func() {
		t.Helper()
		out, _ := dead(exitDone)
		assert.Regexp(t, `^COUNT +SINK +FROM +FIRST +LAST +IDS +WHY
2 +siem +in +\d.* ago +\d.* ago +1 to 2 +event is 80000 octets, receiver takes 65535
1 +- +hooks +\d.* ago +\d.* ago +1000000000001 +not JSON
$`, out)
		out, _ = dead(exitDone, "-o", "json", "--sink", "siem", "--reason", "code\":6")
		assert.Regexp(t, `^\{"kind":"reason","sink":"siem","source":"in","reason":"event is 70112 octets, receiver takes 65535","answer":"\{.*\}","letters":1,"first_id":1,"last_id":1,"first":"2026-11-20T10:00:00Z","last":"20.*"\}
$`, out)
		out, _ = dead(exitDone, "list")
		assert.Regexp(t, `(?m)^1 +siem +in +17 +.* ago +3 +70112 +event is 70112 octets, receiver takes 65535: \{"code":6\}$`, out)
		out, _ = dead(exitDone, "list", "--source", "in", "-n", "1", "-o", "json")
		assert.Equal(t, 1, strings.Count(out, "\n"))
		assert.NotContains(t, out, "raw")
		out, _ = dead(exitDone, "show", "1")
		assert.Contains(t, out, "\nraw, 19 octets of 70112 that were sent\n  caf\uFFFD  one\n  two  [31m\nrendered, 7 octets\n  CEF:0|x\n")
		assert.Contains(t, out, "answer         {\"code\":6}\n")
		assert.Contains(t, out, " from 192.0.2.7:514\n")
		out, _ = dead(exitDone, "show", "1000000000001")
		assert.Contains(t, out, "refused by     source hooks, at the door: its sender was told so\n")
		_, words := dead(exitFailed, "show", "1", "9", "7")
		assert.Contains(t, words, "no dead letter has the id 7, 9;")

		out, words = dead(exitDone, "export", "--sink", "siem")
		assert.Contains(t, words, "2 letters exported")
		lines := strings.Split(strings.TrimSpace(out), "\n")
		require.Len(t, lines, 2)
		var row map[string]any
		require.NoError(t, json.Unmarshal([]byte(lines[0]), &row))
		assert.Equal(t, "Y2Fm6QAgb25lCnR3byAbWzMxbQ==", row["raw_base64"])
		assert.Equal(t, "CEF:0|x", row["rendered"])
		assert.Equal(t, "abc", row["uid"])
		assert.EqualValues(t, 17, row["position"])
		assert.NotContains(t, row, "raw")
		require.NoError(t, json.Unmarshal([]byte(lines[1]), &row))
		assert.Equal(t, "plain", row["raw"])
		out, _ = dead(exitUsage, "clear", "--all")
		assert.Equal(t, "3 dead letters would be thrown away\n", out)
	}
	look()
	p.stop()
	look()

	out, _ := dead(exitDone, "clear", "--id", "1,1000000000001", "--yes")
	assert.Equal(t, "2 dead letters thrown away\n", out)
	p.start()
	out, _ = dead(exitDone, "list", "-o", "json")
	assert.Equal(t, 1, strings.Count(out, "\n"))
	out, _ = dead(exitDone, "clear", "--sink", "siem", "--since", "1h", "--yes", "-o", "json")
	assert.Equal(t, "{\"kind\":\"clear\",\"letters\":1,\"done\":true}\n", out)
	_, words := dead(exitDone)
	assert.Equal(t, "no dead letters\n", words)
	p.stop()
}

func TestDeadUsage(t *testing.T) {
	dir, yaml := deadYAML(t)
	path := filepath.Join(dir, "siemfwd.yaml")
	require.NoError(t, os.WriteFile(path, []byte("state: "+dir+"/state\n"+yaml), 0o600))
	for _, args := range [][]string{{"nonsense"}, {"show"}, {"show", "x"}, {"show", "0"}, {"--since", "soon"}, {"list", "--until", "x"},
		{"clear"}, {"clear", "--all", "--sink", "x"}, {"clear", "--id", "x"}} {
		status, _, words := command(t, append([]string{"dead", "-c", path}, args...)...)
		assert.Equal(t, exitUsage, status, "%v: %s", args, words)
	}
	for _, args := range [][]string{{}, {"list"}, {"export"}, {"show", "1"}, {"clear", "--all", "--yes"}} {
		status, _, words := command(t, append([]string{"dead", "-c", path}, args...)...)
		assert.Equal(t, exitNobody, status, "%v: %s", args, words)
	}
}

func TestWhy(t *testing.T) {
	assert.Equal(t, "400 bad: wrong index", why("400 bad", "wrong index"))
	assert.Equal(t, "400 bad: wrong index", why("400 bad: wrong index", "wrong index"))
	long := why(strings.Repeat("é", 300), "")
	assert.LessOrEqual(t, len(long), 164)
	assert.True(t, strings.HasSuffix(long, "é…"))
}

// receiver is a UDP collector: it refuses nothing, and the sink refuses what is longer than
// a datagram.
func receiver(t *testing.T) (addr string, lines func() []string) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	var mu sync.Mutex
	var got []string
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 1<<16)
		for {
			n, _, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			mu.Lock()
			got = append(got, string(b[:n]))
			mu.Unlock()
		}
	}()
	t.Cleanup(func() { conn.Close(); <-done })
	return conn.LocalAddr().String(), func() []string { mu.Lock(); defer mu.Unlock(); return append([]string(nil), got...) }
}

// The whole way: events that a sink cannot take are dead letters; its configuration is put
// right, and they are sent again.
func TestDeadRetry(t *testing.T) {
	addr, lines := receiver(t)
	dir := t.TempDir()
	yaml := func(size string) string {
		return fmt.Sprintf(`sources:
  in: {type: syslog, vendor: text, listen: ["tcp://127.0.0.1:0"]}
sinks:
  siem: {type: syslog, address: "udp://%s", format: json, header: none, max_size: %s}
`, addr, size)
	}
	p := startProcess(t, dir, yaml("20B"))
	require.NoError(t, sendLines(p.listening("in"), "one", "two", "three"))
	p.until("dead", func(st control.Status) bool { return st.Lanes[0].Dead == 3 })
	dead := func(want int, args ...string) (out, words string) {
		t.Helper()
		args = append([]string{"dead", "retry", "-c", p.config}, args...)
		status, out, words := command(t, args...)
		require.Equal(t, want, status, out+words)
		return out, words
	}
	out, words := dead(exitUsage, "siem")
	assert.Equal(t, "3 dead letters would be sent again\n", out)
	assert.Contains(t, words, "nothing was sent; --yes does it")
	out, words = dead(exitFailed, "siem", "--id", "2", "--yes")
	assert.Regexp(t, `(?m)^2 refused again, now 4: cannot be rendered: .*\n0 sent, 1 refused$`, out)
	assert.Contains(t, words, "1 letter refused again and kept: siemfwd dead")
	_, words = dead(exitFailed, "-", "--yes")
	assert.Contains(t, words, "no event could be made of them")
	_, words = dead(exitFailed, "nobody", "--yes")
	assert.Contains(t, words, `there is no sink "nobody" in the configuration`)
	p.stop()
	_, words = dead(exitNobody, "siem", "--yes")
	assert.Contains(t, words, "only a running forwarder sends")

	text, err := os.ReadFile(p.config)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(p.config, []byte(strings.Replace(string(text), "20B", "2KiB", 1)), 0o600))
	p.start()
	out, words = dead(exitDone, "--id", "4", "--yes", "-q")
	assert.Equal(t, "1 sent, 0 refused\n", out)
	assert.Empty(t, words)
	out, _ = dead(exitDone, "siem", "--yes", "-o", "json")
	assert.Equal(t, "{\"kind\":\"retry\",\"total\":2,\"sent\":2,\"refused\":0,\"left\":0}\n", out)
	require.Eventually(t, func() bool { return len(lines()) == 3 }, 15*time.Second, 5*time.Millisecond)
	for i, want := range []string{"two", "one", "three"} {
		assert.Contains(t, lines()[i], `"message":"`+want+`"`)
	}
	st := p.until("up", func(control.Status) bool { return true })
	assert.Zero(t, st.Lanes[0].Balance())
	p.stop()
	for _, args := range [][]string{{}, {"a", "b"}, {"siem", "--id", "x"}, {"siem", "--since", "soon"}} {
		dead(exitUsage, args...)
	}
}

// A sink that is not well ends the retry with status 5, and its words.
func TestDeadRetryOfASinkThatIsDown(t *testing.T) {
	dir := t.TempDir()
	closed, err := freePort()
	require.NoError(t, err)
	require.NoError(t, buryIn(filepath.Join(dir, "state"), deadletter.Letter{Source: "in", Sink: "siem", Raw: []byte("one")}, deadletter.Letter{Source: "in", Sink: "siem", Raw: []byte("two")}))
	p := startProcess(t, dir, fmt.Sprintf(`sources:
  in: {type: syslog, vendor: text, listen: ["tcp://127.0.0.1:0"]}
sinks:
  siem: {type: syslog, address: "tcp://%s", format: raw}
`, closed))
	status, out, words := command(t, "dead", "retry", "siem", "--yes", "-c", p.config)
	assert.Equal(t, exitSinkDown, status, words)
	assert.Equal(t, "0 sent, 0 refused\n", out)
	assert.Regexp(t, `siemfwd: sink is not well: siem: .*refused; 2 letters kept, try again when it is well`, words)
	_, out, _ = command(t, "dead", "list", "-o", "json", "-c", p.config)
	assert.Equal(t, 2, strings.Count(out, "\n"))
	p.stop()
}
