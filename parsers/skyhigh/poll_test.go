package skyhigh

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

var window = kit.Window{From: time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC), To: time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)}

func newAPI(t *testing.T, c Config) *kit.API {
	t.Helper()
	base := poll.Config().(*Config)
	base.Region, base.Username, base.Password = "us", "user", component.NewSecret("pass")
	if c.AuthMode != "" {
		base.AuthMode = c.AuthMode
	}
	if c.BaseURL != "" {
		base.Region, base.BaseURL = "", c.BaseURL
	}
	base.Criteria, base.TenantID = c.Criteria, c.TenantID
	a, err := poll.Open(base)
	require.NoError(t, err)
	return a
}

func readRows(t *testing.T, a *kit.API, status int, body string) (ids []string, next kit.Next, err error) {
	t.Helper()
	next, err = a.Read(window, nil, status, nil, []byte(body), func(r kit.Row) {
		ids = append(ids, string(r.ID)+"|"+string(r.Version))
	})
	return ids, next, err
}

const incidents = `"incidents":[{"incidentId":"ANO-1","timeModified":"2026-11-20T09:01:02.003Z"},{"incidentId":"DLP-2","timeModified":"2026-11-20T09:01:02.004Z"}]`

func TestPagesAreReadInEveryForm(t *testing.T) {
	a := newAPI(t, Config{})
	want := []string{"ANO-1|2026-11-20T09:01:02.003Z", "DLP-2|2026-11-20T09:01:02.004Z"}
	for name, body := range map[string]string{
		"bare":      `{"responseInfo":{"nextStartTime":"2026-11-20T09:01:02.005Z","error":null},` + incidents + `}`,
		"enveloped": `{"headers":{},"body":{"responseInfo":{"nextStartTime":"2026-11-20T09:01:02.005Z"},` + incidents + `},"statusCode":"OK","statusCodeValue":200}`,
		"no zone":   `{"responseInfo":{"nextStartTime":"2026-11-20T09:01:02.005"},` + incidents + `}`,
	} {
		t.Run(name, func(t *testing.T) {
			ids, next, err := readRows(t, a, 200, body)
			require.NoError(t, err)
			assert.Equal(t, want, ids)
			assert.True(t, next.More)
			assert.Equal(t, "2026-11-20T09:01:02.005Z", string(next.Cursor))
			assert.Equal(t, time.Date(2026, 11, 20, 9, 1, 2, 5e6, time.UTC), next.From)
		})
	}
	_, next, err := readRows(t, a, 200, `{"responseInfo":{"nextStartTime":null},`+incidents+`}`)
	require.NoError(t, err)
	assert.False(t, next.More)
	_, next, err = readRows(t, a, 200, `{"responseInfo":{"nextStartTime":"2026-11-20T09:30:00.000Z"},"incidents":[]}`)
	require.NoError(t, err)
	assert.False(t, next.More, "an empty page ends the walk")
	ids, next, err := readRows(t, a, 404, `{"message":"no data"}`)
	require.NoError(t, err)
	assert.Empty(t, ids)
	assert.False(t, next.More)
}

func TestAWalkNeverStandsStill(t *testing.T) {
	a := newAPI(t, Config{})
	_, next, err := readRows(t, a, 200, `{"responseInfo":{"nextStartTime":"2026-11-20T08:00:00.000Z"},`+incidents+`}`)
	require.NoError(t, err)
	assert.Equal(t, "2026-11-20T09:00:00.001Z", string(next.Cursor))
	assert.NotEmpty(t, next.Note)
}

func TestFailuresWithAGoodStatusAreFailures(t *testing.T) {
	a := newAPI(t, Config{})
	for name, body := range map[string]string{
		"error in responseInfo": `{"responseInfo":{"error":{"code":400,"message":"bad startTime"},"nextStartTime":null},"incidents":[]}`,
		"status in the body":    `{"body":{"responseInfo":{},"incidents":[]},"statusCode":"UNAUTHORIZED","statusCodeValue":401}`,
		"cut":                   `{"responseInfo":{"nextStartTime":null},"incidents":[{"incidentId":"ANO-1"`,
		"not an answer":         `{"hello":"world"}`,
		"a list":                `[]`,
		"no time":               `{"responseInfo":{"nextStartTime":"soon"},` + incidents + `}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := readRows(t, a, 200, body)
			require.Error(t, err)
		})
	}
	var denied *kit.Denied
	_, _, err := readRows(t, a, 200, `{"body":{"responseInfo":{},"incidents":[]},"statusCodeValue":401}`)
	require.ErrorAs(t, err, &denied)
	_, _, err = readRows(t, a, 403, `no`)
	require.ErrorAs(t, err, &denied)
}

func TestTheRequestCarriesTheCriteriaUnderTheirOwnNames(t *testing.T) {
	low := 3
	a := newAPI(t, Config{Criteria: Criteria{StartTime: "2026-11-20T09:30:00Z", ActorIDType: "USER", ServiceRiskMinimum: &low,
		IncidentCriteria: &IncidentCriteria{Categories: []Category{{IncidentType: "Alert", Category: "Policy"}}, Product: "SHADOW",
			Fields: map[string][]string{"policyName": {"PII"}}}}})
	req, err := a.Page(window, nil)
	require.NoError(t, err)
	assert.Equal(t, "/shnapi/rest/external/api/v1/queryIncidents", req.Path)
	assert.Equal(t, "500", req.Query.Get("limit"))
	assert.JSONEq(t, `{"startTime":"2026-11-20T09:30:00.000Z","endTime":"2026-11-20T10:00:00.000Z","actorIdType":"USER","serviceRiskMinimum":3,
		"incidentCriteria":{"categories":[{"incidentType":"Alert","category":"Policy"}],"product":"SHADOW","fields":{"policyName":["PII"]}}}`, string(req.Body))
	req, err = a.Page(window, []byte("2026-11-20T09:45:00.001Z"))
	require.NoError(t, err)
	assert.Contains(t, string(req.Body), `"startTime":"2026-11-20T09:45:00.001Z"`)
}

// TestLogins goes through each way to log in against a server that wants exactly that.
func TestLogins(t *testing.T) {
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("user:pass"))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q, h := r.URL.Query(), r.Header
		ok := h.Get("bps-tenant-id") == "t-1"
		switch r.URL.Path + "?" + q.Get("grant_type") {
		case operations + "token?password":
			ok = ok && q.Get("token_type") == "iam" && h.Get("Authorization") == basic
			fmt.Fprint(w, answerIf(w, ok, `{"access_token":"iam-1","token_type":"bearer"}`))
		case authService + "?iam_token":
			fmt.Fprint(w, answerIf(w, ok && h.Get("x-iam-token") == "iam-1", `{"access_token":"tok-2","expires_in":899}`))
		case authService + "?password":
			ok = ok && h.Get("x-auth-username") == "user" && h.Get("x-auth-password") == "pass"
			fmt.Fprint(w, answerIf(w, ok, `{"access_token":"tok-2","expires_in":"899"}`))
		case operations + "queryIncidents?":
			fmt.Fprint(w, answerIf(w, ok && (h.Get("Authorization") == basic || h.Get("x-access-token") == "tok-2"), `{"responseInfo":{},"incidents":[]}`))
		default:
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	defer srv.Close()
	for mode, steps := range map[string]int{authBasic: 0, authIAM: 2, authToken: 1} {
		t.Run(mode, func(t *testing.T) {
			a := newAPI(t, Config{AuthMode: mode, BaseURL: srv.URL, TenantID: "t-1"})
			require.Len(t, a.Auth, steps)
			var call kit.Call
			for i, s := range a.Auth {
				req, err := s.Request(call)
				require.NoError(t, err)
				status, body := do(t, a.BaseURL, req, nil)
				token, life, err := s.Read(status, nil, body, time.Now())
				require.NoError(t, err)
				if i == steps-1 {
					assert.Equal(t, 839*time.Second, life)
				}
				call.Tokens = append(call.Tokens, token)
			}
			req, err := a.Page(window, nil)
			require.NoError(t, err)
			status, body := do(t, a.BaseURL, req, func(r *http.Request) { a.Sign(r, req.Body, call) })
			require.Equal(t, 200, status, "%s", body)
		})
	}
}

func answerIf(w http.ResponseWriter, ok bool, body string) string {
	if !ok {
		w.WriteHeader(http.StatusUnauthorized)
		return `{"error":"unauthorized"}`
	}
	return body
}

func do(t *testing.T, base string, r kit.Request, sign func(*http.Request)) (int, []byte) {
	t.Helper()
	req, err := http.NewRequest(r.Method, base+r.Path+"?"+r.Query.Encode(), nil)
	require.NoError(t, err)
	req.Header = r.Header.Clone()
	if sign != nil {
		sign(req)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, body
}

func TestABadLoginIsDenied(t *testing.T) {
	for _, status := range []int{400, 401, 403} {
		_, _, err := readToken(status, nil, []byte(`{"error":"invalid_grant"}`), time.Now())
		var denied *kit.Denied
		require.ErrorAs(t, err, &denied)
	}
	for _, body := range []string{`{}`, `{"access_token":""}`, `{"access_token":"a b"}`, `nonsense`} {
		_, _, err := readToken(200, nil, []byte(body), time.Now())
		require.Error(t, err, body)
	}
}

func TestLookupsReadBareAndEnvelopedLists(t *testing.T) {
	for _, body := range []string{`["Alert.Access.BruteForceLogin"]`, `{"body":["Alert.Access.BruteForceLogin"],"statusCodeValue":200}`} {
		values, err := readList(200, nil, []byte(body))
		require.NoError(t, err)
		require.Len(t, values, 1)
		var s string
		require.NoError(t, json.Unmarshal(values[0], &s))
		assert.Equal(t, "Alert.Access.BruteForceLogin", s)
	}
}

func TestCriteriaAreChecked(t *testing.T) {
	n := func(i int) *int { return &i }
	for name, c := range map[string]struct {
		path string
		cfg  component.Checker
	}{
		"start":    {"startTime", &Criteria{StartTime: "yesterday"}},
		"end":      {"endTime", &Criteria{StartTime: "2026-01-02T00:00:00Z", EndTime: "2026-01-01T00:00:00Z"}},
		"range":    {"serviceRiskMaximum", &Criteria{ServiceRiskMinimum: n(5), ServiceRiskMaximum: n(3)}},
		"score":    {"userRiskMinimum", &Criteria{UserRiskMinimum: n(11)}},
		"both":     {"incidentGroupIds", &IncidentCriteria{Categories: []Category{{IncidentType: "Alert"}}, IncidentGroupIDs: []int{1}}},
		"field":    {"fields.policy", &IncidentCriteria{Fields: map[string][]string{"policy": {"x"}}}},
		"category": {"categories[0].category", &IncidentCriteria{Categories: []Category{{IncidentType: "Alert", Category: "policy"}}}},
		"type":     {"categories[0].incidentType", &IncidentCriteria{Categories: []Category{{IncidentType: "alert"}}}},
		"event":    {"categories[0].incidentType", &IncidentCriteria{Categories: []Category{{IncidentType: "Event"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			var r component.Report
			c.cfg.Check(&r)
			require.NotEmpty(t, r.Findings)
			assert.Equal(t, c.path, r.Findings[0].Path)
			assert.False(t, r.Findings[0].Warning)
		})
	}
	var r component.Report
	(&IncidentCriteria{Categories: []Category{{IncidentType: "Alert.Policy.Epo"}, {IncidentType: "Threat", Category: "InsiderThreat"}}}).Check(&r)
	assert.Empty(t, r.Findings)
}

func FuzzReadPage(f *testing.F) {
	f.Add([]byte(`{"responseInfo":{"nextStartTime":"2026-11-20T09:01:02.005Z"},` + incidents + `}`))
	f.Add([]byte(`{"body":{"incidents":null},"statusCodeValue":200}`))
	a := api{limit: 500}
	f.Fuzz(func(t *testing.T, body []byte) {
		next, err := a.read(window, nil, 200, nil, body, func(kit.Row) {})
		if err == nil && next.More && !next.From.After(window.From) {
			t.Fatalf("the walk stands still at %v", next.From)
		}
	})
}
