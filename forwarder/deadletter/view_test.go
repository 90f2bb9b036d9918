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

// A look from outside, with the store open and closed, shows what the store shows.
func TestLook(t *testing.T) {
	dir := t.TempDir()
	s := opened(t, dir)
	for i := range 5 {
		require.NoError(t, s.Add(t.Context(), letter(i)))
	}
	require.NoError(t, s.Remove(t.Context(), all(t, s, time.Time{})[1:3]...))
	want, counts := all(t, s, time.Time{}), s.Counts()
	check := func(v *View) {
		t.Helper()
		var got []Letter
		for l, err := range v.All(time.Time{}) {
			require.NoError(t, err)
			l.Raw, l.Rendered = bytes.Clone(l.Raw), bytes.Clone(l.Rendered)
			got = append(got, l)
		}
		assert.Equal(t, want, got)
		assert.Equal(t, counts, v.Counts())
		assert.Equal(t, s.Bytes(), v.Bytes())
	}
	check(s.View())
	v, err := Look(dir)
	require.NoError(t, err)
	check(v)
	assert.Len(t, v.Logs(), 2)
	require.NoError(t, s.Close())
	v, err = Look(dir)
	require.NoError(t, err)
	assert.Equal(t, counts, v.Counts())
	_, err = Look(filepath.Join(dir, "none"))
	assert.ErrorIs(t, err, os.ErrNotExist)
}
