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
	r, err := s.join()
	if err != nil {
		return err
	}
	defer func() {
		s.mu.Lock()
		s.filling = false
		s.mu.Unlock()
		r.walks.Done()
	}()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(r.ctx, cancel)()
	t := &tour{s: s, log: r.log, emitting: r.outer, step: step}
	err = t.through(ctx, from, earlier(to, s.client.clock.now()))
	if r.ctx.Err() != nil && err != nil {
		return errStopped
	}
	return err
}

// join makes the Run that is going on wait for a backfill.
func (s *Source) join() (*run, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.filling:
		return nil, errors.New("a backfill of this source is running already")
	case s.run == nil:
		return nil, errors.New("the source is not running; siemfwd status says why")
	}
	s.filling = true
	s.run.walks.Add(1)
	return s.run, nil
}
