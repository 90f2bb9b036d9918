package config_test

import (
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"

	"github.com/siemfwd/siemfwd/forwarder/config"
)

var update = flag.Bool("update", false, "rewrite the expected sections of testdata")

// scene is one txtar: the files of a configuration, the world around it, and what
// comes out.
//
//	*.yaml          the files; *.yaml.quoted holds one as a Go string
//	world           lines: lenient · env NAME=VALUE · file PATH=VALUE (a Go string) · unreadable PATH
//	problems        what Print prints
//	config          what YAML returns
type scene struct {
	archive *txtar.Archive
	files   []config.File
	options config.Options
	secrets []string // values that must never be seen
}

func readScene(t testing.TB, path string) *scene {
	t.Helper()
	archive, err := txtar.ParseFile(path)
	require.NoError(t, err)
	s := &scene{archive: archive}
	env, files := map[string]string{}, map[string]error{}
	contents := map[string]string{}
	for _, f := range archive.Files {
		name := f.Name
		switch {
		case strings.HasSuffix(name, ".yaml"):
			s.files = append(s.files, config.File{Name: name, Data: f.Data})
		case strings.HasSuffix(name, ".yaml.quoted"):
			data, err := strconv.Unquote(strings.TrimSpace(string(f.Data)))
			require.NoError(t, err)
			s.files = append(s.files, config.File{Name: strings.TrimSuffix(name, ".quoted"), Data: []byte(data)})
		case name == "world":
			for _, line := range strings.Split(strings.TrimSpace(string(f.Data)), "\n") {
				word, rest, _ := strings.Cut(line, " ")
				key, value, _ := strings.Cut(rest, "=")
				switch word {
				case "lenient":
					s.options.Secrets = config.Lenient
				case "env":
					env[key] = value
					s.secrets = append(s.secrets, value)
				case "file":
					value, err := strconv.Unquote(value)
					require.NoError(t, err)
					contents[key] = value
					s.secrets = append(s.secrets, strings.TrimSpace(value))
				case "unreadable":
					files[key] = fs.ErrPermission
				default:
					t.Fatalf("%s: world: %q", path, line)
				}
			}
		}
	}
	require.NotEmpty(t, s.files, "no *.yaml in %s", path)
	s.secrets = slices.DeleteFunc(s.secrets, func(v string) bool { return len(v) < 8 || strings.HasPrefix(v, "${") })
	s.options.Condition, s.options.Sink = condition, mapCheck
	s.options.LookupEnv = func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	s.options.ReadFile = func(path string) ([]byte, error) {
		if v, ok := contents[path]; ok {
			return []byte(v), nil
		}
		if err, ok := files[path]; ok {
			return nil, &fs.PathError{Op: "open", Path: path, Err: err}
		}
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	return s
}

func (s *scene) section(name string) (string, bool) {
	for _, f := range s.archive.Files {
		if f.Name == name {
			return string(f.Data), true
		}
	}
	return "", false
}

func (s *scene) set(name, text string) {
	for i := range s.archive.Files {
		if s.archive.Files[i].Name == name {
			s.archive.Files[i].Data = []byte(text)
			return
		}
	}
	s.archive.Files = append(s.archive.Files, txtar.File{Name: name, Data: []byte(text)})
}

func scenes(t testing.TB, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	return paths
}

func printed(t testing.TB, ps config.Problems) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, ps.Print(&b, false))
	return b.String()
}

// TestMistakes holds every mistake against the exact words for it.
func TestMistakes(t *testing.T) {
	paths := scenes(t, "testdata/*.txtar")
	require.GreaterOrEqual(t, len(paths), 60)
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			s := readScene(t, path)
			c, ps := config.Parse(s.files, kinds(), s.options)
			got := printed(t, ps)
			if *update {
				s.set("problems", got)
				require.NoError(t, os.WriteFile(path, txtar.Format(s.archive), 0o666))
			}
			want, _ := s.section("problems")
			assert.Equal(t, want, got)
			require.NotEmpty(t, ps)
			assert.Equal(t, ps.Err() == nil, c != nil)
			checkProblems(t, s.files, ps)
			for _, secret := range s.secrets {
				assert.NotContains(t, got, secret)
			}
			assert.NotContains(t, got, "hunter2", "no problem shows a secret of the file")
			for _, p := range ps {
				for _, word := range []string{"yaml: ", "reflect", "strconv", "interface", "config_test", "unmarshal"} {
					assert.NotContains(t, p.Text+p.Hint, word, "no problem speaks of the program")
				}
			}
		})
	}
}

// TestGood loads what is right and holds the result, as YAML, against the golden one.
func TestGood(t *testing.T) {
	for _, path := range scenes(t, "testdata/good/*.txtar") {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			s := readScene(t, path)
			c, ps := config.Parse(s.files, kinds(), s.options)
			require.NoError(t, ps.Err())
			got, err := c.YAML()
			require.NoError(t, err)
			if *update {
				s.set("config", string(got))
				require.NoError(t, os.WriteFile(path, txtar.Format(s.archive), 0o666))
			}
			want, _ := s.section("config")
			assert.Equal(t, want, string(got))
			for _, secret := range s.secrets {
				assert.NotContains(t, string(got), secret)
			}
			assert.NotContains(t, string(got), "hunter2")
			if strings.Contains(string(got), "<secret>") {
				return
			}
			again, ps := config.Parse([]config.File{{Name: "again.yaml", Data: got}}, kinds(), s.options)
			require.NoError(t, ps.Err())
			same, err := again.YAML()
			require.NoError(t, err)
			assert.Equal(t, string(got), string(same), "what YAML returns means the same")
		})
	}
}

// checkProblems asserts what holds for every problem: it points into its file, and its
// caret into its excerpt.
func checkProblems(t testing.TB, files []config.File, ps config.Problems) {
	t.Helper()
	if err := badProblem(files, ps); err != nil {
		t.Error(err)
	}
}

func badProblem(files []config.File, ps config.Problems) error {
	lines := map[string][]string{}
	for _, f := range files {
		text := strings.TrimPrefix(string(f.Data), "\ufeff")
		lines[f.Name] = strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	}
	for _, p := range ps {
		switch {
		case p.Text == "" || strings.ContainsAny(p.Text+p.Hint, "\n\r\x1b\x00"):
			return fmt.Errorf("%v: text is %q, hint %q", p, p.Text, p.Hint)
		case p.Line == 0:
			continue
		case p.Line < 0 || p.Line > len(lines[p.File]):
			return fmt.Errorf("%v: line is outside of the file", p)
		case p.Col < 1 || p.Col > len([]rune(strings.TrimSuffix(lines[p.File][p.Line-1], "\r")))+1:
			return fmt.Errorf("%v: column is outside of the line", p)
		case !strings.HasSuffix(p.Caret, "^") || len(strings.TrimRight(p.Caret, "^")) > len([]rune(p.Excerpt)):
			return fmt.Errorf("%v: caret %q is outside of the excerpt %q", p, p.Caret, p.Excerpt)
		case len([]rune(p.Excerpt)) > 140:
			return fmt.Errorf("%v: excerpt has %d characters", p, len([]rune(p.Excerpt)))
		}
	}
	return nil
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o666))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), got)
}
