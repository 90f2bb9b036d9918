package sinksapi

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Class says what an error means for whoever asked.
type Class uint8

// The classes.
const (
	Denied      Class = iota + 1 // 401, 403: the key is wrong or may not do this; trying again is of no use
	NotFound                     // 404: no such sink
	Refused                      // any other 4xx, and redirects: the request is wrong
	Busy                         // 429: not done, to be tried later
	Failed                       // 5xx: whether it was done is not known
	Unreachable                  // no answer, or a cut one: whether it was done is not known
	Garbled                      // an answer that cannot be understood
)

// Error is why a call failed. Its text holds no secret.
type Error struct {
	Op     string // list, get, create, update, delete
	Class  Class
	Status int    // of HTTP; 0 without an answer
	Text   string // the API's, or what went wrong
	// After is how long the API wants to be left alone; 0 when it did not say.
	After time.Duration
}

// Error says what was asked and what came of it.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("event sinks: " + e.Op + ": ")
	if e.Status != 0 {
		b.WriteString("status " + strconv.Itoa(e.Status) + ": ")
	}
	b.WriteString(e.Text)
	return b.String()
}

// Temporary reports whether the same call may succeed later.
func (e *Error) Temporary() bool {
	return e.Class == Busy || e.Class == Failed || e.Class == Unreachable
}

// Is reports whether err is an Error of the class.
func Is(err error, c Class) bool {
	var e *Error
	return errors.As(err, &e) && e.Class == c
}

// lost reports whether a call that failed may have been done all the same.
func lost(err error) bool {
	return Is(err, Failed) || Is(err, Unreachable) || Is(err, Garbled)
}

func classOf(status int) Class {
	switch {
	case status == 401, status == 403:
		return Denied
	case status == 404:
		return NotFound
	case status == 429:
		return Busy
	case status >= 500:
		return Failed
	}
	return Refused
}

// mostText is how much of an answer that is no JSON is shown.
const mostText = 512

// textOf is the API's own words in the answer to a request that failed.
func textOf(status int, body []byte) string {
	var said struct {
		Error   any `json:"error"`
		Message any `json:"message"`
	}
	if json.Unmarshal(body, &said) == nil {
		for _, v := range []any{said.Error, said.Message} {
			if s, ok := v.(string); ok && s != "" {
				return printable(s)
			}
		}
	}
	switch text := printable(string(body)); {
	case text != "":
		return text
	case status >= 300 && status < 400:
		return "the API moved; its new address is not followed with the key"
	}
	return "without words"
}

// printable is text on one line, cut.
func printable(s string) string {
	if len(s) > mostText {
		s = s[:mostText]
	}
	s = strings.Map(func(c rune) rune {
		if c < ' ' || c >= 0x7f && c < 0xa0 || c == utf8.RuneError {
			return ' '
		}
		return c
	}, s)
	return strings.TrimSpace(s)
}

// scrub takes secrets out of a text.
func scrub(s string, secrets ...string) string {
	for _, secret := range secrets {
		if len(secret) > 3 {
			s = strings.ReplaceAll(s, secret, "<secret>")
		}
	}
	return s
}
