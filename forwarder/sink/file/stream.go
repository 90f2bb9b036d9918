package file

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"syscall"
	"time"
)

// stream is one file and the lines the batch in hand has for it.
type stream struct {
	name   string // path below the base
	file   handle // nil: not open
	size   int64  // of the file, which ends with a line feed
	before int64  // size before the batch in hand
	buf    []byte
	batch  uint64    // that touched it last
	used   time.Time // when it was last written to, or opened
	last   time.Time // when its newest line was written
}

// handle is what is used of an *os.File opened for appending.
type handle interface {
	io.Writer
	io.ReaderAt
	io.Closer
	Stat() (os.FileInfo, error)
	Truncate(size int64) error
	Datasync() error // the data, and of the metadata what is needed to read it
}

// write appends the lines with one write and returns once they are on disk.
func (st *stream) write() error {
	n, err := st.file.Write(st.buf)
	st.size += int64(n)
	if err != nil {
		return err
	}
	// After a failed fdatasync the kernel may take its pages for clean: what was
	// written is then written again, to a file opened anew.
	return st.file.Datasync()
}

// settle ends the batch in hand. When it has failed, the file is cut back to what it
// was, and closed to be looked at again: should cutting fail too, that happens then.
func (st *stream) settle(ok bool) {
	const most = 1 << 20
	st.buf = st.buf[:0]
	if cap(st.buf) > most {
		st.buf = nil
	}
	if st.file == nil {
		return
	}
	if ok {
		st.before = st.size
		return
	}
	if st.size != st.before {
		_ = st.file.Truncate(st.before)
	}
	_ = st.close()
}

func (st *stream) close() error {
	if st.file == nil {
		return nil
	}
	err := st.file.Close()
	st.file = nil
	return err
}

// appendLine appends payload as one line: a line feed within it becomes a space.
func appendLine(dst, payload []byte) []byte {
	for {
		i := bytes.IndexByte(payload, '\n')
		if i < 0 {
			return append(append(dst, payload...), '\n')
		}
		dst = append(append(dst, payload[:i]...), ' ')
		payload = payload[i+1:]
	}
}

// cutTail makes the file end with a line feed, or be empty, and returns its size and
// how much was cut.
func cutTail(f handle) (size, cut int64, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, 0, err
	}
	buf := make([]byte, 1)
	for end := info.Size(); end > 0; end = size {
		size = max(0, end-int64(len(buf)))
		part := buf[:end-size]
		if n, err := f.ReadAt(part, size); n < len(part) {
			return 0, 0, err
		}
		if i := bytes.LastIndexByte(part, '\n'); i >= 0 {
			size += int64(i) + 1
			break
		}
		buf = make([]byte, 64<<10)
	}
	if cut = info.Size() - size; cut > 0 {
		err = f.Truncate(size)
	}
	return size, cut, err
}

// osFile is a handle on a real file.
type osFile struct{ *os.File }

var (
	errForeign = errors.New("locked by another writer")
	errKind    = errors.New("not a regular file")
	// errReplaced is transient: the next attempt opens what is there then.
	errReplaced = errors.New("replaced while it was opened")
)

// openFile opens or creates the file called name, with its folders, and locks it. It
// follows no symbolic link out of root.
func openFile(root *os.Root, name string) (handle, error) {
	if dir := path.Dir(name); dir != "." {
		if err := root.MkdirAll(dir, dirMode); err != nil {
			return nil, err
		}
	}
	f, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_APPEND|syscall.O_NONBLOCK, fileMode)
	if err != nil {
		return nil, err
	}
	if err := prepare(root, name, f); err != nil {
		_ = f.Close()
		return nil, err
	}
	return osFile{f}, nil
}

func prepare(root *os.Root, name string, f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errKind
	}
	if err := lock(f); err != nil {
		return err
	}
	if info.Size() > 0 {
		return nil
	}
	// A new file is on disk when the folders that lead to it are.
	for dir := path.Dir(name); ; dir = path.Dir(dir) {
		if err := syncDir(root.Open(dir)); err != nil {
			return err
		}
		if dir == "." {
			return nil
		}
	}
}

// lock keeps others from writing to the file until it is closed.
func lock(f *os.File) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var flock error
	err = conn.Control(func(fd uintptr) {
		flock = syscall.Flock(int(fd), syscall.LOCK_EX|syscall.LOCK_NB)
	})
	if errors.Is(flock, syscall.EWOULDBLOCK) {
		return errForeign
	}
	return errors.Join(err, flock)
}

func syncDir(dir *os.File, err error) error {
	if err != nil {
		return err
	}
	err = dir.Sync()
	return errors.Join(err, dir.Close())
}

// syncParents syncs the folders above dir, as far as they may be read: some were just
// made.
func syncParents(dir string) {
	for {
		up := filepath.Dir(dir)
		if up == dir {
			return
		}
		_ = syncDir(os.Open(up))
		dir = up
	}
}
