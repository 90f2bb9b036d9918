package telemetry

import (
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/siemfwd/siemfwd/forwarder/component"
)

// Meter returns the counters and gauges of the component called name: Add("x", n)
// comes out as siemfwd_x_total{component=name}, Set("x", v) as siemfwd_x{component=name}.
// Add("x", 0) shows the counter before there is something to count. A name that is
// not in snake_case is made so; one that is a metric of the forwarder's own gets the
// prefix component_. Meters of the same name share their numbers.
func (r *Registry) Meter(name string) component.Meter {
	return &meter{all: r.meters, name: strings.ToValidUTF8(name, "\uFFFD")}
}

// helps says what the metrics of components mean; others are described by their name.
var helps = map[string]string{
	"siemfwd_udp_dropped_total":         "Datagrams the kernel dropped because nobody read them in time.",
	"siemfwd_tls_not_after_seconds":     "End of a certificate's validity, in Unix time.",
	"siemfwd_connections":               "Connections that are open.",
	"siemfwd_connections_refused_total": "Connections not accepted because there were too many.",
	"siemfwd_peers_denied_total":        "Connections and datagrams from addresses that are not allowed.",
	"siemfwd_events_cut_total":          "Events that were longer than max_event and were cut.",
	"siemfwd_api_calls_total":           "Requests to an API, logins not counted.",
	"siemfwd_api_logins_total":          "Requests of logins to an API.",
	"siemfwd_api_throttled_total":       "Answers with which an API asked for fewer requests.",
	"siemfwd_late_events_total":         "Events that an API showed only after the position had passed their time.",
	"siemfwd_late_seconds_max":          "How far behind the position the latest of them was: the overlap must be longer.",
	"siemfwd_behind_seconds":            "How far a source is behind what it could have read.",
	"siemfwd_frames_incomplete_total":   "Frames whose connection ended within them, or that could not be read.",
}

// reserved are the metrics of the forwarder itself.
var reserved = []string{
	"siemfwd_build_info", "siemfwd_config_last_reload_success", "siemfwd_events_total", "siemfwd_duplicates_total",
	"siemfwd_parse_warnings_total", "siemfwd_spool_bytes", "siemfwd_spool_damaged_total", "siemfwd_source_position_seconds", "siemfwd_waiting_events",
	"siemfwd_unconfirmed_events", "siemfwd_replayed_events_total", "siemfwd_retried_events_total", "siemfwd_dead_letters", "siemfwd_dead_letter_bytes", "siemfwd_dead_letters_dropped_total", "siemfwd_waiting_seconds", "siemfwd_up", "siemfwd_send_seconds",
}

type meter struct {
	all  *meters
	name string
}

func (m *meter) Add(name string, n uint64) {
	m.all.get(m.name, name, true).Add(n)
}

func (m *meter) Set(name string, v float64) {
	m.all.get(m.name, name, false).Store(math.Float64bits(v))
}

// meters holds what components count.
type meters struct {
	mu     sync.RWMutex
	values map[series]*atomic.Uint64
	descs  map[described]*prometheus.Desc
}

// series is one number, under the name its component uses.
type series struct {
	component, name string
	counter         bool
}

// described is what the series of one metric share.
type described struct {
	name    string
	counter bool
}

func newMeters() *meters {
	return &meters{values: map[series]*atomic.Uint64{}, descs: map[described]*prometheus.Desc{}}
}

// get returns the number of a series; of a gauge, the bits of a float64.
func (m *meters) get(component, name string, counter bool) *atomic.Uint64 {
	s := series{component, name, counter}
	m.mu.RLock()
	v := m.values[s]
	m.mu.RUnlock()
	if v != nil {
		return v
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if v = m.values[s]; v != nil {
		return v
	}
	// Names that are made valid may become the same: then they share a number.
	clean := series{component, snake(name), counter}
	if v = m.values[clean]; v == nil {
		v = new(atomic.Uint64)
		m.values[clean] = v
		m.describe(clean)
	}
	if clean != s {
		m.values[s] = v
	}
	return v
}

func (m *meters) describe(s series) {
	d := described{s.name, s.counter}
	if m.descs[d] != nil {
		return
	}
	name := fullName(s.name, s.counter)
	if slices.Contains(reserved, name) {
		name = fullName("component_"+s.name, s.counter)
	}
	help := helps[name]
	if help == "" {
		help = "What components call " + strings.ReplaceAll(s.name, "_", " ") + "."
	}
	m.descs[d] = prometheus.NewDesc(name, help, []string{"component"}, nil)
}

func fullName(name string, counter bool) string {
	if counter {
		return "siemfwd_" + name + "_total"
	}
	return "siemfwd_" + name
}

// snake makes name a part of a metric's name: lower-case letters, digits and single
// underscores, without the prefix and suffix that it gets.
func snake(name string) string {
	b := make([]byte, 0, len(name))
	for _, c := range []byte(name) {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c < 'a' || c > 'z' {
			if c < '0' || c > '9' {
				c = '_'
			}
		}
		if c == '_' && (len(b) == 0 || b[len(b)-1] == '_') {
			continue
		}
		b = append(b, c)
	}
	s := strings.TrimSuffix(string(b), "_")
	s = strings.TrimSuffix(strings.TrimPrefix(s, "siemfwd_"), "_total")
	if s == "" {
		return "unnamed"
	}
	return s
}

// Describe sends nothing: what components count is not known beforehand.
func (m *meters) Describe(chan<- *prometheus.Desc) {}

// Collect sends what was counted so far.
func (m *meters) Collect(ch chan<- prometheus.Metric) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for s, v := range m.values {
		d := m.descs[described{s.name, s.counter}]
		if d == nil || s.name != snake(s.name) {
			continue // another name for a number that is sent already
		}
		if s.counter {
			ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v.Load()), s.component)
		} else {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, math.Float64frombits(v.Load()), s.component)
		}
	}
}
