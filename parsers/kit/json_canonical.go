package kit

import "bytes"

// sortable is how many members an object may have for AppendCanonical to order them.
const sortable = 32

// AppendCanonical appends a checked JSON value in a form that does not depend on white
// space or on the order of an object's members, for making identities of. Members are
// ordered by name as written, those of one name stay in their order; objects of more
// than 32 members keep the order they have. Strings and numbers are copied as written,
// so that 1.0 and 1, or an octet and its escape, stay different.
func AppendCanonical(dst, value []byte) []byte {
	switch value = trimValue(value); {
	case len(value) == 0:
		return dst
	case value[0] == '{':
		return appendCanonicalObject(dst, value)
	case value[0] != '[':
		return append(dst, value...)
	}
	dst = append(dst, '[')
	first := true
	for i := Items(value); i.Next(); first = false {
		if !first {
			dst = append(dst, ',')
		}
		dst = AppendCanonical(dst, i.Value)
	}
	return append(dst, ']')
}

func appendCanonicalObject(dst, value []byte) []byte {
	type member struct{ name, value []byte }
	var all [sortable]member
	n, many := 0, false
	for m := Members(value); m.Next(); n++ {
		if many = n == sortable; many {
			break
		}
		at := n
		for at > 0 && bytes.Compare(all[at-1].name, m.Name) > 0 {
			all[at] = all[at-1]
			at--
		}
		all[at] = member{m.Name, m.Value}
	}
	dst = append(dst, '{')
	if many {
		n = 0
		for m := Members(value); m.Next(); n++ {
			dst = appendCanonicalMember(dst, n, m.Name, m.Value)
		}
		return append(dst, '}')
	}
	for i := range all[:n] {
		dst = appendCanonicalMember(dst, i, all[i].name, all[i].value)
	}
	return append(dst, '}')
}

func appendCanonicalMember(dst []byte, i int, name, value []byte) []byte {
	if i > 0 {
		dst = append(dst, ',')
	}
	dst = append(append(append(dst, '"'), name...), '"', ':')
	return AppendCanonical(dst, value)
}

func trimValue(value []byte) []byte { return bytes.Trim(value, " \t\r\n") }
