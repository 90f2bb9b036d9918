// Package telemetry is how the daemon tells how it is: log lines, metrics, answers to
// health checks, and notes to the service manager.
package telemetry

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"
)

// NewLogger makes the daemon's log. format is one of
//
//   - auto: one line a record for people. Under systemd (w is the journal's stream) it
//     begins with the priority (<6>) instead of the time; on a terminal the level has
//     a colour, unless NO_COLOR is set.
//   - text: the same with the time and without colours, whatever w is.
//   - json: one object a line.
//
// level is debug, info, warn or error: what is below it is left out. The logger is
// safe for concurrent use and writes each record with one call of w.Write.
func NewLogger(w io.Writer, format, level string) (*slog.Logger, error) {
	least, ok := levels[level]
	if !ok {
		return nil, fmt.Errorf("log level %q: it is debug, info, warn or error", level)
	}
	switch format {
	case "auto":
		return slog.New(newHandler(w, least, styleOf(w))), nil
	case "text":
		return slog.New(newHandler(w, least, plain)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: least, ReplaceAttr: replace})), nil
	default:
		return nil, fmt.Errorf("log format %q: it is auto, text or json", format)
	}
}

var levels = map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}

// replace gives JSON the same level words and times as text.
func replace(groups []string, a slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return a
	}
	switch v := a.Value.Any().(type) {
	case slog.Level:
		if a.Key == slog.LevelKey {
			a.Value = slog.StringValue(word(v))
		}
	case time.Time:
		a.Value = slog.StringValue(v.UTC().Format(timeLayout))
	case time.Duration:
		a.Value = slog.StringValue(v.String())
	}
	return a
}

const timeLayout = "2006-01-02T15:04:05.000Z07:00"

// style is how a line begins.
type style uint8

const (
	plain    style = iota
	journal        // sd-daemon(3): <N> before the level, no time
	terminal       // colours
)

func styleOf(w io.Writer) style {
	f, ok := w.(*os.File)
	if !ok {
		return plain
	}
	info, err := f.Stat()
	if err != nil {
		return plain
	}
	if isJournal(info, os.Getenv("JOURNAL_STREAM")) {
		return journal
	}
	if info.Mode()&os.ModeCharDevice != 0 && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" {
		return terminal
	}
	return plain
}

// word is the level's name; levels between two names count as the lower.
func word(l slog.Level) string {
	switch {
	case l < slog.LevelInfo:
		return "debug"
	case l < slog.LevelWarn:
		return "info"
	case l < slog.LevelError:
		return "warn"
	default:
		return "error"
	}
}

// priority is the level in the terms of syslog (RFC 5424 table 2).
func priority(l slog.Level) byte {
	return "7643"[strings.IndexByte("diwe", word(l)[0])]
}
