package file

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/component"
)

func write(t testing.TB, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	_, err = f.WriteString(text)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

func TestLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	long := strings.Repeat("y", chunk+5000)
	write(t, path, "one\r\n\n\x00\x00two\n \n"+strings.Repeat("x", 1001)+"\n"+long+"\nlast\nno end")
	c := configOf(path)
	c.MaxEvent = 1000
	log := newMemory()
	r := start(t, c, log)
	assert.Equal(t, []string{"one", "two", " ", strings.Repeat("x", 1000), long[:1000], "last"}, log.wait(t, 6))
	assert.Equal(t, []int{3, 3, 1, 1001, len(long), 4}, log.sizes)
	eventually(t, "cuts are counted", func() bool { return r.meter.count("events_cut") == 2 })

	write(t, path, " yet")
	write(t, path, "\nnext\n")
	assert.Equal(t, []string{"no end yet", "next"}, log.wait(t, 8)[6:])
	eventually(t, "it says how far it is", func() bool { return r.Progress() == "1 file followed" && !r.Position().IsZero() })
	require.NoError(t, r.stop())
}

// What each rotation does to the file, and what is read afterwards.
func TestRotation(t *testing.T) {
	for name, blind := range map[string]bool{"told of changes": false, "looking for changes": true} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path, old := filepath.Join(dir, "a.log"), filepath.Join(dir, "a.log.1")
			log := newMemory()
			r := start(t, configOf(path), log, func(s *Source) { s.blind = blind })
			write(t, path, "1\n") // it comes late
			log.wait(t, 1)

			require.NoError(t, os.Rename(path, old))
			write(t, old, "2\n") // the writer has not noticed yet
			log.wait(t, 2)
			write(t, path, "3\n")
			log.wait(t, 3)
			write(t, old, "4\n")
			log.wait(t, 4)

			require.NoError(t, os.Truncate(path, 0))
			eventually(t, "truncation is noticed", func() bool { return r.meter.count("files_truncated") == 1 })
			write(t, path, "5\n")
			log.wait(t, 5)

			require.NoError(t, os.Remove(path))
			write(t, path, "6\n")
			assert.Equal(t, []string{"1", "2", "3", "4", "5", "6"}, log.wait(t, 6))
			require.NoError(t, r.stop())
			assert.Zero(t, r.meter.count("files_lost_bytes"))
		})
	}
}

func TestTheEndOfARotatedFileNeedsNoLineFeed(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.log")
	write(t, path, "1\n2")
	log := newMemory()
	r := start(t, configOf(path), log, func(s *Source) { s.drained = 50 * time.Millisecond })
	log.wait(t, 1)
	require.NoError(t, os.Remove(path))
	assert.Equal(t, []string{"1", "2"}, log.wait(t, 2))
	eventually(t, "nothing is left of it", func() bool { return r.Progress() == "0 files followed" })
	require.NoError(t, r.stop())
	rest, _, err := recall(log.Mark)
	require.NoError(t, err)
	assert.Empty(t, rest)
}

func TestRestart(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a.log"), filepath.Join(dir, "b.log")
	write(t, a, "a1\na2\npart")
	write(t, b, "b1\n")
	log := newMemory()
	c := configOf(filepath.Join(dir, "*.log"))
	require.NoError(t, start(t, c, log, func(*Source) {}).stopAfter(t, log, 3))

	// While nobody looks, one is renamed and made anew, one deleted with lines unread.
	write(t, a, "ial\na3\n")
	require.NoError(t, os.Rename(a, a+".1"))
	write(t, a, "a4\n")
	r := start(t, c, log)
	assert.ElementsMatch(t, []string{"partial", "a3", "a4"}, log.wait(t, 6)[3:])
	require.NoError(t, r.stop())

	require.NoError(t, os.Remove(b))
	r = start(t, c, log)
	write(t, a, "a5\n")
	assert.Equal(t, "a5", log.wait(t, 7)[6])
	require.NoError(t, r.stop())
	assert.Len(t, log.all(), 7)
}

func (r *running) stopAfter(t testing.TB, log *memory, n int) error {
	log.wait(t, n)
	return r.stop()
}

func TestAFileThatIsGoneBeforeItWasReadIsCounted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	write(t, path, "1\nrest")
	log := newMemory()
	require.NoError(t, start(t, configOf(path), log).stopAfter(t, log, 1))
	require.NoError(t, os.Remove(path))
	r := start(t, configOf(path), log)
	require.NoError(t, r.stop())
	assert.EqualValues(t, 4, r.meter.count("files_lost_bytes"))
	assert.Contains(t, r.words.String(), "a file is gone that was not read to its end")
}

func TestAnotherFileUnderTheSameNumberIsNew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	write(t, path, "first line\nsecond\n")
	log := newMemory()
	require.NoError(t, start(t, configOf(path), log).stopAfter(t, log, 2))
	require.NoError(t, os.WriteFile(path, []byte("other, and longer than before\n"), 0o600)) // the same inode
	r := start(t, configOf(path), log)
	assert.Equal(t, "other, and longer than before", log.wait(t, 3)[2])
	require.NoError(t, r.stop())
}

func TestFoldersThatComeLate(t *testing.T) {
	dir := t.TempDir()
	c := configOf(filepath.Join(dir, "*", "x", "*.log"))
	c.Every, c.Exclude = time.Hour, []string{"no*", filepath.Join(dir, "q", "*", "*")}
	log := newMemory()
	r := start(t, c, log)
	for _, d := range []string{"p", "q"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, d), 0o700))
		// Whether the watch of the outer folder stood before the inner one came or not.
		require.NoError(t, os.MkdirAll(filepath.Join(dir, d, "x"), 0o700))
		for _, name := range []string{"yes.log", "no.log", "z.log.gz"} {
			write(t, filepath.Join(dir, d, "x", name), d+name+"\n")
		}
	}
	assert.Equal(t, []string{"pyes.log"}, log.wait(t, 1))
	require.NoError(t, r.stop())
}

func TestStartNewest(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.log"), "before\n")
	c := configOf(filepath.Join(dir, "*.log"))
	c.Start = "newest"
	log := newMemory()
	r := start(t, c, log)
	write(t, filepath.Join(dir, "b.log"), "new file\n")
	log.wait(t, 1)
	require.NoError(t, r.stop())
	write(t, filepath.Join(dir, "a.log"), "while down\n")
	write(t, filepath.Join(dir, "c.log"), "also new\n")
	r = start(t, c, log)
	assert.ElementsMatch(t, []string{"new file", "while down", "also new"}, log.wait(t, 3))
	require.NoError(t, r.stop())
}

func TestMoreFilesThanAllowed(t *testing.T) {
	dir := t.TempDir()
	c := configOf(filepath.Join(dir, "*.log"))
	c.MaxFiles = 2
	for i := range 4 {
		write(t, filepath.Join(dir, fmt.Sprintf("%d.log", i)), fmt.Sprintf("%d\n", i))
	}
	log := newMemory()
	r := start(t, c, log)
	assert.ElementsMatch(t, []string{"0", "1"}, log.wait(t, 2))
	eventually(t, "it says so", func() bool { return strings.Contains(r.Progress(), "2 files followed, 2 cannot be read") })
	assert.Contains(t, r.words.String(), "raise max_files")
	require.NoError(t, os.Remove(filepath.Join(dir, "0.log")))
	_ = log.wait(t, 2)
	require.NoError(t, r.stop())
}

func TestAFailingLogLosesAndRepeatsNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	var want []string
	for i := range 50_000 {
		want = append(want, fmt.Sprintf("line %06d with some text behind it", i))
	}
	write(t, path, strings.Join(want, "\n")+"\n")
	log := newMemory()
	ctx, cancel := context.WithCancel(t.Context())
	tries := 0
	log.fail = func(int) error {
		if tries++; tries%2 == 0 {
			return errors.New("the disk is full")
		}
		return nil
	}
	go func() {
		for ; ctx.Err() == nil && len(log.all()) < len(want); time.Sleep(time.Millisecond) {
		}
		cancel()
	}()
	for ctx.Err() == nil {
		c := configOf(path)
		s, err := New(&c, component.Env{})
		require.NoError(t, err)
		log.ready = make(chan struct{})
		if err := s.Run(ctx, log); err != nil {
			assert.ErrorContains(t, err, "the disk is full")
		} else {
			assert.Error(t, ctx.Err())
		}
	}
	assert.Equal(t, want, log.all())
}

func TestCheck(t *testing.T) {
	for text, want := range map[string]string{
		"/var/log/[a": "is no pattern of paths", "/var/**/x": "** is not supported", "var/x.log": "does not begin with a slash",
	} {
		c := configOf(text)
		var r component.Report
		c.Check(&r)
		require.Len(t, r.Findings, 1)
		assert.Equal(t, "paths[0]", r.Findings[0].Path)
		assert.Contains(t, r.Findings[0].Text, want)
		_, err := New(&c, component.Env{})
		assert.ErrorContains(t, err, want)
	}
	c := Config{MaxEvent: -1, Exclude: []string{"["}}
	var r component.Report
	c.Check(&r)
	assert.Len(t, r.Findings, 5)
}

func TestPositionsThatCannotBeReadStopTheSource(t *testing.T) {
	log := newMemory()
	log.marks[bucketKey(3)] = []byte("{")
	_, _, err := recall(log.Mark)
	assert.ErrorContains(t, err, "mark files/03")
	log.marks[bucketKey(3)] = []byte(`[{"path":"/x","offset":-1}]`)
	_, _, err = recall(log.Mark)
	assert.ErrorContains(t, err, "position -1 of /x cannot be")
}
