package file

import (
	"path/filepath"
	"strings"

	"github.com/fsnotify/fsnotify"
)

// watch is what the system tells of changes in the folders of files. Where it tells
// nothing, everything is looked at from time to time.
type watch struct {
	w    *fsnotify.Watcher // nil: the system tells nothing
	dirs map[string]bool
	warn func(dir string, err error)
}

func (r *run) watch() *watch {
	w := &watch{dirs: map[string]bool{}}
	warned := false
	w.warn = func(dir string, err error) {
		if !warned {
			warned = true
			r.env.Log.Warn("changes of files are noticed late", "folder", dir, "err", err, "every", r.cfg.Every.String(),
				"hint", "the limit is fs.inotify.max_user_watches or max_user_instances (sysctl)")
		}
	}
	if r.blind {
		return w
	}
	var err error
	if w.w, err = fsnotify.NewWatcher(); err != nil {
		w.w = nil
		w.warn("", err)
	}
	return w
}

// follow watches the folders in which files or folders of the patterns may appear.
func (w *watch) follow(patterns []string) {
	if w.w == nil {
		return
	}
	w.dirs = map[string]bool{} // the system forgets those that were removed
	for _, dir := range w.w.WatchList() {
		w.dirs[dir] = true
	}
	for _, p := range patterns {
		for dir := filepath.Dir(p); ; dir = filepath.Dir(dir) {
			found, _ := filepath.Glob(dir)
			for _, d := range found {
				if w.dirs[d] {
					continue
				}
				if err := w.w.Add(d); err != nil {
					w.warn(d, err)
					continue
				}
				w.dirs[d] = true
			}
			if parent := filepath.Dir(dir); parent == dir || len(found) > 0 && !strings.ContainsAny(dir, `*?[\`) {
				break
			}
		}
	}
}

func (w *watch) events() <-chan fsnotify.Event {
	if w.w == nil {
		return nil
	}
	return w.w.Events
}

func (w *watch) errors() <-chan error {
	if w.w == nil {
		return nil
	}
	return w.w.Errors
}

// grown reports whether an event, and those that wait behind it, say only that files
// have grown. Those that are followed are then to be read on; others in the same folders
// are nobody's business.
func (r *run) grown(w *watch, e fsnotify.Event) bool {
	for range 1000 {
		if !e.Has(fsnotify.Write) || !r.wrote(e.Name) {
			return false
		}
		select {
		case e = <-w.w.Events:
		default:
			return true
		}
	}
	return true
}

// wrote takes note of a path that was written to; false when it is to be followed and is
// not yet.
func (r *run) wrote(path string) bool {
	for _, t := range r.tails {
		if t.Path == path {
			t.dirty = true
			return true
		}
	}
	for _, p := range r.cfg.Paths {
		if ok, _ := filepath.Match(p, path); ok {
			return r.sick[path] != "" || r.cfg.leaves(path)
		}
	}
	return true
}

func (w *watch) close() {
	if w.w != nil {
		w.w.Close()
	}
}
