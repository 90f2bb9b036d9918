package splunkhec

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/simulate"
	"github.com/siemfwd/siemfwd/forwarder/sink"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(listenerDir); dir != "" {
		listener(dir, os.Getenv(listenerAddr))
	}
	goleak.VerifyTestMain(m)
}

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

// config is a configuration with the defaults and this address.
func config(url string) Config {
	c := *Spec().Config().(*Config)
	c.URL, c.Token = url, component.NewSecret(simulate.SplunkToken)
	return c
}

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

func (m *meter) get(name string) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.counts[name]
}

func build(t testing.TB, c Config) (sink.Sink, *Sink, *meter) {
	t.Helper()
	m := &meter{counts: map[string]uint64{}}
	built, err := Spec().Build(&c, component.Env{Name: "splunk", Log: slog.New(slog.DiscardHandler), Meter: m})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, built.Close()) })
	if c, ok := built.(*Confirming); ok {
		return built, c.Sink, m
	}
	return built, built.(*Sink), m
}

func splunk(t testing.TB, o simulate.SplunkOptions) *simulate.Splunk {
	t.Helper()
	s, err := simulate.StartSplunk(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// request is one that a script has seen.
type request struct {
	*http.Request
	body string
}

// script is a receiver that gives one answer after the other, and the last for ever.
type script struct {
	*httptest.Server
	mu       sync.Mutex
	answers  []http.HandlerFunc
	requests []request
}

func play(t testing.TB, answers ...http.HandlerFunc) *script {
	t.Helper()
	s := &script{answers: answers}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.requests = append(s.requests, request{r, string(body)})
		next := s.answers[0]
		if len(s.answers) > 1 {
			s.answers = s.answers[1:]
		}
		s.mu.Unlock()
		next(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *script) seen() []request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]request(nil), s.requests...)
}

// says is an answer; head is name and value in turn.
func says(status int, body string, head ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i+1 < len(head); i += 2 {
			w.Header().Add(head[i], head[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

const success = `{"text":"Success","code":0}`

// items are n envelopes, the first of them number from.
func items(from, n int) []sink.Item {
	out := make([]sink.Item, n)
	for i := range out {
		out[i] = sink.Item{Source: "fw", Payload: fmt.Appendf(nil,
			`{"time":1700000000.%03d,"source":"siemfwd:fw","event":{"n":%d,"fields":{"a":"b"}},"fields":{"event_id":"%d","severity":"3"}}`, (from+i)%1000, from+i, from+i)}
	}
	return out
}

// carry brings all items to the sink as a lane does, and returns which of them were
// refused, and why.
func carry(t testing.TB, s sink.Sink, all []sink.Item) map[int]error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	c := carrier{sink: s, items: all, dead: map[int]error{}, size: len(all)}
	c.confirmer, _ = s.(sink.Confirmer)
	for c.done < len(all) {
		require.NoError(t, ctx.Err(), "%d of %d after so long; last: %v", c.done, len(all), c.last)
		c.step(ctx)
	}
	return c.dead
}

// carrier is a lane in small.
type carrier struct {
	sink       sink.Sink
	confirmer  sink.Confirmer // nil: none
	items      []sink.Item
	done, next int // items that are settled, and that were handed over
	dead       map[int]error
	size       int // of the next batch
	steps      []step
	last       error
}

// step is how far the carrier comes when so much of a session is confirmed.
type step struct {
	session, taken uint64
	next           int
}

func (c *carrier) step(ctx context.Context) {
	var changed <-chan struct{}
	if c.confirmer != nil {
		if changed = c.confirm(); changed != nil && c.next == len(c.items) {
			select {
			case <-changed:
			case <-ctx.Done():
			}
			return
		}
	}
	batch := c.items[c.next:min(c.next+c.size, len(c.items))]
	for i := range batch {
		if c.dead[c.next+i] != nil { // from before a session ended
			if batch = batch[:i]; i == 0 {
				c.took(1)
				return
			}
			break
		}
	}
	if l, ok := c.sink.(sink.Limiter); ok {
		batch = batch[:min(len(batch), l.Limits().Events)]
	}
	err := c.sink.Send(ctx, batch)
	c.settle(batch, err)
}

func (c *carrier) settle(batch []sink.Item, err error) {
	var partial *sink.Partial
	var rejected *sink.Rejected
	n := len(batch)
	if errors.As(err, &partial) {
		n, rejected, err = partial.Done, partial.Rejected, partial.Err
	} else if errors.As(err, &rejected) {
		err = nil
	} else if err != nil {
		n = 0
	}
	switch {
	case rejected != nil && rejected.Index == nil && len(batch) == 1:
		c.dead[c.next] = rejected
	case rejected != nil && rejected.Index == nil:
		c.size = (len(batch) + 1) / 2
		n = 0
	case rejected != nil:
		for _, i := range rejected.Index {
			c.dead[c.next+i] = rejected
		}
	case n > 0:
		c.size = min(2*c.size, len(c.items))
	}
	c.took(n)
	if err != nil {
		c.last = err
		if !errors.Is(err, sink.ErrSession) {
			time.Sleep(time.Millisecond)
		}
	}
}

func (c *carrier) took(n int) {
	c.next += n
	if c.confirmer == nil {
		c.done = c.next
	} else if n > 0 {
		p := c.confirmer.Progress()
		c.steps = append(c.steps, step{p.Session, p.Taken, c.next})
	}
}

// confirm moves on over what is confirmed, and goes back when a session ended. It
// returns what to wait for when something is not.
func (c *carrier) confirm() <-chan struct{} {
	p := c.confirmer.Progress()
	for len(c.steps) > 0 {
		first := c.steps[0]
		confirmed := p.Confirmed
		if first.session+1 == p.Session {
			confirmed = p.Before
		} else if first.session != p.Session {
			confirmed = 0
		}
		if first.taken > confirmed {
			if first.session != p.Session {
				c.next, c.steps = c.done, nil
				return nil
			}
			return p.Changed
		}
		c.done, c.steps = first.next, c.steps[1:]
	}
	return nil
}
