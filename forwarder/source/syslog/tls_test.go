package syslog

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// authority makes certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
	file string
}

func newAuthority(t *testing.T, dir string) *authority {
	a := &authority{pool: x509.NewCertPool(), file: filepath.Join(dir, "ca.crt")}
	var err error
	a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	tpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(100 * 24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, tpl, tpl, a.key.Public(), a.key)
	require.NoError(t, err)
	a.cert, err = x509.ParseCertificate(der)
	require.NoError(t, err)
	a.pool.AddCert(a.cert)
	writePEM(t, a.file, "CERTIFICATE", der)
	return a
}

// issue writes a certificate for 127.0.0.1 and its key.
func (a *authority) issue(t *testing.T, cert, key, name string) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	tpl := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(100 * 24 * time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, tpl, a.cert, k.Public(), a.key)
	require.NoError(t, err)
	writePEM(t, cert, "CERTIFICATE", der)
	der, err = x509.MarshalPKCS8PrivateKey(k)
	require.NoError(t, err)
	writePEM(t, key, "PRIVATE KEY", der)
}

func writePEM(t *testing.T, path, kind string, der []byte) {
	require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t, dir)
	c := config("tls://127.0.0.1:0")
	c.TLS = TLS{Cert: filepath.Join(dir, "a.crt"), Key: filepath.Join(dir, "a.key")}
	ca.issue(t, c.TLS.Cert, c.TLS.Key, "first")
	r := start(t, c, newSpool())
	at := strings.TrimPrefix(r.Addrs()[0], "tls://")

	// A client that never shakes hands holds nobody up.
	silent, err := net.Dial("tcp", at)
	require.NoError(t, err)
	defer silent.Close()
	// One that speaks plain text gets told.
	plain, err := net.Dial("tcp", at)
	require.NoError(t, err)
	r.send(t, plain, "<14>this is no TLS\n")
	closed(t, drained(t, plain))
	assert.Equal(t, 1, r.lines.count("connection closed: no TLS handshake"), r.lines.String())

	conn, err := tls.Dial("tcp", at, &tls.Config{RootCAs: ca.pool})
	require.NoError(t, err)
	defer conn.Close()
	r.send(t, conn, "3 a\nb5 hello")
	r.send(t, conn, strings.Repeat("x", 100_000)+"\n")
	events := r.spool.wait(t, 3)
	assert.Equal(t, []string{"a\nb", "hello"}, texts(events[:2]))
	assert.Equal(t, conn.LocalAddr().String(), events[0].Peer.String())
	assert.Equal(t, 100_000, events[2].Size)
	require.NoError(t, conn.Close())
	require.NoError(t, r.stop())
}

// drained reads an alert of a TLS server, if there is one.
func drained(t *testing.T, c net.Conn) net.Conn {
	require.NoError(t, c.SetReadDeadline(time.Now().Add(patience)))
	buf := make([]byte, 64)
	for {
		if _, err := c.Read(buf); err != nil {
			return c
		}
	}
}

func TestTLSClientCertificates(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t, dir)
	c := config("tls://127.0.0.1:0")
	c.TLS = TLS{Cert: filepath.Join(dir, "a.crt"), Key: filepath.Join(dir, "a.key"), ClientCA: ca.file}
	ca.issue(t, c.TLS.Cert, c.TLS.Key, "server")
	r := start(t, c, newSpool())
	at := strings.TrimPrefix(r.Addrs()[0], "tls://")

	without, err := tls.Dial("tcp", at, &tls.Config{RootCAs: ca.pool})
	require.NoError(t, err) // TLS 1.3 tells the client later
	closed(t, without)
	eventually(t, "a line about it", func() bool { return r.lines.count("connection closed: no TLS handshake") == 1 })

	cert, key := filepath.Join(dir, "c.crt"), filepath.Join(dir, "c.key")
	ca.issue(t, cert, key, "client")
	pair, err := tls.LoadX509KeyPair(cert, key)
	require.NoError(t, err)
	with, err := tls.Dial("tcp", at, &tls.Config{RootCAs: ca.pool, Certificates: []tls.Certificate{pair}})
	require.NoError(t, err)
	defer with.Close()
	r.send(t, with, "1 a")
	r.spool.wait(t, 1)
	require.NoError(t, with.Close())
}

// Changed files are in force soon, without anybody connecting, and say when they end.
func TestTLSReloads(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t, dir)
	c := config("tls://127.0.0.1:0", "relp+tls://127.0.0.1:0")
	c.TLS = TLS{Cert: filepath.Join(dir, "a.crt"), Key: filepath.Join(dir, "a.key")}
	ca.issue(t, c.TLS.Cert, c.TLS.Key, "first")
	r := start(t, c, newSpool())
	shown := func(want string) {
		t.Helper()
		for _, at := range r.Addrs() {
			_, at, _ = strings.Cut(at, "://")
			eventually(t, want+" at "+at, func() bool {
				conn, err := tls.Dial("tcp", at, &tls.Config{RootCAs: ca.pool})
				if err != nil {
					return false
				}
				defer conn.Close()
				return conn.ConnectionState().PeerCertificates[0].Subject.CommonName == want
			})
		}
	}
	shown("first")
	eventually(t, "the metric", func() bool { return r.meter.gauge("tls_not_after_seconds") > float64(time.Now().Unix()) })
	ca.issue(t, c.TLS.Cert, c.TLS.Key, "second, with another length of its name")
	shown("second, with another length of its name")
	require.NoError(t, os.WriteFile(c.TLS.Cert, []byte("half a fi"), 0o600))
	eventually(t, "a line about it", func() bool { return r.lines.count("changed certificate files cannot be used") > 0 })
	shown("second, with another length of its name")
	ca.issue(t, c.TLS.Cert, c.TLS.Key, "third")
	shown("third")
	require.NoError(t, r.stop())

	for want, files := range map[string]TLS{
		"/no/such/file: no such file or directory": {Cert: c.TLS.Cert, Key: "/no/such/file"},
		"no certificate in it":                     {Cert: c.TLS.Cert, Key: c.TLS.Key, ClientCA: c.TLS.Key},
	} {
		c.TLS = files
		s, _, _ := build(t, c)
		require.ErrorContains(t, s.Run(t.Context(), newSpool()), want)
	}
}
