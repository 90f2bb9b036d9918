package spool_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/spool"
	"github.com/siemfwd/siemfwd/forwarder/spool/faultfs"
)

func TestRewind(t *testing.T) {
	s := open(t, t.TempDir(), spool.Options{Segment: 1000})
	r, err := s.Reader("sink", spool.Oldest)
	require.NoError(t, err)
	r.Rewind()
	require.NoError(t, s.Emit(ctx(t), numbered(0, 100)))
	got := take(t, r, 60)
	require.NoError(t, r.Commit(got[9].Pos))
	for range 2 {
		r.Rewind()
		require.Equal(t, "event 10", string(take(t, r, 90)[0].Data))
	}
	n, _ := r.Waiting()
	require.EqualValues(t, 90, n)
	require.NoError(t, r.Commit(got[59].Pos))
	r.Rewind()
	require.Equal(t, "event 60", string(take(t, r, 1)[0].Data))
	r.Close()
	r.Rewind()

	nameless, err := s.Reader("", spool.Oldest)
	require.NoError(t, err)
	take(t, nameless, 1)
	nameless.Rewind()
	require.Equal(t, "event 1", string(take(t, nameless, 1)[0].Data))
}

func TestNextOr(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, "/log", spool.Options{FS: faultfs.New()})
		r, err := s.Reader("sink", spool.Newest)
		require.NoError(t, err)
		var run spool.Run
		other := make(chan struct{})
		go func() { time.Sleep(time.Hour); close(other) }()
		require.NoError(t, r.NextOr(t.Context(), &run, spool.Limits{}, other))
		require.Empty(t, run.Entries)
		require.NoError(t, s.Emit(t.Context(), batch("news")))
		require.NoError(t, r.NextOr(t.Context(), &run, spool.Limits{}, other))
		require.Len(t, run.Entries, 1, "events come first")
	})
}

// TestRewindCountsOnce reads a damaged log that loses its oldest events, again and
// again, and holds the account at every step.
func TestRewindCountsOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := spool.Options{FS: faultfs.New(), Keep: century, Segment: 2000, Max: 20000, WhenFull: spool.DropOldest}
		s, err := spool.Open("/log", o)
		require.NoError(t, err)
		emitted := 0
		emit := func(n int) {
			for range n {
				emitted++
				b := &event.Batch{}
				b.Add(event.Raw{Data: fmt.Appendf(nil, "%d %s", emitted, strings.Repeat("z", emitted%7*50)), Time: time.Now()})
				require.NoError(t, s.Emit(context.Background(), b))
			}
		}
		r, err := s.Reader("sink", spool.Oldest)
		require.NoError(t, err)
		emit(60)
		left := o.FS.(*faultfs.FS).Kill()
		s.Close()
		for _, name := range left.Names() {
			if filepath.Ext(name) == ".seg" {
				left.Change(name, func(data []byte) []byte {
					for range rapid.IntRange(0, 3).Draw(t, "flips") {
						data[rapid.IntRange(0, len(data)-1).Draw(t, "at")] ^= 1
					}
					return data
				})
			}
		}
		o.FS = left
		s, err = spool.Open("/log", o)
		require.NoError(t, err)
		defer s.Close()
		r, err = s.Reader("sink", spool.Oldest)
		require.NoError(t, err)
		base := s.Stats().Next - 1 - uint64(emitted) // numbers that damage at the end has cost
		settled := uint64(0)
		var flight []spool.Pos
		var last uint64
		var before spool.Skipped
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				a := r.Account()
				require.Equal(t, uint64(emitted)+base, settled+a.Expired+a.Damaged+a.Waiting, "%+v, settled %d", a, settled)
				require.GreaterOrEqual(t, a.Expired, before.Expired)
				require.GreaterOrEqual(t, a.Damaged, before.Damaged)
				before = a.Skipped
			},
			"emit": func(t *rapid.T) { emit(rapid.IntRange(1, 20).Draw(t, "events")) },
			"read": func(t *rapid.T) {
				var run spool.Run
				over := make(chan struct{})
				close(over)
				require.NoError(t, r.NextOr(context.Background(), &run, spool.Limits{Events: rapid.IntRange(1, 30).Draw(t, "limit")}, over))
				for _, e := range run.Entries {
					require.Greater(t, e.Index, last)
					last = e.Index
					flight = append(flight, e.Pos)
				}
			},
			"commit": func(t *rapid.T) {
				if len(flight) == 0 {
					t.Skip("nothing in flight")
				}
				n := rapid.IntRange(1, len(flight)).Draw(t, "entries")
				require.NoError(t, r.Commit(flight[n-1]))
				settled += uint64(n)
				flight = flight[n:]
			},
			"rewind": func(t *rapid.T) {
				r.Rewind()
				flight, last = nil, r.Position().Index-1
			},
		})
	})
}

// What was given up stays given up, even when the disk thinks better of it.
func TestRewindPassesOverWhatWasSkipped(t *testing.T) {
	fs := faultfs.New()
	s := open(t, "/log", spool.Options{FS: fs, Keep: century})
	r, err := s.Reader("sink", spool.Oldest)
	require.NoError(t, err)
	require.NoError(t, s.Emit(ctx(t), batch("one", "two", "three", "four")))
	at := -1
	flip := func() {
		fs.Change("/log/00000000000000000001.seg", func(data []byte) []byte {
			if at < 0 {
				at = strings.Index(string(data), "two")
			}
			data[at] ^= 1
			return data
		})
	}
	flip()
	require.Equal(t, []string{"one", "three"}, texts(take(t, r, 2)))
	flip()
	r.Rewind()
	got := take(t, r, 3)
	require.Equal(t, []string{"one", "three", "four"}, texts(got))
	require.Equal(t, spool.Skipped{Damaged: 1}, r.Skipped())
	require.NoError(t, r.Commit(got[0].Pos))
	require.EqualValues(t, 3, r.Position().Index, "over the gap")
	r.Rewind()
	require.Equal(t, []string{"three", "four"}, texts(take(t, r, 2)))
	require.Equal(t, spool.Skipped{Damaged: 1}, r.Skipped())
}
