package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Clear asks that undelivered events are given up. The events count as expired.
type Clear struct {
	Name   string `json:"name"`             // of a source: for all its sinks; of a sink: from all its sources
	Kind   string `json:"kind,omitempty"`   // source or sink, where the name is both
	Source string `json:"source,omitempty"` // of a sink: only from this source
	Yes    bool   `json:"yes,omitempty"`    // do it; otherwise only tell what would go
}

// What Cleared.Action says.
const (
	ClearSkip   = "skip"   // the sink goes on with what comes next
	ClearForget = "forget" // the cursor of a sink that does not read the source any more is removed
	ClearRemove = "remove" // the log of a source that is not in the configuration is removed
)

// Cleared is what goes, or has gone.
type Cleared struct {
	Action string `json:"action"`
	Source string `json:"source"`
	Sink   string `json:"sink,omitempty"`
	Events uint64 `json:"events"`          // that were waiting; with remove, that were stored
	Bytes  int64  `json:"bytes,omitempty"` // with remove, on disk
	Done   bool   `json:"done"`
	Error  string `json:"error,omitempty"` // why it has not gone
}

// Clearer is a Service whose logs can be cleared.
type Clearer interface {
	ClearQueue(ctx context.Context, ask Clear) ([]Cleared, error)
}

// ClearQueue asks a forwarder to clear. The error wraps ErrNoForwarder when nobody
// listens.
func (c *Client) ClearQueue(ctx context.Context, ask Clear) (list []Cleared, err error) {
	return list, c.post(ctx, "/queue/clear", ask, &list)
}

// servePost answers a request of type Q with what work returns, or with its error and
// 409.
func servePost[Q, A any](work func(ctx context.Context, q Q) (A, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var q Q
		if err := json.NewDecoder(io.LimitReader(r.Body, 64<<10)).Decode(&q); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		a, err := work(r.Context(), q)
		if err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
		answer(w, a)
	}
}

// post sends q to path and reads the answer into v. It takes as long as it takes.
func (c *Client) post(ctx context.Context, path string, q, v any) error {
	body, err := json.Marshal(q)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://siemfwd"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := (&http.Client{Transport: c.http.Transport}).Do(req)
	if err != nil {
		return unreachable(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		return json.NewDecoder(resp.Body).Decode(v)
	}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	if resp.StatusCode == http.StatusConflict {
		return errors.New(strings.TrimSpace(string(text)))
	}
	return fmt.Errorf("control socket: %s: %s", resp.Status, bytes.TrimSpace(text))
}
