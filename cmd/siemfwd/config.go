package main

import (
	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"

	"github.com/siemfwd/siemfwd/forwarder"
	"github.com/siemfwd/siemfwd/forwarder/config"
)

func configCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "config [FILE|DIR]",
		Short: "Print the configuration as it is understood",
		Long: `Print the configuration as it is understood: all files as one, defaults filled in,
${…} as it is written. Secrets are not printed.
Exit status 3 when there is an error.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			path := a.config
			if len(args) == 1 {
				path = args[0]
			}
			cfg, problems := forwarder.Load(path, forwarder.Lenient)
			if problems.Err() != nil {
				a.printProblems(problems)
				return exit(exitConfig, nil)
			}
			text, err := cfg.YAML()
			if err != nil {
				return err
			}
			if a.output != "json" {
				_, err = a.out.Write(text)
				return err
			}
			var tree map[string]any
			if err := yaml.Unmarshal(text, &tree); err != nil {
				return err
			}
			return a.json(tree)
		},
	}
}

func schemaCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print a JSON Schema of the configuration, for editors",
		Long: `Print a JSON Schema of the configuration, for completion in editors. With the YAML
language server, write it to a file and begin the configuration with
  # yaml-language-server: $schema=FILE
siemfwd check finds more than a schema can.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			schema, err := config.Schema(forwarder.Kinds())
			if err != nil {
				return err
			}
			_, err = a.out.Write(append(schema, '\n'))
			return err
		},
	}
}
