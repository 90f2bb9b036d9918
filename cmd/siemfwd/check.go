package main

import (
	"github.com/spf13/cobra"

	"github.com/siemfwd/siemfwd/forwarder"
)

func checkCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "check [FILE|DIR]",
		Short: "Find all mistakes in the configuration",
		Long: `Find all mistakes in the configuration, each with file, line and column.
Secrets that only the service can read are noted and not checked.
Exit status 3 when there is an error.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			path := a.config
			if len(args) == 1 {
				path = args[0]
			}
			cfg, problems := forwarder.Load(path, forwarder.Lenient)
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
			a.say("ok: %s", summary(cfg))
			return nil
		},
	}
}
