package gate

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/siemfwd/siemfwd/forwarder/component"
)

func TestCheck(t *testing.T) {
	s := secretOf
	oauth := Config{Type: "oauth_client_credentials", ClientID: "epm", ClientSecret: s("x")}
	password := Config{Type: "oauth_password", ClientID: "epm", ClientSecret: s("x"), Username: "u", Password: s("p")}
	jwt := Config{Type: "jwt", Issuer: "https://login.example.net", Audience: "siemfwd"}
	asked := Config{Type: "introspection", IntrospectionURL: "https://login.example.net/i", ClientID: "us", ClientSecret: s("x")}
	hmac := Config{Type: "hmac", Name: "X-Signature", Secret: s("x")}
	for name, c := range map[string]struct {
		base   Config
		change func(*Config)
		want   []string
	}{
		"none":                   {Config{Type: "none"}, nil, nil},
		"no type":                {Config{}, nil, []string{"type"}},
		"no type, but keys":      {Config{Token: s("x")}, nil, []string{"type"}},
		"bearer":                 {Config{Type: "bearer", Token: s("x")}, nil, nil},
		"bearer without token":   {Config{Type: "bearer"}, nil, []string{"token"}},
		"bearer with a password": {Config{Type: "bearer", Token: s("x"), Password: s("p")}, nil, []string{"password"}},
		"basic":                  {Config{Type: "basic", Username: "u", Password: s("p")}, nil, nil},
		"basic, colon":           {Config{Type: "basic", Username: "u:v"}, nil, []string{"password", "username"}},
		"header":                 {Config{Type: "header", Name: "X-Key", Value: s("v")}, nil, nil},
		"header, name":           {Config{Type: "header", Name: "X Key", Value: s("v")}, nil, []string{"name"}},
		"oauth":                  {oauth, nil, nil},
		"oauth, all":             {oauth, func(c *Config) { c.TokenPath, c.TokenLife = "/t", time.Hour }, nil},
		"oauth without secret":   {oauth, func(c *Config) { c.ClientSecret = s("") }, []string{"client_secret"}},
		"oauth, path":            {oauth, func(c *Config) { c.TokenPath = "oauth" }, []string{"token_path"}},
		"oauth, query":           {oauth, func(c *Config) { c.TokenPath = "/a?b" }, []string{"token_path"}},
		"oauth, short":           {oauth, func(c *Config) { c.TokenLife = time.Second }, []string{"token_life"}},
		"oauth, negative":        {oauth, func(c *Config) { c.TokenLife = -1 }, []string{"token_life"}},
		"oauth, long":            {oauth, func(c *Config) { c.TokenLife = 48 * time.Hour }, []string{"token_life"}},
		"oauth with a user":      {oauth, func(c *Config) { c.Username = "u" }, []string{"username"}},
		"password":               {password, nil, nil},
		"password without user":  {password, func(c *Config) { c.Username = "" }, []string{"username"}},
		"jwt":                    {jwt, nil, nil},
		"jwt, all": {jwt, func(c *Config) {
			c.JWKSURL, c.Scopes, c.Roles, c.Clients, c.CA = "https://x/k", []string{"a"}, []string{"b"}, []string{"c"}, "/ca"
		}, nil},
		"jwt, bare":               {Config{Type: "jwt"}, nil, []string{"issuer", "audience"}},
		"jwt, issuer is a name":   {jwt, func(c *Config) { c.Issuer = "me" }, []string{"issuer"}},
		"jwt, named with jwks":    {jwt, func(c *Config) { c.Issuer, c.JWKSURL = "me", "https://x/k" }, nil},
		"jwt, no TLS":             {jwt, func(c *Config) { c.JWKSURL = "http://x/k" }, []string{"warning jwks_url"}},
		"jwt, loopback":           {jwt, func(c *Config) { c.JWKSURL = "http://[::1]:8080/k" }, nil},
		"jwt, password":           {jwt, func(c *Config) { c.JWKSURL = "https://u:p@x/k" }, []string{"jwks_url"}},
		"jwt, not expanded":       {jwt, func(c *Config) { c.Issuer = "${cred:x}" }, nil},
		"introspection":           {asked, nil, nil},
		"introspection, all":      {asked, func(c *Config) { c.Issuer, c.Audience, c.Scopes = "me", "us", []string{"a"} }, nil},
		"introspection, bare":     {Config{Type: "introspection"}, nil, []string{"client_id", "client_secret", "introspection_url"}},
		"introspection, fragment": {asked, func(c *Config) { c.IntrospectionURL += "#x" }, []string{"introspection_url"}},
		"introspection, ftp":      {asked, func(c *Config) { c.IntrospectionURL = "ftp://x/" }, []string{"introspection_url"}},
		"introspection, jwks":     {asked, func(c *Config) { c.JWKSURL = "https://x/" }, []string{"jwks_url"}},
		"hmac":                    {hmac, nil, nil},
		"hmac, all": {hmac, func(c *Config) {
			c.FormerSecret, c.SecretEncoding, c.Secret, c.Prefix, c.Encoding = s("00ff"), "hex", s("ff"), "v0=", "base64"
			c.Timestamp, c.Tolerance, c.Signed = "X-Time", time.Minute, "v0:{x-time}:{body}"
		}, nil},
		"hmac, bare":          {Config{Type: "hmac"}, nil, []string{"name", "secret"}},
		"hmac, secret":        {hmac, func(c *Config) { c.SecretEncoding = "hex" }, []string{"secret"}},
		"hmac, not expanded":  {hmac, func(c *Config) { c.SecretEncoding, c.Secret = "hex", s("${cred:x}") }, nil},
		"hmac, former":        {hmac, func(c *Config) { c.SecretEncoding, c.Secret, c.FormerSecret = "base64", s("eA=="), s("!") }, []string{"former_secret"}},
		"hmac, no body":       {hmac, func(c *Config) { c.Signed = "{X-Time}" }, []string{"signed"}},
		"hmac, two bodies":    {hmac, func(c *Config) { c.Signed = "{body}{body}" }, []string{"signed"}},
		"hmac, open":          {hmac, func(c *Config) { c.Signed = "{body" }, []string{"signed"}},
		"hmac, closed":        {hmac, func(c *Config) { c.Signed = "body}" }, []string{"signed"}},
		"hmac, unsigned time": {hmac, func(c *Config) { c.Timestamp, c.Signed = "X-Time", "{body}" }, []string{"signed"}},
		"hmac, time's name":   {hmac, func(c *Config) { c.Timestamp = "X Time" }, []string{"timestamp"}},
		"hmac, tolerance":     {hmac, func(c *Config) { c.Tolerance = time.Minute }, []string{"tolerance"}},
		"hmac, negative":      {hmac, func(c *Config) { c.Timestamp, c.Tolerance = "X-Time", -1 }, []string{"tolerance"}},
		"headers":             {hmac, func(c *Config) { c.Headers = map[string]component.Secret{"X-Key": s("k")} }, nil},
		"headers, wrong":      {hmac, func(c *Config) { c.Headers = map[string]component.Secret{"X Key": s("k"), "Y": s("")} }, []string{"headers", "headers.Y"}},
		"keys of other types": {Config{Type: "none", Roles: []string{"a"}, Encoding: "hex"}, nil, []string{"roles", "encoding"}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := c.base
			if c.change != nil {
				c.change(&cfg)
			}
			var r component.Report
			cfg.Check(&r)
			var got []string
			for _, f := range r.Findings {
				where := f.Path
				if f.Warning {
					where = "warning " + where
				}
				got = append(got, where)
			}
			assert.Equal(t, c.want, got, "%+v", r.Findings)
		})
	}
}
