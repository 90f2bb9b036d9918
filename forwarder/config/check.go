package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/siemfwd/siemfwd/forwarder/component"
)

// checks asks every Checker in a component's struct. base is the component's mapping.
func (l *loader) checks(base at, cfg any) {
	l.check(base, "", reflect.ValueOf(cfg).Elem())
}

func (l *loader) check(base at, path string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			l.check(base, path, v.Elem())
		}
		return
	case reflect.Slice:
		for i := 0; i < v.Len() && mayCheck(v.Type().Elem()); i++ {
			l.check(base, fmt.Sprintf("%s[%d]", path, i), v.Index(i))
		}
		return
	case reflect.Map:
		if !mayCheck(v.Type().Elem()) {
			return
		}
		for _, k := range v.MapKeys() {
			c := reflect.New(v.Type().Elem()).Elem()
			c.Set(v.MapIndex(k))
			l.check(base, join(path, k.String()), c)
		}
		return
	case reflect.Struct:
	default:
		return
	}
	if c, ok := v.Addr().Interface().(component.Checker); ok {
		l.ask(base, path, c)
	}
	for _, f := range l.fields(v.Type()) {
		if len(f.index) == 1 {
			l.check(base, join(path, f.key), v.FieldByIndex(f.index))
		}
	}
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.IsExported() && inline(f) {
			l.check(base, path, v.Field(i))
		}
	}
}

// mayCheck reports whether there can be a Checker in a type.
func mayCheck(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Struct, reflect.Pointer, reflect.Slice, reflect.Map:
		return true
	}
	return false
}

// ask runs one Checker and finds the places of what it says.
func (l *loader) ask(base at, path string, c component.Checker) {
	var r component.Report
	if !survives(c, &r) {
		l.report(base.name(), Error, base.path+": siemfwd failed while checking this", "please report it, with this part of the configuration")
		return
	}
	for _, f := range r.Findings {
		a := base.locate(join(path, f.Path))
		full := join(base.path, join(path, f.Path))
		if l.quiet(full) || l.unresolved[a.value()] && a.path == full || f.Warning && l.assumed[full] {
			continue
		}
		severity := Error
		if f.Warning {
			severity = Warning
		}
		a.path = full
		l.report(a, severity, full+": "+l.scrub(l.scrubSecrets(f.Text, base)), l.scrub(l.scrubSecrets(f.Hint, base)))
	}
}

// survives runs a Checker; false when it panics.
func survives(c component.Checker, r *component.Report) (ok bool) {
	defer func() { ok = recover() == nil }()
	c.Check(r)
	return true
}

// scrubSecrets takes what excerpts of a component hide out of a message.
func (l *loader) scrubSecrets(s string, base at) string {
	if s == "" {
		return s
	}
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		if n.Kind == yaml.ScalarNode && len(n.Value) >= 4 && base.t.hidden[n] && !wholeReference(n.Value) {
			s = strings.ReplaceAll(s, n.Value, hiddenWord)
		}
		for _, c := range n.Content {
			walk(c)
		}
		if n.Kind == yaml.AliasNode {
			walk(n.Alias)
		}
	}
	walk(base.value())
	return s
}

// locate follows a path as far as the file has it; behind that the key stands for what
// is not there.
func (a at) locate(path string) at {
	for path != "" {
		next, rest, ok := a.step(path)
		if !ok {
			return a.name()
		}
		a, path = next, strings.TrimPrefix(rest, ".")
	}
	return a
}

// step follows the first part of a path. A key may hold dots itself: the longest that is
// there is meant.
func (a at) step(path string) (next at, rest string, ok bool) {
	if path[0] == '[' {
		number, rest, _ := strings.Cut(path[1:], "]")
		i, err := strconv.Atoi(number)
		if n := a.value(); err != nil || n == nil || n.Kind != yaml.SequenceNode || i < 0 || i >= len(n.Content) {
			return a, path, false
		}
		return a.item(i), rest, true
	}
	for end := len(path); end > 0; end = strings.LastIndexAny(path[:end], ".[") {
		if m, ok := a.lookup(path[:end]); ok {
			return m, path[end:], true
		}
	}
	return a, path, false
}
