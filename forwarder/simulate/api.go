package simulate

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// API is one simulated API. Its methods are safe for concurrent use.
type API struct {
	URL string // to be used as base_url

	o      Options
	vendor vendor
	server *http.Server
	done   chan struct{}

	mu     sync.Mutex // of all below
	line   *timeline
	calls  []Call
	tokens map[string]time.Time // and when they end, by this machine's clock
	issued int
	ids    map[string]bool // of requests, that were used
	shut   time.Time       // no calls before, after a 429
}

// vendor is what one API makes of requests. Its methods are called with API.mu held.
type vendor interface {
	// kind tells what a request is: login, page or other.
	kind(path string) string
	// login answers a request for a token.
	login(a *API, r *http.Request, body []byte) answer
	// allowed says whether a request that is none carries what it needs.
	allowed(a *API, r *http.Request) bool
	// denied is the answer when it does not.
	denied() answer
	// page answers a question for events.
	page(a *API, r *http.Request, body []byte) answer
	// other answers what is neither.
	other(a *API, r *http.Request, body []byte) answer
	// failure is an answer of status 200 that is none.
	failure() answer
	// stale makes all cursors bad.
	stale()
	// identity names a row.
	identity(r *row) (id, version string)
}

// answer is what an API says.
type answer struct {
	status int
	body   []byte
}

func text(status int, body string) answer { return answer{status, []byte(body)} }

func asJSON(status int, v any) answer {
	body, err := json.Marshal(v)
	if err != nil {
		return answer{status: http.StatusInternalServerError}
	}
	return answer{status, body}
}

// now is the API's time.
func (a *API) now() time.Time { return time.Now().Add(a.o.Skew).UTC() }

// newToken issues a token. The caller holds mu.
func (a *API) newToken() string {
	a.issued++
	t := fmt.Sprintf("%016x", rand.NewPCG(a.o.Seed, uint64(a.issued)).Uint64())
	a.tokens[t] = time.Now().Add(a.o.TokenLife)
	return t
}

// good reports whether a token is one that can be used. The caller holds mu.
func (a *API) good(token string) bool { return time.Now().Before(a.tokens[token]) }

// mostRequest is the longest body of a request.
const mostRequest = 1 << 20

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostRequest))
	if err != nil {
		return
	}
	w.Header().Set("Date", a.now().Format(http.TimeFormat))
	w.Header().Set("Content-Type", "application/json")
	a.mu.Lock()
	a.calls = append(a.calls, Call{At: time.Now(), Kind: a.vendor.kind(r.URL.Path), Method: r.Method})
	n := len(a.calls) - 1
	c := a.calls[n]
	said := a.answer(&c, n, w.Header(), r, body)
	a.calls[n] = c
	a.mu.Unlock()
	switch c.Fault {
	case "hang":
		select {
		case <-r.Context().Done():
		case <-time.After(a.o.Faults.HangFor):
		}
		panic(http.ErrAbortHandler)
	case "slow":
		select {
		case <-r.Context().Done():
		case <-time.After(a.o.Faults.SlowFor):
		}
	case "cut":
		if n%2 == 0 { // the connection ends; otherwise only the JSON does
			w.Header().Set("Content-Length", strconv.Itoa(len(said.body)))
			w.WriteHeader(said.status)
			_, _ = w.Write(said.body[:len(said.body)/2])
			panic(http.ErrAbortHandler)
		}
		said.body = said.body[:len(said.body)/2]
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(said.body)))
	w.WriteHeader(said.status)
	_, _ = w.Write(said.body)
}

// answer decides what becomes of call number n. The caller holds mu.
func (a *API) answer(c *Call, n int, h http.Header, r *http.Request, body []byte) answer {
	left := time.Until(a.shut)
	c.Early = left > 0
	var said answer
	switch {
	case c.Kind == "login":
		said = a.vendor.login(a, r, body)
	case c.Early:
		c.Fault = "429"
		h.Set("Retry-After", strconv.Itoa(int(left/time.Second)+1))
		said = text(http.StatusTooManyRequests, `{"message":"too many requests"}`)
	default:
		c.Fault = a.befalls(n)
		said = a.data(c, n, h, r, body)
		if c.Fault == "lost" {
			said = text(http.StatusInternalServerError, `{"error":"the answer is lost"}`)
		}
	}
	c.Status = said.status
	return said
}

// data answers a call that is no login.
func (a *API) data(c *Call, n int, h http.Header, r *http.Request, body []byte) answer {
	switch c.Fault {
	case "429":
		if d := a.o.Faults.RetryAfter; d > 0 {
			a.shut = time.Now().Add(d)
			h.Set("Retry-After", strconv.Itoa(int(d.Seconds())))
		}
		return text(http.StatusTooManyRequests, `{"message":"too many requests"}`)
	case "error":
		return text([...]int{500, 502, 503, 504}[n%4], "<html>upstream trouble</html>")
	case "hang":
		return answer{}
	case "failure":
		return a.vendor.failure()
	case "revoke":
		clear(a.tokens)
	case "stale":
		a.vendor.stale()
	}
	switch {
	case !a.vendor.allowed(a, r):
		return a.vendor.denied()
	case c.Kind == "page":
		return a.vendor.page(a, r, body)
	}
	return a.vendor.other(a, r, body)
}

// befalls draws what happens to call number n.
func (a *API) befalls(n int) string {
	f := &a.o.Faults
	x := rand.New(rand.NewPCG(a.o.Seed+1, uint64(n))).Float64()
	for _, c := range [...]struct {
		share float64
		what  string
	}{
		{f.Throttle, "429"}, {f.Errors, "error"}, {f.Cut, "cut"}, {f.Hang, "hang"}, {f.Failures, "failure"},
		{f.Revoke, "revoke"}, {f.Stale, "stale"}, {f.Lost, "lost"}, {f.Slow, "slow"},
	} {
		if x -= c.share; x < 0 {
			return c.what
		}
	}
	return ""
}

// twice draws whether a row of call number n stands twice.
func (a *API) twice(n, row int) bool {
	share := a.o.Faults.Duplicates
	return share > 0 && rand.New(rand.NewPCG(a.o.Seed+2, uint64(n)<<32|uint64(row))).Float64() < share
}
