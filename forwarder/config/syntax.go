package config

import (
	"errors"
	"io"
	"reflect"
	"strings"

	"gopkg.in/yaml.v3"
)

// parse reads the one document of a file. It returns its root, nil when there is none,
// and what is wrong with it.
func (t *text) parse() (root *yaml.Node, bad *flaw) {
	dec := yaml.NewDecoder(strings.NewReader(t.data))
	root, err := decodeNode(dec)
	switch {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, t.syntax(dec, err)
	}
	second, err := decodeNode(dec)
	switch {
	case errors.Is(err, io.EOF):
		return root.Content[0], nil
	case err != nil:
		return nil, t.syntax(dec, err)
	}
	return root.Content[0], t.secondDocument(second)
}

// errUnreadable stands for a panic inside yaml.v3.
var errUnreadable = errors.New("yaml: this cannot be read as YAML")

// decodeNode reads the next document as it stands, aliases and all.
func decodeNode(dec *yaml.Decoder) (n *yaml.Node, err error) {
	defer func() {
		if recover() != nil {
			n, err = nil, errUnreadable
		}
	}()
	n = new(yaml.Node)
	if err := dec.Decode(n); err != nil {
		return nil, err
	}
	if n.Kind != yaml.DocumentNode || len(n.Content) != 1 {
		return nil, errUnreadable
	}
	return n, nil
}

func (t *text) secondDocument(n *yaml.Node) *flaw {
	line, col := t.within(n.Line, n.Column)
	for line > 1 && !strings.HasPrefix(t.line(line), "---") {
		line--
	}
	return &flaw{line, col, 3, "a second YAML document begins here", "one file holds one configuration; put the other in a file of its own"}
}

// mark is a place as yaml.v3 keeps it, counted from 0.
type mark struct{ line, col int }

// failure is what yaml.v3 knows of a syntax error beyond its text.
type failure struct {
	problem, context    string
	at, contextAt, node mark
}

// failureOf reads the decoder's own record of where it failed. yaml.v3 only prints a
// line, and often another one; its scanner knows the column. The package is archived at
// this version; should the fields ever be missing, ok is false.
func failureOf(dec *yaml.Decoder) (f failure, ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	parser := reflect.ValueOf(dec).Elem().FieldByName("parser").Elem()
	inner := parser.FieldByName("parser")
	get := func(v reflect.Value) mark {
		return mark{int(v.FieldByName("line").Int()), int(v.FieldByName("column").Int())}
	}
	f.problem, f.context = inner.FieldByName("problem").String(), inner.FieldByName("context").String()
	f.at, f.contextAt = get(inner.FieldByName("problem_mark")), get(inner.FieldByName("context_mark"))
	f.node = get(parser.FieldByName("event").FieldByName("start_mark"))
	return f, true
}

// syntax says in the user's words why the file is not YAML, and where.
func (t *text) syntax(dec *yaml.Decoder, err error) *flaw {
	f, ok := failureOf(dec)
	if !ok {
		return &flaw{1, 1, 1, "not YAML: " + strings.TrimPrefix(err.Error(), "yaml: "), ""}
	}
	if name, found := strings.CutPrefix(err.Error(), "yaml: unknown anchor '"); found {
		name, _, _ = strings.Cut(name, "'")
		return t.at(f.node, "*"+name+" refers to no &"+name+" above it", `if the text begins with *, put it in quotes`)
	}
	if f.problem == "" {
		return t.at(f.node, strings.TrimPrefix(err.Error(), "yaml: "), "")
	}
	return t.explain(f)
}

func (t *text) at(m mark, problem, hint string) *flaw {
	line, col := t.within(m.line+1, m.col+1)
	return &flaw{line, col, 1, problem, hint}
}

// explain finds the words for a failure by yaml.v3's own.
func (t *text) explain(f failure) *flaw {
	line, col := t.within(f.at.line+1, f.at.col+1)
	here, before := t.rest(line, col), strings.TrimSuffix(t.line(line), t.rest(line, col))
	if i := strings.IndexByte(t.line(line), '\t'); i >= 0 && strings.TrimLeft(t.line(line)[:i], " -") == "" && strings.TrimSpace(before) == "" {
		return &flaw{line, i + 1, 1, "a tab indents this line", "indent with spaces"}
	}
	switch p := f.problem; {
	case strings.HasPrefix(p, "exceeded max depth"):
		return t.at(f.at, "nested too deeply", "")
	case f.context == "while scanning a quoted scalar":
		return t.at(f.contextAt, "this quote is never closed", "")
	case strings.HasPrefix(f.context, "while parsing a flow"):
		return t.explainFlow(f, before)
	case p == "mapping values are not allowed in this context":
		return t.explainColon(f, before)
	case p == "could not find expected ':'":
		return t.at(f.contextAt, `this line has no ":"`, "write key: value")
	case p == "found character that cannot start any token" && here != "":
		return t.at(f.at, "a value cannot begin with "+here[:1], "put it in quotes")
	case p == "block sequence entries are not allowed in this context":
		return t.at(f.at, `"- " cannot stand here`, "begin a list on the line below its key, or write [a, b]")
	case p == "found unknown escape character":
		return t.at(f.at, "unknown escape in double quotes", `write \\ for a backslash, or use single quotes`)
	case strings.HasPrefix(p, "did not find expected hex"):
		return t.at(f.at, "an escape in double quotes is not finished", `write \\ for a backslash, or use single quotes`)
	case p == "did not find expected alphabetic or numeric character":
		return t.at(f.at, "a value cannot begin with & or *", "put it in quotes")
	case p == "did not find expected comment or line break":
		return t.at(f.at, "nothing may follow | or > on its line", "begin the text on the next line, or put the value in quotes")
	case p == "did not find expected '-' indicator":
		return t.at(f.at, "expected the next item of the list", `begin it with "- ", or indent this line as the key it belongs to`)
	case p == "did not find expected key":
		return t.explainKey(f, before)
	case p == "did not find expected node content" && here != "":
		return t.at(f.at, here[:1]+" does not belong here", "")
	case p == "did not find expected <document start>":
		return t.at(f.at, "text after the end of the document", "remove it, or the line ... above it")
	case strings.Contains(f.context, "directive") || strings.Contains(p, "YAML document") || strings.Contains(p, "directive"):
		return t.at(f.at, "YAML directives are not supported", "remove the line that begins with %")
	case p == "found undefined tag handle":
		return t.at(f.at, "YAML tags are not supported", "if the text begins with !, put it in quotes")
	case strings.Contains(p, "tab character"):
		return t.at(f.at, "a tab where spaces are expected", "indent with spaces")
	}
	return t.at(f.at, "not YAML: "+f.problem, "")
}

func (t *text) explainFlow(f failure, before string) *flaw {
	open, closing := "[", "]"
	if strings.Contains(f.context, "mapping") {
		open, closing = "{", "}"
	}
	switch {
	case strings.HasSuffix(before, "$"):
		f.at.col-- // the { of ${
		return t.at(f.at, "${…} between brackets is not in quotes", `write "${cred:NAME}"`)
	case f.at.line+1 > t.lines() || f.at.line > f.contextAt.line:
		return t.at(f.contextAt, "this "+open+" is never closed", "")
	}
	return t.at(f.at, "expected , or "+closing, `put a value that holds any of , : [ ] { } in quotes`)
}

func (t *text) explainColon(f failure, before string) *flaw {
	if i := strings.Index(before, ": "); i >= 0 {
		return t.at(f.at, `a second ": " on this line`, "put the value in quotes, or begin a new line")
	}
	above := f.at.line // counted from 1: the line above
	for above > 1 && strings.TrimSpace(t.line(above)) == "" {
		above--
	}
	p := t.line(above)
	switch i := strings.IndexByte(p, ':'); {
	case i > 0 && i+1 < len(p) && p[i+1] != ' ' && !strings.Contains(p, ": "):
		return &flaw{above, columns(p, i, i+1).from, 1, `no space after ":"`, "write key: value"}
	case strings.Contains(p, ": ") && indentation(before) > indentation(p):
		return &flaw{f.at.line + 1, indentation(before) + 1, 1, "this line is indented below a key that has a value already", "indent both alike"}
	}
	return t.at(f.at, `":" cannot stand here`, "look at the indentation of this line and the one above it")
}

func (t *text) explainKey(f failure, before string) *flaw {
	switch {
	case strings.TrimSpace(before) == "" && strings.HasPrefix(t.rest(f.at.line+1, f.at.col+1), "-"):
		return t.at(f.at, "expected a key, not an item of a list", "indent it below the key it belongs to")
	case strings.TrimSpace(before) == "":
		return t.at(f.at, "the indentation of this line fits nothing above it", "indent it as its neighbours")
	case strings.HasPrefix(t.rest(f.at.line+1, f.at.col+1), "]"), strings.HasPrefix(t.rest(f.at.line+1, f.at.col+1), "}"):
		return t.at(f.at, t.rest(f.at.line+1, f.at.col+1)[:1]+" closes nothing", "put a value that holds any of : [ ] { } in quotes")
	case strings.ContainsAny(before, `"'`):
		return t.at(f.at, "text after the closing quote", "put the whole value in quotes; in single quotes write '' for one")
	}
	return t.at(f.at, "expected a key", "put a value that holds any of : [ ] { } in quotes")
}
