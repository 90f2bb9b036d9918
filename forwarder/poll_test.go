package forwarder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/forwarder/source"
	"github.com/siemfwd/siemfwd/forwarder/source/poll"
	"github.com/siemfwd/siemfwd/forwarder/spool"
	"github.com/siemfwd/siemfwd/forwarder/spool/faultfs"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// hostile is an API at its worst, and how often the process that reads it dies.
type hostile struct {
	seed      uint64
	page      int
	ordered   bool
	stable    bool // one cursor for a whole walk
	ceiling   int
	faults    int // of 1000 calls
	repeats   int // of 1000 rows
	skew      time.Duration
	tokenLife time.Duration
	events    []happening
	deaths    []death
}

type happening struct {
	ID   string        `json:"id"`
	V    int           `json:"v"`
	T    time.Time     `json:"t"`
	seen time.Duration // after T
}

// death ends the process after it has lived so long, and keeps it dead.
type death struct {
	lives, dead time.Duration
	power       bool
}

const hostileOverlap = 10 * time.Minute

func drawHostile(t *rapid.T, start time.Time) hostile {
	h := hostile{
		seed: rapid.Uint64().Draw(t, "seed"), page: rapid.IntRange(1, 40).Draw(t, "page"),
		ordered: rapid.Bool().Draw(t, "ordered"), stable: rapid.Bool().Draw(t, "stable"),
		ceiling: rapid.SampledFrom([]int{0, 0, 45}).Draw(t, "ceiling"),
		faults:  rapid.SampledFrom([]int{0, 50, 300}).Draw(t, "faults"), repeats: rapid.SampledFrom([]int{0, 100}).Draw(t, "repeats"),
		skew:      time.Duration(rapid.SampledFrom([]int{0, 0, -600, 600}).Draw(t, "skew")) * time.Second,
		tokenLife: time.Duration(rapid.SampledFrom([]int{0, 60, 300}).Draw(t, "token")) * time.Second,
	}
	step := rapid.SampledFrom([]int{1, 20, 90}).Draw(t, "step") // few steps make ties
	for i := range rapid.IntRange(1, 120).Draw(t, "events") {
		at := start.Add(time.Duration(i/3*step) * time.Second)
		e := happening{ID: fmt.Sprintf("e%d", i), T: at}
		if rapid.IntRange(0, 9).Draw(t, "late") == 0 {
			e.seen = time.Duration(rapid.IntRange(0, int(hostileOverlap.Seconds())*4/5).Draw(t, "by")) * time.Second
		}
		h.events = append(h.events, e)
		if rapid.IntRange(0, 9).Draw(t, "changes") == 0 {
			e.V = 1
			e.seen += time.Minute
			h.events = append(h.events, e)
		}
	}
	for range rapid.IntRange(0, 12).Draw(t, "deaths") {
		h.deaths = append(h.deaths, death{
			lives: time.Duration(rapid.SampledFrom([]int{0, 1, 3, 700, 200_000}).Draw(t, "lives")) * time.Millisecond,
			dead:  time.Duration(rapid.SampledFrom([]int{0, 1, 900, 200_000}).Draw(t, "dead")) * time.Second,
			power: rapid.Bool().Draw(t, "power"),
		})
	}
	return h
}

// hostileAPI serves one.
type hostileAPI struct {
	hostile
	mu     sync.Mutex
	rnd    *rand.Rand
	calm   bool
	after  time.Time // before which nobody may call
	early  int
	walks  map[string]int // rows handed out, by cursor
	tokens map[string]time.Time
	found  map[string]uint64 // what a sink saw: the event's place in the spool
	twice  string            // what it saw at two places
}

func (a *hostileAPI) now() time.Time { return time.Now().Add(a.skew) }

// RoundTrip implements http.RoundTripper, without a wire.
func (a *hostileAPI) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	w.Header().Set("Date", a.now().UTC().Format(http.TimeFormat))
	a.mu.Lock()
	if time.Now().Before(a.after) {
		a.early++
		w.Header().Set("Retry-After", a.after.Add(a.skew).UTC().Format(http.TimeFormat))
		w.WriteHeader(429)
		a.mu.Unlock()
		return w.Result(), nil
	}
	fault := -1
	if !a.calm && a.rnd.IntN(1000) < a.faults {
		fault = a.rnd.IntN(7)
	}
	if fault < 0 {
		a.serve(w, r)
	}
	cut := a.rnd.IntN(30)
	a.mu.Unlock()
	switch fault {
	case 0:
		w.WriteHeader(500)
	case 1:
		w.WriteHeader(503)
	case 2:
		a.mu.Lock()
		a.after = time.Now().Truncate(time.Second).Add(time.Minute)
		w.Header().Set("Retry-After", a.after.Add(a.skew).UTC().Format(http.TimeFormat))
		a.mu.Unlock()
		w.WriteHeader(429)
	case 3:
		w.WriteHeader(401)
	case 4:
		<-r.Context().Done()
		return nil, r.Context().Err()
	case 5:
		a.mu.Lock()
		a.serve(w, r)
		a.mu.Unlock()
		text := w.Body.String()
		w.Body.Reset()
		w.Body.WriteString(text[:min(cut, len(text)-2)])
	case 6:
		return nil, errors.New("connection reset by peer")
	}
	return w.Result(), nil
}

func (a *hostileAPI) serve(w *httptest.ResponseRecorder, r *http.Request) {
	if r.URL.Path == "/login" {
		token := strconv.Itoa(len(a.tokens))
		a.tokens[token] = time.Now().Add(a.tokenLife)
		fmt.Fprintf(w, `{"token":%q}`, token)
		return
	}
	if end, ok := a.tokens[r.Header.Get("X-Token")]; !ok || a.tokenLife > 0 && time.Now().After(end) {
		w.WriteHeader(401)
		return
	}
	q := r.URL.Query()
	from, _ := time.Parse(time.RFC3339Nano, q.Get("from"))
	to, _ := time.Parse(time.RFC3339Nano, q.Get("to"))
	asof, off := a.now(), 0
	if c := q.Get("cursor"); c != "" {
		walk, at, _ := strings.Cut(c, ":")
		nanos, _ := strconv.ParseInt(walk, 10, 64)
		asof = time.Unix(0, nanos)
		if off, _ = strconv.Atoi(at); a.stable {
			off = a.walks[c]
		}
		if !a.calm && a.rnd.IntN(1000) < a.faults/3 {
			w.WriteHeader(400) // the cursor is stale
			return
		}
	}
	var all []happening
	for _, e := range a.events {
		if !e.T.Before(from) && e.T.Before(to) && !e.T.Add(e.seen).After(asof) {
			all = append(all, e)
		}
	}
	if !a.ordered {
		rand.New(rand.NewPCG(a.seed, uint64(asof.UnixNano()))).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	}
	if a.ceiling > 0 && len(all) > a.ceiling {
		all = all[:a.ceiling]
	}
	end := min(off+a.page, len(all))
	page := struct {
		Rows []happening `json:"rows"`
		Next string      `json:"next"`
		From time.Time   `json:"from"`
	}{Rows: slices.Clone(all[min(off, end):end])}
	if end < len(all) {
		page.Next, page.From = fmt.Sprintf("%d:%d", asof.UnixNano(), end), all[end].T
		if a.stable {
			page.Next = fmt.Sprintf("%d:", asof.UnixNano())
			a.walks[page.Next] = end
		}
	}
	for range page.Rows {
		if a.rnd.IntN(1000) < a.repeats {
			page.Rows = append(page.Rows, page.Rows[a.rnd.IntN(len(page.Rows))])
		}
	}
	_ = json.NewEncoder(w).Encode(page)
}

func (a *hostileAPI) vendor() kit.Vendor {
	return kit.Vendor{Name: "hostile", Poll: &kit.Poll{Defaults: kit.PollDefaults{Ordered: a.ordered, Ceiling: max(0, a.ceiling-5), Overlap: hostileOverlap,
		Since: time.Hour, RequestsPerMinute: 60_000}, Open: a.open}}
}

func (a *hostileAPI) open(any) (*kit.API, error) {
	return &kit.API{
		BaseURL: "http://api.test", OneWay: a.stable,
		Auth: []kit.Step{{
			Request: func(kit.Call) (kit.Request, error) { return kit.Request{Path: "/login"}, nil },
			Read: func(status int, _ http.Header, body []byte, _ time.Time) (string, time.Duration, error) {
				var t struct{ Token string }
				err := json.Unmarshal(body, &t)
				return t.Token, a.tokenLife, err
			},
		}},
		Sign: func(r *http.Request, _ []byte, c kit.Call) { r.Header.Set("X-Token", c.Tokens[0]) },
		Page: func(w kit.Window, cursor []byte) (kit.Request, error) {
			return kit.Request{Path: "/rows", Query: url.Values{"from": {w.From.Format(time.RFC3339Nano)}, "to": {w.To.Format(time.RFC3339Nano)}, "cursor": {string(cursor)}}}, nil
		},
		Read: readHostile,
	}, nil
}

func readHostile(_ kit.Window, _ []byte, status int, _ http.Header, body []byte, add func(kit.Row)) (kit.Next, error) {
	if status == 400 {
		return kit.Next{}, &kit.Stale{Reason: "scroll"}
	}
	if err := kit.CheckStatus(status, body); err != nil {
		return kit.Next{}, err
	}
	var p struct {
		Rows []json.RawMessage
		Next string
		From time.Time
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return kit.Next{}, err
	}
	for _, raw := range p.Rows {
		var e happening
		if err := json.Unmarshal(raw, &e); err != nil {
			return kit.Next{}, err
		}
		add(kit.Row{Raw: raw, ID: []byte(e.ID), Version: strconv.AppendInt(nil, int64(e.V), 10), Time: record.At(e.T)})
	}
	return kit.Next{Cursor: []byte(p.Next), More: p.Next != "", From: p.From}, nil
}

// process is one life of the daemon, as far as it matters here.
type process struct {
	intake *intake
	source *poll.Source
	stop   context.CancelFunc
	ends   sync.WaitGroup
}

func boot(api *hostileAPI, fs *faultfs.FS) (*process, error) {
	log := slog.New(slog.DiscardHandler)
	v := api.vendor()
	cfg, own := poll.VendorConfig(v.Poll)
	src, err := poll.New(cfg.(*poll.Config), own, v, component.Env{Log: log, Meter: component.NoMeter{}},
		poll.Options{Transport: api, Spread: func() float64 { return 0.5 }})
	if err != nil {
		return nil, err
	}
	keep := keepFor(src, 0) // no longer than the source asks for
	sp, err := spool.Open("s", spool.Options{FS: fs, Keep: keep, Since: src.Since, Log: log, Segment: 8 << 10})
	if err != nil {
		return nil, err
	}
	p := &process{intake: newIntake("s", sp, keep, log), source: src}
	if err := p.intake.wake(src, time.Now()); err != nil {
		return nil, err
	}
	var ctx context.Context
	ctx, p.stop = context.WithCancel(context.Background())
	st := &sourceState{intake: p.intake, source: src, first: make(chan struct{})}
	reader, err := sp.Reader("sink", spool.Oldest)
	if err != nil {
		return nil, err
	}
	p.ends.Go(func() { st.supervise(ctx, log) })
	p.ends.Go(func() { api.sink(ctx, reader) })
	return p, nil
}

// sink takes what arrives at once, so that nothing is kept for it.
func (a *hostileAPI) sink(ctx context.Context, r *spool.Reader) {
	var run spool.Run
	for r.Next(ctx, &run, spool.Limits{Events: 10, Bytes: 1 << 20}) == nil {
		a.mu.Lock()
		for _, e := range run.Entries {
			var is happening
			_ = json.Unmarshal(e.Data, &is)
			name := fmt.Sprint(is.ID, " ", is.V)
			if at, ok := a.found[name]; ok && at != e.Index {
				a.twice = fmt.Sprint(name, " at ", at, " and ", e.Index, " at ", e.Time, " now ", time.Now())
			}
			a.found[name] = e.Index
		}
		a.mu.Unlock()
		if r.Commit(run.Entries[len(run.Entries)-1].Pos) != nil {
			return
		}
	}
}

func (p *process) end() {
	p.stop()
	p.ends.Wait()
	_ = p.intake.spool.Close()
}

// run plays a scenario and says what went wrong.
func (h *hostile) run() error {
	api := &hostileAPI{hostile: *h, rnd: rand.New(rand.NewPCG(h.seed, 1)), walks: map[string]int{}, tokens: map[string]time.Time{},
		found: map[string]uint64{}}
	fs := faultfs.New()
	// Nothing is promised before the first beginning is durable.
	for _, d := range append([]death{{lives: time.Second}}, h.deaths...) {
		p, err := boot(api, fs)
		if err != nil {
			return err
		}
		time.Sleep(d.lives)
		next := fs.Kill
		if d.power {
			next = func() *faultfs.FS { return fs.Crash(api.rnd) }
		}
		api.mu.Lock()
		fs = next()
		api.mu.Unlock()
		p.end()
		time.Sleep(d.dead)
	}
	api.mu.Lock()
	api.calm = true
	api.mu.Unlock()
	p, err := boot(api, fs)
	if err != nil {
		return err
	}
	defer p.end()
	time.Sleep(4 * time.Hour)
	// A process may die before a pause that it was asked for is durable.
	if api.early > len(h.deaths) {
		return fmt.Errorf("%d calls before their time", api.early)
	}
	api.mu.Lock()
	defer api.mu.Unlock()
	if api.twice != "" {
		return fmt.Errorf("%s is in the spool twice", api.twice)
	}
	for _, e := range h.events {
		if _, ok := api.found[fmt.Sprint(e.ID, " ", e.V)]; !ok {
			return fmt.Errorf("%s %d is missing", e.ID, e.V)
		}
	}
	return nil
}

// Against an API at its worst and a process that is killed and loses its power, the
// spool holds every event once: nothing is missing, nothing is there twice, and no call
// is made before its time.
func TestPollingLosesAndRepeatsNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		// Bubbles of time begin with the year 2000.
		h := drawHostile(rt, time.Date(2026, 3, 3, 12, 0, 0, 0, time.UTC))
		var err error
		synctest.Test(t, func(*testing.T) {
			time.Sleep(time.Until(h.events[0].T) - h.skew)
			err = h.run()
			synctest.Wait()
		})
		if err != nil {
			rt.Fatal(err)
		}
	})
}

// A source that asks for a pause gets it.
func TestSuperviseKeepsThePauseThatIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		began := time.Now()
		s := &sourceState{intake: &intake{}, first: make(chan struct{}), source: runFunc(func(context.Context, source.Log) error {
			at = append(at, time.Since(began))
			return &source.Pause{For: 7 * time.Minute, Err: errors.New("no")}
		})}
		ctx, stop := context.WithTimeout(t.Context(), 30*time.Minute)
		defer stop()
		s.supervise(ctx, slog.New(slog.DiscardHandler))
		want := []time.Duration{0, 7 * time.Minute, 14 * time.Minute, 21 * time.Minute, 28 * time.Minute}
		if !slices.Equal(want, at) {
			t.Fatal(at)
		}
	})
}

type runFunc func(context.Context, source.Log) error

func (f runFunc) Run(ctx context.Context, log source.Log) error { return f(ctx, log) }
