package component

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

func TestASecretIsNeverShown(t *testing.T) {
	const canary = "c4n4ry"
	type holder struct {
		Token Secret
		Deep  map[string]Secret
	}
	h := holder{NewSecret(canary), map[string]Secret{"x": NewSecret(canary)}}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		fmt.Fprintf(&out, verb+"\n", h)
		fmt.Fprintf(&out, verb+"\n", &h)
		fmt.Fprintf(&out, verb+"\n", h.Token)
	}
	require.NoError(t, json.NewEncoder(&out).Encode(h))
	y, err := yaml.Marshal(h)
	require.NoError(t, err)
	out.Write(y)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "token", h.Token, "all", h)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "token", h.Token, "all", h)
	assert.NotContains(t, out.String(), canary)
	assert.Contains(t, out.String(), hidden)
	assert.Equal(t, canary, h.Token.Reveal())
}

func TestSizesPrintWithTheirUnit(t *testing.T) {
	for size, want := range map[Size]string{0: "0B", 1: "1B", 1 << 10: "1KiB", 3 << 20: "3MiB", 10 << 30: "10GiB", 1500: "1500B"} {
		assert.Equal(t, want, size.String())
	}
}

func TestOfHandsTheConstructorACopyOfTheDefaults(t *testing.T) {
	type cfg struct{ N int }
	s := Of("x", "doc", cfg{7}, func(c *cfg, _ Env) (int, error) { return c.N, nil })
	c := s.Config().(*cfg)
	c.N = 9
	n, err := s.Build(c, Env{})
	require.NoError(t, err)
	assert.Equal(t, 9, n)
	assert.Equal(t, 7, s.Config().(*cfg).N)
	_, err = s.Build(5, Env{})
	assert.ErrorContains(t, err, "configuration is a int")
}
