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

// FuzzLook gives a folder a segment and a cursor of any content. A look at it comes to an
// end, counts every event it yields, changes nothing, and shows all that those get who open it.
func FuzzLook(f *testing.F) {
	fs := faultfs.New()
	s, err := spool.Open("/log", spool.Options{FS: fs})
	require.NoError(f, err)
	_, err = s.Reader("sink", spool.Oldest)
	require.NoError(f, err)
	for i := range 5 {
		b := numbered(i, i+3)
		if i%2 == 0 {
			b.Marks = []event.Mark{{Key: "k", Value: []byte{byte(i)}}, {Key: "l"}}
		}
		require.NoError(f, s.Emit(ctx(f), b))
	}
	require.NoError(f, s.Close())
	const name, cursor = "/log/00000000000000000001.seg", "/log/cursors/sink.cur"
	var seg, cur []byte
	fs.Change(name, func(data []byte) []byte { seg = bytes.Clone(data); return data })
	fs.Change(cursor, func(data []byte) []byte { cur = bytes.Clone(data); return data })
	f.Add(seg, cur)
	f.Add(seg[:len(seg)-5], cur[:60])
	f.Add(append(bytes.Clone(seg[:100]), seg[130:]...), []byte{})
	f.Add(append(bytes.Clone(seg), seg...), cur)
	f.Add([]byte{}, cur)
	f.Fuzz(func(t *testing.T, data, cur []byte) {
		fs := faultfs.New()
		require.NoError(t, fs.Mkdir("/log/cursors"))
		fs.Change(name, func([]byte) []byte { return bytes.Clone(data) })
		fs.Change(cursor, func([]byte) []byte { return bytes.Clone(cur) })
		v, err := spool.Look("/log", fs)
		require.NoError(t, err)
		var got []string
		for e, err := range v.Range(time.Time{}, time.Time{}) {
			require.NoError(t, err)
			got = append(got, string(e.Data))
		}
		events := uint64(0)
		require.NoError(t, v.Check(t.Context(), func(c *spool.Checked) {
			events += c.Events
			require.GreaterOrEqual(t, c.Next, c.First)
			lost := uint64(0)
			for _, d := range c.Damage {
				lost += d.Events
				require.LessOrEqual(t, d.Offset+d.Bytes, c.Size)
			}
			require.Equal(t, c.Lost, lost)
		}, func(int64) {}))
		require.GreaterOrEqual(t, events, uint64(len(got)))
		for i := range v.Cursors {
			_ = v.Cursors[i].Problem(v.First(), v.Next())
		}
		for _, name := range fs.Names() {
			fs.Change(name, func(now []byte) []byte {
				require.True(t, bytes.Equal(now, data) || bytes.Equal(now, cur), name)
				return now
			})
		}

		s, err := spool.Open("/log", spool.Options{FS: fs, Keep: century})
		require.NoError(t, err)
		defer s.Close()
		var opened []string
		for e, err := range s.Range(time.Time{}, time.Time{}) {
			require.NoError(t, err)
			opened = append(opened, string(e.Data))
		}
		for _, text := range got { // but for what was never acknowledged
			if len(opened) > 0 && opened[0] == text {
				opened = opened[1:]
			}
		}
		require.Empty(t, opened)
	})
}
