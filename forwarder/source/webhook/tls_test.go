package webhook

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/siemfwd/siemfwd/forwarder/certs"
	"github.com/siemfwd/siemfwd/forwarder/component"
)

// authority makes certificates.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
	file string
	last atomic.Int64 // serial number
}

func newAuthority(t testing.TB) *authority {
	a := &authority{t: t, pool: x509.NewCertPool(), file: filepath.Join(t.TempDir(), "ca.crt")}
	var err error
	a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	tpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(100 * 24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tpl, tpl, a.key.Public(), a.key)
	require.NoError(t, err)
	a.cert, err = x509.ParseCertificate(der)
	require.NoError(t, err)
	a.pool.AddCert(a.cert)
	require.NoError(t, os.WriteFile(a.file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	return a
}

// issue writes a certificate for 127.0.0.1 with its key, and returns its number.
func (a *authority) issue(files certs.Files, end time.Duration) int64 {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.t, err)
	serial := a.last.Add(1) + 1
	tpl := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "x"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(end), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, tpl, a.cert, k.Public(), a.key)
	require.NoError(a.t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(k)
	require.NoError(a.t, err)
	require.NoError(a.t, os.WriteFile(files.Cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(a.t, os.WriteFile(files.Key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	return serial
}

func filesIn(dir string) certs.Files {
	return certs.Files{Cert: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key")}
}

const season = 90 * 24 * time.Hour

func TestTLS(t *testing.T) {
	ca, files := newAuthority(t), filesIn(t.TempDir())
	ca.issue(files, season)
	h, addr := NewHub(), free(t)
	// The one without tls starts first: the listener is the same whoever comes first.
	plain := func(c *Config) { c.Listen, c.Path = addr, "/b" }
	withTLS := func(c *Config) { clientAuth(c); c.Listen, c.Path, c.TLS = addr, "/a", files }
	cfg := Config{}
	withTLS(&cfg)
	_, err := h.New(&cfg, nil, component.Env{Name: "first"})
	require.NoError(t, err)
	b := start(t, h, nil, plain)
	a := start(t, h, nil, withTLS)
	assert.Equal(t, []string{"https://" + addr}, a.source.Addrs())
	assert.Equal(t, a.source.Addrs(), b.source.Addrs())
	a.tls.RootCAs, b.tls.RootCAs = ca.pool, ca.pool
	assert.Equal(t, 200, b.post("x").status)
	conf := clientcredentials.Config{ClientID: "epm:1", ClientSecret: "s3 cr/et%", TokenURL: a.tokenURL()}
	assert.Equal(t, 200, a.send(conf.Client(a.with()), "y"))
	for _, r := range []*running{a, b} {
		assert.InDelta(t, float64(time.Now().Add(season).Unix()), r.meter.gauge("tls_not_after_seconds"), 120)
	}

	// A sender without TLS is told, in the words of HTTP.
	res, err := http.Post("http://"+addr+"/b", "", strings.NewReader("x"))
	require.NoError(t, err)
	_ = res.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	assert.Equal(t, 400, res.StatusCode)
	// One that does not trust the certificate shows up in the log; a port scan does not.
	_ = dial(t, addr).Close()
	_, err = tls.Dial("tcp", addr, &tls.Config{RootCAs: x509.NewCertPool()})
	require.Error(t, err)
	assert.Eventually(t, func() bool { return a.log.with("no TLS handshake")+b.log.with("no TLS handshake") >= 1 }, 10*time.Second, time.Millisecond)
	assert.Zero(t, a.log.with("EOF")+b.log.with("EOF"))

	other := start1(t, h, func(c *Config) { plain(c); c.Path, c.TLS = "/c", filesIn(t.TempDir()) })
	require.ErrorIs(t, other.Run(t.Context(), newMemory()), errTLS)
	missing := start1(t, NewHub(), func(c *Config) { c.TLS = filesIn(t.TempDir()) })
	require.ErrorContains(t, missing.Run(t.Context(), newMemory()), "tls.crt: no such file")
}

// start1 makes a source that the test runs.
func start1(t testing.TB, h *Hub, change func(*Config)) *Source {
	cfg := Config{Listen: "127.0.0.1:0", Path: "/hook", Auth: Auth{Type: "none"}}
	change(&cfg)
	s, err := h.New(&cfg, nil, component.Env{Name: "x"})
	require.NoError(t, err)
	return s.(*Source)
}

func TestClientCertificates(t *testing.T) {
	ca, files := newAuthority(t), filesIn(t.TempDir())
	ca.issue(files, season)
	files.ClientCA = ca.file
	r := start(t, NewHub(), nil, func(c *Config) { c.TLS, c.Auth = files, Auth{Type: "none"} })
	r.tls.RootCAs = ca.pool
	res, err := r.client.Post(r.url, "", strings.NewReader("x"))
	if err == nil {
		_ = res.Body.Close()
	}
	require.Error(t, err, "no certificate")
	stranger, mine := newAuthority(t), filesIn(t.TempDir())
	for _, c := range []struct {
		by   *authority
		good bool
	}{{stranger, false}, {ca, true}} {
		c.by.issue(mine, time.Hour)
		pair, err := tls.LoadX509KeyPair(mine.Cert, mine.Key)
		require.NoError(t, err)
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.pool, Certificates: []tls.Certificate{pair}}}}
		res, err := client.Post(r.url, "", strings.NewReader("x"))
		assert.Equal(t, c.good, err == nil)
		if err == nil {
			assert.Equal(t, 200, res.StatusCode)
			_ = res.Body.Close()
		}
		client.CloseIdleConnections()
	}
	assert.Equal(t, []string{"x"}, r.texts())
	assert.Eventually(t, func() bool { return r.log.with("no TLS handshake") >= 1 }, 10*time.Second, time.Millisecond)
}

// The certificate is changed again and again under load, once by one that cannot be
// used: nobody is refused, and kept connections move to the new one.
func TestRotationUnderLoad(t *testing.T) {
	const senders, rotations = 16, 40
	ca, files := newAuthority(t), filesIn(t.TempDir())
	ca.issue(files, season)
	r := start(t, NewHub(), nil, func(c *Config) { c.TLS = files })
	r.tls.RootCAs = ca.pool
	var serials sync.Map
	var posted, failed atomic.Int64
	quit := make(chan struct{})
	var all sync.WaitGroup
	for range senders {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.pool}}
		client := &http.Client{Transport: transport, Timeout: 20 * time.Second}
		all.Go(func() {
			defer transport.CloseIdleConnections()
			for {
				select {
				case <-quit:
					return
				default:
				}
				req, _ := http.NewRequest(http.MethodPost, r.url, strings.NewReader("x"))
				req.Header.Set("Authorization", "Bearer t0ken")
				res, err := client.Do(req)
				if err != nil || res.StatusCode != 200 {
					failed.Add(1)
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
				serials.Store(res.TLS.PeerCertificates[0].SerialNumber.Int64(), true)
				posted.Add(1)
			}
		})
	}
	seen := func(serial int64) func() bool {
		return func() bool { _, ok := serials.Load(serial); return ok }
	}
	used := 0
	for i := range rotations {
		if i == rotations/2 {
			require.NoError(t, os.WriteFile(files.Cert, []byte("half"), 0o600))
			assert.Eventually(t, func() bool { return r.log.with("cannot be used") == 1 }, 20*time.Second, 5*time.Millisecond)
		}
		serial := ca.issue(files, season+time.Duration(i)*time.Hour)
		if i%8 == 7 || i == rotations-1 { // the others change before anyone looks
			assert.Eventually(t, seen(serial), 20*time.Second, time.Millisecond, "rotation %d", i)
			used++
		}
	}
	close(quit)
	all.Wait()
	assert.Zero(t, failed.Load())
	assert.EqualValues(t, posted.Load(), len(r.texts()))
	assert.InDelta(t, float64(time.Now().Add(season+(rotations-1)*time.Hour).Unix()), r.meter.gauge("tls_not_after_seconds"), 600)
	t.Logf("%d rotations, %d of them waited for, under %d senders: %d requests, %d failed", rotations, used, senders, posted.Load(), failed.Load())
}
