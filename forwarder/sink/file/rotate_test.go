package file

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/sink"
)

// rotating makes a sink whose clock stands still and whose janitor works when told to.
func rotating(t *testing.T, c Config, now *time.Time) *files {
	t.Helper()
	made, err := New(&c, component.Env{Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	s := made.(*files)
	s.now = func() time.Time { return *now }
	if s.janitor != nil {
		s.janitor.now = s.now
		s.janitor.begin.Do(func() {})
	}
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return s
}

func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		require.NoError(t, err)
		if !e.IsDir() {
			rel, err := filepath.Rel(dir, path)
			require.NoError(t, err)
			all = append(all, rel)
		}
		return nil
	}))
	return all
}

func unpacked(t *testing.T, parts ...string) string {
	t.Helper()
	z, err := zstd.NewReader(strings.NewReader(content(t, parts...)))
	require.NoError(t, err)
	defer z.Close()
	b, err := io.ReadAll(z)
	require.NoError(t, err)
	return string(b)
}

func TestRotationBySize(t *testing.T) {
	dir, now := t.TempDir(), time.Date(2026, 11, 20, 1, 2, 3, 0, time.UTC)
	s := rotating(t, Config{Path: filepath.Join(dir, "e.ndjson"), Rotate: Rotate{Size: 1024}}, &now)
	line := strings.Repeat("x", 599)
	for range 4 {
		require.NoError(t, s.Send(t.Context(), []sink.Item{at("a", 20, line)}))
	}
	assert.Equal(t, []string{"e.20261120T010203Z-2.ndjson", "e.20261120T010203Z-3.ndjson", "e.20261120T010203Z.ndjson", "e.ndjson"}, names(t, dir))
	for _, n := range names(t, dir) {
		assert.Equal(t, line+"\n", content(t, dir, n))
	}
}

func TestRotationByTime(t *testing.T) {
	dir, now := t.TempDir(), time.Now().UTC().Truncate(24*time.Hour).Add(12*time.Hour)
	path := filepath.Join(dir, "e")
	s := rotating(t, Config{Path: path, Rotate: Rotate{Every: 24 * time.Hour}}, &now)
	send := func(text string) { require.NoError(t, s.Send(t.Context(), []sink.Item{at("a", 20, text)})) }
	send("1")
	now = now.Add(11 * time.Hour)
	send("2")
	now = now.Add(2 * time.Hour)
	send("3")
	assert.Equal(t, "3\n", content(t, path))
	assert.Equal(t, "1\n2\n", content(t, path+"."+now.Format(stampLayout)))

	// After a restart the file's own time tells how old it is.
	require.NoError(t, s.Close())
	old := now.Add(-48 * time.Hour)
	require.NoError(t, os.Chtimes(path, old, old))
	s = rotating(t, Config{Path: path, Rotate: Rotate{Every: 24 * time.Hour}}, &now)
	send("4")
	assert.Equal(t, "4\n", content(t, path))
	assert.Equal(t, "3\n", content(t, path+"."+now.Format(stampLayout)+"-2"))
}

func TestFilesThatAreOverAreCompressedAndDeleted(t *testing.T) {
	dir := t.TempDir()
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	s := rotating(t, Config{Path: filepath.Join(dir, "{source}", "{date}.ndjson"), Compress: "zstd", Keep: 30 * 24 * time.Hour}, &now)
	tidy := func() { t.Helper(); require.NoError(t, s.janitor.tidy(t.Context())) }
	age := func(age time.Duration, parts ...string) {
		path := filepath.Join(append([]string{dir}, parts...)...)
		require.NoError(t, os.Chtimes(path, now.Add(-age), now.Add(-age)))
	}
	require.NoError(t, s.Send(t.Context(), []sink.Item{at("a", 19, "old"), at("a", 20, "today")}))
	for _, foreign := range []string{"a/notes.txt", "a/2026-11-01.ndjson.gz", "a/x2026-11-01.ndjson", "a/2026-11-01.ndjson.tmp", "a/b/2026-11-01.ndjson"} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, foreign)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, foreign), []byte("not ours\n"), 0o600))
		age(1000*24*time.Hour, foreign)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a/2026-11-18.ndjson.zst.tmp"), []byte("half"), 0o600))
	age(2*time.Hour, "a", "2026-11-19.ndjson")
	tidy() // the file is open, and so somebody may write to it
	ours := func() (all []string) {
		for _, n := range names(t, dir) {
			if !strings.HasPrefix(content(t, dir, n), "not ours") {
				all = append(all, n)
			}
		}
		return all
	}
	assert.Equal(t, []string{"a/2026-11-19.ndjson", "a/2026-11-20.ndjson"}, ours())

	for _, st := range s.streams {
		require.NoError(t, st.close())
	}
	tidy()
	assert.Equal(t, []string{"a/2026-11-19.ndjson.zst", "a/2026-11-20.ndjson"}, ours())
	assert.Equal(t, "old\n", unpacked(t, dir, "a/2026-11-19.ndjson.zst"))

	// One more event of that day is late; nothing is overwritten.
	require.NoError(t, s.Send(t.Context(), []sink.Item{at("a", 19, "late")}))
	for _, st := range s.streams {
		require.NoError(t, st.close())
	}
	age(2*time.Hour, "a", "2026-11-19.ndjson")
	tidy()
	all := ours()
	require.Len(t, all, 3)
	assert.Equal(t, "late\n", unpacked(t, dir, all[0]))
	assert.Equal(t, "old\n", unpacked(t, dir, all[1]))

	// Its time is that of its lines, and keep counts from it.
	now = now.Add(30*24*time.Hour - 3*time.Hour)
	tidy()
	require.Len(t, ours(), 3)
	now = now.Add(2 * time.Hour)
	tidy()
	assert.Equal(t, []string{"a/2026-11-20.ndjson.zst"}, ours())
	assert.Len(t, names(t, dir), 6)
}

func TestAFileThatIsPutAwayWhileItIsOpenedIsOpenedAgain(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	path := filepath.Join(dir, "e")
	s := rotating(t, Config{Path: path}, &now)
	s.open = func(root *os.Root, name string) (handle, error) {
		f, err := openFile(root, name)
		require.NoError(t, os.Remove(path))
		s.open = openFile
		return f, err
	}
	items := []sink.Item{at("a", 20, "1")}
	require.ErrorIs(t, s.Send(t.Context(), items), errReplaced)
	require.NoError(t, s.Send(t.Context(), items))
	assert.Equal(t, "1\n", content(t, path))
}

// While files rotate, are compressed and deleted, every line is in exactly one of them.
func TestRotationLosesNothing(t *testing.T) {
	dir := t.TempDir()
	made, err := New(&Config{Path: filepath.Join(dir, "e.log"), Rotate: Rotate{Size: 2048}, Compress: "zstd"}, component.Env{})
	require.NoError(t, err)
	const n = 400
	for i := 0; i < n; {
		err := made.Send(context.Background(), []sink.Item{at("a", 20, fmt.Sprintf("%06d %s", i, strings.Repeat("x", 90)))})
		if err == nil {
			i++
		}
	}
	require.NoError(t, made.Close())
	var all bytes.Buffer
	for _, name := range names(t, dir) {
		require.NotContains(t, name, ".tmp")
		if strings.HasSuffix(name, packed) {
			all.WriteString(unpacked(t, dir, name))
		} else {
			all.WriteString(content(t, dir, name))
		}
	}
	seen := map[string]int{}
	for l := range strings.Lines(all.String()) {
		seen[l[:6]]++
	}
	require.Len(t, seen, n)
	for _, times := range seen {
		require.Equal(t, 1, times)
	}
}

func TestCheckRotation(t *testing.T) {
	for want, c := range map[string]Config{
		"rotate.size":    {Path: "/a", Rotate: Rotate{Size: 1}},
		"rotate.every":   {Path: "/a", Rotate: Rotate{Every: time.Second}},
		"keep":           {Path: "/a-{date}", Keep: time.Second},
		"compress never": {Path: "/a", Compress: "zstd"},
		"keep never":     {Path: "/a", Keep: time.Hour},
	} {
		var r component.Report
		c.Check(&r)
		require.Len(t, r.Findings, 1, want)
		path, never, _ := strings.Cut(want, " ")
		assert.Equal(t, path, r.Findings[0].Path)
		assert.Equal(t, never == "never", r.Findings[0].Warning)
	}
}
