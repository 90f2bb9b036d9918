package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/siemfwd/siemfwd/forwarder/certs"
	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/sink"
)

// Sink is a kafka sink. Send returns when all replicas in sync have a batch. Within one
// client the brokers drop what a retry sends twice; an attempt that fails ends its client,
// and what it had sent may then come again in the next one: consumers tell by the key,
// which is the event's uid.
type Sink struct {
	cfg    Config
	env    component.Env
	topics map[string]string // by source
	tls    *certs.Outgoing   // nil: not encrypted

	life context.Context // ends with Close
	end  context.CancelFunc

	last complaint

	mu     sync.Mutex  // held by Send
	client *kgo.Client // nil: none yet, or the last one failed
	batch  []*kgo.Record
}

var (
	_ sink.Sink    = (*Sink)(nil)
	_ sink.Limiter = (*Sink)(nil)
)

// New makes a Sink of a configuration that Check found no errors in. It does not
// connect.
func New(c *Config, env component.Env) (*Sink, error) {
	var r component.Report
	c.Check(&r)
	for _, f := range r.Findings {
		if !f.Warning {
			return nil, fmt.Errorf("%s: %s", f.Path, f.Text)
		}
	}
	s := &Sink{cfg: *c, env: env, topics: map[string]string{}}
	if c.encrypted() {
		s.tls = certs.NewOutgoing(c.TLS, "", env.Log)
	}
	s.life, s.end = context.WithCancel(context.Background())
	return s, nil
}

// Limits implements sink.Limiter.
func (s *Sink) Limits() sink.Limits { return sink.Limits{Events: 1000, Bytes: 4 << 20} }

var errClosed = errors.New("closed")

// Send implements sink.Sink.
func (s *Sink) Send(ctx context.Context, items []sink.Item) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life.Err() != nil {
		return errClosed
	}
	if len(items) == 0 {
		return nil
	}
	if err := s.open(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	client := s.client
	// Records that are on their way cannot be taken back but by ending the client.
	defer context.AfterFunc(ctx, client.Close)()
	defer context.AfterFunc(s.life, client.Close)()

	s.batch = s.batch[:0]
	for i := range items {
		s.batch = append(s.batch, s.record(&items[i]))
	}
	err := s.outcome(client.ProduceSync(ctx, s.batch...))
	clear(s.batch)
	var refused *sink.Rejected
	if err != nil && !errors.As(err, &refused) {
		client.Close()
		s.client = nil
		err = s.explain(ctx, err)
	}
	return err
}

// open makes the client.
func (s *Sink) open() error {
	if s.client != nil {
		return nil
	}
	opts := []kgo.Opt{
		kgo.SeedBrokers(s.cfg.Brokers...),
		kgo.ClientID("siemfwd"),
		kgo.WithLogger(&s.last),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchCompression(s.cfg.codec()),
		kgo.ProducerBatchMaxBytes(int32(s.cfg.MaxRecord)),
		kgo.UnknownTopicRetries(2),
		kgo.ProducerLinger(0),
		kgo.MaxBufferedRecords(10_000),
		kgo.DialTimeout(min(10*time.Second, s.cfg.Timeout)),
	}
	if s.tls != nil {
		opts = append(opts, kgo.Dialer(s.dialTLS))
	}
	if s.cfg.SASL != (SASL{}) {
		opts = append(opts, kgo.SASL(s.cfg.SASL.mechanism()))
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return fmt.Errorf("kafka client: %w", err)
	}
	s.client = client
	return nil
}

func (s *Sink) record(i *sink.Item) *kgo.Record {
	topic, ok := s.topics[i.Source]
	if !ok {
		topic = strings.ReplaceAll(s.cfg.Topic, "{source}", i.Source)
		s.topics[i.Source] = topic
	}
	r := &kgo.Record{Topic: topic, Value: i.Payload, Timestamp: i.Time} // no RecordDeliveryTimeout: it counts from there
	switch s.cfg.Key {
	case "uid":
		r.Key = i.Key
	case "source":
		r.Key = []byte(i.Source)
	}
	return r
}

// outcome turns what became of each record into what a lane understands.
func (s *Sink) outcome(results kgo.ProduceResults) error {
	byRecord := make(map[*kgo.Record]error, len(results))
	for _, r := range results {
		byRecord[r.Record] = r.Err
	}
	var refused sink.Rejected
	for i, r := range s.batch {
		switch err := byRecord[r]; {
		case err == nil:
		case never(err):
			refused.Index, refused.Reason = append(refused.Index, i), err
			if errors.Is(err, kerr.MessageTooLarge) {
				refused.Reason = fmt.Errorf("larger than max_record (%v) or than the topic's max.message.bytes: %w", s.cfg.MaxRecord, err)
			}
		case i == 0:
			return err
		default:
			p := &sink.Partial{Done: i, Err: err}
			if refused.Index != nil {
				p.Rejected = &refused
			}
			return p
		}
	}
	if refused.Index == nil {
		return nil
	}
	return &refused
}

// never reports whether a record will never be taken. Brokers say the same of a topic or
// a user that is not there or not allowed yet, and that is no fault of the event.
func never(err error) bool {
	return errors.Is(err, kerr.MessageTooLarge) || errors.Is(err, kerr.RecordListTooLarge) || errors.Is(err, kerr.InvalidRecord)
}

// explain says where and why a Send failed, and what to do about it.
func (s *Sink) explain(ctx context.Context, err error) error {
	var partial *sink.Partial
	if errors.As(err, &partial) {
		partial.Err = s.explain(ctx, partial.Err)
		return partial
	}
	hint := ""
	switch {
	case s.life.Err() != nil:
		return errClosed
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	case ctx.Err() != nil:
		text := fmt.Sprintf("kafka at %s: not taken within %v", strings.Join(s.cfg.Brokers, ", "), s.cfg.Timeout)
		if why := s.last.take(s.cfg.SASL.Password.Reveal()); why != "" {
			text += ": " + why
		}
		return errors.New(text)
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		hint = ": make the topic"
	case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.ClusterAuthorizationFailed):
		hint = ": the user needs WRITE and DESCRIBE on the topic"
	case errors.Is(err, kerr.SaslAuthenticationFailed):
		hint = ": mechanism, username or password below sasl is not what the brokers know"
	}
	return fmt.Errorf("kafka at %s: %w%s", strings.Join(s.cfg.Brokers, ", "), err, hint)
}

// dialTLS connects to one broker. The files are read again when they have changed.
func (s *Sink) dialTLS(ctx context.Context, network, addr string) (net.Conn, error) {
	conf, _, err := s.tls.Config()
	if err != nil {
		return nil, err
	}
	if conf.ServerName == "" {
		conf = conf.Clone()
		if conf.ServerName, _, err = net.SplitHostPort(addr); err != nil {
			return nil, err
		}
	}
	d := tls.Dialer{NetDialer: &net.Dialer{Timeout: min(10*time.Second, s.cfg.Timeout)}, Config: conf}
	return d.DialContext(ctx, network, addr)
}

// Close implements sink.Sink.
func (s *Sink) Close() error {
	s.end()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client != nil {
		s.client.Close()
		s.client = nil
	}
	return nil
}
