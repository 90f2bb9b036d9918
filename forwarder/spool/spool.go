// Package spool is the durable log between a source and its sinks: what Emit
// returned nil for is on disk and stays there until every reader has it.
//
// A log is one directory. Its events stand in segment files in the order they
// were appended and are numbered from 1; beside them stand the marks a source
// left (how far it has read), one cursor file for each reader and a list of them,
// a reserve of disk space, and copies of damaged octets under quarantine. Nothing
// but these files is needed to go on after a crash, and a missing or foreign one
// never stops the start; nor does a full disk.
package spool

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// WhenFull says what Append does when the log has no room left for events that
// are not delivered yet.
type WhenFull uint8

const (
	Block      WhenFull = iota // Append waits for room
	DropOldest                 // the oldest segment goes; readers that had not read it count its events as expired
	DropNewest                 // the events being appended are dropped and counted
)

// Sync says when an event counts as durable.
type Sync uint8

const (
	Batch Sync = iota // after fdatasync, which all waiting emitters share: survives a power cut
	OS                // after write: survives the end of the process, not of the machine
)

// Options are the settings of a log. The zero value is useful.
type Options struct {
	FS      FS    // nil is the operating system's
	Segment int64 // octets of a segment file, about; 0 is 64 MiB
	Max     int64 // octets of the whole log; 0 is no bound
	// Reserve is room on the disk, in octets, kept for events of this log: once others
	// have filled the disk, it still takes about as many.
	Reserve int64
	Keep    time.Duration // how long events stay when every reader has passed them
	// Since, if given, returns from when on events stay however old they are; the zero
	// time is from ever on. mark is Spool.Mark. It is asked about once a second.
	Since    func(mark func(key string) []byte) time.Time
	WhenFull WhenFull
	Sync     Sync
	// Window is the most an fdatasync waits for emitters that are about to arrive;
	// 0 is a value that measured well, below 0 is no waiting. An emitter that is
	// alone never waits.
	Window time.Duration
	Log    *slog.Logger     // nil discards
	Now    func() time.Time // nil is time.Now
}

const (
	defaultSegment = 64 << 20
	defaultWindow  = 2 * time.Millisecond
	maxWindow      = 5 * time.Millisecond
)

var (
	// ErrFull is wrapped by the error of an Append that gave up waiting for room.
	ErrFull = errors.New("spool is full")
	// ErrClosed is returned for everything asked of a closed log.
	ErrClosed = errors.New("spool is closed")
	// ErrTooBig is wrapped by the error for an event or mark no log can hold.
	ErrTooBig = errors.New("too big for the spool")
)

// Spool is an open log. Its methods are safe for concurrent use.
type Spool struct {
	dir      string
	o        Options
	fs       FS
	log      *slog.Logger
	held     io.Closer
	salt     uint32
	segLimit int64

	// The writer's part. Whoever appends holds mu to encode; one of them writes.
	mu       sync.Mutex
	idle     sync.Cond // writing became false
	active   *segment
	next     uint64 // index of the next event to be encoded
	seq      uint64 // number of the last batch encoded
	fill     *fill  // what is encoded and not yet being written
	spare    [][]byte
	spared   int // octets of spare
	writing  bool
	hold     bool // nobody may begin to write: the committer is about to change the active segment
	wantRoll bool
	closed   bool
	full     error // why the disk took no more; nil when it does
	spent    bool  // the reserve went to the active segment
	probe    bool  // the next append may try whether there is room again
	fault    error // why the active segment cannot be trusted; nil when it can
	stuck    bool  // retention found nothing to remove
	need     int64 // octets an append waits for
	total    int64 // octets of all segments
	newest   int64 // newest time of reception
	space    chan struct{}
	dropped  uint64

	// Written and not yet durable.
	unsynced      []*fill
	unsyncedBytes int
	writtenSeq    uint64
	inflightSeq   uint64
	durableSeq    uint64
	durable       uint64 // index after the last durable event
	gather        *group // of what the next fdatasync will cover
	inflight      *group // of what the running one covers
	target        int    // the committer waits for so many batches; 0 when it does not
	marks         map[string][]byte
	syncs         uint64

	kick   chan struct{} // wakes the committer
	enough chan struct{} // ends its window
	tidy   chan struct{} // wakes housekeeping
	stop   chan struct{}
	done   sync.WaitGroup

	// The readers' part. lmu is never held over a call to the file system.
	lmu     sync.Mutex
	segs    []*segment // oldest first; the last is active
	tail    tail       // what is durable
	news    chan struct{}
	waiting int // readers waiting for news
	ended   bool

	cmu      sync.Mutex
	cursors  map[string]*cursor
	unlisted bool          // the list of readers is to be written
	end      atomic.Uint64 // tail.index

	reserved atomic.Bool // the reserve is there

	damage damage
	unsure gap // events that were being written when the log before this one ended
}

// tail is the end of what readers may see.
type tail struct {
	index uint64 // of the next event
	off   int64  // in the active segment
}

// Open opens the log in dir, which it makes when it is missing, and holds it
// until Close. It repairs what a crash left behind; what it cannot read it
// counts, copies to quarantine and goes on without. The error is that of a
// directory that cannot be used at all, or wraps ErrLocked.
func Open(dir string, o Options) (*Spool, error) {
	s := &Spool{dir: dir, o: o.withDefaults(), fs: o.FS, marks: map[string][]byte{}, cursors: map[string]*cursor{}}
	if s.fs == nil {
		s.fs = System()
	}
	s.log = s.o.Log
	s.idle.L = &s.mu
	s.gather, s.fill = newGroup(), &fill{}
	s.newest = noTime
	s.kick, s.enough = make(chan struct{}, 1), make(chan struct{}, 1)
	s.tidy, s.stop = make(chan struct{}, 1), make(chan struct{})
	s.news = make(chan struct{})
	s.damage.spool = s
	s.segLimit = s.o.Segment
	if m := s.o.Max; m > 0 {
		s.segLimit = min(s.segLimit, max(m/4, 4096))
	}
	if err := s.fs.Mkdir(dir); err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	if err := s.occupy(); err != nil {
		return nil, fmt.Errorf("spool: %s: %w", dir, err)
	}
	if err := s.recover(); err != nil {
		s.closeFiles()
		return nil, fmt.Errorf("spool: %s: %w", dir, err)
	}
	s.done.Add(2)
	go s.commit()
	go s.housekeep()
	return s, nil
}

func (o Options) withDefaults() Options {
	o.Segment = cmp.Or(o.Segment, defaultSegment)
	o.Window = min(cmp.Or(o.Window, defaultWindow), maxWindow)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Close makes everything appended durable, writes the cursors and lets go of the
// directory. Everything that waits returns ErrClosed; readers with a name are closed.
func (s *Spool) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return ErrClosed
	}
	s.closed = true
	s.freed()
	s.mu.Unlock()
	close(s.stop)
	s.done.Wait()

	s.lmu.Lock()
	s.ended = true
	close(s.news)
	s.lmu.Unlock()

	s.mu.Lock()
	err := s.fault
	s.mu.Unlock()
	if err == nil {
		// Without it the next start reads a little more.
		note := appendNote(nil, s.salt, s.next, toNano(s.o.Now()))
		_, _ = s.active.file.WriteAt(note, s.active.size)
	}
	s.cmu.Lock()
	var readers []*Reader
	for _, c := range s.cursors {
		c.touch()
		if c.reader != nil {
			readers = append(readers, c.reader)
		}
	}
	s.cmu.Unlock()
	for _, r := range readers {
		r.Close()
	}
	return errors.Join(err, s.syncCursors(), s.closeFiles())
}

func (s *Spool) closeFiles() error {
	var errs []error
	if s.active != nil {
		errs = append(errs, s.active.file.Close())
	}
	s.cmu.Lock()
	for _, c := range s.cursors {
		errs = append(errs, c.close())
	}
	s.cmu.Unlock()
	return errors.Join(append(errs, s.held.Close())...)
}

// Mark returns the last value made durable under key; nil when there is none.
func (s *Spool) Mark(key string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.marks[key])
}

// Stats is the state of a log at one moment. Counters begin at Open.
type Stats struct {
	Bytes    int64  // octets of all segments
	Segments int    // segment files
	First    uint64 // index of the oldest event kept
	Next     uint64 // index the next event gets
	Synced   uint64 // index after the last durable event
	Syncs    uint64 // fdatasync calls
	Dropped  uint64 // events not taken under DropNewest
	Damaged  uint64 // damaged places found; each may have cost several events or none
	Lost     uint64 // events no reader will get because of that
	Full     bool   // appends wait or are dropped: no room, or the disk does not work
	Err      error  // what the disk said; nil when it works
}

// Stats returns the state of the log.
func (s *Spool) Stats() Stats {
	s.lmu.Lock()
	t := Stats{Segments: len(s.segs), First: s.segs[0].first, Synced: s.tail.index}
	s.lmu.Unlock()
	s.mu.Lock()
	t.Bytes, t.Next, t.Syncs, t.Dropped = s.total, s.next, s.syncs, s.dropped
	t.Err = cmp.Or(s.fault, s.full)
	t.Full = t.Err != nil || s.stuck
	s.mu.Unlock()
	t.Damaged, t.Lost = s.damage.count()
	return t
}

// waitFor waits for ch to be closed or ctx to end.
func waitFor(ctx context.Context, ch <-chan struct{}) error {
	select {
	case <-ch:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func poke(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
