package main

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/siemfwd/siemfwd/forwarder"
	"github.com/siemfwd/siemfwd/forwarder/config"
	"github.com/siemfwd/siemfwd/forwarder/control"
)

func queueDumpCommand(a *app, socket *string) *cobra.Command {
	var since, until string
	var ask control.Dump
	cmd := &cobra.Command{
		Use:   "dump SOURCE",
		Short: "Print stored events as they were received",
		Long: `Print the stored events of a source, oldest first, as they were received: the octets of
each and a line feed. On a terminal, control characters are blanks. With -o json each is
an object with its position, when it was received, its peer, and raw; raw_base64 instead
where the octets are not UTF-8.

T is a time (2026-09-14T03:00:00Z), a date or time in this machine's time zone
(2026-09-14, 2026-09-14 03:00), or how long ago it was (36h, 7d).`,
		Args: oneArg("SOURCE"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			ask.Source = args[0]
			now := time.Now()
			if since != "" {
				if ask.Since, err = moment(since, now); err != nil {
					return usage("--since: %v", err)
				}
			}
			if until != "" {
				if ask.Until, err = moment(until, now); err != nil {
					return usage("--until: %v", err)
				}
			}
			return a.queueDump(cmd.Context(), *socket, ask)
		},
	}
	cmd.Flags().Uint64Var(&ask.From, "from", 0, "begin at this `POSITION`")
	cmd.Flags().StringVar(&since, "since", "", "only what was received at `T` or later")
	cmd.Flags().StringVar(&until, "until", "", "only what was received before `T`")
	cmd.Flags().Uint64VarP(&ask.Count, "number", "n", 0, "end after `N` events")
	return cmd
}

func (a *app) queueDump(ctx context.Context, socket string, ask control.Dump) error {
	p, err := a.stored(socket)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	w := bufio.NewWriterSize(a.out, 64<<10)
	safe := isTerminal(a.out)
	show := func(d control.Dumped) error {
		switch {
		case a.output == "json":
			return jsonTo(w, dumpRow(d))
		case safe:
			_, _ = w.WriteString(printable(d.Raw))
		default:
			_, _ = w.Write(d.Raw)
		}
		if err := w.WriteByte('\n'); err != nil || !safe {
			return err
		}
		return w.Flush()
	}
	err = p.ask(func(c *control.Client) error { return c.DumpQueue(ctx, ask, show) },
		func(cfg *config.Config) error {
			return forwarder.DumpQueueOf(ctx, cfg, ask, sayer[control.Dumped](show))
		})
	if ctx.Err() != nil {
		err = nil // it was told to stop
	}
	return errors.Join(err, w.Flush())
}

// dumpRow is a stored event as JSON prints it.
func dumpRow(d control.Dumped) any {
	row := struct {
		Kind      string    `json:"kind"`
		Source    string    `json:"source"`
		Position  uint64    `json:"position"`
		Received  time.Time `json:"received"`
		Peer      string    `json:"peer,omitempty"`
		Size      int       `json:"size,omitempty"`
		Raw       *string   `json:"raw,omitempty"`
		RawBase64 []byte    `json:"raw_base64,omitempty"`
	}{Kind: "event", Source: d.Source, Position: d.Position, Received: d.Received, Peer: d.Peer, Size: d.Size}
	row.Raw, row.RawBase64 = octetsJSON(d.Raw)
	return row
}
