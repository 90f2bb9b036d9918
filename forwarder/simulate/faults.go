package simulate

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Word is a misbehaviour that has a name.
type Word struct {
	Name, Doc string
	set       func(o *Options)
}

// Words are all of them. "all" is not among them.
func Words() []Word {
	return []Word{
		{"late", "3 % of the events appear up to 8 minutes after their time", func(o *Options) { o.Faults.Late = 0.03 }},
		{"unordered", "Check Point's events come in no order", func(o *Options) { o.Faults.Unordered = true }},
		{"updates", "5 % of the events change within a minute", func(o *Options) { o.Faults.Updates = 0.05 }},
		{"duplicates", "1 % of the rows stand twice; deliveries are repeated", func(o *Options) { o.Faults.Duplicates = 0.01 }},
		{"ties", "events share their time with others, over the edges of pages", func(o *Options) { o.Faults.Ties = 0.2 }},
		{"errors", "5 % of the calls are answered 500 to 504", func(o *Options) { o.Faults.Errors = 0.05 }},
		{"429", "1 % of the calls are answered 429 with Retry-After: 5", func(o *Options) { o.Faults.Throttle, o.Faults.RetryAfter = 0.01, 5*time.Second }},
		{"429-silent", "1 % of the calls are answered 429 without Retry-After", func(o *Options) { o.Faults.Throttle, o.Faults.RetryAfter = 0.01, 0 }},
		{"hang", "1 % of the calls are not answered", func(o *Options) { o.Faults.Hang = 0.01 }},
		{"slow", "2 % of the answers take 3 seconds", func(o *Options) { o.Faults.Slow = 0.02 }},
		{"lost", "1 % of the calls are done and yet answered 500", func(o *Options) { o.Faults.Lost = 0.01 }},
		{"cut", "2 % of the answers, and of what is sent, end too early", func(o *Options) { o.Faults.Cut = 0.02 }},
		{"impostors", "1 % of what is sent is sent with a wrong credential before", func(o *Options) { o.Faults.Impostors = 0.01 }},
		{"failures", "1 % of the answers are failures with status 200", func(o *Options) { o.Faults.Failures = 0.01 }},
		{"stale", "1 % of the calls find all scrollIds invalid", func(o *Options) { o.Faults.Stale = 0.01 }},
		{"revoked", "1 % of the calls find all tokens revoked", func(o *Options) { o.Faults.Revoke = 0.01 }},
		{"short-tokens", "tokens are good for 10 seconds", func(o *Options) { o.TokenLife = 10 * time.Second }},
		{"skew", "the clocks of the APIs are 90 seconds ahead", func(o *Options) { o.Skew = 90 * time.Second }},
		{"stable-scroll", "the scrollId is the same for all pages", func(o *Options) { o.Faults.StableScroll = true }},
		{"empty-end", "only an empty page is the last", func(o *Options) { o.Faults.EmptyEnd = true }},
		{"bare", "incidents and event sinks come without their envelope", func(o *Options) { o.Faults.Bare = true }},
		{"sink-pages", "event sinks come one a page", func(o *Options) { o.Faults.SinkPages = true }},
		{"pairs", "information is a list of keys and values", func(o *Options) { o.Faults.Pairs = true }},
		{"endless", "nextStartTime never ends", func(o *Options) { o.Faults.Endless = true }},
		{"no-zone", "nextStartTime has no zone", func(o *Options) { o.Faults.NoZone = true }},
		{"404", "no incidents is 404", func(o *Options) { o.Faults.NotFound = true }},
	}
}

// Misbehave sets what the words name, which are separated by commas. "all" is every
// word, but that 429 comes with Retry-After.
func (o *Options) Misbehave(list string) error {
	words := Words()
	for name := range strings.SplitSeq(list, ",") {
		name = strings.TrimSpace(name)
		i := slices.IndexFunc(words, func(w Word) bool { return w.Name == name })
		switch {
		case name == "":
		case i >= 0:
			words[i].set(o)
		case name == "all":
			for _, w := range words {
				if w.Name != "429-silent" {
					w.set(o)
				}
			}
		default:
			return fmt.Errorf("%q is no misbehaviour", name)
		}
	}
	return nil
}
