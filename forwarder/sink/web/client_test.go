package web

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/siemfwd/siemfwd/forwarder/certs"
	"github.com/siemfwd/siemfwd/forwarder/component"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "T0KEN-canary"

func client(t testing.TB, to string, c Config) *Client {
	t.Helper()
	u, err := ParseURL(to)
	require.NoError(t, err)
	cl, err := New(u, c, Options{Secrets: []string{secret}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, cl.Close()) })
	return cl
}

// serve starts a receiver.
func serve(t testing.TB, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func TestDo(t *testing.T) {
	var got *http.Request
	var body []byte
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		w.Header().Set("X-Test", "yes")
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, "fine")
	})
	c := client(t, s.URL+"/in?x=1", Defaults())
	for range 2 {
		a, err := c.Do(t.Context(), &Request{Header: http.Header{"authorization": {"Splunk " + secret}}, Body: []byte("hello")})
		require.NoError(t, err)
		assert.Equal(t, http.StatusAccepted, a.Status)
		assert.Equal(t, "fine", string(a.Body))
		assert.Equal(t, "yes", a.Header.Get("X-Test"))
		assert.False(t, a.Cut)
		assert.Equal(t, "hello", string(body))
		assert.Equal(t, "POST /in?x=1", got.Method+" "+got.RequestURI)
		assert.Equal(t, "Splunk "+secret, got.Header.Get("Authorization"))
		assert.Equal(t, "siemfwd", got.UserAgent())
		assert.EqualValues(t, 5, got.ContentLength)
	}
	other, _ := url.Parse(s.URL + "/health")
	_, err := c.Do(t.Context(), &Request{Method: http.MethodGet, URL: other})
	require.NoError(t, err)
	assert.Equal(t, "GET /health", got.Method+" "+got.RequestURI)

	elsewhere, _ := url.Parse("http://192.0.2.1/" + secret)
	_, err = c.Do(t.Context(), &Request{URL: elsewhere})
	assert.EqualError(t, err, s.URL+": the request is for another host")
}

func TestGzipBodies(t *testing.T) {
	var g Gzip
	for _, text := range []string{"", "a", strings.Repeat("event ", 10000), "the last"} {
		r, err := gzip.NewReader(bytes.NewReader(g.Compress([]byte(text))))
		require.NoError(t, err)
		got, err := io.ReadAll(r)
		require.NoError(t, err)
		assert.Equal(t, text, string(got))
	}
}

func TestLongAnswersAreCut(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(bytes.Repeat([]byte("x"), 1<<20))
	})
	a, err := client(t, s.URL, Defaults()).Do(t.Context(), &Request{})
	require.NoError(t, err)
	assert.Len(t, a.Body, 64<<10)
	assert.True(t, a.Cut)
}

// An answer whose head has come is one: its status says what became of the request.
func TestAnswersThatEndEarlyAreCut(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, `{"code":0`)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	a, err := client(t, s.URL, Defaults()).Do(t.Context(), &Request{})
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, a.Status)
	assert.Equal(t, `{"code":0`, string(a.Body))
	assert.True(t, a.Cut)
}

// Every failure reads the same each time, names the receiver, and has neither the
// path, which may be a secret, nor a port of ours.
func TestFailures(t *testing.T) {
	hangUp := serve(t, func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) })
	garbage := raw(t, "garbage\r\n\r\n")
	encrypted := serveTLS(t, http.NotFound)
	closed := serve(t, nil)
	closed.Close()
	for name, c := range map[string]struct {
		url, want string
		unsent    bool
	}{
		"refused":      {closed.URL, "dial: connection refused", true},
		"hung up":      {hangUp.URL, "the connection ended without an answer", false},
		"no HTTP":      {garbage, "malformed HTTP response", false},
		"no TLS":       {strings.Replace(hangUp.URL, "http:", "https:", 1), "the receiver does not speak TLS", true},
		"unknown CA":   {encrypted.URL, "certificate signed by unknown authority", true},
		"no such name": {"http://siemfwd.invalid", "lookup siemfwd.invalid", true},
	} {
		t.Run(name, func(t *testing.T) {
			conf := Defaults()
			conf.Proxy = noProxy
			cl := client(t, c.url+"/"+secret+"?token="+secret, conf)
			first := ""
			for range 2 {
				_, err := cl.Do(t.Context(), &Request{Body: []byte("x")})
				require.ErrorContains(t, err, c.want)
				assert.Equal(t, c.unsent, errors.Is(err, ErrUnsent))
				assert.True(t, strings.HasPrefix(err.Error(), c.url+": "), err)
				for _, verb := range []string{"%v", "%+v", "%q", "%#v"} {
					assert.NotContains(t, fmt.Sprintf(verb, err), secret)
				}
				if first == "" {
					first = err.Error()
				}
				assert.Equal(t, first, err.Error())
			}
		})
	}
}

func serveTLS(t testing.TB, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // of the handshakes that must fail
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// raw is a server that answers every connection with the same octets.
func raw(t testing.TB, answer string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 4096))
			_, _ = io.WriteString(c, answer)
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return "http://" + l.Addr().String()
}

func TestTimeAndCancellation(t *testing.T) {
	arrived, release := make(chan struct{}, 8), make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		arrived <- struct{}{}
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	defer close(release)
	c := Defaults()
	c.Timeout = 50 * time.Millisecond
	_, err := client(t, s.URL+"/"+secret, c).Do(t.Context(), &Request{})
	assert.EqualError(t, err, s.URL+": no answer within 50ms")
	<-arrived

	cl := client(t, s.URL, Defaults())
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	_, err = cl.Do(ctx, &Request{})
	assert.ErrorIs(t, err, context.Canceled)

	go func() { <-arrived; _ = cl.Close() }()
	_, err = cl.Do(t.Context(), &Request{})
	assert.ErrorIs(t, err, net.ErrClosed)
	_, err = cl.Do(t.Context(), &Request{})
	assert.ErrorIs(t, err, net.ErrClosed)
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	followed := false
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		followed = followed || r.URL.Path == "/other"
		http.Redirect(w, r, "/other", http.StatusTemporaryRedirect)
	})
	c := client(t, s.URL+"/in", Defaults())
	a, err := c.Do(t.Context(), &Request{Body: []byte("x")})
	require.NoError(t, err)
	assert.EqualError(t, c.Judge(a), s.URL+": 307 Temporary Redirect, which is not followed")
	assert.False(t, followed)
}

func TestProxy(t *testing.T) {
	asked := ""
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { asked = r.URL.String() })
	c := Defaults()
	c.Proxy = s.URL
	_, err := client(t, "http://siemfwd.invalid/in", c).Do(t.Context(), &Request{})
	require.NoError(t, err)
	assert.Equal(t, "http://siemfwd.invalid/in", asked)
	c.Proxy = noProxy
	_, err = client(t, "http://siemfwd.invalid/in", c).Do(t.Context(), &Request{})
	assert.Error(t, err)
}

// The authority's file and the fingerprint are read for every connection that is new.
func TestTLS(t *testing.T) {
	s := serveTLS(t, func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Connection", "close") })
	ca := filepath.Join(t.TempDir(), "ca.pem")
	c := Defaults()
	c.TLS.CA = ca
	cl := client(t, s.URL, c)
	_, err := cl.Do(t.Context(), &Request{})
	assert.ErrorContains(t, err, "tls.ca: open "+ca)
	require.NoError(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600))
	_, err = cl.Do(t.Context(), &Request{})
	require.NoError(t, err)

	sum := sha256.Sum256(s.Certificate().Raw)
	c.TLS = certs.Client{Fingerprints: []string{hex.EncodeToString(sum[:])}}
	_, err = client(t, s.URL, c).Do(t.Context(), &Request{})
	require.NoError(t, err)
	c.TLS.Fingerprints[0] = strings.Repeat("00:", 31) + "00"
	_, err = client(t, s.URL, c).Do(t.Context(), &Request{})
	assert.ErrorContains(t, err, "it has "+hex.EncodeToString(sum[:]))
	var none *tls.CertificateVerificationError
	assert.NotErrorAs(t, err, &none)
}

func TestCheckURL(t *testing.T) {
	for text, want := range map[string]string{
		"https://splunk.example.net:8088": "", "http://127.0.0.1:8088/x?y": "", "http://localhost": "", "${env:URL}": "",
		"http://splunk.example.net": "events and credentials cross the network in plain text",
		"":                          "no receiver", "splunk.example.net:8088": "it does not begin with https:// or http://",
		"ftp://x": "it does not begin with https:// or http://", "https://": "it names no host", "https://u:p@x": "user and password do not belong into the address",
		"https://x/#a": "a fragment (#…) is never sent", "https://x:a": "it is no URL", "http://[::1]:1": "",
	} {
		var r component.Report
		CheckURL(&r, "url", text, "hint")
		got := ""
		for _, f := range r.Findings {
			got += f.Text
		}
		assert.Equal(t, want, got, text)
	}
}

func TestCheck(t *testing.T) {
	for want, c := range map[string]Config{
		"":          {Timeout: 1},
		"timeout":   {},
		"proxy":     {Timeout: 1, Proxy: "proxy:3128"},
		"tls":       {Timeout: 1, TLS: certs.Client{CA: "x"}},
		"proxy tls": {Timeout: 1, Proxy: "ftp://x", TLS: certs.Client{CA: "x"}},
	} {
		var r component.Report
		c.Check(&r)
		c.CheckTLS(&r, "http://x")
		var got []string
		for _, f := range r.Findings {
			got = append(got, f.Path)
		}
		assert.Equal(t, want, strings.Join(got, " "))
	}
	for _, proxy := range []string{"none", "http://u:p@proxy:3128", "${env:PROXY}", "socks5://x:1080"} {
		var r component.Report
		c := Config{Timeout: 1, Proxy: proxy, TLS: certs.Client{CA: "x"}}
		c.Check(&r)
		c.CheckTLS(&r, "http://x", "https://x")
		assert.Empty(t, r.Findings)
	}
}
