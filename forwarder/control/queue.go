package control

import (
	"context"
	"net/http"
	"time"
)

// Queue is what is stored: the facts behind `siemfwd queue`. Its JSON names are stable.
type Queue struct {
	State   string   `json:"state"`   // the state folder
	Running bool     `json:"running"` // a forwarder tells, not the folder
	Stored  []Stored `json:"stored"`
	Letters Letters  `json:"letters"`
}

// Stored is the log of one source.
type Stored struct {
	Source string `json:"source"`
	Type   string `json:"type,omitempty"`
	// Orphan: there is no such source in the configuration (any more).
	Orphan   bool      `json:"orphan,omitempty"`
	Events   uint64    `json:"events"` // kept, delivered or not
	Bytes    int64     `json:"bytes"`
	Segments int       `json:"segments"`
	First    uint64    `json:"first"` // position of the oldest event kept
	Next     uint64    `json:"next"`  // position the next event gets
	Oldest   time.Time `json:"oldest,omitzero"`
	Newest   time.Time `json:"newest,omitzero"`

	Keep     float64 `json:"keep_seconds,omitempty"` // delivered events stay this long
	Max      int64   `json:"max_bytes,omitempty"`    // room on disk
	WhenFull string  `json:"when_full,omitempty"`
	Sync     string  `json:"sync,omitempty"`
	Full     bool    `json:"full,omitempty"`

	Quarantine      int    `json:"quarantine,omitempty"` // pieces of what was damaged
	QuarantineBytes int64  `json:"quarantine_bytes,omitempty"`
	Damaged         uint64 `json:"damaged,omitempty"` // places found since the start
	Lost            uint64 `json:"lost,omitempty"`    // events lost to them

	Sinks []Behind `json:"sinks"`
	Error string   `json:"error,omitempty"` // why this log cannot be looked at
}

// Behind is how far one sink has come in a source's log.
type Behind struct {
	Sink string `json:"sink"`
	// Orphan: no sink of that name reads the source (any more). Its cursor still keeps
	// undelivered events from going.
	Orphan   bool      `json:"orphan,omitempty"`
	Position uint64    `json:"position"` // of the next event to be settled
	Waiting  uint64    `json:"waiting"`
	Oldest   time.Time `json:"oldest,omitzero"` // receive time of the oldest that waits
	Problem  string    `json:"problem,omitempty"`
}

// Letters is the store of dead letters.
type Letters struct {
	Letters uint64 `json:"letters"`
	Bytes   int64  `json:"bytes"`
}

// Queuer is a Service whose logs can be looked at.
type Queuer interface{ Queue() Queue }

func serveQueue(q Queuer) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { answer(w, q.Queue()) }
}

// Queue asks what is stored. The error wraps ErrNoForwarder when nobody listens.
func (c *Client) Queue(ctx context.Context) (Queue, error) {
	var q Queue
	return q, c.get(ctx, "/queue", &q)
}
