// Package deadletter keeps what a receiver will never take, so that a person can look
// at it, put right what was wrong, and send it again.
//
// The letters stand in a log of their own (package spool), in the order in which they
// died, and stay until they are removed. Bodies that no event could be made of, whose sink
// is "-", stand in another, small one and give way to newer ones there: whoever may send
// them must not be able to take the room of the others.
package deadletter

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/spool"
)

// ErrFull is wrapped by the error of Add when there is no room for more letters: a
// person has to look at them. Until then the events wait in the spools of their sources.
var ErrFull = errors.New("too many dead letters")

const (
	most    = 10 << 30 // octets of the log before Add takes no more
	segment = 16 << 20
	reserve = 16 << 20 // for letters that come while the disk is full: what waits for them could not go on

	// The marks that say how things stand; each replaces the one before.
	markCounts = "counts"
	markGone   = "gone"
	// pin is the reader that holds on to letters until they are removed.
	pin = "kept"
)

// Store is an open store of dead letters. Its methods are safe for concurrent use.
type Store struct {
	log   *slog.Logger
	spool *spool.Spool
	pin   *spool.Reader
	most  int64
	now   func() time.Time
	// bodies holds the letters for NoSink; nil in that store itself.
	bodies *Store

	// turn holds the batch that the next writer uses: counts are written in the order
	// in which they change.
	turn chan *writer

	mu     sync.Mutex
	counts map[pair]uint64
	gone   set
}

type writer struct {
	batch event.Batch
	buf   []byte
}

type pair struct{ source, sink string }

// Count is how many letters there are from one source to one sink.
type Count struct {
	Source, Sink string
	Letters      uint64
}

// Open opens the store in dir, and makes it when it is missing. log is told about
// damage; nil tells nobody. The error is that of a folder that cannot be used.
func Open(dir string, log *slog.Logger) (*Store, error) { return OpenOn(nil, dir, log) }

// OpenOn is Open on another file system than the operating system's.
func OpenOn(fs spool.FS, dir string, log *slog.Logger) (*Store, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return open(fs, dir, log, segment, most)
}

func open(fs spool.FS, dir string, log *slog.Logger, segment, most int64) (*Store, error) {
	// The log itself has no bound, so that there is always room to remove letters.
	s, err := openLog(dir, log, spool.Options{FS: fs, Segment: segment, Reserve: reserve, Log: log})
	if err != nil {
		return nil, err
	}
	s.most = most
	if s.bodies, err = openBodies(fs, filepath.Clean(dir)+bodiesExt, log, most/share); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func openLog(dir string, log *slog.Logger, o spool.Options) (*Store, error) {
	sp, err := spool.Open(dir, o)
	if err != nil {
		return nil, err
	}
	s := &Store{log: log, spool: sp, most: math.MaxInt64, now: time.Now, turn: make(chan *writer, 1), counts: map[pair]uint64{}}
	s.turn <- &writer{}
	if s.pin, err = sp.Reader(pin, spool.Oldest); err != nil {
		return nil, errors.Join(err, sp.Close())
	}
	// Marks that cannot be read cost no letter: counts begin anew, removed ones
	// come back.
	if s.gone, err = parseSet(sp.Mark(markGone)); err != nil {
		log.Warn("removed dead letters are listed again", "err", err)
	}
	if err := parseCounts(sp.Mark(markCounts), s.counts); err != nil {
		log.Warn("dead letters are counted again", "err", err)
		s.recount()
	}
	s.releaseAll()
	return s, nil
}

func (s *Store) recount() {
	clear(s.counts)
	for l, err := range s.own(time.Time{}) {
		if err != nil {
			s.log.Warn("counting dead letters", "err", err)
			return
		}
		s.counts[pair{l.Source, l.Sink}]++
	}
}

// Add returns nil once the letters are on disk. It waits while the disk is slow or has
// no room, until ctx ends. The error wraps ErrFull when the store itself is full; after
// any other error some of the letters may be there. Add keeps nothing of them. A letter
// too large for the store loses what was rendered, then the end of its raw event, and
// its Size tells.
func (s *Store) Add(ctx context.Context, letters ...Letter) error {
	if s.bodies != nil {
		var bodies []Letter
		if letters, bodies = apart(letters, func(l *Letter) bool { return l.Sink == NoSink }); len(bodies) > 0 {
			if err := s.bodies.addBodies(ctx, bodies); err != nil {
				return err
			}
		}
	}
	if len(letters) == 0 {
		return nil
	}
	if n := s.spool.Stats().Bytes; n >= s.most {
		return fmt.Errorf("%w: %d MiB; siemfwd dead shows them, siemfwd dead clear makes room", ErrFull, n>>20)
	}
	return s.change(ctx, func(w *writer, counts map[pair]uint64) {
		now := s.now()
		for i := range letters {
			l := &letters[i]
			w.buf = l.fit().Append(w.buf[:0])
			w.batch.Add(event.Raw{Data: w.buf, Time: now, Peer: l.Peer})
			counts[pair{l.Source, l.Sink}]++
		}
	}, nil)
}

// fit returns the letter as large as the log can hold one.
func (l *Letter) fit() *Letter {
	const room = spool.MaxEvent - 64<<10
	rest := len(l.Source) + len(l.Sink) + len(l.Reason) + len(l.Answer) + len(l.UID)
	if rest+len(l.Raw)+len(l.Rendered) <= room {
		return l
	}
	n := *l
	n.Size = max(n.Size, len(n.Raw))
	n.Rendered = nil
	n.Reason, n.Answer = n.Reason[:min(len(n.Reason), 4096)], n.Answer[:min(len(n.Answer), 4096)]
	rest = len(n.Source) + len(n.Sink) + len(n.Reason) + len(n.Answer) + len(n.UID)
	n.Raw = n.Raw[:min(len(n.Raw), room-rest)]
	return &n
}

// Remove forgets letters, which All has yielded; those that are gone already are passed
// over. It returns nil once that is durable.
func (s *Store) Remove(ctx context.Context, letters ...Letter) error {
	if s.bodies != nil {
		var bodies []Letter
		if letters, bodies = apart(letters, func(l *Letter) bool { return l.ID >= bodiesFrom }); len(bodies) > 0 {
			if err := s.bodies.Remove(ctx, shifted(bodies)...); err != nil {
				return err
			}
		}
	}
	var gone set
	err := s.change(ctx, func(w *writer, counts map[pair]uint64) {
		s.mu.Lock()
		gone = slices.Clone(s.gone)
		s.mu.Unlock()
		for i := range letters {
			l := &letters[i]
			if l.ID == 0 || gone.has(l.ID) {
				continue
			}
			gone = gone.add(l.ID)
			p := pair{l.Source, l.Sink}
			if counts[p] > 0 {
				counts[p]--
			}
			if counts[p] == 0 {
				delete(counts, p)
			}
		}
		w.batch.Marks = append(w.batch.Marks, event.Mark{Key: markGone, Value: gone.append(nil)})
	}, func() { s.gone = gone })
	if err == nil && len(gone) > 0 {
		s.release(gone)
	}
	return err
}

// release lets what is removed from the oldest letter on go from the disk.
func (s *Store) release(gone set) {
	if i, ok := gone.find(s.pin.Position().Index); ok {
		s.unpin(gone[i].end)
	}
}

// releaseAll lets everything before the first letter that is left go, also where damage
// has taken letters that nobody removed.
func (s *Store) releaseAll() {
	if len(s.gone) == 0 {
		return
	}
	first := s.gone[len(s.gone)-1].end
	for l, err := range s.own(time.Time{}) {
		if err != nil {
			s.log.Warn("removed dead letters keep their space", "err", err)
			return
		}
		first = min(first, l.ID)
		break
	}
	s.unpin(first)
}

func (s *Store) unpin(first uint64) {
	if err := s.pin.Commit(spool.Pos{Index: first}); err != nil {
		s.log.Warn("removed dead letters keep their space", "err", err)
	}
}

// change makes one durable change. fill puts letters and marks into the writer's
// batch and changes its copy of the counts; done, if any, is called under s.mu when
// the log has them, together with taking over the counts.
func (s *Store) change(ctx context.Context, fill func(w *writer, counts map[pair]uint64), done func()) error {
	var w *writer
	select {
	case w = <-s.turn:
	case <-ctx.Done():
		return ctx.Err()
	}
	s.mu.Lock()
	counts := maps.Clone(s.counts)
	s.mu.Unlock()
	w.batch.Reset()
	fill(w, counts)
	w.batch.Marks = append(w.batch.Marks, event.Mark{Key: markCounts, Value: appendCounts(nil, counts)})
	ticket, err := s.spool.Append(ctx, &w.batch)
	if err == nil {
		s.mu.Lock()
		s.counts = counts
		if done != nil {
			done()
		}
		s.mu.Unlock()
	}
	if cap(w.buf) > 1<<20 {
		w.buf = nil
	}
	s.turn <- w
	if err != nil {
		return err
	}
	return s.spool.Wait(ctx, ticket)
}

// All yields the letters put here at since or later, oldest first, and after them those
// for NoSink; the zero time is no bound. A letter's Raw and Rendered are valid until the next one is asked for. What
// cannot be read as a letter is yielded as one that has only ID, At, Raw and a Reason
// that says so. An error ends the sequence.
func (s *Store) All(since time.Time) iter.Seq2[Letter, error] {
	if s.bodies == nil {
		return s.own(since)
	}
	return joined(s.own(since), s.bodies.own(since))
}

// own yields the letters of the store's own log.
func (s *Store) own(since time.Time) iter.Seq2[Letter, error] {
	s.mu.Lock()
	gone := s.gone // never changed, only replaced
	s.mu.Unlock()
	return letters(s.spool.Range(since, time.Time{}), gone)
}

// letters reads the entries of the log as letters, but for those that are gone.
func letters(log iter.Seq2[spool.Entry, error], gone set) iter.Seq2[Letter, error] {
	return func(yield func(Letter, error) bool) {
		for e, err := range log {
			if err != nil {
				yield(Letter{}, err)
				return
			}
			if gone.has(e.Index) {
				continue
			}
			l, err := Decode(e.Data)
			if err != nil {
				l = Letter{Reason: fmt.Sprintf("dead letter cannot be read: %v", err), Raw: e.Data, Size: len(e.Data)}
			}
			l.ID, l.At, l.Peer = e.Index, e.Time, e.Peer
			if !yield(l, nil) {
				return
			}
		}
	}
}

// Counts returns how many letters there are, by source and sink, in the order of their
// names.
func (s *Store) Counts() []Count {
	s.mu.Lock()
	counts := s.counts // never changed, only replaced
	s.mu.Unlock()
	return listed(counts, s.bodies.own(time.Time{}))
}

// Kept is Counts without what was to go to NoSink, which takes no time.
func (s *Store) Kept() []Count {
	s.mu.Lock()
	counts := s.counts
	s.mu.Unlock()
	return listed(counts, func(func(Letter, error) bool) {})
}

// listed counts bodies besides: what gave way to newer ones is in no count.
func listed(counts map[pair]uint64, bodies iter.Seq2[Letter, error]) []Count {
	counts = maps.Clone(counts)
	for l, err := range bodies {
		if err != nil {
			break
		}
		counts[pair{l.Source, l.Sink}]++
	}
	list := make([]Count, 0, len(counts))
	for p, n := range counts {
		list = append(list, Count{p.source, p.sink, n})
	}
	slices.SortFunc(list, func(a, b Count) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Sink, b.Sink))
	})
	return list
}

// Bytes is the size of the store on disk.
func (s *Store) Bytes() int64 { return s.spool.Stats().Bytes + s.bodies.spool.Stats().Bytes }

// Close makes everything durable and lets go of the folder.
func (s *Store) Close() error {
	s.pin.Close()
	err := s.spool.Close()
	if s.bodies != nil {
		err = errors.Join(err, s.bodies.Close())
	}
	return err
}

// appendCounts appends for each pair the source, the sink, each with its length before
// it, and the number; all numbers are unsigned varints.
func appendCounts(dst []byte, counts map[pair]uint64) []byte {
	for p, n := range counts {
		for _, name := range []string{p.source, p.sink} {
			dst = binary.AppendUvarint(dst, uint64(len(name)))
			dst = append(dst, name...)
		}
		dst = binary.AppendUvarint(dst, n)
	}
	return dst
}

var errCounts = errors.New("counts of dead letters are malformed")

func parseCounts(b []byte, into map[pair]uint64) error {
	for len(b) > 0 {
		var names [2]string
		for i := range names {
			size, n := binary.Uvarint(b)
			if n <= 0 || size > uint64(len(b)-n) {
				return errCounts
			}
			names[i] = string(b[n : n+int(size)])
			b = b[n+int(size):]
		}
		count, n := binary.Uvarint(b)
		if n <= 0 {
			return errCounts
		}
		into[pair{names[0], names[1]}] = count
		b = b[n:]
	}
	return nil
}
