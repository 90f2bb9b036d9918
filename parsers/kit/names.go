package kit

import (
	"strconv"

	"github.com/siemfwd/siemfwd/forwarder/record"
)

// Names keeps the names of sibling fields apart, for senders that may use one twice.
// The zero Names is ready for the fields of one record. It allocates nothing, and its
// cost stays linear in the number of fields: beyond some hundreds of repetitions names
// are let through as they are.
type Names struct {
	seen     [4]uint64 // a filter of the names seen
	searched int
	renamed  int
}

const mostSearched, mostRenamed = 256, 64

// Seen notes the name of r.Fields[n] and returns the index of an earlier sibling of
// the same name, or -1. The siblings begin at r.Fields[from].
func (s *Names) Seen(r *record.Record, from, n int) int {
	name := r.Fields[n].Name
	h := len(name) * 41
	if len(name) > 0 {
		h += int(name[0])*3 ^ int(name[len(name)-1])*29 ^ int(name[len(name)/2])*7
	}
	word, bit := h>>6&3, uint64(1)<<(h&63)
	if s.seen[word]&bit == 0 {
		s.seen[word] |= bit
		return -1
	}
	if s.searched >= mostSearched {
		return -1
	}
	s.searched++
	for i := from; i < n; i += 1 + int(r.Fields[i].Size) {
		if string(r.Fields[i].Name) == string(name) {
			return i
		}
	}
	return -1
}

// Rename gives r.Fields[n] the name with "_2" behind it, or the first number above
// that no sibling has taken.
func (s *Names) Rename(r *record.Record, from, n int) {
	if s.renamed >= mostRenamed {
		return
	}
	s.renamed++
	name := r.Fields[n].Name
	count := int64(1)
	for i := from; i < n; i += 1 + int(r.Fields[i].Size) {
		other := r.Fields[i].Name
		if len(other) > len(name)+1 && other[len(name)] == '_' && string(other[:len(name)]) == string(name) {
			if v, err := strconv.ParseInt(Text(other[len(name)+1:]), 10, 32); err == nil && v > count {
				count = v
			}
		}
	}
	out := append(r.Begin(len(name)+12), name...)
	r.Fields[n].Name = r.End(strconv.AppendInt(append(out, '_'), count+1, 10))
}
