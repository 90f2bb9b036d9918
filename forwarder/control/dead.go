package control

import (
	"context"
	"errors"
	"time"
)

// DeadFilter says which dead letters are meant. Every part that is not empty must hold.
type DeadFilter struct {
	IDs    []uint64  `json:"ids,omitempty"`
	Sink   string    `json:"sink,omitempty"`
	Source string    `json:"source,omitempty"`
	Reason string    `json:"reason,omitempty"` // part of the reason or of the answer, in any case of letters
	Since  time.Time `json:"since,omitzero"`   // refused for the last time at this time or later
	Until  time.Time `json:"until,omitzero"`   // refused for the last time before this time
}

// AskDead asks for dead letters, oldest first.
type AskDead struct {
	DeadFilter
	Count  uint64 `json:"count,omitempty"`  // end after so many; 0: never
	Bodies bool   `json:"bodies,omitempty"` // Raw and Rendered, too
}

// Letter is one event that a receiver will never take.
type Letter struct {
	ID       uint64    `json:"id,omitempty"`
	Sink     string    `json:"sink,omitempty"`   // "-": a body that a source refused
	Source   string    `json:"source,omitempty"` // where it came from
	Position uint64    `json:"position,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	Answer   string    `json:"answer,omitempty"` // the receiver's own words
	Attempts uint64    `json:"attempts,omitempty"`
	First    time.Time `json:"first,omitzero"` // when it was refused for the first time
	Last     time.Time `json:"last,omitzero"`  // and for the last time
	Received time.Time `json:"received,omitzero"`
	Peer     string    `json:"peer,omitempty"`
	UID      string    `json:"uid,omitempty"`
	Octets   int       `json:"octets,omitempty"` // that the sender sent
	Raw      []byte    `json:"raw,omitempty"`
	Rendered []byte    `json:"rendered,omitempty"`

	Error string `json:"error,omitempty"`
	End   bool   `json:"end,omitempty"`
}

// DeadGroup is the letters of one source and sink with one reason. Reasons that differ
// in numbers only are one.
type DeadGroup struct {
	Sink    string    `json:"sink"`
	Source  string    `json:"source"`
	Reason  string    `json:"reason"` // of the newest
	Answer  string    `json:"answer,omitempty"`
	Letters uint64    `json:"letters"`
	FirstID uint64    `json:"first_id"`
	LastID  uint64    `json:"last_id"`
	First   time.Time `json:"first,omitzero"` // when the first of them was refused
	Last    time.Time `json:"last,omitzero"`  // and the last
}

// ClearDead asks that dead letters are thrown away.
type ClearDead struct {
	DeadFilter
	All bool `json:"all,omitempty"` // an empty filter is meant
	Yes bool `json:"yes,omitempty"` // do it; otherwise only count
}

// ClearedDead is how many go, or have gone.
type ClearedDead struct {
	Letters uint64 `json:"letters"`
	Done    bool   `json:"done"`
}

// Dead is a Service that keeps dead letters.
type Dead interface {
	DeadGroups(ctx context.Context, ask DeadFilter) ([]DeadGroup, error)
	// DeadLetters puts out the letters; a line is of no use once Put has returned.
	DeadLetters(ctx context.Context, ask AskDead, out Out[Letter]) error
	ClearDead(ctx context.Context, ask ClearDead) (ClearedDead, error)
}

// DeadGroups asks for the dead letters by reason.
func (c *Client) DeadGroups(ctx context.Context, ask DeadFilter) (list []DeadGroup, err error) {
	return list, c.post(ctx, "/dead", ask, &list)
}

// DeadLetters asks for dead letters and calls show for each.
func (c *Client) DeadLetters(ctx context.Context, ask AskDead, show func(Letter) error) error {
	return stream(ctx, c, "/dead/letters", ask, func(l Letter) (bool, error) {
		switch {
		case l.Error != "":
			return false, errors.New(l.Error)
		case l.End:
			return false, nil
		}
		return true, show(l)
	})
}

// ClearDead asks that dead letters are thrown away.
func (c *Client) ClearDead(ctx context.Context, ask ClearDead) (done ClearedDead, err error) {
	return done, c.post(ctx, "/dead/clear", ask, &done)
}

func lastLetter(err error) Letter {
	if err != nil {
		return Letter{Error: err.Error()}
	}
	return Letter{End: true}
}
