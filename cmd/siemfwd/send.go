package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/siemfwd/siemfwd/forwarder"
	"github.com/siemfwd/siemfwd/forwarder/config"
	"github.com/siemfwd/siemfwd/parsers"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

func sendCommand(a *app) *cobra.Command {
	var sample string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "send SINK --sample VENDOR/NAME",
		Short: "Send a sample through the real formatter to a sink",
		Long: `Send a bundled sample through the real formatter and sink of the configuration, and
print what was sent, what came of it and how long it took. The running forwarder is
not involved. siemfwd list samples shows the samples.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if sample == "" {
				return usage("--sample is missing; siemfwd list samples")
			}
			return a.send(cmd.Context(), args[0], sample, timeout)
		},
	}
	cmd.Flags().StringVar(&sample, "sample", "", "the sample, VENDOR/NAME")
	cmd.Flags().DurationVar(&timeout, "timeout", 10*time.Second, "give up after this long")
	return cmd
}

func (a *app) send(ctx context.Context, sinkName, sampleName string, timeout time.Duration) error {
	cfg, problems := forwarder.Load(a.config, forwarder.Strict)
	a.printProblems(problems)
	if problems.Err() != nil {
		return exit(exitConfig, nil)
	}
	var sink *config.Sink
	var names []string
	for i := range cfg.Sinks {
		names = append(names, cfg.Sinks[i].Name)
		if cfg.Sinks[i].Name == sinkName {
			sink = &cfg.Sinks[i]
		}
	}
	if sink == nil {
		return usage("sink %q is not in the configuration, which has %s", sinkName, strings.Join(names, ", "))
	}
	v, s, err := findSample(sampleName)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	sent, err := forwarder.SendSample(ctx, sink, v, s.Raw)
	if a.output == "json" {
		row := map[string]any{"sink": sink.Name, "sample": sampleName, "sent": string(sent.Payload), "milliseconds": sent.Took.Milliseconds(), "ok": err == nil}
		if err != nil {
			row["error"] = err.Error()
		}
		if jerr := a.json(row); jerr != nil {
			return jerr
		}
	} else {
		fmt.Fprintf(a.out, "%s\n", sent.Payload)
	}
	if err != nil {
		return fmt.Errorf("%s did not take it: %w", sink.Name, err)
	}
	a.say("taken by %s in %s", sink.Name, sent.Took.Round(10*time.Microsecond))
	return nil
}

func findSample(name string) (kit.Vendor, kit.Sample, error) {
	vendor, short, ok := strings.Cut(name, "/")
	if !ok {
		return kit.Vendor{}, kit.Sample{}, usage("--sample %q: write VENDOR/NAME; siemfwd list samples", name)
	}
	v, ok := parsers.ByName(vendor)
	if !ok {
		return v, kit.Sample{}, usage("--sample %s: vendor %q is not known; siemfwd list vendors", name, vendor)
	}
	samples, err := kit.ReadSamples(v)
	if err != nil {
		return v, kit.Sample{}, err
	}
	for _, s := range samples {
		if s.Name == short {
			return v, s, nil
		}
	}
	return v, kit.Sample{}, exit(exitUsage, errors.New("--sample "+name+": no such sample; siemfwd list samples"))
}
