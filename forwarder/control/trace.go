package control

import (
	"context"
	"errors"
	"time"
)

// Trace asks what became of an event.
type Trace struct {
	UID     string    `json:"uid,omitempty"` // the beginning of its uid
	ID      string    `json:"id,omitempty"`  // or the vendor's id, whole
	Sources []string  `json:"sources,omitempty"`
	Since   time.Time `json:"since,omitzero"` // events received earlier are not looked at; zero: all that is kept
	Most    int       `json:"most,omitempty"` // events to be found before the search ends; 0: no bound
}

// Traced is one line of the answer: how far the search is, an event, or a remark.
type Traced struct {
	Read  uint64 `json:"read,omitempty"`  // events looked at
	Total uint64 `json:"total,omitempty"` // of so many

	Event *TracedEvent `json:"event,omitempty"`
	Note  string       `json:"note,omitempty"`
	Error string       `json:"error,omitempty"`
	End   bool         `json:"end,omitempty"` // nothing follows
}

// TracedEvent is an event and the way it went.
type TracedEvent struct {
	UID      string    `json:"uid"`
	ID       string    `json:"id,omitempty"` // the vendor's
	Source   string    `json:"source"`
	Position uint64    `json:"position"` // in the spool of its source
	Received time.Time `json:"received"`
	Time     time.Time `json:"time"` // when it happened, by the vendor's clock
	Severity int       `json:"severity"`
	Class    string    `json:"class,omitempty"`
	Name     string    `json:"name,omitempty"`
	Message  string    `json:"message,omitempty"`
	Hops     []Hop     `json:"hops"`
}

// The stages of an event's way.
const (
	HopReceived  = "received"
	HopStored    = "stored"
	HopRead      = "read"
	HopExcluded  = "excluded"  // the sink does not read its source, or began later
	HopFiltered  = "filtered"  // a condition, or a sender's test
	HopWaiting   = "waiting"   // to be sent
	HopDelivered = "delivered" // the sink has it
	HopDead      = "dead"      // the sink refused it
	HopUnsent    = "unsent"    // a person had it passed over
	HopReplayed  = "replayed"  // it was sent again by replay
)

// Hop is one step of an event's way. To is when it was made; with From, it was made
// between the two. Both are zero when that is not known, or does not apply.
type Hop struct {
	Stage  string    `json:"stage"`
	Sink   string    `json:"sink,omitempty"`
	From   time.Time `json:"from,omitzero"`
	To     time.Time `json:"to,omitzero"`
	Words  string    `json:"words,omitempty"`
	Line   string    `json:"line,omitempty"`   // file:line:col of the configuration that decided
	Letter uint64    `json:"letter,omitempty"` // the dead letter
}

// Tracer is a Service that can tell what became of an event.
type Tracer interface {
	Trace(ctx context.Context, t Trace, o Out[Traced]) error
}

// Trace asks what became of an event and calls step for each line of the answer. The
// error wraps ErrNoForwarder when nobody listens.
func (c *Client) Trace(ctx context.Context, t Trace, step func(Traced) error) error {
	return stream(ctx, c, "/trace", t, func(l Traced) (bool, error) {
		switch {
		case l.Error != "":
			return false, errors.New(l.Error)
		case l.End:
			return false, nil
		}
		return true, step(l)
	})
}

func lastTraced(err error) Traced {
	if err != nil {
		return Traced{Error: err.Error()}
	}
	return Traced{End: true}
}
