package control

import (
	"context"
	"errors"
	"time"
)

// Replay asks to send stored events again.
type Replay struct {
	Source string    `json:"source"`
	Sink   string    `json:"sink"`
	Since  time.Time `json:"since"`          // events received then or later
	Until  time.Time `json:"until,omitzero"` // and before then; zero: now
	When   string    `json:"when,omitempty"` // a condition they must hold, beside those of the sink
	Rate   float64   `json:"rate,omitempty"` // events a second at most; 0: as fast as the sink takes them
	// Words are what was asked for as it was written ("6h" stays "6h"). A replay with the
	// same words goes on where it stopped.
	Words string `json:"words"`
	Again bool   `json:"again,omitempty"` // begin anew instead
}

// Replayed says how far a replay is. The counts are of the whole of it, with what was
// done before it was stopped: Read = Sent + LeftOut + Dead + Gone.
type Replayed struct {
	ID      string    `json:"id,omitempty"`
	Since   time.Time `json:"since,omitzero"`
	Until   time.Time `json:"until,omitzero"`
	Resumed bool      `json:"resumed,omitempty"` // it goes on where it was stopped
	At      time.Time `json:"at,omitzero"`       // when the newest event was received that is done with
	Total   uint64    `json:"total"`             // events to be looked at
	Read    uint64    `json:"read"`              // that are done with
	Sent    uint64    `json:"sent"`              // that the sink has
	LeftOut uint64    `json:"left_out"`          // by conditions, or not of that time
	Dead    uint64    `json:"dead"`              // that the sink refused
	Gone    uint64    `json:"gone"`              // removed or damaged before they could be sent
	Paused  string    `json:"paused,omitempty"`  // why it waits

	Note    string `json:"note,omitempty"`
	Done    bool   `json:"done,omitempty"`    // everything was sent
	Already bool   `json:"already,omitempty"` // by an earlier command with the same words
	Error   string `json:"error,omitempty"`   // why it ended early
}

// Replayer is a Service that can send stored events again.
type Replayer interface {
	// Replay puts out a line now and then, the last one when everything was sent. It ends
	// when ctx does, and can be asked to go on later.
	Replay(ctx context.Context, r Replay, o Out[Replayed]) error
}

// Replay asks for a replay and calls step for each line of the answer. It returns nil
// when everything was sent. When ctx ends, the replay stops, and the same question has it
// go on. The error wraps ErrNoForwarder when nobody listens.
func (c *Client) Replay(ctx context.Context, r Replay, step func(Replayed) error) error {
	return stream(ctx, c, "/replay", r, func(l Replayed) (bool, error) {
		if l.Error != "" {
			return false, errors.New(l.Error)
		}
		if err := step(l); err != nil {
			return false, err
		}
		return !l.Done, nil
	})
}
