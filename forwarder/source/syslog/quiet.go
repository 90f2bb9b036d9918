package syslog

import (
	"net/netip"
	"sync"
	"time"
)

// quiet decides which lines of the log are worth writing: the first about a peer and a
// matter, and then one in a while. The zero quiet is ready, and safe for concurrent use.
type quiet struct {
	mu   sync.Mutex
	said map[matter]*saying
}

type matter struct {
	peer netip.Addr // IPv6: the first 64 bits of it, which one machine may vary at will
	text string
}

type saying struct {
	at    time.Time
	since uint64 // lines left out after at
}

const (
	quietTime  = 10 * time.Minute
	quietPeers = 1024
)

// pass reports whether a line is to be written, and how many like it were left out since
// the last one.
func (q *quiet) pass(peer netip.Addr, text string, now time.Time) (ok bool, repeated uint64) {
	if peer.Is6() {
		if p, err := peer.WithZone("").Prefix(64); err == nil {
			peer = p.Addr()
		}
	}
	m := matter{peer, text}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.said == nil {
		q.said = map[matter]*saying{}
	}
	if s := q.said[m]; s != nil {
		if now.Sub(s.at) < quietTime {
			s.since++
			return false, 0
		}
		repeated = s.since
		*s = saying{at: now}
		return true, repeated
	}
	if len(q.said) >= quietPeers {
		for k, s := range q.said {
			if now.Sub(s.at) >= quietTime {
				delete(q.said, k)
			}
		}
		if len(q.said) >= quietPeers {
			return false, 0 // enough is known to be wrong
		}
	}
	q.said[m] = &saying{at: now}
	return true, 0
}
