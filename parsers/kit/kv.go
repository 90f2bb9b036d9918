package kit

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// KV goes through comma-separated key=value pairs:
//
//	pair  = key "=" ( quoted / "[" … "]" / "{" … "}" / bare ) / listkey "[" … "]"
//	quoted = a value in double quotes, a quote within doubled
//	bare   = everything up to a comma that another pair follows
//
// It takes what senders make of that: white space around separators, commas in bare
// values, quotes that are not doubled, and quotes that never end, which then end before
// the next known key. Nothing is lost: text before the first key comes out as Loose.
//
//	for kv := (kit.KV{Text: body, Known: known}); kv.Next(); { … }
//
// It allocates nothing, and its slices point into Text. Its time is linear in Text.
type KV struct {
	// Text is what is read.
	Text []byte
	// Known returns a number above 0 for the keys the sender is known to use, else 0.
	// It decides where an unterminated quote ends and where the first pair begins.
	Known func(key []byte) int
	// List reports whether a key may be followed by a list without "=". Optional.
	List func(id int, key []byte) bool
	// Order tells, for the number of a known key, which known keys often come next;
	// what it says is tried before Known is asked. Optional; it may be shorter than
	// the largest number.
	Order [][2]NextKey

	// Set by Next.
	Key   []byte
	ID    int    // what Known returned for Key
	Value []byte // without quotes around it, trimmed of white space
	// Quoted says that the value stood in quotes, Quotes that it still holds some:
	// AppendUndoubled undoes the doubled ones.
	Quoted, Quotes bool
	NoEquals       bool // the pair had no "="
	Unterminated   bool // the value's quote did not end
	// Loose is text before the first pair; it is set once, by the first Next, which
	// is false when there is no pair at all.
	Loose []byte

	next    kvKey // the next pair, if found
	found   bool
	begun   bool
	endless int // searches that went far in vain
}

// NextKey is a key that often follows another: its spelling with "=" behind it, and
// what Known returns for it.
type NextKey struct {
	Text string
	ID   int
}

// kvKey is a key and where its value begins.
type kvKey struct {
	from, to, value int
	id              int
	noEquals        bool
}

// A search for the end of a quote or bracket that is given up after more than
// farAway octets is repeated at most mostEndless times, so that hostile text costs no
// more than its length.
const mostEndless, farAway = 8, 4096

// Next moves to the next pair.
func (k *KV) Next() bool {
	if !k.begun {
		k.begun = true
		k.begin()
	}
	if !k.found {
		return false
	}
	n := &k.next
	k.found = false
	k.Key, k.ID, k.NoEquals = k.Text[n.from:n.to:n.to], n.id, n.noEquals
	k.Quoted, k.Quotes, k.Unterminated = false, false, false
	at := n.value
	if at >= len(k.Text) {
		k.Value = nil
		return true
	}
	switch c := k.Text[at]; c {
	case '"':
		k.quoted(at)
	case '[', '{':
		if !k.bracketed(at, c) {
			k.bare(at, false)
		}
	default:
		k.bare(at, false)
	}
	return true
}

// begin finds the first pair.
func (k *KV) begin() {
	b := k.Text
	at := skipSeparators(b, 0)
	if at == len(b) || k.key(at) {
		return
	}
	start := at
	for at < len(b) {
		comma := false
		for at < len(b) && !isSpace(b[at]) && b[at] != ',' {
			at++
		}
		end := at
		for at < len(b) && (isSpace(b[at]) || b[at] == ',') {
			comma = comma || b[at] == ','
			at++
		}
		if at < len(b) && k.key(at) {
			if comma || k.next.id > 0 {
				k.Loose = b[start:end:end]
				return
			}
			k.found = false
		}
	}
	k.Loose = trim(b[start:])
}

// longKey is how far a known key is looked for in one step.
const longKey = 40

// key reads a key at at, with its "=" or list bracket.
func (k *KV) key(at int) bool {
	b := k.Text
	if k.ID < len(k.Order) {
		for i := range k.Order[k.ID] {
			next := &k.Order[k.ID][i]
			if n := len(next.Text); n > 0 && len(b)-at >= n && string(b[at:at+n]) == next.Text {
				return k.foundKey(at, at+n-1, at+n, next.ID)
			}
		}
	}
	if n := bytes.IndexByte(b[at:min(at+longKey, len(b))], '='); n > 0 {
		if id := k.Known(b[at : at+n]); id > 0 {
			return k.foundKey(at, at+n, at+n+1, id)
		}
	}
	return k.anyKey(at)
}

// anyKey is key for keys that are not known, or stand apart from what follows them.
func (k *KV) anyKey(at int) bool {
	b := k.Text
	if at >= len(b) || classes[b[at]]&classKeyStart == 0 {
		return false
	}
	to := at + 1
	for to < len(b) && classes[b[to]]&classKey != 0 {
		to++
	}
	i := skipWhite(b, to)
	if i == len(b) {
		return false
	}
	switch b[i] {
	case '=':
		return k.foundKey(at, to, i+1, k.Known(b[at:to]))
	case '[':
		id := k.Known(b[at:to])
		if k.List == nil || !k.List(id, b[at:to]) {
			return false
		}
		k.foundKey(at, to, i, id)
		k.next.noEquals = true
		return true
	}
	return false
}

func (k *KV) foundKey(from, to, value, id int) bool {
	n := &k.next
	if value < len(k.Text) && k.Text[value] <= ' ' {
		value = skipWhite(k.Text, value)
	}
	n.from, n.to, n.value, n.id, n.noEquals = from, to, value, id, false
	k.found = true
	return true
}

// ends reports whether a value can end at at: at the end of the text, or before a
// separator and another pair, which is then found.
func (k *KV) ends(at int) bool {
	b := k.Text
	if at < len(b) && b[at] <= ' ' {
		at = skipWhite(b, at)
	}
	if at == len(b) {
		return true
	}
	if b[at] != ',' {
		return false
	}
	if at++; at < len(b) && (b[at] <= ' ' || b[at] == ',') {
		at = skipSeparators(b, at)
	}
	return at == len(b) || k.key(at)
}

// bare reads a value that ends before the next pair; with known, before the next
// whose key is known.
func (k *KV) bare(at int, known bool) {
	b := k.Text
	end := len(b)
	k.Quotes = false
	for i := at; ; {
		if i = commaOrQuote(b, i); i == len(b) {
			break
		}
		if b[i] == '"' {
			k.Quotes = true
			n := bytes.IndexByte(b[i:], ',')
			if n < 0 {
				break
			}
			i += n
		}
		n := i
		if i++; i < len(b) && (b[i] <= ' ' || b[i] == ',') {
			i = skipSeparators(b, i)
		}
		if i == len(b) || k.key(i) && (!known || k.next.id > 0) {
			end = n
			break
		}
		k.found = false
	}
	if k.Value = b[at:end:end]; end > at && (b[at] <= ' ' || b[end-1] <= ' ') {
		k.Value = trim(k.Value)
	}
}

// commaOrQuote is the offset of the first comma or quote in b from at on, or len(b).
func commaOrQuote(b []byte, at int) int {
	for ; at+8 <= len(b); at += 8 {
		x := binary.LittleEndian.Uint64(b[at:])
		comma, quote := x^(','*ones), x^('"'*ones)
		if m := ((comma-ones)&^comma | (quote-ones)&^quote) & high; m != 0 {
			return at + bits.TrailingZeros64(m)/8
		}
	}
	for at < len(b) && b[at] != ',' && b[at] != '"' {
		at++
	}
	return at
}

// quoted reads a value whose opening quote stands at at.
func (k *KV) quoted(at int) {
	b := k.Text
	k.Quoted = true
	i := at + 1
	for k.endless < mostEndless {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			k.gaveUp(len(b) - at)
			break
		}
		i += n
		if i+1 < len(b) && b[i+1] == '"' {
			k.Quotes = true
			i += 2
			continue
		}
		if k.ends(i + 1) {
			if k.Value = b[at+1 : i : i]; i > at+1 && (b[at+1] <= ' ' || b[i-1] <= ' ') {
				k.Value = trim(k.Value)
			}
			return
		}
		if opensNext(b[at+1 : i]) {
			k.gaveUp(i - at)
			break
		}
		k.Quotes = true
		i++
	}
	k.Unterminated = true
	k.bare(at+1, true)
}

func (k *KV) gaveUp(octets int) {
	if octets > farAway {
		k.endless++
	}
}

// opensNext reports whether b ends in ", key =", so that a quote behind it begins the
// next pair's value.
func opensNext(b []byte) bool {
	b = trimRight(b)
	if len(b) == 0 || b[len(b)-1] != '=' {
		return false
	}
	b = trimRight(b[:len(b)-1])
	n := len(b)
	for n > 0 && classes[b[n-1]]&classKey != 0 {
		n--
	}
	if n == len(b) || classes[b[n]]&classKeyStart == 0 {
		return false
	}
	b = trimRight(b[:n])
	return len(b) > 0 && b[len(b)-1] == ','
}

// bracketed reads a balanced list or map that another pair or the end follows.
func (k *KV) bracketed(at int, open byte) bool {
	if k.endless >= mostEndless {
		return false
	}
	b := k.Text
	end, depth := at, 0
	shut := open + 2 // '[' and ']', '{' and '}' are two apart
	for i := at; ; i++ {
		if i == len(b) {
			k.gaveUp(i - at)
			return false
		}
		if c := b[i]; c == open {
			depth++
		} else if c == shut {
			if depth--; depth == 0 {
				end = i + 1
				break
			}
		}
	}
	if !k.ends(end) {
		k.gaveUp(end - at)
		return false
	}
	k.Value = b[at:end:end]
	k.Quotes = bytes.IndexByte(k.Value, '"') >= 0
	return true
}

// AppendUndoubled appends text with its doubled quotes as single ones.
func AppendUndoubled(dst, text []byte) []byte {
	for {
		n := bytes.IndexByte(text, '"')
		if n < 0 {
			return append(dst, text...)
		}
		dst = append(dst, text[:n+1]...)
		if text = text[n+1:]; len(text) > 0 && text[0] == '"' {
			text = text[1:]
		}
	}
}

func skipWhite(b []byte, at int) int {
	for at < len(b) && isSpace(b[at]) {
		at++
	}
	return at
}

func skipSeparators(b []byte, at int) int {
	for at < len(b) && (b[at] == ',' || isSpace(b[at])) {
		at++
	}
	return at
}
