package file

import (
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/sink"
)

// template is a path with {source} and {date} in it. Everything stays below base, the
// folder before the first of them.
type template struct {
	base  string
	parts []part // of the path below base
	bySource,
	byDate bool
}

type part struct {
	text string // literal, unless hole is set
	hole hole
}

type hole uint8

const (
	holeNone hole = iota
	holeSource
	holeDate
)

// key is what the path of an event is made of, as far as the template asks for it.
type key struct {
	source string
	day    int64 // since 1970
}

type templateError struct{ text, hint string }

func (e *templateError) Error() string { return "path " + e.text }

func parseTemplate(text string) (template, error) {
	var t template
	if strings.ContainsRune(text, 0) {
		return t, &templateError{"holds a NUL", ""}
	}
	rest := text
	for rest != "" {
		i := strings.IndexAny(rest, "{}")
		if i < 0 {
			t.parts = append(t.parts, part{text: rest})
			break
		}
		if i > 0 {
			t.parts = append(t.parts, part{text: rest[:i]})
		}
		end := strings.IndexByte(rest[i:], '}')
		if rest[i] == '}' || end < 0 {
			return t, &templateError{"has a brace without its partner", "braces stand around {source} and {date} only"}
		}
		switch name := rest[i+1 : i+end]; name {
		case "source":
			t.parts, t.bySource = append(t.parts, part{hole: holeSource}), true
		case "date":
			t.parts, t.byDate = append(t.parts, part{hole: holeDate}), true
		default:
			return t, &templateError{"does not know {" + name + "}", "known are {source} and {date}"}
		}
		rest = rest[i+end+1:]
	}
	if text == "" || strings.HasSuffix(text, "/") {
		return t, &templateError{"names no file", "add a file name, such as {date}.ndjson"}
	}
	for name := range strings.SplitSeq(text, "/") {
		if name == ".." {
			return t, &templateError{"goes up with ..", "write the folder it leads to"}
		}
	}
	if last := path.Base(text); last == "." || last == "/" {
		return t, &templateError{"names no file", "add a file name, such as {date}.ndjson"}
	}
	t.splitBase()
	return t, nil
}

// splitBase takes the folders before the first hole off the parts.
func (t *template) splitBase() {
	t.base = "."
	first := t.parts[0].text
	i := strings.LastIndexByte(first, '/')
	if i < 0 {
		return
	}
	t.base = filepath.Clean(first[:i+1])
	t.parts[0].text = first[i+1:]
}

// key returns what tells the event's file from others.
func (t *template) key(item *sink.Item) key {
	var k key
	if t.bySource {
		k.source = item.Source
	}
	if t.byDate {
		seconds := item.Time.Unix()
		k.day = seconds / 86400
		if seconds%86400 < 0 {
			k.day--
		}
	}
	return k
}

// name returns the path below base.
func (t *template) name(k key) string {
	var b strings.Builder
	for _, p := range t.parts {
		switch p.hole {
		case holeSource:
			b.WriteString(clean(k.source))
		case holeDate:
			b.WriteString(time.Unix(k.day*86400, 0).UTC().Format(time.DateOnly))
		default:
			b.WriteString(p.text)
		}
	}
	return path.Clean(b.String())
}

// clean makes s part of one file's name: no slash, no control character, no run of
// dots, and not too long.
func clean(s string) string {
	const most = 128
	b := []byte(s)
	if len(b) > most {
		b = b[:most]
	}
	for i, c := range b {
		if c == '/' || c == '\\' || c < ' ' || c == 0x7f || c == '.' && (i+1 < len(b) && b[i+1] == '.' || i > 0 && s[i-1] == '.') {
			b[i] = '_'
		}
	}
	if len(b) == 0 || len(b) == 1 && b[0] == '.' {
		return "_"
	}
	return string(b)
}
