package relp

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/framing"
	"github.com/siemfwd/siemfwd/forwarder/sink"
)

// session is one connection on which the receiver has taken open. Message n of it, from 0
// on, has the number n+firstTXNR. One goroutine reads the answers.
type session struct {
	conn     net.Conn
	prompt   func() // after octets were read
	o        *Options
	ledger   *sink.Ledger
	id       uint64 // in the ledger
	software string // of the receiver, as it says
	reader   framing.RELPReader
	buf      []byte // what is to be written
	in       []byte // what is read, of which have octets are not used up
	have     int

	mu      sync.Mutex
	window  []answer // of message n at n % len
	head    uint64   // the first message without an answer
	tail    uint64   // the next message to be sent
	skipped uint64   // refused messages before head
	since   time.Time
	careful bool // a refusal is no end: Send waits for it
	refused []refusal
	closing bool
	err     error // why it is over

	moved chan struct{} // holds one token when head has moved
	ended chan struct{} // closed when err is set
	done  chan struct{} // closed when nobody reads any more
}

// answer is what the receiver said to a message.
type answer uint8

const (
	none answer = iota
	taken
	not
)

// refusal is a message that the receiver will not take.
type refusal struct {
	message uint64
	index   int // within the batch
	words   string
}

// Error tells the receiver's words.
func (r *refusal) Error() string { return "the receiver refused a message: " + r.words }

// Unwrap returns sink.ErrSession: a message that is refused after Send took it ends the
// session.
func (r *refusal) Unwrap() error { return sink.ErrSession }

const (
	firstTXNR = 2 // open has 1
	openData  = "relp_version=0\nrelp_software=siemfwd\ncommands=syslog"
	// mostAnswer is how many octets of an answer are read.
	mostAnswer = 4 << 10
	// writeSize is how much is written under one deadline: a slow receiver is no dead one.
	writeSize = 128 << 10
)

func (s *session) over() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// worn reports whether n more messages would be more than one session may have.
func (s *session) worn(n int, last uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tail+uint64(n) > last
}

// end makes the session over, if it is not.
func (s *session) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endLocked(err)
}

func (s *session) endLocked(err error) {
	if s.err != nil {
		return
	}
	s.err = err
	s.ledger.End(s.id, fmt.Errorf("%s: %w", s.o.To, err))
	close(s.ended)
}

// drop ends the session, if it goes on, and returns when its connection is closed and
// nobody reads from it.
func (s *session) drop(why error) {
	s.end(why)
	hangUp(s.conn)
	<-s.done
}

// hangUp closes a connection without waiting for the peer.
func hangUp(c net.Conn) {
	if t, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = t.NetConn()
	}
	_ = c.Close()
}

// send hands items over, and returns when all are written: or, if careful, when all are
// answered. It returns those that were refused.
func (s *session) send(ctx context.Context, items []sink.Item, careful bool) ([]refusal, error) {
	s.mu.Lock()
	from := s.tail
	s.careful, s.refused = careful, nil
	s.mu.Unlock()
	for rest := items; len(rest) > 0; {
		k, err := s.room(ctx, len(rest))
		k = min(k, len(rest))
		if err == nil {
			err = s.write(ctx, rest[:k])
		}
		if err != nil {
			return nil, s.failed(err, from)
		}
		rest = rest[k:]
	}
	if careful {
		if err := s.await(ctx, func() bool { return s.head == s.tail }); err != nil {
			return nil, s.failed(err, from)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ledger.Take(s.id, len(items)-len(s.refused))
	slices.SortFunc(s.refused, func(a, b refusal) int { return cmp.Compare(a.message, b.message) })
	for i := range s.refused {
		s.refused[i].index = int(s.refused[i].message - from)
	}
	return s.refused, s.err
}

// failed is the end of a batch of which messages may have been sent, from a message on:
// they are not taken, so that nothing can be counted behind them. A batch of which
// nothing was sent leaves the session as it is.
func (s *session) failed(err error, from uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tail > from {
		s.endLocked(err)
	}
	return err
}

// room waits until there is room in the window, for all that is wanted or for half of
// it, and returns for how many messages.
func (s *session) room(ctx context.Context, want int) (free int, err error) {
	size := len(s.window)
	want = min(want, size-size/2)
	err = s.await(ctx, func() bool {
		free = size - int(s.tail-s.head)
		return free >= want
	})
	return free, err
}

// await waits for something that the reader of the answers brings about.
func (s *session) await(ctx context.Context, ok func() bool) error {
	for {
		s.mu.Lock()
		good, err := ok(), s.err
		s.mu.Unlock()
		if err != nil || good {
			return err
		}
		select {
		case <-s.moved:
		case <-s.ended:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// write sends items as the next messages; there must be room for them.
func (s *session) write(ctx context.Context, items []sink.Item) error {
	s.mu.Lock()
	number := s.tail
	if s.head == s.tail {
		s.since = time.Now()
	}
	for range items {
		s.window[s.tail%uint64(len(s.window))] = none
		s.tail++
	}
	s.mu.Unlock()
	s.buf = s.buf[:0]
	for i := range items {
		s.buf = framing.AppendRELP(s.buf, uint32(number+uint64(i)+firstTXNR), "syslog", items[i].Payload)
	}
	err := s.put(ctx, s.buf)
	if cap(s.buf) > 4<<20 {
		s.buf = nil
	}
	return err
}

// put writes octets.
func (s *session) put(ctx context.Context, b []byte) error {
	defer context.AfterFunc(ctx, func() { _ = s.conn.SetWriteDeadline(time.Unix(1, 0)) })()
	for len(b) > 0 {
		if err := s.conn.SetWriteDeadline(time.Now().Add(s.o.Write)); err != nil {
			return lost(err)
		}
		if err := ctx.Err(); err != nil { // the deadline it had set is gone
			return err
		}
		n, err := s.conn.Write(b[:min(len(b), writeSize)])
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, os.ErrDeadlineExceeded):
			return fmt.Errorf("the receiver took less than %d bytes in %v", writeSize, s.o.Write)
		default:
			return lost(err)
		}
		b = b[n:]
	}
	return nil
}

// lost is the error of a session whose connection the receiver or the network ended.
func lost(err error) error { return fmt.Errorf("%w: %w", sink.ErrSession, cause(err)) }

// settle waits until all messages are answered, and then closes the session in good
// order. When that takes too long the session just ends.
func (s *session) settle(ctx context.Context) {
	if err := s.await(ctx, func() bool { return s.head == s.tail }); err != nil {
		s.end(err)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, closing)
	defer cancel()
	s.mu.Lock()
	s.closing = true
	number := uint32(s.tail + firstTXNR)
	s.mu.Unlock()
	if s.put(ctx, framing.AppendRELP(nil, number, "close", nil)) == nil {
		select {
		case <-s.ended:
			_ = s.conn.Close()
		case <-ctx.Done():
		}
	}
	s.end(errClosed)
}

var (
	errClosed = fmt.Errorf("%w: it was closed", sink.ErrSession)
	errLeft   = fmt.Errorf("%w: the receiver closed the connection", sink.ErrSession)
	errTold   = fmt.Errorf("%w: the receiver ended it", sink.ErrSession)
)

// read takes the answers until the session is over.
func (s *session) read() {
	defer close(s.done)
	_ = s.conn.SetReadDeadline(time.Now().Add(s.o.Answer))
	for {
		if err := s.take(); err != nil {
			s.end(err)
			return
		}
		n, err := s.conn.Read(s.in[s.have:])
		s.have += n
		switch {
		case err == nil || n > 0:
			s.prompt()
		case errors.Is(err, os.ErrDeadlineExceeded):
			if !s.wait() {
				s.end(fmt.Errorf("no answer for %v", s.o.Answer))
				return
			}
		case errors.Is(err, io.EOF):
			s.end(errLeft)
			return
		default:
			s.end(lost(err))
			return
		}
	}
}

// wait is called when the read deadline passed; it sets the next one, unless the oldest
// message is without an answer for too long.
func (s *session) wait() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	due := now.Add(s.o.Answer)
	if s.head < s.tail {
		due = s.since.Add(s.o.Answer)
	}
	_ = s.conn.SetReadDeadline(due)
	return due.After(now)
}

// take uses up the answers that were read.
func (s *session) take() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	used, head := 0, s.head
	for {
		f, n, err := s.reader.Next(s.in[used:s.have])
		used += n
		if err != nil {
			return fmt.Errorf("the receiver does not speak RELP: %w", err)
		}
		if f.Command == nil {
			break
		}
		if err := s.frame(f); err != nil {
			return err
		}
	}
	if used > 0 {
		s.have = copy(s.in, s.in[used:s.have])
	}
	if s.head > head {
		s.since = time.Now()
		s.ledger.Confirm(s.id, s.head-s.skipped)
		select {
		case s.moved <- struct{}{}:
		default:
		}
	}
	return nil
}

// frame notes what the receiver says. An error ends the session.
func (s *session) frame(f framing.RELPFrame) error {
	switch {
	case string(f.Command) == "serverclose":
		return errTold
	case string(f.Command) != "rsp" || f.TXNR < firstTXNR:
		return nil // a hint, or open answered again
	}
	n := uint64(f.TXNR - firstTXNR)
	switch {
	case n >= s.tail && s.closing:
		return errClosed
	case n >= s.tail:
		return fmt.Errorf("the receiver answered message %d, which was not sent", f.TXNR)
	case n < s.head || s.window[n%uint64(len(s.window))] != none:
		return nil // answered again
	}
	code, words := status(f.Data)
	size := uint64(len(s.window))
	switch {
	case code == 200:
		s.window[n%size] = taken
	case code < 500 || code > 599:
		return fmt.Errorf("the receiver answered a message with %q", words)
	case !s.careful:
		return &refusal{message: n, words: words}
	default:
		s.window[n%size] = not
		s.refused = append(s.refused, refusal{message: n, words: words})
	}
	for s.head < s.tail && s.window[s.head%size] != none {
		if s.window[s.head%size] == not {
			s.skipped++
		}
		s.head++
	}
	return nil
}

// status splits an answer: three digits, and words up to a line feed. The words are
// given with the digits, as text.
func status(data []byte) (code int, words string) {
	line, _, _ := bytes.Cut(data, []byte("\n"))
	if len(line) >= 3 && (len(line) == 3 || line[3] == ' ') {
		for _, c := range line[:3] {
			if c < '0' || c > '9' {
				code = 0
				break
			}
			code = 10*code + int(c-'0')
		}
	}
	if code != 200 {
		words = string(bytes.ToValidUTF8(line[:min(len(line), 200)], []byte("\uFFFD")))
	}
	return code, words
}
