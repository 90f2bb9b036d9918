package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/klauspost/compress/zstd"
)

// packed is the ending of compressed files.
const packed = ".zst"

const (
	tidyEvery = 10 * time.Minute
	// settled is how long nobody wrote to the file of a day that is over: events may
	// be late.
	settled = time.Hour
)

// janitor compresses and deletes files that are full or of days that are over, beside
// the sink. It touches only names that the sink itself gives, and no file that is locked.
// A nil janitor does nothing.
type janitor struct {
	base  string
	name  *regexp.Regexp // of paths below base; the stamp and the date, if any, are its groups
	pack  bool
	keep  time.Duration
	log   *slog.Logger
	now   func() time.Time
	tick  time.Duration
	kick  chan struct{}
	begin sync.Once
	end   context.CancelFunc
	gone  sync.WaitGroup
}

func newJanitor(t template, c *Config, log *slog.Logger) *janitor {
	return &janitor{base: t.base, name: t.pattern(), pack: c.Compress == "zstd", keep: c.Keep, log: log, now: time.Now, tick: tidyEvery,
		kick: make(chan struct{}, 1), end: func() {}}
}

// pattern matches the paths of the template's files, put aside or not, compressed or not.
func (t *template) pattern() *regexp.Regexp {
	var b strings.Builder
	b.WriteString("^")
	for i, p := range t.parts {
		switch p.hole {
		case holeSource:
			b.WriteString(`[^/]+`)
		case holeDate:
			b.WriteString(`(?P<date>\d{4}-\d\d-\d\d)`)
		default:
			text, ext := p.text, ""
			if i == len(t.parts)-1 {
				ext = filepath.Ext(text)
				text = strings.TrimSuffix(text, ext)
			}
			b.WriteString(regexp.QuoteMeta(text))
			if i == len(t.parts)-1 {
				b.WriteString(stampPattern + regexp.QuoteMeta(ext))
			}
			continue
		}
		if i == len(t.parts)-1 {
			b.WriteString(stampPattern)
		}
	}
	b.WriteString(`(?P<packed>\.zst)?$`)
	return regexp.MustCompile(b.String())
}

const stampPattern = `(?P<stamp>\.\d{8}T\d{6}Z(-\d+)?)?`

func (j *janitor) start() {
	if j == nil {
		return
	}
	j.begin.Do(func() {
		ctx, cancel := context.WithCancel(context.Background())
		j.end = cancel
		j.gone.Go(func() { j.run(ctx) })
	})
}

// wake says that a file was put aside.
func (j *janitor) wake() {
	if j == nil {
		return
	}
	select {
	case j.kick <- struct{}{}:
	default:
	}
}

func (j *janitor) close() {
	if j == nil {
		return
	}
	j.begin.Do(func() {})
	j.end()
	j.gone.Wait()
}

func (j *janitor) run(ctx context.Context) {
	tick := time.NewTicker(j.tick)
	defer tick.Stop()
	said := ""
	for {
		err := j.tidy(ctx)
		if ctx.Err() != nil {
			return
		}
		if text := describe(err); text != said {
			if said = text; text != "" {
				j.log.Warn("files that were put aside stay as they are for now", "err", text)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-j.kick:
		}
	}
}

func describe(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// tidy looks at all files once.
func (j *janitor) tidy(ctx context.Context) error {
	var failed error
	err := filepath.WalkDir(j.base, func(path string, e fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				failed = err
			}
			return nil
		}
		if !e.Type().IsRegular() {
			return nil
		}
		if err := j.file(ctx, path, e); err != nil && ctx.Err() == nil {
			failed = err
		}
		return nil
	})
	return errors.Join(err, failed)
}

// file does what is due for one file.
func (j *janitor) file(ctx context.Context, path string, e fs.DirEntry) error {
	name, err := filepath.Rel(j.base, path)
	if err != nil {
		return err
	}
	if half := strings.TrimSuffix(name, ".tmp"); half != name && strings.HasSuffix(half, packed) && j.name.MatchString(half) {
		return os.Remove(path) // of a compression that did not end
	}
	m := j.name.FindStringSubmatch(name)
	if m == nil {
		return nil
	}
	info, err := e.Info()
	if err != nil {
		return nil // it is gone
	}
	group := func(name string) string {
		if i := j.name.SubexpIndex(name); i >= 0 {
			return m[i]
		}
		return ""
	}
	idle := j.now().Sub(info.ModTime())
	day := group("date")
	over := group("stamp") != "" || day != "" && day < j.now().UTC().Format(time.DateOnly) && idle >= settled
	switch {
	case !over && group("packed") == "":
		return nil
	case j.keep > 0 && idle >= j.keep:
		return j.remove(path, idle)
	case j.pack && group("packed") == "" && info.Size() > 0:
		return j.compress(ctx, path, info)
	}
	return nil
}

func (j *janitor) remove(path string, idle time.Duration) error {
	f, err := j.lock(path)
	if f == nil || err != nil {
		return err
	}
	defer f.Close()
	if err := os.Remove(path); err != nil {
		return err
	}
	j.log.Info("file deleted, it is older than keep", "file", path, "age", idle.Round(time.Minute).String())
	return nil
}

// lock opens a file for itself; nil when somebody writes to it.
func (j *janitor) lock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	if err := lock(f); err != nil {
		f.Close()
		if errors.Is(err, errForeign) {
			return nil, nil
		}
		return nil, err
	}
	return f, nil
}

// compress replaces a file by its compressed form, which is on disk before the file goes.
// Its time stays, for keep counts from it.
func (j *janitor) compress(ctx context.Context, path string, info fs.FileInfo) (err error) {
	in, err := j.lock(path)
	if in == nil || err != nil {
		return err
	}
	defer in.Close()
	to := path + packed
	for n := 2; ; n++ {
		if _, err := os.Lstat(to); errors.Is(err, fs.ErrNotExist) {
			break
		}
		to = numbered(path, n) + packed
	}
	tmp := to + ".tmp"
	out, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|syscall.O_NOFOLLOW, info.Mode().Perm())
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(tmp)
		}
	}()
	if err := squeeze(ctx, out, in); err != nil {
		out.Close()
		return err
	}
	if err := errors.Join(out.Sync(), out.Close(), os.Chtimes(tmp, time.Time{}, info.ModTime()), os.Rename(tmp, to)); err != nil {
		return err
	}
	if err := syncDir(os.Open(filepath.Dir(to))); err != nil {
		return err
	}
	return os.Remove(path)
}

// numbered is the path with a stamp's number, so that it is still one of the sink's own.
func numbered(path string, n int) string {
	ext := filepath.Ext(path)
	return strings.TrimSuffix(path, ext) + "." + fmt.Sprintf("%s-%d", time.Now().UTC().Format(stampLayout), n) + ext
}

func squeeze(ctx context.Context, out io.Writer, in io.Reader) error {
	z, err := zstd.NewWriter(out, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	if _, err := io.Copy(z, contextReader{ctx, in}); err != nil {
		z.Close()
		return err
	}
	return z.Close()
}

// contextReader ends with its context.
type contextReader struct {
	ctx context.Context
	io.Reader
}

// Read implements io.Reader.
func (r contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}
