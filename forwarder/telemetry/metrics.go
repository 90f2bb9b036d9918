package telemetry

import (
	"log/slog"
	"math"
	"net/http"
	"runtime"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Provider gives the numbers of a forwarder. Snapshot is called once per scrape, by
// any goroutine; the numbers of one lane must belong together, so that received =
// delivered + filtered + dead + expired + waiting holds in every scrape.
type Provider interface{ Snapshot() Snapshot }

// Snapshot is a forwarder's numbers at one moment. Counts begin at the start of the
// forwarder and never go down.
type Snapshot struct {
	Version  string
	Sources  []Source
	Sinks    []Sink
	Lanes    []Lane
	Dead     Dead
	ReloadOK bool // the last reload was applied, or there was none
}

// Source is what is counted per way in.
type Source struct {
	Name                 string
	Up                   bool
	Received, Duplicates uint64
	Refused              uint64 // bodies no event could be made of: dead under sink "-"
	SpoolBytes           int64
	Damaged              uint64            // damaged places found in the spool
	Position             time.Time         // up to when the source has read; zero for sources that have no such place
	Warnings             map[string]uint64 // of the parser, by kind
}

// Dead is the store of dead letters.
type Dead struct {
	Letters []Letters
	Bytes   int64
	Dropped uint64 // bodies no event could be made of that gave way to newer ones
}

// Letters are the dead letters of one source and sink that there are now, whenever they
// died.
type Letters struct {
	Source, Sink string
	Kept         uint64
}

// Sink is what is known per way out, over all the sources it reads.
type Sink struct {
	Name string
	Up   bool
}

// Lane is what became of one source's events on the way to one sink.
type Lane struct {
	Source, Sink                       string
	Delivered, Filtered, Dead, Expired uint64
	Waiting                            uint64
	Unconfirmed                        uint64    // of those waiting: sent, and not confirmed by the receiver
	Oldest                             time.Time // receive time of the oldest that waits; zero when none does
	Retried                            uint64    // of the dead: delivered since by a retry, and not in Delivered
	Replayed                           uint64    // sent again by replays; in none of the others
}

// Registry holds the metrics of one forwarder. Several may live in one process.
type Registry struct {
	registry *prometheus.Registry
	meters   *meters
	seconds  *prometheus.HistogramVec
}

// sendBuckets reach from a write on a local disk to a receiver at its timeout.
var sendBuckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

// NewRegistry makes a registry that asks p at every scrape. It also tells about the
// process and the Go runtime.
func NewRegistry(p Provider) *Registry {
	r := &Registry{
		registry: prometheus.NewPedanticRegistry(),
		meters:   newMeters(),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "siemfwd_send_seconds", Help: "Time one successful batch took to send.", Buckets: sendBuckets,
		}, []string{"sink"}),
	}
	r.registry.MustRegister(snapshots{p, time.Now}, r.meters, r.seconds,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// ObserveSend counts one successful Send of a sink. Safe for concurrent use.
func (r *Registry) ObserveSend(sink string, d time.Duration) {
	r.seconds.WithLabelValues(sink).Observe(d.Seconds())
}

// metrics serves a scrape.
func (r *Registry) metrics(log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(r.registry, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: 8,
	})
}

// snapshots turns a Provider's numbers into metrics.
type snapshots struct {
	provider Provider
	now      func() time.Time
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

var (
	descBuild      = desc("siemfwd_build_info", "The version that runs, as labels.", "version", "goversion")
	descReload     = desc("siemfwd_config_last_reload_success", "Whether the last reload of the configuration was applied.")
	descEvents     = desc("siemfwd_events_total", "Events by what became of them. For each sink, received (which has sink=\"\") = delivered + filtered + dead + expired + siemfwd_waiting_events.", "stage", "source", "sink")
	descDuplicates = desc("siemfwd_duplicates_total", "Repeated deliveries of the same event, left out and not counted as received.", "source")
	descWarnings   = desc("siemfwd_parse_warnings_total", "What parsers had to guess.", "source", "kind")
	descSpool      = desc("siemfwd_spool_bytes", "Size of the events kept on disk, delivered or not.", "source")
	descDamaged    = desc("siemfwd_spool_damaged_total", "Damaged places found in the spool; what stood there is copied to its quarantine folder, and events that are lost count as expired.", "source")
	descPosition   = desc("siemfwd_source_position_seconds", "Up to when a source has read, in Unix time.", "source")
	descWaiting    = desc("siemfwd_waiting_events", "Events on disk that a sink has still to get.", "source", "sink")
	descSent       = desc("siemfwd_unconfirmed_events", "Waiting events that were sent and that the receiver has not confirmed.", "source", "sink")
	descReplayed   = desc("siemfwd_replayed_events_total", "Stored events that replays sent again. They are in no stage of siemfwd_events_total.", "source", "sink")
	descRetried    = desc("siemfwd_retried_events_total", "Dead events that a retry has delivered since. They stay in stage dead of siemfwd_events_total: counters do not go down.", "source", "sink")
	descLetters    = desc("siemfwd_dead_letters", "Dead letters that are kept now, since whenever: what somebody has to look at.", "source", "sink")
	descAge        = desc("siemfwd_waiting_seconds", "Age of the oldest event that a sink has still to get.", "source", "sink")
	descDead       = desc("siemfwd_dead_letter_bytes", "Size of what receivers refused, kept on disk until somebody has looked at it.")
	descDropped    = desc("siemfwd_dead_letters_dropped_total", "Bodies no event could be made of that gave way to newer ones.")
	descUp         = desc("siemfwd_up", "Whether a source or sink works.", "component")
)

// Describe sends every metric a scrape may hold.
func (snapshots) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descBuild, descReload, descEvents, descDuplicates, descWarnings, descSpool, descDamaged, descPosition, descWaiting, descSent, descReplayed, descRetried, descLetters, descAge, descDead, descDropped, descUp} {
		ch <- d
	}
}

// Collect sends the metrics of one snapshot.
func (s snapshots) Collect(ch chan<- prometheus.Metric) {
	snap := s.provider.Snapshot()
	e := emitter{ch}
	e.gauge(descBuild, 1, snap.Version, runtime.Version())
	e.gauge(descReload, truth(snap.ReloadOK))
	e.gauge(descDead, float64(snap.Dead.Bytes))
	for _, l := range snap.Dead.Letters {
		e.gauge(descLetters, float64(l.Kept), l.Source, l.Sink)
	}
	e.counter(descDropped, snap.Dead.Dropped)
	up := map[string]bool{}
	for i := range snap.Sources {
		e.source(&snap.Sources[i])
		join(up, snap.Sources[i].Name, snap.Sources[i].Up)
	}
	for _, k := range snap.Sinks {
		join(up, k.Name, k.Up)
	}
	now := s.now()
	for i := range snap.Lanes {
		e.lane(&snap.Lanes[i], now)
	}
	for name, ok := range up {
		e.gauge(descUp, truth(ok), name)
	}
}

// join lets a source and a sink of the same name be one component, up when both are.
func join(up map[string]bool, name string, ok bool) {
	before, seen := up[name]
	up[name] = ok && (before || !seen)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

type emitter struct{ ch chan<- prometheus.Metric }

func (e emitter) source(s *Source) {
	e.counter(descEvents, s.Received, "received", s.Name, "")
	if s.Refused > 0 {
		e.counter(descEvents, s.Refused, "dead", s.Name, "-")
	}
	e.counter(descDuplicates, s.Duplicates, s.Name)
	e.gauge(descSpool, float64(s.SpoolBytes), s.Name)
	e.counter(descDamaged, s.Damaged, s.Name)
	if !s.Position.IsZero() {
		e.gauge(descPosition, float64(s.Position.UnixMilli())/1000, s.Name)
	}
	for kind, n := range s.Warnings {
		e.counter(descWarnings, n, s.Name, kind)
	}
}

func (e emitter) lane(l *Lane, now time.Time) {
	e.counter(descEvents, l.Delivered, "delivered", l.Source, l.Sink)
	e.counter(descEvents, l.Filtered, "filtered", l.Source, l.Sink)
	e.counter(descEvents, l.Dead, "dead", l.Source, l.Sink)
	e.counter(descEvents, l.Expired, "expired", l.Source, l.Sink)
	e.gauge(descWaiting, float64(l.Waiting), l.Source, l.Sink)
	e.gauge(descSent, float64(l.Unconfirmed), l.Source, l.Sink)
	e.counter(descReplayed, l.Replayed, l.Source, l.Sink)
	e.counter(descRetried, l.Retried, l.Source, l.Sink)
	age := 0.0
	if !l.Oldest.IsZero() {
		age = math.Max(0, now.Sub(l.Oldest).Seconds())
	}
	e.gauge(descAge, age, l.Source, l.Sink)
}

func (e emitter) counter(d *prometheus.Desc, n uint64, labels ...string) {
	e.metric(d, prometheus.CounterValue, float64(n), labels)
}

func (e emitter) gauge(d *prometheus.Desc, v float64, labels ...string) {
	e.metric(d, prometheus.GaugeValue, v, labels)
}

func (e emitter) metric(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels []string) {
	for i, l := range labels {
		labels[i] = strings.ToValidUTF8(l, "\uFFFD")
	}
	m, err := prometheus.NewConstMetric(d, kind, v, labels...)
	if err != nil {
		m = prometheus.NewInvalidMetric(d, err)
	}
	e.ch <- m
}
