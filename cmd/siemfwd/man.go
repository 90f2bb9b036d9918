package main

import (
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func manCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "man [COMMAND…]",
		Short: "Print the manual page of a command",
		Long: `Print the manual page of a command, for man: siemfwd man status | man -l -
With --all FOLDER one page a command is written there, as packages do.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			root.DisableAutoGenTag = true
			header := &doc.GenManHeader{Section: "1", Source: "siemfwd " + buildVersion(), Manual: "siemfwd"}
			if folder, _ := cmd.Flags().GetString("all"); folder != "" {
				if err := os.MkdirAll(folder, 0o755); err != nil {
					return err
				}
				return doc.GenManTree(root, header, folder)
			}
			of, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return usage("%q is not a command; siemfwd -h lists them", strings.Join(args, " "))
			}
			return doc.GenMan(of, header, a.out)
		},
	}
	cmd.Flags().String("all", "", "write every command's page into `FOLDER`")
	return cmd
}
