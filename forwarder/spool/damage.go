package spool

import (
	"fmt"
	"path/filepath"
	"slices"
	"sync"
)

const (
	maxCopy       = 1 << 20  // octets of one damaged place that are kept
	maxQuarantine = 64 << 20 // octets kept by one process
	maxPlaces     = 1 << 16  // places remembered, so that each is counted once
)

// damage counts what could not be read and keeps copies of it. Its methods are
// safe for concurrent use.
type damage struct {
	spool  *Spool
	mu     sync.Mutex
	seen   map[place]struct{}
	places uint64
	events uint64
	kept   int64
}

type place struct {
	first uint64
	off   int64
}

func (d *damage) count() (places, events uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.places, d.events
}

// found takes note of n damaged octets at off, once.
func (d *damage) found(f File, seg *segment, off, n int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.first(place{seg.first, off}) {
		return
	}
	d.spool.log.Error("spool: damaged frames skipped", "file", seg.path, "offset", off, "octets", n)
	d.keep(f, seg, off, n)
}

// missing takes note of a segment whose file is gone, once.
func (d *damage) missing(seg *segment) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.first(place{seg.first, -1}) {
		d.spool.log.Error("spool: segment is missing, its events are lost", "file", seg.path)
	}
}

// lost takes note that the events from one index up to another are not there,
// once. found says that the octets they stood in were reported.
func (d *damage) lost(from, to uint64, found bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, known := d.seen[place{from, -2}]; known {
		return
	}
	places := d.places
	d.first(place{from, -2})
	if found {
		d.places = places
	}
	d.events += to - from
	if u := d.spool.unsure; from >= u.from && to <= u.to {
		d.spool.log.Warn("spool: events that were being written when the log was last cut off are not there; most likely nobody was told that they were", "from", from, "to", to-1)
		return
	}
	d.spool.log.Error("spool: events lost to damage", "from", from, "to", to-1)
}

// first counts a place and says whether it was not known.
func (d *damage) first(at place) bool {
	if _, known := d.seen[at]; known {
		return false
	}
	if d.seen == nil {
		d.seen = map[place]struct{}{}
	}
	if len(d.seen) < maxPlaces {
		d.seen[at] = struct{}{}
	}
	d.places++
	return true
}

// cut keeps a copy of an unfinished end.
func (d *damage) cut(f File, seg *segment, off, n int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.keep(f, seg, off, n)
}

func (d *damage) keep(f File, seg *segment, off, n int64) {
	n = min(n, maxCopy)
	if n <= 0 || d.kept+n > maxQuarantine {
		return
	}
	d.kept += n
	b := make([]byte, n)
	read(f, b, off)
	dir, err := d.folder()
	if err == nil {
		var to File
		to, err = d.spool.fs.Create(filepath.Join(dir, fmt.Sprintf("%020d-%d", seg.first, off)))
		if err == nil {
			_, err = to.WriteAt(b, 0)
			_ = to.Close()
		}
	}
	if err != nil {
		d.spool.log.Warn("spool: damaged octets not copied", "err", err)
	}
}

// setAside moves a whole file, or a folder in the place of one, to quarantine.
func (d *damage) setAside(path string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.places++
	to, err := d.folder()
	if err == nil {
		there, _ := d.spool.fs.List(to)
		name := filepath.Base(path)
		for n := 1; slices.Contains(there, name); n++ {
			name = fmt.Sprintf("%s.%d", filepath.Base(path), n)
		}
		err = d.spool.fs.Rename(path, filepath.Join(to, name))
	}
	if err != nil {
		err = fmt.Errorf("%s cannot be set aside: %w", path, err)
		d.spool.log.Error("spool: file cannot be set aside", "err", err)
	}
	return err
}

// folder makes the quarantine. What has its name and is none gets another.
func (d *damage) folder() (string, error) {
	fs, to := d.spool.fs, filepath.Join(d.spool.dir, quarantine)
	err := fs.Mkdir(to)
	if err != nil && fs.Rename(to, to+".old") == nil {
		err = fs.Mkdir(to)
	}
	return to, err
}
