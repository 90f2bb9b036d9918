package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/config"
)

type lone struct {
	Name string           `yaml:"name" required:"true" doc:"of it"`
	Wait time.Duration    `yaml:"wait" doc:"for it"`
	Key  component.Secret `yaml:"key" doc:"to it"`
}

func (l *lone) Check(r *component.Report) {
	if l.Name == "bad" {
		r.Error("name", "is bad", "")
	}
}

func TestKeysAlone(t *testing.T) {
	env := func(name string) (string, bool) { return "c4n4ry", name == "KEY" }
	for text, want := range map[string]string{
		`{name: a, wait: 2m, key: "${env:KEY}"}`: "",
		"name: a\nwait: 1m":                      "",
		`{name: bad, key: c4n4ry}`:               "is bad",
		`{nam: a}`:                               "nam",
		`{wait: 1m}`:                             "name",
		`{name: a, wait: long}`:                  "wait",
		`[1]`:                                    "keys and values",
		`{`:                                      "",
		``:                                       "holds no keys",
		`{name: a, key: "${env:NONE}"}`:          "NONE",
	} {
		v := lone{Wait: time.Minute}
		ps := config.ParseKeys(config.File{Name: "--auth", Data: []byte(text)}, &v, config.Options{LookupEnv: env})
		var shown strings.Builder
		require.NoError(t, ps.Print(&shown, false))
		assert.NotContains(t, shown.String(), "c4n4ry")
		if want == "" && text != "{" {
			assert.Empty(t, ps, text)
			assert.Equal(t, "a", v.Name)
			continue
		}
		require.Error(t, ps.Err(), text)
		assert.Contains(t, shown.String(), want, text)
	}
	keys := config.KeysOf(&lone{})
	require.Len(t, keys, 3)
	assert.Equal(t, config.Key{Key: "name", Type: "text", Required: true, Doc: "of it"}, keys[0])
}
