package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Pos is a place between two events. It may be kept and given back later, to
// another process, too.
type Pos struct {
	Index uint64 // of the event behind it
	// Where that event is likely to stand; 0 and 0 when nobody knows.
	Segment uint64
	Offset  int64
}

const (
	cursorExt   = ".cur"
	cursorSize  = 52
	slotSpacing = 4096 // the two slots share no block of the disk
	cursorMagic = 0x31435753
)

// cursor is how far one reader has come, in memory and in its file. The file has
// two slots. The older one is overwritten, and stays the one that is overwritten
// until it is durable, so one of them is always whole.
type cursor struct {
	name   string
	path   string
	reader *Reader        // who has it open; under Spool.cmu
	end    *atomic.Uint64 // index after the last durable event
	seen   uint64         // what end was when the file was written, as found at Open

	mu      sync.Mutex
	file    File // nil while there is none
	pos     Pos
	durable uint64        // index that is on disk
	turn    uint64        // number of the slot being written
	dirty   bool          // written since the last fdatasync
	syncing bool          // an fdatasync runs; the file is left alone
	synced  chan struct{} // closed when that is over
	slot    []byte        // scratch
	failed  bool          // the file is missing or cannot be trusted; make it again
	removed bool          // it is not to be made again
}

// cursorPath is where the cursor of name is kept.
func (s *Spool) cursorPath(name string) string {
	escaped := url.QueryEscape(name)
	if strings.HasPrefix(escaped, ".") {
		escaped = "%2E" + escaped[1:]
	}
	return filepath.Join(s.dir, cursorDir, escaped+cursorExt)
}

// appendSlot appends a slot: the position and the index the log went up to when it
// was written, so that a log that lost its end knows.
func appendSlot(dst []byte, turn uint64, p Pos, end uint64) []byte {
	start := len(dst)
	dst = binary.LittleEndian.AppendUint32(dst, 0)
	dst = binary.LittleEndian.AppendUint32(dst, cursorMagic)
	dst = binary.LittleEndian.AppendUint32(dst, version)
	dst = binary.LittleEndian.AppendUint64(dst, turn)
	dst = binary.LittleEndian.AppendUint64(dst, p.Index)
	dst = binary.LittleEndian.AppendUint64(dst, p.Segment)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(p.Offset))
	dst = binary.LittleEndian.AppendUint64(dst, end)
	binary.LittleEndian.PutUint32(dst[start:], crc32.Checksum(dst[start+4:], castagnoli))
	return dst
}

func parseSlot(b []byte) (turn uint64, p Pos, end uint64, ok bool) {
	if len(b) < cursorSize || binary.LittleEndian.Uint32(b[4:]) != cursorMagic ||
		binary.LittleEndian.Uint32(b[8:]) != version ||
		crc32.Checksum(b[4:cursorSize], castagnoli) != binary.LittleEndian.Uint32(b) {
		return 0, p, 0, false
	}
	p.Index = binary.LittleEndian.Uint64(b[20:])
	p.Segment = binary.LittleEndian.Uint64(b[28:])
	p.Offset = int64(binary.LittleEndian.Uint64(b[36:]))
	return binary.LittleEndian.Uint64(b[12:]), p, binary.LittleEndian.Uint64(b[44:]), true
}

// loadCursors reads all cursor files. A damaged one has position 0, which is
// before everything.
func (s *Spool) loadCursors() {
	names, err := s.fs.List(filepath.Join(s.dir, cursorDir))
	if err != nil {
		s.log.Error("spool: cursors cannot be listed", "err", err)
	}
	for _, file := range names {
		path := filepath.Join(s.dir, cursorDir, file)
		escaped, ok := strings.CutSuffix(file, cursorExt)
		name, err := url.QueryUnescape(escaped)
		if !ok || err != nil || s.cursorPath(name) != path {
			if strings.HasSuffix(file, cursorExt+tmpExt) {
				if s.fs.Remove(path) != nil {
					_ = s.damage.setAside(path)
				}
			}
			continue
		}
		c := &cursor{name: name, path: path, end: &s.end}
		s.cursors[name] = c
		f, err := s.fs.Open(path)
		if err != nil {
			s.log.Error("spool: cursor cannot be read, its reader begins at the oldest event", "reader", name, "err", err)
			c.failed = true
			_ = s.damage.setAside(path) // a folder, perhaps
			continue
		}
		c.file = f
		if !c.load() {
			s.log.Error("spool: cursor is damaged, its reader begins at the oldest event", "reader", name)
			c.failed = true
		}
	}
}

// load reads the newer intact slot.
func (c *cursor) load() bool {
	found := false
	for i := range int64(2) {
		b := make([]byte, cursorSize)
		read(c.file, b, i*slotSpacing)
		turn, p, end, ok := parseSlot(b)
		if !ok || turn%2 != uint64(i) {
			continue
		}
		c.seen = max(c.seen, end, p.Index)
		if !found || turn > c.turn {
			c.turn, c.pos, found = turn, p, true
		}
	}
	c.durable = c.pos.Index
	return found
}

// placeCursors moves cursors to events that exist.
func (s *Spool) placeCursors() {
	for _, c := range s.cursors {
		if c.failed {
			c.pos = Pos{Index: s.segs[0].first}
		}
	}
}

// move sets the position and writes it to the file, which syncCursors makes
// durable. That it could not be written is syncCursors' business, too: a cursor
// that is behind repeats events and loses none.
func (c *cursor) move(p Pos) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pos = p
	c.write()
}

func (c *cursor) write() {
	c.dirty = true
	if c.syncing || c.failed {
		return
	}
	c.slot = appendSlot(c.slot[:0], c.turn, c.pos, c.end.Load())
	if _, err := c.file.WriteAt(c.slot, int64(c.turn%2)*slotSpacing); err != nil {
		c.failed = true
	}
}

// touch writes the position again.
func (c *cursor) touch() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.write()
}

func (c *cursor) position() Pos {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pos
}

func (c *cursor) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.file == nil {
		return nil
	}
	err := c.file.Close()
	c.file, c.failed = nil, true
	return err
}

// remove closes the cursor for good: when it returns nobody makes its file again.
func (c *cursor) remove() error {
	c.mu.Lock()
	c.removed = true
	for c.syncing {
		synced := c.synced
		c.mu.Unlock()
		<-synced
		c.mu.Lock()
	}
	c.mu.Unlock()
	return c.close()
}

// sync makes the position durable.
func (c *cursor) sync(fs FS) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.syncing || c.removed || !c.dirty && !c.failed {
		return nil
	}
	f, pos, turn := c.file, c.pos, c.turn
	again := c.failed
	c.syncing, c.dirty, c.synced = true, false, make(chan struct{})
	c.mu.Unlock()
	var err error
	if !again {
		if err = f.Sync(); err == nil {
			turn++
		}
	}
	if again || err != nil {
		turn += 2 - turn%2
		var made File
		if made, err = makeCursor(fs, c.path, turn, pos, c.end.Load()); err == nil {
			turn += 2
			if f != nil {
				_ = f.Close()
			}
			f = made
		}
	}
	c.mu.Lock()
	c.syncing = false
	close(c.synced)
	if err != nil {
		c.failed, c.dirty = true, true
		return err
	}
	c.file, c.turn, c.durable, c.failed = f, turn, pos.Index, false
	if c.dirty {
		c.write()
	}
	return nil
}

// makeCursor writes a new cursor file, durable, with both slots filled. turn is
// that of the first one.
func makeCursor(fs FS, path string, turn uint64, pos Pos, end uint64) (File, error) {
	tmp := path + tmpExt
	f, err := fs.Create(tmp)
	if err != nil {
		return nil, err
	}
	for i := range int64(2) {
		if err == nil {
			_, err = f.WriteAt(appendSlot(nil, turn+uint64(i), pos, end), i*slotSpacing)
		}
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = fs.Rename(tmp, path)
	}
	if err == nil {
		err = fs.SyncDir(filepath.Dir(path))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close(), ignoreMissing(fs.Remove(tmp)))
	}
	return f, nil
}

// syncCursors makes all cursors durable. It gives the reserve away when the disk
// has no room for that otherwise.
func (s *Spool) syncCursors() error {
	s.cmu.Lock()
	list := slices.Collect(maps.Values(s.cursors))
	s.cmu.Unlock()
	var errs []error
	for _, c := range list {
		err := c.sync(s.fs)
		if noRoom(err) && s.useReserve() == nil {
			err = c.sync(s.fs)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("cursor of %s: %w", c.name, err))
		}
	}
	return errors.Join(errs...)
}

// Readers returns the names of all cursors, those nobody has opened included.
func (s *Spool) Readers() []string {
	s.cmu.Lock()
	defer s.cmu.Unlock()
	names := make([]string, 0, len(s.cursors))
	for name := range s.cursors {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// RemoveReader forgets the cursor of name and closes its reader. A name that does
// not exist is no error.
func (s *Spool) RemoveReader(name string) error {
	s.cmu.Lock()
	c := s.cursors[name]
	delete(s.cursors, name)
	s.cmu.Unlock()
	if c == nil {
		return nil
	}
	if c.reader != nil {
		c.reader.Close()
	}
	s.listReaders()
	err := errors.Join(c.remove(), ignoreMissing(s.fs.Remove(c.path)), s.fs.SyncDir(filepath.Dir(c.path)))
	poke(s.tidy)
	if err != nil {
		return fmt.Errorf("spool: cursor of %s: %w", name, err)
	}
	return nil
}
