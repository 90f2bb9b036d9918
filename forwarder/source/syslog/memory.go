package syslog

import "sync/atomic"

// Sizes of a connection's buffer, in octets. A connection that never said anything
// costs the first one.
const (
	firstBuffer = 4 << 10
	fullBuffer  = 256 << 10
)

// Bounds of all connections' buffers together, in octets. Below the first buffers grow
// so that more is read at a time; above it only when the event at hand needs it; above
// the second the connection is closed, or a crowd of endless events would fill the
// memory.
const (
	ampleMemory = 32 << 20
	mostMemory  = 256 << 20
)

// largeTurns is how many connections emit a large buffer at a time.
const largeTurns = 8

// memory counts what the connections of a run have in buffers. A line that is longer
// than max_event is kept beside its connection's buffer, and so are the events that wait
// for the log: what they hold together is at most three times the count.
type memory struct{ used atomic.Int64 }

// take counts n octets more, unless that were more than most.
func (m *memory) take(n int, most int64) bool {
	if m.used.Add(int64(n)) > most {
		m.used.Add(int64(-n))
		return false
	}
	return true
}

func (m *memory) give(n int) { m.used.Add(int64(-n)) }
