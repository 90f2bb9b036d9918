package main

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/siemfwd/siemfwd/formatters"
	"github.com/siemfwd/siemfwd/forwarder"
	"github.com/siemfwd/siemfwd/forwarder/config"
	"github.com/siemfwd/siemfwd/parsers"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// entry is one row of a list.
type entry struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
	Doc  string `json:"doc"`
}

func listCommand(a *app) *cobra.Command {
	what := []string{"vendors", "formats", "sources", "sinks", "profiles", "samples"}
	var source string
	cmd := &cobra.Command{
		Use:   "list [vendors|formats|sources|sinks|profiles|samples] | list VENDOR QUESTION [ARGUMENT] --source NAME",
		Short: "List vendors, formats, types of sources and sinks, profiles, samples; or ask a vendor's API",
		Long: `List vendors, formats, types of sources and sinks, profiles of receivers, or samples.

With a vendor and one of its questions, ask the vendor's API with the credentials of a
source of the configuration: siemfwd list skyhigh keys --source casb. Without a question
the questions are listed.`,
		ValidArgs: what,
		Args:      cobra.MaximumNArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && !slices.Contains(what, args[0]) {
				return a.ask(cmd.Context(), args, source)
			}
			if len(args) > 1 {
				return usage("list takes one of %s", strings.Join(what, ", "))
			}
			if len(args) == 0 {
				args = what[:5]
			}
			for i, kind := range args {
				rows, err := entries(kind)
				if err != nil {
					return err
				}
				if err := a.list(kind, rows, i > 0, len(args) > 1); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&source, "source", "", "the source whose credentials are used")
	return cmd
}

// ask puts a question to the API of a polled source, or lists the questions.
func (a *app) ask(ctx context.Context, args []string, source string) error {
	v, ok := parsers.ByName(args[0])
	if !ok {
		return usage("%q is neither a list nor a vendor; siemfwd list -h", args[0])
	}
	if v.Poll == nil {
		return usage("vendor %s has no API to ask", v.Name)
	}
	if len(args) == 1 {
		return a.questions(v)
	}
	cfg, problems := forwarder.Load(a.config, forwarder.Strict)
	if problems.Err() != nil {
		problems.Print(a.err, false)
		return exit(exitConfig, nil)
	}
	var found *config.Source
	var names []string
	for i := range cfg.Sources {
		s := &cfg.Sources[i]
		if s.Vendor != v.Name || s.Type != "poll" {
			continue
		}
		names = append(names, s.Name)
		if s.Name == source || source == "" {
			found = s
		}
	}
	switch {
	case len(names) == 0:
		return usage("the configuration has no source that polls %s", v.Name)
	case found == nil || source == "" && len(names) > 1:
		return usage("say which source is asked: --source %s", strings.Join(names, " or --source "))
	}
	arg := ""
	if len(args) == 3 {
		arg = args[2]
	}
	values, err := forwarder.Lookup(ctx, found, args[1], arg)
	if err != nil {
		return err
	}
	for _, value := range values {
		if _, err := fmt.Fprintf(a.out, "%s\n", bytes.ReplaceAll(value, []byte("\n"), nil)); err != nil {
			return err
		}
	}
	return nil
}

// questions lists what a vendor's API can be asked.
func (a *app) questions(v kit.Vendor) error {
	if len(v.Poll.Lookups) == 0 {
		return usage("vendor %s has no questions", v.Name)
	}
	var rows []entry
	for _, l := range v.Poll.Lookups {
		name := l.Name
		if l.Arg != "" {
			name += " " + l.Arg
		}
		rows = append(rows, entry{"questions", name, l.Doc})
	}
	return a.list("questions", rows, false, false)
}

func entries(kind string) ([]entry, error) {
	var rows []entry
	switch kind {
	case "vendors":
		for _, v := range parsers.All() {
			rows = append(rows, entry{kind, v.Name, v.Doc})
		}
	case "formats":
		for _, f := range formatters.Names() {
			rows = append(rows, entry{kind, f.Name, f.Doc})
		}
	case "sources":
		rows = kinds(kind, forwarder.Kinds().Sources)
	case "sinks":
		rows = kinds(kind, forwarder.Kinds().Sinks)
	case "profiles":
		for _, p := range forwarder.Profiles() {
			rows = append(rows, entry{kind, p.Name, p.Doc})
		}
	case "samples":
		for _, v := range parsers.All() {
			samples, err := kit.ReadSamples(v)
			if err != nil {
				return nil, err
			}
			for _, s := range samples {
				rows = append(rows, entry{kind, v.Name + "/" + s.Name, s.Comment})
			}
		}
	}
	return rows, nil
}

func kinds(kind string, m map[string]config.Kind) []entry {
	var rows []entry
	for name, k := range m {
		rows = append(rows, entry{kind, name, k.Doc})
	}
	slices.SortFunc(rows, func(a, b entry) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return rows
}

func (a *app) list(kind string, rows []entry, gap, headed bool) error {
	if a.output == "json" {
		for _, r := range rows {
			if err := a.json(r); err != nil {
				return err
			}
		}
		return nil
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	if gap {
		fmt.Fprintln(w)
	}
	indent := ""
	if headed {
		fmt.Fprintf(w, "%s\n", kind)
		indent = "  "
	}
	for _, r := range rows {
		fmt.Fprintf(w, "%s%s\t%s\n", indent, r.Name, r.Doc)
	}
	return w.Flush()
}
