package webhook

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/parsers/datatheorem"
)

// free is an address nobody listens on.
func free(t testing.TB) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	return ln.Addr().String()
}

func TestWebhooksShareAListener(t *testing.T) {
	h, addr := NewHub(), free(t)
	at := func(path, token string) func(*Config) {
		return func(c *Config) {
			c.Listen, c.Path = addr, path
			c.Auth.Token = component.NewSecret(token)
		}
	}
	a := start(t, h, nil, at("/a", "t0ken"))
	b := start(t, h, nil, at("/b", "other"))
	assert.Equal(t, a.addr, b.addr)
	assert.Equal(t, 200, a.post("to a").status)
	assert.Equal(t, 401, b.post("x").status, "each has its own credential")
	assert.Equal(t, 200, b.post("to b", "Authorization", "Bearer other").status)
	assert.Equal(t, []string{"to a"}, a.texts())
	assert.Equal(t, []string{"to b"}, b.texts())

	cfg := Defaults()
	at("/a", "third")(&cfg)
	cfg.Auth.Type = "bearer"
	c, err := h.New(&cfg, nil, component.Env{Name: "third"})
	require.NoError(t, err)
	err = c.Run(t.Context(), newMemory())
	require.ErrorContains(t, err, "taken by hooks/a")
	assert.NotContains(t, err.Error(), `"/a"`)

	a.stop()
	require.NoError(t, a.wait())
	assert.Empty(t, a.source.Addrs())
	got := a.post("late")
	assert.Equal(t, 503, got.status, "a source that is being replaced comes back")
	assert.NotEmpty(t, got.header.Get("Retry-After"))
	assert.Equal(t, 200, b.post("on", "Authorization", "Bearer other").status)
	a.run(t)
	assert.Equal(t, 200, a.post("again").status)

	a.stop()
	b.stop()
	require.NoError(t, a.wait())
	require.NoError(t, b.wait())
	_, err = net.Dial("tcp", addr)
	assert.Error(t, err, "the last one closes the port")
	b.run(t)
	a.client.CloseIdleConnections()
	assert.Equal(t, 404, a.post("x").status)
}

func TestAddressInUse(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	cfg := Config{Listen: ln.Addr().String(), Path: "/", Auth: Auth{Type: "none"}}
	h := NewHub()
	s, err := h.New(&cfg, nil, component.Env{})
	require.NoError(t, err)
	require.Error(t, s.Run(t.Context(), newMemory()))
	require.NoError(t, ln.Close())
	ctx, cancel := context.WithCancel(t.Context())
	m := newMemory()
	done := make(chan error)
	go func() { done <- s.Run(ctx, m) }()
	<-m.ready
	cancel()
	require.NoError(t, <-done)
}

// A listener that breaks ends the Runs of all its webhooks, and the next Run opens it anew.
func TestBrokenListener(t *testing.T) {
	h, addr := NewHub(), free(t)
	a := start(t, h, nil, func(c *Config) { c.Listen, c.Path = addr, "/a" })
	b := start(t, h, nil, func(c *Config) { c.Listen, c.Path = addr, "/b" })
	h.mu.Lock()
	l := h.open[addr]
	h.mu.Unlock()
	require.NoError(t, l.conns.Listener.Close())
	require.Error(t, a.wait())
	a.run(t)
	require.Error(t, b.wait())
	b.run(t)
	a.client.CloseIdleConnections()
	b.client.CloseIdleConnections()
	assert.Equal(t, 200, a.post("x").status)
	assert.Equal(t, 200, b.post("x").status)
}

// 64 senders at once: nothing that was answered with 2xx is missing, nothing is twice.
func TestManySenders(t *testing.T) {
	const senders, each = 64, 20
	r := start(t, NewHub(), datatheorem.Vendor.Hook, nil)
	var n atomic.Int64
	r.emit = func(context.Context) error {
		if n.Add(1)%7 == 0 {
			return errors.New("no")
		}
		return nil
	}
	var good, bad atomic.Int64
	var all sync.WaitGroup
	for s := range senders {
		all.Go(func() {
			for i := range each {
				body, headers := envelope(s*each+i), []string(nil)
				if i%10 == 0 {
					body, headers = zip(t, body), []string{"Content-Encoding", "gzip"}
				}
				for {
					got := r.post(body, headers...)
					if got.status == 200 {
						good.Add(1)
						break
					}
					if !assert.Equal(t, 503, got.status) {
						return
					}
					bad.Add(1)
				}
			}
		})
	}
	all.Wait()
	assert.EqualValues(t, senders*each, good.Load())
	assert.NotZero(t, bad.Load())
	texts := r.texts()
	require.Len(t, texts, senders*each)
	seen := map[string]bool{}
	for _, s := range texts {
		seen[s] = true
	}
	for i := range senders * each {
		assert.True(t, seen[envelope(i)])
	}
	assert.Zero(t, r.dupes)
}

// Requests in hand when a source ends are answered.
func TestEndsGracefully(t *testing.T) {
	h := NewHub()
	r := start(t, h, nil, nil)
	entered, release := make(chan struct{}), make(chan struct{})
	r.emit = func(context.Context) error { close(entered); <-release; return nil }
	got := make(chan reply, 1)
	go func() { got <- r.post("in hand") }()
	<-entered
	r.stop()
	assert.Eventually(t, func() bool { return len(r.source.Addrs()) == 0 }, 10*time.Second, time.Millisecond)
	select {
	case err := <-r.ended:
		t.Fatalf("Run returned %v with a request in hand", err)
	default:
	}
	close(release)
	assert.Equal(t, 200, (<-got).status)
	require.NoError(t, r.wait())
	assert.Equal(t, []string{"in hand"}, r.texts())
}

// Those that cannot be answered in time are given up: the one on its way to the disk
// and the one that is still being sent.
func TestEndsInTime(t *testing.T) {
	h := NewHub()
	h.limits.drain = 50 * time.Millisecond
	r := start(t, h, nil, nil)
	entered := make(chan struct{})
	r.emit = func(ctx context.Context) error { close(entered); <-ctx.Done(); return ctx.Err() }
	got := make(chan reply, 1)
	go func() { got <- r.post("never durable") }()
	<-entered
	c := dial(t, r.addr)
	_, err := io.WriteString(c, "POST /hook HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t0ken\r\nContent-Length: 100\r\n\r\nhalf")
	require.NoError(t, err)
	h.mu.Lock()
	l := h.open["127.0.0.1:0"]
	h.mu.Unlock()
	rt := l.routes["/hook"]
	assert.Eventually(t, func() bool {
		rt.mu.Lock()
		defer rt.mu.Unlock()
		return len(rt.inHand) == 2
	}, 10*time.Second, time.Millisecond)
	r.stop()
	require.NoError(t, r.wait())
	assert.Equal(t, 503, (<-got).status)
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	assert.Equal(t, 503, res.StatusCode)
	assert.True(t, res.Close)
	assert.Empty(t, r.texts())
}

// Senders that take their time do not keep a connection.
func TestSlowSendersAreClosed(t *testing.T) {
	h := NewHub()
	h.limits.header, h.limits.request, h.limits.idle = 500*time.Millisecond, time.Second, 500*time.Millisecond
	r := start(t, h, nil, nil)
	t.Run("all", func(t *testing.T) {
		for name, c := range map[string]struct{ sent, answer string }{
			"says nothing":  {"", ""},
			"half a header": {"POST /hook HTTP/1.1\r\nHost: x\r\nX-", "HTTP/1.1 400 Bad Request"},
			"half a body":   {"POST /hook HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t0ken\r\nContent-Length: 100\r\n\r\nhalf", "HTTP/1.1 408 Request Timeout"},
			"idle":          {"POST /hook HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t0ken\r\nContent-Length: 1\r\n\r\nx", "HTTP/1.1 200 OK"},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				conn := dial(t, r.addr)
				_, err := io.WriteString(conn, c.sent)
				require.NoError(t, err)
				all, err := io.ReadAll(conn) // ends when the listener closes
				require.NoError(t, err)
				line, _, _ := strings.Cut(string(all), "\r\n")
				assert.Equal(t, c.answer, line)
			})
		}
	})
	assert.Equal(t, 200, r.post("x").status)
	assert.Len(t, r.texts(), 2)
}

func TestLongHeaderIsRefused(t *testing.T) {
	r := start(t, NewHub(), nil, nil)
	c := dial(t, r.addr)
	// Whether the sender sees the 431 depends on what it has sent by then.
	_, _ = io.WriteString(c, "POST /hook HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t0ken\r\nX-Long: "+strings.Repeat("a", 32<<10)+"\r\nContent-Length: 1\r\n\r\nx")
	all, _ := io.ReadAll(c)
	assert.NotContains(t, string(all), " 200 ")
	assert.Equal(t, 200, r.post("y", "X-Long", strings.Repeat("a", 8<<10)).status)
	assert.Equal(t, []string{"y"}, r.texts())
}

// A sender that goes away leaves no event, and no line in the log.
func TestSenderGoesAway(t *testing.T) {
	r := start(t, NewHub(), nil, nil)
	for range 3 {
		c := dial(t, r.addr)
		_, err := io.WriteString(c, "POST /hook HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t0ken\r\nContent-Length: 100\r\n\r\nhalf")
		require.NoError(t, err)
		require.NoError(t, c.Close())
	}
	assert.Eventually(t, func() bool { return r.meter.get("webhook_broken") == 3 }, 10*time.Second, time.Millisecond)
	assert.Empty(t, r.texts())
	assert.Empty(t, r.log.all())
}

func TestConnectionsAreBounded(t *testing.T) {
	h := NewHub()
	h.limits.connections = 4
	r := start(t, h, nil, nil)
	request := "POST /hook HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t0ken\r\nContent-Length: 1\r\n\r\nx"
	var open []net.Conn
	for range 4 {
		c := dial(t, r.addr)
		_, err := io.WriteString(c, request[:20])
		require.NoError(t, err)
		open = append(open, c)
	}
	assert.Eventually(t, func() bool { return r.log.with("as many as allowed") == 1 }, 10*time.Second, time.Millisecond)
	fifth := dial(t, r.addr)
	_, err := io.WriteString(fifth, request)
	require.NoError(t, err)
	assert.Empty(t, r.texts(), "the fifth waits")

	_, err = io.WriteString(open[0], request[20:])
	require.NoError(t, err)
	res, err := http.ReadResponse(bufio.NewReader(open[0]), nil)
	require.NoError(t, err)
	assert.Equal(t, 200, res.StatusCode)
	assert.True(t, res.Close, "the place is not kept for a next request")
	res, err = http.ReadResponse(bufio.NewReader(fifth), nil)
	require.NoError(t, err)
	assert.Equal(t, 200, res.StatusCode)
	assert.Len(t, r.texts(), 2)
}

// The memory for long bodies is bounded; senders beyond it are told to come back.
func TestBodiesAreBounded(t *testing.T) {
	h := NewHub()
	h.limits.bodies = 3 << 20
	r := start(t, h, nil, nil)
	long := strings.Repeat("a", 1<<20)
	assert.Equal(t, 200, r.post(long).status)
	got := r.post(strings.Repeat("a", 3<<20))
	assert.Equal(t, 503, got.status)
	assert.NotEmpty(t, got.header.Get("Retry-After"))
	for range 5 {
		assert.Equal(t, 200, r.post(long).status, "what was taken is given back")
	}
}

func TestQuiet(t *testing.T) {
	r := start(t, NewHub(), nil, nil)
	assert.Equal(t, 200, r.post("x").status) // who is right, too, may be wrong often
	for i := range 20 {
		assert.Equal(t, 401, r.post("x", "Authorization", fmt.Sprint("Bearer ", i)).status)
		assert.Equal(t, 405, r.do("GET", r.url, "").status)
	}
	assert.Len(t, r.log.all(), 2)
	r.stop()
	require.NoError(t, r.wait())
	assert.Equal(t, 2, r.log.with("more=19"))
	assert.Equal(t, uint64(20), r.meter.get("webhook_denied"))
}
