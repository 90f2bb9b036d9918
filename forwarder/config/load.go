package config

import (
	"fmt"
	"os"
	"reflect"

	"gopkg.in/yaml.v3"

	"github.com/siemfwd/siemfwd/forwarder/component"
)

// loader reads one configuration.
type loader struct {
	k     Kinds
	o     Options
	words words
	known map[reflect.Type][]field

	allSource, allSink []string // the keys of all their types

	files      []*text
	problems   Problems
	counts     [Note + 1]int       // of problems found, reported or not
	bad, worse map[string]bool     // paths of values that are wrong, and of what holds them
	unresolved map[*yaml.Node]bool // scalars with a ${…} that cannot be read here
	readsAll   bool                // some sink reads every source
	values     map[string]value    // of ${…}
	expanded   []expansion
	written    map[string]string // by path: values with ${…} as the file has them
	given      map[string]bool   // by path: keys of structs that are in the file
	assumed    map[string]bool   // by path: keys that a profile stands for, and the file does not say
	broken     bool              // a file could not be read: what it holds is not known
}

// File is one file of a configuration.
type File struct {
	Name string // for messages
	Data []byte
}

// Load reads and checks a configuration: a file, or a folder whose *.yaml together are
// one. It returns every problem it finds. The configuration is nil when one of them is
// an error.
func Load(path string, k Kinds, o Options) (*Config, Problems) {
	files, problems := read(path, o.maxSize())
	return load(files, problems, k, o)
}

// Parse is Load with files that are read already. All together are one configuration.
func Parse(files []File, k Kinds, o Options) (*Config, Problems) {
	return load(files, nil, k, o)
}

func (o Options) maxSize() int64 {
	if o.MaxSize > 0 {
		return o.MaxSize
	}
	return 4 << 20
}

func load(files []File, problems Problems, k Kinds, o Options) (*Config, Problems) {
	l := newLoader(problems, k, o)
	for _, t := range []reflect.Type{reflect.TypeFor[rootKeys](), reflect.TypeFor[sourceKeys](), reflect.TypeFor[sinkKeys](), reflect.TypeFor[headerKeys]()} {
		l.collect(l.words, t, 0)
	}
	for _, kinds := range []map[string]Kind{k.Sources, k.Sinks} {
		for _, kind := range kinds {
			if kind.Config != nil {
				l.collect(l.words, reflect.TypeOf(kind.Config()), 0)
			}
			for _, own := range kind.vendors(k.Vendors) {
				l.collect(l.words, reflect.TypeOf(own.config), 0)
			}
		}
	}
	l.allSource, l.allSink = l.allKeys(k.Sources), l.allKeys(k.Sinks)
	c := l.read(files)
	ps := l.finish()
	if ps.Err() != nil {
		return nil, ps
	}
	c.written, c.given, c.names = l.written, l.given, l.words.secrets
	return c, ps
}

func newLoader(problems Problems, k Kinds, o Options) *loader {
	if o.LookupEnv == nil {
		o.LookupEnv = os.LookupEnv
	}
	if o.ReadFile == nil {
		o.ReadFile = readFile
	}
	return &loader{
		k: k, o: o, problems: problems, broken: problems.Err() != nil,
		words: words{map[string]bool{}, secretNames{}}, known: map[reflect.Type][]field{},
		bad: map[string]bool{}, worse: map[string]bool{}, unresolved: map[*yaml.Node]bool{},
		values: map[string]value{}, written: map[string]string{}, given: map[string]bool{}, assumed: map[string]bool{},
	}
}

// ParseKeys reads a text that is one component's keys alone, as the file would have
// them, into a pointer to its struct, which holds the defaults.
func ParseKeys(f File, into any, o Options) Problems {
	l := newLoader(nil, Kinds{}, o)
	l.collect(l.words, reflect.TypeOf(into), 0)
	t := newText(f.Name, f.Data, l.words.secrets)
	l.files = append(l.files, t)
	if a, ok := l.root(t); ok {
		l.component(a, []any{into}, nil)
	} else if !l.broken {
		l.problems = append(l.problems, Problem{File: f.Name, Text: "holds no keys"})
	}
	return l.finish()
}

// read makes a configuration of the files; with errors among the problems it is not whole.
func (l *loader) read(files []File) *Config {
	root := newRoot()
	seen := map[string]at{}
	var first at
	for _, f := range files {
		t := newText(f.Name, f.Data, l.words.secrets)
		l.files = append(l.files, t)
		if int64(len(f.Data)) > l.o.maxSize() {
			l.tooLarge(f.Name)
			continue
		}
		a, ok := l.root(t)
		if !ok {
			continue
		}
		if first.t == nil {
			first = a
		}
		l.once(a, seen)
		l.mapping(a, nil, reflect.ValueOf(root).Elem())
	}
	c := &Config{State: root.State, Grace: root.Grace, HTTP: root.HTTP, Defaults: root.Defaults}
	for _, f := range files {
		c.Files = append(c.Files, f.Name)
	}
	if first.t == nil {
		l.noText(files)
		return c
	}
	l.settings(c, root, seen)
	sources := l.entries("sources", root.Sources)
	for _, a := range sources {
		c.Sources = append(c.Sources, l.source(a, root.Defaults))
	}
	sinks := l.entries("sinks", root.Sinks)
	for _, a := range sinks {
		c.Sinks = append(c.Sinks, l.sink(a))
	}
	l.present(first, seen, "sources", len(sources))
	l.present(first, seen, "sinks", len(sinks))
	l.references(c, sources, sinks)
	l.claims(c, sources)
	return c
}

// root reads a file's text as YAML; false when there is nothing to go on with.
func (l *loader) root(t *text) (at, bool) {
	bad := t.flaw()
	var node *yaml.Node
	if bad == nil {
		node, bad = t.parse()
	}
	if bad != nil {
		t.broken = node == nil
		l.broken = true
		l.problems = append(l.problems, Problem{File: t.name, Line: bad.line, Col: bad.col, Text: bad.text, Hint: bad.hint, src: t, width: bad.width})
	}
	if node == nil {
		return at{}, false
	}
	a := at{t: t, node: node}
	if a.null() && (node.Value == "" || node.Value == "~") {
		return at{}, false
	}
	if !l.survey(t, node) {
		l.broken = true
		return at{}, false
	}
	if a.value().Kind != yaml.MappingNode {
		l.broken = true
		l.report(a, Error, "a configuration is keys and values", "begin with sources: and sinks:")
		return at{}, false
	}
	return a, true
}

// once reports settings that an earlier file has too. What stands below sources and
// sinks adds up.
func (l *loader) once(a at, seen map[string]at) {
	n := a.value()
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Kind != yaml.ScalarNode {
			continue
		}
		m := a.member(n.Content[i], n.Content[i+1])
		first, twice := seen[m.path]
		if !twice {
			seen[m.path] = m
		} else if first.t != a.t && m.path != "sources" && m.path != "sinks" {
			l.report(m.name(), Error, m.path+" is given in two files", "first at "+first.name().pos().String())
		}
	}
}

// noText reports files that hold nothing.
func (l *loader) noText(files []File) {
	if l.broken || len(files) == 0 {
		return
	}
	text := "the file is empty"
	if len(files) > 1 {
		text = "all files are empty"
	}
	t := l.files[0]
	line, col := t.within(1, 1)
	l.problems = append(l.problems, Problem{File: t.name, Line: line, Col: col, Text: text,
		Hint: "write sources: and sinks:; the README has a first configuration", src: t, width: 1})
}

// report notes a problem with a value.
func (l *loader) report(a at, s Severity, text, hint string) {
	if l.counts[s] >= mostProblems {
		l.counts[s]++ // finish says how many
		return
	}
	line, col, width := a.where()
	l.add(a, s, text, hint, line, col, width)
}

// reportIn notes a problem with a part of a scalar's text.
func (l *loader) reportIn(a at, offset, length int, s Severity, text, hint string) {
	if a.node.Kind == yaml.AliasNode {
		l.report(a, s, text, hint)
		return
	}
	line, col, width := a.t.inside(a.node, offset, length)
	l.add(a, s, text, hint, line, col, width)
}

// room reports whether another error would be reported: if not, its hint need not be
// looked for.
func (l *loader) room() bool { return l.counts[Error] < mostProblems }

func (l *loader) add(a at, s Severity, text, hint string, line, col, width int) {
	line, col = a.t.within(line, col)
	if l.counts[s]++; l.counts[s] > mostProblems {
		return // finish says how many
	}
	l.problems = append(l.problems, Problem{Severity: s, File: a.t.name, Line: line, Col: col, Path: a.path,
		Text: oneLine(text), Hint: oneLine(hint), src: a.t, width: width})
}

func (l *loader) tooLarge(name string) {
	l.broken = true
	l.problems = append(l.problems, Problem{File: name, Text: fmt.Sprintf("the file is larger than %s", component.Size(l.o.maxSize())),
		Hint: "this is probably not a configuration"})
}
