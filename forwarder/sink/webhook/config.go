package webhook

import (
	"encoding/base64"
	"maps"
	"slices"
	"strings"

	"github.com/siemfwd/siemfwd/forwarder/certs"
	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/credential"
	"github.com/siemfwd/siemfwd/forwarder/sink/web"
)

// Config is what a webhook sink is told.
type Config struct {
	Enabled bool   `yaml:"enabled" doc:"false: nothing is sent, events wait on disk until it is true again or siemfwd queue clear gives them up"`
	URL     string `yaml:"url" required:"true" doc:"where events are posted, https://HOST/PATH"`
	Method  string `yaml:"method" enum:"POST|PUT|PATCH" doc:"method of the requests"`

	Template    string `yaml:"template" doc:"body of a request, with %%name%%, %%severity%%, %%user.name%%, %%fields.NAME%% and so on for the event's values, escaped as content_type needs it; %%event%% is all of it in format, %%uid%% its stable identity, %%%% two percent signs; empty: the event in format"`
	ContentType string `yaml:"content_type" doc:"Content-Type; default: application/json, or what fits format and batch"`
	Batch       string `yaml:"batch" enum:"none|array|lines" doc:"events of a request without template: none is one event, array a JSON array, lines one event a line (NDJSON with format json)"`

	BatchEvents int            `yaml:"batch_events" doc:"with batch: most events of one request"`
	BatchSize   component.Size `yaml:"batch_size" doc:"with batch: most octets of one request; a larger event goes alone"`

	Auth     credential.Config           `yaml:"auth" doc:"what the receiver is shown; default: nothing"`
	Headers  map[string]component.Secret `yaml:"headers" doc:"headers of every request"`
	Sign     Sign                        `yaml:"sign" doc:"signature of every request, beside auth"`
	TokenTLS certs.Client                `yaml:"token_tls" doc:"as tls, for auth.token_url where it is another host"`

	HTTP web.Config `yaml:",inline"`

	check func(template, contentType string) (field string, err error)
}

// Sign is a signature with the time of the request:
//
//	X-Siemfwd-Signature: t=1700000000,v1=HEX
//
// HEX is the HMAC-SHA256 of the time, a dot and the body.
type Sign struct {
	Secret component.Secret `yaml:"secret" doc:"key of the HMAC-SHA256; empty: requests are not signed"`
	Header string           `yaml:"header" doc:"name of the header, whose value is t=SECONDS,v1=HEX over SECONDS.BODY"`
}

// The words of batch.
const (
	single = "none"
	array  = "array"
	lines  = "lines"
)

func defaults() Config {
	return Config{
		Enabled: true, Method: "POST", Batch: single, BatchEvents: 100, BatchSize: 1 << 20,
		Auth: credential.Config{Type: "none"}, Sign: Sign{Header: "X-Siemfwd-Signature"}, HTTP: web.Defaults(),
	}
}

// TakesLineFeeds reports whether an event may hold line feeds.
func (c *Config) TakesLineFeeds() bool { return c.Batch != lines }

// own are headers that the sink sets itself, by the key that has a say in them.
var own = map[string]string{"content-type": "content_type", "idempotency-key": "", "authorization": "auth"}

// Check implements component.Checker.
func (c *Config) Check(r *component.Report) {
	web.CheckURL(r, "url", c.URL, "https://HOST/PATH")
	c.HTTP.CheckTLS(r, c.URL)
	if !c.Enabled {
		r.Warn("enabled", "nothing is sent: events wait on disk, and count against the room of their sources", "siemfwd queue clear gives up what waits")
	}
	c.checkBody(r)
	for _, name := range slices.Sorted(maps.Keys(c.Headers)) {
		key, ours := own[strings.ToLower(name)]
		switch {
		case key == "auth" && c.Auth.Type == "none":
		case ours && key != "":
			r.Error("headers."+name, "is set by "+key, "write it there")
		case ours:
			r.Error("headers."+name, "is the event's uid", "it cannot be set")
		}
	}
	(&credential.Config{Type: "none", Headers: c.Headers}).Check(r)
	if name := c.Sign.Header; !c.Sign.Secret.IsZero() && !strings.Contains(name, "${") && !credential.IsHeaderName(name) {
		r.Error("sign.header", "is not the name of a header", "such as X-Signature")
	}
	if c.TokenTLS.Given() && c.Auth.TokenURL == "" {
		r.Warn("token_tls", "no token is fetched", "it goes with auth.token_url")
	}
}

func (c *Config) checkBody(r *component.Report) {
	switch {
	case c.Template != "" && c.Batch != single:
		r.Error("batch", "a template is for one event", "remove batch or template")
	case c.Batch == single:
	case c.BatchEvents < 1:
		r.Error("batch_events", "nothing could be sent", "")
	case c.BatchSize < 1:
		r.Error("batch_size", "nothing could be sent", "")
	}
	if c.Template == "" || c.check == nil || strings.Contains(c.Template+c.ContentType, "${") {
		return
	}
	if field, err := c.check(c.Template, c.ContentType); err != nil {
		path := "template"
		if field == "content_type" {
			path = field
		}
		r.Error(path, err.Error(), "siemfwd doc webhook says what a template can hold")
	}
}

// secrets are the texts that no error may hold.
func (c *Config) secrets() (all []string) {
	a := &c.Auth
	for _, s := range []component.Secret{a.Token, a.Password, a.Value, a.ClientSecret, a.Secret, c.Sign.Secret} {
		all = append(all, s.Reveal())
	}
	for _, m := range []map[string]component.Secret{c.Headers, a.Headers} {
		for _, s := range m {
			all = append(all, s.Reveal())
		}
	}
	if u, err := web.ParseURL(c.URL); err == nil {
		if len(u.Path) > 1 {
			all = append(all, u.Path)
		}
		for _, values := range u.Query() {
			for _, v := range values {
				if len(v) >= 8 { // shorter ones are words, which anybody may say
					all = append(all, v)
				}
			}
		}
		all = append(all, u.RawQuery)
	}
	all = append(all, base64.StdEncoding.EncodeToString([]byte(a.Username+":"+a.Password.Reveal())))
	return all
}
