package credential_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/credential"
	"github.com/siemfwd/siemfwd/forwarder/source/webhook/gate"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	secretOf = component.NewSecret
	peer     = netip.MustParseAddr("192.0.2.7")
)

func opened(t testing.TB, c gate.Config) *gate.Gate {
	t.Helper()
	var r component.Report
	c.Check(&r)
	require.Empty(t, r.Findings)
	g, err := gate.New(&c, gate.Options{Name: "x", Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	require.NoError(t, g.Open())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); g.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return g
}

func made(t testing.TB, c credential.Config, client *http.Client) *credential.Credential {
	t.Helper()
	var r component.Report
	c.Check(&r)
	require.Empty(t, r.Findings)
	g, err := credential.New(&c, client)
	require.NoError(t, err)
	return g
}

// judge is the gate's word on a request that the credential was put on.
func judge(t *testing.T, g *gate.Gate, c *credential.Credential, body string) gate.Verdict {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/hook", nil)
	require.NoError(t, c.Put(t.Context(), r.Header, []byte(body)))
	v := g.Admit(r, peer)
	if v == gate.Admitted {
		v = g.AdmitBody(r.Header, []byte(body), peer)
	}
	return v
}

// What one side shows, the other admits; what is a little different it does not.
func TestBothSides(t *testing.T) {
	const standard = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	for name, c := range map[string]struct {
		shows credential.Config
		asks  gate.Config
		spoil func(c *credential.Config)
	}{
		"none":   {credential.Config{Type: "none"}, gate.Config{Type: "none"}, nil},
		"bearer": {credential.Config{Type: "bearer", Token: secretOf("t0ken")}, gate.Config{Type: "bearer", Token: secretOf("t0ken")}, func(c *credential.Config) { c.Token = secretOf("t0keN") }},
		"basic": {credential.Config{Type: "basic", Username: "ü", Password: secretOf("p:ä")}, gate.Config{Type: "basic", Username: "ü", Password: secretOf("p:ä")},
			func(c *credential.Config) { c.Username = "u" }},
		"header": {credential.Config{Type: "header", Name: "x-api-key", Value: secretOf("k")}, gate.Config{Type: "header", Name: "X-Api-Key", Value: secretOf("k")},
			func(c *credential.Config) { c.Value = secretOf("K") }},
		"custom": {credential.Config{Type: "header", Name: "Authorization", Value: secretOf("Bearer k")}, gate.Config{Type: "header", Name: "Authorization", Value: secretOf("k")},
			func(c *credential.Config) { c.Value = secretOf("Bearer K") }},
		"headers": {credential.Config{Type: "none", Headers: map[string]component.Secret{"x-webhook-key": secretOf("k")}},
			gate.Config{Type: "none", Headers: map[string]component.Secret{"X-Webhook-Key": secretOf("k")}}, func(c *credential.Config) { c.Headers = nil }},
		"hmac": {credential.Config{Type: "hmac", Name: "X-Signature", Secret: secretOf("s")}, gate.Config{Type: "hmac", Name: "X-Signature", Secret: secretOf("s")},
			func(c *credential.Config) { c.Secret = secretOf("S") }},
		"hmac with time": {credential.Config{Type: "hmac", Name: "X-Signature", Prefix: "sha256=", Secret: secretOf("s"), Timestamp: "X-Time"},
			gate.Config{Type: "hmac", Name: "X-Signature", Prefix: "sha256=", Secret: secretOf("s"), Timestamp: "X-Time"}, func(c *credential.Config) { c.Signed = "{body}{X-Time}" }},
		"Standard Webhooks": {credential.Config{Type: "hmac", Name: "webhook-signature", Prefix: "v1,", Encoding: "base64", SecretEncoding: "base64", Secret: secretOf(standard), Timestamp: "webhook-timestamp", Signed: "{webhook-id}.{webhook-timestamp}.{body}"},
			gate.Config{Type: "hmac", Name: "webhook-signature", Prefix: "v1,", Encoding: "base64", SecretEncoding: "base64", Secret: secretOf(standard), Timestamp: "webhook-timestamp", Signed: "{webhook-id}.{webhook-timestamp}.{body}"},
			func(c *credential.Config) { c.Signed = "{webhook-timestamp}.{body}" }},
		"Stripe": {credential.Config{Type: "hmac", Name: "Stripe-Signature", Prefix: "v1=", Secret: secretOf("whsec_x"), Timestamp: "t="},
			gate.Config{Type: "hmac", Name: "Stripe-Signature", Prefix: "v1=", Secret: secretOf("whsec_x"), Timestamp: "t="}, func(c *credential.Config) { c.Timestamp, c.Prefix = "", "t=1,v1=" }},
	} {
		t.Run(name, func(t *testing.T) {
			g := opened(t, c.asks)
			assert.Equal(t, gate.Admitted, judge(t, g, made(t, c.shows, nil), `{"a":1}`))
			if c.spoil == nil {
				return
			}
			c.spoil(&c.shows)
			assert.Contains(t, []gate.Verdict{gate.Wrong, gate.Missing}, judge(t, g, made(t, c.shows, nil), `{"a":1}`))
			assert.False(t, made(t, c.shows, nil).Refused(http.Header{}), "trying again is of no use")
		})
	}
}

// tokens is a token endpoint that a gate's issuer keeps, and counts what it is asked.
func tokens(t *testing.T, g *gate.Gate) (url string, asked *int) {
	e := gate.NewEndpoint()
	require.Empty(t, e.Add(g.Issuer()))
	asked = new(int)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked++
		e.Serve(w, r, peer, true)
	}))
	t.Cleanup(server.Close)
	return server.URL + "/oauth/token", asked
}

func TestTokensAreFetchedAndKept(t *testing.T) {
	for _, asks := range []gate.Config{
		{Type: "oauth_client_credentials", ClientID: "epm:1", ClientSecret: secretOf("s3 cr/et%")},
		{Type: "oauth_password", ClientID: "epm:1", ClientSecret: secretOf("s3 cr/et%"), Username: "bob", Password: secretOf("p&ss")},
	} {
		for _, where := range []string{"", "basic", "body"} {
			t.Run(asks.Type+" "+where, func(t *testing.T) {
				g := opened(t, asks)
				url, asked := tokens(t, g)
				c := made(t, credential.Config{Type: asks.Type, TokenURL: url, ClientID: asks.ClientID, ClientSecret: asks.ClientSecret,
					Username: asks.Username, Password: asks.Password, ClientAuth: where, Scopes: []string{"a", "b"}}, nil)
				for range 3 {
					assert.Equal(t, gate.Admitted, judge(t, g, c, "x"))
				}
				assert.Equal(t, 1, *asked, "it is fetched once")

				// A token that was taken back is fetched anew; one that somebody else has
				// fetched meanwhile stays.
				h := http.Header{}
				require.NoError(t, c.Put(t.Context(), h, nil))
				assert.True(t, c.Refused(h))
				assert.Equal(t, gate.Admitted, judge(t, g, c, "x"))
				assert.Equal(t, 2, *asked)
				assert.True(t, c.Refused(h))
				assert.Equal(t, gate.Admitted, judge(t, g, c, "x"))
				assert.Equal(t, 2, *asked)
				http.DefaultClient.CloseIdleConnections()
			})
		}
	}
}

func TestTokensThatAreNotIssued(t *testing.T) {
	g := opened(t, gate.Config{Type: "oauth_client_credentials", ClientID: "a", ClientSecret: secretOf("right")})
	good, _ := tokens(t, g)
	answers := func(status int, body string) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", good)
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}))
		t.Cleanup(server.Close)
		return server.URL
	}
	for _, c := range []struct {
		url, says string
		temporary bool
	}{
		{good, "token: status 401: invalid_client", false},
		{answers(500, "wr0ng and more"), "token: status 500: Internal Server Error", true},
		{answers(429, `{"error":"slow_down"}`), "token: status 429: slow_down", true},
		{answers(400, `{"error":"x\ny"}`), "token: status 400: refused", false},
		{answers(307, ""), "token: status 307: Temporary Redirect", false},
		{answers(200, `{}`), "token: the answer is none of a token endpoint", true},
		{answers(200, `{"access_token":"a\r\nb"}`), "token: what was issued cannot stand in a header", true},
		{answers(200, `[`), "token: the answer is none of a token endpoint", true},
		{"http://127.0.0.1:1/", "connection refused", true},
	} {
		s := made(t, credential.Config{Type: "oauth_client_credentials", TokenURL: c.url, ClientID: "a", ClientSecret: secretOf("wr0ng")}, nil)
		err := s.Put(t.Context(), http.Header{}, nil)
		var e *credential.Error
		require.ErrorAs(t, err, &e, c.url)
		assert.Contains(t, err.Error(), c.says)
		assert.NotContains(t, err.Error(), "wr0ng")
		assert.Equal(t, c.temporary, e.Temporary(), c.says)
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestTheEndOfATokenIsHeeded(t *testing.T) {
	for life, want := range map[string]int{"": 1, `,"expires_in":3600`: 1, `,"expires_in":"3600"`: 1, `,"expires_in":-1`: 3} {
		asked := 0
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked++
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"access_token":"t%d","token_type":"bearer"%s}`, asked, life)
		}))
		c := made(t, credential.Config{Type: "oauth_client_credentials", TokenURL: server.URL, ClientID: "a", ClientSecret: secretOf("b")}, server.Client())
		h := http.Header{}
		for range 3 {
			require.NoError(t, c.Put(t.Context(), h, nil))
		}
		assert.Equal(t, want, asked, life)
		assert.Equal(t, fmt.Sprintf("Bearer t%d", asked), h.Get("Authorization"))
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if want == 3 {
			assert.Error(t, c.Put(ended, h, nil))
		}
		server.Close()
	}
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		cfg  credential.Config
		want string
	}{
		{credential.Config{Type: "bearer"}, "token"},
		{credential.Config{Type: "none", Token: secretOf("x")}, "token"},
		{credential.Config{Type: "basic", Username: "a:b", Password: secretOf("x")}, "username"},
		{credential.Config{Type: "header", Name: "a b", Value: secretOf("x")}, "name"},
		{credential.Config{Type: "header", Name: "content-length", Value: secretOf("x")}, "name"},
		{credential.Config{Type: "none", Headers: map[string]component.Secret{"Host": secretOf("x")}}, "headers"},
		{credential.Config{Type: "oauth_client_credentials", TokenURL: "nowhere", ClientID: "a", ClientSecret: secretOf("x")}, "token_url"},
		{credential.Config{Type: "oauth_client_credentials", TokenURL: "https://u:p@h/", ClientID: "a", ClientSecret: secretOf("x")}, "token_url"},
		{credential.Config{Type: "oauth_password", TokenURL: "http://192.0.2.1/", ClientID: "a", ClientSecret: secretOf("x"), Username: "u", Password: secretOf("p")}, "token_url"},
		{credential.Config{Type: "hmac", Name: "X-S", Secret: secretOf("zz"), SecretEncoding: "hex"}, "secret"},
		{credential.Config{Type: "hmac", Name: "X-S", Secret: secretOf("s"), Signed: "{X-T}"}, "signed"},
		{credential.Config{Type: "hmac", Name: "X-S", Secret: secretOf("s"), Signed: "{body}", Timestamp: "t="}, "signed"},
		{credential.Config{Type: "hmac", Name: "X-S", Secret: secretOf("s"), Timestamp: "="}, "timestamp"},
	} {
		var r component.Report
		c.cfg.Check(&r)
		require.Len(t, r.Findings, 1, "%+v", c.cfg)
		assert.Equal(t, c.want, r.Findings[0].Path, "%+v", c.cfg)
	}
	_, err := credential.New(&credential.Config{Type: "bearer", Token: secretOf("a\nc4n4ry")}, nil)
	require.ErrorContains(t, err, "control character")
	assert.NotContains(t, err.Error(), "c4n4ry")
	var e *credential.Error
	assert.False(t, errors.As(err, &e))
}

// Whatever a header holds, no more than four signatures of it are looked at, and reading
// what was written finds it again.
func FuzzSigning(f *testing.F) {
	f.Add("t=", "v1=", "hex", "t=1,v1=00,v0=11 t=2", []byte("sum"))
	f.Add("X-T", "v1,", "base64", "v1,Zm9v v1a,x", []byte(""))
	f.Fuzz(func(t *testing.T, timestamp, prefix, encoding, shown string, secret []byte) {
		s := credential.Scheme{Name: "S", Prefix: prefix, Encoding: encoding, Timestamp: timestamp}
		var r component.Report
		s.Check(&r)
		if len(r.Findings) > 0 {
			return
		}
		g, err := s.Open()
		if err != nil {
			return
		}
		sums, _ := g.Read(shown)
		require.LessOrEqual(t, len(sums), 4)
		if strings.Contains(prefix, ",") || strings.HasPrefix(prefix, "t=") || prefix != strings.Join(strings.Fields(prefix), "") {
			return // no header has it in one piece
		}
		sum := g.Sum(secret, []byte("body"), func(string) string { return "1800000000" })
		sums, at := g.Read(g.Write(sum, "1800000000"))
		if g.Inside && !strings.HasPrefix(prefix, g.Timestamp) {
			require.Equal(t, "1800000000", at)
			require.Contains(t, sums, sum)
		}
	})
}

func TestATimeThatStandsTwiceIsNone(t *testing.T) {
	g, err := (&credential.Scheme{Name: "S", Prefix: "v1=", Timestamp: "t="}).Open()
	require.NoError(t, err)
	_, at := g.Read("t=1,t=2,v1=00")
	assert.Empty(t, at)
	_, at = g.Read("v0=x,t=1")
	assert.Equal(t, "1", at)
	assert.Equal(t, []string(nil), g.Headers())
}
