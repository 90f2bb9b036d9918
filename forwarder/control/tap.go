package control

import (
	"context"
	"errors"
	"time"
)

// Tap asks to watch events pass.
type Tap struct {
	Sources []string  `json:"sources,omitempty"` // none: all
	Sinks   []string  `json:"sinks,omitempty"`   // see As and Dropped
	Since   time.Time `json:"since,omitzero"`    // look back to here; zero: only what comes
	Until   time.Time `json:"until,omitzero"`    // end here; zero: never
	Count   int       `json:"count,omitempty"`   // end after so many events; 0: never
	When    string    `json:"when,omitempty"`    // a condition they must hold
	Raw     bool      `json:"raw,omitempty"`     // Out is the event as received
	// As makes Out the event in this format. Without it, and with one of Sinks, Out is
	// what that sink gets, and only events it takes are shown.
	As      string `json:"as,omitempty"`
	Dropped bool   `json:"dropped,omitempty"` // show what Sinks (none: all sinks) do not take, and why
}

// Tapped is one event that passed, or something to say about the tap.
type Tapped struct {
	Source   string    `json:"source,omitempty"`
	Sink     string    `json:"sink,omitempty"`     // that takes it, or does not
	Position uint64    `json:"position,omitempty"` // in the spool of its source
	Received time.Time `json:"received,omitzero"`
	UID      string    `json:"uid,omitempty"`
	Severity int       `json:"severity"`
	Class    string    `json:"class,omitempty"`
	Name     string    `json:"name,omitempty"`
	Facts    string    `json:"facts,omitempty"` // the best known of them: user.name=… src.ip=…
	Message  string    `json:"message,omitempty"`
	Reason   string    `json:"reason,omitempty"` // why Sink does not take it
	Line     string    `json:"line,omitempty"`   // file:line:col of the configuration that decided
	Out      []byte    `json:"out,omitempty"`    // the event as asked for

	Note  string `json:"note,omitempty"` // not an event
	Error string `json:"error,omitempty"`
	End   bool   `json:"end,omitempty"` // nothing follows
}

// Tapper is a Service whose events can be watched.
type Tapper interface {
	// Tap puts out each event until ctx or what was asked for ends.
	Tap(ctx context.Context, t Tap, o Out[Tapped]) error
}

// Tap watches events pass and calls show for each until the tap ends, which is when
// ctx does at the latest. The error wraps ErrNoForwarder when nobody listens.
func (c *Client) Tap(ctx context.Context, t Tap, show func(l Tapped) error) error {
	return stream(ctx, c, "/tap", t, func(l Tapped) (bool, error) {
		switch {
		case l.Error != "":
			return false, errors.New(l.Error)
		case l.End:
			return false, nil
		}
		return true, show(l)
	})
}

func lastTapped(err error) Tapped {
	if err != nil {
		return Tapped{Error: err.Error()}
	}
	return Tapped{End: true}
}
