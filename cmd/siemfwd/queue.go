package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/siemfwd/siemfwd/forwarder"
	"github.com/siemfwd/siemfwd/forwarder/config"
	"github.com/siemfwd/siemfwd/forwarder/control"
)

func queueCommand(a *app) *cobra.Command {
	var socket string
	cmd := &cobra.Command{
		Use:   "queue",
		Short: "What is stored, per source and per sink",
		Long: `What is stored, per source and per sink: how much, since when, how long it stays, and
how far each sink is behind. The running forwarder is asked; without one the state
folder of the configuration (-c) is read, and nothing in it is changed.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.queue(cmd.Context(), socket) },
	}
	cmd.AddCommand(queueCheckCommand(a, &socket), queueDumpCommand(a, &socket), queueClearCommand(a, &socket))
	cmd.PersistentFlags().StringVar(&socket, "control", "", "control socket `PATH` (default: the one of the configuration)")
	return cmd
}

// oneArg wants exactly one argument.
func oneArg(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return usage("%s is missing; %s -h tells more", what, cmd.CommandPath())
		case len(args) > 1:
			return usage("%q is one word too many; %s -h tells more", args[1], cmd.CommandPath())
		}
		return nil
	}
}

// place is where a command finds what is stored: a running forwarder, or the state
// folder of the configuration when there is none.
type place struct {
	client *control.Client
	cfg    *config.Config // nil when only the socket was named
}

// stored finds the place. Which of the two it is shows at the first question.
func (a *app) stored(socket string) (place, error) {
	if socket != "" {
		return place{client: control.NewClient(socket)}, nil
	}
	cfg, problems := forwarder.Load(a.config, forwarder.Lenient)
	if cfg == nil || problems.Err() != nil {
		problems.Print(a.err, false)
		return place{}, exit(exitConfig, errors.New("the configuration names the state folder and has problems; --control PATH asks a running forwarder without it"))
	}
	p := place{cfg: cfg}
	if cfg.Control != "" {
		p.client = control.NewClient(cfg.Control)
	}
	return p, nil
}

// ask calls online, and offline when no forwarder answers and the state folder can be
// read instead.
func (p place) ask(online func(*control.Client) error, offline func(*config.Config) error) error {
	err := control.ErrNoForwarder
	if p.client != nil {
		if err = online(p.client); !errors.Is(err, control.ErrNoForwarder) {
			return err
		}
	}
	if p.cfg == nil {
		return exit(exitNobody, err)
	}
	err = offline(p.cfg)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return exit(exitNobody, fmt.Errorf("no forwarder is running, and there is no state folder %s", p.cfg.State))
	case errors.Is(err, os.ErrPermission):
		return exit(exitNobody, fmt.Errorf("no forwarder answers, and the state folder is not for this user: %w; try again as the user of the service", err))
	}
	return err
}

func (a *app) queue(ctx context.Context, socket string) error {
	p, err := a.stored(socket)
	if err != nil {
		return err
	}
	var q control.Queue
	err = p.ask(func(c *control.Client) (err error) { q, err = c.Queue(ctx); return err },
		func(cfg *config.Config) (err error) { q, err = forwarder.QueueOf(cfg); return err })
	if err != nil {
		return err
	}
	if a.output == "json" {
		return a.queueRows(q)
	}
	if !q.Running {
		a.say("no forwarder is running; this is what %s holds", q.State)
	}
	writeQueue(a.out, q, time.Now())
	return nil
}

// queueRows prints one object per source, per source and sink, and for the dead letters.
func (a *app) queueRows(q control.Queue) error {
	type source struct {
		Kind string `json:"kind"`
		control.Stored
		Sinks int `json:"sinks"`
	}
	type sink struct {
		Kind   string `json:"kind"`
		Source string `json:"source"`
		control.Behind
		Seconds float64 `json:"behind_seconds"`
	}
	type letters struct {
		Kind string `json:"kind"`
		control.Letters
	}
	now := time.Now()
	for _, s := range q.Stored {
		if err := a.json(source{"source", s, len(s.Sinks)}); err != nil {
			return err
		}
		for _, b := range s.Sinks {
			row := sink{Kind: "sink", Source: s.Source, Behind: b}
			if !b.Oldest.IsZero() {
				row.Seconds = max(0, now.Sub(b.Oldest).Seconds())
			}
			if err := a.json(row); err != nil {
				return err
			}
		}
	}
	return a.json(letters{"dead", q.Letters})
}

// writeQueue prints the page that people read.
func writeQueue(w io.Writer, q control.Queue, now time.Time) {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "SOURCE\tEVENTS\tSIZE\tSEGMENTS\tOLDEST\tNEWEST\tKEEPS\tSTATE")
	for _, s := range q.Stored {
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\n", s.Source, count(s.Events), octets(s.Bytes), s.Segments,
			since(s.Oldest, now), since(s.Newest, now), keeps(s), storedWords(s))
	}
	_ = t.Flush()
	fmt.Fprintln(w)
	fmt.Fprintln(t, "SINK\tFROM\tPOSITION\tWAITING\tBEHIND\tSTATE")
	for _, s := range q.Stored {
		for _, b := range s.Sinks {
			behind := "-"
			if b.Waiting > 0 && !b.Oldest.IsZero() {
				behind = ago(now.Sub(b.Oldest))
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", b.Sink, s.Source, count(b.Position), count(b.Waiting), behind, behindWords(b))
		}
	}
	_ = t.Flush()
	if q.Letters.Letters > 0 {
		fmt.Fprintf(w, "\n%s, %s: siemfwd dead\n", plural(int(q.Letters.Letters), "dead letter"), octets(q.Letters.Bytes))
	}
}

func since(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return ago(now.Sub(t)) + " ago"
}

// keeps says what the configuration says of a log.
func keeps(s control.Stored) string {
	if s.Orphan {
		return "-"
	}
	return fmt.Sprintf("%s, at most %s, then %s", ago(time.Duration(s.Keep*float64(time.Second))), octets(s.Max), s.WhenFull)
}

func storedWords(s control.Stored) string {
	words := "ok"
	switch {
	case s.Error != "":
		return "cannot be read: " + s.Error
	case s.Orphan:
		words = "no such source in the configuration"
	case s.Full:
		words = "full"
	}
	if s.Lost > 0 {
		words += fmt.Sprintf(", %s events lost to damage", count(s.Lost))
	}
	if s.Quarantine > 0 {
		words += fmt.Sprintf(", %s in quarantine (%s)", plural(s.Quarantine, "piece"), octets(s.QuarantineBytes))
	}
	return words
}

func behindWords(b control.Behind) string {
	switch {
	case b.Problem != "":
		return b.Problem
	case b.Orphan:
		return "no such sink reads this source; what waits for it is kept"
	}
	return "ok"
}
