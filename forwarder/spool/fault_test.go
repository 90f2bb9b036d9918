package spool_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/spool"
	"github.com/siemfwd/siemfwd/forwarder/spool/faultfs"
)

// A failed fdatasync is never tried again on the same file, and what it was for is
// acknowledged only when it is durable elsewhere.
func TestFailedSyncIsFinalForItsSegment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := faultfs.New()
		s := open(t, "/log", spool.Options{FS: fs, Log: testLog(t)})
		r, err := s.Reader("sink", spool.Oldest)
		require.NoError(t, err)
		require.NoError(t, s.Emit(t.Context(), batch("before")))
		failed := map[string]bool{}
		failures := 3
		fs.Inject(func(op faultfs.Op, name string) error {
			if op == faultfs.Create {
				delete(failed, name)
			}
			if op != faultfs.Sync || !strings.Contains(name, ".seg") {
				return nil
			}
			assert.False(t, failed[name], "%s is synced after a failure", name)
			if failures--; failures >= 0 {
				failed[name] = true
				return syscall.EIO
			}
			return nil
		})
		b := batch("during", "it")
		b.Marks = []event.Mark{{Key: "k", Value: []byte("v")}}
		require.NoError(t, s.Emit(t.Context(), b))
		require.Negative(t, failures)
		require.NoError(t, s.Emit(t.Context(), batch("after")))
		require.Equal(t, []string{"before", "during", "it", "after"}, texts(take(t, r, 4)))
		require.NoError(t, s.Stats().Err)

		fs = fs.Crash(rand.New(rand.NewPCG(1, 1)))
		s.Close()
		s = open(t, "/log", spool.Options{FS: fs})
		r, err = s.Reader("sink", spool.Oldest)
		require.NoError(t, err)
		require.Equal(t, []string{"before", "during", "it", "after"}, texts(take(t, r, 4)))
		require.Equal(t, "v", string(s.Mark("k")))
	})
}

// A disk that stays broken is told to those who wait, and used again when it works.
func TestBrokenDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := faultfs.New()
		s := open(t, "/log", spool.Options{FS: fs})
		fs.Inject(func(op faultfs.Op, name string) error {
			if op == faultfs.Sync || op == faultfs.Create {
				return syscall.EIO
			}
			return nil
		})
		for range 3 {
			c, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			err := s.Emit(c, batch("lost"))
			cancel()
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorIs(t, err, syscall.EIO)
			require.ErrorIs(t, s.Stats().Err, syscall.EIO)
			require.True(t, s.Stats().Full)
		}
		fs.Inject(nil)
		time.Sleep(6 * time.Second)
		require.NoError(t, s.Stats().Err)
		require.NoError(t, s.Emit(t.Context(), batch("kept")))
		// Of a segment that failed with the log closed, Close says so.
		fs.Inject(func(op faultfs.Op, name string) error {
			if op == faultfs.Sync {
				return syscall.EIO
			}
			return nil
		})
		ticket, err := s.Append(t.Context(), batch("too late"))
		require.NoError(t, err)
		require.ErrorIs(t, s.Close(), syscall.EIO)
		require.ErrorIs(t, s.Wait(t.Context(), ticket), syscall.EIO)

		// The next process finds it in the memory of the kernel, which will not write
		// it any more. What it shows to readers is on the disk nevertheless.
		fs = fs.Kill()
		for range 2 {
			s = open(t, "/log", spool.Options{FS: fs, Keep: century})
			r, err := s.Reader("sink", spool.Oldest)
			require.NoError(t, err)
			require.Equal(t, "too late", texts(take(t, r, int(s.Stats().Next-1)))[s.Stats().Next-2])
			fs = fs.Crash(rand.New(rand.NewPCG(1, 1)))
			s.Close()
		}
	})
}

// Of a write that failed half way nothing is left.
func TestFailedWriteLeavesNothing(t *testing.T) {
	for _, cause := range []error{syscall.ENOSPC, syscall.EIO} {
		synctest.Test(t, func(t *testing.T) {
			fs := faultfs.New()
			s := open(t, "/log", spool.Options{FS: fs})
			require.NoError(t, s.Emit(t.Context(), batch("before")))
			fs.Inject(func(op faultfs.Op, name string) error {
				if op == faultfs.Write && strings.Contains(name, ".seg") {
					return &faultfs.Torn{N: 150, Err: cause}
				}
				return nil
			})
			c, cancel := context.WithTimeout(t.Context(), time.Second)
			err := s.Emit(c, batch("a long first one", "intact", "intact", "cut"))
			cancel()
			require.ErrorIs(t, err, spool.ErrFull)
			require.ErrorIs(t, err, cause)
			fs.Inject(nil)
			require.NoError(t, s.Emit(t.Context(), batch("x")))
			fs = fs.Kill()
			s.Close()
			s = open(t, "/log", spool.Options{FS: fs, Log: testLog(t)})
			r, err := s.Reader("sink", spool.Oldest)
			require.NoError(t, err)
			require.Equal(t, []string{"before", "x"}, texts(take(t, r, int(s.Stats().Next-1))))
			require.Zero(t, s.Stats().Damaged)
		})
	}
}

func TestFullDiskStillHasRoomForCursors(t *testing.T) {
	fs := faultfs.New()
	s := open(t, "/log", spool.Options{FS: fs, Segment: 4096})
	require.NoError(t, s.Emit(ctx(t), numbered(0, 5)))
	fs.Room(fs.Used())
	r, err := s.Reader("new", spool.Oldest)
	require.NoError(t, err)
	require.NoError(t, r.Commit(take(t, r, 5)[4].Pos))
	require.NotContains(t, fs.Names(), "/log/reserve")
	fs.Room(-1)
	require.NoError(t, s.Close())
	s = open(t, "/log", spool.Options{FS: fs, Segment: 4096})
	r, err = s.Reader("new", spool.Oldest)
	require.NoError(t, err)
	require.EqualValues(t, 6, r.Position().Index)
	require.Contains(t, fs.Names(), "/log/reserve")
}

func TestSegmentRemovedWhileInUse(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, spool.Options{Log: testLog(t)})
	require.NoError(t, s.Emit(ctx(t), numbered(0, 5)))
	require.NoError(t, os.Remove(filepath.Join(dir, fmt.Sprintf("%020d.seg", 1))))
	r, err := s.Reader("sink", spool.Oldest)
	require.NoError(t, err)
	var run spool.Run
	c, cancel := context.WithTimeout(ctx(t), 100*time.Millisecond)
	require.Error(t, r.Next(c, &run, spool.Limits{}))
	cancel()
	require.EqualValues(t, 5, r.Skipped().Damaged)
	require.NoError(t, s.Emit(ctx(t), numbered(5, 7)))
	require.Equal(t, []string{"event 5", "event 6"}, texts(take(t, r, 2)))
}

func TestDamagedCursor(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(data []byte) []byte
		want string
	}{
		{"nothing", func(data []byte) []byte { return data }, "event 7"},
		{"older slot", func(data []byte) []byte { clear(data[:4096]); return data }, "event 7"},
		{"newer slot", func(data []byte) []byte { data[4096+20]++; return data }, "event 3"},
		{"both slots", func(data []byte) []byte { clear(data); return data }, "event 0"},
		{"empty", func(data []byte) []byte { return []byte{} }, "event 0"},
		{"missing", func(data []byte) []byte { return nil }, "event 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fs := faultfs.New()
				s := open(t, "/log", spool.Options{FS: fs})
				r, err := s.Reader("sink", spool.Oldest)
				require.NoError(t, err)
				require.NoError(t, s.Emit(t.Context(), numbered(0, 10)))
				got := take(t, r, 10)
				require.NoError(t, r.Commit(got[2].Pos))
				time.Sleep(1500 * time.Millisecond)
				require.NoError(t, r.Commit(got[6].Pos))
				require.NoError(t, s.Close())
				fs.Change("/log/cursors/sink.cur", c.do)
				s = open(t, "/log", spool.Options{FS: fs})
				r, err = s.Reader("sink", spool.Newest)
				require.NoError(t, err)
				require.Equal(t, c.want, texts(take(t, r, 1))[0])
			})
		})
	}
}

func TestForeignFilesDoNotStopTheStart(t *testing.T) {
	dir := t.TempDir()
	o := spool.Options{Segment: 300, Keep: century}
	s := open(t, dir, o)
	for i := range 20 {
		require.NoError(t, s.Emit(ctx(t), numbered(i, i+1)))
	}
	require.NoError(t, s.Close())
	name := func(i int) string { return filepath.Join(dir, fmt.Sprintf("%020d.seg", i)) }
	first, err := os.ReadFile(name(1))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(name(3), first, 0o600))         // a copy in the middle
	require.NoError(t, os.WriteFile(name(1_000_000), first, 0o600)) // and at the end
	require.NoError(t, os.WriteFile(name(2_000_000), []byte("noise"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "note.txt"), nil, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "7.seg"), nil, 0o600))
	require.NoError(t, os.WriteFile(name(5)+".tmp", first, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "cursors", "x"), nil, 0o600))
	require.NoError(t, os.Mkdir(name(4), 0o700))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "lost+found"), 0o700))
	require.NoError(t, os.Remove(filepath.Join(dir, "reserve")))

	s = open(t, dir, o)
	var got []string
	for e, err := range s.Range(time.Time{}, time.Time{}) {
		require.NoError(t, err)
		got = append(got, string(e.Data))
	}
	require.Len(t, got, 20)
	require.Equal(t, "event 19", got[19])
	require.NoError(t, s.Emit(ctx(t), batch("more")))
	kept, err := filepath.Glob(filepath.Join(dir, "quarantine", "*"))
	require.NoError(t, err)
	require.Len(t, kept, 4) // the folder, too
}

// Whatever stands where a file or folder of the log belongs, the log opens.
func TestForeignThingsInThePlaceOfItsOwn(t *testing.T) {
	segment := fmt.Sprintf("%020d.seg", 1)
	for _, name := range []string{"lock", "readers", "readers.tmp", "cursors", "quarantine", "reserve", segment, segment + ".tmp", "cursors/sink.cur", "cursors/sink.cur.tmp"} {
		for _, folder := range []bool{true, false} {
			if stat := name == "cursors" || name == "quarantine"; stat == folder {
				continue // it is what it should be
			}
			t.Run(name, func(t *testing.T) {
				dir := t.TempDir()
				path := filepath.Join(dir, name)
				if folder {
					require.NoError(t, os.MkdirAll(filepath.Join(path, "inside"), 0o700))
				} else {
					require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
					require.NoError(t, os.WriteFile(path, []byte("noise"), 0o600))
				}
				for range 2 {
					s := open(t, dir, spool.Options{Log: testLog(t)})
					r, err := s.Reader("sink", spool.Oldest)
					require.NoError(t, err)
					require.NoError(t, s.Emit(ctx(t), batch("kept")))
					require.Equal(t, []string{"kept"}, texts(take(t, r, 1)))
					require.NoError(t, r.Commit(spool.Pos{Index: s.Stats().Next}))
					require.NoError(t, s.Close())
				}
			})
		}
	}
}

// A segment that cannot be opened is never written over.
func TestSegmentThatCannotBeOpened(t *testing.T) {
	for _, c := range []struct {
		why   error
		opens bool
	}{{syscall.EIO, true}, {syscall.EACCES, true}, {syscall.EMFILE, false}} {
		t.Run(c.why.Error(), func(t *testing.T) {
			fs := faultfs.New()
			s := open(t, "/log", spool.Options{FS: fs, Keep: century})
			require.NoError(t, s.Emit(ctx(t), batch("kept")))
			require.NoError(t, s.Close())
			fs.Inject(func(op faultfs.Op, name string) error {
				if op == faultfs.Open && strings.HasSuffix(name, "1.seg") {
					return c.why
				}
				return nil
			})
			s, err := spool.Open("/log", spool.Options{FS: fs})
			if !c.opens {
				require.ErrorIs(t, err, c.why)
				fs.Inject(nil)
				s = open(t, "/log", spool.Options{FS: fs})
				require.EqualValues(t, 2, s.Stats().Next)
				return
			}
			require.NoError(t, err)
			require.NoError(t, s.Close())
			require.Contains(t, fs.Names(), fmt.Sprintf("/log/quarantine/%020d.seg", 1))
		})
	}
}

// A log that was killed while the disk was full starts, gives its readers what is on the
// disk, and takes events again when there is room.
func TestStartOnAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := faultfs.New()
		s := open(t, "/log", spool.Options{FS: fs, Keep: century})
		_, err := s.Reader("sink", spool.Oldest)
		require.NoError(t, err)
		for i := range 10 {
			require.NoError(t, s.Emit(t.Context(), numbered(i, i+1)))
		}
		fs.Inject(func(op faultfs.Op, name string) error {
			if op == faultfs.Create || op == faultfs.Write && strings.Contains(name, ".seg") {
				return syscall.ENOSPC
			}
			return nil
		})
		for range 3 {
			left := fs.Kill()
			s.Close()
			left.Inject(func(op faultfs.Op, name string) error {
				if op == faultfs.Create || op == faultfs.Write && strings.Contains(name, ".seg") {
					return syscall.ENOSPC
				}
				return nil
			})
			fs = left
			s = open(t, "/log", spool.Options{FS: fs, Log: testLog(t), Keep: century})
			require.True(t, s.Stats().Full)
			c, cancel := context.WithTimeout(t.Context(), time.Second)
			require.ErrorIs(t, s.Emit(c, batch("no room")), spool.ErrFull)
			cancel()
		}
		r, err := s.Reader("sink", spool.Oldest)
		require.NoError(t, err)
		require.Equal(t, []string{"event 0", "event 1"}, texts(take(t, r, 2)))
		fs.Inject(nil)
		require.NoError(t, s.Emit(t.Context(), batch("room")))
		all := texts(take(t, r, 9))
		require.Equal(t, []string{"event 2", "event 9", "room"}, []string{all[0], all[7], all[8]})
		require.Zero(t, r.Skipped())
		fs = fs.Crash(rand.New(rand.NewPCG(1, 1)))
		s.Close()
		s = open(t, "/log", spool.Options{FS: fs, Keep: century})
		require.EqualValues(t, 12, s.Stats().Next)
	})
}

// A log with a reserve takes events while others fill the disk, over the end of a segment,
// too, and has its reserve again when there is room.
func TestReserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := faultfs.New()
		s := open(t, "/log", spool.Options{FS: fs, Segment: 4096, Reserve: 32 << 10, Log: testLog(t), Keep: century})
		r, err := s.Reader("sink", spool.Oldest)
		require.NoError(t, err)
		require.NoError(t, s.Emit(t.Context(), batch("before")))
		fs.Room(fs.Used())
		text := strings.Repeat("x", 1000)
		for range 25 {
			require.NoError(t, s.Emit(t.Context(), batch(text)))
		}
		require.NotContains(t, fs.Names(), "/log/reserve")
		for err == nil {
			c, cancel := context.WithTimeout(t.Context(), time.Second)
			err = s.Emit(c, batch(text))
			cancel()
		}
		require.ErrorIs(t, err, spool.ErrFull)
		fs.Room(-1)
		for range 10 {
			require.NoError(t, s.Emit(t.Context(), batch(text)))
			time.Sleep(time.Second)
		}
		require.Contains(t, fs.Names(), "/log/reserve")
		require.Greater(t, s.Stats().Segments, 2)
		take(t, r, int(s.Stats().Next-1))
		require.Zero(t, r.Skipped())
	})
}

func TestDirectoryThatCannotBeUsed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(dir, nil, 0o600))
	_, err := spool.Open(dir, spool.Options{})
	require.ErrorContains(t, err, dir)

	fs := faultfs.New()
	fs.Inject(func(op faultfs.Op, name string) error {
		if op == faultfs.Create && strings.Contains(name, ".seg") {
			return errors.New("no such luck")
		}
		return nil
	})
	_, err = spool.Open("/log", spool.Options{FS: fs})
	require.ErrorContains(t, err, "no such luck")
	fs.Inject(nil)
	open(t, "/log", spool.Options{FS: fs})
}

// childDir is set in the process that TestKill kills.
const childDir = "SPOOL_TEST_CHILD"

// child emits for ever and says on standard output what was acknowledged.
func child(dir string) {
	s, err := spool.Open(dir, spool.Options{Segment: 64 << 10, Keep: century})
	if err != nil {
		panic(err)
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	run := s.Stats().Next
	for i := range 4 {
		wg.Go(func() {
			for n := 0; ; n++ {
				id := fmt.Sprintf("%d-%d-%d", run, i, n)
				b := batch(id, strings.Repeat("k", n%1000))
				if n%3 == 0 {
					b.Marks = []event.Mark{{Key: fmt.Sprint(i), Value: []byte(id)}}
				}
				if err := s.Emit(context.Background(), b); err != nil {
					panic(err)
				}
				mu.Lock()
				fmt.Println(id)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

func TestKill(t *testing.T) {
	dir := t.TempDir()
	acked := map[string]bool{}
	for round := range 5 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childDir+"="+dir)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		lines := bufio.NewScanner(out)
		enough := 50 + rand.IntN(500)
		for n := 0; lines.Scan(); n++ {
			acked[lines.Text()] = true
			if n == enough {
				require.NoError(t, cmd.Process.Kill())
			}
		}
		require.Error(t, cmd.Wait())

		s := open(t, dir, spool.Options{Keep: century})
		there := map[string]bool{}
		for e, err := range s.Range(time.Time{}, time.Time{}) {
			require.NoError(t, err)
			there[string(e.Data)] = true
		}
		for id := range acked {
			require.True(t, there[id], "round %d: %s was acknowledged", round, id)
		}
		for i := range 4 {
			require.True(t, there[string(s.Mark(fmt.Sprint(i)))])
		}
		require.Zero(t, s.Stats().Damaged)
		require.NoError(t, s.Close())
	}
	require.Greater(t, len(acked), 250)
}
