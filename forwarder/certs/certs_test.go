package certs

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/siemfwd/siemfwd/forwarder/component"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// issue makes a certificate that signs itself, and its key, as PEM.
func issue(t testing.TB, name string, notAfter time.Time) (cert, key []byte) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	tpl := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: notAfter, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, tpl, tpl, k.Public(), k)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(k)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
}

// lines is a log that can be looked at.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) count(words string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buf.String(), words)
}

// place is a folder with a certificate in it.
type place struct {
	t     testing.TB
	files Files
	lines *lines
	log   *slog.Logger
}

func newPlace(t testing.TB) *place {
	dir := t.TempDir()
	p := &place{t: t, files: Files{Cert: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key")}, lines: &lines{}}
	p.log = slog.New(slog.NewTextHandler(p.lines, nil))
	return p
}

func (p *place) write(cert, key []byte) {
	require.NoError(p.t, os.WriteFile(p.files.Cert, cert, 0o600))
	require.NoError(p.t, os.WriteFile(p.files.Key, key, 0o600))
}

func (p *place) issue(name string) { p.write(issue(p.t, name, time.Now().Add(100*24*time.Hour))) }

// shown is the name in the certificate of a handshake.
func shown(t testing.TB, id *Identity) string {
	conf, err := id.Config().GetConfigForClient(nil)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(conf.Certificates[0].Certificate[0])
	require.NoError(t, err)
	return cert.Subject.CommonName
}

func TestHandshakesNotice(t *testing.T) {
	p := newPlace(t)
	p.issue("first")
	id, err := Open(p.files, p.log, "http/1.1")
	require.NoError(t, err)
	clock := time.Now()
	id.now = func() time.Time { return clock }
	assert.Equal(t, "first", shown(t, id))
	assert.Equal(t, []string{"http/1.1"}, id.state.Load().conf.NextProtos)

	p.issue("second, of another length")
	assert.Equal(t, "first", shown(t, id), "not at every handshake")
	clock = clock.Add(3 * time.Second)
	assert.Equal(t, "second, of another length", shown(t, id))
	assert.EqualValues(t, 2, id.Generation())

	for _, bad := range []struct {
		name  string
		spoil func()
		why   string
	}{
		{"half a file", func() { require.NoError(t, os.WriteFile(p.files.Cert, []byte("-----BEGIN"), 0o600)) }, "failed to find any PEM data"},
		{"gone", func() { require.NoError(t, os.Remove(p.files.Key)) }, "no such file"},
		{"another's key", func() {
			cert, _ := issue(t, "x", time.Now().Add(time.Hour))
			_, key := issue(t, "y", time.Now().Add(time.Hour))
			p.write(cert, key)
		}, "private key does not match"},
		{"ended", func() { p.write(issue(t, "x", time.Now().Add(-time.Hour))) }, "ended at"},
		{"huge", func() { require.NoError(t, os.WriteFile(p.files.Cert, make([]byte, most+1), 0o600)) }, "is longer than"},
	} {
		t.Run(bad.name, func(t *testing.T) {
			before := p.lines.count("cannot be used")
			bad.spoil()
			clock = clock.Add(3 * time.Second)
			assert.Equal(t, "second, of another length", shown(t, id))
			assert.Equal(t, before, p.lines.count("cannot be used"), "it may be half written")
			for range 3 {
				clock = clock.Add(3 * time.Second)
				assert.Equal(t, "second, of another length", shown(t, id))
			}
			assert.Equal(t, before+1, p.lines.count("cannot be used"), "it is said once")
			assert.Equal(t, 1, p.lines.count(bad.why), p.lines.buf.String())
		})
	}
	p.issue("third")
	clock = clock.Add(3 * time.Second)
	assert.Equal(t, "third", shown(t, id))
	assert.Equal(t, 2, p.lines.count("are in force"))
}

// An orchestrator replaces the folder behind a link.
func TestLinkedFolders(t *testing.T) {
	p := newPlace(t)
	dir := filepath.Dir(p.files.Cert)
	content := func(n, name string) {
		sub := filepath.Join(dir, n)
		require.NoError(t, os.Mkdir(sub, 0o700))
		cert, key := issue(t, name, time.Now().Add(time.Hour))
		require.NoError(t, os.WriteFile(filepath.Join(sub, "tls.crt"), cert, 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(sub, "tls.key"), key, 0o600))
	}
	content("..1", "first")
	require.NoError(t, os.Symlink("..1", filepath.Join(dir, "..data")))
	require.NoError(t, os.Symlink("..data/tls.crt", p.files.Cert))
	require.NoError(t, os.Symlink("..data/tls.key", p.files.Key))
	id, err := Open(p.files, p.log)
	require.NoError(t, err)
	assert.Equal(t, []string{dir, filepath.Join(dir, "..1")}, id.folders())
	watched, stop := watch(t, id)
	defer stop()

	content("..2", "second")
	require.NoError(t, os.Symlink("..2", filepath.Join(dir, "..new")))
	require.NoError(t, os.Rename(filepath.Join(dir, "..new"), filepath.Join(dir, "..data")))
	<-watched
	assert.Equal(t, "second", shown(t, id))
	assert.Equal(t, 1, p.lines.count("ends soon"))
}

// watch runs Watch; the channel gets something for every change.
func watch(t testing.TB, id *Identity) (<-chan struct{}, func()) {
	id.settle = 5 * time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	changed, done := make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(done)
		id.Watch(ctx, func() {
			select {
			case changed <- struct{}{}:
			default:
			}
		})
	}()
	// Its watches stand when a change comes through.
	return changed, func() { cancel(); <-done }
}

// A certificate is replaced again and again under handshakes: none fails, and in the
// end the last is shown.
func TestRotationUnderHandshakes(t *testing.T) {
	const rotations = 100
	p := newPlace(t)
	pool := x509.NewCertPool()
	var contents [rotations][2][]byte
	for i := range contents {
		contents[i][0], contents[i][1] = issue(t, string(rune('A'+i%26))+strings.Repeat("x", i%7), time.Now().Add(30*24*time.Hour))
		require.True(t, pool.AppendCertsFromPEM(contents[i][0]))
	}
	p.write(contents[0][0], contents[0][1])
	id, err := Open(p.files, p.log)
	require.NoError(t, err)
	id.every = 0
	_, stop := watch(t, id)
	defer stop()
	ln, err := tls.Listen("tcp", "127.0.0.1:0", id.Config())
	require.NoError(t, err)
	defer ln.Close()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); _ = c.(*tls.Conn).Handshake() }()
		}
	}()
	serial := func() string {
		c, err := tls.Dial("tcp", ln.Addr().String(), &tls.Config{RootCAs: pool})
		require.NoError(t, err)
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	quit := make(chan struct{})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for {
				select {
				case <-quit:
					return
				default:
					serial()
				}
			}
		})
	}
	for i := range contents {
		p.write(contents[i][0], contents[i][1])
	}
	close(quit)
	all.Wait()
	block, _ := pem.Decode(contents[rotations-1][0])
	last, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	assert.Eventually(t, func() bool { return serial() == last.SerialNumber.String() }, 20*time.Second, 10*time.Millisecond)
	assert.True(t, id.NotAfter().Equal(last.NotAfter))
}

func TestClientCertificates(t *testing.T) {
	p := newPlace(t)
	p.issue("server")
	p.files.ClientCA = filepath.Join(filepath.Dir(p.files.Cert), "ca.crt")
	_, err := Open(p.files, p.log)
	require.ErrorContains(t, err, "ca.crt: no such file")
	require.NoError(t, os.WriteFile(p.files.ClientCA, []byte("x"), 0o600))
	_, err = Open(p.files, p.log)
	require.ErrorContains(t, err, "no certificate in it")
	ca, _ := issue(t, "authority", time.Now().Add(time.Hour))
	require.NoError(t, os.WriteFile(p.files.ClientCA, ca, 0o600))
	id, err := Open(p.files, p.log)
	require.NoError(t, err)
	assert.Equal(t, tls.RequireAndVerifyClientCert, id.state.Load().conf.ClientAuth)
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		files Files
		want  string
	}{
		{Files{}, ""}, {Files{Cert: "a", Key: "b"}, ""}, {Files{Cert: "a"}, "key"}, {Files{Key: "a"}, "cert"}, {Files{ClientCA: "a"}, "cert"},
	} {
		var r component.Report
		c.files.Check(&r)
		got := ""
		for _, f := range r.Findings {
			got += f.Path
		}
		assert.Equal(t, c.want, got, "%+v", c.files)
		assert.Equal(t, c.files != Files{}, c.files.Given())
	}
	p := newPlace(t)
	_, err := Open(p.files, p.log)
	require.ErrorContains(t, err, "tls.crt: no such file")
	require.ErrorContains(t, err, "tls.key: no such file")
	require.NotContains(t, err.Error(), "\n")
}
