package sinksapi

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	tenant = "00000000-0000-0000-0000-0000000000aa"
	apiKey = "k3y-c4n4ry-0123456789"
	hook   = "https://hooks.example.com/hooks/scanner/c4pability"
)

// object is any JSON object.
type object = map[string]any

// mock is the API as it is documented, and worse.
type mock struct {
	t     *testing.T
	url   string
	mu    sync.Mutex
	sinks []object
	heads map[string]string // headers set by hand, by sink
	calls []string          // METHOD path
	waits []time.Duration
	keys  []string // Authorization of requests

	// Switches.
	pageSize   int
	sameToken  bool                                  // pages never end
	bare       bool                                  // objects are not wrapped
	throttle   int                                   // the next n requests get 429
	after      string                                // Retry-After of them
	fail       int                                   // the next n requests get 500 and are not done
	loseCreate int                                   // the next n creates are done, and answered 500
	loseAll    int                                   // the next n requests are done, and their connection dies
	slow       bool                                  // requests last until they are given up
	redirect   string                                // all requests are sent there
	before     func(method string, m *mock)          // called before a request is done
	raw        func(w http.ResponseWriter) (ok bool) // answers instead
}

func newMock(t *testing.T) (*mock, *Client) {
	m := &mock{t: t, heads: map[string]string{}}
	server := httptest.NewServer(m)
	t.Cleanup(server.Close)
	m.url = server.URL
	return m, m.client(apiKey)
}

func (m *mock) client(key string) *Client {
	c, err := Open(Config{BaseURL: m.url + "/", Key: key, Timeout: 5 * time.Second, Wait: func(ctx context.Context, d time.Duration) error {
		m.mu.Lock()
		m.waits = append(m.waits, d)
		m.mu.Unlock()
		return ctx.Err()
	}})
	require.NoError(m.t, err)
	m.t.Cleanup(c.Close)
	return c
}

// add puts a sink there, as somebody else would.
func (m *mock) add(name, description string, typ Type, configuration object, age time.Duration) string {
	id := uuid()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Add(-age).Format(time.RFC3339)
	m.sinks = append(m.sinks, object{"id": id, "tenant_id": tenant, "name": name, "description": description,
		"event_sink_type": string(typ), "configuration": object{string(typ): configuration}, "created_at": at, "updated_at": at})
	return id
}

func (m *mock) find(id string) object {
	for _, s := range m.sinks {
		if s["id"] == id {
			return s
		}
	}
	return nil
}

// writes are the calls that change something.
func (m *mock) writes() (all []string) {
	for _, c := range m.calls {
		if !strings.HasPrefix(c, "GET") {
			all = append(all, c)
		}
	}
	return all
}

func (m *mock) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if m.slow {
		<-r.Context().Done()
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls = append(m.calls, r.Method+" "+r.URL.Path)
	m.keys = append(m.keys, r.Header.Get("Authorization"))
	w.Header().Set("Content-Type", "application/json")
	if m.before != nil {
		m.before(r.Method, m)
	}
	switch {
	case m.redirect != "":
		http.Redirect(w, r, m.redirect, http.StatusTemporaryRedirect)
	case m.raw != nil && m.raw(w):
	case r.Header.Get("Authorization") != "Bearer "+apiKey:
		m.answer(w, 401, object{"error": "unauthorized"})
	case m.throttle > 0:
		m.throttle--
		if m.after != "" {
			w.Header().Set("Retry-After", m.after)
		}
		m.answer(w, 429, object{"error": "slow down"})
	case m.fail > 0:
		m.fail--
		w.WriteHeader(502)
		_, _ = w.Write([]byte("<html>\nbad gateway"))
	default:
		status, body := m.do(r)
		switch {
		case m.loseAll > 0:
			m.loseAll--
			panic(http.ErrAbortHandler)
		case m.loseCreate > 0 && r.Method == http.MethodPost:
			m.loseCreate--
			m.answer(w, 500, object{"error": "lost"})
		default:
			m.answer(w, status, body)
		}
	}
}

func (m *mock) answer(w http.ResponseWriter, status int, body object) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func bad(format string, args ...any) (int, object) {
	return 400, object{"error": fmt.Sprintf(format, args...)}
}

func (m *mock) do(r *http.Request) (int, object) {
	id := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/v1/event_sink"), "/")
	if id == "" {
		switch r.Method {
		case http.MethodGet:
			return m.list(r)
		case http.MethodPost:
			return m.create(r)
		}
		return bad("method")
	}
	s := m.find(id)
	if s == nil {
		return 404, object{"error": "not found"}
	}
	switch r.Method {
	case http.MethodPut:
		return m.update(r, s)
	case http.MethodDelete:
		m.sinks = slices.DeleteFunc(m.sinks, func(o object) bool { return o["id"] == id })
		return 200, object{"id": id, "tenant_id": s["tenant_id"]}
	}
	return 200, m.wrap(s)
}

func (m *mock) wrap(s object) object {
	if m.bare {
		return s
	}
	return object{"event_sink": s}
}

func (m *mock) list(r *http.Request) (int, object) {
	if r.URL.Query().Get("tenant_id") == "" {
		return bad("tenant_id is required")
	}
	if m.pageSize == 0 {
		if m.bare {
			return 200, object{"event_sinks": append([]object{}, m.sinks...)}
		}
		return 200, object{"data": object{"event_sinks": append([]object{}, m.sinks...)}, "pagination": nil}
	}
	from, _ := strconv.Atoi(strings.TrimPrefix(r.URL.Query().Get("pagination[page_token]"), "a+/= "))
	to := min(from+m.pageSize, len(m.sinks))
	var next any
	if to < len(m.sinks) || m.sameToken {
		next = "a+/= " + strconv.Itoa(to)
	}
	return 200, object{"data": object{"event_sinks": append([]object{}, m.sinks[from:to]...)}, "pagination": object{"next_page_token": next}}
}

func (m *mock) create(r *http.Request) (int, object) {
	in, err := decode(r)
	if err != nil {
		return bad("%v", err)
	}
	for _, k := range []string{"tenant_id", "name", "description", "event_sink_args"} {
		if _, ok := in[k]; !ok {
			return bad("%s is required", k)
		}
	}
	typ, cfg, err := variant(in["event_sink_args"], true)
	if err != nil {
		return bad("%v", err)
	}
	now := time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC).Format(time.RFC3339)
	s := object{"id": uuid(), "tenant_id": in["tenant_id"], "name": in["name"], "description": in["description"],
		"event_sink_type": typ, "configuration": object{typ: cfg}, "created_at": now, "updated_at": now}
	m.sinks = append(m.sinks, s)
	return 200, m.wrap(s)
}

func (m *mock) update(r *http.Request, s object) (int, object) {
	in, err := decode(r)
	if err != nil {
		return bad("%v", err)
	}
	if in["id"] != s["id"] {
		return bad("id of body and path differ")
	}
	if args, ok := in["event_sink_args"]; ok {
		typ, cfg, err := variant(args, false)
		if err != nil {
			return bad("%v", err)
		}
		if typ != s["event_sink_type"] {
			return bad("type cannot change")
		}
		s["configuration"] = object{typ: cfg}
		delete(m.heads, s["id"].(string))
	}
	for _, k := range []string{"name", "description"} {
		if v, ok := in[k]; ok {
			s[k] = v
		}
	}
	s["updated_at"] = "2026-01-03T00:00:00Z"
	return 200, m.wrap(s)
}

func decode(r *http.Request) (in object, err error) {
	err = json.NewDecoder(r.Body).Decode(&in)
	return in, err
}

// variant reads event_sink_args, which hold one object of the members it must have.
func variant(v any, create bool) (typ string, cfg object, err error) {
	args, _ := v.(object)
	if len(args) != 1 {
		return "", nil, fmt.Errorf("event_sink_args must have one variant")
	}
	want := map[string][]string{"Slack": {"channel_id"}, "Webhook": {"url"}, "PagerDuty": {"integration_key"}}
	if create {
		want["Slack"] = append(want["Slack"], "slack_integration_id")
	}
	for typ, v := range args {
		cfg, _ := v.(object)
		members, known := want[typ]
		if !known || len(cfg) != len(members) {
			return "", nil, fmt.Errorf("event_sink_args are wrong")
		}
		for _, name := range members {
			if s, ok := cfg[name].(string); !ok || s == "" {
				if _, named := cfg["channel"]; name == "channel_id" && named {
					continue
				}
				return "", nil, fmt.Errorf("%s is required", name)
			}
		}
		return typ, cfg, nil
	}
	return "", nil, nil
}

func uuid() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
