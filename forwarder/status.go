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
		st.Sinks = append(st.Sinks, control.Sink{Name: s.name, Type: s.kind, Up: now.up, Since: now.since, Error: now.why})
	}
	return st
}

// sourceStatus reads the tallies of the source's lanes before it asks the spool how
// far it is, so that no lane is ever ahead of what was received.
func (f *Forwarder) sourceStatus(s *sourceState, st *control.Status) control.Source {
	first := len(st.Lanes)
	var index []uint64
	for _, l := range f.lanes {
		if l.source != s {
			continue
		}
		t := l.snapshot()
		_, oldest := l.reader.Waiting()
		index = append(index, t.index)
		st.Lanes = append(st.Lanes, control.Lane{Source: s.name, Sink: l.sink.name,
			Delivered: t.delivered, Filtered: t.filtered, Dead: t.dead, Expired: t.expired, Oldest: oldest})
	}
	spooled := s.spool.Stats()
	received := spooled.Next - s.base
	for i, at := range index {
		lane := &st.Lanes[first+i]
		lane.Received, lane.Waiting = received, spooled.Next-at
	}
	now := s.current()
	src := control.Source{Name: s.name, Type: s.kind, Vendor: s.vendor, Up: now.up, Since: now.since, Error: now.why,
		Received: received, Duplicates: s.duplicates.Load(), SpoolBytes: spooled.Bytes, Full: spooled.Full}
	if a, ok := s.source.(interface{ Addrs() []string }); ok {
		src.Listening = a.Addrs()
	}
	if p, ok := s.source.(source.Positioner); ok {
		src.Position, src.Progress = p.Position(), p.Progress()
	}
	return src
}
