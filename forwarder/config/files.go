package config

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// read reads a file, or the *.yaml of a folder in the order of their names.
func read(path string, most int64) ([]File, Problems) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, Problems{unreadable(path, err)}
	}
	if !st.IsDir() {
		b, err := readSome(path, most)
		if err != nil {
			return nil, Problems{unreadable(path, err)}
		}
		return []File{{path, b}}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, Problems{unreadable(path, err)}
	}
	var files []File
	var problems Problems
	for _, e := range entries {
		name := filepath.Join(path, e.Name())
		switch ext := filepath.Ext(name); {
		case strings.HasPrefix(e.Name(), "."):
			continue
		case ext == ".yml":
			problems = append(problems, Problem{Severity: Warning, File: name, Text: "not read: only *.yaml are", Hint: "rename it"})
			continue
		case ext != ".yaml":
			continue
		}
		if st, err := os.Stat(name); err == nil && !st.Mode().IsRegular() {
			problems = append(problems, Problem{Severity: Warning, File: name, Text: "not read: it is not a file"})
			continue
		}
		b, err := readSome(name, most)
		if err != nil {
			problems = append(problems, unreadable(name, err))
			continue
		}
		files = append(files, File{name, b})
	}
	if len(files) == 0 && problems.Err() == nil {
		problems = append(problems, Problem{File: path, Text: "no *.yaml in this folder", Hint: "-c names another place; the README has a first configuration"})
	}
	return files, problems
}

// readSome reads one octet more than there may be.
func readSome(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most+1))
}

func unreadable(path string, err error) Problem {
	p := Problem{File: path}
	var cause *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		p.Text, p.Hint = "no such file or folder", "-c names another place; the README has a first configuration"
	case errors.Is(err, fs.ErrPermission):
		p.Text, p.Hint = "this user may not read it", "the service's user and group can"
	case errors.As(err, &cause):
		p.Text = "cannot be read: " + cause.Err.Error()
	default:
		p.Text = "cannot be read: " + err.Error()
	}
	return p
}
