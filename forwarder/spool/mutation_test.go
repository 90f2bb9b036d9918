package spool_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/spool"
	"github.com/siemfwd/siemfwd/forwarder/spool/faultfs"
)

// written is a log, its events and the frames they stand in.
type written struct {
	fs     *faultfs.FS
	closed bool     // in good order
	texts  []string // of event i+1
	frames [][]byte
	segs   []string
	marks  map[string]string
	batch  map[string]int // first event of the batch a mark stands for
}

func write(t *testing.T, closed bool) *written {
	w := &written{fs: faultfs.New(), closed: closed, marks: map[string]string{}, batch: map[string]int{"": 1}}
	s, err := spool.Open("/log", spool.Options{FS: w.fs, Segment: 8000, Keep: time.Hour})
	require.NoError(t, err)
	_, err = s.Reader("sink", spool.Oldest)
	require.NoError(t, err)
	r := rand.New(rand.NewPCG(3, 3))
	for len(w.texts) < 150 {
		b, first := &event.Batch{}, len(w.texts)+1
		for range 1 + r.IntN(4) {
			text := fmt.Sprintf("%d %s", len(w.texts)+1, strings.Repeat("y", r.IntN(400)))
			w.texts = append(w.texts, text)
			b.Add(event.Raw{Data: []byte(text), Time: time.Unix(1_700_000_000, 0)})
		}
		if r.IntN(5) == 0 {
			m := event.Mark{Key: fmt.Sprint("key", r.IntN(2)), Value: fmt.Append(nil, len(w.texts))}
			b.Marks = append(b.Marks, m)
			w.marks[m.Key] = string(m.Value)
			w.batch[string(m.Value)] = first
		}
		require.NoError(t, s.Emit(ctx(t), b))
	}
	if !closed {
		w.fs = w.fs.Kill()
		s.Close()
	} else {
		require.NoError(t, s.Close())
	}
	var all []byte
	for _, name := range w.fs.Names() {
		if filepath.Ext(name) == ".seg" {
			w.segs = append(w.segs, name)
			w.fs.Change(name, func(data []byte) []byte { all = append(all, data...); return data })
		}
	}
	require.Greater(t, len(w.segs), 3)
	for _, text := range w.texts {
		at := bytes.Index(all, []byte(text))
		start := at - spool.HeaderSize
		for !spool.IsFrame(all[start : at+len(text)]) {
			start-- // the header has an optional part
			require.Greater(t, start, at-spool.HeaderSize-100)
		}
		w.frames = append(w.frames, all[start:at+len(text)])
	}
	return w
}

// A mutation changes one file of a log.
var mutations = []struct {
	name string
	do   func(r *rand.Rand, data []byte) []byte
}{
	{"flip a bit", func(r *rand.Rand, data []byte) []byte {
		data[r.IntN(len(data))] ^= 1 << r.IntN(8)
		return data
	}},
	{"flip ten bits", func(r *rand.Rand, data []byte) []byte {
		for range 10 {
			data[r.IntN(len(data))] ^= 1 << r.IntN(8)
		}
		return data
	}},
	{"cut the end off", func(r *rand.Rand, data []byte) []byte { return data[:r.IntN(len(data))] }},
	{"cut a piece out", func(r *rand.Rand, data []byte) []byte {
		i := r.IntN(len(data))
		return append(data[:i:i], data[min(len(data), i+r.IntN(1500)):]...)
	}},
	{"zero a piece", func(r *rand.Rand, data []byte) []byte {
		i := r.IntN(len(data))
		clear(data[i:min(len(data), i+r.IntN(1500))])
		return data
	}},
	{"zero the end", func(r *rand.Rand, data []byte) []byte { clear(data[r.IntN(len(data)):]); return data }},
	{"double a piece", func(r *rand.Rand, data []byte) []byte {
		i := r.IntN(len(data))
		j := min(len(data), i+r.IntN(1500))
		return append(append(data[:j:j], data[i:j]...), data[j:]...)
	}},
	{"add noise", func(r *rand.Rand, data []byte) []byte {
		for range r.IntN(1000) {
			data = append(data, byte(r.Uint32()))
		}
		return data
	}},
	{"add zeros", func(r *rand.Rand, data []byte) []byte { return append(data, make([]byte, r.IntN(5000))...) }},
	{"put noise in", func(r *rand.Rand, data []byte) []byte {
		i := r.IntN(len(data))
		noise := make([]byte, 1+r.IntN(300))
		for j := range noise {
			noise[j] = byte(r.Uint32())
		}
		return append(append(data[:i:i], noise...), data[i:]...)
	}},
	{"empty", func(r *rand.Rand, data []byte) []byte { return []byte{} }},
	{"delete", func(r *rand.Rand, data []byte) []byte { return nil }},
}

// TestDamageCostsOnlyWhatIsDamaged changes a log at rest and wants every event
// back whose frame is still there, and every other one counted.
func TestDamageCostsOnlyWhatIsDamaged(t *testing.T) {
	logs := []*written{write(t, true), write(t, false)}
	cases := 400
	if testing.Short() {
		cases = 80
	}
	if *rounds > 0 {
		cases = *rounds
	}
	for i := range uint64(cases) {
		r := rand.New(rand.NewPCG(*seed+i, 9))
		w := logs[r.IntN(2)]
		m := mutations[r.IntN(len(mutations))]
		name := w.segs[r.IntN(len(w.segs))]
		t.Run(fmt.Sprintf("%d %s %s", *seed+i, m.name, filepath.Base(name)), func(t *testing.T) {
			fs := w.fs.Clone()
			fs.Change(name, func(data []byte) []byte { return m.do(r, data) })
			w.check(t, fs, name == w.segs[len(w.segs)-1])
		})
	}
}

// check opens a damaged log, reads it, appends to it, and does so again.
func (w *written) check(t *testing.T, fs *faultfs.FS, newest bool) {
	var all [][]byte
	for _, name := range fs.Names() {
		if filepath.Ext(name) == ".seg" {
			fs.Change(name, func(data []byte) []byte { all = append(all, data); return data })
		}
	}
	var want []string
	for i, f := range w.frames {
		for _, data := range all {
			if bytes.Contains(data, f) {
				want = append(want, w.texts[i])
				break
			}
		}
	}
	var passed uint64 // lost events the cursor has moved over by itself
	for again := range 2 {
		s, err := spool.Open("/log", spool.Options{FS: fs, Segment: 8000, Keep: time.Hour, Log: testLog(t)})
		require.NoError(t, err)
		rd, err := s.Reader("sink", spool.Oldest)
		require.NoError(t, err)
		require.NoError(t, s.Emit(ctx(t), batch(fmt.Sprint("new ", again))))
		want = append(want, fmt.Sprint("new ", again))
		waiting, _ := rd.Waiting()
		waiting += rd.Skipped().Expired + rd.Skipped().Damaged
		got := drain(t, s, rd)
		require.Equal(t, want, texts(got))
		lost := rd.Skipped().Damaged + rd.Skipped().Expired
		require.EqualValues(t, waiting, uint64(len(got))+lost, "waiting = read + lost")
		if w.closed || !newest {
			require.EqualValues(t, len(w.texts)+again+1-len(want), lost+passed, "every event not there is counted")
		}
		passed = rd.Position().Index - 1
		for key, value := range w.marks {
			got := string(s.Mark(key))
			if !newest {
				require.Equal(t, value, got)
				continue
			}
			last, _ := strconv.Atoi(got)
			for i := w.batch[got]; i <= last; i++ {
				require.Contains(t, want, w.texts[i-1], "a mark counts with its batch only")
			}
		}
		if len(want) < len(w.texts) && again == 0 && (w.closed || !newest) {
			require.NotZero(t, s.Stats().Damaged+rd.Skipped().Expired+uint64(quarantined(fs)), "damage noticed")
		}
		require.NoError(t, s.Close())
	}
}

func quarantined(fs *faultfs.FS) (n int) {
	for _, name := range fs.Names() {
		if strings.Contains(name, "quarantine") {
			n++
		}
	}
	return n
}

// drain reads until the last event that is there and copies what it gets.
func drain(t *testing.T, s *spool.Spool, r *spool.Reader) (all []spool.Entry) {
	t.Helper()
	var run spool.Run
	for len(all) == 0 || all[len(all)-1].Pos.Index < s.Stats().Synced {
		c, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		require.NoError(t, r.Next(c, &run, spool.Limits{}))
		cancel()
		for _, e := range run.Entries {
			e.Data = bytes.Clone(e.Data)
			all = append(all, e)
		}
	}
	return all
}
