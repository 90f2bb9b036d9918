package webhook

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/source"
	"github.com/siemfwd/siemfwd/forwarder/source/webhook/gate"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// route is one Run of a source: what a path leads to.
type route struct {
	log       source.Log
	hook      *kit.Hook
	gate      *gate.Gate
	paths     []string            // all that lead here
	ways      map[string]*kit.Way // by path, those that are not for the hook's own events
	channels  *channels           // nil: nobody is given acknowledgements
	tokenPath string
	cfg       *Config
	env       component.Env
	quiet     quiet

	maxBody, maxInflated int64
	emitFor, fullFor     time.Duration

	ctx    context.Context // ends when requests in hand have to be given up
	cancel context.CancelFunc

	mu     sync.Mutex
	ending bool
	inHand map[*desk]http.ResponseWriter
	empty  chan struct{} // made while drain waits; closed when nothing is in hand
	busy   bool          // the last word was that the log takes nothing
}

func newRoute(s *Source, log source.Log) *route {
	r := &route{log: log, hook: s.hook, channels: s.channels, gate: s.gate, paths: pathsOf(&s.cfg, s.hook), ways: map[string]*kit.Way{}, tokenPath: s.cfg.Auth.Endpoint(), cfg: &s.cfg, env: s.env,
		maxBody: int64(s.cfg.MaxBody), maxInflated: int64(s.cfg.MaxInflated),
		emitFor: s.hub.limits.emit, fullFor: s.hub.limits.full, inHand: map[*desk]http.ResponseWriter{}}
	for i := range s.hook.Ways {
		w := &s.hook.Ways[i]
		r.ways[s.cfg.below(w.Path)] = w
	}
	if r.maxBody == 0 {
		r.maxBody = s.hook.MaxBody
	}
	if r.maxBody == 0 {
		r.maxBody = defaultBody
	}
	if r.maxInflated == 0 {
		r.maxInflated = inflation * r.maxBody
	}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// enter notes a request; false when the route is ending. leave ends it.
func (r *route) enter(k *desk, w http.ResponseWriter) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ending {
		return false
	}
	r.inHand[k] = w
	return true
}

func (r *route) leave(k *desk) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.inHand, k)
	if len(r.inHand) == 0 && r.empty != nil {
		close(r.empty)
		r.empty = nil
	}
}

// drain lets no request in any more and returns when none is in hand. After the given
// time those that are left are given up.
func (r *route) drain(wait time.Duration) {
	r.mu.Lock()
	r.ending = true
	var empty chan struct{}
	if len(r.inHand) > 0 {
		empty = make(chan struct{})
		r.empty = empty
	}
	r.mu.Unlock()
	defer r.cancel()
	defer r.quiet.flush(r.env.Log)
	if empty == nil {
		return
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-empty:
		return
	case <-t.C:
	}
	r.cancel()
	r.mu.Lock()
	for _, w := range r.inHand {
		// Whoever still sends a body is cut off.
		_ = http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0))
	}
	r.mu.Unlock()
	<-empty
}

// allowed reports whether the sender is in one of the networks that may send.
func (r *route) allowed(peer netip.Addr) bool {
	return len(r.cfg.Allow) == 0 || within(r.cfg.Allow, peer)
}

// setBusy notes whether the log takes events, and logs when that changes.
func (r *route) setBusy(busy bool, err error) {
	r.mu.Lock()
	changed := r.busy != busy
	r.busy = busy
	r.mu.Unlock()
	switch {
	case !changed:
	case busy:
		r.env.Log.Warn("senders are told to come back: events cannot be made durable", "err", err)
	default:
		r.env.Log.Info("events are taken again")
	}
}

// quiet thins out log lines about refused requests: one per reason and minute.
type quiet struct {
	mu   sync.Mutex
	said map[string]*saying
}

type saying struct {
	at    time.Time
	since int // refused since, and not said
	peer  netip.Addr
}

const quietTime = time.Minute

// say logs one refusal, or counts it for the next line. reason is one of a few
// constants; detail holds no secret.
func (q *quiet) say(log *slog.Logger, now time.Time, status int, reason, detail string, peer netip.Addr) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.said == nil {
		q.said = map[string]*saying{}
	}
	s := q.said[reason]
	if s == nil {
		s = &saying{}
		q.said[reason] = s
	}
	if now.Sub(s.at) < quietTime {
		s.since++
		s.peer = peer
		return
	}
	args := []any{"reason", reason}
	if peer.IsValid() {
		args = append(args, "status", status, "peer", peer.String())
	}
	if detail != "" {
		args = append(args, "detail", detail)
	}
	if s.since > 0 {
		args = append(args, "more", s.since)
	}
	*s = saying{at: now}
	log.Warn("sender refused", args...)
}

// flush logs what was counted and not said.
func (q *quiet) flush(log *slog.Logger) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for reason, s := range q.said {
		if s.since > 0 {
			log.Warn("senders refused", "reason", reason, "more", s.since, "last_peer", s.peer.String())
		}
	}
	q.said = nil
}
