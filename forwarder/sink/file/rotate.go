package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/component"
)

// Rotate says when a file is full. With neither of the two it never is.
type Rotate struct {
	Size  component.Size `yaml:"size" doc:"a file that would become larger than this; one event more may be in it; 0: never"`
	Every time.Duration  `yaml:"every" doc:"a file whose newest line is of the stretch before; stretches begin at multiples of this since midnight UTC; 0: never"`
}

func (c *Config) checkRotation(r *component.Report) {
	switch {
	case c.Rotate.Size < 0 || c.Rotate.Size > 0 && c.Rotate.Size < 1<<10:
		r.Error("rotate.size", fmt.Sprintf("%v is too small for a file", c.Rotate.Size), "100MiB")
	case c.Rotate.Every < 0 || c.Rotate.Every > 0 && c.Rotate.Every < time.Minute:
		r.Error("rotate.every", fmt.Sprintf("%v is too often", c.Rotate.Every), "24h")
	case c.Keep < 0 || c.Keep > 0 && c.Keep < time.Hour:
		r.Error("keep", fmt.Sprintf("%v is too short", c.Keep), "30d")
	}
	rotates := c.Rotate.Size > 0 || c.Rotate.Every > 0 || strings.Contains(c.Path, "{date}")
	if !rotates && c.Compress == "zstd" {
		r.Warn("compress", "no file is ever put aside, so none is compressed", "rotate: {size: 100MiB}, or {date} in path")
	}
	if !rotates && c.Keep > 0 {
		r.Warn("keep", "no file is ever put aside, so none is deleted", "rotate: {size: 100MiB}, or {date} in path")
	}
}

// due reports whether the lines in hand belong into another file.
func (s *files) due(st *stream, now time.Time) bool {
	if st.size == 0 {
		return false
	}
	if most := int64(s.rotate.Size); most > 0 && st.size+int64(len(st.buf)) > most {
		return true
	}
	every := s.rotate.Every
	return every > 0 && now.After(st.last) && !now.UTC().Truncate(every).Equal(st.last.UTC().Truncate(every))
}

// stampLayout is the time in the name of a file that was put aside, in UTC.
const stampLayout = "20060102T150405Z"

// putAside closes a file and renames it. No name that is there already is taken.
func (s *files) putAside(st *stream, now time.Time) error {
	if err := st.close(); err != nil {
		return err
	}
	ext := path.Ext(st.name)
	stem := strings.TrimSuffix(st.name, ext) + "." + now.UTC().Format(stampLayout)
	for n := 1; ; n++ {
		name := stem + ext
		if n > 1 {
			name = fmt.Sprintf("%s-%d%s", stem, n, ext)
		}
		if taken(s.root, name) || taken(s.root, name+packed) {
			continue
		}
		if err := s.root.Rename(st.name, name); err != nil {
			return fmt.Errorf("put aside: %w", cause(err))
		}
		break
	}
	s.janitor.wake()
	return syncDir(s.root.Open(path.Dir(st.name)))
}

func taken(root *os.Root, name string) bool {
	_, err := root.Lstat(name)
	return !errors.Is(err, fs.ErrNotExist)
}
