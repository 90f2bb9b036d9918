package forwarder

import (
	"os"

	"github.com/siemfwd/siemfwd/forwarder/control"
	"github.com/siemfwd/siemfwd/forwarder/source"
)

// Status tells how the forwarder is doing. The numbers of one lane belong together:
// received = delivered + filtered + dead + expired + waiting holds in every answer.
func (f *Forwarder) Status() control.Status {
	st := control.Status{Version: f.opts.Version, PID: os.Getpid(), Started: f.started, State: f.cfg.State}
	for _, s := range f.sources {
		st.Sources = append(st.Sources, f.sourceStatus(s, &st))
	}
	for _, s := range f.sinks {
		now := s.current()
		st.Sinks = append(st.Sinks, control.Sink{Name: s.name, Type: s.kind, Up: now.up, Since: now.since, Error: now.words()})
	}
	st.Letters = lettersOf(f.dead.Kept())
	return st
}

// sourceStatus asks the source's lanes before it asks the spool how far it is: what
// became durable in between waits for every one of them. Events that a full spool did
// not take under drop_newest were received and are expired for every sink.
func (f *Forwarder) sourceStatus(s *sourceState, st *control.Status) control.Source {
	first := len(st.Lanes)
	var next []uint64
	for _, l := range f.lanes {
		if l.source != s {
			continue
		}
		a := l.account()
		_, oldest := l.reader.Waiting()
		next = append(next, a.next)
		st.Lanes = append(st.Lanes, control.Lane{Source: s.name, Sink: l.sink.name,
			Delivered: a.delivered, Filtered: a.filtered, Dead: a.dead, Expired: a.expired, Waiting: a.waiting, Unconfirmed: a.unconfirmed, Oldest: oldest,
			Retried: a.retried, Replayed: l.replayed.Load()})
	}
	spooled := s.spool.Stats()
	received := spooled.Synced - s.base + spooled.Dropped
	for i, at := range next {
		lane := &st.Lanes[first+i]
		lane.Received = received
		lane.Waiting += spooled.Synced - at
		lane.Expired += spooled.Dropped
	}
	now := s.current()
	src := control.Source{Name: s.name, Type: s.kind, Vendor: s.vendor, Up: now.up, Since: now.since, Error: now.why,
		Received: received, Duplicates: s.duplicates.Load(), SpoolBytes: spooled.Bytes, Full: spooled.Full, Damaged: spooled.Damaged}
	if a, ok := s.source.(listener); ok {
		src.Listening = a.Addrs()
	}
	if p, ok := s.source.(source.Positioner); ok {
		src.Position, src.Progress = p.Position(), p.Progress()
	}
	return src
}
