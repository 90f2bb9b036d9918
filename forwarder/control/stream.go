package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// A long answer is a stream of JSON objects, one a line, as they come up. What cannot
// even begin has a status of its own, 409, and a text.

// mostLine bounds one line of a stream: the largest event a spool holds, in base64, with
// what stands beside it.
const mostLine = 128 << 20

// Out takes the lines of a stream. It is used by one goroutine at a time.
type Out[L any] interface {
	// Put appends a line, which may stay in a buffer. The error means that the client
	// is gone.
	Put(l L) error
	// Flush sends what is in the buffer on its way.
	Flush() error
}

// out is the answer to a request.
type out[L any] struct {
	w     http.ResponseWriter
	flush *http.ResponseController
	begun bool
}

func (o *out[L]) Put(l L) error {
	if !o.begun {
		o.w.Header().Set("Content-Type", "application/x-ndjson")
		o.begun = true
	}
	line, err := json.Marshal(l)
	if err != nil {
		return err
	}
	_, err = o.w.Write(append(line, '\n'))
	return err
}

func (o *out[L]) Flush() error { return o.flush.Flush() }

// serveStream answers a request of type Q with the lines that work puts out. The line
// that last makes of work's error, or of nil, ends the stream.
func serveStream[Q, L any](work func(ctx context.Context, q Q, o Out[L]) error, last func(err error) L) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var q Q
		if err := json.NewDecoder(io.LimitReader(r.Body, 64<<10)).Decode(&q); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		o := &out[L]{w: w, flush: http.NewResponseController(w)}
		err := work(r.Context(), q, o)
		if err != nil && !o.begun {
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
		_ = o.Put(last(err))
	}
}

// ErrEnded means that the forwarder went away before its answer was complete.
var ErrEnded = errors.New("the forwarder ended meanwhile")

// stream asks for path and calls each for every line of the answer until it returns
// false or an error. An answer that ends before that is ErrEnded, or ctx's error.
func stream[Q, L any](ctx context.Context, c *Client, path string, q Q, each func(l L) (more bool, err error)) error {
	body, err := json.Marshal(q)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://siemfwd"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	// It takes as long as it takes.
	resp, err := (&http.Client{Transport: c.http.Transport}).Do(req)
	if err != nil {
		return unreachable(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
		if resp.StatusCode == http.StatusConflict {
			return errors.New(strings.TrimSpace(string(text)))
		}
		return fmt.Errorf("control socket: %s: %s", resp.Status, bytes.TrimSpace(text))
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(make([]byte, 0, 64<<10), mostLine)
	for lines.Scan() {
		var l L
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return fmt.Errorf("control socket: %w", err)
		}
		if more, err := each(l); !more || err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return ErrEnded
}
