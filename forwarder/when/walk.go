package when

import "github.com/siemfwd/siemfwd/forwarder/record"

// walk follows a path through what the vendor sent, either until a value satisfies the
// condition or, to show them, past all values.
type walk struct {
	cond   *Cond
	fields []record.Field
	show   bool
	plain  bool // with show: maps are left out
	dst    []byte
	start  int
	each   func(value []byte) // in place of show: is called with every scalar, those inside of maps too
}

// members tests what path leads to among fields[i:end], which are siblings with their
// descendants. A vendor's name may hold dots itself: every way of reading path counts.
func (w *walk) members(i, end int, path string) bool {
	for ; i < end; i += 1 + int(w.fields[i].Size) {
		name := w.fields[i].Name
		if len(name) > len(path) || string(name) != path[:len(name)] {
			continue
		}
		if len(name) == len(path) {
			if w.node(i) {
				return true
			}
		} else if path[len(name)] == '.' && w.below(i, path[len(name)+1:]) {
			return true
		}
	}
	return false
}

// below follows path from fields[i] on: into a map, and into every item of a list.
func (w *walk) below(i int, path string) bool {
	end := i + 1 + int(w.fields[i].Size)
	switch w.fields[i].Kind {
	case record.Map:
		return w.members(i+1, end, path)
	case record.List:
		for i++; i < end; i += 1 + int(w.fields[i].Size) {
			if w.below(i, path) {
				return true
			}
		}
	}
	return false
}

// node tests the value at fields[i]: a scalar, or some item of a list. A map has no
// value of its own but may exist.
func (w *walk) node(i int) bool {
	f := &w.fields[i]
	if w.each != nil {
		for end := i + 1 + int(f.Size); i < end; i++ {
			if t := w.fields[i].Text; len(t) > 0 {
				w.each(t)
			}
		}
		return false
	}
	switch f.Kind {
	case record.Null:
		return false
	case record.Map:
		if w.plain {
			return false
		}
		if w.show && f.Size > 0 {
			return w.value([]byte("{…}"))
		}
		return f.Size > 0 && (w.cond.op == exists || w.cond.op == missing)
	case record.List:
		end := i + 1 + int(f.Size)
		for i++; i < end; i += 1 + int(w.fields[i].Size) {
			if w.node(i) {
				return true
			}
		}
		return false
	default:
		return w.value(f.Text)
	}
}

func (w *walk) value(b []byte) bool {
	if !w.show {
		return w.cond.value(b)
	}
	if len(b) > 0 {
		if len(w.dst) > w.start {
			w.dst = append(w.dst, ", "...)
		}
		w.dst = append(w.dst, b...)
	}
	return false
}
