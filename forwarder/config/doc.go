package config

import (
	"encoding"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/component"
)

// Section tells what one part of the file takes: the top, the keys that all sources or
// all sinks have, those of one type, or those a vendor adds to a type.
type Section struct {
	In     string // "" for the top, sources or sinks
	Type   string // "" for what all types have
	Vendor string // "" for what a type has whatever the vendor
	Doc    string
	Keys   []Key
}

// Key tells of one key.
type Key struct {
	Key      string   `json:"key"`  // dotted below the section; [] stands for any item, * for any name
	Type     string   `json:"type"` // text, duration, size, secret, list of text, …
	Default  string   `json:"default,omitempty"`
	Enum     []string `json:"enum,omitempty"`
	Required bool     `json:"required,omitempty"`
	Doc      string   `json:"doc,omitempty"`
}

// Doc tells of every key there is, types in the order of their names.
func Doc(k Kinds) []Section {
	d := documenter{k}
	sections := []Section{
		{Doc: "the file as a whole", Keys: d.keys("", reflect.ValueOf(newRoot()).Elem())},
		{In: "sources", Doc: "what every source has", Keys: d.keys("", reflect.ValueOf(newSource(newRoot().Defaults)).Elem())},
	}
	sections = append(sections, d.types("sources", k.Sources)...)
	common := d.keys("", reflect.ValueOf(newSink()).Elem())
	header := d.keys("", reflect.ValueOf(newHeader("")).Elem())
	sections = append(sections, Section{In: "sinks", Doc: "what every sink has", Keys: append(common, header...)})
	return append(sections, d.types("sinks", k.Sinks)...)
}

// KeysOf tells of the keys of one component, whose struct v points to.
func KeysOf(v any) []Key { return documenter{}.keys("", reflect.ValueOf(v).Elem()) }

type documenter struct{ k Kinds }

func (d documenter) types(in string, kinds map[string]Kind) []Section {
	var out []Section
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		s := Section{In: in, Type: name, Doc: kinds[name].Doc}
		for _, k := range []Key{
			{Key: "vendor", Default: kinds[name].Vendor},
			{Key: "format", Default: kinds[name].Format, Enum: kinds[name].Formats},
			{Key: "header", Default: kinds[name].Header},
		} {
			if k.Type = "text"; k.Default != "" {
				s.Keys = append(s.Keys, k)
			}
		}
		if c := kinds[name].Config; c != nil {
			s.Keys = append(s.Keys, d.keys("", reflect.ValueOf(c()).Elem())...)
		}
		out = append(out, s)
		for _, v := range kinds[name].vendors(d.k.Vendors) {
			if keys := d.vendor(s.Keys, kinds[name], v); len(keys) > 0 {
				out = append(out, Section{In: in, Type: name, Vendor: v.name, Doc: "what vendor " + v.name + " adds to type " + name, Keys: keys})
			}
		}
	}
	return out
}

// vendor returns the keys that a vendor adds to a type, and those it has other defaults
// for.
func (d documenter) vendor(generic []Key, k Kind, v vendorKeys) []Key {
	out := d.keys("", reflect.ValueOf(v.config).Elem())
	cfg, _ := k.VendorConfig(v.name)
	if cfg == nil {
		return out
	}
	for _, key := range d.keys("", reflect.ValueOf(cfg).Elem()) {
		if !slices.ContainsFunc(generic, func(g Key) bool { return g.Key == key.Key && g.Default == key.Default }) {
			out = append(out, key)
		}
	}
	return out
}

func (d documenter) keys(prefix string, v reflect.Value) []Key {
	var out []Key
	for _, f := range fieldsOf(v.Type()) {
		value := v.FieldByIndex(f.index)
		key := join(prefix, f.key)
		k := Key{Key: key, Type: typeWord(f.typ), Enum: f.enum, Required: f.required, Doc: f.doc, Default: defaultText(value)}
		switch key {
		case "type":
			k.Required = true
		case "vendor":
			k.Enum = d.k.Vendors
		case "format":
			k.Enum = d.k.Formats
		case "profile":
			k.Enum = d.k.profileNames()
		}
		if s, name := structBelow(f.typ); s != nil {
			if value.Kind() == reflect.Pointer && !value.IsNil() {
				value = value.Elem()
			}
			if value.Type() != s {
				value = reflect.New(s).Elem()
			}
			if k.Default = ""; k.Type != "keys and values" || k.Doc != "" || k.Required {
				out = append(out, k)
			}
			out = append(out, d.keys(key+name, value)...)
			continue
		}
		out = append(out, k)
	}
	return out
}

// structBelow returns the struct that a type holds, and how its items are called.
func structBelow(t reflect.Type) (s reflect.Type, name string) {
	for {
		switch {
		case t.Kind() == reflect.Struct && typeWord(t) == "keys and values":
			return t, name
		case t.Kind() == reflect.Pointer && t != locationType:
			t = t.Elem()
		case t.Kind() == reflect.Slice && t != rawType && t != sectionType:
			t, name = t.Elem(), name+"[]"
		case t.Kind() == reflect.Map:
			t, name = t.Elem(), name+".*"
		default:
			return nil, ""
		}
	}
}

// typeWord names a type for people.
func typeWord(t reflect.Type) string {
	switch t {
	case durationType:
		return "duration"
	case sizeType:
		return "size"
	case secretType:
		return "secret"
	case locationType:
		return "time zone"
	case prefixType:
		return "network"
	case addrType:
		return "IP address"
	case rawType:
		return "anything"
	case sectionType:
		return "names with keys and values"
	case conditionType:
		return "condition"
	}
	if reflect.PointerTo(t).Implements(textType) {
		return "text"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return typeWord(t.Elem())
	case reflect.Slice:
		if e := t.Elem(); e.Kind() == reflect.Slice {
			return "list of lists of " + plural(typeWord(e.Elem()))
		}
		return "list of " + plural(typeWord(t.Elem()))
	case reflect.Map:
		return "names with " + typeWord(t.Elem())
	case reflect.Struct:
		return "keys and values"
	case reflect.Interface:
		return "anything"
	}
	return wanted(t, nil)
}

func plural(word string) string {
	switch word {
	case "duration", "size", "secret", "network", "condition":
		return word + "s"
	case "IP address":
		return "IP addresses"
	case "a whole number":
		return "whole numbers"
	}
	return word
}

// defaultText writes a default as the file would; "" when there is none.
func defaultText(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case time.Duration:
		if x != 0 {
			return formatDuration(x)
		}
		return ""
	case component.Size:
		if x != 0 {
			return x.String()
		}
		return ""
	case component.Secret, section, *string:
		return ""
	case *time.Location:
		return x.String()
	case encoding.TextMarshaler:
		if b, err := x.MarshalText(); err == nil && !v.IsZero() {
			return string(b)
		}
		return ""
	}
	switch v.Kind() {
	case reflect.String:
		return v.String()
	case reflect.Struct:
		return ""
	case reflect.Slice, reflect.Map, reflect.Interface, reflect.Pointer:
		if v.IsZero() || v.Kind() == reflect.Slice && v.Len() == 0 {
			return ""
		}
	case reflect.Bool:
		return map[bool]string{true: "true", false: "false"}[v.Bool()]
	default:
		if v.IsZero() {
			return ""
		}
	}
	b, err := json.Marshal(v.Interface())
	if err != nil {
		return ""
	}
	return string(b)
}
