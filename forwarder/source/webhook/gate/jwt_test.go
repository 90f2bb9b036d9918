package gate

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// idp is an identity provider that tests have in their hands.
type idp struct {
	*httptest.Server
	mu      sync.Mutex
	keys    []any // JWKs, or anything else
	name    string
	status  int // of every answer
	fetched atomic.Int64
	hang    chan struct{} // not nil: answers wait for it
}

func newIDP(t testing.TB) *idp {
	p := &idp{status: http.StatusOK}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		status, keys, name, hang := p.status, p.keys, p.name, p.hang
		p.mu.Unlock()
		if hang != nil {
			select {
			case <-hang:
			case <-r.Context().Done():
			}
		}
		w.Header().Set("Content-Type", "application/json")
		if status == http.StatusFound {
			w.Header().Set("Location", "/keys")
		}
		w.WriteHeader(status)
		switch r.URL.Path {
		case "/.well-known/openid-configuration":
			_ = json.NewEncoder(w).Encode(map[string]string{"issuer": name, "jwks_uri": p.URL + "/keys"})
		case "/keys":
			p.fetched.Add(1)
			_ = json.NewEncoder(w).Encode(map[string]any{"keys": keys})
		}
	}))
	p.name = p.URL
	t.Cleanup(p.Close)
	return p
}

func (p *idp) set(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

// pair is a key with its name.
type pair struct {
	alg jose.SignatureAlgorithm
	kid string
	key crypto.Signer
}

func newPair(t testing.TB, alg jose.SignatureAlgorithm, kid string) pair {
	var key crypto.Signer
	var err error
	switch alg {
	case jose.ES256:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jose.ES384:
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case jose.EdDSA:
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	require.NoError(t, err)
	return pair{alg, kid, key}
}

func (p pair) public() jose.JSONWebKey {
	return jose.JSONWebKey{Key: p.key.Public(), KeyID: p.kid, Algorithm: string(p.alg), Use: "sig"}
}

// sign makes a token; header may add to its header.
func (p pair) sign(t testing.TB, claims map[string]any, header map[jose.HeaderKey]any) string {
	o := &jose.SignerOptions{ExtraHeaders: map[jose.HeaderKey]any{"typ": "at+jwt"}}
	if p.kid != "" {
		o.ExtraHeaders["kid"] = p.kid
	}
	for k, v := range header {
		if o.ExtraHeaders[k] = v; v == nil {
			delete(o.ExtraHeaders, k)
		}
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: p.alg, Key: p.key}, o)
	require.NoError(t, err)
	return signWith(t, s, claims)
}

func signWith(t testing.TB, s jose.Signer, claims map[string]any) string {
	text, err := json.Marshal(claims)
	require.NoError(t, err)
	signed, err := s.Sign(text)
	require.NoError(t, err)
	token, err := signed.CompactSerialize()
	require.NoError(t, err)
	return token
}

// claim makes the claims of a good token, with changes.
func claim(p *idp, now time.Time, pairs ...any) map[string]any {
	c := map[string]any{"iss": p.URL, "aud": "siemfwd", "exp": now.Add(time.Hour).Unix(), "nbf": now.Unix(), "sub": "epm", "client_id": "epm", "scope": "events:write events:read", "roles": []string{"sender"}}
	for i := 0; i < len(pairs); i += 2 {
		if c[pairs[i].(string)] = pairs[i+1]; pairs[i+1] == nil {
			delete(c, pairs[i].(string))
		}
	}
	return c
}

func unsigned(header string, claims map[string]any) string {
	text, _ := json.Marshal(claims)
	e := base64.RawURLEncoding.EncodeToString
	return e([]byte(header)) + "." + e(text) + "."
}

func TestJWT(t *testing.T) {
	p, now := newIDP(t), newClock()
	rs, ps, es, ed := newPair(t, jose.RS256, "r"), newPair(t, jose.PS256, "p"), newPair(t, jose.ES256, "e"), newPair(t, jose.EdDSA, "d")
	other := newPair(t, jose.ES256, "e")
	both := pair{jose.PS256, "both", rs.key}
	p.keys = []any{rs.public(), ps.public(), es.public(), ed.public(), jose.JSONWebKey{Key: rs.key.Public(), KeyID: "both"}, newPair(t, jose.ES384, "384").public(),
		jose.JSONWebKey{Key: []byte("a shared secret that is thirty-two octets"), KeyID: "h", Algorithm: "HS256"}, map[string]string{"kty": "new", "kid": "n"},
		jose.JSONWebKey{Key: es.key.Public(), KeyID: "enc", Use: "enc"}}
	cfg := Config{Type: "jwt", Issuer: p.URL, Audience: "siemfwd", Scopes: []string{"events:write"}, Roles: []string{"sender"}, Clients: []string{"x", "epm"}}
	g := opened(t, cfg, Options{Now: now.now})
	at := now.now()
	hmacOf := func(key any, kid string) string {
		s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", kid))
		require.NoError(t, err)
		return signWith(t, s, claim(p, at))
	}
	der, err := json.Marshal(rs.public())
	require.NoError(t, err)
	good := es.sign(t, claim(p, at), nil)
	rs512, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS512, Key: rs.key}, (&jose.SignerOptions{}).WithHeader("kid", "r"))
	require.NoError(t, err)
	es384, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES384, Key: newPair(t, jose.ES384, "").key}, (&jose.SignerOptions{}).WithHeader("kid", "384"))
	require.NoError(t, err)
	embedded, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: other.key}, &jose.SignerOptions{EmbedJWK: true})
	require.NoError(t, err)
	judge := oidc.NewVerifier(p.URL, oidc.NewRemoteKeySet(context.Background(), p.URL+"/keys"),
		&oidc.Config{ClientID: "siemfwd", SupportedSigningAlgs: []string{"RS256", "PS256", "ES256", "EdDSA"}, Now: now.now})
	for _, c := range []struct {
		name, token string
		want        Verdict
	}{
		{"RS256", rs.sign(t, claim(p, at), nil), Admitted},
		{"PS256", ps.sign(t, claim(p, at), nil), Admitted},
		{"ES256", good, Admitted},
		{"EdDSA", ed.sign(t, claim(p, at), nil), Admitted},
		{"a key for both paddings", both.sign(t, claim(p, at), nil), Admitted},
		{"several audiences", es.sign(t, claim(p, at, "aud", []string{"a", "siemfwd"}), nil), Admitted},
		{"typ JWT", es.sign(t, claim(p, at), map[jose.HeaderKey]any{"typ": "JWT"}), Admitted},
		{"typ in full", es.sign(t, claim(p, at), map[jose.HeaderKey]any{"typ": "application/AT+JWT"}), Admitted},
		{"no typ", es.sign(t, claim(p, at), map[jose.HeaderKey]any{"typ": nil}), Admitted},
		{"Entra's names", es.sign(t, claim(p, at, "scope", nil, "scp", "x events:write", "client_id", nil, "appid", "epm"), nil), Admitted},
		{"Okta's names", es.sign(t, claim(p, at, "scope", nil, "scp", []string{"events:write"}, "client_id", nil, "cid", "epm"), nil), Admitted},
		{"azp", es.sign(t, claim(p, at, "client_id", nil, "azp", "epm"), nil), Admitted},
		{"a fraction of a second", es.sign(t, claim(p, at, "exp", float64(at.Unix())+60.5), nil), Admitted},
		{"claims of odd types", es.sign(t, claim(p, at, "cid", 5, "azp", map[string]int{}), nil), Admitted},
		{"an end far away", es.sign(t, claim(p, at, "exp", 1e18), nil), Admitted},

		{"no algorithm", unsigned(`{"alg":"none","kid":"e"}`, claim(p, at)), Wrong},
		{"no algorithm, in capitals", unsigned(`{"alg":"NONE"}`, claim(p, at)), Wrong},
		{"the shared secret in the set", hmacOf([]byte("a shared secret that is thirty-two octets"), "h"), Wrong},
		{"a public key as shared secret", hmacOf(der, "r"), Wrong},
		{"RS512", signWith(t, rs512, claim(p, at)), Wrong},
		{"ES384", signWith(t, es384, claim(p, at)), Wrong},
		{"another's key of the same name", other.sign(t, claim(p, at), nil), Wrong},
		{"a key that the token brings", signWith(t, embedded, claim(p, at)), Wrong},
		{"a key for encryption", pair{jose.ES256, "enc", es.key}.sign(t, claim(p, at), nil), Wrong},
		{"PS256 with a key for RS256", pair{jose.PS256, "r", rs.key}.sign(t, claim(p, at), nil), Wrong},
		{"no kid among several", pair{jose.ES256, "", es.key}.sign(t, claim(p, at), nil), Wrong},
		{"typ of a logout", es.sign(t, claim(p, at), map[jose.HeaderKey]any{"typ": "logout+jwt"}), Wrong},
		{"typ of another type", es.sign(t, claim(p, at), map[jose.HeaderKey]any{"typ": 5}), Wrong},
		{"crit", es.sign(t, claim(p, at), map[jose.HeaderKey]any{"crit": []string{"x"}, "x": 1}), Wrong},
		{"another issuer", es.sign(t, claim(p, at, "iss", p.URL+"/"), nil), Wrong},
		{"no issuer", es.sign(t, claim(p, at, "iss", nil), nil), Wrong},
		{"another audience", es.sign(t, claim(p, at, "aud", "siem"), nil), Wrong},
		{"no audience", es.sign(t, claim(p, at, "aud", nil), nil), Wrong},
		{"audiences in one text", es.sign(t, claim(p, at, "aud", "a siemfwd"), nil), Wrong},
		{"an audience of another type", es.sign(t, claim(p, at, "aud", 5), nil), Wrong},
		{"no end", es.sign(t, claim(p, at, "exp", nil), nil), Wrong},
		{"an end as text", es.sign(t, claim(p, at, "exp", "never"), nil), Wrong},
		{"not yet", es.sign(t, claim(p, at, "nbf", at.Unix()+61), nil), Wrong},
		{"AUD is not aud", es.sign(t, claim(p, at, "aud", "x", "AUD", "siemfwd", "Aud", "siemfwd"), nil), Wrong},
		{"no object", signWith(t, embedded, nil), Wrong},
		{"expired", es.sign(t, claim(p, at, "exp", at.Unix()-60), nil), Outdated},
		{"expired long ago", es.sign(t, claim(p, at, "exp", 1), nil), Outdated},
		{"an end before all time", es.sign(t, claim(p, at, "exp", -1e300), nil), Outdated},
		{"another scope", es.sign(t, claim(p, at, "scope", "events:writer"), nil), Insufficient},
		{"no scope", es.sign(t, claim(p, at, "scope", nil), nil), Insufficient},
		{"no role", es.sign(t, claim(p, at, "roles", []string{"reader"}, "Roles", []string{"sender"}), nil), Insufficient},
		{"another client", es.sign(t, claim(p, at, "client_id", "y"), nil), Insufficient},
		{"truncated", good[:len(good)-1], Wrong},
		{"without signature", good[:strings.LastIndexByte(good, '.')+1], Wrong},
		{"longer", good + "A", Wrong},
		{"two parts", strings.Join(strings.Split(good, ".")[:2], "."), Wrong},
		{"changed", strings.Replace(good, ".", ".A", 1), Wrong},
		{"oversized", es.sign(t, claim(p, at, "x", strings.Repeat("x", mostToken)), nil), Wrong},
		{"JSON form", `{"payload":"e30","protected":"e30","signature":""}`, Wrong},
		{"nothing", "", Malformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			g.failures = newFailures()
			v := g.Admit(withToken(c.token), peer)
			assert.Equal(t, c.want, v)
			if v == Admitted {
				_, err := judge.Verify(context.Background(), c.token)
				assert.NoError(t, err, "another library has to agree")
			}
		})
	}
	now.pass(-59 * time.Second)
	assert.Equal(t, Admitted, g.Admit(withToken(es.sign(t, claim(p, at), nil)), peer), "clocks differ")
	now.pass(59*time.Second + time.Hour + 59*time.Second)
	assert.Equal(t, Admitted, g.Admit(withToken(good), peer))
	now.pass(time.Second)
	assert.Equal(t, Outdated, g.Admit(withToken(good), peer))
	assert.EqualValues(t, 3, p.fetched.Load(), "one set for us, one more for unknown keys, and the judge's")
}

// keyringOf is what fetches the keys of a gate.
func keyringOf(g *Gate) *keyring { return g.judge.(*jwt).keys }

func TestKeysAreFetched(t *testing.T) {
	p := newIDP(t)
	first, second := newPair(t, jose.ES256, "1"), newPair(t, jose.ES256, "2")
	p.keys = []any{first.public()}
	out := &lines{}
	c := Config{Type: "jwt", Issuer: p.URL, Audience: "siemfwd", JWKSURL: p.URL + "/keys"}
	g, err := New(&c, Options{Name: "epm", Log: slog.New(slog.NewTextHandler(out, nil))})
	require.NoError(t, err)
	k := keyringOf(g)
	k.least, k.retry, k.wait = 200*time.Millisecond, 20*time.Millisecond, 5*time.Second
	require.NoError(t, g.Open())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); g.Run(ctx) }()
	defer func() { cancel(); <-done }()
	admit := func(by pair) Verdict {
		g.failures = newFailures()
		return g.Admit(withToken(by.sign(t, claim(p, time.Now()), nil)), peer)
	}
	assert.Equal(t, Admitted, admit(first), "the first request waits for the keys")
	assert.Equal(t, Admitted, admit(pair{first.alg, "", first.key}), "one key needs no name")
	assert.EqualValues(t, 1, p.fetched.Load())

	p.set(func() { p.keys = []any{first.public(), second.public()} })
	assert.Equal(t, Admitted, admit(second), "a key that is new is fetched at once")
	assert.EqualValues(t, 2, p.fetched.Load())
	for range 20 {
		assert.Equal(t, Wrong, admit(newPair(t, jose.ES256, "x")))
	}
	assert.LessOrEqual(t, p.fetched.Load(), int64(3), "but nobody can make us ask again and again")

	// The provider is gone: its keys are known.
	p.set(func() { p.status = http.StatusInternalServerError })
	third := newPair(t, jose.ES256, "3")
	assert.Eventually(t, func() bool { return admit(third) == Unavailable }, 10*time.Second, 10*time.Millisecond)
	assert.Equal(t, Admitted, admit(first))
	assert.Equal(t, 1, out.count("cannot be fetched"))
	p.set(func() { p.status, p.keys = http.StatusOK, []any{third.public()} })
	assert.Eventually(t, func() bool { return admit(third) == Admitted }, 10*time.Second, 10*time.Millisecond)
	assert.Equal(t, Wrong, admit(first), "a key that was withdrawn")
	assert.Equal(t, 1, out.count("fetched again"))

	k.mu.Lock()
	k.since = k.since.Add(-stale)
	k.mu.Unlock()
	assert.Equal(t, Unavailable, admit(third), "keys do not stay good for ever")
}

func TestKeysCannotBeFetched(t *testing.T) {
	p := newIDP(t)
	key := newPair(t, jose.RS256, "1")
	modulus := base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{0xff}, 1024/8))
	for name, change := range map[string]func(){
		"another name":   func() { p.name = p.URL + "/" },
		"status":         func() { p.status = http.StatusForbidden },
		"leads away":     func() { p.status = http.StatusFound },
		"no keys":        func() { p.keys = nil },
		"only a secret":  func() { p.keys = []any{jose.JSONWebKey{Key: []byte("0123456789abcdef"), KeyID: "1"}} },
		"private":        func() { p.keys = []any{jose.JSONWebKey{Key: key.key, KeyID: "1"}} },
		"no JSON object": func() { p.keys = []any{5, "x", nil} },
		"short":          func() { p.keys = []any{map[string]string{"kty": "RSA", "kid": "1", "n": modulus, "e": "AQAB"}} },
		"too long":       func() { p.keys = []any{key.public(), strings.Repeat("x", mostAnswer)} },
	} {
		t.Run(name, func(t *testing.T) {
			p.set(func() {
				p.name, p.status, p.keys = p.URL, http.StatusOK, []any{key.public()}
				change()
			})
			out := &lines{}
			g := opened(t, Config{Type: "jwt", Issuer: p.URL, Audience: "siemfwd"}, Options{Log: slog.New(slog.NewTextHandler(out, nil))})
			assert.Equal(t, Unavailable, g.Admit(withToken(key.sign(t, claim(p, time.Now()), nil)), peer))
			assert.Equal(t, 1, out.count("cannot be fetched"), out.buf.String())
		})
	}
	// One that does not answer: senders are told to come back.
	p.set(func() {
		p.name, p.status, p.keys, p.hang = p.URL, http.StatusOK, []any{key.public()}, make(chan struct{})
	})
	c := Config{Type: "jwt", Issuer: p.URL, Audience: "siemfwd"}
	g, err := New(&c, Options{Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	keyringOf(g).wait = 10 * time.Millisecond
	require.NoError(t, g.Open())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); g.Run(ctx) }()
	assert.Equal(t, Unavailable, g.Admit(withToken(key.sign(t, claim(p, time.Now()), nil)), peer))
	close(p.hang)
	assert.Eventually(t, func() bool {
		return g.Admit(withToken(key.sign(t, claim(p, time.Now()), nil)), peer) == Admitted
	}, 10*time.Second, 5*time.Millisecond)
	cancel()
	<-done
}

func TestAuthorities(t *testing.T) {
	c := Config{Type: "jwt", Issuer: "https://x", Audience: "a", CA: "/no/such/file"}
	g, err := New(&c, Options{Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	require.ErrorContains(t, g.Open(), "ca: open /no/such/file")
	c.CA = "jwt_test.go"
	g, err = New(&c, Options{Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	require.ErrorContains(t, g.Open(), "no certificate in it")
}

// No text is taken for a token that nobody signed.
func FuzzJWT(f *testing.F) {
	p := newIDP(f)
	key := newPair(f, jose.EdDSA, "1")
	p.keys = []any{key.public()}
	now := newClock()
	g := opened(f, Config{Type: "jwt", Issuer: p.URL, Audience: "siemfwd"}, Options{Now: now.now})
	good := key.sign(f, claim(p, now.now()), nil)
	require.Equal(f, Admitted, g.Admit(withToken(good), peer))
	keyringOf(g).began = time.Now().Add(time.Hour)
	f.Add(good)
	f.Add(key.sign(f, claim(p, now.now(), "exp", 1), nil))
	f.Add(unsigned(`{"alg":"none"}`, claim(p, now.now())))
	f.Add("a.b.c")
	f.Add("{}")
	set := &oidc.StaticKeySet{PublicKeys: []crypto.PublicKey{key.key.Public()}}
	judge := oidc.NewVerifier(p.URL, set, &oidc.Config{ClientID: "siemfwd", SupportedSigningAlgs: []string{"EdDSA"}, Now: now.now})
	f.Fuzz(func(t *testing.T, token string) {
		g.failures = newFailures()
		if g.Admit(withToken(token), peer) == Admitted {
			_, err := judge.Verify(context.Background(), strings.TrimLeft(token, " "))
			require.NoError(t, err)
		}
	})
}

// Whatever a provider says of a token, it can be read or not.
func FuzzClaims(f *testing.F) {
	f.Add([]byte(`{"active":true,"iss":"a","aud":["b"],"exp":1e99,"nbf":-0.5,"scope":"a  b","scp":["c d"],"roles":"e","azp":"f"}`))
	f.Add([]byte(`{"aud":null,"exp":null,"scope":5}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var c claims
		if json.Unmarshal(text, &c) != nil {
			return
		}
		require.True(t, json.Valid(text))
		w := wanted{issuer: "a", audience: "b", scopes: []string{"c"}}
		if w.judge(&c, time.Now()) == Admitted {
			require.Equal(t, "a", c.issuer)
			require.Contains(t, c.audience, "b")
		}
	})
}
