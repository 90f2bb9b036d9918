package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/siemfwd/siemfwd/formatters"
	"github.com/siemfwd/siemfwd/formatters/json"
	"github.com/siemfwd/siemfwd/forwarder"
	"github.com/siemfwd/siemfwd/forwarder/config"
	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// most is how much explain reads: what no source would take is not worth explaining.
const most = 64 << 20

// explainer is one call of `explain`.
type explainer struct {
	*app
	vendor, as, header, timezone string
	sink                         string
	all                          bool
	formatter                    formatters.Formatter
	zone                         *time.Location
	cfg                          *config.Config
	rules                        *forwarder.Rules // of the source in cfg
	count                        int
}

func explainCommand(a *app) *cobra.Command {
	x := &explainer{app: a}
	cmd := &cobra.Command{
		Use:   "explain --vendor VENDOR [FILE|-]",
		Short: "Show how an event is read and rendered",
		Long: `Show how an event is read and rendered, as the vendor's own way in would read it:
lines for syslog vendors, a whole body for webhook vendors, one JSON value after
another for vendors that are polled. No FILE, or -, means standard input.

--as FORMAT prints only the rendering, one event per line; --as record prints the
record as JSON. With -c it also tells which sinks would take the event, and which
condition decided; with -c and --sink NAME it prints what that sink would send, as its
format, profile and map make it.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return x.explain(args, cmd.Flags().Changed("config"))
		},
	}
	f := cmd.Flags()
	f.StringVar(&x.vendor, "vendor", "auto", "what the input is; siemfwd list vendors")
	f.StringVar(&x.as, "as", "", "print only this format: record, or one of siemfwd list formats")
	f.StringVar(&x.header, "header", "", "with --as: the syslog header around the body, rfc5424 or rfc3164")
	f.StringVar(&x.sink, "sink", "", "with -c: print what this sink would send, without framing")
	f.StringVar(&x.timezone, "timezone", "UTC", "zone of times that name none")
	f.BoolVarP(&x.all, "verbose", "v", false, "show every field")
	return cmd
}

func (x *explainer) explain(args []string, withConfig bool) error {
	v, ok := parsers.ByName(x.vendor)
	if !ok {
		return usage("vendor %q is not known; siemfwd list vendors", x.vendor)
	}
	var err error
	if x.zone, err = time.LoadLocation(x.timezone); err != nil {
		return usage("--timezone %s: %v", x.timezone, err)
	}
	if x.as != "" && x.as != "record" {
		x.formatter, err = formatters.New(x.as, formatters.Options{Header: x.header, Facility: 16, Host: hostname(), SDID: "siemfwd@32473", App: "siemfwd", Raw: true})
		if err != nil {
			return usage("--as %s: %v", x.as, err)
		}
	}
	if withConfig {
		cfg, problems := forwarder.Load(x.config, forwarder.Lenient)
		problems.Print(x.err, false)
		if problems.Err() != nil {
			return exit(exitConfig, nil)
		}
		x.cfg = cfg
		if v, err = x.asConfigured(v); err != nil {
			return err
		}
	}
	if x.sink != "" {
		if err := x.likeSink(withConfig); err != nil {
			return err
		}
	}
	body, err := x.read(args)
	if err != nil {
		return err
	}
	if err := split(v, body, func(data []byte) error { return x.show(v, data) }); err != nil {
		return err
	}
	if x.count == 0 {
		return errors.New("no event in the input")
	}
	return nil
}

// likeSink takes the formatter of a sink of the configuration.
func (x *explainer) likeSink(withConfig bool) error {
	switch {
	case !withConfig:
		return usage("--sink goes with -c FILE")
	case x.as != "":
		return usage("--sink and --as do not go together")
	}
	var names []string
	for i := range x.cfg.Sinks {
		c := &x.cfg.Sinks[i]
		if c.Name == x.sink {
			f, err := forwarder.FormatterOf(c, hostname())
			x.formatter = f
			return err
		}
		names = append(names, c.Name)
	}
	return usage("there is no sink %q; the configuration has %s", x.sink, strings.Join(names, ", "))
}

// asConfigured is the vendor as the first source that has it reads, whose rules are kept.
func (x *explainer) asConfigured(v kit.Vendor) (kit.Vendor, error) {
	var source *config.Source
	others := 0
	for i := range x.cfg.Sources {
		switch c := &x.cfg.Sources[i]; {
		case c.Vendor != v.Name:
		case source == nil:
			source = c
		default:
			others++
		}
	}
	if source == nil {
		return v, nil
	}
	if others > 0 {
		x.say("read as source %s does; %s of the vendor may be configured otherwise", source.Name, plural(others, "other source"))
	}
	var err error
	if x.rules, err = forwarder.NewRules(source); err != nil {
		return v, err
	}
	return forwarder.VendorOf(source)
}

func (x *explainer) read(args []string) ([]byte, error) {
	in := x.in
	name := "standard input"
	if len(args) == 1 && args[0] != "-" {
		name = args[0]
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	body, err := io.ReadAll(io.LimitReader(in, most+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(body) > most {
		return nil, fmt.Errorf("%s: over %d MiB; give a part of it", name, most>>20)
	}
	return body, nil
}

// split cuts the input as the vendor's own way in would.
func split(v kit.Vendor, body []byte, each func(data []byte) error) error {
	var failed error
	add := func(data []byte) {
		if failed == nil {
			failed = each(data)
		}
	}
	if one := add; v.Unpack != nil {
		add = func(data []byte) {
			if !v.Unpack(data, one) {
				one(data)
			}
		}
	}
	switch v.Shape {
	case kit.Body:
		if v.Hook != nil && v.Hook.Read != nil {
			if refused := v.Hook.Read(body, func(data []byte, _ event.Key) { add(data) }); refused != nil {
				return fmt.Errorf("the listener would answer %d and keep it among the dead letters: %s", refused.Status, refused.Reason)
			}
			return failed
		}
		if len(bytes.TrimSpace(body)) > 0 {
			add(body)
		}
	case kit.Values:
		n := 0
		err := kit.SplitValues(body, func(value []byte) { n++; add(value) })
		if err != nil && n == 0 {
			add(bytes.TrimRight(body, "\r\n")) // one event that nobody can read, as in a listener
		} else if err != nil {
			return fmt.Errorf("JSON behind %s: %w", plural(n, "event"), err)
		}
	default:
		for line := range bytes.Lines(body) {
			line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
			if len(line) > 0 {
				add(line)
			}
		}
	}
	return failed
}

func (x *explainer) show(v kit.Vendor, data []byte) error {
	x.count++
	var r record.Record
	raw := event.Raw{Data: data, Time: time.Now(), Size: len(data)}
	if err := forwarder.ReadEvent(&r, v, raw, forwarder.Origin{Source: v.Name, Zone: x.zone, Position: uint64(x.count - 1), Rules: x.rules}); err != nil {
		x.say("the parser broke, the event goes on as text: %v", err)
	}
	switch {
	case x.as == "record" || x.as == "" && x.output == "json":
		out, err := json.Formatter{Raw: true}.Append(nil, &r)
		if err != nil {
			return err
		}
		_, err = x.out.Write(append(out, '\n'))
		return err
	case x.formatter != nil:
		out, err := x.formatter.Append(nil, &r)
		if err != nil {
			return err
		}
		_, err = x.out.Write(append(bytes.ReplaceAll(out, []byte("\n"), []byte(" ")), '\n'))
		return err
	}
	return x.page(v, &r)
}

// page prints what people read.
func (x *explainer) page(v kit.Vendor, r *record.Record) error {
	if x.count > 1 {
		fmt.Fprintln(x.out)
	}
	w := tabwriter.NewWriter(x.out, 0, 0, 3, ' ', 0)
	fmt.Fprintf(w, "read as\t%s (%s)\n", v.Product, plural(len(topFields(r)), "field"))
	for _, row := range rows(r) {
		fmt.Fprintf(w, "  %s\t%s\n", row.name, cut(row.value, 120))
	}
	if fields := topFields(r); x.all {
		for _, row := range fields {
			fmt.Fprintf(w, "  %s\t%s\n", row.name, cut(row.value, 120))
		}
	} else if len(fields) > 0 {
		fmt.Fprintf(w, "  … and the fields as sent, with -v\t\n")
	}
	for _, warning := range r.Warnings {
		fmt.Fprintf(w, "warning\t%s:%s\n", warning.Kind, cut(string(warning.Detail), 100))
	}
	_ = w.Flush()
	for _, name := range []string{"rfc5424", "cef", "leef", "json"} {
		f, err := formatters.New(name, formatters.Options{Facility: 16, Host: hostname(), SDID: "siemfwd@32473", App: "siemfwd", Raw: false})
		if err != nil {
			return err
		}
		out, err := f.Append(nil, r)
		if err != nil {
			return err
		}
		fmt.Fprintf(x.out, "as %s\n  %s\n", name, out)
	}
	if x.cfg != nil {
		x.destinations(r)
	}
	return nil
}

// destinations tells which sinks would take the record, and why not.
func (x *explainer) destinations(r *record.Record) {
	w := tabwriter.NewWriter(x.out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "goes to")
	for i := range x.cfg.Sinks {
		s := &x.cfg.Sinks[i]
		var sources []string
		for _, src := range x.cfg.Sources {
			if src.Vendor == x.vendor && s.Reads(src.Name) {
				sources = append(sources, src.Name)
			}
		}
		why := forwarder.Decide(s, r)
		switch {
		case r.Test:
			fmt.Fprintf(w, "  %s\tno\ta sender's test\n", s.Name)
		case len(sources) == 0:
			fmt.Fprintf(w, "  %s\tno\tit reads no source with vendor %s\n", s.Name, x.vendor)
		case why != "":
			fmt.Fprintf(w, "  %s\tno\t%s\n", s.Name, why)
		default:
			from := "from " + strings.Join(sources, ", ")
			if judge, err := forwarder.NewJudge(s); err == nil && judge.Severity(r) != r.Severity {
				from += fmt.Sprintf(", with severity %d (%s)", judge.Severity(r), s.Pos)
			}
			fmt.Fprintf(w, "  %s\tyes\t%s\n", s.Name, from)
		}
	}
	_ = w.Flush()
}

func cut(s string, most int) string {
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return s
}

func hostname() string {
	if h, err := os.Hostname(); err == nil {
		return h
	}
	return "localhost"
}
