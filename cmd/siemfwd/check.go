package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/siemfwd/siemfwd/forwarder"
	"github.com/siemfwd/siemfwd/forwarder/config"
	"github.com/siemfwd/siemfwd/forwarder/control"
)

func checkCommand(a *app) *cobra.Command {
	var connect bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "check [FILE|DIR]",
		Short: "Find all mistakes in the configuration",
		Long: `Find all mistakes in the configuration, each with file, line and column.
Secrets that only the service can read are noted and not checked.

With --connect it also tries the world outside: whether the addresses of sources are
free and their APIs take the credentials, whether sinks can be reached, by TLS too. No
event is sent. Run it as the service's user, who can read the secrets.

Exit status 3 when there is an error in the configuration; with --connect 5 when a sink
cannot be reached, 1 when a source could not work.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := a.config
			if len(args) == 1 {
				path = args[0]
			}
			secrets := forwarder.Lenient
			if connect {
				secrets = forwarder.Strict
			}
			cfg, problems := forwarder.Load(path, secrets)
			if a.output == "json" {
				for _, p := range problems {
					if err := a.json(p); err != nil {
						return err
					}
				}
			} else {
				problems.Print(a.out, false)
			}
			if problems.Err() != nil {
				return exit(exitConfig, nil)
			}
			if connect {
				if err := a.connect(cmd.Context(), cfg, timeout); err != nil {
					return err
				}
			}
			a.say("ok: %s", summary(cfg))
			return nil
		},
	}
	cmd.Flags().BoolVar(&connect, "connect", false, "also try ports, names, TLS and credentials")
	cmd.Flags().DurationVar(&timeout, "timeout", 10*time.Second, "with --connect: give up on each after this long")
	return cmd
}

// tried is one line of what --connect found.
type tried struct {
	Kind  string `json:"kind"`
	Name  string `json:"name"`
	What  string `json:"what,omitempty"`
	OK    bool   `json:"ok"`
	Note  string `json:"note,omitempty"`
	Error string `json:"error,omitempty"`
}

// connect tries everything and prints a line each. The error has the exit status.
func (a *app) connect(ctx context.Context, cfg *config.Config, timeout time.Duration) error {
	_, err := control.NewClient(cfg.Control).Status(ctx)
	running := cfg.Control != "" && err == nil
	failed := map[string]int{}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, c := range forwarder.Connect(ctx, cfg, timeout) {
		t := tried{Kind: c.Kind, Name: c.Name, What: c.What, OK: c.Err == nil, Note: c.Note}
		if running && c.Kind == "source" && errors.Is(c.Err, syscall.EADDRINUSE) {
			t.OK, t.Note = true, "taken: a forwarder with this configuration is running"
		} else if c.Err != nil {
			t.Error = c.Err.Error()
			failed[c.Kind]++
		}
		if a.output == "json" {
			if err := a.json(t); err != nil {
				return err
			}
			continue
		}
		word, note := "ok", t.Note
		if !t.OK {
			word, note = "FAILS", t.Error
		}
		fmt.Fprintf(w, "%s %s\t%s\t%s\t%s\n", t.Kind, t.Name, word, t.What, note)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	switch {
	case failed["sink"] > 0:
		return exit(exitSinkDown, nil)
	case failed["source"] > 0:
		return exit(exitFailed, nil)
	}
	return nil
}
