package forwarder

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/config"
)

// What webhooks of one address take from each other is a problem of the configuration;
// what they share is none.
func TestSharedListeners(t *testing.T) {
	path := filepath.Join(t.TempDir(), "siemfwd.yaml")
	require.NoError(t, os.WriteFile(path, []byte(`state: /tmp/x
sources:
  one: {type: webhook, vendor: json, listen: "127.0.0.1:8443", path: /a, tls: {cert: /c, key: /k}, auth: {type: oauth_client_credentials, client_id: x, client_secret: y}}
  two: {type: webhook, vendor: json, listen: "127.0.0.1:8443", path: /b, auth: {type: oauth_password, client_id: z, client_secret: y, username: u, password: p}}
  same_id: {type: webhook, vendor: json, listen: "127.0.0.1:8443", path: /c, auth: {type: oauth_client_credentials, client_id: x, client_secret: y}}
  own_path: {type: webhook, vendor: json, listen: "127.0.0.1:8443", path: /d, tls: {cert: /c, key: /k}, auth: {type: oauth_client_credentials, client_id: x, client_secret: y, token_path: /d/token}}
  on_tokens: {type: webhook, vendor: json, listen: "127.0.0.1:8443", path: /oauth/token, auth: {type: none}}
  other_tls: {type: webhook, vendor: json, listen: "127.0.0.1:8443", path: /e, tls: {cert: /c2, key: /k}, auth: {type: none}}
  elsewhere: {type: webhook, vendor: json, listen: "127.0.0.1:8444", path: /a, tls: {cert: /c2, key: /k}, auth: {type: oauth_client_credentials, client_id: x, client_secret: y}}
sinks:
  out: {type: stdout, format: json}
`), 0o600))
	_, problems := Load(path, Strict)
	var got []string
	for _, p := range problems {
		if p.Severity == config.Error {
			got = append(got, p.Text)
			assert.NotZero(t, p.Line)
		}
	}
	assert.Equal(t, []string{
		"sources.same_id.auth.client_id: sources.one has the same already",
		"sources.on_tokens.path: sources.one has the same already",
		"sources.other_tls.tls: sources.one, which shares this, says something else",
	}, got)
}
