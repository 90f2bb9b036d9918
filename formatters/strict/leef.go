package strict

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// LEEF is what a strict reader finds in a line of the Log Event Extended Format.
type LEEF struct {
	Version string    // LEEF:1.0 or LEEF:2.0
	Header  [4]string // vendor, product, version, event id
	Keys    []string  // in their order
	Values  map[string]string
}

var (
	legalKey = regexp.MustCompile(`^[A-Za-z0-9]+$`)
	hexForm  = regexp.MustCompile(`^0?x([0-9A-Fa-f]{1,4})$`)
)

// ReadLEEF takes a line apart by the letter of the LEEF guide.
func ReadLEEF(line string) (e LEEF, err error) {
	e.Values = map[string]string{}
	version, rest, ok := strings.Cut(line, "|")
	if !ok || version != "LEEF:1.0" && version != "LEEF:2.0" {
		return e, fmt.Errorf("version %q", version)
	}
	e.Version = version
	for i := range e.Header {
		if e.Header[i], rest, ok = strings.Cut(rest, "|"); !ok || e.Header[i] == "" {
			return e, fmt.Errorf("header field %d of %q", i, line)
		}
	}
	between := "\t"
	if version == "LEEF:2.0" {
		var announced string
		if announced, rest, ok = strings.Cut(rest, "|"); !ok {
			return e, fmt.Errorf("no delimiter in %q", line)
		}
		if m := hexForm.FindStringSubmatch(announced); m != nil {
			n, _ := strconv.ParseUint(m[1], 16, 32)
			between = string(rune(n))
		} else if announced != "" {
			between = announced
		}
	}
	if !utf8.ValidString(line) {
		return e, fmt.Errorf("not UTF-8: %q", line)
	}
	if rest == "" {
		return e, nil
	}
	for _, a := range strings.Split(rest, between) {
		key, value, ok := strings.Cut(a, "=")
		switch _, twice := e.Values[key]; {
		case !ok || value == "" || !legalKey.MatchString(key):
			return e, fmt.Errorf("attribute %q in %q", a, line)
		case twice:
			return e, fmt.Errorf("key %s twice in %q", key, line)
		case strings.ContainsFunc(value, func(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xA0 || r == '\u2028' || r == '\u2029' }):
			return e, fmt.Errorf("control character in %q", a)
		}
		e.Keys = append(e.Keys, key)
		e.Values[key] = value
	}
	return e, nil
}
