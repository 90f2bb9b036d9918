package config

import (
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"github.com/siemfwd/siemfwd/forwarder/component"
)

// hide keeps the values of a node, and of all below it, out of excerpts and texts: word
// stands there instead. A value that is nothing but a ${…} may be shown.
func (t *text) hide(n *yaml.Node, word string) {
	if t.hidden[n] {
		return
	}
	t.hidden[n] = true
	switch n.Kind {
	case yaml.AliasNode:
		t.hide(n.Alias, word)
	case yaml.MappingNode:
		for i := 1; i < len(n.Content); i += 2 {
			t.hide(n.Content[i], word)
		}
	case yaml.SequenceNode:
		for _, c := range n.Content {
			t.hide(c, word)
		}
	case yaml.ScalarNode:
		comment := n.Value == "" && strings.Contains(t.rest(n.Line, n.Column), "#")
		if public(n.Value) && n.Anchor == "" {
			return
		}
		if comment || n.Anchor != "" || n.Value != "" && n.Tag != "!!null" && !wholeReference(n.Value) {
			t.hideScalar(n, word)
		}
	}
}

// hideScalar hides every line of a scalar, its anchor and tag too.
func (t *text) hideScalar(n *yaml.Node, word string) {
	line, col := n.Line, n.Column
	end := t.end(n)
	if n.Value == "" {
		end = t.starts[line-1] + len(t.line(line))
	}
	for ; line <= len(t.starts) && t.starts[line-1] < end; line, col = line+1, 1 {
		s := t.rest(line, col)
		s = s[:max(0, min(len(s), end-t.starts[line-1]-len(t.line(line))+len(s)))]
		if col == 1 {
			col += indentation(s)
			s = s[indentation(s):]
		}
		t.spans[line] = append(t.spans[line], span{col, col + utf8.RuneCountInString(s), word})
	}
}

// end returns the offset behind a scalar's value.
func (t *text) end(n *yaml.Node) int {
	line, col := t.start(n)
	i := t.starts[line-1] + len(t.line(line)) - len(t.rest(line, col))
	switch {
	case n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0:
		return i + quotedEnd(t.data[i:])
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		i = t.starts[line-1] + len(t.line(line))
	}
	// The value's words stand there in order, with other white space between them.
	for _, w := range strings.Fields(n.Value) {
		i = len(t.data) - len(strings.TrimLeftFunc(t.data[i:], unicode.IsSpace))
		if !strings.HasPrefix(t.data[i:], w) {
			break
		}
		i += len(w)
	}
	return i
}

// quotedEnd returns the offset behind the quoted scalar that s begins with; all of s
// when it is not closed.
func quotedEnd(s string) int {
	if s == "" {
		return 0
	}
	quote := s[0]
	for i := 1; i < len(s); i++ {
		switch {
		case quote == '"' && s[i] == '\\':
			i++
		case s[i] == quote && quote == '\'' && i+1 < len(s) && s[i+1] == quote:
			i++
		case s[i] == quote:
			return i + 1
		}
	}
	return len(s)
}

// passwordInURL finds the password of scheme://user:password@host.
var passwordInURL = regexp.MustCompile(`://[^/\s:@'"]*:([^/\s@'"]+)@`)

func passwords(line string) []span {
	var spans []span
	done, col := 0, 1
	for _, m := range passwordInURL.FindAllStringSubmatchIndex(line, -1) {
		col += utf8.RuneCountInString(line[done:m[2]])
		done = m[2]
		if !wholeReference(line[m[2]:m[3]]) {
			spans = append(spans, span{col, col + utf8.RuneCountInString(line[m[2]:m[3]]), hiddenWord})
		}
	}
	return spans
}

// oneLine makes a message one line without control characters and passwords, whoever
// wrote it.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case !strconv.IsPrint(r):
			return utf8.RuneError
		}
		return r
	}, hidePasswords(s))
}

// hidePasswords hides the passwords of URLs.
func hidePasswords(s string) string {
	return passwordInURL.ReplaceAllStringFunc(s, func(m string) string {
		user, password, _ := strings.Cut(m[3:len(m)-1], ":")
		if wholeReference(password) {
			return m
		}
		return "://" + user + ":" + hiddenWord + "@"
	})
}

// columns turns octets of a line into columns.
func columns(line string, from, to int) span {
	c := utf8.RuneCountInString(line[:from]) + 1
	return span{c, c + utf8.RuneCountInString(line[from:to]), hiddenWord}
}

// inComment finds what seems to be a secret in a line's comment: settings are often
// commented out.
func inComment(line string, names secretNames) []span {
	for i := range len(line) {
		if line[i] != '#' || i > 0 && line[i-1] != ' ' && line[i-1] != '\t' {
			continue
		}
		if behind, ok := names.in(line[i:]); ok {
			return []span{columns(line, i+behind, len(line))}
		}
		break // what looks like later comments was looked at with this one
	}
	return nil
}

// keyInLine finds what may be a key, where there are no nodes to ask.
var keyInLine = regexp.MustCompile(`["']?([A-Za-z0-9_.-]+)["']?[ \t]*:`)

// hideBroken finds what seems to be a secret on a line of a file that is not YAML: what
// follows a key with a secret's name, and all of a line without a known key of its own
// below such a key.
func (t *text) hideBroken(line int, w words) []span {
	s := t.line(line)
	if at := line; !w.begins(s) && !bareHeading.MatchString(s) {
		for at--; at > 0 && !w.begins(t.line(at)); at-- {
			if _, ok := w.secrets.word(t.line(at)); ok {
				break
			}
		}
		if _, secret := w.secrets.word(t.line(at)); secret {
			return []span{{1 + indentation(s), utf8.RuneCountInString(s) + 1, "…"}}
		}
	}
	behind, ok := w.secrets.word(s)
	if key, isKey := w.secrets.in(s); isKey && key <= behind+3 {
		behind = key // the blanks and quotes between them are no secret
	}
	if ok && strings.IndexFunc(reference.ReplaceAllString(s[behind:], ""), isWord) >= 0 {
		return []span{columns(s, behind, len(s))}
	}
	return nil
}

// bareHeading is a line with a key and nothing behind it.
var bareHeading = regexp.MustCompile(`^[ \t]*[A-Za-z0-9_.-]+:[ \t]*[\[{|>]?[ \t]*$`)

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

func indentation(s string) int { return len(s) - len(strings.TrimLeft(s, " \t")) }

// words are the keys there are, and those of them that hold a component.Secret.
type words struct {
	keys    map[string]bool
	secrets secretNames
}

// begins reports whether a line begins with a key there is.
func (w words) begins(line string) bool {
	m := keyInLine.FindStringSubmatchIndex(line)
	return m != nil && strings.Trim(line[:m[0]], " \t-") == "" && w.keys[line[m[2]:m[3]]]
}

// secretNames are the keys that hold a component.Secret somewhere.
type secretNames map[string]bool

// secretWords are parts of the names of keys that probably hold one.
var secretWords = []string{"secret", "token", "passw", "passphrase", "api_key", "apikey", "access_key", "private_key",
	"authorization", "credential", "cookie"}

// is reports whether the value of a key is probably a secret: the key is one of those,
// or nearly, or sounds like one.
func (names secretNames) is(key string) bool {
	key = strings.ReplaceAll(strings.ToLower(key), "-", "_")
	if names[key] {
		return true
	}
	for _, end := range []string{"_url", "_file", "_path", "_name", "_type"} {
		if strings.HasSuffix(key, end) {
			return false
		}
	}
	for _, w := range secretWords {
		if strings.Contains(key, w) {
			return true
		}
	}
	for n := range names {
		if len(n) > 4 && distance(n, key) <= 2 {
			return true
		}
	}
	return false
}

// public reports whether a value is no secret whatever its key: the words of a sink's
// `header:`, which reads like a misspelt `headers:`.
func public(value string) bool {
	return value == "rfc5424" || value == "rfc3164" || value == "none"
}

// in finds the first key on a line whose value is probably a secret, and where the
// value begins.
func (names secretNames) in(line string) (behind int, ok bool) {
	for _, m := range keyInLine.FindAllStringSubmatchIndex(line, -1) {
		if names.is(line[m[2]:m[3]]) {
			return len(line) - len(strings.TrimLeft(line[m[1]:], " \t")), true
		}
	}
	return 0, false
}

// word finds the first word on a line that names a secret, and where what follows
// begins. It is for lines whose key has lost its colon.
func (names secretNames) word(line string) (behind int, ok bool) {
	for _, m := range wordInLine.FindAllStringIndex(line, -1) {
		if names.is(line[m[0]:m[1]]) {
			return m[1], true
		}
	}
	return 0, false
}

var wordInLine = regexp.MustCompile(`[A-Za-z0-9_-]+`)

var secretType = reflect.TypeFor[component.Secret]()

// collect adds the keys of a type.
func (l *loader) collect(w words, t reflect.Type, depth int) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || depth > maxDepth {
		return
	}
	for _, f := range l.fields(t) {
		e := f.typ
		for e.Kind() == reflect.Slice || e.Kind() == reflect.Map || e.Kind() == reflect.Pointer {
			e = e.Elem()
		}
		w.keys[f.key] = true
		if e == secretType {
			w.secrets[f.key] = true
		}
		l.collect(w, e, depth+1)
	}
}

// holdsSecrets reports whether a type has a component.Secret somewhere.
func (l *loader) holdsSecrets(t reflect.Type) bool {
	w := words{map[string]bool{}, secretNames{}}
	l.collect(w, t, 0)
	return len(w.secrets) > 0
}
