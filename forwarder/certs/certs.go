// Package certs reads the certificate files of those who listen and those who connect,
// and reads them again when they change. Files that cannot be used leave the former ones
// in force.
package certs

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/component"
)

// Files names the files of a listener's identity, in PEM form.
type Files struct {
	Cert     string `yaml:"cert" doc:"certificate, followed by the intermediate ones"`
	Key      string `yaml:"key" doc:"private key"`
	ClientCA string `yaml:"client_ca" doc:"authorities of client certificates; given, every client must show one"`
}

// Given reports whether there is anything about TLS in the configuration.
func (f *Files) Given() bool { return *f != Files{} }

// Check implements component.Checker.
func (f *Files) Check(r *component.Report) {
	switch {
	case !f.Given():
	case f.Cert == "":
		r.Error("cert", "is missing", "TLS needs a certificate and its private key")
	case f.Key == "":
		r.Error("key", "is missing", "TLS needs a certificate and its private key")
	}
}

// Identity is what a listener shows its clients, and what it asks of them. It is safe
// for concurrent use.
type Identity struct {
	files  Files
	protos []string
	log    *slog.Logger
	every  time.Duration // between two looks at the files that handshakes cause
	settle time.Duration // for the writer of several files to be done
	now    func() time.Time

	state atomic.Pointer[state]

	mu     sync.Mutex
	looked time.Time
	stamps [3]stamp
	bad    [sha256.Size]byte // content that cannot be used; zero: there is none
	said   bool              // of that content
}

// state is one content of the files.
type state struct {
	conf       *tls.Config
	sum        [sha256.Size]byte
	notAfter   time.Time
	generation uint64
}

// stamp tells one content of a file from another without reading it.
type stamp struct {
	time time.Time
	size int64
}

// most is the longest file that is read.
const most = 1 << 20

// Open reads the files. protos are the protocols to offer (RFC 7301).
func Open(files Files, log *slog.Logger, protos ...string) (*Identity, error) {
	id := &Identity{files: files, protos: protos, log: log, every: 2 * time.Second, settle: 300 * time.Millisecond, now: time.Now}
	id.stamps, id.looked = id.stat(), id.now()
	next, err := id.read()
	if err != nil {
		return nil, err
	}
	next.generation = 1
	id.state.Store(next)
	if left := next.notAfter.Sub(id.now()); left < soon {
		log.Warn("certificate ends soon or has ended", "cert", files.Cert, "end", next.notAfter)
	}
	return id, nil
}

// soon is when the end of a certificate deserves a line in the log.
const soon = 21 * 24 * time.Hour

// Config is the configuration of a listener. Every handshake uses what the files hold
// by then, give or take a few seconds.
func (id *Identity) Config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		id.glance()
		return id.state.Load().conf, nil
	}}
}

// Generation counts the contents that were in force, from 1.
func (id *Identity) Generation() uint64 { return id.state.Load().generation }

// NotAfter is when the first certificate of the chain ends.
func (id *Identity) NotAfter() time.Time { return id.state.Load().notAfter }

// glance looks whether the files are others, unless somebody did so a moment ago.
func (id *Identity) glance() {
	id.mu.Lock()
	defer id.mu.Unlock()
	now := id.now()
	if now.Sub(id.looked) < id.every {
		return
	}
	id.looked = now
	if s := id.stat(); s != id.stamps || id.bad != [sha256.Size]byte{} {
		id.stamps = s
		id.replace()
	}
}

// Look reads the files and puts them in force when they changed and can be used. It
// reports whether there is more to see soon: files that cannot be used, but may be half
// written.
func (id *Identity) Look() (unsettled bool) {
	id.mu.Lock()
	defer id.mu.Unlock()
	id.looked, id.stamps = id.now(), id.stat()
	return id.replace()
}

func (id *Identity) replace() (unsettled bool) {
	next, err := id.read()
	last := id.state.Load()
	if err == nil && next.sum != last.sum && id.now().After(next.notAfter) {
		err = fmt.Errorf("certificate %s: ended at %s", id.files.Cert, next.notAfter.UTC().Format(time.RFC3339))
	}
	if err != nil {
		// The first time the files may be half written: it is said when they stay so.
		if next.sum != id.bad || id.bad == [sha256.Size]byte{} {
			id.bad, id.said = next.sum, false
			return true
		}
		if !id.said {
			id.said = true
			id.log.Error("changed certificate files cannot be used, the former ones stay in force", "err", err)
		}
		return false
	}
	id.bad = [sha256.Size]byte{}
	if next.sum == last.sum {
		return false
	}
	next.generation = last.generation + 1
	id.state.Store(next)
	id.log.Info("certificate files changed and are in force", "cert", id.files.Cert, "end", next.notAfter)
	return false
}

func (id *Identity) paths() []string { return []string{id.files.Cert, id.files.Key, id.files.ClientCA} }

func (id *Identity) stat() [3]stamp { return stampsOf(id.paths()) }

// stampsOf looks at up to three files.
func stampsOf(paths []string) (s [3]stamp) {
	for i, path := range paths {
		if info, err := os.Stat(path); err == nil {
			s[i] = stamp{info.ModTime(), info.Size()}
		}
	}
	return s
}

// read makes a state of the files. On an error only its sum is set, which then is that
// of what could be read and never zero.
func (id *Identity) read() (*state, error) {
	var text [3][]byte
	var errs []error
	h := sha256.New()
	for i, path := range id.paths() {
		if path == "" {
			continue
		}
		var err error
		if text[i], err = readFile(path); err != nil {
			errs = append(errs, err)
		}
		fmt.Fprintf(h, "%d,%d,%t\n", i, len(text[i]), err != nil)
		h.Write(text[i])
	}
	s := &state{}
	h.Sum(s.sum[:0])
	if err := errors.Join(errs...); err != nil {
		return s, errors.New(strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	cert, err := tls.X509KeyPair(text[0], text[1])
	if err != nil {
		return s, fmt.Errorf("certificate %s with key %s: %w", id.files.Cert, id.files.Key, err)
	}
	for _, der := range cert.Certificate {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return s, fmt.Errorf("certificate %s: %w", id.files.Cert, err)
		}
		if s.notAfter.IsZero() || c.NotAfter.Before(s.notAfter) {
			s.notAfter = c.NotAfter
		}
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}, NextProtos: id.protos}
	if id.files.ClientCA != "" {
		conf.ClientCAs, conf.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
		if !conf.ClientCAs.AppendCertsFromPEM(text[2]) {
			return s, fmt.Errorf("client_ca %s: no certificate in it", id.files.ClientCA)
		}
	}
	s.conf = conf
	return s, nil
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var b bytes.Buffer
	if _, err = b.ReadFrom(io.LimitReader(f, most+1)); err != nil {
		return nil, err
	}
	if b.Len() > most {
		return nil, fmt.Errorf("%s: is longer than %d octets", path, most)
	}
	return b.Bytes(), nil
}
