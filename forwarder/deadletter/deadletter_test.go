package deadletter

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/spool"
	"github.com/siemfwd/siemfwd/forwarder/spool/faultfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var day = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)

func letter(n int) Letter {
	return Letter{
		Source: "edge", Sink: "qradar", Reason: "400 bad request", Answer: `{"code":6}`, UID: strings.Repeat("ab", 32), Attempts: 2,
		First: day.Add(time.Second), Received: day, Peer: netip.MustParseAddrPort("192.0.2.7:514"), Index: 617,
		Raw: fmt.Appendf(nil, "event %05d \x00\xff\n", n), Rendered: []byte("CEF:0|…"), Size: 70_000,
	}
}

func opened(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir, nil)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	clock := day
	s.now = func() time.Time { clock = clock.Add(time.Minute); return clock }
	s.bodies.now = func() time.Time { return clock.Add(time.Minute) }
	return s
}

// all returns copies of what All yields.
func all(t *testing.T, s *Store, since time.Time) (list []Letter) {
	t.Helper()
	for l, err := range s.All(since) {
		require.NoError(t, err)
		l.Raw, l.Rendered = bytes.Clone(l.Raw), bytes.Clone(l.Rendered)
		list = append(list, l)
	}
	return list
}

func ids(list []Letter) (ids []uint64) {
	for _, l := range list {
		ids = append(ids, l.ID)
	}
	return ids
}

func TestAddAndList(t *testing.T) {
	dir := t.TempDir()
	s := opened(t, dir)
	assert.Empty(t, all(t, s, time.Time{}))
	assert.Empty(t, s.Counts())
	require.NoError(t, s.Add(t.Context()))
	require.NoError(t, s.Add(t.Context(), letter(1)))
	body := Letter{Source: "hooks", Sink: "-", Reason: "not JSON", First: day, Received: day, Raw: []byte("{")}
	require.NoError(t, s.Add(t.Context(), letter(2), body))

	want := []Letter{letter(1), letter(2), body}
	for i := range want {
		want[i].ID = uint64(i + 1)
		want[i].At = day.Add(time.Duration(min(i, 1)+1) * time.Minute)
	}
	want[2].ID, want[2].Size = bodiesFrom+1, 1
	counts := []Count{{"edge", "qradar", 2}, {"hooks", "-", 1}}
	check := func() {
		t.Helper()
		got := all(t, s, time.Time{})
		for i := range got {
			assert.True(t, want[i].At.Equal(got[i].At))
			got[i].At = want[i].At
		}
		assert.Equal(t, want, got)
		assert.Equal(t, counts, s.Counts())
		assert.Equal(t, []uint64{2, bodiesFrom + 1}, ids(all(t, s, day.Add(2*time.Minute))))
		assert.Empty(t, all(t, s, day.Add(2*time.Minute+1)))
	}
	check()
	require.NoError(t, s.Close())
	s = opened(t, dir)
	check()
	for range s.All(time.Time{}) {
		break // a listing may end early
	}
}

func TestRemove(t *testing.T) {
	dir := t.TempDir()
	s := opened(t, dir)
	for i := range 6 {
		l := letter(i)
		if i%2 == 1 {
			l.Sink = "splunk"
		}
		require.NoError(t, s.Add(t.Context(), l))
	}
	list := all(t, s, time.Time{})
	require.NoError(t, s.Remove(t.Context(), list[1], list[3]))
	require.NoError(t, s.Remove(t.Context(), list[1], Letter{})) // gone already, and none at all
	assert.Equal(t, []uint64{1, 3, 5, 6}, ids(all(t, s, time.Time{})))
	assert.Equal(t, []Count{{"edge", "qradar", 3}, {"edge", "splunk", 1}}, s.Counts())
	require.NoError(t, s.Close())

	s = opened(t, dir)
	assert.Equal(t, []uint64{1, 3, 5, 6}, ids(all(t, s, time.Time{})))
	require.NoError(t, s.Remove(t.Context(), list[0]))
	assert.EqualValues(t, 3, s.pin.Position().Index)
	require.NoError(t, s.Remove(t.Context(), all(t, s, time.Time{})...))
	assert.EqualValues(t, 7, s.pin.Position().Index)
	assert.Empty(t, s.Counts())
	assert.Empty(t, all(t, s, time.Time{}))
	require.NoError(t, s.Add(t.Context(), letter(9)))
	assert.Equal(t, []uint64{7}, ids(all(t, s, time.Time{})), "an ID is never given twice")
	require.NoError(t, s.Close())
	s = opened(t, dir)
	assert.Equal(t, []uint64{7}, ids(all(t, s, time.Time{})))
	assert.Equal(t, []Count{{"edge", "qradar", 1}}, s.Counts())
}

func TestFull(t *testing.T) {
	s, err := open(nil, t.TempDir(), slog.New(slog.DiscardHandler), 64<<10, 1<<20)
	require.NoError(t, err)
	defer s.Close()
	l := letter(1)
	l.Raw = bytes.Repeat([]byte("x"), 10_000)
	n := 0
	for ; n < 1000 && err == nil; n++ {
		err = s.Add(t.Context(), l)
	}
	require.ErrorIs(t, err, ErrFull)
	assert.Contains(t, err.Error(), "too many dead letters: 1 MiB; siemfwd dead shows them, siemfwd dead clear makes room")
	n--
	assert.Greater(t, n, 80)

	// Nothing goes by itself; what is removed makes room.
	list := all(t, s, time.Time{})
	require.Len(t, list, n)
	require.NoError(t, s.Remove(t.Context(), list[:n/2]...))
	require.Eventually(t, func() bool { return s.Bytes() < 800_000 }, 20*time.Second, 10*time.Millisecond)
	require.NoError(t, s.Add(t.Context(), l))
	assert.Len(t, all(t, s, time.Time{}), n-n/2+1)
}

func TestTooLarge(t *testing.T) {
	l := letter(1)
	l.Raw, l.Rendered, l.Size = make([]byte, 40<<20), make([]byte, 40<<20), 0
	fit := l.fit()
	assert.Len(t, fit.Raw, 40<<20)
	assert.Nil(t, fit.Rendered)
	assert.Equal(t, 40<<20, fit.Size)
	assert.NotNil(t, l.Rendered, "it is the caller's")
	small := letter(2)
	assert.Same(t, &small, small.fit())

	// What fits by that measure fits into the log.
	s := opened(t, t.TempDir())
	l = letter(1)
	l.Raw, l.Reason = make([]byte, spool.MaxEvent), strings.Repeat("x", 100_000)
	require.NoError(t, s.Add(t.Context(), l))
	for got, err := range s.All(time.Time{}) {
		require.NoError(t, err)
		assert.Greater(t, len(got.Raw), spool.MaxEvent-128<<10)
		assert.Equal(t, spool.MaxEvent, got.Size)
		assert.Len(t, got.Reason, 4096)
	}
}

// TestForeign has an entry no version of this package wrote, and marks that make no
// sense: no letter is lost for that.
func TestForeign(t *testing.T) {
	dir := t.TempDir()
	s := opened(t, dir)
	require.NoError(t, s.Add(t.Context(), letter(1), letter(2)))
	var b event.Batch
	b.Add(event.Raw{Data: []byte("?what"), Time: day.Add(time.Hour)})
	b.Marks = []event.Mark{{Key: markCounts, Value: []byte{200}}, {Key: markGone, Value: []byte{0}}}
	require.NoError(t, s.spool.Emit(t.Context(), &b))
	require.NoError(t, s.Close())

	var log bytes.Buffer
	s, err := Open(dir, slog.New(slog.NewTextHandler(&log, nil)))
	require.NoError(t, err)
	defer s.Close()
	got := all(t, s, time.Time{})
	require.Len(t, got, 3)
	assert.Equal(t, "dead letter cannot be read: version 63, this reads 1", got[2].Reason)
	assert.Equal(t, "?what", string(got[2].Raw))
	assert.EqualValues(t, 3, got[2].ID)
	assert.Equal(t, []Count{{"", "", 1}, {"edge", "qradar", 2}}, s.Counts())
	assert.Contains(t, log.String(), "dead letters are counted again")
	assert.Contains(t, log.String(), "removed dead letters are listed again")
}

func TestCancelled(t *testing.T) {
	s := opened(t, t.TempDir())
	w := <-s.turn // somebody writes
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.Add(ctx, letter(1)), context.Canceled)
	s.turn <- w
	assert.Empty(t, s.Counts())
}

func TestAfterClose(t *testing.T) {
	s := opened(t, t.TempDir())
	require.NoError(t, s.Close())
	require.ErrorIs(t, s.Add(t.Context(), letter(1)), spool.ErrClosed)
}

func TestOneProcess(t *testing.T) {
	dir := t.TempDir()
	opened(t, dir)
	_, err := Open(dir, nil)
	require.ErrorIs(t, err, spool.ErrLocked)
}

func TestConcurrently(t *testing.T) {
	dir := t.TempDir()
	s := opened(t, dir)
	s.now = func() time.Time { return day }
	var writers sync.WaitGroup
	for w := range 8 {
		writers.Go(func() {
			for i := range 25 {
				l := letter(i)
				l.Sink = fmt.Sprint("sink", w%2)
				assert.NoError(t, s.Add(t.Context(), l))
				if i == 10 {
					for l, err := range s.All(time.Time{}) {
						if assert.NoError(t, err) {
							assert.NoError(t, s.Remove(t.Context(), Letter{ID: l.ID, Source: l.Source, Sink: l.Sink}))
						}
						break
					}
				}
			}
		})
	}
	writers.Wait()
	check := func() {
		t.Helper()
		want := map[string]uint64{}
		for _, l := range all(t, s, time.Time{}) {
			want[l.Sink]++
		}
		got := map[string]uint64{}
		for _, c := range s.Counts() {
			got[c.Sink] = c.Letters
		}
		assert.Equal(t, want, got)
	}
	check()
	require.NoError(t, s.Close())
	s = opened(t, dir)
	check()
}

func BenchmarkAdd(b *testing.B) {
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s, err := Open(b.TempDir(), nil)
			require.NoError(b, err)
			defer s.Close()
			letters := make([]Letter, n)
			for i := range letters {
				letters[i] = letter(i)
			}
			for b.Loop() {
				if err := s.Add(context.Background(), letters...); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "letters/s")
		})
	}
}

// Letters are taken while something else has filled the disk: what waits for them could
// not go on, and so not make room.
func TestLettersOnAFullDisk(t *testing.T) {
	fs := faultfs.New()
	s, err := OpenOn(fs, "/dead", nil)
	require.NoError(t, err)
	defer s.Close()
	fs.Room(fs.Used())
	for i := range 100 {
		require.NoError(t, s.Add(t.Context(), Letter{Source: "in", Sink: "out", Reason: "no", Raw: fmt.Appendf(nil, "%d %s", i, strings.Repeat("x", 60_000))}))
	}
	require.EqualValues(t, 100, s.Counts()[0].Letters)
}
