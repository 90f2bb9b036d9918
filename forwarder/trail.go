package forwarder

import (
	"path/filepath"
	"slices"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/deadletter"
	"github.com/siemfwd/siemfwd/forwarder/trail"
)

// trailsDir is where the trails are, in the state folder.
const trailsDir = "trails"

func trailOf(state, source, sink string) string { return filepath.Join(state, trailsDir, source, sink) }

// openTrail opens the trail of a lane; fresh says that its cursor is new.
func (f *Forwarder) openTrail(l *lane, fresh bool) {
	t := trail.Open(trailOf(f.cfg.State, l.source.name, l.sink.name), l.log)
	t.Start(time.Now(), l.opened, fresh)
	f.trails = append(f.trails, t)
	f.closers = append(f.closers, t)
}

// keepTrails notes once a second where the cursors of all lanes are, until the function
// it returns is called, which notes it for the last time.
func (f *Forwarder) keepTrails() (end func()) {
	look := func(now time.Time) {
		for i, l := range f.lanes {
			f.trails[i].Look(now, l.reader.Position().Index)
		}
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case now := <-tick.C:
				look(now)
			case <-stop:
				look(time.Now())
				return
			}
			if n%600 == 0 {
				for i, l := range f.lanes {
					f.trails[i].Trim(l.source.spool.Stats().First)
				}
			}
		}
	}()
	return func() { close(stop); <-done }
}

// trailDeaths notes events that became dead letters, all of one lane. Those of a replay
// say so themselves.
func (f *Forwarder) trailDeaths(letters []deadletter.Letter) {
	if len(letters) == 0 || letters[0].Replay != "" {
		return
	}
	steps := make([]trail.Step, len(letters))
	for i := range letters {
		now := time.Now()
		steps[i] = trail.Step{Kind: trail.Died, Index: letters[i].Index, Time: now, Since: now}
	}
	for i, l := range f.lanes {
		if l.source.name == letters[0].Source && l.sink.name == letters[0].Sink {
			f.trails[i].Note(steps...)
		}
	}
}

// trailCleared notes that a lane's cursor, which was at before, passed what it had not
// sent.
func (f *Forwarder) trailCleared(l *lane, before uint64) {
	now := time.Now()
	if i := slices.Index(f.lanes, l); i >= 0 {
		f.trails[i].Look(now, before)
		f.trails[i].Note(trail.Step{Kind: trail.Passed, Index: l.reader.Position().Index, Time: now, Since: now})
	}
}
