package splunkhec

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/sink/web"
)

// Config is what a splunk_hec sink is told.
type Config struct {
	URL      string           `yaml:"url" doc:"https://HOST:8088 of the receiver; a path is taken as it stands, without one it is that of the endpoint"`
	URLs     []string         `yaml:"urls" doc:"in place of url: several receivers of the same events; requests go round those that are well"`
	Token    component.Secret `yaml:"token" required:"true" doc:"token of the HTTP Event Collector"`
	Endpoint string           `yaml:"endpoint" enum:"event|raw" doc:"event: each event in an envelope that says what it is; raw: lines of text that Splunk takes apart as its props.conf says"`

	Index      string `yaml:"index" doc:"index; {source}, {vendor}, {product}, {class} and {category} stand for the event's own words; empty: the token's"`
	SourceType string `yaml:"sourcetype" doc:"sourcetype, with the same words; empty: by the format (_json, cef, syslog), for endpoint raw the token's"`
	Source     string `yaml:"source" doc:"source, with the same words"`
	Host       string `yaml:"host" doc:"host of every event; empty: the event's own, for endpoint raw the one Splunk finds"`
	Fields     bool   `yaml:"fields" doc:"whether envelopes carry the indexed fields event_id (the uid), vendor and severity"`

	Ack        bool          `yaml:"ack" doc:"whether an event counts as delivered only when Splunk has indexed it; the token must have indexer acknowledgement on, a load balancer must be sticky"`
	AckTimeout time.Duration `yaml:"ack_timeout" doc:"with ack: what is not acknowledged after so long is sent again"`
	AckWindow  int           `yaml:"ack_window" doc:"with ack: most events sent and not acknowledged"`

	BatchEvents int            `yaml:"batch_events" doc:"most events of one request"`
	BatchSize   component.Size `yaml:"batch_size" doc:"most octets of one request, before compression; a larger event goes alone"`
	Gzip        *bool          `yaml:"gzip" doc:"whether requests are compressed; default: yes, but not to this machine"`

	HTTP web.Config `yaml:",inline"`
}

// Envelopes reports whether payloads are to be envelopes, rather than raw text.
func (c *Config) Envelopes() bool { return c.Endpoint != rawEndpoint }

// The words of endpoint.
const (
	eventEndpoint = "event"
	rawEndpoint   = "raw"
)

func defaults() Config {
	return Config{
		Endpoint: eventEndpoint, Source: "siemfwd:{source}", Fields: true, AckTimeout: 5 * time.Minute, AckWindow: 100_000,
		BatchEvents: 500, BatchSize: 512 << 10, HTTP: web.Defaults(),
	}
}

const urlHint = "https://HOST:8088"

// Check implements component.Checker.
func (c *Config) Check(r *component.Report) {
	switch {
	case c.URL == "" && len(c.URLs) == 0:
		r.Error("url", "no receiver", urlHint)
	case c.URL != "" && len(c.URLs) > 0:
		r.Error("urls", "there is a url too", "write all of them here, or none")
	}
	if c.URL != "" {
		c.checkURL(r, "url", c.URL)
	}
	seen := map[string]bool{}
	for i, u := range c.URLs {
		path := fmt.Sprintf("urls[%d]", i)
		if c.checkURL(r, path, u); seen[u] {
			r.Error(path, "it is there twice", "")
		}
		seen[u] = true
	}
	c.HTTP.CheckTLS(r, c.addresses()...)
	if t := c.Token.Reveal(); strings.ContainsFunc(t, func(r rune) bool { return r <= ' ' || r >= 0x7f }) && !strings.Contains(t, "${") {
		r.Error("token", "it holds what no token can, such as a space", "the token alone, without the word Splunk")
	}
	c.checkWords(r)
	c.checkNumbers(r)
}

func (c *Config) addresses() []string {
	if c.URL != "" {
		return []string{c.URL}
	}
	return c.URLs
}

func (c *Config) checkURL(r *component.Report, path, text string) {
	web.CheckURL(r, path, text, urlHint)
	u, err := url.Parse(text)
	if err != nil || strings.Contains(text, "${") {
		return
	}
	if u.Query().Has("token") {
		r.Error(path, "a token does not belong into the address, where everybody on the way can read it", "token:")
	}
	own := pathEndpoint(u.Path)
	if own != "" && own != c.Endpoint {
		r.Error(path, fmt.Sprintf("its path is that of endpoint %s, but endpoint is %s", own, c.Endpoint), "leave the path out")
	}
}

// pathEndpoint is the endpoint that a path of HEC belongs to; "" when it says nothing.
func pathEndpoint(path string) string {
	path = strings.TrimSuffix(strings.TrimSuffix(path, "/"), "/1.0")
	for _, name := range []string{eventEndpoint, rawEndpoint} {
		if strings.HasSuffix(path, "/collector/"+name) {
			return name
		}
	}
	return ""
}

// places are the words in braces, and whether a sink knows them, which sees no records.
var places = map[string]bool{"source": true, "vendor": false, "product": false, "class": false, "category": false}

func (c *Config) checkWords(r *component.Report) {
	for _, w := range []struct{ key, text string }{{"index", c.Index}, {"sourcetype", c.SourceType}, {"source", c.Source}} {
		for _, name := range placesIn(w.text) {
			switch ours, known := places[name]; {
			case !known:
				r.Error(w.key, "does not know {"+name+"}", "known are {source}, {vendor}, {product}, {class} and {category}")
			case !ours && c.Endpoint == rawEndpoint:
				r.Error(w.key, "cannot say {"+name+"} with endpoint raw, where all events of a request have the same", "{source}, or endpoint: event")
			}
		}
	}
	if c.Endpoint == eventEndpoint && c.Host != strings.TrimSpace(c.Host) {
		r.Error("host", "it begins or ends with a space", "")
	}
}

// placesIn lists what stands in braces.
func placesIn(text string) (names []string) {
	for {
		_, rest, found := strings.Cut(text, "{")
		if !found || strings.HasSuffix(text[:len(text)-len(rest)], "${") { // not known here
			return names
		}
		name, behind, _ := strings.Cut(rest, "}")
		names, text = append(names, name), behind
	}
}

func (c *Config) checkNumbers(r *component.Report) {
	if c.AckTimeout < time.Second {
		r.Error("ack_timeout", "it is too short for any indexer", "at least 1s, 5m is usual")
	}
	if c.AckWindow < 1 {
		r.Error("ack_window", "nothing could be sent", "")
	}
	if c.BatchEvents < 1 {
		r.Error("batch_events", "nothing could be sent", "")
	}
	if c.BatchSize < 1 || c.BatchSize > mostBody {
		r.Error("batch_size", fmt.Sprintf("it is not between 1B and %s, the most that Splunk takes", component.Size(mostBody)), "")
	}
}

// mostBody is Splunk's own limit (limits.conf, http_input, max_content_length).
const mostBody = 800 << 20
