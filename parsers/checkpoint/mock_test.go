package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

const (
	mockID, mockKey = "US:siemtest", "s3cr3t-Key"
	mockToken       = "2462b23346ab0642"
)

// mock is the vendor's API, of both generations, as clients have seen it behave.
type mock struct {
	*httptest.Server
	events   []map[string]any
	pageSize int
	stable   bool // one scrollId for all pages of a walk
	emptyEnd bool // the last page still has a scrollId: only an empty one ends the walk

	mu     sync.Mutex
	ids    map[string]bool // x-av-req-id that were used
	paths  []string        // of the requests
	bodies []string        // of the queries
	scroll map[string]int  // where the walk of a scrollId stands
	issued int
	broken []string // what a client did wrong
}

func newMock(t testing.TB, events int) *mock {
	m := &mock{pageSize: 100, ids: map[string]bool{}, scroll: map[string]int{}}
	base := time.Date(2025, 3, 3, 9, 0, 0, 0, time.UTC)
	for i := range events {
		// Not in the order of time.
		at := base.Add(time.Duration(i*37%events) * time.Second)
		m.events = append(m.events, map[string]any{
			"eventId": fmt.Sprintf("%032x", i), "customerId": "northwind", "saas": []string{"office365_emails", "google_mail"}[i%2],
			"state": "new", "type": []string{"phishing", "malware", "dlp"}[i%3], "severity": strconv.Itoa(i%5 + 1),
			"eventCreated": at.Format("2006-01-02T15:04:05.000000+00:00"), "actions": []any{},
		})
	}
	m.Server = httptest.NewServer(http.HandlerFunc(m.serve))
	t.Cleanup(m.Close)
	return m
}

func (m *mock) wrong(format string, args ...any) {
	m.broken = append(m.broken, fmt.Sprintf(format, args...))
}

var uuid4 = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func (m *mock) serve(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	m.paths = append(m.paths, r.Method+" "+r.URL.RequestURI())
	answer := func(status int, text string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}
	if r.URL.Path == "/auth/external" {
		var in struct{ ClientID, AccessKey string }
		if err := json.Unmarshal(body, &in); err != nil || in.ClientID != mockID || in.AccessKey != mockKey || r.Method != http.MethodPost {
			answer(401, `{"success":false,"message":"Authentication failed"}`)
			return
		}
		answer(200, `{"success":true,"data":{"token":"`+mockToken+`","csrf":"00000000-1111-4222-8333-444444444444","expires":"Mon, 03 Mar 2025 09:30:00 GMT","expiresIn":1800}}`)
		return
	}
	id := r.Header.Get("x-av-req-id")
	if !uuid4.MatchString(id) || m.ids[id] {
		m.wrong("x-av-req-id %q", id)
	}
	m.ids[id] = true
	path, legacy := strings.CutPrefix(r.URL.Path, "/v1.0")
	if legacy {
		if !m.checkSignature(r, path) {
			answer(401, `{"success":false,"message":"bad signature"}`)
			return
		}
		if path == "/auth" {
			_, _ = io.WriteString(w, mockToken+"\n")
			return
		}
	} else if path = strings.TrimPrefix(r.URL.Path, "/app/hec-api/v1.0"); r.Header.Get("Authorization") != "Bearer "+mockToken {
		answer(401, `{"success":false,"message":"Token is not valid","forceLogout":true}`)
		return
	}
	switch {
	case path == "/event/query" && r.Method == http.MethodPost:
		answer(m.query(body))
	case path == "/scopes":
		answer(200, `{"responseEnvelope":{"responseCode":200},"responseData":["mt-prod:northwind","mt-prod:contoso"]}`)
	case strings.HasPrefix(path, "/event/"):
		answer(m.one(strings.TrimPrefix(path, "/event/")))
	default:
		answer(404, `{"detail":"Not Found"}`)
	}
}

func (m *mock) checkSignature(r *http.Request, path string) bool {
	h := r.Header
	date, request := h.Get("x-av-date"), r.URL.RequestURI()
	if path == "/auth" {
		request = ""
	} else if h.Get("x-av-token") != mockToken {
		m.wrong("x-av-token %q", h.Get("x-av-token"))
	}
	if _, err := time.Parse("2006-01-02T15:04:05.999999", date); err != nil {
		m.wrong("x-av-date %q", date)
	}
	return h.Get("x-av-app-id") == mockID && h.Get("x-av-sig") == signature(h.Get("x-av-req-id"), mockID, date, request, mockKey)
}

func (m *mock) one(id string) (int, string) {
	for _, e := range m.events {
		if e["eventId"] == id {
			b, _ := json.Marshal(e)
			return 200, `{"responseEnvelope":{"responseCode":0,"responseTest":"Success","recordsNumber":1},"responseData":` + string(b) + `}`
		}
	}
	return 200, `{"responseEnvelope":{"responseCode":404,"responseTest":"Event was not found","additionalText":""},"responseData":null}`
}

func (m *mock) query(body []byte) (int, string) {
	m.bodies = append(m.bodies, string(body))
	var in struct {
		RequestData struct {
			StartDate, EndDate      *time.Time
			EventTypes, EventStates []string
			Severities              []any
			SaaS                    []string `json:"saas"`
			ScrollID                string   `json:"scrollId"`
		} `json:"requestData"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		m.wrong("body %s: %v", body, err)
	}
	q := in.RequestData
	if q.StartDate == nil || q.EndDate == nil {
		return 422, `{"detail":[{"loc":["body","requestData","startDate"],"msg":"Field required","type":"missing"}]}`
	}
	from, ok := m.scroll[q.ScrollID]
	if q.ScrollID != "" && !ok {
		return 400, `{"detail":"Invalid scroll"}`
	}
	var found []map[string]any
	for _, e := range m.events {
		at, _ := time.Parse("2006-01-02T15:04:05.999999999Z07:00", e["eventCreated"].(string))
		has := func(list []string, key string) bool { return len(list) == 0 || slices.Contains(list, e[key].(string)) }
		if !at.Before(*q.StartDate) && at.Before(*q.EndDate) && has(q.EventTypes, "type") && has(q.EventStates, "state") && has(q.SaaS, "saas") {
			found = append(found, e)
		}
	}
	page := found[min(from, len(found)):min(from+m.pageSize, len(found))]
	from += len(page)
	scroll := "null"
	if from < len(found) || m.emptyEnd && len(page) > 0 {
		id := q.ScrollID
		if id == "" || !m.stable {
			m.issued++
			id = fmt.Sprintf("scroll-%d", m.issued)
		}
		m.scroll[id] = from
		scroll = strconv.Quote(id)
	}
	data, _ := json.Marshal(page)
	if page == nil {
		data = []byte("null")
	}
	return 200, fmt.Sprintf(`{"responseEnvelope":{"requestId":"x","responseCode":200,"responseText":"","additionalText":"","recordsNumber":%d,"scrollId":%s},"responseData":%s}`, len(found), scroll, data)
}

// client asks an API as the poller does, but for time and retries.
type client struct {
	t      testing.TB
	cfg    *Config
	api    *kit.API
	tokens []string
	calls  int
}

func newClient(t testing.TB, c *Config) *client {
	api, err := poll.Open(c)
	require.NoError(t, err)
	return &client{t: t, cfg: c, api: api}
}

func mockConfig(m *mock, mode string) *Config {
	return &Config{BaseURL: m.URL, AuthMode: mode, ClientID: mockID, AccessKey: component.NewSecret(mockKey)}
}

func (c *client) call() kit.Call {
	c.calls++
	return kit.Call{
		Tokens: c.tokens, At: time.Date(2025, 3, 3, 10, 0, 0, 123456789, time.UTC),
		ID: fmt.Sprintf("11111111-2222-4333-8444-%012x", c.calls),
	}
}

func (c *client) do(r kit.Request, sign bool) (int, http.Header, []byte) {
	u := c.api.BaseURL + r.Path
	if len(r.Query) > 0 {
		u += "?" + r.Query.Encode()
	}
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	req, err := http.NewRequest(r.Method, u, bytes.NewReader(r.Body))
	require.NoError(c.t, err)
	for k, v := range r.Header {
		req.Header[http.CanonicalHeaderKey(k)] = v
	}
	if sign {
		c.api.Sign(req, r.Body, c.call())
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(c.t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(c.t, err)
	return res.StatusCode, res.Header, body
}

func (c *client) login() error {
	c.tokens = nil
	for _, step := range c.api.Auth {
		r, err := step.Request(c.call())
		require.NoError(c.t, err)
		status, h, body := c.do(r, false)
		token, life, err := step.Read(status, h, body, time.Date(2025, 3, 3, 9, 0, 0, 0, time.UTC))
		if err != nil {
			return err
		}
		require.Positive(c.t, life)
		c.tokens = append(c.tokens, token)
	}
	return nil
}

var errEndless = errors.New("the walk does not end")

// walk reads a window to its end.
func (c *client) walk(w kit.Window) (rows []kit.Row, pages int, err error) {
	if c.tokens == nil {
		require.NoError(c.t, c.login())
	}
	var cursor []byte
	for pages = 1; pages < 50; pages++ {
		r, err := c.api.Page(w, cursor)
		require.NoError(c.t, err)
		status, h, body := c.do(r, true)
		next, err := c.api.Read(w, cursor, status, h, body, func(row kit.Row) { rows = append(rows, row) })
		if err != nil || !next.More {
			return rows, pages, err
		}
		require.NotEmpty(c.t, next.Cursor)
		cursor = next.Cursor
	}
	return rows, pages, errEndless
}

func (c *client) lookup(name, arg string) ([][]byte, error) {
	if c.tokens == nil {
		require.NoError(c.t, c.login())
	}
	for _, l := range poll.Lookups {
		if l.Name == name {
			r, err := l.Request(c.cfg, arg)
			require.NoError(c.t, err)
			return l.Read(c.do(r, true))
		}
	}
	return nil, url.InvalidHostError(name)
}
