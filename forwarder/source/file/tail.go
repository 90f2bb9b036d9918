package file

import (
	"bytes"
	"errors"
	"io"
	"os"
	"time"
)

// tail is one file that is followed.
type tail struct {
	known           // as it is durable
	next  known     // as it will be with the batch in hand
	f     *os.File  // nil: not open
	moved bool      // no pattern finds it any more
	gone  bool      // it was deleted
	done  bool      // there is nothing more to be had of it
	read  time.Time // when it last had something new
	scan  int64     // in a line longer than max_event: up to where no end was found
	dirty bool      // there may be something new
}

// pulled takes a line, of which data is the beginning when size is larger. data is valid
// until it returns.
type pulled func(data []byte, size int)

// pull reads on from where the batch in hand ends, at most as much as buf holds, and
// reports whether there may be more. buf is longer than most, the longest event.
func (t *tail) pull(buf []byte, most int, out pulled) (more bool, err error) {
	if t.scan > 0 {
		return t.pullLong(buf, most, out)
	}
	n, err := t.f.ReadAt(buf, t.next.Offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	rest := buf[:n]
	for {
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			break
		}
		emit(rest[:i], i, most, out)
		rest = rest[i+1:]
		t.next.Offset += int64(i) + 1
	}
	if len(rest) == len(buf) {
		t.scan = t.next.Offset + int64(n)
	}
	return n == len(buf), nil
}

// pullLong looks for the end of a line that is longer than buf.
func (t *tail) pullLong(buf []byte, most int, out pulled) (more bool, err error) {
	n, err := t.f.ReadAt(buf, t.scan)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	i := bytes.IndexByte(buf[:n], '\n')
	if i < 0 {
		t.scan += int64(n)
		return n == len(buf), nil
	}
	return true, t.cutLong(t.scan+int64(i), 1, buf, most, out)
}

// cutLong hands out the beginning of the line that ends at end, behind which follow
// skip octets that belong to it.
func (t *tail) cutLong(end, skip int64, buf []byte, most int, out pulled) error {
	n, err := t.f.ReadAt(buf[:most], t.next.Offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	out(buf[:n], int(end-t.next.Offset))
	t.next.Offset, t.scan = end+skip, 0
	return nil
}

// last hands out what stands behind the last line feed of a file that nobody writes to
// any more.
func (t *tail) last(buf []byte, most int, out pulled) error {
	if t.scan > 0 {
		return t.cutLong(t.scan, 0, buf, most, out)
	}
	n, err := t.f.ReadAt(buf, t.next.Offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	emit(buf[:n], n, most, out)
	t.next.Offset += int64(n)
	return nil
}

// emit hands out one line, unless it is empty. A CR at its end belongs to the end. NULs
// at its beginning are the hole that a writer leaves which goes on at its old place in a
// file that was truncated.
func emit(line []byte, size, most int, out pulled) {
	if len(line) > 0 && line[len(line)-1] == '\r' {
		line, size = line[:len(line)-1], size-1
	}
	before := len(line)
	line = bytes.TrimLeft(line, "\x00")
	size -= before - len(line)
	if len(line) == 0 {
		return
	}
	out(line[:min(len(line), most)], size)
}

// settled makes what was in hand the state, after it became durable.
func (t *tail) settled() { t.known = t.next }

// identify completes the fingerprint of a file that was shorter when it was taken.
func (t *tail) identify() {
	if t.next.Head < fingerprint {
		t.next.Head, t.next.Print = fingerprintOf(t.f, fingerprint)
	}
}

// restart begins at the beginning: the file was truncated, or is another one.
func (t *tail) restart() {
	t.next.Offset, t.next.Head, t.next.Print, t.scan = 0, 0, 0, 0
}

func (t *tail) close() {
	if t.f != nil {
		t.f.Close()
		t.f = nil
	}
}
