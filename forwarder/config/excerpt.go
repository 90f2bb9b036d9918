package config

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	hiddenWord   = "<secret>"
	excerptWidth = 120 // characters
	excerptLead  = 40  // of them before the caret, in a long line
)

// excerpt returns a line as it may be shown, and what stands below it: a caret under
// each of the width characters from col on. w finds what else to hide in a file that is
// not YAML.
func (t *text) excerpt(line, col, width int, w words) (shown, caret string) {
	spans := t.show(line, w)
	first := max(1, col-2*excerptWidth)
	last := min(t.length(line), col+min(width, excerptWidth)+2*excerptWidth)
	next, _ := slices.BinarySearchFunc(spans, first, func(s span, col int) int { return s.to - 1 - col })

	var out []rune
	from, to := -1, -1
	at := first - 1
	for _, r := range t.line(line)[min(t.octet(line, first), len(t.line(line))):min(t.octet(line, last+1), len(t.line(line)))] {
		at++
		for next < len(spans) && spans[next].to <= at {
			next++
		}
		word := len(out) // where what this character becomes begins
		hidden := next < len(spans) && spans[next].from <= at
		begins := hidden && (spans[next].from == at || at == first)
		if hidden && !begins {
			word -= utf8.RuneCountInString(spans[next].word)
		}
		if from < 0 && at >= col {
			from = word
		}
		if to < 0 && at >= col+width {
			to = len(out)
		}
		switch {
		case begins:
			out = append(out, []rune(spans[next].word)...)
		case !hidden && r != '\t' && !strconv.IsPrint(r):
			out = append(out, utf8.RuneError)
		case !hidden:
			out = append(out, r)
		}
	}
	if from < 0 {
		from = len(out)
	}
	if to < 0 {
		to = len(out)
	}
	return window(out, from, max(to, from+1), first > 1, last < t.length(line))
}

// show returns all that a line must not show, in order and without overlaps.
func (t *text) show(line int, w words) []span {
	known, ok := t.shown[line]
	if !ok {
		s := t.line(line)
		spans := append(slices.Clone(t.spans[line]), passwords(s)...)
		spans = append(spans, inComment(s, w.secrets)...)
		if t.broken {
			spans = append(spans, t.hideBroken(line, w)...)
		}
		known = merge(spans)
		t.shown[line] = known
	}
	return known
}

// merge sorts spans and joins those that touch.
func merge(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return a.from - b.from })
	var out []span
	for _, s := range spans {
		if s.from >= s.to {
			continue
		}
		if n := len(out); n > 0 && s.from <= out[n-1].to {
			out[n-1].to = max(out[n-1].to, s.to)
			continue
		}
		out = append(out, s)
	}
	return out
}

// window cuts a long line to what surrounds the caret. before and after say whether it
// is cut already.
func window(line []rune, from, to int, before, after bool) (shown, caret string) {
	if len(line) > excerptWidth {
		first := max(0, min(from-excerptLead, len(line)-excerptWidth))
		last := first + excerptWidth
		before, after = before || first > 0, after || last < len(line)
		line, from, to = line[first:last], from-first, min(to, last)-first
	}
	head, tail := "", ""
	if before {
		head = "…"
	}
	if after {
		tail = "…"
	}
	var b strings.Builder
	if head != "" {
		b.WriteByte(' ')
	}
	for _, r := range line[:min(from, len(line))] {
		if r != '\t' {
			r = ' '
		}
		b.WriteRune(r)
	}
	b.WriteString(strings.Repeat("^", max(1, to-from)))
	return head + string(line) + tail, b.String()
}
