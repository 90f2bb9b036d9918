package simulate

import (
	"bytes"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// answer decides what becomes of a request.
func (s *Splunk) answer(what string, r *http.Request, body []byte) said {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.index(now)
	if what == "/health" {
		if s.down {
			return code(18)
		}
		return code(17)
	}
	if bad, ok := s.authorized(r); !ok {
		return bad
	}
	switch enc := r.Header.Get("Content-Encoding"); enc {
	case "", "gzip":
	default:
		return said{status: http.StatusUnsupportedMediaType, body: "Unsupported encoding"}
	}
	n := s.requests
	s.requests++
	if what == "/ack" {
		return s.acks(n, r, body, now)
	}
	x, cookie := s.reach(n, r)
	a := s.take(n, x, what == "/raw", r, body, now)
	a.cookie = cookie
	if s.draw(n, 5, share{s.o.Faults.Slow, "slow"}) != "" {
		a.wait = s.o.Faults.SlowFor
	}
	return a
}

func (s *Splunk) authorized(r *http.Request) (said, bool) {
	head := r.Header.Get("Authorization")
	scheme, token, found := strings.Cut(head, " ")
	if user, password, ok := r.BasicAuth(); ok && user != "" {
		token = password
	} else if found && !strings.EqualFold(scheme, "Splunk") && !strings.EqualFold(scheme, "Bearer") {
		found = false
	}
	switch {
	case r.URL.Query().Has("token"):
		return code(16), false
	case head == "":
		return code(2), false
	case !found:
		return code(3), false
	case token != SplunkToken:
		return code(4), false
	}
	return said{}, true
}

// reach is the indexer that the load balancer leads a request to, and the cookie it
// sets.
func (s *Splunk) reach(n int, r *http.Request) (x *indexer, cookie string) {
	if len(s.indexers) == 1 {
		x = s.indexers[0]
	} else if s.o.Loose {
		x = s.indexers[rand.New(rand.NewPCG(s.o.Seed^7, uint64(n))).IntN(len(s.indexers))]
	} else {
		if c, err := r.Cookie("indexer"); err == nil {
			for _, each := range s.indexers {
				if each.name == c.Value {
					x = each
				}
			}
		}
		if x == nil || s.draw(n, 6, share{s.o.Faults.Move, "move"}) != "" {
			s.at++
			x = s.indexers[s.at%len(s.indexers)]
			cookie = x.name
		}
	}
	if s.draw(n, 8, share{s.o.Faults.Restart, "restart"}) != "" {
		s.forget(x)
	}
	return x, cookie
}

// forget starts an indexer anew. The caller holds mu.
func (s *Splunk) forget(x *indexer) {
	for _, c := range x.channels {
		for _, q := range c.open {
			if q.indexed {
				s.excuse(q.ids) // nobody can be told any more
			}
		}
	}
	clear(x.channels)
}

func (s *Splunk) excuse(ids []string) {
	for _, id := range ids {
		s.excused[id] = true
	}
}

// index indexes what is due.
func (s *Splunk) index(now time.Time) {
	for _, x := range s.indexers {
		for _, c := range x.channels {
			for _, q := range c.open {
				s.due(q, now)
			}
			left := c.silent[:0]
			for _, q := range c.silent {
				if s.due(q, now); !q.indexed {
					left = append(left, q)
				}
			}
			c.silent = left
		}
	}
}

func (s *Splunk) due(q *receipt, now time.Time) {
	if !q.indexed && !now.Before(q.due) {
		q.indexed = true
		s.count(q.ids)
	}
}

func (s *Splunk) count(ids []string) {
	for _, id := range ids {
		s.counts[id]++
	}
}

// take takes the events of a request, or does what the faults say.
func (s *Splunk) take(n int, x *indexer, raw bool, r *http.Request, body []byte, now time.Time) said {
	id := r.Header.Get("X-Splunk-Request-Channel")
	if id == "" {
		id = r.URL.Query().Get("channel")
	}
	f := &s.o.Faults
	switch {
	case s.o.Ack && id == "", raw && s.o.Strict && id == "":
		return code(10)
	case id != "" && !uuidAlone(id):
		return code(11)
	case len(bytes.TrimSpace(body)) == 0:
		return code(5)
	}
	shares := []share{{f.Lost, "lost"}, {f.Cut, "cut"}, {f.Bare, "bare"}, {f.Warnings, "warning"}}
	for _, c := range slices.Sorted(maps.Keys(f.Codes)) {
		shares = append(shares, share{f.Codes[c], "code " + strconv.Itoa(c)})
	}
	for _, c := range slices.Sorted(maps.Keys(f.Partly)) {
		shares = append(shares, share{f.Partly[c], "partly " + strconv.Itoa(c)})
	}
	what := s.draw(n, 9, shares...)
	kind, number, _ := strings.Cut(what, " ")
	k, _ := strconv.Atoi(number)
	switch kind {
	case "cut":
		return said{lost: true}
	case "bare":
		return said{status: http.StatusBadGateway, body: "<html><head><title>502 Bad Gateway</title></head></html>"}
	case "code":
		return code(k)
	}
	events, bad := s.events(raw, r, body)
	if kind == "partly" && len(events) > 1 {
		events = events[:len(events)/2]
		bad = code(k)
		bad.number = len(events)
	}
	if !s.o.Ack && (!s.o.Either || id == "") {
		x = nil
	}
	return s.keep(n, x, id, kind, events, bad, r, now)
}

// keep keeps events, which are those before bad, if bad says so. They are acknowledged by
// an indexer, nil being none.
func (s *Splunk) keep(n int, x *indexer, id, kind string, events []SplunkEvent, bad said, r *http.Request, now time.Time) said {
	q := &receipt{due: now.Add(s.o.AckAfter)}
	for _, e := range events {
		q.ids = append(q.ids, e.ID)
		if s.o.Each != nil {
			s.o.Each(e, r.Header)
		}
	}
	a := code(0)
	if bad.status != 0 {
		a = bad
	}
	switch {
	case x == nil:
		s.count(q.ids)
	case bad.status != 0:
		c := x.channel(id)
		c.silent = append(c.silent, q)
		s.index(now)
	default:
		c := x.channel(id)
		a.ack = int64(c.next)
		c.open[c.next] = q
		c.next++
		if q.never = s.draw(n, 10, share{s.o.Faults.Never, "never"}) != ""; q.never {
			s.excuse(q.ids)
		}
		s.index(now)
	}
	switch {
	case kind == "lost":
		s.excuse(q.ids)
		return said{lost: true}
	case kind == "warning" && bad.status == 0:
		w := code(24 + n%2)
		w.ack = a.ack
		return w
	}
	return a
}

func (x *indexer) channel(id string) *channel {
	c := x.channels[id]
	if c == nil {
		c = &channel{open: map[uint64]*receipt{}}
		x.channels[id] = c
	}
	return c
}

// acks answers a question for acknowledgements.
func (s *Splunk) acks(n int, r *http.Request, body []byte, now time.Time) said {
	id := r.Header.Get("X-Splunk-Request-Channel")
	var in struct {
		Acks []uint64 `json:"acks"`
	}
	switch {
	case !s.o.Ack && !s.o.Either:
		return code(14)
	case id == "":
		return code(10)
	case !uuidAlone(id):
		return code(11)
	case json.Unmarshal(body, &in) != nil:
		return code(6)
	}
	x, cookie := s.reach(n, r)
	what := s.draw(n, 11, share{s.o.Faults.AckLost, "lost"}, share{s.o.Faults.AckError, "error"})
	if what == "error" {
		return code(9)
	}
	c := x.channels[id]
	if c == nil {
		c = &channel{} // every number of it is unknown
	}
	yes := map[string]bool{}
	for _, number := range in.Acks {
		q := c.open[number]
		ok := q != nil && q.indexed && !q.never
		if yes[strconv.FormatUint(number, 10)] = ok; ok {
			delete(c.open, number) // it is told once
			if what == "lost" {
				s.excuse(q.ids)
			}
		}
	}
	if what == "lost" {
		return said{lost: true}
	}
	text, _ := json.Marshal(map[string]any{"acks": yes})
	return said{status: http.StatusOK, body: string(text), cookie: cookie}
}

func uuidAlone(s string) bool { return len(s) == 36 && uuid.MatchString(s) }
