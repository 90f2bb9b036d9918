package webhook

import (
	"strings"

	"github.com/siemfwd/siemfwd/forwarder/component"
)

// Claims implements component.Claimer: a path on an address belongs to one source, and
// the address to webhooks; a token endpoint is shared, but every client id is one
// source's; and there is one certificate.
func (c *Config) Claims() []component.Claim {
	if c.Listen == "" || strings.HasSuffix(c.Listen, ":0") {
		return nil
	}
	base := "http://" + c.Listen
	all := []component.Claim{{Path: "path", What: base + c.Path}}
	if c.Auth.IssuesTokens() {
		at := base + c.Auth.Endpoint()
		all = append(all, component.Claim{Path: "auth.token_path", What: at, As: "token endpoint"},
			component.Claim{Path: "auth.client_id", What: at + "\n" + c.Auth.ClientID})
	}
	if t := c.TLS; t.Given() {
		all = append(all, component.Claim{Path: "tls", What: "tls of " + base, As: t.Cert + "\n" + t.Key + "\n" + t.ClientCA})
	}
	return all
}
