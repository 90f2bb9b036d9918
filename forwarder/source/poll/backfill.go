package poll

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// errStopped is the error of a backfill whose source went down.
var errStopped = errors.New("the source stopped; run it again when it is up, what was read is not repeated")

// Backfill reads the events of a stretch of time again, from the API and beside what
// Run does, and returns when all of them are durable. The position stays where it is,
// and what is known already is left out, so it may be stopped and repeated. step is
// told of every page: up to when everything has been read, the rows of the page, and
// how many of them were new. It fails while Run does not run.
func (s *Source) Backfill(ctx context.Context, from, to time.Time, step func(at time.Time, rows, fresh int)) error {
	if !from.Before(to) {
		return fmt.Errorf("from %s is not before to %s", from.Format(time.RFC3339), to.Format(time.RFC3339))
	}
	s.mu.Lock()
	r := s.run
	if r != nil {
		r.walks.Add(1)
	}
	s.mu.Unlock()
	if r == nil {
		return errors.New("the source is not running")
	}
	defer r.walks.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(r.ctx, cancel)()
	t := &tour{s: s, log: r.log, emitting: r.outer, step: step}
	err := t.through(ctx, from, earlier(to, s.client.clock.now()))
	if r.ctx.Err() != nil && err != nil {
		return errStopped
	}
	return err
}
