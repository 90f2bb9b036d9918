package forwarder

import (
	"sync"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/control"
)

// afterGrace is how much longer than the grace a part may take to notice that it is over.
const afterGrace = time.Second

// awaitEnd waits until all of them have ended, but not for ever: what does not let go must
// not keep a stop from ending. Everything acknowledged is on disk.
func (f *Forwarder) awaitEnd(all *sync.WaitGroup, end time.Time, what string) {
	done := make(chan struct{})
	go func() { defer close(done); all.Wait() }()
	over := time.NewTimer(time.Until(end))
	defer over.Stop()
	select {
	case <-done:
	case <-over.C:
		f.log.Error("not all "+what+" have ended within the grace, going on without them", "grace", f.cfg.Grace.String())
	}
}

// lastWords logs what is left for the next start, and whether the accounting adds up.
func (f *Forwarder) lastWords() {
	waiting := uint64(0)
	for _, l := range f.Status().Lanes {
		waiting += l.Waiting
		if b := l.Balance(); b != 0 {
			f.log.Error(control.Unbalanced, "source", l.Source, "sink", l.Sink, "difference", b)
		}
	}
	f.log.Info("stopped", "waiting", waiting)
}
