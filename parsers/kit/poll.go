package kit

import (
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/record"
)

// Poll is a vendor's way of handing out events to those who ask: what its API looks
// like, in pure functions. The poller (forwarder/source/poll) does the rest: HTTP,
// logins, windows of time, paging, retries, rate limits, and that every event becomes
// durable once.
type Poll struct {
	Defaults PollDefaults
	// Config returns a pointer to a fresh struct of the vendor's own keys under the
	// source, with their defaults; see component.Spec. base_url or region, credentials
	// and filters are among them. The keys of the poller itself (every, since, overlap,
	// settle, span, timeout, …) stand beside them and must not be among them.
	Config func() any
	// Open makes the API of one source. cfg is what Config returned, filled in and
	// checked. It does no I/O. The functions of the API are called by one goroutine at
	// a time, but by a second one while a backfill runs.
	Open func(cfg any) (*API, error)
	// Lookups are questions people may ask the API, each by its name. Optional.
	Lookups []Lookup
}

// PollDefaults are what the poller's own keys are when they are not said. A zero means
// the poller's default, which is given in brackets.
type PollDefaults struct {
	Every   time.Duration // from one look at the API to the next [5m]
	Since   time.Duration // how far back the first start begins [24h]
	Overlap time.Duration // how late an event may appear behind its own time [10m]
	Settle  time.Duration // how close to now a window may end [30s]
	Span    time.Duration // longest window asked for at once [1h]

	// Rescan re-reads this much every RescanEvery, for APIs that filter by creation
	// time and so do not show later changes in a narrow window. [0: never]
	Rescan, RescanEvery time.Duration

	Timeout           time.Duration // of one request, body included [1m]
	RequestsPerMinute int           // budget of data requests [60]
	MaxPages          int           // of one window; a longer walk is given up [1000]

	// Ceiling is the number of rows at which a window's answer may be incomplete: the
	// window is then split and read again. 0: the API has none.
	Ceiling int
	// Ordered says that the rows come in the order of the time that windows are made
	// of, over all pages of a window, so that the position may move page by page (see
	// Next.From). Otherwise it moves when a window has been read to its end.
	Ordered bool
}

// API is the API of one source.
type API struct {
	BaseURL string // scheme, host and perhaps the start of all paths; no slash at the end
	// Auth are the steps of a login, in order: token i is given to the later steps and
	// to Sign. Empty: Sign needs none, as with basic authentication. A token is renewed
	// before it expires, and once when the API refuses it.
	Auth []Step
	// Sign puts the credentials, and whatever else every data request carries, into the
	// header of req. body is the request's body; Sign must not read req.Body. Optional.
	Sign func(req *http.Request, body []byte, c Call)
	// Page makes the request for the next page of w. cursor is Next.Cursor of the page
	// before; nil for the first.
	Page func(w Window, cursor []byte) (Request, error)
	// Read reads one answer and calls add for every row, in the API's order. It gets
	// answers of status 2xx and 4xx, but for 401, 408, 425 and 429; CheckStatus is for
	// those of them that mean nothing special. An error means that nothing of the
	// answer is used: *Denied, *Throttled, *Stale, *Bad, or any other for an answer that
	// cannot be understood (cut JSON, say), after which the window is read again later.
	// A row's bytes may point into body.
	Read func(w Window, cursor []byte, status int, h http.Header, body []byte, add func(Row)) (Next, error)
	// OneWay says that the API itself keeps the place of a walk, so that a request with
	// the same cursor is answered with the page behind. When such an answer is lost the
	// window is read again from its start; otherwise the request is repeated.
	OneWay bool
}

// Call is what a request is signed with.
type Call struct {
	Tokens []string  // of the steps of Auth that were taken so far
	At     time.Time // now, by the API's clock as far as it is known, in UTC
	ID     string    // a random UUID (RFC 9562, version 4) of this request
}

// Step is one request of a login.
type Step struct {
	// Request makes the request; it is sent as it is, without Sign.
	Request func(c Call) (Request, error)
	// Read finds the token in the answer, whose status is as with API.Read. life is how
	// long it is good from now on; 0 when that is not known, and it is then used until
	// the API refuses it. Where the answer has only an end, life is its distance from
	// at, which is the API's time of the answer. A wrong credential that is not answered
	// with 401 is a *Denied.
	Read func(status int, h http.Header, body []byte, at time.Time) (token string, life time.Duration, err error)
}

// Window is a stretch of time, without its end: From <= t < To. Both are in UTC and
// whole milliseconds.
type Window struct{ From, To time.Time }

// Request is what an API is asked.
type Request struct {
	Method string // GET when empty
	// Path follows BaseURL and begins with a slash. It is sent as it is: escape what
	// must be escaped.
	Path   string
	Query  url.Values
	Header http.Header
	Body   []byte // nil: none
}

// Row is one event as it stands in a page.
type Row struct {
	Raw []byte // the vendor's bytes of the event
	// ID identifies the event, and Version its state: a row with a known ID and a new
	// Version is an update. A row without an ID is identified by its content: the hash
	// of its canonical JSON.
	ID, Version []byte
	// Time is the event's, by the clock that windows are made of; zero when it is not
	// known. Rows of a page are made durable in its order.
	Time record.Time
}

// Next says how a walk through a window goes on.
type Next struct {
	Cursor []byte // of the next page; opaque to the poller, and never kept over a restart
	More   bool   // whether there may be a next page
	// From is, of an ordered API, how far the window has been handed out: every row
	// before that time has been seen. Zero: not known.
	From time.Time
	// Total is how many rows the window has by the API's own count; 0 when not known.
	Total int
	// Note is what was odd about the answer, for the log. No secrets.
	Note string
}

// Lookup is one question for people and scripts, such as which keys there are.
type Lookup struct {
	Name string // the word on the command line
	Doc  string
	Arg  string // what the argument is called; "": it takes none
	// Request makes the request, which is signed like any data request. cfg is what Open
	// got.
	Request func(cfg any, arg string) (Request, error)
	// Read turns the answer into values, each complete JSON.
	Read func(status int, h http.Header, body []byte) ([][]byte, error)
}

// CheckBaseURL says what keeps text from being an API's address, for the Check of a
// vendor's configuration; "" when it can be one. exposed says that the credentials
// would travel to another host as clear text, which deserves a warning.
func CheckBaseURL(text string) (problem string, exposed bool) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return "is not an address such as https://api.example.net", false
	case u.User != nil:
		return "holds credentials, which have keys of their own", false
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return "holds a ? or #; write it without query", false
	}
	if u.Scheme == "https" || u.Hostname() == "localhost" {
		return "", false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return "", err != nil || !ip.IsLoopback()
}

// Findings is where a Check reports: a *component.Report.
type Findings interface {
	Error(path, text, hint string)
	Warn(path, text, hint string)
}

// Place is where the API of a tenant is, as a vendor's configuration says it: by region
// or base_url.
type Place struct {
	Region, BaseURL string
	Regions         string // for a hint: the words there are
	Example         string // of an address
	Secret          string // what would be sent as clear text over http
}

// Check reports what is wrong about a place.
func (p *Place) Check(r Findings) {
	switch {
	case p.BaseURL == "" && p.Region == "":
		r.Error("region", "is missing", "say where the tenant is: "+p.Regions+"; or give base_url")
	case p.BaseURL != "" && p.Region != "":
		r.Warn("region", "is not used: base_url says where the API is", "remove one of them")
	}
	if p.BaseURL == "" {
		return
	}
	switch problem, exposed := CheckBaseURL(p.BaseURL); {
	case problem != "":
		r.Error("base_url", problem, "such as "+p.Example)
	case exposed:
		r.Warn("base_url", "sends the "+p.Secret+" as clear text", "write https://")
	}
}

// UsableLife is how long a token of the given life is to be used: a minute less, or half
// of a life so short that the minute would eat it.
func UsableLife(life time.Duration) time.Duration { return max(life-time.Minute, life/2) }

// Denied says that the API refuses the credentials or the right to ask: status 401 or
// 403, or the same in the vendor's words. The login is renewed once, then it is
// reported and tried again an interval later.
type Denied struct{ Reason string }

// Error is the reason.
func (e *Denied) Error() string { return "denied: " + e.Reason }

// Throttled says that the API wants fewer requests. For is how long it wants none; 0
// when the headers say it or nobody knows.
type Throttled struct {
	For    time.Duration
	Reason string
}

// Error is the reason.
func (e *Throttled) Error() string {
	if e.Reason == "" {
		return "throttled"
	}
	return "throttled: " + e.Reason
}

// Stale says that a cursor is good no more: the window is read again from its start.
type Stale struct{ Reason string }

// Error is the reason.
func (e *Stale) Error() string { return "cursor is stale: " + e.Reason }

// Bad says that the API does not take the request as it is (status 400, 422 or the
// like): it is not repeated before the next interval.
type Bad struct{ Reason string }

// Error is the reason.
func (e *Bad) Error() string { return "request was refused: " + e.Reason }

// CheckStatus turns a status that means nothing special into an error: nil for 2xx,
// *Denied for 401 and 403, *Throttled for 429, *Bad for the rest. The reason is that of
// StatusText.
func CheckStatus(status int, body []byte) error {
	if status >= 200 && status <= 299 {
		return nil
	}
	reason := StatusText(status, body)
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return &Denied{Reason: reason}
	case http.StatusTooManyRequests:
		return &Throttled{Reason: reason}
	}
	return &Bad{Reason: reason}
}

// StatusText is a status and the start of the answer's body, as one line for the log.
func StatusText(status int, body []byte) string {
	const most = 200
	text := make([]byte, 0, most+64)
	text = append(text, itoa3(status)...)
	if name := http.StatusText(status); name != "" {
		text = append(text, ' ')
		text = append(text, name...)
	}
	if len(body) == 0 {
		return string(text)
	}
	text = append(text, ": "...)
	start := len(text)
	for _, r := range string(body[:min(len(body), 4*most)]) {
		switch {
		case len(text) >= start+most:
			return string(text) + "…"
		case r < ' ' || r == 0x7F || r >= 0x80 && r <= 0x9F:
			r = ' '
		}
		if r == ' ' && (len(text) == start || text[len(text)-1] == ' ') {
			continue
		}
		text = append(text, string(r)...)
	}
	return string(text)
}

func itoa3(n int) string {
	return string([]byte{'0' + byte(n/100%10), '0' + byte(n/10%10), '0' + byte(n%10)})
}

// JSONHeader is the header of a request that carries and expects JSON.
func JSONHeader() http.Header {
	return http.Header{"Accept": {"application/json"}, "Content-Type": {"application/json"}}
}

// Sendable reports whether a token can stand in a header as it is.
func Sendable(token string) bool {
	for _, c := range []byte(token) {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return token != ""
}
