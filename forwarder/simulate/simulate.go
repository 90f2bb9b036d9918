// Package simulate stands in for the APIs of vendors, on loopback: for tests, for the
// demo, and for whoever has no credentials yet. The APIs answer as the vendors do, at
// their worst where Faults say so, and know afterwards what they handed out.
//
// What happens is drawn from Options.Seed: the events, and by its number what befalls
// each call.
package simulate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// The credentials that the simulated APIs take.
const (
	ClientID = "US:simulated"                         // of Check Point
	User     = "reader@example.net"                   // of Skyhigh
	Tenant   = "00000000-0000-4000-8000-000000000001" // of Scanner; any other will do
	Secret   = "simulated"                            // what belongs to any of them
)

// Options say what an API has and how it behaves. The zero Options is an API without
// events and without faults.
type Options struct {
	Listen string // address, which must be loopback; "" is a free port of 127.0.0.1
	Seed   uint64

	// Events are spread over For, beginning at Start by the API's clock; the zero Start
	// is the API's now. An event can be read from its time on, or later with Faults.Late.
	Events int
	Start  time.Time
	For    time.Duration

	PageSize  int           // events a page, where the client does not ask for fewer [100; 50 with Skyhigh]
	TokenLife time.Duration // [30m; 899s with Skyhigh]
	Skew      time.Duration // how far the API's clock is ahead of this machine's
	Faults    Faults
}

// Faults say how an API misbehaves. Shares are from 0 to 1.
type Faults struct {
	Late       float64       // share of events that can be read only up to MostLate after their time
	MostLate   time.Duration // [8m]
	Updates    float64       // share of events whose state changes within UpdateIn of their time, or when they appear
	UpdateIn   time.Duration // [1m]
	Duplicates float64       // share of rows that stand twice in an answer
	Ties       float64       // share of events with the time of the one before; now and then more than a page of them

	Errors     float64       // share of calls answered 500, 502, 503 or 504
	Cut        float64       // share of answers that end within the JSON, or with the connection
	Hang       float64       // share of calls that are not answered for HangFor
	HangFor    time.Duration // [1m]
	Failures   float64       // share of calls answered 200 with a failure in the body
	Lost       float64       // share of calls that are done and yet answered 500
	Slow       float64       // share of answers that take SlowFor
	SlowFor    time.Duration // [3s]
	Revoke     float64       // share of calls at which all tokens end before their time
	Stale      float64       // share of calls whose scrollId is good no more
	Impostors  float64       // share of what is sent that is preceded by the same with a wrong credential
	Throttle   float64       // share of calls answered 429, and so are all others for RetryAfter
	RetryAfter time.Duration // whole seconds; 0: the API does not say

	StableScroll bool // one scrollId for all pages of a walk; otherwise each has its own
	EmptyEnd     bool // only an empty page ends a walk
	Unordered    bool // Check Point's events come in no order; otherwise in that of their time
	Bare         bool // answers of Skyhigh and Scanner without envelope
	SinkPages    bool // Scanner's event sinks come in pages, one in each
	Pairs        bool // information as a list of keys and values
	Endless      bool // nextStartTime in every answer of Skyhigh
	NoZone       bool // nextStartTime without zone
	NotFound     bool // 404 where Skyhigh has no incidents
}

// Call is one request that arrived.
type Call struct {
	At     time.Time // by this machine's clock
	Kind   string    // login, page or other
	Method string
	Status int    // 0: it was not answered
	Early  bool   // it came in spite of an earlier 429, before the time that one said
	Fault  string // what was done to it; "" for nothing
}

// Event is one state of one event, as the API has it.
type Event struct {
	ID      string
	Version string // state of Check Point's events, timeModified of Skyhigh's
	Last    bool   // there is no later state
	Handed  bool   // it stood in an answer at least once
}

// Kind is an API there is.
type Kind struct {
	Name  string // the word after vendor:, where it is one's
	Doc   string // what it is called
	Start func(Options) (*API, error)
	// Login are the keys of a source that polls it and their values; the last one is the
	// Secret. Empty: it hands out no events.
	Login [][2]string
	// Use tells how one that hands out no events is used, once it is at a URL.
	Use func(url string) string
}

// Kinds are all of them.
func Kinds() []Kind {
	return []Kind{
		{"checkpoint", "API of Check Point Harmony Email & Collaboration", CheckPoint, [][2]string{{"client_id", ClientID}, {"access_key", Secret}}, nil},
		{"skyhigh", "API for incidents of Skyhigh Security", Skyhigh, [][2]string{{"username", User}, {"password", Secret}}, nil},
		{"scanner", "Event Sinks API of Scanner.dev", Scanner, nil, func(url string) string {
			return "siemfwd scanner sinks list --base-url " + url + " --tenant " + Tenant + " --key env:SIMULATED"
		}},
		{"issuer", "identity provider for tokens of webhooks", Issuer, nil, func(url string) string {
			return "auth: {type: jwt, issuer: \"" + url + "\", audience: " + Audience + "}\n" +
				"auth: {type: introspection, introspection_url: \"" + url + "/introspect\", client_id: siemfwd, client_secret: \"${env:SIMULATED}\"}\n" +
				"--auth '{type: oauth_client_credentials, token_url: \"" + url + "/token\", client_id: sender, client_secret: " + Secret + "}'"
		}},
	}
}

// CheckPoint starts the API of Check Point Harmony Email & Collaboration: the login of
// Infinity Portal, and the signed requests of the older Smart API beside it.
func CheckPoint(o Options) (*API, error) {
	o.TokenLife = cmp.Or(o.TokenLife, 30*time.Minute)
	return start(o, false, &checkPoint{walks: map[string]*walk{}})
}

// Skyhigh starts the API for incidents of Skyhigh Security, with all its logins.
func Skyhigh(o Options) (*API, error) {
	o.TokenLife, o.PageSize = cmp.Or(o.TokenLife, 899*time.Second), cmp.Or(o.PageSize, 50)
	return start(o, true, &skyhigh{})
}

// Scanner starts Scanner.dev's Event Sinks API, which takes Secret as its key. It has no
// sinks to begin with and no events; of the faults it has Errors, Lost, Cut, Hang, Slow,
// Failures, Throttle, Bare and SinkPages.
func Scanner(o Options) (*API, error) {
	o.Events = 0
	return start(o, false, &eventSinks{})
}

// Issuer starts an identity provider. Its tokens are for Audience, any client may have
// one that knows the Secret, and it tells by introspection which it issued. Of the faults
// it has Errors, Lost, Cut, Hang, Slow, Failures, Throttle and Revoke.
func Issuer(o Options) (*API, error) {
	o.Events = 0
	o.TokenLife = cmp.Or(o.TokenLife, time.Hour)
	v, err := newIdentities()
	if err != nil {
		return nil, err
	}
	return start(o, false, v)
}

// start listens and serves.
func start(o Options, moves bool, v vendor) (*API, error) {
	o.PageSize = cmp.Or(o.PageSize, 100)
	f := &o.Faults
	f.MostLate, f.UpdateIn = cmp.Or(f.MostLate, 8*time.Minute), cmp.Or(f.UpdateIn, time.Minute)
	f.HangFor, f.SlowFor = cmp.Or(f.HangFor, time.Minute), cmp.Or(f.SlowFor, 3*time.Second)
	address, err := loopback(cmp.Or(o.Listen, "127.0.0.1:0"))
	if err != nil {
		return nil, err
	}
	a := &API{o: o, vendor: v, tokens: map[string]time.Time{}, ids: map[string]bool{}}
	if o.Start.IsZero() {
		o.Start = a.now()
	}
	a.line = newTimeline(&o, moves)
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	a.URL = "http://" + l.Addr().String()
	a.done = make(chan struct{})
	a.server = &http.Server{Handler: a, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer close(a.done)
		_ = a.server.Serve(l) // ends with Close
	}()
	return a, nil
}

// ErrAddress is wrapped by the error for an address that is not one, or not loopback.
var ErrAddress = errors.New("the simulator takes invented credentials from anybody, and so listens on loopback only, such as 127.0.0.1:9701")

// loopback returns an address to listen on if nobody else can reach it.
func loopback(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("address %q: %w", address, ErrAddress)
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	if ip, err := netip.ParseAddr(host); err != nil || !ip.IsLoopback() {
		return "", fmt.Errorf("address %q: %w", address, ErrAddress)
	}
	return net.JoinHostPort(host, port), nil
}

// Close ends the API at once. Calls that hang are let go.
func (a *API) Close() error {
	err := a.server.Close()
	<-a.done
	return err
}

// Calls returns the calls so far.
func (a *API) Calls() []Call {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]Call(nil), a.calls...)
}

// Events returns every state that can be read by now or could be, in the order of
// their times.
func (a *API) Events() []Event {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now().UnixNano()
	var out []Event
	for i := range a.line.rows {
		r := &a.line.rows[i]
		if r.from > now {
			continue
		}
		e := Event{Handed: r.handed, Last: r.until == 0 || r.until > now}
		e.ID, e.Version = a.vendor.identity(r)
		out = append(out, e)
	}
	return out
}

// End is when the last event can be read, or changes, by this machine's clock.
func (a *API) End() time.Time { return time.Unix(0, a.line.last).Add(-a.o.Skew) }

// Wait returns when everything can be read, or with the error of ctx.
func (a *API) Wait(ctx context.Context) error {
	t := time.NewTimer(time.Until(a.End()))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
