package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/control"
	"github.com/siemfwd/siemfwd/forwarder/simulate"
)

// Every way to log in is taken by the simulator as by the product, and brings the same
// events.
func TestEveryLoginWorksAgainstTheSimulator(t *testing.T) {
	const events = 30
	o := simulate.Options{Seed: 1, Events: events, Start: time.Now().Add(-time.Minute), For: 30 * time.Second, PageSize: 7}
	harmony, err := simulate.CheckPoint(o)
	require.NoError(t, err)
	defer harmony.Close()
	casb, err := simulate.Skyhigh(o)
	require.NoError(t, err)
	defer casb.Close()
	yaml := "sources:\n"
	for _, mode := range []string{"bearer", "signed"} {
		yaml += fmt.Sprintf("  %s: {type: poll, vendor: checkpoint, base_url: \"%s\", auth_mode: %s, client_id: \"%s\", access_key: %s, since: 10m, settle: 0s, requests_per_minute: 6000}\n",
			mode, harmony.URL, mode, simulate.ClientID, simulate.Secret)
	}
	for _, mode := range []string{"basic", "iam", "token"} {
		yaml += fmt.Sprintf("  %s: {type: poll, vendor: skyhigh, base_url: \"%s\", auth_mode: %s, username: %s, password: %s, limit: 7, since: 10m, settle: 0s, requests_per_minute: 6000}\n",
			mode, casb.URL, mode, simulate.User, simulate.Secret)
	}
	p := startProcess(t, t.TempDir(), yaml+"sinks:\n  out: {type: stdout, format: cef}\n")
	st := p.until("all events", func(st control.Status) bool {
		for _, s := range st.Sources {
			if s.Received < events {
				return false
			}
		}
		return true
	})
	for _, s := range st.Sources {
		require.EqualValues(t, events, s.Received, s.Name)
	}
	p.stop()
	for _, a := range []*simulate.API{harmony, casb} {
		for _, c := range a.Calls() {
			require.Equal(t, 200, c.Status, "%+v", c)
		}
		for _, e := range a.Events() {
			require.True(t, e.Handed)
		}
	}
}
