package relp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/framing"
)

// connect opens a session.
func (s *Sink) connect(parent context.Context, id uint64) (*session, error) {
	ctx, cancel := context.WithTimeout(parent, s.o.Connect)
	defer cancel()
	conn, err := s.o.Dial(ctx)
	if err != nil {
		var lookup *net.DNSError
		if ctx.Err() != nil && !errors.As(err, &lookup) {
			err = fmt.Errorf("no answer within %v", s.o.Connect)
		}
		return nil, err
	}
	n := &session{conn: conn, prompt: prompter(conn), o: &s.o, ledger: &s.ledger, id: id,
		reader: framing.RELPReader{Max: mostAnswer}, in: make([]byte, mostAnswer+framing.RELPOverhead),
		window: make([]answer, s.o.Window),
		moved:  make(chan struct{}, 1), ended: make(chan struct{}), done: make(chan struct{})}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	err = n.open()
	if stop() && err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		hangUp(conn)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("no answer to open within %v", s.o.Connect)
		}
		return nil, err
	}
	go n.read()
	return n, nil
}

// open says what is offered and reads what the receiver offers.
func (s *session) open() error {
	if _, err := s.conn.Write(framing.AppendRELP(nil, 1, "open", []byte(openData))); err != nil {
		return cause(err)
	}
	for {
		f, n, err := s.reader.Next(s.in[:s.have])
		if err != nil {
			return fmt.Errorf("the receiver does not speak RELP: %w", err)
		}
		if f.Command != nil {
			if err := s.opened(f); err != nil {
				return err
			}
			s.have = copy(s.in, s.in[n:s.have])
			return nil
		}
		n, err = s.conn.Read(s.in[s.have:])
		s.have += n
		switch {
		case err == nil || n > 0:
		case errors.Is(err, io.EOF):
			return errors.New("the receiver closed the connection instead of answering open")
		default:
			return cause(err)
		}
	}
}

// opened reads the first frame of the receiver.
func (s *session) opened(f framing.RELPFrame) error {
	if string(f.Command) != "rsp" || f.TXNR != 1 {
		return fmt.Errorf("the receiver does not answer open but says %s", f.Command)
	}
	if code, words := status(f.Data); code != 200 {
		return fmt.Errorf("the receiver opens no session: %s", words)
	}
	_, offers, _ := bytes.Cut(f.Data, []byte("\n"))
	for offer := range strings.Lines(string(offers)) {
		name, value, _ := strings.Cut(strings.TrimSpace(offer), "=")
		values := strings.Split(value, ",")
		switch {
		case name == "relp_software":
			s.software = strings.Join(values[:min(len(values), 2)], " ")
		case name == "commands" && !slices.Contains(values, "syslog"):
			return errors.New("the receiver takes no messages: it does not offer the command syslog")
		}
	}
	return nil
}
