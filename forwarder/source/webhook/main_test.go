package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/siemfwd/siemfwd/forwarder/certs"
	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(daemonDir); dir != "" {
		daemon(dir, os.Getenv(daemonAddr))
	}
	goleak.VerifyTestMain(m)
}

// memory is a source.Log that keeps everything.
type memory struct {
	mu      sync.Mutex
	events  []event.Raw
	seen    map[event.Key]bool
	dupes   int
	refused []string
	reasons []string
	ready   chan struct{}

	emit func(ctx context.Context) error // before anything is kept
	full func() bool
}

func newMemory() *memory {
	return &memory{seen: map[event.Key]bool{}, ready: make(chan struct{}, 16), full: func() bool { return true }}
}

func (m *memory) Emit(ctx context.Context, b *event.Batch) error {
	if m.emit != nil {
		if err := m.emit(ctx); err != nil {
			return err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range b.Len() {
		r := b.At(i)
		if r.Key != (event.Key{}) {
			if m.seen[r.Key] {
				m.dupes++
				continue
			}
			m.seen[r.Key] = true
		}
		r.Data = bytes.Clone(r.Data)
		m.events = append(m.events, r)
	}
	return nil
}

func (m *memory) Refuse(_ context.Context, raw event.Raw, reason string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refused = append(m.refused, string(raw.Data))
	m.reasons = append(m.reasons, reason)
}

func (m *memory) Mark(string) []byte  { return nil }
func (m *memory) Ready()              { m.ready <- struct{}{} }
func (m *memory) Keep() time.Duration { return time.Hour }
func (m *memory) Full() bool          { return m.full() }

func (m *memory) texts() (out []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.events {
		out = append(out, string(e.Data))
	}
	return out
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

// all returns the lines but those that say where it listens.
func (l *lines) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := strings.FieldsFunc(l.buf.String(), func(r rune) bool { return r == '\n' })
	return slices.DeleteFunc(all, func(s string) bool { return strings.Contains(s, "msg=listening ") })
}

func (l *lines) with(words string) (n int) {
	for _, s := range l.all() {
		if strings.Contains(s, words) {
			n++
		}
	}
	return n
}

// counts is a component.Meter.
type counts struct {
	mu  sync.Mutex
	n   map[string]uint64
	now map[string]float64 // gauges
}

func (c *counts) Add(name string, n uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n[name] += n
}

func (c *counts) Set(name string, v float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now == nil {
		c.now = map[string]float64{}
	}
	c.now[name] = v
}

func (c *counts) gauge(name string) float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now[name]
}

func (c *counts) get(name string) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n[name]
}

// running is a webhook that runs.
type running struct {
	*memory
	t      testing.TB
	source *Source
	addr   string
	url    string
	log    *lines
	meter  *counts
	stop   context.CancelFunc
	ended  chan error
	client *http.Client
	tls    *tls.Config // of client
}

// states are the folders of tests: sources of one test share theirs, as they would over
// a restart.
var states sync.Map

func stateOf(t testing.TB) string {
	dir, known := states.Load(t.Name())
	if !known {
		dir, _ = states.LoadOrStore(t.Name(), t.TempDir())
		t.Cleanup(func() { states.Delete(t.Name()) })
	}
	return dir.(string)
}

func (r *running) wait() error {
	select {
	case err := <-r.ended:
		r.ended <- err
		return err
	case <-time.After(20 * time.Second):
		r.t.Fatal("Run did not return")
		return nil
	}
}

// start runs a webhook until the test ends. change may alter its configuration.
func start(t testing.TB, h *Hub, hook *kit.Hook, change func(*Config)) *running {
	cfg := Defaults()
	cfg.Listen, cfg.Path = "127.0.0.1:0", "/hook"
	cfg.Auth = Auth{Type: "bearer", Token: component.NewSecret("t0ken")}
	if change != nil {
		change(&cfg)
	}
	r := &running{memory: newMemory(), t: t, log: &lines{}, meter: &counts{n: map[string]uint64{}}, ended: make(chan error, 1)}
	env := component.Env{Name: "hooks" + cfg.Path, Log: slog.New(slog.NewTextHandler(r.log, nil)), Meter: r.meter}
	if cfg.Auth.IssuesTokens() {
		env.State = stateOf(t)
	}
	s, err := h.New(&cfg, hook, env)
	require.NoError(t, err)
	r.source = s.(*Source)
	transport := &http.Transport{MaxIdleConnsPerHost: 128, TLSClientConfig: &tls.Config{}}
	r.tls = transport.TLSClientConfig
	r.client = &http.Client{Transport: transport, Timeout: 20 * time.Second}
	r.run(t)
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		r.stop()
		_ = r.wait()
	})
	return r
}

func (r *running) run(t testing.TB) {
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = cancel
	r.ended = make(chan error, 1)
	ended := r.ended
	go func() { ended <- r.source.Run(ctx, r.memory) }()
	select {
	case <-r.ready:
	case err := <-ended:
		cancel()
		require.NoError(t, err)
		t.Fatal("Run ended")
	}
	at := r.source.Addrs()[0]
	_, r.addr, _ = strings.Cut(at, "://")
	r.url = at + r.source.cfg.Path
}

// reply is an answer, read.
type reply struct {
	status int
	header http.Header
	body   string
}

func (r *running) post(body string, headers ...string) reply {
	return r.do(http.MethodPost, r.url, body, headers...)
}

// do makes a request; headers are names and values in turn.
func (r *running) do(method, url, body string, headers ...string) reply {
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	require.NoError(r.t, err)
	req.Header.Set("Authorization", "Bearer t0ken")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
		if headers[i+1] == "" {
			req.Header.Del(headers[i])
		}
	}
	res, err := r.client.Do(req)
	require.NoError(r.t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(r.t, err)
	return reply{res.StatusCode, res.Header, string(text)}
}

func dial(t testing.TB, addr string) net.Conn {
	c, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	require.NoError(t, c.SetDeadline(time.Now().Add(20*time.Second)))
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestConfigCheck(t *testing.T) {
	good := Config{Listen: "127.0.0.1:8443", Path: "/a/b/", Auth: Auth{Type: "none"}}
	for name, c := range map[string]struct {
		change   func(*Config)
		findings []string
	}{
		"good":               {func(*Config) {}, nil},
		"localhost":          {func(c *Config) { c.Listen = "localhost:1" }, nil},
		"IPv6 loopback":      {func(c *Config) { c.Listen = "[::1]:1" }, nil},
		"root":               {func(c *Config) { c.Path = "/" }, nil},
		"all addresses":      {func(c *Config) { c.Listen = ":8443" }, []string{"warning listen"}},
		"other address":      {func(c *Config) { c.Listen = "192.0.2.1:8443" }, []string{"warning listen"}},
		"no port":            {func(c *Config) { c.Listen = "127.0.0.1" }, []string{"listen"}},
		"port word":          {func(c *Config) { c.Listen = "127.0.0.1:https" }, []string{"listen"}},
		"port 0":             {func(c *Config) { c.Listen = "127.0.0.1:0" }, []string{"warning listen"}},
		"path":               {func(c *Config) { c.Path = "hooks" }, []string{"path"}},
		"query":              {func(c *Config) { c.Path = "/hooks?x=1" }, []string{"path"}},
		"dots":               {func(c *Config) { c.Path = "/a/../b" }, []string{"path"}},
		"slashes":            {func(c *Config) { c.Path = "//a" }, []string{"path"}},
		"sizes":              {func(c *Config) { c.MaxBody, c.MaxInflated = -1, 1<<40 }, []string{"max_body", "max_inflated"}},
		"inflated less":      {func(c *Config) { c.MaxBody, c.MaxInflated = 2<<20, 1<<20 }, []string{"max_inflated"}},
		"no type":            {func(c *Config) { c.Auth.Type = "" }, []string{"auth.type"}},
		"no token":           {func(c *Config) { c.Auth.Type = "bearer" }, []string{"auth.token"}},
		"no password":        {func(c *Config) { c.Auth = Auth{Type: "basic", Username: "a:b"} }, []string{"auth.password", "auth.username"}},
		"no header":          {func(c *Config) { c.Auth = Auth{Type: "header"} }, []string{"auth.name", "auth.value"}},
		"header name":        {func(c *Config) { c.Auth = Auth{Type: "header", Name: "X Key", Value: component.NewSecret("x")} }, []string{"auth.name"}},
		"all addresses, tls": {func(c *Config) { c.Listen, c.TLS = ":8443", certs.Files{Cert: "c", Key: "k"} }, nil},
		"tls without key":    {func(c *Config) { c.TLS.Cert = "c" }, []string{"tls.key"}},
		"tokens without tls": {func(c *Config) { clientAuth(c); c.Listen = ":8443" }, []string{"warning listen"}},
		"path of tokens":     {func(c *Config) { clientAuth(c); c.Path = "/oauth/token" }, []string{"path"}},
		"path of no tokens":  {func(c *Config) { c.Path = "/oauth/token" }, nil},
		"not expanded":       {func(c *Config) { c.Listen, c.Path, c.Dedupe = "${env:A}", "${cred:p}", "${env:B}" }, nil},
		"dedupe":             {func(c *Config) { c.Dedupe = "X Id" }, []string{"dedupe"}},
		"every proxy":        {func(c *Config) { c.Proxies = []netip.Prefix{netip.MustParsePrefix("::/0")} }, []string{"proxies[0]"}},
		"another's keys":     {func(c *Config) { c.Auth.Token = component.NewSecret("x") }, []string{"auth.token"}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := good
			c.change(&cfg)
			var r, a, f component.Report
			cfg.Check(&r)
			cfg.Auth.Check(&a)
			cfg.TLS.Check(&f)
			var got []string
			for _, f := range r.Findings {
				where := f.Path
				if f.Warning {
					where = "warning " + where
				}
				got = append(got, where)
				assert.NotContains(t, f.Text, "<secret>")
			}
			for _, f := range a.Findings {
				got = append(got, "auth."+f.Path)
			}
			for _, f := range f.Findings {
				got = append(got, "tls."+f.Path)
			}
			assert.Equal(t, c.findings, got)
			_, err := NewHub().New(&cfg, nil, component.Env{})
			wrong := len(got) > 0 && !strings.HasPrefix(got[0], "warning")
			assert.Equal(t, wrong, err != nil)
		})
	}
	s := Spec()
	assert.Equal(t, "webhook", s.Name)
	_, err := s.Build(s.Config(), component.Env{})
	assert.ErrorIs(t, err, errNoHub)
	var none *Hub
	_, err = none.New(&good, nil, component.Env{})
	assert.True(t, errors.Is(err, errNoHub))
}
