package spool_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/spool"
)

func TestDiscard(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	s := open(t, dir, spool.Options{Keep: century})
	r, err := s.Reader("out", spool.Oldest)
	require.NoError(t, err)
	require.NoError(t, s.Emit(t.Context(), numbered(0, 20)))
	var run spool.Run
	require.NoError(t, r.Next(t.Context(), &run, spool.Limits{Events: 5}))
	require.NoError(t, r.Commit(run.Entries[2].Pos))
	n, err := r.Discard()
	require.NoError(t, err)
	assert.EqualValues(t, 17, n)
	a := r.Account()
	assert.Zero(t, a.Waiting)
	assert.Zero(t, a.Skipped)
	n, err = r.Discard()
	require.NoError(t, err)
	assert.Zero(t, n)
	require.NoError(t, r.Commit(run.Entries[4].Pos), "a late one changes nothing")
	require.NoError(t, s.Emit(t.Context(), batch("next")))
	require.NoError(t, r.Next(t.Context(), &run, spool.Limits{}))
	assert.Equal(t, []string{"next"}, texts(run.Entries))
	require.NoError(t, s.SyncCursors())

	v, err := spool.Look(dir, nil)
	require.NoError(t, err)
	assert.EqualValues(t, 21, v.Cursors[0].Pos.Index)
	assert.ErrorIs(t, spool.Remove(dir), spool.ErrLocked)
	anon, err := s.Reader("", spool.Oldest)
	require.NoError(t, err)
	n, err = anon.Discard()
	require.NoError(t, err)
	assert.Zero(t, n)
	assert.EqualValues(t, 22, anon.Position().Index)
	anon.Close()
	r.Close()
	_, err = r.Discard()
	assert.ErrorIs(t, err, spool.ErrClosed)
	require.NoError(t, s.Close())
	require.NoError(t, spool.Remove(dir))
	assert.NoDirExists(t, dir)
	require.NoError(t, spool.Remove(dir))
}

// What retention removed before is expired, not given up: each event is counted once.
func TestDiscardAfterRetention(t *testing.T) {
	s := open(t, t.TempDir(), spool.Options{Segment: 2000, Max: 10_000, WhenFull: spool.DropOldest})
	r, err := s.Reader("out", spool.Oldest)
	require.NoError(t, err)
	for n := 0; n < 2000; n += 20 {
		require.NoError(t, s.Emit(t.Context(), numbered(n, n+20)))
	}
	n, err := r.Discard()
	require.NoError(t, err)
	a := r.Account()
	assert.NotZero(t, a.Expired)
	assert.EqualValues(t, 2000, n+a.Expired)
	assert.Zero(t, a.Waiting)
}
