package poll

import (
	"slices"
	"sync"
	"time"
)

// The clock takes this many looks at the API's.
const clockSamples = 8

// A clock of ours that is behind the API's by no more than this is taken as right: an
// answer needs some time on its way, and windows end behind now anyhow.
const clockSlack = 3 * time.Second

// clock tells the API's time from the Date header of its answers (RFC 9110 section
// 6.6.1). Windows are made of the API's time: with our own, a clock that is ahead would
// let a window end where events are still to come.
//
// An answer was stamped before it arrived, so that Date minus the time of arrival is
// never more than what the clocks differ by. The second largest of the latest samples
// is used: close to the truth, never beyond it unless the API says so twice. What is
// measured with is the monotonic clock, so that setting this machine's clock changes
// nothing once the API's is known.
type clock struct {
	mu      sync.Mutex
	anchor  time.Time // of this machine's clock, with its monotonic reading
	samples [clockSamples]time.Duration
	n       int
}

// observe takes the Date of an answer that arrived at a time of this machine's clock.
func (c *clock) observe(date, arrived time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == 0 {
		c.anchor = arrived
	}
	c.samples[c.n%clockSamples] = date.Sub(c.local(arrived))
	c.n++
}

// known reports whether the API has said what time it is.
func (c *clock) known() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n > 0
}

// local is t by this machine's clock as it was when the first sample was taken.
func (c *clock) local(t time.Time) time.Time {
	return c.anchor.Round(0).Add(t.Sub(c.anchor))
}

// at is the API's time, in UTC, at a time of this machine's clock.
func (c *clock) at(t time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == 0 {
		return t.Round(0).UTC()
	}
	s := c.samples
	n := min(c.n, clockSamples)
	slices.Sort(s[:n])
	ahead := s[0]
	if n > 2 {
		ahead = s[n-2]
	}
	if ahead > 0 && ahead <= clockSlack {
		ahead = 0
	}
	return c.local(t).Add(ahead).UTC()
}

// now is the API's time.
func (c *clock) now() time.Time { return c.at(time.Now()) }

// skew is how far this machine's clock is ahead of the API's; negative when it is
// behind.
func (c *clock) skew() time.Duration {
	now := time.Now()
	return now.Round(0).Sub(c.at(now))
}
