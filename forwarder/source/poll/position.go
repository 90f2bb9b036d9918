package poll

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/event"
)

// The keys of marks.
const (
	markPosition = "poll"        // a position
	markRescan   = "poll.rescan" // when the last rescan began, RFC 3339
	markPause    = "poll.pause"  // until when the API wants no requests, RFC 3339
)

// position is how far the API has been read, by its own time.
type position struct {
	// Read: everything before has been read at least once.
	Read time.Time
	// Final: everything before has been read so long after its time that nothing can
	// appear there any more, if the overlap is what it should be. The next look begins
	// here. Never behind Read.
	Final time.Time
	// Since is when that was by this machine's clock: what is read again was received
	// later.
	Since time.Time
}

// positionMark is what is kept of a position.
type positionMark struct {
	Version int       `json:"v"`
	Read    time.Time `json:"read"`
	Final   time.Time `json:"final"`
	Since   time.Time `json:"since"`
}

const markVersion = 1

func (p position) mark() event.Mark {
	value, _ := json.Marshal(positionMark{markVersion, p.Read.UTC(), p.Final.UTC(), p.Since.UTC()}) // times of year 0 to 9999
	return event.Mark{Key: markPosition, Value: value}
}

// readPosition reads a mark; ok is false when there is none.
func readPosition(value []byte) (p position, ok bool, err error) {
	if len(value) == 0 {
		return p, false, nil
	}
	var m positionMark
	if err := json.Unmarshal(value, &m); err != nil {
		return p, false, fmt.Errorf("position %.200q cannot be read: %w", value, err)
	}
	if m.Version != markVersion || m.Read.IsZero() || m.Final.IsZero() || m.Since.IsZero() || m.Final.After(m.Read) {
		return p, false, fmt.Errorf("position %.200q was not written by this siemfwd", value)
	}
	return position{m.Read, m.Final, m.Since}, true, nil
}

func timeMark(key string, t time.Time) event.Mark {
	return event.Mark{Key: key, Value: t.UTC().AppendFormat(nil, time.RFC3339Nano)}
}

// readTime reads a mark of timeMark; the zero time when there is none.
func readTime(value []byte) time.Time {
	t, err := time.Parse(time.RFC3339Nano, string(value))
	if err != nil {
		return time.Time{}
	}
	return t
}

// progress moves a position while one stretch after the other is read.
type progress struct {
	overlap, settle time.Duration
	now             position
	// limit is how far Final can get before all is read again: what was read after
	// that is too young to be final. Zero: no limit yet.
	limit time.Time
}

// reach returns the position after a reading that began at a time of the API's and has
// handed out everything before reached, following on what was reached before.
func (p *progress) reach(reached, began time.Time) position {
	settled := began.Add(-p.settle)
	old := settled.Add(-p.overlap)
	final := earlier(reached, old)
	if !p.limit.IsZero() {
		final = earlier(final, p.limit)
	}
	if reached.After(old) && (p.limit.IsZero() || old.Before(p.limit)) {
		p.limit = old
	}
	next := p.now
	next.Read = later(next.Read, earlier(reached, settled))
	next.Final = later(next.Final, final)
	return next
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
