package config

import (
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// text is one file as it was read, without a byte order mark. Lines and columns count
// from 1, columns in characters, as yaml.v3 counts them.
type text struct {
	name   string
	data   string
	starts []int // offset of each line
	hidden map[*yaml.Node]bool
	spans  map[int][]span // by line: what excerpts must not show
	shown  map[int][]span // the same with what else must not, in order; see show
	runes  map[int][]int  // by line: offset of each character; nil when each is one octet
	broken bool           // not YAML: there are no nodes
	names  secretNames    // keys whose values are not shown
}

// span is a range of columns of one line, the end excluded, and what stands for it.
type span struct {
	from, to int
	word     string
}

// flaw is what is wrong with a file as a whole, at one place.
type flaw struct {
	line, col, width int
	text, hint       string
}

const byteOrderMark = "\ufeff"

func newText(name string, data []byte, names secretNames) *text {
	t := &text{
		name:   name,
		data:   strings.TrimPrefix(string(data), byteOrderMark),
		starts: []int{0},
		hidden: map[*yaml.Node]bool{},
		spans:  map[int][]span{},
		shown:  map[int][]span{},
		runes:  map[int][]int{},
		names:  names,
	}
	for i := range len(t.data) {
		if t.data[i] == '\n' {
			t.starts = append(t.starts, i+1)
		}
	}
	return t
}

// lines returns how many lines an editor shows.
func (t *text) lines() int {
	n := len(t.starts)
	if n > 1 && t.starts[n-1] == len(t.data) {
		n--
	}
	return n
}

// line returns a line without its end; "" beyond the last.
func (t *text) line(n int) string {
	if n < 1 || n > len(t.starts) {
		return ""
	}
	end := len(t.data)
	if n < len(t.starts) {
		end = t.starts[n]
	}
	return strings.TrimSuffix(strings.TrimSuffix(t.data[t.starts[n-1]:end], "\n"), "\r")
}

// rest returns what stands on a line from a column on.
func (t *text) rest(line, col int) string {
	s := t.line(line)
	return s[min(len(s), t.octet(line, col)):]
}

// octet returns where in a line a column begins. It takes no longer for long lines, but
// the first time.
func (t *text) octet(line, col int) int {
	offsets, ok := t.runes[line]
	if !ok {
		s := t.line(line)
		if utf8.RuneCountInString(s) < len(s) {
			for i := range s {
				offsets = append(offsets, i)
			}
		}
		t.runes[line] = offsets
	}
	switch {
	case offsets == nil:
		return col - 1
	case col > len(offsets):
		return len(t.line(line))
	}
	return offsets[col-1]
}

// length returns how many characters a line has.
func (t *text) length(line int) int {
	t.octet(line, 1)
	if offsets := t.runes[line]; offsets != nil {
		return len(offsets)
	}
	return len(t.line(line))
}

// within moves a place that lies outside of the file, such as its end, to the nearest
// inside: a column may be one beyond the line's last character.
func (t *text) within(line, col int) (int, int) {
	if last := t.lines(); line > last {
		line, col = last, t.length(last)+1
	}
	line = max(line, 1)
	return line, min(max(col, 1), t.length(line)+1)
}

// place turns an offset into line and column.
func (t *text) place(offset int) (line, col int) {
	line = sort.SearchInts(t.starts, offset+1)
	return line, utf8.RuneCountInString(t.data[t.starts[line-1]:offset]) + 1
}

// flaw finds what keeps the file from being text: bytes that are not UTF-8, and
// characters that YAML does not allow or that editors and YAML count as lines
// differently.
func (t *text) flaw() *flaw {
	if strings.HasPrefix(t.data, "\xff\xfe") || strings.HasPrefix(t.data, "\xfe\xff") {
		return &flaw{1, 1, 1, "the file is UTF-16", "save it as UTF-8"}
	}
	for i, r := range t.data {
		if r >= ' ' && r < 0x7f || r == '\n' || r == '\t' {
			continue
		}
		problem, hint := badRune(t.data[i:], r)
		if problem == "" {
			continue
		}
		line, col := t.place(i)
		return &flaw{line, col, 1, problem, hint}
	}
	return nil
}

func badRune(s string, r rune) (problem, hint string) {
	switch {
	case r == utf8.RuneError && !strings.HasPrefix(s, "\uFFFD"):
		return fmt.Sprintf("byte 0x%02x is not UTF-8", s[0]), "save the file as UTF-8"
	case r == 0:
		return "byte 0x00 in the file", "save it as UTF-8 text"
	case r == '\r':
		if strings.HasPrefix(s, "\r\n") {
			return "", ""
		}
		return "carriage return without a line feed", `end lines with \n or \r\n`
	case r == 0x85 || r == 0x2028 || r == 0x2029:
		return fmt.Sprintf("invisible line break U+%04X", r), "remove it; it often comes with copied text"
	case r == 0xFEFF:
		return "byte order mark inside the file", "remove it; it often comes from joining files"
	case r < ' ' || r >= 0x7f && r < 0xa0 || r == 0xFFFE || r == 0xFFFF:
		return fmt.Sprintf("control character U+%04X", r), "remove it; in a value, write it as an escape between double quotes"
	}
	return "", ""
}

// start returns where a node's value begins, behind its &anchor and !tag.
func (t *text) start(n *yaml.Node) (line, col int) {
	line, col = n.Line, n.Column
	for {
		s := t.rest(line, col)
		if s == "" || n.Kind == yaml.AliasNode || s[0] != '&' && s[0] != '!' {
			return line, col
		}
		word := len(s)
		if i := strings.IndexAny(s, " \t"); i >= 0 {
			word = i
		}
		next := len(s) - len(strings.TrimLeft(s[word:], " \t"))
		if next == len(s) {
			return n.Line, n.Column // the value is on a later line
		}
		col += utf8.RuneCountInString(s[:next])
	}
}

// width returns how many characters of its first line a node takes.
func (t *text) width(n *yaml.Node) int {
	line, col := t.start(n)
	s := t.rest(line, col)
	switch {
	case s == "":
		return 1
	case n.Kind == yaml.AliasNode:
		return 1 + utf8.RuneCountInString(n.Value)
	case n.Kind != yaml.ScalarNode || n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return 1
	case n.Style&yaml.DoubleQuotedStyle != 0, n.Style&yaml.SingleQuotedStyle != 0:
		return utf8.RuneCountInString(s[:quotedEnd(s)])
	}
	first := min(len(s), max(0, t.end(n)-t.starts[line-1]-len(t.line(line))+len(s)))
	return max(1, utf8.RuneCountInString(s[:first]))
}

// inside returns where an octet of a scalar's value stands in the file, as far as the
// value is written there as it is: otherwise the scalar's start.
func (t *text) inside(n *yaml.Node, offset, length int) (line, col, width int) {
	line, col = t.start(n)
	s, skip := t.rest(line, col), 0
	if n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 {
		skip = 1
	}
	end := min(offset+length, len(n.Value))
	if offset < 0 || offset > len(n.Value) || len(s) < skip || !strings.HasPrefix(s[skip:], n.Value[:end]) {
		return line, col, t.width(n)
	}
	width = max(1, utf8.RuneCountInString(n.Value[offset:end]))
	return line, col + skip + utf8.RuneCountInString(n.Value[:offset]), width
}
