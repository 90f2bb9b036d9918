package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/siemfwd/siemfwd/forwarder/control"
)

func (d *deadApp) retryCommand() *cobra.Command {
	var yes bool
	var ids []string
	cmd := &cobra.Command{
		Use:   "retry SINK --yes",
		Short: "Send refused events to their sink again",
		Long: `Send refused events to their sink again, when what was wrong has been put right: all of a
sink, or those that all of the given flags mean. The running forwarder does it, between
the events that come: each letter is parsed and rendered as of today, and removed when the
receiver has it. What is refused again stays, under a new id, with one more attempt and the
receiver's latest words. When the sink is not well the retry ends, and the rest stays as it
was. The sink's when: and drop: are not asked again.

Letters under sink "-" cannot be sent again: they are bodies no event could be made of.

Without --yes it says how many would be sent, and exits with status 2. Exit status 0: all
were taken. 1: some are still there. 5: the sink is not well.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && len(ids) > 0 {
				return nil
			}
			return oneArg("SINK")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if d.ask.IDs, err = letterIDs(ids); err != nil {
				return err
			}
			if len(args) > 0 {
				d.ask.Sink = args[0]
			}
			return d.retry(cmd.Context(), yes)
		},
	}
	flags := cmd.Flags()
	d.filterFlags(flags)
	_ = flags.MarkHidden("sink") // it is the argument
	flags.StringSliceVar(&ids, "id", nil, "the letter with this `ID`; may be given again, and without SINK")
	flags.BoolVar(&yes, "yes", false, "do it")
	return cmd
}

func (d *deadApp) retry(ctx context.Context, yes bool) error {
	p, err := d.place()
	if err != nil {
		return err
	}
	if p.client == nil {
		return exit(exitNobody, errors.New("the control socket is switched off (control: \"\"): no forwarder can be asked to send"))
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	view, last := d.progress("dead retry"), control.RetryStep{}
	err = p.client.RetryDead(ctx, control.Retry{DeadFilter: d.ask, Yes: yes}, func(s control.RetryStep) error {
		last = s
		if s.Total > 0 && yes {
			view.draw(float64(s.Sent+s.Refused)/float64(s.Total), fmt.Sprintf("%s of %s sent, %s refused", count(s.Sent), count(s.Total), count(s.Refused)), time.Now())
		}
		if len(s.Again) > 0 {
			view.clear()
		}
		return d.refusedAgain(s.Again)
	})
	view.end()
	switch {
	case errors.Is(err, control.ErrNoForwarder):
		return exit(exitNobody, fmt.Errorf("%w; only a running forwarder sends", err))
	case err != nil && ctx.Err() == nil && !errors.Is(err, control.ErrSinkDown):
		return err
	case !yes:
		return d.wouldRetry(last)
	}
	return d.retried(last, err, ctx.Err() != nil)
}

// refusedAgain prints what was refused once more.
func (d *deadApp) refusedAgain(list []control.Refused) error {
	for _, r := range list {
		var err error
		if d.output == "json" {
			err = d.json(struct {
				Kind string `json:"kind"`
				control.Refused
			}{"refused", r})
		} else {
			_, err = fmt.Fprintf(d.out, "%d refused again, now %d: %s\n", r.ID, r.New, why(r.Reason, r.Answer))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// retryRow is what JSON prints at the end.
type retryRow struct {
	Kind    string `json:"kind"`
	Total   uint64 `json:"total"`
	Sent    uint64 `json:"sent"`
	Refused uint64 `json:"refused"`
	Left    uint64 `json:"left"`
	Error   string `json:"error,omitempty"`
}

func (d *deadApp) wouldRetry(s control.RetryStep) error {
	var err error
	if d.output == "json" {
		err = d.json(retryRow{Kind: "retry", Total: s.Total, Left: s.Left})
	} else {
		_, err = fmt.Fprintf(d.out, "%s would be sent again\n", plural(int(s.Total), "dead letter"))
	}
	if err != nil {
		return err
	}
	return usage("nothing was sent; --yes does it")
}

func (d *deadApp) retried(s control.RetryStep, failed error, stopped bool) error {
	row := retryRow{Kind: "retry", Total: s.Total, Sent: s.Sent, Refused: s.Refused, Left: s.Left}
	if failed != nil {
		row.Error = failed.Error()
	}
	var err error
	if d.output == "json" {
		err = d.json(row)
	} else {
		_, err = fmt.Fprintf(d.out, "%s sent, %s refused\n", count(s.Sent), count(s.Refused))
	}
	switch {
	case err != nil:
		return err
	case stopped:
		return fmt.Errorf("stopped; the letters not sent are kept, and what was being sent may come twice")
	case failed != nil:
		return exit(exitSinkDown, fmt.Errorf("%w; %s kept, try again when it is well (siemfwd status)", failed, plural(int(s.Left), "letter")))
	case s.Note != "" && s.Left > 0:
		return errors.New(s.Note)
	case s.Refused > 0:
		return fmt.Errorf("%s refused again and kept: siemfwd dead", plural(int(s.Refused), "letter"))
	}
	return nil
}
