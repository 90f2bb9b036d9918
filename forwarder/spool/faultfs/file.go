package faultfs

import (
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"syscall"
)

type file struct {
	s    *FS
	n    *inode
	name string
}

// ReadAt implements io.ReaderAt.
func (f *file) ReadAt(p []byte, off int64) (int, error) {
	defer f.s.mu.Unlock()
	if err := f.s.enter(Read, f.name); err != nil {
		return 0, err
	}
	if off >= int64(len(f.n.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.n.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt implements io.WriterAt.
func (f *file) WriteAt(p []byte, off int64) (int, error) {
	defer f.s.mu.Unlock()
	err := f.s.enter(Write, f.name)
	if err != nil {
		var t *Torn
		if !errors.As(err, &t) {
			return 0, err
		}
		p = p[:min(t.N, len(p))]
	}
	if s := f.s; s.room >= 0 {
		if free := s.room - s.used + f.n.size() - off; free < int64(len(p)) {
			p = p[:max(free, 0)]
			err = &fs.PathError{Op: "write", Path: f.name, Err: syscall.ENOSPC}
		}
	}
	if len(p) == 0 {
		return 0, err
	}
	f.n.data = put(f.n.data, off, p)
	f.n.note(write{off: off, data: slices.Clone(p)})
	f.s.measure()
	return len(p), err
}

func (n *inode) note(w write) {
	n.written++
	w.number = n.written
	n.writes = append(n.writes, w)
}

func put(data []byte, off int64, p []byte) []byte {
	if end := off + int64(len(p)); end > int64(len(data)) {
		data = append(data, make([]byte, end-int64(len(data)))...)
	}
	copy(data[off:], p)
	return data
}

// Sync implements spool.File. What a failed one was to write is dropped, and the
// next one says nothing of it.
func (f *file) Sync() error {
	f.s.mu.Lock()
	n := f.n.written
	f.s.mu.Unlock()
	defer f.s.mu.Unlock()
	err := f.s.enter(Sync, f.name)
	if f.s.gone {
		return err
	}
	f.n.writes = slices.DeleteFunc(f.n.writes, func(w write) bool {
		if w.number > n {
			return false
		}
		if err == nil {
			f.n.disk = w.apply(f.n.disk)
		}
		return true
	})
	return err
}

func (w write) apply(data []byte) []byte {
	switch {
	case w.data != nil:
		return put(data, w.off, w.data)
	case w.off < int64(len(data)):
		return data[:w.off:w.off]
	}
	return put(data, w.off, nil)
}

// Truncate implements spool.File.
func (f *file) Truncate(size int64) error {
	defer f.s.mu.Unlock()
	if err := f.s.enter(Truncate, f.name); err != nil {
		return err
	}
	f.s.truncate(f.n, size)
	return nil
}

func (s *FS) truncate(n *inode, size int64) {
	if int64(len(n.data)) > size {
		n.data = n.data[:size:size]
	} else {
		n.data = append(n.data, make([]byte, size-int64(len(n.data)))...)
	}
	n.allocated = 0
	n.note(write{off: size})
	s.measure()
}

// Allocate implements spool.File.
func (f *file) Allocate(size int64) error {
	defer f.s.mu.Unlock()
	if err := f.s.enter(Allocate, f.name); err != nil {
		return err
	}
	s := f.s
	if s.room >= 0 && s.used-f.n.size()+max(size, f.n.size()) > s.room {
		return &fs.PathError{Op: "allocate", Path: f.name, Err: syscall.ENOSPC}
	}
	f.n.allocated = max(f.n.allocated, size)
	s.measure()
	return nil
}

// Size implements spool.File.
func (f *file) Size() (int64, error) {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	return int64(len(f.n.data)), nil
}

// Close implements io.Closer.
func (f *file) Close() error { return nil }

// Kill ends the processes that use s: every later call fails. It returns the file
// system the next process finds, with everything that was written.
func (s *FS) Kill() *FS {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = true
	return s.copy()
}

// copy returns a file system with the same files.
func (s *FS) copy() *FS {
	to := New()
	to.room, to.moved = s.room, s.moved
	known := map[*inode]*inode{}
	clone := func(n *inode) *inode {
		c := known[n]
		if c == nil && n != nil {
			c = &inode{data: slices.Clone(n.data), disk: slices.Clone(n.disk), allocated: n.allocated, writes: slices.Clone(n.writes), written: n.written}
			known[n] = c
		}
		return c
	}
	for name, n := range s.names {
		to.names[name] = clone(n)
	}
	for name, n := range s.disk {
		to.disk[name] = clone(n)
	}
	for _, m := range s.moves {
		to.moves = append(to.moves, move{m.name, clone(m.to), m.number})
	}
	for dir := range s.dirs {
		to.dirs[dir] = true
	}
	to.measure()
	return to
}

// Clone returns an independent copy of s.
func (s *FS) Clone() *FS {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.copy()
}

// Crash cuts the power: every later call on s fails. It returns the file system as
// it is after the next start. Of the names changed since the last SyncDir, as many
// have changed as r decides, in order; of each file's unsynced writes any may be on
// the disk, in any order, whole or in part, by sectors of 512 octets.
func (s *FS) Crash(r *rand.Rand) *FS {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = true
	for _, m := range s.moves[:r.IntN(len(s.moves)+1)] {
		s.apply(m)
	}
	to := New()
	to.room = s.room
	known := map[*inode]*inode{}
	for _, name := range sortedNames(s.disk) {
		n := s.disk[name]
		c := known[n]
		if c == nil {
			data := n.survive(r)
			c = &inode{data: data, disk: slices.Clone(data)}
			known[n] = c
		}
		to.names[name], to.disk[name] = c, c
	}
	for dir := range s.dirs {
		to.dirs[dir] = true
	}
	to.measure()
	return to
}

func sortedNames(m map[string]*inode) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// survive returns what of n is on the disk after a power cut.
func (n *inode) survive(r *rand.Rand) []byte {
	const sector = 512
	data := slices.Clone(n.disk)
	keep := r.IntN(4) // 0: nothing, 3: everything, else some
	for _, w := range n.writes {
		if keep == 0 || keep < 3 && r.IntN(3) == 0 {
			continue
		}
		if w.data == nil {
			data = w.apply(data)
			continue
		}
		for off := 0; off < len(w.data); {
			end := min(len(w.data), off+sector-int(w.off+int64(off))%sector)
			switch {
			case keep == 3 || r.IntN(8) > 0:
				data = put(data, w.off+int64(off), w.data[off:end])
			case r.IntN(2) == 0: // the length is there, the content is not
				data = put(data, w.off+int64(off), nil)
			}
			off = end
		}
	}
	return data
}
