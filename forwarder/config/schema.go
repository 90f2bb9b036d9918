package config

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
)

// Schema returns a JSON Schema (draft 7, which editors know best) of the configuration,
// for completion and first checks in editors. It is wider than Load: it does not know
// what Checkers find, nor whether names refer to something.
func Schema(k Kinds) ([]byte, error) {
	s := schemer{k}
	root := s.object(reflect.ValueOf(newRoot()).Elem())
	properties := root["properties"].(object)
	properties["version"] = object{"const": 1}
	properties["sources"] = s.section(k.Sources, s.source)
	properties["sinks"] = s.section(k.Sinks, s.sink)
	root["required"] = []string{"sources", "sinks"}
	root["$schema"] = "http://json-schema.org/draft-07/schema#"
	root["title"] = "siemfwd"
	root["definitions"] = object{
		"reference": object{"type": "string", "pattern": `\$\{(env|file|cred):[^{}]+\}`},
		"text":      object{"type": []string{"string", "number", "boolean"}},
		"duration":  object{"type": "string", "pattern": `^([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$|\$\{`},
		"size":      object{"type": "string", "pattern": `^([0-9]+(\.[0-9]+)?(B|KiB|MiB|GiB))+$|\$\{`},
	}
	return json.MarshalIndent(root, "", "  ")
}

type object = map[string]any

type schemer struct{ k Kinds }

func ref(name string) object { return object{"$ref": "#/definitions/" + name} }

// section is a mapping from names to one of the types.
func (s schemer) section(kinds map[string]Kind, entry func(name string, k Kind) []object) object {
	var types []object
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		types = append(types, entry(name, kinds[name])...)
	}
	return object{
		"type":                 "object",
		"minProperties":        1,
		"propertyNames":        object{"pattern": entryName.String()},
		"additionalProperties": object{"oneOf": types},
	}
}

// source returns what one type of source looks like: once, or once for each vendor that
// adds keys to it or has other defaults, and once for all the others.
func (s schemer) source(name string, k Kind) []object {
	one := func(doc string, vendor object, required bool, configs ...any) object {
		o := s.object(reflect.ValueOf(newSource(newRoot().Defaults)).Elem())
		s.complete(o, name, doc, configs...)
		o["properties"].(object)["vendor"] = vendor
		if required {
			o["required"] = append(o["required"].([]string), "vendor")
		}
		return o
	}
	if k.VendorConfig == nil {
		return []object{one(k.Doc, s.oneOf(s.k.Vendors), k.Vendor == "", k.config())}
	}
	var out []object
	var plain []string
	for _, v := range k.vendors(s.k.Vendors) {
		cfg, own := k.VendorConfig(v.name)
		if v.name != k.Vendor && reflect.TypeOf(own).Elem().NumField() == 0 && reflect.DeepEqual(cfg, k.config()) {
			plain = append(plain, v.name)
			continue
		}
		out = append(out, one(k.Doc, object{"const": v.name}, v.name != k.Vendor, cfg, own))
	}
	if plain != nil {
		out = append(out, one(k.Doc, s.oneOf(plain), true, k.config()))
	}
	return out
}

func (s schemer) sink(name string, k Kind) []object {
	o := s.object(reflect.ValueOf(newSink()).Elem())
	if k.Header != "" {
		s.add(o, reflect.ValueOf(newHeader(k.Header)).Elem())
	}
	s.complete(o, name, k.Doc, k.config())
	formats := s.k.Formats
	if k.Formats != nil {
		formats = k.Formats
	}
	format := s.oneOf(formats)
	if k.Format != "" {
		format["default"] = k.Format
	} else {
		o["required"] = append(o["required"].([]string), "format")
	}
	o["properties"].(object)["format"] = format
	if names := s.k.profileNames(); names != nil {
		o["properties"].(object)["profile"] = s.oneOf(names)
	}
	return []object{o}
}

// complete makes the common keys of a source or sink those of one type.
func (s schemer) complete(o object, name, doc string, configs ...any) {
	o["required"] = []string{"type"}
	for _, c := range configs {
		if c != nil {
			s.add(o, reflect.ValueOf(c).Elem())
		}
	}
	o["properties"].(object)["type"] = object{"const": name}
	o["title"] = name
	o["description"] = doc
}

// object describes a struct.
func (s schemer) object(v reflect.Value) object {
	o := object{"type": "object", "additionalProperties": false, "properties": object{}}
	s.add(o, v)
	return o
}

// add adds a struct's keys to an object. The keys of v hold its defaults.
func (s schemer) add(o object, v reflect.Value) {
	for _, f := range fieldsOf(v.Type()) {
		value := v.FieldByIndex(f.index)
		p := s.value(f.typ, value, f.enum)
		if f.doc != "" {
			p["description"] = f.doc
		}
		if d := defaultText(value); d != "" && f.enum == nil {
			p["default"] = d
			if json.Valid([]byte(d)) && value.Kind() != reflect.String {
				p["default"] = json.RawMessage(d)
			}
		} else if d != "" {
			p["default"] = d
		}
		o["properties"].(object)[f.key] = p
		if f.required {
			required, _ := o["required"].([]string)
			o["required"] = append(required, f.key)
		}
	}
}

// oneOf describes a word.
func (s schemer) oneOf(words []string) object {
	return object{"anyOf": []object{{"enum": words}, ref("reference")}}
}

// value describes what a type is read from.
func (s schemer) value(t reflect.Type, v reflect.Value, enum []string) object {
	for t.Kind() == reflect.Pointer && t != locationType {
		t = t.Elem()
		if v = v.Elem(); !v.IsValid() {
			v = reflect.New(t).Elem()
		}
	}
	switch t {
	case durationType:
		return object{"allOf": []object{ref("duration")}}
	case sizeType:
		return object{"allOf": []object{ref("size")}}
	case rawType, sectionType:
		return object{}
	case conditionType, secretType, locationType, prefixType, addrType:
		return object{"allOf": []object{ref("text")}}
	}
	switch {
	case len(enum) > 0 && t.Kind() == reflect.String:
		return s.oneOf(enum)
	case reflect.PointerTo(t).Implements(textType) && t.Kind() != reflect.Struct:
		return object{"allOf": []object{ref("text")}}
	}
	switch t.Kind() {
	case reflect.Struct:
		if reflect.PointerTo(t).Implements(textType) && t.NumField() > 0 && len(fieldsOf(t)) == 0 {
			return object{"allOf": []object{ref("text")}}
		}
		return s.object(v)
	case reflect.Slice:
		return object{"type": "array", "items": s.value(t.Elem(), reflect.New(t.Elem()).Elem(), enum)}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": s.value(t.Elem(), reflect.New(t.Elem()).Elem(), enum)}
	case reflect.Interface:
		return object{}
	case reflect.Bool:
		return object{"anyOf": []object{{"type": "boolean"}, ref("reference")}}
	case reflect.Float32, reflect.Float64:
		return object{"anyOf": []object{{"type": "number"}, ref("reference")}}
	case reflect.String:
		return object{"allOf": []object{ref("text")}}
	}
	return object{"anyOf": []object{{"type": "integer"}, ref("reference")}}
}
