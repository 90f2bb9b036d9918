package formatters_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/formatters"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

func peopleRecord() *record.Record {
	r := &record.Record{Source: "dt", Vendor: []byte("Data Theorem"), Product: []byte("API Secure"), ID: []byte("u-1"), Class: []byte("violation"),
		Name: []byte("Policy violation"), Message: []byte("<!channel> see http://evil.example & call @here"), Severity: 9, Outcome: []byte("OPEN"), Time: record.Unix(1700000000_500000000, 3)}
	r.Set(record.UserName, []byte("<@U123>"))
	r.Set(record.ObjectName, []byte("api.example.net"))
	return r
}

func TestSlackMessage(t *testing.T) {
	r := peopleRecord()
	got := render(t, "slack", formatters.Options{}, r)
	const plain = `{"type":"plain_text","emoji":false,"text":"`
	assert.Equal(t, `{"text":"[CRITICAL 9] Policy violation: &lt;!`+"\u2060"+`channel&gt; see http:`+"\u2060"+`//evil.`+"\u2060"+`example &amp; call @`+"\u2060"+`here",`+
		`"mrkdwn":false,"parse":"none","link_names":false,"unfurl_links":false,"unfurl_media":false,`+
		`"blocks":[{"type":"header","text":`+plain+`CRITICAL 9 · Policy violation"}}],`+
		`"attachments":[{"color":"#b71c1c","blocks":[{"type":"section","text":`+plain+`<!channel> see http://evil.example & call @here"}},`+
		`{"type":"section","fields":[`+plain+`Outcome\nOPEN"},`+plain+`User\n<@U123>"},`+plain+`Object\napi.example.net"}]},`+
		`{"type":"context","elements":[`+plain+`2023-11-14T22:13:20Z · Data Theorem · API Secure · dt · u-1"}]}]}]}`, got)
	assert.Contains(t, render(t, "slack", formatters.Options{}, &record.Record{}), "UNKNOWN 0 · Event")
	buf := make([]byte, 0, 8192)
	f, err := formatters.New("slack", formatters.Options{})
	require.NoError(t, err)
	assert.Zero(t, testing.AllocsPerRun(50, func() { buf, _ = f.Append(buf[:0], r) }))
}

// slackText is every text of a message, by how Slack reads it.
type slackText struct{ read, plain []string }

func (s *slackText) walk(t *testing.T, key string, v any) {
	switch v := v.(type) {
	case map[string]any:
		if v["type"] == "plain_text" {
			require.Equal(t, false, v["emoji"])
			s.plain = append(s.plain, v["text"].(string))
			return
		}
		require.NotEqual(t, "mrkdwn", v["type"])
		for k, m := range v {
			s.walk(t, k, m)
		}
	case []any:
		for _, m := range v {
			s.walk(t, key, m)
		}
	case string:
		if key == "text" {
			s.read = append(s.read, v)
		}
	}
}

// linkLike is what Slack makes a link or a mention of.
var linkLike = regexp.MustCompile(`[<>]|://|[@#]\w|\w\.\w|&(?:$|[^agl]|a[^m]|[gl][^t])`)

// FuzzSlack holds that an event stays within its texts, that the one which Slack reads has
// nothing in it that could become a mention or a link, and that all are as long as Slack
// allows.
func FuzzSlack(f *testing.F) {
	f.Add("name", "message", "user")
	f.Add("<!channel>", "<https://evil|click> @everyone a.b", `"}]}],"channel":"C1`)
	f.Add("\xff\x00\u2028", strings.Repeat("<&>", 2000), strings.Repeat("é@", 3000))
	f.Add("", "", "")
	f.Fuzz(func(t *testing.T, name, message, user string) {
		r := &record.Record{Source: "s", Name: []byte(name), Message: []byte(message), ID: []byte(user), Host: []byte(user), Class: []byte(message), Severity: len(name)}
		r.Set(record.UserName, []byte(user))
		r.Set(record.FilePath, []byte(message))
		var v map[string]any
		out := render(t, "slack", formatters.Options{}, r)
		require.NoError(t, json.Unmarshal([]byte(out), &v), out)
		require.Len(t, v, 8)
		require.NotContains(t, out, "\n")
		var s slackText
		s.walk(t, "", v)
		require.Len(t, s.read, 1)
		require.NotRegexp(t, linkLike, s.read[0])
		for _, text := range s.plain {
			require.NotEmpty(t, text)
			require.LessOrEqual(t, utf8.RuneCountInString(text), 3000)
		}
		head := v["blocks"].([]any)[0].(map[string]any)["text"].(map[string]any)["text"].(string)
		require.LessOrEqual(t, utf8.RuneCountInString(head), 150)
	})
}

func TestPagerDutyEvents(t *testing.T) {
	r := peopleRecord()
	var got struct {
		Action   string `json:"event_action"`
		DedupKey string `json:"dedup_key"`
		Client   string
		Payload  struct {
			Summary, Source, Severity, Timestamp, Component, Group, Class string
			Details                                                       map[string]any `json:"custom_details"`
		}
	}
	require.NoError(t, json.Unmarshal([]byte(render(t, "pagerduty", formatters.Options{Host: "d"}, r)), &got))
	assert.Equal(t, []string{"trigger", "Data Theorem/u-1", "siemfwd"}, []string{got.Action, got.DedupKey, got.Client})
	p := &got.Payload
	assert.Equal(t, []string{"Policy violation: <!channel> see http://evil.example & call @here", "api.example.net", "critical", "2023-11-14T22:13:20.500Z", "API Secure", "Data Theorem", "violation"},
		[]string{p.Summary, p.Source, p.Severity, p.Timestamp, p.Component, p.Group, p.Class})
	assert.Equal(t, "u-1", p.Details["id"])

	r.Outcome, r.Action = []byte("RESOLVED"), []byte("resolved")
	assert.JSONEq(t, `{"event_action":"resolve","dedup_key":"Data Theorem/u-1"}`, render(t, "pagerduty", formatters.Options{}, r))

	for severity, want := range []string{"info", "info", "info", "warning", "warning", "warning", "error", "error", "error", "critical", "critical"} {
		assert.Contains(t, render(t, "pagerduty", formatters.Options{}, &record.Record{Severity: severity}), `"severity":"`+want+`"`)
	}
	empty := render(t, "pagerduty", formatters.Options{}, &record.Record{Source: "s"})
	assert.Contains(t, empty, `"summary":"Event","source":"siemfwd"`)
	assert.Contains(t, empty, `"dedup_key":"`+string((&record.Record{Source: "s"}).AppendUID(nil))+`"`)
	f, err := formatters.New("pagerduty", formatters.Options{})
	require.NoError(t, err)
	buf := make([]byte, 0, 8192)
	r = peopleRecord()
	assert.Zero(t, testing.AllocsPerRun(50, func() { buf, _ = f.Append(buf[:0], r) }))
}

func TestPagerDutyResolves(t *testing.T) {
	for _, c := range []struct {
		vendor, outcome, action string
		want                    string
	}{
		{"Data Theorem", "OPEN", "opened", "trigger"}, {"Data Theorem", "OPEN_WONT_FIX", "wont_fix", "resolve"}, {"Data Theorem", "", "accepted", "resolve"},
		{"Check Point", "new", "", "trigger"}, {"Check Point", "pending", "", "trigger"}, {"Check Point", "Remediated", "", "resolve"}, {"Check Point", "dismissed", "", "resolve"},
		{"Skyhigh Security", "opened", "", "trigger"}, {"Skyhigh Security", "False Positive", "", "resolve"}, {"Skyhigh Security", "resolved", "", "resolve"},
		{"BeyondTrust", "", "request", "trigger"}, {"BeyondTrust", "Denied", "", "resolve"},
		{"Acme", "denied", "accepted", "trigger"}, {"Acme", "Closed", "", "resolve"}, {"", "resolved", "", "resolve"}, {"Scanner", "", "", "trigger"},
	} {
		r := &record.Record{Vendor: []byte(c.vendor), Outcome: []byte(c.outcome), Action: []byte(c.action), ID: []byte("1")}
		assert.Contains(t, render(t, "pagerduty", formatters.Options{}, r), `{"event_action":"`+c.want+`"`, c)
	}
}

// FuzzPagerDuty holds that an event is one object with the members it must have, within
// PagerDuty's limits, and that what belongs together has one key.
func FuzzPagerDuty(f *testing.F) {
	f.Add("vendor", "id", "message", 1)
	f.Add("", `","routing_key":"x`, "\xff\"", 1)
	f.Add(strings.Repeat("v", 250), "12345678", strings.Repeat("é", 2000), 40000)
	f.Fuzz(func(t *testing.T, vendor, id, message string, times int) {
		r := &record.Record{Source: "s", Vendor: []byte(vendor), ID: []byte(id), Message: []byte(message), Name: []byte(message)}
		r.Add([]byte(message), record.String, []byte(strings.Repeat(message, min(max(times, 0), 500_000)/(len(message)+1))))
		type event struct {
			Action  string         `json:"event_action"`
			Key     string         `json:"dedup_key"`
			Client  string         `json:"client"`
			Payload map[string]any `json:"payload"`
		}
		read := func() (e event) {
			out := render(t, "pagerduty", formatters.Options{}, r)
			require.LessOrEqual(t, len(out), 512_000-64)
			d := json.NewDecoder(strings.NewReader(out))
			d.DisallowUnknownFields()
			require.NoError(t, d.Decode(&e))
			require.False(t, d.More())
			require.NotEmpty(t, e.Key)
			require.LessOrEqual(t, utf8.RuneCountInString(e.Key), 255)
			return e
		}
		first := read()
		require.Equal(t, "trigger", first.Action)
		require.LessOrEqual(t, utf8.RuneCountInString(first.Payload["summary"].(string)), 1024)
		require.IsType(t, map[string]any{}, first.Payload["custom_details"])
		r.Outcome = []byte("resolved")
		if vendor == "BeyondTrust" || vendor == "Check Point" {
			return
		}
		second := read()
		require.Equal(t, "resolve", second.Action)
		require.Equal(t, first.Key, second.Key)
	})
}
