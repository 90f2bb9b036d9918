package strict

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// CEF is what a strict reader finds in a line of the Common Event Format.
type CEF struct {
	Header   [5]string // vendor, product, version, class, name
	Severity int
	Keys     []string // in their order
	Values   map[string]string
}

// ReadCEF reads one line and refuses what any receiver stumbles over.
func ReadCEF(line []byte) (e CEF, err error) {
	if !utf8.Valid(line) {
		return e, fmt.Errorf("not UTF-8: %q", line)
	}
	for _, r := range string(line) {
		if r < 0x20 || r >= 0x7f && r < 0xA0 || r == '\u2028' || r == '\u2029' {
			return e, fmt.Errorf("control character %q in %q", r, line)
		}
	}
	rest, ok := bytes.CutPrefix(line, []byte("CEF:0|"))
	if !ok {
		rest, ok = bytes.CutPrefix(line, []byte("CEF:1|"))
	}
	if !ok {
		return e, fmt.Errorf("no CEF:0 in %q", line)
	}
	for i := range 6 {
		var field string
		if field, rest, err = headerField(rest); err != nil {
			return e, err
		}
		if i < 5 {
			e.Header[i] = field
			continue
		}
		e.Severity, err = strconv.Atoi(field)
		if err != nil || e.Severity < 0 || e.Severity > 10 || strconv.Itoa(e.Severity) != field {
			return e, fmt.Errorf("severity %q", field)
		}
	}
	e.Keys, e.Values, err = extension(string(rest))
	return e, err
}

// headerField takes one field and the pipe behind it.
func headerField(s []byte) (field string, rest []byte, err error) {
	var b []byte
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '|':
			f := string(b)
			if f == "" || strings.Trim(f, " ") != f {
				return "", nil, fmt.Errorf("header field %q", f)
			}
			return f, s[i+1:], nil
		case '\\':
			if i++; i == len(s) || s[i] != '\\' && s[i] != '|' {
				return "", nil, fmt.Errorf("escape in the header: %q", s)
			}
		}
		b = append(b, s[i])
	}
	return "", nil, fmt.Errorf("header field without end: %q", s)
}

func alnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

// extension splits at every "=" that is not escaped: the word before it is a key.
func extension(s string) (keys []string, values map[string]string, err error) {
	values = map[string]string{}
	if s == "" {
		return nil, values, nil
	}
	var begins, ends []int // of the keys
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '=':
			k := i
			for k > 0 && alnum(s[k-1]) {
				k--
			}
			if k == i || k > 0 && s[k-1] != ' ' {
				return nil, nil, fmt.Errorf("no key before = at %d of %q", i, s)
			}
			begins, ends = append(begins, k), append(ends, i)
		}
	}
	if len(begins) == 0 || begins[0] != 0 {
		return nil, nil, fmt.Errorf("extension %q does not begin with a key", s)
	}
	for i := range begins {
		end := len(s)
		if i+1 < len(begins) {
			end = begins[i+1] - 1
		}
		key := s[begins[i]:ends[i]]
		v, err := unescape(s[ends[i]+1 : end])
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", key, err)
		}
		if _, twice := values[key]; twice {
			return nil, nil, fmt.Errorf("%s twice in %q", key, s)
		}
		if v == "" || strings.Trim(v, " ") != v {
			return nil, nil, fmt.Errorf("value %q of %s", v, key)
		}
		keys, values[key] = append(keys, key), v
	}
	return keys, values, nil
}

func unescape(s string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		if i++; i == len(s) {
			return "", fmt.Errorf("backslash at the end of %q", s)
		}
		switch s[i] {
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case '\\', '=':
			b.WriteByte(s[i])
		default:
			return "", fmt.Errorf("escape \\%c in %q", s[i], s)
		}
	}
	return b.String(), nil
}
