package deadletter

import (
	"context"
	"iter"
	"log/slog"

	"github.com/siemfwd/siemfwd/forwarder/spool"
)

// NoSink is the sink of letters that were to go to none: bodies that no event could be
// made of.
const NoSink = "-"

const (
	bodiesExt  = "-bodies" // makes the folder of their log of that of the others
	share      = 40        // of the room for the others, the part from which on the oldest of them give way
	largest    = 1 << 20   // octets kept of one
	bodiesFrom = 1e12      // their IDs begin here, beyond those of the others
)

func openBodies(fs spool.FS, dir string, log *slog.Logger, most int64) (*Store, error) {
	return openLog(dir, log, spool.Options{FS: fs, Segment: most / 16, Max: most, WhenFull: spool.DropOldest, Log: log})
}

// addBodies adds letters, each no longer than a body may be.
func (s *Store) addBodies(ctx context.Context, letters []Letter) error {
	for i := range letters {
		if l := &letters[i]; len(l.Raw) > largest {
			l.Size = max(l.Size, len(l.Raw))
			l.Raw = l.Raw[:largest]
		}
	}
	return s.Add(ctx, letters...)
}

// Dropped returns how many letters for NoSink gave way to newer ones since the store was
// opened.
func (s *Store) Dropped() uint64 { return s.bodies.pin.Skipped().Expired }

// apart returns the letters that are not so, and copies of those that are.
func apart(letters []Letter, so func(*Letter) bool) (rest, these []Letter) {
	n := 0
	for i := range letters {
		if so(&letters[i]) {
			n++
		}
	}
	if n == 0 {
		return letters, nil
	}
	for i := range letters {
		if so(&letters[i]) {
			these = append(these, letters[i])
		} else {
			rest = append(rest, letters[i])
		}
	}
	return rest, these
}

// shifted gives bodies the IDs that they have in their own log.
func shifted(bodies []Letter) []Letter {
	for i := range bodies {
		bodies[i].ID -= bodiesFrom
	}
	return bodies
}

// joined yields the letters of both logs.
func joined(letters, bodies iter.Seq2[Letter, error]) iter.Seq2[Letter, error] {
	return func(yield func(Letter, error) bool) {
		for l, err := range letters {
			if !yield(l, err) || err != nil {
				return
			}
		}
		for l, err := range bodies {
			if err == nil {
				l.ID += bodiesFrom
			}
			if !yield(l, err) {
				return
			}
		}
	}
}
