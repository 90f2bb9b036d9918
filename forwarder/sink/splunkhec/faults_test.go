package splunkhec

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/simulate"
)

// reckon holds what a Splunk has against what was sent: nothing is missing but what was
// refused, and nothing is there twice whose answer had come.
func reckon(t testing.TB, splunk *simulate.Splunk, n int, dead map[int]error) (twice int) {
	t.Helper()
	missing, guilty := 0, 0
	counts := splunk.Counts()
	for i := range n {
		id := strconv.Itoa(i)
		switch got := counts[id]; {
		case got == 0 && dead[i] == nil:
			missing++
		case got > 0 && dead[i] != nil:
			t.Errorf("event %d was refused and indexed", i)
		case got > 1:
			if twice++; !splunk.Excused(id) {
				guilty++
			}
		}
	}
	assert.Zero(t, missing, "missing; answers: %v", splunk.Answers())
	assert.Zero(t, guilty, "twice although the answer had come; answers: %v", splunk.Answers())
	return twice
}

func seeds(t testing.TB) (list []uint64) {
	n := 1
	if text := os.Getenv("SIEMFWD_HEC_SEEDS"); text != "" {
		var err error
		n, err = strconv.Atoi(text)
		require.NoError(t, err)
	}
	for i := range n {
		list = append(list, uint64(i+1))
	}
	return list
}

// Whatever a receiver answers, every event arrives, and twice only those whose answer was
// lost.
func TestNothingIsLostWithoutAcknowledgement(t *testing.T) {
	for name, f := range map[string]simulate.SplunkFaults{
		"busy":             {Codes: map[int]float64{9: 0.2, 8: 0.1, 18: 0.05, 23: 0.05, 26: 0.1, 27: 0.1}},
		"a bad token":      {Codes: map[int]float64{1: 0.2, 3: 0.1, 4: 0.2}},
		"busy half way":    {Partly: map[int]float64{9: 0.5}},
		"warnings":         {Warnings: 0.5},
		"proxies":          {Bare: 0.3, Slow: 0.1, SlowFor: 5 * time.Millisecond},
		"connections end":  {Cut: 0.2},
		"answers are lost": {Lost: 0.2},
		"all of it":        {Codes: map[int]float64{9: 0.05, 8: 0.05, 4: 0.05, 26: 0.05}, Partly: map[int]float64{9: 0.1}, Warnings: 0.1, Bare: 0.1, Cut: 0.1, Lost: 0.1},
	} {
		for _, seed := range seeds(t) {
			t.Run(fmt.Sprintf("%s %d", name, seed), func(t *testing.T) {
				t.Parallel()
				target := splunk(t, simulate.SplunkOptions{Seed: seed, Faults: f})
				c := config(target.URL)
				c.BatchEvents = 40
				s, _, _ := build(t, c)
				const n = 2000
				dead := carry(t, s, items(0, n))
				assert.Empty(t, dead)
				twice := reckon(t, target, n, dead)
				if f.Lost == 0 {
					assert.Zero(t, twice)
				}
				t.Log(target.Answers(), "twice", twice)
			})
		}
	}
}

// Events that are refused are dead letters, and no others.
func TestRefusedEventsAlone(t *testing.T) {
	target := splunk(t, simulate.SplunkOptions{Indexes: []string{"main"}})
	s, _, _ := build(t, config(target.URL))
	const n = 1000
	all := items(0, n)
	all[17].Payload = []byte(`{"index":"other","event":"wrong index","fields":{"event_id":"17"}}`)
	all[18].Payload = []byte(`{"event":"","fields":{"event_id":"18"}}`)
	all[500].Payload = []byte(`{"index":"main","event":{"a":1}`)
	all[501].Payload = []byte(`{"index":"main","fields":{"event_id":"501"}}`)
	dead := carry(t, s, all)
	assert.Len(t, dead, 4)
	for i, why := range map[int]string{17: "Incorrect index (code 7)", 18: "cannot be blank (code 13)", 500: "Invalid data format (code 6)", 501: "is required (code 12)"} {
		assert.ErrorContains(t, dead[i], why)
	}
	reckon(t, target, n, dead)
	requests := 0
	for _, k := range target.Answers() {
		requests += k
	}
	assert.LessOrEqual(t, requests, n/500+4+4, target.Answers())
}

func TestNothingIsLostWithAcknowledgement(t *testing.T) {
	for name, o := range map[string]simulate.SplunkOptions{
		"quiet":                 {},
		"busy":                  {Faults: simulate.SplunkFaults{Codes: map[int]float64{9: 0.2, 19: 0.1, 27: 0.1}, Warnings: 0.2}},
		"partly":                {Faults: simulate.SplunkFaults{Partly: map[int]float64{9: 0.3}}},
		"answers are lost":      {Faults: simulate.SplunkFaults{Lost: 0.1, Cut: 0.1}},
		"questions fail":        {Faults: simulate.SplunkFaults{AckError: 0.5}},
		"one never comes":       {Faults: simulate.SplunkFaults{Never: 0.05}},
		"acknowledgements lost": {Faults: simulate.SplunkFaults{AckLost: 0.1}},
		"sticky load balancer":  {Indexers: 3},
		"load balancer moves":   {Indexers: 3, Faults: simulate.SplunkFaults{Move: 0.1}},
		"loose load balancer":   {Indexers: 2, Loose: true},
		"restarts":              {Faults: simulate.SplunkFaults{Restart: 0.1}},
		"all of it":             {Indexers: 3, Faults: simulate.SplunkFaults{Codes: map[int]float64{9: 0.05, 8: 0.05}, Partly: map[int]float64{9: 0.05}, Warnings: 0.1, Lost: 0.05, Cut: 0.05, Move: 0.02, Restart: 0.02, Never: 0.02, AckLost: 0.05, AckError: 0.1}},
	} {
		for _, seed := range seeds(t) {
			t.Run(fmt.Sprintf("%s %d", name, seed), func(t *testing.T) {
				t.Parallel()
				o := o
				o.Ack, o.AckAfter, o.Seed = true, 20*time.Millisecond, seed
				target := splunk(t, o)
				c := config(target.URL)
				c.Ack, c.BatchEvents = true, 50
				s, in, _ := build(t, c)
				in.cfg.AckTimeout, in.state.first = 300*time.Millisecond, 10*time.Millisecond
				f := &o.Faults
				all := !o.Loose && f.Lost+f.Never+f.AckLost+f.Move+f.Restart+f.Partly[9] == 0 // acknowledgements come
				if all {
					in.cfg.AckTimeout = time.Hour
				}
				const n = 1000
				dead := carry(t, s, items(0, n))
				assert.Empty(t, dead)
				twice := reckonAcked(t, target, n)
				if all {
					assert.Zero(t, twice, "twice although every acknowledgement came; answers: %v", target.Answers())
				}
				t.Log(target.Answers(), "twice", twice)
			})
		}
	}
}

// reckonAcked is reckon where a session's end may send twice what was indexed and not
// yet confirmed.
func reckonAcked(t testing.TB, splunk *simulate.Splunk, n int) (twice int) {
	t.Helper()
	missing := 0
	counts := splunk.Counts()
	for i := range n {
		switch got := counts[strconv.Itoa(i)]; {
		case got == 0:
			missing++
		case got > 1:
			twice++
		}
	}
	assert.Zero(t, missing, "missing; answers: %v", splunk.Answers())
	return twice
}
