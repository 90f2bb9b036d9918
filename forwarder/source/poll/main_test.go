package poll

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/forwarder/source"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// item is one event of the vendor of these tests.
type item struct {
	id, version string
	at          time.Time // its time
	seen        time.Time // when the API begins to show it
}

// vendorAPI is that vendor: its server, and the functions that read it. It runs on the
// bubble's clock, off by skew.
type vendorAPI struct {
	page    int           // rows of a page
	skew    time.Duration // of the server's clock
	noDate  bool
	stable  bool // the cursor is the same over a whole walk
	ceiling int  // rows after which a walk ends as if there were no more; 0: none
	total   bool // tells how many rows there are
	steps   int  // of the login; 0: basic authentication
	life    time.Duration
	ordered bool
	oneWay  bool // as kit.API.OneWay

	mu     sync.Mutex
	items  []item
	calls  []call
	tokens map[string]time.Time // and when they end
	issued int
	served map[string]int // by a stable cursor, rows handed out
	fault  func(n int, c call, w http.ResponseWriter, r *http.Request) bool
}

// call is one request that arrived.
type call struct {
	at       time.Time
	kind     string // rows, or login and its step
	from, to time.Time
	cursor   string
	header   http.Header
}

func (v *vendorAPI) add(items ...item) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, i := range items {
		if i.seen.IsZero() {
			i.seen = i.at
		}
		v.items = append(v.items, i)
	}
}

// fail lets f answer from now on what it wants to; nil answers nothing.
func (v *vendorAPI) fail(f func(n int, c call, w http.ResponseWriter, r *http.Request) bool) {
	v.mu.Lock()
	v.fault = f
	v.mu.Unlock()
}

// asked returns the calls so far, of a kind or all.
func (v *vendorAPI) asked(kind string) []call {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(v.calls), func(c call) bool { return kind != "" && c.kind != kind })
}

func (v *vendorAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	moment := func(key string) time.Time { t, _ := time.Parse(time.RFC3339Nano, q.Get(key)); return t }
	c := call{at: time.Now(), kind: strings.TrimPrefix(r.URL.Path, "/v1/"), from: moment("from"), to: moment("to"), cursor: q.Get("cursor"), header: r.Header}
	w.Header().Set("Date", time.Now().Add(v.skew).UTC().Format(http.TimeFormat))
	if v.noDate {
		w.Header()["Date"] = nil
	}
	v.mu.Lock()
	v.calls = append(v.calls, c)
	n, fault := len(v.calls), v.fault
	v.mu.Unlock()
	if fault != nil && fault(n, c, w, r) {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if step, ok := strings.CutPrefix(c.kind, "login"); ok {
		v.login(w, r, step)
		return
	}
	if !v.allowed(r) {
		http.Error(w, `{"message":"token is not good"}`, http.StatusUnauthorized)
		return
	}
	switch c.kind {
	case "rows":
		v.rows(w, c)
	case "echo":
		fmt.Fprintf(w, "%q", r.URL.RawQuery)
	default:
		http.NotFound(w, r)
	}
}

func (v *vendorAPI) login(w http.ResponseWriter, r *http.Request, step string) {
	if step != "0" && !v.good(r.Header.Get("X-Before")) {
		http.Error(w, "the token before is not good", http.StatusUnauthorized)
		return
	}
	v.issued++
	token := fmt.Sprintf("token-%s-%d", step, v.issued)
	if v.tokens == nil {
		v.tokens = map[string]time.Time{}
	}
	v.tokens[token] = time.Now().Add(v.life)
	fmt.Fprintf(w, `{"token":%q,"expires_in":%d}`, token, int(v.life.Seconds()))
}

func (v *vendorAPI) good(token string) bool {
	end, ok := v.tokens[token]
	return ok && (v.life == 0 || time.Now().Before(end))
}

// revoke makes every token bad.
func (v *vendorAPI) revoke() {
	v.mu.Lock()
	clear(v.tokens)
	v.mu.Unlock()
}

func (v *vendorAPI) allowed(r *http.Request) bool {
	if v.steps == 0 {
		user, word, _ := r.BasicAuth()
		return user == "me" && word == "secretword"
	}
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	return v.good(token) && strings.HasPrefix(token, fmt.Sprintf("token-%d-", v.steps-1))
}

// wireRow and wirePage are what travels.
type wireRow struct {
	ID string    `json:"id,omitempty"`
	V  string    `json:"v,omitempty"`
	T  time.Time `json:"t"`
}

type wirePage struct {
	Rows   []wireRow `json:"rows"`
	Next   string    `json:"next,omitempty"`
	More   bool      `json:"more"`
	From   time.Time `json:"from,omitzero"`
	Total  int       `json:"total,omitempty"`
	Notice string    `json:"notice,omitempty"`
}

// rows answers with a page of what was to be seen when the walk began.
func (v *vendorAPI) rows(w http.ResponseWriter, c call) {
	now, from := time.Now().Add(v.skew), 0
	if c.cursor != "" {
		asof, off, _ := strings.Cut(c.cursor, ":")
		nanos, _ := strconv.ParseInt(asof, 10, 64)
		now = time.Unix(0, nanos)
		if from, _ = strconv.Atoi(off); v.stable {
			from = v.served[c.cursor]
		}
	}
	var all []item
	for _, i := range v.items {
		if !i.at.Before(c.from) && i.at.Before(c.to) && !i.seen.After(now) {
			all = append(all, i)
		}
	}
	slices.SortStableFunc(all, func(a, b item) int {
		if v.ordered {
			return a.at.Compare(b.at)
		}
		return int(scatter(a.id)) - int(scatter(b.id))
	})
	if v.ceiling > 0 && len(all) > v.ceiling {
		all = all[:v.ceiling]
	}
	to := min(from+v.page, len(all))
	p := wirePage{More: to < len(all)}
	if v.total {
		p.Total = len(all)
	}
	for _, i := range all[min(from, to):to] {
		p.Rows = append(p.Rows, wireRow{i.id, i.version, i.at})
	}
	if p.More {
		p.Next = fmt.Sprintf("%d:%d", now.UnixNano(), to)
		if v.stable {
			p.Next = fmt.Sprintf("%d:", now.UnixNano())
			if v.served == nil {
				v.served = map[string]int{}
			}
			v.served[p.Next] = to
		}
		if v.ordered {
			p.From = all[to].at
		}
	}
	_ = json.NewEncoder(w).Encode(p)
}

func scatter(id string) uint16 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id))
	return uint16(h.Sum32())
}

// ownKeys are the vendor's keys.
type ownKeys struct {
	BaseURL string `yaml:"base_url"`
}

// vendor describes the API to the poller.
func (v *vendorAPI) vendor() kit.Vendor {
	return kit.Vendor{Name: "test", Poll: &kit.Poll{
		Defaults: kit.PollDefaults{Ordered: v.ordered, RequestsPerMinute: 60_000},
		Config:   func() any { return &ownKeys{BaseURL: "http://api.test"} },
		Open: func(cfg any) (*kit.API, error) {
			api := &kit.API{BaseURL: cfg.(*ownKeys).BaseURL, Sign: v.sign, Page: v.ask, Read: readPage, Lookups: v.lookups(), OneWay: v.oneWay}
			for i := range v.steps {
				api.Auth = append(api.Auth, kit.Step{
					Request: func(c kit.Call) (kit.Request, error) {
						h := http.Header{}
						if i > 0 {
							h.Set("X-Before", c.Tokens[i-1])
						}
						return kit.Request{Method: http.MethodPost, Path: fmt.Sprintf("/v1/login%d", i), Header: h, Body: []byte("secretword")}, nil
					},
					Read: readToken,
				})
			}
			return api, nil
		},
	}}
}

func (v *vendorAPI) sign(req *http.Request, _ []byte, c kit.Call) {
	req.Header.Set("X-Req-Id", c.ID)
	req.Header.Set("X-At", c.At.Format(time.RFC3339Nano))
	if v.steps == 0 {
		req.SetBasicAuth("me", "secretword")
		return
	}
	req.Header.Set("Authorization", "Bearer "+c.Tokens[len(c.Tokens)-1])
}

func (v *vendorAPI) ask(w kit.Window, cursor []byte) (kit.Request, error) {
	q := url.Values{"from": {w.From.Format(time.RFC3339Nano)}, "to": {w.To.Format(time.RFC3339Nano)}}
	if cursor != nil {
		q.Set("cursor", string(cursor))
	}
	return kit.Request{Path: "/v1/rows", Query: q}, nil
}

func (v *vendorAPI) lookups() []kit.Lookup {
	return []kit.Lookup{{
		Name: "echo", Arg: "WORD",
		Request: func(arg string) (kit.Request, error) {
			if arg == "" {
				return kit.Request{}, errors.New("WORD is missing")
			}
			return kit.Request{Path: "/v1/echo", Query: url.Values{"word": {arg}}}, nil
		},
		Read: func(status int, _ http.Header, body []byte) ([][]byte, error) {
			return [][]byte{body}, kit.CheckStatus(status, body)
		},
	}}
}

func readToken(status int, _ http.Header, body []byte, _ time.Time) (string, time.Duration, error) {
	if err := kit.CheckStatus(status, body); err != nil {
		return "", 0, err
	}
	var t struct {
		Token     string `json:"token"`
		ExpiresIn int    `json:"expires_in"`
	}
	err := json.Unmarshal(body, &t)
	return t.Token, time.Duration(t.ExpiresIn) * time.Second, err
}

func readPage(_ kit.Window, cursor []byte, status int, _ http.Header, body []byte, add func(kit.Row)) (kit.Next, error) {
	switch {
	case status == http.StatusNotFound:
		return kit.Next{}, nil
	case status == http.StatusBadRequest && cursor != nil:
		return kit.Next{}, &kit.Stale{Reason: "no such cursor"}
	}
	if err := kit.CheckStatus(status, body); err != nil {
		return kit.Next{}, err
	}
	var p struct {
		wirePage
		Rows   []json.RawMessage `json:"rows"`
		Denied string            `json:"denied"`
		Slower string            `json:"slower"`
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return kit.Next{}, err
	}
	switch {
	case p.Denied != "":
		return kit.Next{}, &kit.Denied{Reason: p.Denied}
	case p.Slower != "":
		return kit.Next{}, &kit.Throttled{Reason: p.Slower}
	}
	for _, raw := range p.Rows {
		var r wireRow
		if err := json.Unmarshal(raw, &r); err != nil {
			return kit.Next{}, err
		}
		row := kit.Row{Raw: raw, ID: []byte(r.ID), Version: []byte(r.V)}
		if !r.T.IsZero() {
			row.Time = record.At(r.T)
		}
		add(row)
	}
	next := kit.Next{More: p.More, From: p.From, Total: p.Total, Note: p.Notice}
	if p.Next != "" {
		next.Cursor = []byte(p.Next)
	}
	return next, nil
}

// memory is a source.Log as the forwarder has it, without a disk: it survives the
// source that writes to it.
type memory struct {
	mu     sync.Mutex
	seen   map[event.Key]bool
	events []string // the data, in order
	marks  map[string][]byte
	emits  []emitted
	ready  int
	refuse []string
	// before and after are asked at every Emit; an error of after comes when all is
	// durable.
	before, after func(n int, b *event.Batch) error
}

// emitted is one Emit that worked.
type emitted struct {
	events, new int
	position    position // zero: it had no mark
	marks       int
}

func newMemory() *memory {
	return &memory{seen: map[event.Key]bool{}, marks: map[string][]byte{}}
}

func (m *memory) Emit(ctx context.Context, b *event.Batch) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := len(m.emits) + 1
	if m.before != nil {
		if err := m.before(n, b); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	e := emitted{events: b.Len(), marks: len(b.Marks)}
	b.Keep(func(i int) bool {
		r := b.At(i)
		known := m.seen[r.Key]
		m.seen[r.Key] = true
		if !known {
			m.events = append(m.events, string(r.Data))
		}
		return !known
	})
	e.new = b.Len()
	for _, k := range b.Marks {
		m.marks[k.Key] = bytes.Clone(k.Value)
		if k.Key == markPosition {
			e.position, _, _ = readPosition(k.Value)
		}
	}
	m.emits = append(m.emits, e)
	if m.after != nil {
		return m.after(n, b)
	}
	return nil
}

func (m *memory) Mark(key string) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return bytes.Clone(m.marks[key])
}

func (m *memory) Refuse(_ context.Context, raw event.Raw, reason string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refuse = append(m.refuse, fmt.Sprintf("%d octets: %s", len(raw.Data), reason))
}

func (m *memory) Ready() {
	m.mu.Lock()
	m.ready++
	m.mu.Unlock()
}

func (m *memory) Keep() time.Duration { return time.Hour }

// ids returns the id and version of every event that is durable, in order.
func (m *memory) ids() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []string
	for _, e := range m.events {
		var r wireRow
		if json.Unmarshal([]byte(e), &r) == nil {
			out = append(out, r.ID+r.V)
		}
	}
	return out
}

func (m *memory) position() position {
	p, _, _ := readPosition(m.Mark(markPosition))
	return p
}

// numbers is a meter that remembers.
type numbers struct {
	mu sync.Mutex
	n  map[string]float64
}

func (n *numbers) Add(name string, by uint64) {
	n.put(name, func(v float64) float64 { return v + float64(by) })
}
func (n *numbers) Set(name string, to float64) {
	n.put(name, func(float64) float64 { return to })
}

func (n *numbers) put(name string, f func(float64) float64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.n == nil {
		n.n = map[string]float64{}
	}
	n.n[name] = f(n.n[name])
}

func (n *numbers) get(name string) float64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.n[name]
}

// lines is a log that remembers.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// pipes connects a client and a server in memory.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.done); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-p.done:
		return nil, errors.New("connection refused")
	}
}

// serve runs a handler at the other end of the returned transport.
func serve(t *testing.T, h http.Handler, timeout time.Duration) *http.Transport {
	t.Helper()
	p := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	srv := &http.Server{Handler: h, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(p) }()
	over := newTransport(timeout)
	over.Proxy, over.DialContext = nil, p.dial
	t.Cleanup(func() {
		over.CloseIdleConnections()
		_ = srv.Close()
		<-done
	})
	return over
}

// bench is a source with everything around it.
type bench struct {
	*Source
	t     *testing.T
	api   *vendorAPI
	log   *memory
	meter *numbers
	said  *lines
	over  *http.Transport
	cfg   Config

	stop context.CancelFunc
	done chan struct{}
	errs []error // that Run ended with
}

// setUp makes a source that was never run. change may be nil.
func setUp(t *testing.T, api *vendorAPI, change func(*Config)) *bench {
	t.Helper()
	if api.page == 0 {
		api.page = 10
	}
	cfg, _ := VendorConfig(api.vendor().Poll)
	b := &bench{t: t, api: api, log: newMemory(), meter: &numbers{}, said: &lines{}, cfg: *cfg.(*Config)}
	if change != nil {
		change(&b.cfg)
	}
	b.over = serve(t, api, b.cfg.Timeout)
	b.renew()
	return b
}

// renew makes the source anew, as a start of the process does.
func (b *bench) renew() {
	b.t.Helper()
	v := b.api.vendor()
	log := slog.New(slog.NewTextHandler(b.said, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	s, err := New(&b.cfg, v.Poll.Config(), v, component.Env{Name: "in", Log: log, Meter: b.meter},
		Options{Transport: b.over, Spread: func() float64 { return 0.5 }})
	require.NoError(b.t, err)
	b.Source = s
}

// start runs the source as the forwarder does: again after a failure, when the pause it
// asks for is over.
func (b *bench) start() {
	ctx, stop := context.WithCancel(context.Background())
	b.stop, b.done = stop, make(chan struct{})
	go func() {
		defer close(b.done)
		for {
			err := b.Run(ctx, b.log)
			if ctx.Err() != nil {
				assert.NoError(b.t, err)
				return
			}
			b.log.mu.Lock()
			b.errs = append(b.errs, err)
			b.log.mu.Unlock()
			wait := time.Second
			if p := new(source.Pause); errors.As(err, &p) {
				wait = p.For
			}
			if sleep(ctx, wait) != nil {
				return
			}
		}
	}()
}

// end stops it and waits until nothing of it is left.
func (b *bench) end() {
	b.stop()
	<-b.done
	synctest.Wait()
}

func (b *bench) failures() []error {
	b.log.mu.Lock()
	defer b.log.mu.Unlock()
	return slices.Clone(b.errs)
}

// pass lets a time of the bubble's clock pass, and everything that happens in it.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// today is the day that bubbles begin on.
var today = time.Date(2026, 3, 3, 0, 0, 0, 0, time.UTC)

// bubble runs a test in a bubble of time, that begins at noon.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(today.Add(12 * time.Hour)))
		f(t)
	})
}

// at is a time today, in the bubble.
func at(clock string) time.Time {
	for _, layout := range []string{"15:04:05.000", "15:04:05", "15:04"} {
		if t, err := time.Parse(layout, clock); err == nil {
			return today.Add(t.Sub(time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)))
		}
	}
	panic(clock)
}

func many(n int, from time.Time, every time.Duration) (items []item, ids []string) {
	for i := range n {
		id := fmt.Sprintf("e%d", i)
		items = append(items, item{id: id, at: from.Add(time.Duration(i) * every)})
		ids = append(ids, id)
	}
	return items, ids
}

func hang(r *http.Request) { _, _ = io.Copy(io.Discard, r.Body); <-r.Context().Done() }
