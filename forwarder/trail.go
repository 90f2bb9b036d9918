package forwarder

import (
	"path/filepath"
	"time"

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
