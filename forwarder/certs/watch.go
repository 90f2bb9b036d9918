package certs

import (
	"context"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

// lookAnyway is how often the files are looked at when the file system says nothing,
// as those over a network do.
const lookAnyway = 30 * time.Second

// Watch looks at the files whenever something happens in their folders, until ctx ends.
// It calls changed when others came into force, whoever noticed. Where the system does
// not tell of changes it looks from time to time.
func (id *Identity) Watch(ctx context.Context, changed func()) {
	var events <-chan fsnotify.Event
	var errs <-chan error
	if w, err := fsnotify.NewWatcher(); err != nil {
		id.log.Warn("changes of certificate files are noticed late", "err", err)
	} else {
		defer w.Close()
		for _, dir := range id.folders() {
			if err := w.Add(dir); err != nil {
				id.log.Warn("changes of certificate files are noticed late", "folder", dir, "err", err)
			}
		}
		events, errs = w.Events, w.Errors
	}
	known := id.Generation()
	wait := time.NewTimer(0) // something may have happened before the watches stood
	defer wait.Stop()
	soon := false // a look is due when the writer had time to finish
	for {
		select {
		case <-ctx.Done():
			return
		case <-events:
		case <-errs: // too many events: something happened
		case <-wait.C:
			soon = false
			next := lookAnyway
			if id.Look() {
				next = 3 * id.settle
			}
			if g := id.Generation(); g != known {
				known = g
				changed()
			}
			wait.Reset(next)
			continue
		}
		if !soon {
			soon = true
			wait.Reset(id.settle)
		}
	}
}

// folders are those whose changes concern the files: that of each, and that of what it
// is a link to.
func (id *Identity) folders() (dirs []string) {
	for _, path := range id.paths() {
		if path == "" {
			continue
		}
		dirs = append(dirs, filepath.Dir(path))
		if real, err := filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(real))
		}
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}
