package gate

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var oauthConfig = Config{Type: "oauth_client_credentials", ClientID: "epm", ClientSecret: secretOf("s3cret")}

func TestTokens(t *testing.T) {
	now := newClock()
	g := opened(t, oauthConfig, Options{Now: now.now})
	i := g.Issuer()
	token := i.issue(accessToken, time.Hour)
	assert.Equal(t, Admitted, g.Admit(withToken(token), peer))
	assert.Equal(t, Admitted, g.Admit(request("Authorization", "bearer  "+token), peer))
	assert.Equal(t, Missing, g.Admit(request(), peer))
	assert.Equal(t, Malformed, g.Admit(request("Authorization", token), peer))
	assert.Equal(t, Malformed, g.Admit(request("Authorization", "Bearer "), peer))
	assert.NotEqual(t, token, i.issue(accessToken, time.Hour))
	assert.Equal(t, Wrong, i.check(i.issue(refreshToken, time.Hour), accessToken), "one kind is not the other")

	for n := range token {
		assert.Equal(t, Wrong, i.check(token[:n], accessToken), "truncated")
		for _, c := range []byte("A_.= \x00\xff") {
			other := token[:n] + string([]byte{c}) + token[n+1:]
			if other != token {
				require.Equal(t, Wrong, i.check(other, accessToken), "%d: %q", n, c)
			}
		}
	}
	for _, long := range []string{token + "A", token + token, token + "=", strings.Repeat("A", 1<<20), token + "\n"} {
		assert.Equal(t, Wrong, i.check(long, accessToken))
	}

	now.pass(time.Hour - time.Second)
	assert.Equal(t, Admitted, g.Admit(withToken(token), peer))
	now.pass(time.Second)
	for range 2 * strangersPerMinute {
		assert.Equal(t, Outdated, g.Admit(withToken(token), peer), "a sender that has to fetch another does not guess")
	}
}

// A token is bound to the source, and to the credentials it was issued for.
func TestTokensAreBound(t *testing.T) {
	state := t.TempDir()
	change := func(f func(*Config)) Config { c := passwordConfig; f(&c); return c }
	first := opened(t, passwordConfig, Options{State: state})
	token := first.Issuer().issue(accessToken, time.Hour)
	for name, c := range map[string]struct {
		cfg  Config
		name string
		want Verdict
	}{
		"after a restart":  {passwordConfig, "epm", Admitted},
		"life":             {change(func(c *Config) { c.TokenLife = time.Minute }), "epm", Admitted},
		"another source":   {passwordConfig, "other", Wrong},
		"another client":   {change(func(c *Config) { c.ClientID = "x" }), "epm", Wrong},
		"another secret":   {change(func(c *Config) { c.ClientSecret = secretOf("x") }), "epm", Wrong},
		"another user":     {change(func(c *Config) { c.Username = "x" }), "epm", Wrong},
		"another password": {change(func(c *Config) { c.Password = secretOf("x") }), "epm", Wrong},
		"another type":     {oauthConfig, "epm", Wrong},
	} {
		g := opened(t, c.cfg, Options{State: state, Name: c.name})
		assert.Equal(t, c.want, g.Admit(withToken(token), peer), name)
	}
	without := opened(t, passwordConfig, Options{})
	assert.Equal(t, Wrong, without.Admit(withToken(token), peer), "another key")
}

func TestKeyFile(t *testing.T) {
	state := filepath.Join(t.TempDir(), "keys", "epm")
	path := filepath.Join(state, keyFile)
	out := &lines{}
	o := Options{State: state, Log: slog.New(slog.NewTextHandler(out, nil))}
	g := opened(t, oauthConfig, o)
	token := g.Issuer().issue(accessToken, time.Hour)
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode())
	folder, err := os.Stat(state)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o700), folder.Mode().Perm())
	key, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.False(t, bytes.Contains([]byte(token), key))
	require.NoError(t, g.Open(), "again")
	assert.Equal(t, Admitted, opened(t, oauthConfig, o).Admit(withToken(token), peer))
	assert.Zero(t, out.count("anew"))

	require.NoError(t, os.Chmod(path, 0o640))
	g = opened(t, oauthConfig, o)
	assert.Equal(t, Wrong, g.Admit(withToken(token), peer), "others may know the key")
	assert.Equal(t, 1, out.count("anew"))
	require.NoError(t, os.WriteFile(path, key[:31], 0o600))
	token = g.Issuer().issue(accessToken, time.Hour)
	assert.Equal(t, Wrong, opened(t, oauthConfig, o).Admit(withToken(token), peer))
	assert.Equal(t, 2, out.count("anew"))
	left, err := os.ReadDir(state)
	require.NoError(t, err)
	assert.Len(t, left, 1)

	require.NoError(t, os.Remove(path))
	require.NoError(t, os.Mkdir(path, 0o700))
	c := oauthConfig
	bad, err := New(&c, o)
	require.NoError(t, err)
	require.ErrorContains(t, bad.Open(), "key of tokens")
	assert.Equal(t, Unavailable, bad.Admit(withToken(token), peer))
}

// No text but a token that was issued is taken for one.
func FuzzToken(f *testing.F) {
	c := oauthConfig
	now := newClock()
	g, err := New(&c, Options{Name: "epm", Log: slog.New(slog.DiscardHandler), Now: now.now})
	require.NoError(f, err)
	require.NoError(f, g.Open())
	i := g.Issuer()
	issued := i.issue(accessToken, time.Hour)
	f.Add("")
	f.Add(issued)
	f.Add(i.issue(refreshToken, time.Hour))
	f.Add(strings.Repeat("A", len(issued)))
	f.Fuzz(func(t *testing.T, token string) {
		v := i.check(token, accessToken)
		if v != Wrong {
			// The fuzzer knows the seed, which is another token in every process.
			require.Len(t, token, len(issued))
		}
		require.Equal(t, token == issued, v == Admitted && token == issued)
		_, _ = i.check(token, refreshToken), g.Admit(withToken(token), peer)
	})
}
