package poll

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

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
		Lookups:  v.lookups(),
		Config:   func() any { return &ownKeys{BaseURL: "http://api.test"} },
		Open: func(cfg any) (*kit.API, error) {
			api := &kit.API{BaseURL: cfg.(*ownKeys).BaseURL, Sign: v.sign, Page: v.ask, Read: readPage, OneWay: v.oneWay}
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
		Request: func(_ any, arg string) (kit.Request, error) {
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
