package gate

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"time"
)

// Bounds of what is asked of an identity provider.
const (
	askFor     = 5 * time.Second
	mostAnswer = 1 << 20
)

var (
	errRedirect = errors.New("it leads elsewhere; give the address it leads to")
	errAnswer   = errors.New("answer is not what it should be")
)

// provider speaks HTTP with an identity provider. It follows no redirections: secrets
// are meant for the address that was configured.
type provider struct{ client *http.Client }

func newProvider() *provider {
	return &provider{&http.Client{
		Timeout:       askFor,
		CheckRedirect: func(*http.Request, []*http.Request) error { return errRedirect },
	}}
}

// open makes the connections trust the authorities of a file; "" are the system's.
func (p *provider) open(ca string) error {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return fmt.Errorf("ca: %w", err)
		}
		t.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !t.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("ca %s: no certificate in it", ca)
		}
	}
	p.client.Transport = t
	return nil
}

func (p *provider) close() { p.client.CloseIdleConnections() }

// get reads a JSON answer.
func (p *provider) get(ctx context.Context, url string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	return p.do(req, into)
}

func (p *provider) do(req *http.Request, into any) error {
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "siemfwd")
	res, err := p.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, mostAnswer+1))
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", req.URL.Redacted(), err)
	case res.StatusCode != http.StatusOK:
		return fmt.Errorf("%s: answered %s", req.URL.Redacted(), res.Status)
	case len(text) > mostAnswer:
		return fmt.Errorf("%s: %w: it is too long", req.URL.Redacted(), errAnswer)
	}
	if err := json.Unmarshal(text, into); err != nil {
		media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
		return fmt.Errorf("%s: %w: no JSON, its type is %q", req.URL.Redacted(), errAnswer, media)
	}
	return nil
}
