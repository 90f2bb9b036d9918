package poll

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// client asks one API. Its methods are safe for concurrent use.
type client struct {
	api     *kit.API
	base    *url.URL
	http    *http.Client
	timeout time.Duration
	maxBody int64
	budget  *rate.Limiter // of data requests
	spread  func() float64
	meter   component.Meter

	clock clock
	gate  gate
	login login
}

// answer is what the API said. gen is the login the request was signed with.
type answer struct {
	status int
	header http.Header
	body   []byte
	at     time.Time // the API's time of the answer
	gen    uint64
}

// errUnusable is what cannot be expected to go away by asking again soon.
type errUnusable struct{ err error }

func (e *errUnusable) Error() string { return e.err.Error() }
func (e *errUnusable) Unwrap() error { return e.err }

func newClient(api *kit.API, c *Config, o Options, meter component.Meter) (*client, error) {
	if problem, _ := kit.CheckBaseURL(api.BaseURL); problem != "" {
		return nil, errors.New("address of the API: it " + problem)
	}
	base, err := url.Parse(strings.TrimRight(api.BaseURL, "/"))
	if err != nil {
		return nil, err
	}
	cl := &client{
		api: api, base: base, timeout: c.Timeout, maxBody: int64(c.MaxBody), spread: o.Spread, meter: meter,
		budget: rate.NewLimiter(rate.Limit(float64(c.RequestsPerMinute)/60), 1),
	}
	cl.http = &http.Client{Transport: o.Transport, CheckRedirect: sameOrigin}
	cl.login.init(len(api.Auth))
	return cl, nil
}

// newTransport returns what requests travel over: one connection or two that stay
// open from page to page.
func newTransport(timeout time.Duration) *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: min(timeout, 10*time.Second)}).DialContext,
		TLSHandshakeTimeout:   min(timeout, 10*time.Second),
		ResponseHeaderTimeout: timeout,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   2,
		IdleConnTimeout:       90 * time.Second,
	}
}

// sameOrigin lets a redirect pass that leads to the same host and scheme and does not
// change the method. Requests carry credentials in headers of any name, which
// net/http would send on.
func sameOrigin(req *http.Request, via []*http.Request) error {
	first := via[0]
	if len(via) > 3 || req.Method != first.Method || req.URL.Scheme != first.URL.Scheme || req.URL.Host != first.URL.Host {
		return http.ErrUseLastResponse
	}
	return nil
}

// data makes one signed request, once the gate is open, the login done and the budget
// allows it. What the status alone decides is decided here: the error is a
// *kit.Denied, a *kit.Throttled with the gate shut, an *errUnusable, or one that may
// be gone at the next try. answer.gen is set in any case.
func (c *client) data(ctx context.Context, r kit.Request) (answer, error) {
	var tokens []string
	var gen uint64
	for {
		err := c.gate.wait(ctx)
		if err == nil {
			tokens, gen, err = c.tokens(ctx)
		}
		if err == nil {
			err = c.budget.Wait(ctx)
		}
		if err != nil {
			return answer{gen: gen}, err
		}
		if c.gate.left() == 0 {
			break
		}
	}
	req, err := c.request(ctx, r)
	if err != nil {
		return answer{gen: gen}, &errUnusable{err}
	}
	if c.api.Sign != nil {
		c.api.Sign(req, r.Body, kit.Call{Tokens: tokens, At: c.clock.now(), ID: newID()})
	}
	c.meter.Add("api_calls", 1)
	a, err := c.send(req)
	a.gen = gen
	if err != nil {
		return a, err
	}
	if err := c.judge(&a); err != nil {
		return a, err
	}
	c.gate.answered()
	if d := exhausted(a.header, a.at); d > 0 {
		c.shut(d)
	}
	return a, nil
}

// judge turns a status into an error where it leaves no choice.
func (c *client) judge(a *answer) error {
	if a.status >= 200 && a.status <= 299 {
		return nil
	}
	text := kit.StatusText(a.status, a.body)
	asked := askedPause(a.header, a.at)
	switch {
	case a.status == http.StatusTooManyRequests, a.status >= 500 && asked > 0:
		c.throttled(asked)
		return &kit.Throttled{For: asked, Reason: text}
	case a.status == http.StatusUnauthorized:
		return &kit.Denied{Reason: text}
	case a.status >= 500, a.status == http.StatusRequestTimeout, a.status == http.StatusTooEarly:
		return errors.New(text)
	case a.status < 400:
		text = kit.StatusText(a.status, nil)
		if to, err := url.Parse(a.header.Get("Location")); err == nil && to.Host != "" {
			text += " to " + to.Scheme + "://" + to.Host + ", which is not followed"
		}
		return &errUnusable{errors.New(text)}
	}
	return nil
}

// throttled notes that the API wants fewer requests, and none for d.
func (c *client) throttled(d time.Duration) {
	c.meter.Add("api_throttled", 1)
	c.shut(d)
}

// shut closes the gate; for a pause that grows when d is 0.
func (c *client) shut(d time.Duration) { c.gate.shut(d, c.spread()) }

// request makes the request of r, unsigned.
func (c *client) request(ctx context.Context, r kit.Request) (*http.Request, error) {
	method := r.Method
	if method == "" {
		method = http.MethodGet
	}
	target := c.base.String() + r.Path
	if len(r.Query) > 0 {
		target += "?" + r.Query.Encode()
	}
	var body io.Reader
	if r.Body != nil {
		body = bytes.NewReader(r.Body)
	}
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, fmt.Errorf("request: %w", bare(err))
	}
	if req.URL.Host != c.base.Host || req.URL.Scheme != c.base.Scheme {
		return nil, fmt.Errorf("request: path %q leads to another host", r.Path)
	}
	req.Header.Set("User-Agent", "siemfwd")
	for k, v := range r.Header {
		req.Header[http.CanonicalHeaderKey(k)] = v
	}
	return req, nil
}

// send makes one exchange within the time and the size allowed.
func (c *client) send(req *http.Request) (answer, error) {
	ctx, cancel := context.WithTimeout(req.Context(), c.timeout)
	defer cancel()
	resp, err := c.http.Do(req.WithContext(ctx))
	if err != nil {
		return answer{at: c.clock.now()}, c.explain(req.Context(), ctx, err)
	}
	defer resp.Body.Close()
	arrived := time.Now()
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil && resp.StatusCode < 500 {
		c.clock.observe(date, arrived)
	}
	a := answer{status: resp.StatusCode, header: resp.Header, at: c.clock.at(arrived)}
	a.body, err = io.ReadAll(io.LimitReader(resp.Body, c.maxBody+1))
	switch {
	case err != nil:
		return a, c.explain(req.Context(), ctx, err)
	case int64(len(a.body)) > c.maxBody:
		return a, &errUnusable{fmt.Errorf("answer of %s is longer than %s; see max_body", c.base.Host, component.Size(c.maxBody))}
	}
	return a, nil
}

// explain says what went wrong on the way, without the URL, which may hold what is
// nobody's business.
func (c *client) explain(outer, inner context.Context, err error) error {
	var slow net.Error
	switch {
	case outer.Err() != nil:
		return outer.Err()
	case inner.Err() != nil, errors.As(err, &slow) && slow.Timeout():
		return fmt.Errorf("%s: no complete answer within %s", c.base.Host, c.timeout)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fmt.Errorf("%s: the connection ended within the answer", c.base.Host)
	}
	return fmt.Errorf("%s: %w", c.base.Host, bare(err))
}

// bare takes the URL out of an error.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// newID returns a random UUID (RFC 9562 section 5.4).
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0F|0x40, b[8]&0x3F|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
