package webhook

import (
	"net"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/siemfwd/siemfwd/forwarder/certs"
	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/credential"
	"github.com/siemfwd/siemfwd/forwarder/source"
	"github.com/siemfwd/siemfwd/forwarder/source/webhook/gate"
)

// Config is what a webhook source is told.
type Config struct {
	Listen      string         `yaml:"listen" required:"true" doc:"HOST:PORT to listen on; webhooks on one address share one listener"`
	TLS         certs.Files    `yaml:"tls" doc:"certificate of the listener, which is read again when it changes; webhooks that share the listener say the same"`
	Path        string         `yaml:"path" required:"true" doc:"path of the URL that the sender posts to, such as /hooks/edr; it may hold a secret"`
	Auth        Auth           `yaml:"auth" doc:"how a sender shows that it may send"`
	Allow       []netip.Prefix `yaml:"allow" doc:"networks that may send; empty: all"`
	Proxies     []netip.Prefix `yaml:"proxies" doc:"networks of reverse proxies whose X-Forwarded-For is believed: the sender is then the one it names"`
	Method      string         `yaml:"method" enum:"POST|PUT|PATCH" doc:"of the requests that carry events; default: POST"`
	Probes      bool           `yaml:"probes" doc:"whether GET and HEAD are answered with 200, for senders that try the address first"`
	Tests       bool           `yaml:"forward_tests" doc:"whether what a vendor's console sends to try the webhook is forwarded; otherwise it is answered and counted as filtered"`
	Split       string         `yaml:"split" enum:"auto|lines|none" doc:"of vendors without a shape of their own: what is one event of a body; auto: each JSON value, or the body if it holds anything else · lines: each line · none: the body; default: auto"`
	Dedupe      string         `yaml:"dedupe" doc:"name of a header with an id of the delivery, by which repeated ones are recognised, where the vendor has no way of its own"`
	MaxBody     component.Size `yaml:"max_body" doc:"longest body as it is sent; 0: what the vendor needs, 5MiB in general"`
	MaxInflated component.Size `yaml:"max_inflated" doc:"longest body after gzip is undone; 0: four times max_body"`
}

// Auth is how a sender shows that it may send.
type Auth = gate.Config

// Bounds of the sizes.
const (
	defaultBody = 5 << 20
	mostBody    = 256 << 20
	inflation   = 4
)

// Defaults returns the configuration that nothing was said about.
func Defaults() Config { return Config{} }

// ForwardsTests reports whether tests of the sender are events like any other.
func (c *Config) ForwardsTests() bool { return c.Tests }

// Spec describes the source's configuration. Its Build always fails: a webhook's vendor
// has a say in how it listens, so that it is made with Hub.New.
func Spec() component.Spec[source.Source] {
	return component.Of("webhook", "HTTP requests that a product posts", Defaults(),
		func(*Config, component.Env) (source.Source, error) { return nil, errNoHub })
}

// Check implements component.Checker.
func (c *Config) Check(r *component.Report) {
	c.checkListen(r)
	switch {
	case c.Path == "" || unknown(c.Path):
	case !strings.HasPrefix(c.Path, "/"):
		r.Error("path", "does not begin with /", "such as /hooks/edr")
	case strings.ContainsAny(c.Path, "?#"):
		r.Error("path", "holds a ? or #", "only the path of the URL is compared; write it without query")
	case path.Clean(c.Path) != strings.TrimSuffix(c.Path, "/") && c.Path != "/":
		r.Error("path", "is not a plain path", "write it without //, /./ and /../")
	case c.Auth.IssuesTokens() && c.Path == c.Auth.Endpoint():
		r.Error("path", "is the path of the token endpoint", "choose another, or say token_path in auth")
	}
	for _, s := range []struct {
		key  string
		size component.Size
	}{{"max_body", c.MaxBody}, {"max_inflated", c.MaxInflated}} {
		switch {
		case s.size < 0:
			r.Error(s.key, "is negative", "")
		case s.size > mostBody:
			r.Error(s.key, "is more than "+component.Size(mostBody).String(), "a body is held in memory until it is on disk")
		}
	}
	if c.MaxInflated > 0 && c.MaxInflated < c.MaxBody {
		r.Error("max_inflated", "is less than max_body", "")
	}
	if c.Dedupe != "" && !unknown(c.Dedupe) && !credential.IsHeaderName(c.Dedupe) {
		r.Error("dedupe", "is not the name of a header", "such as X-GitHub-Delivery")
	}
	if i := slices.IndexFunc(c.Proxies, func(p netip.Prefix) bool { return p.Bits() == 0 }); i >= 0 {
		r.Error("proxies["+strconv.Itoa(i)+"]", "is every network", "then any sender can say that it is another; name the proxies")
	}
}

func (c *Config) checkListen(r *component.Report) {
	if c.Listen == "" || unknown(c.Listen) {
		return
	}
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		r.Error("listen", "is not HOST:PORT", "such as 127.0.0.1:8443 or [::1]:8443")
		return
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil {
		r.Error("listen", "the port "+strconv.Quote(port)+" is not a number up to 65535", "")
	} else if n == 0 {
		r.Warn("listen", "port 0 is a different port after every start", "")
	}
	if c.TLS.Given() || credential.IsLoopback(host) {
		return
	}
	if c.Auth.IssuesTokens() {
		r.Warn("listen", "takes requests from other hosts without TLS, and tokens are issued over TLS only", "say tls: {cert: …, key: …} at every webhook of the address")
		return
	}
	r.Warn("listen", "takes requests from other hosts without TLS", "say tls: {cert: …, key: …} at every webhook of the address; or let a reverse proxy on this host end TLS and listen on 127.0.0.1")
}

// unknown reports whether a text holds what can be read only by the service.
func unknown(text string) bool { return strings.Contains(text, "${") }
