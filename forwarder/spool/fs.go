package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
)

// FS is the part of a file system the spool needs. Names are paths as the
// operating system takes them. Errors are those of package os, so that
// errors.Is(err, fs.ErrNotExist) and errors.Is(err, syscall.ENOSPC) hold.
type FS interface {
	// Create makes an empty file, or empties the one that is there.
	Create(name string) (File, error)
	// Open opens a file for reading and writing.
	Open(name string) (File, error)
	Rename(from, to string) error
	Remove(name string) error
	// List returns the names in dir, without dir, sorted.
	List(dir string) ([]string, error)
	// Mkdir makes dir and what is missing above it, for the owner only.
	Mkdir(dir string) error
	// SyncDir makes names created, renamed and removed in dir durable.
	SyncDir(dir string) error
	// Lock holds name until it is closed. It does not wait: held by someone else,
	// it returns an error that wraps ErrLocked and says by whom.
	Lock(name string) (io.Closer, error)
}

// File is an open file. Its methods may be called by several goroutines at once.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Sync makes the content durable, and of the metadata what is needed to read
	// it back: fdatasync.
	Sync() error
	Truncate(size int64) error
	// Allocate reserves disk space up to size without making the file longer. It
	// is a hint: a file system that cannot returns nil.
	Allocate(size int64) error
	Size() (int64, error)
}

// ErrLocked is wrapped by the error of Open when another process has the log.
var ErrLocked = errors.New("in use")

// System is the file system of the operating system.
func System() FS { return system{} }

type system struct{}

func (system) Create(name string) (File, error) {
	return openFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
}

func (system) Open(name string) (File, error) { return openFile(name, os.O_RDWR) }

func openFile(name string, flag int) (File, error) {
	f, err := os.OpenFile(name, flag, 0o600)
	if err != nil {
		return nil, err
	}
	return file{f}, nil
}

func (system) Rename(from, to string) error { return os.Rename(from, to) }
func (system) Remove(name string) error     { return os.Remove(name) }
func (system) Mkdir(dir string) error       { return os.MkdirAll(dir, 0o700) }

func (system) List(dir string) ([]string, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}

func (system) SyncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (system) Lock(name string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := flock(f); err != nil {
		defer f.Close()
		if !errors.Is(err, errWouldBlock) {
			return nil, &fs.PathError{Op: "flock", Path: name, Err: err}
		}
		holder := "another process"
		b := make([]byte, 20)
		n, _ := f.ReadAt(b, 0)
		if pid, err := strconv.Atoi(strings.TrimSpace(string(b[:n]))); err == nil {
			holder = fmt.Sprintf("process %d", pid)
		}
		return nil, fmt.Errorf("%w by %s", ErrLocked, holder)
	}
	// Who has it is told for the error above only; that it cannot be told does no harm.
	if f.Truncate(0) == nil {
		_, _ = f.WriteAt(fmt.Appendln(nil, os.Getpid()), 0)
	}
	return f, nil
}

type file struct{ *os.File }

func (f file) Size() (int64, error) {
	fi, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if !fi.Mode().IsRegular() {
		return 0, &fs.PathError{Op: "stat", Path: f.Name(), Err: errors.New("not a regular file")}
	}
	return fi.Size(), nil
}
