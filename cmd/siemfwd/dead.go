package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/siemfwd/siemfwd/forwarder"
	"github.com/siemfwd/siemfwd/forwarder/config"
	"github.com/siemfwd/siemfwd/forwarder/control"
)

func deadCommand(a *app) *cobra.Command {
	d := &deadApp{app: a}
	cmd := &cobra.Command{
		Use:   "dead",
		Short: "Events that a receiver refused, by reason",
		Long: `Events that a receiver will never take as they are, by reason. They are kept, with the
receiver's own words, until they are sent again (retry) or thrown away (clear); nobody
does either by himself. The running forwarder is asked; without one the state folder of
the configuration (-c) is read.

Letters under sink "-" are bodies that a webhook source refused at the door: its sender
was told so, and no event was made of them.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return d.groups(cmd.Context()) },
	}
	d.filterFlags(cmd.Flags())
	cmd.PersistentFlags().StringVar(&d.socket, "control", "", "control socket `PATH` (default: the one of the configuration)")
	cmd.AddCommand(d.listCommand(), d.showCommand(), d.exportCommand(), d.retryCommand(), d.clearCommand())
	return cmd
}

// deadApp is what the commands on dead letters share.
type deadApp struct {
	*app
	socket       string
	ask          control.DeadFilter
	since, until string
}

func (d *deadApp) filterFlags(flags *pflag.FlagSet) {
	flags.StringVar(&d.ask.Sink, "sink", "", "only those of this `SINK`")
	flags.StringVar(&d.ask.Source, "source", "", "only those from this `SOURCE`")
	flags.StringVar(&d.ask.Reason, "reason", "", "only those whose reason or answer has this `TEXT` in it")
	flags.StringVar(&d.since, "since", "", "only those refused at `T` or later, such as 24h (ago)")
	flags.StringVar(&d.until, "until", "", "only those refused before `T`")
}

// place reads the filter's times and finds out whom to ask.
func (d *deadApp) place() (p place, err error) {
	now := time.Now()
	if d.since != "" {
		if d.ask.Since, err = moment(d.since, now); err != nil {
			return p, usage("--since: %v", err)
		}
	}
	if d.until != "" {
		if d.ask.Until, err = moment(d.until, now); err != nil {
			return p, usage("--until: %v", err)
		}
	}
	return d.stored(d.socket)
}

func (d *deadApp) groups(ctx context.Context) error {
	p, err := d.place()
	if err != nil {
		return err
	}
	var list []control.DeadGroup
	err = p.ask(func(c *control.Client) (err error) { list, err = c.DeadGroups(ctx, d.ask); return err },
		func(cfg *config.Config) (err error) { list, err = forwarder.DeadGroupsOf(ctx, cfg, d.ask); return err })
	if err != nil {
		return err
	}
	if d.output == "json" {
		for _, g := range list {
			if err := d.json(struct {
				Kind string `json:"kind"`
				control.DeadGroup
			}{"reason", g}); err != nil {
				return err
			}
		}
		return nil
	}
	if len(list) == 0 {
		d.say("no dead letters")
		return nil
	}
	writeGroups(d.out, list, time.Now())
	return nil
}

func writeGroups(w io.Writer, list []control.DeadGroup, now time.Time) {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "COUNT\tSINK\tFROM\tFIRST\tLAST\tIDS\tWHY")
	for _, g := range list {
		ids := strconv.FormatUint(g.FirstID, 10)
		if g.LastID != g.FirstID {
			ids += " to " + strconv.FormatUint(g.LastID, 10)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", count(g.Letters), g.Sink, g.Source, since(g.First, now), since(g.Last, now), ids, why(g.Reason, g.Answer))
	}
	_ = t.Flush()
}

// why is a reason with the receiver's own words, where they say more.
func why(reason, answer string) string {
	const most = 160
	if answer != "" && !strings.Contains(reason, answer) {
		reason += ": " + answer
	}
	if len(reason) > most {
		reason = strings.ToValidUTF8(reason[:most], "") + "…"
	}
	return printable([]byte(reason))
}

func (d *deadApp) listCommand() *cobra.Command {
	ask := control.AskDead{}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "The refused events one by one, oldest first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			t := tabwriter.NewWriter(d.out, 0, 0, 3, ' ', 0)
			now, begun := time.Now(), false
			err := d.letters(cmd.Context(), ask, func(l control.Letter) error {
				if d.output == "json" {
					return d.json(letterRow(l))
				}
				if !begun {
					begun = true
					fmt.Fprintln(t, "ID\tSINK\tFROM\tPOSITION\tREFUSED\tATTEMPTS\tOCTETS\tWHY")
				}
				_, err := fmt.Fprintf(t, "%d\t%s\t%s\t%d\t%s\t%d\t%d\t%s\n", l.ID, l.Sink, l.Source, l.Position, since(l.Last, now), l.Attempts, l.Octets, why(l.Reason, l.Answer))
				return err
			})
			if err == nil && !begun && d.output == "text" {
				d.say("no such dead letters")
			}
			return errors.Join(err, t.Flush())
		},
	}
	d.filterFlags(cmd.Flags())
	cmd.Flags().Uint64VarP(&ask.Count, "number", "n", 0, "end after `N` letters")
	return cmd
}

func (d *deadApp) showCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show ID…",
		Short: "One refused event: what was received, what was sent, what the receiver said",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage("ID is missing; siemfwd dead list shows them")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if d.ask.IDs, err = letterIDs(args); err != nil {
				return err
			}
			missing := map[uint64]bool{}
			for _, id := range d.ask.IDs {
				missing[id] = true
			}
			err = d.letters(cmd.Context(), control.AskDead{Bodies: true}, func(l control.Letter) error {
				delete(missing, l.ID)
				if d.output == "json" {
					return d.json(letterRow(l))
				}
				return writeLetter(d.out, l, time.Now())
			})
			if err != nil || len(missing) == 0 {
				return err
			}
			return fmt.Errorf("no dead letter has the id %s; one that was sent again and refused again has another", joinIDs(missing))
		},
	}
}

func (d *deadApp) exportCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export",
		Short: "The refused events with everything that is known of them, as JSON lines",
		Long: `The refused events with everything that is known of them, one JSON object a line, oldest
first. raw is what was received, rendered what the sink was given; where they are not
UTF-8 there is raw_base64 and rendered_base64 instead.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w := bufio.NewWriterSize(d.out, 64<<10)
			n := 0
			err := d.letters(cmd.Context(), control.AskDead{Bodies: true}, func(l control.Letter) error {
				n++
				return jsonTo(w, letterRow(l))
			})
			if err = errors.Join(err, w.Flush()); err == nil {
				d.say("%s exported; they are still there: siemfwd dead clear", plural(n, "letter"))
			}
			return err
		},
	}
	d.filterFlags(cmd.Flags())
	return cmd
}

// letters asks for letters and calls show for each.
func (d *deadApp) letters(ctx context.Context, ask control.AskDead, show func(control.Letter) error) error {
	p, err := d.place()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	ask.DeadFilter = d.ask
	err = p.ask(func(c *control.Client) error { return c.DeadLetters(ctx, ask, show) },
		func(cfg *config.Config) error {
			return forwarder.DeadLettersOf(ctx, cfg, ask, sayer[control.Letter](show))
		})
	if ctx.Err() != nil {
		return errors.New("stopped")
	}
	return err
}

func (d *deadApp) clearCommand() *cobra.Command {
	var all, yes bool
	var ids []string
	cmd := &cobra.Command{
		Use:   "clear --id ID | --sink SINK | … | --all",
		Short: "Throw refused events away",
		Long: `Throw refused events away: those that all of the given flags mean, or all. They stay
counted as dead, for nobody has had them. Without --yes it says how many would go, and
exits with status 2.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if d.ask.IDs, err = letterIDs(ids); err != nil {
				return err
			}
			return d.clear(cmd.Context(), all, yes)
		},
	}
	d.filterFlags(cmd.Flags())
	cmd.Flags().StringSliceVar(&ids, "id", nil, "the letter with this `ID`; may be given again")
	cmd.Flags().BoolVar(&all, "all", false, "all of them")
	cmd.Flags().BoolVar(&yes, "yes", false, "do it")
	return cmd
}

func (d *deadApp) clear(ctx context.Context, all, yes bool) error {
	p, err := d.place()
	if err != nil {
		return err
	}
	ask := control.ClearDead{DeadFilter: d.ask, All: all, Yes: yes}
	some := len(ask.IDs) > 0 || ask.Sink != "" || ask.Source != "" || ask.Reason != "" || !ask.Since.IsZero() || !ask.Until.IsZero()
	switch {
	case !some && !all:
		return usage("say which: --id, --sink, --source, --reason, --since, --until, or --all")
	case some && all:
		return usage("--all goes with no other flag")
	}
	var done control.ClearedDead
	err = p.ask(func(c *control.Client) (err error) { done, err = c.ClearDead(ctx, ask); return err },
		func(cfg *config.Config) (err error) { done, err = forwarder.ClearDeadOf(ctx, cfg, ask); return err })
	if err != nil {
		return err
	}
	if d.output == "json" {
		err = d.json(struct {
			Kind string `json:"kind"`
			control.ClearedDead
		}{"clear", done})
	} else if done.Done {
		_, err = fmt.Fprintf(d.out, "%s thrown away\n", plural(int(done.Letters), "dead letter"))
	} else {
		_, err = fmt.Fprintf(d.out, "%s would be thrown away\n", plural(int(done.Letters), "dead letter"))
	}
	if err == nil && !yes {
		return usage("nothing was thrown away; --yes does it")
	}
	return err
}

func letterIDs(args []string) (ids []uint64, err error) {
	for _, arg := range args {
		id, err := strconv.ParseUint(strings.ReplaceAll(arg, ",", ""), 10, 64)
		if err != nil || id == 0 {
			return nil, usage("%q is not the id of a dead letter; siemfwd dead list shows them", arg)
		}
		ids = append(ids, id)
	}
	return ids, nil
}
