package config_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/config"
)

// secretive holds one secret in every way a file can.
const secretive = `sources:
  hook:
    type: webhook
    vendor: json
    listen: 127.0.0.1:8443
    auth: {type: bearer, token: "hunter2", username: admin}
    headers: {Authorization: hunter2}
    signing_keys:
      old: 'hunter2'
  basic:
    type: webhook
    vendor: json
    listen: 127.0.0.1:8443
    auth:
      type: basic
      username: admin
      password: hunter2
  api:
    type: poll
    region: us
    access_key: |
      -----BEGIN-----
      hunter2
      -----END-----
    criteria: {api_key: hunter2, url: "http://me:hunter2@127.0.0.1/"}
    every: 5m
sinks:
  out: {type: slack, url: "hunter2", when: []}
`

// shown is everything a user may see of problems.
func shown(t testing.TB, ps config.Problems) string {
	var b bytes.Buffer
	require.NoError(t, ps.Print(&b, true))
	require.NoError(t, ps.PrintJSON(&b))
	if err := ps.Err(); err != nil {
		b.WriteString(err.Error())
	}
	fmt.Fprintf(&b, "%v %+v", ps, ps)
	return b.String()
}

func isWord(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

// TestSecretsStayHidden breaks a file that is full of secrets in a few thousand ways.
func TestSecretsStayHidden(t *testing.T) {
	try := func(name, text string) {
		t.Helper()
		// What is left of a secret that was cut is not looked for.
		_, ps := config.Parse([]config.File{{Name: "siemfwd.yaml", Data: []byte(text)}}, kinds(), config.Options{Condition: condition})
		if out := shown(t, ps); strings.Contains(out, "hunter2") {
			t.Errorf("%s:\n%s", name, printed(t, ps))
		}
	}
	_, ps := config.Parse([]config.File{{Name: "siemfwd.yaml", Data: []byte(secretive)}}, kinds(), config.Options{})
	require.NoError(t, ps.Err())
	assert.GreaterOrEqual(t, ps.Count(config.Warning), 5, "secrets in plain text")

	for i := range secretive {
		try(fmt.Sprintf("cut at %d", i), secretive[:i])
		try(fmt.Sprintf("without octet %d", i), secretive[:i]+secretive[i+1:])
		if i > 0 && isWord(secretive[i-1]) && isWord(secretive[i]) {
			continue // a key torn apart is no key any more
		}
		marks := []string{"\n", ":", " ", "#", "\"", "{", "x", "&", "]", ",", "\x00"}
		for k := range 3 {
			c := marks[(3*i+k)%len(marks)]
			if c == "," && strings.HasPrefix(strings.TrimLeft(secretive[i:], ` :"'`), "hunter2") {
				continue // that makes it a key of its own
			}
			try(fmt.Sprintf("with %q at %d", c, i), secretive[:i]+c+secretive[i:])
		}
	}
	lines := strings.SplitAfter(secretive, "\n")
	for i := range lines {
		rest := strings.Join(lines[i+1:], "")
		before := strings.Join(lines[:i], "")
		try(fmt.Sprintf("without line %d", i+1), before+rest)
		try(fmt.Sprintf("twice line %d", i+1), before+lines[i]+lines[i]+rest)
		try(fmt.Sprintf("indented line %d", i+1), before+"  "+lines[i]+rest)
		try(fmt.Sprintf("outdented line %d", i+1), before+strings.TrimPrefix(lines[i], "  ")+rest)
	}
}
