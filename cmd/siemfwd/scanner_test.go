package main

import (
	"bytes"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/control"
	"github.com/siemfwd/siemfwd/forwarder/simulate"
)

// scannerAPI starts an Event Sinks API for a script, which finds it where the command
// looks.
func scannerAPI(env *testscript.Env) error {
	api, err := simulate.Scanner(simulate.Options{Seed: 1})
	if err != nil {
		return err
	}
	env.Defer(func() { _ = api.Close() })
	env.Setenv("SCANNER_BASE_URL", api.URL)
	env.Setenv("SCANNER_TENANT_ID", simulate.Tenant)
	return nil
}

// A webhook source with a register block makes its sink once: neither a restart nor
// the command, which is for the same sink, writes again.
func TestRegisteringASourceIsRepeatedWithoutWrites(t *testing.T) {
	api, err := simulate.Scanner(simulate.Options{Seed: 1})
	require.NoError(t, err)
	defer api.Close()
	calls := func() (reads, writes int) {
		for _, c := range api.Calls() {
			require.Equal(t, 200, c.Status, "%+v", c)
			if c.Method == http.MethodGet {
				reads++
			} else {
				writes++
			}
		}
		return reads, writes
	}
	const target = "https://hooks.example.com/hooks/scanner/3f1c"
	p := startProcess(t, t.TempDir(), fmt.Sprintf(`sources:
  alerts:
    type: webhook
    vendor: scanner
    listen: 127.0.0.1:0
    path: /hooks/scanner/3f1c
    auth: {type: none}
    register: {base_url: "%s", tenant_id: %s, api_key: %s, url: "%s"}
sinks:
  out: {type: stdout, format: cef}
`, api.URL, simulate.Tenant, simulate.Secret, target))
	const made = 4 // a list, the write, and a look at what came of it
	require.Eventually(t, func() bool { reads, writes := calls(); return reads+writes >= made }, time.Minute, time.Millisecond, "%s", p.Log())
	p.stop()
	reads, writes := calls()
	assert.Equal(t, 1, writes)
	assert.Equal(t, made, reads+writes)
	for round := range 3 {
		p.start()
		require.Eventually(t, func() bool { again, _ := calls(); return again > reads+round }, time.Minute, time.Millisecond, "%s", p.Log())
		p.until("up", func(st control.Status) bool { return st.Sources[0].Up })
		p.stop()
	}
	again, writes := calls()
	assert.Equal(t, 1, writes, "nothing is written again")
	assert.Equal(t, reads+3, again, "one list a start")

	t.Setenv("SCANNER_API_KEY", simulate.Secret)
	var out, words bytes.Buffer
	status := run(t.Context(), []string{"scanner", "sinks", "ensure", "--base-url", api.URL, "--tenant", simulate.Tenant,
		"--source", "alerts", "--url", target, "--show-url"}, nil, &out, &words)
	require.Zero(t, status, words.String())
	assert.Equal(t, "nothing to do\n", words.String())
	assert.Contains(t, out.String(), target)
	_, writes = calls()
	assert.Equal(t, 1, writes, "it is the same sink for the command")
}

func TestURLsAreShownWithoutWhatMayBeASecret(t *testing.T) {
	for url, want := range map[string]string{
		"https://h.example.com/hooks/c4n4ry": "https://h.example.com/…", "https://u:c4n4ry@h/": "https://h", "https://h?c4n4ry": "https://h",
		"c4n4ry": "…", "": "…",
	} {
		assert.Equal(t, want, (&sinksCommands{}).url(url))
	}
	assert.Equal(t, "https://h/x", (&sinksCommands{showURL: true}).url("https://h/x"))
}
