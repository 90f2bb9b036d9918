package forwarder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/source"
)

// sourceState is one source with the intake it writes to and whether it works.
type sourceState struct {
	*intake
	kind, vendor string
	source       source.Source
	base         uint64 // index at which the count of received events begins

	mu    sync.Mutex
	state state
	first chan struct{} // closed once the source was ready or failed for the first time
	once  sync.Once
}

// supervise runs a source until ctx ends and runs it again, after a pause that grows,
// or as long as it asks for, whenever it fails. It logs changes of state, not attempts.
func (s *sourceState) supervise(ctx context.Context, log *slog.Logger) {
	wait := backoff{first: time.Second, most: time.Minute}
	var worked atomic.Bool
	s.intake.ready = func() { worked.Store(true); s.up(log) }
	for {
		err := runGuarded(ctx, s.source, s.intake)
		if worked.Swap(false) {
			wait.reset()
		}
		if ctx.Err() != nil {
			if err != nil && !errors.Is(err, context.Canceled) {
				log.Warn("ended with an error", "err", err)
			}
			return
		}
		if err == nil {
			err = errors.New("stopped by itself")
		}
		s.down(log, err)
		pause := wait.next()
		if asked := new(source.Pause); errors.As(err, &asked) {
			pause = asked.For
		}
		if !sleep(ctx, pause) {
			return
		}
	}
}

func runGuarded(ctx context.Context, s source.Source, in *intake) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return s.Run(ctx, in)
}

func (s *sourceState) up(log *slog.Logger) {
	s.mu.Lock()
	if !s.state.up {
		if s.state.tries > 0 {
			log.Info("up", "after", time.Since(s.state.since).Round(time.Millisecond).String(), "failures", s.state.tries)
		}
		s.state = state{up: true, since: time.Now()}
	}
	s.mu.Unlock()
	s.once.Do(func() { close(s.first) })
}

func (s *sourceState) down(log *slog.Logger, err error) {
	s.mu.Lock()
	why := err.Error()
	if s.state.up || s.state.tries == 0 || s.state.why != why {
		log.Error("down, trying again", "err", why)
	}
	if s.state.up || s.state.tries == 0 {
		s.state.since = time.Now()
	}
	s.state.up, s.state.why = false, why
	s.state.tries++
	s.mu.Unlock()
	s.once.Do(func() { close(s.first) })
}

func (s *sourceState) current() state {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}
