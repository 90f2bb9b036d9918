package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/sink"
	"github.com/siemfwd/siemfwd/forwarder/sink/sinktest"
)

func open(t *testing.T, path string) (*files, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	s, err := New(&Config{Path: path}, component.Env{Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return s.(*files), &log
}

// at makes an item of a source at a time on 2026-11-DAY.
func at(source string, day int, payload string) sink.Item {
	return sink.Item{Payload: []byte(payload), Source: source, Time: time.Date(2026, 11, day, 23, 30, 0, 0, time.UTC)}
}

func content(t *testing.T, parts ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(parts...))
	require.NoError(t, err)
	return string(b)
}

func TestSuite(t *testing.T) {
	sinktest.Run(t, sinktest.Sink{
		New: func(t *testing.T) (sink.Sink, func() [][]byte) {
			dir := t.TempDir()
			s, err := New(&Config{Path: filepath.Join(dir, "{source}", "{date}.ndjson")}, component.Env{})
			require.NoError(t, err)
			return s, func() [][]byte {
				text, _ := os.ReadFile(filepath.Join(dir, "sinktest", "2026-11-20.ndjson"))
				return bytes.Split(bytes.TrimSuffix(text, []byte{'\n'}), []byte{'\n'})
			}
		},
		Down: func(t *testing.T) sink.Sink {
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "sinktest"), nil, 0o600))
			s, err := New(&Config{Path: filepath.Join(dir, "{source}", "{date}.ndjson")}, component.Env{})
			require.NoError(t, err)
			return s
		},
	})
}

func TestTemplate(t *testing.T) {
	dir := t.TempDir()
	s, _ := open(t, filepath.Join(dir, "new", "deep", "{source}-x", "{date}.ndjson"))
	east := time.FixedZone("", 3*3600)
	late := at("edge", 20, "3")
	late.Time = time.Date(2026, 11, 21, 2, 59, 59, 0, east) // the 20th in UTC
	require.NoError(t, s.Send(t.Context(), []sink.Item{at("edge", 20, "1"), at("edge", 21, "2"), late, at("../up", 20, "4\n5")}))
	assert.Equal(t, "1\n3\n", content(t, dir, "new/deep/edge-x/2026-11-20.ndjson"))
	assert.Equal(t, "2\n", content(t, dir, "new/deep/edge-x/2026-11-21.ndjson"))
	assert.Equal(t, "4 5\n", content(t, dir, "new/deep/___up-x/2026-11-20.ndjson"))

	old := syscall.Umask(0o022)
	syscall.Umask(old)
	info, err := os.Stat(filepath.Join(dir, "new/deep/edge-x"))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o750)&^os.FileMode(old), info.Mode().Perm())
	info, err = os.Stat(filepath.Join(dir, "new/deep/edge-x/2026-11-20.ndjson"))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o640)&^os.FileMode(old), info.Mode().Perm())
}

func TestNames(t *testing.T) {
	for _, c := range []struct{ path, source, base, name string }{
		{"/a/b/{source}/{date}.x", "s", "/a/b", "s/1970-01-02.x"},
		{"/a/b/log-{source}.x", "s", "/a/b", "log-s.x"},
		{"/a/b.x", "s", "/a", "b.x"},
		{"/{source}", "s", "/", "s"},
		{"//a///b/./{source}//{date}", "s", "/a/b", "s/1970-01-02"},
		{"{source}", "s", ".", "s"},
		{"out/{source}", "s", "out", "s"},
		{"/a/{source}", "..", "/a", "__"},
		{"/a/{source}", ".", "/a", "_"},
		{"/a/{source}", "", "/a", "_"},
		{"/a/{source}", "../../etc/passwd", "/a", "______etc_passwd"},
		{"/a/{source}", "a.b", "/a", "a.b"},
		{"/a/{source}", "a...b", "/a", "a___b"},
		{"/a/{source}", "a\x00\n\\b", "/a", "a___b"},
		{"/a/.{source}", ".", "/a", "._"},
		{"/a/{source}", strings.Repeat("x", 300), "/a", strings.Repeat("x", 128)},
	} {
		tmpl, err := parseTemplate(c.path)
		require.NoError(t, err, c.path)
		assert.Equal(t, c.base, tmpl.base, c.path)
		assert.Equal(t, c.name, tmpl.name(tmpl.key(&sink.Item{Source: c.source, Time: time.Unix(86400, 0)})), c.path)
	}
	tmpl, err := parseTemplate("{date}")
	require.NoError(t, err)
	assert.Equal(t, "1969-12-31", tmpl.name(tmpl.key(&sink.Item{Time: time.Unix(-1, 0)})))
}

func TestConfig(t *testing.T) {
	for path, want := range map[string][]component.Finding{
		"/a/{source}/{date}.ndjson": nil,
		"":                          nil,
		"a/b":                       {{Path: "path", Text: "path is relative to the daemon's working directory", Hint: "begin it with /", Warning: true}},
		"/a/":                       {{Path: "path", Text: "names no file", Hint: "add a file name, such as {date}.ndjson"}},
		"/a/.":                      {{Path: "path", Text: "names no file", Hint: "add a file name, such as {date}.ndjson"}},
		"/a/../b":                   {{Path: "path", Text: "goes up with ..", Hint: "write the folder it leads to"}},
		"/a/{source}/..":            {{Path: "path", Text: "goes up with ..", Hint: "write the folder it leads to"}},
		"/a/{vendor}":               {{Path: "path", Text: "does not know {vendor}", Hint: "known are {source} and {date}"}},
		"/a/{source":                {{Path: "path", Text: "has a brace without its partner", Hint: "braces stand around {source} and {date} only"}},
		"/a/source}":                {{Path: "path", Text: "has a brace without its partner", Hint: "braces stand around {source} and {date} only"}},
		"/a/{}":                     {{Path: "path", Text: "does not know {}", Hint: "known are {source} and {date}"}},
		"/a\x00b":                   {{Path: "path", Text: "holds a NUL"}},
	} {
		var r component.Report
		(&Config{Path: path}).Check(&r)
		assert.Equal(t, want, r.Findings, path)
	}
	_, err := Spec().Build(&Config{Path: "/a/{x}"}, component.Env{})
	assert.EqualError(t, err, "path does not know {x}")
}

func TestHalfWrittenLastLine(t *testing.T) {
	long := strings.Repeat("x", 200_000)
	for _, c := range []struct{ before, after string }{
		{"", ""},
		{"one\n", "one\n"},
		{"one\ntwo", "one\n"},
		{"one", ""},
		{"\n", "\n"},
		{"\n\n\x00\x00\x00", "\n\n"},
		{"one\n" + long, "one\n"},
		{long, ""},
		{long + "\n", long + "\n"},
		{"one\n" + long[:65536], "one\n"},
		{"one\n" + long[:65535], "one\n"},
		{"one\n" + long[:65537], "one\n"},
	} {
		path := filepath.Join(t.TempDir(), "f")
		require.NoError(t, os.WriteFile(path, []byte(c.before), 0o600))
		s, log := open(t, path)
		require.NoError(t, s.Send(t.Context(), []sink.Item{at("s", 1, "new")}))
		assert.Equal(t, c.after+"new\n", content(t, path))
		if cut := len(c.before) - len(c.after); cut > 0 {
			assert.Equal(t, fmt.Sprintf("level=WARN msg=\"half-written last line was cut\" file=%s bytes=%d\n", path, cut), log.String())
		} else {
			assert.Empty(t, log.String())
		}
	}
}

func TestMovedDeletedChanged(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "sub", "{source}")
	file := filepath.Join(dir, "sub", "s")
	s, log := open(t, path)
	send := func(payload string) {
		t.Helper()
		log.Reset()
		require.NoError(t, s.Send(t.Context(), []sink.Item{at("s", 1, payload)}))
	}
	note := "level=INFO msg=\"file was moved, deleted or changed by someone else, it is opened anew\" file=" + file + "\n"
	send("1")
	send("2")
	assert.Empty(t, log.String())

	require.NoError(t, os.Rename(file, file+".1"))
	send("3")
	assert.Equal(t, note, log.String())
	assert.Equal(t, "1\n2\n", content(t, file+".1"))
	assert.Equal(t, "3\n", content(t, file))

	require.NoError(t, os.Remove(file))
	send("4")
	assert.Equal(t, note, log.String())
	assert.Equal(t, "4\n", content(t, file))

	require.NoError(t, os.Truncate(file, 0))
	send("5")
	assert.Equal(t, note, log.String())
	assert.Equal(t, "5\n", content(t, file))

	require.NoError(t, os.Rename(filepath.Join(dir, "sub"), filepath.Join(dir, "gone")))
	send("6")
	assert.Equal(t, note, log.String())
	assert.Equal(t, "6\n", content(t, file))
	assert.Equal(t, "5\n", content(t, dir, "gone", "s"))
	send("7")
	assert.Empty(t, log.String())
	assert.Equal(t, "6\n7\n", content(t, file))
}

func TestNoEscape(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "base"), 0o700))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "outside"), 0o700))
	require.NoError(t, os.Symlink("../outside", filepath.Join(dir, "base", "edge")))
	s, _ := open(t, filepath.Join(dir, "base", "{source}", "{date}"))
	err := s.Send(t.Context(), []sink.Item{at("edge", 1, "x")})
	require.Error(t, err)
	entries, err := os.ReadDir(filepath.Join(dir, "outside"))
	require.NoError(t, err)
	assert.Empty(t, entries)
}

func TestOneWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	first, _ := open(t, path)
	second, _ := open(t, path)
	require.NoError(t, first.Send(t.Context(), []sink.Item{at("s", 1, "1")}))
	require.EqualError(t, second.Send(t.Context(), []sink.Item{at("s", 1, "2")}), path+": locked by another writer")
	require.NoError(t, first.Close())
	require.NoError(t, second.Send(t.Context(), []sink.Item{at("s", 1, "2")}))
	assert.Equal(t, "1\n2\n", content(t, path))
}

func TestNotAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	s, _ := open(t, path)
	assert.EqualError(t, s.Send(t.Context(), []sink.Item{at("s", 1, "1")}), path+": not a regular file")

	s, _ = open(t, t.TempDir())
	err := s.Send(t.Context(), []sink.Item{at("s", 1, "1")})
	assert.ErrorIs(t, err, syscall.EISDIR)
}

func TestOpenFilesAreBounded(t *testing.T) {
	dir := t.TempDir()
	s, log := open(t, filepath.Join(dir, "{source}"))
	s.maxOpen = 3
	want := map[string]string{}
	for round := range 4 {
		var items []sink.Item
		for i := range 8 {
			name := fmt.Sprintf("s%d", (i*5+round)%8)
			line := fmt.Sprintf("%d.%d", round, i)
			items = append(items, at(name, 1, line), at(name, 2, "also"))
			want[name] += line + "\nalso\n"
		}
		require.NoError(t, s.Send(t.Context(), items))
		assert.Len(t, s.streams, 3)
		assert.Len(t, s.keys, 3)
	}
	for name, text := range want {
		assert.Equal(t, text, content(t, dir, name))
	}
	assert.Empty(t, log.String())
}

func TestIdleFilesAreClosed(t *testing.T) {
	dir := t.TempDir()
	s, _ := open(t, filepath.Join(dir, "{date}"))
	now := time.Now()
	s.now = func() time.Time { return now }
	require.NoError(t, s.Send(t.Context(), []sink.Item{at("s", 1, "1")}))
	now = now.Add(idle)
	require.NoError(t, s.Send(t.Context(), []sink.Item{at("s", 2, "2")}))
	assert.Len(t, s.streams, 2)
	now = now.Add(time.Second)
	require.NoError(t, s.Send(t.Context(), []sink.Item{at("s", 2, "3")}))
	require.Len(t, s.streams, 1)
	assert.Equal(t, "2026-11-02", s.streams[0].name)
}

// TestSameName has two sources whose names are cleaned to the same file's name.
func TestSameName(t *testing.T) {
	dir := t.TempDir()
	s, _ := open(t, filepath.Join(dir, "{source}"))
	for range 2 {
		require.NoError(t, s.Send(t.Context(), []sink.Item{at("a/b", 1, "1"), at("a_b", 1, "2"), at("a/b", 1, "3")}))
	}
	assert.Equal(t, "1\n2\n3\n1\n2\n3\n", content(t, dir, "a_b"))
}

// faulty fails what it is told to.
type faulty struct {
	handle
	write    int // octets taken of a write before it fails; negative: all are
	sync     error
	truncate error
}

var errFull = &os.PathError{Op: "write", Path: "f", Err: syscall.ENOSPC}

func (f *faulty) Write(p []byte) (int, error) {
	if f.write >= 0 {
		n, _ := f.handle.Write(p[:f.write])
		return n, errFull
	}
	return f.handle.Write(p)
}

func (f *faulty) Datasync() error {
	if f.sync != nil {
		return f.sync
	}
	return f.handle.Datasync()
}

func (f *faulty) Truncate(n int64) error {
	if f.truncate != nil {
		return f.truncate
	}
	return f.handle.Truncate(n)
}

func TestBadDisk(t *testing.T) {
	for name, c := range map[string]struct {
		fault faulty
		left  string // in the file of the fault after the failed batch
		want  error
	}{
		"full before":      {faulty{write: 0}, "b0\n", syscall.ENOSPC},
		"full within":      {faulty{write: 4}, "b0\n", syscall.ENOSPC},
		"full at the end":  {faulty{write: 6}, "b0\n", syscall.ENOSPC},
		"sync fails":       {faulty{write: -1, sync: syscall.EIO}, "b0\n", syscall.EIO},
		"nothing to undo":  {faulty{write: 4, truncate: syscall.EIO}, "b0\nb1\nb", syscall.ENOSPC},
		"sync, no undoing": {faulty{write: -1, sync: syscall.EIO, truncate: syscall.EIO}, "b0\nb1\nb2\n", syscall.EIO},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s, _ := open(t, filepath.Join(dir, "{source}"))
			require.NoError(t, s.Send(t.Context(), []sink.Item{at("a", 1, "a0"), at("b", 1, "b0"), at("c", 1, "c0")}))
			for _, st := range s.streams {
				if st.name == "b" {
					f := c.fault
					f.handle = st.file
					st.file = &f
				}
			}
			items := []sink.Item{at("a", 1, "a1"), at("b", 1, "b1"), at("c", 1, "c1"), at("b", 1, "b2")}
			err := s.Send(t.Context(), items)
			require.ErrorIs(t, err, c.want)
			assert.EqualError(t, err, filepath.Join(dir, "b")+": "+c.want.Error())
			assert.Equal(t, "a0\n", content(t, dir, "a"), "what went well is taken back with the rest")
			assert.Equal(t, c.left, content(t, dir, "b"))
			assert.Equal(t, "c0\n", content(t, dir, "c"))

			require.NoError(t, s.Send(t.Context(), items))
			assert.Equal(t, "a0\na1\n", content(t, dir, "a"))
			cut := c.left[:strings.LastIndexByte(c.left, '\n')+1]
			assert.Equal(t, cut+"b1\nb2\n", content(t, dir, "b"))
			assert.Equal(t, "c0\nc1\n", content(t, dir, "c"))
		})
	}
}

func TestNewFileCannotBeRead(t *testing.T) {
	s, _ := open(t, filepath.Join(t.TempDir(), "{source}"))
	real := s.open
	s.open = func(*os.Root, string) (handle, error) { return nil, errFull }
	require.ErrorIs(t, s.Send(t.Context(), []sink.Item{at("a", 1, "1")}), syscall.ENOSPC)
	assert.Empty(t, s.streams)
	assert.Empty(t, s.keys)
	s.open = real
	require.NoError(t, s.Send(t.Context(), []sink.Item{at("a", 1, "1")}))
}

func TestCancelledBetweenFiles(t *testing.T) {
	dir := t.TempDir()
	s, _ := open(t, filepath.Join(dir, "{source}"))
	ctx, cancel := context.WithCancel(t.Context())
	real := s.open
	s.open = func(root *os.Root, name string) (handle, error) {
		cancel()
		return real(root, name)
	}
	require.ErrorIs(t, s.Send(ctx, []sink.Item{at("a", 1, "1"), at("b", 1, "2")}), context.Canceled)
	assert.Empty(t, content(t, dir, "a"))
	_, err := os.Stat(filepath.Join(dir, "b"))
	assert.True(t, errors.Is(err, os.ErrNotExist))
}

func TestNoAllocationPerEvent(t *testing.T) {
	s, _ := open(t, filepath.Join(t.TempDir(), "{source}", "{date}"))
	items := make([]sink.Item, 1000)
	for i := range items {
		items[i] = at("s", 1, "payload")
	}
	send := func() { require.NoError(t, s.Send(t.Context(), items)) }
	send()
	assert.Less(t, testing.AllocsPerRun(10, send), 50.0, "for a thousand events")
}

func FuzzTemplate(f *testing.F) {
	f.Add("/srv/{source}/{date}.ndjson", "edge")
	f.Add("{source}/./{source}{date}", "../..")
	f.Fuzz(func(t *testing.T, path, source string) {
		tmpl, err := parseTemplate(path)
		if err != nil {
			return
		}
		name := tmpl.name(tmpl.key(&sink.Item{Source: source}))
		assert.True(t, filepath.IsLocal(name), "%q leads out of %q", name, tmpl.base)
		if tmpl.bySource {
			assert.NotEqual(t, ".", name)
		}
	})
}

func BenchmarkSend(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s, err := New(&Config{Path: filepath.Join(b.TempDir(), "{source}", "{date}")}, component.Env{})
			require.NoError(b, err)
			defer s.Close()
			items := make([]sink.Item, n)
			for i := range items {
				items[i] = at("s", 1, strings.Repeat("x", 600))
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := s.Send(context.Background(), items); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
