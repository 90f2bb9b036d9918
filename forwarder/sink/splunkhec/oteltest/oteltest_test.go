// Package oteltest has the OpenTelemetry Collector's splunkhecreceiver take what the
// daemon sends to it: a HEC server that nobody here wrote. It is a module of its own, so
// that the Collector is not among the dependencies of siemfwd.
package oteltest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/ackextension"
	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/splunkhecreceiver"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configtls"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/receiver"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/zap"

	"github.com/siemfwd/siemfwd/forwarder"
	"github.com/siemfwd/siemfwd/forwarder/control"
)

const events = 10_000

// collector is a Collector of one receiver, which keeps what it gets.
type collector struct {
	address string

	mu     sync.Mutex
	bodies map[string]int // texts of events, or their field message
	meta   map[string]int // host, source, sourcetype and index of events
	ids    map[string]int // the field event_id
	fail   int            // so many batches are refused before
}

// GetExtensions implements component.Host.
type host map[component.ID]component.Component

func (h host) GetExtensions() map[component.ID]component.Component { return h }

func telemetry() component.TelemetrySettings {
	return component.TelemetrySettings{Logger: zap.NewNop(), TracerProvider: tracenoop.NewTracerProvider(), MeterProvider: metricnoop.NewMeterProvider()}
}

// collect starts a Collector; change changes its configuration.
func collect(t *testing.T, ack bool, change func(*splunkhecreceiver.Config)) *collector {
	t.Helper()
	c := &collector{bodies: map[string]int{}, meta: map[string]int{}, ids: map[string]int{}, address: freeAddress(t)}
	f := splunkhecreceiver.NewFactory()
	cfg := f.CreateDefaultConfig().(*splunkhecreceiver.Config)
	cfg.NetAddr.Endpoint = c.address
	h := host{}
	if ack {
		id := component.MustNewID("ack")
		af := ackextension.NewFactory()
		ext, err := af.Create(t.Context(), extension.Settings{ID: id, TelemetrySettings: telemetry()}, af.CreateDefaultConfig())
		require.NoError(t, err)
		h[id] = ext
		cfg.Extension = &id
	}
	if change != nil {
		change(cfg)
	}
	next, err := consumer.NewLogs(c.consume)
	require.NoError(t, err)
	r, err := f.CreateLogs(t.Context(), receiver.Settings{ID: component.NewID(f.Type()), TelemetrySettings: telemetry()}, cfg, next)
	require.NoError(t, err)
	require.NoError(t, r.Start(context.Background(), h))
	t.Cleanup(func() { require.NoError(t, r.Shutdown(context.Background())) })
	return c
}

func freeAddress(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

func (c *collector) consume(_ context.Context, logs plog.Logs) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fail > 0 {
		c.fail--
		return fmt.Errorf("the pipeline is full")
	}
	for _, resource := range logs.ResourceLogs().All() {
		var meta []string
		for _, key := range []string{"host.name", "com.splunk.source", "com.splunk.sourcetype", "com.splunk.index"} {
			text := "-"
			if v, ok := resource.Resource().Attributes().Get(key); ok {
				text = v.AsString()
			}
			meta = append(meta, text)
		}
		for _, scope := range resource.ScopeLogs().All() {
			c.meta[strings.Join(meta, " ")] += scope.LogRecords().Len()
			for _, record := range scope.LogRecords().All() {
				text := record.Body().AsString()
				if m, ok := record.Body().AsRaw().(map[string]any); ok {
					text, _ = m["message"].(string)
				}
				c.bodies[text]++
				if id, ok := record.Attributes().Get("event_id"); ok {
					c.ids[id.AsString()]++
				}
			}
		}
	}
	return nil
}

func (c *collector) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.bodies)
}

// forward runs the daemon with a sink of these keys until it has sent all events to c,
// and returns what the sink's lane counted.
func forward(t *testing.T, c *collector, scheme, keys string, lines []string) control.Lane {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "siemfwd.yaml")
	require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, `
state: %s
http: {listen: ""}
sources: {in: {type: syslog, vendor: text, listen: ["tcp://127.0.0.1:0"]}}
sinks: {splunk: {type: splunk_hec, url: "%s://%s", token: 00000000-0000-4000-8000-000000000000, %s}}
`, filepath.Join(dir, "state"), scheme, c.address, keys), 0o600))
	cfg, problems := forwarder.Load(path, forwarder.Strict)
	require.NoError(t, problems.Err())
	f, err := forwarder.New(cfg, forwarder.Options{})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- f.Run(ctx, func() { close(ready) }) }()
	defer func() {
		stop()
		require.NoError(t, <-done)
	}()
	select {
	case <-ready:
	case err := <-done:
		require.NoError(t, err)
	}
	conn, err := net.Dial("tcp", strings.TrimPrefix(f.Status().Sources[0].Listening[0], "tcp://"))
	require.NoError(t, err)
	_, err = conn.Write([]byte(strings.Join(lines, "\n") + "\n"))
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	var lane control.Lane
	require.Eventually(t, func() bool {
		lane = f.Status().Lanes[0]
		return lane.Received == uint64(len(lines)) && lane.Waiting == 0
	}, time.Minute, 10*time.Millisecond, "%+v", &state{f})
	return lane
}

// state prints how a forwarder is doing, when it is asked.
type state struct{ *forwarder.Forwarder }

func (s *state) String() string {
	st := s.Status()
	return fmt.Sprintf("%+v %+v", st.Lanes, st.Sinks)
}

func numbered(n int) []string {
	lines := make([]string, n)
	for i := range lines {
		lines[i] = fmt.Sprintf(`event %05d with "quotes", \ and é`, i)
	}
	return lines
}

// Every event arrives once, as it was.
func TestEverythingArrivesOnce(t *testing.T) {
	const acked = "ack: true, "
	for name, keys := range map[string]string{
		"event, JSON":       "format: json, raw: false, index: main",
		"event, JSON, gzip": "format: json, raw: false, index: main, gzip: true",
		"event, text":       "format: raw, index: main, gzip: true",
		"raw":               "endpoint: raw, format: raw, index: main, sourcetype: plain",
		"raw, gzip":         "endpoint: raw, format: raw, index: main, sourcetype: plain, gzip: true",
		"event, ack":        acked + "format: json, raw: false, index: main",
		"raw, ack, gzip":    acked + "endpoint: raw, format: raw, index: main, sourcetype: plain, gzip: true",
	} {
		t.Run(name, func(t *testing.T) {
			c := collect(t, strings.HasPrefix(keys, acked), nil)
			lines := numbered(events)
			lane := forward(t, c, "http", keys, lines)
			assert.EqualValues(t, events, lane.Delivered)
			assert.Len(t, c.bodies, events)
			for _, line := range lines {
				require.Equal(t, 1, c.bodies[line], line)
			}
			raw := strings.Contains(keys, "endpoint: raw")
			sourcetype := map[bool]string{true: "plain", false: "_json"}[raw]
			if name == "event, text" {
				sourcetype = "-"
			}
			for meta, n := range c.meta {
				assert.Equal(t, events, n)
				assert.True(t, strings.HasSuffix(meta, " siemfwd:in "+sourcetype+" main"), meta)
			}
			if raw {
				assert.Empty(t, c.ids)
			} else {
				assert.Len(t, c.ids, events, "each has an event_id of its own")
			}
		})
	}
}

// A pipeline that refuses is tried again; what is refused for good stands alone.
func TestFailuresAndRefusals(t *testing.T) {
	c := collect(t, false, nil)
	c.fail = 3
	lane := forward(t, c, "http", "format: json, raw: false", numbered(1000))
	assert.EqualValues(t, 1000, lane.Delivered)
	assert.Equal(t, 1000, c.len())
	for _, n := range c.bodies {
		require.Equal(t, 1, n)
	}
}

// TLS with the receiver's own certificate, which is known by its fingerprint alone.
func TestTLS(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	now := time.Now()
	tpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tpl, tpl, key.Public(), key)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	dir := t.TempDir()
	files := map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "PRIVATE KEY", Bytes: secret}}
	for name, block := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600))
	}
	_, err = tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	require.NoError(t, err)
	c := collect(t, false, func(cfg *splunkhecreceiver.Config) {
		server := configtls.NewDefaultServerConfig()
		server.CertFile, server.KeyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
		*cfg.TLS.GetOrInsertDefault() = server
	})
	sum := sha256.Sum256(der)
	lane := forward(t, c, "https", "format: json, raw: false, tls: {fingerprints: [\""+hex.EncodeToString(sum[:])+"\"]}", numbered(1000))
	assert.EqualValues(t, 1000, lane.Delivered)
	assert.Equal(t, 1000, c.len())
}
