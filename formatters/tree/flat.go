package tree

import (
	"bytes"

	"github.com/siemfwd/siemfwd/formatters/text"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

// Flat writes fields as one object without nesting, for receivers that index nothing
// else: the names on the way to a value are joined, every scalar is a string, a list is
// a list of strings. What is null or empty is left out, and of values that come under
// the same name all but the first.
type Flat struct {
	Joint byte // stands between joined names
	Dot   byte // stands for a dot within a name; 0: dots stay
	Max   int  // most octets of one value, which is cut behind them; 0: no bound
}

const (
	// maxFlat is how many members an object gets; receivers take no more fields.
	maxFlat = 512
	// maxDepth is how deep names are joined; what is deeper is JSON in a string.
	maxDepth = 32
)

// flattening is one object while it is written.
type flattening struct {
	*Flat
	path    [maxDepth][]byte
	depth   int
	start   int // of the object in the output
	written [maxFlat]span
	members int
	cut     bool
}

// span is a name in the output, from the object's start on.
type span struct{ at, n int32 }

// Append appends lead and the object that first and fields become; nothing when no value
// is left. cut tells that a value was cut or that there were too many.
func (f *Flat) Append(dst []byte, lead string, fields []record.Field, first ...Pair) (_ []byte, cut bool) {
	mark := len(dst)
	dst = append(dst, lead...)
	w := flattening{Flat: f, start: len(dst)}
	dst = append(dst, '{')
	for i := range first {
		if p := &first[i]; len(p.Value) > 0 {
			w.path[0], w.depth = record.Bytes(p.Name), 1
			dst = w.member(dst, &record.Field{Kind: record.String, Text: p.Value}, nil)
		}
	}
	w.depth = 0
	dst = append(w.all(dst, fields), '}')
	if w.members == 0 {
		return dst[:mark], w.cut
	}
	return dst, w.cut
}

// Pair is a member that is no field.
type Pair struct {
	Name  string
	Value []byte
}

func (w *flattening) all(dst []byte, fields []record.Field) []byte {
	for i := 0; i < len(fields); i += 1 + int(fields[i].Size) {
		f := &fields[i]
		if f.Kind == record.Null || f.Size == 0 && len(f.Text) == 0 {
			continue
		}
		below := fields[i+1 : i+1+int(f.Size)]
		w.path[w.depth] = f.Name
		w.depth++
		if f.Kind == record.Map && w.depth < maxDepth {
			dst = w.all(dst, below)
		} else {
			dst = w.member(dst, f, below)
		}
		w.depth--
	}
	return dst
}

// member appends one member; nothing when its name is taken or its list has no value.
func (w *flattening) member(dst []byte, f *record.Field, below []record.Field) []byte {
	if w.members == maxFlat {
		w.cut = true
		return dst
	}
	mark := len(dst)
	if w.members > 0 {
		dst = append(dst, ',')
	}
	at := len(dst)
	dst = w.name(dst)
	if w.taken(dst, at) {
		return dst[:mark]
	}
	n := len(dst) - at
	dst = append(dst, ':')
	switch f.Kind {
	case record.List:
		empty := len(dst) + 1
		if dst = w.list(append(dst, '['), below); len(dst) == empty {
			return dst[:mark]
		}
		dst = append(dst, ']')
	case record.Map:
		dst = w.nested(dst, below, '{')
	default:
		dst = w.value(dst, f.Text)
	}
	w.written[w.members] = span{int32(at - w.start), int32(n)}
	w.members++
	return dst
}

// name appends the joined names as a JSON string.
func (w *flattening) name(dst []byte) []byte {
	dst = append(dst, '"')
	begin := len(dst)
	for i, part := range w.path[:w.depth] {
		if i > 0 {
			dst = append(dst, w.Joint)
		}
		for dot := bytes.IndexByte(part, '.'); w.Dot != 0 && dot >= 0; dot = bytes.IndexByte(part, '.') {
			dst = append(unquoted(dst, part[:dot]), w.Dot)
			part = part[dot+1:]
		}
		dst = unquoted(dst, part)
	}
	if len(bytes.TrimLeft(dst[begin:], " ")) == 0 {
		dst = append(dst[:begin], '_') // a name without a letter is no name to Elasticsearch
	}
	return append(dst, '"')
}

// unquoted appends what stands between the quotes of s as a JSON string.
func unquoted(dst, s []byte) []byte {
	dst = text.AppendJSON(dst, "", s)
	return dst[:len(dst)-1]
}

// taken reports whether the name that begins at dst[at] was written before.
func (w *flattening) taken(dst []byte, at int) bool {
	name := dst[at:]
	for _, s := range w.written[:w.members] {
		if int(s.n) == len(name) && bytes.Equal(dst[w.start+int(s.at):w.start+int(s.at)+len(name)], name) {
			return true
		}
	}
	return false
}

func (w *flattening) list(dst []byte, items []record.Field) []byte {
	first := len(dst)
	for i := 0; i < len(items); i += 1 + int(items[i].Size) {
		f := &items[i]
		if f.Kind == record.Null || f.Size == 0 && len(f.Text) == 0 {
			continue
		}
		if len(dst) > first {
			dst = append(dst, ',')
		}
		switch below := items[i+1 : i+1+int(f.Size)]; f.Kind {
		case record.List:
			dst = w.nested(dst, below, '[')
		case record.Map:
			dst = w.nested(dst, below, '{')
		default:
			dst = w.value(dst, f.Text)
		}
	}
	return dst
}

func (w *flattening) value(dst, v []byte) []byte {
	if w.Max > 0 && len(v) > w.Max {
		v, w.cut = text.Cut(v, w.Max), true
	}
	return text.AppendJSON(dst, `"`, v)
}

// nested appends a map or a list as JSON in a string.
func (w *flattening) nested(dst []byte, fields []record.Field, open byte) []byte {
	mark := len(dst)
	dst = Append(dst, fields, open, Safe)
	end := len(dst)
	dst = w.value(dst, dst[mark:end])
	return append(dst[:mark], dst[end:]...)
}
