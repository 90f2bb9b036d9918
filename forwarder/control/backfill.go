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
	"time"
)

// Backfill asks that a source reads the events of a stretch of the past again.
type Backfill struct {
	Source string    `json:"source"`
	From   time.Time `json:"from"`
	To     time.Time `json:"to"` // not part of it
}

// BackfillStep says how far a backfill is. The counts are of the whole of it.
type BackfillStep struct {
	At     time.Time `json:"at"`     // everything from From up to here has been read
	Events uint64    `json:"events"` // that were read
	New    uint64    `json:"new"`    // those of them that were not there yet
	Done   bool      `json:"done,omitempty"`
	Error  string    `json:"error,omitempty"` // why it ended early
}

// Backfiller is a Service whose sources can read the past again.
type Backfiller interface {
	// Backfill calls step, from its own goroutine, whenever it got further, and
	// returns when all is read or ctx ended. The step it returns is the last.
	Backfill(ctx context.Context, b Backfill, step func(BackfillStep)) (BackfillStep, error)
}

// serveBackfill answers with one step a line. What cannot even begin has a status of
// its own.
func serveBackfill(s Backfiller) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var b Backfill
		if err := json.NewDecoder(io.LimitReader(r.Body, 64<<10)).Decode(&b); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		flush, begun := http.NewResponseController(w), false
		write := func(s BackfillStep) {
			if !begun {
				w.Header().Set("Content-Type", "application/x-ndjson")
				begun = true
			}
			line, _ := json.Marshal(s)
			_, _ = w.Write(append(line, '\n'))
			_ = flush.Flush()
		}
		last, err := s.Backfill(r.Context(), b, write)
		switch {
		case err == nil:
			last.Done = true
		case !begun:
			http.Error(w, err.Error(), http.StatusConflict)
			return
		default:
			last.Error = err.Error()
		}
		write(last)
	}
}

// Backfill asks the forwarder for a backfill and calls step for every line of its
// answer. It returns nil when everything has been read. When ctx ends, the backfill
// ends too.
func (c *Client) Backfill(ctx context.Context, b Backfill, step func(BackfillStep)) error {
	body, err := json.Marshal(b)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://siemfwd/backfill", bytes.NewReader(body))
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
	for lines.Scan() {
		var s BackfillStep
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			return fmt.Errorf("control socket: %w", err)
		}
		step(s)
		switch {
		case s.Done:
			return nil
		case s.Error != "":
			return errors.New(s.Error)
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return errors.New("the forwarder ended within the backfill")
}
