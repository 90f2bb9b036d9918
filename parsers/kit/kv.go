package kit

import "bytes"

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
	if k.simple(at) {
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

// simple reads a value as most are, in one go: in quotes without quotes inside, or bare
// without a comma, and one of the keys that often come next directly behind it.
func (k *KV) simple(at int) bool {
	b := k.Text
	end, quoted := at, b[at] == '"'
	switch {
	case quoted:
		at++
		n := bytes.IndexByte(b[at:], '"')
		if end = at + n; n < 0 || end+2 >= len(b) || b[end+1] != ',' || b[at] <= ' ' || b[end-1] <= ' ' {
			return false
		}
	case b[at] == '[', b[at] == '{':
		return false
	default:
		end = commaOrQuote(b, at)
		if end+1 >= len(b) || b[end] == '"' || b[end-1] <= ' ' {
			return false
		}
	}
	next := end + 1
	if quoted {
		next++
	}
	if b[next] == ' ' {
		if next++; next == len(b) {
			return false
		}
	}
	if !k.likely(next) {
		return false
	}
	k.Value, k.Quoted = b[at:end:end], quoted
	return true
}

// likely is key for a key that Order expects.
func (k *KV) likely(at int) bool {
	if k.ID >= len(k.Order) {
		return false
	}
	b := k.Text
	for i := range k.Order[k.ID] {
		o := &k.Order[k.ID][i]
		if n := len(o.Text); n > 0 && len(b)-at > n && string(b[at:at+n]) == o.Text && b[at+n] > ' ' {
			next := &k.next
			next.from, next.to, next.value, next.id, next.noEquals = at, at+n-1, at+n, o.ID, false
			k.found = true
			return true
		}
	}
	return false
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
	if k.likely(at) {
		return true
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
