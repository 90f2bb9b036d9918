package main

import (
	"fmt"
	"slices"
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
	what := []string{"vendors", "formats", "sources", "sinks", "samples"}
	return &cobra.Command{
		Use:       "list [vendors|formats|sources|sinks|samples]",
		Short:     "List vendors, formats, types of sources and sinks, samples",
		ValidArgs: what,
		Args:      cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = what[:4]
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
