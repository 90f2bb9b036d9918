package tree

import "github.com/siemfwd/siemfwd/forwarder/record"

// Leaves goes through fields in their order: to every scalar and every list, on the way
// into maps. The zero value with Fields set is ready.
//
//	for l.Next() { … l.Index() … l.Path() … }
type Leaves struct {
	Fields []record.Field

	leaf  int
	at    int // of the field behind the leaf
	path  [maxDepth][]byte
	ends  [maxDepth]int // where the maps on the way end
	depth int
}

// Next goes to the next leaf and reports whether there is one. Nulls, empty texts, lists
// and maps without items, and what is nested deeper than names are joined, are no leaves.
func (l *Leaves) Next() bool {
	for l.at < len(l.Fields) {
		for l.depth > 0 && l.at >= l.ends[l.depth-1] {
			l.depth--
		}
		f := &l.Fields[l.at]
		behind := l.at + 1 + int(f.Size)
		switch {
		case f.Kind == record.Null || f.Size == 0 && len(f.Text) == 0:
			l.at = behind
		case f.Kind == record.Map && l.depth < maxDepth-1:
			l.path[l.depth], l.ends[l.depth] = f.Name, behind
			l.depth++
			l.at++
		case f.Kind == record.Map:
			l.at = behind
		default:
			l.path[l.depth] = f.Name
			l.leaf, l.at = l.at, behind
			return true
		}
	}
	return false
}

// Path returns the names on the way to the current leaf, its own last. It is valid until
// Next.
func (l *Leaves) Path() [][]byte { return l.path[:l.depth+1] }

// Index returns the index of the current leaf in Fields.
func (l *Leaves) Index() int { return l.leaf }

// AppendText appends field i as text: a scalar's own, the items of a list joined by ", ",
// everything deeper as JSON.
func AppendText(dst []byte, fields []record.Field, i int) []byte {
	f := &fields[i]
	switch f.Kind {
	case record.Map:
		return Append(dst, fields[i+1:i+1+int(f.Size)], '{', AsSent)
	case record.List:
		for j := i + 1; j < i+1+int(f.Size); j++ {
			if fields[j].Size > 0 {
				return Append(dst, fields[i+1:i+1+int(f.Size)], '[', AsSent)
			}
		}
		mark := len(dst)
		for j := i + 1; j < i+1+int(f.Size); j++ {
			if len(fields[j].Text) == 0 {
				continue
			}
			if len(dst) > mark {
				dst = append(dst, ", "...)
			}
			dst = append(dst, fields[j].Text...)
		}
		return dst
	}
	return append(dst, f.Text...)
}
