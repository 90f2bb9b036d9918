package config_test

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/config"
)

// canary is what every ${…} stands for. It is in no file, so it must be in no problem.
const canary = "canary-7f3a9c-canary"

// FuzzParse: whatever the file, there is a configuration or an error, every problem
// points into the file, nothing that ${…} stands for is shown, and what a configuration
// is rendered as can be loaded.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/*.txtar", "testdata/good/*.txtar"} {
		for _, path := range scenes(f, pattern) {
			for _, file := range readScene(f, path).files {
				f.Add(file.Data, filepath.Base(path) == "lenient.txtar")
			}
		}
	}
	f.Add([]byte(secretive), false)
	o := config.Options{Condition: condition, MaxSize: 1 << 20}
	o.LookupEnv = func(name string) (string, bool) {
		if name == "CREDENTIALS_DIRECTORY" {
			return "/run/credentials", true
		}
		return canary, !strings.HasPrefix(name, "NOT")
	}
	o.ReadFile = func(path string) ([]byte, error) {
		if strings.Contains(path, "not") {
			return nil, fs.ErrNotExist
		}
		return []byte(canary + "\n"), nil
	}
	f.Fuzz(func(t *testing.T, data []byte, lenient bool) {
		if strings.Contains(string(data), "canary-7f3a9c") {
			t.Skip()
		}
		o := o
		if lenient {
			o.Secrets = config.Lenient
		}
		files := []config.File{{Name: "siemfwd.yaml", Data: data}}
		c, ps := config.Parse(files, kinds(), o)
		require.Equal(t, c == nil, ps.Err() != nil, "a configuration, or an error")
		require.NoError(t, badProblem(files, ps))
		require.NotContains(t, shown(t, ps), canary)
		if c == nil {
			return
		}
		text, err := c.YAML()
		require.NoError(t, err)
		require.NotContains(t, string(text), canary)
		o.Secrets = config.Lenient
		_, ps = config.Parse([]config.File{{Name: "again.yaml", Data: text}}, kinds(), o)
		if !strings.Contains(string(text), "<secret>") {
			require.NoError(t, ps.Err(), "%s", text)
		}
	})
}
