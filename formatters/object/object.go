// Package object writes records as one JSON object whose members are laid down in a
// plan: each under a path, each left out, with the objects around it, where a record has
// nothing to say.
package object

import (
	"slices"
	"strings"

	"github.com/siemfwd/siemfwd/forwarder/record"
)

// Value appends a complete JSON value; nothing when the member is to be left out. It
// allocates nothing.
type Value func(dst []byte, r *record.Record) []byte

// Member is one member of the object.
type Member struct {
	// Path holds the names on the way to the value, joined by dots. "[]" behind a name
	// is a list around one object (or, at the end of the path, one value).
	Path  string
	Value Value
}

// maxDepth is how many objects can be in one another.
const maxDepth = 8

// Plan is an object's members in the order of its output. It may be used by any number of
// goroutines.
type Plan struct {
	steps []step
	rooms []room
}

// room is an object within the object.
type room struct {
	open, close string
}

// step is one member: the rooms it stands in, from the outermost, and its key.
type step struct {
	rooms [maxDepth]uint8
	depth int
	key   string // with quotes and colon
	end   string // behind the value
	value Value
}

// New makes a plan. Members of one object stand together, where the first of them is.
// It panics on a plan that cannot be: it is made of constants.
func New(members ...Member) *Plan {
	p := &Plan{}
	names := map[string]uint8{}
	paths := map[string]bool{}
	for _, m := range members {
		parts := strings.Split(m.Path, ".")
		s := step{depth: len(parts) - 1, value: m.Value}
		if s.depth > maxDepth || paths[m.Path] {
			panic("object: " + m.Path + ": twice in the plan, or too deep")
		}
		paths[m.Path] = true
		for i := range s.depth {
			name := strings.Join(parts[:i+1], ".")
			if _, ok := names[name]; !ok {
				names[name] = uint8(len(p.rooms))
				p.rooms = append(p.rooms, newRoom(parts[i]))
			}
			s.rooms[i] = names[name]
		}
		key, list := strings.CutSuffix(parts[s.depth], "[]")
		s.key = `"` + key + `":`
		if list {
			s.key, s.end = s.key+"[", "]"
		}
		p.steps = append(p.steps, s)
	}
	p.steps = together(p.steps, 0)
	return p
}

func newRoom(part string) room {
	name, list := strings.CutSuffix(part, "[]")
	if list {
		return room{`"` + name + `":[{`, "}]"}
	}
	return room{`"` + name + `":{`, "}"}
}

// together puts the steps of one room next to each other, at every depth.
func together(steps []step, depth int) []step {
	var out []step
	for len(steps) > 0 {
		first := steps[0]
		if first.depth <= depth {
			out, steps = append(out, first), steps[1:]
			continue
		}
		var in, rest []step
		for _, s := range steps {
			if s.depth > depth && s.rooms[depth] == first.rooms[depth] {
				in = append(in, s)
			} else {
				rest = append(rest, s)
			}
		}
		out, steps = append(out, together(in, depth+1)...), rest
	}
	return slices.Clip(out)
}

// Append appends the object to dst and returns the extended slice.
func (p *Plan) Append(dst []byte, r *record.Record) []byte {
	dst = append(dst, '{')
	var at *step // the last member written
	for i := range p.steps {
		s := &p.steps[i]
		mark := len(dst)
		same := 0
		if at != nil {
			for same < min(at.depth, s.depth) && at.rooms[same] == s.rooms[same] {
				same++
			}
			dst = p.leave(dst, at, same)
			dst = append(dst, ',')
		}
		for _, n := range s.rooms[same:s.depth] {
			dst = append(dst, p.rooms[n].open...)
		}
		dst = append(dst, s.key...)
		empty := len(dst)
		if dst = s.value(dst, r); len(dst) == empty {
			dst = dst[:mark]
			continue
		}
		dst = append(dst, s.end...)
		at = s
	}
	if at != nil {
		dst = p.leave(dst, at, 0)
	}
	return append(dst, '}')
}

// leave closes the rooms of a step down to depth.
func (p *Plan) leave(dst []byte, s *step, depth int) []byte {
	for i := s.depth - 1; i >= depth; i-- {
		dst = append(dst, p.rooms[s.rooms[i]].close...)
	}
	return dst
}
