package splunkhec

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/sink"
)

func TestEventRequests(t *testing.T) {
	r := play(t, says(200, success))
	s, _, _ := build(t, config(r.URL))
	require.NoError(t, s.Send(t.Context(), items(0, 2)))
	got := r.seen()[0]
	assert.Equal(t, "POST /services/collector/event", got.Method+" "+got.RequestURI)
	assert.Equal(t, "Splunk 00000000-0000-4000-8000-000000000000", got.Header.Get("Authorization"))
	assert.Equal(t, "application/json", got.Header.Get("Content-Type"))
	assert.Empty(t, got.Header.Get("X-Splunk-Request-Channel"))
	assert.Empty(t, got.Header.Get("Content-Encoding"), "not to this machine")
	two := items(0, 2)
	assert.Equal(t, string(two[0].Payload)+"\n"+string(two[1].Payload)+"\n", got.body)
}

func TestRawRequests(t *testing.T) {
	r := play(t, says(200, success))
	c := config(r.URL + "/?auto=1")
	c.Endpoint, c.Index, c.SourceType, c.Host = "raw", "main", "cef:{source}", "a b"
	s, _, m := build(t, c)
	in := items(0, 3)
	in[0].Payload, in[1].Payload, in[2].Payload = []byte("one"), []byte("two\nlines\n"), []byte("three")
	require.NoError(t, s.Send(t.Context(), in))
	got := r.seen()[0]
	assert.Equal(t, "/services/collector/raw?auto=1&host=a+b&index=main&source=siemfwd%3Afw&sourcetype=cef%3Afw", got.RequestURI)
	assert.Equal(t, "one\ntwo lines\nthree\n", got.body)
	assert.EqualValues(t, 1, m.get("line_feeds_replaced"))
	assert.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, got.Header.Get("X-Splunk-Request-Channel"))
}

func TestCompression(t *testing.T) {
	yes := true
	r := play(t, says(200, success))
	c := config(r.URL)
	c.Gzip = &yes
	s, _, _ := build(t, c)
	require.NoError(t, s.Send(t.Context(), items(0, 1)))
	require.NoError(t, s.Send(t.Context(), items(1, 50)))
	require.NoError(t, s.Send(t.Context(), items(51, 50)))
	got := r.seen()
	assert.Empty(t, got[0].Header.Get("Content-Encoding"), "too small to be worth it")
	for i, from := range map[int]int{1: 1, 2: 51} {
		assert.Equal(t, "gzip", got[i].Header.Get("Content-Encoding"))
		z, err := gzip.NewReader(strings.NewReader(got[i].body))
		require.NoError(t, err)
		text, err := io.ReadAll(z)
		require.NoError(t, err)
		assert.True(t, strings.HasPrefix(string(text), string(items(from, 1)[0].Payload)))
		assert.Equal(t, 50, strings.Count(string(text), "\n"))
	}
	for address, want := range map[string]bool{"https://splunk.example.net": true, "http://localhost:8088": false} {
		_, s, _ := build(t, config(address))
		assert.Equal(t, want, s.compresses(s.endpoints[0]), address)
	}
}

func TestPaths(t *testing.T) {
	for address, want := range map[string][3]string{
		"https://h:8088":                             {"/services/collector/event", "/services/collector/ack", "/services/collector/health"},
		"https://h:8088/":                            {"/services/collector/event", "/services/collector/ack", "/services/collector/health"},
		"https://h/services/collector":               {"/services/collector", "/services/collector/ack", "/services/collector/health"},
		"https://h/splunk/services/collector/event":  {"/splunk/services/collector/event", "/splunk/services/collector/ack", "/splunk/services/collector/health"},
		"https://h/services/collector/event/1.0?a=b": {"/services/collector/event/1.0?a=b", "/services/collector/ack", "/services/collector/health"},
		"https://h/hec/":                             {"/hec/", "/hec/ack", "/hec/health"},
		"https://h/collectors":                       {"/collectors", "/collectors/ack", "/collectors/health"},
	} {
		_, s, _ := build(t, config(address))
		e := s.endpoints[0]
		assert.Equal(t, want, [3]string{e.post.RequestURI(), e.ack.RequestURI(), e.health.RequestURI()}, address)
	}
	c := config("https://h/services/collector")
	c.Endpoint = rawEndpoint
	_, s, _ := build(t, c)
	assert.Equal(t, "/services/collector/raw", s.endpoints[0].post.Path)
}

// class is what a lane makes of the error of a Send of ten items.
func class(err error) string {
	var rejected *sink.Rejected
	var partial *sink.Partial
	var busy *sink.Busy
	switch {
	case err == nil:
		return "taken"
	case errors.As(err, &partial):
		text := fmt.Sprintf("%d done", partial.Done)
		if partial.Rejected != nil {
			text += fmt.Sprintf(", %v refused", partial.Rejected.Index)
		}
		if partial.Err != nil {
			text += ", then " + class(partial.Err)
		}
		return text
	case errors.As(err, &rejected) && rejected.Index == nil:
		return "all refused"
	case errors.As(err, &rejected):
		return fmt.Sprintf("%v refused", rejected.Index)
	case errors.As(err, &busy):
		return "busy " + busy.For.String()
	}
	return "later"
}

// Every reply code there is, without and with the number of the first envelope that was
// not processed.
func TestReplyCodes(t *testing.T) {
	const seven = "7 done, then later"
	for _, c := range []struct {
		code, status int
		bare, seven  string
	}{
		{0, 200, "taken", "taken"}, {17, 200, "taken", "taken"}, {24, 200, "taken", "taken"}, {25, 200, "taken", "taken"},
		{1, 403, "later", seven}, {2, 401, "later", seven}, {3, 401, "later", seven}, {4, 403, "later", seven}, {16, 400, "later", seven}, {21, 400, "later", seven}, {22, 400, "later", seven},
		{8, 500, "later", seven}, {9, 503, "later", seven}, {18, 503, "later", seven}, {19, 503, "later", seven}, {20, 503, "later", seven}, {23, 503, "later", seven},
		{26, 429, "later", seven}, {27, 429, "later", seven},
		{5, 400, "all refused", "8 done, [7] refused"}, {6, 400, "all refused", "8 done, [7] refused"}, {12, 400, "all refused", "8 done, [7] refused"}, {13, 400, "all refused", "8 done, [7] refused"},
		{7, 400, "later", "8 done, [7] refused"}, {15, 400, "all refused", "7 done"},
		{10, 400, "later", "later"}, {11, 400, "later", "later"}, {14, 400, "later", "later"},
		{28, 400, "all refused", "8 done, [7] refused"}, {28, 500, "later", seven}, {-1, 400, "all refused", "8 done, [7] refused"}, {0, 503, "later", seven},
		{6, 200, "all refused", "8 done, [7] refused"}, {9, 200, "later", seven}, {6, 503, "later", seven}, {4, 400, "later", seven}, {200, 200, "taken", "taken"},
	} {
		t.Run(fmt.Sprintf("%d %d", c.status, c.code), func(t *testing.T) {
			for body, want := range map[string]string{
				fmt.Sprintf(`{"text":"words","code":%d}`, c.code):                           c.bare,
				fmt.Sprintf(`{"text":"words","code":%d,"invalid-event-number":7}`, c.code):  c.seven,
				fmt.Sprintf(`{"text":"words","code":%d,"invalid-event-number":10}`, c.code): c.bare,
				fmt.Sprintf(`{"text":"words","code":%d,"invalid-event-number":-1}`, c.code): c.bare,
			} {
				r := play(t, says(c.status, body))
				s, _, m := build(t, config(r.URL))
				err := s.Send(t.Context(), items(0, 10))
				assert.Equal(t, want, class(err), "%s: %v", body, err)
				if err != nil && !strings.HasPrefix(want, "7 done") || strings.Contains(want, "then") {
					assert.Contains(t, fmt.Sprint(err), r.URL+": "+fmt.Sprint(c.status))
					assert.Contains(t, fmt.Sprint(err), fmt.Sprintf("words (code %d)", c.code))
				}
				assert.Equal(t, strings.Contains(" 9 24 25 26 27 ", fmt.Sprintf(" %d ", c.code)), m.get("capacity_warnings") > 0)
			}
		})
	}
}

func TestAnswersThatAreNotHECs(t *testing.T) {
	for _, c := range []struct {
		status     int
		body, want string
	}{
		{200, "OK", "taken"}, {200, "", "taken"}, {204, "", "taken"}, {200, "{}", "taken"}, {200, `{"code":"x"}`, "taken"},
		{200, "<html>Please log in</html>", "later"}, {302, "", "later"}, {404, "<html>", "later"}, {401, "", "later"}, {403, "", "later"},
		{413, "", "all refused"}, {400, "", "all refused"}, {422, "", "all refused"}, {429, "", "later"}, {502, "<html><title>Bad Gateway</title>", "later"},
	} {
		r := play(t, says(c.status, c.body))
		s, _, _ := build(t, config(r.URL))
		assert.Equal(t, c.want, class(s.Send(t.Context(), items(0, 10))), "%d %s", c.status, c.body)
	}
}

func TestRetryAfter(t *testing.T) {
	r := play(t, says(503, `{"text":"Server is busy","code":9}`, "Retry-After", "7"))
	s, _, _ := build(t, config(r.URL))
	assert.Equal(t, "busy 7s", class(s.Send(t.Context(), items(0, 10))))
	r = play(t, says(503, `{"text":"Server is busy","code":9,"invalid-event-number":4}`, "Retry-After", "7"))
	s, _, _ = build(t, config(r.URL))
	assert.Equal(t, "4 done, then busy 7s", class(s.Send(t.Context(), items(0, 10))))
}

// One event alone: what is refused is that one.
func TestASingleEvent(t *testing.T) {
	for body, want := range map[string]string{
		`{"text":"x","code":6}`: "[0] refused", `{"text":"x","code":12,"invalid-event-number":0}`: "[0] refused", `{"text":"x","code":15}`: "[0] refused",
		`{"text":"x","code":7,"invalid-event-number":0}`: "later", `{"text":"x","code":7}`: "later",
	} {
		r := play(t, says(400, body))
		s, _, _ := build(t, config(r.URL))
		assert.Equal(t, want, class(s.Send(t.Context(), items(0, 1))), body)
	}
	r := play(t, says(400, `{"text":"x","code":7,"invalid-event-number":0}`))
	c := config(r.URL)
	c.Index = "siem-{vendor}"
	s, _, _ := build(t, c)
	assert.Equal(t, "[0] refused", class(s.Send(t.Context(), items(0, 1))), "an index that was made of the event")
	assert.Equal(t, "1 done, [0] refused", class(s.Send(t.Context(), items(0, 10))))
}

func TestIndexedFieldsThatAreNotTaken(t *testing.T) {
	r := play(t, says(400, `{"text":"x","code":15,"invalid-event-number":0}`), says(200, success))
	s, _, _ := build(t, config(r.URL))
	require.NoError(t, s.Send(t.Context(), items(5, 2)))
	two := items(5, 2)
	bare := strings.Replace(string(two[0].Payload), `,"fields":{"event_id":"5","severity":"3"}`, "", 1)
	assert.NotEqual(t, bare, string(two[0].Payload))
	assert.Contains(t, bare, `"fields":{"a":"b"}`, "those of the event itself stay")
	assert.Equal(t, bare+"\n"+string(two[1].Payload)+"\n", r.seen()[1].body)

	r = play(t, says(400, `{"text":"x","code":15,"invalid-event-number":0}`))
	s, _, _ = build(t, config(r.URL))
	assert.Equal(t, "1 done, [0] refused", class(s.Send(t.Context(), items(5, 2))), "it is not the fields")
	assert.Len(t, r.seen(), 2)
}

func TestAChannelIsSentWhereOneIsWanted(t *testing.T) {
	r := play(t, says(400, `{"text":"Data channel is missing","code":10}`), says(200, success), says(400, `{"text":"Invalid data channel","code":11}`), says(200, success))
	s, _, _ := build(t, config(r.URL))
	require.NoError(t, s.Send(t.Context(), items(0, 2)))
	require.NoError(t, s.Send(t.Context(), items(2, 2)))
	var channels []string
	for _, q := range r.seen() {
		channels = append(channels, q.Header.Get("X-Splunk-Request-Channel"))
	}
	require.Len(t, channels, 4)
	assert.Empty(t, channels[0])
	assert.Len(t, channels[1], 36)
	assert.Equal(t, channels[1], channels[2])
	assert.Len(t, channels[3], 36)
	assert.NotEqual(t, channels[2], channels[3])
}

// A receiver that takes only small bodies is not sent large ones again and again.
func TestTooLarge(t *testing.T) {
	most := 40 * 110
	large := 0
	r := play(t, func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > int64(most) {
			large++
			w.WriteHeader(413)
			return
		}
		_, _ = io.WriteString(w, success)
	})
	s, _, _ := build(t, config(r.URL))
	assert.Empty(t, carry(t, s, items(0, 1000)))
	assert.LessOrEqual(t, large, 8)
	huge := items(0, 3)
	huge[1].Payload = []byte(`{"event":"` + strings.Repeat("x", most) + `"}`)
	dead := carry(t, s, huge)
	require.Len(t, dead, 1)
	assert.EqualError(t, errors.Unwrap(dead[1]), r.URL+": 413 Request Entity Too Large")
}

func TestPace(t *testing.T) {
	var p pace
	now := time.Now()
	p.answered(now, 100*time.Millisecond, false)
	assert.Zero(t, p.lost)
	require.NoError(t, p.wait(t.Context()))
	var rests []time.Duration
	for _, full := range []bool{true, true, true, true, true, false, false, false} {
		p.answered(now, 100*time.Millisecond, full)
		rests = append(rests, p.rest.Sub(now).Round(time.Millisecond))
	}
	ms := time.Millisecond
	assert.Equal(t, []time.Duration{100 * ms, 300 * ms, 700 * ms, 1500 * ms, 1500 * ms, 700 * ms, 433 * ms, 300 * ms}, rests)
	for range 16 {
		p.answered(now, 100*time.Millisecond, false)
	}
	assert.Zero(t, p.lost)
	p.answered(now, time.Hour, true)
	assert.Equal(t, mostRest, p.rest.Sub(now))
}

func TestCookiesAreKept(t *testing.T) {
	r := play(t, says(200, success, "Set-Cookie", "lb=7; Path=/x", "Set-Cookie", "other=a"), says(200, success, "Set-Cookie", "lb=8", "Set-Cookie", "other=; Max-Age=-1"), says(200, success))
	s, _, _ := build(t, config(r.URL))
	for range 3 {
		require.NoError(t, s.Send(t.Context(), items(0, 1)))
	}
	var got []int
	for _, q := range r.seen() {
		got = append(got, len(q.Cookies()))
	}
	assert.Equal(t, []int{0, 2, 1}, got)
	assert.Equal(t, "lb=8", r.seen()[2].Header.Get("Cookie"))
}

// Requests go round the receivers that are well. One that fails is left alone, and asked
// how it is before it gets events again.
func TestSeveralReceivers(t *testing.T) {
	a, c := play(t, says(200, success)), play(t, says(200, success))
	b := play(t, says(503, `{"text":"Server is busy","code":9}`, "Retry-After", "1"), says(503, `{"text":"full","code":18}`), says(200, `{"text":"HEC is healthy","code":17}`), says(200, success))
	conf := config("")
	conf.URLs = []string{a.URL, b.URL, c.URL}
	s, in, _ := build(t, conf)
	require.NoError(t, s.Send(t.Context(), items(0, 1)))
	assert.Equal(t, "later", class(s.Send(t.Context(), items(1, 1))), "another one may take it at once")
	for i := range 4 {
		require.NoError(t, s.Send(t.Context(), items(i, 1)))
	}
	assert.Equal(t, [3]int{3, 1, 2}, [3]int{len(a.seen()), len(b.seen()), len(c.seen())})
	in.endpoints[1].until = time.Now().Add(-time.Second)
	for i := range 3 {
		require.NoError(t, s.Send(t.Context(), items(i, 1)))
	}
	assert.Equal(t, [3]int{4, 2, 4}, [3]int{len(a.seen()), len(b.seen()), len(c.seen())})
	assert.Equal(t, "GET /services/collector/health", b.seen()[1].Method+" "+b.seen()[1].RequestURI)
	in.endpoints[1].until = time.Now().Add(-time.Second)
	for i := range 3 {
		require.NoError(t, s.Send(t.Context(), items(i, 1)))
	}
	assert.Len(t, b.seen(), 4, "it is well, and has its turn")
	assert.Equal(t, http.MethodPost, b.seen()[3].Method)
}

func TestProbe(t *testing.T) {
	for body, want := range map[string]string{
		`{"text":"No data","code":5}`: "", `{"text":"Success","code":0}`: "", `{"text":"Invalid token","code":4}`: "Invalid token (code 4)",
	} {
		status := 400
		if strings.Contains(body, "Success") {
			status = 200
		}
		r := play(t, says(status, body))
		_, s, _ := build(t, config(r.URL))
		p := s.Probe(t.Context())
		require.Len(t, p, 1)
		assert.Equal(t, r.URL, p[0].What)
		if want == "" {
			require.NoError(t, p[0].Err)
			assert.Equal(t, "token accepted", p[0].Note)
		} else {
			require.ErrorContains(t, p[0].Err, want)
		}
		assert.Empty(t, r.seen()[0].body)
	}
}

// The hot path allocates for a request, not for its events.
func TestAllocations(t *testing.T) {
	c := config("http://127.0.0.1:1")
	_, s, _ := build(t, c)
	many := items(0, 500)
	s.body(many, false)
	assert.Zero(t, testing.AllocsPerRun(20, func() { s.body(many, false) }))
}
