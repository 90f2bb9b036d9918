package sinksapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func webhookTo(url string) Args { return Args{Webhook: &WebhookArgs{URL: url}} }

func TestEveryCall(t *testing.T) {
	for _, bare := range []bool{false, true} {
		m, c := newMock(t)
		m.bare = bare
		ctx := context.Background()
		for _, args := range []Args{
			webhookTo(hook),
			{Slack: &SlackArgs{ChannelID: "C1", Channel: "#ignored", IntegrationID: uuid()}},
			{Slack: &SlackArgs{Channel: "#old", IntegrationID: uuid()}},
			{PagerDuty: &PagerDutyArgs{IntegrationKey: "e93facc04764012d7bfb002500d5d1a6"}},
		} {
			s, err := c.Create(ctx, New{TenantID: tenant, Name: "n", Description: "d", Args: args})
			require.NoError(t, err)
			assert.Equal(t, args.Type(), s.Type)
			assert.Equal(t, args.Type(), s.Configuration.Type())
			got, err := c.Get(ctx, s.ID)
			require.NoError(t, err)
			assert.Equal(t, s, got)
			assert.Equal(t, 2026, got.CreatedAt.Year())

			name := "other"
			if args.Slack != nil {
				assert.Empty(t, map[bool]string{true: got.Configuration.Slack.Channel}[args.Slack.ChannelID != ""], "of both only the id is sent")
				args.Slack.IntegrationID = ""
			}
			s, err = c.Update(ctx, s.ID, Change{Name: &name, Args: &args})
			require.NoError(t, err)
			assert.Equal(t, "other", s.Name)
			assert.Equal(t, "d", s.Description, "what is not said stays")
			assert.True(t, s.UpdatedAt.After(s.CreatedAt.Time))
		}
		all, err := c.List(ctx, tenant)
		require.NoError(t, err)
		require.Len(t, all, 4)
		for _, s := range all {
			require.NoError(t, c.Delete(ctx, s.ID))
			require.True(t, Is(c.Delete(ctx, s.ID), NotFound))
			require.NoError(t, c.Remove(ctx, s.ID))
		}
		assert.Empty(t, m.sinks)
	}
}

func TestWhatCannotBeSent(t *testing.T) {
	m, c := newMock(t)
	for name, args := range map[string]Args{
		"none": {}, "two": {Webhook: &WebhookArgs{URL: hook}, PagerDuty: &PagerDutyArgs{IntegrationKey: "x"}},
		"no url": {Webhook: &WebhookArgs{}}, "no key": {PagerDuty: &PagerDutyArgs{}}, "no channel": {Slack: &SlackArgs{IntegrationID: "x"}},
		"no integration": {Slack: &SlackArgs{ChannelID: "C1"}},
	} {
		_, err := c.Create(context.Background(), New{TenantID: tenant, Name: "n", Args: args})
		assert.Error(t, err, name)
	}
	_, err := c.Update(context.Background(), "x", Change{Args: &Args{Slack: &SlackArgs{ChannelID: "C1", IntegrationID: "x"}}})
	assert.ErrorContains(t, err, "delete it")
	assert.Empty(t, m.calls)
	for _, cfg := range []Config{{}, {BaseURL: "api"}, {BaseURL: "https://h"}, {BaseURL: "https://h", Key: "a b"},
		{BaseURL: "https://h", Key: "a\nb"}, {BaseURL: "http://api.example.com", Key: "k"}, {BaseURL: "https://u:p@h", Key: "k"}} {
		_, err := Open(cfg)
		assert.Error(t, err, "%+v", cfg)
	}
}

func TestPages(t *testing.T) {
	m, c := newMock(t)
	for i := range 7 {
		m.add(fmt.Sprint(i), "", Webhook, object{"url": hook}, 0)
	}
	for _, size := range []int{1, 2, 3, 7, 50} {
		m.pageSize, m.calls = size, nil
		all, err := c.List(context.Background(), tenant)
		require.NoError(t, err)
		assert.Len(t, all, 7)
		assert.Len(t, m.calls, (7+size-1)/size)
	}
	m.sameToken = true
	_, err := c.List(context.Background(), tenant)
	assert.ErrorContains(t, err, "twice")
	m.sameToken, m.pageSize = false, 1
	for range 120 {
		m.add("x", "", Webhook, object{"url": hook}, 0)
	}
	_, err = c.List(context.Background(), tenant)
	assert.ErrorContains(t, err, "more than 100 pages")
}

func TestAnswers(t *testing.T) {
	m, c := newMock(t)
	for text, want := range map[string]int{
		`[]`: 0, `{"data":[{"id":"a"}]}`: 1, `{"event_sinks":[{"id":"a","created_at":"yesterday","configuration":null}]}`: 1,
		`{"data":{"event_sinks":[{"id":"a","event_sink_type":"Teams","configuration":{"Teams":{"x":1}}}]},"pagination":{}}`: 1,
		``: -1, `{}`: -1, `null`: -1, `{"data":null}`: -1, `{"data":{"event_sinks":{}}}`: -1, `{"data":{"event_sinks":[`: -1, `[1]`: -1,
	} {
		m.raw = func(w http.ResponseWriter) bool { _, _ = w.Write([]byte(text)); return true }
		all, err := c.List(context.Background(), tenant)
		if want < 0 {
			assert.True(t, Is(err, Garbled), "%s: %v", text, err)
			continue
		}
		require.NoError(t, err, text)
		assert.Len(t, all, want, text)
	}
	for _, text := range []string{``, `{}`, `[]`, `{"event_sink":{}}`, `{"event_sink":{"id":"a"`} {
		m.raw = func(w http.ResponseWriter) bool { _, _ = w.Write([]byte(text)); return true }
		_, err := c.Get(context.Background(), "a")
		assert.True(t, Is(err, Garbled), "%s: %v", text, err)
	}
}

func TestErrors(t *testing.T) {
	m, c := newMock(t)
	ctx := context.Background()
	wrong := m.client("wr0ng")
	_, err := wrong.List(ctx, tenant)
	require.True(t, Is(err, Denied))
	assert.EqualError(t, err, "event sinks: list: status 401: unauthorized")
	assert.Len(t, m.calls, 1, "it is not tried again")

	_, err = c.Get(ctx, "a/b?c")
	require.True(t, Is(err, NotFound), "%v", err)
	_, err = c.List(ctx, "")
	require.True(t, Is(err, Refused))

	for status, class := range map[int]Class{403: Denied, 409: Refused, 422: Refused, 418: Refused} {
		m.raw = func(w http.ResponseWriter) bool {
			w.WriteHeader(status)
			_, _ = fmt.Fprintf(w, "no\n%s%s and %s%s", apiKey, hook, strings.Repeat("x", mostText-75), apiKey)
			return true
		}
		m.calls = nil
		_, err = c.Create(ctx, New{TenantID: tenant, Name: "n", Args: webhookTo(hook)})
		require.True(t, Is(err, class), "%d: %v", status, err)
		assert.Len(t, m.calls, 1)
		assert.NotContains(t, err.Error(), apiKey[:8])
		assert.NotContains(t, err.Error(), "c4pability")
		assert.Less(t, len(err.Error()), 700)
		assert.NotContains(t, err.Error(), "\n")
	}
}

func TestWhatIsTriedAgain(t *testing.T) {
	m, c := newMock(t)
	ctx := context.Background()
	id := m.add("n", "", Webhook, object{"url": hook}, 0)
	name := "m"

	m.throttle, m.after = 2, "7"
	_, err := c.List(ctx, tenant)
	require.NoError(t, err)
	assert.Equal(t, []time.Duration{7 * time.Second, 7 * time.Second}, m.waits)

	m.waits, m.fail = nil, 3
	_, err = c.Update(ctx, id, Change{Name: &name})
	require.NoError(t, err)
	assert.Equal(t, []time.Duration{time.Second, 2 * time.Second, 4 * time.Second}, m.waits)

	m.fail = 4
	_, err = c.Get(ctx, id)
	require.True(t, Is(err, Failed))
	assert.ErrorContains(t, err, "bad gateway")

	// A create is repeated only when nothing was done.
	m.throttle, m.after, m.calls = 1, "", nil
	_, err = c.Create(ctx, New{TenantID: tenant, Name: "c", Args: webhookTo(hook)})
	require.NoError(t, err)
	assert.Len(t, m.calls, 2)
	m.calls, m.loseCreate = nil, 1
	_, err = c.Create(ctx, New{TenantID: tenant, Name: "c", Args: webhookTo(hook)})
	require.True(t, Is(err, Failed))
	assert.Len(t, m.calls, 1)

	// A delete whose answer was lost has been done.
	m.loseAll = 1
	require.NoError(t, c.Delete(ctx, id))
	assert.Nil(t, m.find(id))

	// Too long a pause is the caller's.
	m.throttle, m.after, m.waits = 1, "3600", nil
	_, err = c.List(ctx, tenant)
	var e *Error
	require.ErrorAs(t, err, &e)
	assert.Equal(t, time.Hour, e.After)
	assert.True(t, e.Temporary())
	assert.Empty(t, m.waits)
}

func TestRetryAfter(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"": 0, "0": 0, "5": 5 * time.Second, "-1": 0, "soon": 0, "Fri, 02 Jan 2026 03:04:35 GMT": 30 * time.Second,
		"Fri, 02 Jan 2026 03:00:00 GMT": 0,
	} {
		h := http.Header{"Retry-After": {text}, "Date": {"Fri, 02 Jan 2026 03:04:05 GMT"}}
		assert.Equal(t, want, retryAfter(h), text)
	}
}

// The key goes to the base URL and nowhere else.
func TestRedirectsAreNotFollowed(t *testing.T) {
	m, c := newMock(t)
	asked := 0
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer other.Close()
	m.redirect = other.URL
	for _, err := range []error{
		second(c.List(context.Background(), tenant)), second(c.Get(context.Background(), "a")), c.Delete(context.Background(), "a"),
		second(c.Create(context.Background(), New{TenantID: tenant, Name: "n", Args: webhookTo(hook)})),
	} {
		assert.True(t, Is(err, Refused), "%v", err)
	}
	assert.Zero(t, asked)
	assert.Len(t, m.calls, 4)
}

func second[T any](_ T, err error) error { return err }

func TestASlowAPIIsGivenUp(t *testing.T) {
	m, c := newMock(t)
	m.slow = true
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err := c.List(ctx, tenant)
	require.True(t, Is(err, Unreachable), "%v", err)
	assert.NotContains(t, err.Error(), m.url)
}

func TestKeysAreMasked(t *testing.T) {
	k := Key("e93facc04764012d7bfb002500d5d1a6")
	b, err := json.Marshal(Args{PagerDuty: &PagerDutyArgs{IntegrationKey: k}})
	require.NoError(t, err)
	assert.Equal(t, `{"PagerDuty":{"integration_key":"****d1a6"}}`, string(b))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		assert.NotContains(t, fmt.Sprintf(verb, PagerDutyArgs{k}), "e93f")
	}
	assert.Equal(t, "****", fmt.Sprint(Key("short")))
}

// FuzzAnswers holds for any answer that reading it does not panic, that a sink has an
// id, and that what is said about a bad one is short and on one line.
func FuzzAnswers(f *testing.F) {
	for _, s := range []string{`{"event_sink":{"id":"a","configuration":{"Slack":{"channel":"x"}}}}`, `{"data":{"event_sinks":[{"id":"a"}]},"pagination":{"next_page_token":"t"}}`,
		`[]`, `{"data":[]}`, `{"error":{"a":1}}`, "\xff\n"} {
		f.Add([]byte(s), 400)
	}
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		if s, err := readSink("get", body); err == nil {
			require.NotEmpty(t, s.ID)
		}
		if _, _, err := readList(body); err != nil {
			require.NotContains(t, err.Error(), "\n")
		}
		text := textOf(status, body)
		require.NotContains(t, text, "\n")
		require.LessOrEqual(t, len(text), mostText)
		require.NotEmpty(t, text)
	})
}
