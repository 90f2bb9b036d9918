package spool_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/spool"
	"github.com/siemfwd/siemfwd/forwarder/spool/faultfs"
)

func TestStart(t *testing.T) {
	s := open(t, t.TempDir(), spool.Options{})
	require.NoError(t, s.Emit(ctx(t), numbered(0, 3)))
	newest, err := s.Reader("newest", spool.Newest)
	require.NoError(t, err)
	oldest, err := s.Reader("oldest", spool.Oldest)
	require.NoError(t, err)
	require.NoError(t, s.Emit(ctx(t), numbered(3, 4)))
	require.Equal(t, []string{"event 3"}, texts(take(t, newest, 1)))
	require.Equal(t, "event 0", texts(take(t, oldest, 4))[0])

	// A name that is known goes on where it was, whatever start says.
	require.NoError(t, oldest.Commit(spool.Pos{Index: 3}))
	oldest.Close()
	oldest, err = s.Reader("oldest", spool.Newest)
	require.NoError(t, err)
	require.Equal(t, []string{"event 2", "event 3"}, texts(take(t, oldest, 2)))
}

func TestNameIsOpenOnce(t *testing.T) {
	s := open(t, t.TempDir(), spool.Options{})
	for _, name := range []string{"plain", "../../etc/x", ".", "a/b c%", "ünï", strings.Repeat("n", 200)} {
		r, err := s.Reader(name, spool.Newest)
		require.NoError(t, err)
		_, err = s.Reader(name, spool.Newest)
		require.ErrorContains(t, err, "open already")
		require.Contains(t, s.Readers(), name)
		r.Close()
		require.ErrorIs(t, r.Commit(spool.Pos{Index: 1}), spool.ErrClosed)
		_, err = s.Reader(name, spool.Newest)
		require.NoError(t, err)
	}
	require.Len(t, s.Readers(), 6)
	_, err := s.Reader(strings.Repeat("n", 300), spool.Newest)
	require.ErrorIs(t, err, spool.ErrTooBig)
	for _, name := range s.Readers() {
		require.NoError(t, s.RemoveReader(name))
	}
	require.NoError(t, s.RemoveReader("never there"))
	require.Empty(t, s.Readers())
}

func TestReadersAreKnownAfterReopen(t *testing.T) {
	fs := faultfs.New()
	s := open(t, "/log", spool.Options{FS: fs})
	for _, name := range []string{"a/b", ".x", "c d"} {
		_, err := s.Reader(name, spool.Oldest)
		require.NoError(t, err)
	}
	require.NoError(t, s.Close())
	s = open(t, "/log", spool.Options{FS: fs})
	require.Equal(t, []string{".x", "a/b", "c d"}, s.Readers())
}

func TestLimits(t *testing.T) {
	s := open(t, t.TempDir(), spool.Options{Segment: 2000})
	r, err := s.Reader("sink", spool.Oldest)
	require.NoError(t, err)
	b := &event.Batch{}
	for range 30 {
		b.Add(event.Raw{Data: make([]byte, 100)})
	}
	b.Add(event.Raw{Data: make([]byte, 5000)})
	require.NoError(t, s.Emit(ctx(t), b))
	var run spool.Run
	require.NoError(t, r.Next(ctx(t), &run, spool.Limits{Events: 3}))
	require.Len(t, run.Entries, 3)
	require.NoError(t, r.Next(ctx(t), &run, spool.Limits{Bytes: 250}))
	require.Len(t, run.Entries, 2)
	require.NoError(t, r.Next(ctx(t), &run, spool.Limits{Bytes: 1}))
	require.Len(t, run.Entries, 1)
	require.NoError(t, r.Next(ctx(t), &run, spool.Limits{Events: 24}))
	require.Len(t, run.Entries, 24)
	require.NoError(t, r.Next(ctx(t), &run, spool.Limits{Bytes: 10}))
	require.Len(t, run.Entries[0].Data, 5000, "one event is always taken")
}

func TestLargeEvents(t *testing.T) {
	s := open(t, t.TempDir(), spool.Options{Segment: 1 << 20})
	r, err := s.Reader("sink", spool.Oldest)
	require.NoError(t, err)
	sizes := []int{0, 1, 300_000, 5, 3 << 20, 256 << 10, 256<<10 - 36, 7}
	for _, n := range sizes {
		b := &event.Batch{}
		b.Add(event.Raw{Data: []byte(strings.Repeat("q", n))})
		require.NoError(t, s.Emit(ctx(t), b))
	}
	for i, e := range take(t, r, len(sizes)) {
		require.Len(t, e.Data, sizes[i])
		require.Empty(t, strings.Trim(string(e.Data), "q"))
	}
	b := &event.Batch{}
	b.Add(event.Raw{Data: make([]byte, spool.MaxEvent+1)})
	require.ErrorIs(t, s.Emit(ctx(t), b), spool.ErrTooBig)
	require.EqualValues(t, len(sizes)+1, s.Stats().Next)
}

func TestCommit(t *testing.T) {
	s := open(t, t.TempDir(), spool.Options{})
	r, err := s.Reader("sink", spool.Oldest)
	require.NoError(t, err)
	require.NoError(t, s.Emit(ctx(t), numbered(0, 10)))
	got := take(t, r, 6)
	waiting := func() int { n, _ := r.Waiting(); return int(n) }
	require.Equal(t, 10, waiting())
	require.NoError(t, r.Commit(got[3].Pos))
	require.Equal(t, 6, waiting())
	require.NoError(t, r.Commit(got[1].Pos)) // going back is ignored
	require.Equal(t, got[3].Pos, r.Position())
	_, oldest := r.Waiting()
	require.Equal(t, time.Unix(4, 0).UTC(), oldest)

	// A position ahead of what was read skips.
	require.NoError(t, r.Commit(spool.Pos{Index: 10}))
	require.Equal(t, []string{"event 9"}, texts(take(t, r, 1)))
	require.NoError(t, r.Commit(spool.Pos{Index: 11}))
	n, oldest := r.Waiting()
	require.Zero(t, n)
	require.Zero(t, oldest)
}

func TestNextWaitsAndWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, "/log", spool.Options{FS: faultfs.New()})
		got := make(chan string, 10)
		for i := range 10 {
			r, err := s.Reader(fmt.Sprint(i), spool.Newest)
			require.NoError(t, err)
			go func() {
				var run spool.Run
				if err := r.Next(context.Background(), &run, spool.Limits{}); err != nil {
					got <- err.Error()
					return
				}
				got <- string(run.Entries[0].Data)
			}()
		}
		synctest.Wait()
		require.Empty(t, got)
		require.NoError(t, s.Emit(t.Context(), batch("news")))
		for range 10 {
			require.Equal(t, "news", <-got)
		}
	})
}

func TestNextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, "/log", spool.Options{FS: faultfs.New()})
		r, err := s.Reader("sink", spool.Newest)
		require.NoError(t, err)
		var run spool.Run
		c, cancel := context.WithTimeout(t.Context(), time.Hour)
		require.ErrorIs(t, r.Next(c, &run, spool.Limits{}), context.DeadlineExceeded)
		cancel()
		go func() { time.Sleep(time.Hour); r.Close() }()
		require.ErrorIs(t, r.Next(t.Context(), &run, spool.Limits{}), spool.ErrClosed)
		r, err = s.Reader("sink", spool.Newest)
		require.NoError(t, err)
		go func() { time.Sleep(time.Hour); s.Close() }()
		require.ErrorIs(t, r.Next(t.Context(), &run, spool.Limits{}), spool.ErrClosed)
		require.ErrorIs(t, s.Emit(t.Context(), batch("x")), spool.ErrClosed)
		require.ErrorIs(t, s.Close(), spool.ErrClosed)
		_, err = s.Reader("other", spool.Newest)
		require.ErrorIs(t, err, spool.ErrClosed)
	})
}

func TestNothingIsReadBeforeItIsDurable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := faultfs.New()
		s := open(t, "/log", spool.Options{FS: fs})
		r, err := s.Reader("sink", spool.Newest)
		require.NoError(t, err)
		release := make(chan struct{})
		fs.Slow(faultfs.Sync, release)
		ticket, err := s.Append(t.Context(), batch("soon"))
		require.NoError(t, err)
		b := batch()
		b.Marks = []event.Mark{{Key: "k", Value: []byte("v")}}
		_, err = s.Append(t.Context(), b)
		require.NoError(t, err)
		c, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var run spool.Run
		require.ErrorIs(t, r.Next(c, &run, spool.Limits{}), context.DeadlineExceeded)
		require.ErrorIs(t, s.Wait(c, ticket), context.DeadlineExceeded)
		require.Nil(t, s.Mark("k"))
		close(release)
		require.NoError(t, s.Wait(t.Context(), ticket))
		require.NoError(t, s.Wait(t.Context(), s.Barrier()))
		require.Equal(t, "v", string(s.Mark("k")))
		require.Equal(t, []string{"soon"}, texts(take(t, r, 1)))
	})
}

func TestRange(t *testing.T) {
	s := open(t, t.TempDir(), spool.Options{Segment: 500, Keep: century})
	for i := 0; i < 100; i += 5 {
		require.NoError(t, s.Emit(ctx(t), numbered(i, i+5)))
	}
	require.Greater(t, s.Stats().Segments, 5)
	collect := func(from, to time.Time) (all []string) {
		for e, err := range s.Range(from, to) {
			require.NoError(t, err)
			all = append(all, string(e.Data))
		}
		return all
	}
	require.Len(t, collect(time.Time{}, time.Time{}), 100)
	got := collect(time.Unix(40, 0), time.Unix(60, 0))
	require.Len(t, got, 20)
	require.Equal(t, "event 40", got[0])
	require.Equal(t, "event 59", got[19])
	require.Len(t, collect(time.Unix(95, 0), time.Time{}), 5)
	require.Empty(t, collect(time.Unix(100, 0), time.Time{}))
	for range s.Range(time.Time{}, time.Time{}) {
		break
	}
	require.Empty(t, s.Readers())
}

// A reader without a name keeps nothing and is not remembered.
func TestReaderWithoutName(t *testing.T) {
	s := open(t, t.TempDir(), spool.Options{})
	require.NoError(t, s.Emit(ctx(t), numbered(0, 5)))
	a, err := s.Reader("", spool.Oldest)
	require.NoError(t, err)
	b, err := s.Reader("", spool.Oldest)
	require.NoError(t, err)
	require.Len(t, take(t, a, 5), 5)
	require.Len(t, take(t, b, 5), 5)
	require.NoError(t, a.Commit(spool.Pos{Index: 3}))
	n, _ := a.Waiting()
	require.Zero(t, n)
	require.Empty(t, s.Readers())
}

func TestReadingDoesNotAllocate(t *testing.T) {
	s := open(t, t.TempDir(), spool.Options{Sync: spool.OS})
	r, err := s.Reader("sink", spool.Oldest)
	require.NoError(t, err)
	for range 100 {
		_, err := s.Append(ctx(t), events(64, 700))
		require.NoError(t, err)
	}
	var run spool.Run
	next := func() {
		if err := r.Next(context.Background(), &run, spool.Limits{Events: 50}); err != nil {
			t.Fatal(err)
		}
		if err := r.Commit(run.Entries[49].Pos); err != nil {
			t.Fatal(err)
		}
	}
	next()
	require.Zero(t, testing.AllocsPerRun(100, next))
}

func TestOpeningReadsTheNewestSegmentOnly(t *testing.T) {
	fs := faultfs.New()
	o := spool.Options{FS: fs, Segment: 20_000, Keep: time.Hour}
	s := open(t, "/log", o)
	for i := range 200 {
		require.NoError(t, s.Emit(ctx(t), big(i)))
	}
	require.NoError(t, s.Close())
	reads := map[string]int{}
	var mu sync.Mutex
	fs.Inject(func(op faultfs.Op, name string) error {
		mu.Lock()
		defer mu.Unlock()
		if op == faultfs.Read {
			reads[name]++
		}
		return nil
	})
	s = open(t, "/log", o)
	require.Greater(t, s.Stats().Segments, 8)
	mu.Lock()
	defer mu.Unlock()
	for name, n := range reads {
		if filepath.Ext(name) == ".seg" && !strings.Contains(name, fmt.Sprintf("%020d", s.Stats().First)) && n > 3 {
			t.Errorf("%s was read %d times", name, n)
		}
	}
	require.LessOrEqual(t, len(reads), s.Stats().Segments)
}

func TestManyEmittersAndReaders(t *testing.T) {
	s := open(t, t.TempDir(), spool.Options{Segment: 50_000, Keep: time.Hour})
	const emitters, batches = 16, 40
	var wg sync.WaitGroup
	for i := range emitters {
		wg.Go(func() {
			for n := range batches {
				if err := s.Emit(ctx(t), batch(fmt.Sprintf("%d %d", i, n), strings.Repeat("x", n))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range 3 {
		r, err := s.Reader(fmt.Sprint(i), spool.Oldest)
		require.NoError(t, err)
		wg.Go(func() {
			var run spool.Run
			next := map[int]int{}
			index := uint64(1)
			for index <= 2*emitters*batches {
				if err := r.Next(ctx(t), &run, spool.Limits{Events: 7 * (i + 1)}); err != nil {
					t.Error(err)
					return
				}
				for _, e := range run.Entries {
					if e.Index != index {
						t.Errorf("event %d instead of %d", e.Index, index)
					}
					index++
					var from, n int
					if k, _ := fmt.Sscanf(string(e.Data), "%d %d", &from, &n); k == 2 {
						if n != next[from] {
							t.Errorf("batch %d of %d instead of %d", n, from, next[from])
						}
						next[from]++
					}
				}
				_ = r.Commit(run.Entries[len(run.Entries)-1].Pos)
			}
		})
	}
	wg.Wait()
}
