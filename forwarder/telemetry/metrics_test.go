package telemetry

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixed is a forwarder that does not move.
type fixed Snapshot

func (f fixed) Snapshot() Snapshot { return Snapshot(f) }

var now = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)

func sample() fixed {
	return fixed{
		Version: "1.2.3",
		Sources: []Source{
			{Name: "edge", Up: true, Received: 1000, Duplicates: 3, SpoolBytes: 4096, Damaged: 2, Warnings: map[string]uint64{"unparsed": 2, "year_guessed": 7}},
			{Name: "harmony", Refused: 4, Position: now.Add(-90 * time.Second)},
		},
		Sinks: []Sink{{Name: "qradar", Up: true}, {Name: "harmony", Up: true}},
		Lanes: []Lane{
			{Source: "edge", Sink: "qradar", Delivered: 900, Filtered: 50, Dead: 5, Retried: 2, Expired: 1, Waiting: 44, Unconfirmed: 12, Replayed: 7, Oldest: now.Add(-1500 * time.Millisecond)},
			{Source: "harmony", Sink: "qradar"},
		},
		Dead:     Dead{Letters: []Letters{{"edge", "qradar", 3}}, Bytes: 8192, Dropped: 9},
		ReloadOK: true,
	}
}

func registry(p Provider) *Registry {
	r := NewRegistry(p)
	r.registry.Unregister(snapshots{p, nil})
	r.registry.MustRegister(snapshots{p, func() time.Time { return now }})
	return r
}

func TestScrape(t *testing.T) {
	want, err := os.ReadFile("testdata/scrape.txt")
	require.NoError(t, err)
	r := registry(sample())
	m := r.Meter("edge")
	m.Add("udp_dropped", 2)
	m.Add("udp_dropped", 3)
	m.Add("events_cut", 0)
	m.Set("connections", 7)
	m.Set("connections", 6)
	r.Meter("qradar").Set("tls_not_after_seconds", 1.8e9)
	r.ObserveSend("qradar", 20*time.Millisecond)
	r.ObserveSend("qradar", 3*time.Second)

	server := httptest.NewServer(Handler(r, func() (bool, string) { return true, "" }, slog.New(slog.DiscardHandler)))
	defer server.Close()
	defer http.DefaultClient.CloseIdleConnections()
	resp, err := http.Get(server.URL + "/metrics")
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	var ours []string
	for line := range strings.SplitSeq(string(body), "\n") {
		if strings.Contains(line, "siemfwd_") {
			ours = append(ours, line)
		}
	}
	assert.Equal(t, strings.ReplaceAll(string(want), "GOVERSION", runtime.Version()), strings.Join(ours, "\n")+"\n")
	assert.Contains(t, string(body), "process_resident_memory_bytes")
	assert.Contains(t, string(body), "go_goroutines")
}

func TestLint(t *testing.T) {
	r := registry(sample())
	r.Meter("edge").Add("udp_dropped", 1)
	r.Meter("edge").Add("some_new_thing", 1)
	r.Meter("edge").Set("connections", 1)
	r.ObserveSend("qradar", time.Second)
	problems, err := testutil.GatherAndLint(r.registry)
	require.NoError(t, err)
	assert.Empty(t, problems)
}

// TestContract holds the names against the list users' dashboards rely on.
func TestContract(t *testing.T) {
	r := registry(sample())
	r.Meter("edge").Add("udp_dropped", 1)
	r.Meter("edge").Set("tls_not_after_seconds", 1)
	r.ObserveSend("qradar", time.Second)
	families, err := r.registry.Gather()
	require.NoError(t, err)
	labels := map[string][]string{}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "siemfwd_") {
			continue
		}
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels[f.GetName()] = append(labels[f.GetName()], l.GetName())
		}
		if labels[f.GetName()] == nil {
			labels[f.GetName()] = []string{}
		}
	}
	assert.Equal(t, map[string][]string{
		"siemfwd_build_info":                 {"goversion", "version"},
		"siemfwd_config_last_reload_success": {},
		"siemfwd_dead_letter_bytes":          {},
		"siemfwd_dead_letters_dropped_total": {},
		"siemfwd_duplicates_total":           {"source"},
		"siemfwd_events_total":               {"sink", "source", "stage"},
		"siemfwd_parse_warnings_total":       {"kind", "source"},
		"siemfwd_replayed_events_total":      {"sink", "source"},
		"siemfwd_retried_events_total":       {"sink", "source"},
		"siemfwd_dead_letters":               {"sink", "source"},
		"siemfwd_send_seconds":               {"sink"},
		"siemfwd_source_position_seconds":    {"source"},
		"siemfwd_spool_bytes":                {"source"},
		"siemfwd_spool_damaged_total":        {"source"},
		"siemfwd_tls_not_after_seconds":      {"component"},
		"siemfwd_udp_dropped_total":          {"component"},
		"siemfwd_unconfirmed_events":         {"sink", "source"},
		"siemfwd_up":                         {"component"},
		"siemfwd_waiting_events":             {"sink", "source"},
		"siemfwd_waiting_seconds":            {"sink", "source"},
	}, labels)
	for name := range labels {
		if name != "siemfwd_udp_dropped_total" && name != "siemfwd_tls_not_after_seconds" {
			assert.Contains(t, reserved, name, "a component could send it too")
		}
	}
	assert.Len(t, reserved, len(labels)-2)
}

func TestHostileNames(t *testing.T) {
	s := sample()
	s.Sources[0].Name = "a\xff\n\"b"
	s.Sources[0].Warnings = map[string]uint64{"\xfe": 1}
	s.Lanes[0].Source = s.Sources[0].Name
	r := registry(s)
	m := r.Meter("\xff")
	for _, name := range []string{"udp dropped!", "UDP__dropped", "siemfwd_udp_dropped_total", "_udp_dropped_", "", "!!", "events", "siemfwd_events_total", "up"} {
		m.Add(name, 1)
		m.Set(name, 1)
	}
	families, err := r.registry.Gather()
	require.NoError(t, err)
	var names []string
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "siemfwd_") {
			names = append(names, f.GetName())
			assert.Regexp(t, regexp.MustCompile(`^[a-z0-9]+(_[a-z0-9]+)*$`), f.GetName())
		}
	}
	for _, name := range []string{"siemfwd_udp_dropped_total", "siemfwd_unnamed_total", "siemfwd_component_events_total", "siemfwd_component_up"} {
		assert.Contains(t, names, name)
	}
	for _, f := range families {
		if f.GetName() == "siemfwd_udp_dropped_total" {
			require.Len(t, f.GetMetric(), 1)
			assert.Equal(t, 4.0, f.GetMetric()[0].GetCounter().GetValue(), "four ways to write one name")
		}
	}
}

func TestMeterConcurrently(t *testing.T) {
	r := registry(sample())
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			m := r.Meter("edge")
			for i := range 1000 {
				m.Add("events_cut", 1)
				m.Set("connections", float64(i))
				if i%250 == 0 {
					_, err := r.registry.Gather()
					assert.NoError(t, err)
				}
			}
		})
	}
	all.Wait()
	assert.EqualValues(t, 4000, r.meters.get("edge", "events_cut", true).Load())
	m := r.Meter("edge")
	assert.Zero(t, testing.AllocsPerRun(100, func() { m.Add("events_cut", 1); m.Set("connections", 1) }))
}

func TestTwoRegistries(t *testing.T) {
	a, b := registry(sample()), registry(fixed{})
	a.Meter("x").Add("y", 1)
	count, err := testutil.GatherAndCount(b.registry, "siemfwd_y_total", "siemfwd_events_total")
	require.NoError(t, err)
	assert.Zero(t, count)
	families, err := prometheus.DefaultGatherer.Gather()
	require.NoError(t, err)
	for _, f := range families {
		assert.NotContains(t, f.GetName(), "siemfwd_")
	}
}

func TestHealth(t *testing.T) {
	ok, why := false, "source edge: bind: address already in use"
	h := Handler(registry(sample()), func() (bool, string) { return ok, why }, slog.New(slog.DiscardHandler))
	get := func(method, path string) (int, string) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		return w.Code, w.Body.String()
	}
	check := func(method, path string, status int, body string) {
		t.Helper()
		gotStatus, gotBody := get(method, path)
		assert.Equal(t, status, gotStatus)
		assert.Equal(t, body, gotBody)
	}
	check("GET", "/livez", 200, "ok\n")
	check("GET", "/readyz", 503, "not ready: source edge: bind: address already in use\n")
	ok = true
	check("GET", "/readyz", 200, "ready\n")
	for path, want := range map[string]int{"/": 404, "/metrics/x": 404, "/debug/pprof/": 404} {
		status, _ := get("GET", path)
		assert.Equal(t, want, status, path)
	}
	status, _ := get("POST", "/readyz")
	assert.Equal(t, 405, status)
}
