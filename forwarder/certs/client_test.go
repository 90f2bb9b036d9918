package certs

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/component"
)

func TestClientCheck(t *testing.T) {
	good := strings.Repeat("aB:", 31) + "cd"
	for want, c := range map[string]Client{
		"":                      {Cert: "a", Key: "b", CA: "c", ServerName: "d"},
		"error ":                {Cert: "a"},
		"error fingerprints[1]": {Fingerprints: []string{"SHA256:" + good, "ab:cd"}},
		"warning fingerprints":  {Fingerprints: []string{good, "${env:PIN}"}, CA: "x"},
	} {
		var r component.Report
		c.Check(&r)
		got := ""
		for _, f := range r.Findings {
			if got = "error " + f.Path; f.Warning {
				got = "warning " + f.Path
			}
		}
		assert.Equal(t, want, got)
		assert.True(t, c.Given())
	}
	assert.False(t, new(Client).Given())
}

func TestFingerprintsReplaceTheChain(t *testing.T) {
	text, _ := issue(t, "any name", time.Now().Add(-time.Hour)) // even one that has ended
	block, _ := pem.Decode(text)
	sum := sha256.Sum256(block.Bytes)
	c := Client{Fingerprints: []string{strings.Repeat("0", 64), "sha-256:" + hex.EncodeToString(sum[:])}}
	conf, err := c.Config("host")
	require.NoError(t, err)
	cert := parse(t, text)
	require.NoError(t, conf.VerifyConnection(tls.ConnectionState{PeerCertificates: cert}))
	c.Fingerprints = c.Fingerprints[:1]
	conf, err = c.Config("host")
	require.NoError(t, err)
	err = conf.VerifyConnection(tls.ConnectionState{PeerCertificates: cert})
	var pin *PinError
	require.ErrorAs(t, err, &pin)
	assert.Equal(t, sum, pin.Shown)
	assert.Contains(t, err.Error(), hex.EncodeToString(sum[:]))
}

func TestOutgoingReadsFilesAgain(t *testing.T) {
	p := newPlace(t)
	ca := filepath.Join(filepath.Dir(p.files.Cert), "ca.crt")
	o := NewOutgoing(Client{CA: ca, Cert: p.files.Cert, Key: p.files.Key, ServerName: "other"}, "host", p.log)
	clock := time.Now()
	o.now = func() time.Time { return clock }
	_, _, err := o.Config()
	require.ErrorContains(t, err, "tls.ca: open "+ca)

	p.issue("first")
	text, err := os.ReadFile(p.files.Cert)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(ca, text, 0o600))
	conf, gen, err := o.Config()
	require.NoError(t, err, "files that are there at last are read at once")
	assert.Equal(t, "other", conf.ServerName)
	assert.Len(t, conf.Certificates, 1)

	same, again, err := o.Config()
	require.NoError(t, err)
	assert.True(t, same == conf && again == gen)

	p.issue("second, of another length")
	clock = clock.Add(3 * time.Second)
	conf, again, err = o.Config()
	require.NoError(t, err)
	assert.NotEqual(t, gen, again)
	assert.Equal(t, 1, p.lines.count("in force for new connections"))

	require.NoError(t, os.WriteFile(ca, []byte("no certificate"), 0o600))
	for range 3 {
		clock = clock.Add(3 * time.Second)
		kept, n, err := o.Config()
		require.NoError(t, err)
		assert.True(t, kept == conf && n == again)
	}
	assert.Equal(t, 1, p.lines.count("cannot be used"), p.lines.buf.String())
	require.NoError(t, os.WriteFile(ca, text, 0o600))
	clock = clock.Add(3 * time.Second)
	_, n, err := o.Config()
	require.NoError(t, err)
	assert.NotEqual(t, again, n)
}

func parse(t testing.TB, text []byte) []*x509.Certificate {
	block, _ := pem.Decode(text)
	c, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	return []*x509.Certificate{c}
}
