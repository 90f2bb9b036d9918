package kafka

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/sink"
	"github.com/siemfwd/siemfwd/forwarder/sink/sinktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const canary = "c4n4ry"

// cluster starts a broker that is kfake: it speaks the protocol and keeps everything in
// memory, so it tells nothing of what a real broker does with disks and replicas.
func cluster(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(1, "events")}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func open(t *testing.T, brokers []string, change ...func(*Config)) *Sink {
	t.Helper()
	c := defaults
	c.Brokers, c.Topic, c.Timeout = brokers, "events", 10*time.Second
	for _, f := range change {
		f(&c)
	}
	s, err := New(&c, component.Env{Name: "k", Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	return s
}

// consume returns what is in a topic.
func consume(t *testing.T, brokers []string, topic string, n int, opts ...kgo.Opt) (all []*kgo.Record) {
	t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())}, opts...)...)
	require.NoError(t, err)
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for len(all) < n && ctx.Err() == nil {
		c.PollFetches(ctx).EachRecord(func(r *kgo.Record) { all = append(all, r) })
	}
	return all
}

func TestSuite(t *testing.T) {
	sinktest.Run(t, sinktest.Sink{
		New: func(t *testing.T) (sink.Sink, func() [][]byte) {
			c := cluster(t)
			n := 0
			return open(t, c.ListenAddrs()), func() [][]byte {
				var all [][]byte
				for _, r := range consume(t, c.ListenAddrs(), "events", max(1, n)) {
					all = append(all, r.Value)
				}
				n = len(all)
				return all
			}
		},
		Stuck: func(t *testing.T) sink.Sink {
			c := cluster(t)
			c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
				c.KeepControl()
				<-t.Context().Done()
				return nil, errors.New("stuck"), true
			})
			return open(t, c.ListenAddrs(), func(c *Config) { c.Timeout = time.Minute })
		},
		Down: func(t *testing.T) sink.Sink {
			return open(t, []string{"127.0.0.1:1"}, func(c *Config) {
				c.Timeout = time.Second
				c.SASL = SASL{"plain", "user", component.NewSecret(canary)}
			})
		},
		Secrets: []string{canary},
	})
}

func TestKeysTopicsAndCompression(t *testing.T) {
	for _, compression := range []string{"none", "lz4", "zstd", "snappy", "gzip"} {
		c := cluster(t, kfake.SeedTopics(3, "from-sinktest"))
		s := open(t, c.ListenAddrs(), func(c *Config) {
			c.Topic, c.Compression = "from-{source}", compression
			c.Key = map[string]string{"none": "uid", "lz4": "source"}[compression]
			if c.Key == "" {
				c.Key = "none"
			}
		})
		items := sinktest.Items(20)
		require.NoError(t, s.Send(t.Context(), items))
		require.NoError(t, s.Close())
		all := consume(t, c.ListenAddrs(), "from-sinktest", 20)
		require.Len(t, all, 20)
		keys, values, partitions := map[string]bool{}, map[string]bool{}, map[int32]bool{}
		for _, r := range all {
			keys[string(r.Key)], values[string(r.Value)], partitions[r.Partition] = true, true, true
			assert.Equal(t, items[0].Time.UnixMilli(), r.Timestamp.UnixMilli())
		}
		assert.Len(t, values, 20)
		switch compression {
		case "none":
			assert.Len(t, keys, 20)
			assert.True(t, keys[string(items[7].Key)])
		case "lz4":
			assert.Equal(t, map[string]bool{"sinktest": true}, keys)
			assert.Len(t, partitions, 1, "one source stays in one partition")
		default:
			assert.Equal(t, map[string]bool{"": true}, keys)
		}
	}
}

func TestAnEventThatIsTooLargeIsRefusedAlone(t *testing.T) {
	c := cluster(t)
	s := open(t, c.ListenAddrs(), func(c *Config) { c.MaxRecord, c.Compression = 2048, "none" })
	defer s.Close()
	items := sinktest.Items(5)
	items[3].Payload = []byte(strings.Repeat("x", 4000))
	err := s.Send(t.Context(), items)
	var refused *sink.Rejected
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, []int{3}, refused.Index)
	assert.ErrorContains(t, refused.Reason, "larger than max_record (2KiB)")
	assert.Len(t, consume(t, c.ListenAddrs(), "events", 4), 4)
}

// What brokers say, and what a lane then does: it tries again, or never.
func TestBrokersErrors(t *testing.T) {
	for _, tt := range []struct {
		err     *kerr.Error
		refused bool
		words   string
	}{
		{kerr.MessageTooLarge, true, "max.message.bytes"},
		{kerr.InvalidRecord, true, ""},
		{kerr.TopicAuthorizationFailed, false, "needs WRITE"},
		{kerr.PolicyViolation, false, ""},
		{kerr.KafkaStorageError, false, "not taken within 1s"},
	} {
		t.Run(tt.err.Message, func(t *testing.T) {
			c := cluster(t)
			c.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
				c.KeepControl()
				in := req.(*kmsg.ProduceRequest)
				out := in.ResponseKind().(*kmsg.ProduceResponse)
				for _, topic := range in.Topics {
					rt := kmsg.NewProduceResponseTopic()
					rt.Topic, rt.TopicID = topic.Topic, topic.TopicID
					for _, p := range topic.Partitions {
						rp := kmsg.NewProduceResponseTopicPartition()
						rp.Partition, rp.ErrorCode = p.Partition, tt.err.Code
						rt.Partitions = append(rt.Partitions, rp)
					}
					out.Topics = append(out.Topics, rt)
				}
				return out, nil, true
			})
			s := open(t, c.ListenAddrs(), func(c *Config) { c.Timeout = time.Second })
			defer s.Close()
			err := s.Send(t.Context(), sinktest.Items(1))
			var refused *sink.Rejected
			require.Error(t, err)
			assert.Equal(t, tt.refused, errors.As(err, &refused), "%v", err)
			assert.ErrorContains(t, err, tt.words)
		})
	}
}

func TestLoginAndTLS(t *testing.T) {
	web := httptest.NewTLSServer(nil) // for its certificate, which is of example.com
	web.Close()
	pair := web.TLS.Certificates[0]
	ca := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw}), 0o600))
	for _, mechanism := range []string{"plain", "scram-sha-256", "scram-sha-512"} {
		c := cluster(t, kfake.TLS(&tls.Config{Certificates: []tls.Certificate{pair}}), kfake.EnableSASL(),
			kfake.Superuser(strings.ToUpper(mechanism), "siem", canary))
		secure := func(password, name string) func(*Config) {
			return func(c *Config) {
				c.TLS.CA, c.TLS.ServerName, c.Timeout = ca, name, 5*time.Second
				c.SASL = SASL{mechanism, "siem", component.NewSecret(password)}
			}
		}
		s := open(t, c.ListenAddrs(), secure(canary, "example.com"))
		require.NoError(t, s.Send(t.Context(), sinktest.Items(3)))
		require.NoError(t, s.Close())
		if mechanism != "plain" {
			continue
		}

		s = open(t, c.ListenAddrs(), secure("wrong-"+canary, "example.com"))
		err := s.Send(t.Context(), sinktest.Items(3))
		require.ErrorContains(t, err, "not taken within 5s: ") // kfake hangs up where brokers say why
		t.Log(err)
		assert.NotContains(t, err.Error(), canary)
		require.NoError(t, s.Close())

		s = open(t, c.ListenAddrs(), secure(canary, "other.test"))
		err = s.Send(t.Context(), sinktest.Items(3))
		assert.ErrorContains(t, err, "certificate")
		t.Log(err)
		require.NoError(t, s.Close())
	}
}

// A connection that ends with the answer lost: the idempotent producer sends again, and
// the brokers keep one.
func TestALostAnswerIsNoDuplicate(t *testing.T) {
	c := cluster(t)
	lost := 0
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		if lost++; lost == 1 {
			c.KeepControl()
			return nil, errors.New("the connection ends before anything was taken"), true
		}
		return nil, nil, false
	})
	s := open(t, c.ListenAddrs())
	defer s.Close()
	require.NoError(t, s.Send(t.Context(), sinktest.Items(50)))
	assert.Len(t, consume(t, c.ListenAddrs(), "events", 50), 50)
}

func TestCheck(t *testing.T) {
	for i, tt := range []struct {
		change func(*Config)
		path   string
	}{
		{func(c *Config) { c.Brokers = []string{"nothing"} }, "brokers[0]"},
		{func(c *Config) { c.Topic = "a b" }, "topic"},
		{func(c *Config) { c.MaxRecord = 1 }, "max_record"},
		{func(c *Config) { c.Timeout = 1 }, "timeout"},
		{func(c *Config) { c.SASL.Username = "u" }, "sasl.mechanism"},
		{func(c *Config) { c.SASL.Mechanism = "plain" }, "sasl"},
		{func(c *Config) { c.Brokers = []string{"kafka.example.net:9092"} }, "brokers"},
	} {
		c := defaults
		c.Brokers, c.Topic = []string{"127.0.0.1:9092"}, "t-{source}"
		tt.change(&c)
		var r component.Report
		c.Check(&r)
		require.Len(t, r.Findings, 1, fmt.Sprint(i))
		assert.Equal(t, tt.path, r.Findings[0].Path)
	}
}
