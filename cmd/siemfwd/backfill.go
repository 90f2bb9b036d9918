package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/siemfwd/siemfwd/forwarder/control"
)

func backfillCommand(a *app) *cobra.Command {
	var from, to, socket string
	cmd := &cobra.Command{
		Use:   "backfill SOURCE --from T [--to T]",
		Short: "Read a stretch of the past again from a source's API",
		Long: `Read a stretch of the past again from a source's API. Events that are there already
are left out as long as they are kept (keep: of the source), so it may be stopped and
run again. The source goes on with its own reading meanwhile.

T is a time (2026-09-14T03:00:00Z), a date or time in this machine's time zone
(2026-09-14, 2026-09-14 03:00), or how long ago it was (36h, 7d).`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			b, err := stretch(args[0], from, to, time.Now())
			if err != nil {
				return err
			}
			path, err := a.socket(socket)
			if err != nil {
				return err
			}
			return a.backfill(cmd.Context(), control.NewClient(path), b)
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "where to begin: `T`")
	cmd.Flags().StringVar(&to, "to", "0s", "where to end: `T`; now when not given")
	cmd.Flags().StringVar(&socket, "control", "", "control socket `PATH` (default: the one of the configuration)")
	return cmd
}

// stretch reads what was asked for.
func stretch(source, from, to string, now time.Time) (b control.Backfill, err error) {
	b.Source = source
	if from == "" {
		return b, usage("--from is missing: say where to begin, such as --from 24h")
	}
	if b.From, err = moment(from, now); err != nil {
		return b, usage("--from: %v", err)
	}
	if b.To, err = moment(to, now); err != nil {
		return b, usage("--to: %v", err)
	}
	if !b.From.Before(b.To) {
		return b, usage("--from %s is not before --to %s", clockTime(b.From), clockTime(b.To))
	}
	return b, nil
}

// moment reads a time, a date or how long ago it was.
func moment(text string, now time.Time) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	for _, layout := range []string{"2006-01-02", "2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02T15:04:05"} {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t, nil
		}
	}
	if d, ok := longAgo(text); ok {
		return now.Add(-d), nil
	}
	return time.Time{}, fmt.Errorf("%q is neither a time (2026-09-14T03:00:00Z), nor a date (2026-09-14), nor how long ago (36h, 7d)", text)
}

// longAgo reads a duration that may begin with days.
func longAgo(text string) (time.Duration, bool) {
	var days time.Duration
	if whole, rest, ok := strings.Cut(text, "d"); ok {
		n := 0
		for _, c := range whole {
			if c < '0' || c > '9' || n > 100_000 {
				return 0, false
			}
			n = 10*n + int(c-'0')
		}
		if days, text = time.Duration(n)*24*time.Hour, rest; whole == "" {
			return 0, false
		}
		if text == "" {
			return days, true
		}
	}
	d, err := time.ParseDuration(text)
	return days + d, err == nil && d >= 0
}

func clockTime(t time.Time) string { return t.Format("2006-01-02 15:04:05 MST") }

func (a *app) backfill(ctx context.Context, client *control.Client, b control.Backfill) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	a.say("%s: reading %s to %s again", b.Source, clockTime(b.From), clockTime(b.To))
	view := &bar{a.progress(b.Source), b}
	var last control.BackfillStep
	var bad error
	err := client.Backfill(ctx, b, func(s control.BackfillStep) {
		last = s
		view.draw(s, time.Now())
		if a.output == "json" && bad == nil {
			bad = a.json(s)
		}
	})
	view.end()
	switch {
	case errors.Is(err, control.ErrNoForwarder):
		return exit(exitNobody, err)
	case ctx.Err() != nil:
		at := last.At
		if at.Before(b.From) {
			at = b.From
		}
		return fmt.Errorf("stopped; to go on: siemfwd backfill %s --from %s --to %s", b.Source, at.Format(time.RFC3339), b.To.Format(time.RFC3339))
	case err != nil:
		return err
	case bad != nil:
		return bad
	}
	a.say("%s: done: %s events read, %s of them new", b.Source, count(last.Events), count(last.New))
	return nil
}

// bar shows how far a backfill is.
type bar struct {
	*progress
	b control.Backfill
}

func (p *bar) draw(s control.BackfillStep, now time.Time) {
	share := 1.0
	if !s.Done {
		share = float64(s.At.Sub(p.b.From)) / float64(p.b.To.Sub(p.b.From))
	}
	p.progress.draw(share, fmt.Sprintf("at %s  %s events, %s new", clockTime(s.At.In(p.b.From.Location())), count(s.Events), count(s.New)), now)
}

// isTerminal reports whether w is one.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}
