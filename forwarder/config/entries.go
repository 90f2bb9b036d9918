package config

import (
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// entryName is what a source or sink may be called: it names folders and metrics.
var entryName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)

// section keeps the entries of sources or sinks for later, those of all files.
func (l *loader) section(a at, v reflect.Value) bool {
	n := a.value()
	switch {
	case a.null():
		return true // present says what to write
	case n.Kind != yaml.MappingNode:
		return l.mismatch(a, "names with keys and values below them", "write the name as the key: "+a.path+": {my-name: {type: …}}")
	}
	s := v.Interface().(section)
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Kind == yaml.ScalarNode && n.Content[i].Tag != "!!merge" {
			s = append(s, a.member(n.Content[i], n.Content[i+1]))
		}
	}
	v.Set(reflect.ValueOf(s))
	return true
}

// entries returns the entries whose name can be used and is new.
func (l *loader) entries(section string, all section) []at {
	var out []at
	first := map[string]at{}
	for _, a := range all {
		name := a.key.Value
		old, twice := first[name]
		switch {
		case !entryName.MatchString(name):
			a.t.hide(a.node, "…") // it may be anything
			l.report(a.name(), Error, "name "+quote(name)+" cannot be used in "+section,
				`up to 64 letters, digits, ".", "_" and "-", the first a letter or digit`)
		case twice && old.t != a.t:
			l.report(a.name(), Error, a.path+" is defined twice", "first at "+old.name().pos().String())
		case !twice:
			first[name] = a
			out = append(out, a)
		}
	}
	return out
}

// present reports a section without entries.
func (l *loader) present(root at, seen map[string]at, section string, n int) {
	a, given := seen[section]
	switch {
	case n > 0 || l.broken || l.quiet(section):
		return
	case !given:
		a = root
	case !a.null() && len(a.value().Content) > 0:
		return // names that cannot be used, which is reported
	default:
		a = a.name()
	}
	hint := "without one nothing arrives; siemfwd doc sources shows what there is"
	if section == "sinks" {
		hint = "without one nothing is delivered; siemfwd doc sinks shows what there is"
	}
	a.path = section
	l.report(a, Error, "there are no "+section, hint)
}

func defaultControl(state string) string { return filepath.Join(state, "control.sock") }

// maxSocket is the longest path of a unix socket: struct sockaddr_un has 108 octets, one
// of them for the NUL (unix(7)).
const maxSocket = 107

// settings checks what stands beside sources and sinks.
func (l *loader) settings(c *Config, root *rootKeys, seen map[string]at) {
	bad := func(path, problem, hint string) {
		top, below, _ := strings.Cut(path, ".")
		if a := seen[top].locate(below); !l.quiet(path) && !l.unresolved[a.value()] {
			a.path = path
			l.report(a, Error, path+": "+problem, hint)
		}
	}
	if root.Version != 1 {
		bad("version", strconv.Itoa(root.Version)+" is not known to this siemfwd", "it reads version 1")
	}
	if root.State == "" {
		bad("state", "it cannot be empty", "")
	} else if a, ok := seen["state"]; ok && !filepath.IsAbs(root.State) && !l.quiet("state") && !l.unresolved[a.value()] {
		l.report(a, Warning, "state: the path is not absolute", "it depends on the folder siemfwd is started in")
	}
	if c.Control = defaultControl(root.State); root.Control != nil {
		c.Control = *root.Control
	}
	if len(c.Control) > maxSocket {
		path := "control"
		if root.Control == nil {
			path = "state"
		}
		bad(path, fmt.Sprintf("the control socket's path has %d octets, a socket's can have %d", len(c.Control), maxSocket), "set control: to a shorter one")
	}
	if s := root.HTTP.Listen; s != "" {
		if problem := badListen(s); problem != "" {
			bad("http.listen", seen["http"].locate("listen").written()+" "+problem, "write HOST:PORT, such as 127.0.0.1:9600")
		}
	}
	if root.Defaults.Spool == 0 {
		bad("defaults.spool", "it cannot be nothing", "")
	}
}

// badListen says what keeps text from being an address to listen at.
func badListen(s string) string {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return "is not an address to listen at"
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n > 65535 {
		return "has no port from 0 to 65535"
	}
	return ""
}

// kind finds what `type:` says. Without it, other keys are only held against those that
// some type has: loose.
func (l *loader) kind(a at, kinds map[string]Kind, all []string) (name string, k Kind, loose []string) {
	words := slices.Sorted(maps.Keys(kinds))
	t, ok := a.lookup("type")
	switch {
	case a.null():
		l.report(a.name(), Error, a.path+" has nothing below it", "write at least type: "+firstOf(words))
		l.wrongAt(a.path)
	case a.value().Kind != yaml.MappingNode:
		if !slices.Contains(words, a.value().Value) {
			a.t.hide(a.node, "…") // it may be anything
		}
		l.mismatch(a, "keys and values", "write at least type: "+firstOf(words))
		l.wrongAt(a.path)
	case !ok:
		if !l.misspelt(a, "type", all) && !l.quiet(join(a.path, "type")) {
			l.report(a.name(), Error, `missing key "type"`+a.in(), oneOf(words))
		}
	case t.null() || t.value().Kind != yaml.ScalarNode:
		return "", k, all // reported when its field is read
	default:
		if s, st := l.expand(t); st != failed && st != unresolved {
			name = s
		}
		if k, ok = kinds[name]; ok || name == "" {
			break
		}
		l.unknownWord(t, words)
		name = ""
	}
	if name == "" {
		loose = all
	}
	return name, k, loose
}

func firstOf(words []string) string {
	if len(words) == 0 {
		return "…"
	}
	return words[0]
}

// misspelt reports whether a key of the mapping, none of the known, seems to mean this one.
func (l *loader) misspelt(a at, key string, known []string) bool {
	n := a.value()
	for i := 0; i+1 < len(n.Content); i += 2 {
		if k := n.Content[i]; k.Kind == yaml.ScalarNode && !slices.Contains(known, k.Value) && suggest(k.Value, append([]string{key}, known...)) == key {
			return true
		}
	}
	return false
}

// allKeys returns the keys of all types.
func (l *loader) allKeys(kinds map[string]Kind) []string {
	keys := keysOf(l.fields(reflect.TypeFor[headerKeys]()))
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		if k := kinds[name]; k.Config != nil {
			keys = append(keys, keysOf(l.fields(reflect.TypeOf(k.Config()).Elem()))...)
		}
		keys = append(keys, l.vendorKeys(kinds[name])...)
	}
	return keys
}

// component fills the structs of a type, and those of the common keys, from one
// mapping. A nil cfg stands for a type without keys of its own.
func (l *loader) component(a at, cfgs []any, loose []string, common ...reflect.Value) {
	into := common
	for _, cfg := range cfgs {
		if cfg != nil {
			into = append(into, reflect.ValueOf(cfg).Elem())
		}
	}
	if a.null() || a.value().Kind != yaml.MappingNode {
		return
	}
	l.mapping(a, loose, into...)
	for _, cfg := range cfgs {
		if cfg != nil {
			l.checks(a, cfg)
		}
	}
}

// config makes the struct of a type's own keys; nil when it has none.
func (k Kind) config() any {
	if k.Config == nil {
		return nil
	}
	return k.Config()
}

func (l *loader) source(a at, d Defaults) Source {
	name, kind, loose := l.kind(a, l.k.Sources, l.allSource)
	keys := newSource(d)
	keys.Vendor = kind.Vendor
	cfg, own, loose := l.vendorConfig(a, name, kind, loose)
	l.component(a, []any{cfg, own}, loose, reflect.ValueOf(keys).Elem())
	l.word(a, "vendor", keys.Vendor, l.goWith(kind), name != "")
	if keys.Spool == 0 {
		l.wrong(a, "spool", "it cannot be nothing", "")
	}
	s := Source{Name: a.key.Value, Type: name, Vendor: keys.Vendor, Keep: keys.Keep, Spool: keys.Spool, WhenFull: keys.WhenFull,
		Sync: keys.Sync, Timezone: keys.Timezone, Config: cfg, VendorConfig: own, Pos: a.name().pos()}
	for i := range keys.Severity {
		s.Severity = append(s.Severity, l.severities(a, i, &keys.Severity[i]))
	}
	return s
}

// severities checks the severity at an index.
func (l *loader) severities(a at, i int, keys *severityKeys) Severities {
	s := Severities{}
	switch {
	case keys.Set == nil: // which is reported
	case *keys.Set < 0 || *keys.Set > 10:
		path := fmt.Sprintf("severity[%d].set", i)
		l.report(a.locate(path), Error, join(a.path, path)+" is not from 0 to 10", "0 unknown · 1–2 informational · 3–4 low · 5–6 medium · 7–8 high · 9–10 critical")
	default:
		s.Set = *keys.Set
	}
	for _, c := range keys.When {
		s.When = append(s.When, c.public())
	}
	return s
}

func (l *loader) sink(a at) Sink {
	name, kind, loose := l.kind(a, l.k.Sinks, l.allSink)
	keys := newSink()
	keys.Format = kind.Format
	header := newHeader(kind.Header)
	common := []reflect.Value{reflect.ValueOf(keys).Elem()}
	if kind.Header != "" {
		common = append(common, reflect.ValueOf(header).Elem())
	}
	cfg := kind.config()
	profile, settings := l.profile(a, name, kind)
	l.apply(a, settings, keys, cfg)
	if kind.Header != "" {
		l.apply(a, settings, header)
	}
	l.component(a, []any{cfg}, loose, common...)
	l.word(a, "profile", keys.Profile, l.k.profileNames(), false)
	formats := l.k.Formats
	if kind.Formats != nil {
		formats = kind.Formats
	}
	l.word(a, "format", keys.Format, formats, name != "")
	s := Sink{Name: a.key.Value, Type: name, Format: keys.Format, Header: header.Header, Facility: int(header.Facility), Host: header.Host,
		SDID: header.SDID, From: keys.From, Start: keys.Start, Raw: keys.Raw, MaxSize: keys.MaxSize, Form: keys.Form, Mask: keys.Mask,
		TimeDigits: header.Digits, Timezone: header.Timezone, Config: cfg, Pos: a.name().pos()}
	if m, ok := a.lookup("from"); ok {
		s.FromPos = m.name().pos()
	}
	for i := range keys.Severity {
		s.Severity = append(s.Severity, l.severities(a, i, &keys.Severity[i]))
	}
	for _, c := range keys.When {
		s.When = append(s.When, c.public())
	}
	for i, list := range keys.Drop {
		if len(list) == 0 && !l.quiet(fmt.Sprintf("%s.drop[%d]", a.path, i)) {
			l.report(a.locate(fmt.Sprintf("drop[%d]", i)), Error, fmt.Sprintf("%s.drop[%d]: an empty list drops nothing", a.path, i), "write conditions in it, or remove it")
		}
		var conditions []Condition
		for _, c := range list {
			conditions = append(conditions, c.public())
		}
		s.Drop = append(s.Drop, conditions)
	}
	if name != "" {
		l.sinkAdvice(a, &s, kind)
		l.contradictions(a, profile, settings)
		if l.o.Sink != nil {
			l.ask(a, "", sinkCheck{&s, l.o.Sink, func(key string) bool { _, ok := a.lookup(key); return ok }})
		}
	}
	return s
}

// word checks a word that must be one of a table's, and be there.
func (l *loader) word(a at, key, word string, known []string, required bool) {
	path := join(a.path, key)
	m, ok := a.lookup(key)
	switch {
	case l.quiet(path) || ok && l.unresolved[m.value()]:
	case !ok && word == "" && required:
		l.report(a.name(), Error, "missing key "+quote(key)+a.in(), oneOf(known))
	case ok && !slices.Contains(known, word):
		l.unknownWord(m, known)
	}
}

// wrong reports a key whose value was read and cannot be.
func (l *loader) wrong(a at, key, problem, hint string) {
	m, ok := a.lookup(key)
	if path := join(a.path, key); ok && !l.quiet(path) && !l.unresolved[m.value()] {
		l.report(m, Error, path+": "+problem, hint)
	}
}

// condition keeps a condition's text, and has it looked at.
func (l *loader) condition(a at, v reflect.Value) bool {
	n := a.value()
	if a.null() || n.Kind != yaml.ScalarNode {
		hint := ""
		if n != nil && n.Kind == yaml.SequenceNode {
			hint = "conditions stand side by side in one list; only drop has lists of lists"
		}
		return l.mismatch(a, "a condition", hint)
	}
	v.Set(reflect.ValueOf(condition{text: n.Value, at: a}))
	if i := strings.Index(n.Value, "${"); i >= 0 {
		l.reportIn(a, i, 2, Error, a.path+": ${…} is not for conditions", "write the value itself")
		return false
	}
	if l.o.Condition == nil {
		return true
	}
	problem, hint, offset := l.o.Condition(n.Value)
	if problem == "" {
		return true
	}
	offset = max(0, min(offset, len(n.Value)))
	length := strings.IndexAny(n.Value[offset:], " \t")
	if length < 0 {
		length = len(n.Value) - offset
	}
	l.reportIn(a, offset, length, Error, a.path+": "+problem, hint)
	return false
}

func (c condition) public() Condition {
	if c.at.t == nil {
		return Condition{}
	}
	return Condition{c.text, c.at.pos()}
}
