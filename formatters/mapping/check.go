package mapping

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/siemfwd/siemfwd/formatters/text"
	"github.com/siemfwd/siemfwd/forwarder/when"
)

// Problem is what is wrong with a key of a map, or with its value.
type Problem struct {
	Key, Text, Hint string
	Warning         bool
}

// Key tells of one key of a format's dictionary.
type Key struct {
	Name string
	Type when.Type // Text: it takes anything
	// Never is why a sender does not write the key; "" for keys it does.
	Never string
	// Needs is a version of the format without which readers do not know the key.
	Needs string
}

// Check tells what is wrong with a map. dictionary holds the keys readers know; version is
// the sink's, as Key.Needs has it.
func Check(format Format, keys map[string]string, dictionary []Key, version string) []Problem {
	c := checker{format: format, keys: keys, known: map[string]Key{}, version: version}
	for _, k := range dictionary {
		c.known[k.Name] = k
		c.names = append(c.names, k.Name)
	}
	var names []string
	for k := range keys {
		names = append(names, k)
	}
	slices.Sort(names)
	if len(names) > Most {
		c.bad("", fmt.Sprintf("%d keys are more than a sink can have", len(names)), fmt.Sprintf("up to %d", Most))
	}
	for _, k := range names {
		c.key(k)
	}
	return c.problems
}

type checker struct {
	format   Format
	keys     map[string]string
	known    map[string]Key
	names    []string
	version  string
	problems []Problem
}

func (c *checker) bad(key, text, hint string) {
	c.problems = append(c.problems, Problem{Key: key, Text: text, Hint: hint})
}

func (c *checker) warn(key, text, hint string) {
	c.problems = append(c.problems, Problem{Key: key, Text: text, Hint: hint, Warning: true})
}

var formatName = [...]string{CEF: "CEF", LEEF: "LEEF"}

func (c *checker) key(name string) {
	if slot, ok := strings.CutSuffix(name, "Label"); ok {
		if _, ok := slotOf(c.format, slot); ok {
			c.label(name, slot)
			return
		}
	}
	k, ok := c.known[name]
	switch {
	case !legal(name):
		c.bad(name, fmt.Sprintf("%q cannot be a key: keys are ASCII letters and digits", name), "")
		return
	case ok && k.Never != "":
		c.bad(name, name+" "+k.Never, "")
		return
	case ok && k.Needs != "" && k.Needs != c.version:
		c.warn(name, name+" came with specification 1.2: readers of CEF:0 do not know it", "write version: "+k.Needs+" if the receiver reads it")
	case !ok:
		if ours, _ := placesOf(c.format, name); ours == nil && !c.unknown(name) {
			return
		}
		k = Key{Name: name}
	}
	c.value(name, k)
}

// unknown tells of a key nobody knows; false when it is probably a mistake.
func (c *checker) unknown(name string) bool {
	if s := nearest(name, c.names); s != "" {
		c.bad(name, formatName[c.format]+" has no key "+name, "did you mean "+s+"?")
		return false
	}
	if c.format == CEF {
		c.warn(name, "CEF has no key "+name+": most receivers keep it as additional data, some drop it", "the slots cs1 to cs6 and cn1 to cn3 hold what has no key of its own")
	}
	return true
}

func (c *checker) label(name, slot string) {
	if _, ok := c.keys[slot]; !ok {
		c.bad(name, name+" is the label of "+slot+", which has no value here", "add "+slot+": and the path of its value")
		return
	}
	v, err := parseLabel(c.keys[name])
	switch {
	case err != nil:
		c.path(name, err)
	case v.path == nil && v.text == "":
		c.bad(name, "the label is empty", "")
	case v.path == nil && !word(v.text):
		c.bad(name, fmt.Sprintf("label %q: receivers make a field name of it, so it is ASCII letters, digits and _", v.text), "")
	}
}

// value checks what stands under a key against what the key takes.
func (c *checker) value(name string, k Key) {
	v, err := parse(c.keys[name])
	if err != nil {
		c.path(name, err)
		return
	}
	takes := [...]string{when.Number: "a whole number", when.IP: "an IP address", when.Time: "a time"}
	switch {
	case v.path == nil && v.text == "":
		c.bad(name, "there is no value", "write the path of a value, such as user.name or fields.NAME")
	case v.path != nil && k.Type != when.Text && v.path.Type() != k.Type && v.path.Type() != when.Any:
		c.bad(name, fmt.Sprintf("%s takes %s, which %s is not", name, takes[k.Type], v.path), "")
	case v.path == nil && k.Type == when.Number && !integer(v.text),
		v.path == nil && k.Type == when.IP && !text.IPv4([]byte(v.text)) && !text.IPv6([]byte(v.text)),
		v.path == nil && k.Type == when.Time:
		c.bad(name, fmt.Sprintf("%s takes %s, which the text %q is not", name, takes[k.Type], v.text), "")
	}
}

func integer(s string) bool {
	_, ok := text.Number([]byte(s))
	return ok
}

// path tells of a value that looks like a path and is none.
func (c *checker) path(name string, err error) {
	var bad *when.Error
	hint := ""
	if errors.As(err, &bad) {
		hint = bad.Hint
	}
	value := c.keys[name]
	if !strings.HasPrefix(hint, "did you mean") {
		hint = strings.TrimPrefix(hint+`; a text stands in quotes: '"`+value+`"'`, "; ")
	}
	c.bad(name, "no value is called "+value, hint)
}

func legal(name string) bool {
	for _, c := range []byte(name) {
		if c-'0' > 9 && c|0x20-'a' > 25 {
			return false
		}
	}
	return name != ""
}

// word reports whether s is ASCII letters, digits and "_".
func word(s string) bool {
	return legal(strings.ReplaceAll(s, "_", "")) || s != "" && strings.Trim(s, "_") == ""
}

// nearest finds the key that was probably meant: the same but for its case, or for a
// letter or two.
func nearest(name string, known []string) string {
	for _, k := range known {
		if strings.EqualFold(name, k) {
			return k
		}
	}
	best, least := "", 2
	if len(name) > 6 {
		least = 3
	}
	for _, k := range known {
		if len(name) < 4 || len(k) < 4 {
			continue
		}
		if d := distance(name, k, least); d < least {
			best, least = k, d
		}
	}
	return best
}

// distance is the number of inserted, deleted and replaced letters between a and b; most
// when it is not below most.
func distance(a, b string, most int) int {
	if d := len(a) - len(b); d >= most || -d >= most {
		return most
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := diagonal
			if a[i] != b[j] {
				d = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], d
		}
	}
	return min(most, row[len(b)])
}
