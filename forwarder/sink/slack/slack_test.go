package slack

import (
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
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/sink"
	"github.com/siemfwd/siemfwd/forwarder/sink/sinktest"
	"github.com/siemfwd/siemfwd/forwarder/sink/web"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	token = "xoxb-0123456789-secret"
	path  = "/services/T0000/B0000/abcdefghijklmnop"
)

func hook(url string) Config {
	c := defaults()
	c.URL = component.NewSecret(url + path)
	return c
}

func api(url string) Config {
	c := defaults()
	c.Token, c.ChannelID, c.APIURL = component.NewSecret(token), "C0123456789", url+"/api/chat.postMessage"
	return c
}

// build makes a sink; unbounded, it posts as fast as it can.
func build(t testing.TB, c Config, unbounded bool) *Sink {
	t.Helper()
	s, err := New(&c, component.Env{Name: "slack", Log: slog.New(slog.DiscardHandler), Meter: component.NoMeter{}})
	require.NoError(t, err)
	if unbounded {
		s.room = nil
	}
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

type answer struct {
	status int
	body   string
	after  string
}

// receiver gives one answer after the other, and the last for ever.
func receiver(t testing.TB, answers ...answer) (url string, bodies func() []string) {
	t.Helper()
	var mu sync.Mutex
	var seen []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, string(body))
		a := answers[0]
		if len(answers) > 1 {
			answers = answers[1:]
		}
		if a.after != "" {
			w.Header().Set("Retry-After", a.after)
		}
		w.WriteHeader(a.status)
		_, _ = io.WriteString(w, a.body)
	}))
	t.Cleanup(s.Close)
	return s.URL, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), seen...)
	}
}

func TestSuite(t *testing.T) {
	for name, c := range map[string]struct {
		config  func(url string) Config
		good    string
		secrets []string
	}{
		"webhook": {hook, "ok", []string{path, "abcdefghijklmnop"}},
		"api":     {api, `{"ok":true,"channel":"C0123456789","ts":"1"}`, []string{token}},
	} {
		t.Run(name, func(t *testing.T) {
			sinktest.RunHTTP(t, sinktest.HTTP{
				New:  func(t *testing.T, url string) sink.Sink { return build(t, c.config(url), true) },
				Good: func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, c.good) },
				Payloads: func(t *testing.T, r *http.Request, body []byte) [][]byte {
					return [][]byte{[]byte(strings.Replace(string(body), `"channel":"C0123456789",`, "", 1))}
				},
				Secrets: c.secrets,
			})
		})
	}
}

// What Slack answers decides what becomes of the message, most of all under status 200.
func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		answer
		want string
	}{
		{answer{200, "ok", ""}, "taken"}, {answer{200, "", ""}, "taken"}, {answer{200, `{"ok":true}`, ""}, "taken"},
		{answer{200, `{"ok":false,"error":"channel_not_found"}`, ""}, "again"}, {answer{200, `{"ok":false,"error":"invalid_auth"}`, ""}, "again"},
		{answer{200, `{"ok":false,"error":"something_new"}`, ""}, "again"}, {answer{200, `{"ok":false,"error":"ratelimited"}`, "7"}, "busy"},
		{answer{200, `{"ok":false,"error":"internal_error"}`, ""}, "again"}, {answer{200, "<html>a proxy</html>", ""}, "again"}, {answer{200, `{"ok":`, ""}, "again"},
		{answer{200, `{"ok":false,"error":"no_text"}`, ""}, "refused"}, {answer{200, `{"ok":false,"error":"invalid_charset"}`, ""}, "refused"},
		{answer{400, "invalid_payload", ""}, "refused"}, {answer{400, "user_not_found", ""}, "again"}, {answer{403, "action_prohibited", ""}, "again"},
		{answer{404, "channel_not_found", ""}, "again"}, {answer{410, "channel_is_archived", ""}, "again"}, {answer{500, "rollup_error", ""}, "again"},
		{answer{429, "ratelimited", "30"}, "busy"}, {answer{400, "", ""}, "refused"}, {answer{413, "", ""}, "refused"},
	} {
		url, _ := receiver(t, c.answer)
		err := build(t, hook(url), true).Send(t.Context(), sinktest.Items(1))
		got := "again"
		var rejected *sink.Rejected
		var busy *sink.Busy
		switch {
		case err == nil:
			got = "taken"
		case errors.As(err, &rejected):
			got = "refused"
			assert.Equal(t, []int{0}, rejected.Index)
		case errors.As(err, &busy):
			got = "busy"
		}
		assert.Equal(t, c.want, got, "%+v: %v", c.answer, err)
	}
}

// A message whose shape Slack does not like is tried once more as text alone.
func TestPlainSecondAttempt(t *testing.T) {
	item := []sink.Item{{Payload: []byte(`{"text":"&lt;hello","blocks":[{"text":{"text":"HIGH 7 · x"}}]}`)}}
	url, bodies := receiver(t, answer{200, `{"ok":false,"error":"invalid_blocks"}`, ""}, answer{200, `{"ok":true}`, ""})
	require.NoError(t, build(t, api(url), true).Send(t.Context(), item))
	got := bodies()
	require.Len(t, got, 2)
	assert.JSONEq(t, `{"channel":"C0123456789","text":"&lt;hello","mrkdwn":false,"parse":"none","link_names":false,"unfurl_links":false,"unfurl_media":false}`, got[1])

	url, bodies = receiver(t, answer{200, `{"ok":false,"error":"msg_too_long"}`, ""})
	var rejected *sink.Rejected
	require.ErrorAs(t, build(t, api(url), true).Send(t.Context(), item), &rejected)
	assert.Equal(t, "msg_too_long", rejected.Answer)
	assert.Len(t, bodies(), 2)
}

func events(heads ...string) (items []sink.Item) {
	for _, h := range heads {
		text, _ := json.Marshal(h)
		items = append(items, sink.Item{Payload: fmt.Appendf(nil, `{"text":"x","blocks":[{"type":"header","text":{"type":"plain_text","text":%s}}]}`, text)})
	}
	return items
}

// What would take more than a message a second is one message, which counts them all.
func TestDigestBeyondTheRate(t *testing.T) {
	url, bodies := receiver(t, answer{200, "ok", ""})
	s := build(t, hook(url), false)
	require.NoError(t, s.Send(t.Context(), events("LOW 3 · a", "LOW 3 · b")))
	assert.Len(t, bodies(), 2, "a few go one by one")
	many := events("LOW 3 · <!channel> http://evil.example", "CRITICAL 10 · worst")
	for range 98 {
		many = append(many, events("MEDIUM 5 · m")...)
	}
	require.NoError(t, s.Send(t.Context(), many))
	got := bodies()
	require.Len(t, got, 3)
	var m digestMessage
	require.NoError(t, json.Unmarshal([]byte(got[2]), &m))
	assert.Equal(t, "100 events in one message: 1 critical, 98 medium, 1 low", m.Text)
	assert.Equal(t, "#b71c1c", m.Attachments[0].Color)
	text := m.Attachments[0].Blocks[0].Text
	assert.Equal(t, "plain_text", text.Type)
	assert.True(t, strings.HasPrefix(text.Text, "• CRITICAL 10 · worst\n• MEDIUM 5 · m\n"), text.Text)
	assert.True(t, strings.HasSuffix(text.Text, "\nand 80 more"), text.Text)

	before := time.Now()
	require.NoError(t, s.Send(t.Context(), many[:50]), "the next one waits its turn")
	assert.Less(t, time.Since(before), time.Minute)
	assert.Len(t, bodies(), 4)
}

// A digest that Slack refuses says nothing about one event: the lane halves it.
func TestRefusedDigest(t *testing.T) {
	url, _ := receiver(t, answer{200, `{"ok":false,"error":"no_text"}`, ""})
	var rejected *sink.Rejected
	require.ErrorAs(t, build(t, hook(url), false).Send(t.Context(), events("a", "b", "c", "d", "e")), &rejected)
	assert.Nil(t, rejected.Index)
}

func FuzzDigest(f *testing.F) {
	f.Add("HIGH 7 · x", `"}}],"text":"<!channel>`)
	f.Add(strings.Repeat("é", 300), "\xff\n\u2028")
	f.Fuzz(func(t *testing.T, a, b string) {
		items := events(a, b)
		for range 30 {
			items = append(items, events(b)...)
		}
		items = append(items, sink.Item{Payload: []byte(a)})
		out := digest(items)
		var m digestMessage
		require.NoError(t, json.Unmarshal(out, &m))
		require.Regexp(t, `^33 events in one message: [a-z0-9, ]+$`, m.Text)
		text := m.Attachments[0].Blocks[0].Text
		require.Equal(t, "plain_text", text.Type)
		require.LessOrEqual(t, len(text.Text), mostSection)
		require.True(t, utf8.ValidString(text.Text))
		require.LessOrEqual(t, utf8.RuneCountInString(m.Blocks[0].Text.Text), 150)
	})
}

func TestProbe(t *testing.T) {
	url, bodies := receiver(t, answer{200, `{"ok":true}`, ""}, answer{200, `{"ok":false,"error":"invalid_auth"}`, ""})
	s := build(t, api(url), true)
	require.NoError(t, s.Probe(t.Context())[0].Err)
	assert.Equal(t, []string{"{}"}, bodies(), "no message")
	assert.ErrorContains(t, s.Probe(t.Context())[0].Err, "invalid_auth")
	url, bodies = receiver(t, answer{405, "", ""})
	require.NoError(t, build(t, hook(url), true).Probe(t.Context())[0].Err)
	assert.Equal(t, []string{""}, bodies())
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		change func(*Config)
		want   string
	}{
		{func(c *Config) {}, ""},
		{func(c *Config) { c.URL = component.NewSecret("${cred:slack}") }, ""},
		{func(c *Config) { c.URL = component.Secret{} }, ": says neither url nor token"},
		{func(c *Config) { c.Token = component.NewSecret("xoxb") }, "token: there is a url too"},
		{func(c *Config) { c.ChannelID = "C1" }, "channel_id: an incoming webhook has its channel"},
		{func(c *Config) { *c = api("https://slack.com") }, ""},
		{func(c *Config) { *c = api("https://slack.com"); c.ChannelID = "" }, "channel_id: is missing"},
		{func(c *Config) { *c = api("https://slack.com"); c.ChannelID = "#soc" }, "channel_id: it is the name of a channel"},
		{func(c *Config) { *c = api("https://slack.com"); c.ChannelID = "C 1" }, "channel_id: it holds a space"},
		{func(c *Config) { *c = api("https://slack.com"); c.Token = component.NewSecret("Bearer x") }, "token: it holds what no token can, such as a space"},
	} {
		conf := hook("https://hooks.slack.com")
		c.change(&conf)
		var r component.Report
		conf.Check(&r)
		got := ""
		for _, f := range r.Findings {
			got += f.Path + ": " + f.Text
		}
		assert.Equal(t, c.want, got)
	}
	_, err := New(&Config{HTTP: web.Defaults()}, component.Env{})
	assert.EqualError(t, err, "says neither url nor token")
}
