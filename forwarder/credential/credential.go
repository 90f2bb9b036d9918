// Package credential shows a receiver of HTTP requests that they may be sent: what
// source/webhook/gate asks for, from the other side. The signature of a body is the same
// for both, and stands here.
package credential

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/siemfwd/siemfwd/forwarder/component"
)

// Config is what a sender shows.
type Config struct {
	Type string `yaml:"type" required:"true" enum:"none|bearer|basic|header|oauth_client_credentials|oauth_password|hmac" doc:"none: nothing · bearer: a token in Authorization · basic: user name and password · header: a header of your own · oauth_client_credentials, oauth_password: a token that is fetched from token_url · hmac: a signature of the body"`

	Token    component.Secret `yaml:"token" doc:"of bearer"`
	Username string           `yaml:"username" doc:"of basic and oauth_password"`
	Password component.Secret `yaml:"password" doc:"of basic and oauth_password"`
	Name     string           `yaml:"name" doc:"of header and hmac: the name of the header, such as X-Api-Key"`
	Value    component.Secret `yaml:"value" doc:"of header: all of its value"`

	TokenURL     string           `yaml:"token_url" doc:"of oauth_client_credentials and oauth_password: where tokens are fetched"`
	ClientID     string           `yaml:"client_id" doc:"of oauth_client_credentials and oauth_password"`
	ClientSecret component.Secret `yaml:"client_secret" doc:"goes with client_id"`
	ClientAuth   string           `yaml:"client_auth" enum:"basic|body" doc:"of oauth_client_credentials and oauth_password: where client_id and client_secret stand in the request for a token; default: basic"`
	Scopes       []string         `yaml:"scopes" doc:"of oauth_client_credentials and oauth_password: what is asked for"`
	Audience     string           `yaml:"audience" doc:"of oauth_client_credentials: whom the token shall be for, with providers that ask"`

	Secret         component.Secret `yaml:"secret" doc:"of hmac: what the body is signed with"`
	SecretEncoding string           `yaml:"secret_encoding" enum:"text|hex|base64" doc:"of hmac: how the secret is written; default: text"`
	Prefix         string           `yaml:"prefix" doc:"of hmac: what stands before the signature, such as sha256="`
	Encoding       string           `yaml:"encoding" enum:"hex|base64" doc:"of hmac: how the signature is written; default: hex"`
	Timestamp      string           `yaml:"timestamp" doc:"of hmac: name of the header with the time of the request, which is signed too; t= to put it into the signature's own header"`
	Signed         string           `yaml:"signed" doc:"of hmac: what is signed, {body} and {NAME} standing for the body and a header; default: {body}, or {TIMESTAMP}.{body} with timestamp"`

	Headers map[string]component.Secret `yaml:"headers" doc:"headers that are sent besides, each with its value"`
}

// Key is a key of a configuration with the types that it belongs to, and those of them
// that cannot do without it.
type Key struct {
	Name   string
	Given  bool
	Needed []string
	Taken  []string
}

// KeyOf makes a Key.
func KeyOf(name string, given bool, needed, taken []string) Key {
	return Key{Name: name, Given: given, Needed: needed, Taken: taken}
}

// CheckKeys reports the keys that a type lacks and those that are not for it.
func CheckKeys(r *component.Report, typ string, keys []Key) {
	for _, k := range keys {
		all := slices.Concat(k.Needed, k.Taken)
		switch {
		case !k.Given && slices.Contains(k.Needed, typ):
			r.Error(k.Name, "is missing or empty", "auth type "+typ+" needs it")
		case k.Given && typ != "" && !slices.Contains(all, typ):
			r.Error(k.Name, "belongs to auth type "+strings.Join(all, " or "), "say so in type, or remove it")
		}
	}
}

func (c *Config) keys() []Key {
	oauth := []string{"oauth_client_credentials", "oauth_password"}
	one := func(s ...string) []string { return s }
	return []Key{
		{"token", !c.Token.IsZero(), one("bearer"), nil},
		{"username", c.Username != "", one("basic", "oauth_password"), nil},
		{"password", !c.Password.IsZero(), one("basic", "oauth_password"), nil},
		{"name", c.Name != "", one("header", "hmac"), nil},
		{"value", !c.Value.IsZero(), one("header"), nil},
		{"token_url", c.TokenURL != "", oauth, nil},
		{"client_id", c.ClientID != "", oauth, nil},
		{"client_secret", !c.ClientSecret.IsZero(), oauth, nil},
		{"client_auth", c.ClientAuth != "", nil, oauth},
		{"scopes", len(c.Scopes) > 0, nil, oauth},
		{"audience", c.Audience != "", nil, one("oauth_client_credentials")},
		{"secret", !c.Secret.IsZero(), one("hmac"), nil},
		{"secret_encoding", c.SecretEncoding != "", nil, one("hmac")},
		{"prefix", c.Prefix != "", nil, one("hmac")},
		{"encoding", c.Encoding != "", nil, one("hmac")},
		{"timestamp", c.Timestamp != "", nil, one("hmac")},
		{"signed", c.Signed != "", nil, one("hmac")},
	}
}

// forbidden are headers that belong to the request itself.
var forbidden = []string{"Host", "Content-Length", "Transfer-Encoding", "Connection", "Trailer", "Te", "Upgrade"}

// Check implements component.Checker.
func (c *Config) Check(r *component.Report) {
	CheckKeys(r, c.Type, c.keys())
	header := func(path, name string) {
		switch {
		case name == "" || unknown(name):
		case !IsHeaderName(name):
			r.Error(path, "is not the name of a header", "such as X-Api-Key")
		case slices.Contains(forbidden, textproto.CanonicalMIMEHeaderKey(name)):
			r.Error(path, "is a header of the request itself", "it cannot be set")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Headers)) {
		header("headers", name)
	}
	switch c.Type {
	case "header":
		header("name", c.Name)
	case "basic":
		if strings.Contains(c.Username, ":") {
			r.Error("username", "holds a colon", "basic authentication cannot carry it")
		}
	case "oauth_client_credentials", "oauth_password":
		c.checkTokenURL(r)
	case "hmac":
		c.scheme().Check(r)
		header("name", c.Name)
		if _, ok := DecodeSecret(c.Secret.Reveal(), c.SecretEncoding); !ok && !c.Secret.IsZero() && !unknown(c.Secret.Reveal()) {
			r.Error("secret", "is not "+c.SecretEncoding, "say secret_encoding: text if it is used as it stands")
		}
	}
}

func (c *Config) checkTokenURL(r *component.Report) {
	if c.TokenURL == "" || unknown(c.TokenURL) {
		return
	}
	u, err := url.Parse(c.TokenURL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		r.Error("token_url", "is not a URL", "such as https://login.example.net/oauth/token")
	case u.User != nil:
		r.Error("token_url", "holds a password", "give it as client_id and client_secret")
	case u.Scheme == "http" && !IsLoopback(u.Hostname()):
		r.Warn("token_url", "is reached without TLS", "client_secret travels in the clear; use https://")
	}
}

func (c *Config) scheme() *Scheme {
	return &Scheme{Name: c.Name, Prefix: c.Prefix, Encoding: c.Encoding, Timestamp: c.Timestamp, Signed: c.Signed}
}

// unknown reports whether a text holds what can be read only by the service.
func unknown(text string) bool { return strings.Contains(text, "${") }

// Credential is what one sender shows. It is safe for concurrent use.
type Credential struct {
	c       *Config
	headers http.Header // as they stand, Authorization among them
	signing *Signing    // nil: no signature
	secret  []byte
	client  *http.Client
	now     func() time.Time

	mu    sync.Mutex // also while a token is fetched, so that there is one request for it
	token *oauth2.Token
}

// early is how long before its end a token is not used any more.
const early = time.Minute

// unsaid is how long a token is used of which nobody said when it ends.
const unsaid = 5 * time.Minute

// New makes a credential of a configuration that was checked. client fetches tokens, but
// follows no redirects; nil is http.DefaultClient. It does no I/O.
func New(c *Config, client *http.Client) (*Credential, error) {
	if client == nil {
		client = http.DefaultClient
	}
	fetching := *client
	fetching.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // the secret stays with token_url
	g := &Credential{c: c, headers: http.Header{}, client: &fetching, now: time.Now}
	for name, value := range c.Headers {
		g.headers.Set(name, value.Reveal())
	}
	switch c.Type {
	case "bearer":
		g.headers.Set("Authorization", "Bearer "+c.Token.Reveal())
	case "basic":
		g.headers.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(c.Username+":"+c.Password.Reveal())))
	case "header":
		g.headers.Set(c.Name, c.Value.Reveal())
	case "hmac":
		var err error
		var ok bool
		if g.signing, err = c.scheme().Open(); err != nil {
			return nil, err
		}
		if g.secret, ok = DecodeSecret(c.Secret.Reveal(), c.SecretEncoding); !ok {
			return nil, errors.New("secret: cannot be decoded")
		}
	}
	for name, values := range g.headers {
		// What HTTP cannot carry would be refused at every request, with the value.
		if strings.ContainsFunc(values[0], func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }) {
			return nil, fmt.Errorf("header %s: its value holds a line feed or another control character", name)
		}
	}
	return g, nil
}

// Put puts the credential into the header of a request with the given body, and
// replaces one that is there. It may fetch a token; the error is then an *Error.
func (g *Credential) Put(ctx context.Context, h http.Header, body []byte) error {
	for name, values := range g.headers {
		h[name] = values
	}
	switch {
	case g.signing != nil:
		g.sign(h, body)
	case g.fetches():
		token, err := g.fetched(ctx)
		if err != nil {
			return err
		}
		h.Set("Authorization", "Bearer "+token)
	}
	return nil
}

// sign adds the signature, and the headers that are signed and not there yet: the time,
// and an id of its own for any other.
func (g *Credential) sign(h http.Header, body []byte) {
	at := strconv.FormatInt(g.now().Unix(), 10)
	for _, name := range g.signing.Headers() {
		switch {
		case name == g.signing.Timestamp:
			h.Set(name, at)
		case h.Get(name) == "":
			h.Set(name, "msg_"+rand.Text())
		}
	}
	sum := g.signing.Sum(g.secret, body, func(name string) string {
		if name == g.signing.Timestamp {
			return at
		}
		return h.Get(name)
	})
	h.Set(g.signing.Name, g.signing.Write(sum, at))
}

func (g *Credential) fetches() bool {
	return g.c.Type == "oauth_client_credentials" || g.c.Type == "oauth_password"
}

// Refused says that the receiver did not take the credential of a request with header h
// (401), and reports whether the same request may be taken with the next one: a token
// that was fetched may have ended before its time. One more try is enough.
func (g *Credential) Refused(h http.Header) (again bool) {
	if !g.fetches() {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.token != nil && h.Get("Authorization") == "Bearer "+g.token.AccessToken {
		g.token = nil
	}
	return true
}

// Error is why there is no token. Its text holds no secret.
type Error struct {
	Status int    // of HTTP; 0 without an answer
	Text   string // the endpoint's word for it, or what went wrong
}

// Error says what was asked for and what came of it.
func (e *Error) Error() string {
	if e.Status == 0 {
		return "token: " + e.Text
	}
	return "token: status " + strconv.Itoa(e.Status) + ": " + e.Text
}

// Temporary reports whether the same request may be granted later.
func (e *Error) Temporary() bool {
	return e.Status == 0 || e.Status >= 500 || e.Status == http.StatusTooManyRequests || e.Status == http.StatusRequestTimeout
}

// fetched returns a token that is good for a while.
func (g *Credential) fetched(ctx context.Context) (string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	if g.token != nil && now.Before(g.token.Expiry) {
		return g.token.AccessToken, nil
	}
	token, err := g.fetch(context.WithValue(ctx, oauth2.HTTPClient, g.client))
	if err != nil {
		return "", failure(err)
	}
	if strings.ContainsFunc(token.AccessToken, func(c rune) bool { return c <= ' ' || c >= 0x7f }) {
		return "", &Error{Text: "what was issued cannot stand in a header"}
	}
	if token.Expiry.IsZero() {
		token.Expiry = now.Add(unsaid)
	} else {
		// A token that ends at once is used for what it was fetched for.
		token.Expiry = token.Expiry.Add(-min(early, token.Expiry.Sub(now)/5))
	}
	g.token = token
	return token.AccessToken, nil
}

func (g *Credential) fetch(ctx context.Context) (*oauth2.Token, error) {
	style := oauth2.AuthStyleInHeader
	if g.c.ClientAuth == "body" {
		style = oauth2.AuthStyleInParams
	}
	if g.c.Type == "oauth_password" {
		c := oauth2.Config{ClientID: g.c.ClientID, ClientSecret: g.c.ClientSecret.Reveal(), Scopes: g.c.Scopes,
			Endpoint: oauth2.Endpoint{TokenURL: g.c.TokenURL, AuthStyle: style}}
		return c.PasswordCredentialsToken(ctx, g.c.Username, g.c.Password.Reveal())
	}
	c := clientcredentials.Config{ClientID: g.c.ClientID, ClientSecret: g.c.ClientSecret.Reveal(), Scopes: g.c.Scopes, TokenURL: g.c.TokenURL, AuthStyle: style}
	if g.c.Audience != "" {
		c.EndpointParams = url.Values{"audience": {g.c.Audience}}
	}
	return c.Token(ctx)
}

// failure is an error of x/oauth2 without what may be secret in it: URL and body.
func failure(err error) *Error {
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) && refused.Response != nil {
		text := cmp.Or(refused.ErrorCode, http.StatusText(refused.Response.StatusCode))
		if !plain(text) {
			text = "refused"
		}
		return &Error{Status: refused.Response.StatusCode, Text: text}
	}
	var u *url.Error
	if errors.As(err, &u) {
		return &Error{Text: u.Err.Error()}
	}
	return &Error{Text: "the answer is none of a token endpoint"}
}

// plain reports whether a text is a word or two, as error codes are.
func plain(text string) bool {
	return len(text) <= 64 && !strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c > '~' })
}

// Target is where a sender posts to and what it shows there.
type Target struct {
	URL  string
	CA   string // file with the certificate of an https URL; "": one of the system's authorities has signed it
	Auth Config
}
