package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// View is a log as it was at one moment, to be looked at: from its folder (Look) or from
// within the process that has it open (Spool.View). It takes no lock, writes nothing and
// repairs nothing. Segments that retention removes later are passed over. A View is used
// by one goroutine at a time.
type View struct {
	Dir        string
	Segments   []SegmentFile // oldest first
	Cursors    []CursorFile  // by name
	Quarantine []Piece       // copies of what was damaged, by name
	Foreign    []string      // names of files that are none of the log's

	fs    FS
	end   uint64 // index after the last event, 0 while nobody knows
	seen  int64  // newest time of reception, once end is known
	marks map[string][]byte
}

// SegmentFile is one file of a log.
type SegmentFile struct {
	Path  string
	First uint64 // the index it begins with
	Size  int64  // octets to be looked at; of the segment that is written to, what is durable

	before int64 // newest time of reception in all segments before it, as its head says
	active bool  // it is written to
}

// CursorFile is how far one reader has come, as its file says.
type CursorFile struct {
	Name  string
	Path  string
	Slots int    // intact slots; 2 is usual, with 0 the reader begins at the oldest event
	Pos   Pos    // zero when no slot is intact
	Seen  uint64 // index the log went up to when the file was written
	Open  bool   // a reader of this process has it; always false for a look at the folder
}

// Piece is a file in quarantine.
type Piece struct {
	Name  string
	Bytes int64
}

// Look looks at the log in dir through files, which nil says is the operating system's.
// The process that has the log open, if there is one, is not disturbed. The error is that
// of a folder that cannot be listed.
func Look(dir string, files FS) (*View, error) {
	if files == nil {
		files = readOnly{}
	}
	const tries = 4
	for n := 1; ; n++ {
		v, err := look(dir, files)
		if err != nil || n == tries || !v.overtaken() {
			return v, err
		}
	}
}

// overtaken says that cursors are ahead of the log. It lost its end, or was changed while
// it was listed.
func (v *View) overtaken() bool {
	return slices.ContainsFunc(v.Cursors, func(c CursorFile) bool { return max(c.Seen, c.Pos.Index) > v.Next() })
}

func look(dir string, files FS) (*View, error) {
	v := &View{Dir: dir, fs: files}
	// The cursors first: what they have seen is in segments that are listed later.
	v.lookAtCursors()
	names, err := files.List(dir)
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	for _, name := range names {
		first, ok := parseSegmentName(name)
		switch {
		case ok:
			v.lookAtSegment(filepath.Join(dir, name), first)
		case name != lockName && name != cursorDir && name != quarantine && name != reserveName && name != readersName && !strings.HasSuffix(name, segExt+tmpExt):
			v.Foreign = append(v.Foreign, name)
		}
	}
	v.lookAtQuarantine()
	return v, nil
}

// View returns the log as it is now: what is durable, and the cursors as they are known
// to the process.
func (s *Spool) View() *View {
	v := &View{Dir: s.dir, fs: s.fs}
	s.cmu.Lock()
	for _, c := range s.cursors {
		v.Cursors = append(v.Cursors, CursorFile{Name: c.name, Path: c.path, Slots: 2, Pos: c.position(), Seen: s.end.Load(), Open: c.reader != nil})
	}
	s.cmu.Unlock()
	slices.SortFunc(v.Cursors, func(a, b CursorFile) int { return strings.Compare(a.Name, b.Name) })
	s.mu.Lock()
	v.seen, v.marks = s.newest, maps.Clone(s.marks)
	s.mu.Unlock()
	s.lmu.Lock()
	for i, seg := range s.segs {
		f := SegmentFile{Path: seg.path, First: seg.first, before: seg.before}
		if i == len(s.segs)-1 {
			f.Size, f.active = s.tail.off, true
		} else {
			f.Size = seg.size
		}
		v.Segments = append(v.Segments, f)
	}
	v.end = s.tail.index
	s.lmu.Unlock()
	v.lookAtQuarantine()
	return v
}

func (v *View) lookAtSegment(path string, first uint64) {
	f, err := v.fs.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return // removed since it was listed
	}
	seg := SegmentFile{Path: path, First: first, before: noTime}
	if err == nil {
		defer f.Close()
		if seg.Size, err = f.Size(); err != nil {
			seg.Size = 0
		}
		var w window
		w.buf = make([]byte, headerSize+headSize)
		w.reset(f)
		if h, b, verdict := w.frame(0, min(seg.Size, headerSize+headSize), true); verdict == good && h.kind == kindHead && len(h.payload(b)) >= headSize {
			seg.before = headNewest(h.payload(b))
		}
	}
	v.Segments = append(v.Segments, seg)
}

func (v *View) lookAtCursors() {
	names, _ := v.fs.List(filepath.Join(v.Dir, cursorDir))
	for _, file := range names {
		escaped, ok := strings.CutSuffix(file, cursorExt)
		name, err := url.QueryUnescape(escaped)
		if !ok || err != nil {
			continue
		}
		c := CursorFile{Name: name, Path: filepath.Join(v.Dir, cursorDir, file)}
		if f, err := v.fs.Open(c.Path); err == nil {
			c.read(f)
			_ = f.Close()
		} else if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		v.Cursors = append(v.Cursors, c)
	}
	slices.SortFunc(v.Cursors, func(a, b CursorFile) int { return strings.Compare(a.Name, b.Name) })
}

func (c *CursorFile) read(f File) {
	var newest uint64
	for i := range int64(2) {
		b := make([]byte, cursorSize)
		read(f, b, i*slotSpacing)
		turn, p, end, ok := parseSlot(b)
		if !ok || turn%2 != uint64(i) {
			continue
		}
		c.Slots++
		c.Seen = max(c.Seen, end, p.Index)
		if c.Slots == 1 || turn > newest {
			newest, c.Pos = turn, p
		}
	}
}

func (v *View) lookAtQuarantine() {
	dir := filepath.Join(v.Dir, quarantine)
	names, _ := v.fs.List(dir)
	for _, name := range names {
		p := Piece{Name: name}
		if f, err := v.fs.Open(filepath.Join(dir, name)); err == nil {
			p.Bytes, _ = f.Size()
			_ = f.Close()
		}
		v.Quarantine = append(v.Quarantine, p)
	}
}

// Bytes is the size of all segments.
func (v *View) Bytes() (n int64) {
	for i := range v.Segments {
		n += v.Segments[i].Size
	}
	return n
}

// First is the index of the oldest event kept; Next, when none is.
func (v *View) First() uint64 {
	if len(v.Segments) == 0 {
		return v.Next()
	}
	return v.Segments[0].First
}

// Next is the index after the last event: what the next event gets.
func (v *View) Next() uint64 {
	v.readEnd()
	return v.end
}

// Newest is the newest time of reception; the zero time when nothing tells.
func (v *View) Newest() time.Time {
	v.readEnd()
	return fromNano(v.seen)
}

// Mark is the last value under key; nil when there is none.
func (v *View) Mark(key string) []byte {
	v.readEnd()
	return v.marks[key]
}

// readEnd reads the newest segment, and older ones only as long as no intact frame was
// found or the head of those read is damaged, as Open does.
func (v *View) readEnd() {
	if v.end != 0 {
		return
	}
	v.end, v.seen, v.marks = 1, noTime, map[string][]byte{}
	found := false
	for i := len(v.Segments) - 1; i >= 0; i-- {
		seg := &v.Segments[i]
		v.end = max(v.end, seg.First)
		f, err := v.fs.Open(seg.Path)
		if err != nil {
			continue
		}
		marks := map[string][]byte{}
		r := scan(f, seg.First, seg.Size, marks)
		_ = f.Close()
		for k, value := range marks {
			if _, newer := v.marks[k]; !newer {
				v.marks[k] = value
			}
		}
		if !found && r.frames > 0 {
			found, v.end, v.seen = true, max(v.end, r.next), r.newest
		}
		if found && r.head {
			break
		}
	}
}

// Behind returns how many events wait behind the position of a cursor, and when the
// oldest of them was received; the zero time when there is none or it cannot be read.
func (v *View) Behind(p Pos) (events uint64, oldest time.Time) {
	if first := v.First(); p.Index < first {
		p = Pos{Index: first}
	}
	if p.Index >= v.Next() {
		return 0, time.Time{}
	}
	for e, err := range v.from(p, noTime) {
		if err == nil {
			oldest = e.Time
		}
		break
	}
	return v.Next() - p.Index, oldest
}

// Oldest is when the oldest event kept was received; the zero time when there is none.
func (v *View) Oldest() time.Time {
	_, oldest := v.Behind(Pos{})
	return oldest
}

// readOnly is the file system of the operating system for those who only read: what it
// opens may belong to somebody else.
type readOnly struct{ system }

func (readOnly) Open(name string) (File, error) {
	// A named pipe would wait for a writer.
	fi, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errors.New("not a regular file")}
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	return file{f}, nil
}
