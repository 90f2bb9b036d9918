package sinksapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/siemfwd/siemfwd/parsers/kit"
)

// Config is how to reach the API.
type Config struct {
	BaseURL string // as the console shows it beside the keys, such as https://api.us-east-1.scanner.dev
	Key     string // the API key
	// Transport carries the requests; nil: one of the client's own. Redirects are never
	// followed: the key stays with BaseURL.
	Transport http.RoundTripper
	Timeout   time.Duration // of one request; 0: 30 seconds
	// Wait pauses between two tries; nil: as time passes.
	Wait func(ctx context.Context, d time.Duration) error
}

// Client makes the calls. It is safe for concurrent use.
type Client struct {
	base, key string
	http      *http.Client
	wait      func(ctx context.Context, d time.Duration) error
}

// Bounds of a call.
const (
	defaultTimeout = 30 * time.Second
	tries          = 4 // of a call that may be repeated
	longestWait    = 2 * time.Minute
	mostBody       = 8 << 20
	mostPages      = 100
)

// Open makes a client. It does no I/O.
func Open(cfg Config) (*Client, error) {
	base := strings.TrimRight(cfg.BaseURL, "/")
	switch problem, exposed := kit.CheckBaseURL(base); {
	case problem != "":
		return nil, errors.New("base url " + problem)
	case exposed:
		return nil, errors.New("base url is http: the key would travel in the clear")
	}
	if cfg.Key == "" || strings.ContainsFunc(cfg.Key, func(c rune) bool { return c <= ' ' || c >= 0x7f }) {
		return nil, errors.New("api key is missing or holds characters a key cannot have")
	}
	c := &Client{base: base, key: cfg.Key, wait: cfg.Wait}
	if c.wait == nil {
		c.wait = pause
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.Transport == nil {
		cfg.Transport = &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, MaxIdleConns: 1,
			IdleConnTimeout: 10 * time.Second, TLSHandshakeTimeout: 10 * time.Second}
	}
	c.http = &http.Client{Transport: cfg.Transport, Timeout: cfg.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return c, nil
}

// Close gives up connections that are kept for the next call.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

const path = "/v1/event_sink"

// List returns all sinks of a tenant, in the API's order. It fails rather than leaving
// some out.
func (c *Client) List(ctx context.Context, tenant string) ([]Sink, error) {
	var all []Sink
	seen := map[string]bool{}
	token := ""
	for range mostPages {
		q := "?tenant_id=" + url.QueryEscape(tenant)
		if token != "" {
			q += "&pagination%5Bpage_token%5D=" + url.QueryEscape(token)
		}
		body, err := c.repeat(ctx, call{op: "list", method: http.MethodGet, path: path + q})
		if err != nil {
			return nil, err
		}
		sinks, next, err := readList(body)
		if err != nil {
			return nil, &Error{Op: "list", Class: Garbled, Text: err.Error()}
		}
		all = append(all, sinks...)
		switch {
		case next == "":
			return all, nil
		case seen[next]:
			return nil, &Error{Op: "list", Class: Garbled, Text: "the pages do not end: a page's token came twice"}
		}
		seen[next], token = true, next
	}
	return nil, &Error{Op: "list", Class: Garbled, Text: "more than " + strconv.Itoa(mostPages) + " pages"}
}

// Get returns one sink.
func (c *Client) Get(ctx context.Context, id string) (Sink, error) {
	body, err := c.repeat(ctx, call{op: "get", method: http.MethodGet, path: path + "/" + url.PathEscape(id)})
	if err != nil {
		return Sink{}, err
	}
	return readSink("get", body)
}

// Create makes a sink. It is tried again only when the API said that it did nothing
// (429): after an error of class Failed, Unreachable or Garbled the sink may exist.
func (c *Client) Create(ctx context.Context, n New) (Sink, error) {
	args, err := n.Args.wire(true)
	if err != nil {
		return Sink{}, err
	}
	body, err := c.repeat(ctx, call{op: "create", method: http.MethodPost, path: path, secrets: n.Args.secrets(), send: map[string]any{
		"tenant_id": n.TenantID, "name": n.Name, "description": n.Description, "event_sink_args": args}})
	if err != nil {
		return Sink{}, err
	}
	return readSink("create", body)
}

// Update changes a sink. What stands in Change is absolute, so that it may be repeated.
func (c *Client) Update(ctx context.Context, id string, ch Change) (Sink, error) {
	send := map[string]any{"id": id}
	if ch.Name != nil {
		send["name"] = *ch.Name
	}
	if ch.Description != nil {
		send["description"] = *ch.Description
	}
	if ch.Args != nil {
		args, err := ch.Args.wire(false)
		if err != nil {
			return Sink{}, err
		}
		send["event_sink_args"] = args
	}
	body, err := c.repeat(ctx, call{op: "update", method: http.MethodPut, path: path + "/" + url.PathEscape(id), secrets: ch.Args.secrets(), send: send})
	if err != nil {
		return Sink{}, err
	}
	return readSink("update", body)
}

// Delete removes a sink. One that is not there is an error of class NotFound, unless an
// earlier try of this call may have removed it.
func (c *Client) Delete(ctx context.Context, id string) error {
	_, err := c.repeat(ctx, call{op: "delete", method: http.MethodDelete, path: path + "/" + url.PathEscape(id)})
	return err
}

// call is one call of the API, which may take several requests.
type call struct {
	op, method, path string
	send             map[string]any
	secrets          []string
}

// repeat makes a call until it is done, as far as repeating it does no harm.
func (c *Client) repeat(ctx context.Context, k call) ([]byte, error) {
	var payload []byte
	if k.send != nil {
		var err error
		if payload, err = json.Marshal(k.send); err != nil {
			return nil, err
		}
	}
	maybe := false // whether a try was lost that may have been done
	for try := 1; ; try++ {
		body, err := c.once(ctx, k, payload)
		if err == nil {
			return body, nil
		}
		if err.Class == NotFound && maybe && k.method == http.MethodDelete {
			return nil, nil
		}
		maybe = maybe || lost(err)
		again := err.Class == Busy || err.Temporary() && k.method != http.MethodPost
		pause := max(err.After, time.Second<<(try-1))
		if !again || try == tries || pause > longestWait || ctx.Err() != nil {
			return nil, err
		}
		if c.wait(ctx, pause) != nil {
			return nil, err
		}
	}
}

func (c *Client) once(ctx context.Context, k call, payload []byte) ([]byte, *Error) {
	secrets := append([]string{c.key}, k.secrets...)
	fail := func(class Class, status int, text string) *Error {
		return &Error{Op: k.op, Class: class, Status: status, Text: scrub(text, secrets...)}
	}
	req, err := http.NewRequestWithContext(ctx, k.method, c.base+k.path, bytes.NewReader(payload))
	if err != nil {
		return nil, fail(Refused, 0, "request cannot be made: "+cause(err))
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "siemfwd")
	res, err := c.http.Do(req)
	if err != nil {
		return nil, fail(Unreachable, 0, cause(err))
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, mostBody+1))
	switch {
	case res.StatusCode < 200 || res.StatusCode > 299:
		body = []byte(scrub(string(body), secrets...)) // before it is cut, which may cut a secret in two
		e := fail(classOf(res.StatusCode), res.StatusCode, textOf(res.StatusCode, body))
		e.After = retryAfter(res.Header)
		return nil, e
	case err != nil:
		return nil, fail(Unreachable, res.StatusCode, "answer was cut: "+cause(err))
	case len(body) > mostBody:
		return nil, fail(Garbled, res.StatusCode, "answer is longer than "+strconv.Itoa(mostBody)+" octets")
	}
	return body, nil
}

// cause is an error of HTTP without method and URL.
func cause(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return err.Error()
}

// retryAfter reads Retry-After (RFC 9110 §10.2.3); a date counts from the answer's own.
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	until, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	return max(0, until.Sub(now))
}

// readSink reads an answer that is a sink, by itself or under event_sink.
func readSink(op string, body []byte) (Sink, error) {
	var s Sink
	var wrapped struct {
		Sink json.RawMessage `json:"event_sink"`
	}
	err := json.Unmarshal(body, &wrapped)
	if err == nil {
		if wrapped.Sink != nil {
			body = wrapped.Sink
		}
		err = json.Unmarshal(body, &s)
	}
	switch {
	case err != nil:
		return s, &Error{Op: op, Class: Garbled, Text: "answer cannot be understood: " + printable(err.Error())}
	case s.ID == "":
		return s, &Error{Op: op, Class: Garbled, Text: "answer has no sink with an id"}
	}
	return s, nil
}

// readList reads a page: {"data":{"event_sinks":[…]},"pagination":…}, or with less
// around the list.
func readList(body []byte) (sinks []Sink, next string, err error) {
	var page struct {
		Data       json.RawMessage `json:"data"`
		Sinks      json.RawMessage `json:"event_sinks"`
		Pagination *struct {
			Next *string `json:"next_page_token"`
		} `json:"pagination"`
	}
	list := json.RawMessage(bytes.TrimSpace(body))
	if len(list) == 0 || list[0] != '[' {
		if err := json.Unmarshal(body, &page); err != nil {
			return nil, "", errors.New("answer cannot be understood: " + printable(err.Error()))
		}
		list = page.Sinks
		if data := bytes.TrimSpace(page.Data); len(data) > 0 && data[0] == '{' {
			var inner struct {
				Sinks json.RawMessage `json:"event_sinks"`
			}
			_ = json.Unmarshal(data, &inner) // it was read before
			list = inner.Sinks
		} else if len(data) > 0 && data[0] == '[' {
			list = data
		}
	}
	if len(list) == 0 || list[0] != '[' {
		return nil, "", errors.New("answer has no list of sinks")
	}
	if err := json.Unmarshal(list, &sinks); err != nil {
		return nil, "", errors.New("answer cannot be understood: " + printable(err.Error()))
	}
	if page.Pagination != nil && page.Pagination.Next != nil {
		next = *page.Pagination.Next
	}
	return sinks, next, nil
}
