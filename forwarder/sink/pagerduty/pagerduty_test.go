package pagerduty

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

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/sink"
	"github.com/siemfwd/siemfwd/forwarder/sink/sinktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const key = "0123456789abcdef0123456789abcdef"

func build(t testing.TB, url string) *Sink {
	t.Helper()
	c := defaults()
	c.URL, c.RoutingKey = url+"/v2/enqueue", component.NewSecret(key)
	s, err := New(&c, component.Env{Name: "pd", Log: slog.New(slog.DiscardHandler), Meter: component.NoMeter{}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

const lead = `{"routing_key":"` + key + `",`

func TestSuite(t *testing.T) {
	sinktest.RunHTTP(t, sinktest.HTTP{
		New: func(t *testing.T, url string) sink.Sink { return build(t, url) },
		Good: func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusAccepted)
			_, _ = io.WriteString(w, `{"status":"success","message":"Event processed","dedup_key":"x"}`)
		},
		Payloads: func(t *testing.T, r *http.Request, body []byte) [][]byte {
			assert.Equal(t, "/v2/enqueue", r.URL.Path)
			rest, ok := strings.CutPrefix(string(body), lead)
			assert.True(t, ok, string(body))
			return [][]byte{[]byte("{" + rest)}
		},
		Secrets: []string{key},
	})
}

// service is what PagerDuty does with a key: a resolve closes what a trigger opened. It
// answers 429 to every third request.
type service struct {
	mu     sync.Mutex
	n      int
	open   map[string]int
	closed []string
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var e struct {
		Action string `json:"event_action"`
		Key    string `json:"dedup_key"`
	}
	err := json.NewDecoder(r.Body).Decode(&e)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.n++; {
	case s.n%3 == 0:
		w.WriteHeader(http.StatusTooManyRequests)
		return
	case err != nil:
		w.WriteHeader(http.StatusBadRequest)
		return
	case e.Action == "trigger":
		s.open[e.Key]++
	case e.Action == "resolve" && s.open[e.Key] > 0:
		delete(s.open, e.Key)
		s.closed = append(s.closed, e.Key)
	}
	w.WriteHeader(http.StatusAccepted)
}

// Whatever is throttled, a resolve comes after its trigger and none is left open.
func TestOrder(t *testing.T) {
	p := &service{open: map[string]int{}}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	s := build(t, server.URL)
	var items []sink.Item
	for i := range 20 {
		for _, action := range []string{"trigger", "resolve"} {
			items = append(items, sink.Item{Payload: fmt.Appendf(nil, `{"event_action":%q,"dedup_key":"k%d"}`, action, i)})
		}
	}
	for tries := 0; len(items) > 0; tries++ {
		require.Less(t, tries, 100)
		err := s.Send(t.Context(), items)
		var partial *sink.Partial
		switch {
		case err == nil:
			items = nil
		case errors.As(err, &partial):
			items = items[partial.Done:]
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	assert.Empty(t, p.open)
	assert.Len(t, p.closed, 20)
}

func TestRefusals(t *testing.T) {
	for body, refused := range map[string]bool{
		`{"status":"invalid event","message":"Event object is invalid","errors":["'payload.summary' is missing or blank"]}`:                          true,
		`{"status":"invalid event","message":"Event object is invalid","errors":["Length of 'routing_key' is incorrect (should be 32 characters)"]}`: false,
		`{"status":"invalid event","message":"Invalid routing key"}`:                                                                                 false, `no JSON`: true, ``: true,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, body)
		}))
		t.Cleanup(server.Close)
		err := build(t, server.URL).Send(t.Context(), sinktest.Items(1))
		var rejected *sink.Rejected
		require.Error(t, err)
		assert.Equal(t, refused, errors.As(err, &rejected), body)
	}
}

func TestProbe(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, http.MethodHead, r.Method)
		w.WriteHeader(http.StatusMethodNotAllowed)
	}))
	t.Cleanup(server.Close)
	require.NoError(t, build(t, server.URL).Probe(t.Context())[0].Err)
}

func TestCheck(t *testing.T) {
	for routing, want := range map[string]string{
		key: "", "${cred:pd}": "", "short": "routing_key: it has 5 characters", strings.Repeat(" ", 32): "routing_key: it holds what no key can",
	} {
		c := defaults()
		c.RoutingKey = component.NewSecret(routing)
		var r component.Report
		c.Check(&r)
		got := ""
		for _, f := range r.Findings {
			got += f.Path + ": " + f.Text
		}
		assert.Equal(t, want, got)
	}
	_, err := New(&Config{URL: "x"}, component.Env{})
	assert.Error(t, err)
}
