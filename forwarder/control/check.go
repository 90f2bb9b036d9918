package control

import (
	"context"
	"errors"
	"time"
)

// Check asks that every frame of what is stored is read.
type Check struct {
	Sources []string `json:"sources,omitempty"` // none: all, and the dead letters
}

// CheckStep is one line of the answer: how far the check is, and at most one of what it
// found out.
type CheckStep struct {
	Read    int64           `json:"read"`  // octets
	Total   int64           `json:"total"` // octets
	Segment *CheckedSegment `json:"segment,omitempty"`
	Cursor  *CheckedCursor  `json:"cursor,omitempty"`
	Log     *CheckedLog     `json:"log,omitempty"` // ends what is told of one log
	Error   string          `json:"error,omitempty"`
	End     bool            `json:"end,omitempty"`
}

// CheckedSegment is one file of a log.
type CheckedSegment struct {
	Log    string    `json:"log"` // the log's folder within the state folder
	File   string    `json:"file"`
	First  uint64    `json:"first"` // position it begins with
	Next   uint64    `json:"next"`  // position after its last event
	Frames uint64    `json:"frames"`
	Events uint64    `json:"events"`
	Marks  uint64    `json:"marks"`
	Bytes  int64     `json:"bytes"`
	Oldest time.Time `json:"oldest,omitzero"`
	Newest time.Time `json:"newest,omitzero"`
	Places uint64    `json:"damaged"` // damaged places
	Lost   uint64    `json:"lost"`    // events lost to them
	Damage []Damage  `json:"damage,omitempty"`
	// Unfinished octets at the end belong to an append that was never acknowledged.
	Unfinished int64 `json:"unfinished,omitempty"`
	Gone       bool  `json:"gone,omitempty"` // removed meanwhile, as retention does
}

// Damage is a place where frames are damaged or missing.
type Damage struct {
	Offset int64  `json:"offset"`
	Bytes  int64  `json:"bytes"`
	First  uint64 `json:"first"`  // position of the first event that is lost there
	Events uint64 `json:"events"` // how many are
	Why    string `json:"why"`
}

// CheckedCursor is how far one reader has come.
type CheckedCursor struct {
	Log      string `json:"log"`
	Sink     string `json:"sink"`
	Position uint64 `json:"position"`
	Waiting  uint64 `json:"waiting"`
	Orphan   bool   `json:"orphan,omitempty"`
	Problem  string `json:"problem,omitempty"`
}

// CheckedLog is the sum over one log.
type CheckedLog struct {
	Log             string   `json:"log"`
	Segments        int      `json:"segments"`
	Frames          uint64   `json:"frames"`
	Events          uint64   `json:"events"`
	Bytes           int64    `json:"bytes"`
	Places          uint64   `json:"damaged"`
	Lost            uint64   `json:"lost"`
	Cursors         int      `json:"bad_cursors"`
	Quarantine      int      `json:"quarantine"` // pieces of damage met earlier; they are no fault now
	QuarantineBytes int64    `json:"quarantine_bytes"`
	Foreign         []string `json:"foreign,omitempty"`
	Error           string   `json:"error,omitempty"` // why it could not be read to its end
	Clean           bool     `json:"clean"`
}

// Checker is a Service that can check what it stores.
type Checker interface {
	CheckQueue(ctx context.Context, ask Check, out Out[CheckStep]) error
}

// CheckQueue asks for a check and calls step for each line of the answer. It returns nil
// when everything was read, whatever was found.
func (c *Client) CheckQueue(ctx context.Context, ask Check, step func(CheckStep) error) error {
	return stream(ctx, c, "/queue/check", ask, func(s CheckStep) (bool, error) {
		switch {
		case s.Error != "":
			return false, errors.New(s.Error)
		case s.End:
			return false, nil
		}
		return true, step(s)
	})
}

func lastChecked(err error) CheckStep {
	if err != nil {
		return CheckStep{Error: err.Error()}
	}
	return CheckStep{End: true}
}
