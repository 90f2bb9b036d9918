package syslog

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// identity is a listener's certificate and what it asks of clients. It reads the files
// again when they change; files that cannot be used leave the former ones in force.
type identity struct {
	files TLS
	log   *slog.Logger

	mu     sync.Mutex
	conf   *tls.Config
	stamp  [3]stamp
	looked time.Time
	broken bool
}

// stamp tells one content of a file from another.
type stamp struct {
	time time.Time
	size int64
}

const lookEvery = 2 * time.Second

func newIdentity(files TLS, log *slog.Logger) (*identity, error) {
	id := &identity{files: files, log: log}
	id.stamp, id.looked = id.stat(), time.Now()
	conf, err := load(files)
	id.conf = conf
	return id, err
}

// config is tls.Config.GetConfigForClient.
func (id *identity) config(*tls.ClientHelloInfo) (*tls.Config, error) {
	id.mu.Lock()
	defer id.mu.Unlock()
	now := time.Now()
	if now.Sub(id.looked) < lookEvery {
		return id.conf, nil
	}
	id.looked = now
	stamp := id.stat()
	if stamp == id.stamp && !id.broken {
		return id.conf, nil
	}
	conf, err := load(id.files)
	if err != nil {
		if stamp != id.stamp || !id.broken {
			id.log.Error("changed certificate files cannot be used, the former certificate stays", "err", err)
		}
		id.stamp, id.broken = stamp, true
		return id.conf, nil
	}
	id.conf, id.stamp, id.broken = conf, stamp, false
	id.log.Info("certificate files changed and were read again", "cert", id.files.Cert)
	return id.conf, nil
}

func (id *identity) stat() (s [3]stamp) {
	for i, path := range []string{id.files.Cert, id.files.Key, id.files.ClientCA} {
		if info, err := os.Stat(path); err == nil {
			s[i] = stamp{info.ModTime(), info.Size()}
		}
	}
	return s
}

func load(files TLS) (*tls.Config, error) {
	cert, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		return nil, fmt.Errorf("certificate %s with key %s: %w", files.Cert, files.Key, err)
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}}
	if files.ClientCA == "" {
		return conf, nil
	}
	pem, err := os.ReadFile(files.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("client_ca: %w", err)
	}
	conf.ClientCAs, conf.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
	if !conf.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("client_ca %s: no certificate in it", files.ClientCA)
	}
	return conf, nil
}
