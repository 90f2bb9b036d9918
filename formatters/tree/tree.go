// Package tree is what the formats that are JSON share: writing the fields a vendor
// sent, as they are nested or flat, with numbers a reader can hold.
package tree

import (
	"slices"

	"github.com/siemfwd/siemfwd/formatters/text"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

// Append appends fields, which are the children of one map or list, with the brackets
// around them; open is the opening one.
func Append(dst []byte, fields []record.Field, open byte, n Numbers) []byte {
	named, sep := open == '{', open
	for i := 0; i < len(fields); i++ {
		f := &fields[i]
		if f.Plain && f.Kind == record.String && named {
			dst, sep = appendPlain(dst, sep, f), ','
			continue
		}
		dst = append(dst, sep)
		sep = ','
		if named {
			dst = append(appendString(dst, f.Name, f.Plain), ':')
		}
		switch f.Kind {
		case record.List, record.Map:
			first, end := i+1, i+1+int(f.Size)
			bracket := byte('[')
			if f.Kind == record.Map {
				bracket = '{'
			}
			dst = Append(dst, fields[first:end], bracket, n)
			i = end - 1
		default:
			dst = appendScalar(dst, f, n)
		}
	}
	if len(fields) == 0 {
		dst = append(dst, open)
	}
	return append(dst, open+2) // "[" and "]" as "{" and "}" are two apart
}

// appendPlain appends a separator and the most frequent kind of member: a name and a
// text that can be copied.
func appendPlain(dst []byte, sep byte, f *record.Field) []byte {
	at, n, t := len(dst), len(f.Name), len(f.Text)
	size := n + t + len(`,"":""`)
	if cap(dst)-at < size {
		dst = slices.Grow(dst, size)
	}
	b := dst[at : at+size]
	b[0], b[1] = sep, '"'
	b = b[2+copy(b[2:], f.Name):]
	b[0], b[1], b[2] = '"', ':', '"'
	b[3+copy(b[3:], f.Text)] = '"'
	return dst[:at+size]
}

func appendString(dst, s []byte, plain bool) []byte {
	if plain {
		return append(append(append(dst, '"'), s...), '"')
	}
	return text.AppendJSON(dst, `"`, s)
}

// appendScalar appends a value as its kind says; text that is not of its kind is
// appended as a string.
func appendScalar(dst []byte, f *record.Field, n Numbers) []byte {
	switch f.Kind {
	case record.Null:
		return append(dst, "null"...)
	case record.Bool:
		if s := string(f.Text); s == "true" || s == "false" {
			return append(dst, f.Text...)
		}
	case record.Number:
		if ok, _ := text.Number(f.Text); ok {
			return n.Append(dst, f.Text)
		}
	}
	return appendString(dst, f.Text, f.Plain)
}
