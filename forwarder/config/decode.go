package config

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// at is a value in a file, with the way to it.
type at struct {
	t    *text
	key  *yaml.Node // what holds it in its mapping; nil in lists
	node *yaml.Node // nil: there is none, the key stands for it
	path string
}

// value returns the node, aliases followed.
func (a at) value() *yaml.Node {
	n := a.node
	for n != nil && n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// null reports whether there is nothing behind the key: no text, ~ or null.
func (a at) null() bool {
	n := a.value()
	return n == nil || n.Kind == yaml.ScalarNode && n.Tag == "!!null"
}

// simpleKey is a key that needs no quotes in a path.
var simpleKey = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

var firstWord = regexp.MustCompile(`^[A-Za-z0-9_.-]*`)

func (a at) member(key, value *yaml.Node) at {
	return at{a.t, key, value, below(a.path, key.Value, a.t.names)}
}

// below returns the path of a key.
func below(path, key string, names secretNames) string {
	if !simpleKey.MatchString(key) {
		key = names.quote(key)
	}
	return join(path, key)
}

// quote quotes a key for a message. One that begins like a secret's name is probably
// that name and the secret, with a mistake between them: only the name is shown.
func (names secretNames) quote(key string) string {
	if names.inKey(key) {
		key = firstWord.FindString(key) + "…"
	}
	return quote(key)
}

func (names secretNames) inKey(key string) bool {
	return !simpleKey.MatchString(key) && names.is(firstWord.FindString(key))
}

func (a at) item(i int) at {
	return at{a.t, nil, a.value().Content[i], a.path + "[" + strconv.Itoa(i) + "]"}
}

// lookup returns the value of a key; ok is false when there is none.
func (a at) lookup(key string) (member at, ok bool) {
	n := a.value()
	if n == nil || n.Kind != yaml.MappingNode {
		return at{}, false
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if k := n.Content[i]; k.Kind == yaml.ScalarNode && k.Value == key {
			return a.member(k, n.Content[i+1]), true
		}
	}
	return at{}, false
}

// in says where a key stands; "" at the top.
func (a at) in() string {
	if a.path == "" {
		return ""
	}
	return " in " + a.path
}

// where returns the place to point at: the value's token, or the key of a value that
// has none or begins with a key of its own.
func (a at) where() (line, col, width int) {
	n := a.node
	block := n != nil && (n.Kind == yaml.MappingNode || n.Kind == yaml.SequenceNode) && n.Style&yaml.FlowStyle == 0
	switch {
	case a.key != nil && (block || a.null() && (n == nil || n.Value == "")):
		n = a.key
	case block && n.Kind == yaml.MappingNode && len(n.Content) > 0:
		n = n.Content[0] // it begins where its first key does
	}
	line, col = a.t.start(n)
	return line, col, a.t.width(n)
}

// name returns what the value is called by: its key.
func (a at) name() at {
	if a.key != nil {
		a.node = a.key
	}
	return a
}

func (a at) pos() Pos {
	line, col, _ := a.where()
	return Pos{a.t.name, line, col}
}

func join(path, name string) string {
	switch {
	case path == "":
		return name
	case name == "" || name[0] == '[':
		return path + name
	}
	return path + "." + name
}

// quote quotes a word from the file for a message, and cuts it when it is long.
func quote(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return strconv.Quote(s)
}

// written returns a scalar for a message: of one over several lines, the first. What
// follows may not belong to it at all.
func (a at) written() string {
	n := a.value()
	if a.t.hidden[n] && !wholeReference(n.Value) {
		return hiddenWord
	}
	line, col := a.t.start(n)
	if a.t.end(n) <= a.t.starts[line-1]+len(a.t.line(line)) {
		return quote(n.Value)
	}
	first, _, _ := strings.Cut(n.Value, "\n")
	if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0 {
		first = strings.Trim(a.t.rest(line, col), " \t'\"")
	}
	return quote(first + "…")
}

// field is one key that a struct takes.
type field struct {
	key      string
	index    []int
	typ      reflect.Type
	doc      string
	enum     []string
	required bool
}

// fields returns the keys of a struct type in the order of its fields, inline structs
// in their place.
func (l *loader) fields(t reflect.Type) []field {
	if known, ok := l.known[t]; ok {
		return known
	}
	out := fieldsOf(t)
	l.known[t] = out
	return out
}

func fieldsOf(t reflect.Type) []field {
	var out []field
	for i := range t.NumField() {
		f := t.Field(i)
		key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if key == "-" || !f.IsExported() {
			continue
		}
		if inline(f) {
			for _, in := range fieldsOf(f.Type) {
				in.index = append([]int{i}, in.index...)
				out = append(out, in)
			}
			continue
		}
		if key == "" {
			key = strings.ToLower(f.Name)
		}
		d := field{key: key, index: []int{i}, typ: f.Type, doc: f.Tag.Get("doc"), required: f.Tag.Get("required") == "true"}
		if words := f.Tag.Get("enum"); words != "" {
			d.enum = strings.Split(words, "|")
		}
		out = append(out, d)
	}
	return out
}

// inline reports whether a struct's keys stand among those of the one it is in.
func inline(f reflect.StructField) bool {
	_, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	return slices.Contains(strings.Split(options, ","), "inline")
}

// mapping fills structs from one mapping; a key belongs to each struct that has it.
// loose are keys that are not looked at: the type they might belong to is not known.
func (l *loader) mapping(a at, loose []string, into ...reflect.Value) {
	var known []string
	for _, v := range into {
		for _, f := range l.fields(v.Type()) {
			known = append(known, f.key)
		}
	}
	given := map[string]bool{}
	if n := a.value(); !a.null() {
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			if key.Kind != yaml.ScalarNode || key.Tag == "!!merge" || given[key.Value] {
				continue
			}
			given[key.Value] = true
			l.key(a.member(key, n.Content[i+1]), a, known, loose, into)
		}
	}
	for _, v := range into {
		for _, f := range l.fields(v.Type()) {
			if f.required && !given[f.key] {
				l.missing(a, f.key, f.doc)
			}
		}
	}
}

// key fills the fields that a key of mapping a belongs to.
func (l *loader) key(m, a at, known, loose []string, into []reflect.Value) {
	found := false
	l.given[m.path] = true
	for _, v := range into {
		for _, f := range l.fields(v.Type()) {
			if f.key != m.key.Value {
				continue
			}
			found = true
			target := v.FieldByIndex(f.index)
			if !l.decode(m, target, f.enum) {
				l.wrongAt(m.path)
			} else if f.required && empty(target) && !l.unresolved[m.value()] {
				l.report(m, Error, m.path+" is empty", f.doc)
				l.wrongAt(m.path)
			}
		}
	}
	if found || slices.Contains(loose, m.key.Value) {
		return
	}
	l.unknownKey(m, a, known)
}

// empty reports whether a value that must be there is none, although its key is.
func empty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Bool:
		return false
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	}
	return v.IsZero()
}

func (l *loader) unknownKey(m, a at, known []string) {
	k := at{t: m.t, node: m.key, path: m.path}
	hint := ""
	if !l.room() {
		l.report(k, Error, "", "")
		return
	}
	if s := suggest(m.key.Value, known); s != "" {
		hint = "did you mean " + s + "?"
		if _, given := a.lookup(s); !given {
			l.wrongAt(join(a.path, s))
		}
		if m.t.names.is(s) {
			m.t.hide(m.node, hiddenWord)
		}
	} else {
		if !l.words.keys[m.key.Value] {
			k.t.hide(m.node, "…") // it may be anything
		}
		hint = "known here: " + list(slices.Compact(slices.Sorted(slices.Values(known))))
	}
	l.report(k, Error, "unknown key "+m.t.names.quote(m.key.Value)+a.in(), hint)
}

// missing reports a key that must be there, unless a misspelt one seems to be it.
func (l *loader) missing(a at, key, hint string) {
	path := join(a.path, key)
	if l.quiet(path) {
		return
	}
	if hint != "" {
		hint = key + ": " + hint
	}
	l.report(a.name(), Error, "missing key "+quote(key)+a.in(), hint)
	l.wrongAt(path)
}

// wrongAt remembers a value that is wrong.
func (l *loader) wrongAt(path string) {
	l.bad[path] = true
	for ; path != ""; path = parent(path) {
		l.worse[parent(path)] = true
	}
}

// quiet reports whether a value, or something above or below it, is known to be wrong
// already: what else is found there is probably a consequence.
func (l *loader) quiet(path string) bool {
	for p := path; p != ""; p = parent(p) {
		if l.bad[p] {
			return true
		}
	}
	return l.bad[path] || l.worse[path]
}

// parent returns the path of what holds a value.
func parent(path string) string { return path[:max(0, strings.LastIndexAny(path, ".["))] }

// mismatch reports a value of the wrong kind.
func (l *loader) mismatch(a at, want, hint string) bool {
	got := "text"
	switch n := a.value(); {
	case a.null():
		l.report(a, Error, a.path+" has no value", "write "+want+", or remove the line")
		return false
	case n.Kind == yaml.MappingNode:
		got = "keys and values"
		if hint == "" && n.Style&yaml.FlowStyle != 0 && len(n.Content) == 2 && a.key == nil {
			hint = `if it is text that holds ": ", put it in quotes`
		}
	case n.Kind == yaml.SequenceNode:
		got = "a list"
	}
	l.report(a, Error, fmt.Sprintf("%s: want %s, got %s", a.path, want, got), hint)
	return false
}
