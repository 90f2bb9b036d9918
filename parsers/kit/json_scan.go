package kit

import "github.com/siemfwd/siemfwd/forwarder/record"

// SkipValue checks the JSON value that begins at at or behind white space there and
// returns the offset just behind it. What follows is not looked at. The error is a
// *JSONError.
func SkipValue(b []byte, at int) (end int, err error) {
	j := jsonReader{b: b}
	if end = j.value(skipSpace(b, at), nil, false, 0); end < 0 {
		e := j.err
		return 0, &e
	}
	return end, nil
}

// SplitValues calls add for each value of a body that holds one JSON value, several
// with or without white space between them (so NDJSON too), or a list of objects,
// which counts as its items. The slices point into body. A body of white space has no
// values. On error, a *JSONError with the offset in body, add has been called for the
// values before it; a list is added only once all of it was read.
func SplitValues(body []byte, add func(value []byte)) error {
	j := jsonReader{b: body}
	for at := j.start(); at < len(body); at = skipSpace(body, at) {
		end := j.value(at, nil, false, 0)
		if end < 0 {
			e := j.err
			return &e
		}
		value := body[at:end:end]
		if at = end; !objectList(value) {
			add(value)
			continue
		}
		for i := Items(value); i.Next(); {
			add(i.Value)
		}
	}
	return nil
}

// objectList reports whether a checked value is a list of nothing but objects.
func objectList(value []byte) bool {
	if value[0] != '[' {
		return false
	}
	for i := Items(value); i.Next(); {
		if i.Value[0] != '{' {
			return false
		}
	}
	return true
}

// Iter goes through the members of an object or the items of a list. Make one with
// Members or Items; it costs nothing to copy and allocates nothing.
//
//	for m := kit.Members(body); m.Next(); {
//		if m.Is("event") { … m.Value … }
//	}
type Iter struct {
	Name  []byte // of a member: without its quotes, escapes left as they are
	Value []byte // the value's own text, quotes included

	rest  jsonReader
	at    int
	end   int  // just behind the object or list; 0 while that is not known
	more  bool // not at the end, and no error
	named bool
}

// Members iterates over a JSON object; over anything else it yields nothing.
func Members(object []byte) Iter { return iter(object, '{') }

// Items iterates over a JSON list; over anything else it yields nothing.
func Items(list []byte) Iter { return iter(list, '[') }

func iter(b []byte, open byte) Iter {
	it := Iter{rest: jsonReader{b: b}, named: open == '{'}
	at := it.rest.start()
	if at >= len(b) || b[at] != open {
		it.rest.fail(at, "another kind of value was expected")
		return it
	}
	// '{'+2 is '}' and '['+2 is ']'.
	at = skipSpace(b, at+1)
	if it.at, it.more = at, at >= len(b) || b[at] != open+2; !it.more {
		it.end = at + 1
	}
	return it
}

// Next moves to the next member or item. It is false behind the last one and where
// the text is not JSON, which Err tells apart.
func (it *Iter) Next() bool {
	if !it.more {
		return false
	}
	j, at := &it.rest, it.at
	it.more = false
	if it.named {
		if at >= len(j.b) || j.b[at] != '"' {
			j.fail(at, "a name in quotes was expected")
			return false
		}
		name, _, end := j.quoted(at + 1)
		if end < 0 {
			return false
		}
		if at = skipSpace(j.b, end); at >= len(j.b) || j.b[at] != ':' {
			j.fail(at, "a colon was expected")
			return false
		}
		it.Name = name
		at = skipSpace(j.b, at+1)
	}
	end := j.value(at, nil, false, 1)
	if end < 0 {
		return false
	}
	next := skipSpace(j.b, end)
	switch {
	case next < len(j.b) && j.b[next] == ',':
		it.at, it.more = skipSpace(j.b, next+1), true
	case next < len(j.b) && (it.named && j.b[next] == '}' || !it.named && j.b[next] == ']'):
		it.end = next + 1
	default:
		j.fail(next, "a comma or the end was expected")
		return false
	}
	it.Value = j.b[at:end:end]
	return true
}

// End is the offset just behind the object or list, known once its last member or item
// was read; 0 before that, and when the text is not JSON.
func (it *Iter) End() int { return it.end }

// Err is the *JSONError that ended the iteration, or nil. Text behind the object or
// list is not looked at.
func (it *Iter) Err() error {
	if it.rest.err.Text == "" {
		return nil
	}
	e := it.rest.err
	return &e
}

// Is reports whether the member's decoded name is name.
func (it *Iter) Is(name string) bool {
	if string(it.Name) == name {
		return true
	}
	// An escape is always longer than what it stands for.
	if len(it.Name) <= len(name) {
		return false
	}
	for _, c := range it.Name {
		if c == '\\' {
			var b [64]byte
			return string(appendUnescaped(b[:0], it.Name)) == name
		}
	}
	return false
}

// DecodedName is the member's name without escapes: Name, or a copy in r's scratch.
func (it *Iter) DecodedName(r *record.Record) []byte {
	for _, c := range it.Name {
		if c == '\\' {
			return unescape(r, it.Name)
		}
	}
	return it.Name
}

// Find returns the value at path, names of members from the outermost object inwards;
// of members with the same name the first. ok is false when there is none, or when the
// text up to it is not JSON.
func Find(object []byte, path ...string) (value []byte, ok bool) {
	value, ok = object, true
	for _, name := range path {
		m := Members(value)
		for ok = false; !ok && m.Next(); {
			ok = m.Is(name)
		}
		if !ok {
			return nil, false
		}
		value = m.Value
	}
	return value, ok
}

// KindOf is the kind of a JSON value by its first octet; Null when it is empty.
func KindOf(value []byte) record.Kind {
	if len(value) == 0 {
		return record.Null
	}
	switch value[0] {
	case '{':
		return record.Map
	case '[':
		return record.List
	case '"':
		return record.String
	case 't', 'f':
		return record.Bool
	case 'n':
		return record.Null
	}
	return record.Number
}

// Unquote returns the decoded text of a checked JSON string: a slice of value, or,
// when it holds an escape, of r's scratch. Other scalars are returned as they stand;
// of null, lists and objects the result is nil.
func Unquote(r *record.Record, value []byte) []byte {
	switch KindOf(value) {
	case record.Number, record.Bool:
		return value
	case record.String:
	default:
		return nil
	}
	it := Iter{Name: value[1 : len(value)-1 : len(value)-1]}
	return it.DecodedName(r)
}

// AppendUnquoted appends what Unquote returns of a checked JSON value.
func AppendUnquoted(dst, value []byte) []byte {
	switch KindOf(value) {
	case record.Number, record.Bool:
		return append(dst, value...)
	case record.String:
		return appendUnescaped(dst, value[1:len(value)-1])
	}
	return dst
}
