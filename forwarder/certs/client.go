package certs

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/component"
)

// Client says, to one who connects, whom to believe and who we are.
type Client struct {
	CA           string   `yaml:"ca" doc:"authorities of the receiver's certificate, in PEM form; empty: those of the system"`
	Cert         string   `yaml:"cert" doc:"own certificate, when the receiver asks for one"`
	Key          string   `yaml:"key" doc:"private key of cert"`
	ServerName   string   `yaml:"server_name" doc:"name in the receiver's certificate; empty: the host it is reached by"`
	Fingerprints []string `yaml:"fingerprints" doc:"SHA-256 of the certificates that are believed, and no others, whoever signed them and whatever name they hold, such as a product's own; 64 hex digits, colons allowed"`
}

// Given reports whether there is anything about TLS in the configuration.
func (c *Client) Given() bool {
	return c.CA != "" || c.Cert != "" || c.Key != "" || c.ServerName != "" || len(c.Fingerprints) > 0
}

// Check implements component.Checker.
func (c *Client) Check(r *component.Report) {
	if (c.Cert == "") != (c.Key == "") {
		r.Error("", "cert and key go together", "")
	}
	for i, text := range c.Fingerprints {
		if _, err := fingerprint(text); err != nil && !strings.Contains(text, "${") {
			r.Error(fmt.Sprintf("fingerprints[%d]", i), err.Error(), "openssl x509 -in FILE -noout -fingerprint -sha256 prints it")
		}
	}
	if len(c.Fingerprints) > 0 && (c.CA != "" || c.ServerName != "") {
		r.Warn("fingerprints", "ca and server_name are not looked at beside them", "")
	}
}

// fingerprint reads the SHA-256 of a certificate, as openssl and RFC 5425 section 4.2.2
// write it, or without punctuation.
func fingerprint(text string) (sum [sha256.Size]byte, err error) {
	s := strings.ToLower(strings.TrimSpace(text))
	for _, lead := range []string{"sha-256:", "sha256:"} {
		s = strings.TrimPrefix(s, lead)
	}
	b, err := hex.DecodeString(strings.ReplaceAll(s, ":", ""))
	if err != nil || len(b) != len(sum) {
		return sum, errors.New("it is no SHA-256 in 64 hex digits")
	}
	return [sha256.Size]byte(b), nil
}

// Config reads the files. host is what the receiver is reached by.
func (c *Client) Config(host string) (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host}
	if c.ServerName != "" {
		conf.ServerName = c.ServerName
	}
	if c.CA != "" {
		pem, err := readFile(c.CA)
		if err != nil {
			return nil, fmt.Errorf("tls.ca: %w", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls.ca: no certificate in %s", c.CA)
		}
	}
	if c.Cert != "" {
		pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
		if err != nil {
			return nil, fmt.Errorf("tls.cert %s with tls.key %s: %w", c.Cert, c.Key, err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	if len(c.Fingerprints) > 0 {
		known := pins{}
		for _, text := range c.Fingerprints {
			sum, err := fingerprint(text)
			if err != nil {
				return nil, fmt.Errorf("tls.fingerprints: %q: %w", text, err)
			}
			known[sum] = true
		}
		conf.InsecureSkipVerify = true // the fingerprint is looked at in place of chain and name
		conf.VerifyConnection = func(s tls.ConnectionState) error { return known.check(s) }
	}
	return conf, nil
}

// pins are the certificates that are believed.
type pins map[[sha256.Size]byte]bool

func (p pins) check(s tls.ConnectionState) error {
	sum := sha256.Sum256(s.PeerCertificates[0].Raw)
	if p[sum] {
		return nil
	}
	return &PinError{sum}
}

// PinError says that the receiver showed a certificate that is none of the fingerprints.
type PinError struct{ Shown [sha256.Size]byte }

// Error tells what it showed, so that who knows it to be right can copy it.
func (e *PinError) Error() string {
	return "the receiver's certificate is none of tls.fingerprints: it has " + hex.EncodeToString(e.Shown[:])
}

// Outgoing is a Client for one receiver whose files are read again when they change.
// It is safe for concurrent use.
type Outgoing struct {
	files Client
	host  string
	log   *slog.Logger
	every time.Duration
	now   func() time.Time

	mu     sync.Mutex
	looked time.Time
	stamps [3]stamp
	conf   *tls.Config // nil: not read yet
	gen    uint64
	why    string // what is wrong with files that cannot be used; "": nothing
}

// NewOutgoing makes an Outgoing. It reads nothing yet.
func NewOutgoing(files Client, host string, log *slog.Logger) *Outgoing {
	return &Outgoing{files: files, host: host, log: log, every: 2 * time.Second, now: time.Now}
}

// Config returns what the next connection is made with, and a number that changes with
// it. Changed files that cannot be used leave the former ones in force and a line in
// the log; an error means that there are none.
func (o *Outgoing) Config() (*tls.Config, uint64, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.now()
	if o.conf != nil && now.Sub(o.looked) < o.every {
		return o.conf, o.gen, nil
	}
	o.looked = now
	stamps := stampsOf([]string{o.files.CA, o.files.Cert, o.files.Key})
	if o.conf != nil && stamps == o.stamps && o.why == "" {
		return o.conf, o.gen, nil
	}
	conf, err := o.files.Config(o.host)
	switch {
	case err == nil:
		if o.conf != nil {
			o.log.Info("certificate files changed and are in force for new connections")
		}
		o.conf, o.stamps, o.why = conf, stamps, ""
		o.gen++
	case o.conf == nil:
		return nil, 0, err
	case o.why != err.Error():
		o.why = err.Error()
		o.log.Error("changed certificate files cannot be used, the former ones stay in force", "err", err)
	}
	return o.conf, o.gen, nil
}
