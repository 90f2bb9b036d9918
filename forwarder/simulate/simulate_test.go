package simulate

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/credential"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// past are options whose events can all be read.
func past(events int) Options {
	return Options{Seed: 7, Events: events, Start: time.Now().Add(-time.Hour), For: time.Minute, PageSize: 10}
}

func begin(t *testing.T, start func(Options) (*API, error), o Options) *API {
	t.Helper()
	a, err := start(o)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, a.Close()); http.DefaultClient.CloseIdleConnections() })
	return a
}

func do(t *testing.T, method, target, body string, header ...string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	require.NoError(t, err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, resp.Header, string(text)
}

func incidentsOf(t *testing.T, a *API, from string) (n int, next string) {
	t.Helper()
	status, _, body := do(t, "POST", a.URL+incidents+"queryIncidents", `{"startTime":"`+from+`"}`, "x-access-token", newTokenOf(a))
	require.Equal(t, 200, status)
	var page struct {
		Body struct {
			ResponseInfo struct{ NextStartTime string }
			Incidents    []json.RawMessage
		}
	}
	require.NoError(t, json.Unmarshal([]byte(body), &page))
	return len(page.Body.Incidents), page.Body.ResponseInfo.NextStartTime
}

func newTokenOf(a *API) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.newToken()
}

func TestPagesNeverSplitAnInstant(t *testing.T) {
	o := past(3200)
	o.Faults.Ties = 0.3
	a := begin(t, Skyhigh, o)
	longest, all := 0, 0
	for from, pages := "2020-01-01T00:00:00Z", 0; from != ""; pages++ {
		require.Less(t, pages, 1000)
		var n int
		n, from = incidentsOf(t, a, from)
		longest, all = max(longest, n), all+n
	}
	assert.Equal(t, 3200, all)
	assert.GreaterOrEqual(t, longest, 16, "one instant has more than a page")
	for _, e := range a.Events() {
		assert.True(t, e.Handed && e.Last)
	}
}

func TestTheSameSeedIsTheSameEvents(t *testing.T) {
	o := past(500)
	o.Faults = Faults{Late: 0.1, Updates: 0.2, Ties: 0.2}
	one, two := begin(t, CheckPoint, o), begin(t, CheckPoint, o)
	assert.Equal(t, one.Events(), two.Events())
	o.Seed++
	assert.NotEqual(t, one.Events(), begin(t, CheckPoint, o).Events())
	last := 0
	for _, e := range one.Events() {
		if e.Last {
			last++
		}
	}
	assert.Equal(t, 500, last, "every event has one last state")
}

func TestOnlyLoopback(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", ":0", "192.0.2.1:80", "example.net:80", "127.0.0.1", "[::]:0"} {
		_, err := CheckPoint(Options{Listen: address})
		require.ErrorIs(t, err, ErrAddress, address)
	}
	begin(t, CheckPoint, Options{Listen: "localhost:0"})
}

func TestThrottledCallsAreCounted(t *testing.T) {
	o := past(1)
	o.Faults = Faults{Throttle: 1, RetryAfter: 30 * time.Second}
	a := begin(t, Skyhigh, o)
	for _, early := range []bool{false, true, true} {
		status, h, _ := do(t, "POST", a.URL+incidents+"queryIncidents", "{}")
		assert.Equal(t, 429, status)
		assert.Equal(t, "30", h.Get("Retry-After"))
		calls := a.Calls()
		assert.Equal(t, early, calls[len(calls)-1].Early)
	}
}

// What a call is drawn, it gets.
func TestFaults(t *testing.T) {
	query := func(a *API) (*http.Response, error) {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, a.URL+incidents+"queryIncidents", strings.NewReader(`{"startTime":"2020-01-01T00:00:00Z"}`))
		req.SetBasicAuth(User, Secret)
		return http.DefaultClient.Do(req)
	}
	for name, f := range map[string]Faults{"error": {Errors: 1}, "failure": {Failures: 1}, "cut": {Cut: 1}, "hang": {Hang: 1, HangFor: time.Millisecond}} {
		t.Run(name, func(t *testing.T) {
			o := past(30)
			o.Faults = f
			a := begin(t, Skyhigh, o)
			for range 2 {
				resp, err := query(a)
				whole := err == nil
				var body []byte
				if whole {
					body, err = io.ReadAll(resp.Body)
					whole = err == nil && json.Valid(body) && resp.StatusCode == 200
					_ = resp.Body.Close()
				}
				if name == "failure" {
					assert.Contains(t, string(body), `"error":{"code":500`)
				} else {
					assert.False(t, whole, "%s", body)
				}
			}
			for _, c := range a.Calls() {
				assert.Equal(t, name, c.Fault)
			}
		})
	}
}

func TestMisbehave(t *testing.T) {
	var o Options
	require.Error(t, o.Misbehave("late,nonsense"))
	o = Options{}
	require.NoError(t, o.Misbehave("late, 429-silent"))
	assert.Equal(t, Options{Faults: Faults{Late: 0.03, Throttle: 0.01}}, o)
	require.NoError(t, o.Misbehave("all"))
	assert.NotZero(t, o.Faults.RetryAfter)
	names := map[string]bool{}
	for _, w := range Words() {
		assert.False(t, names[w.Name])
		names[w.Name] = true
		alone := Options{}
		w.set(&alone)
		assert.NotEqual(t, Options{}, alone, "%s does nothing", w.Name)
	}
}

// A sender of each kind fetches another token when its own is taken back, and sends
// what is wrong only when it is told to.
func TestSenderWithCredentials(t *testing.T) {
	idp := begin(t, Issuer, Options{Seed: 1})
	for name, c := range map[string]credential.Config{
		"basic": {Type: "basic", Username: "u", Password: component.NewSecret("p")},
		"hmac":  {Type: "hmac", Name: "X-S", Secret: component.NewSecret("s")},
		"oauth": {Type: "oauth_client_credentials", TokenURL: idp.URL + "/token", ClientID: "c", ClientSecret: component.NewSecret(Secret), Scopes: []string{"w"}, Audience: "a"},
	} {
		t.Run(name, func(t *testing.T) {
			cred, err := credential.New(&c, nil)
			require.NoError(t, err)
			good, calls := map[string]bool{}, 0
			hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				shown := r.Header.Get("Authorization") + r.Header.Get("X-S")
				if calls++; calls%3 == 1 { // the impostor is first, then a token that was taken back
					assert.False(t, good[shown])
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				if name == "oauth" && calls%3 == 2 {
					assert.False(t, good[shown], "another than the one that was refused")
					w.WriteHeader(http.StatusUnauthorized)
				}
				good[shown] = true
			}))
			defer hook.Close()
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			var got []string
			s := Sender{URL: hook.URL, Credential: cred, Bodies: [][]byte{[]byte("x")}, Faults: Faults{Impostors: 1}}
			require.NoError(t, s.Run(ctx, func(d Delivery) {
				assert.NoError(t, d.Err)
				if got = append(got, fmt.Sprint(d.Status, d.Fault)); len(got) == 2 {
					stop()
				}
			}))
			assert.Equal(t, []string{"401impostor", "200"}, got)
			http.DefaultClient.CloseIdleConnections()
		})
	}
}

func TestTimesAreMovedTogether(t *testing.T) {
	now := time.Date(2027, 1, 2, 3, 4, 5, 600, time.UTC)
	for in, want := range map[string]string{
		`{"time":1767607200,"a":"2026-01-05T09:55:00.500000+00:00"}`:                             `{"time":1798859045,"a":"2027-01-02T02:59:05.500000+00:00"}`,
		`{"timestamp":1768471205123456789,"start":"2026-01-15T09:55:00.000000000Z"}`:             `{"timestamp":1798859045123456789,"start":"2027-01-02T02:59:00.000000000Z"}`,
		`{"Timestamp":"20260301T101112Z","StartTime":"20260301T101012Z","n":"00000000T999999Z"}`: `{"Timestamp":"20270102T030405Z","StartTime":"20270102T030305Z","n":"00000000T999999Z"}`,
		`{"id":1767607200}`: `{"id":1767607200}`, ``: ``,
	} {
		assert.Equal(t, want, string(moved([]byte(in), now)))
	}
}

func TestSender(t *testing.T) {
	const id = "0b7c1c0e-5b7e-4f7e-9a55-0f3e7a1d2c11"
	got := make(chan string, 100)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- fmt.Sprint(r.Header.Get("Authorization"), string(body))
	}))
	defer hook.Close()
	ctx, stop := context.WithCancel(t.Context())
	var statuses []int
	s := Sender{URL: hook.URL + "/hooks/x", Header: http.Header{"Authorization": {"Bearer t"}}, Bodies: [][]byte{[]byte(id + " " + id), []byte("two")}}
	require.NoError(t, s.Run(ctx, func(d Delivery) {
		assert.Empty(t, d.Fault)
		if statuses = append(statuses, d.Status); len(statuses) == 4 {
			stop()
		}
	}))
	stop()
	hook.Close()
	assert.Equal(t, []int{200, 200, 200, 200}, statuses)
	close(got)
	all := slices.Collect(func(yield func(string) bool) {
		for text := range got {
			if !yield(text) {
				return
			}
		}
	})
	require.Len(t, all, 4)
	assert.Equal(t, "Bearer t"+id+" "+id, all[0])
	again := strings.Fields(strings.TrimPrefix(all[2], "Bearer t"))
	assert.Equal(t, again[0], again[1], "the same ids stay the same")
	assert.NotEqual(t, id, again[0])
	require.Error(t, (&Sender{URL: "nonsense"}).Run(t.Context(), nil))
	_, err := url.Parse(s.URL)
	require.NoError(t, err)
	http.DefaultClient.CloseIdleConnections()
}

// The APIs filter by what a source can ask for.
func TestFilters(t *testing.T) {
	harmony := begin(t, CheckPoint, past(105))
	for filter, want := range map[string]int{
		``: 105, `,"eventTypes":["phishing","dlp"]`: 30, `,"severities":[4,5]`: 42, `,"severities":["1","Critical"]`: 42, `,"severities":[true]`: 0,
		`,"saas":["ms_teams"]`: 21, `,"eventStates":["remediated"]`: 0, `,"confidenceIndicator":"suspicious"`: 0, `,"description":"Message 7'"`: 1,
		`,"eventIds":["00000000000000000000000000000003"]`: 1,
	} {
		status, _, body := do(t, "POST", harmony.URL+"/app/hec-api/v1.0/event/query", `{"requestData":{"startDate":"2020-01-01T00:00:00Z","pageSize":1000`+filter+`}}`,
			"Authorization", "Bearer "+newTokenOf(harmony), "x-av-req-id", fmt.Sprintf("00000000-0000-4000-8000-%012d", len(filter)*1000+want))
		require.Equal(t, 200, status, body)
		assert.Equal(t, want, strings.Count(body, `"eventId":`), filter)
	}
	casb := begin(t, Skyhigh, past(120))
	for filter, want := range map[string]int{
		``: 120, `,"actorIds":["li.wei@example.net"]`: 20, `,"serviceNames":["Box"]`: 24, `,"incidentCriteria":{"categories":[{"incidentType":"Alert"}]}`: 90,
		`,"incidentCriteria":{"categories":[{"incidentType":"Alert","category":"Policy"},{"incidentType":"Threat"}]}`: 90,
		`,"incidentCriteria":{"categories":[{"incidentType":"Alert.Policy.Dlp"}]}`:                                    30, `,"incidentCriteria":{"fields":{"status":["resolved"]}}`: 0,
	} {
		status, _, body := do(t, "POST", casb.URL+incidents+"queryIncidents?limit=500", `{"startTime":"2020-01-01T00:00:00Z"`+filter+`}`, "x-access-token", newTokenOf(casb))
		require.Equal(t, 200, status, body)
		assert.Equal(t, want, strings.Count(body, `"incidentId":`), filter)
	}
}
