package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/control"
	"github.com/siemfwd/siemfwd/forwarder/simulate"
	"github.com/siemfwd/siemfwd/forwarder/spool"
)

// How much the hostile run has to bear: 1000000 takes some minutes.
var (
	hostileEvents = flag.Int("hostile.events", 20000, "events of the hostile simulator, both APIs together")
	hostileSeed   = flag.Uint64("hostile.seed", 1, "seed of the hostile simulator")
)

// Times of the hostile run, which are short so that much happens.
const (
	hostileOverlap = 10 * time.Second
	hostileBatch   = 1024 // most events a lane hands to a sink at once
)

// hostile is one API of the hostile run, and the source that polls it.
type hostile struct {
	name string
	api  *simulate.API
	seen map[state]int      // lines of the sink
	want map[state]struct{} // last states that are not among them yet
}

// state is one state of one event.
type state struct{ id, version string }

// worst is how the APIs behave. Calls that fail are one in twenty, of all kinds, and
// each of them costs two seconds: that, and not the work, bounds how many events a
// second can be read.
func worst(events int) simulate.Options {
	return simulate.Options{
		Seed: *hostileSeed, Events: events / 2, PageSize: hostilePage(events), TokenLife: 3 * time.Second,
		Start: time.Now().Add(-5 * time.Second), For: max(min(20*time.Second, time.Duration(events)*2*time.Millisecond), time.Duration(events/4000)*time.Second),
		Faults: simulate.Faults{
			Late: 0.03, MostLate: hostileOverlap * 8 / 10, Updates: 0.02, UpdateIn: hostileOverlap * 9 / 10,
			Duplicates: 0.01, Ties: 0.2,
			Errors: 0.02, Cut: 0.015, Failures: 0.005, Hang: 0.003, Revoke: 0.01, Stale: 0.005,
			Throttle: 0.007, RetryAfter: 2 * time.Second, HangFor: time.Minute, Unordered: true,
		},
	}
}

// hostilePage is how many events a page has; the APIs have bounds of their own.
func hostilePage(events int) int { return min(max(events/80, 50), 1000) }

// startHostile starts both APIs, with clocks that are wrong in both directions.
func startHostile(t *testing.T, events int) []*hostile {
	o := worst(events)
	o.Skew, o.Faults.StableScroll, o.Faults.EmptyEnd = 90*time.Second, true, true
	o.Start = o.Start.Add(o.Skew)
	harmony, err := simulate.CheckPoint(o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = harmony.Close() })
	o = worst(events)
	o.Skew, o.Faults.Endless, o.Faults.Pairs, o.Faults.NoZone = -75*time.Second, true, true, true
	o.Start = o.Start.Add(o.Skew)
	casb, err := simulate.Skyhigh(o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = casb.Close() })
	return []*hostile{
		{"harmony", harmony, map[state]int{}, map[state]struct{}{}},
		{"casb", casb, map[state]int{}, map[state]struct{}{}},
	}
}

func TestAHostileAPILosesAndRepeatsNothing(t *testing.T) {
	events := *hostileEvents
	if testing.Short() {
		events = min(events, 4000)
	}
	began := time.Now()
	apis := startHostile(t, events)
	dir := t.TempDir()
	out := filepath.Join(dir, "out")
	page := hostilePage(events)
	pace := fmt.Sprintf("every: 200ms, since: 10m, overlap: %s, settle: 200ms, timeout: 2s, requests_per_minute: 600000, keep: 2h, spool: 8GiB", hostileOverlap) // the spools keep it all
	p := startProcess(t, dir, fmt.Sprintf(`sources:
  harmony: {type: poll, vendor: checkpoint, base_url: "%s", client_id: "%s", access_key: %s, page_size: %d, %s}
  casb: {type: poll, vendor: skyhigh, base_url: "%s", auth_mode: iam, username: %s, password: %s, limit: %d, %s}
sinks:
  archive: {type: file, path: "%s", format: raw}
`, apis[0].api.URL, simulate.ClientID, simulate.Secret, page, pace, apis[1].api.URL, simulate.User, simulate.Secret, page, pace, out))
	end := later(apis[0].api.End(), apis[1].api.End())
	draw := rand.New(rand.NewPCG(*hostileSeed, 2))
	kills := 0
	for time.Until(end) > 4*time.Second {
		time.Sleep(2*time.Second + time.Duration(draw.Int64N(int64(2*time.Second)))) // the process is killed wherever it is
		p.kill()
		kills++
		p.start()
	}
	require.NotZero(t, kills)
	for _, h := range apis {
		require.NoError(t, h.api.Wait(t.Context()))
		for _, e := range h.api.Events() { // nothing changes any more
			if e.Last {
				h.want[state{e.ID, e.Version}] = struct{}{}
			}
		}
	}
	lines := &tail{path: out}
	p.untilWithin(2*time.Minute+time.Until(began)/-2, "everything has arrived", func(st control.Status) bool {
		lines.read(t, apis)
		for _, l := range st.Lanes {
			if l.Waiting > 0 {
				return false
			}
		}
		return len(apis[0].want)+len(apis[1].want) == 0
	})
	p.stop()
	lines.read(t, apis)
	t.Logf("hostile: seed %d, %d events, %d kills, %s; %s", *hostileSeed, events, kills,
		time.Since(began).Round(time.Second), checkHostile(t, dir, apis, kills))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// tail reads a file of JSON lines as it grows.
type tail struct {
	path string
	at   int64
}

func (f *tail) read(t *testing.T, apis []*hostile) {
	file, err := os.Open(f.path)
	if os.IsNotExist(err) {
		return
	}
	require.NoError(t, err)
	defer file.Close()
	lines := bufio.NewReaderSize(io.NewSectionReader(file, f.at, math.MaxInt64-f.at), 1<<20)
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return // what stands there is half a line
		}
		require.NoError(t, err)
		f.at += int64(len(line))
		which, s := stateOf(t, line)
		apis[which].seen[s]++
		delete(apis[which].want, s)
	}
}

// stateOf reads which API an event is of, and its state.
func stateOf(t *testing.T, raw []byte) (api int, s state) {
	var e struct{ EventID, State, IncidentID, TimeModified string }
	require.NoError(t, json.Unmarshal(raw, &e), "%s", raw)
	if e.EventID != "" {
		return 0, state{e.EventID, e.State}
	}
	return 1, state{e.IncidentID, e.TimeModified}
}

// checkHostile compares what the APIs have with what is in the spools and at the sink,
// and returns the figures.
func checkHostile(t *testing.T, dir string, apis []*hostile, kills int) string {
	var figures []string
	for i, h := range apis {
		var c counts
		real := map[state]bool{}
		for _, e := range h.api.Events() {
			real[state{e.ID, e.Version}] = e.Handed
		}
		stored := map[state]int{}
		s, err := spool.Open(filepath.Join(dir, "state", "sources", h.name), spool.Options{Keep: 24 * time.Hour}) // it removes nothing
		require.NoError(t, err)
		for e, err := range s.Range(time.Time{}, time.Time{}) {
			require.NoError(t, err)
			which, id := stateOf(t, e.Data)
			require.Equal(t, i, which)
			stored[id]++
		}
		require.NoError(t, s.Close())
		for _, e := range h.api.Events() {
			if e.Last && stored[state{e.ID, e.Version}] == 0 {
				c.missing++
			}
		}
		for id, n := range stored {
			c.twice += n - 1
			if !real[id] {
				c.invented++
			}
			if h.seen[id] == 0 {
				c.unsent++
			}
		}
		for _, n := range h.seen {
			c.resent += n - 1
		}
		c.count(h.api.Calls())
		assert.Zero(t, c.missing, "%s: events that are not in the spool", h.name)
		assert.Zero(t, c.twice, "%s: states that are in the spool again", h.name)
		assert.Zero(t, c.invented, "%s: states that the API never handed out", h.name)
		assert.Zero(t, c.unsent, "%s: events that are in the spool and not at the sink", h.name)
		assert.LessOrEqual(t, c.resent, kills*hostileBatch, "%s: more than one batch a kill was sent again", h.name)
		assert.LessOrEqual(t, c.mostEarly, 1, "%s: calls before the time that a 429 gave", h.name)
		figures = append(figures, fmt.Sprintf("%s: %d states stored %+v", h.name, len(stored), c))
	}
	return strings.Join(figures, "; ")
}

// counts is what came of one API.
type counts struct {
	missing, twice, invented, unsent, resent   int
	calls, faults, throttled, early, mostEarly int
}

// count looks at the calls. mostEarly is the most calls one 429 was not heeded by.
func (c *counts) count(calls []simulate.Call) {
	run := 0
	for _, k := range calls {
		if k.Kind == "login" {
			continue
		}
		c.calls++
		if k.Fault != "" {
			c.faults++
		}
		switch {
		case k.Early:
			c.early++
			run++
			c.mostEarly = max(c.mostEarly, run)
		case k.Fault == "429":
			c.throttled++
			run = 0
		}
	}
}

// untilWithin is until with a longer deadline.
func (p *process) untilWithin(d time.Duration, what string, want func(control.Status) bool) {
	p.t.Helper()
	client := control.NewClient(p.socket)
	deadline := time.Now().Add(d)
	for {
		st, err := client.Status(context.Background())
		if err == nil && want(st) {
			return
		}
		if time.Now().After(deadline) {
			p.t.Errorf("%s: not within %s; last status %+v, %v\n%s", what, d, st, err, p.Log())
			return
		}
		time.Sleep(100 * time.Millisecond) // between two looks at another process
	}
}
