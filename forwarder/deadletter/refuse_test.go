package deadletter

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRefuse(t *testing.T) {
	dir := t.TempDir()
	s := opened(t, dir)
	assert.EqualValues(t, 1, s.Next())
	for i := range 4 {
		require.NoError(t, s.Add(t.Context(), letter(i)))
	}
	list := all(t, s, time.Time{})
	require.NoError(t, s.Remove(t.Context(), list[2]))
	again := []Letter{list[0], list[2], list[1]}
	for i := range again {
		again[i].Attempts += 5
		again[i].Reason = "413 too large"
	}
	made, err := s.Refuse(t.Context(), []Letter{list[0], list[2], list[1]}, again)
	require.NoError(t, err)
	assert.Equal(t, []uint64{5, 0, 6}, made)
	check := func() {
		got := all(t, s, time.Time{})
		assert.Equal(t, []uint64{4, 5, 6}, ids(got))
		assert.Equal(t, list[0].Raw, got[1].Raw)
		assert.Equal(t, list[1].Raw, got[2].Raw)
		assert.EqualValues(t, 7, got[1].Attempts)
		assert.Equal(t, "413 too large", got[1].Reason)
		assert.Equal(t, list[0].First, got[1].First)
		assert.Equal(t, []Count{{"edge", "qradar", 3}}, s.Counts())
		assert.EqualValues(t, 7, s.Next())
	}
	check()
	require.NoError(t, s.Close())
	s = opened(t, dir)
	check()
}

// What is removed makes room from the oldest on, however it went, and over a gap that
// damage has made.
func TestRemovedLettersMakeRoom(t *testing.T) {
	dir := t.TempDir()
	s := opened(t, dir)
	for i := range 10 {
		require.NoError(t, s.Add(t.Context(), letter(i)))
	}
	list := all(t, s, time.Time{})
	pinned := func() uint64 { return s.pin.Position().Index }
	require.NoError(t, s.Remove(t.Context(), list[3], list[1]))
	assert.EqualValues(t, 1, pinned())
	require.NoError(t, s.Remove(t.Context(), list[0]))
	assert.EqualValues(t, 3, pinned())
	require.NoError(t, s.Remove(t.Context(), list[2]))
	assert.EqualValues(t, 5, pinned())
	_, err := s.Refuse(t.Context(), list[4:6], list[4:6])
	require.NoError(t, err)
	assert.EqualValues(t, 7, pinned())
	require.NoError(t, s.Remove(t.Context(), list[7]))
	require.NoError(t, s.Close())

	names, err := filepath.Glob(filepath.Join(dir, "*.seg"))
	require.NoError(t, err)
	require.Len(t, names, 1)
	data, err := os.ReadFile(names[0])
	require.NoError(t, err)
	at := bytes.Index(data, list[6].Raw)
	require.Positive(t, at)
	data[at] ^= 1
	require.NoError(t, os.WriteFile(names[0], data, 0o600))
	s = opened(t, dir)
	assert.EqualValues(t, 9, pinned(), "letter 7 is damaged, letter 8 is removed")
}
