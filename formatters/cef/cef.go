// Package cef writes ArcSight's Common Event Format, version 0, as every receiver
// reads it:
//
//	CEF:0|vendor|product|version|class|name|severity|key=value key=value
//
// Values are cut to the dictionary's lengths, before escaping, and written only when
// they fit the dictionary's types. Each key is written once, the first value wins. An
// empty value is left out together with its label.
package cef

import (
	"bytes"
	"strconv"

	"github.com/siemfwd/siemfwd/formatters/text"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

// Event is one event: the values of the header and the extension.
type Event struct {
	Vendor, Product, Version []byte // empty: "unknown"
	Class, Name              []byte // empty: "unknown"
	Severity                 int    // brought into 0–10
	Ext                      []Pair
}

// Pair is one key of the extension with its value, as text. Characters a key cannot
// have are left out of it.
type Pair struct{ Key, Value []byte }

// Append appends e to dst and returns the extended slice. Extension keys stand in
// the order of e.Ext; an IPv6 address under an IPv4 key moves to the custom slot that
// is reserved for it, an integer over 32 bits to a free cn slot whose label is the
// key's full name.
func Append(dst []byte, e *Event) []byte {
	dst = Formatter{}.appendHeader(dst, e)
	w := writer{ext: e.Ext}
	start := len(dst)
	for i := range e.Ext {
		dst = w.pair(dst, i)
	}
	if len(dst) > start {
		dst = dst[:len(dst)-1] // the SP behind the last pair
	}
	return dst
}

func (f Formatter) appendHeader(dst []byte, e *Event) []byte {
	if f.Version1 {
		dst = append(dst, "CEF:1|"...)
	} else {
		dst = append(dst, "CEF:0|"...)
	}
	dst = f.appendField(dst, e.Vendor, maxVendor)
	dst = f.appendField(dst, e.Product, maxProduct)
	dst = f.appendField(dst, e.Version, maxVersion)
	dst = f.appendField(dst, e.Class, maxClass)
	dst = f.appendField(dst, e.Name, maxName)
	dst = strconv.AppendInt(dst, int64(min(max(e.Severity, 0), 10)), 10)
	return append(dst, '|')
}

// The longest values of the header, in characters.
const (
	maxVendor  = 63
	maxProduct = 63
	maxVersion = 31
	maxClass   = 1023
	maxName    = 512
)

// cut is how many values of the header are cut.
func (e *Event) cut() int {
	if len(e.Vendor) <= maxVendor && len(e.Product) <= maxProduct && len(e.Version) <= maxVersion && len(e.Class) <= maxClass && len(e.Name) <= maxName {
		return 0
	}
	n := 0
	for _, is := range [...]bool{
		longer(e.Vendor, maxVendor), longer(e.Product, maxProduct), longer(e.Version, maxVersion), longer(e.Class, maxClass), longer(e.Name, maxName),
	} {
		if is {
			n++
		}
	}
	return n
}

func (f Formatter) appendField(dst, s []byte, limit int) []byte {
	if bare(s, limit) && (!f.PipeSafe || s[0] != '"') {
		var ok bool
		if dst, ok = text.AppendClean(dst, "", s, headerStops, '|'); ok {
			return dst
		}
	}
	mark := len(dst)
	dst = appendHeaderText(dst, s, limit)
	if len(dst) == mark {
		dst = append(dst, "unknown"...)
	}
	if f.PipeSafe {
		dst = pipeSafe(dst, mark)
	}
	return append(dst, '|')
}

// pipeSafe replaces what some readers of the header take apart, in what was appended
// since mark: an escaped "|" becomes "/", a quote at the beginning "'".
func pipeSafe(dst []byte, mark int) []byte {
	if dst[mark] == '"' {
		dst[mark] = '\''
	}
	n := mark
	for i := mark; i < len(dst); i++ {
		c := dst[i]
		if c == '\\' {
			if i++; dst[i] == '|' {
				c = '/'
			} else {
				dst[n] = c
				n, c = n+1, dst[i]
			}
		}
		dst[n] = c
		n++
	}
	return dst[:n]
}

// appendPair appends key, value and a SP; nothing when there is nothing to show.
func appendPair(dst []byte, k *Key, v []byte) []byte {
	if k.Type == String && bare(v, limitOf(k)) {
		var ok bool
		if dst, ok = text.AppendClean(dst, k.lead, v, valueStops, ' '); ok {
			return dst
		}
	}
	mark := len(dst)
	dst = append(dst, k.lead...)
	at := len(dst)
	if k.Type == String {
		dst = appendValue(dst, v, limitOf(k))
	} else {
		dst = appendTyped(dst, k.Type, v)
	}
	if len(dst) == at {
		return dst[:mark]
	}
	return append(dst, ' ')
}

func limitOf(k *Key) int {
	if k.Max == 0 {
		return text.NoLimit
	}
	return k.Max
}

// writer writes the pairs of one event, each key once.
type writer struct {
	ext  []Pair
	have [(len(dictionary) + 63) / 64]uint64
}

func (w *writer) has(i int) bool { return w.have[i/64]&(1<<(i%64)) != 0 }
func (w *writer) set(i int)      { w.have[i/64] |= 1 << (i % 64) }

// pair appends pair n, if it is to be written.
func (w *writer) pair(dst []byte, n int) []byte {
	p := &w.ext[n]
	mark := len(dst)
	dst = appendKey(dst, p.Key)
	at := index(dst[mark:])
	if at < 0 {
		return w.unknown(dst, mark, n)
	}
	dst = dst[:mark]
	k := &dictionary[at]
	if k.Consumer || w.has(at) {
		return dst
	}
	if slot := labels[at]; slot > 0 && !w.has(slot-1) && !w.coming(dst, slot-1, n+1) {
		return dst
	}
	switch k.Type {
	case Integer:
		if tooWide(p.Value) {
			return w.wide(dst, k, p.Value)
		}
	case IPv4:
		if v4, v6 := address(trim(p.Value)); len(v4) == 0 && len(v6) > 0 {
			return w.ipv6(dst, at, v6)
		}
	}
	dst = appendPair(dst, k, p.Value)
	if len(dst) > mark {
		w.set(at)
	}
	return dst
}

// unknown appends the value of pair n, whose key is written at dst[mark:] and not in
// the dictionary.
func (w *writer) unknown(dst []byte, mark, n int) []byte {
	key := dst[mark:]
	if len(key) == 0 {
		return dst
	}
	for i := range n {
		if p := &w.ext[i]; sameKey(key, p.Key) && !blank(dst, p.Value) {
			return dst[:mark]
		}
	}
	dst = append(dst, '=')
	at := len(dst)
	if dst = appendValue(dst, w.ext[n].Value, text.NoLimit); len(dst) == at {
		return dst[:mark]
	}
	return append(dst, ' ')
}

// coming reports whether one of the pairs from n on gives key at a value.
func (w *writer) coming(scratch []byte, at, n int) bool {
	for i := n; i < len(w.ext); i++ {
		p := &w.ext[i]
		if k := &dictionary[at]; sameKey(record.Bytes(k.Name), p.Key) && len(appendPair(scratch, k, p.Value)) > len(scratch) {
			return true
		}
	}
	return false
}

// blank reports whether nothing is left of v; it writes behind scratch.
func blank(scratch, v []byte) bool {
	return len(appendValue(scratch, v, 1)) == len(scratch)
}

// wide appends an integer that its key is too narrow for, under a free cn slot.
func (w *writer) wide(dst []byte, k *Key, v []byte) []byte {
	for _, slot := range wideSlots {
		if w.has(slot.value) || w.given(slot.value) {
			continue
		}
		w.set(slot.value)
		w.set(slot.label)
		dst = appendPair(dst, &dictionary[slot.value], v)
		return appendPair(dst, &dictionary[slot.label], record.Bytes(k.Full))
	}
	return dst
}

// ipv6 appends the address of an IPv4 key where IPv6 addresses of its kind stand.
func (w *writer) ipv6(dst []byte, at int, v6 []byte) []byte {
	for _, slot := range ipv6Slots {
		if slot.of == at && !w.has(slot.value) {
			w.set(slot.value)
			w.set(slot.label)
			dst = appendPair(dst, &dictionary[slot.value], v6)
			return appendPair(dst, &dictionary[slot.label], record.Bytes(slot.says))
		}
	}
	return dst
}

// given reports whether any pair has key at.
func (w *writer) given(at int) bool {
	for i := range w.ext {
		if sameKey(record.Bytes(dictionary[at].Name), w.ext[i].Key) {
			return true
		}
	}
	return false
}

// appendKey appends what may stand in a key.
func appendKey(dst, key []byte) []byte {
	for _, c := range key {
		if alnum(c) {
			dst = append(dst, c)
		}
	}
	return dst
}

// sameKey reports whether raw is written as key.
func sameKey(key, raw []byte) bool {
	if bytes.Equal(key, raw) {
		return true
	}
	for _, c := range raw {
		if !alnum(c) {
			continue
		}
		if len(key) == 0 || key[0] != c {
			return false
		}
		key = key[1:]
	}
	return len(key) == 0
}

func alnum(c byte) bool { return c-'0' <= 9 || c|0x20-'a' <= 25 }
