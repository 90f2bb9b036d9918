package spool_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/spool"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		child(dir)
	}
	goleak.VerifyTestMain(m)
}

// century keeps events that claim to be old.
const century = 100 * 365 * 24 * time.Hour

func open(t testing.TB, dir string, o spool.Options) *spool.Spool {
	t.Helper()
	s, err := spool.Open(dir, o)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func batch(texts ...string) *event.Batch {
	b := &event.Batch{}
	for _, t := range texts {
		b.Add(event.Raw{Data: []byte(t), Time: time.Unix(1_700_000_000, 5)})
	}
	return b
}

// numbered returns a batch of the texts "from" to "to-1".
func numbered(from, to int) *event.Batch {
	b := &event.Batch{}
	for i := from; i < to; i++ {
		b.Add(event.Raw{Data: fmt.Appendf(nil, "event %d", i), Time: time.Unix(int64(i), 0)})
	}
	return b
}

func ctx(t interface{ Cleanup(func()) }) context.Context {
	c, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return c
}

// take reads n entries and copies them.
func take(t testing.TB, r *spool.Reader, n int) (all []spool.Entry) {
	t.Helper()
	var run spool.Run
	for len(all) < n {
		require.NoError(t, r.Next(ctx(t), &run, spool.Limits{Events: n - len(all)}))
		for _, e := range run.Entries {
			e.Data = append([]byte(nil), e.Data...)
			all = append(all, e)
		}
	}
	return all
}

func texts(list []spool.Entry) (all []string) {
	for _, e := range list {
		all = append(all, string(e.Data))
	}
	return all
}

func TestEventComesBackAsItWent(t *testing.T) {
	s := open(t, t.TempDir(), spool.Options{})
	r, err := s.Reader("sink", spool.Newest)
	require.NoError(t, err)
	zone := netip.AddrPortFrom(netip.MustParseAddr("fe80::1%eth0"), 514)
	want := []event.Raw{
		{Data: []byte("plain"), Time: time.Unix(1_700_000_000, 123456789).UTC()},
		{Data: []byte{}},
		{Data: []byte("\x00\xff\n"), Time: time.Unix(-5, 1).UTC(), Peer: netip.MustParseAddrPort("192.0.2.7:514")},
		{Data: []byte("v6"), Peer: netip.MustParseAddrPort("[2001:db8::1]:65535"), Key: event.Key{1, 15: 2}},
		{Data: []byte("mapped"), Peer: netip.MustParseAddrPort("[::ffff:192.0.2.7]:1"), Size: 70000},
		{Data: []byte("zone"), Peer: zone, Size: 1 << 20, Key: event.Key{9}},
	}
	b := &event.Batch{}
	for _, w := range want {
		b.Add(w)
	}
	require.NoError(t, s.Emit(ctx(t), b))
	got := take(t, r, len(want))
	for i, w := range want {
		w.Size = max(w.Size, len(w.Data))
		g := got[i].Raw
		require.Equal(t, string(w.Data), string(g.Data))
		g.Data, w.Data = nil, nil
		require.Equal(t, w, g)
		require.EqualValues(t, i+1, got[i].Index)
		require.EqualValues(t, i+2, got[i].Pos.Index)
	}
}

func TestReopenGoesOnAtTheCursor(t *testing.T) {
	dir := t.TempDir()
	for _, segment := range []int64{1 << 20, 200} {
		s := open(t, dir, spool.Options{Segment: segment, Keep: time.Hour})
		r, err := s.Reader("sink", spool.Oldest)
		require.NoError(t, err)
		for i := range 20 {
			require.NoError(t, s.Emit(ctx(t), numbered(i, i+1)))
		}
		got := take(t, r, 7)
		require.NoError(t, r.Commit(got[6].Pos))
		require.NoError(t, s.Close())

		s = open(t, dir, spool.Options{Segment: segment, Keep: time.Hour})
		r, err = s.Reader("sink", spool.Oldest)
		require.NoError(t, err)
		n, _ := r.Waiting()
		require.EqualValues(t, 13, n)
		got = take(t, r, 13)
		require.Equal(t, "event 7", string(got[0].Data))
		require.Equal(t, "event 19", string(got[12].Data))
		require.NoError(t, r.Commit(got[12].Pos))
		n, _ = r.Waiting()
		require.Zero(t, n)
		require.Zero(t, r.Skipped())
		require.NoError(t, s.Close())
	}
}

func TestMarksAreRememberedOverSegments(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, spool.Options{Segment: 300})
	for i := range 30 {
		b := numbered(i, i+1)
		b.Marks = append(b.Marks, event.Mark{Key: fmt.Sprint("k", i%3), Value: fmt.Append(nil, i)})
		require.NoError(t, s.Emit(ctx(t), b))
		require.Equal(t, fmt.Sprint(i), string(s.Mark(fmt.Sprint("k", i%3))))
	}
	require.Nil(t, s.Mark("other"))
	require.NoError(t, s.Close())
	s = open(t, dir, spool.Options{Segment: 300})
	for i, want := range []string{"27", "28", "29"} {
		require.Equal(t, want, string(s.Mark(fmt.Sprint("k", i))))
	}
}

func TestLockNamesTheHolder(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, spool.Options{})
	_, err := spool.Open(dir, spool.Options{})
	require.ErrorIs(t, err, spool.ErrLocked)
	require.ErrorContains(t, err, "in use by process ")
}
