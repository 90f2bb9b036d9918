package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// progress shows how far something is: on a terminal one line that changes, elsewhere a
// line every tenth of the way.
type progress struct {
	w      io.Writer
	redraw bool
	quiet  bool
	name   string // begins each line where it is no terminal
	began  time.Time
	from   float64 // the share that was done before it began
	tenth  int
	drawn  time.Time
}

func (a *app) progress(name string) *progress {
	return &progress{w: a.err, redraw: isTerminal(a.err), quiet: a.quiet, name: name, began: time.Now()}
}

// draw shows what share, 0 to 1, is done, with words on where it is.
func (p *progress) draw(share float64, words string, now time.Time) {
	if p.quiet {
		return
	}
	share = min(1, max(0, share))
	line := fmt.Sprintf("%3.0f %%  %s", 100*share, words)
	if share > p.from && share < 1 {
		left := time.Duration(float64(now.Sub(p.began)) * (1 - share) / (share - p.from))
		line += "  " + ago(left) + " to go"
	}
	switch {
	case p.redraw && (share == 1 || now.Sub(p.drawn) >= 100*time.Millisecond):
		const width = 24
		full := int(share * width)
		fmt.Fprintf(p.w, "\r\x1b[K[%s%s] %s", strings.Repeat("#", full), strings.Repeat(".", width-full), line)
		p.drawn = now
	case !p.redraw && int(share*10) > p.tenth:
		p.tenth = int(share * 10)
		fmt.Fprintf(p.w, "%s: %s\n", p.name, line)
	}
}

// clear takes the line away, for others to write.
func (p *progress) clear() {
	if p.redraw && !p.drawn.IsZero() {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.drawn = time.Time{}
	}
}

// end leaves the line.
func (p *progress) end() {
	if p.redraw && !p.drawn.IsZero() {
		fmt.Fprintln(p.w)
	}
}
