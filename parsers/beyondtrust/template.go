package beyondtrust

import (
	_ "embed" // for the templates
	"strings"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// The texts that are pasted into the product, and the example of its documentation.
var (
	//go:embed templates/jit_app_created.json
	appCreatedText string
	//go:embed templates/jit_app_decision.json
	appDecisionText string
	//go:embed templates/jit_admin_created.json
	adminCreatedText string
	//go:embed templates/jit_admin_decision.json
	adminDecisionText string
	//go:embed templates/vendor_example.json
	vendorExampleText string
)

// template is a text that bodies are rendered from: an object of strings.
type template struct {
	kind  kind
	text  string
	steps []step
	count [numVariables]uint8 // how often each variable stands in it
}

// step is one name in a template. That of an object is unknown.
type step struct {
	one  variable
	name string
}

var (
	ours = [...]template{
		newTemplate(appCreated, appCreatedText), newTemplate(appDecision, appDecisionText),
		newTemplate(adminCreated, adminCreatedText), newTemplate(adminDecision, adminDecisionText),
	}
	vendorExample = newTemplate(unknownKind, vendorExampleText)
)

func newTemplate(k kind, text string) template {
	t := template{kind: k, text: text}
	for rest := text; ; {
		// What stands in quotes before a colon is a name.
		open := strings.IndexByte(rest, '"')
		if open < 0 {
			return t
		}
		n := strings.IndexByte(rest[open+1:], '"')
		name := rest[open+1 : open+1+n]
		if rest = strings.TrimLeft(rest[open+n+2:], " \n"); !strings.HasPrefix(rest, ":") {
			continue
		}
		s := step{lookup([]byte(name)), name}
		if s.one != unknown {
			t.count[s.one]++
		}
		t.steps = append(t.steps, s)
	}
}

func (t *template) kindOf() kind {
	if t == nil {
		return unknownKind
	}
	return t.kind
}

// findTemplate returns the template of ours that a body says it is rendered from. The
// mark counts only at the start of the body, where no value can stand before it.
func findTemplate(b []byte) *template {
	at := skip(b, 0)
	if at >= len(b) || b[at] != '{' {
		return nil
	}
	at++
	for range 2 {
		name, value := header(b, at)
		if value < 0 || value >= len(b) || b[value] != '"' {
			return nil
		}
		end := value + 1
		for end < len(b) && end < value+64 && b[end] != '"' && b[end] != '\\' {
			end++
		}
		if end >= len(b) || b[end] != '"' {
			return nil
		}
		switch lookup(name) {
		case markEvent:
			for i := range ours {
				if string(b[value+1:end]) == classes[ours[i].kind] {
					return &ours[i]
				}
			}
			return nil
		case markFormat:
		default:
			return nil
		}
		if at = skip(b, end+1); at >= len(b) || b[at] != ',' {
			return nil
		}
		at++
	}
	return nil
}

// comparison follows the names of a body through a template.
type comparison struct {
	t     *template
	step  int
	count [numVariables]uint8
	free  bool // a text of somebody's choice has begun
	state order
}

func (t *template) compare() comparison {
	return comparison{t: t, state: order{exact: t != nil, possible: t != nil}}
}

// next takes the next name.
func (c *comparison) next(one variable) {
	if c.t == nil {
		return
	}
	if c.step >= len(c.t.steps) || c.t.steps[c.step].one != one {
		c.state.exact = false
	}
	if !c.permits(one) {
		c.state.possible = false
	}
	c.took(one)
}

func (c *comparison) took(one variable) {
	c.step++
	if one != unknown {
		c.count[one] = min(c.count[one], 254) + 1
		c.free = c.free || free.has(one)
	}
}

// permits reports whether a name can be the next in a rendering of which names may have
// been left out, moved and added, but none added behind a text of somebody's choice: such
// a name is more likely part of that text.
func (c *comparison) permits(one variable) bool {
	return !c.free || one != unknown && c.count[one] < c.t.count[one]
}

func (c *comparison) order() order {
	if c.t != nil && c.step != len(c.t.steps) {
		c.state.exact = false
	}
	return c.state
}

// walk reads a body as a rendering of t whose values were not escaped: what stands
// between two of the names, quotes and backslashes too, is a value. exact wants all names
// of t in its order. On success the fields are those of the body, and v is read from
// them; with a nil v nothing is changed.
func (t *template) walk(r *record.Record, v *values, b []byte, exact bool) bool {
	w := walker{b: b, exact: exact, c: t.compare()}
	if v != nil {
		w.r = empty(r)
	}
	if !w.run() {
		if v != nil {
			empty(r)
		}
		return false
	}
	if v == nil {
		return true
	}
	w.unquote()
	if w.cut {
		r.Warn("cut", nil)
	}
	if t.kind == unknownKind {
		t = nil
	}
	v.read(r, t)
	return true
}

// maxBare is how long a value without quotes may be.
const maxBare = 256

type walker struct {
	r     *record.Record // nil: only whether it can be done
	b     []byte
	exact bool
	cut   bool // the body ended within a value
	c     comparison
}

func (w *walker) run() bool {
	at := skip(w.b, 0)
	if at >= len(w.b) || w.b[at] != '{' {
		return false
	}
	for at++; ; {
		name, value := header(w.b, at)
		one := lookup(name)
		if value < 0 || w.c.step == kit.MaxValues || !w.permits(one, name, value) {
			return false
		}
		w.c.took(one)
		if value < len(w.b) && w.b[value] == '{' {
			at = value + 1
			continue
		}
		end, next := w.value(value)
		if end < 0 {
			return false
		}
		if w.r != nil {
			w.r.Add(name, record.String, trimRight(w.b[value:end:end]))
		}
		if next < 0 {
			return !w.exact || w.c.step == len(w.c.t.steps) && !w.cut
		}
		at = next
	}
}

// permits reports whether a name, whose value begins at value, can be the next. The end
// mark is one only at the end of the body.
func (w *walker) permits(one variable, name []byte, value int) bool {
	if one == markEnd && !w.last(value) {
		return false
	}
	if !w.exact {
		return w.c.permits(one)
	}
	if w.c.step >= len(w.c.t.steps) {
		return false
	}
	s := &w.c.t.steps[w.c.step]
	return s.one == one && (one != unknown || s.name == string(name))
}

// last reports whether the value at value is "1" and the body ends behind it.
func (w *walker) last(value int) bool {
	at := value + len(`"1"`)
	if at > len(w.b) || string(w.b[value:at]) != `"1"` {
		return false
	}
	_, end := closers(w.b, at)
	return end == len(w.b)
}

// value finds the end of the value at at, quotes included, and where the next name
// begins, -1 for none. It returns -1 for what is no value.
func (w *walker) value(at int) (end, next int) {
	if at >= len(w.b) || w.b[at] != '"' {
		return w.bare(at)
	}
	for q := at + 1; q < len(w.b); q++ {
		if w.b[q] != '"' {
			continue
		}
		if next, ok := w.boundary(q + 1); ok {
			return q + 1, next
		}
	}
	w.cut = true
	return len(w.b), -1
}

// bare is value for what stands without quotes: up to a comma or the end of the object.
func (w *walker) bare(at int) (end, next int) {
	for end = at; end < len(w.b) && end < at+maxBare; end++ {
		if c := w.b[end]; c == ',' || c == '}' {
			if next, ok := w.boundary(end); ok {
				return end, next
			}
			_, end = closers(w.b, end)
		}
	}
	return -1, -1
}

// boundary reports whether the body ends at at or goes on there with a name, and where.
func (w *walker) boundary(at int) (next int, ok bool) {
	n, at := closers(w.b, at)
	switch {
	case at == len(w.b):
		return -1, n > 0
	case w.b[at] != ',':
		return -1, false
	}
	name, value := header(w.b, at+1)
	return at + 1, value >= 0 && w.permits(lookup(name), name, value)
}

// unquote takes the quotes off the values. The escapes are undone where the body was
// escaped: every backslash is part of an escape, none of those stands for a control
// character, and no quote stands alone.
func (w *walker) unquote() {
	escapes := true
	for i := range w.r.Fields {
		text := inner(w.r.Fields[i].Text)
		escapes = escapes && validEscapes(text) && !controlEscape(text) && !bareQuote(text)
	}
	for i := range w.r.Fields {
		f := &w.r.Fields[i]
		switch n := len(f.Text); {
		case n == 0 || f.Text[0] != '"':
			f.Kind = kit.BareKind(f.Text)
		case escapes && n > 1 && f.Text[n-1] == '"':
			f.Text = kit.Unquote(w.r, f.Text)
		default:
			f.Text = inner(f.Text)
		}
		f.Plain = kit.Plain(f.Text) && kit.Plain(f.Name)
	}
}

// inner is a value without its quotes.
func inner(text []byte) []byte {
	if len(text) == 0 || text[0] != '"' {
		return text
	}
	if n := len(text); n > 1 && text[n-1] == '"' {
		return text[1 : n-1 : n-1]
	}
	return text[1:]
}
