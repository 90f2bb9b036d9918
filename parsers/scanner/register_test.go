package scanner

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

func TestRegister(t *testing.T) {
	type object = map[string]any
	status, after := 0, ""
	var sinks []object
	var calls []string
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls = append(calls, r.Method)
		if status != 0 {
			w.Header().Set("Retry-After", after)
			w.WriteHeader(status)
			return
		}
		var in object
		_ = json.NewDecoder(r.Body).Decode(&in)
		switch {
		case r.Method == http.MethodPost:
			sinks = append(sinks, object{"id": "s-1", "tenant_id": in["tenant_id"], "name": in["name"], "description": in["description"],
				"event_sink_type": "Webhook", "configuration": in["event_sink_args"], "created_at": "2026-01-02T03:04:05Z"})
			fallthrough
		case r.URL.Path != "/v1/event_sink":
			_ = json.NewEncoder(w).Encode(object{"event_sink": sinks[0]})
		default:
			_ = json.NewEncoder(w).Encode(object{"data": object{"event_sinks": append([]object{}, sinks...)}})
		}
	}))
	defer api.Close()

	cfg := register.Config().(*keys)
	none, err := register.Open(cfg, "h/scanner")
	require.NoError(t, err)
	require.Nil(t, none, "without the block nothing is registered")

	cfg.Register = &registration{BaseURL: api.URL, TenantID: "t-1", APIKey: component.NewSecret("k-c4n4ry"), URL: "https://hooks.example.com/c4p"}
	run, err := register.Open(cfg, "my host/scanner;1")
	require.NoError(t, err)
	ctx := context.Background()
	said, memo, err := run(ctx, nil)
	require.NoError(t, err)
	assert.Equal(t, "sink s-1 was created", said)
	assert.NotContains(t, string(memo), "c4p")
	assert.Equal(t, "siemfwd", sinks[0]["name"])
	assert.Equal(t, "Alerts for siemfwd. managed-by=siemfwd;id=my_host/scanner_1", sinks[0]["description"])
	for _, m := range [][]byte{memo, nil, []byte("junk")} {
		calls = nil
		said, keep, err := run(ctx, m)
		require.NoError(t, err)
		assert.Equal(t, "sink s-1 points here", said)
		assert.Equal(t, memo, keep)
		assert.Equal(t, []string{"GET"}, calls, "nothing is written")
	}

	var denied *kit.Denied
	status = 403
	_, _, err = run(ctx, memo)
	require.ErrorAs(t, err, &denied)
	var bad *kit.Bad
	status = 422
	_, _, err = run(ctx, memo)
	require.ErrorAs(t, err, &bad)
	var throttled *kit.Throttled
	status, after = 429, "3600"
	_, _, err = run(ctx, memo)
	require.ErrorAs(t, err, &throttled)
	assert.Equal(t, time.Hour, throttled.For)
	assert.NotContains(t, err.Error(), "c4n4ry")
}

func TestRegisterChecksItsKeys(t *testing.T) {
	for _, c := range []struct {
		base, url string
		want      []string
	}{
		{"https://api.us-east-1.scanner.dev/", "https://hooks.example.com/x", nil},
		{"${cred:x}", "${cred:y}", nil},
		{"http://127.0.0.1:80", "https://h/", nil},
		{"http://api.example.com", "https://h/", []string{"base_url"}},
		{"api.example.com", "hooks", []string{"base_url", "url"}},
		{"https://h", "http://h/", []string{"url"}},
	} {
		var r component.Report
		(&registration{BaseURL: c.base, URL: c.url}).Check(&r)
		var got []string
		for _, f := range r.Findings {
			got = append(got, f.Path)
		}
		assert.Equal(t, c.want, got, "%+v", c)
	}
	_, err := register.Open(&keys{&registration{BaseURL: "https://h", URL: "https://h"}}, "x")
	require.Error(t, err, "without a key")
}
