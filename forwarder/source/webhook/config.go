package webhook

import (
	"net"
	"net/netip"
	"path"
	"strconv"
	"strings"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/source"
)

// Config is what a webhook source is told.
type Config struct {
	Listen      string         `yaml:"listen" required:"true" doc:"HOST:PORT to listen on; webhooks on one address share one listener"`
	Path        string         `yaml:"path" required:"true" doc:"path of the URL that the sender posts to, such as /hooks/edr; it may hold a secret"`
	Auth        Auth           `yaml:"auth" doc:"how a sender shows that it may send"`
	Allow       []netip.Prefix `yaml:"allow" doc:"networks that may send; empty: all"`
	MaxBody     component.Size `yaml:"max_body" doc:"longest body as it is sent; 0: what the vendor needs, 5MiB in general"`
	MaxInflated component.Size `yaml:"max_inflated" doc:"longest body after gzip is undone; 0: four times max_body"`
}

// Auth is how a sender shows that it may send.
type Auth struct {
	Type     string           `yaml:"type" enum:"none|bearer|basic|header" doc:"none: nothing is asked · bearer: a token in Authorization, with the word Bearer or Splunk or by itself · basic: user name and password · header: a header of your own"`
	Token    component.Secret `yaml:"token" doc:"of bearer"`
	Username string           `yaml:"username" doc:"of basic"`
	Password component.Secret `yaml:"password" doc:"of basic"`
	Name     string           `yaml:"name" doc:"of header: its name, such as X-Api-Key"`
	Value    component.Secret `yaml:"value" doc:"of header: all of its value"`
}

// Bounds of the sizes.
const (
	defaultBody = 5 << 20
	mostBody    = 256 << 20
	inflation   = 4
)

// Defaults returns the configuration that nothing was said about.
func Defaults() Config { return Config{} }

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
	case c.Path == "":
	case !strings.HasPrefix(c.Path, "/"):
		r.Error("path", "does not begin with /", "such as /hooks/edr")
	case strings.ContainsAny(c.Path, "?#"):
		r.Error("path", "holds a ? or #", "only the path of the URL is compared; write it without query")
	case path.Clean(c.Path) != strings.TrimSuffix(c.Path, "/") && c.Path != "/":
		r.Error("path", "is not a plain path", "write it without //, /./ and /../")
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
}

func (c *Config) checkListen(r *component.Report) {
	if c.Listen == "" {
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
	if !loopback(host) {
		r.Warn("listen", "takes requests from other hosts without TLS", "let a reverse proxy on this host end TLS and listen on 127.0.0.1")
	}
}

func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback() || host == "localhost"
}

// Check implements component.Checker.
func (a *Auth) Check(r *component.Report) {
	type part struct {
		key   string
		of    string
		empty bool
	}
	for _, p := range []part{
		{"token", "bearer", a.Token.IsZero()},
		{"username", "basic", a.Username == ""},
		{"password", "basic", a.Password.IsZero()},
		{"name", "header", a.Name == ""},
		{"value", "header", a.Value.IsZero()},
	} {
		switch {
		case a.Type == p.of && p.empty:
			r.Error(p.key, "is missing or empty", "auth type "+p.of+" needs it")
		case a.Type != p.of && !p.empty:
			r.Error(p.key, "belongs to auth type "+p.of, "say type: "+p.of+", or remove it")
		}
	}
	switch {
	case a.Type == "":
		r.Error("type", "is missing", "bearer, basic or header; if anyone who reaches the port may send, say none")
	case a.Type == "basic" && strings.Contains(a.Username, ":"):
		r.Error("username", "holds a colon", "basic authentication cannot carry it")
	case a.Type == "header" && a.Name != "" && !token(a.Name):
		r.Error("name", "is not the name of a header", "such as X-Api-Key")
	}
}

// token reports whether s is a token of RFC 9110 section 5.6.2.
func token(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}
