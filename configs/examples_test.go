// Package configs_test holds every configuration that siemfwd ships or shows against
// the check that `siemfwd check` makes.
package configs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder"
	"github.com/siemfwd/siemfwd/forwarder/config"
	"github.com/siemfwd/siemfwd/parsers"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// forExamples marks the one warning that an example cannot do without: there is no other
// enterprise number to show.
const forExamples = "number for examples, 32473"

// check fails the test with every problem that a user would have to act on. That a
// secret cannot be read here is none.
func check(t *testing.T, path string) *config.Config {
	t.Helper()
	cfg, problems := forwarder.Load(path, forwarder.Lenient)
	for _, p := range problems {
		if p.Severity != config.Note && !strings.Contains(p.Text, forExamples) {
			var text strings.Builder
			require.NoError(t, config.Problems{p}.Print(&text, false))
			t.Error(text.String())
		}
	}
	return cfg
}

func TestShippedConfiguration(t *testing.T) {
	cfg := check(t, "siemfwd.yaml")
	require.NotNil(t, cfg)
	assert.Len(t, cfg.Sources, 1)
	assert.Len(t, cfg.Sinks, 1)
	assert.Equal(t, "/var/lib/siemfwd", cfg.State, "the unit's StateDirectory")
	assert.Equal(t, "/run/siemfwd/control.sock", cfg.Control, "in the unit's RuntimeDirectory")
	assert.Equal(t, "127.0.0.1:9600", cfg.HTTP.Listen)
}

// What is commented out in the shipped file is there to be used: it checks clean, too,
// once the comment signs are gone.
func TestShippedConfigurationUncommented(t *testing.T) {
	text, err := os.ReadFile("siemfwd.yaml")
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "siemfwd.yaml")
	require.NoError(t, os.WriteFile(path, []byte(uncomment(string(text))), 0o600))
	cfg := check(t, path)
	require.NotNil(t, cfg)
	assert.Len(t, cfg.Sources, 3)
	assert.Len(t, cfg.Sinks, 2)
}

// uncomment takes the comment signs from the blocks that are configuration: those that
// begin, after a line of words, with an empty comment and a key.
func uncomment(text string) string {
	lines := strings.Split(text, "\n")
	inBlock := false
	for i, line := range lines {
		bare := strings.TrimLeft(line, " ")
		indent := line[:len(line)-len(bare)]
		body, isComment := strings.CutPrefix(bare, "#")
		switch {
		case !isComment:
			inBlock = false
		case body == "":
			inBlock = i+1 < len(lines) && isKey(strings.TrimPrefix(strings.TrimLeft(lines[i+1], " "), "# "))
		case inBlock:
			lines[i] = indent + strings.TrimPrefix(body, " ")
		}
	}
	return strings.Join(lines, "\n")
}

// isKey reports whether a line is a key that opens a mapping.
func isKey(line string) bool {
	return strings.HasSuffix(line, ":") && !strings.Contains(line, " ")
}

func TestUncomment(t *testing.T) {
	assert.Equal(t, "a: 1\n# words: and\n#\nb:\n  c: 2 # d\n\n  # x\n  #\n  e:\n    f: 3\n",
		uncomment("a: 1\n# words: and\n#\n# b:\n#   c: 2 # d\n\n  # x\n  #\n  # e:\n  #   f: 3\n"))
}

func TestExamples(t *testing.T) {
	files, err := filepath.Glob("examples/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			require.NotNil(t, check(t, f))
			text, err := os.ReadFile(f)
			require.NoError(t, err)
			assert.True(t, strings.HasPrefix(string(text), "# "), "it begins by saying what it is for")
		})
	}
}

// Every product has an example of its own, once there is a way in for it.
func TestEveryVendorHasAnExample(t *testing.T) {
	used := map[string]bool{}
	files, err := filepath.Glob("examples/*.yaml")
	require.NoError(t, err)
	for _, f := range files {
		cfg, _ := forwarder.Load(f, forwarder.Lenient)
		require.NotNil(t, cfg, f)
		for _, s := range cfg.Sources {
			used[s.Vendor] = true
		}
	}
	_, canPoll := forwarder.Kinds().Sources["poll"]
	for _, v := range parsers.All() {
		if _, err := os.Stat("../parsers/" + v.Name); err != nil || v.Shape == kit.Values && !canPoll {
			continue // a generic reader, or a product whose API nobody can ask yet
		}
		assert.True(t, used[v.Name], "vendor %s: no configs/examples/*.yaml reads it", v.Name)
	}
	assert.True(t, used["auto"])
}

// Every YAML block of the documentation is a configuration that works.
func TestDocumentation(t *testing.T) {
	files := []string{"../README.md", "../CONTRIBUTING.md"}
	more, err := filepath.Glob("../parsers/*/README.md")
	require.NoError(t, err)
	blocks := 0
	for _, f := range append(files, more...) {
		text, err := os.ReadFile(f)
		require.NoError(t, err)
		for _, b := range yamlBlocks(string(text)) {
			blocks++
			t.Run(fmt.Sprintf("%s:%d", strings.TrimPrefix(f, "../"), b.line), func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "siemfwd.yaml")
				// Empty lines before it let problems name the line of the document.
				require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("\n", b.line)+b.text), 0o600))
				check(t, path)
			})
		}
	}
	assert.NotZero(t, blocks)
}

type block struct {
	line int // of the fence, from 1
	text string
}

// yamlBlocks returns the fenced blocks of a Markdown text that say they are YAML.
func yamlBlocks(text string) []block {
	var out []block
	open := -1
	for i, line := range strings.Split(text, "\n") {
		fence := strings.TrimSpace(line)
		switch {
		case open < 0 && fence == "```yaml":
			open = len(out)
			out = append(out, block{line: i + 1})
		case open >= 0 && fence == "```":
			open = -1
		case open >= 0:
			out[open].text += line + "\n"
		}
	}
	return out
}

func TestYAMLBlocks(t *testing.T) {
	assert.Equal(t, []block{{2, "a: 1\n\nb: 2\n"}, {11, "c: 3\n"}},
		yamlBlocks("x\n```yaml\na: 1\n\nb: 2\n```\n\n```sh\nls\n```\n```yaml\nc: 3\n```\n"))
}
