package deadletter

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func body(n, size int) Letter {
	raw := fmt.Appendf(nil, "body %d ", n)
	return Letter{Source: "hooks", Sink: NoSink, Reason: "not JSON", First: day, Received: day, Raw: append(raw, bytes.Repeat([]byte("x"), size-len(raw))...)}
}

// Whoever may send broken bodies can fill their share, where the oldest give way; the
// room of the other letters stays theirs.
func TestBodiesTakeNobodysRoom(t *testing.T) {
	s, err := open(nil, t.TempDir(), slog.New(slog.DiscardHandler), 64<<10, 1<<20)
	require.NoError(t, err)
	defer s.Close()
	require.NoError(t, s.Add(t.Context(), letter(1)))
	const n = 500
	for i := range n {
		require.NoError(t, s.Add(t.Context(), body(i, 300)))
	}
	var list []Letter
	require.Eventually(t, func() bool {
		list = all(t, s, time.Time{})
		return s.Dropped()+uint64(len(list)-1) == n
	}, 20*time.Second, 10*time.Millisecond, "dropped ones are counted")
	assert.Equal(t, "qradar", list[0].Sink)
	assert.Greater(t, s.Dropped(), uint64(n/2))
	assert.Contains(t, string(list[len(list)-1].Raw), "body 499 ")
	assert.Less(t, s.Bytes(), int64(100<<10))
	assert.Equal(t, Count{"hooks", NoSink, uint64(len(list) - 1)}, s.Counts()[1])

	require.NoError(t, s.Add(t.Context(), letter(2)), "there is room for others")
	full := letter(3)
	full.Raw = make([]byte, 100_000)
	for range 20 {
		err = errors.Join(err, s.Add(t.Context(), full))
	}
	require.ErrorIs(t, err, ErrFull)
	require.NoError(t, s.Add(t.Context(), body(n, 10)), "and the other way about")
}

func TestBodiesAreLettersLikeOthers(t *testing.T) {
	dir := t.TempDir()
	s := opened(t, dir)
	require.NoError(t, s.Add(t.Context(), body(1, 10), letter(1), body(2, largest+10)))
	list := all(t, s, time.Time{})
	assert.Equal(t, []uint64{1, bodiesFrom + 1, bodiesFrom + 2}, ids(list))
	assert.Len(t, list[2].Raw, largest)
	assert.Equal(t, largest+10, list[2].Size)
	for l := range s.All(time.Time{}) {
		assert.EqualValues(t, 1, l.ID)
		break
	}
	view := s.View()
	require.NoError(t, s.Remove(t.Context(), list[1]))
	require.NoError(t, s.Close())

	s = opened(t, dir)
	assert.Equal(t, []uint64{1, bodiesFrom + 2}, ids(all(t, s, time.Time{})))
	assert.Equal(t, []Count{{"edge", "qradar", 1}, {"hooks", NoSink, 1}}, s.Counts())
	require.NoError(t, s.Remove(t.Context(), list...))
	assert.Empty(t, all(t, s, time.Time{}))
	assert.Empty(t, s.Counts())
	require.NoError(t, s.Add(t.Context(), body(3, 10)))
	assert.Equal(t, []uint64{bodiesFrom + 3}, ids(all(t, s, time.Time{})))

	assert.Len(t, view.Counts(), 2)
	v, err := Look(dir)
	require.NoError(t, err)
	assert.Equal(t, []Count{{"hooks", NoSink, 1}}, v.Counts())
	require.NoError(t, s.Close())
	require.NoError(t, os.RemoveAll(dir+bodiesExt))
	v, err = Look(dir)
	require.NoError(t, err)
	assert.Empty(t, v.Counts())
}
