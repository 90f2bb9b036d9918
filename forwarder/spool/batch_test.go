package spool_test

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/spool"
	"github.com/siemfwd/siemfwd/forwarder/spool/faultfs"
)

// A batch with a mark loses a frame. If it may have been acknowledged, the other
// events stay; if it cannot have been, nothing of it does. Its mark never counts.
func TestBrokenBatch(t *testing.T) {
	for _, c := range []struct {
		name    string
		acked   bool
		damaged string
		want    []string
		mark    string
	}{
		{"acknowledged, whole", true, "", []string{"before", "a0", "a1", "a2", "after"}, "new"},
		{"acknowledged, first event", true, "a0", []string{"before", "a1", "a2", "after"}, "old"},
		{"acknowledged, an event", true, "a1", []string{"before", "a0", "a2", "after"}, "old"},
		{"acknowledged, last event", true, "a2", []string{"before", "a0", "a1", "after"}, "old"},
		{"acknowledged, its mark", true, "new", []string{"before", "a0", "a1", "a2", "after"}, "old"},
		{"acknowledged, another of its marks", true, "other", []string{"before", "a0", "a1", "a2", "after"}, "old"},
		{"not acknowledged, whole", false, "", []string{"before", "a0", "a1", "a2", "after"}, "new"},
		{"not acknowledged, first event", false, "a0", []string{"before", "after"}, "old"},
		{"not acknowledged, an event", false, "a1", []string{"before", "after"}, "old"},
		{"not acknowledged, last event", false, "a2", []string{"before", "after"}, "old"},
		{"not acknowledged, its mark", false, "new", []string{"before", "after"}, "old"},
		{"not acknowledged, another of its marks", false, "other", []string{"before", "after"}, "old"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fs := faultfs.New()
				s := open(t, "/log", spool.Options{FS: fs, Window: -1})
				b := batch("before")
				b.Marks = []event.Mark{{Key: "k", Value: []byte("old")}}
				require.NoError(t, s.Emit(t.Context(), b))
				release := make(chan struct{})
				if !c.acked {
					fs.Slow(faultfs.Sync, release)
				}
				b = batch("a0", "a1", "a2")
				b.Marks = []event.Mark{{Key: "k", Value: []byte("new")}, {Key: "l", Value: []byte("other")}}
				for _, b := range []*event.Batch{b, batch("after"), batch("end")} {
					_, err := s.Append(t.Context(), b)
					require.NoError(t, err)
					if c.acked {
						require.NoError(t, s.Wait(t.Context(), s.Barrier()))
					}
				}
				left := fs.Kill()
				close(release)
				s.Close()
				if c.damaged != "" {
					left.Change("/log/00000000000000000001.seg", func(data []byte) []byte {
						data[bytes.Index(data, []byte(c.damaged))] ^= 1
						return data
					})
				}
				for range 2 {
					s = open(t, "/log", spool.Options{FS: left, Keep: century})
					var got []string
					for e, err := range s.Range(time.Time{}, time.Time{}) {
						require.NoError(t, err)
						got = append(got, string(e.Data))
					}
					require.Equal(t, append(c.want, "end"), got)
					require.Equal(t, c.mark, string(s.Mark("k")))
					s.Close()
				}
			})
		})
	}
}
