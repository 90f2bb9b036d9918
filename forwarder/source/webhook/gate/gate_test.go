package gate

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/siemfwd/siemfwd/forwarder/component"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Unix(1_800_000_000, 0)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// lines is a log that can be looked at.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) count(words string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buf.String(), words)
}

func secretOf(s string) component.Secret { return component.NewSecret(s) }

// peer is where the requests of a test come from.
var peer = netip.MustParseAddr("192.0.2.7")

// open makes a gate that runs until the test ends.
func opened(t testing.TB, c Config, o Options) *Gate {
	var r component.Report
	c.Check(&r)
	for _, f := range r.Findings {
		require.True(t, f.Warning, "%+v", f)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Name == "" {
		o.Name = "epm"
	}
	g, err := New(&c, o)
	require.NoError(t, err)
	require.NoError(t, g.Open())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); g.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return g
}

// request is one with a header; names and values in turn.
func request(headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/hook", nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func withToken(token string) *http.Request { return request("Authorization", "Bearer "+token) }

// Headers that must be there besides are asked for with every type.
func TestHeaders(t *testing.T) {
	g := opened(t, Config{Type: "bearer", Token: secretOf("t0ken"), Headers: map[string]component.Secret{"x-webhook-key": secretOf("k"), "X-Tenant": secretOf("7")}}, Options{})
	for _, c := range []struct {
		headers []string
		want    Verdict
	}{
		{[]string{"Authorization", "Bearer t0ken", "X-Webhook-Key", "k", "X-Tenant", "7"}, Admitted},
		{[]string{"Authorization", "Bearer t0ken", "X-Webhook-Key", "K", "X-Tenant", "7"}, Wrong},
		{[]string{"Authorization", "Bearer t0ken", "X-Webhook-Key", "k"}, Missing},
		{[]string{"Authorization", "Bearer t0ken", "X-Webhook-Key", "", "X-Tenant", "8"}, Wrong},
		{[]string{"Authorization", "Bearer t0ken", "X-Webhook-Key", "k", "X-Webhook-Key", "k", "X-Tenant", "7"}, Wrong},
		{[]string{"X-Webhook-Key", "k", "X-Tenant", "7"}, Missing},
		{[]string{"Authorization", "Bearer x", "X-Webhook-Key", "k", "X-Tenant", "7"}, Wrong},
	} {
		assert.Equal(t, c.want, g.Admit(request(c.headers...), peer), "%q", c.headers)
	}
}

func TestChallenges(t *testing.T) {
	all := []Verdict{Admitted, Missing, Malformed, Wrong, Outdated, Insufficient, Unavailable, Limited}
	challenges := func(c Config, name string) (out []string) {
		g := opened(t, c, Options{Name: name})
		for _, v := range all {
			out = append(out, g.Challenge(v))
		}
		return out
	}
	const b, bad = `Bearer realm="epm"`, `Bearer realm="epm", error="invalid_token"`
	assert.Equal(t, []string{"", b, bad, bad, bad, b + `, error="insufficient_scope"`, "", ""}, challenges(Config{Type: "bearer", Token: secretOf("x")}, "epm"))
	assert.Equal(t, b+`, error="insufficient_scope", scope="a b"`,
		challenges(Config{Type: "introspection", IntrospectionURL: "https://x/", ClientID: "a", ClientSecret: secretOf("b"), Scopes: []string{"a", "b"}}, "epm")[5])
	basic := `Basic realm="odd", charset="UTF-8"`
	assert.Equal(t, []string{"", basic, basic, basic, basic, basic, "", ""}, challenges(Config{Type: "basic", Username: "u", Password: secretOf("p")}, "o\"d\\d\r\né"))
	assert.Equal(t, `HMAC-SHA256 realm="epm"`, challenges(Config{Type: "hmac", Name: "X-S", Secret: secretOf("s")}, "epm")[3])
	for _, v := range all[1:] {
		assert.NotEmpty(t, v.Reason())
	}
}

// Whoever guesses is not listened to after a while; others are, and so is the guesser
// later.
func TestGuessing(t *testing.T) {
	now := newClock()
	g := opened(t, Config{Type: "bearer", Token: secretOf("t0ken")}, Options{Now: now.now})
	other := netip.MustParseAddr("192.0.2.8")
	for i := range strangersPerMinute {
		assert.Equal(t, Wrong, g.Admit(withToken("x"), peer), i)
	}
	assert.Equal(t, Limited, g.Admit(withToken("x"), peer))
	assert.Equal(t, Limited, g.Admit(withToken("t0ken"), peer), "a right guess does not show either")
	assert.Equal(t, Admitted, g.Admit(withToken("t0ken"), other))
	now.pass(RetryAfter)
	assert.Equal(t, Wrong, g.Admit(withToken("x"), peer))
	assert.Equal(t, Limited, g.Admit(withToken("t0ken"), peer))
	now.pass(RetryAfter)
	assert.Equal(t, Admitted, g.Admit(withToken("t0ken"), peer))

	for range 20 * strangersPerMinute {
		assert.Equal(t, Missing, g.Admit(request(), other), "no credential is no guess")
		assert.Equal(t, Wrong, g.Admit(withToken("x"), other), "from where the right one comes, too, one wrong sender shuts out nobody")
		now.pass(time.Second)
	}
	assert.Equal(t, Admitted, g.Admit(withToken("t0ken"), other))
	for range friendsPerMinute {
		g.Admit(withToken("x"), other)
	}
	assert.Equal(t, Limited, g.Admit(withToken("t0ken"), other), "but there is an end to it")
}

func TestFailuresAreBounded(t *testing.T) {
	f, now := newFailures(), newClock()
	friend := netip.MustParseAddr("2001:db8::1")
	f.good(friend, now.now())
	for i := range 3 * mostPlaces {
		f.failed(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), now.now())
		require.LessOrEqual(t, len(f.places), mostPlaces)
	}
	assert.True(t, f.known(friend, now.now()), "who was right is remembered longer than who was not")
	assert.True(t, f.known(netip.MustParseAddr("2001:db8::ffff:1"), now.now()), "one customer has 2^64 addresses")
	assert.False(t, f.known(netip.MustParseAddr("2001:db8:0:1::1"), now.now()))
	now.pass(2 * friendFor)
	assert.False(t, f.known(friend, now.now()))
	f.makeRoom(now.now())
	assert.Empty(t, f.places)
	for i := range mostPlaces {
		f.good(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), now.now())
	}
	f.good(friend, now.now())
	assert.Less(t, len(f.places), mostPlaces)
	assert.True(t, f.known(friend, now.now()))
}

// Whatever is shown, only the credential is let in, however it is wrapped.
func FuzzCredentials(f *testing.F) {
	for _, s := range []string{"", "Bearer t0ken", "Basic OnQwa2Vu", "Basic dTpwOg==", "splunk t0ken", "Token t0ken", "Bearer", "basic =", "\xff\x00"} {
		f.Add(s)
	}
	gates := map[string]*Gate{}
	for _, c := range []Config{{Type: "bearer", Token: secretOf("t0ken")}, {Type: "basic", Username: "u", Password: secretOf("p:")},
		{Type: "header", Name: "Authorization", Value: secretOf("t0ken")}} {
		g, err := New(&c, Options{Name: "x", Log: slog.New(slog.DiscardHandler)})
		require.NoError(f, err)
		gates[c.Type] = g
	}
	f.Fuzz(func(t *testing.T, shown string) {
		r := request()
		r.Header["Authorization"] = []string{shown}
		for typ, g := range gates {
			g.failures = newFailures()
			v := g.Admit(r, peer)
			require.Contains(t, []Verdict{Admitted, Missing, Malformed, Wrong}, v)
			user, pass, isBasic := userpass(shown)
			switch {
			case v != Admitted:
			case typ == "basic":
				require.True(t, isBasic && user == "u" && pass == "p:")
			default:
				require.True(t, strings.HasSuffix(shown, "t0ken") || isBasic && pass == "t0ken", "%q", shown)
			}
		}
	})
}
