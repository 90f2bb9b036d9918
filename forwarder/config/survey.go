package config

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

const (
	maxDepth  = 32     // of nesting, aliases followed
	maxCopies = 10_000 // values that aliases add
)

var tooDeep = fmt.Sprintf("nested more than %d levels deep", maxDepth)

// survey looks at what has nothing to do with our keys: depth, aliases, tags, keys
// given twice. After a survey that is true, following aliases ends, and soon.
type survey struct {
	l     *loader
	t     *text
	sizes map[*yaml.Node]int // of values with all aliases followed; -1 while counting
	depth map[*yaml.Node]int // levels below
	own   int                // values that are written
	dead  bool
}

func (l *loader) survey(t *text, root *yaml.Node) bool {
	s := &survey{l: l, t: t, sizes: map[*yaml.Node]int{}, depth: map[*yaml.Node]int{}}
	if s.count(root, 0); !s.dead {
		s.walk(at{t: t, node: root})
	}
	return !s.dead
}

// count returns how many values a node stands for, and how many levels it has.
func (s *survey) count(n *yaml.Node, level int) (size, depth int) {
	if known, ok := s.sizes[n]; ok {
		if known < 0 {
			s.stop(n, "&"+n.Anchor+" contains itself", "")
		}
		return known, s.depth[n]
	}
	if level > maxDepth {
		s.stop(n, tooDeep, "")
	}
	if s.dead {
		return 0, 0
	}
	before := s.own
	if n.Kind == yaml.AliasNode {
		size, depth = s.count(n.Alias, level)
	} else {
		s.own++
		s.sizes[n] = -1
		size, depth = 1, 1
		for _, c := range n.Content {
			below, levels := s.count(c, level+1)
			size, depth = min(size+below, 1<<30), max(depth, levels+1)
		}
		s.sizes[n], s.depth[n] = size, depth
	}
	if size-(s.own-before) > maxCopies {
		s.stop(n, fmt.Sprintf("aliases expand to more than %d values", maxCopies), "write them out, or take some away")
	}
	if level+depth > maxDepth+1 {
		s.stop(n, tooDeep, "")
	}
	return size, depth
}

// stop reports what makes walking the tree unsafe.
func (s *survey) stop(n *yaml.Node, problem, hint string) {
	if !s.dead {
		s.dead = true
		s.l.report(at{t: s.t, node: n}, Error, problem, hint)
	}
}

// walk looks at what is written, not through aliases: what they stand for is written too.
func (s *survey) walk(a at) {
	n := a.node
	s.tag(a)
	switch n.Kind {
	case yaml.ScalarNode:
		if key, _, ok := strings.Cut(n.Value, ":"); ok && simpleKey.MatchString(key) && s.t.names.is(key) {
			s.t.hide(n, hiddenWord) // a key without the blank behind its colon
		}
	case yaml.SequenceNode:
		for i := range n.Content {
			s.walk(a.item(i))
		}
	case yaml.MappingNode:
		first := map[string]*yaml.Node{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			if !s.key(a, key, first) {
				continue
			}
			if s.t.names.is(key.Value) {
				s.t.hide(value, hiddenWord)
			}
			s.walk(a.member(key, value))
		}
	}
}

// key reports what is wrong with a key; false when it is no key at all.
func (s *survey) key(a at, key *yaml.Node, first map[string]*yaml.Node) bool {
	k := at{t: s.t, node: key, path: a.path}
	switch {
	case key.Kind != yaml.ScalarNode:
		s.l.wrongAt(a.path)
		s.l.report(k, Error, "a key must be text", "if this is ${…}, put it in quotes; it belongs behind a key")
		return false
	case key.Tag == "!!merge":
		s.l.wrongAt(a.path)
		s.l.report(k, Error, "<< is not supported", "write the keys out; what sources share can stand below defaults")
		return false
	case strings.Contains(key.Value, "${"):
		s.l.report(k, Error, "${…} cannot stand in a key", "only values are expanded")
	}
	s.tag(k)
	if s.t.names.inKey(key.Value) {
		s.t.hideScalar(key, "…")
	}
	if old, twice := first[key.Value]; twice {
		line, col := s.t.start(old)
		k.path = a.member(key, key).path
		s.l.report(k, Error, "key "+s.t.names.quote(key.Value)+a.in()+" is given twice", fmt.Sprintf("first at %s:%d:%d", s.t.name, line, col))
		return true
	}
	first[key.Value] = key
	return true
}

// tag reports a tag that would change what a value is.
func (s *survey) tag(a at) {
	if n := a.node; n.Style&yaml.TaggedStyle != 0 && !coreTag(n) {
		s.l.wrongAt(a.path)
		s.l.add(a, Error, "YAML tags such as "+quote(n.Tag)+" are not supported", "if the text begins with !, put it in quotes",
			n.Line, n.Column, utf8.RuneCountInString(n.Tag))
	}
}

// coreTag reports whether a written tag changes nothing here.
func coreTag(n *yaml.Node) bool {
	switch n.Tag {
	case "!!str":
		return n.Kind == yaml.ScalarNode
	case "!!map":
		return n.Kind == yaml.MappingNode
	case "!!seq":
		return n.Kind == yaml.SequenceNode
	}
	return false
}
