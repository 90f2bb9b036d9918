package webhook

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/credential"
	"github.com/siemfwd/siemfwd/forwarder/sink"
	"github.com/siemfwd/siemfwd/forwarder/sink/sinktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "s3cr3t-in-the-path"

func config(url string) Config {
	c := *Spec(nil).Config().(*Config)
	c.URL = url
	return c
}

func build(t testing.TB, c Config) *Sink {
	t.Helper()
	s, err := New(&c, component.Env{Name: "hook", Log: slog.New(slog.DiscardHandler), Meter: component.NoMeter{}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// request is what a receiver saw.
type request struct {
	method, path, body string
	header             http.Header
}

// receiver answers with the given statuses, one after the other and the last for ever.
func receiver(t testing.TB, statuses ...int) (url string, seen func() []request) {
	t.Helper()
	var mu sync.Mutex
	var all []request
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		all = append(all, request{r.Method, r.URL.Path, string(body), r.Header})
		w.WriteHeader(statuses[0])
		if len(statuses) > 1 {
			statuses = statuses[1:]
		}
	}))
	t.Cleanup(s.Close)
	return s.URL, func() []request {
		mu.Lock()
		defer mu.Unlock()
		return append([]request(nil), all...)
	}
}

func TestSuite(t *testing.T) {
	for batch, payloads := range map[string]func(body []byte) [][]byte{
		single: func(body []byte) [][]byte { return [][]byte{body} },
		lines:  func(body []byte) [][]byte { return bytes.Split(bytes.TrimSuffix(body, []byte("\n")), []byte("\n")) },
		array: func(body []byte) (list [][]byte) {
			var raw []json.RawMessage
			_ = json.Unmarshal(body, &raw)
			for _, r := range raw {
				list = append(list, r)
			}
			return list
		},
	} {
		t.Run(batch, func(t *testing.T) {
			sinktest.RunHTTP(t, sinktest.HTTP{
				New: func(t *testing.T, url string) sink.Sink {
					c := config(url + "/" + secret + "?key=" + secret)
					c.Batch = batch
					c.Auth = credential.Config{Type: "basic", Username: "u", Password: component.NewSecret("pass-word-1")}
					c.Headers = map[string]component.Secret{"X-Key": component.NewSecret("header-value-1")}
					c.Sign.Secret = component.NewSecret("signing-key-1")
					return build(t, c)
				},
				Payloads: func(_ *testing.T, _ *http.Request, body []byte) [][]byte { return payloads(body) },
				Secrets:  []string{secret, "pass-word-1", "dTpwYXNzLXdvcmQtMQ==", "header-value-1", "signing-key-1"},
			})
		})
	}
}

func TestRequest(t *testing.T) {
	url, seen := receiver(t, 200)
	c := config(url + "/in")
	c.Method, c.Headers = "PUT", map[string]component.Secret{"X-Team": component.NewSecret("soc")}
	c.Sign.Secret = component.NewSecret("k")
	items := sinktest.Items(2)
	items[1].Payload = []byte("{\"a\":1},{\n\"b\": \"\xff") // text that looks like more than one event
	require.NoError(t, build(t, c).Send(t.Context(), items))
	got := seen()
	require.Len(t, got, 2)
	assert.Equal(t, "PUT /in", got[0].method+" "+got[0].path)
	assert.Equal(t, "soc", got[0].header.Get("X-Team"))
	assert.Equal(t, []string{"application/json", "text/plain; charset=utf-8"}, []string{got[0].header.Get("Content-Type"), got[1].header.Get("Content-Type")})
	for i, r := range got {
		assert.Equal(t, string(items[i].Payload), r.body)
		assert.Equal(t, string(items[i].Key), r.header.Get("Idempotency-Key"))
		at, sum, ok := strings.Cut(strings.TrimPrefix(r.header.Get("X-Siemfwd-Signature"), "t="), ",v1=")
		require.True(t, ok, r.header)
		mac := hmac.New(sha256.New, []byte("k"))
		_, _ = io.WriteString(mac, at+"."+r.body)
		assert.Equal(t, hex.EncodeToString(mac.Sum(nil)), sum)
	}
}

func TestBatches(t *testing.T) {
	items := sinktest.Items(3)
	items[1].Payload = []byte("{\"a\":1},{\n\"b\": \"\xff") // text that looks like more than one event
	for batch, want := range map[string][2]string{
		array: {"[{\"n\":0},\"{\\\"a\\\":1},{\\n\\\"b\\\": \\\"\uFFFD\",{\"n\":2}]", "application/json"},
		lines: {"{\"n\":0}\n{\"a\":1},{ \"b\": \"\xff\n{\"n\":2}\n", "application/x-ndjson"},
	} {
		url, seen := receiver(t, 200)
		c := config(url)
		c.Batch = batch
		s := build(t, c)
		require.NoError(t, s.Send(t.Context(), items))
		require.NoError(t, s.Send(t.Context(), items))
		got := seen()
		require.Len(t, got, 2)
		if batch == array {
			assert.Equal(t, strings.ReplaceAll(want[0], "\uFFFD", `\ufffd`), got[0].body)
		} else {
			assert.Equal(t, want[0], got[0].body)
		}
		assert.Equal(t, want[1], got[0].header.Get("Content-Type"))
		sum := sha256.Sum256(fmt.Appendf(nil, "%064x%064x%064x", 0, 1, 2))
		assert.Equal(t, hex.EncodeToString(sum[:]), got[0].header.Get("Idempotency-Key"))
		assert.Equal(t, got[0].header.Get("Idempotency-Key"), got[1].header.Get("Idempotency-Key"))
	}
}

// Of events with a request each, those that were taken are not sent again.
func TestSomeAreTaken(t *testing.T) {
	url, _ := receiver(t, 200, 400, 200, 503, 200)
	s := build(t, config(url))
	err := s.Send(t.Context(), sinktest.Items(5))
	var p *sink.Partial
	require.ErrorAs(t, err, &p)
	assert.Equal(t, 3, p.Done)
	require.NotNil(t, p.Rejected)
	assert.Equal(t, []int{1}, p.Rejected.Index)
	assert.ErrorContains(t, p.Err, "503")
	require.NoError(t, s.Send(t.Context(), sinktest.Items(5)[3:]))
}

func TestDisabled(t *testing.T) {
	url, seen := receiver(t, 200)
	c := config(url)
	c.Enabled = false
	s := build(t, c)
	var busy *sink.Busy
	require.ErrorAs(t, s.Send(t.Context(), sinktest.Items(1)), &busy)
	assert.ErrorContains(t, busy.Err, "enabled: false")
	assert.Empty(t, seen())
	assert.Contains(t, s.Probe(t.Context())[0].Note, "nothing was tried")
}

// A token is fetched once, fetched anew when the receiver does not take it, and never in
// an error.
func TestOAuth(t *testing.T) {
	var mu sync.Mutex
	fetched, good := 0, ""
	var forms []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if r.URL.Path == "/token" {
			body, _ := io.ReadAll(r.Body)
			forms = append(forms, string(body))
			fetched++
			good = fmt.Sprintf("token-number-%d", fetched)
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":3600}`, good)
			return
		}
		if r.Header.Get("Authorization") != "Bearer "+good {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, "not good: "+r.Header.Get("Authorization"))
		}
	}))
	t.Cleanup(s.Close)
	for _, kind := range []string{"oauth_client_credentials", "oauth_password"} {
		c := config(s.URL + "/in")
		c.Auth = credential.Config{Type: kind, TokenURL: s.URL + "/token", ClientID: "me", ClientSecret: component.NewSecret("client-secret-1")}
		if kind == "oauth_password" {
			c.Auth.Username, c.Auth.Password = "bob", component.NewSecret("pass-word-1")
		}
		to := build(t, c)
		before := fetched
		require.NoError(t, to.Send(t.Context(), sinktest.Items(3)))
		assert.Equal(t, before+1, fetched)
		mu.Lock()
		good = "another"
		mu.Unlock()
		require.NoError(t, to.Send(t.Context(), sinktest.Items(1)))
		assert.Equal(t, before+2, fetched)
		assert.Contains(t, forms[len(forms)-1], "grant_type="+strings.TrimPrefix(kind, "oauth_"))
	}
	bad := config(s.URL + "/in")
	bad.Auth = credential.Config{Type: "oauth_client_credentials", TokenURL: s.URL + "/nowhere", ClientID: "me", ClientSecret: component.NewSecret("client-secret-1")}
	err := build(t, bad).Send(t.Context(), sinktest.Items(1))
	var rejected *sink.Rejected
	require.Error(t, err)
	assert.False(t, errors.As(err, &rejected), "a token that cannot be had is nothing about the event")
	assert.NotContains(t, err.Error(), "client-secret-1")
}

func TestProbe(t *testing.T) {
	url, seen := receiver(t, 405, 401)
	s := build(t, config(url))
	p := s.Probe(t.Context())
	require.Len(t, p, 1)
	require.NoError(t, p[0].Err)
	assert.Contains(t, p[0].Note, "no event was sent")
	assert.ErrorContains(t, s.Probe(t.Context())[0].Err, "401")
	assert.Equal(t, "HEAD", seen()[0].method)
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		change func(*Config)
		want   string
	}{
		{func(c *Config) {}, ""},
		{func(c *Config) { c.URL = "${cred:url}" }, ""},
		{func(c *Config) { c.URL = "" }, "url: no receiver"},
		{func(c *Config) { c.URL = "http://example.net/x" }, "warning url: events and credentials cross the network in plain text"},
		{func(c *Config) { c.Enabled = false }, "warning enabled: nothing is sent: events wait on disk, and count against the room of their sources"},
		{func(c *Config) { c.Template, c.Batch = "{}", array }, "batch: a template is for one event"},
		{func(c *Config) { c.Template = "bad" }, "template: it is bad"},
		{func(c *Config) { c.Template, c.ContentType = "ok", "image/png" }, "content_type: it is bad"},
		{func(c *Config) { c.Batch, c.BatchEvents = array, 0 }, "batch_events: nothing could be sent"},
		{func(c *Config) { c.Batch, c.BatchSize = array, 0 }, "batch_size: nothing could be sent"},
		{func(c *Config) { c.Headers = map[string]component.Secret{"content-type": component.NewSecret("x")} }, "headers.content-type: is set by content_type"},
		{func(c *Config) { c.Headers = map[string]component.Secret{"Idempotency-Key": component.NewSecret("x")} }, "headers.Idempotency-Key: is the event's uid"},
		{func(c *Config) { c.Headers = map[string]component.Secret{"a b": component.NewSecret("x")} }, "headers: is not the name of a header"},
		{func(c *Config) { c.Headers = map[string]component.Secret{"Authorization": component.NewSecret("x")} }, ""},
		{func(c *Config) { c.Sign = Sign{component.NewSecret("x"), "a b"} }, "sign.header: is not the name of a header"},
		{func(c *Config) { c.TokenTLS.CA = "x" }, "warning token_tls: no token is fetched"},
	} {
		conf := config("https://hooks.example.net/in")
		conf.check = func(template, contentType string) (string, error) {
			switch {
			case template == "bad":
				return "text", errors.New("it is bad")
			case contentType == "image/png":
				return "content_type", errors.New("it is bad")
			}
			return "", nil
		}
		c.change(&conf)
		var r component.Report
		conf.Check(&r)
		got := ""
		for _, f := range r.Findings {
			if f.Warning {
				got += "warning "
			}
			got += f.Path + ": " + f.Text
		}
		assert.Equal(t, c.want, got)
	}
	_, err := New(&Config{}, component.Env{Meter: component.NoMeter{}})
	require.Error(t, err)
	bad := config("https://h")
	bad.Headers = map[string]component.Secret{"X-A": component.NewSecret("a\nb")}
	_, err = New(&bad, component.Env{Meter: component.NoMeter{}})
	assert.ErrorContains(t, err, "X-A")
}
