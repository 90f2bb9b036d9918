package json

import (
	"strings"

	"github.com/siemfwd/siemfwd/formatters/text"
	"github.com/siemfwd/siemfwd/formatters/tree"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

// member is one fact as a member of an object.
type member struct {
	key  string // `"name":"`, with a comma in front where the fact is no object's
	open string // `,"user":{` for the facts of an object; "" for others
	all  record.FactSet
}

// members is record.Keys, ready to be written. Facts with the same first word stand
// together in one object, at the place of the first that is known.
var members = func() (t [len(record.Keys)]member) {
	groups := map[string]record.FactSet{}
	for i := range record.Keys {
		if first, _, dotted := strings.Cut(record.Keys[i].Name, "."); dotted {
			set := groups[first]
			set[i/64] |= 1 << (i % 64)
			groups[first] = set
		}
	}
	for i := range record.Keys {
		first, rest, dotted := strings.Cut(record.Keys[i].Name, ".")
		if !dotted {
			t[i] = member{key: `,"` + first + `":"`}
			continue
		}
		t[i] = member{`"` + rest + `":"`, `,"` + first + `":{`, groups[first]}
	}
	return t
}()

// appendFacts appends the known facts, each object once.
func appendFacts(dst []byte, r *record.Record, n tree.Numbers) []byte {
	set := r.Facts()
	for k, ok := set.Next(0); ok; k, ok = set.Next(k + 1) {
		m := &members[k]
		if m.open == "" {
			dst = appendFact(dst, m.key, r, k, n)
			continue
		}
		dst = append(dst, m.open...)
		group := set
		for i := range group {
			group[i] &= m.all[i]
			set[i] &^= m.all[i]
		}
		for j, more := k, true; more; {
			dst = appendFact(dst, members[j].key, r, j, n)
			if j, more = group.Next(j + 1); more {
				dst = append(dst, ',')
			}
		}
		dst = append(dst, '}')
	}
	return dst
}

func appendFact(dst []byte, key string, r *record.Record, k record.Key, n tree.Numbers) []byte {
	switch record.Keys[k].Kind {
	case record.FactTime:
		return appendTime(dst, key, r.GetTime(k))
	case record.FactNumber:
		if v := r.Get(k); isInteger(v) {
			return n.Append(append(dst, key[:len(key)-1]...), v)
		}
	}
	return text.AppendJSON(dst, key, r.Get(k))
}

func isInteger(v []byte) bool {
	_, integer := text.Number(v)
	return integer
}

// appendFields appends what the vendor sent, as it nested it.
func appendFields(dst []byte, r *record.Record, n tree.Numbers) []byte {
	if len(r.Fields) == 0 {
		return dst
	}
	return tree.Append(append(dst, `,"fields":`...), r.Fields, '{', n)
}
