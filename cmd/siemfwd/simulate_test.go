package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
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
	for question, want := range map[string]string{
		"checkpoint scopes --source bearer":                                 "\"mt-prod:simulated\"\n",
		"checkpoint event 00000000000000000000000000000003 --source bearer": `{"eventId":"00000000000000000000000000000003"`,
		"checkpoint event 00000000000000000000000000000004 --source signed": `{"eventId":"00000000000000000000000000000004"`, // a list of one
		"skyhigh groups --source iam":                                       "\"Alert.Access.AnomalousAccessLocation\"\n",
		"skyhigh keys --source basic":                                       `"informationKeys":{"policyName":`,
		"skyhigh keys --source token":                                       `"informationKeys":{"policyName":`,
	} {
		var out, words bytes.Buffer
		require.Zero(t, run(t.Context(), append([]string{"list", "-c", p.config}, strings.Fields(question)...), nil, &out, &words), "%s: %s", question, &words)
		assert.Contains(t, out.String(), want, question)
		assert.NotContains(t, out.String(), `[{"eventId"`, question)
	}
	for _, a := range []*simulate.API{harmony, casb} {
		for _, c := range a.Calls() {
			require.Equal(t, 200, c.Status, "%+v", c)
		}
		for _, e := range a.Events() {
			require.True(t, e.Handed)
		}
	}
}

// Every way in which a webhook can ask who sends is tried with one command.
func TestEveryCredentialIsShownByTheSimulator(t *testing.T) {
	idp, err := simulate.Issuer(simulate.Options{})
	require.NoError(t, err)
	defer idp.Close()
	t.Setenv("SIMULATED", simulate.Secret)
	hooks, err := freePort()
	require.NoError(t, err)
	auths := map[string]string{
		"none":   `{type: none}`,
		"bearer": `{type: bearer, token: "${env:SIMULATED}"}`,
		"basic":  `{type: basic, username: u, password: "${env:SIMULATED}"}`,
		"custom": `{type: header, name: Authorization, value: "${env:SIMULATED}", headers: {X-Webhook-Key: "${env:SIMULATED}"}}`,
		"client": `{type: oauth_client_credentials, client_id: epm, client_secret: "${env:SIMULATED}"}`,
		"user":   `{type: oauth_password, client_id: epm2, client_secret: "${env:SIMULATED}", username: u, password: "${env:SIMULATED}"}`,
		"signed": `{type: hmac, name: X-Signature, prefix: sha256=, secret: "${env:SIMULATED}", timestamp: X-Time}`,
		"stripe": `{type: hmac, name: Stripe-Signature, prefix: v1=, secret: "${env:SIMULATED}", timestamp: t=}`,
		"jwt":    `{type: jwt, issuer: "` + idp.URL + `", audience: siemfwd, scopes: [events]}`,
		"asked":  `{type: introspection, introspection_url: "` + idp.URL + `/introspect", client_id: siemfwd, client_secret: "${env:SIMULATED}"}`,
	}
	yaml := "sources:\n"
	for _, name := range slices.Sorted(maps.Keys(auths)) {
		yaml += fmt.Sprintf("  %s: {type: webhook, vendor: beyondtrust, listen: \"%s\", path: /hooks/%s, auth: %s}\n", name, hooks, name, auths[name])
	}
	p := startProcess(t, t.TempDir(), yaml+"sinks:\n  out: {type: stdout, format: cef}\n")
	var senders sync.WaitGroup
	for name := range auths {
		args := []string{"simulate", "--checkpoint=", "--skyhigh=", "--scanner=", "--issuer=", "-q", "-o", "json", "--rate", "20/s", "--for", "3s"}
		if name == "jwt" || name == "asked" { // the tokens are somebody else's
			args = append(args, "--send", "beyondtrust=http://"+hooks+"/hooks/"+name,
				"--auth", `{type: oauth_client_credentials, token_url: "`+idp.URL+`/token", client_id: sender, client_secret: `+simulate.Secret+`, scopes: [events]}`)
		} else {
			args = append(args, "-c", p.config, "--send", name)
		}
		senders.Go(func() {
			var out, words bytes.Buffer
			assert.Zero(t, run(t.Context(), args, nil, &out, &words), "%s: %s", name, &words)
			var got struct{ Calls map[string]int }
			assert.NoError(t, json.Unmarshal(out.Bytes(), &got), name)
			assert.Positive(t, got.Calls["200"], "%s: %+v", name, got)
			assert.Len(t, got.Calls, 1, "%s: %+v", name, got)
		})
	}
	senders.Wait()
	p.stop()
}
