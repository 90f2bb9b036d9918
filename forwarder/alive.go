package forwarder

import "time"

// stuckAfter is how long a lane may work on one run of events. It takes milliseconds.
const stuckAfter = time.Minute

// Alive reports whether the forwarder works, for whoever restarts it when it does not:
// everything answers that is asked for the status, and no lane is lost in a parser or a
// formatter. Sinks and sources that are down do not count, a restart would not help them.
// It does not return while something is stuck that should answer.
func (f *Forwarder) Alive() bool {
	f.Status()
	now := time.Now()
	for _, l := range f.lanes {
		since := l.working.Load()
		if since == 0 || now.Sub(time.Unix(0, since)) < stuckAfter {
			continue
		}
		f.log.Error("lane does not come back from reading its events; without an answer the service manager starts siemfwd again",
			"source", l.source.name, "sink", l.sink.name, "position", l.reader.Position().Index, "for", now.Sub(time.Unix(0, since)).Round(time.Second).String())
		return false
	}
	return true
}
