package json

import (
	"slices"
	"strings"

	"github.com/siemfwd/siemfwd/formatters/text"
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
func appendFacts(dst []byte, r *record.Record) []byte {
	set := r.Facts()
	for k, ok := set.Next(0); ok; k, ok = set.Next(k + 1) {
		m := &members[k]
		if m.open == "" {
			dst = appendFact(dst, m.key, r, k)
			continue
		}
		dst = append(dst, m.open...)
		group := set
		for i := range group {
			group[i] &= m.all[i]
			set[i] &^= m.all[i]
		}
		for j, more := k, true; more; {
			dst = appendFact(dst, members[j].key, r, j)
			if j, more = group.Next(j + 1); more {
				dst = append(dst, ',')
			}
		}
		dst = append(dst, '}')
	}
	return dst
}

func appendFact(dst []byte, key string, r *record.Record, k record.Key) []byte {
	switch record.Keys[k].Kind {
	case record.FactTime:
		return appendTime(dst, key, r.GetTime(k))
	case record.FactNumber:
		if v := r.Get(k); isInteger(v) {
			return append(append(dst, key[:len(key)-1]...), v...)
		}
	}
	return text.AppendJSON(dst, key, r.Get(k))
}

func isInteger(v []byte) bool {
	_, integer := text.Number(v)
	return integer
}

// appendFields appends what the vendor sent, as it nested it.
func appendFields(dst []byte, r *record.Record) []byte {
	if len(r.Fields) == 0 {
		return dst
	}
	return appendTree(append(dst, `,"fields":`...), r.Fields, '{')
}

// appendTree appends fields, which are the children of one map or list, with the
// brackets around them; open is the opening one.
func appendTree(dst []byte, fields []record.Field, open byte) []byte {
	named, sep := open == '{', open
	for i := 0; i < len(fields); i++ {
		f := &fields[i]
		if f.Plain && f.Kind == record.String && named {
			dst, sep = appendPlain(dst, sep, f), ','
			continue
		}
		dst = append(dst, sep)
		sep = ','
		if named {
			dst = append(appendString(dst, f.Name, f.Plain), ':')
		}
		switch f.Kind {
		case record.List, record.Map:
			first, end := i+1, i+1+int(f.Size)
			bracket := byte('[')
			if f.Kind == record.Map {
				bracket = '{'
			}
			dst = appendTree(dst, fields[first:end], bracket)
			i = end - 1
		default:
			dst = appendScalar(dst, f)
		}
	}
	if len(fields) == 0 {
		dst = append(dst, open)
	}
	return append(dst, open+2) // "[" and "]" as "{" and "}" are two apart
}

// appendPlain appends a separator and the most frequent kind of member: a name and a
// text that can be copied.
func appendPlain(dst []byte, sep byte, f *record.Field) []byte {
	at, n, t := len(dst), len(f.Name), len(f.Text)
	size := n + t + len(`,"":""`)
	if cap(dst)-at < size {
		dst = slices.Grow(dst, size)
	}
	b := dst[at : at+size]
	b[0], b[1] = sep, '"'
	b = b[2+copy(b[2:], f.Name):]
	b[0], b[1], b[2] = '"', ':', '"'
	b[3+copy(b[3:], f.Text)] = '"'
	return dst[:at+size]
}

func appendString(dst, s []byte, plain bool) []byte {
	if plain {
		return append(append(append(dst, '"'), s...), '"')
	}
	return text.AppendJSON(dst, `"`, s)
}

// appendScalar appends a value as its kind says; text that is not of its kind is
// appended as a string.
func appendScalar(dst []byte, f *record.Field) []byte {
	switch f.Kind {
	case record.Null:
		return append(dst, "null"...)
	case record.Bool:
		if s := string(f.Text); s == "true" || s == "false" {
			return append(dst, f.Text...)
		}
	case record.Number:
		if ok, _ := text.Number(f.Text); ok {
			return append(dst, f.Text...)
		}
	}
	return appendString(dst, f.Text, f.Plain)
}
