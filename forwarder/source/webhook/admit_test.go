package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/parsers/generic"
)

// A signature is that of the body as it was sent, also when that is packed.
func TestSignedBodies(t *testing.T) {
	r := start(t, NewHub(), nil, func(c *Config) {
		c.Auth = Auth{Type: "hmac", Name: "X-Hub-Signature-256", Prefix: "sha256=", Secret: component.NewSecret("s")}
		c.MaxBody = 1000
	})
	sign := func(body string) string {
		h := hmac.New(sha256.New, []byte("s"))
		h.Write([]byte(body))
		return "sha256=" + hex.EncodeToString(h.Sum(nil))
	}
	const body = `{"a":1}`
	packed := zip(t, body)
	for _, c := range []struct {
		body      string
		headers   []string
		status    int
		challenge string
	}{
		{body, []string{"X-Hub-Signature-256", sign(body)}, 200, ""},
		{packed, []string{"X-Hub-Signature-256", sign(packed), "Content-Encoding", "gzip"}, 200, ""},
		{packed, []string{"X-Hub-Signature-256", sign(body), "Content-Encoding", "gzip"}, 401, `HMAC-SHA256 realm="hooks/hook"`},
		{body + " ", []string{"X-Hub-Signature-256", sign(body)}, 401, `HMAC-SHA256 realm="hooks/hook"`},
		{body, nil, 401, `HMAC-SHA256 realm="hooks/hook"`},
		{body, []string{"X-Hub-Signature-256", sign(body)[:40]}, 401, `HMAC-SHA256 realm="hooks/hook"`},
		{strings.Repeat("x", 1001), []string{"X-Hub-Signature-256", sign(body)}, 413, ""},
	} {
		got := r.post(c.body, append([]string{"Authorization", ""}, c.headers...)...)
		assert.Equal(t, c.status, got.status)
		assert.Equal(t, c.challenge, got.header.Get("WWW-Authenticate"))
	}
	assert.Equal(t, []string{body, body}, r.texts())
	assert.Empty(t, r.refused, "who has not signed leaves nothing")
}

func TestGuessesAreLimited(t *testing.T) {
	r := start(t, NewHub(), generic.HEC().Hook, nil)
	statuses := map[int]int{}
	for range 30 {
		got := r.post(`{"event":"x"}`, "Authorization", "Splunk wrong")
		statuses[got.status]++
		if got.status == 429 {
			assert.Equal(t, "6", got.header.Get("Retry-After"))
			assert.Empty(t, got.header.Get("WWW-Authenticate"))
		}
	}
	assert.Equal(t, map[int]int{403: 10, 429: 20}, statuses)
	assert.Equal(t, 429, r.post(`{"event":"x"}`).status)
	assert.Equal(t, 1, r.log.with("too many wrong credentials"))
	assert.Empty(t, r.texts())
}

func TestHeadersBesides(t *testing.T) {
	r := start(t, NewHub(), nil, func(c *Config) {
		c.Auth.Headers = map[string]component.Secret{"x-webhook-key": component.NewSecret("k")}
	})
	assert.Equal(t, 401, r.post("x").status)
	assert.Equal(t, 401, r.post("x", "X-Webhook-Key", "K").status)
	assert.Equal(t, 401, r.post("x", "X-Webhook-Key", "k", "Authorization", "Bearer x").status)
	assert.Equal(t, 200, r.post("x", "X-Webhook-Key", "k").status)
}

func TestAnotherMethod(t *testing.T) {
	r := start(t, NewHub(), nil, func(c *Config) { c.Method = "PUT" })
	assert.Equal(t, 200, r.do("PUT", r.url, "x").status)
	got := r.do("POST", r.url, "y")
	assert.Equal(t, 405, got.status)
	assert.Equal(t, "PUT", got.header.Get("Allow"))
	assert.Equal(t, []string{"x"}, r.texts())
}

func TestProbes(t *testing.T) {
	r := start(t, NewHub(), nil, func(c *Config) { c.Probes = true })
	for _, method := range []string{"GET", "HEAD"} {
		got := r.do(method, r.url, "", "Authorization", "")
		assert.Equal(t, 200, got.status)
		assert.Empty(t, got.body)
	}
	assert.Equal(t, 405, r.do("PUT", r.url, "").status)
	assert.Empty(t, r.texts())
}

func TestSender(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8"), netip.MustParsePrefix("127.0.0.0/8")}
	for _, c := range []struct {
		peer  string
		named []string
		want  string
	}{
		{"192.0.2.1:7", []string{"198.51.100.1"}, "192.0.2.1:7"}, // not a proxy
		{"10.0.0.1:7", nil, "10.0.0.1:7"},
		{"10.0.0.1:7", []string{""}, "10.0.0.1:7"},
		{"[::ffff:10.0.0.1]:7", []string{"192.0.2.1"}, "192.0.2.1:0"},
		{"10.0.0.1:7", []string{"203.0.113.9, 192.0.2.1"}, "192.0.2.1:0"}, // the first may be invented
		{"10.0.0.1:7", []string{"203.0.113.9", "192.0.2.1 ,10.1.1.1"}, "192.0.2.1:0"},
		{"10.0.0.1:7", []string{"10.0.0.2, fd00::1"}, "10.0.0.2:0"},
		{"10.0.0.1:7", []string{"192.0.2.1, unknown"}, "10.0.0.1:7"},
		{"10.0.0.1:7", []string{"192.0.2.1, unknown, 10.0.0.9"}, "10.0.0.9:0"},
		{"127.0.0.1:7", []string{"[2001:db8::1]"}, "[2001:db8::1]:0"},
		{"127.0.0.1:7", []string{"[2001:db8::1]:443"}, "[2001:db8::1]:0"},
		{"127.0.0.1:7", []string{"192.0.2.1:443"}, "192.0.2.1:0"},
		{"127.0.0.1:7", []string{"fe80::1%eth0"}, "[fe80::1]:0"},
		{"@", []string{"192.0.2.1"}, "invalid AddrPort"},
	} {
		req := &http.Request{RemoteAddr: c.peer, Header: http.Header{"X-Forwarded-For": c.named}}
		assert.Equal(t, c.want, sender(req, proxies).String(), "%s %q", c.peer, c.named)
		want := address(c.peer)
		assert.Equal(t, want, sender(req, nil), "nobody is believed unless told")
	}
	r := start(t, NewHub(), nil, func(c *Config) {
		c.Proxies, c.Allow = proxies, []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	})
	assert.Equal(t, 403, r.post("x").status)
	assert.Equal(t, 403, r.post("x", "X-Forwarded-For", "192.0.2.1, 198.51.100.1").status)
	assert.Equal(t, 200, r.post("x", "X-Forwarded-For", "198.51.100.1, 192.0.2.1").status)
	assert.Equal(t, "192.0.2.1", r.events[0].Peer.Addr().String())
	for i := range 30 {
		want := 401
		if i >= 10 {
			want = 429
		}
		assert.Equal(t, want, r.post("x", "X-Forwarded-For", "192.0.2.9", "Authorization", "Bearer x").status)
	}
	assert.Equal(t, 200, r.post("x", "X-Forwarded-For", "192.0.2.1").status, "senders behind one proxy are told apart")
}

func FuzzSender(f *testing.F) {
	f.Add("10.0.0.1:1", "192.0.2.1, 10.0.0.2")
	f.Add("[fd00::1%a]:1", "[::1]:,,")
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	f.Fuzz(func(t *testing.T, peer, named string) {
		req := &http.Request{RemoteAddr: peer, Header: http.Header{"X-Forwarded-For": {named}}}
		got := sender(req, proxies)
		at := address(peer)
		if !within(proxies, at.Addr()) {
			require.Equal(t, at, got)
		}
		require.False(t, got.Addr().Is4In6())
	})
}

// far is a listener of connections from other hosts.
type far struct {
	net.Listener
	conns chan net.Conn
}

type farConn struct {
	net.Conn
	at     string
	closed bool
}

func (f far) Accept() (net.Conn, error) { return <-f.conns, nil }
func (f far) Close() error              { return nil }
func (c *farConn) Close() error         { c.closed = true; return nil }
func (c *farConn) RemoteAddr() net.Addr {
	a, _ := net.ResolveTCPAddr("tcp", c.at)
	return a
}

// One host does not get all connections; this host does, because a proxy may stand for
// all senders.
func TestConnectionsOfOneSender(t *testing.T) {
	f := far{conns: make(chan net.Conn, 16)}
	var said []string
	b := bound(f, 8, 2, func(reason string, peer netip.Addr) { said = append(said, fmt.Sprint(reason, " ", peer)) })
	give := func(at string) *farConn {
		c := &farConn{at: at}
		f.conns <- c
		return c
	}
	accept := func() net.Conn {
		c, err := b.Accept()
		require.NoError(t, err)
		return c
	}
	one := []*farConn{give("192.0.2.1:1"), give("192.0.2.1:2"), give("192.0.2.1:3")}
	give("192.0.2.2:1")
	first := accept()
	accept()
	assert.Equal(t, "192.0.2.2:1", accept().RemoteAddr().String())
	assert.False(t, one[1].closed)
	assert.True(t, one[2].closed)
	assert.Equal(t, []string{"connections of one sender are as many as allowed 192.0.2.1"}, said)
	require.NoError(t, first.Close())
	_ = first.Close()
	give("192.0.2.1:4")
	assert.Equal(t, "192.0.2.1:4", accept().RemoteAddr().String())
	for range 5 {
		give("127.0.0.1:1")
		accept()
	}
	assert.Len(t, b.slots, 8)
	assert.Len(t, b.peers, 2)
}
