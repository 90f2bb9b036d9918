package config

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/siemfwd/siemfwd/forwarder/component"
)

// YAML returns the configuration as it is understood: defaults filled in, ${…} as they
// are, secrets hidden. Loaded again it means the same, as far as it holds no secrets.
func (c *Config) YAML() ([]byte, error) {
	r := renderer{c}
	root := &yaml.Node{Kind: yaml.MappingNode}
	put(root, "version", &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: "1"})
	put(root, "state", r.text("state", c.State))
	if c.written["state"] == "" || c.Control != defaultControl(c.State) {
		put(root, "control", r.text("control", c.Control))
	}
	put(root, "shutdown_grace", r.text("shutdown_grace", formatDuration(c.Grace)))
	http := &yaml.Node{Kind: yaml.MappingNode}
	put(http, "listen", r.text("http.listen", c.HTTP.Listen))
	put(root, "http", http)
	r.into(root, "", "defaults", reflect.ValueOf(&c.Defaults).Elem())
	sources := &yaml.Node{Kind: yaml.MappingNode}
	for i := range c.Sources {
		put(sources, c.Sources[i].Name, r.source(&c.Sources[i]))
	}
	put(root, "sources", sources)
	sinks := &yaml.Node{Kind: yaml.MappingNode}
	for i := range c.Sinks {
		put(sinks, c.Sinks[i].Name, r.sink(&c.Sinks[i]))
	}
	put(root, "sinks", sinks)
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(root); err != nil {
		return nil, err
	}
	return b.Bytes(), e.Close()
}

type renderer struct{ c *Config }

func put(m *yaml.Node, key string, value *yaml.Node) {
	m.Content = append(m.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}, value)
}

func (r renderer) source(s *Source) *yaml.Node {
	n, path := &yaml.Node{Kind: yaml.MappingNode}, below("sources", s.Name, r.c.names)
	keys := sourceKeys{Type: s.Type, Vendor: s.Vendor, Defaults: Defaults{s.Keep, s.Spool, s.WhenFull, s.Sync}, Timezone: s.Timezone}
	r.fields(n, path, reflect.ValueOf(&keys).Elem())
	if len(s.Severity) > 0 {
		put(n, "severity", severities(s.Severity))
	}
	r.config(n, path, s.Config)
	r.config(n, path, s.VendorConfig)
	return n
}

func (r renderer) sink(s *Sink) *yaml.Node {
	n, path := &yaml.Node{Kind: yaml.MappingNode}, below("sinks", s.Name, r.c.names)
	keys := sinkKeys{Type: s.Type, Format: s.Format, From: s.From, Start: s.Start, Raw: s.Raw, MaxSize: s.MaxSize, Form: s.Form, Mask: s.Mask}
	r.fields(n, path, reflect.ValueOf(&keys).Elem())
	if len(s.When) > 0 || r.c.given[join(path, "when")] {
		put(n, "when", conditions(s.When))
	}
	if len(s.Drop) > 0 {
		lists := &yaml.Node{Kind: yaml.SequenceNode}
		for _, d := range s.Drop {
			lists.Content = append(lists.Content, conditions(d))
		}
		put(n, "drop", lists)
	}
	if len(s.Severity) > 0 {
		put(n, "severity", severities(s.Severity))
	}
	if s.Header != "" {
		h := headerKeys{s.Header, facility(s.Facility), s.Host, s.SDID, s.TimeDigits, s.Timezone}
		r.fields(n, path, reflect.ValueOf(&h).Elem())
	}
	r.config(n, path, s.Config)
	return n
}

func severities(list []Severities) *yaml.Node {
	n := &yaml.Node{Kind: yaml.SequenceNode}
	for _, s := range list {
		one := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
		put(one, "set", &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.Itoa(s.Set)})
		put(one, "when", conditions(s.When))
		n.Content = append(n.Content, one)
	}
	return n
}

func conditions(list []Condition) *yaml.Node {
	n := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for _, c := range list {
		n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: c.Text})
	}
	return n
}

func (r renderer) config(n *yaml.Node, path string, cfg any) {
	if cfg != nil {
		r.fields(n, path, reflect.ValueOf(cfg).Elem())
	}
}

// fields adds a struct's keys, but not those that are there.
func (r renderer) fields(n *yaml.Node, path string, v reflect.Value) {
	for _, f := range fieldsOf(v.Type()) {
		there := slices.ContainsFunc(n.Content, func(k *yaml.Node) bool { return k.Value == f.key })
		if !there && !r.usual(below(path, f.key, r.c.names), v, f) {
			r.into(n, path, f.key, v.FieldByIndex(f.index))
		}
	}
}

// usual reports whether a sink's key says what holds anyway, and the file does not say
// it: there are too many that are hardly ever changed.
func (r renderer) usual(path string, v reflect.Value, f field) bool {
	switch form := newForm(); v.Type() {
	case reflect.TypeFor[sinkKeys]():
		if len(f.index) == 1 {
			return false
		}
		v = v.FieldByIndex(f.index)
		return !r.c.given[path] && reflect.DeepEqual(v.Interface(), reflect.ValueOf(form).Elem().FieldByIndex(f.index[1:]).Interface())
	case reflect.TypeFor[headerKeys]():
		return f.key == "timezone" && !r.c.given[path] && v.FieldByIndex(f.index).Interface() == any(time.UTC)
	}
	return false
}

// into adds a value, unless it is empty and nobody said so.
func (r renderer) into(m *yaml.Node, path, key string, v reflect.Value) {
	path = below(path, key, r.c.names)
	n := r.node(path, v)
	if n == nil && r.c.given[path] && !r.apart(v) {
		n = r.item(path, v)
	}
	if n != nil {
		put(m, key, r.hide(path, key, n))
	}
}

// apart reports whether a value is rendered by itself.
func (r renderer) apart(v reflect.Value) bool {
	switch v.Interface().(type) {
	case section, condition, []condition, [][]condition, []severityKeys:
		return true
	}
	return false
}

// hide replaces values below a key that is probably a secret's.
func (r renderer) hide(path, key string, n *yaml.Node) *yaml.Node {
	_, written := r.c.written[path]
	if n.Kind == yaml.ScalarNode && n.Value != "" && !public(n.Value) && r.c.names.is(key) && !(written && wholeReference(n.Value)) {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: hiddenWord}
	}
	return n
}

// node turns a value into YAML; nil when there is nothing to show.
func (r renderer) node(path string, v reflect.Value) *yaml.Node {
	if r.apart(v) {
		return nil
	}
	switch x := v.Interface().(type) {
	case component.Secret:
		if w := r.c.written[path]; wholeReference(w) {
			return r.text(path, w)
		}
		return r.nonEmpty("", x.String())
	case time.Duration:
		return r.text(path, formatDuration(x))
	case component.Size:
		return r.text(path, x.String())
	case *time.Location:
		return r.nonEmpty(path, x.String())
	case json.RawMessage:
		return r.raw(path, x)
	case facility:
		return r.plain(path, int(x))
	case encoding.TextMarshaler:
		b, err := x.MarshalText()
		if err != nil || v.IsZero() {
			return nil
		}
		return r.nonEmpty(path, string(b))
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil
		}
		return r.node(path, v.Elem())
	case reflect.String:
		return r.nonEmpty(path, v.String())
	case reflect.Struct:
		n := &yaml.Node{Kind: yaml.MappingNode}
		r.fields(n, path, v)
		return filled(n)
	case reflect.Map:
		n := &yaml.Node{Kind: yaml.MappingNode}
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, k := range keys {
			item := below(path, k.String(), r.c.names)
			put(n, k.String(), r.hide(item, k.String(), r.item(item, v.MapIndex(k))))
		}
		return filled(n)
	case reflect.Slice:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for i := range v.Len() {
			n.Content = append(n.Content, r.item(fmt.Sprintf("%s[%d]", path, i), v.Index(i)))
		}
		return filled(n)
	}
	return r.plain(path, v.Interface())
}

// item is node for what stands in a map or list and must stay there.
func (r renderer) item(path string, v reflect.Value) *yaml.Node {
	n := r.node(path, v)
	for (v.Kind() == reflect.Interface || v.Kind() == reflect.Pointer) && !v.IsNil() {
		v = v.Elem()
	}
	switch {
	case n != nil:
		return n
	case v.Kind() == reflect.String:
		return r.text(path, "")
	case v.Kind() == reflect.Slice:
		return &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	case v.Kind() == reflect.Map || v.Kind() == reflect.Struct:
		return &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}
}

func filled(n *yaml.Node) *yaml.Node {
	if len(n.Content) == 0 {
		return nil
	}
	return n
}

// plain turns a number or truth value into YAML.
func (r renderer) plain(path string, v any) *yaml.Node {
	if w, ok := r.c.written[path]; ok {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: w}
	}
	n := new(yaml.Node)
	if n.Encode(v) != nil {
		return nil
	}
	return n
}

// raw turns JSON, which is YAML too, into nodes.
func (r renderer) raw(path string, b []byte) *yaml.Node {
	var doc yaml.Node
	if len(b) == 0 || yaml.Unmarshal(b, &doc) != nil || len(doc.Content) != 1 {
		return nil
	}
	return r.restyle(path, doc.Content[0], false)
}

// restyle takes the quotes and brackets of JSON away.
func (r renderer) restyle(path string, n *yaml.Node, secret bool) *yaml.Node {
	switch n.Kind {
	case yaml.MappingNode:
		n.Style = 0
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			key.Style = 0
			n.Content[i+1] = r.restyle(below(path, key.Value, r.c.names), n.Content[i+1], secret || r.c.names.is(key.Value))
		}
	case yaml.SequenceNode:
		n.Style = 0
		for i, c := range n.Content {
			n.Content[i] = r.restyle(fmt.Sprintf("%s[%d]", path, i), c, secret)
		}
	case yaml.ScalarNode:
		if n.Tag == "!!str" {
			n = r.text(path, n.Value)
		}
		if secret && !wholeReference(r.c.written[path]) {
			n.Tag, n.Value = "!!str", hiddenWord
		}
	}
	return n
}

func (r renderer) nonEmpty(path, s string) *yaml.Node {
	if s == "" {
		return nil
	}
	return r.text(path, s)
}

// text writes text as the file has it, ${…} and all.
func (r renderer) text(path, s string) *yaml.Node {
	if w, ok := r.c.written[path]; ok {
		s = w
	} else {
		s = strings.ReplaceAll(s, "${", "$${")
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: hidePasswords(s)}
}
