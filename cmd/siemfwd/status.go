package main

import (
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

	"github.com/siemfwd/siemfwd/forwarder"
	"github.com/siemfwd/siemfwd/forwarder/control"
)

func statusCommand(a *app) *cobra.Command {
	var watch bool
	var socket string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "What is flowing, what is waiting, and whether it adds up",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path, err := a.socket(socket)
			if err != nil {
				return err
			}
			client := control.NewClient(path)
			if watch {
				return a.watchStatus(cmd.Context(), client)
			}
			return a.printStatus(cmd.Context(), client, a.out)
		},
	}
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "keep it on screen")
	cmd.Flags().StringVar(&socket, "control", "", "control socket `PATH` (default: the one of the configuration)")
	return cmd
}

// socket finds the control socket: the flag, or what the configuration says.
func (a *app) socket(flag string) (string, error) {
	if flag != "" {
		return flag, nil
	}
	cfg, problems := forwarder.Load(a.config, forwarder.Lenient)
	if cfg == nil || problems.Err() != nil {
		problems.Print(a.err, false)
		return "", exit(exitConfig, errors.New("the configuration names the control socket and has problems; --control PATH goes without it"))
	}
	if cfg.Control == "" {
		return "", usage("the configuration switches the control socket off (control: \"\")")
	}
	return cfg.Control, nil
}

func (a *app) printStatus(ctx context.Context, client *control.Client, w io.Writer) error {
	st, err := client.Status(ctx)
	switch {
	case errors.Is(err, control.ErrNoForwarder):
		return exit(exitNobody, err)
	case err != nil:
		return err
	}
	if a.output == "json" {
		if err := a.json(st); err != nil {
			return err
		}
	} else {
		writeStatus(w, st, time.Now())
	}
	for _, s := range st.Sinks {
		if !s.Up {
			return exit(exitSinkDown, nil)
		}
	}
	return nil
}

func (a *app) watchStatus(ctx context.Context, client *control.Client) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		var page strings.Builder
		err := a.printStatus(ctx, client, &page)
		var code *exitError
		if err != nil && (!errors.As(err, &code) || code.status != exitSinkDown) {
			return err
		}
		if a.output == "text" {
			fmt.Fprint(a.out, "\x1b[H\x1b[2J", page.String())
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// writeStatus prints the page that people read.
func writeStatus(w io.Writer, st control.Status, now time.Time) {
	fmt.Fprintf(w, "siemfwd %s   up %s   state %s\n\n", st.Version, ago(now.Sub(st.Started)), st.State)
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "SOURCE\tTYPE\tVENDOR\tRECEIVED\tDUPLICATES\tSPOOL\tSTATE")
	for _, s := range st.Sources {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", s.Name, s.Type, s.Vendor, count(s.Received), count(s.Duplicates),
			octets(s.SpoolBytes), sourceWords(s, now))
	}
	_ = t.Flush()
	fmt.Fprintln(w)
	fmt.Fprintln(t, "SINK\tFROM\tDELIVERED\tFILTERED\tDEAD\tEXPIRED\tWAITING\tSTATE")
	for _, s := range st.Sinks {
		state := "ok"
		if !s.Up {
			state = "down " + ago(now.Sub(s.Since)) + ": " + s.Error
		}
		for _, l := range st.Lanes {
			if l.Sink != s.Name {
				continue
			}
			waiting := count(l.Waiting)
			if l.Waiting > 0 && !l.Oldest.IsZero() {
				waiting += " (" + ago(now.Sub(l.Oldest)) + ")"
			}
			switch {
			case l.Unconfirmed > 0 && l.Unconfirmed == l.Waiting:
				waiting += ", sent"
			case l.Unconfirmed > 0:
				waiting += ", " + count(l.Unconfirmed) + " sent"
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", s.Name, l.Source, count(l.Delivered), count(l.Filtered),
				count(l.Dead), count(l.Expired), waiting, state)
		}
	}
	_ = t.Flush()
	fmt.Fprintf(w, "\n%s\n", accounting(st))
	if st.Letters > 0 {
		fmt.Fprintf(w, "%s kept: siemfwd dead\n", plural(int(st.Letters), "dead letter"))
	}
}

func sourceWords(s control.Source, now time.Time) string {
	switch {
	case !s.Up && s.Error != "" && s.Progress != "":
		return "down " + ago(now.Sub(s.Since)) + ": " + s.Error + "; " + s.Progress
	case !s.Up && s.Error != "":
		return "down " + ago(now.Sub(s.Since)) + ": " + s.Error
	case !s.Up:
		return "starting"
	case s.Full:
		return "spool full, senders are told to wait"
	case s.Damaged > 0:
		return fmt.Sprintf("ok, but %d damaged places in its spool: see the log, and quarantine/ in the spool", s.Damaged)
	case s.Progress != "":
		return "ok, " + s.Progress
	case len(s.Listening) > 0:
		return "ok, on " + strings.Join(s.Listening, " ")
	}
	return "ok"
}

// accounting is the line that says whether everything received is accounted for.
func accounting(st control.Status) string {
	var sum control.Lane
	var off []string
	for _, l := range st.Lanes {
		sum.Received += l.Received
		sum.Delivered += l.Delivered
		sum.Filtered += l.Filtered
		sum.Dead += l.Dead
		sum.Expired += l.Expired
		sum.Waiting += l.Waiting
		sum.Replayed += l.Replayed
		if b := l.Balance(); b != 0 {
			off = append(off, fmt.Sprintf("%s to %s: %+d", l.Source, l.Sink, b))
		}
	}
	line := fmt.Sprintf("received %s = delivered %s + filtered %s + dead %s + expired %s + waiting %s",
		count(sum.Received), count(sum.Delivered), count(sum.Filtered), count(sum.Dead), count(sum.Expired), count(sum.Waiting))
	if len(off) > 0 {
		return line + "\nDOES NOT ADD UP: " + strings.Join(off, ", ") + " (please report this)"
	}
	line += ": everything is accounted for, per source and sink"
	if sum.Replayed > 0 {
		line += "\nbeside these, " + count(sum.Replayed) + " stored events were sent again by replays"
	}
	return line
}

// count prints a number with commas between thousands.
func count(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func octets(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}

// ago prints a duration with its two largest units.
func ago(d time.Duration) string {
	switch d = max(d, 0); {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d d %d h", int(d.Hours())/24, int(d.Hours())%24)
	case d >= time.Hour:
		return fmt.Sprintf("%d h %d m", int(d.Hours()), int(d.Minutes())%60)
	case d >= time.Minute:
		return fmt.Sprintf("%d m %d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
