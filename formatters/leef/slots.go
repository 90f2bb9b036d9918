package leef

import (
	"bytes"
	"slices"
	"strings"
	"unsafe"

	"github.com/siemfwd/siemfwd/formatters/text"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

// name is what a label may not be written as, or need not.
type name struct {
	lower string
	taken bool // by an attribute with a meaning of its own
	fact  int  // the fact of that name, whose value need not stand twice; -1: none
}

// names is sorted. A label comes with the event: under a name that QRadar or this format
// gives a meaning to, it would pass for that.
var names = func() (all []name) {
	taken := []string{"action", "outcome", "externalid", "eventname", "devicehost", "uid", "received", "msg", "truncated"}
	for i := range attributes {
		taken = append(taken, strings.ToLower(attributes[i].Name))
	}
	facts := map[string]int{}
	for k := range record.Keys {
		key := strings.ToLower(record.Keys[k].LEEF)
		taken = append(taken, key)
		if record.Keys[k].CEF == "" {
			facts[key], facts[strings.ReplaceAll(record.Keys[k].Name, ".", "")] = k, k
		}
	}
	for i := range record.Slots {
		taken = append(taken, strings.ToLower(record.Slots[i].CEF))
	}
	for _, t := range taken {
		all = append(all, name{t, true, -1})
	}
	for f, k := range facts {
		all = append(all, name{f, slices.Contains(taken, f), k})
	}
	slices.SortFunc(all, func(a, b name) int {
		if c := strings.Compare(a.lower, b.lower); c != 0 {
			return c
		}
		return b.fact - a.fact // those with a fact first, for Compact to keep
	})
	return slices.CompactFunc(all, func(a, b name) bool { return a.lower == b.lower })
}()

// lookup finds the name that label would be written as.
func lookup(label string) *name {
	var b [64]byte
	lower := b[:0]
	for i := range len(label) {
		c := label[i]
		if !alnum(c) {
			continue
		}
		if len(lower) == len(b) {
			return nil
		}
		lower = append(lower, fold(c))
	}
	lo, hi := 0, len(names)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		switch at := names[mid].lower; {
		case at == string(lower):
			return &names[mid]
		case at < string(lower):
			lo = mid + 1
		default:
			hi = mid
		}
	}
	return nil
}

// slots appends the record's custom values under their labels; under a fact's key where
// the label is that fact's name and the fact is not known; under the slot's own key where
// the label has no letter, stands for something else, or was written before. A value that
// a fact of the same name has already shown is left out.
func (l *line) slots(dst []byte, r *record.Record) []byte {
	for s, ok := r.NextSlot(0); ok; s, ok = r.NextSlot(s + 1) {
		label, v, t := r.GetSlot(s)
		n := lookup(label)
		named := n != nil && n.fact >= 0
		if named && bytes.Equal(v, r.Get(record.Key(n.fact))) && len(v) > 0 {
			continue
		}
		mark := len(dst)
		switch {
		case named && !r.Has(record.Key(n.fact)):
			dst = append(dst, record.Keys[n.fact].LEEF...)
		case n == nil || !n.taken:
			dst = appendKey(dst, constant(label))
		}
		if len(dst) == mark || repeated(r, s, dst[mark:]) {
			dst = append(dst[:mark], record.Slots[s].CEF...)
		}
		dst = append(dst, '=')
		at := len(dst)
		if !t.IsZero() {
			dst = t.Append(dst, 3)
		} else {
			dst, _ = l.appendValue(dst, v, text.NoLimit)
		}
		if len(dst) == at {
			dst = dst[:mark]
			continue
		}
		dst = l.fit(append(dst, l.between...), mark)
	}
	return dst
}

// repeated reports whether a slot before s has the label of s, whatever their case and
// punctuation, or one that is written as key.
func repeated(r *record.Record, s record.Slot, key []byte) bool {
	mine, _, _ := r.GetSlot(s)
	for i, ok := r.NextSlot(0); ok && i < s; i, ok = r.NextSlot(i + 1) {
		label, _, _ := r.GetSlot(i)
		if alike(label, mine) || alike(label, view(key)) {
			return true
		}
	}
	return false
}

// alike reports whether a and b have the same letters and digits, in any case.
func alike(a, b string) bool {
	i, j := 0, 0
	for {
		for i < len(a) && !alnum(a[i]) {
			i++
		}
		for j < len(b) && !alnum(b[j]) {
			j++
		}
		if i == len(a) || j == len(b) {
			return i == len(a) && j == len(b)
		}
		if fold(a[i]) != fold(b[j]) {
			return false
		}
		i, j = i+1, j+1
	}
}

func fold(c byte) byte {
	if c-'A' <= 25 {
		c |= 0x20
	}
	return c
}

// view is b as a string, without a copy; b must not change while it is used.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
