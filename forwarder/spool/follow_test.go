package spool_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/spool"
	"github.com/siemfwd/siemfwd/forwarder/spool/faultfs"
)

// polled reads all there is now.
func polled(t *testing.T, r *spool.Reader) (texts []string) {
	t.Helper()
	var run spool.Run
	for {
		require.NoError(t, r.Poll(&run, spool.Limits{Events: 7}))
		if len(run.Entries) == 0 {
			return texts
		}
		for _, e := range run.Entries {
			texts = append(texts, string(e.Data[:3]))
		}
	}
}

func TestPollReadsWhatIsThereAndNeverWaits(t *testing.T) {
	s, err := spool.Open("s", spool.Options{FS: faultfs.New(), Segment: 4096})
	require.NoError(t, err)
	defer s.Close()
	_, err = s.Reader("holds everything", spool.Oldest)
	require.NoError(t, err)
	newest, err := s.Reader("", spool.Newest)
	require.NoError(t, err)
	defer newest.Close()
	assert.Empty(t, polled(t, newest))

	began := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	var want []string
	for i := range 100 {
		var b event.Batch
		text := fmt.Sprintf("%03d %s", i, strings.Repeat("x", 200))
		want = append(want, text[:3])
		b.Add(event.Raw{Data: []byte(text), Time: began.Add(time.Duration(i) * time.Minute)})
		require.NoError(t, s.Emit(context.Background(), &b))
	}
	require.Greater(t, s.Stats().Segments, 3)
	assert.Equal(t, want, polled(t, newest))
	assert.Empty(t, polled(t, newest))

	all := s.ReaderSince(time.Time{})
	defer all.Close()
	assert.Equal(t, want, polled(t, all))

	// Of what came before, no more than a segment is read.
	late := s.ReaderSince(began.Add(60 * time.Minute))
	defer late.Close()
	got := polled(t, late)
	require.GreaterOrEqual(t, len(got), 40)
	assert.Less(t, len(got), 40+20)
	assert.Equal(t, want[len(want)-len(got):], got)

	at := s.ReaderAt(spool.Pos{Index: 91})
	defer at.Close()
	assert.Equal(t, want[90:], polled(t, at))
	assert.EqualValues(t, 101, at.Position().Index)
}

func TestAReaderWithoutANameLearnsWhatItMissed(t *testing.T) {
	s, err := spool.Open("s", spool.Options{FS: faultfs.New(), Segment: 4096, Max: 16 << 10, WhenFull: spool.DropOldest})
	require.NoError(t, err)
	defer s.Close()
	slow := s.ReaderSince(time.Time{})
	defer slow.Close()
	var b event.Batch
	for range 200 {
		b.Reset()
		b.Add(event.Raw{Data: []byte(strings.Repeat("x", 500)), Time: time.Now()})
		require.NoError(t, s.Emit(context.Background(), &b))
	}
	got := len(polled(t, slow))
	assert.Less(t, got, 200)
	assert.EqualValues(t, 200-got, slow.Skipped().Expired)
}
