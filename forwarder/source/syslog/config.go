package syslog

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/framing"
)

// Config is what a syslog source is told.
type Config struct {
	Listen         []string       `yaml:"listen" required:"true" doc:"addresses to listen on: udp://HOST:PORT, tcp://HOST:PORT, tls://HOST:PORT, relp://HOST:PORT, relp+tls://HOST:PORT, unix:///PATH (stream), unixgram:///PATH"`
	TLS            TLS            `yaml:"tls" doc:"certificate for the tls:// and relp+tls:// addresses"`
	Allow          []string       `yaml:"allow" doc:"networks that may send, such as 10.0.0.0/8; empty: all"`
	Framing        string         `yaml:"framing" enum:"auto|lf|octet_counting" doc:"how messages stand in a stream of tcp, tls and unix; auto decides for every message"`
	MaxEvent       component.Size `yaml:"max_event" doc:"longest event; a longer line or RELP message is cut and marked, a longer counted frame closes its connection"`
	ReceiveBuffer  component.Size `yaml:"receive_buffer" doc:"room the kernel keeps for datagrams that are not read yet; above net.core.rmem_max it needs CAP_NET_ADMIN"`
	MaxConnections int            `yaml:"max_connections" doc:"how many stream connections may be open at a time"`
	IdleTimeout    time.Duration  `yaml:"idle_timeout" doc:"a stream connection that says nothing for so long is closed; 0: never"`
}

var defaults = Config{
	Framing:        "auto",
	MaxEvent:       1 << 20,
	ReceiveBuffer:  8 << 20,
	MaxConnections: 4096,
}

const (
	leastEvent  = 480 // RFC 5424 6.1: what every receiver must take
	mostEvent   = 64 << 20
	mostReceive = 1 << 30
)

// Check implements component.Checker.
func (c *Config) Check(r *component.Report) {
	if len(c.Listen) == 0 {
		r.Error("listen", "no address to listen on", `such as [udp://0.0.0.0:514, tcp://0.0.0.0:514]`)
	}
	seen := map[string]bool{}
	encrypted := "" // the scheme of an address with TLS
	for i, text := range c.Listen {
		if unknown(text) {
			if c.TLS != (TLS{}) {
				encrypted = "tls"
			}
			continue
		}
		path := fmt.Sprintf("listen[%d]", i)
		a, err := parseAddress(text)
		switch {
		case err != nil:
			r.Error(path, err.Error(), "udp://HOST:PORT, tcp://HOST:PORT, tls://HOST:PORT, relp://HOST:PORT, relp+tls://HOST:PORT, unix:///PATH or unixgram:///PATH")
			continue
		case seen[a.String()] && !strings.HasSuffix(a.at, ":0"):
			r.Error(path, a.String()+" is listed twice", "")
		}
		seen[a.String()] = true
		if a.encrypted() {
			encrypted = a.scheme
		}
	}
	c.checkTLS(r, encrypted)
	for i, text := range c.Allow {
		if _, err := parseNetwork(text); err != nil && !unknown(text) {
			r.Error(fmt.Sprintf("allow[%d]", i), err.Error(), "an address, or a network such as 10.0.0.0/8 or 2001:db8::/32")
		}
	}
	c.checkBounds(r)
}

func (c *Config) checkTLS(r *component.Report, encrypted string) {
	switch {
	case encrypted != "" && (c.TLS.Cert == "" || c.TLS.Key == ""):
		r.Error("tls", "a "+encrypted+":// address needs a certificate and its key", "tls: {cert: /etc/siemfwd/tls.crt, key: /etc/siemfwd/tls.key}")
	case encrypted == "" && c.TLS != (TLS{}):
		r.Warn("tls", "no address uses it", "write tls:// instead of tcp:// in listen, or relp+tls:// instead of relp://")
	}
}

func (c *Config) checkBounds(r *component.Report) {
	if _, ok := framing.ParseMode(c.Framing); !ok {
		r.Error("framing", fmt.Sprintf("%q is no framing", c.Framing), "auto, lf or octet_counting")
	}
	if c.MaxEvent < leastEvent || c.MaxEvent > mostEvent {
		r.Error("max_event", fmt.Sprintf("%v is not between %v and %v", c.MaxEvent, component.Size(leastEvent), component.Size(mostEvent)), "")
	}
	if c.ReceiveBuffer < 0 || c.ReceiveBuffer > mostReceive {
		r.Error("receive_buffer", fmt.Sprintf("%v is not between 0B and %v", c.ReceiveBuffer, component.Size(mostReceive)), "")
	}
	if c.MaxConnections < 1 {
		r.Error("max_connections", fmt.Sprintf("%d connections are too few", c.MaxConnections), "")
	}
	if c.IdleTimeout < 0 {
		r.Error("idle_timeout", "a time cannot be negative", "")
	}
}

// unknown reports whether a text stands for a secret that cannot be read here.
func unknown(text string) bool { return strings.Contains(text, "${") }

// address is one entry of listen.
type address struct {
	scheme string // udp, tcp, tls, relp, relp+tls, unix or unixgram
	at     string // host:port, or the path of a socket
}

// String returns the address as it is written in a configuration.
func (a address) String() string { return a.scheme + "://" + a.at }

// encrypted reports whether TLS is spoken there.
func (a address) encrypted() bool { return a.scheme == "tls" || a.scheme == "relp+tls" }

func parseAddress(text string) (address, error) {
	u, err := url.Parse(text)
	if err != nil {
		// url.Parse repeats its input; the cause is enough.
		var cause *url.Error
		if errors.As(err, &cause) {
			err = cause.Err
		}
		return address{}, fmt.Errorf("address %q: %w", text, err)
	}
	switch u.Scheme {
	case "udp", "tcp", "tls", "relp", "relp+tls":
	case "unix", "unixgram":
		if u.Host != "" || u.Path == "" || u.Path[0] != '/' {
			return address{}, fmt.Errorf("address %q: a socket needs an absolute path, with three slashes before it", text)
		}
		return address{u.Scheme, u.Path}, nil
	case "":
		return address{}, fmt.Errorf("address %q has no scheme", text)
	default:
		return address{}, fmt.Errorf("address %q: scheme %q is not supported", text, u.Scheme)
	}
	if u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
		return address{}, fmt.Errorf("address %q: there is more than a host and a port", text)
	}
	host, port, err := net.SplitHostPort(u.Host)
	if err != nil || port == "" {
		return address{}, fmt.Errorf("address %q has no port", text)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil {
		return address{}, fmt.Errorf("address %q: port %d is not between 0 and 65535", text, n)
	}
	return address{u.Scheme, net.JoinHostPort(host, port)}, nil
}

// parseNetwork reads a network, or an address as the network of it alone.
func parseNetwork(text string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(text); err == nil {
		if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
		}
		return p.Masked(), nil
	}
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, fmt.Errorf("%q is neither an address nor a network", text)
	}
	a = a.Unmap()
	return netip.PrefixFrom(a, a.BitLen()), nil
}
