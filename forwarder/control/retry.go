package control

import (
	"context"
	"errors"
)

// Retry asks that dead letters are sent to their sink again.
type Retry struct {
	DeadFilter      // with a Sink, or with IDs
	Yes        bool `json:"yes,omitempty"` // do it; otherwise only count
}

// RetryStep says how far a retry is.
type RetryStep struct {
	Total   uint64 `json:"total"`   // letters that are meant
	Sent    uint64 `json:"sent"`    // that the receiver has now; they are no dead letters any more
	Refused uint64 `json:"refused"` // that it refused again; they are kept
	Left    uint64 `json:"left"`    // that were not tried, or not yet; see Note

	Again []Refused `json:"again,omitempty"` // of the first twenty refused, those since the step before
	Note  string    `json:"note,omitempty"`
	Done  bool      `json:"done,omitempty"`
	// Down says that the retry ended because the sink is not well: Error tells how.
	Down  bool   `json:"down,omitempty"`
	Error string `json:"error,omitempty"`
}

// Refused is a letter that was refused again.
type Refused struct {
	ID     uint64 `json:"id"`
	New    uint64 `json:"new_id"` // what it is now
	Reason string `json:"reason"`
	Answer string `json:"answer,omitempty"`
}

// ErrSinkDown is wrapped by the error of a retry that ended because the sink is not well.
var ErrSinkDown = errors.New("sink is not well")

// Retrier is a Service that can send dead letters again.
type Retrier interface {
	// RetryDead puts out a step now and then, the last one with all numbers. It returns nil
	// when each letter was tried. The error wraps ErrSinkDown when the sink is not well.
	RetryDead(ctx context.Context, ask Retry, out Out[RetryStep]) error
}

// RetryDead asks for a retry and calls step for each line of the answer. The error wraps
// ErrNoForwarder when nobody listens, ErrSinkDown when the sink is not well. When ctx
// ends, the retry ends, after the batch in hand.
func (c *Client) RetryDead(ctx context.Context, ask Retry, step func(RetryStep) error) error {
	return stream(ctx, c, "/dead/retry", ask, func(s RetryStep) (bool, error) {
		switch {
		case s.Down:
			return false, &sinkDown{s.Error}
		case s.Error != "":
			return false, errors.New(s.Error)
		case s.Done:
			return false, nil
		}
		return true, step(s)
	})
}

// sinkDown is ErrSinkDown with the words of the other end of the socket.
type sinkDown struct{ words string }

func (e *sinkDown) Error() string { return e.words }
func (e *sinkDown) Unwrap() error { return ErrSinkDown }

func lastRetried(err error) RetryStep {
	if err != nil {
		return RetryStep{Error: err.Error(), Down: errors.Is(err, ErrSinkDown)}
	}
	return RetryStep{Done: true}
}
