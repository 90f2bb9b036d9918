package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/siemfwd/siemfwd/configs"
)

func initCommand(a *app) *cobra.Command {
	var state string
	cmd := &cobra.Command{
		Use:   "init [FILE|DIR|-]",
		Short: "Write a first, commented configuration",
		Long: `Write a first, commented configuration that checks clean: it listens on loopback, and
what comes in is appended to a file. In a folder the file is siemfwd.yaml; - is the
standard output. What is there already is never overwritten.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			path := a.config
			if len(args) == 1 {
				path = args[0]
			}
			text, err := first(state)
			if err != nil {
				return err
			}
			if path == "-" {
				_, err := a.out.Write(text)
				return err
			}
			if info, err := os.Stat(path); err == nil && info.IsDir() || filepath.Ext(path) == "" {
				path = filepath.Join(path, "siemfwd.yaml")
			}
			if err := writeNew(path, text); err != nil {
				return err
			}
			a.say("%s is written; next: siemfwd check -c %s && siemfwd run -c %[2]s", path, path)
			return nil
		},
	}
	cmd.Flags().StringVar(&state, "state", "", "`FOLDER` for the events, instead of /var/lib/siemfwd; needed without root")
	return cmd
}

// first is the first configuration, with everything it keeps below state.
func first(state string) ([]byte, error) {
	if state == "" {
		return configs.First, nil
	}
	state, err := filepath.Abs(state)
	if err != nil {
		return nil, err
	}
	text := bytes.ReplaceAll(configs.First, []byte("/var/lib/siemfwd"), []byte(state))
	return bytes.ReplaceAll(text, []byte("/run/siemfwd"), []byte(state)), nil
}

// writeNew writes a file that is not there yet, for its owner and group.
func writeNew(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already and stays as it is; name another file, or - to read the text", path)
	}
	if err != nil {
		return err
	}
	if _, err := f.Write(text); err != nil {
		f.Close()
		os.Remove(path)
		return err
	}
	return f.Close()
}
