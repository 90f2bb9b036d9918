package spool_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/spool"
	"github.com/siemfwd/siemfwd/forwarder/spool/faultfs"
)

// FuzzOpen gives a log a segment of any content, and one that follows it. Opening
// and reading come to an end, the log can be appended to, and what was repaired
// once is in order the next time.
func FuzzOpen(f *testing.F) {
	fs := faultfs.New()
	s, err := spool.Open("/log", spool.Options{FS: fs})
	require.NoError(f, err)
	for i := range 5 {
		b := numbered(i, i+3)
		if i%2 == 0 {
			b.Marks = []event.Mark{{Key: "k", Value: []byte{byte(i)}}, {Key: "l"}}
		}
		require.NoError(f, s.Emit(ctx(f), b))
	}
	require.NoError(f, s.Close())
	const name = "/log/00000000000000000001.seg"
	fs.Change(name, func(data []byte) []byte {
		f.Add(data, true)
		f.Add(data[:len(data)-5], false)
		f.Add(append(bytes.Clone(data[:100]), data[130:]...), false)
		f.Add(append(bytes.Clone(data), data...), true)
		return data
	})
	f.Add([]byte{}, false)
	f.Add(make([]byte, 100), true)
	f.Fuzz(func(t *testing.T, data []byte, older bool) {
		fs := faultfs.New()
		o := spool.Options{FS: fs, Keep: century}
		if older {
			s, err := spool.Open("/log", spool.Options{FS: fs})
			require.NoError(t, err)
			require.NoError(t, s.Emit(ctx(t), numbered(0, 5)))
			require.NoError(t, s.Close())
			require.NoError(t, fs.Rename(name, "/log/00000000000000000030.seg"))
		}
		require.NoError(t, fs.Mkdir("/log"))
		fs.Change(name, func([]byte) []byte { return bytes.Clone(data) })
		var before []string
		for range 3 {
			s, err := spool.Open("/log", o)
			require.NoError(t, err)
			r, err := s.Reader("sink", spool.Oldest)
			require.NoError(t, err)
			var got []string
			last := uint64(0)
			for e, err := range s.Range(time.Time{}, time.Time{}) {
				require.NoError(t, err)
				require.Greater(t, e.Index, last)
				require.LessOrEqual(t, len(e.Data), e.Size)
				last = e.Index
				got = append(got, string(e.Data))
			}
			if before != nil {
				require.Equal(t, before, got)
			}
			waiting, _ := r.Waiting()
			waiting += r.Skipped().Damaged + r.Skipped().Expired
			require.NoError(t, s.Emit(ctx(t), batch("more")))
			before = append(got, "more")
			require.Equal(t, before, texts(drain(t, s, r)))
			require.EqualValues(t, waiting+1, len(before)+int(r.Skipped().Damaged+r.Skipped().Expired))
			require.NoError(t, s.Close())
		}
	})
}

// FuzzFrame reads frames from anything and writes them again.
func FuzzFrame(f *testing.F) {
	for _, r := range []event.Raw{{Data: []byte("plain")}, {Data: []byte("cut"), Size: 5000, Key: event.Key{1}}, {Peer: events(1, 1).At(0).Peer}} {
		f.Add(spool.AppendEvent(nil, 7, &r))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, index, ok := spool.ParseEvent(b)
		if !ok {
			return
		}
		again, index2, ok := spool.ParseEvent(spool.AppendEvent(nil, index, &r))
		require.True(t, ok)
		require.Equal(t, index, index2)
		require.Equal(t, r, again)
		require.LessOrEqual(t, len(r.Data), len(b))
	})
}
