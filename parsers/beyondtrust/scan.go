package beyondtrust

import "github.com/siemfwd/siemfwd/parsers/kit"

// maxName is how long a member's name may be where a name is looked for in broken JSON.
const maxName = 64

func skip(b []byte, at int) int {
	for at < len(b) && (b[at] == ' ' || b[at] == '\n' || b[at] == '\r' || b[at] == '\t') {
		at++
	}
	return at
}

func trimRight(b []byte) []byte {
	n := len(b)
	for n > 0 && (b[n-1] == ' ' || b[n-1] == '\n' || b[n-1] == '\r' || b[n-1] == '\t') {
		n--
	}
	return b[:n:n]
}

// header reads a member's name and colon at at, behind white space, and returns where its
// value begins; -1 when there is no name.
func header(b []byte, at int) (name []byte, value int) {
	at = skip(b, at)
	if at >= len(b) || b[at] != '"' {
		return nil, -1
	}
	end := at + 1
	for end < len(b) && end <= at+maxName && nameByte(b[end]) {
		end++
	}
	if end == at+1 || end >= len(b) || b[end] != '"' {
		return nil, -1
	}
	if value = skip(b, end+1); value >= len(b) || b[value] != ':' {
		return nil, -1
	}
	return b[at+1 : end : end], skip(b, value+1)
}

// nameByte reports whether c may be in the name of a member.
func nameByte(c byte) bool {
	return c|0x20-'a' <= 'z'-'a' || c-'0' <= 9 || c == '_' || c == '-' || c == '.' || c == ' ' || c == '$' || c >= 0x80
}

// closers counts the brackets that close something at at, and returns what is behind
// them and behind white space.
func closers(b []byte, at int) (n, end int) {
	for at = skip(b, at); at < len(b) && (b[at] == '}' || b[at] == ']'); at = skip(b, at+1) {
		n++
	}
	return n, at
}

// joint is the end of the brackets that close something, commas and white space at at, and
// how many there are of the first two.
func joint(b []byte, at int) (closed, commas, end int) {
	for at = skip(b, at); at < len(b); at = skip(b, at+1) {
		switch b[at] {
		case '}', ']':
			closed++
		case ',':
			commas++
		default:
			return closed, commas, at
		}
	}
	return closed, commas, at
}

// escape is the length of the JSON escape at at, where a backslash is; 0 when it is none.
func escape(b []byte, at int) int {
	if at+1 >= len(b) {
		return 0
	}
	switch b[at+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if at+6 > len(b) {
			return 0
		}
		for _, c := range b[at+2 : at+6] {
			if c-'0' > 9 && c|0x20-'a' > 'f'-'a' {
				return 0
			}
		}
		return 6
	}
	return 0
}

// validEscapes reports whether every backslash is part of a JSON escape.
func validEscapes(b []byte) bool {
	for at := 0; at < len(b); at++ {
		if b[at] != '\\' {
			continue
		}
		n := escape(b, at)
		if n == 0 {
			return false
		}
		at += n - 1
	}
	return true
}

// controlEscape reports whether one of the valid escapes in text stands for a backspace,
// tab, line feed, form feed or carriage return.
func controlEscape(text []byte) bool {
	for at := 0; at < len(text); at++ {
		if text[at] != '\\' {
			continue
		}
		switch text[at+1] {
		case 'b', 'f', 'n', 'r', 't':
			return true
		case 'u':
			if string(text[at+2:at+5]) == "000" && text[at+5] >= '8' && text[at+5]|0x20 <= 'd' && text[at+5]|0x20 != 'b' {
				return true
			}
		}
		at += escape(text, at) - 1
	}
	return false
}

// bareQuote reports whether a quote in text, of which all escapes are valid, is not part
// of one.
func bareQuote(text []byte) bool {
	for at := 0; at < len(text); at++ {
		switch text[at] {
		case '"':
			return true
		case '\\':
			at += escape(text, at) - 1
		}
	}
	return false
}

// escaped reports whether a body shows that its backslashes were escaped: it holds the
// path of a drive, and those of all paths are double.
func escaped(b []byte) bool {
	found := false
	for at := 0; at+2 < len(b); at++ {
		if b[at] != ':' || b[at+1] != '\\' {
			continue
		}
		if b[at+2] != '\\' {
			return false
		}
		found = true
	}
	return found
}

// scalar reports whether text is a JSON value that needs no quotes.
func scalar(text []byte) bool {
	return len(text) > 0 && text[0] != '"' && text[0] != '{' && text[0] != '[' && kit.ValidJSON(text)
}
