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

// Config is what a syslog sink is told.
type Config struct {
	Address        string        `yaml:"address" required:"true" doc:"receiver: udp://HOST:PORT, tcp://HOST:PORT, tls://HOST:PORT, relp://HOST:PORT or relp+tls://HOST:PORT"`
	Framing        string        `yaml:"framing" enum:"lf|octet_counting" doc:"how messages stand in a stream: lf is the default on tcp, octet_counting on tls"`
	TLS            TLS           `yaml:"tls" doc:"identities, for a tls:// or relp+tls:// address"`
	ConnectTimeout time.Duration `yaml:"connect_timeout" doc:"how long connecting may take, TLS handshake and name lookup included"`
	WriteTimeout   time.Duration `yaml:"write_timeout" doc:"how long the receiver may take nothing before the connection is given up"`
	Resend         Resend        `yaml:"resend" doc:"over tcp and tls, what is sent again after a connection is lost although the receiver's machine has it: its syslog server may not have read it"`
	Window         int           `yaml:"window" doc:"with relp, how many messages may be without an answer; those are sent again after a connection is lost"`
	AnswerTimeout  time.Duration `yaml:"answer_timeout" doc:"with relp, how long the receiver may leave a message without an answer before the connection is given up"`
}

// Resend bounds what is sent again. What the receiver's kernel has not acknowledged always is.
type Resend struct {
	Size component.Size `yaml:"size" doc:"no more than the last that much"`
	Age  time.Duration  `yaml:"age" doc:"nothing that was acknowledged longer ago"`
}

// TLS says whom to believe and who we are. The files are read for every connection.
type TLS struct {
	CA         string `yaml:"ca" doc:"authorities of the receiver's certificate, in PEM form; empty: those of the system"`
	Cert       string `yaml:"cert" doc:"own certificate, when the receiver asks for one"`
	Key        string `yaml:"key" doc:"private key of cert"`
	ServerName string `yaml:"server_name" doc:"name in the receiver's certificate; empty: the host of address"`
}

// The window and the time for an answer are those of librelp.
var defaults = Config{ConnectTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second,
	Resend: Resend{Size: 1 << 20, Age: 5 * time.Second}, Window: 128, AnswerTimeout: 90 * time.Second}

const (
	addressHint = "udp://HOST:PORT, tcp://HOST:PORT, tls://HOST:PORT, relp://HOST:PORT or relp+tls://HOST:PORT"
	mostWindow  = 1 << 16
)

// Check implements component.Checker.
func (c *Config) Check(r *component.Report) {
	t, err := parseTarget(c.Address)
	switch {
	case c.Address == "":
		r.Error("address", "no receiver", addressHint)
	case strings.Contains(c.Address, "${"): // what it stands for is not known here
	case err != nil:
		r.Error("address", err.Error(), addressHint)
	case t.scheme == "udp":
		r.Warn("address", "over UDP events are lost without notice when the receiver or the network is busy or down", "tcp:// or tls://")
	case t.scheme == "tcp" && !t.loopback():
		r.Warn("address", "events cross the network in plain text", "tls:// if the receiver can")
	case t.scheme == "relp" && !t.loopback():
		r.Warn("address", "events cross the network in plain text", "relp+tls:// if the receiver can")
	}
	if err == nil {
		c.checkScheme(r, t.scheme)
	}
	if _, ok := framing.ParseMode(c.Framing); c.Framing != "" && (!ok || c.Framing == framing.Auto.String()) {
		r.Error("framing", fmt.Sprintf("%q is no framing to send with", c.Framing), "lf or octet_counting")
	}
	if c.ConnectTimeout <= 0 {
		r.Error("connect_timeout", "there is no time to connect", "")
	}
	if c.WriteTimeout <= 0 {
		r.Error("write_timeout", "there is no time to write", "")
	}
	if c.Window < 1 || c.Window > mostWindow {
		r.Error("window", fmt.Sprintf("%d is not between 1 and %d", c.Window, mostWindow), "")
	}
	if c.AnswerTimeout <= 0 {
		r.Error("answer_timeout", "there is no time to answer", "")
	}
	if c.Resend.Size < 0 || c.Resend.Age < 0 {
		r.Error("resend", "less than nothing cannot be sent again", "size: 0B and age: 0s are the least")
	}
}

func (c *Config) checkScheme(r *component.Report, scheme string) {
	switch {
	case scheme == "udp" && c.Framing != "":
		r.Warn("framing", "a datagram is one message: there is no framing on udp", "")
	case relpScheme(scheme) && c.Framing != "":
		r.Warn("framing", "RELP has a framing of its own", "")
	case scheme == "tls" && c.Framing == framing.LF.String():
		r.Warn("framing", "RFC 5425 wants octet_counting over TLS", "")
	}
	if scheme != "tcp" && scheme != "tls" && c.Resend != defaults.Resend {
		r.Warn("resend", "resend is for tcp and tls, not for "+scheme, "")
	}
	if scheme != "tls" && scheme != "relp+tls" && c.TLS != (TLS{}) {
		r.Warn("tls", "the address is not tls://, so nothing is encrypted", "write tls:// in address, or relp+tls:// for relp://")
	}
	if !relpScheme(scheme) && (c.Window != defaults.Window || c.AnswerTimeout != defaults.AnswerTimeout) {
		r.Warn("", "window and answer_timeout are for relp: nothing is answered over "+scheme, "relp:// if the receiver can")
	}
	if (c.TLS.Cert == "") != (c.TLS.Key == "") {
		r.Error("tls", "cert and key go together", "")
	}
}

// TakesLineFeeds reports whether a message may hold line feeds: where messages are
// counted, or are datagrams.
func (c *Config) TakesLineFeeds() bool {
	t, err := parseTarget(c.Address)
	switch {
	case err != nil:
		return true // which is reported
	case t.scheme == "tcp":
		return c.Framing == framing.OctetCounting.String()
	case t.scheme == "tls":
		return c.Framing != framing.LF.String()
	}
	return true
}

// target is where a sink sends to.
type target struct {
	scheme string // udp, tcp, tls, relp or relp+tls
	host   string
	at     string // host:port
}

// String returns the target as it is written in a configuration.
func (t target) String() string { return t.scheme + "://" + t.at }

// loopback reports whether the target is this machine.
func (t target) loopback() bool {
	if t.host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(t.host)
	return err == nil && a.Unmap().IsLoopback()
}

func relpScheme(scheme string) bool { return scheme == "relp" || scheme == "relp+tls" }

func parseTarget(text string) (target, error) {
	u, err := url.Parse(text)
	if err != nil {
		// url.Parse repeats its input; the cause is enough.
		var cause *url.Error
		if errors.As(err, &cause) {
			err = cause.Err
		}
		return target{}, fmt.Errorf("address %q: %w", text, err)
	}
	switch u.Scheme {
	case "udp", "tcp", "tls", "relp", "relp+tls":
	case "":
		return target{}, fmt.Errorf("address %q has no scheme", text)
	default:
		return target{}, fmt.Errorf("address %q: scheme %q is not supported", text, u.Scheme)
	}
	if u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
		return target{}, fmt.Errorf("address %q: there is more than a host and a port", u.Redacted())
	}
	host, port, err := net.SplitHostPort(u.Host)
	if err != nil || port == "" {
		return target{}, fmt.Errorf("address %q has no port", text)
	}
	if host == "" {
		return target{}, fmt.Errorf("address %q has no host", text)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return target{}, fmt.Errorf("address %q: the port is not between 1 and 65535", text)
	}
	return target{u.Scheme, host, net.JoinHostPort(host, port)}, nil
}
