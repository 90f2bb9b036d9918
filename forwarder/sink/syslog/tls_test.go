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

	"github.com/siemfwd/siemfwd/forwarder/framing"
)

// issue writes a certificate for 127.0.0.1 that is its own authority, and its key.
func issue(t *testing.T, dir, name string) (pair tls.Certificate, cert, key string) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	tpl := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, tpl, tpl, k.Public(), k)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(k)
	require.NoError(t, err)
	cert, key = filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
	require.NoError(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	pair, err = tls.LoadX509KeyPair(cert, key)
	require.NoError(t, err)
	return pair, cert, key
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	server, ca, _ := issue(t, dir, "server")
	_, cert, key := issue(t, dir, "client")
	clients := x509.NewCertPool()
	text, err := os.ReadFile(cert)
	require.NoError(t, err)
	require.True(t, clients.AppendCertsFromPEM(text))
	conf := &tls.Config{Certificates: []tls.Certificate{server}, ClientCAs: clients, ClientAuth: tls.RequireAndVerifyClientCert}
	at := ""
	open := func() *receiver {
		l, err := tls.Listen("tcp", at, conf)
		require.NoError(t, err)
		return receive(t, l, framing.OctetCounting)
	}
	at = "127.0.0.1:0"
	r := open()
	at = r.Addr().String()

	c := config("tls://" + at)
	c.TLS = TLS{CA: ca, Cert: cert, Key: key}
	s, _ := build(t, c)
	send(t, s, "a", "b\nc")
	require.Equal(t, []string{"a", "b\nc"}, r.wait(t, 2))

	for range 5 { // and when the receiver is restarted
		r.stop()
		require.Eventually(t, func() bool { return s.link.gone() != nil }, patience, time.Millisecond)
		r = open()
		send(t, s, "d", "e")
		require.Equal(t, []string{"d", "e"}, r.wait(t, 2))
	}
	require.NoError(t, s.Close())
}

func TestTLSErrors(t *testing.T) {
	dir := t.TempDir()
	server, ca, key := issue(t, dir, "server")
	_, other, _ := issue(t, dir, "other")
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{server}})
	require.NoError(t, err)
	r := receive(t, l, framing.OctetCounting)
	at := r.Addr().String()
	for want, conf := range map[string]TLS{
		"certificate signed by unknown authority":                       {CA: other},
		"not valid for any names, but wanted to match siem.example.net": {CA: ca, ServerName: "siem.example.net"},
		"tls.ca: open /no/such/file: no such file":                      {CA: "/no/such/file"},
		"tls.ca: no certificate in":                                     {CA: key},
		"tls.key /no/such/key: open /no/such/key: no":                   {CA: ca, Cert: ca, Key: "/no/such/key"},
	} {
		c := config("tls://" + at)
		c.TLS = conf
		s, _ := build(t, c)
		err := s.Send(t.Context(), items("a"))
		require.ErrorContains(t, err, "connect to tls://"+at+": ")
		assert.ErrorContains(t, err, want)
	}

	// A receiver that shakes hands and never reads.
	hole, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{server}})
	require.NoError(t, err)
	defer hole.Close()
	held := make(chan net.Conn, 1)
	go func() {
		c, err := hole.Accept()
		if err == nil {
			_ = c.(*tls.Conn).HandshakeContext(t.Context())
			held <- c
		}
		close(held)
	}()
	c := config("tls://" + hole.Addr().String())
	c.TLS.CA, c.WriteTimeout = ca, 50*time.Millisecond
	s, _ := build(t, c)
	require.ErrorContains(t, s.Send(t.Context(), items(strings.Repeat("x", 64<<20))), "the receiver took less than 131072 bytes in 50ms")
	if c, ok := <-held; ok {
		require.NoError(t, c.(*tls.Conn).NetConn().Close())
	}

	// A receiver that accepts and never shakes hands.
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()
	c = config("tls://" + silent.Addr().String())
	c.ConnectTimeout = 50 * time.Millisecond
	s, _ = build(t, c)
	require.EqualError(t, s.Send(t.Context(), items("a")), "connect to "+c.Address+": no answer within 50ms")
}
