package main

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/tools/txtar"

	"github.com/siemfwd/siemfwd/forwarder"
	"github.com/siemfwd/siemfwd/forwarder/config"
	"github.com/siemfwd/siemfwd/parsers"
)

// What a test takes for the machine and the time, so that it reads the same everywhere.
const testHost = "siemfwd"

var testTime = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// notSent begins the section of a sink that gets nothing; the reason may follow.
const notSent = "not sent"

func testCommand(a *app) *cobra.Command {
	var update bool
	cmd := &cobra.Command{
		Use:   "test [FILE.txtar…]",
		Short: "Run the tests that stand beside the configuration",
		Long: `Run the tests that stand beside the configuration: *.txtar in its folder and in the
folder tests there. A test is one event and what sinks should get of it:

  # Audit events are archived and wake nobody.
  source: casb
  -- raw --
  <14>Nov 20 10:11:12 connector eventType=audit,…
  -- archive --
  {"uid":…}
  -- oncall --
  not sent: severity >= 7

source: may be left out when there is only one. Sinks that a test does not name are not
looked at. Behind "not sent:" stands a part of the reason, or nothing. raw.hex is raw in
hexadecimal. Events are read as received at 2026-01-02T03:04:05Z by a machine siemfwd.
-u writes what comes out into the tests. Nothing is sent.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			cfg, problems := forwarder.Load(a.config, forwarder.Lenient)
			if problems.Err() != nil {
				a.printProblems(problems)
				return exit(exitConfig, nil)
			}
			if len(args) == 0 {
				args = testsBeside(a.config)
			}
			if len(args) == 0 {
				return fmt.Errorf("no *.txtar beside %s; siemfwd test -h shows one", a.config)
			}
			return a.runTests(cfg, args, update)
		},
	}
	cmd.Flags().BoolVarP(&update, "update", "u", false, "write what comes out into the tests")
	return cmd
}

// testsBeside finds the tests of a configuration.
func testsBeside(path string) []string {
	folder := path
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		folder = filepath.Dir(path)
	}
	var all []string
	for _, pattern := range []string{"*.txtar", "tests/*.txtar"} {
		found, _ := filepath.Glob(filepath.Join(folder, pattern))
		all = append(all, found...)
	}
	return all
}

func (a *app) runTests(cfg *config.Config, files []string, update bool) error {
	failed := 0
	for _, name := range files {
		flaws, err := runTest(cfg, name, update)
		if err != nil {
			flaws = []string{err.Error()}
		}
		if len(flaws) > 0 {
			failed++
		}
		if a.output == "json" {
			if err := a.json(map[string]any{"test": name, "ok": len(flaws) == 0, "flaws": append([]string{}, flaws...)}); err != nil {
				return err
			}
			continue
		}
		word := "ok"
		if len(flaws) > 0 {
			word = "FAIL"
		}
		fmt.Fprintf(a.out, "%-4s  %s\n", word, name)
		for _, f := range flaws {
			fmt.Fprintf(a.out, "      %s\n", strings.ReplaceAll(f, "\n", "\n      "))
		}
	}
	a.say("%s, %d failed", plural(len(files), "test"), failed)
	if failed > 0 {
		return exit(exitFailed, nil)
	}
	return nil
}

// runTest runs one file and returns what is not as it says.
func runTest(cfg *config.Config, name string, update bool) ([]string, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	test := txtar.Parse(data)
	source, err := testSource(cfg, test.Comment)
	if err != nil {
		return nil, err
	}
	outcomes, err := rehearse(cfg, source, test)
	if err != nil {
		return nil, err
	}
	var flaws []string
	for i := range test.Files {
		f := &test.Files[i]
		if f.Name == "raw" || f.Name == "raw.hex" {
			continue
		}
		got, ok := outcomes[f.Name]
		if !ok {
			flaws = append(flaws, fmt.Sprintf("section %s: no sink of this name reads source %s", f.Name, source.Name))
			continue
		}
		if flaw := compare(f.Name, string(bytes.TrimRight(f.Data, "\n")), got); flaw != "" {
			flaws = append(flaws, flaw)
			f.Data = []byte(got + "\n")
		}
	}
	if len(outcomes) > 0 && len(test.Files) == 1 && update {
		for _, s := range cfg.Sinks {
			if got, ok := outcomes[s.Name]; ok {
				test.Files = append(test.Files, txtar.File{Name: s.Name, Data: []byte(got + "\n")})
			}
		}
		return nil, os.WriteFile(name, txtar.Format(test), 0o644)
	}
	if len(test.Files) == 1 {
		return nil, errors.New("it names no sink, and so expects nothing; siemfwd test -u writes down what comes out")
	}
	if update && len(flaws) > 0 {
		return nil, os.WriteFile(name, txtar.Format(test), 0o644)
	}
	return flaws, nil
}

// testSource finds the source that a test names, or the only one.
func testSource(cfg *config.Config, comment []byte) (*config.Source, error) {
	for line := range strings.Lines(string(comment)) {
		name, ok := strings.CutPrefix(strings.TrimSpace(line), "source:")
		if !ok {
			continue
		}
		name = strings.TrimSpace(name)
		if i := slices.IndexFunc(cfg.Sources, func(s config.Source) bool { return s.Name == name }); i >= 0 {
			return &cfg.Sources[i], nil
		}
		return nil, fmt.Errorf("source: %s is not in the configuration", name)
	}
	if len(cfg.Sources) != 1 {
		return nil, fmt.Errorf("source: is missing before the sections, and the configuration has %s", plural(len(cfg.Sources), "source"))
	}
	return &cfg.Sources[0], nil
}

// rehearse returns what each sink would get of the test's event or events, one a line.
func rehearse(cfg *config.Config, source *config.Source, test *txtar.Archive) (map[string]string, error) {
	var raw []byte
	for _, f := range test.Files {
		switch f.Name {
		case "raw":
			raw = bytes.TrimRight(f.Data, "\n")
		case "raw.hex":
			var err error
			if raw, err = hex.DecodeString(strings.Join(strings.Fields(string(f.Data)), "")); err != nil {
				return nil, fmt.Errorf("raw.hex: %w", err)
			}
		}
	}
	if len(raw) == 0 {
		return nil, errors.New("section raw is missing or empty: it holds the event")
	}
	v, _ := parsers.ByName(source.Vendor)
	got := map[string][]string{}
	err := split(v, raw, func(data []byte) error {
		outcomes, err := forwarder.Rehearse(cfg, source, data, testTime, testHost)
		for _, o := range outcomes {
			text := string(o.Payload)
			if o.Why != "" {
				text = notSent + ": " + o.Why
			}
			got[o.Sink] = append(got[o.Sink], text)
		}
		return err
	})
	all := map[string]string{}
	for sink, lines := range got {
		all[sink] = strings.Join(lines, "\n")
	}
	return all, err
}

// compare says what is wrong, "" when nothing is.
func compare(sink, want, got string) string {
	if want == got {
		return ""
	}
	if reason, ok := strings.CutPrefix(want, notSent); ok && strings.HasPrefix(got, notSent) {
		if reason = strings.TrimSpace(strings.TrimPrefix(reason, ":")); strings.Contains(got, reason) {
			return ""
		}
	}
	return fmt.Sprintf("%s: want %s\n%*s   got %s", sink, want, len(sink), "", got)
}
