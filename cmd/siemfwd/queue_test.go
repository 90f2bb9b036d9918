package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/control"
	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/spool"
)

// fillScript is `fill STATE SOURCE FILE SINK=N…`: it stores the lines of FILE as events of
// a source, of which each sink has settled the first N.
func fillScript(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: fill STATE SOURCE FILE SINK=N…")
	}
	lines := strings.Split(strings.TrimSuffix(ts.ReadFile(args[2]), "\n"), "\n")
	settled := map[string]int{}
	for _, a := range args[3:] {
		name, n, _ := strings.Cut(a, "=")
		var err error
		settled[name], err = strconv.Atoi(n)
		ts.Check(err)
	}
	ts.Check(fill(ts.MkAbs(args[0]), args[1], settled, lines...))
}

// fill stores events of a source in a state folder.
func fill(state, source string, settled map[string]int, lines ...string) error {
	s, err := unlocked(func() (*spool.Spool, error) {
		return spool.Open(filepath.Join(state, "sources", source), spool.Options{Keep: time.Hour})
	})
	if err != nil {
		return err
	}
	defer s.Close()
	readers := map[string]*spool.Reader{}
	for name := range settled {
		if readers[name], err = s.Reader(name, spool.Oldest); err != nil {
			return err
		}
	}
	var b event.Batch
	for i, line := range lines {
		b.Add(event.Raw{Data: []byte(line), Time: time.Date(2026, 11, 20, 10, 0, i, 0, time.UTC)})
	}
	if err := s.Emit(context.Background(), &b); err != nil {
		return err
	}
	for name, n := range settled {
		if err := readers[name].Commit(spool.Pos{Index: uint64(n) + 1}); err != nil {
			return err
		}
	}
	return nil
}

// unlocked opens a folder that this process has just closed. A process that another test is
// about to start holds its lock, too, from fork(2) to execve(2).
func unlocked[S any](open func() (S, error)) (s S, err error) {
	for range 1000 {
		if s, err = open(); !errors.Is(err, spool.ErrLocked) {
			break
		}
		time.Sleep(10 * time.Millisecond) // between two looks
	}
	return s, err
}

// command runs siemfwd in this process.
func command(t *testing.T, args ...string) (status int, out, words string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	status = run(t.Context(), args, strings.NewReader(""), &stdout, &stderr)
	return status, stdout.String(), stderr.String()
}

// rowsOf reads what -o json printed, by kind.
func rowsOf(t *testing.T, out string) map[string][]map[string]any {
	t.Helper()
	rows := map[string][]map[string]any{}
	for line := range strings.Lines(out) {
		var row map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &row), line)
		kind, _ := row["kind"].(string)
		rows[kind] = append(rows[kind], row)
	}
	return rows
}

// sendLines writes lines to a TCP listener.
func sendLines(addr string, lines ...string) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	_, err = c.Write([]byte(strings.Join(lines, "\n") + "\n"))
	return errors.Join(err, c.Close())
}

func numberedLines(n int) (lines []string) {
	for i := range n {
		lines = append(lines, fmt.Sprintf("event %05d", i))
	}
	return lines
}

// A running forwarder and its folder tell the same.
func TestQueueOnlineAndOffline(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, fill(filepath.Join(dir, "state"), "gone", map[string]int{"old": 1}, "a", "b", "c"))
	require.NoError(t, fill(filepath.Join(dir, "state"), "in", map[string]int{"old": 1}, "a", "b", "c"))
	closed, err := freePort()
	require.NoError(t, err)
	p := startProcess(t, dir, fmt.Sprintf(`sources:
  in: {type: syslog, vendor: text, listen: ["tcp://127.0.0.1:0"]}
sinks:
  archive: {type: file, path: "%s", format: raw}
  away: {type: syslog, address: "tcp://%s", format: raw}
`, filepath.Join(dir, "out"), closed))
	require.NoError(t, sendLines(p.listening("in"), numberedLines(100)...))
	p.until("settled", func(st control.Status) bool { return st.Lanes[0].Delivered == 100 && st.Lanes[1].Waiting == 100 })
	look := func() (facts []string) {
		status, out, words := command(t, "queue", "-c", p.config, "-o", "json")
		require.Equal(t, exitDone, status, words)
		rows := rowsOf(t, out)
		for _, s := range rows["source"] {
			facts = append(facts, fmt.Sprint("source ", s["source"], " ", s["events"], " ", s["first"], "-", s["next"], " ", s["orphan"], " ", s["oldest"], " ", s["segments"]))
		}
		for _, s := range rows["sink"] {
			facts = append(facts, fmt.Sprint(s["sink"], " from ", s["source"], " at ", s["position"], " waiting ", s["waiting"], " ", s["orphan"], " ", s["oldest"]))
		}
		require.Len(t, rows["dead"], 1)
		return facts
	}
	online := look()
	require.Len(t, online, 6, online)
	assert.Equal(t, "source in 103 1-104 <nil> 2026-11-20T10:00:00Z 1", online[0])
	assert.Equal(t, "source gone 3 1-4 true 2026-11-20T10:00:00Z 1", online[1])
	assert.Equal(t, "archive from in at 104 waiting 0 <nil> <nil>", online[2])
	assert.Regexp(t, "^away from in at 4 waiting 100 <nil> 20", online[3])
	assert.Equal(t, "old from in at 2 waiting 102 true 2026-11-20T10:00:01Z", online[4])
	assert.Equal(t, "old from gone at 2 waiting 2 true 2026-11-20T10:00:01Z", online[5])
	_, out, words := command(t, "queue", "--control", p.socket)
	assert.Empty(t, words)
	assert.Regexp(t, `(?m)^old +in +2 +102 .* no such sink reads this source`, out)
	p.stop()
	assert.Equal(t, online, look())
	status, _, words := command(t, "queue", "--control", p.socket)
	assert.Equal(t, exitNobody, status)
	assert.Contains(t, words, "no forwarder is running")
	_, _, words = command(t, "queue", "-c", p.config)
	assert.Contains(t, words, "no forwarder is running; this is what "+filepath.Join(dir, "state")+" holds")
}

// damage flips a bit within the newest segment of a source's log.
func damage(t *testing.T, state, source, within string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(state, "sources", source, "*.seg"))
	require.NoError(t, err)
	for _, name := range names {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		if i := bytes.Index(data, []byte(within)); i >= 0 {
			data[i] ^= 1
			require.NoError(t, os.WriteFile(name, data, 0o600))
			return
		}
	}
	t.Fatalf("no %q in %v", within, names)
}

func TestQueueCheckFindsDamage(t *testing.T) {
	dir := t.TempDir()
	state := filepath.Join(dir, "state")
	require.NoError(t, fill(state, "in", map[string]int{"archive": 3}, numberedLines(20)...))
	yaml := filepath.Join(dir, "siemfwd.yaml")
	require.NoError(t, os.WriteFile(yaml, []byte("state: "+state+`
sources:
  in: {type: syslog, vendor: text, listen: ["tcp://127.0.0.1:0"]}
sinks:
  archive: {type: stdout}
`), 0o600))
	status, out, words := command(t, "queue", "check", "-c", yaml)
	assert.Equal(t, exitDone, status, words)
	assert.Contains(t, out, "events 1 to 20  ok")
	assert.Contains(t, out, "cursor of archive at 4, 17 waiting: ok")
	assert.Contains(t, words, "no damage in ")

	damage(t, state, "in", "event 00007")
	status, out, words = command(t, "queue", "check", "-c", yaml, "in", "-q")
	assert.Equal(t, exitFailed, status)
	assert.Contains(t, out, "DAMAGED: 1 place, 1 event lost")
	assert.Regexp(t, `at \d+: no intact frame in \d+ octets, event 8 is lost`, out)
	assert.Contains(t, words, "siemfwd: damage found: 1 damaged place, 1 event lost")
	status, out, _ = command(t, "queue", "check", "-c", yaml, "-o", "json")
	assert.Equal(t, exitFailed, status)
	rows := rowsOf(t, out)
	require.Len(t, rows["segment"], 1)
	assert.EqualValues(t, 1, rows["segment"][0]["lost"])
	assert.Equal(t, false, rows["log"][0]["clean"])
	cursors, err := filepath.Glob(filepath.Join(state, "sources", "in", "cursors", "*"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(cursors[0], nil, 0o600))
	_, out, _ = command(t, "queue", "check", "-c", yaml)
	assert.Contains(t, out, "cursor of archive at 1, 20 waiting: BAD: damaged: its reader begins at the oldest event")
	assert.Contains(t, out, "1 bad cursor")

	status, _, words = command(t, "queue", "check", "-c", yaml, "nobody")
	assert.Equal(t, exitFailed, status)
	assert.Contains(t, words, `there is no source "nobody"`)
}

// A check beside a forwarder that takes and delivers finds nothing, whoever does it, and
// disturbs nobody.
func TestQueueCheckBesideAForwarder(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "out")
	p := startProcess(t, dir, fmt.Sprintf(`defaults: {keep: 0s, spool: 1MiB}
sources:
  in: {type: syslog, vendor: text, listen: ["tcp://127.0.0.1:0"]}
sinks:
  archive: {type: file, path: "%s", format: raw}
`, out))
	addr := p.listening("in")
	const rounds, each = 40, 500
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for range rounds {
			assert.NoError(t, sendLines(addr, numberedLines(each)...))
		}
	}()
	offline := filepath.Join(dir, "offline.yaml")
	text, err := os.ReadFile(p.config)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(offline, append([]byte("control: \"\"\n"), text...), 0o600))
	for checks := 0; checks < 6; checks++ {
		for _, config := range []string{p.config, offline} {
			status, out, words := command(t, "queue", "check", "-c", config)
			require.Equal(t, exitDone, status, out+words)
		}
	}
	<-sent
	p.until("delivered", func(st control.Status) bool { return st.Lanes[0].Delivered == rounds*each })
	p.stop()
	status, _, words := command(t, "queue", "check", "-c", p.config)
	require.Equal(t, exitDone, status, words)
}

// What is dumped is what was received, octet for octet, online and offline.
func TestQueueDump(t *testing.T) {
	dir := t.TempDir()
	state := filepath.Join(dir, "state")
	lines := append(numberedLines(300), "caf\xe9 \x1b[31m", `{"a":"ü"}`)
	require.NoError(t, fill(state, "in", nil, lines...))
	require.NoError(t, fill(state, "gone", nil, "left behind"))
	p := startProcess(t, dir, `sources:
  in: {type: syslog, vendor: text, listen: ["tcp://127.0.0.1:0"]}
  empty: {type: syslog, vendor: text, listen: ["tcp://127.0.0.1:0"]}
sinks:
  archive: {type: stdout}
`)
	dump := func(args ...string) string {
		status, out, words := command(t, append([]string{"queue", "dump", "-c", p.config}, args...)...)
		require.Equal(t, exitDone, status, words)
		return out
	}
	look := func() {
		t.Helper()
		assert.Equal(t, strings.Join(lines, "\n")+"\n", dump("in"))
		assert.Equal(t, "event 00099\nevent 00100\n", dump("in", "--from", "100", "-n", "2"))
		assert.Equal(t, "event 00250\n", dump("in", "--since", "2026-11-20T10:04:10Z", "--until", "2026-11-20T10:04:11Z"))
		assert.Equal(t, "left behind\n", dump("gone"))
		assert.Empty(t, dump("empty"))
		assert.Equal(t, `{"kind":"event","source":"in","position":301,"received":"2026-11-20T10:05:00Z","raw_base64":"Y2Fm6SAbWzMxbQ=="}
{"kind":"event","source":"in","position":302,"received":"2026-11-20T10:05:01Z","raw":"{\"a\":\"ü\"}"}
`, dump("in", "-o", "json", "--from", "301", "-n", "2"))
		status, _, words := command(t, "queue", "dump", "-c", p.config, "../sources/in")
		assert.Equal(t, exitFailed, status)
		assert.Contains(t, words, `there is no source "../sources/in"`)
	}
	look()
	require.NoError(t, sendLines(p.listening("in"), "from a peer"))
	p.until("stored", func(st control.Status) bool { return st.Sources[0].Received >= 1 })
	lines = append(lines, "from a peer")
	assert.Regexp(t, `"position":303,"received":"20.*Z","peer":"127\.0\.0\.1:\d+","raw":"from a peer"`, dump("in", "-o", "json", "--from", "303"))
	p.stop()
	look()
	for _, args := range [][]string{{}, {"in", "out"}, {"in", "--since", "soon"}, {"in", "--until", "x"}, {"in", "-n", "-1"}} {
		status, _, _ := command(t, append([]string{"queue", "dump", "-c", p.config}, args...)...)
		assert.Equal(t, exitUsage, status, args)
	}
}

// Clearing beside a forwarder goes through it: what is left of a source and of a sink that
// were removed, and what waits for a sink that is down. It holds over a restart.
func TestQueueClear(t *testing.T) {
	dir := t.TempDir()
	state := filepath.Join(dir, "state")
	require.NoError(t, fill(state, "gone", map[string]int{"old": 1}, "a", "b", "c"))
	require.NoError(t, fill(state, "in", map[string]int{"old": 1}, "a", "b", "c"))
	closed, err := freePort()
	require.NoError(t, err)
	p := startProcess(t, dir, fmt.Sprintf(`sources:
  in: {type: syslog, vendor: text, listen: ["tcp://127.0.0.1:0"]}
sinks:
  away: {type: syslog, address: "tcp://%s", format: raw}
`, closed))
	require.NoError(t, sendLines(p.listening("in"), numberedLines(100)...))
	p.until("waiting", func(st control.Status) bool { return st.Lanes[0].Waiting == 100 })
	status, out, words := command(t, "queue", "clear", "-c", p.config, "old", "--source", "in", "--yes")
	require.Equal(t, exitDone, status, words)
	assert.Equal(t, "cursor of old, which does not read in any more: removed, with 102 events waiting\n", out)
	_, out, _ = command(t, "queue", "clear", "-c", p.config, "old", "--yes")
	assert.Equal(t, "cursor of old, which does not read gone any more: removed, with 2 events waiting\n", out)
	_, out, _ = command(t, "queue", "clear", "-c", p.config, "gone", "--yes")
	assert.Regexp(t, `^log of gone, which is not in the configuration: 3 events, .* removed\n$`, out)
	assert.NoDirExists(t, filepath.Join(state, "sources", "gone"))
	_, out, _ = command(t, "queue", "clear", "-c", p.config, "away", "--yes")
	assert.Equal(t, "away from in: 100 waiting events expired\n", out)
	st := p.until("cleared", func(st control.Status) bool { return st.Lanes[0].Expired == 100 })
	assert.Zero(t, st.Lanes[0].Waiting)
	p.kill()
	p.start()
	st = p.until("started", func(control.Status) bool { return true })
	assert.Zero(t, st.Lanes[0].Waiting, "the cursor was durable")
	p.stop()
}
