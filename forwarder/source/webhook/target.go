package webhook

import (
	"errors"
	"net"
	"net/netip"

	"github.com/siemfwd/siemfwd/forwarder/credential"
)

// Target returns how a sender on this host reaches the webhook. The error says what
// keeps a sender that knows only the configuration from doing so.
func (c *Config) Target() (credential.Target, error) {
	t := credential.Target{CA: c.TLS.Cert}
	host, port, err := net.SplitHostPort(c.Listen)
	switch {
	case err != nil:
		return t, errors.New("listen: is not HOST:PORT")
	case port == "0":
		return t, errors.New("listen: port 0 is another port after every start")
	case c.TLS.ClientCA != "":
		return t, errors.New("tls: senders need a certificate (client_ca)")
	}
	if a, err := netip.ParseAddr(host); host == "" || err == nil && a.IsUnspecified() {
		host = "127.0.0.1"
		if a.Is6() {
			host = "::1"
		}
	}
	base := "http://" + net.JoinHostPort(host, port)
	if c.TLS.Given() {
		base = "https://" + net.JoinHostPort(host, port)
	}
	t.URL = base + c.Path
	a := &c.Auth
	t.Auth = credential.Config{Type: a.Type, Headers: a.Headers}
	switch a.Type {
	case "none":
	case "bearer":
		t.Auth.Token = a.Token
	case "basic":
		t.Auth.Username, t.Auth.Password = a.Username, a.Password
	case "header":
		t.Auth.Name, t.Auth.Value = a.Name, a.Value
	case "oauth_client_credentials", "oauth_password":
		t.Auth.TokenURL, t.Auth.ClientID, t.Auth.ClientSecret = base+a.Endpoint(), a.ClientID, a.ClientSecret
		t.Auth.Username, t.Auth.Password = a.Username, a.Password
	case "hmac":
		t.Auth.Name, t.Auth.Prefix, t.Auth.Encoding, t.Auth.Timestamp, t.Auth.Signed = a.Name, a.Prefix, a.Encoding, a.Timestamp, a.Signed
		t.Auth.Secret, t.Auth.SecretEncoding = a.Secret, a.SecretEncoding
	default:
		return t, errors.New("auth: the tokens of type " + a.Type + " come from your identity provider")
	}
	return t, nil
}
