package gate

import (
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/credential"
)

// Config is how a sender shows that it may send.
type Config struct {
	Type string `yaml:"type" enum:"none|bearer|basic|header|oauth_client_credentials|oauth_password|jwt|introspection|hmac" doc:"none: nothing is asked · bearer: a token in Authorization, with the word Bearer or Splunk or by itself · basic: user name and password · header: a header of your own · oauth_client_credentials, oauth_password: a token that the sender fetches here, from token_path · jwt: a token signed by your identity provider · introspection: a token your identity provider is asked about · hmac: a signature of the body"`

	Token    component.Secret `yaml:"token" doc:"of bearer"`
	Query    bool             `yaml:"query" doc:"of bearer: whether the token may stand in the URL, as ?token=…, where logs of proxies have it; one that does counts before Authorization"`
	Username string           `yaml:"username" doc:"of basic and oauth_password"`
	Password component.Secret `yaml:"password" doc:"of basic and oauth_password"`
	Name     string           `yaml:"name" doc:"of header and hmac: the name of the header, such as X-Api-Key"`
	Value    component.Secret `yaml:"value" doc:"of header: all of its value"`

	ClientID     string           `yaml:"client_id" doc:"of oauth_client_credentials and oauth_password: the sender's; of introspection: ours at the identity provider"`
	ClientSecret component.Secret `yaml:"client_secret" doc:"goes with client_id"`
	TokenPath    string           `yaml:"token_path" doc:"of oauth_client_credentials and oauth_password: path of the token endpoint on this listener; default: /oauth/token"`
	TokenLife    time.Duration    `yaml:"token_life" doc:"of oauth_client_credentials and oauth_password: how long a token is good; default: 1h"`

	Issuer           string   `yaml:"issuer" doc:"of jwt and introspection: who must have issued a token, to the letter"`
	Audience         string   `yaml:"audience" doc:"of jwt and introspection: whom a token must be meant for"`
	JWKSURL          string   `yaml:"jwks_url" doc:"of jwt: where the issuer's keys are; default: the issuer tells (OpenID Connect discovery)"`
	IntrospectionURL string   `yaml:"introspection_url" doc:"of introspection: whom to ask (RFC 7662)"`
	Scopes           []string `yaml:"scopes" doc:"of jwt and introspection: scopes that a token must have, all of them"`
	Roles            []string `yaml:"roles" doc:"of jwt and introspection: roles that a token must have, all of them"`
	Clients          []string `yaml:"clients" doc:"of jwt and introspection: client ids, one of which a token must be issued to; empty: any"`
	CA               string   `yaml:"ca" doc:"of jwt and introspection: file with the authorities of the identity provider's certificate; default: those of the system"`

	Secret         component.Secret `yaml:"secret" doc:"of hmac: what the body is signed with"`
	FormerSecret   component.Secret `yaml:"former_secret" doc:"of hmac: a second secret that is good too, for the time of a change"`
	SecretEncoding string           `yaml:"secret_encoding" enum:"text|hex|base64" doc:"of hmac: how the secrets are written; default: text"`
	Prefix         string           `yaml:"prefix" doc:"of hmac: what stands before the signature, such as sha256="`
	Encoding       string           `yaml:"encoding" enum:"hex|base64" doc:"of hmac: how the signature is written; default: hex"`
	Timestamp      string           `yaml:"timestamp" doc:"of hmac: name of the header with the time of the request, which must be signed too; t= where the time stands in the signature's own header, as Stripe writes it"`
	Tolerance      time.Duration    `yaml:"tolerance" doc:"of hmac: how far that time may be from now; default: 5m"`
	Signed         string           `yaml:"signed" doc:"of hmac: what is signed, {body} and {NAME} standing for the body and a header; default: {body}, or {TIMESTAMP}.{body} with timestamp"`

	Headers map[string]component.Secret `yaml:"headers" doc:"headers that must be there besides, each with its value"`
}

// Values that stand for what is not said.
const (
	DefaultTokenPath = "/oauth/token"
	defaultTokenLife = time.Hour
	defaultTolerance = 5 * time.Minute
	mostTokenLife    = 24 * time.Hour
)

// IssuesTokens reports whether senders fetch their tokens here.
func (c *Config) IssuesTokens() bool {
	return c.Type == "oauth_client_credentials" || c.Type == "oauth_password"
}

// Endpoint is the path of the token endpoint.
func (c *Config) Endpoint() string {
	if c.TokenPath == "" {
		return DefaultTokenPath
	}
	return c.TokenPath
}

func (c *Config) parts() []credential.Key {
	oauth := []string{"oauth_client_credentials", "oauth_password"}
	provider := []string{"jwt", "introspection"}
	one := func(s ...string) []string { return s }
	return []credential.Key{
		credential.KeyOf("token", !c.Token.IsZero(), one("bearer"), nil),
		credential.KeyOf("query", c.Query, nil, one("bearer")),
		credential.KeyOf("username", c.Username != "", one("basic", "oauth_password"), nil),
		credential.KeyOf("password", !c.Password.IsZero(), one("basic", "oauth_password"), nil),
		credential.KeyOf("name", c.Name != "", one("header", "hmac"), nil),
		credential.KeyOf("value", !c.Value.IsZero(), one("header"), nil),
		credential.KeyOf("client_id", c.ClientID != "", append(oauth, "introspection"), nil),
		credential.KeyOf("client_secret", !c.ClientSecret.IsZero(), append(oauth, "introspection"), nil),
		credential.KeyOf("token_path", c.TokenPath != "", nil, oauth),
		credential.KeyOf("token_life", c.TokenLife != 0, nil, oauth),
		credential.KeyOf("issuer", c.Issuer != "", one("jwt"), one("introspection")),
		credential.KeyOf("audience", c.Audience != "", one("jwt"), one("introspection")),
		credential.KeyOf("jwks_url", c.JWKSURL != "", nil, one("jwt")),
		credential.KeyOf("introspection_url", c.IntrospectionURL != "", one("introspection"), nil),
		credential.KeyOf("scopes", len(c.Scopes) > 0, nil, provider),
		credential.KeyOf("roles", len(c.Roles) > 0, nil, provider),
		credential.KeyOf("clients", len(c.Clients) > 0, nil, provider),
		credential.KeyOf("ca", c.CA != "", nil, provider),
		credential.KeyOf("secret", !c.Secret.IsZero(), one("hmac"), nil),
		credential.KeyOf("former_secret", !c.FormerSecret.IsZero(), nil, one("hmac")),
		credential.KeyOf("secret_encoding", c.SecretEncoding != "", nil, one("hmac")),
		credential.KeyOf("prefix", c.Prefix != "", nil, one("hmac")),
		credential.KeyOf("encoding", c.Encoding != "", nil, one("hmac")),
		credential.KeyOf("timestamp", c.Timestamp != "", nil, one("hmac")),
		credential.KeyOf("tolerance", c.Tolerance != 0, nil, one("hmac")),
		credential.KeyOf("signed", c.Signed != "", nil, one("hmac")),
	}
}

// Check implements component.Checker.
func (c *Config) Check(r *component.Report) {
	if c.Type == "" {
		r.Error("type", "is missing", "bearer, basic, header, oauth_client_credentials, oauth_password, jwt, introspection or hmac; if anyone who reaches the port may send, say none")
	}
	credential.CheckKeys(r, c.Type, c.parts())
	for _, name := range slices.Sorted(maps.Keys(c.Headers)) {
		switch {
		case !credential.IsHeaderName(name):
			r.Error("headers", "hold what is not the name of a header", "such as X-Webhook-Key")
		case c.Headers[name].IsZero():
			r.Error("headers."+name, "is empty", "every header needs its value")
		}
	}
	switch c.Type {
	case "basic":
		if strings.Contains(c.Username, ":") {
			r.Error("username", "holds a colon", "basic authentication cannot carry it")
		}
	case "header":
		checkHeader(r, "name", c.Name)
	case "oauth_client_credentials", "oauth_password":
		c.checkTokens(r)
	case "jwt", "introspection":
		c.checkProvider(r)
	case "hmac":
		c.checkSignature(r)
	}
}

func checkHeader(r *component.Report, key, name string) {
	if name != "" && !unknown(name) && !credential.IsHeaderName(name) {
		r.Error(key, "is not the name of a header", "such as X-Api-Key")
	}
}

func (c *Config) checkTokens(r *component.Report) {
	if p := c.TokenPath; p != "" && !unknown(p) && (p[0] != '/' || strings.ContainsAny(p, "?#") || strings.Contains(p, "//")) {
		r.Error("token_path", "is not a plain path", "such as "+DefaultTokenPath)
	}
	switch {
	case c.TokenLife < 0:
		r.Error("token_life", "is negative", "")
	case c.TokenLife > 0 && c.TokenLife < time.Minute:
		r.Error("token_life", "is less than a minute", "senders would be refused between two tokens")
	case c.TokenLife > mostTokenLife:
		r.Error("token_life", "is more than a day", "whoever gets hold of a token may send until it ends")
	}
}

func (c *Config) checkProvider(r *component.Report) {
	for _, u := range []struct{ key, text string }{{"jwks_url", c.JWKSURL}, {"introspection_url", c.IntrospectionURL}} {
		checkURL(r, u.key, u.text)
	}
	if c.Type == "jwt" && c.JWKSURL == "" {
		checkURL(r, "issuer", c.Issuer)
	}
}

func checkURL(r *component.Report, key, text string) {
	if text == "" || unknown(text) {
		return
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		r.Error(key, "is not a URL", "such as https://login.example.net/…")
	case u.User != nil:
		r.Error(key, "holds a password", "give it as client_id and client_secret")
	case u.Fragment != "":
		r.Error(key, "holds a #", "leave it out")
	case u.Scheme == "http" && !credential.IsLoopback(u.Hostname()):
		r.Warn(key, "is reached without TLS", "whoever sits in between can let anyone in; use https://")
	}
}

func (c *Config) checkSignature(r *component.Report) {
	c.scheme().Check(r)
	for _, s := range []struct {
		key    string
		secret component.Secret
	}{{"secret", c.Secret}, {"former_secret", c.FormerSecret}} {
		if unknown(s.secret.Reveal()) || s.secret.IsZero() {
			continue
		}
		if _, ok := credential.DecodeSecret(s.secret.Reveal(), c.SecretEncoding); !ok {
			r.Error(s.key, "is not "+c.SecretEncoding, "say secret_encoding: text if it is used as it stands")
		}
	}
	switch {
	case c.Tolerance < 0:
		r.Error("tolerance", "is negative", "")
	case c.Tolerance > 0 && c.Timestamp == "":
		r.Error("tolerance", "needs timestamp", "the name of the header that holds the time")
	}
}

// unknown reports whether a text holds what can be read only by the service.
func unknown(text string) bool { return strings.Contains(text, "${") }
