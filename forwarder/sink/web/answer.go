package web

import (
	"bytes"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/siemfwd/siemfwd/forwarder/sink"
)

// Class is what a status means for the events of its request.
type Class uint8

const (
	// Taken: the receiver has them.
	Taken Class = iota
	// Later: nothing is wrong with them, the receiver cannot take them now.
	Later
	// Shut: nothing is wrong with them, and the receiver will take nothing from us until
	// somebody mends the configuration or the receiver: the token, the path, a redirect.
	Shut
	// TooLarge: fewer of them at once may be taken.
	TooLarge
	// Bad: one of them at least will never be taken.
	Bad
)

// String returns the class as a word.
func (c Class) String() string {
	return [...]string{"taken", "later", "shut", "too large", "bad"}[c]
}

// ClassOf tells what a status means where the receiver's own words do not say more.
func ClassOf(status int) Class {
	switch {
	case status >= 200 && status <= 299:
		return Taken
	case status < 400: // a redirect; it is not followed, for credentials would go along
		return Shut
	case status >= 500:
		return Later
	}
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return Later
	case http.StatusRequestEntityTooLarge:
		return TooLarge
	case http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusForbidden, http.StatusNotFound,
		http.StatusMethodNotAllowed, http.StatusProxyAuthRequired, http.StatusGone, http.StatusMisdirectedRequest,
		495, 496, 497: // what nginx says of certificates
		return Shut
	}
	return Bad
}

// Judge says what an answer means for the items of its request, by its status: nil,
// *sink.Busy, *sink.Rejected without Index, or another error, which is to send the same
// again.
func (c *Client) Judge(a *Answer) error {
	class := ClassOf(a.Status)
	if class == Taken {
		return nil
	}
	err := c.Fail(errors.New(c.Words(a)))
	switch class {
	case Bad, TooLarge:
		return &sink.Rejected{Reason: err}
	case Later:
		if d := RetryAfter(a); d > 0 {
			return &sink.Busy{For: d, Err: err}
		}
	}
	return err
}

// The bounds of what a Retry-After is taken for.
const (
	shortPause = time.Second
	longPause  = time.Hour
)

// RetryAfter is how long the receiver asks to be left alone (RFC 9110 section 10.2.3),
// between 1 s and 1 h; 0 when it does not say.
func RetryAfter(a *Answer) time.Duration {
	v := strings.TrimSpace(a.Header.Get("Retry-After"))
	if v == "" {
		return 0
	}
	if n, err := strconv.ParseUint(v, 10, 32); err == nil {
		return min(max(time.Duration(n)*time.Second, shortPause), longPause)
	}
	t, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	now := a.At
	if date, err := http.ParseTime(a.Header.Get("Date")); err == nil {
		now = date // its clock is the one that Retry-After goes by
	}
	return min(max(t.Sub(now), shortPause), longPause)
}

// mostWords is how much of what a receiver says is repeated, in octets.
const mostWords = 300

// Words is an answer as one line for people: its status and what the receiver said,
// without secrets, markup and control characters.
func (c *Client) Words(a *Answer) string {
	text := strconv.Itoa(a.Status)
	if name := http.StatusText(a.Status); name != "" {
		text += " " + name
	}
	if a.Status >= 300 && a.Status < 400 {
		text += ", which is not followed"
	}
	body := a.Body
	if markup(body) {
		body = title(body)
	}
	body = body[:min(len(body), 8*mostWords)] // the end of which, if half a secret, is never shown
	if said := oneLine(c.clean(string(body)), mostWords); said != "" {
		text += ": " + said
	}
	return text
}

// clean takes the secrets out of a text.
func (c *Client) clean(text string) string {
	for _, s := range c.secrets {
		if len(s) >= 4 {
			text = strings.ReplaceAll(text, s, "<secret>")
		}
	}
	return text
}

// markup reports whether a body is a page for a browser, as proxies send them.
func markup(body []byte) bool {
	b := bytes.ToLower(bytes.TrimSpace(body[:min(len(body), 256)]))
	return bytes.HasPrefix(b, []byte("<!doctype")) || bytes.HasPrefix(b, []byte("<html")) || bytes.HasPrefix(b, []byte("<head"))
}

// title is what stands in the title of a page; nil when it has none.
func title(body []byte) []byte {
	lower := bytes.ToLower(body)
	from := bytes.Index(lower, []byte("<title>"))
	if from < 0 {
		return nil
	}
	from += len("<title>")
	to := bytes.Index(lower[from:], []byte("</title>"))
	if to < 0 || from+to > len(body) {
		return nil
	}
	return body[from : from+to]
}

// oneLine is text of at most most octets without control characters and runs of spaces.
func oneLine(text string, most int) string {
	b := make([]byte, 0, min(len(text), most)+utf8.UTFMax)
	for _, r := range text {
		if r < ' ' || r >= 0x7F && r <= 0x9F || r == '\u2028' || r == '\u2029' {
			r = ' '
		}
		if r == ' ' && (len(b) == 0 || b[len(b)-1] == ' ') {
			continue
		}
		if len(b)+utf8.RuneLen(r) > most {
			return string(b) + "…"
		}
		b = utf8.AppendRune(b, r)
	}
	return strings.TrimRight(string(b), " ")
}
