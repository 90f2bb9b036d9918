package spool

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

var errWouldBlock error = unix.EWOULDBLOCK

func flock(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) }

func (f file) Sync() error { return f.call("fdatasync", unix.Fdatasync) }

func (f file) Allocate(size int64) error {
	err := f.call("fallocate", func(fd int) error {
		return unix.Fallocate(fd, unix.FALLOC_FL_KEEP_SIZE, 0, size)
	})
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		return nil
	}
	return err
}

// call runs one system call on the descriptor, again while it is interrupted.
func (f file) call(op string, do func(fd int) error) error {
	c, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var e error
	err = c.Control(func(fd uintptr) {
		for e = do(int(fd)); e == unix.EINTR; e = do(int(fd)) {
		}
	})
	if err == nil && e != nil {
		err = &fs.PathError{Op: op, Path: f.Name(), Err: e}
	}
	return err
}

// WriteBack implements cache. It does not wait for the disk (sync_file_range(2)).
func (f file) WriteBack(off, n int64) {
	_ = f.call("sync_file_range", func(fd int) error {
		return unix.SyncFileRange(fd, off, n, unix.SYNC_FILE_RANGE_WRITE)
	})
}

// Forget implements cache (posix_fadvise(2), POSIX_FADV_DONTNEED). Pages that are still
// being written stay.
func (f file) Forget(off, n int64) {
	_ = f.call("fadvise", func(fd int) error { return unix.Fadvise(fd, off, n, unix.FADV_DONTNEED) })
}
