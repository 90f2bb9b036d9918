package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/control"
	"github.com/siemfwd/siemfwd/forwarder/simulate"
)

func TestMoment(t *testing.T) {
	zone := time.FixedZone("", 2*3600)
	now := time.Date(2026, 9, 14, 12, 30, 15, 0, zone)
	for text, want := range map[string]time.Time{
		"2026-09-14T03:00:00Z":      time.Date(2026, 9, 14, 3, 0, 0, 0, time.UTC),
		"2026-09-14T03:00:00.5Z":    time.Date(2026, 9, 14, 3, 0, 0, 500e6, time.UTC),
		"2026-09-14T03:00:00-05:00": time.Date(2026, 9, 14, 8, 0, 0, 0, time.UTC),
		"2026-09-14":                time.Date(2026, 9, 14, 0, 0, 0, 0, zone),
		"2026-09-14 03:00":          time.Date(2026, 9, 14, 3, 0, 0, 0, zone),
		"2026-09-14T03:00":          time.Date(2026, 9, 14, 3, 0, 0, 0, zone),
		"2026-09-14 03:00:07":       time.Date(2026, 9, 14, 3, 0, 7, 0, zone),
		"36h":                       now.Add(-36 * time.Hour),
		"90m":                       now.Add(-90 * time.Minute),
		"7d":                        now.Add(-7 * 24 * time.Hour),
		"1d12h":                     now.Add(-36 * time.Hour),
		"0s":                        now,
	} {
		got, err := moment(text, now)
		require.NoError(t, err, text)
		assert.True(t, want.Equal(got), "%s: %s", text, got)
	}
	for _, text := range []string{"", "yesterday", "d", "-7d", "7dd", "-1h", "7", "2026-13-01", "1.5d", "99999999d", "7d-1h"} {
		_, err := moment(text, now)
		assert.Error(t, err, text)
	}
}

func TestStretch(t *testing.T) {
	now := time.Now()
	b, err := stretch("in", "2h", "1h", now)
	require.NoError(t, err)
	assert.Equal(t, control.Backfill{Source: "in", From: now.Add(-2 * time.Hour), To: now.Add(-time.Hour)}, b)
	for _, c := range [][3]string{{"", "0s", "--from is missing"}, {"x", "0s", "--from: "}, {"1h", "x", "--to: "}, {"1h", "2h", "is not before"}} {
		_, err := stretch("in", c[0], c[1], now)
		var code *exitError
		require.ErrorAs(t, err, &code)
		assert.Equal(t, exitUsage, code.status)
		assert.ErrorContains(t, err, c[2])
	}
}

// filler is a forwarder with one source, that takes ten steps.
type filler struct {
	asked chan control.Backfill
	fail  error
	stop  func() // called in the middle; it waits for ctx to end then
}

func (*filler) Status() control.Status { return control.Status{} }

func (f *filler) Backfill(ctx context.Context, b control.Backfill, step func(control.BackfillStep)) (control.BackfillStep, error) {
	f.asked <- b
	last := control.BackfillStep{At: b.From}
	if b.Source != "in" {
		return last, fmt.Errorf("there is no source %q", b.Source)
	}
	for i := range 10 {
		last.At = last.At.Add(b.To.Sub(b.From) / 10)
		last.Events, last.New = last.Events+200, last.New+5
		step(last)
		if i == 4 && f.fail != nil {
			return last, f.fail
		}
		if i == 4 && f.stop != nil {
			f.stop()
			<-ctx.Done()
			return last, ctx.Err()
		}
	}
	return last, nil
}

// backfillAt runs the command against a forwarder.
func backfillAt(t *testing.T, ctx context.Context, f *filler, args ...string) (status int, out, words string) {
	t.Helper()
	f.asked = make(chan control.Backfill, 1)
	path := filepath.Join(t.TempDir(), "s")
	srv, err := control.Listen(path, slog.New(slog.DiscardHandler), f)
	require.NoError(t, err)
	defer srv.Close()
	var stdout, stderr bytes.Buffer
	status = run(ctx, append([]string{"backfill", "--control", path}, args...), strings.NewReader(""), &stdout, &stderr)
	return status, stdout.String(), stderr.String()
}

func TestBackfillCommand(t *testing.T) {
	ctx := t.Context()
	span := []string{"--from", "2026-09-14T00:00:00Z", "--to", "2026-09-14T10:00:00Z"}
	f := &filler{}
	status, out, words := backfillAt(t, ctx, f, append(span, "in")...)
	assert.Equal(t, exitDone, status, words)
	assert.Empty(t, out)
	assert.Equal(t, control.Backfill{Source: "in", From: time.Date(2026, 9, 14, 0, 0, 0, 0, time.UTC), To: time.Date(2026, 9, 14, 10, 0, 0, 0, time.UTC)}, <-f.asked)
	lines := strings.Split(strings.TrimSpace(words), "\n")
	require.Len(t, lines, 12, words)
	assert.Equal(t, "in: reading 2026-09-14 00:00:00 UTC to 2026-09-14 10:00:00 UTC again", lines[0])
	assert.Contains(t, lines[3], "in:  30 %  at 2026-09-14 03:00:00 UTC  600 events, 15 new")
	assert.Contains(t, lines[3], " to go")
	assert.Equal(t, "in: done: 2,000 events read, 50 of them new", lines[11])

	status, out, words = backfillAt(t, ctx, f, append(span, "in", "-q", "-o", "json")...)
	assert.Equal(t, exitDone, status)
	assert.Empty(t, words)
	steps := strings.Split(strings.TrimSpace(out), "\n")
	require.Len(t, steps, 11)
	var last control.BackfillStep
	require.NoError(t, json.Unmarshal([]byte(steps[10]), &last))
	assert.Equal(t, control.BackfillStep{At: time.Date(2026, 9, 14, 10, 0, 0, 0, time.UTC), Events: 2000, New: 50, Done: true}, last)

	status, _, words = backfillAt(t, ctx, f, append(span, "other")...)
	assert.Equal(t, exitFailed, status)
	assert.Contains(t, words, `siemfwd: there is no source "other"`)

	status, _, words = backfillAt(t, ctx, &filler{fail: errors.New("the API denies it")}, append(span, "in")...)
	assert.Equal(t, exitFailed, status)
	assert.Contains(t, words, "siemfwd: the API denies it")

	stopped, stop := context.WithCancel(ctx)
	defer stop()
	status, _, words = backfillAt(t, stopped, &filler{stop: stop}, append(span, "in")...)
	assert.Equal(t, exitFailed, status)
	assert.Regexp(t, `stopped; to go on: siemfwd backfill in --from 2026-09-14T0[0-5]:00:00Z --to 2026-09-14T10:00:00Z`, words)

	var stderr bytes.Buffer
	status = run(ctx, []string{"backfill", "in", "--from", "1h", "--control", filepath.Join(t.TempDir(), "s")}, strings.NewReader(""), &stderr, &stderr)
	assert.Equal(t, exitNobody, status)
	assert.Contains(t, stderr.String(), "no forwarder is running")
	assert.Equal(t, exitUsage, run(ctx, []string{"backfill", "in"}, strings.NewReader(""), &stderr, &stderr))
	assert.Equal(t, exitUsage, run(ctx, []string{"backfill", "--from", "1h"}, strings.NewReader(""), &stderr, &stderr))
}

// On a terminal there is one line that changes.
func TestBarOnATerminal(t *testing.T) {
	var w bytes.Buffer
	from := time.Date(2026, 9, 14, 0, 0, 0, 0, time.UTC)
	began := time.Now()
	p := &bar{&progress{w: &w, redraw: true, began: began}, control.Backfill{Source: "in", From: from, To: from.Add(10 * time.Hour)}}
	p.end()
	assert.Empty(t, w.String())
	p.draw(control.BackfillStep{At: from.Add(5 * time.Hour), Events: 12345, New: 7}, began.Add(time.Minute))
	p.draw(control.BackfillStep{At: from.Add(6 * time.Hour)}, began.Add(time.Minute+time.Millisecond)) // too soon to be drawn
	p.draw(control.BackfillStep{At: from.Add(10 * time.Hour), Done: true}, began.Add(time.Minute+2*time.Millisecond))
	p.end()
	assert.Equal(t, "\r\x1b[K[############............]  50 %  at 2026-09-14 05:00:00 UTC  12,345 events, 7 new  1 m 0 s to go"+
		"\r\x1b[K[########################] 100 %  at 2026-09-14 10:00:00 UTC  0 events, 0 new\n", w.String())
}

// The whole way: a real forwarder reads the past of an API again, and repeats nothing.
func TestBackfillReadsThePastOnce(t *testing.T) {
	api, err := simulate.CheckPoint(simulate.Options{Events: 600, Start: time.Now().Add(-30 * time.Hour), For: 30*time.Hour - time.Minute})
	require.NoError(t, err)
	defer api.Close()
	dir := t.TempDir()
	out := filepath.Join(dir, "out")
	p := startProcess(t, dir, fmt.Sprintf(`sources:
  harmony: {type: poll, vendor: checkpoint, base_url: "%s", client_id: "%s", access_key: %s, since: 1h, every: 1m, requests_per_minute: 60000}
sinks:
  archive: {type: file, path: "%s", format: raw}
`, api.URL, simulate.ClientID, simulate.Secret, out))
	p.until("caught up", func(st control.Status) bool { return strings.HasPrefix(st.Sources[0].Progress, "caught up to ") })
	backfill := func(args ...string) string {
		var words bytes.Buffer
		args = append([]string{"backfill", "-c", p.config, "harmony"}, args...)
		require.Equal(t, exitDone, run(t.Context(), args, strings.NewReader(""), &words, &words), words.String())
		return words.String()
	}
	before := p.until("any", func(control.Status) bool { return true }).Sources[0]
	require.Less(t, before.Received, uint64(100))
	assert.False(t, before.Position.IsZero())

	assert.Contains(t, backfill("--from", "2d"), "of them new")
	assert.Contains(t, backfill("--from", "2d"), ", 0 of them new", "a second time brings nothing")
	st := p.until("delivered", func(st control.Status) bool { return st.Lanes[0].Waiting == 0 })
	assert.Equal(t, uint64(600), st.Sources[0].Received)
	p.stop()
	text, err := os.ReadFile(out)
	require.NoError(t, err)
	seen := map[string]int{}
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		var e struct{ EventID string }
		require.NoError(t, json.Unmarshal([]byte(line), &e))
		seen[e.EventID]++
	}
	assert.Len(t, seen, 600)
	for id, n := range seen {
		assert.Equal(t, 1, n, id)
	}
}

func TestSourceWords(t *testing.T) {
	now := time.Now()
	for want, s := range map[string]control.Source{
		"starting":                  {},
		"ok":                        {Up: true},
		"ok, caught up to 10:41:07": {Up: true, Progress: "caught up to 10:41:07"},
		"down 1 m 0 s: denied: 401; at 09-14 03:00, 6 h behind": {Error: "denied: 401", Since: now.Add(-time.Minute), Progress: "at 09-14 03:00, 6 h behind"},
		"down 1 m 0 s: port in use":                             {Error: "port in use", Since: now.Add(-time.Minute)},
		"spool full, senders are told to wait":                  {Up: true, Full: true, Progress: "caught up to 10:41:07"},
	} {
		assert.Equal(t, want, sourceWords(s, now))
	}
}
