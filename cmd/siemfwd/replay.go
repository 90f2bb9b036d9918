package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/siemfwd/siemfwd/forwarder/control"
)

func replayCommand(a *app) *cobra.Command {
	var ask control.Replay
	var since, until, rate, socket string
	cmd := &cobra.Command{
		Use:   "replay SOURCE --to SINK --since T [--until T]",
		Short: "Send stored events again",
		Long: `Send stored events of a source to a sink again, read by today's parser, written by today's
format and through the sink's own conditions. Each is marked: replay with the replay's id
in its facts (adReplay in CEF, a parameter in structured data). Its uid is the one it had,
so that receivers can leave out what they have.

The sink goes on with what comes in and takes turns with the replay. While it is down the
replay waits. What it refuses is kept among the dead letters. Ctrl-C stops; the same
command goes on where it stopped, and --again begins anew. The accounting of status is that
of what comes in: events sent again have a counter of their own.

Events can be sent again as long as they are kept (keep: of the source).

T is a time (2026-09-14T03:00:00Z), a date or time in this machine's time zone
(2026-09-14, 2026-09-14 03:00), or how long ago it was (36h, 7d).`,
		Example: `  siemfwd replay skyhigh --to splunk --since 6h
  siemfwd replay skyhigh --to splunk --since 2026-09-14 --until 2026-09-15 --rate 500/s
  siemfwd replay skyhigh --to splunk --since 7d --when 'severity >= high'`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ask.Source = args[0]
			if err := replayed(&ask, since, until, rate, time.Now()); err != nil {
				return err
			}
			path, err := a.socket(socket)
			if err != nil {
				return err
			}
			return a.replay(cmd.Context(), control.NewClient(path), ask)
		},
	}
	f := cmd.Flags()
	f.StringVar(&ask.Sink, "to", "", "the `SINK` to send to")
	f.StringVar(&since, "since", "", "events received at `T` or later")
	f.StringVar(&until, "until", "", "events received before `T`; now when not given")
	f.StringVar(&ask.When, "when", "", "only events that hold this `CONDITION`")
	f.StringVar(&rate, "rate", "", "how many events a second at most, like 500/s")
	f.BoolVar(&ask.Again, "again", false, "begin anew, also when it was stopped or is done")
	f.StringVar(&socket, "control", "", "control socket `PATH` (default: the one of the configuration)")
	return cmd
}

// replayed reads what was asked for.
func replayed(ask *control.Replay, since, until, pace string, now time.Time) (err error) {
	switch {
	case ask.Sink == "":
		return usage("--to is missing: say which sink the events are to be sent to")
	case since == "":
		return usage("--since is missing: say where to begin, such as --since 6h")
	}
	if ask.Since, err = moment(since, now); err != nil {
		return usage("--since: %v", err)
	}
	if until != "" {
		if ask.Until, err = moment(until, now); err != nil {
			return usage("--until: %v", err)
		}
		if !ask.Since.Before(ask.Until) {
			return usage("--since %s is not before --until %s", clockTime(ask.Since), clockTime(ask.Until))
		}
	}
	if pace != "" {
		limiter, err := parseRate(pace)
		if err != nil {
			return usage("--rate %s: %v", pace, err)
		}
		ask.Rate = float64(limiter.Limit())
	}
	if err := checkWhen(ask.When); err != nil {
		return err
	}
	words := []string{ask.Source, "to", ask.Sink, "since", since}
	if until != "" {
		words = append(words, "until", until)
	}
	if ask.When != "" {
		words = append(words, "when", ask.When)
	}
	ask.Words = strings.Join(words, " ")
	return nil
}

func (a *app) replay(ctx context.Context, client *control.Client, ask control.Replay) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	v := &replayView{app: a, ask: ask, bar: a.progress(ask.Source)}
	err := client.Replay(ctx, ask, v.step)
	v.bar.end()
	onward := "the same command goes on where it stopped"
	switch {
	case errors.Is(err, control.ErrNoForwarder):
		return exit(exitNobody, err)
	case ctx.Err() != nil:
		return fmt.Errorf("stopped; %s", onward)
	case errors.Is(err, control.ErrEnded):
		return fmt.Errorf("%w; %s", err, onward)
	case err != nil:
		return err
	}
	switch l := v.last; {
	case l.Already:
		a.say("replay %s of the same words is done already: %s events sent; --again sends them again", l.ID, count(l.Sent))
	case l.Total == 0:
		a.say("there is nothing to send%s", strings.TrimSuffix(": "+l.Note, ": "))
	default:
		a.say("replay %s is done: %s events sent, %s", l.ID, count(l.Sent), leftWords(l))
	}
	return nil
}

// leftWords tells what was not sent.
func leftWords(l control.Replayed) string {
	words := count(l.LeftOut) + " left out by conditions or of another time"
	if l.Dead > 0 {
		words += fmt.Sprintf(", %s refused and among the dead letters", count(l.Dead))
	}
	if l.Gone > 0 {
		words += fmt.Sprintf(", %s removed or damaged before they could be sent", count(l.Gone))
	}
	return words
}

// replayView shows how a replay goes.
type replayView struct {
	*app
	ask    control.Replay
	bar    *progress
	begun  bool
	paused string
	last   control.Replayed
}

func (v *replayView) step(l control.Replayed) error {
	if l.ID == "" { // the end of the answer
		return nil
	}
	v.last = l
	if v.output == "json" {
		if err := v.json(l); err != nil {
			return err
		}
	}
	if !v.begun && !l.Done {
		v.begun = true
		what := "begins"
		if l.Resumed {
			what = "goes on"
		}
		v.say("replay %s %s: %s to %s, received from %s to %s, %s events", l.ID, what, v.ask.Source, v.ask.Sink,
			clockTime(l.Since.Local()), clockTime(l.Until.Local()), count(l.Total-l.Read))
		v.bar.from = float64(l.Read) / float64(max(l.Total, 1))
		v.bar.tenth = int(v.bar.from * 10)
		if l.Note != "" {
			v.say("%s", l.Note)
		}
	}
	if l.Paused != v.paused {
		v.bar.clear()
		if v.paused = l.Paused; l.Paused != "" {
			v.say("paused: %s; the replay goes on when it is back", l.Paused)
		} else {
			v.say("goes on")
		}
	}
	if l.Total > 0 && !l.Already && !l.At.IsZero() {
		v.bar.draw(float64(l.Read)/float64(l.Total), fmt.Sprintf("at %s  %s sent", clockTime(l.At.Local()), count(l.Sent)), time.Now())
	}
	return nil
}
