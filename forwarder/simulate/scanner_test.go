package simulate

import (
	"context"
	"net/http"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/parsers/scanner/sinksapi"
)

func sinksClient(t *testing.T, a *API) *sinksapi.Client {
	c, err := sinksapi.Open(sinksapi.Config{BaseURL: a.URL, Key: Secret, Timeout: time.Second,
		Wait: func(context.Context, time.Duration) error { return nil }})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

var wantedSink = sinksapi.Wanted{TenantID: Tenant, Name: "siemfwd", URL: "https://hooks.example.net/x", Description: "d", Instance: "h/test"}

func TestEventSinksForTheRealClient(t *testing.T) {
	for name, f := range map[string]Faults{"plain": {}, "pages": {SinkPages: true}, "bare": {Bare: true}} {
		t.Run(name, func(t *testing.T) {
			a := begin(t, Scanner, Options{Seed: 1, Faults: f})
			c := sinksClient(t, a)
			for _, channel := range []string{"C1", "C2"} {
				s, err := c.Create(t.Context(), sinksapi.New{TenantID: Tenant, Name: channel, Args: sinksapi.Args{Slack: &sinksapi.SlackArgs{ChannelID: channel, IntegrationID: Tenant}}})
				require.NoError(t, err)
				s, err = c.Update(t.Context(), s.ID, sinksapi.Change{Args: &sinksapi.Args{Slack: &sinksapi.SlackArgs{Channel: "#old"}}})
				require.NoError(t, err)
				assert.Equal(t, sinksapi.SlackArgs{Channel: "#old", IntegrationID: Tenant}, *s.Configuration.Slack, "the integration stays")
			}
			first, err := c.Ensure(t.Context(), wantedSink, sinksapi.State{})
			require.NoError(t, err)
			assert.Equal(t, "created", first.Did)
			assert.Regexp(t, uuid4, first.Sink.ID)
			assert.WithinDuration(t, time.Now(), first.Sink.CreatedAt.Time, time.Hour)
			before := len(a.Calls())
			again, err := c.Ensure(t.Context(), wantedSink, first.State)
			require.NoError(t, err)
			assert.Equal(t, first.State, again.State)
			assert.Empty(t, again.Did)
			for _, call := range a.Calls()[before:] {
				assert.Equal(t, http.MethodGet, call.Method, "no write")
			}
			all, err := c.List(t.Context(), Tenant)
			require.NoError(t, err)
			assert.Len(t, all, 3)
			other, err := c.List(t.Context(), "another")
			require.NoError(t, err)
			assert.Empty(t, other)
			require.NoError(t, c.Delete(t.Context(), first.Sink.ID))
			assert.True(t, sinksapi.Is(c.Delete(t.Context(), first.Sink.ID), sinksapi.NotFound))
		})
	}
}

// However the API misbehaves, the client ends with one sink that points where it shall.
func TestEventSinksAtTheirWorst(t *testing.T) {
	for seed := range uint64(20) {
		a := begin(t, Scanner, Options{Seed: seed, Faults: Faults{Errors: 0.1, Lost: 0.15, Cut: 0.1, Failures: 0.05, Throttle: 0.05, Hang: 0.02, HangFor: time.Millisecond, Slow: 0.05, SlowFor: time.Millisecond, SinkPages: true}})
		c := sinksClient(t, a)
		var last sinksapi.Outcome
		require.Eventually(t, func() bool {
			var err error
			last, err = c.Ensure(t.Context(), wantedSink, last.State)
			return err == nil
		}, time.Minute, time.Millisecond)
		v := a.vendor.(*eventSinks)
		a.mu.Lock()
		require.Len(t, v.sinks, 1, "seed %d: %+v", seed, v.sinks)
		assert.Equal(t, wantedSink.URL, v.sinks[0].Configuration["Webhook"]["url"])
		a.mu.Unlock()
	}
}

// What is wrong about a request is answered as the API does.
func TestEventSinksRefuse(t *testing.T) {
	a := begin(t, Scanner, Options{})
	status, _, body := do(t, "POST", a.URL+sinksPath, `{"tenant_id":"t","name":"n","description":"","event_sink_args":{"Webhook":{"url":"https://h/"}}}`, "Authorization", "Bearer "+Secret)
	require.Equal(t, 200, status, body)
	id := regexp.MustCompile(`"id":"([^"]+)"`).FindStringSubmatch(body)[1]
	const create = `{"tenant_id":"t","name":"n","description":"","event_sink_args":`
	for _, c := range []struct {
		method, path, body string
		want               int
		says               string
	}{
		{"GET", "", "", 400, "tenant_id"},
		{"GET", "?tenant_id=t&pagination%5Bpage_token%5D=7", "", 200, id},
		{"GET", "/none", "", 404, "not found"},
		{"GET", "s", "", 404, "not found"},
		{"DELETE", "", "", 405, "method"},
		{"POST", "/" + id, "{}", 405, "method"},
		{"POST", "", `{"tenant_id":"t","name":"n","description":"",}`, 400, "invalid character"},
		{"POST", "", create + `{"Slack":{"channel_id":"C1",}}}`, 400, "invalid character"},
		{"POST", "", `{"name":"n","description":""}`, 400, "tenant_id, name and description are required"},
		{"POST", "", `{"tenant_id":"t","name":"n","event_sink_args":{}}`, 400, "description"},
		{"POST", "", create + `{}}`, 400, "exactly one"},
		{"POST", "", create + `{"Webhook":{"url":"https://h"},"PagerDuty":{"integration_key":"k"}}}`, 400, "exactly one"},
		{"POST", "", create + `{"Teams":{"url":"https://h"}}}`, 400, "Teams is not known"},
		{"POST", "", create + `{"Webhook":{}}}`, 400, "url is required"},
		{"POST", "", create + `{"PagerDuty":{}}}`, 400, "integration_key is required"},
		{"POST", "", create + `{"Slack":{"slack_integration_id":"x"}}}`, 400, "channel_id is required"},
		{"POST", "", create + `{"Slack":{"channel":"#x"}}}`, 400, "slack_integration_id is required"},
		{"PUT", "/" + id, `{"id":"another"}`, 400, "id of body and path differ"},
		{"PUT", "/" + id, `{}`, 400, "id of body and path differ"},
		{"PUT", "/" + id, `{"id":"` + id + `","event_sink_args":{"PagerDuty":{"integration_key":"k"}}}`, 400, "type of a sink cannot change"},
		{"PUT", "/" + id, `{"id":"` + id + `","event_sink_args":{}}`, 400, "exactly one"},
		{"PUT", "/" + id, `{"id":"` + id + `","name":"m"}`, 200, `"name":"m","description":"","event_sink_type":"Webhook","configuration":{"Webhook":{"url":"https://h/"}}`},
		{"DELETE", "/" + id, "", 200, `{"id":"` + id + `","tenant_id":"t"}`},
		{"GET", "?tenant_id=t", "", 200, `{"data":{"event_sinks":[]},"pagination":null}`},
	} {
		status, _, body := do(t, c.method, a.URL+sinksPath+c.path, c.body, "Authorization", "Bearer "+Secret)
		assert.Equal(t, c.want, status, "%+v: %s", c, body)
		assert.Contains(t, body, c.says, "%+v", c)
	}
	for _, key := range []string{"", "Bearer wrong", "Bearer", Secret} {
		status, _, body := do(t, "GET", a.URL+sinksPath+"?tenant_id=t", "", "Authorization", key)
		assert.Equal(t, 401, status)
		assert.JSONEq(t, `{"error":"unauthorized"}`, body)
	}
}
