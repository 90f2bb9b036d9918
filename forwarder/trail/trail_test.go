package trail

import (
	"bytes"
	"errors"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func at(seconds float64) time.Time { return noon.Add(time.Duration(seconds * float64(time.Second))) }

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestOf(t *testing.T) {
	steps := []Step{
		{Kind: Began, Index: 10, Time: at(0), Since: at(0)},
		{Kind: Moved, Index: 20, Time: at(60), Since: at(59)},
		{Kind: Died, Index: 17, Time: at(59.5), Since: at(59.5)},
		{Kind: Moved, Index: 30, Time: at(61), Since: at(60)},
		{Kind: 77, Index: 15, Time: at(62), Since: at(62)},
		{Kind: Opened, Index: 25, Time: at(70), Since: at(70)}, // a crash
		{Kind: Moved, Index: 40, Time: at(71), Since: at(70)},
		{Kind: Opened, Index: 45, Time: at(90), Since: at(90)}, // what went on after the last look
		{Kind: Passed, Index: 50, Time: at(95), Since: at(95)},
	}
	all := slices.Values(steps)
	for index, want := range map[uint64]Story{
		5:  {Began: at(0)},
		10: {Passes: []Pass{{at(59), at(60)}}},
		17: {Passes: []Pass{{at(59), at(60)}}, Died: []time.Time{at(59.5)}},
		20: {Passes: []Pass{{at(60), at(61)}}},
		27: {Passes: []Pass{{at(60), at(61)}, {at(70), at(71)}}},
		42: {Passes: []Pass{{at(71), at(90)}}},
		45: {Unsent: at(95)},
		50: {},
	} {
		assert.Equal(t, want, Of(index, all), "%d", index)
	}
	assert.Equal(t, Story{Before: at(60)}, Of(15, slices.Values(steps[1:])))
	assert.Equal(t, Story{}, Of(1, slices.Values([]Step(nil))))
}

func TestATrailIsReadBesideItsWriter(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	assert.Empty(t, slices.Collect(Read(dir)))
	w := Open(dir, quiet())
	w.Start(at(0), 1, true)
	w.Look(at(1), 1)
	w.Look(at(2), 1)
	assert.Len(t, slices.Collect(Read(dir)), 1, "nothing moved")
	w.Look(at(3), 100)
	w.Note(Step{Kind: Died, Index: 50, Time: at(2.5)})
	require.NoError(t, w.Close())

	w = Open(dir, quiet())
	w.Start(at(10), 100, false)
	w.Look(at(11), 120)
	defer w.Close()
	got := slices.Collect(Read(dir))
	require.Len(t, got, 5)
	assert.Equal(t, []Kind{Began, Moved, Died, Opened, Moved}, []Kind{got[0].Kind, got[1].Kind, got[2].Kind, got[3].Kind, got[4].Kind})
	assert.True(t, got[1].Since.Equal(at(2)))
	assert.True(t, got[2].Since.Equal(at(2.5)), "nothing is known")
	story := Of(50, Read(dir))
	require.Len(t, story.Passes, 1)
	assert.True(t, story.Passes[0].From.Equal(at(2)) && story.Passes[0].To.Equal(at(3)))
	assert.Len(t, story.Died, 1)
}

func TestStepsAtTheirBounds(t *testing.T) {
	for _, s := range []Step{
		{Kind: Moved, Index: math.MaxUint64, Time: noon, Since: noon.Add(-1000 * time.Hour)},
		{Kind: Moved, Index: 1, Time: noon, Since: noon.Add(time.Hour)},
		{Kind: Died, Index: 0, Time: time.Unix(0, math.MaxInt64)},
	} {
		got := slices.Collect(Steps(s.Append(nil)))
		require.Len(t, got, 1)
		assert.Equal(t, s.Index, got[0].Index)
		assert.True(t, got[0].Time.Equal(s.Time))
		assert.False(t, got[0].Since.After(got[0].Time))
		assert.LessOrEqual(t, got[0].Time.Sub(got[0].Since), mostAgo*time.Millisecond)
	}
	assert.Empty(t, slices.Collect(Steps(make([]byte, 4096))), "zeros are no records")
}

func TestOldFilesGoAndTheOthersCanBeReadAlone(t *testing.T) {
	dir := t.TempDir()
	w := open(dir, quiet(), 10*size)
	defer w.Close()
	w.Start(at(0), 1, true)
	for i := range 100 {
		w.Look(at(float64(i+1)), uint64(10*i+11))
	}
	require.Greater(t, len(numbers(dir)), 8)
	for _, index := range []uint64{1, 95, 500, 1000} {
		story := Of(index, Read(dir))
		require.Len(t, story.Passes, 1, "%d", index)
		assert.True(t, story.Passes[0].To.Equal(at(float64((index-1)/10+1))), "%d", index)
	}
	w.Trim(500)
	for _, index := range []uint64{500, 501, 1000} {
		story := Of(index, Read(dir))
		require.Len(t, story.Passes, 1, "%d", index)
		assert.Equal(t, time.Second, story.Passes[0].To.Sub(story.Passes[0].From))
	}
	assert.False(t, Of(5, Read(dir)).Before.IsZero())
	w.Trim(math.MaxUint64)
	assert.Len(t, numbers(dir), 1, "the one being written stays")

	many := open(t.TempDir(), quiet(), size)
	defer many.Close()
	for i := range 3 * mostFiles {
		many.Look(at(float64(i)), uint64(i))
	}
	many.Trim(0)
	assert.Len(t, numbers(many.dir), mostFiles)
}

func TestDamageCostsWhatItHit(t *testing.T) {
	dir := t.TempDir()
	w := Open(dir, quiet())
	for i := range 100 {
		w.Look(at(float64(i)), uint64(i+1))
	}
	require.NoError(t, w.Close())
	path := filepath.Join(dir, fileName(1))
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Len(t, whole, 100*size)
	for name, c := range map[string]struct {
		b    []byte
		left int
	}{
		"a flipped bit":   {replace(whole, 40*size+3, whole[40*size+3]^4), 99},
		"seven octets":    {slices.Delete(slices.Clone(whole), 500, 507), 98},
		"a torn end":      {whole[:len(whole)-5], 99},
		"zeros at an end": {append(slices.Clone(whole), make([]byte, 4096)...), 100},
	} {
		require.NoError(t, os.WriteFile(path, c.b, 0o600))
		assert.Equal(t, c.left, len(slices.Collect(Read(dir))), name)
		w := Open(dir, quiet())
		w.Start(at(200), 101, false)
		require.NoError(t, w.Close())
		assert.Equal(t, c.left+1, len(slices.Collect(Read(dir))), name)
	}
}

func replace(b []byte, i int, c byte) []byte {
	b = slices.Clone(b)
	b[i] = c
	return b
}

func TestNothingStopsTheStart(t *testing.T) {
	for name, prepare := range map[string]func(dir string) error{
		"a file in place of the folder": func(dir string) error { return os.WriteFile(dir, nil, 0o600) },
		"a folder in place of the file": func(dir string) error { return os.MkdirAll(filepath.Join(dir, fileName(1)), 0o700) },
		"a foreign file": func(dir string) error {
			return errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, "x.trail"), nil, 0o600))
		},
		"a link to nowhere": func(dir string) error {
			return errors.Join(os.Mkdir(dir, 0o700), os.Symlink("/dev/null/x", filepath.Join(dir, fileName(1))))
		},
		"a file that is not a trail": func(dir string) error {
			return errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, fileName(3)), []byte("hello"), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "trail")
			require.NoError(t, prepare(dir))
			var log bytes.Buffer
			w := Open(dir, slog.New(slog.NewTextHandler(&log, nil)))
			w.Start(at(0), 1, true)
			for i := range 10 {
				w.Look(at(float64(i)), uint64(i+2))
			}
			w.Trim(5)
			require.NoError(t, w.Close())
			assert.LessOrEqual(t, bytes.Count(log.Bytes(), []byte("\n")), 1, "said once: %s", log.String())
			_ = slices.Collect(Read(dir))
		})
	}
	var none *Trail
	none.Start(at(0), 1, true)
	none.Look(at(1), 2)
	none.Note(Step{Kind: Died})
	none.Trim(1)
	require.NoError(t, none.Close())
}

// What is not damaged is read, whatever stands around it, and nothing is made up.
func FuzzSteps(f *testing.F) {
	s := Step{Kind: Moved, Index: 7, Time: noon, Since: noon.Add(-time.Second)}
	f.Add([]byte(nil), []byte(nil))
	f.Add(s.Append(nil), s.Append(nil)[:20])
	f.Add(make([]byte, 50), bytes.Repeat([]byte{0xff}, 23))
	f.Fuzz(func(t *testing.T, before, after []byte) {
		alone := len(slices.Collect(Steps(before)))
		b := append(s.Append(slices.Clone(before)), after...)
		got := slices.Collect(Steps(b))
		if len(got) < alone {
			t.Fatalf("%d steps, %d without what follows", len(got), alone)
		}
		if len(got) > len(b)/size {
			t.Fatalf("%d steps in %d octets", len(got), len(b))
		}
		for _, s := range got {
			again := slices.Collect(Steps(s.Append(nil)))
			if len(again) != 1 || again[0].Index != s.Index || !again[0].Time.Equal(s.Time) || !again[0].Since.Equal(s.Since) || again[0].Kind != s.Kind {
				t.Fatalf("%+v reads again as %+v", s, again)
			}
		}
		_ = Of(7, Steps(b))
	})
}
