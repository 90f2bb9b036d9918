// Package web is what the sinks over HTTP share: a client that makes one attempt, and
// what the answers mean for the events of a request.
//
// Of a receiver only scheme, host and port are ever shown. Paths, queries and whatever
// Options.Secrets names stay out of every error, even where the receiver repeats them.
package web

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/certs"
)

// Options are what a sink knows and its users do not configure.
type Options struct {
	Log *slog.Logger // for certificate files that change; nil: nothing is logged
	// Secrets are texts that no error may hold: tokens, paths of URLs that are
	// credentials. Short ones are not hidden in what the receiver says.
	Secrets []string
	// MostAnswer is how much of an answer's body is read, in octets [64 KiB].
	MostAnswer int
}

// Client talks to one receiver. Its methods are safe for concurrent use.
type Client struct {
	conf    Config
	to      *url.URL
	secrets []string
	most    int64
	id      *certs.Outgoing
	proxy   func(*http.Request) (*url.URL, error)

	life context.Context // ends with Close
	end  context.CancelFunc

	mu    sync.Mutex
	trip  *http.Transport // nil: not made yet
	tripN uint64          // generation of the certificates it is made with
}

// ErrUnsent is wrapped by errors that came before anything of a request was sent: the
// receiver's name is not known, it does not let us connect, its certificate is none to
// believe.
var ErrUnsent = errors.New("nothing was sent")

// unsent makes an error one of ErrUnsent, with a text of its own.
type unsent struct{ error }

func (u unsent) Unwrap() []error { return []error{u.error, ErrUnsent} }

// Request is one attempt.
type Request struct {
	Method string   // "" is POST
	URL    *url.URL // of the client's receiver, or of another path there; nil is the receiver's
	Header http.Header
	Body   []byte // not written to, and not kept when Do has returned
}

// Answer is what came back.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte // its first MostAnswer octets at most
	Cut    bool   // there was more of it, or the connection ended within it
	At     time.Time
}

// New makes a client of a configuration that Check found no errors in. It does not
// connect.
func New(to *url.URL, c Config, o Options) (*Client, error) {
	cl := &Client{conf: c, to: to, secrets: o.Secrets, most: int64(o.MostAnswer), proxy: http.ProxyFromEnvironment}
	if cl.most == 0 {
		cl.most = 64 << 10
	}
	log := o.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	cl.id = certs.NewOutgoing(c.TLS, to.Hostname(), log)
	switch c.Proxy {
	case "":
	case noProxy:
		cl.proxy = nil
	default:
		u, err := url.Parse(c.Proxy)
		if err != nil {
			return nil, errors.New("proxy: it is no URL")
		}
		cl.proxy = http.ProxyURL(u)
	}
	cl.life, cl.end = context.WithCancel(context.Background())
	return cl, nil
}

// URL is the receiver's.
func (c *Client) URL() *url.URL { return c.to }

// Close ends requests that are under way, and the connections. Do fails from then on.
func (c *Client) Close() error {
	c.end()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.trip != nil {
		c.trip.CloseIdleConnections()
	}
	return nil
}

// Do makes one attempt and waits for the whole answer, whatever its status. An error
// means that there was none: unless it is ErrUnsent, the receiver may have the request all
// the same. The error is ctx's when that has ended, and has no secret.
func (c *Client) Do(ctx context.Context, r *Request) (*Answer, error) {
	outer := ctx
	ctx, cancel := context.WithTimeout(ctx, c.conf.Timeout)
	defer cancel()
	defer context.AfterFunc(c.life, cancel)()
	trip, err := c.transport()
	if err == nil && c.life.Err() != nil {
		err = net.ErrClosed
	}
	if err != nil {
		return nil, unsent{c.Fail(err)}
	}
	req, err := c.request(ctx, r)
	if err != nil {
		return nil, unsent{c.Fail(err)}
	}
	resp, err := trip.RoundTrip(req)
	if err != nil {
		return nil, c.explain(outer, ctx, err)
	}
	defer resp.Body.Close()
	a := &Answer{Status: resp.StatusCode, Header: resp.Header, At: time.Now()}
	var body bytes.Buffer
	n, err := body.ReadFrom(io.LimitReader(resp.Body, c.most+1))
	if a.Cut = err != nil || n > c.most; n > c.most {
		body.Truncate(int(c.most))
	}
	if err != nil && outer.Err() != nil {
		return nil, outer.Err()
	}
	a.Body = body.Bytes()
	return a, nil
}

func (c *Client) request(ctx context.Context, r *Request) (*http.Request, error) {
	to, method := c.to, http.MethodPost
	if r.URL != nil {
		to = r.URL
	}
	if r.Method != "" {
		method = r.Method
	}
	req, err := http.NewRequestWithContext(ctx, method, to.String(), bytes.NewReader(r.Body))
	if err != nil {
		return nil, errors.New("the request cannot be made") // the cause may repeat the URL
	}
	if req.URL.Host != c.to.Host || req.URL.Scheme != c.to.Scheme {
		return nil, errors.New("the request is for another host")
	}
	for k, v := range r.Header {
		req.Header[http.CanonicalHeaderKey(k)] = v
	}
	if _, ok := req.Header["User-Agent"]; !ok {
		req.Header.Set("User-Agent", "siemfwd")
	}
	return req, nil
}

// transport returns what the next request travels over: one that believes what the
// certificate files say by now. Redirects are answers like any other.
func (c *Client) transport() (*http.Transport, error) {
	conf, gen, err := c.id.Config()
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.trip != nil && c.tripN == gen {
		return c.trip, nil
	}
	if c.trip != nil {
		c.trip.CloseIdleConnections()
	}
	connect := min(c.conf.Timeout, 10*time.Second)
	c.tripN = gen
	c.trip = &http.Transport{
		Proxy:               c.proxy,
		DialContext:         (&net.Dialer{Timeout: connect}).DialContext,
		TLSClientConfig:     conf,
		TLSHandshakeTimeout: connect,
		MaxIdleConnsPerHost: 4,
		IdleConnTimeout:     90 * time.Second,
		DisableCompression:  true,
		WriteBufferSize:     64 << 10,
	}
	return c.trip, nil
}

// explain says what kept an answer from coming, without what changes from one attempt
// to the next, such as the port of our own end.
func (c *Client) explain(outer, inner context.Context, err error) error {
	var lookup *net.DNSError
	var slow net.Error
	var op *net.OpError
	var plain tls.RecordHeaderError
	var untrusted *tls.CertificateVerificationError
	var pin *certs.PinError
	switch {
	case outer.Err() != nil:
		return outer.Err()
	case c.life.Err() != nil:
		return c.Fail(net.ErrClosed)
	case errors.As(err, &lookup):
		return unsent{c.Fail(lookup)}
	case inner.Err() != nil:
		return c.Fail(fmt.Errorf("no answer within %v", c.conf.Timeout))
	case errors.As(err, &plain), c.to.Scheme == "https" && strings.Contains(err.Error(), "server gave HTTP response"):
		return unsent{c.Fail(errors.New("the receiver does not speak TLS"))}
	case errors.As(err, &untrusted), errors.As(err, &pin):
		return unsent{c.Fail(err)}
	case errors.As(err, &op):
		return c.broken(op)
	case errors.As(err, &slow) && slow.Timeout():
		return c.Fail(errors.New("no answer in time"))
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return c.Fail(errors.New("the connection ended without an answer"))
	}
	return c.Fail(err)
}

// broken is explain for what the network said.
func (c *Client) broken(op *net.OpError) error {
	cause := op.Err
	var call *os.SyscallError
	if errors.As(cause, &call) {
		cause = call.Err
	}
	err := fmt.Errorf("%s: %w", op.Op, cause)
	if slow, ok := cause.(net.Error); ok && slow.Timeout() {
		err = fmt.Errorf("%s: no answer", op.Op)
	}
	if op.Op == "dial" {
		return unsent{c.Fail(err)}
	}
	return c.Fail(err)
}

// Fail puts the receiver in front of an error, and takes the secrets out.
func (c *Client) Fail(err error) error {
	text := err.Error()
	if clean := c.clean(text); clean != text {
		err = errors.New(clean)
	}
	return fmt.Errorf("%s: %w", Origin(c.to), err)
}
