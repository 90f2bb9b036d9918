package poll

import (
	"context"
	"sync"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/source"
)

// Pauses that nobody named a length for: doubled from first to most.
const (
	firstPause = 2 * time.Second
	mostPause  = 5 * time.Minute
)

// gate keeps requests back while the API wants none. Moments are of this machine's
// monotonic clock.
type gate struct {
	mu     sync.Mutex
	until  time.Time
	streak int // refusals since something was let through that was answered
}

// shut closes the gate for d, or for a pause that grows when d is 0. A gate is never
// opened earlier than was said before. spread is drawn from [0, 1).
func (g *gate) shut(d time.Duration, spread float64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if d <= 0 {
		d = min(firstPause<<min(g.streak, 16), mostPause)
		d += time.Duration(float64(d) * spread / 4)
	}
	g.streak++
	if t := time.Now().Add(d); t.After(g.until) {
		g.until = t
	}
}

// answered notes that the API took a request.
func (g *gate) answered() {
	g.mu.Lock()
	g.streak = 0
	g.mu.Unlock()
}

// left is how long the gate stays shut; 0 when it is open.
func (g *gate) left() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return max(0, time.Until(g.until))
}

// wait returns once the gate is open, or with the error of ctx.
func (g *gate) wait(ctx context.Context) error {
	for {
		d := g.left()
		if d == 0 {
			return ctx.Err()
		}
		if err := source.Sleep(ctx, d); err != nil {
			return err
		}
	}
}
