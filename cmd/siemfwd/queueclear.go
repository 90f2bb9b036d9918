package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/siemfwd/siemfwd/forwarder"
	"github.com/siemfwd/siemfwd/forwarder/config"
	"github.com/siemfwd/siemfwd/forwarder/control"
)

func queueClearCommand(a *app, socket *string) *cobra.Command {
	var ask control.Clear
	cmd := &cobra.Command{
		Use:   "clear SOURCE|SINK --yes",
		Short: "Give up what waits for a sink, or of a source",
		Long: `Give up what waits. SINK: the sink goes on with what comes next, in all its sources or in
the one that --source names. SOURCE: all its sinks do. The events given up count as
expired; they stay on disk for replay as long as the source keeps delivered events.

What is left of a sink or source that is not in the configuration any more goes as well:
the cursor of the sink, which otherwise keeps undelivered events from going, or the whole
log of the source.

Without --yes it says what would go, and exits with status 2. A name that is both a
source and a sink is written source:NAME or sink:NAME.`,
		Args: oneArg("SOURCE or SINK"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ask.Name = args[0]
			if kind, name, ok := strings.Cut(args[0], ":"); ok && (kind == "source" || kind == "sink") {
				ask.Kind, ask.Name = kind, name
			}
			return a.queueClear(cmd.Context(), *socket, ask)
		},
	}
	cmd.Flags().StringVar(&ask.Source, "source", "", "of a sink: only what comes from this `SOURCE`")
	cmd.Flags().BoolVar(&ask.Yes, "yes", false, "do it")
	return cmd
}

func (a *app) queueClear(ctx context.Context, socket string, ask control.Clear) error {
	p, err := a.stored(socket)
	if err != nil {
		return err
	}
	var list []control.Cleared
	err = p.ask(func(c *control.Client) (err error) { list, err = c.ClearQueue(ctx, ask); return err },
		func(cfg *config.Config) (err error) { list, err = forwarder.ClearQueueOf(ctx, cfg, ask); return err })
	if err != nil {
		return err
	}
	failed := 0
	for _, c := range list {
		if c.Error != "" {
			failed++
		}
		if a.output == "json" {
			err = a.json(struct {
				Kind string `json:"kind"`
				control.Cleared
			}{"clear", c})
		} else {
			_, err = fmt.Fprintln(a.out, clearWords(c))
		}
		if err != nil {
			return err
		}
	}
	switch {
	case failed > 0:
		return fmt.Errorf("%d of %d could not be cleared", failed, len(list))
	case !ask.Yes:
		return usage("nothing was cleared; --yes does it")
	}
	return nil
}

func clearWords(c control.Cleared) string {
	if c.Error != "" {
		return fmt.Sprintf("%s from %s: not cleared: %s", c.Sink, c.Source, c.Error)
	}
	switch c.Action {
	case control.ClearRemove:
		return fmt.Sprintf("log of %s, which is not in the configuration: %s, %s %s", c.Source, plural(int(c.Events), "event"), octets(c.Bytes), done(c, "removed"))
	case control.ClearForget:
		return fmt.Sprintf("cursor of %s, which does not read %s any more: %s, with %s waiting", c.Sink, c.Source, done(c, "removed"), plural(int(c.Events), "event"))
	}
	return fmt.Sprintf("%s from %s: %s %s", c.Sink, c.Source, plural(int(c.Events), "waiting event"), done(c, "expired"))
}

// done is what has become of something, or would.
func done(c control.Cleared, what string) string {
	if c.Done {
		return what
	}
	return "would be " + what
}
