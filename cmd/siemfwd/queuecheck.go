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

	"github.com/siemfwd/siemfwd/forwarder"
	"github.com/siemfwd/siemfwd/forwarder/config"
	"github.com/siemfwd/siemfwd/forwarder/control"
)

func queueCheckCommand(a *app, socket *string) *cobra.Command {
	return &cobra.Command{
		Use:   "check [SOURCE…]",
		Short: "Read every frame of what is stored and hold it against its checksum",
		Long: `Read every frame of what is stored, and of the dead letters, and hold it against its
checksum. The running forwarder does it beside its work; without one the state folder
of the configuration (-c) is read. Nothing is changed or repaired: damage is set aside
by the forwarder when it meets it, and costs only the events whose frames are damaged.

Exit status 0: no damage. 1: damage, with the place of each.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.queueCheck(cmd.Context(), *socket, args)
		},
	}
}

// sayer takes the lines of an answer in this process.
type sayer[L any] func(L) error

func (s sayer[L]) Put(l L) error { return s(l) }
func (s sayer[L]) Flush() error  { return nil }

func (a *app) queueCheck(ctx context.Context, socket string, sources []string) error {
	p, err := a.stored(socket)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	c := checkPrinter{app: a, bar: a.progress("queue check")}
	ask := control.Check{Sources: sources}
	err = p.ask(func(cl *control.Client) error { return cl.CheckQueue(ctx, ask, c.step) },
		func(cfg *config.Config) error {
			return forwarder.CheckQueueOf(ctx, cfg, ask, sayer[control.CheckStep](c.step))
		})
	c.bar.clear()
	switch {
	case ctx.Err() != nil:
		return errors.New("stopped before everything was read")
	case err != nil:
		return err
	case c.bad > 0:
		return fmt.Errorf("damage found: %s, %s lost; what stands in damaged frames can be neither delivered nor replayed any more, everything else can", plural(int(c.places), "damaged place"), plural(int(c.lost), "event"))
	}
	a.say("no damage in %s of %s", octets(c.bytes), plural(c.logs, "log"))
	return nil
}

// checkPrinter prints what a check finds.
type checkPrinter struct {
	app          *app
	bar          *progress
	log          string // whose lines are being printed
	logs, bad    int
	places, lost uint64
	bytes        int64
}

func (c *checkPrinter) step(s control.CheckStep) error {
	if s.Segment == nil && s.Cursor == nil && s.Log == nil {
		share := 1.0
		if s.Total > 0 {
			share = float64(s.Read) / float64(s.Total)
		}
		c.bar.draw(share, fmt.Sprintf("%s of %s", octets(s.Read), octets(s.Total)), time.Now())
		return nil
	}
	if l := s.Log; l != nil {
		c.logs++
		c.places, c.lost, c.bytes = c.places+l.Places, c.lost+l.Lost, c.bytes+l.Bytes
		if !l.Clean {
			c.bad++
		}
	}
	if c.app.output == "json" {
		return c.row(s)
	}
	c.bar.clear()
	w := c.app.out
	switch {
	case s.Segment != nil:
		c.begin(s.Segment.Log)
		fmt.Fprintf(w, "  %s  %10s frames  %9s  %s\n", s.Segment.File, count(s.Segment.Frames), octets(s.Segment.Bytes), segmentWords(s.Segment))
		for _, d := range s.Segment.Damage {
			fmt.Fprintf(w, "    %s\n", damageWords(d))
		}
	case s.Cursor != nil:
		c.begin(s.Cursor.Log)
		words := "ok"
		switch {
		case s.Cursor.Problem != "":
			words = "BAD: " + s.Cursor.Problem
		case s.Cursor.Orphan:
			words = "ok, but no such sink reads this source"
		}
		fmt.Fprintf(w, "  cursor of %s at %s, %s waiting: %s\n", s.Cursor.Sink, count(s.Cursor.Position), count(s.Cursor.Waiting), words)
	default:
		c.begin(s.Log.Log)
		c.end(s.Log)
	}
	return nil
}

func (c *checkPrinter) row(s control.CheckStep) error {
	type segment struct {
		Kind string `json:"kind"`
		*control.CheckedSegment
	}
	type cursor struct {
		Kind string `json:"kind"`
		*control.CheckedCursor
	}
	type log struct {
		Kind string `json:"kind"`
		*control.CheckedLog
	}
	switch {
	case s.Segment != nil:
		return c.app.json(segment{"segment", s.Segment})
	case s.Cursor != nil:
		return c.app.json(cursor{"cursor", s.Cursor})
	}
	return c.app.json(log{"log", s.Log})
}

// begin prints the name of a log before its first line.
func (c *checkPrinter) begin(log string) {
	if c.log != log {
		c.log = log
		fmt.Fprintln(c.app.out, log)
	}
}

func (c *checkPrinter) end(l *control.CheckedLog) {
	w := c.app.out
	if l.Quarantine > 0 {
		fmt.Fprintf(w, "  quarantine: %s, %s, of damage met before\n", plural(l.Quarantine, "piece"), octets(l.QuarantineBytes))
	}
	if len(l.Foreign) > 0 {
		fmt.Fprintf(w, "  files that are none of the forwarder's: %s\n", strings.Join(l.Foreign, " "))
	}
	words := "clean"
	switch {
	case l.Error != "":
		words = "NOT READ TO ITS END: " + l.Error
	case !l.Clean:
		words = fmt.Sprintf("DAMAGED: %s, %s lost", plural(int(l.Places), "place"), plural(int(l.Lost), "event"))
		if l.Cursors > 0 {
			words += ", " + plural(l.Cursors, "bad cursor")
		}
	}
	fmt.Fprintf(w, "  %s in %s, %s events in %s frames: %s\n", octets(l.Bytes), plural(l.Segments, "segment"), count(l.Events), count(l.Frames), words)
}

func segmentWords(s *control.CheckedSegment) string {
	if s.Gone {
		return "removed meanwhile: all sinks have had its events"
	}
	words := "no events"
	if s.Next > s.First {
		words = fmt.Sprintf("events %s to %s", count(s.First), count(s.Next-1))
	}
	switch {
	case s.Places > 0:
		words += fmt.Sprintf("  DAMAGED: %s, %s lost", plural(int(s.Places), "place"), plural(int(s.Lost), "event"))
	default:
		words += "  ok"
	}
	if s.Unfinished > 0 {
		words += fmt.Sprintf(", and an unfinished append of %s that was never acknowledged", octets(s.Unfinished))
	}
	return words
}

func damageWords(d control.Damage) string {
	words := fmt.Sprintf("at %d: %s", d.Offset, d.Why)
	if d.Bytes > 0 {
		words += fmt.Sprintf(" in %d octets", d.Bytes)
	}
	switch d.Events {
	case 0:
		return words + ", no event is lost"
	case 1:
		return words + fmt.Sprintf(", event %d is lost", d.First)
	}
	return words + fmt.Sprintf(", events %d to %d are lost", d.First, d.First+d.Events-1)
}
