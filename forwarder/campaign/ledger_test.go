package campaign

import (
	"bytes"
	"maps"
	"strings"
	"sync"
)

// ledger holds what was acknowledged to the senders, and what arrived at the sinks.
type ledger struct {
	mu      sync.Mutex
	acked   map[string]struct{}
	arrived map[string]map[string]int // by sink
	dead    map[string]map[string]int // by sink
}

func newLedger() *ledger {
	return &ledger{acked: map[string]struct{}{}, arrived: map[string]map[string]int{}, dead: map[string]map[string]int{}}
}

func (l *ledger) ack(ids ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range ids {
		l.acked[id] = struct{}{}
	}
}

func (l *ledger) arrive(sink string, ids ...string) { l.note(l.arrived, sink, ids) }
func (l *ledger) bury(sink string, ids ...string)   { l.note(l.dead, sink, ids) }

func (l *ledger) note(where map[string]map[string]int, sink string, ids []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if where[sink] == nil {
		where[sink] = map[string]int{}
	}
	for _, id := range ids {
		where[sink][id]++
	}
}

// sums are what a ledger comes to.
type sums struct{ acked, missing, arrived, twice, dead int }

// sum compares: missing counts, over all sinks, what was acknowledged and neither arrived
// nor is among the dead letters, twice what arrived again.
func (l *ledger) sum(sinks ...string) (s sums, missing []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.acked = len(l.acked)
	for _, sink := range sinks {
		there := maps.Clone(l.arrived[sink])
		s.dead += len(l.dead[sink])
		for id := range l.acked {
			if there[id] == 0 && l.dead[sink][id] == 0 {
				s.missing++
				if len(missing) < 20 {
					missing = append(missing, sink+": "+id)
				}
			}
		}
		for _, n := range there {
			s.arrived += n
			s.twice += n - 1
		}
	}
	return s, missing
}

// awaited counts, over all sinks, what was acknowledged and has not arrived, without what
// the senders call poor.
func (l *ledger) awaited(sinks ...string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, sink := range sinks {
		for id := range l.acked {
			if l.arrived[sink][id] == 0 && !strings.HasSuffix(id, "poor") {
				n++
			}
		}
	}
	return n
}

func (s *sums) add(o sums) {
	s.acked += o.acked
	s.missing += o.missing
	s.arrived += o.arrived
	s.twice += o.twice
	s.dead += o.dead
}

// idKeys are where an event's number stands: in what the campaigns send, and in what the
// API of Check Point has.
var idKeys = [][]byte{[]byte(`"id":"`), []byte(`"eventId":"`)}

// idOf finds the number of an event in what a sink got; "" when there is none.
func idOf(payload []byte) string {
	for _, key := range idKeys {
		if _, rest, ok := bytes.Cut(payload, key); ok {
			id, _, _ := bytes.Cut(rest, []byte(`"`))
			return string(id)
		}
	}
	return ""
}
