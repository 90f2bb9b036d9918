// Package kafka is the sink that produces events to a topic of Kafka, or of what speaks
// its protocol. It is an idempotent producer that waits for all replicas in sync.
package kafka

import (
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/siemfwd/siemfwd/forwarder/certs"
	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/sink"
)

// Config is what a kafka sink is told.
type Config struct {
	Brokers     []string       `yaml:"brokers" required:"true" doc:"HOST:PORT of some of the cluster's brokers; the rest is learnt from them"`
	Topic       string         `yaml:"topic" required:"true" doc:"topic, which must exist unless the brokers make it; {source} stands for the source's name"`
	Key         string         `yaml:"key" enum:"uid|source|none" doc:"key of records: uid lets compaction and consumers see an event that came twice; source keeps a source's events in one partition, and so in order"`
	Compression string         `yaml:"compression" enum:"none|lz4|zstd|snappy|gzip" doc:"of batches"`
	MaxRecord   component.Size `yaml:"max_record" doc:"largest batch of records, which bounds an event too; the brokers' message.max.bytes or more is refused by them"`
	Timeout     time.Duration  `yaml:"timeout" doc:"how long one attempt may take until the brokers have a batch"`
	SASL        SASL           `yaml:"sasl" doc:"login; without it there is none"`
	Encrypted   bool           `yaml:"encrypted" doc:"whether brokers are reached by TLS; anything below tls says so too"`
	TLS         certs.Client   `yaml:"tls" doc:"identities, for brokers reached by TLS"`
}

// SASL is how the sink logs in.
type SASL struct {
	Mechanism string           `yaml:"mechanism" enum:"plain|scram-sha-256|scram-sha-512" doc:"how the password is shown"`
	Username  string           `yaml:"username" doc:"user"`
	Password  component.Secret `yaml:"password" doc:"password"`
}

var defaults = Config{Key: "uid", Compression: "lz4", MaxRecord: 1_000_000, Timeout: 30 * time.Second}

// Spec is the sink's entry in the table of ways out.
func Spec() component.Spec[sink.Sink] {
	return component.Of("kafka", "records in a topic of Kafka", defaults,
		func(c *Config, env component.Env) (sink.Sink, error) { return New(c, env) })
}

// Check implements component.Checker.
func (c *Config) Check(r *component.Report) {
	if len(c.Brokers) == 0 {
		r.Error("brokers", "no broker", "[kafka1.example.net:9092]")
	}
	for i, b := range c.Brokers {
		host, port, err := net.SplitHostPort(b)
		if (err != nil || host == "" || port == "") && !strings.Contains(b, "${") {
			r.Error(fmt.Sprintf("brokers[%d]", i), fmt.Sprintf("%q is not HOST:PORT", b), "kafka1.example.net:9092")
		}
	}
	name := strings.ReplaceAll(c.Topic, "{source}", "s")
	if bad := strings.TrimLeft(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"); bad != "" && !strings.Contains(name, "${") {
		r.Error("topic", fmt.Sprintf("%q cannot be in a topic's name", bad[:1]), "letters, digits, dots, _ and -; {source} is the source's name")
	}
	if c.MaxRecord < 1<<10 || c.MaxRecord > 100<<20 {
		r.Error("max_record", fmt.Sprintf("%v is not between 1KiB and 100MiB", c.MaxRecord), "")
	}
	if c.Timeout < time.Second {
		r.Error("timeout", fmt.Sprintf("%v is too short for the brokers to answer", c.Timeout), "30s")
	}
	c.checkLogin(r)
}

func (c *Config) checkLogin(r *component.Report) {
	login := c.SASL != SASL{}
	switch {
	case login && c.SASL.Mechanism == "":
		r.Error("sasl.mechanism", "it is not said how to log in", "scram-sha-512")
	case login && (c.SASL.Username == "" || c.SASL.Password.IsZero()):
		r.Error("sasl", "username or password is missing", "")
	case login && c.SASL.Mechanism == "plain" && !c.encrypted() && !c.local():
		r.Warn("sasl.mechanism", "the password crosses the network in plain text", "encrypted: true, or scram-sha-512")
	}
	if !c.encrypted() && !c.local() {
		r.Warn("brokers", "events cross the network in plain text", "encrypted: true if the brokers can")
	}
}

func (c *Config) encrypted() bool { return c.Encrypted || c.TLS.Given() }

// local reports whether no broker is known to be on another machine.
func (c *Config) local() bool {
	for _, b := range c.Brokers {
		host, _, err := net.SplitHostPort(b)
		ip := net.ParseIP(host)
		if err == nil && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return false
		}
	}
	return true
}

func (s *SASL) mechanism() sasl.Mechanism {
	switch s.Mechanism {
	case "plain":
		return plain.Auth{User: s.Username, Pass: s.Password.Reveal()}.AsMechanism()
	case "scram-sha-256":
		return scram.Auth{User: s.Username, Pass: s.Password.Reveal()}.AsSha256Mechanism()
	}
	return scram.Auth{User: s.Username, Pass: s.Password.Reveal()}.AsSha512Mechanism()
}

func (c *Config) codec() kgo.CompressionCodec {
	switch c.Compression {
	case "lz4":
		return kgo.Lz4Compression()
	case "zstd":
		return kgo.ZstdCompression()
	case "snappy":
		return kgo.SnappyCompression()
	case "gzip":
		return kgo.GzipCompression()
	}
	return kgo.NoCompression()
}
