package config_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/siemfwd/siemfwd/forwarder/config"
)

// schema holds values against the part of JSON Schema that ours is written in.
type schema struct{ root map[string]any }

func (s schema) check(rule map[string]any, v any) error {
	for word, arg := range rule {
		if err := s.word(rule, word, arg, v); err != nil {
			return err
		}
	}
	return nil
}

func (s schema) word(rule map[string]any, word string, arg, v any) error {
	m, isMap := v.(map[string]any)
	switch word {
	case "$ref":
		name := strings.TrimPrefix(arg.(string), "#/definitions/")
		return s.check(s.root["definitions"].(map[string]any)[name].(map[string]any), v)
	case "type":
		names, ok := arg.([]any)
		if !ok {
			names = []any{arg}
		}
		for _, n := range names {
			if n == kindOf(v) || n == "number" && kindOf(v) == "integer" {
				return nil
			}
		}
		return fmt.Errorf("%v is no %v", v, arg)
	case "const":
		if fmt.Sprint(v) != fmt.Sprint(arg) {
			return fmt.Errorf("%v is not %v", v, arg)
		}
	case "enum":
		for _, a := range arg.([]any) {
			if reflect.DeepEqual(a, v) {
				return nil
			}
		}
		return fmt.Errorf("%v is not one of %v", v, arg)
	case "pattern":
		if text, ok := v.(string); ok && !regexp.MustCompile(arg.(string)).MatchString(text) {
			return fmt.Errorf("%q does not match %s", text, arg)
		}
	case "anyOf", "oneOf", "allOf":
		rules, passed := arg.([]any), 0
		var first error
		for _, r := range rules {
			if err := s.check(r.(map[string]any), v); err == nil {
				passed++
			} else if first == nil || strings.Contains(err.Error(), "unknown") {
				first = err
			}
		}
		if word == "anyOf" && passed == 0 || word == "oneOf" && passed != 1 || word == "allOf" && passed != len(rules) {
			return fmt.Errorf("%s: %d of %d: %w", word, passed, len(rules), first)
		}
	case "items":
		list, _ := v.([]any)
		for _, e := range list {
			if err := s.check(arg.(map[string]any), e); err != nil {
				return err
			}
		}
	case "required":
		for _, k := range arg.([]any) {
			if _, ok := m[k.(string)]; isMap && !ok {
				return fmt.Errorf("%v is missing", k)
			}
		}
	case "minProperties":
		if isMap && float64(len(m)) < arg.(float64) {
			return fmt.Errorf("too few keys")
		}
	case "propertyNames":
		for k := range m {
			if err := s.check(arg.(map[string]any), k); err != nil {
				return err
			}
		}
	case "properties", "additionalProperties":
		return s.members(rule, word, arg, m)
	case "default", "description", "title", "$schema", "definitions":
	default:
		return fmt.Errorf("the schema uses %s", word)
	}
	return nil
}

func (s schema) members(rule map[string]any, word string, arg any, m map[string]any) error {
	properties, _ := rule["properties"].(map[string]any)
	for k, e := range m {
		p, known := properties[k].(map[string]any)
		switch {
		case word == "properties" && known:
			if err := s.check(p, e); err != nil {
				return fmt.Errorf("%s: %w", k, err)
			}
		case word == "additionalProperties" && !known:
			if arg == false {
				return fmt.Errorf("%s is unknown", k)
			}
			if err := s.check(arg.(map[string]any), e); err != nil {
				return fmt.Errorf("%s: %w", k, err)
			}
		}
	}
	return nil
}

func kindOf(v any) string {
	switch v := v.(type) {
	case map[string]any:
		return "object"
	case []any:
		return "array"
	case string:
		return "string"
	case bool:
		return "boolean"
	case float64:
		if v == float64(int64(v)) {
			return "integer"
		}
		return "number"
	}
	return "null"
}

// TestSchema: what Load takes, the schema takes too; and it knows the mistakes that have
// to do with shape.
func TestSchema(t *testing.T) {
	b, err := config.Schema(kinds())
	require.NoError(t, err)
	var s schema
	require.NoError(t, json.Unmarshal(b, &s.root))
	try := func(path string) (err error, ok bool) {
		scene := readScene(t, path)
		if len(scene.files) != 1 {
			return nil, false
		}
		var v any
		require.NoError(t, yaml.Unmarshal(scene.files[0].Data, &v))
		b, err := json.Marshal(v)
		require.NoError(t, err)
		var plain any
		require.NoError(t, json.Unmarshal(b, &plain))
		return s.check(s.root, plain), true
	}
	for _, path := range scenes(t, "testdata/good/*.txtar") {
		switch filepath.Base(path) {
		case "plain-scalars.txtar":
			continue // which YAML 1.1 readers take for dates and numbers
		}
		if err, ok := try(path); ok {
			assert.NoError(t, err, path)
		}
	}
	for _, name := range []string{"unknown-key-in-source", "unknown-key-top", "unknown-key-nested", "unknown-key-other-type", "header-without-header",
		"missing-type", "missing-vendor", "missing-format", "missing-required", "missing-required-in-list", "no-sources", "no-sinks",
		"unknown-type", "unknown-vendor", "unknown-format", "format-not-taken", "from-is-text", "name-with-blank", "enum", "duration-without-unit",
		"duration-unit", "duration-list", "size-without-unit", "size-decimal-unit", "bool", "int", "list-expected", "text-expected", "mapping-expected",
		"sources-as-list", "source-is-text", "version", "drop-is-flat", "condition-nested"} {
		err, _ := try("testdata/" + name + ".txtar")
		assert.Error(t, err, name)
	}
}
