package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/tools/txtar"

	"github.com/siemfwd/siemfwd/formatters"
	"github.com/siemfwd/siemfwd/forwarder"
	"github.com/siemfwd/siemfwd/forwarder/config"
	"github.com/siemfwd/siemfwd/forwarder/control"
	"github.com/siemfwd/siemfwd/forwarder/when"
)

// tapper is one call of `tap`.
type tapper struct {
	*app
	ask                  control.Tap
	since, until, socket string
	test                 bool

	day string // of the last line shown
}

func tapCommand(a *app) *cobra.Command {
	t := &tapper{app: a}
	cmd := &cobra.Command{
		Use:   "tap [SOURCE|SINK]…",
		Short: "Watch events pass, at any stage",
		Long: `Watch events pass, as the running forwarder's spools have them: nothing is missed, and
nobody has to wait for it. A line ends with the beginning of the event's uid. SOURCE shows the events of that source only; SINK shows what
that sink gets, as it gets it. Without a name everything is shown, a line for each event.
It ends with Ctrl-C.
Without a running forwarder, --since shows what is kept in the state folder.

--dropped shows what a sink (or any, when none is named) does not get, and the line of
the configuration that decided.

T is a time (2026-09-14T03:00:00Z), a date or time in this machine's time zone
(2026-09-14, 2026-09-14 03:00), or how long ago it was (10m, 36h, 7d).`,
		Example: `  siemfwd tap                                # everything
  siemfwd tap skyhigh --raw -n 1             # the next event of a source, as received
  siemfwd tap qradar --since 10m             # what a sink got, and gets
  siemfwd tap qradar --dropped --since 1h    # what it did not get, and why
  siemfwd tap --as cef --when 'severity >= high'
  siemfwd tap skyhigh --as-test > tests/login.txtar; siemfwd test -u tests/login.txtar`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return t.tap(cmd.Context(), args) },
	}
	f := cmd.Flags()
	f.StringArrayVar(&t.ask.Sources, "source", nil, "only events of this source; may be repeated")
	f.StringArrayVar(&t.ask.Sinks, "sink", nil, "what this sink gets, as it gets it; may be repeated with --dropped or -o json")
	f.BoolVar(&t.ask.Raw, "raw", false, "as received")
	f.StringVar(&t.ask.As, "as", "", "in this `FORMAT`: record, or one of siemfwd list formats")
	f.BoolVar(&t.test, "as-test", false, "the next event as a test: siemfwd test -u writes down what each sink gets")
	f.BoolVar(&t.ask.Dropped, "dropped", false, "what sinks do not get, and why")
	f.StringVar(&t.ask.When, "when", "", "only events that hold this `CONDITION`")
	f.StringVar(&t.since, "since", "", "look back to `T`")
	f.StringVar(&t.until, "until", "", "end at `T`; 0s is now")
	f.IntVarP(&t.ask.Count, "count", "n", 0, "end after `N` events")
	f.StringVar(&t.socket, "control", "", "control socket `PATH` (default: the one of the configuration)")
	return cmd
}

func (t *tapper) tap(ctx context.Context, args []string) error {
	if err := t.times(time.Now()); err != nil {
		return err
	}
	if err := t.formats(); err != nil {
		return err
	}
	p, err := t.stored(t.socket)
	if err != nil {
		return err
	}
	if err := t.names(args, p.cfg); err != nil {
		return err
	}
	if len(t.ask.Sinks) > 1 && !t.ask.Dropped && t.output != "json" {
		return usage("one sink at a time: their lines could not be told apart; --dropped and -o json take several")
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	err = p.ask(func(c *control.Client) error { return c.Tap(ctx, t.ask, t.show) }, func(cfg *config.Config) error {
		if t.ask.Since.IsZero() {
			return exit(exitNobody, fmt.Errorf("%w; with --since what is kept is shown without one", control.ErrNoForwarder))
		}
		return forwarder.TapOf(ctx, cfg, hostname(), t.ask, sayer[control.Tapped](t.show))
	})
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (t *tapper) times(now time.Time) (err error) {
	if t.since != "" {
		if t.ask.Since, err = moment(t.since, now); err != nil {
			return usage("--since: %v", err)
		}
	}
	if t.until != "" {
		if t.ask.Until, err = moment(t.until, now); err != nil {
			return usage("--until: %v", err)
		}
		from := t.ask.Since
		if from.IsZero() {
			from = now
		}
		if !from.Before(t.ask.Until) {
			return usage("--until %s is not after the beginning, %s; --since looks back", clockTime(t.ask.Until), clockTime(from))
		}
	}
	if t.ask.Count < 0 {
		return usage("-n %d: how many events must be a positive number", t.ask.Count)
	}
	return nil
}

func (t *tapper) formats() error {
	switch {
	case t.test && (t.ask.Raw || t.ask.As != "" || t.ask.Count > 1):
		return usage("--as-test is one event as received: --raw, --as and -n do not go with it")
	case t.test:
		t.ask.Raw, t.ask.Count = true, 1
	case t.ask.Raw && t.ask.As != "":
		return usage("--raw and --as exclude each other")
	case t.ask.As != "" && t.ask.As != "record":
		if _, err := formatters.New(t.ask.As, formatters.Options{}); err != nil {
			return usage("--as %s: %v, or record", t.ask.As, err)
		}
	}
	return checkWhen(t.ask.When)
}

// checkWhen tells what is wrong with a condition on the command line; "" is none.
func checkWhen(text string) error {
	if text == "" {
		return nil
	}
	if _, err := when.Parse(text); err != nil {
		hint := "a condition is FIELD OPERATOR VALUE, such as severity >= high"
		if bad := new(when.Error); errors.As(err, &bad) && bad.Hint != "" {
			hint = bad.Hint
		}
		return usage("--when %s: %v; %s", text, err, hint)
	}
	return nil
}

// names finds out which of the words are sources and which are sinks.
func (t *tapper) names(args []string, cfg *config.Config) error {
	if len(args) > 0 && cfg == nil {
		var problems config.Problems
		if cfg, problems = forwarder.Load(t.config, forwarder.Lenient); cfg == nil || problems.Err() != nil {
			problems.Print(t.err, false)
			return exit(exitConfig, errors.New("the configuration says what is a source and what a sink, and has problems; --source and --sink go without it"))
		}
	}
	for _, name := range args {
		if source, ok := strings.CutPrefix(name, "source:"); ok {
			t.ask.Sources = append(t.ask.Sources, source)
			continue
		}
		if sink, ok := strings.CutPrefix(name, "sink:"); ok {
			t.ask.Sinks = append(t.ask.Sinks, sink)
			continue
		}
		isSource := slices.ContainsFunc(cfg.Sources, func(s config.Source) bool { return s.Name == name })
		isSink := slices.ContainsFunc(cfg.Sinks, func(s config.Sink) bool { return s.Name == name })
		switch {
		case isSource && isSink:
			return usage("%s is both a source and a sink: write source:%s or sink:%s", name, name, name)
		case isSource:
			t.ask.Sources = append(t.ask.Sources, name)
		case isSink:
			t.ask.Sinks = append(t.ask.Sinks, name)
		default:
			return usage("%s is neither a source nor a sink of %s; siemfwd status lists them", name, t.config)
		}
	}
	return nil
}

// show prints one event, or what there is to say.
func (t *tapper) show(l control.Tapped) error {
	switch {
	case l.Note != "":
		t.say("%s", l.Note)
		return nil
	case t.test:
		return t.showTest(l)
	case t.output == "json":
		return t.json(shown{Tapped: l, Out: string(bytes.ToValidUTF8(l.Out, []byte("\uFFFD")))})
	case l.Reason != "":
		line := l.Reason
		if l.Line != "" {
			line += " (" + l.Line + ")"
		}
		return t.line(l, fmt.Sprintf("not to %s: %s", l.Sink, line))
	case l.Out == nil:
		return t.line(l, "")
	}
	out := l.Out
	switch {
	case isTerminal(t.out):
		out = []byte(printable(out))
	case !t.ask.Raw:
		out = bytes.ReplaceAll(out, []byte("\n"), []byte(" "))
	}
	_, err := t.out.Write(append(out, '\n'))
	return err
}

// showTest prints an event as a test of the configuration.
func (t *tapper) showTest(l control.Tapped) error {
	test := txtar.Archive{
		Comment: fmt.Appendf(nil, "# %s\nsource: %s\n", strings.TrimSpace(printable([]byte(cut(l.Class+" "+l.Name, 80)))), l.Source),
		Files:   []txtar.File{{Name: "raw", Data: append(slices.Clip(l.Out), '\n')}},
	}
	// What a text file cannot hold, or does not read the same again.
	again := txtar.Parse(txtar.Format(&test))
	if !utf8.Valid(l.Out) || bytes.ContainsAny(l.Out, "\x00\r") || bytes.HasSuffix(l.Out, []byte("\n")) || len(again.Files) != 1 || !bytes.Equal(again.Files[0].Data, test.Files[0].Data) {
		test.Files[0] = txtar.File{Name: "raw.hex", Data: fmt.Appendf(nil, "%x\n", l.Out)}
	}
	_, err := t.out.Write(txtar.Format(&test))
	return err
}

// shown is what -o json prints.
type shown struct {
	control.Tapped
	Out string `json:"out,omitempty"`
}

// line prints what people read of an event.
func (t *tapper) line(l control.Tapped, first string) error {
	at := l.Received.Local()
	if day := at.Format(time.DateOnly); day != t.day {
		if t.day != "" || day != time.Now().Format(time.DateOnly) {
			fmt.Fprintf(t.out, "%s\n", day)
		}
		t.day = day
	}
	words := []string{l.Source, first, cut(l.Class, 40), strconv.Itoa(l.Severity), cut(l.Name, 80), cut(l.Facts, 120)}
	if l.Facts == "" {
		words = append(words, cut(l.Message, 120))
	}
	words = append(words, l.UID[:min(len(l.UID), 12)])
	_, err := fmt.Fprintf(t.out, "%s %s\n", at.Format("15:04:05.000"), printable([]byte(strings.Join(filled(words), "  "))))
	return err
}

// filled leaves out the empty ones.
func filled(words []string) []string {
	return slices.DeleteFunc(words, func(s string) bool { return s == "" })
}
