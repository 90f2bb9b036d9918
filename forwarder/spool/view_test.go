package spool_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/spool"
)

// looked is what a view of a log shows.
type looked struct {
	texts  []string
	segs   []spool.Checked
	places uint64
	lost   uint64
}

func look(t *testing.T, v *spool.View) (l looked) {
	t.Helper()
	for e, err := range v.Range(time.Time{}, time.Time{}) {
		require.NoError(t, err)
		l.texts = append(l.texts, string(e.Data))
	}
	var read int64
	require.NoError(t, v.Check(t.Context(), func(c *spool.Checked) {
		l.segs = append(l.segs, *c)
		l.places += c.Places
		l.lost += c.Lost
		require.LessOrEqual(t, len(c.Damage), int(c.Places))
	}, func(n int64) { require.GreaterOrEqual(t, n, read); read = n }))
	require.Equal(t, v.Bytes(), read)
	return l
}

func TestViewOfALogAtRest(t *testing.T) {
	for _, closed := range []bool{true, false} {
		w := write(t, closed)
		v, err := spool.Look("/log", w.fs)
		require.NoError(t, err)
		assert.EqualValues(t, 1, v.First())
		assert.EqualValues(t, len(w.texts)+1, v.Next())
		assert.Equal(t, time.Unix(1_700_000_000, 0).UTC(), v.Oldest())
		assert.Equal(t, v.Oldest(), v.Newest())
		assert.Empty(t, v.Foreign)
		assert.Empty(t, v.Quarantine)
		require.Len(t, v.Cursors, 1)
		c := v.Cursors[0]
		assert.Equal(t, "sink", c.Name)
		assert.Equal(t, 2, c.Slots)
		assert.Empty(t, c.Problem(v.First(), v.Next()))
		n, oldest := v.Behind(spool.Pos{Index: 101})
		assert.EqualValues(t, len(w.texts)-100, n)
		assert.Equal(t, v.Oldest(), oldest)
		for e, err := range v.Range(time.Time{}, time.Time{}) { // with the place, or a wrong one
			require.NoError(t, err)
			wrong := e.Pos
			wrong.Offset -= 7
			for _, p := range []spool.Pos{e.Pos, wrong} {
				n, oldest = v.Behind(p)
				assert.EqualValues(t, len(w.texts)-int(e.Index), n)
				assert.Equal(t, n == 0, oldest.IsZero())
			}
		}
		n, oldest = v.Behind(spool.Pos{Index: v.Next()})
		assert.Zero(t, n)
		assert.True(t, oldest.IsZero())
		for key, value := range w.marks {
			assert.Equal(t, value, string(v.Mark(key)))
		}
		l := look(t, v)
		assert.Equal(t, w.texts, l.texts)
		assert.Zero(t, l.places)
		assert.Len(t, l.segs, len(w.segs))
		events := uint64(0)
		for _, s := range l.segs {
			events += s.Events
			assert.Zero(t, s.Unfinished)
			assert.False(t, s.Gone)
		}
		assert.EqualValues(t, len(w.texts), events)
	}
	_, err := spool.Look(filepath.Join(t.TempDir(), "none"), nil)
	assert.ErrorIs(t, err, os.ErrNotExist)
}

// TestViewTellsTheDamage changes a log at rest; what a view yields, and counts as lost, is
// what those get who open the log.
func TestViewTellsTheDamage(t *testing.T) {
	logs := []*written{write(t, true), write(t, false)}
	cases := 400
	if testing.Short() {
		cases = 100
	}
	for i := range uint64(cases) {
		r := rand.New(rand.NewPCG(*seed+i, 11))
		w := logs[r.IntN(2)]
		m := mutations[r.IntN(len(mutations))]
		name := w.segs[r.IntN(len(w.segs))]
		newest := name == w.segs[len(w.segs)-1]
		t.Run(fmt.Sprintf("%d %s %s", *seed+i, m.name, filepath.Base(name)), func(t *testing.T) {
			fs := w.fs.Clone()
			fs.Change(name, func(data []byte) []byte { return m.do(r, data) })
			before := fs.String()
			v, err := spool.Look("/log", fs)
			require.NoError(t, err)
			l := look(t, v)
			require.Equal(t, before, fs.String(), "looking changes nothing")

			s, err := spool.Open("/log", spool.Options{FS: fs, Segment: 8000, Keep: time.Hour, Log: testLog(t)})
			require.NoError(t, err)
			defer s.Close()
			var opened []string
			for e, err := range s.Range(time.Time{}, time.Time{}) {
				require.NoError(t, err)
				opened = append(opened, string(e.Data))
			}
			require.Equal(t, opened, l.texts)
			lost := l.lost
			if c := v.Cursors[0]; c.Seen > v.Next() {
				lost += c.Seen - v.Next()
				require.Contains(t, c.Problem(v.First(), v.Next()), "are lost")
			}
			if !newest {
				first := uint64(1)
				if len(l.segs) > 0 {
					first = l.segs[0].First
				}
				require.EqualValues(t, len(w.texts)-len(opened), lost+first-1, "every event that is not there is told")
			}
		})
	}
}

func TestCheckNamesThePlace(t *testing.T) {
	w := write(t, true)
	frame := w.frames[70]
	var name string
	var at int
	for _, n := range w.segs {
		w.fs.Change(n, func(data []byte) []byte {
			if i := bytes.Index(data, frame); i >= 0 {
				name, at = n, i
				data[i+len(frame)-1] ^= 1
			}
			return data
		})
	}
	v, err := spool.Look("/log", w.fs)
	require.NoError(t, err)
	l := look(t, v)
	assert.EqualValues(t, 1, l.places)
	assert.EqualValues(t, 1, l.lost)
	for _, s := range l.segs {
		if s.Path == name {
			assert.Equal(t, []spool.Damage{{Offset: int64(at), Bytes: int64(len(frame)), First: 71, Events: 1, Why: "no intact frame"}}, s.Damage)
		} else {
			assert.Empty(t, s.Damage)
		}
	}

	// A torn end is no damage, a cursor without an intact slot is.
	last := w.segs[len(w.segs)-1]
	w.fs.Change(last, func(data []byte) []byte { return append(data, w.frames[3][:40]...) })
	w.fs.Change("/log/cursors/sink.cur", func(data []byte) []byte { clear(data); return data })
	v, err = spool.Look("/log", w.fs)
	require.NoError(t, err)
	l = look(t, v)
	assert.EqualValues(t, 1, l.places)
	assert.EqualValues(t, 40, l.segs[len(l.segs)-1].Unfinished)
	assert.Contains(t, v.Cursors[0].Problem(1, v.Next()), "damaged")
	assert.Contains(t, (&spool.CursorFile{Slots: 1, Pos: spool.Pos{Index: 9}, Seen: 9}).Problem(1, 5), "4 events are lost")
}

// TestViewBesideAWriter looks at a log from outside, and from within, while events come,
// are delivered and are removed: there is never any damage.
func TestViewBesideAWriter(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, spool.Options{Segment: 32 << 10, Max: 256 << 10})
	r, err := s.Reader("out", spool.Oldest)
	require.NoError(t, err)
	done, stop := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		var run spool.Run
		for n := 0; ; n += 20 {
			select {
			case <-stop:
				return
			default:
			}
			if !assert.NoError(t, s.Emit(context.Background(), numbered(n, n+20))) || !assert.NoError(t, r.Next(context.Background(), &run, spool.Limits{})) {
				return
			}
			assert.NoError(t, r.Commit(run.Entries[len(run.Entries)-1].Pos))
		}
	}()
	var events uint64
	for i := range 200 {
		v := s.View()
		if i%2 == 0 {
			v, err = spool.Look(dir, nil)
			require.NoError(t, err)
		}
		require.NoError(t, v.Check(t.Context(), func(c *spool.Checked) {
			events += c.Events
			require.Empty(t, c.Damage)
		}, func(int64) {}))
		next := v.Next()
		for _, c := range v.Cursors {
			require.Empty(t, c.Problem(v.First(), next))
		}
		for _, err := range v.Range(time.Time{}, time.Time{}) {
			require.NoError(t, err)
		}
	}
	close(stop)
	<-done
	assert.NotZero(t, events)
}

func TestViewPartOfTheTime(t *testing.T) {
	dir := t.TempDir()
	at := time.Unix(1_700_000_000, 0).UTC()
	s := open(t, dir, spool.Options{Segment: 1, Keep: century, Now: func() time.Time { return at }})
	for i := range 10 {
		b := batch(fmt.Sprint(i))
		require.NoError(t, s.Emit(t.Context(), b))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("x"), 0o600))
	v := s.View()
	assert.Len(t, v.Segments, s.Stats().Segments)
	l := look(t, v)
	assert.Len(t, l.texts, 10)
	n := 0
	for _, err := range v.Range(v.Newest().Add(time.Nanosecond), time.Time{}) {
		require.NoError(t, err)
		n++
	}
	assert.Zero(t, n)
	out, err := spool.Look(dir, nil)
	require.NoError(t, err)
	assert.Equal(t, []string{"notes.txt"}, out.Foreign)
	assert.Equal(t, l.texts, look(t, out).texts)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	assert.ErrorIs(t, out.Check(ended, func(*spool.Checked) {}, func(int64) {}), context.Canceled)
	assert.True(t, strings.HasSuffix(out.Segments[0].Path, ".seg"))
}
