package config

import (
	"bytes"
	"encoding"
	"encoding/json"
	"net/netip"
	"reflect"
	"strconv"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/siemfwd/siemfwd/forwarder/component"
)

var (
	durationType  = reflect.TypeFor[time.Duration]()
	locationType  = reflect.TypeFor[*time.Location]()
	sizeType      = reflect.TypeFor[component.Size]()
	prefixType    = reflect.TypeFor[netip.Prefix]()
	addrType      = reflect.TypeFor[netip.Addr]()
	rawType       = reflect.TypeFor[json.RawMessage]()
	sectionType   = reflect.TypeFor[section]()
	conditionType = reflect.TypeFor[condition]()
	textType      = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// decode fills v from a value and reports what does not fit; then it returns false and
// leaves v as it was, or partly filled.
func (l *loader) decode(a at, v reflect.Value, enum []string) bool {
	switch v.Type() {
	case sectionType:
		return l.section(a, v)
	case conditionType:
		return l.condition(a, v)
	case rawType:
		var b bytes.Buffer
		ok := l.appendJSON(&b, a)
		v.SetBytes(b.Bytes())
		return ok
	case locationType, durationType, sizeType, secretType, prefixType, addrType:
		return l.scalar(a, v, enum)
	}
	if v.Kind() == reflect.Pointer {
		p := reflect.New(v.Type().Elem())
		if !v.IsNil() {
			p.Elem().Set(v.Elem()) // a default, which others may share
		}
		ok := l.decode(a, p.Elem(), enum)
		v.Set(p)
		return ok
	}
	n := a.value()
	scalar := n != nil && n.Kind == yaml.ScalarNode
	if v.Addr().Type().Implements(textType) && (scalar || v.Kind() != reflect.Struct) {
		return l.scalar(a, v, enum)
	}
	switch v.Kind() {
	case reflect.Struct:
		return l.structure(a, v)
	case reflect.Map:
		return l.table(a, v, enum)
	case reflect.Slice:
		return l.sequence(a, v, enum)
	case reflect.Interface:
		any, ok := l.any(a)
		if any != nil {
			v.Set(reflect.ValueOf(any))
		}
		return ok
	}
	return l.scalar(a, v, enum)
}

// nothing reports a key that has no values below it although it could have; it is the
// same as a key that is not there.
func (l *loader) nothing(a at) bool {
	l.report(a, Warning, a.path+" has nothing below it", "indent its keys below it, or remove the line")
	return true
}

func (l *loader) structure(a at, v reflect.Value) bool {
	switch n := a.value(); {
	case a.null():
		l.nothing(a)
	case n.Kind != yaml.MappingNode:
		if l.holdsSecrets(v.Type()) {
			a.t.hide(a.node, "…") // it may be one
		}
		return l.mismatch(a, "keys and values", "known here: "+list(keysOf(l.fields(v.Type()))))
	}
	l.mapping(a, nil, v)
	return true
}

func keysOf(fields []field) []string {
	var keys []string
	for _, f := range fields {
		keys = append(keys, f.key)
	}
	return keys
}

// table fills a map from text to anything.
func (l *loader) table(a at, v reflect.Value, enum []string) bool {
	n := a.value()
	switch {
	case a.null():
		return l.nothing(a)
	case n.Kind != yaml.MappingNode:
		return l.mismatch(a, "keys and values", "")
	}
	ok := true
	m := reflect.MakeMapWithSize(v.Type(), len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		name := reflect.ValueOf(key.Value).Convert(v.Type().Key())
		if key.Kind != yaml.ScalarNode || m.MapIndex(name).IsValid() {
			continue
		}
		value := reflect.New(v.Type().Elem()).Elem()
		ok = l.decode(a.member(key, n.Content[i+1]), value, enum) && ok
		m.SetMapIndex(name, value)
	}
	v.Set(m)
	return ok
}

func (l *loader) sequence(a at, v reflect.Value, enum []string) bool {
	n := a.value()
	if a.null() || n.Kind != yaml.SequenceNode {
		hint := ""
		if !a.null() && n.Kind == yaml.ScalarNode && !a.t.hidden[n] {
			hint = "write [" + n.Value + "]"
			if n.Style != 0 || wholeReference(n.Value) || len(n.Value) > 60 {
				hint = `write it as a list: ["…"]`
			}
			if v.Type().Elem().Kind() == reflect.Slice || a.key == nil {
				hint = "this is a list of lists: [[…], […]]"
			}
		}
		return l.mismatch(a, "a list", hint)
	}
	ok := true
	s := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i := range n.Content {
		if item := a.item(i); !l.decode(item, s.Index(i), enum) {
			l.wrongAt(item.path)
			ok = false
		}
	}
	v.Set(s)
	return ok
}

// any reads a value nobody has a struct for: maps, lists, text, whole numbers, numbers,
// true and false, nil. A number that JSON would not write so is text, and so is what a
// ${…} stands for.
func (l *loader) any(a at) (any, bool) {
	n, ok := a.value(), true
	switch {
	case a.null():
		return nil, true
	case n.Kind == yaml.MappingNode:
		m := make(map[string]any, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Kind != yaml.ScalarNode {
				continue
			}
			v, good := l.any(a.member(n.Content[i], n.Content[i+1]))
			m[n.Content[i].Value], ok = v, ok && good
		}
		return m, ok
	case n.Kind == yaml.SequenceNode:
		s := make([]any, len(n.Content))
		for i := range n.Content {
			v, good := l.any(a.item(i))
			s[i], ok = v, ok && good
		}
		return s, ok
	case n.Tag == "!!bool":
		return n.Value[0]|0x20 == 't', true
	case jsonNumber(n):
		if i, err := strconv.ParseInt(n.Value, 10, 64); err == nil {
			return i, true
		}
		if f, err := strconv.ParseFloat(n.Value, 64); err == nil {
			return f, true
		}
	}
	s, state := l.expand(a)
	return s, state != failed
}

// appendJSON writes a value as JSON, keys in their order and numbers as they are.
func (l *loader) appendJSON(b *bytes.Buffer, a at) bool {
	n, ok := a.value(), true
	switch {
	case a.null():
		b.WriteString("null")
	case n.Kind == yaml.MappingNode:
		b.WriteByte('{')
		seen := map[string]bool{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			if key.Kind != yaml.ScalarNode || seen[key.Value] {
				continue
			}
			if len(seen) > 0 {
				b.WriteByte(',')
			}
			seen[key.Value] = true
			appendJSONText(b, key.Value)
			b.WriteByte(':')
			ok = l.appendJSON(b, a.member(key, n.Content[i+1])) && ok
		}
		b.WriteByte('}')
	case n.Kind == yaml.SequenceNode:
		b.WriteByte('[')
		for i := range n.Content {
			if i > 0 {
				b.WriteByte(',')
			}
			ok = l.appendJSON(b, a.item(i)) && ok
		}
		b.WriteByte(']')
	case n.Tag == "!!bool":
		b.WriteString(strconv.FormatBool(n.Value[0]|0x20 == 't'))
	case jsonNumber(n):
		b.WriteString(n.Value)
	default:
		s, state := l.expand(a)
		ok = state != failed
		appendJSONText(b, s)
	}
	return ok
}

func appendJSONText(b *bytes.Buffer, s string) {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string always encodes
	b.Truncate(b.Len() - 1)
}

// jsonNumber reports whether a plain scalar is a number that JSON writes the same way.
func jsonNumber(n *yaml.Node) bool {
	return n.Style == 0 && n.Value != "" && (n.Value[0] == '-' || '0' <= n.Value[0] && n.Value[0] <= '9') && json.Valid([]byte(n.Value))
}
