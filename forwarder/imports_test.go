package forwarder_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/siemfwd/siemfwd"

// maxLines is where a file is too long to be read in one go. The aim is 400.
const maxLines = 500

// sourceFile is what the rules look at: one file that is compiled into the program.
type sourceFile struct {
	pkg      string // folder relative to the module
	name     string
	imports  []string // module-relative for our own packages
	lines    int
	launches bool // holds a go statement
	clock    bool // calls time.Now
}

// table names the one file that may import the children of a folder.
var tables = map[string]string{
	"parsers":          "parsers/parsers.go",
	"formatters":       "formatters/formatters.go",
	"forwarder/source": "forwarder/tables.go",
	"forwarder/sink":   "forwarder/tables.go",
}

// shared are the folders under a table's folder that are no entry of the table but
// what the entries are written with.
var shared = []string{"parsers/kit", "formatters/text", "formatters/tree", "formatters/object", "formatters/mapping", "formatters/strict", "formatters/template", "forwarder/sink/sinktest", "forwarder/sink/web", "forwarder/sink/relp"}

// exceptions are the files that know one entry of a table by name, and why.
var exceptions = map[string]string{
	"cmd/siemfwd/scanner.go": "parsers/scanner/sinksapi", // a command of its own for that API
	"cmd/siemfwd/explain.go": "formatters/json",          // shows the record, which is what that format writes down
	"forwarder/forwarder.go": "forwarder/source/webhook", // owns the hub where webhooks share an address
}

// testOnly are modules that never reach the binary.
var testOnly = []string{
	"testing", "github.com/stretchr/testify", "go.uber.org/goleak", "pgregory.net/rapid", "github.com/google/go-cmp",
	"github.com/rogpeppe/go-internal", "github.com/leodido/go-syslog", "forwarder/peertest", "forwarder/sink/sinktest", "formatters/strict",
}

// isTestSupport reports whether a package exists for tests alone.
func isTestSupport(pkg string) bool {
	return pkg == "forwarder/peertest" || pkg == "forwarder/sink/sinktest" || pkg == "formatters/strict"
}

// child splits a package below a table's folder: parsers/skyhigh → parsers, true.
func child(pkg string) (parent string, ok bool) {
	for parent := range tables {
		rest, below := strings.CutPrefix(pkg, parent+"/")
		if below && rest != "" && !slices.Contains(shared, pkg) {
			return parent, true
		}
	}
	return "", false
}

func under(pkg string, folders ...string) bool {
	return slices.ContainsFunc(folders, func(f string) bool { return pkg == f || strings.HasPrefix(pkg, f+"/") })
}

func ours(imp string) bool { return under(imp, "cmd", "forwarder", "parsers", "formatters", "configs") }

func standard(imp string) bool {
	return !ours(imp) && !strings.Contains(strings.Split(imp, "/")[0], ".")
}

// broken returns what one file does against the import rules.
func broken(f sourceFile) []string {
	var out []string
	bad := func(format string, args ...any) {
		out = append(out, fmt.Sprintf("%s/%s: %s", f.pkg, f.name, fmt.Sprintf(format, args...)))
	}
	parent, isChild := child(f.pkg)
	for _, imp := range f.imports {
		if under(f.pkg, "forwarder/event", "forwarder/record", "forwarder/component", "formatters/text") && !standard(imp) {
			bad("a leaf imports only the standard library, not %s", imp)
		}
		if imp == "forwarder" && !under(f.pkg, "cmd", "configs") {
			bad("only cmd and configs import forwarder")
		}
		if under(imp, "cmd") || under(imp, "configs") && !under(f.pkg, "cmd", "configs") {
			bad("nobody imports %s", imp)
		}
		self := f.pkg + "/" + f.name
		own := isChild && under(imp, f.pkg) // what is below an entry is part of it
		if p, ok := child(imp); ok && !own && self != tables[p] && exceptions[self] != imp && !isTestSupport(f.pkg) {
			if isChild && p == parent {
				bad("siblings do not import each other: %s", imp)
			} else {
				bad("only %s imports %s", tables[p], imp)
			}
		}
		if slices.ContainsFunc(testOnly, func(t string) bool { return under(imp, t) }) && !isTestSupport(f.pkg) {
			bad("%s is for tests", imp)
		}
		brokenLayer(f.pkg, parent, isChild, imp, bad)
	}
	if isChild && parent == "parsers" {
		if f.launches {
			bad("a vendor starts no goroutine")
		}
		if f.clock {
			bad("a vendor reads no clock: use Received")
		}
	}
	if f.lines > maxLines {
		bad("%d lines; the limit is %d and the aim 400", f.lines, maxLines)
	}
	return out
}

// brokenLayer holds what each layer may know: vendors bytes and records, formats
// records, sinks bytes, sources bytes and how a vendor packs its webhooks.
func brokenLayer(pkg, parent string, isChild bool, imp string, bad func(string, ...any)) {
	only := func(who string, allowed ...string) {
		if ours(imp) && !under(imp, allowed...) && !under(imp, pkg) {
			bad("%s does not import %s", who, imp)
		}
	}
	switch {
	case isChild && parent == "parsers":
		only("a vendor", "parsers/kit", "forwarder/record", "forwarder/event", "forwarder/component")
		pure := []string{"net/http", "net/netip", "net/url"}
		if under(imp, "os", "log", "sync", "net", "syscall") && !slices.Contains(pure, imp) || !ours(imp) && !standard(imp) {
			bad("a vendor is a pure function and does not import %s", imp)
		}
	case pkg == "parsers/kit":
		only("kit", "forwarder/record", "forwarder/event")
	case isChild && parent == "formatters":
		only("a format", "forwarder/record", "forwarder/component", "formatters/text", "formatters/tree", "formatters/object")
		if under(imp, "net", "os") && imp != "net/netip" {
			bad("a format writes to no wire and does not import %s", imp)
		}
	case under(pkg, "forwarder/sink"):
		only("a sink", "forwarder/sink", "forwarder/component", "forwarder/framing", "forwarder/event", "forwarder/certs", "forwarder/credential")
	case under(pkg, "forwarder/source"):
		only("a source", "forwarder/source", "forwarder/component", "forwarder/framing", "forwarder/event", "forwarder/certs", "forwarder/credential", "parsers/kit")
	case under(pkg, "forwarder/spool"):
		only("the spool", "forwarder/event", "forwarder/spool")
	case under(pkg, "forwarder/when"):
		only("when", "forwarder/record")
	}
}

func TestImportRules(t *testing.T) {
	files := moduleFiles(t)
	require.Greater(t, len(files), 20)
	for _, f := range files {
		for _, b := range broken(f) {
			t.Error(b)
		}
	}
}

// Every rule is shown to bite.
func TestImportRulesBite(t *testing.T) {
	for _, c := range []struct {
		file sourceFile
		want string // "" when the file is good
	}{
		{sourceFile{pkg: "forwarder/event", name: "e.go", imports: []string{"net/netip", "time"}}, ""},
		{sourceFile{pkg: "forwarder/event", name: "e.go", imports: []string{"forwarder/record"}}, "a leaf imports only"},
		{sourceFile{pkg: "forwarder/record", name: "r.go", imports: []string{"golang.org/x/text"}}, "a leaf imports only"},
		{sourceFile{pkg: "forwarder/spool", name: "s.go", imports: []string{"forwarder"}}, "only cmd and configs import forwarder"},
		{sourceFile{pkg: "forwarder/spool", name: "s.go", imports: []string{"forwarder/record"}}, "the spool does not import"},
		{sourceFile{pkg: "forwarder", name: "f.go", imports: []string{"cmd/siemfwd"}}, "nobody imports cmd/siemfwd"},
		{sourceFile{pkg: "cmd/siemfwd", name: "main.go", imports: []string{"forwarder", "parsers", "github.com/spf13/cobra"}}, ""},
		{sourceFile{pkg: "cmd/siemfwd", name: "main.go", imports: []string{"parsers/skyhigh"}}, "only parsers/parsers.go imports"},
		{sourceFile{pkg: "forwarder", name: "lane.go", imports: []string{"forwarder/sink/file"}}, "only forwarder/tables.go imports"},
		{sourceFile{pkg: "forwarder", name: "tables.go", imports: []string{"forwarder/sink/file"}}, ""},
		{sourceFile{pkg: "parsers", name: "other.go", imports: []string{"parsers/skyhigh"}}, "only parsers/parsers.go imports"},
		{sourceFile{pkg: "parsers", name: "parsers.go", imports: []string{"parsers/skyhigh", "parsers/kit"}}, ""},
		{sourceFile{pkg: "parsers/skyhigh", name: "s.go", imports: []string{"parsers/kit", "forwarder/record", "net/netip"}}, ""},
		{sourceFile{pkg: "parsers/skyhigh", name: "s.go", imports: []string{"parsers/okta"}}, "siblings do not import"},
		{sourceFile{pkg: "parsers/skyhigh", name: "s.go", imports: []string{"os"}}, "a vendor is a pure function"},
		{sourceFile{pkg: "parsers/skyhigh", name: "s.go", imports: []string{"log/slog"}}, "a vendor is a pure function"},
		{sourceFile{pkg: "parsers/skyhigh", name: "s.go", imports: []string{"sync/atomic"}}, "a vendor is a pure function"},
		{sourceFile{pkg: "parsers/skyhigh", name: "s.go", imports: []string{"net"}}, "a vendor is a pure function"},
		{sourceFile{pkg: "parsers/skyhigh", name: "s.go", imports: []string{"github.com/x/y"}}, "a vendor is a pure function"},
		{sourceFile{pkg: "parsers/skyhigh", name: "s.go", imports: []string{"forwarder/spool"}}, "a vendor does not import"},
		{sourceFile{pkg: "parsers/skyhigh", name: "s.go", launches: true}, "a vendor starts no goroutine"},
		{sourceFile{pkg: "parsers/skyhigh", name: "s.go", clock: true}, "a vendor reads no clock"},
		{sourceFile{pkg: "parsers/kit", name: "k.go", imports: []string{"formatters"}}, "kit does not import"},
		{sourceFile{pkg: "formatters/cef", name: "c.go", imports: []string{"formatters/leef"}}, "siblings do not import"},
		{sourceFile{pkg: "formatters/cef", name: "c.go", imports: []string{"forwarder/event"}}, "a format does not import"},
		{sourceFile{pkg: "formatters/cef", name: "c.go", imports: []string{"net"}}, "a format writes to no wire"},
		{sourceFile{pkg: "forwarder/sink/file", name: "f.go", imports: []string{"forwarder/record"}}, "a sink does not import"},
		{sourceFile{pkg: "forwarder/sink/file", name: "f.go", imports: []string{"forwarder/sink/syslog"}}, "siblings do not import"},
		{sourceFile{pkg: "forwarder/source/webhook", name: "w.go", imports: []string{"parsers/kit", "forwarder/source"}}, ""},
		{sourceFile{pkg: "forwarder/source/webhook", name: "w.go", imports: []string{"forwarder/source/webhook/gate", "forwarder/certs"}}, ""},
		{sourceFile{pkg: "forwarder/source/webhook/gate", name: "g.go", imports: []string{"forwarder/source/webhook"}}, "siblings do not import"},
		{sourceFile{pkg: "forwarder/source/poll", name: "p.go", imports: []string{"forwarder/source/webhook/gate"}}, "siblings do not import"},
		{sourceFile{pkg: "forwarder/source/webhook", name: "w.go", imports: []string{"forwarder/record"}}, "a source does not import"},
		{sourceFile{pkg: "forwarder/source/webhook", name: "w.go", imports: []string{"forwarder/sink/file"}}, "only forwarder/tables.go imports"},
		{sourceFile{pkg: "forwarder/when", name: "w.go", imports: []string{"forwarder/config"}}, "when does not import"},
		{sourceFile{pkg: "forwarder/config", name: "c.go", imports: []string{"github.com/stretchr/testify/require"}}, "is for tests"},
		{sourceFile{pkg: "forwarder", name: "f.go", imports: []string{"forwarder/peertest"}}, "is for tests"},
		{sourceFile{pkg: "forwarder/peertest", name: "p.go", imports: []string{"testing"}}, ""},
		{sourceFile{pkg: "forwarder", name: "f.go", lines: maxLines}, ""},
		{sourceFile{pkg: "forwarder", name: "f.go", lines: maxLines + 1}, "501 lines"},
	} {
		got := strings.Join(broken(c.file), "\n")
		if c.want == "" {
			assert.Empty(t, got)
		} else {
			assert.Contains(t, got, c.want, "%+v", c.file)
		}
	}
}

// The top level is a short list; everything else has a place below it.
func TestTopLevel(t *testing.T) {
	want := []string{
		"CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md",
		"cmd", "configs", "formatters", "forwarder", "go.mod", "go.sum", "packaging", "parsers",
	}
	entries, err := os.ReadDir("..")
	require.NoError(t, err)
	var got []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && !builtHere(e.Name()) {
			got = append(got, e.Name())
		}
	}
	assert.ElementsMatch(t, want, got)
}

// builtHere reports whether a top-level name is one of .gitignore's.
func builtHere(name string) bool {
	return name == "siemfwd" || name == "dist" || path.Ext(name) == ".test" || path.Ext(name) == ".out"
}

// moduleFiles reads every file of the module that is not a test's, whatever system it
// is built for.
func moduleFiles(t *testing.T) []sourceFile {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,Name,GoFiles,CgoFiles,IgnoredGoFiles", "./...")
	cmd.Dir = ".."
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	text, err := cmd.Output()
	require.NoError(t, err, complaints.String())
	var files []sourceFile
	for dec := json.NewDecoder(bytes.NewReader(text)); dec.More(); {
		var p struct {
			ImportPath, Dir, Name             string
			GoFiles, CgoFiles, IgnoredGoFiles []string
		}
		require.NoError(t, dec.Decode(&p))
		pkg := strings.TrimPrefix(p.ImportPath, module+"/")
		for _, name := range slices.Concat(p.GoFiles, p.CgoFiles, p.IgnoredGoFiles) {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			// A generator is a program of its own beside the package.
			if f, of := readFile(t, pkg, p.Dir, name); of == p.Name {
				files = append(files, f)
			}
		}
	}
	return files
}

func readFile(t *testing.T, pkg, dir, name string) (f sourceFile, of string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	tree, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution)
	require.NoError(t, err)
	f = sourceFile{pkg: pkg, name: name, lines: bytes.Count(text, []byte{'\n'})}
	for _, spec := range tree.Imports {
		imp, err := strconv.Unquote(spec.Path.Value)
		require.NoError(t, err)
		f.imports = append(f.imports, strings.TrimPrefix(imp, module+"/"))
	}
	ast.Inspect(tree, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			f.launches = true
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && (n.Sel.Name == "Now" || n.Sel.Name == "Since") {
				f.clock = true
			}
		}
		return true
	})
	return f, tree.Name.Name
}
