package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/siemfwd/siemfwd/forwarder"
	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/config"
	"github.com/siemfwd/siemfwd/forwarder/credential"
	"github.com/siemfwd/siemfwd/forwarder/simulate"
	"github.com/siemfwd/siemfwd/parsers"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

const sendExamples = `
  siemfwd simulate --send http://127.0.0.1:9710/hooks/datatheorem --auth '{type: bearer, token: t0ken}'
  siemfwd simulate --send hec=http://127.0.0.1:9710/services/collector --auth '{type: header, name: Authorization, value: Splunk t0ken}'
  siemfwd simulate --send http://127.0.0.1:9710/hooks/scanner --auth '{type: header, name: X-Api-Key, value: k3y}'
  siemfwd simulate --send beyondtrust=http://127.0.0.1:9710/hooks/epm --auth '{type: basic, username: epm, password: s3cret}'
  siemfwd simulate --send beyondtrust=http://127.0.0.1:9710/hooks/epm --auth '{type: oauth_client_credentials, client_id: epm, client_secret: s3cret}'
  siemfwd simulate --send json=http://127.0.0.1:9710/hooks/any --auth '{type: hmac, name: X-Signature, prefix: sha256=, secret: s3cret}'
  siemfwd simulate -c siemfwd.yaml --send epm
`

// sending is one sender and what it was answered.
type sending struct {
	name   string // of the vendor
	source string // in the configuration; "": it was given as a URL
	asks   string // what its webhook must ask for, as YAML
	simulate.Sender

	mu       sync.Mutex
	statuses map[string]int // by status, or "no answer"
	err      error          // why Run ended
}

// openSenders finds out what to post where.
func (s *simulation) openSenders(like simulate.Sender) error {
	if s.token != "" && s.auth != "" {
		return usage("--token and --auth: say one of them")
	}
	if s.auth == "help" {
		return s.authHelp()
	}
	for _, text := range s.send {
		d := &sending{Sender: like, statuses: map[string]int{}}
		var err error
		if strings.Contains(text, "/") {
			err = s.sendToURL(d, text)
		} else {
			err = s.sendToSource(d, text)
		}
		if err == nil {
			err = d.load(text)
		}
		if err != nil {
			return err
		}
		s.senders = append(s.senders, d)
	}
	return nil
}

// sendToURL prepares a sender that is told everything by flags.
func (s *simulation) sendToURL(d *sending, text string) error {
	name, target, ok := strings.Cut(text, "=")
	if !ok || strings.Contains(name, "/") {
		name, target = "", text
	}
	u, err := url.Parse(target)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return usage("--send %s: the address is not one such as http://127.0.0.1:9710/hooks/scanner", text)
	}
	if name == "" {
		name = path.Base(u.Path)
	}
	d.name, d.asks = name, "{type: none}"
	a := &presented{tokenURL: u.Scheme + "://" + u.Host + "/oauth/token"}
	switch {
	case s.token != "":
		a.Config = credential.Config{Type: "bearer", Token: component.NewSecret(s.token)}
	case s.auth == "":
		a.Config = credential.Config{Type: "none"}
	default:
		problems := config.ParseKeys(config.File{Name: "--auth", Data: []byte(s.auth)}, a, config.Options{})
		problems = slices.DeleteFunc(problems, func(p config.Problem) bool { return p.Severity != config.Error }) // such as that a secret stands there
		if problems.Err() != nil {
			problems.Print(s.err, false)
			return usage("--auth help lists the types and their keys")
		}
	}
	if a.Type != "none" {
		d.asks = "{type: " + a.Type + ", …}"
	}
	return s.present(d, credential.Target{URL: target, CA: s.ca, Auth: a.Config})
}

// presented is what --auth says; a token is fetched from the webhook's own listener unless
// it says something else.
type presented struct {
	credential.Config `yaml:",inline"`
	tokenURL          string
}

// Check implements component.Checker.
func (a *presented) Check(r *component.Report) {
	if a.TokenURL == "" && strings.HasPrefix(a.Type, "oauth_") {
		a.TokenURL = a.tokenURL
	}
	a.Config.Check(r)
}

// sendToSource prepares a sender for a webhook of the configuration.
func (s *simulation) sendToSource(d *sending, name string) error {
	if s.auth != "" || s.token != "" {
		return usage("--send %s: what it asks for stands in the configuration; --auth and --token are for a URL", name)
	}
	cfg, problems := forwarder.Load(s.config, forwarder.Strict)
	if problems.Err() != nil {
		problems.Print(s.err, false)
		return exit(exitConfig, nil)
	}
	for i := range cfg.Sources {
		c := &cfg.Sources[i]
		hook, ok := c.Config.(interface {
			Target() (credential.Target, error)
		})
		if c.Name != name {
			continue
		}
		if !ok {
			return usage("--send %s: it is of type %s; only webhooks are posted to", name, c.Type)
		}
		t, err := hook.Target()
		if err != nil {
			return usage("--send %s: %v: say --send %s=URL and --auth", name, err, c.Vendor)
		}
		if s.ca != "" {
			t.CA = s.ca
		}
		d.name, d.source = c.Vendor, name
		return s.present(d, t)
	}
	return usage("--send %s: %s has no source of that name; write VENDOR=URL", name, s.config)
}

// present makes the credential, and the client that posts with it.
func (s *simulation) present(d *sending, t credential.Target) error {
	d.URL = t.URL
	if t.CA != "" {
		roots, name, err := authorities(t.CA)
		if err != nil {
			return err
		}
		if d.source == "" || s.ca != "" {
			name = "" // the URL says it
		}
		carrier := http.DefaultTransport.(*http.Transport).Clone()
		carrier.TLSClientConfig = &tls.Config{RootCAs: roots, ServerName: name}
		d.Client = &http.Client{Transport: carrier}
	}
	var err error
	if d.Credential, err = credential.New(&t.Auth, d.Client); err != nil {
		return usage("--auth: %v", err)
	}
	return nil
}

// authorities reads certificates. name is whom the first one is for.
func authorities(file string) (roots *x509.CertPool, name string, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, "", err
	}
	if roots, err = x509.SystemCertPool(); err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(text) {
		return nil, "", fmt.Errorf("%s: holds no certificate", file)
	}
	if block, _ := pem.Decode(text); block != nil {
		leaf, err := x509.ParseCertificate(block.Bytes)
		if err == nil && len(leaf.DNSNames) > 0 {
			name = leaf.DNSNames[0]
		}
	}
	return roots, name, nil
}

// load reads the vendor's samples.
func (d *sending) load(text string) error {
	v, ok := parsers.ByName(d.name)
	if !ok || v.Shape != kit.Body {
		return usage("--send %s: it does not say whose webhook that is; write VENDOR=URL", text)
	}
	samples, err := kit.ReadSamples(v)
	if err != nil {
		return err
	}
	for _, sample := range samples {
		if split(v, sample.Raw, func([]byte) error { return nil }) == nil {
			d.Bodies = append(d.Bodies, sample.Raw)
		}
	}
	if len(d.Bodies) == 0 {
		return usage("--send %s: vendor %s has no samples to send", text, d.name)
	}
	return nil
}

// answered counts one delivery.
func (d *sending) answered(got simulate.Delivery) {
	what := "no answer"
	var token *credential.Error
	switch {
	case errors.As(got.Err, &token):
		what = token.Error()
	case got.Err == nil:
		what = fmt.Sprint(got.Status)
	}
	switch got.Fault {
	case "cut":
		what += " to half a body"
	case "impostor":
		what += " to a wrong credential"
	}
	d.mu.Lock()
	d.statuses[what]++
	d.mu.Unlock()
}

// authHelp tells what --auth takes.
func (s *simulation) authHelp() error {
	for _, k := range config.KeysOf(&credential.Config{}) {
		key := k.Key
		if len(k.Enum) > 0 {
			key += ": " + strings.Join(k.Enum, "|")
		}
		if _, err := fmt.Fprintf(s.out, "%s\n    %s\n", key, k.Doc); err != nil {
			return err
		}
	}
	return exit(exitDone, nil)
}
