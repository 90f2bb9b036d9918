// Package stdout is the sink that writes one line an event to standard output, for
// trying things out and for whoever reads the daemon's output.
package stdout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/sink"
)

// Config has no keys of its own.
type Config struct{}

// Spec is the table entry. Several sinks may write to standard output: their lines do
// not mix.
func Spec() component.Spec[sink.Sink] {
	return component.Of("stdout", "one line an event to standard output", Config{},
		func(*Config, component.Env) (sink.Sink, error) { return New(os.Stdout), nil })
}

// New makes a sink that writes each batch with one call of w.Write. A line feed within
// a payload becomes a space, so that an event is one line. When w takes only part of a
// batch, the next one begins on a new line.
func New(w io.Writer) sink.Sink {
	s := &lines{w: w, turn: make(chan *batch, 1), closed: make(chan struct{})}
	s.turn <- &batch{}
	return s
}

type lines struct {
	w      io.Writer
	turn   chan *batch // whoever holds the batch may write
	closed chan struct{}
	once   sync.Once
}

type batch struct {
	buf  []byte
	torn bool // the last line written has no end
}

// errClosed is what Send returns after Close.
var errClosed = errors.New("closed")

// Send returns once the events are written, or when ctx or the sink ends. A write that
// is stuck then goes on by itself, and later ones wait for it.
func (s *lines) Send(ctx context.Context, items []sink.Item) error {
	var b *batch
	select {
	case <-s.closed:
		return errClosed
	default:
	}
	select {
	case b = <-s.turn:
	case <-s.closed:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	if len(items) == 0 || ctx.Err() != nil {
		s.turn <- b
		return ctx.Err()
	}
	b.fill(items)
	done := make(chan error, 1)
	go func() {
		done <- b.write(s.w)
		s.turn <- b
	}()
	select {
	case err := <-done:
		return err
	case <-s.closed:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (b *batch) fill(items []sink.Item) {
	const most = 4 << 20
	if cap(b.buf) > most {
		b.buf = nil
	}
	b.buf = b.buf[:0]
	if b.torn {
		b.buf = append(b.buf, '\n')
	}
	for i := range items {
		b.buf = appendLine(b.buf, items[i].Payload)
	}
}

func (b *batch) write(w io.Writer) error {
	n, err := w.Write(b.buf)
	if err == nil && n < len(b.buf) {
		err = io.ErrShortWrite
	}
	if n > 0 {
		b.torn = b.buf[n-1] != '\n'
	}
	if err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	return nil
}

// appendLine appends payload as one line.
func appendLine(dst, payload []byte) []byte {
	for {
		i := bytes.IndexByte(payload, '\n')
		if i < 0 {
			return append(append(dst, payload...), '\n')
		}
		dst = append(append(dst, payload[:i]...), ' ')
		payload = payload[i+1:]
	}
}

// Close makes a Send in progress return. It closes nothing else.
func (s *lines) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}
