package webhook

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/siemfwd/siemfwd/forwarder/component"
)

// with lets a real OAuth client use the connections of a test.
func (r *running) with() context.Context {
	return context.WithValue(context.Background(), oauth2.HTTPClient, r.client)
}

func (r *running) tokenURL() string {
	return strings.TrimSuffix(r.url, r.source.cfg.Path) + "/oauth/token"
}

// send posts with a client of OAuth.
func (r *running) send(c *http.Client, body string) int {
	res, err := c.Post(r.url, "application/json", strings.NewReader(body))
	require.NoError(r.t, err)
	_ = res.Body.Close()
	return res.StatusCode
}

func clientAuth(c *Config) {
	c.Auth = Auth{Type: "oauth_client_credentials", ClientID: "epm:1", ClientSecret: component.NewSecret("s3 cr/et%")}
}

func TestClientCredentials(t *testing.T) {
	addr := free(t)
	setup := func(c *Config) { clientAuth(c); c.Listen = addr }
	r := start(t, NewHub(), nil, setup)
	conf := clientcredentials.Config{ClientID: "epm:1", ClientSecret: "s3 cr/et%", TokenURL: r.tokenURL(), Scopes: []string{"events:write", "x"}}
	var token *oauth2.Token
	for name, style := range map[string]oauth2.AuthStyle{"header": oauth2.AuthStyleInHeader, "body": oauth2.AuthStyleInParams, "either": oauth2.AuthStyleAutoDetect} {
		conf.AuthStyle = style
		c := conf.Client(r.with())
		for range 3 {
			assert.Equal(t, 200, r.send(c, name), name)
		}
		var err error
		token, err = conf.Token(r.with())
		require.NoError(t, err)
		assert.Equal(t, "Bearer", token.Type())
		assert.WithinDuration(t, time.Now().Add(time.Hour), token.Expiry, time.Minute)
		assert.Equal(t, "events:write x", token.Extra("scope"))
		assert.Empty(t, token.RefreshToken)
	}
	assert.Len(t, r.texts(), 9)
	assert.EqualValues(t, 6, r.meter.get("webhook_tokens"), "each client fetches one and keeps it")

	good := token.AccessToken
	for name, bad := range map[string]string{"truncated": good[:len(good)-1], "longer": good + "A", "oversized": strings.Repeat("A", 12<<10), "wrong": strings.Repeat("A", len(good)), "secret itself": "s3 cr/et%"} {
		got := r.post("x", "Authorization", "Bearer "+bad)
		assert.Equal(t, 401, got.status, name)
		assert.Equal(t, `Bearer realm="hooks/hook", error="invalid_token"`, got.header.Get("WWW-Authenticate"))
	}
	got := r.post("x", "Authorization", "")
	assert.Equal(t, 401, got.status)
	assert.Equal(t, `Bearer realm="hooks/hook"`, got.header.Get("WWW-Authenticate"))
	conf.ClientSecret = "wrong"
	_, err := conf.Token(r.with())
	var refused *oauth2.RetrieveError
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, "invalid_client", refused.ErrorCode)
	assert.Equal(t, 401, refused.Response.StatusCode)
	assert.NotEmpty(t, refused.Response.Header.Get("WWW-Authenticate"))
	assert.Equal(t, 1, r.log.with("no token was issued"))
	assert.Zero(t, r.log.with("s3 cr/et"))
	assert.Zero(t, r.log.with(good))

	// A restart: the token is good, and the endpoint comes back with the source.
	r.stop()
	require.NoError(t, r.wait())
	again := start(t, NewHub(), nil, setup)
	assert.Equal(t, 200, again.post("x", "Authorization", "Bearer "+good).status)

	// A sender whose token is good no more fetches another.
	again.stop()
	require.NoError(t, again.wait())
	changed := start(t, NewHub(), nil, func(c *Config) { setup(c); c.Auth.ClientSecret = component.NewSecret("new") })
	assert.Equal(t, 401, changed.post("x", "Authorization", "Bearer "+good).status)
	conf.ClientSecret = "new"
	assert.Equal(t, 200, changed.send(conf.Client(changed.with()), "x"))
}

func TestPasswords(t *testing.T) {
	r := start(t, NewHub(), nil, func(c *Config) {
		clientAuth(c)
		c.Auth.Type, c.Auth.Username, c.Auth.Password = "oauth_password", "bob", component.NewSecret("p&ss")
	})
	conf := oauth2.Config{ClientID: "epm:1", ClientSecret: "s3 cr/et%", Endpoint: oauth2.Endpoint{TokenURL: r.tokenURL()}}
	token, err := conf.PasswordCredentialsToken(r.with(), "bob", "p&ss")
	require.NoError(t, err)
	assert.Equal(t, 200, r.send(conf.Client(r.with(), token), "x"))
	require.NotEmpty(t, token.RefreshToken)

	ended := *token
	ended.Expiry = time.Now().Add(-time.Minute)
	fresh, err := conf.TokenSource(r.with(), &ended).Token()
	require.NoError(t, err, "the client refreshes by itself")
	assert.NotEqual(t, token.AccessToken, fresh.AccessToken)
	assert.Equal(t, 200, r.post("x", "Authorization", "Bearer "+fresh.AccessToken).status)
	assert.Equal(t, 401, r.post("x", "Authorization", "Bearer "+fresh.RefreshToken).status)

	for _, c := range [][2]string{{"bob", "p"}, {"alice", "p&ss"}, {"bob", strings.Repeat("x", 10<<10)}} {
		_, err := conf.PasswordCredentialsToken(r.with(), c[0], c[1])
		var refused *oauth2.RetrieveError
		require.ErrorAs(t, err, &refused)
		assert.Equal(t, "invalid_grant", refused.ErrorCode)
		assert.Equal(t, 400, refused.Response.StatusCode)
	}
	_, err = (&clientcredentials.Config{ClientID: "epm:1", ClientSecret: "s3 cr/et%", TokenURL: r.tokenURL()}).Token(r.with())
	require.ErrorContains(t, err, "unsupported_grant_type")
}

// Sources of one listener share the endpoint, not their tokens.
func TestSharedTokenEndpoint(t *testing.T) {
	h, addr := NewHub(), free(t)
	at := func(path, client string) func(*Config) {
		return func(c *Config) {
			clientAuth(c)
			c.Listen, c.Path, c.Auth.ClientID = addr, path, client
		}
	}
	a := start(t, h, nil, at("/a", "one"))
	b := start(t, h, nil, at("/b", "two"))
	token := func(client string) string {
		tok, err := (&clientcredentials.Config{ClientID: client, ClientSecret: "s3 cr/et%", TokenURL: a.tokenURL()}).Token(a.with())
		require.NoError(t, err)
		return "Bearer " + tok.AccessToken
	}
	one, two := token("one"), token("two")
	assert.Equal(t, 200, a.post("x", "Authorization", one).status)
	assert.Equal(t, 200, b.post("x", "Authorization", two).status)
	assert.Equal(t, 401, a.post("x", "Authorization", two).status)
	assert.Equal(t, 401, b.post("x", "Authorization", one).status)

	for path, c := range map[string]struct {
		change func(*Config)
		why    string
	}{
		"/c":           {at("/c", "one"), "client_id is that of hooks/a, too"},
		"/oauth/token": {func(c *Config) { c.Listen, c.Path = addr, "/oauth/token" }, "taken by the token endpoint of hooks/"},
		"/d":           {func(c *Config) { at("/d", "four")(c); c.Auth.TokenPath = "/a" }, "token endpoint: address and path are taken by hooks/a"},
	} {
		cfg := Config{Path: path, Auth: Auth{Type: "bearer", Token: component.NewSecret("x")}}
		c.change(&cfg)
		s, err := h.New(&cfg, nil, component.Env{Name: "new"})
		require.NoError(t, err, path)
		require.ErrorContains(t, s.Run(t.Context(), newMemory()), c.why)
	}
	own := start(t, h, nil, func(c *Config) { at("/e", "one")(c); c.Auth.TokenPath = "/e/token" })
	tok, err := (&clientcredentials.Config{ClientID: "one", ClientSecret: "s3 cr/et%", TokenURL: own.url + "/token"}).Token(own.with())
	require.NoError(t, err, "an endpoint of its own")
	assert.Equal(t, 200, own.post("x", "Authorization", "Bearer "+tok.AccessToken).status)

	a.stop()
	require.NoError(t, a.wait())
	_, err = (&clientcredentials.Config{ClientID: "one", ClientSecret: "s3 cr/et%", TokenURL: b.tokenURL(), AuthStyle: oauth2.AuthStyleInHeader}).Token(b.with())
	require.ErrorContains(t, err, "invalid_client")
	token("two")
	b.stop()
	require.NoError(t, b.wait())
	assert.Equal(t, 503, own.do("POST", own.tokenURL(), "").status, "it is probably coming back")
}

// The endpoint answers over TLS, and without only to this host.
func TestTokensNeedTLS(t *testing.T) {
	r := start(t, NewHub(), nil, func(c *Config) { clientAuth(c); c.Allow = nil })
	form := "grant_type=client_credentials&client_id=epm%3A1&client_secret=s3+cr%2Fet%25"
	h := []string{"Content-Type", "application/x-www-form-urlencoded", "Authorization", ""}
	assert.Equal(t, 200, r.do("POST", r.tokenURL(), form, h...).status)
	assert.Equal(t, 405, r.do("GET", r.tokenURL(), "").status)

	var seen []bool
	for _, from := range []string{"127.0.0.1:5", "[::1]:5", "[::ffff:127.0.0.1]:5", "192.0.2.1:5", "@"} {
		req, _ := http.NewRequest("POST", "/oauth/token", nil)
		req.RemoteAddr = from
		seen = append(seen, secure(req))
	}
	assert.Equal(t, []bool{true, true, true, false, false}, seen)
}
