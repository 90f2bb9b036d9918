package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/siemfwd/siemfwd/forwarder"
	"github.com/siemfwd/siemfwd/forwarder/config"
	"github.com/siemfwd/siemfwd/forwarder/control"
)

func traceCommand(a *app) *cobra.Command {
	var ask control.Trace
	var since, socket string
	cmd := &cobra.Command{
		Use:   "trace UID",
		Short: "What became of one event, step by step",
		Long: `What became of one event: when it was received and how it was read, and for each sink
when it was delivered, or which line of the configuration filtered it, why it was refused,
or what it waits for. UID is the beginning of its uid, as tap, every format and the
receiver show it; --id finds it by the vendor's own id instead.

All that is kept is searched (keep: of the source); --since makes that shorter. The
running forwarder does it beside its work; without one the state folder of the
configuration (-c) is read. Conditions are those of the configuration as it is now.

T is a time (2026-09-14T03:00:00Z), a date or time in this machine's time zone
(2026-09-14, 2026-09-14 03:00), or how long ago it was (10m, 36h, 7d).`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := traced(&ask, args, since, time.Now()); err != nil {
				return err
			}
			return a.trace(cmd.Context(), socket, ask)
		},
	}
	f := cmd.Flags()
	f.StringVar(&ask.ID, "id", "", "the vendor's `ID` of the event")
	f.StringArrayVar(&ask.Sources, "source", nil, "only events of this source; may be repeated")
	f.StringVar(&since, "since", "", "only events received at `T` or later")
	f.IntVarP(&ask.Most, "count", "n", 20, "end the search after `N` events; 0: never")
	f.StringVar(&socket, "control", "", "control socket `PATH` (default: the one of the configuration)")
	return cmd
}

// traced reads what was asked for.
func traced(ask *control.Trace, args []string, since string, now time.Time) (err error) {
	if len(args) == 1 {
		ask.UID = strings.ToLower(args[0])
	}
	switch {
	case ask.UID == "" && ask.ID == "":
		return usage("say which event: its UID, or --id with the vendor's id")
	case ask.UID != "" && ask.ID != "":
		return usage("UID and --id exclude each other")
	case ask.UID != "" && (len(ask.UID) < 4 || len(ask.UID) > 64 || strings.Trim(ask.UID, "0123456789abcdef") != ""):
		return usage("%q is not the beginning of a uid, 4 to 64 hexadecimal digits; --id takes the vendor's id", args[0])
	case ask.Most < 0:
		return usage("-n %d: how many events must not be negative", ask.Most)
	}
	if since != "" {
		if ask.Since, err = moment(since, now); err != nil {
			return usage("--since: %v", err)
		}
	}
	return nil
}

func (a *app) trace(ctx context.Context, socket string, ask control.Trace) error {
	p, err := a.stored(socket)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	bar := a.progress("trace")
	found, note := 0, ""
	step := func(l control.Traced) error {
		switch {
		case l.Note != "":
			note = l.Note
		case l.Event == nil:
			bar.draw(float64(l.Read)/float64(max(l.Total, 1)), fmt.Sprintf("%s of %s events", count(l.Read), count(l.Total)), time.Now())
		case a.output == "json":
			bar.clear()
			found++
			return a.json(l.Event)
		default:
			bar.clear()
			if found++; found > 1 {
				fmt.Fprintln(a.out)
			}
			a.way(l.Event)
		}
		return nil
	}
	err = p.ask(func(c *control.Client) error { return c.Trace(ctx, ask, step) },
		func(cfg *config.Config) error { return forwarder.TraceOf(ctx, cfg, ask, sayer[control.Traced](step)) })
	bar.clear()
	switch {
	case ctx.Err() != nil:
		return errors.New("stopped before everything was searched")
	case err != nil:
		return err
	case found == 0:
		return errors.New(note)
	case found == ask.Most:
		a.say("there may be more: the search ended after %s, -n %d goes on", plural(found, "event"), 10*found)
	}
	return nil
}

// way prints what people read of an event's way.
func (a *app) way(e *control.TracedEvent) {
	words := []string{e.UID, e.ID, e.Class, severityWord(e.Severity), cut(e.Name, 80)}
	if e.Message != "" && e.Message != e.Name {
		words = append(words, cut(e.Message, 120))
	}
	fmt.Fprintln(a.out, printable([]byte(strings.Join(filled(words), "  "))))
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, h := range e.Hops {
		when := "-"
		if !h.To.IsZero() {
			when = h.To.Local().Format("2006-01-02 15:04:05.000")
		}
		words := h.Words
		if h.Line != "" {
			words += " (" + h.Line + ")"
		}
		if h.Letter != 0 {
			words += fmt.Sprintf("; it is dead letter %d", h.Letter)
		}
		if !h.From.IsZero() {
			between := "between " + h.From.Local().Format("15:04:05.000") + " and " + h.To.Local().Format("15:04:05.000")
			words = strings.Join(filled([]string{between, words}), "; ")
		}
		stage := h.Stage
		if h.Sink != "" {
			stage = h.Sink + ": " + h.Stage
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\n", when, stage, printable([]byte(words)))
	}
	_ = w.Flush()
}
