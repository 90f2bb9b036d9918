package forwarder

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// Bounds of what is remembered of the tickets of one source.
const (
	mostTickets     = 1 << 16
	mostTicketBytes = 32 << 20
)

// tickets remembers what the events of one source that opened a ticket said of it, so
// that later events about the ticket can be completed. It is filled before an event
// goes to the spool, so that no lane sees an event of a ticket before its opening is
// known, and again from the spool after a start. The oldest give way when there are too
// many. It is safe for concurrent use; a nil *tickets remembers nothing.
type tickets struct {
	join *kit.Join
	log  *slog.Logger

	mu    sync.RWMutex
	memos map[string]ticket
	order []opening // oldest first, from head
	head  int
	bytes int
}

type ticket struct {
	memo []byte // never written to
	at   time.Time
}

type opening struct {
	key string
	at  time.Time
}

func newTickets(j *kit.Join, log *slog.Logger) *tickets {
	if j == nil {
		return nil
	}
	return &tickets{join: j, log: log, memos: map[string]ticket{}}
}

// keep is how long tickets are remembered.
func (t *tickets) keep() time.Duration {
	if t == nil {
		return 0
	}
	return t.join.Keep
}

func (t *tickets) noteAll(b *event.Batch) {
	if t == nil {
		return
	}
	for i := range b.Len() {
		t.note(b.At(i))
	}
}

// note remembers the ticket that an event opens, if it opens one. Of several openings
// of one ticket the latest counts.
func (t *tickets) note(raw event.Raw) {
	if t == nil {
		return
	}
	key, memo := t.open(raw)
	if key == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expire(raw.Time)
	k := string(key)
	if old, ok := t.memos[k]; ok {
		t.bytes -= size(k, old.memo)
	}
	t.memos[k] = ticket{memo, raw.Time}
	t.order = append(t.order, opening{k, raw.Time})
	t.bytes += size(k, memo)
}

// open asks the vendor. A vendor that breaks on an event costs only what would have
// been remembered: the event itself is taken.
func (t *tickets) open(raw event.Raw) (key, memo []byte) {
	defer func() {
		if p := recover(); p != nil {
			key, memo = nil, nil
			t.log.Error("a ticket could not be read from an event", "err", fmt.Sprintf("%v\n%s", p, debug.Stack()))
		}
	}()
	return t.join.Open(raw.Data)
}

// find returns the memo of a ticket; nil when there is none.
func (t *tickets) find(key []byte) []byte {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.memos[string(key)].memo
}

// expire forgets what is too old, and makes room for one more.
func (t *tickets) expire(now time.Time) {
	for t.head < len(t.order) {
		o := t.order[t.head]
		if now.Sub(o.at) < t.join.Keep && len(t.order)-t.head < mostTickets && t.bytes < mostTicketBytes {
			break
		}
		t.head++
		if m, ok := t.memos[o.key]; ok && m.at.Equal(o.at) {
			t.bytes -= size(o.key, m.memo)
			delete(t.memos, o.key)
		}
	}
	if t.head > 1024 && 2*t.head > len(t.order) {
		t.order = append(t.order[:0], t.order[t.head:]...)
		t.head = 0
	}
}

func size(key string, memo []byte) int { return len(key) + len(memo) + 160 }
