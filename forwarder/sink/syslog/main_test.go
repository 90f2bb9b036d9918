package syslog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/framing"
	"github.com/siemfwd/siemfwd/forwarder/sink"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// meter counts in memory.
type meter struct {
	mu     sync.Mutex
	counts map[string]uint64
}

func (m *meter) Add(name string, n uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counts[name] += n
}

func (m *meter) Set(string, float64) {}

func build(t testing.TB, c Config) (*Sink, *meter) {
	t.Helper()
	m := &meter{counts: map[string]uint64{}}
	s, err := Spec().Build(&c, component.Env{Name: "out", Log: slog.New(slog.DiscardHandler), Meter: m})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	if stream, ok := s.(*Stream); ok {
		return stream.Sink, m
	}
	return s.(*Sink), m
}

// config is a configuration with the defaults and this address.
func config(address string) Config {
	c := *Spec().Config().(*Config)
	c.Address = address
	return c
}

func items(payloads ...string) []sink.Item {
	out := make([]sink.Item, len(payloads))
	for i, p := range payloads {
		out[i].Payload = []byte(p)
	}
	return out
}

// batch makes n numbered events, the first of them number from.
func batch(from, n int) (texts []string) {
	for i := range n {
		texts = append(texts, fmt.Sprintf("<14>1 - host siemfwd - - - event %d", from+i))
	}
	return texts
}

// receiver takes messages over TCP.
type receiver struct {
	net.Listener
	mode framing.Mode

	mu       sync.Mutex
	changed  *sync.Cond
	messages []string
	conns    map[net.Conn]bool
	accepted int
	serving  sync.WaitGroup
}

// listen starts a receiver; an empty address is a free port.
func listen(t testing.TB, address string, mode framing.Mode) *receiver {
	t.Helper()
	if address == "" {
		address = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", address)
	require.NoError(t, err)
	return receive(t, l, mode)
}

func receive(t testing.TB, l net.Listener, mode framing.Mode) *receiver {
	r := &receiver{Listener: l, mode: mode, conns: map[net.Conn]bool{}}
	r.changed = sync.NewCond(&r.mu)
	r.serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r.mu.Lock()
			r.conns[c] = true
			r.accepted++
			r.mu.Unlock()
			r.serving.Go(func() { r.read(c) })
		}
	})
	t.Cleanup(r.stop)
	return r
}

func (r *receiver) read(c net.Conn) {
	defer func() {
		r.mu.Lock()
		delete(r.conns, c)
		r.mu.Unlock()
		c.Close()
	}()
	fr := framing.Reader{Mode: r.mode, Max: 8 << 20}
	var buf []byte
	chunk := make([]byte, 64<<10)
	for {
		n, err := c.Read(chunk)
		buf = append(buf, chunk[:n]...)
		for {
			f, used, ferr := fr.Next(buf)
			if ferr != nil {
				return
			}
			if f.Data != nil {
				r.add(string(f.Data))
			}
			buf = buf[used:]
			if f.Data == nil {
				break
			}
		}
		if err != nil {
			if f, ferr := fr.End(buf); ferr == nil && f.Data != nil && err == io.EOF {
				r.add(string(f.Data))
			}
			return
		}
	}
}

func (r *receiver) add(message string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.messages = append(r.messages, message)
	r.changed.Broadcast()
}

// hangUp closes the connections that are open.
func (r *receiver) hangUp() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.conns {
		c.Close()
	}
}

func (r *receiver) stop() {
	r.Listener.Close()
	r.hangUp()
	r.serving.Wait()
}

// wait returns the messages once there are n of them.
func (r *receiver) wait(t testing.TB, n int) []string {
	t.Helper()
	late := false
	timer := time.AfterFunc(patience, func() {
		r.mu.Lock()
		late = true
		r.mu.Unlock()
		r.changed.Broadcast()
	})
	defer timer.Stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.messages) < n && !late {
		r.changed.Wait()
	}
	require.Equal(t, n, len(r.messages), "messages")
	return append([]string(nil), r.messages...)
}

// send expects a batch to be taken, if need be by the session after one that ended.
func send(t testing.TB, s *Sink, payloads ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := s.Send(ctx, items(payloads...))
	if errors.Is(err, sink.ErrSession) {
		err = s.Send(ctx, items(payloads...))
	}
	require.NoError(t, err)
}
