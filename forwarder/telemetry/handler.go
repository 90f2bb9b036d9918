package telemetry

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// handler writes records as lines: level message key=value …
type handler struct {
	out   *output
	least slog.Level
	style style
	attrs []byte // of With, rendered
	group string // prefix of further keys, with its dot
}

// output is what all handlers made from one share.
type output struct {
	mu  sync.Mutex
	w   io.Writer
	buf []byte
}

func newHandler(w io.Writer, least slog.Level, s style) *handler {
	return &handler{out: &output{w: w}, least: least, style: s}
}

// Enabled reports whether records of the level are written.
func (h *handler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.least }

// Handle writes one line.
func (h *handler) Handle(_ context.Context, r slog.Record) error {
	h.out.mu.Lock()
	defer h.out.mu.Unlock()
	b := h.begin(h.out.buf[:0], r.Time, r.Level)
	b = appendText(b, r.Message)
	b = append(b, h.attrs...)
	r.Attrs(func(a slog.Attr) bool {
		b = appendAttr(b, h.group, a)
		return true
	})
	b = append(b, '\n')
	if cap(b) <= 16<<10 {
		h.out.buf = b
	}
	_, err := h.out.w.Write(b)
	return err
}

// begin appends what stands before the message.
func (h *handler) begin(b []byte, t time.Time, l slog.Level) []byte {
	if h.style == journal {
		b = append(b, '<', priority(l), '>')
	} else if !t.IsZero() {
		b = append(t.UTC().AppendFormat(b, timeLayout), ' ')
	}
	name := word(l)
	if h.style != terminal {
		b = append(b, name...)
	} else {
		colour := map[byte]string{'d': "2", 'i': "32", 'w': "33", 'e': "31"}[name[0]] // ECMA-48 SGR: faint, green, yellow, red
		b = append(append(append(append(b, "\x1b["...), colour...), 'm'), name...)
		b = append(b, "\x1b[0m"...)
	}
	if h.style != journal && len(name) < len("error") {
		b = append(b, ' ') // times and levels are columns
	}
	return append(b, ' ')
}

// WithAttrs returns a handler that adds attrs to every line.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	n := *h
	n.attrs = append([]byte(nil), h.attrs...)
	for _, a := range attrs {
		n.attrs = appendAttr(n.attrs, h.group, a)
	}
	return &n
}

// WithGroup returns a handler that prefixes further keys with name and a dot.
func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	n := *h
	n.group = h.group + name + "."
	return &n
}

func appendAttr(b []byte, group string, a slog.Attr) []byte {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			group += a.Key + "."
		}
		for _, member := range v.Group() {
			b = appendAttr(b, group, member)
		}
		return b
	}
	if a.Key == "" && v.Any() == nil {
		return b
	}
	b = append(b, ' ')
	b = appendWord(b, group+a.Key)
	b = append(b, '=')
	return appendValue(b, v)
}

func appendValue(b []byte, v slog.Value) []byte {
	switch v.Kind() {
	case slog.KindString:
		return appendWord(b, v.String())
	case slog.KindInt64:
		return strconv.AppendInt(b, v.Int64(), 10)
	case slog.KindUint64:
		return strconv.AppendUint(b, v.Uint64(), 10)
	case slog.KindBool:
		return strconv.AppendBool(b, v.Bool())
	case slog.KindDuration:
		return append(b, v.Duration().String()...)
	case slog.KindTime:
		return v.Time().UTC().AppendFormat(b, timeLayout)
	default:
		return appendWord(b, fmt.Sprintf("%+v", v.Any()))
	}
}

// appendWord appends s as one word: in quotes, with escapes, unless it is one.
func appendWord(b []byte, s string) []byte {
	if s == "" {
		return append(b, `""`...)
	}
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r <= ' ' || r == '"' || r == '=' || r == utf8.RuneError && n == 1 || !unicode.IsPrint(r) {
			return strconv.AppendQuote(b, s)
		}
		i += n
	}
	return append(b, s...)
}

// appendText appends s as the text of one line: what could end the line, or move the
// cursor of whoever reads it, is escaped.
func appendText(b []byte, s string) []byte {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 || !unicode.IsPrint(r) {
			quoted := strconv.AppendQuote(nil, s[i:i+n])
			b = append(b, quoted[1:len(quoted)-1]...)
		} else {
			b = append(b, s[i:i+n]...)
		}
		i += n
	}
	return b
}
