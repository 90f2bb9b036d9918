package poll

import (
	"cmp"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/source"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// Config holds the keys that every polled source has. Those of its vendor stand beside
// them.
type Config struct {
	Every             time.Duration  `yaml:"every" doc:"from one look at the API to the next"`
	Since             time.Duration  `yaml:"since" doc:"how far back the very first start begins; later ones go on where the last one ended"`
	Overlap           time.Duration  `yaml:"overlap" doc:"how late an event may appear in the API: so much is read again each time, and what is known is left out"`
	Settle            time.Duration  `yaml:"settle" doc:"how far behind now each look ends"`
	Span              time.Duration  `yaml:"span" doc:"longest stretch of time asked for at once; a longer gap is walked in steps"`
	Updates           bool           `yaml:"updates" doc:"whether a known event is forwarded again when its state has changed"`
	Rescan            time.Duration  `yaml:"rescan" doc:"how far back to look for events that have changed since, beside the overlap; 0s: never"`
	RescanEvery       time.Duration  `yaml:"rescan_every" doc:"how often to do that"`
	RequestsPerMinute int            `yaml:"requests_per_minute" doc:"most requests a minute; logins are not counted"`
	Timeout           time.Duration  `yaml:"timeout" doc:"longest that one request may take, body included"`
	MaxPages          int            `yaml:"max_pages" doc:"most pages of one window; a longer one is split"`
	MaxBody           component.Size `yaml:"max_body" doc:"longest answer"`
	Ceiling           int            `yaml:"ceiling" doc:"rows at which the API's answer to one window may be incomplete, so that it is split; 0: none"`
}

// Bounds of what can be configured.
const (
	mostBody   = 1 << 30
	shortEvery = 10 * time.Second
)

// Defaults returns the configuration that nothing was said about, for an API that has
// the given defaults.
func Defaults(d kit.PollDefaults) Config {
	return Config{
		Every:             cmp.Or(d.Every, 5*time.Minute),
		Since:             cmp.Or(d.Since, 24*time.Hour),
		Overlap:           cmp.Or(d.Overlap, 10*time.Minute),
		Settle:            cmp.Or(d.Settle, 30*time.Second),
		Span:              cmp.Or(d.Span, time.Hour),
		Updates:           true,
		Rescan:            d.Rescan,
		RescanEvery:       cmp.Or(d.RescanEvery, time.Hour),
		RequestsPerMinute: cmp.Or(d.RequestsPerMinute, 60),
		Timeout:           cmp.Or(d.Timeout, time.Minute),
		MaxPages:          cmp.Or(d.MaxPages, 1000),
		MaxBody:           64 << 20,
		Ceiling:           d.Ceiling,
	}
}

// Spec describes the source's configuration without its vendor's. Its Build always
// fails: a polled source is made with New, which needs the vendor.
func Spec() component.Spec[source.Source] {
	return component.Of("poll", "an API that is asked again and again", Defaults(kit.PollDefaults{}),
		func(*Config, component.Env) (source.Source, error) { return nil, errNoVendor })
}

// VendorConfig returns the two structs that the configuration of a source is read
// into: cfg is a *Config with the vendor's defaults, own the vendor's. Both are nil for
// a vendor that cannot be polled.
func VendorConfig(p *kit.Poll) (cfg, own any) {
	if p == nil {
		return nil, nil
	}
	c := Defaults(p.Defaults)
	if p.Config == nil {
		return &c, &struct{}{}
	}
	return &c, p.Config()
}

// Check implements component.Checker.
func (c *Config) Check(r *component.Report) {
	for _, d := range []struct {
		key  string
		is   time.Duration
		zero bool
	}{
		{"every", c.Every, false}, {"since", c.Since, true}, {"overlap", c.Overlap, true}, {"settle", c.Settle, true},
		{"span", c.Span, false}, {"rescan", c.Rescan, true}, {"timeout", c.Timeout, false},
	} {
		if d.is < 0 || d.is == 0 && !d.zero {
			r.Error(d.key, "it cannot be nothing", "")
		}
	}
	for _, n := range []struct {
		key  string
		is   int
		zero bool
	}{{"requests_per_minute", c.RequestsPerMinute, false}, {"max_pages", c.MaxPages, false}, {"ceiling", c.Ceiling, true}} {
		if n.is < 0 || n.is == 0 && !n.zero {
			r.Error(n.key, "it must be at least 1", "")
		}
	}
	switch {
	case c.MaxBody <= 0:
		r.Error("max_body", "it cannot be nothing", "")
	case c.MaxBody > mostBody:
		r.Error("max_body", "is more than "+component.Size(mostBody).String(), "an answer is held in memory until it is on disk")
	}
	switch {
	case c.Rescan > 0 && c.RescanEvery <= 0:
		r.Error("rescan_every", "it cannot be nothing", "")
	case c.Rescan > 0 && c.Rescan <= c.Overlap:
		r.Warn("rescan", "the overlap is as long, and read again each time", "make rescan longer, or leave it out")
	}
	if c.Every > 0 && c.Every < shortEvery {
		r.Warn("every", "the API is asked very often", "most limit how many requests they take")
	}
}
