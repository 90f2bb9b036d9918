package webhook

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/siemfwd/siemfwd/forwarder/component"
)

// provider is a real OpenID provider, whose memory is the test's.
type provider struct {
	*storage.Storage
	server *httptest.Server

	mu       sync.Mutex
	key      signingKey
	keys     []op.Key
	kind     op.AccessTokenType
	audience string
	life     time.Duration
	issued   map[string]issued // by id
	down     bool
}

// issued is a token that the provider was asked for.
type issued struct {
	audience, scopes []string
	end              time.Time
	revoked          bool
}

// signingKey is a key of the provider, private and public.
type signingKey struct {
	id  string
	key *ecdsa.PrivateKey
}

func newSigningKey(t testing.TB, id string) signingKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return signingKey{id, key}
}

func (k signingKey) ID() string                                  { return k.id }
func (k signingKey) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.ES256 }
func (k signingKey) Key() any                                    { return k.key }

type publicKey struct{ signingKey }

func (k publicKey) Algorithm() jose.SignatureAlgorithm { return jose.ES256 }
func (k publicKey) Use() string                        { return "sig" }
func (k publicKey) Key() any                           { return k.key.Public() }

func newProvider(t testing.TB) *provider {
	p := &provider{key: newSigningKey(t, "first"), audience: "siemfwd", life: 5 * time.Minute, issued: map[string]issued{}}
	p.keys = []op.Key{publicKey{p.key}}
	var handler http.Handler
	p.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		down := p.down
		p.mu.Unlock()
		if down {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(p.server.Close)
	p.Storage = storage.NewStorage(storage.NewUserStore(p.server.URL))
	provider, err := op.NewProvider(&op.Config{CryptoKey: [32]byte{1}, AuthMethodPost: true}, p, op.StaticIssuer(p.server.URL), op.WithAllowInsecure(), op.WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil))))
	require.NoError(t, err)
	handler = provider
	return p
}

func (p *provider) set(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

func (p *provider) SigningKey(context.Context) (op.SigningKey, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.key, nil
}

func (p *provider) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{jose.ES256}, nil
}

func (p *provider) KeySet(context.Context) ([]op.Key, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.keys, nil
}

// client is one whose tokens are of the kind that the test wants.
type client struct {
	op.Client
	kind op.AccessTokenType
}

func (c client) AccessTokenType() op.AccessTokenType { return c.kind }

func (p *provider) ClientCredentials(ctx context.Context, id, secret string) (op.Client, error) {
	c, err := p.Storage.ClientCredentials(ctx, id, secret)
	p.mu.Lock()
	defer p.mu.Unlock()
	return client{c, p.kind}, err
}

func (p *provider) ClientCredentialsTokenRequest(_ context.Context, id string, scopes []string) (op.TokenRequest, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return &oidc.JWTTokenRequest{Subject: id, Audience: []string{p.audience}, Scopes: scopes}, nil
}

func (p *provider) CreateAccessToken(_ context.Context, r op.TokenRequest) (string, time.Time, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	id, end := rand.Text(), time.Now().Add(p.life)
	p.issued[id] = issued{r.GetAudience(), r.GetScopes(), end, false}
	return id, end, nil
}

func (p *provider) GetPrivateClaimsFromScopes(_ context.Context, _, _ string, scopes []string) (map[string]any, error) {
	return map[string]any{"scope": strings.Join(scopes, " ")}, nil
}

// AuthorizeClientIDSecret is asked about those who introspect.
func (p *provider) AuthorizeClientIDSecret(_ context.Context, id, secret string) error {
	if id != "siem fwd" || secret != "a:b%" {
		return errors.New("wrong client")
	}
	return nil
}

func (p *provider) SetIntrospectionFromToken(_ context.Context, into *oidc.IntrospectionResponse, id, subject, _ string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	t, ok := p.issued[id]
	if !ok || t.revoked || time.Now().After(t.end) {
		return errors.New("not active")
	}
	into.Issuer, into.Audience, into.Scope, into.ClientID = p.server.URL, t.audience, t.scopes, subject
	into.Expiration = oidc.FromTime(t.end)
	return nil
}

// token fetches one. x/oauth2 refuses those that have ended already.
func (p *provider) token(t testing.TB, scopes ...string) string {
	res, err := http.PostForm(p.server.URL+"/oauth/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {"sid1"}, "client_secret": {"verysecret"}, "scope": {strings.Join(scopes, " ")}})
	require.NoError(t, err)
	defer res.Body.Close()
	var tok struct {
		AccessToken string `json:"access_token"`
	}
	require.NoError(t, json.NewDecoder(res.Body).Decode(&tok))
	require.NotEmpty(t, tok.AccessToken)
	return "Bearer " + tok.AccessToken
}

func TestTokensOfAProvider(t *testing.T) {
	defer http.DefaultClient.CloseIdleConnections()
	p := newProvider(t)
	p.kind = op.AccessTokenTypeJWT
	r := start(t, NewHub(), nil, func(c *Config) {
		c.Auth = Auth{Type: "jwt", Issuer: p.server.URL, Audience: "siemfwd", Scopes: []string{"events:write"}, Clients: []string{"sid1"}}
	})
	good := p.token(t, "events:write")
	post := func(token string) reply { return r.post("x", "Authorization", token) }
	assert.Equal(t, 200, post(good).status)
	c := (&clientcredentials.Config{ClientID: "sid1", ClientSecret: "verysecret", TokenURL: p.server.URL + "/oauth/token", Scopes: []string{"events:write"}}).Client(r.with())
	assert.Equal(t, 200, r.send(c, "y"))

	got := post(p.token(t, "events:read"))
	assert.Equal(t, 403, got.status)
	assert.Equal(t, `Bearer realm="hooks/hook", error="insufficient_scope", scope="events:write"`, got.header.Get("WWW-Authenticate"))
	p.set(func() { p.audience = "other" })
	assert.Equal(t, 401, post(p.token(t, "events:write")).status)
	p.set(func() { p.audience, p.life = "siemfwd", -2*time.Minute })
	got = post(p.token(t, "events:write"))
	assert.Equal(t, 401, got.status)
	assert.Equal(t, `Bearer realm="hooks/hook", error="invalid_token"`, got.header.Get("WWW-Authenticate"))
	assert.Equal(t, 1, r.log.with("has expired"))
	p.set(func() { p.life, p.kind = time.Minute, op.AccessTokenTypeBearer })
	assert.Equal(t, 401, post(p.token(t, "events:write")).status, "a token that says nothing")
	assert.Equal(t, 401, post("").status)
	assert.Equal(t, 401, post(good[:len(good)-2]).status)
	assert.Equal(t, 401, post(good+strings.Repeat("A", 9<<10)).status)

	// Another provider, with the same name for its key.
	q := newProvider(t)
	q.kind = op.AccessTokenTypeJWT
	assert.Equal(t, 401, post(q.token(t, "events:write")).status)

	// The key is changed while senders send.
	second := newSigningKey(t, "second")
	p.set(func() { p.kind, p.key, p.keys = op.AccessTokenTypeJWT, second, append(p.keys, publicKey{second}) })
	assert.Equal(t, 200, post(p.token(t, "events:write")).status)
	assert.Equal(t, 200, post(good).status)
	p.set(func() { p.down = true })
	assert.Equal(t, 200, post(good).status, "what is known is known")
	assert.Len(t, r.texts(), 5)

	// One that is down from the start.
	late := start(t, NewHub(), nil, func(c *Config) {
		c.Auth = Auth{Type: "jwt", Issuer: p.server.URL, Audience: "siemfwd"}
	})
	got = late.post("x", "Authorization", good)
	assert.Equal(t, 503, got.status, "not 401, after which senders give up")
	assert.NotEmpty(t, got.header.Get("Retry-After"))
	assert.Equal(t, 1, late.log.with("cannot be fetched"))
}

func TestProviderIsAsked(t *testing.T) {
	defer http.DefaultClient.CloseIdleConnections()
	p := newProvider(t)
	r := start(t, NewHub(), nil, func(c *Config) {
		c.Auth = Auth{Type: "introspection", IntrospectionURL: p.server.URL + "/oauth/introspect", ClientID: "siem fwd", ClientSecret: component.NewSecret("a:b%"),
			Audience: "siemfwd", Issuer: p.server.URL, Scopes: []string{"events:write"}, Clients: []string{"sid1"}}
	})
	post := func(token string) reply { return r.post("x", "Authorization", token) }
	good := p.token(t, "events:write")
	assert.Equal(t, 200, post(good).status)
	got := post(p.token(t, "events:read"))
	assert.Equal(t, 403, got.status)
	p.set(func() { p.audience = "other" })
	assert.Equal(t, 401, post(p.token(t, "events:write")).status)
	p.set(func() { p.audience, p.life = "siemfwd", -time.Minute })
	assert.Equal(t, 401, post(p.token(t, "events:write")).status)
	p.set(func() { p.life = time.Minute })
	revoked := p.token(t, "events:write")
	p.set(func() {
		for id, tok := range p.issued {
			tok.revoked = true
			p.issued[id] = tok
		}
	})
	got = post(revoked)
	assert.Equal(t, 401, got.status)
	assert.Equal(t, `Bearer realm="hooks/hook", error="invalid_token"`, got.header.Get("WWW-Authenticate"))
	assert.Equal(t, 401, post("Bearer "+strings.Repeat("A", 9<<10)).status)
	assert.Equal(t, 401, post("Bearer "+revoked[7:40]).status)
	assert.Equal(t, 200, post(good).status, "its word is good for a while")
	p.set(func() { p.down = true })
	got = post("Bearer new")
	assert.Equal(t, 503, got.status)
	assert.NotEmpty(t, got.header.Get("Retry-After"))
	assert.Equal(t, 1, r.log.with("cannot be asked"))
	assert.Len(t, r.texts(), 2)
}
