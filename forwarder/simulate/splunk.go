package simulate

import (
	"cmp"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// SplunkToken is the token that a simulated Splunk takes.
const SplunkToken = "00000000-0000-4000-8000-000000000000"

// SplunkOptions say what a simulated Splunk takes and how it behaves. The zero value
// takes everything and behaves.
type SplunkOptions struct {
	Listen string // address, which must be loopback; "" is a free port of 127.0.0.1
	Seed   uint64

	Ack      bool          // the token has indexer acknowledgement
	Either   bool          // it has it for whoever names a channel, and has not for others
	AckAfter time.Duration // from taking an event to indexing it, with Ack
	// Indexers stand behind a load balancer [1]. Each has channels of its own.
	Indexers int
	Loose    bool     // the load balancer sets no cookie, and takes the next indexer each time
	Indexes  []string // that the token may write to; nil: any
	MostBody int      // longest body, inflated [800 MiB]; a longer one is answered 413
	Strict   bool     // a channel is wanted for raw text

	Faults SplunkFaults
	// Each is called with every event as it is taken, one at a time, with its request's
	// headers. Optional.
	Each func(e SplunkEvent, h http.Header)
}

// SplunkFaults say how it misbehaves. Shares are from 0 to 1, of requests with events
// where nothing else is said.
type SplunkFaults struct {
	Codes    map[int]float64 // share answered with this reply code, and nothing taken
	Partly   map[int]float64 // share answered with this code after a part was taken
	Warnings float64         // share taken with the words that a queue is nearly full (24, 25)
	Bare     float64         // share answered by a proxy: 502 and a page
	Lost     float64         // share taken, after which the connection ends without an answer
	Cut      float64         // share after whose body the connection ends, and nothing taken
	Slow     float64         // share answered after SlowFor
	SlowFor  time.Duration   // [100ms]
	RetryIn  int             // seconds of Retry-After beside 429 and 503; 0: not said

	Move     float64 // share before which the load balancer moves the client to the next indexer
	Restart  float64 // share before which an indexer is started anew: channels and what is not indexed are gone
	Never    float64 // share taken and indexed whose acknowledgement never comes
	AckLost  float64 // share of questions for acknowledgements whose answer is lost after it was made
	AckError float64 // share of questions answered 503
}

// SplunkEvent is one event as it was taken.
type SplunkEvent struct {
	ID                              string // the indexed field event_id, or else the event itself
	Time                            string // as written; "" for none
	Host, Source, SourceType, Index string
	Event                           string // JSON of the envelope's event, or the line of raw text
	Fields                          map[string]string
}

// Splunk makes a simulated Splunk misbehave as these Options say of APIs, as far as it
// can.
func (o *Options) Splunk() SplunkFaults {
	f := &o.Faults
	return SplunkFaults{
		Codes:  map[int]float64{8: f.Errors / 2, 9: f.Errors / 2, 26: f.Throttle, 4: f.Revoke},
		Partly: map[int]float64{9: f.Failures}, RetryIn: int(f.RetryAfter.Seconds()),
		Slow: f.Slow, SlowFor: 3 * time.Second, Lost: f.Lost, Cut: f.Cut, Restart: f.Stale, Never: f.Hang, AckError: f.Errors,
		Warnings: f.Throttle,
	}
}

// Splunk is a simulated HTTP Event Collector. Its methods are safe for concurrent use.
type Splunk struct {
	URL string

	o      SplunkOptions
	server *http.Server
	done   chan struct{}

	mu       sync.Mutex // of all below
	indexers []*indexer
	at       int // of a load balancer: the indexer of clients without a cookie
	requests int
	codes    map[string]int
	counts   map[string]int  // indexed events, by ID
	excused  map[string]bool // events whose answer or acknowledgement was lost
	down     bool
}

// indexer is one machine of a simulated Splunk.
type indexer struct {
	name     string
	channels map[string]*channel
}

// channel is the acknowledgements of one client.
type channel struct {
	next   uint64
	open   map[uint64]*receipt
	silent []*receipt // parts of requests that were refused: they have no number
}

// receipt is what one request brought.
type receipt struct {
	due     time.Time // when it is indexed
	indexed bool
	never   bool
	ids     []string
}

// StartSplunk starts a simulated Splunk.
func StartSplunk(o SplunkOptions) (*Splunk, error) {
	o.Indexers, o.MostBody = max(o.Indexers, 1), cmp.Or(o.MostBody, 800<<20)
	o.Faults.SlowFor = cmp.Or(o.Faults.SlowFor, 100*time.Millisecond)
	address, err := loopback(cmp.Or(o.Listen, "127.0.0.1:0"))
	if err != nil {
		return nil, err
	}
	s := &Splunk{o: o, codes: map[string]int{}, counts: map[string]int{}, excused: map[string]bool{}, done: make(chan struct{})}
	for i := range o.Indexers {
		s.indexers = append(s.indexers, &indexer{name: "i" + strconv.Itoa(i), channels: map[string]*channel{}})
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	s.URL = "http://" + l.Addr().String()
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer close(s.done)
		_ = s.server.Serve(l) // ends with Close
	}()
	return s, nil
}

// Close ends it at once.
func (s *Splunk) Close() error {
	err := s.server.Close()
	<-s.done
	return err
}

// Counts tells how often each event was indexed.
func (s *Splunk) Counts() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.index(time.Now())
	all := make(map[string]int, len(s.counts))
	for id, n := range s.counts {
		all[id] = n
	}
	return all
}

// Excused tells of which events a copy too many is nobody's fault: those whose answer or
// acknowledgement the client never got.
func (s *Splunk) Excused(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.excused[id]
}

// Answers tells how often there was each answer, such as "200 code 0" or "lost".
func (s *Splunk) Answers() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[string]int, len(s.codes))
	for what, n := range s.codes {
		all[what] = n
	}
	return all
}

// Behave sets the faults from now on.
func (s *Splunk) Behave(f SplunkFaults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.SlowFor = cmp.Or(f.SlowFor, 100*time.Millisecond)
	s.o.Faults = f
}

// Restart starts all indexers anew: channels, and what is not indexed, are gone.
func (s *Splunk) Restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.index(time.Now())
	for _, x := range s.indexers {
		s.forget(x)
	}
}

// ServeHTTP implements http.Handler.
func (s *Splunk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	what, ok := strings.CutPrefix(strings.TrimSuffix(strings.TrimSuffix(r.URL.Path, "/"), "/1.0"), "/services/collector")
	if !ok {
		http.NotFound(w, r)
		return
	}
	get := what == "/health"
	switch {
	case r.Method == http.MethodOptions:
		w.Header().Set("Allow", map[bool]string{true: "GET", false: "POST"}[get])
		return
	case (r.Method == http.MethodGet) != get || !get && r.Method != http.MethodPost:
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	body, err := s.read(r)
	if err != nil {
		s.say(w, said{status: http.StatusRequestEntityTooLarge})
		return
	}
	a := s.answer(what, r, body)
	if a.wait > 0 {
		select {
		case <-time.After(a.wait):
		case <-r.Context().Done():
		}
	}
	s.say(w, a)
}

var errLong = errors.New("body is too long")

// read reads a body, inflated.
func (s *Splunk) read(r *http.Request) ([]byte, error) {
	var in io.Reader = r.Body
	switch r.Header.Get("Content-Encoding") {
	case "":
	case "gzip":
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, nil // answered like an empty one
		}
		in = z
	}
	b, err := io.ReadAll(io.LimitReader(in, int64(s.o.MostBody)+1))
	if err == nil && len(b) > s.o.MostBody {
		err = errLong
	}
	return b, err
}

// said is an answer.
type said struct {
	status int
	code   int // -1: none
	number int // invalid-event-number; -1: none
	ack    int64
	body   string // in place of the others
	cookie string
	wait   time.Duration
	lost   bool // the connection ends in place of it
}

// texts are what Splunk says with its reply codes, and the status beside it.
var texts = map[int]struct {
	status int
	text   string
}{
	0: {200, "Success"}, 1: {403, "Token disabled"}, 2: {401, "Token is required"}, 3: {401, "Invalid authorization"}, 4: {403, "Invalid token"},
	5: {400, "No data"}, 6: {400, "Invalid data format"}, 7: {400, "Incorrect index"}, 8: {500, "Internal server error"}, 9: {503, "Server is busy"},
	10: {400, "Data channel is missing"}, 11: {400, "Invalid data channel"}, 12: {400, "Event field is required"}, 13: {400, "Event field cannot be blank"},
	14: {400, "ACK is disabled"}, 15: {400, "Error in handling indexed fields"}, 16: {400, "Query string authorization is not enabled"},
	17: {200, "HEC is healthy"}, 18: {503, "HEC is unhealthy, queues are full"}, 19: {503, "HEC is unhealthy, ack service unavailable"},
	20: {503, "HEC is unhealthy, queues are full, ack service unavailable"}, 21: {400, "Invalid token"}, 22: {400, "Token disabled"},
	23: {503, "Server is shutting down"}, 24: {200, "Queue is approaching capacity"}, 25: {200, "Ack is approaching capacity"},
	26: {429, "Queue is at capacity"}, 27: {429, "Ack is at capacity"},
}

func code(n int) said { return said{status: texts[n].status, code: n, number: -1, ack: -1} }

// say counts an answer and writes it.
func (s *Splunk) say(w http.ResponseWriter, a said) {
	name := fmt.Sprintf("%d code %d", a.status, a.code)
	switch {
	case a.lost:
		name = "lost"
	case a.body != "" || a.status == http.StatusRequestEntityTooLarge:
		name = strconv.Itoa(a.status)
	}
	s.mu.Lock()
	s.codes[name]++
	retry := s.o.Faults.RetryIn
	s.mu.Unlock()
	if a.lost {
		panic(http.ErrAbortHandler)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=UTF-8")
	if a.cookie != "" {
		h.Set("Set-Cookie", "indexer="+a.cookie+"; Path=/; HttpOnly")
	}
	if retry > 0 && (a.status == http.StatusTooManyRequests || a.status == http.StatusServiceUnavailable) {
		h.Set("Retry-After", strconv.Itoa(retry))
	}
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.text())
}

func (a *said) text() string {
	switch {
	case a.body != "":
		return a.body
	case a.status == http.StatusRequestEntityTooLarge:
		return "The request your client sent was too large."
	}
	text := fmt.Sprintf(`{"text":%q,"code":%d`, texts[a.code].text, a.code)
	if a.number >= 0 {
		text += fmt.Sprintf(`,"invalid-event-number":%d`, a.number)
	}
	if a.ack >= 0 {
		text += fmt.Sprintf(`,"ackId":%d`, a.ack)
	}
	return text + "}"
}

// draw draws what befalls request n: the first of shares it falls into, or "".
func (s *Splunk) draw(n int, salt uint64, shares ...share) string {
	x := rand.New(rand.NewPCG(s.o.Seed^salt, uint64(n))).Float64()
	for _, c := range shares {
		if x -= c.share; x < 0 {
			return c.what
		}
	}
	return ""
}

type share struct {
	share float64
	what  string
}
