package telemetry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/slogtest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/component"
)

// write logs one record of everything at the test's time.
func write(h slog.Handler) {
	r := slog.NewRecord(now.Add(123456789), slog.LevelWarn, "down, events wait on disk", 0)
	r.Add("err", errors.New(`dial tcp: "refused"`), "after", 90*time.Second, "tries", 3, "big", uint64(1<<63), "ok", false,
		"at", now, "token", component.NewSecret("hunter2"), "empty", "", "eq", "a=b", slog.Group("g", "k", 1.5, "none", nil), "path", "/a/b")
	_ = h.WithAttrs([]slog.Attr{slog.String("sink", "qradar")}).WithGroup("tls").WithAttrs([]slog.Attr{slog.Int("v", 13)}).Handle(context.Background(), r)
}

func TestLines(t *testing.T) {
	const rest = `down, events wait on disk sink=qradar tls.v=13 tls.err="dial tcp: \"refused\"" tls.after=1m30s tls.tries=3` +
		` tls.big=9223372036854775808 tls.ok=false tls.at=2026-11-20T10:00:00.000Z tls.token=<secret> tls.empty="" tls.eq="a=b"` +
		` tls.g.k=1.5 tls.g.none=<nil> tls.path=/a/b` + "\n"
	for style, want := range map[style]string{
		plain:    "2026-11-20T10:00:00.123Z warn  " + rest,
		journal:  "<4>warn " + rest,
		terminal: "2026-11-20T10:00:00.123Z \x1b[33mwarn\x1b[0m  " + rest,
	} {
		var out bytes.Buffer
		write(newHandler(&out, slog.LevelInfo, style))
		assert.Equal(t, want, out.String())
	}
}

func TestLevels(t *testing.T) {
	for level, want := range map[string]string{
		"debug": "<7>debug a\n<6>info b\n<4>warn c\n<3>error d\n<6>info e\n<3>error f\n",
		"info":  "<6>info b\n<4>warn c\n<3>error d\n<6>info e\n<3>error f\n",
		"warn":  "<4>warn c\n<3>error d\n<3>error f\n",
		"error": "<3>error d\n<3>error f\n",
	} {
		var out bytes.Buffer
		log := slog.New(newHandler(&out, levels[level], journal))
		log.Debug("a")
		log.Info("b")
		log.Warn("c")
		log.Error("d")
		log.Log(t.Context(), slog.LevelInfo+2, "e")
		log.Log(t.Context(), slog.LevelError+9, "f")
		assert.Equal(t, want, out.String())
	}
}

// TestOneLine has text that tries to look like another record, or to move the cursor.
func TestOneLine(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(newHandler(&out, slog.LevelInfo, journal))
	log.Info("a\n<0>emerg b\x1b[2J\r\xff é", "k\n=", "v\nw", "u", "caf\u00e9\u202e", "z", "z\xffz", "", "no key")
	assert.Equal(t, `<6>info a\n<0>emerg b\x1b[2J\r\xff é "k\n="="v\nw" u="café\u202e" z="z\xffz" ""="no key"`+"\n", out.String())
}

func TestJSON(t *testing.T) {
	var out bytes.Buffer
	log, err := NewLogger(&out, "json", "info")
	require.NoError(t, err)
	r := slog.NewRecord(now.Add(123456789), slog.LevelWarn, "down", 0)
	r.Add("sink", "qradar", "after", 90*time.Second, "err", errors.New("x\ny"), "token", component.NewSecret("hunter2"), "at", now)
	require.NoError(t, log.Handler().Handle(t.Context(), r))
	log.Debug("left out")
	assert.Equal(t, `{"time":"2026-11-20T10:00:00.123Z","level":"warn","msg":"down","sink":"qradar","after":"1m30s","err":"x\ny","token":"<secret>","at":"2026-11-20T10:00:00.000Z"}`+"\n", out.String())
}

func TestNewLogger(t *testing.T) {
	_, err := NewLogger(io.Discard, "yaml", "info")
	assert.EqualError(t, err, `log format "yaml": it is auto, text or json`)
	_, err = NewLogger(io.Discard, "auto", "loud")
	assert.EqualError(t, err, `log level "loud": it is debug, info, warn or error`)
	for _, format := range []string{"auto", "text"} {
		var out bytes.Buffer
		log, err := NewLogger(&out, format, "warn")
		require.NoError(t, err)
		log.Info("left out")
		log.Warn("shown", "n", 1)
		assert.Regexp(t, `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z warn  shown n=1\n$`, out.String())
	}
}

func TestStyle(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	require.NoError(t, err)
	defer f.Close()
	info, err := f.Stat()
	require.NoError(t, err)
	st := info.Sys().(*syscall.Stat_t)
	assert.Equal(t, plain, styleOf(f))
	t.Setenv("JOURNAL_STREAM", fmt.Sprintf("%d:%d", st.Dev, st.Ino))
	assert.Equal(t, journal, styleOf(f))
	t.Setenv("JOURNAL_STREAM", fmt.Sprintf("%d:%d", st.Dev, st.Ino+1)) // stderr was redirected
	assert.Equal(t, plain, styleOf(f))

	tty, err := os.OpenFile("/dev/null", os.O_WRONLY, 0) // a character device, as terminals are
	require.NoError(t, err)
	defer tty.Close()
	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "xterm")
	assert.Equal(t, terminal, styleOf(tty))
	t.Setenv("TERM", "dumb")
	assert.Equal(t, plain, styleOf(tty))
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "1")
	assert.Equal(t, plain, styleOf(tty))
	assert.Equal(t, plain, styleOf(&bytes.Buffer{}))
}

func TestLogConcurrently(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(newHandler(&out, slog.LevelInfo, journal))
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			own := log.With("sink", "qradar")
			for range 200 {
				own.Info("up", "after", time.Second)
			}
		})
	}
	all.Wait()
	assert.Equal(t, strings.Repeat("<6>info up sink=qradar after=1s\n", 1600), out.String())
}

func TestHandlerContract(t *testing.T) {
	var out bytes.Buffer
	slogtest.Run(t, func(*testing.T) slog.Handler {
		out.Reset()
		return newHandler(&out, slog.LevelInfo, plain)
	}, func(t *testing.T) map[string]any { return parseLine(t, strings.TrimSuffix(out.String(), "\n")) })
}

// parseLine reads a line back; its message is one word.
func parseLine(t *testing.T, line string) map[string]any {
	t.Helper()
	m := map[string]any{}
	if first, rest, _ := strings.Cut(line, " "); strings.HasPrefix(first, "20") {
		m[slog.TimeKey], line = first, rest
	}
	m[slog.LevelKey], line, _ = strings.Cut(line, " ")
	m[slog.MessageKey], line, _ = strings.Cut(strings.TrimLeft(line, " "), " ")
	for line != "" {
		key, rest, found := strings.Cut(line, "=")
		require.True(t, found, line)
		var value string
		if strings.HasPrefix(rest, `"`) {
			quoted, err := strconv.QuotedPrefix(rest)
			require.NoError(t, err)
			value, err = strconv.Unquote(quoted)
			require.NoError(t, err)
			line = strings.TrimPrefix(rest[len(quoted):], " ")
		} else {
			value, line, _ = strings.Cut(rest, " ")
		}
		into := m
		parts := strings.Split(key, ".")
		for _, g := range parts[:len(parts)-1] {
			if into[g] == nil {
				into[g] = map[string]any{}
			}
			into = into[g].(map[string]any)
		}
		into[parts[len(parts)-1]] = value
	}
	return m
}
