package web

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/certs"
	"github.com/siemfwd/siemfwd/forwarder/component"
)

// Config holds the keys that every sink over HTTP has. It is made for a field with the
// tag yaml:",inline".
type Config struct {
	TLS     certs.Client  `yaml:"tls" doc:"identities, for an https:// address"`
	Proxy   string        `yaml:"proxy" doc:"http://HOST:PORT of a proxy, or none; empty: what HTTPS_PROXY, HTTP_PROXY and NO_PROXY in the environment say"`
	Timeout time.Duration `yaml:"timeout" doc:"longest that one request may take, from the connection to the end of the answer"`
}

// Defaults returns the configuration that nothing was said about.
func Defaults() Config { return Config{Timeout: 30 * time.Second} }

// noProxy is what `proxy:` says when there is to be none, whatever the environment says.
const noProxy = "none"

// Check implements component.Checker.
func (c *Config) Check(r *component.Report) {
	if c.Timeout <= 0 {
		r.Error("timeout", "there is no time for a request", "")
	}
	if c.Proxy == "" || c.Proxy == noProxy || strings.Contains(c.Proxy, "${") {
		return
	}
	if u, err := url.Parse(c.Proxy); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "socks5" {
		r.Error("proxy", "it is no address of a proxy", "http://HOST:PORT, or none")
	}
}

// CheckURL reports what is wrong with the receiver's address at path, which must be
// http:// or https:// with a host. hint is an address as it should be. What the URL holds
// behind its host is not repeated: it may be a secret.
func CheckURL(r *component.Report, path, text, hint string) {
	if strings.Contains(text, "${") { // what it stands for is not known here
		return
	}
	u, err := ParseURL(text)
	switch {
	case err != nil:
		r.Error(path, err.Error(), hint)
	case u.Scheme == "http" && !Loopback(u):
		r.Warn(path, "events and credentials cross the network in plain text", "https:// if the receiver can")
	}
}

// CheckTLS reports TLS options that no address makes use of.
func (c *Config) CheckTLS(r *component.Report, addresses ...string) {
	if !c.TLS.Given() {
		return
	}
	for _, a := range addresses {
		if !strings.HasPrefix(strings.ToLower(a), "http://") {
			return
		}
	}
	r.Warn("tls", "the address is not https://, so nothing is encrypted", "write https:// in the address")
}

// ParseURL reads an address of a receiver. Its errors do not repeat it.
func ParseURL(text string) (*url.URL, error) {
	if text == "" {
		return nil, errors.New("no receiver")
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, errors.New("it is no URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("it does not begin with https:// or http://")
	case u.Hostname() == "":
		return nil, errors.New("it names no host")
	case u.User != nil:
		return nil, errors.New("user and password do not belong into the address")
	case u.Fragment != "":
		return nil, errors.New("a fragment (#…) is never sent")
	}
	return u, nil
}

// Loopback reports whether a receiver is this machine.
func Loopback(u *url.URL) bool {
	host := u.Hostname()
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

// Origin is what of a URL may be shown to anybody.
func Origin(u *url.URL) string { return fmt.Sprintf("%s://%s", u.Scheme, u.Host) }
