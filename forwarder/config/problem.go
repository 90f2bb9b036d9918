package config

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Problem is one thing found in a configuration.
type Problem struct {
	Severity Severity `json:"severity"`
	File     string   `json:"file"`
	Line     int      `json:"line,omitempty"` // 0: the file or folder as a whole
	Col      int      `json:"col,omitempty"`
	Path     string   `json:"path,omitempty"` // such as sinks.qradar.from[0]
	Text     string   `json:"text"`
	Hint     string   `json:"hint,omitempty"`
	Excerpt  string   `json:"excerpt,omitempty"` // the line, secrets hidden, cut when it is long
	Caret    string   `json:"-"`                 // blanks, and ^ under what Excerpt is about

	src   *text
	width int
}

// Severity says whether a problem keeps the configuration from being used.
type Severity uint8

// The severities. Only an Error keeps a configuration from being used; a Warning is
// legal and probably not meant; a Note says what was not looked at.
const (
	Error Severity = iota
	Warning
	Note
)

// String returns error, warning or note.
func (s Severity) String() string { return [...]string{"error", "warning", "note"}[s] }

// MarshalText returns error, warning or note.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String returns the first line of what Print prints.
func (p Problem) String() string { return p.where() + p.word() + p.Text }

func (p Problem) where() string {
	if p.Line == 0 {
		return p.File + ": "
	}
	return fmt.Sprintf("%s:%d:%d: ", p.File, p.Line, p.Col)
}

func (p Problem) word() string {
	if p.Severity == Error {
		return ""
	}
	return p.Severity.String() + ": "
}

// Problems are in the order of the files and their lines.
type Problems []Problem

// Count returns how many there are of a severity.
func (ps Problems) Count(s Severity) int {
	n := 0
	for _, p := range ps {
		if p.Severity == s {
			n++
		}
	}
	return n
}

// Err returns nil when there is no error among them, otherwise the first, and how many
// more there are.
func (ps Problems) Err() error {
	n := ps.Count(Error)
	if n == 0 {
		return nil
	}
	first := ps[slices.IndexFunc(ps, func(p Problem) bool { return p.Severity == Error })].String()
	if n > 1 {
		first += fmt.Sprintf(" (and %d more)", n-1)
	}
	return errors.New(first)
}

// The escape sequences of a terminal: bold, red, yellow, cyan, as it was.
const (
	bold   = "\x1b[1m"
	red    = "\x1b[31m"
	yellow = "\x1b[33m"
	cyan   = "\x1b[36m"
	plain  = "\x1b[0m"
)

// Print writes them for people: place and text, the line, a caret under what it is
// about, a hint.
func (ps Problems) Print(w io.Writer, color bool) error {
	b := bufio.NewWriter(w)
	paint := func(how, s string) string {
		if !color || s == "" {
			return s
		}
		return how + s + plain
	}
	for _, p := range ps {
		tint := [...]string{red, yellow, cyan}[p.Severity]
		fmt.Fprintf(b, "%s%s%s\n", paint(bold, p.where()), paint(tint, p.word()), p.Text)
		if p.Line > 0 {
			fmt.Fprintf(b, "%s\n", strings.TrimRight(fmt.Sprintf("%6d | %s", p.Line, p.Excerpt), " \t"))
			fmt.Fprintf(b, "%6s | %s\n", "", strings.TrimSuffix(p.Caret, strings.TrimLeft(p.Caret, " \t"))+paint(tint, strings.TrimLeft(p.Caret, " \t")))
		}
		if p.Hint != "" {
			fmt.Fprintf(b, "%6s = %s\n", "", p.Hint)
		}
	}
	return b.Flush()
}

// PrintJSON writes them for programs: one object on each line.
func (ps Problems) PrintJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	for _, p := range ps {
		if err := e.Encode(p); err != nil {
			return err
		}
	}
	return nil
}

// mostProblems bounds what one Load reports, of each severity.
const mostProblems = 500

// finish puts the problems in order, drops repetitions, and cuts the excerpts.
func (l *loader) finish() Problems {
	order := map[*text]int{}
	for i, t := range l.files {
		order[t] = i + 1
	}
	ps := l.problems
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(order[a.src], order[b.src]), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col),
			cmp.Compare(a.Severity, b.Severity))
	})
	ps = slices.CompactFunc(ps, func(a, b Problem) bool {
		return a.src == b.src && a.File == b.File && a.Line == b.Line && a.Col == b.Col && a.Text == b.Text && a.Severity == b.Severity
	})
	for i := range ps {
		if ps[i].src != nil && ps[i].Line > 0 {
			ps[i].Excerpt, ps[i].Caret = ps[i].src.excerpt(ps[i].Line, ps[i].Col, ps[i].width, l.words)
		}
	}
	for s, n := range l.counts {
		if n > mostProblems {
			ps = append(ps, Problem{Severity: Severity(s), File: l.files[0].name, Text: fmt.Sprintf("%d more of these are not shown", n-mostProblems)})
		}
	}
	return ps
}
