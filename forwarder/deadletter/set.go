package deadletter

import (
	"encoding/binary"
	"errors"
	"slices"
)

// set holds the IDs of letters that are gone, as runs in ascending order that do not
// touch. What is removed is mostly one run after another.
type set []run

// run is the IDs from first up to, not including, end.
type run struct{ first, end uint64 }

// find returns the place of the run that holds id, or where it would be inserted.
func (s set) find(id uint64) (int, bool) {
	return slices.BinarySearchFunc(s, id, func(r run, id uint64) int {
		switch {
		case r.end <= id:
			return -1
		case r.first > id:
			return 1
		default:
			return 0
		}
	})
}

func (s set) has(id uint64) bool {
	_, ok := s.find(id)
	return ok
}

// add returns the set with id.
func (s set) add(id uint64) set {
	i, ok := s.find(id)
	if ok {
		return s
	}
	before, after := i > 0 && s[i-1].end == id, i < len(s) && s[i].first == id+1
	switch {
	case before && after:
		s[i-1].end = s[i].end
		return slices.Delete(s, i, i+1)
	case before:
		s[i-1].end++
		return s
	case after:
		s[i].first--
		return s
	default:
		return slices.Insert(s, i, run{id, id + 1})
	}
}

// append appends the set's encoding: for each run the distance to the one before it
// and its length, as unsigned varints.
func (s set) append(dst []byte) []byte {
	at := uint64(0)
	for _, r := range s {
		dst = binary.AppendUvarint(dst, r.first-at)
		dst = binary.AppendUvarint(dst, r.end-r.first)
		at = r.end
	}
	return dst
}

var errSet = errors.New("list of removed letters is malformed")

func parseSet(b []byte) (set, error) {
	var s set
	at := uint64(0)
	for len(b) > 0 {
		gap, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, errSet
		}
		size, m := binary.Uvarint(b[n:])
		first := at + gap
		end := first + size
		if m <= 0 || size == 0 || first < at || end < first || gap == 0 && at > 0 {
			return nil, errSet
		}
		s = append(s, run{first, end})
		at = end
		b = b[n+m:]
	}
	return s, nil
}
