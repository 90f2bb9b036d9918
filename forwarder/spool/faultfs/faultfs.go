// Package faultfs is a file system in memory that loses what a real one may lose:
// a power cut undoes what was not synced, tears writes and reorders them, a failed
// fdatasync drops data and claims success the next time, and disks fill up.
package faultfs

import (
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/spool"
)

// Op is a call a fault can be injected into.
type Op string

// The calls of spool.FS and spool.File.
const (
	Create   Op = "create"
	Open     Op = "open"
	Rename   Op = "rename"
	Remove   Op = "remove"
	List     Op = "list"
	Mkdir    Op = "mkdir"
	SyncDir  Op = "syncdir"
	Lock     Op = "lock"
	Read     Op = "read"
	Write    Op = "write"
	Sync     Op = "sync"
	Truncate Op = "truncate"
	Allocate Op = "allocate"
)

// Torn is an error for Write that lets the first N octets through.
type Torn struct {
	N   int
	Err error
}

// Error returns the text of the cause.
func (t *Torn) Error() string { return fmt.Sprintf("torn after %d octets: %v", t.N, t.Err) }

// Unwrap returns the cause.
func (t *Torn) Unwrap() error { return t.Err }

// FS is a file system in memory. It is safe for concurrent use.
type FS struct {
	mu    sync.Mutex
	fault func(op Op, name string) error
	slow  map[Op]<-chan struct{}
	delay map[Op]func(name string) time.Duration
	room  int64 // octets it can hold; below 0 is no bound
	used  int64
	gone  bool
	names map[string]*inode // as processes see them
	disk  map[string]*inode // as they are on the disk
	dirs  map[string]bool
	held  map[string]bool
	moves []move // changes of names that are not on the disk yet, in order
	moved int    // how many there have been
	count map[Op]int
}

// move is one change of a name: nil removes it.
type move struct {
	name   string
	to     *inode
	number int
}

// inode is the content of one file.
type inode struct {
	data      []byte // as processes see it
	disk      []byte // as it is on the disk
	writes    []write
	written   int // writes so far
	allocated int64
}

// write is one change that is not on the disk yet: octets at off, or a new length
// when data is nil.
type write struct {
	off    int64
	data   []byte
	number int
}

// New returns an empty file system.
func New() *FS {
	return &FS{
		room: -1, names: map[string]*inode{}, disk: map[string]*inode{}, dirs: map[string]bool{},
		held: map[string]bool{}, count: map[Op]int{}, slow: map[Op]<-chan struct{}{}, delay: map[Op]func(name string) time.Duration{},
	}
}

// Inject makes f decide about every call before it is made; an error it returns is
// the call's. A failed Sync drops what was not on the disk, as Linux does. nil ends
// all faults.
func (s *FS) Inject(f func(op Op, name string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// Slow makes every later call of op wait until release is closed, or nil is given.
func (s *FS) Slow(op Op, release <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slow[op] = release
}

// Delay makes every later call of op take as long as d says. What is written
// while a Sync takes its time is not part of it.
func (s *FS) Delay(op Op, d func(name string) time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delay[op] = d
}

// Room sets how many octets fit; below 0 is no bound.
func (s *FS) Room(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.room = n
}

// Used is how many octets are taken.
func (s *FS) Used() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used
}

// Count is how often a call was made.
func (s *FS) Count(op Op) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count[op]
}

// Names returns the names of all files, sorted.
func (s *FS) Names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return sortedNames(s.names)
}

// Change replaces the content of a file, on the disk too, by what f makes of it;
// nil removes the file. A file that does not exist is nil to f.
func (s *FS) Change(name string, f func(data []byte) []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name = filepath.Clean(name)
	var old []byte
	if n := s.names[name]; n != nil {
		old = slices.Clone(n.data)
	}
	data := f(old)
	delete(s.names, name)
	delete(s.disk, name)
	if data != nil {
		n := &inode{data: data, disk: slices.Clone(data)}
		s.names[name], s.disk[name] = n, n
	}
	s.measure()
}

// measure counts what is used afresh.
func (s *FS) measure() {
	s.used = 0
	for _, n := range s.names {
		s.used += n.size()
	}
}

func (n *inode) size() int64 { return max(int64(len(n.data)), n.allocated) }

// enter begins a call; mu is held until the caller unlocks it.
func (s *FS) enter(op Op, name string) error {
	s.mu.Lock()
	s.count[op]++
	if ch := s.slow[op]; ch != nil {
		s.mu.Unlock()
		<-ch
		s.mu.Lock()
	}
	if d := s.delay[op]; d != nil {
		t := d(name)
		s.mu.Unlock()
		time.Sleep(t)
		s.mu.Lock()
	}
	if s.gone {
		return &fs.PathError{Op: string(op), Path: name, Err: syscall.EIO}
	}
	if s.fault != nil {
		if err := s.fault(op, name); err != nil {
			return &fs.PathError{Op: string(op), Path: name, Err: err}
		}
	}
	return nil
}

// Create implements spool.FS.
func (s *FS) Create(name string) (spool.File, error) {
	defer s.mu.Unlock()
	if err := s.enter(Create, name); err != nil {
		return nil, err
	}
	name = filepath.Clean(name)
	if !s.dirs[path.Dir(name)] {
		return nil, &fs.PathError{Op: "create", Path: name, Err: syscall.ENOENT}
	}
	n := s.names[name]
	if n == nil {
		if s.room >= 0 && s.used >= s.room {
			return nil, &fs.PathError{Op: "create", Path: name, Err: syscall.ENOSPC}
		}
		n = &inode{}
		s.link(name, n)
	}
	s.truncate(n, 0)
	return &file{s, n, name}, nil
}

// Open implements spool.FS.
func (s *FS) Open(name string) (spool.File, error) {
	defer s.mu.Unlock()
	if err := s.enter(Open, name); err != nil {
		return nil, err
	}
	name = filepath.Clean(name)
	n := s.names[name]
	if n == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.ENOENT}
	}
	return &file{s, n, name}, nil
}

func (s *FS) link(name string, n *inode) {
	if n == nil {
		delete(s.names, name)
	} else {
		s.names[name] = n
	}
	s.moved++
	s.moves = append(s.moves, move{name, n, s.moved})
}

// Rename implements spool.FS.
func (s *FS) Rename(from, to string) error {
	defer s.mu.Unlock()
	if err := s.enter(Rename, to); err != nil {
		return err
	}
	from, to = filepath.Clean(from), filepath.Clean(to)
	n := s.names[from]
	if n == nil {
		return &fs.PathError{Op: "rename", Path: from, Err: syscall.ENOENT}
	}
	s.link(to, n)
	s.link(from, nil)
	s.measure()
	return nil
}

// Remove implements spool.FS.
func (s *FS) Remove(name string) error {
	defer s.mu.Unlock()
	if err := s.enter(Remove, name); err != nil {
		return err
	}
	name = filepath.Clean(name)
	if s.names[name] == nil {
		return &fs.PathError{Op: "remove", Path: name, Err: syscall.ENOENT}
	}
	s.link(name, nil)
	s.measure()
	return nil
}

// List implements spool.FS.
func (s *FS) List(dir string) ([]string, error) {
	defer s.mu.Unlock()
	if err := s.enter(List, dir); err != nil {
		return nil, err
	}
	dir = filepath.Clean(dir)
	var names []string
	for name := range s.names {
		if path.Dir(name) == dir {
			names = append(names, path.Base(name))
		}
	}
	for name := range s.dirs {
		if path.Dir(name) == dir && name != dir {
			names = append(names, path.Base(name))
		}
	}
	slices.Sort(names)
	return names, nil
}

// Mkdir implements spool.FS. Directories are durable at once.
func (s *FS) Mkdir(dir string) error {
	defer s.mu.Unlock()
	if err := s.enter(Mkdir, dir); err != nil {
		return err
	}
	for dir = filepath.Clean(dir); !s.dirs[dir]; dir = path.Dir(dir) {
		s.dirs[dir] = true
	}
	return nil
}

// SyncDir implements spool.FS.
func (s *FS) SyncDir(dir string) error {
	s.mu.Lock()
	last := s.moved
	s.mu.Unlock()
	defer s.mu.Unlock()
	if err := s.enter(SyncDir, dir); err != nil {
		return err
	}
	dir = filepath.Clean(dir)
	s.moves = slices.DeleteFunc(s.moves, func(m move) bool {
		if path.Dir(m.name) != dir || m.number > last {
			return false
		}
		s.apply(m)
		return true
	})
	return nil
}

// apply puts a change of a name on the disk.
func (s *FS) apply(m move) {
	if m.to == nil {
		delete(s.disk, m.name)
	} else {
		s.disk[m.name] = m.to
	}
}

// Lock implements spool.FS.
func (s *FS) Lock(name string) (io.Closer, error) {
	defer s.mu.Unlock()
	if err := s.enter(Lock, name); err != nil {
		return nil, err
	}
	if s.held[name] {
		return nil, fmt.Errorf("%w by this process", spool.ErrLocked)
	}
	s.held[name] = true
	return closer(func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.held, name)
		return nil
	}), nil
}

type closer func() error

func (c closer) Close() error { return c() }

// String lists the files and their lengths, for messages of failed tests.
func (s *FS) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for _, name := range sortedNames(s.names) {
		n := s.names[name]
		fmt.Fprintf(&b, "%s %d octets (%d on the disk)\n", name, len(n.data), len(n.disk))
	}
	return b.String()
}
