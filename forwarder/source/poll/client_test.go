package poll

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// Credentials never travel to another host, and never change their method; within the
// host a redirect is followed.
func TestRedirects(t *testing.T) {
	elsewhere := 0
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere++ }))
	defer other.Close()
	for _, c := range []struct {
		name, to string
		status   int
		method   string
		want     string // of the error; "" when it is followed
	}{
		{"same host", "/v1/new", 308, "POST", ""},
		{"same host, GET", "/v1/new", 302, "GET", ""},
		{"same host, POST would become GET", "/v1/new", 302, "POST", "302 Found"},
		{"other host", other.URL + "/v1/new", 308, "POST", "308 Permanent Redirect to " + other.URL + ", which is not followed"},
		{"other host, GET", other.URL + "/v1/new", 302, "GET", "302 Found to " + other.URL + ", which is not followed"},
		{"other scheme", "", 302, "GET", "302 Found to https://"},
		{"for ever", "/v1/old", 302, "GET", "302 Found"},
	} {
		t.Run(c.name, func(t *testing.T) {
			arrived := 0
			var srv *httptest.Server
			srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/v1/old" {
					to := c.to
					if to == "" {
						to = strings.Replace(srv.URL, "http", "https", 1)
					}
					w.Header().Set("Location", to)
					w.WriteHeader(c.status)
					return
				}
				arrived++
				user, _, _ := r.BasicAuth()
				assert.Equal(t, "me", user)
				if text, _ := io.ReadAll(r.Body); c.status == 308 {
					assert.Equal(t, "question", string(text))
				}
			}))
			defer srv.Close()
			cl := plainClient(t, srv.URL+"/v1/", nil)
			a, err := cl.data(t.Context(), kit.Request{Method: c.method, Path: "/old", Body: []byte("question")})
			if c.want != "" {
				require.ErrorContains(t, err, c.want)
				require.ErrorAs(t, err, new(*errUnusable))
				assert.Zero(t, arrived)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, 200, a.status)
			assert.Equal(t, 1, arrived)
		})
	}
	assert.Zero(t, elsewhere)
}

// plainClient is a client over a real connection, with basic authentication.
func plainClient(t *testing.T, base string, change func(*Config)) *client {
	t.Helper()
	cfg := Defaults(kit.PollDefaults{RequestsPerMinute: 60_000})
	if change != nil {
		change(&cfg)
	}
	api := &kit.API{BaseURL: base, Sign: (&vendorAPI{}).sign}
	over := newTransport(cfg.Timeout)
	t.Cleanup(over.CloseIdleConnections)
	cl, err := newClient(api, &cfg, Options{Transport: over, Spread: func() float64 { return 0 }}, component.NoMeter{})
	require.NoError(t, err)
	return cl
}

// What is asked leaves as the vendor wrote it, behind the base.
func TestRequests(t *testing.T) {
	var got *http.Request
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { got = r; w.WriteHeader(204) }))
	defer srv.Close()
	cl := plainClient(t, srv.URL+"/base/", nil)
	_, err := cl.data(t.Context(), kit.Request{Path: "/event/a%2Fb%3Fc", Query: map[string][]string{"scope": {"farm:tenant"}},
		Header: http.Header{"accept": {"application/json"}}})
	require.NoError(t, err)
	assert.Equal(t, "GET", got.Method)
	assert.Equal(t, "/base/event/a%2Fb%3Fc?scope=farm%3Atenant", got.RequestURI)
	assert.Equal(t, "application/json", got.Header.Get("Accept"))
	for _, path := range []string{"@evil.example/", ".evil.example/", ":1/"} {
		_, err := plainClient(t, srv.URL, nil).data(t.Context(), kit.Request{Path: path})
		assert.ErrorAs(t, err, new(*errUnusable), path)
	}
}

func TestAddressesThatCannotBe(t *testing.T) {
	cfg := Defaults(kit.PollDefaults{})
	for _, base := range []string{"", "api.example.net", "ftp://x", "https://me:word@x", "https://x/?a"} {
		_, err := newClient(&kit.API{BaseURL: base}, &cfg, Options{}, component.NoMeter{})
		require.Error(t, err, base)
		assert.NotContains(t, err.Error(), "word@", base)
	}
}

// The bound of an answer is that of what it holds, not of what travels.
func TestAnswersThatInflate(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = z.Write(make([]byte, 1<<20))
		_ = z.Close()
	}))
	defer srv.Close()
	cl := plainClient(t, srv.URL, func(c *Config) { c.MaxBody = 1 << 19 })
	_, err := cl.data(t.Context(), kit.Request{Path: "/"})
	assert.ErrorContains(t, err, "is longer than 512KiB; see max_body")
	cl = plainClient(t, srv.URL, func(c *Config) { c.MaxBody = 1 << 20 })
	a, err := cl.data(t.Context(), kit.Request{Path: "/"})
	require.NoError(t, err)
	assert.Len(t, a.body, 1<<20)
}

// Errors name the host and not the URL, in whose query anything may stand.
func TestErrorsShowNoURL(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	base := srv.URL
	srv.Close()
	cl := plainClient(t, base, nil)
	_, err := cl.data(t.Context(), kit.Request{Path: "/x", Query: map[string][]string{"key": {"hunter2"}}})
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "hunter2")
	assert.Contains(t, err.Error(), "connection refused")
}

// A server that takes a connection and says nothing does not hold us for longer than
// the timeout.
func TestSilentServers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, f := range []func(int, call, http.ResponseWriter, *http.Request) bool{
			func(_ int, _ call, _ http.ResponseWriter, r *http.Request) bool { hang(r); return true },
			func(_ int, _ call, w http.ResponseWriter, r *http.Request) bool { // a head, and then nothing
				_, _ = w.Write([]byte(`{"rows":[`))
				_ = http.NewResponseController(w).Flush()
				hang(r)
				return true
			},
		} {
			b := setUp(t, &vendorAPI{fault: f}, func(c *Config) { c.Timeout = 20 * time.Second })
			began := time.Now()
			err := b.Try(t.Context())
			assert.EqualError(t, err, "api.test: no complete answer within 20s")
			assert.Equal(t, 20*time.Second, time.Since(began))
		}
	})
}

func TestTryAndLookup(t *testing.T) {
	bubble(t, func(t *testing.T) {
		api := &vendorAPI{steps: 2, life: time.Hour}
		b := setUp(t, api, nil)
		require.NoError(t, b.Try(t.Context()))
		values, err := b.Lookup(t.Context(), "echo", "a b")
		require.NoError(t, err)
		require.Len(t, values, 1)
		assert.Equal(t, `"word=a+b"`, string(values[0]))
		api.revoke()
		_, err = b.Lookup(t.Context(), "echo", "x")
		require.NoError(t, err, "a refused token is replaced")
		_, err = b.Lookup(t.Context(), "echo", "")
		assert.EqualError(t, err, "WORD is missing")
		_, err = b.Lookup(t.Context(), "nothing", "")
		assert.ErrorContains(t, err, `lookup "nothing"`)
		api.fault = status(403)
		_, err = b.Lookup(t.Context(), "echo", "x")
		assert.ErrorAs(t, err, new(*kit.Denied))
		assert.ErrorAs(t, b.Try(t.Context()), new(*kit.Denied))
	})
}
