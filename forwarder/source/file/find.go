package file

import (
	"os"
	"path/filepath"
	"slices"
)

// resume takes up the files that were followed before the start. One that is no longer
// where it was is looked for in its folder, for rotation may have renamed it.
func (r *run) resume(remembered []known) {
	for _, k := range remembered {
		t := &tail{known: k, next: k, read: r.now(), dirty: true}
		if info, err := os.Stat(k.Path); err != nil || identOf(info) != k.ident {
			path, ok := findIdent(filepath.Dir(k.Path), k.ident)
			if !ok {
				if k.Size > k.Offset {
					r.env.Meter.Add("files_lost_bytes", uint64(k.Size-k.Offset))
					r.env.Log.Error("a file is gone that was not read to its end", "file", k.Path, "bytes", k.Size-k.Offset)
				}
				continue
			}
			t.Path, t.next.Path, t.moved = path, path, true
		}
		if f, err := os.Open(t.Path); err == nil {
			if !k.same(f) { // its number is another file's now
				f.Close()
				continue
			}
			t.f = f
		}
		r.tails[k.ident] = t
	}
}

// findIdent looks for a file by what it is.
func findIdent(dir string, id ident) (path string, ok bool) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", false
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() && identOf(info) == id {
			return filepath.Join(dir, e.Name()), true
		}
	}
	return "", false
}

// look finds new files, those that were renamed, and those that are gone, and lets all
// be read on.
func (r *run) look(w *watch) {
	here := map[ident]bool{}
	for _, pattern := range r.cfg.Paths {
		paths, _ := filepath.Glob(pattern) // Check has read the pattern
		slices.Sort(paths)
		for _, path := range paths {
			if id, ok := r.meet(path); ok {
				here[id] = true
			}
		}
	}
	for id, t := range r.tails {
		if here[id] {
			t.dirty = true
		} else {
			r.seek(id, t)
		}
	}
	for path := range r.sick {
		if _, err := os.Stat(path); err != nil {
			delete(r.sick, path)
		}
	}
	w.follow(r.cfg.Paths)
}

// seek looks after a file that no pattern finds any more. As long as it exists somebody
// may write to it.
func (r *run) seek(id ident, t *tail) {
	info, err := os.Stat(t.Path)
	if err == nil && identOf(info) == id {
		t.dirty = t.f != nil || info.Size() > t.Offset
		return
	}
	if !t.moved {
		t.moved, t.read = true, r.now()
	}
	if path, ok := findIdent(filepath.Dir(t.Path), id); ok {
		t.Path, t.next.Path, t.dirty = path, path, true
		return
	}
	t.gone, t.dirty = true, true
	if t.f != nil {
		return
	}
	t.done = true
	if n := t.Size - t.Offset; n > 0 {
		r.env.Meter.Add("files_lost_bytes", uint64(n))
		r.env.Log.Error("a file is gone that was not read to its end", "file", t.Path, "bytes", n)
	}
}

// meet takes up a path that matches; false when it is no file to follow.
func (r *run) meet(path string) (id ident, ok bool) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || r.cfg.leaves(path) {
		return id, false
	}
	id = identOf(info)
	if t := r.tails[id]; t != nil {
		if t.Path != path && (t.moved || r.renamed(t)) {
			t.Path, t.next.Path, t.moved = path, path, false
		}
		return id, true
	}
	if r.matching() >= r.cfg.MaxFiles {
		if !r.crowd {
			r.crowd = true
			r.env.Log.Error("more files than max_files match, the rest is not read", "max_files", r.cfg.MaxFiles, "first_not_read", path, "hint", "raise max_files, or exclude old files")
		}
		r.sick[path] = "more files than max_files"
		return id, false
	}
	t := &tail{known: known{ident: id, Path: path}, read: r.now(), dirty: true}
	if r.first && r.cfg.Start == "newest" {
		t.Offset = info.Size()
	}
	t.next = t.known
	r.tails[id] = t
	return id, true
}

// matching is how many files are followed that patterns find.
func (r *run) matching() (n int) {
	for _, t := range r.tails {
		if !t.moved {
			n++
		}
	}
	return n
}

// renamed reports whether a file is no longer at its path.
func (r *run) renamed(t *tail) bool {
	info, err := os.Stat(t.Path)
	return err != nil || identOf(info) != t.ident
}
