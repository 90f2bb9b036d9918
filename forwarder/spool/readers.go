package spool

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"net/url"
	"path/filepath"
	"slices"
)

// readersName is a file that lists the readers, so that one whose cursor is gone begins
// with the oldest event and not, as if nobody had known it, with the next. A line is the
// CRC-32C of the name, in hexadecimal, and the name, escaped as in a query.
const readersName = "readers"

// parseReaders returns the names in a list, without the lines that are damaged.
func parseReaders(list []byte) (names []string) {
	for line := range bytes.Lines(list) {
		sum, escaped, ok := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(" "))
		if !ok || string(sum) != fmt.Sprintf("%08x", crc32.Checksum(escaped, castagnoli)) {
			continue
		}
		if name, err := url.QueryUnescape(string(escaped)); err == nil {
			names = append(names, name)
		}
	}
	return names
}

func appendReader(dst []byte, name string) []byte {
	escaped := url.QueryEscape(name)
	return fmt.Appendf(dst, "%08x %s\n", crc32.Checksum([]byte(escaped), castagnoli), escaped)
}

// missedCursors gives the readers that are listed and have no cursor one that is damaged.
func (s *Spool) missedCursors() {
	f, err := s.fs.Open(filepath.Join(s.dir, readersName))
	if err != nil {
		return
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return
	}
	list := make([]byte, min(size, 1<<20))
	read(f, list, 0)
	for _, name := range parseReaders(list) {
		if s.cursors[name] == nil {
			s.log.Error("spool: cursor is missing, its reader begins at the oldest event", "reader", name)
			s.cursors[name] = &cursor{name: name, path: s.cursorPath(name), end: &s.end, failed: true}
		}
	}
}

// listReaders writes the list. That it cannot be written does no harm as long as the
// cursors are there; it is tried again.
func (s *Spool) listReaders() {
	s.cmu.Lock()
	defer s.cmu.Unlock()
	s.unlisted = false
	var names []string
	for name := range s.cursors {
		names = append(names, name)
	}
	slices.Sort(names)
	var list []byte
	for _, name := range names {
		list = appendReader(list, name)
	}
	path := filepath.Join(s.dir, readersName)
	f, err := s.fs.Create(path + tmpExt)
	if err == nil {
		if _, err = f.WriteAt(list, 0); err == nil {
			err = f.Sync()
		}
		err = errors.Join(err, f.Close())
		if err == nil {
			err = s.fs.Rename(path+tmpExt, path)
		}
		if err == nil {
			err = s.fs.SyncDir(s.dir)
		}
	}
	if err != nil {
		s.unlisted = true
		s.log.Debug("spool: readers not listed", "err", err)
	}
}
