package forwarder

import (
	"context"
	"fmt"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/control"
	"github.com/siemfwd/siemfwd/forwarder/source"
)

// Backfill implements control.Backfiller.
func (f *Forwarder) Backfill(ctx context.Context, b control.Backfill, step func(control.BackfillStep)) (control.BackfillStep, error) {
	last := control.BackfillStep{At: b.From}
	for _, s := range f.sources {
		if s.name != b.Source {
			continue
		}
		filler, ok := s.source.(source.Backfiller)
		if !ok {
			return last, fmt.Errorf("source %s is of type %s, which cannot read the past again; see replay", s.name, s.kind)
		}
		err := filler.Backfill(ctx, b.From, b.To, func(at time.Time, events, fresh int) {
			last.At = at
			last.Events += uint64(events)
			last.New += uint64(fresh)
			step(last)
		})
		return last, err
	}
	return last, fmt.Errorf("there is no source %q", b.Source)
}
