package poll

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/source"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// How often one request is repeated before the look at the API is given up.
const mostThrottled = 5

// retries are the pauses before a request is repeated that failed on the API's side;
// each is drawn from a fifth less to a fifth more.
var retries = [...]time.Duration{2 * time.Second, 5 * time.Second, 10 * time.Second}

// mostInterval bounds the pause after a look that failed for other reasons than the
// credentials.
const mostInterval = 5 * time.Minute

// clockOff is from when on it is worth a word that the clocks differ.
const clockOff = 30 * time.Second

// ask makes a request and has its answer read, and repeats it while that can help: once
// with a new login when the credentials are refused, when the API wants it slower not
// before it allows, and three times after other failures. With once it is not repeated
// when it may have been answered: the error is then a *errLost, after the pause. A
// *kit.Stale is returned as it is, anything else the API is to blame for as a
// *source.Pause.
func (s *Source) ask(ctx context.Context, log source.Log, r kit.Request, once bool, read func(a *answer) error) error {
	var t tries
	for {
		a, err := s.client.data(ctx, r)
		if err == nil {
			if err = read(&a); err == nil {
				s.worked()
				return s.hold(ctx, log)
			}
			var slower *kit.Throttled
			if errors.As(err, &slower) { // in the vendor's own words: the gate is open still
				s.client.throttled(max(slower.For, askedPause(a.header, a.at)))
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		pause, end := s.again(ctx, &t, a.gen, err)
		if end != nil {
			return end
		}
		if err := s.hold(ctx, log); err != nil {
			return err
		}
		if err := source.Sleep(ctx, pause); err != nil {
			return err
		}
		if once && pause > 0 {
			return &errLost{err}
		}
	}
}

// tries is what went wrong with one request so far.
type tries struct {
	failed, throttled int
	denied            bool
}

// again says how long to wait before a request is repeated that failed with err, where 0
// means that it was turned away unread; or with which error to give up.
func (s *Source) again(ctx context.Context, t *tries, gen uint64, err error) (pause time.Duration, end error) {
	var (
		stale    *kit.Stale
		slower   *kit.Throttled
		login    *errLogin
		denied   *kit.Denied
		bad      *kit.Bad
		unusable *errUnusable
	)
	switch {
	case errors.As(err, &stale):
		return 0, err
	case errors.As(err, &slower):
		s.say("throttled", "the API wants fewer requests and is left alone until it takes them again")
		s.answered()
		if t.throttled++; t.throttled > mostThrottled {
			return 0, s.unwell(err)
		}
		return 0, nil
	case errors.As(err, &denied) && !errors.As(err, &login):
		if !t.denied && s.client.refused(ctx, gen) {
			t.denied = true
			return 0, nil
		}
		s.client.giveUp(ctx, gen)
		return 0, s.unwell(err)
	case errors.As(err, &denied), errors.As(err, &bad), errors.As(err, &unusable), t.failed == len(retries):
		return 0, s.unwell(err)
	}
	if errors.As(err, &login) { // which is tried so seldom that nobody would know why nothing comes
		s.say("login", "the API cannot be logged in to and is tried again: "+login.err.Error())
	}
	pause = retries[t.failed]
	t.failed++
	return pause + time.Duration(float64(pause)*(s.client.spread()-0.5)*2/5), nil
}

// errLost is an answer that is gone, with a page that cannot be asked for again.
type errLost struct{ err error }

func (e *errLost) Error() string { return e.err.Error() }
func (e *errLost) Unwrap() error { return e.err }

// unwell wraps what is the API's fault, or that of what it was told: the caller of Run
// waits before it tries again.
func (s *Source) unwell(err error) error {
	wait := min(s.cfg.Every, mostInterval)
	if denied := new(kit.Denied); errors.As(err, &denied) {
		wait = max(s.cfg.Every, loginPause)
	}
	s.meter.Set("behind_seconds", max(0, s.behind(s.at())).Seconds())
	return &source.Pause{For: wait, Err: err}
}

// worked notes an answer that could be used.
func (s *Source) worked() {
	s.answered()
	if s.client.gate.left() == 0 {
		s.say("throttled", "")
	}
	s.say("login", "")
	skew := s.client.clock.skew()
	switch {
	case skew > clockOff:
		s.say("clock", fmt.Sprintf("this machine's clock is about %s ahead of the API's, which is used", skew.Round(time.Minute)))
	case skew < -clockOff:
		s.say("clock", fmt.Sprintf("this machine's clock is about %s behind the API's, which is used", (-skew).Round(time.Minute)))
	case skew.Abs() < clockOff/2:
		s.say("clock", "")
	}
}

// hold makes a pause that the API asked for durable, so that a new start keeps it.
func (s *Source) hold(ctx context.Context, log source.Log) error {
	left := s.client.gate.left()
	until := time.Now().Add(left)
	s.mu.Lock()
	known := left < time.Second || until.Sub(s.held).Abs() < time.Second
	if !known {
		s.held = until
	}
	s.mu.Unlock()
	if known {
		return nil
	}
	return log.Emit(ctx, &event.Batch{Marks: []event.Mark{timeMark(markPause, until)}})
}
