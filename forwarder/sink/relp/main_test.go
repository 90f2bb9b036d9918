package relp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/siemfwd/siemfwd/forwarder/framing"
	"github.com/siemfwd/siemfwd/forwarder/sink"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// receiver speaks RELP. Its functions are asked under its lock; nil ones answer 200 OK.
type receiver struct {
	net.Listener
	// open and message answer frames; "" is no answer.
	open    func() string
	message func(txnr uint32, text string) string

	mu       sync.Mutex
	changed  *sync.Cond
	messages []string
	closed   int                   // sessions that ended with close
	highest  uint32                // number of a frame
	conns    map[net.Conn][]uint32 // with the messages that have no answer
	sessions int
	serving  sync.WaitGroup
}

const good = "200 OK\nrelp_version=0\nrelp_software=test,1.0,http://example.net\ncommands=syslog"

// listen starts a receiver; "" is a free port.
func listen(t testing.TB, address string) *receiver {
	t.Helper()
	if address == "" {
		address = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", address)
	require.NoError(t, err)
	r := &receiver{Listener: l, conns: map[net.Conn][]uint32{}}
	r.changed = sync.NewCond(&r.mu)
	r.serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r.serving.Go(func() { r.serve(c) })
		}
	})
	t.Cleanup(r.stop)
	return r
}

func (r *receiver) serve(c net.Conn) {
	r.mu.Lock()
	r.conns[c] = nil
	r.sessions++
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		delete(r.conns, c)
		r.mu.Unlock()
		c.Close()
	}()
	reader := framing.RELPReader{Max: 1 << 20}
	buf := make([]byte, 0, 1<<20+framing.RELPOverhead)
	var out []byte
	for {
		f, n, err := reader.Next(buf)
		if err != nil {
			return
		}
		if f.Command != nil {
			text, last := r.frame(c, f)
			if text != "" {
				out = framing.AppendRELP(out, f.TXNR, "rsp", []byte(text))
			}
			buf = append(buf[:0], buf[n:]...)
			if last {
				_, _ = c.Write(framing.AppendRELP(out, 0, "serverclose", nil))
				return
			}
			continue
		}
		if len(out) > 0 {
			if _, err := c.Write(out); err != nil {
				return
			}
			out = out[:0]
		}
		buf = append(buf[:0], buf[n:]...)
		n, err = c.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err != nil {
			return
		}
	}
}

// frame returns the answer to a frame, and whether the session ends with it.
func (r *receiver) frame(c net.Conn, f framing.RELPFrame) (text string, last bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.changed.Broadcast()
	r.highest = max(r.highest, f.TXNR)
	switch string(f.Command) {
	case "open":
		if r.open != nil {
			return r.open(), false
		}
		return good, false
	case "close":
		r.closed++
		return "", true
	}
	text = "200 OK"
	if r.message != nil {
		text = r.message(f.TXNR, string(f.Data))
	}
	r.messages = append(r.messages, string(f.Data))
	if text == "" {
		r.conns[c] = append(r.conns[c], f.TXNR)
	}
	return text, false
}

// say writes frames to every session.
func (r *receiver) say(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.conns {
		_, _ = c.Write([]byte(text))
	}
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

// until waits until ok, which is asked under the lock.
func (r *receiver) until(t testing.TB, what string, ok func() bool) {
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
	for !ok() && !late {
		r.changed.Wait()
	}
	require.True(t, ok(), what)
}

// wait returns the messages once there are n of them.
func (r *receiver) wait(t testing.TB, n int) []string {
	t.Helper()
	r.until(t, fmt.Sprintf("%d messages", n), func() bool { return len(r.messages) >= n })
	r.mu.Lock()
	defer r.mu.Unlock()
	require.Len(t, r.messages, n)
	return append([]string(nil), r.messages...)
}

// options are those to send to an address.
func options(address string) Options {
	return Options{
		To: "relp://" + address, Window: 128, Connect: 10 * time.Second, Answer: 90 * time.Second, Write: 30 * time.Second,
		Dial: func(ctx context.Context) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, "tcp", address)
			if err != nil {
				return nil, cause(err)
			}
			return c, nil
		},
	}
}

func start(t testing.TB, o Options) *Sink {
	t.Helper()
	s := New(o)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func items(texts ...string) []sink.Item {
	out := make([]sink.Item, len(texts))
	for i, text := range texts {
		out[i].Payload = []byte(text)
	}
	return out
}

func numbers(from, n int) (texts []string) {
	for i := range n {
		texts = append(texts, fmt.Sprintf("<14>1 - host siemfwd - - - event %d\nof many", from+i))
	}
	return texts
}

// send makes one attempt.
func send(t testing.TB, s *Sink, texts ...string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := s.Send(ctx, items(texts...))
	require.NoError(t, ctx.Err(), "Send took too long")
	return err
}

// progress waits until the sink has come so far.
func progress(t testing.TB, s *Sink, session, taken, confirmed uint64) sink.Progress {
	t.Helper()
	late := time.After(patience)
	for {
		p := s.Progress()
		if p.Session == session && p.Taken == taken && p.Confirmed == confirmed {
			return p
		}
		select {
		case <-p.Changed:
		case <-late:
			require.FailNow(t, "no such progress", "session %d, %d taken, %d confirmed; it is %+v", session, taken, confirmed, p)
		}
	}
}

// lane sends texts as a lane does, until all are confirmed or refused. It returns what
// was refused.
func lane(t testing.TB, s *Sink, texts []string) (refused map[string]string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 6*patience)
	defer cancel()
	refused = map[string]string{}
	var flight []int // of the session: which text each item taken is
	var session uint64
	done := make([]bool, len(texts))
	confirmed, next := 0, 0
	note := func(n uint64) {
		for _, i := range flight[confirmed:max(confirmed, int(n))] {
			done[i] = true
		}
		confirmed = max(confirmed, int(n))
	}
	for {
		p := s.Progress()
		if p.Session == session {
			note(p.Confirmed)
		} else {
			require.Equal(t, session+1, p.Session, "a session was not seen")
			note(p.Before)
			flight, confirmed, session, next = flight[:0], 0, p.Session, 0
		}
		for next < len(texts) && done[next] {
			next++
		}
		if next == len(texts) && confirmed == len(flight) {
			return refused
		}
		if next == len(texts) {
			select {
			case <-p.Changed:
			case <-ctx.Done():
				require.FailNow(t, "not everything is confirmed", "%+v", p)
			}
			continue
		}
		var batch []int
		for i := next; i < len(texts) && len(batch) < s.Limits().Events; i++ {
			if !done[i] {
				batch = append(batch, i)
			}
		}
		var part []string
		for _, i := range batch {
			part = append(part, texts[i])
		}
		err := s.Send(ctx, items(part...))
		require.NoError(t, ctx.Err())
		var r *sink.Rejected
		if errors.As(err, &r) {
			for _, i := range r.Index {
				refused[part[i]] = r.Answer
				done[batch[i]] = true
			}
			err = nil
		}
		if err != nil {
			if !errors.Is(err, sink.ErrSession) {
				time.Sleep(10 * time.Millisecond) // as a lane pauses; nothing is waited for
			}
			continue
		}
		if after := s.Progress(); after.Session == session+1 && after.Taken > 0 {
			note(after.Before) // a new session was begun
			require.Len(t, flight, confirmed, "a batch overtook what is unconfirmed")
			flight, confirmed, session = flight[:0], 0, after.Session
		}
		for _, i := range batch {
			if !done[i] {
				flight = append(flight, i)
			}
		}
		next = batch[len(batch)-1] + 1
	}
}
