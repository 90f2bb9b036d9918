package splunkhec

import (
	"context"
	"time"
)

// pace slows down for a receiver that says it is nearly full: it halves the share of
// the time that is spent sending at each such word, and gives a sixteenth back for each
// answer without one (additive increase, multiplicative decrease).
type pace struct {
	lost int       // how many sixty-fourths of the time are kept for pauses; 0: none
	rest time.Time // until when there is one
}

const (
	paceWhole = 64
	paceStep  = paceWhole / 16
	paceLeast = paceWhole / 16
	mostRest  = 5 * time.Second
)

// answered is told of an answer that came at now and took as long as took.
func (p *pace) answered(now time.Time, took time.Duration, full bool) {
	share := paceWhole - p.lost
	if full {
		share = max(share/2, paceLeast)
	} else {
		share = min(share+paceStep, paceWhole)
	}
	p.lost = paceWhole - share
	p.rest = now.Add(min(took*time.Duration(p.lost)/time.Duration(share), mostRest))
}

// wait returns when the pause is over, or with the error of ctx.
func (p *pace) wait(ctx context.Context) error {
	if p.lost == 0 {
		return nil
	}
	d := time.Until(p.rest)
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
