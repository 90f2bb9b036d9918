package spool_test

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/spool"
	"github.com/siemfwd/siemfwd/forwarder/spool/faultfs"
)

// big returns a batch of one event of about a KiB.
func big(i int) *event.Batch {
	b := &event.Batch{}
	b.Add(event.Raw{Data: []byte(fmt.Sprintf("%d ", i) + strings.Repeat("z", 1000)), Time: time.Now()})
	return b
}

// full opens a log that holds about a hundred KiB and one reader of it.
func full(t *testing.T, o spool.Options) (*spool.Spool, *spool.Reader) {
	if o.FS == nil {
		o.FS = faultfs.New()
		o.Max = 100 << 10
	}
	o.Log = testLog(t)
	s := open(t, "/log", o)
	r, err := s.Reader("sink", spool.Oldest)
	require.NoError(t, err)
	return s, r
}

func TestReach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, "/log", spool.Options{FS: faultfs.New(), Segment: 4000, Keep: time.Hour})
		require.Zero(t, s.Reach(1))
		began := time.Now()
		for i := range 100 {
			require.NoError(t, s.Emit(t.Context(), big(i)))
			time.Sleep(time.Second)
		}
		require.Zero(t, s.Reach(s.Stats().Bytes), "it has no more")
		octets := int64(0)
		for e, err := range s.Range(s.Reach(20_000), time.Time{}) {
			require.NoError(t, err)
			octets += int64(len(e.Data))
		}
		require.InDelta(t, 20_000, octets, 6000)
		require.WithinRange(t, s.Reach(20_000), began, time.Now())
	})
}

func TestDeliveredEventsStayForKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, "/log", spool.Options{FS: faultfs.New(), Segment: 4000, Keep: time.Hour})
		a, err := s.Reader("a", spool.Oldest)
		require.NoError(t, err)
		b, err := s.Reader("b", spool.Oldest)
		require.NoError(t, err)
		for i := range 50 {
			require.NoError(t, s.Emit(t.Context(), big(i)))
		}
		segments := s.Stats().Segments
		require.Greater(t, segments, 8)

		require.NoError(t, a.Commit(take(t, a, 50)[49].Pos))
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		require.Equal(t, segments, s.Stats().Segments, "b has nothing yet")

		got := take(t, b, 50)
		require.NoError(t, b.Commit(got[24].Pos))
		time.Sleep(2 * time.Second)
		require.Less(t, s.Stats().Segments, segments, "both have half")
		require.Greater(t, s.Stats().Segments, 3)
		require.LessOrEqual(t, s.Stats().First, uint64(26))

		require.NoError(t, b.Commit(got[49].Pos))
		time.Sleep(2 * time.Second)
		require.Equal(t, 1, s.Stats().Segments)

		for i := range 10 {
			require.NoError(t, s.Emit(t.Context(), big(i)))
		}
		require.NoError(t, a.Commit(take(t, a, 10)[9].Pos))
		require.NoError(t, b.Commit(take(t, b, 10)[9].Pos))
		n := s.Stats().Segments
		time.Sleep(50 * time.Minute)
		require.Equal(t, n, s.Stats().Segments, "still wanted for replay")
		time.Sleep(20 * time.Minute)
		require.Equal(t, 1, s.Stats().Segments)
		require.Zero(t, a.Skipped())
		require.Zero(t, b.Skipped())
	})
}

func TestDeliveredEventsGiveWayFirst(t *testing.T) {
	for _, policy := range []spool.WhenFull{spool.Block, spool.DropOldest, spool.DropNewest} {
		synctest.Test(t, func(t *testing.T) {
			s, r := full(t, spool.Options{Keep: 1000 * time.Hour, WhenFull: policy})
			for i := range 500 {
				require.NoError(t, s.Emit(t.Context(), big(i)))
				got := take(t, r, 1)
				require.True(t, strings.HasPrefix(string(got[0].Data), fmt.Sprint(i, " ")), "event %d", i)
				require.NoError(t, r.Commit(got[0].Pos))
			}
			st := s.Stats()
			require.LessOrEqual(t, st.Bytes, int64(100<<10))
			require.Greater(t, st.Bytes, int64(40<<10), "what there is room for is kept")
			require.Zero(t, st.Dropped)
			require.Zero(t, r.Skipped())
		})
	}
}

func TestBlockWaitsForTheSlowestReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := full(t, spool.Options{WhenFull: spool.Block})
		emitted := 0
		for {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			err := s.Emit(ctx, big(emitted))
			cancel()
			if err != nil {
				require.ErrorIs(t, err, spool.ErrFull)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				break
			}
			emitted++
		}
		require.InDelta(t, 95, emitted, 5)
		require.True(t, s.Stats().Full)
		require.LessOrEqual(t, s.Stats().Bytes, int64(100<<10))

		done := make(chan error, 1)
		go func() { done <- s.Emit(t.Context(), big(emitted)) }()
		synctest.Wait()
		require.Empty(t, done)
		got := take(t, r, emitted)
		require.NoError(t, r.Commit(got[39].Pos))
		require.NoError(t, <-done)
		require.False(t, s.Stats().Full)
		require.Equal(t, uint64(emitted+2), s.Stats().Next)
		require.Zero(t, r.Skipped())
	})
}

func TestDropOldestExpiresForThoseBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, dead := full(t, spool.Options{WhenFull: spool.DropOldest})
		live, err := s.Reader("live", spool.Oldest)
		require.NoError(t, err)
		var first []spool.Entry // in flight for long
		for i := range 1000 {
			require.NoError(t, s.Emit(t.Context(), big(i)))
			if i < 5 {
				first = append(first, take(t, dead, 1)...)
			}
			require.NoError(t, live.Commit(take(t, live, 1)[0].Pos))
			a := dead.Account()
			require.EqualValues(t, i+1, a.Waiting+a.Expired, "received = waiting + expired")
		}
		require.Zero(t, live.Skipped())
		require.LessOrEqual(t, s.Stats().Bytes, int64(100<<10))
		require.Greater(t, dead.Skipped().Expired, uint64(800))
		require.Zero(t, s.Stats().Dropped)

		// What was in flight is done with now, and not expired.
		require.NoError(t, dead.Commit(first[4].Pos))
		time.Sleep(2 * time.Second)
		n, _ := dead.Waiting()
		require.EqualValues(t, 1000, 5+n+dead.Skipped().Expired)
		got := take(t, dead, int(n))
		require.EqualValues(t, 1000, got[n-1].Index)
		require.Equal(t, 1+5+dead.Skipped().Expired, got[0].Index)
	})
}

func TestDropNewestCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := full(t, spool.Options{WhenFull: spool.DropNewest})
		for i := range 300 {
			require.NoError(t, s.Emit(t.Context(), big(i)))
		}
		st := s.Stats()
		require.EqualValues(t, 300, st.Dropped+st.Next-1)
		require.InDelta(t, 205, st.Dropped, 5)
		require.True(t, st.Full)
		got := take(t, r, int(st.Next-1))
		require.NoError(t, r.Commit(got[len(got)-1].Pos))
		time.Sleep(2 * time.Second)
		require.NoError(t, s.Emit(t.Context(), big(300)))
		require.Equal(t, st.Dropped, s.Stats().Dropped)
		require.Equal(t, "300 ", string(take(t, r, 1)[0].Data[:4]))
	})
}

// A batch larger than the whole log is taken when there is nothing else.
func TestBatchLargerThanMax(t *testing.T) {
	for _, policy := range []spool.WhenFull{spool.Block, spool.DropOldest} {
		synctest.Test(t, func(t *testing.T) {
			s, r := full(t, spool.Options{WhenFull: policy})
			for range 3 {
				require.NoError(t, s.Emit(t.Context(), big(1)))
				require.NoError(t, r.Commit(take(t, r, 1)[0].Pos))
				b := &event.Batch{}
				for i := range 200 {
					b.Add(big(i).At(0))
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				require.NoError(t, s.Emit(ctx, b))
				cancel()
				require.NoError(t, r.Commit(take(t, r, 200)[199].Pos))
			}
			require.Zero(t, r.Skipped())
		})
	}
}

func TestFullDiskRecoversAlone(t *testing.T) {
	for _, policy := range []spool.WhenFull{spool.Block, spool.DropOldest, spool.DropNewest} {
		synctest.Test(t, func(t *testing.T) {
			fs := faultfs.New()
			s, r := full(t, spool.Options{FS: fs, WhenFull: policy, Segment: 10 << 10})
			fs.Room(fs.Used() + 50<<10)
			var acked []string
			failed := 0
			emit := func(i int) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				before := s.Stats().Dropped
				switch err := s.Emit(ctx, big(i)); {
				case err != nil:
					require.ErrorIs(t, err, spool.ErrFull)
					require.ErrorIs(t, err, syscall.ENOSPC)
					failed++
				case s.Stats().Dropped == before:
					acked = append(acked, fmt.Sprint(i, " "))
				}
			}
			for i := range 100 {
				emit(i)
			}
			switch policy {
			case spool.Block:
				require.InDelta(t, 45, failed, 10)
				require.True(t, s.Stats().Full)
				require.ErrorIs(t, s.Stats().Err, syscall.ENOSPC)
			case spool.DropNewest:
				require.InDelta(t, 45, s.Stats().Dropped, 10)
			case spool.DropOldest:
				require.Zero(t, s.Stats().Dropped)
				require.Greater(t, r.Skipped().Expired, uint64(30))
			}
			// Cursors can still be written.
			require.NoError(t, r.Commit(take(t, r, 1)[0].Pos))
			fs.Room(-1)
			time.Sleep(2 * time.Second)
			for i := 100; i < 120; i++ {
				emit(i)
			}
			require.False(t, s.Stats().Full)
			require.NoError(t, s.Stats().Err)
			got := take(t, r, int(s.Stats().Next-r.Position().Index))
			require.Zero(t, r.Skipped().Damaged)
			want := acked[len(acked)-len(got):]
			for i, e := range got {
				require.True(t, strings.HasPrefix(string(e.Data), want[i]))
			}
		})
	}
}
