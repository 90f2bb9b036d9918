package control

import (
	"context"
	"errors"
	"time"
)

// Dump asks for stored events as they were received.
type Dump struct {
	Source string    `json:"source"`
	From   uint64    `json:"from,omitempty"`  // position to begin at
	Since  time.Time `json:"since,omitzero"`  // received at this time or later
	Until  time.Time `json:"until,omitzero"`  // received before this time
	Count  uint64    `json:"count,omitempty"` // end after so many; 0: never
}

// Dumped is one stored event.
type Dumped struct {
	Source   string    `json:"source,omitempty"`
	Position uint64    `json:"position,omitempty"`
	Received time.Time `json:"received,omitzero"`
	Peer     string    `json:"peer,omitempty"`
	Raw      []byte    `json:"raw,omitempty"`
	Size     int       `json:"size,omitempty"` // octets the sender sent, when that is more than Raw has

	Error string `json:"error,omitempty"`
	End   bool   `json:"end,omitempty"`
}

// Dumper is a Service that shows what it stores.
type Dumper interface {
	// DumpQueue puts out what was stored at the moment of asking, oldest first. A line
	// is of no use once Put has returned.
	DumpQueue(ctx context.Context, ask Dump, out Out[Dumped]) error
}

// DumpQueue asks for stored events and calls show for each. The error wraps ErrNoForwarder
// when nobody listens.
func (c *Client) DumpQueue(ctx context.Context, ask Dump, show func(Dumped) error) error {
	return stream(ctx, c, "/queue/dump", ask, func(d Dumped) (bool, error) {
		switch {
		case d.Error != "":
			return false, errors.New(d.Error)
		case d.End:
			return false, nil
		}
		return true, show(d)
	})
}

func lastDumped(err error) Dumped {
	if err != nil {
		return Dumped{Error: err.Error()}
	}
	return Dumped{End: true}
}
