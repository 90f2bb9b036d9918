package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/siemfwd/siemfwd/forwarder"
	"github.com/siemfwd/siemfwd/forwarder/config"
	"github.com/siemfwd/siemfwd/forwarder/sockets"
	"github.com/siemfwd/siemfwd/forwarder/telemetry"
)

func runCommand(a *app) *cobra.Command {
	var level, format string
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the forwarder in the foreground (systemd does this)",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := telemetry.NewLogger(os.Stderr, format, level)
			if err != nil {
				return usage("%v", err)
			}
			cfg, problems := forwarder.Load(a.config, forwarder.Strict)
			a.printProblems(problems)
			if problems.Err() != nil {
				return exit(exitConfig, nil)
			}
			ctx, stop := a.signals(cmd.Context(), cfg.Grace)
			defer stop()
			f, err := forwarder.New(cfg, forwarder.Options{Log: log, Version: buildVersion(), Sockets: sockets.Inherited()})
			if err != nil {
				return err
			}
			log.Info("starting", "version", buildVersion(), "config", a.config, "state", cfg.State, "has", summary(cfg))
			if n := limitMemory(); n > 0 {
				log.Info("memory is limited by the control group", "limit_mib", n>>20)
			}
			return f.Run(ctx, func() {
				log.Info("ready")
				_ = telemetry.NotifyReady(summary(cfg))
				go a.watchdog(cmd.Context(), f, log)
			})
		},
	}
	cmd.Flags().StringVar(&level, "log-level", "info", "debug, info, warn or error")
	cmd.Flags().StringVar(&format, "log", "auto", "text, json or auto: text, with priorities under systemd")
	return cmd
}

// watchdog tells the service manager that the forwarder works, as long as it does.
func (a *app) watchdog(ctx context.Context, f *forwarder.Forwarder, log *slog.Logger) {
	if err := telemetry.Watchdog(ctx, f.Alive); err != nil {
		log.Warn("watchdog of the service manager", "err", err)
	}
}

// signals returns a context that ends at the first SIGINT or SIGTERM. A second one
// ends the process at once: everything acknowledged is on disk by then.
func (a *app) signals(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	ch := make(chan os.Signal, 2)
	signal.Notify(ch, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case <-ch:
			_ = telemetry.NotifyStopping(grace + 10*time.Second)
			cancel()
		case <-ctx.Done():
			return
		}
		<-ch
		fmt.Fprintln(a.err, "siemfwd: stopped at once; what was acknowledged is on disk and goes out after the next start")
		os.Exit(exitFailed)
	}()
	return ctx, func() { signal.Stop(ch); cancel() }
}

// printProblems prints what a command found on its way; with -q only errors.
func (a *app) printProblems(ps config.Problems) {
	if a.quiet {
		ps = slices.DeleteFunc(slices.Clone(ps), func(p config.Problem) bool { return p.Severity != config.Error })
	}
	_ = ps.Print(a.err, false)
}

func summary(cfg *config.Config) string {
	return fmt.Sprintf("%s, %s", plural(len(cfg.Sources), "source"), plural(len(cfg.Sinks), "sink"))
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
