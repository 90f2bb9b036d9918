// Package relp sends events by RELP, over which the receiver answers every message that
// it has taken. The sink `type: syslog` uses it for relp:// and relp+tls:// addresses.
//
// librelp is the measure where RELP leaves something open: at most 128 messages without
// an answer, a session given up after 90 s without one, numbers from 1 on in each session.
package relp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/sink"
)

// Options says how to send. All fields are required, but for Describe.
type Options struct {
	To   string // the receiver, as errors name it
	Dial func(ctx context.Context) (net.Conn, error)
	// Window is how many messages may be without an answer, 1 or more.
	Window int
	// Connect is how long connecting may take, Dial and the answer to open included.
	Connect time.Duration
	// Answer is how long the receiver may leave the oldest message without an answer.
	Answer time.Duration
	// Write is how long the receiver may take nothing.
	Write time.Duration
	// Describe says what Probe is to tell of a connection.
	Describe func(net.Conn) string
}

// Sink is a RELP sink. It connects when there is something to send and no session, once
// in each Send.
//
// A message counts as confirmed when it and all before it have the answer 200. When one
// is refused after Send took it, the session ends; Send then waits for the answers to
// each batch, so that what is refused is a *sink.Rejected, until nothing was refused for
// long.
type Sink struct {
	o      Options
	ledger sink.Ledger

	life context.Context // ends with Close
	end  context.CancelFunc

	mu      sync.Mutex // held by Send, Settle and Close
	session *session   // nil: none
	careful int        // how many messages more Send waits for the answers of
	last    uint64     // messages of one session
}

var (
	_ sink.Confirmer   = (*Sink)(nil)
	_ sink.Limiter     = (*Sink)(nil)
	_ component.Prober = (*Sink)(nil)
)

const (
	// carefulFor is after how many messages without a refusal Send waits no more.
	carefulFor = 16 << 10
	// sessionMessages is how many messages one session has at most: numbers end at
	// 999 999 999, and librelp does not begin again with 1 as it should. open and close
	// have one, too.
	sessionMessages = 999_999_999 - 2
	// closing is how long the answer to close may take.
	closing = 5 * time.Second
)

// New makes a Sink. It does not connect.
func New(o Options) *Sink {
	s := &Sink{o: o, last: sessionMessages}
	s.life, s.end = context.WithCancel(context.Background())
	return s
}

// Limits implements sink.Limiter. A batch is no longer than the window: what was sent of
// a batch when its session ends is sent again.
func (s *Sink) Limits() sink.Limits {
	return sink.Limits{Events: min(s.o.Window, 512), Bytes: 1 << 20}
}

// Progress implements sink.Confirmer.
func (s *Sink) Progress() sink.Progress { return s.ledger.Progress() }

// Send implements sink.Sink.
func (s *Sink) Send(ctx context.Context, items []sink.Item) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.life, cancel)()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(items) == 0 {
		return nil
	}
	if s.session != nil && s.session.worn(len(items), s.last) {
		s.session.settle(ctx)
	}
	if s.session != nil && s.session.over() != nil {
		s.drop()
	}
	id, err := s.ledger.Begin()
	if err != nil {
		return s.failure(ctx, "send to", err)
	}
	if s.session == nil {
		if s.session, err = s.connect(ctx, id); err != nil {
			return s.failure(ctx, "connect to", err)
		}
	}
	careful := s.careful > 0
	refused, err := s.session.send(ctx, items, careful)
	if err != nil {
		if s.session.over() != nil {
			s.drop()
			_, _ = s.ledger.Begin() // it is told with this error
		}
		return s.failure(ctx, "send to", err)
	}
	if careful {
		s.careful -= len(items)
	}
	if len(refused) > 0 {
		s.careful = carefulFor
		return s.rejected(refused)
	}
	return nil
}

// rejected makes the answer of Send for what was refused.
func (s *Sink) rejected(refused []refusal) error {
	r := &sink.Rejected{Reason: errors.New("refused by " + s.o.To)}
	var words []string
	for _, one := range refused {
		r.Index = append(r.Index, one.index)
		if len(words) < 3 && (len(words) == 0 || words[len(words)-1] != one.words) {
			words = append(words, one.words)
		}
	}
	r.Answer = strings.Join(words, "; ")
	return r
}

// Settle implements sink.Confirmer.
func (s *Sink) Settle(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session != nil {
		s.session.settle(ctx)
		s.drop()
	}
}

// Close implements sink.Sink.
func (s *Sink) Close() error {
	s.end()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session != nil {
		s.drop()
	}
	return nil
}

// Probe implements component.Prober: it opens a session and closes it.
func (s *Sink) Probe(ctx context.Context) []component.Probe {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := component.Probe{What: s.o.To}
	session, err := s.connect(ctx, 0) // before any Send: it is not the ledger's
	if err != nil {
		p.Err = s.failure(ctx, "connect to", err)
		return []component.Probe{p}
	}
	p.Note = "RELP"
	if session.software != "" {
		p.Note += " of " + session.software
	}
	if s.o.Describe != nil {
		if more := s.o.Describe(session.conn); more != "" {
			p.Note += ", " + more
		}
	}
	session.settle(ctx)
	session.drop(net.ErrClosed)
	return []component.Probe{p}
}

// drop ends the session, if it goes on, and forgets it.
func (s *Sink) drop() {
	s.session.drop(net.ErrClosed)
	var refused *refusal
	if errors.As(s.session.over(), &refused) {
		s.careful = carefulFor
	}
	s.session = nil
}

// failure says what could not be done with which receiver, and why.
func (s *Sink) failure(ctx context.Context, what string, err error) error {
	switch {
	case s.life.Err() != nil:
		err = net.ErrClosed
	case ctx.Err() != nil:
		err = ctx.Err()
	}
	return fmt.Errorf("%s %s: %w", what, s.o.To, err)
}

// cause leaves out what an error repeats of the address.
func cause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	var call *os.SyscallError
	if errors.As(err, &call) {
		err = call.Err
	}
	return err
}
