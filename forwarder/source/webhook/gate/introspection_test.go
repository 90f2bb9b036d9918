package gate

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// oracle is an identity provider that is asked about tokens.
type oracle struct {
	*httptest.Server
	t      testing.TB
	asked  atomic.Int64
	mu     sync.Mutex
	answer map[string]string // by token; others are not active
	status int
	gate   chan struct{} // not nil: answers wait for it
}

func newOracle(t testing.TB) *oracle {
	o := &oracle{t: t, answer: map[string]string{}, status: http.StatusOK}
	o.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.asked.Add(1)
		o.mu.Lock()
		text, status, gate := o.answer[r.PostFormValue("token")], o.status, o.gate
		o.mu.Unlock()
		if gate != nil {
			select {
			case <-gate:
			case <-r.Context().Done():
			}
		}
		id, secret, _ := r.BasicAuth()
		assert.Equal(t, "u+s", id)
		assert.Equal(t, "a%3Ab", secret)
		assert.Equal(t, "POST", r.Method)
		assert.Equal(t, "access_token", r.PostFormValue("token_type_hint"))
		if text == "" {
			text = `{"active":false}`
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(text))
	}))
	t.Cleanup(o.Close)
	return o
}

func (o *oracle) set(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f()
}

func (o *oracle) config() Config {
	return Config{Type: "introspection", IntrospectionURL: o.URL, ClientID: "u s", ClientSecret: secretOf("a:b")}
}

func TestIntrospection(t *testing.T) {
	o, now := newOracle(t), newClock()
	plain := o.config()
	strict := o.config()
	strict.Issuer, strict.Audience, strict.Scopes, strict.Clients = "me", "us", []string{"w"}, []string{"epm"}
	const all = `"iss":"me","aud":["us","them"],"scope":"r w","client_id":"epm"`
	for _, c := range []struct {
		cfg    Config
		answer string
		want   Verdict
	}{
		{plain, `{"active":true}`, Admitted},
		{plain, `{"active":true,"exp":1800000060}`, Admitted},
		{plain, `{"active":true,"exp":1799999940}`, Outdated},
		{plain, `{"active":true,"nbf":1800000061}`, Wrong},
		{plain, `{"active":false}`, Wrong},
		{plain, `{"active":false,"exp":1900000000}`, Wrong},
		{plain, `{"Active":true}`, Unavailable},
		{plain, `{"active":"true"}`, Unavailable},
		{plain, `{"active":1}`, Unavailable},
		{plain, `{}`, Unavailable},
		{plain, `[]`, Unavailable},
		{plain, `<html>`, Unavailable},
		{plain, `{"active":true`, Unavailable},
		{strict, `{"active":true,` + all + `}`, Admitted},
		{strict, `{"active":true}`, Wrong},
		{strict, `{"active":true,` + strings.Replace(all, `"me"`, `"you"`, 1) + `}`, Wrong},
		{strict, `{"active":true,` + strings.Replace(all, `"us"`, `"Us"`, 1) + `}`, Wrong},
		{strict, `{"active":true,` + strings.Replace(all, `r w`, `rw`, 1) + `}`, Insufficient},
		{strict, `{"active":true,` + strings.Replace(all, `"epm"`, `"x"`, 1) + `}`, Insufficient},
	} {
		o.set(func() { o.answer["t"] = c.answer })
		g := opened(t, c.cfg, Options{Now: now.now})
		assert.Equal(t, c.want, g.Admit(withToken("t"), peer), c.answer)
	}
	g := opened(t, plain, Options{Now: now.now})
	before := o.asked.Load()
	assert.Equal(t, Missing, g.Admit(request(), peer))
	assert.Equal(t, Malformed, g.Admit(request("Authorization", "t"), peer))
	assert.Equal(t, Wrong, g.Admit(withToken(strings.Repeat("t", mostToken+1)), peer))
	assert.Equal(t, before, o.asked.Load())
	for range 2 * strangersPerMinute {
		g.Admit(withToken("guess"+now.now().String()), peer)
		now.pass(time.Millisecond)
	}
	assert.Equal(t, before+strangersPerMinute-2, o.asked.Load(), "those who guess do not make us ask")
}

func TestTheProvidersWordIsKept(t *testing.T) {
	o, now := newOracle(t), newClock()
	g := opened(t, o.config(), Options{Now: now.now})
	ask := func(token string, want Verdict, asked int64) {
		t.Helper()
		assert.Equal(t, want, g.Admit(withToken(token), peer))
		assert.Equal(t, asked, o.asked.Load())
	}
	o.answer["good"] = `{"active":true}`
	o.answer["short"] = `{"active":true,"exp":1800000005}`
	ask("good", Admitted, 1)
	ask("short", Admitted, 2)
	ask("bad", Wrong, 3)
	now.pass(4 * time.Second)
	ask("good", Admitted, 3)
	ask("short", Admitted, 3)
	ask("bad", Wrong, 3)
	now.pass(2 * time.Second)
	ask("short", Admitted, 4) // within the leeway, but not kept
	now.pass(5 * time.Second)
	o.set(func() { o.answer["bad"] = `{"active":true}` })
	ask("bad", Admitted, 5)
	now.pass(48 * time.Second)
	o.set(func() { o.answer["good"] = `{"active":false}` })
	ask("good", Admitted, 5)
	now.pass(2 * time.Second)
	ask("good", Wrong, 6)
}

func TestTheProviderIsDown(t *testing.T) {
	o, now := newOracle(t), newClock()
	out := &lines{}
	g := opened(t, o.config(), Options{Now: now.now, Log: slog.New(slog.NewTextHandler(out, nil))})
	o.answer["t"] = `{"active":true}`
	for i, status := range []int{500, 503, 401, 403, 302, 204, 429} {
		o.set(func() { o.status = status })
		now.pass(2 * time.Second)
		assert.Equal(t, Unavailable, g.Admit(withToken("t"), peer), status)
		assert.Equal(t, Unavailable, g.Admit(withToken("t"), peer), "it is left alone for a moment")
		assert.EqualValues(t, i+1, o.asked.Load())
	}
	assert.Equal(t, 1, out.count("cannot be asked"), "a change of state")
	assert.Zero(t, out.count("a:b"))
	o.set(func() { o.status = 200 })
	now.pass(2 * time.Second)
	assert.Equal(t, Admitted, g.Admit(withToken("t"), peer))
	assert.Equal(t, 1, out.count("answers again"))
	o.Close()
	assert.Equal(t, Admitted, g.Admit(withToken("t"), peer), "what it said is known")
	now.pass(goodFor)
	assert.Equal(t, Unavailable, g.Admit(withToken("t"), peer))
}

// Many who show one token wait for one answer; one that goes away waits no more.
func TestOneAnswerForMany(t *testing.T) {
	o := newOracle(t)
	o.gate = make(chan struct{})
	o.answer["t"] = `{"active":true}`
	g := opened(t, o.config(), Options{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	assert.Equal(t, Unavailable, g.Admit(withToken("t").WithContext(ctx), peer))
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() { assert.Equal(t, Admitted, g.Admit(withToken("t"), peer)) })
	}
	close(o.gate)
	all.Wait()
	assert.EqualValues(t, 1, o.asked.Load())
}

func TestMemoryIsBounded(t *testing.T) {
	c := Config{Type: "introspection", IntrospectionURL: "http://127.0.0.1:1/", ClientID: "x", ClientSecret: secretOf("y")}
	now := newClock()
	g, err := New(&c, Options{Log: slog.New(slog.DiscardHandler), Now: now.now})
	require.NoError(t, err)
	i := g.judge.(*introspection)
	for n := range 3 * mostTokens {
		i.keep(secret{byte(n), byte(n >> 8)}, told{until: now.now().Add(time.Minute)})
		require.LessOrEqual(t, len(i.told), mostTokens)
	}
	now.pass(2 * time.Minute)
	for n := range mostTokens {
		i.keep(secret{1, byte(n), byte(n >> 8)}, told{until: now.now().Add(time.Minute)})
	}
	assert.LessOrEqual(t, len(i.told), mostTokens)
}
