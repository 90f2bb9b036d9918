package kit

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"golang.org/x/tools/txtar"
)

// Sample is one event of a vendor as it stands in samples/NAME.txtar: what was
// received, and what it becomes.
type Sample struct {
	Name     string // without .txtar
	Comment  string // the first line of the file: what it shows
	Raw      []byte // for a vendor of shape Body, a whole request body
	Sections map[string]string
}

// ReadSamples reads a vendor's samples in the order of their names. A sample has its
// event in a section raw, whose last line feed is not part of it, or in raw.hex, where
// txtar cannot hold it.
func ReadSamples(v Vendor) ([]Sample, error) {
	if v.Samples == nil {
		return nil, nil
	}
	files, err := fs.Glob(v.Samples, "samples/*.txtar")
	if err != nil {
		return nil, err
	}
	var all []Sample
	for _, name := range files {
		data, err := fs.ReadFile(v.Samples, name)
		if err != nil {
			return nil, err
		}
		s, err := readSample(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", v.Name, name, err)
		}
		s.Name = strings.TrimSuffix(path.Base(name), ".txtar")
		all = append(all, s)
	}
	return all, nil
}

func readSample(data []byte) (Sample, error) {
	a := txtar.Parse(data)
	comment, _, _ := strings.Cut(string(a.Comment), "\n")
	s := Sample{Comment: comment, Sections: map[string]string{}}
	found := false
	for _, f := range a.Files {
		switch f.Name {
		case "raw":
			s.Raw, found = bytes.TrimSuffix(f.Data, []byte("\n")), true
		case "raw.hex":
			raw, err := hex.DecodeString(strings.Join(strings.Fields(string(f.Data)), ""))
			if err != nil {
				return s, fmt.Errorf("raw.hex: %w", err)
			}
			s.Raw, found = raw, true
		default:
			s.Sections[f.Name] = string(f.Data)
		}
	}
	if !found {
		return s, fmt.Errorf("no section raw or raw.hex")
	}
	return s, nil
}
