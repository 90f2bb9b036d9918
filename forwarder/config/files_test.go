package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/config"
)

const (
	someSource = "sources:\n  a: {type: bare, vendor: text}\n"
	someSink   = "sinks:\n  out: {type: stdout, format: json}\n"
)

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestLoadFile(t *testing.T) {
	path := write(t, t.TempDir(), "any-name.conf", someSource+someSink)
	c, ps := config.Load(path, kinds(), config.Options{})
	require.NoError(t, ps.Err())
	assert.Equal(t, []string{path}, c.Files)
	assert.Equal(t, config.Pos{File: path, Line: 2, Col: 3}, c.Sources[0].Pos)
	assert.Equal(t, path+":4:3", c.Sinks[0].Pos.String())
}

func TestLoadFolder(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "20.yaml", someSink)
	write(t, dir, "10.yaml", someSource)
	write(t, dir, ".hidden.yaml", "broken: [")
	write(t, dir, "notes.txt", "broken: [")
	yml := write(t, dir, "30.yml", "broken: [")
	require.NoError(t, os.Mkdir(filepath.Join(dir, "40.yaml"), 0o700))
	require.NoError(t, os.Symlink(filepath.Join(dir, "nowhere"), filepath.Join(dir, "50.yaml")))

	_, ps := config.Load(dir, kinds(), config.Options{})
	require.Error(t, ps.Err())
	assert.Equal(t, filepath.Join(dir, "50.yaml")+": no such file or folder", ps.Err().Error())

	require.NoError(t, os.Remove(filepath.Join(dir, "50.yaml")))
	c, ps := config.Load(dir, kinds(), config.Options{})
	require.NoError(t, ps.Err())
	assert.Equal(t, []string{filepath.Join(dir, "10.yaml"), filepath.Join(dir, "20.yaml")}, c.Files)
	assert.Equal(t, yml+": warning: not read: only *.yaml are\n       = rename it\n"+
		filepath.Join(dir, "40.yaml")+": warning: not read: it is not a file\n", printed(t, ps))
}

func TestLoadNothing(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{
		dir:                          ": no *.yaml in this folder",
		filepath.Join(dir, "x.yaml"): ": no such file or folder",
		write(t, dir, "f", "") + "/": ": cannot be read: not a directory",
	} {
		c, ps := config.Load(path, kinds(), config.Options{})
		assert.Nil(t, c)
		require.EqualError(t, ps.Err(), path+want)
	}
}

func TestLoadTooLarge(t *testing.T) {
	path := write(t, t.TempDir(), "siemfwd.yaml", someSource+someSink+strings.Repeat("# filler\n", 20))
	_, ps := config.Load(path, kinds(), config.Options{MaxSize: 200})
	require.EqualError(t, ps.Err(), path+": the file is larger than 200B")
	_, ps = config.Load(path, kinds(), config.Options{MaxSize: 1 << 10})
	require.NoError(t, ps.Err())
}

// TestSecretFiles reads what ${file:} and ${cred:} name from the disk.
func TestSecretFiles(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "token", "from the disk\n")
	write(t, dir, "large", strings.Repeat("x", 1<<20+1))
	o := config.Options{LookupEnv: func(name string) (string, bool) { return dir, name == "CREDENTIALS_DIRECTORY" }}
	text := func(ref string) []config.File {
		return []config.File{{Name: "siemfwd.yaml", Data: []byte("sources:\n  api: {type: poll, region: us, access_key: \"" + ref + "\"}\n" + someSink)}}
	}
	for _, ref := range []string{"${cred:token}", "${file:" + dir + "/token}"} {
		c, ps := config.Parse(text(ref), kinds(), o)
		require.NoError(t, ps.Err())
		assert.Equal(t, "from the disk", c.Sources[0].Config.(*pollKeys).AccessKey.Reveal())
	}
	for ref, want := range map[string]string{
		"${cred:large}":               "larger than 1048576 octets",
		"${file:" + dir + "}":         "not a regular file",
		"${file:" + dir + "/token/x}": "not a directory",
		"${cred:missing}":             "the service has no such credential",
	} {
		_, ps := config.Parse(text(ref), kinds(), o)
		require.EqualError(t, ps.Err(), "siemfwd.yaml:2:46: "+ref+": "+want)
	}
}
