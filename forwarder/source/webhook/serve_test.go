package webhook

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/parsers/datatheorem"
	"github.com/siemfwd/siemfwd/parsers/generic"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

const success = `{"text":"Success","code":0}`

func envelope(n int) string {
	return `{"event":{"type":"API_SECURE__X","data":{"uuid":"` + strconv.Itoa(n) + `"},"version":1},"time":1767607200,"host":"securetheorem.com"}`
}

func zip(t testing.TB, text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String()
}

// The listener's table and the bad payloads of a vendor, over HTTP.
func TestVendorTable(t *testing.T) {
	r := start(t, NewHub(), datatheorem.Vendor.Hook, nil)
	long := strings.Repeat("x", 60_000)
	for _, c := range []struct {
		name, body string
		headers    []string
		status     int
		answer     string
		events     int
		refused    bool
	}{
		{"good", envelope(1), nil, 200, success, 1, false},
		{"test ping", `{"event": "Hello, world!"}`, nil, 200, success, 1, false},
		{"Splunk scheme", envelope(2), []string{"Authorization", "Splunk t0ken"}, 200, success, 1, false},
		{"wrong credential", envelope(3), []string{"Authorization", "Bearer nope"}, 401, `{"text":"Invalid token","code":4}`, 0, false},
		{"missing credential", envelope(3), []string{"Authorization", ""}, 401, `{"text":"Invalid token","code":4}`, 0, false},
		{"no content type", envelope(4), []string{"Content-Type", ""}, 200, success, 1, false},
		{"text/plain", envelope(5), []string{"Content-Type", "text/plain"}, 200, success, 1, false},
		{"gzip", zip(t, envelope(6)), []string{"Content-Encoding", "gzip"}, 200, success, 1, false},
		{"deflate", envelope(7), []string{"Content-Encoding", "deflate"}, 415, `{"error":"encoding is not gzip"}`, 0, false},
		{"too long", strings.Repeat(" ", 5<<20+1), nil, 413, `{"error":"body is too long"}`, 0, false},
		{"1 empty", "", nil, 400, `{"text":"No data","code":5}`, 0, false},
		{"2 truncated", envelope(8)[:60], nil, 400, `{"text":"Invalid data format","code":6}`, 0, true},
		{"3 no event", `{"time":1,"host":"securetheorem.com"}`, nil, 400, `{"text":"Event field is required","code":12}`, 0, true},
		{"4 blank event", `{"event":""}`, nil, 400, `{"text":"Event field cannot be blank","code":13}`, 0, true},
		{"5 no data", `{"event":{"type":"X__Y","version":1}}`, nil, 200, success, 1, false},
		{"6 data null", `{"event":{"type":"X__Y","data":null}}`, nil, 200, success, 1, false},
		{"7 unknown type", `{"event":{"type":"X__Y","data":{},"version":2}}`, nil, 200, success, 1, false},
		{"8 nulls", `{"event":{"type":"API_SECURE__POLICY_VIOLATION_OPENED","data":{"affected_asset":null}}}`, nil, 200, success, 1, false},
		{"9 time as text", strings.Replace(envelope(9), "1767607200", `"1767607200"`, 1), nil, 200, success, 1, false},
		{"10 time wrong", strings.Replace(envelope(10), "1767607200", `"yesterday"`, 1), nil, 200, success, 1, false},
		{"11 duplicate", envelope(1), nil, 200, success, 0, false},
		{"12 list", "[" + envelope(11) + "," + envelope(12) + "]", nil, 200, success, 2, false},
		{"12 one after another", envelope(13) + envelope(14), nil, 200, success, 2, false},
		{"13 odd text", `{"event":{"type":"X__Y","data":{"description":"a|b=c\r\n\\n😀` + long + `"}}}`, nil, 200, success, 1, false},
		{"14 no UTF-8", "{\"event\":{\"type\":\"X__Y\",\"data\":{\"a\":\"\xff\"}}}", nil, 200, success, 1, false},
		{"15 byte order mark", "\uFEFF" + envelope(15), nil, 200, success, 1, false},
		{"16 unknown keys", `{"a":1,"event":{"b":2,"type":"X__Y","data":{"c":3}}}`, nil, 200, success, 1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			before, refused := len(r.texts()), len(r.refused)
			got := r.post(c.body, c.headers...)
			assert.Equal(t, c.status, got.status)
			assert.Equal(t, c.answer, got.body)
			assert.Equal(t, "application/json", got.header.Get("Content-Type"))
			if c.status == 401 {
				assert.True(t, strings.HasPrefix(got.header.Get("WWW-Authenticate"), "Bearer"))
			}
			assert.Len(t, r.texts(), before+c.events)
			if c.refused {
				require.Len(t, r.refused, refused+1)
				assert.Equal(t, c.body, r.refused[refused])
				assert.NotEmpty(t, r.reasons[refused])
			} else {
				assert.Len(t, r.refused, refused)
			}
		})
	}
	assert.Equal(t, 1, r.dupes)
	events := r.texts()
	assert.Equal(t, envelope(1), events[0])
	assert.NotContains(t, strings.Join(r.log.all(), ""), "t0ken")
	r.mu.Lock()
	assert.Equal(t, "127.0.0.1", r.events[0].Peer.Addr().String())
	assert.WithinDuration(t, time.Now(), r.events[0].Time, time.Minute)
	r.mu.Unlock()
}

func TestMethodAndPath(t *testing.T) {
	r := start(t, NewHub(), nil, nil)
	for _, method := range []string{"GET", "HEAD", "PUT", "OPTIONS", "DELETE"} {
		got := r.do(method, r.url, "")
		assert.Equal(t, 405, got.status)
		assert.Equal(t, "POST", got.header.Get("Allow"))
	}
	for _, path := range []string{"/", "/hook/", "/hooks", "/hook/x", "/HOOK"} {
		assert.Equal(t, 404, r.do("POST", "http://"+r.addr+path, "x").status, path)
	}
	assert.Equal(t, 200, r.post("x", "Authorization", "bearer  t0ken").status)
	assert.Equal(t, 200, r.do("POST", r.url+"?a=b", "x").status, "a query is not looked at")
	assert.Equal(t, 400, r.post("").status, "an empty body is no event")
	assert.Len(t, r.texts(), 2)
	assert.Empty(t, r.refused)
}

func TestAuth(t *testing.T) {
	userpass := func(s string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(s)) }
	const bearer, invalid = `Bearer realm="hooks/hook"`, `Bearer realm="hooks/hook", error="invalid_token"`
	const basic = `Basic realm="hooks/hook", charset="UTF-8"`
	for _, c := range []struct {
		auth             Auth
		header           string
		good, bad        []string
		missing, refused string // WWW-Authenticate
	}{
		{Auth{Type: "bearer", Token: component.NewSecret("t0ken")}, "Authorization",
			[]string{"Bearer t0ken", "bearer t0ken", "Splunk t0ken", "SPLUNK   t0ken", "t0ken", userpass("x:t0ken"), userpass(":t0ken")},
			[]string{"", "Bearer", "Bearer ", "Bearer t0ke", "Bearer t0kenx", "Basic t0ken", "T0KEN", "Bearert0ken", userpass("t0ken:"), strings.Repeat("a", 8000)}, bearer, invalid},
		{Auth{Type: "bearer", Token: component.NewSecret("Bearer whole")}, "Authorization",
			[]string{"Bearer whole"}, []string{"whole", "Bearer", "Splunk whole"}, bearer, invalid},
		{Auth{Type: "basic", Username: "epm", Password: component.NewSecret("pa:ss")}, "Authorization",
			[]string{userpass("epm:pa:ss"), strings.Replace(userpass("epm:pa:ss"), "Basic ", "basic  ", 1)},
			[]string{"", userpass("epm:"), userpass(":pa:ss"), userpass("x:pa:ss"), userpass("epm"), userpass("epm:pa:ss")[:14], "Basic !!!", "Bearer pa:ss"}, basic, basic},
		{Auth{Type: "header", Name: "x-api-key", Value: component.NewSecret("v")}, "X-Api-Key",
			[]string{"v"}, []string{"", "V", "vv", "Bearer v"}, bearer, bearer},
		{Auth{Type: "header", Name: "Authorization", Value: component.NewSecret("Bearer SG.x y")}, "Authorization",
			[]string{"Bearer SG.x y", "SG.x y", "bearer SG.x y", "Token SG.x y"}, []string{"", "y", "Bearer", "Bearer y", "SG.x", "x SG.x y"}, bearer, bearer},
		{Auth{Type: "header", Name: "Authorization", Value: component.NewSecret("two words")}, "Authorization",
			[]string{"two words", "Bearer two words"}, []string{"words", "two"}, bearer, bearer},
		{Auth{Type: "none"}, "Authorization", []string{"", "anything"}, nil, "", ""},
	} {
		t.Run(c.auth.Type, func(t *testing.T) {
			r := start(t, NewHub(), nil, func(cfg *Config) { cfg.Auth = c.auth })
			for _, v := range c.good {
				assert.Equal(t, 200, r.post("x", "Authorization", "", c.header, v).status, v)
			}
			for _, v := range c.bad {
				got := r.post("x", "Authorization", "", c.header, v)
				assert.Equal(t, 401, got.status, v)
				want := c.refused
				if v == "" {
					want = c.missing
				}
				assert.Equal(t, want, got.header.Get("WWW-Authenticate"))
			}
			assert.Len(t, r.texts(), len(c.good))
			assert.Equal(t, uint64(len(c.bad)), r.meter.get("webhook_denied"))
			if len(c.bad) > 0 {
				assert.LessOrEqual(t, len(r.log.all()), 3, "one line each for missing, malformed and wrong")
				assert.Contains(t, r.log.all()[0], "peer=127.0.0.1")
				req, _ := http.NewRequest("POST", r.url, strings.NewReader("x"))
				req.Header[c.header] = []string{c.good[0], c.good[0]}
				res, err := r.client.Do(req)
				require.NoError(t, err)
				_ = res.Body.Close()
				assert.Equal(t, 401, res.StatusCode, "a header that is there twice")
			}
		})
	}
}

func TestAllow(t *testing.T) {
	r := start(t, NewHub(), nil, func(c *Config) { c.Allow = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} })
	assert.Equal(t, 403, r.post("x").status)
	assert.Equal(t, 1, r.log.with("not allowed"))
	s := start(t, NewHub(), nil, func(c *Config) {
		c.Allow = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("127.0.0.0/8")}
	})
	assert.Equal(t, 200, s.post("x").status)
}

func TestSizes(t *testing.T) {
	r := start(t, NewHub(), nil, func(c *Config) { c.MaxBody, c.MaxInflated = 100_000, 1<<20 })
	fits := strings.Repeat("a", 100_000)
	assert.Equal(t, 200, r.post(fits).status)
	got := r.post(fits + "b")
	assert.Equal(t, 413, got.status)

	// Without Content-Length the limit is found while reading.
	for n, status := range map[int]int{100_000: 200, 100_001: 413, 2 << 20: 413} {
		req, _ := http.NewRequest("POST", r.url, io.LimitReader(forever{}, int64(n)))
		req.Header.Set("Authorization", "Bearer t0ken")
		res, err := r.client.Do(req)
		if err != nil {
			assert.Equal(t, 413, status, "cut off while sending: %v", err)
			continue
		}
		_ = res.Body.Close()
		assert.Equal(t, status, res.StatusCode, n)
	}
	assert.Len(t, r.texts(), 2)

	for _, c := range []struct {
		body   string
		status int
	}{
		{zip(t, strings.Repeat("a", 1<<20)), 200},
		{zip(t, strings.Repeat("a", 1<<20+1)), 413},
		{zip(t, strings.Repeat("\x00", 16<<20)), 413}, // 1:1000
		{zip(t, "a") + zip(t, "b"), 200},
		{"not gzip at all", 400},
		{zip(t, "a")[:15], 400},
		{zip(t, "a") + "tail", 400},
		{"", 400},
	} {
		require.LessOrEqual(t, len(c.body), 100_000)
		assert.Equal(t, c.status, r.post(c.body, "Content-Encoding", "gzip").status, "%d octets", len(c.body))
	}
	assert.Equal(t, "ab", r.texts()[3])
	assert.Len(t, r.refused, 3, "what is not gzip is kept, unless it is empty")
	assert.Equal(t, 415, r.post("x", "Content-Encoding", "gzip, gzip").status)
	assert.Equal(t, 200, r.post("x", "Content-Encoding", "identity").status)
	assert.NotZero(t, r.meter.get("webhook_too_long"))
}

type forever struct{}

func (forever) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestExpectContinue(t *testing.T) {
	r := start(t, NewHub(), nil, nil)
	for tok, want := range map[string][]string{"t0ken": {"HTTP/1.1 100 Continue", "", "HTTP/1.1 200 OK"}, "wrong": {"HTTP/1.1 401 Unauthorized"}} {
		c := dial(t, r.addr)
		_, err := io.WriteString(c, "POST /hook HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+tok+"\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
		require.NoError(t, err)
		in := bufio.NewScanner(c)
		for i, line := range want {
			require.True(t, in.Scan())
			assert.Equal(t, line, in.Text())
			if i == 1 {
				_, err = io.WriteString(c, "hello")
				require.NoError(t, err)
			}
		}
		_ = c.Close()
	}
	assert.Equal(t, []string{"hello"}, r.texts())
}

func TestKeepAlive(t *testing.T) {
	r := start(t, NewHub(), nil, nil)
	c := dial(t, r.addr)
	in := bufio.NewReader(c)
	for range 3 {
		_, err := io.WriteString(c, "POST /hook HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t0ken\r\nContent-Length: 1\r\n\r\nx")
		require.NoError(t, err)
		res, err := http.ReadResponse(in, nil)
		require.NoError(t, err)
		assert.Equal(t, 200, res.StatusCode)
		assert.False(t, res.Close)
	}
}

// A log that takes nothing: the sender hears of it within a second.
func TestFull(t *testing.T) {
	h := NewHub()
	h.limits.full = 20 * time.Millisecond
	r := start(t, h, datatheorem.Vendor.Hook, nil)
	var full, tells atomic.Bool
	full.Store(true)
	tells.Store(true)
	r.emit = func(ctx context.Context) error {
		if full.Load() {
			<-ctx.Done()
			return errors.New("spool is full")
		}
		return nil
	}
	r.full = tells.Load
	for range 3 {
		got := r.post(envelope(1))
		assert.Equal(t, 503, got.status)
		assert.Equal(t, `{"text":"Server is busy","code":9}`, got.body)
		assert.Equal(t, "5", got.header.Get("Retry-After"))
	}
	full.Store(false)
	assert.Equal(t, 200, r.post(envelope(1)).status)
	assert.Equal(t, 200, r.post(envelope(2)).status)
	assert.Equal(t, 1, r.log.with("come back"), "a change of state, not every request")
	assert.Equal(t, 1, r.log.with("taken again"))
	assert.Equal(t, uint64(3), r.meter.get("webhook_busy"))
	assert.Less(t, NewHub().limits.full, time.Second)
}

// A disk that is only slow gets more time.
func TestSlowDisk(t *testing.T) {
	h := NewHub()
	h.limits.full, h.limits.emit = 5*time.Millisecond, 20*time.Second
	r := start(t, h, nil, nil)
	asked, go_ := make(chan struct{}, 1000), make(chan struct{})
	r.memory.full = func() bool { asked <- struct{}{}; return false }
	r.emit = func(ctx context.Context) error {
		select {
		case <-go_:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	got := make(chan reply, 1)
	go func() { got <- r.post("x") }()
	<-asked
	<-asked
	close(go_)
	assert.Equal(t, 200, (<-got).status)

	h = NewHub()
	h.limits.full, h.limits.emit = 5*time.Millisecond, 20*time.Millisecond
	s := start(t, h, nil, nil)
	s.memory.full = func() bool { return false }
	s.emit = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	assert.Equal(t, 503, s.post("x").status, "but not for ever")
}

func TestPanicIsAnswered(t *testing.T) {
	hook := &kit.Hook{Read: func(body []byte, add func([]byte, event.Key)) *kit.Answer {
		add(body, event.Key{})
		if string(body) == "boom" {
			panic("boom")
		}
		return nil
	}}
	r := start(t, NewHub(), hook, nil)
	assert.Equal(t, 500, r.post("boom").status)
	assert.Equal(t, 200, r.post("x").status)
	assert.Equal(t, []string{"x"}, r.texts())
	assert.Equal(t, 1, r.log.with("panic=boom"))
}

// What a vendor leaves open is filled in.
func TestBareAnswers(t *testing.T) {
	none := func([]byte, func([]byte, event.Key)) *kit.Answer { return nil }
	r := start(t, NewHub(), &kit.Hook{Read: none, OK: kit.Answer{Status: 204}}, nil)
	got := r.post("x")
	assert.Equal(t, 204, got.status)
	assert.Empty(t, got.body)
	bad := func([]byte, func([]byte, event.Key)) *kit.Answer { return &kit.Answer{Status: 422, Reason: "no"} }
	r = start(t, NewHub(), &kit.Hook{Read: bad, Denied: kit.Answer{Status: 403}}, nil)
	assert.Equal(t, 422, r.post("x").status)
	assert.Empty(t, r.refused, "only 400 is kept")
	got = r.post("x", "Authorization", "")
	assert.Equal(t, 403, got.status)
}

// Whatever the body, there is an answer of a known kind, and 2xx only with the event
// kept.
func FuzzBody(f *testing.F) {
	f.Add([]byte(envelope(1)), false)
	f.Add([]byte(zip(f, envelope(1))), true)
	f.Add([]byte("\x1f\x8b\x08"), true)
	f.Fuzz(func(t *testing.T, body []byte, packed bool) {
		m := newMemory()
		cfg := Config{Listen: "127.0.0.1:0", Path: "/", MaxBody: 1 << 10, MaxInflated: 1 << 12, Auth: Auth{Type: "none"}}
		h := NewHub()
		s, err := h.New(&cfg, datatheorem.Vendor.Hook, component.Env{})
		require.NoError(t, err)
		rt := newRoute(s.(*Source), m)
		defer rt.cancel()
		d := newDesks(1 << 20)
		k := d.get()
		req := httptest.NewRequest("POST", "/", bytes.NewReader(body))
		if packed {
			req.Header.Set("Content-Encoding", "gzip")
		}
		w := httptest.NewRecorder()
		rt.serve(w, req, k)
		d.put(k)
		require.Contains(t, []int{200, 400, 413}, w.Code)
		require.Equal(t, w.Code == 200, len(m.events) > 0)
		require.Equal(t, int64(1<<20), d.budget.left.Load())
	})
}

// A vendor whose senders are told which part of a body was taken, and that tells
// missing, malformed and wrong credentials apart.
func TestHECConformance(t *testing.T) {
	r := start(t, NewHub(), generic.HEC(datatheorem.Vendor).Hook, func(c *Config) { c.Path = "/services/collector" })
	for _, c := range []struct {
		path, body, auth string
		status           int
		answer           string
		events           []string
		refused          string
	}{
		{"", `{"event":"a"}`, "", 401, `{"text":"Token is required","code":2}`, nil, ""},
		{"", `{"event":"a"}`, "abc", 401, `{"text":"Invalid authorization","code":3}`, nil, ""},
		{"", `{"event":"a"}`, "Splunk wrong", 403, `{"text":"Invalid token","code":4}`, nil, ""},
		{"/event", ``, "Splunk t0ken", 400, `{"text":"No data","code":5}`, nil, ""},
		{"/event", `{"event":"b"} {"event":"c"}`, "Splunk t0ken", 200, success, []string{`{"event":"b"}`, `{"event":"c"}`}, ""},
		{"/event/1.0", `{"event":"d"}`, "Bearer t0ken", 200, success, []string{`{"event":"d"}`}, ""},
		{"", `{"event":"e"}{"event":`, "Splunk t0ken", 400, `{"text":"Invalid data format","code":6,"invalid-event-number":1}`, []string{`{"event":"e"}`}, `{"event":`},
		{"", `{"event":"f"}{"foo":1}{"event":"g"}`, "Splunk t0ken", 400, `{"text":"Event field is required","code":12,"invalid-event-number":1}`, []string{`{"event":"f"}`}, `{"foo":1}{"event":"g"}`},
		{"", envelope(1), "Splunk t0ken", 200, success, []string{envelope(1)}, ""},
		{"", envelope(1), "Splunk t0ken", 200, success, nil, ""}, // the vendor's key is known
		{"/raw", "one\ntwo\n", "Splunk t0ken", 200, success, []string{"one", "two"}, ""},
		{"/raw/1.0", "three", "Splunk wrong", 403, `{"text":"Invalid token","code":4}`, nil, ""},
		{"/raw/1.0", "", "Splunk t0ken", 400, `{"text":"No data","code":5}`, nil, ""},
		{"/ack", `{"acks":[0]}`, "Splunk t0ken", 400, `{"text":"Data channel is missing","code":10}`, nil, ""},
		{"/raw?sourcetype=a:b&host=web1", "four", "Splunk t0ken", 200, success, []string{`{"host":"web1","sourcetype":"a:b","event":"four"}`}, ""},
		{"?index=i", `{"event":"h","source":"s"}{"event":"i"}`, "Splunk t0ken", 200, success, []string{`{"index":"i","event":"h","source":"s"}`, `{"source":"s","index":"i","event":"i"}`}, ""},
		{"/ack", `{"acks":[0]}`, "", 401, `{"text":"Token is required","code":2}`, nil, ""},
		{"/nothing", "text", "Splunk t0ken", 404, `{"error":"nothing is here"}`, nil, ""},
	} {
		before, refused := len(r.texts()), len(r.refused)
		got := r.do("POST", r.url+c.path, c.body, "Authorization", c.auth)
		assert.Equal(t, c.status, got.status, c.body)
		assert.Equal(t, c.answer, got.body)
		assert.Equal(t, c.events, append([]string(nil), r.texts()[before:]...), c.body)
		if c.refused != "" {
			require.Len(t, r.refused, refused+1)
			assert.Equal(t, c.refused, r.refused[refused])
		} else {
			assert.Len(t, r.refused, refused)
		}
	}
	assert.Equal(t, 405, r.do("GET", r.url+"/event", "").status)
	got := r.do("POST", r.url+"/health", "")
	assert.Equal(t, 405, got.status)
	assert.Equal(t, "GET", got.header.Get("Allow"))
	full := false
	r.full = func() bool { return full }
	assert.Equal(t, `{"text":"HEC is healthy","code":17}`, r.do("GET", r.url+"/health", "", "Authorization", "").body)
	full = true
	got = r.do("GET", r.url+"/health/1.0", "", "Authorization", "")
	assert.Equal(t, 503, got.status)
	assert.Contains(t, got.body, `"code":18`)
	// What is taken of a bad body is durable before the answer, or there is another answer.
	r.emit = func(context.Context) error { return errors.New("no") }
	got = r.post(`{"event":"x"}{"event":`)
	assert.Equal(t, 503, got.status)
	assert.Equal(t, `{"text":"Server is busy","code":9}`, got.body)
	assert.NotEmpty(t, got.header.Get("Retry-After"))
}
