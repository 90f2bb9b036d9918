package syslog

import (
	"net/netip"
	"sync"
	"time"
)

// quiet decides which lines of the log are worth writing: the first few about a peer and
// a matter in a while, and then how many there were more. The zero quiet is ready, and
// safe for concurrent use.
type quiet struct {
	mu    sync.Mutex
	said  map[matter]*saying
	other uint64 // lines about peers that are not remembered one by one
}

type matter struct {
	peer netip.Addr // IPv6: the first 64 bits of it, which one machine may vary at will
	text string
}

type saying struct {
	at    time.Time // when the while began
	lines int       // passed in it
	more  uint64    // left out
}

// summary is how often a line was left out.
type summary struct {
	matter
	times uint64
}

const (
	quietTime  = time.Minute
	quietLines = 20 // of one peer and matter that pass in quietTime
	quietPeers = 1024
)

// pass reports whether a line is to be written.
func (q *quiet) pass(peer netip.Addr, text string, now time.Time) bool {
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
	s := q.said[m]
	if s == nil {
		if len(q.said) >= quietPeers {
			q.other++
			return false
		}
		s = &saying{at: now}
		q.said[m] = s
	}
	if s.lines == quietLines {
		s.more++
		return false
	}
	s.lines++
	return true
}

// left returns what was left out in the whiles that are over, or in all of them, and
// forgets them.
func (q *quiet) left(now time.Time, all bool) (out []summary) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for m, s := range q.said {
		if !all && now.Sub(s.at) < quietTime {
			continue
		}
		if s.more > 0 {
			out = append(out, summary{m, s.more})
		}
		delete(q.said, m)
	}
	if q.other > 0 {
		out = append(out, summary{matter{text: "lines about other peers were left out"}, q.other})
		q.other = 0
	}
	return out
}
