package poll

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/source"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// loginPause is the least time between a login that failed and the next try.
const loginPause = 30 * time.Second

// login holds the tokens of an API. Whoever holds turn may use the rest, so that never
// two log in at once.
type login struct {
	turn   chan struct{} // holds one token
	tokens []token
	gen    uint64    // goes up whenever a token changes
	failed time.Time // when a login failed last; zero after one that worked
}

// token is what one step of a login gave. Its moments are of the monotonic clock.
type token struct {
	text       string
	renew, end time.Time // zero: not known
}

func (l *login) init(steps int) {
	l.turn = make(chan struct{}, 1)
	l.turn <- struct{}{}
	l.tokens = make([]token, steps)
}

// good reports whether a token can be used; fresh, whether it need not be renewed yet.
func (t *token) good(now time.Time) bool {
	return t.text != "" && (t.end.IsZero() || now.Before(t.end))
}

func (t *token) fresh(now time.Time) bool {
	return t.good(now) && (t.renew.IsZero() || now.Before(t.renew))
}

// errLogin is a login that failed.
type errLogin struct{ err error }

func (e *errLogin) Error() string { return "login: " + e.err.Error() }
func (e *errLogin) Unwrap() error { return e.err }

// tokens returns tokens that can be used now, logging in where that is due, and the
// generation they are of. While logins fail they are tried every 30 seconds at most,
// and a token that is still good goes on being used.
func (c *client) tokens(ctx context.Context) ([]string, uint64, error) {
	l := &c.login
	if len(l.tokens) == 0 {
		return nil, 0, nil
	}
	select {
	case <-l.turn:
	case <-ctx.Done():
		return nil, 0, ctx.Err()
	}
	defer func() { l.turn <- struct{}{} }()
	now := time.Now()
	if !l.all((*token).fresh, now) {
		wait := time.Duration(0)
		if !l.failed.IsZero() {
			wait = max(0, l.failed.Add(loginPause).Sub(now))
		}
		usable := l.all((*token).good, now)
		if usable && (wait > 0 || c.gate.left() > 0) {
			return l.texts(), l.gen, nil
		}
		if err := source.Sleep(ctx, wait); err != nil {
			return nil, l.gen, err
		}
		if err := c.renew(ctx); err != nil {
			if ctx.Err() != nil {
				return nil, l.gen, ctx.Err()
			}
			l.failed = time.Now()
			if usable = l.all((*token).good, l.failed); !usable {
				return nil, l.gen, &errLogin{err}
			}
			return l.texts(), l.gen, nil
		}
		l.failed = time.Time{}
	}
	return l.texts(), l.gen, nil
}

func (l *login) all(is func(*token, time.Time) bool, now time.Time) bool {
	for i := range l.tokens {
		if !is(&l.tokens[i], now) {
			return false
		}
	}
	return true
}

func (l *login) texts() []string {
	out := make([]string, len(l.tokens))
	for i := range l.tokens {
		out[i] = l.tokens[i].text
	}
	return out
}

// renew takes the steps that are due. When a step is refused because of an older
// token that an earlier step gave, all steps are taken, once.
func (c *client) renew(ctx context.Context) error {
	l := &c.login
	for again := false; ; again = true {
		old := false
		err := error(nil)
		for i := range l.tokens {
			if l.tokens[i].fresh(time.Now()) {
				old = true
				continue
			}
			if err = c.step(ctx, i); err != nil {
				break
			}
		}
		var denied *kit.Denied
		if err == nil || again || !old || !errors.As(err, &denied) {
			return err
		}
		clear(l.tokens)
		l.gen++
	}
}

// step takes one step of the login.
func (c *client) step(ctx context.Context, i int) error {
	l, step := &c.login, &c.api.Auth[i]
	if err := c.gate.wait(ctx); err != nil {
		return err
	}
	r, err := step.Request(kit.Call{Tokens: l.texts()[:i], At: c.clock.now(), ID: newID()})
	if err != nil {
		return &errUnusable{err}
	}
	req, err := c.request(ctx, r)
	if err != nil {
		return &errUnusable{err}
	}
	c.meter.Add("api_logins", 1)
	began := time.Now()
	a, err := c.send(req)
	if err == nil {
		err = c.judge(&a)
	}
	if err != nil {
		return err
	}
	text, life, err := step.Read(a.status, a.header, a.body, a.at)
	if err != nil {
		return err
	}
	if text == "" {
		return fmt.Errorf("the answer to step %d of the login holds no token", i+1)
	}
	t := token{text: text}
	if life > 0 {
		// Counted from before the request: the token cannot be older than that.
		t.renew, t.end = began.Add(life/5*4), began.Add(life)
	}
	l.tokens[i] = t
	l.gen++
	return nil
}

// refused notes that the API did not accept the tokens of generation gen, so that the
// last step is taken again. It returns false when there is nothing to take again.
func (c *client) refused(ctx context.Context, gen uint64) bool {
	l := &c.login
	if len(l.tokens) == 0 {
		return false
	}
	select {
	case <-l.turn:
	case <-ctx.Done():
		return false
	}
	if gen == l.gen {
		l.tokens[len(l.tokens)-1] = token{}
		l.gen++
	}
	l.turn <- struct{}{}
	return true
}

// giveUp notes that tokens of a new login were not accepted either: the next login
// begins with its first step, and not at once.
func (c *client) giveUp(ctx context.Context, gen uint64) {
	l := &c.login
	if len(l.tokens) == 0 {
		return
	}
	select {
	case <-l.turn:
	case <-ctx.Done():
		return
	}
	if gen == l.gen {
		clear(l.tokens)
		l.gen++
		l.failed = time.Now()
	}
	l.turn <- struct{}{}
}
