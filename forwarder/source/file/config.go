// Package file follows text files: each line is an event. It notices new files, rotation
// by renaming, by copying and truncating, and deletion. How far each file was read is
// durable together with the events, so that after a crash no line is missing or comes
// twice.
package file

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/source"
)

// Config is what a file source is told.
type Config struct {
	Paths    []string       `yaml:"paths" required:"true" doc:"files to follow, such as /var/log/casb/*.log; * ? and [a-z] stand for what is between two slashes"`
	Exclude  []string       `yaml:"exclude" doc:"of these, the files not to follow; a pattern without a slash is of names"`
	Start    string         `yaml:"start" enum:"oldest|newest" doc:"where files begin that are there at the first start: oldest, at their first line, or newest, behind their last"`
	MaxEvent component.Size `yaml:"max_event" doc:"longest event; a longer line is cut and marked"`
	Every    time.Duration  `yaml:"every" doc:"how often files are looked for when the system says nothing of changes, as file systems over a network do"`
	MaxFiles int            `yaml:"max_files" doc:"how many files may be followed at a time"`
}

var defaults = Config{Start: "oldest", MaxEvent: 1 << 20, Every: 10 * time.Second, MaxFiles: 1024}

const mostEvent = 64 << 20

// Spec is the source's entry in the table of ways in.
func Spec() component.Spec[source.Source] {
	return component.Of("file", "lines of files that are followed as they grow and rotate", defaults,
		func(c *Config, env component.Env) (source.Source, error) { return New(c, env) })
}

// Check implements component.Checker.
func (c *Config) Check(r *component.Report) {
	if len(c.Paths) == 0 {
		r.Error("paths", "no file to follow", "such as [/var/log/casb/*.log]")
	}
	for i, p := range c.Paths {
		where := fmt.Sprintf("paths[%d]", i)
		switch _, err := filepath.Match(p, ""); {
		case strings.Contains(p, "${"):
		case err != nil:
			r.Error(where, fmt.Sprintf("%q is no pattern of paths", p), "a [ needs its ]; a backslash takes the meaning from what follows")
		case strings.Contains(p, "**"):
			r.Error(where, "** is not supported", "one * for each folder in between: /var/log/*/*.log")
		case !filepath.IsAbs(p):
			r.Error(where, fmt.Sprintf("%q does not begin with a slash", p), "write the whole path")
		}
	}
	for i, p := range c.Exclude {
		if _, err := filepath.Match(p, ""); err != nil {
			r.Error(fmt.Sprintf("exclude[%d]", i), fmt.Sprintf("%q is no pattern of paths", p), "a [ needs its ]")
		}
	}
	if c.MaxEvent < 1 || c.MaxEvent > mostEvent {
		r.Error("max_event", fmt.Sprintf("%v is not between 1B and %v", c.MaxEvent, component.Size(mostEvent)), "")
	}
	if c.Every < 100*time.Millisecond {
		r.Error("every", fmt.Sprintf("%v is too often", c.Every), "10s")
	}
	if c.MaxFiles < 1 {
		r.Error("max_files", fmt.Sprintf("%d files are too few", c.MaxFiles), "")
	}
}

// compressed are the endings of files that rotation has packed: their lines were read
// before.
var compressed = []string{".gz", ".bz2", ".xz", ".zst", ".zip", ".lz4", ".Z"}

// leaves reports whether a path that a pattern finds is not to be followed.
func (c *Config) leaves(path string) bool {
	if slices.ContainsFunc(compressed, func(end string) bool { return strings.HasSuffix(path, end) }) {
		return true
	}
	for _, p := range c.Exclude {
		of := path
		if !strings.Contains(p, "/") {
			of = filepath.Base(path)
		}
		if ok, _ := filepath.Match(p, of); ok {
			return true
		}
	}
	return false
}
