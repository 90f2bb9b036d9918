package template

import (
	"unicode/utf8"

	"github.com/siemfwd/siemfwd/formatters/text"
	"github.com/siemfwd/siemfwd/formatters/tree"
)

// mode is how a value is written where it stands.
type mode uint8

const (
	jsonString mode = iota // within quotes
	jsonValue              // where a value of JSON stands
	form                   // application/x-www-form-urlencoded
	xmlText                // character data, or within an attribute's quotes
	plain
)

// append appends a value.
func (m mode) append(dst, v []byte, k Kind) []byte {
	switch m {
	case jsonString:
		dst = text.AppendJSON(dst, "", v)
		return dst[:len(dst)-1] // without its closing quote
	case jsonValue:
		return appendValue(dst, v, k)
	case form:
		return appendForm(dst, v)
	case xmlText:
		return appendXML(dst, v)
	}
	return text.AppendLine(dst, v, text.Stops{}, true, text.NoLimit)
}

// appendValue appends a value of JSON: null for nothing.
func appendValue(dst, v []byte, k Kind) []byte {
	if len(v) == 0 {
		return append(dst, "null"...)
	}
	if k != Text {
		if ok, _ := text.Number(v); ok {
			return tree.Safe.Append(dst, v)
		}
		if s := string(v); k == Any && (s == "true" || s == "false") {
			return append(dst, s...)
		}
	}
	return text.AppendJSON(dst, `"`, v)
}

const upperHex = "0123456789ABCDEF"

// appendForm appends v as the URL Standard writes a form's values: "+" for SP, and %XX
// for what is no ASCII letter or digit and none of "*-._".
func appendForm(dst, v []byte) []byte {
	for i := 0; i < len(v); {
		c := v[i]
		switch {
		case c-'0' <= 9, (c|0x20)-'a' <= 25, c == '*', c == '-', c == '.', c == '_':
			dst, i = append(dst, c), i+1
		case c == ' ':
			dst, i = append(dst, '+'), i+1
		case c < utf8.RuneSelf:
			dst, i = append(dst, '%', upperHex[c>>4], upperHex[c&15]), i+1
		default:
			r, size := utf8.DecodeRune(v[i:])
			if r == utf8.RuneError && size == 1 {
				dst = append(dst, "%EF%BF%BD"...)
			} else {
				for _, c := range v[i : i+size] {
					dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
				}
			}
			i += size
		}
	}
	return dst
}

// appendXML appends v as character data of XML 1.0; characters that cannot stand there
// become U+FFFD.
func appendXML(dst, v []byte) []byte {
	for i := 0; i < len(v); {
		r, size := utf8.DecodeRune(v[i:])
		switch {
		case r == '&':
			dst = append(dst, "&amp;"...)
		case r == '<':
			dst = append(dst, "&lt;"...)
		case r == '>':
			dst = append(dst, "&gt;"...)
		case r == '"':
			dst = append(dst, "&#34;"...)
		case r == '\'':
			dst = append(dst, "&#39;"...)
		case r == '\t':
			dst = append(dst, "&#x9;"...)
		case r == '\n':
			dst = append(dst, "&#xA;"...)
		case r == '\r':
			dst = append(dst, "&#xD;"...)
		case r < 0x20, r == utf8.RuneError, r == 0xFFFE, r == 0xFFFF:
			dst = append(dst, text.Replacement...)
		default:
			dst = append(dst, v[i:i+size]...)
		}
		i += size
	}
	return dst
}
