package cef

import (
	"bytes"
	"unsafe"

	"github.com/siemfwd/siemfwd/formatters/tree"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

// maxAdded is how many of the vendor's fields stand in one event.
const maxAdded = 128

// vendorFields appends every field of the vendor's that nothing else shows: under ad and
// the names on the way to it, each with a capital.
func (l *line) vendorFields(dst []byte, r *record.Record) []byte {
	leaves := tree.Leaves{Fields: r.Fields}
	var seen [maxAdded]struct{ at, n int }
	added := 0
	for leaves.Next() {
		f := &r.Fields[leaves.Index()]
		if shown(r, f) {
			continue
		}
		if added == maxAdded {
			l.cut++
			break
		}
		mark := len(dst)
		dst = appendAdKey(dst, leaves.Path())
		key := dst[mark:]
		twice := index(key) >= 0 || string(key) == "ad" || string(key) == keyReplay.Name || string(key) == truncated[:len("adTruncated")]
		for _, s := range seen[:added] {
			twice = twice || s.n == len(key) && bytes.Equal(dst[s.at:s.at+s.n], key)
		}
		if twice {
			dst = dst[:mark]
			continue
		}
		n := len(key)
		dst = append(dst, '=')
		at := len(dst)
		if f.Kind == record.List {
			// The text is written behind the pair, and then taken up.
			dst = tree.AppendText(dst, r.Fields, leaves.Index())
			end := len(dst)
			dst = appendValue(dst, dst[at:end], maxAddedValue)
			dst = append(dst[:at], dst[end:]...)
		} else {
			if len(f.Text) > maxAddedValue && longer(f.Text, maxAddedValue) {
				l.cut++
			}
			dst = appendValue(dst, f.Text, maxAddedValue)
		}
		if len(dst) == at {
			dst = dst[:mark]
			continue
		}
		before := len(dst)
		if dst = l.fit(append(dst, ' '), mark); len(dst) > before {
			seen[added].at, seen[added].n = mark, n
			added++
		}
	}
	return dst
}

// maxAddedValue is the longest value under a key of the vendor's, in characters.
const maxAddedValue = 4000

// appendAdKey appends ad and names, each with a capital, without what a key cannot have.
func appendAdKey(dst []byte, names [][]byte) []byte {
	dst = append(dst, "ad"...)
	for _, name := range names {
		first := true
		for _, c := range name {
			if !alnum(c) {
				first = true
				continue
			}
			if first && c-'a' <= 25 {
				c &^= 0x20
			}
			dst, first = append(dst, c), false
		}
	}
	return dst
}

// shown reports whether a field's text is what a fact, a slot or a value of the header
// shows: parsers let them point at the same bytes.
func shown(r *record.Record, f *record.Field) bool {
	t := f.Text
	if len(t) == 0 {
		return false
	}
	for _, v := range [...][]byte{r.ID, r.Class, r.Name, r.Category, r.Action, r.Outcome, r.Message, r.Host} {
		if sameBytes(t, v) {
			return true
		}
	}
	set := r.Facts()
	for k, ok := set.Next(0); ok; k, ok = set.Next(k + 1) {
		if record.Keys[k].CEF != "" && sameBytes(t, r.Get(k)) {
			return true
		}
	}
	for s, ok := r.NextSlot(0); ok; s, ok = r.NextSlot(s + 1) {
		if _, v, _ := r.GetSlot(s); sameBytes(t, v) {
			return true
		}
	}
	return false
}

// sameBytes reports whether a and b are the same bytes of memory.
func sameBytes(a, b []byte) bool {
	return len(a) == len(b) && unsafe.SliceData(a) == unsafe.SliceData(b)
}
