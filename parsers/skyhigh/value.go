package skyhigh

import (
	"bytes"
	"encoding/binary"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// add appends a field for one pair, typed. name is the key as it was written, value is
// decoded and trimmed; quotes says that it may hold quotes.
func (in *incident) add(k key, name, value []byte, quoted, quotes bool) {
	n := len(in.r.Fields)
	if k != otherKey && in.at[k] == 0 {
		in.at[k] = int32(n) + 1
		in.typed(k, record.Bytes(keyNames[k]), value, quoted, in.clean && !quotes)
		return
	}
	if k != otherKey {
		name = record.Bytes(keyNames[k])
	} else {
		name = canonical(in.r, name)
	}
	in.typed(k, name, value, quoted, in.clean && !quotes)
	in.place(k, n)
}

// place notes where the field that was appended as r.Fields[n] stands. When its name
// was there before with the same value, it is taken back, with another value, renamed.
func (in *incident) place(k key, n int) {
	r := in.r
	if n == len(r.Fields) {
		return
	}
	first := -1
	switch {
	case k != otherKey && in.at[k] == 0:
		in.at[k] = int32(n) + 1
		return
	case k != otherKey:
		first = int(in.at[k]) - 1
	default:
		if first = in.names.Seen(r, 0, n); first < 0 {
			return
		}
	}
	if same(r.Fields[first:n], r.Fields[n:]) {
		r.Undo(n)
		return
	}
	r.Warn("duplicate_key", r.Fields[n].Name)
	in.names.Rename(r, 0, n)
}

// same reports whether the field at the front of a is the one that b holds, by value.
func same(a, b []record.Field) bool {
	size := int(b[0].Size)
	if int(a[0].Size) != size || len(a) <= size {
		return false
	}
	for i := 0; i <= size; i++ {
		if a[i].Kind != b[i].Kind || !bytes.Equal(a[i].Text, b[i].Text) || i > 0 && !bytes.Equal(a[i].Name, b[i].Name) {
			return false
		}
	}
	return true
}

// canonical is an unknown key without the prefix "information".
func canonical(r *record.Record, name []byte) []byte {
	const prefix = "information"
	if len(name) <= len(prefix) || string(name[:len(prefix)]) != prefix || name[len(prefix)]-'A' > 'Z'-'A' {
		return name
	}
	short := r.Scratch(len(name) - len(prefix))
	copy(short, name[len(prefix):])
	short[0] |= 0x20
	return short
}

// What a value can be by its first octet.
const (
	anyText = iota
	maybeNull
	maybeList
	maybeMap
	maybeScalar
)

var firsts = [256]uint8{
	'N': maybeNull, 'n': maybeNull, '[': maybeList, '{': maybeMap, 't': maybeScalar, 'f': maybeScalar, '-': maybeScalar,
	'0': maybeScalar, '1': maybeScalar, '2': maybeScalar, '3': maybeScalar, '4': maybeScalar, '5': maybeScalar,
	'6': maybeScalar, '7': maybeScalar, '8': maybeScalar, '9': maybeScalar,
}

// typed appends value as what it looks like. plain says that it needs no escaping.
func (in *incident) typed(k key, name, value []byte, quoted, plain bool) {
	r := in.r
	if len(value) == 0 {
		r.AddPlain(name, record.Null, nil)
		return
	}
	kind, last := record.String, value[len(value)-1]
	switch firsts[value[0]] {
	case maybeNull:
		if isNull(value) {
			r.AddPlain(name, record.Null, nil)
			return
		}
	case maybeList:
		if last == ']' {
			in.list(name, value, plain)
			return
		}
	case maybeMap:
		if last == '}' && in.object(name, value, plain) {
			return
		}
	case maybeScalar:
		if !quoted {
			kind = kit.BareKind(value)
		}
	}
	if len(value) >= 19 && (value[3] == ' ' || value[4] == '-') {
		if t, ok := in.moment(k, name, value); ok {
			kit.AddTime(r, name, t)
			return
		}
	}
	if identifiers[k] {
		value, kind = in.withoutSpace(value), record.String
	}
	r.Append(name, kind, value, plain || kit.Plain(value))
}

func isNull(v []byte) bool {
	switch len(v) {
	case 2:
		return string(v) == "NA"
	case 3:
		return string(v) == "N/A"
	case 4:
		return string(v) == "null"
	case 13:
		return string(v) == "NOT AVAILABLE"
	}
	return false
}

// moment reads value as a time, and remembers it.
func (in *incident) moment(k key, name, value []byte) (record.Time, bool) {
	t, zone, ok := kit.ParseTimeZone(value)
	if !ok {
		return t, false
	}
	if zone == kit.ZoneUnknown {
		in.r.Warn("unknown_zone", name)
	}
	switch {
	case k == timeCreated && in.created.IsZero():
		in.created = t
	case k == timeModified && in.modified.IsZero():
		in.modified = t
	}
	return t, true
}

// withoutSpace is v without any white space.
func (in *incident) withoutSpace(v []byte) []byte {
	at := bytes.IndexByte(v, ' ')
	if !in.clean {
		at = bytes.IndexAny(v, " \t\r\n\v\f")
	}
	if at < 0 {
		return v
	}
	out := append(in.r.Begin(len(v)), v[:at]...)
	for _, c := range v[at:] {
		if c > ' ' {
			out = append(out, c)
		}
	}
	return in.r.End(out)
}

// list appends a list of strings: whatever an item looks like, [NO] is Norway.
func (in *incident) list(name, value []byte, plain bool) {
	r := in.r
	inner := bytes.TrimSpace(value[1 : len(value)-1])
	quotes := !plain && bytes.IndexByte(inner, '"') >= 0
	n := len(r.Fields)
	if quotes && jsonStart(inner[0]) && kit.JSON(r, name, value) == nil {
		asStrings(r.Fields[n+1:])
		return
	}
	r.Open(name, record.List)
	r.Fields[n].Plain = true
	if len(inner) > 0 {
		in.split(inner, plain, quotes)
	}
	r.Close()
}

func jsonStart(c byte) bool {
	return c == '"' || c == '{' || c == '[' || c == '-' || c-'0' <= 9 || c == 't' || c == 'f' || c == 'n'
}

// asStrings makes scalar items strings.
func asStrings(items []record.Field) {
	for i := 0; i < len(items); i += 1 + int(items[i].Size) {
		switch f := &items[i]; f.Kind {
		case record.Null:
			f.Kind, f.Text = record.String, record.Bytes("null")
		case record.Bool, record.Number:
			f.Kind = record.String
		}
	}
}

// split appends what stands between commas outside of quotes: at those that white
// space follows, if there is one, else at all.
func (in *incident) split(b []byte, plain, quotes bool) {
	r := in.r
	if quotes && bytes.Count(b, []byte{'"'})%2 != 0 {
		quotes = false
	}
	first := nextComma(b, 0, false, quotes)
	spaced := first+1 < len(b) && (b[first+1] <= ' ' || nextComma(b, first+1, true, quotes) < len(b))
	for at := first; plain && spaced; {
		// The common case.
		if at+1 < len(b) && b[at+1] == ' ' {
			r.AddPlain(nil, record.String, b[:at:at])
			for b = b[at+2:]; len(b) > 0 && b[0] == ' '; {
				b = b[1:]
			}
			at = 0
		} else {
			at++
		}
		n := bytes.IndexByte(b[at:], ',')
		if n < 0 {
			break
		}
		at += n
	}
	for at := 0; at <= len(b); {
		end := nextComma(b, at, spaced, quotes)
		item := trim(b[at:end])
		r.Append(nil, record.String, item, plain || kit.Plain(item))
		at = end + 1
	}
}

// nextComma is the offset of the next separator in b from at on, or len(b).
func nextComma(b []byte, at int, spaced, quotes bool) int {
	for {
		n := bytes.IndexByte(b[at:], ',')
		if n < 0 {
			return len(b)
		}
		if quotes {
			if q := bytes.IndexByte(b[at:at+n], '"'); q >= 0 {
				at += q + 1
				at += bytes.IndexByte(b[at:], '"') + 1
				continue
			}
		}
		at += n
		if !spaced || at+1 < len(b) && b[at+1] <= ' ' {
			return at
		}
		at++
	}
}

// object appends a map written as JSON or in Java's way, {k=v, k2=v2}.
func (in *incident) object(name, value []byte, plain bool) bool {
	r := in.r
	inner := trim(value[1 : len(value)-1])
	if len(inner) == 0 || inner[0] == '"' {
		if kit.JSON(r, name, value) == nil {
			return true
		}
	}
	n := len(r.Fields)
	r.Open(name, record.Map)
	r.Fields[n].Plain = true
	for at := 0; at <= len(inner); {
		end := nextComma(inner, at, true, false)
		pair := trim(inner[at:end])
		eq := bytes.IndexByte(pair, '=')
		if eq <= 0 {
			r.Undo(n)
			return false
		}
		k, v := trim(pair[:eq]), trim(pair[eq+1:])
		r.Append(k, record.String, v, plain || kit.Plain(k) && kit.Plain(v))
		at = end + 1
	}
	r.Close()
	return true
}

func trim(b []byte) []byte {
	for len(b) > 0 && b[0] <= ' ' {
		b = b[1:]
	}
	n := len(b)
	for n > 0 && b[n-1] <= ' ' {
		n--
	}
	return b[:n:n]
}

// clean reports whether b is printable ASCII without backslash.
func clean(b []byte) bool {
	const low, high = ' ' * 0x0101010101010101, 0x8080808080808080
	all, odd := b, uint64(0)
	for ; len(b) >= 32; b = b[32:] {
		p := (*[32]byte)(b)
		w, x := binary.LittleEndian.Uint64(p[0:]), binary.LittleEndian.Uint64(p[8:])
		y, z := binary.LittleEndian.Uint64(p[16:]), binary.LittleEndian.Uint64(p[24:])
		odd |= w | (w - low) | x | (x - low) | y | (y - low) | z | (z - low)
	}
	for _, c := range b {
		odd |= uint64(c) | (uint64(c) - ' ')
	}
	return odd&high == 0 && bytes.IndexByte(all, '\\') < 0 && bytes.IndexByte(all, 0x7f) < 0
}
