// Command siemfwd forwards security events to SIEMs. See README.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	_ "time/tzdata" // zones, also on machines that have none installed

	"github.com/spf13/cobra"
)

// Exit statuses that scripts may rely on.
const (
	exitDone     = 0
	exitFailed   = 1
	exitUsage    = 2
	exitConfig   = 3
	exitNobody   = 4
	exitSinkDown = 5
)

// version is set by the build: -ldflags "-X main.version=1.2.3".
var version = "dev"

func main() { os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// run is the whole command: arguments in, exit status out. Data goes to out, words to errw.
func run(ctx context.Context, args []string, in io.Reader, out, errw io.Writer) int {
	root := newRoot(&app{in: in, out: out, err: errw})
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errw)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	var code *exitError
	if errors.As(err, &code) {
		if code.err != nil {
			fmt.Fprintf(errw, "siemfwd: %v\n", code.err)
		}
		return code.status
	}
	fmt.Fprintf(errw, "siemfwd: %v\n", err)
	return exitFailed
}

// app is what every command shares.
type app struct {
	in       io.Reader
	out, err io.Writer

	config string // -c
	output string // -o
	quiet  bool   // -q
}

// say prints words for people, unless -q.
func (a *app) say(format string, args ...any) {
	if !a.quiet {
		fmt.Fprintf(a.err, format+"\n", args...)
	}
}

// exitError ends the command with a status; a nil err prints nothing more.
type exitError struct {
	status int
	err    error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.status)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// exit returns an error that ends the command with status. Without err nothing is printed.
func exit(status int, err error) error { return &exitError{status, err} }

func usage(format string, args ...any) error { return exit(exitUsage, fmt.Errorf(format, args...)) }

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "siemfwd",
		Short: "Forward security events to your SIEM, and lose none",
		Long: `Forward security events to your SIEM, and lose none.

Exit status: 0 done · 1 failed · 2 wrong usage · 3 problems in the configuration ·
4 no forwarder to talk to · 5 some sinks are failing`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage("%q is not a command; siemfwd -h lists them", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if a.output != "text" && a.output != "json" {
				return usage("-o %s: the outputs are text and json", a.output)
			}
			return nil
		},
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage("%v; %s -h tells more", err, cmd.CommandPath())
	})
	flags := root.PersistentFlags()
	flags.StringVarP(&a.config, "config", "c", "/etc/siemfwd", "configuration `FILE|DIR`; a folder's *.yaml are one configuration")
	flags.StringVarP(&a.output, "output", "o", "text", "text or json")
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "print no words, only data and errors")
	root.AddCommand(
		runCommand(a), demoCommand(a), checkCommand(a), explainCommand(a), sendCommand(a), simulateCommand(a),
		statusCommand(a), backfillCommand(a), listCommand(a), docCommand(a), scannerCommand(a), versionCommand(a),
		initCommand(a), testCommand(a), configCommand(a), schemaCommand(a), manCommand(a),
		queueCommand(a), deadCommand(a), tapCommand(a), traceCommand(a), replayCommand(a),
	)
	for _, c := range root.Commands() {
		args := c.Args
		c.Args = func(cmd *cobra.Command, given []string) error {
			if err := args(cmd, given); err != nil {
				return usage("%v; %s -h tells more", err, cmd.CommandPath())
			}
			return nil
		}
	}
	return root
}
