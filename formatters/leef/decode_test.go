package leef_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// event is what a strict reader finds in a line.
type event struct {
	version string
	header  [4]string
	keys    []string
	values  map[string]string
}

var (
	legalKey = regexp.MustCompile(`^[A-Za-z0-9]+$`)
	hexForm  = regexp.MustCompile(`^0?x([0-9A-Fa-f]{1,4})$`)
)

// parse takes a line apart by the letter of the LEEF guide.
func parse(line string) (e event, err error) {
	e.values = map[string]string{}
	version, rest, ok := strings.Cut(line, "|")
	if !ok || version != "LEEF:1.0" && version != "LEEF:2.0" {
		return e, fmt.Errorf("version %q", version)
	}
	e.version = version
	for i := range e.header {
		if e.header[i], rest, ok = strings.Cut(rest, "|"); !ok || e.header[i] == "" {
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
		switch _, twice := e.values[key]; {
		case !ok || value == "" || !legalKey.MatchString(key):
			return e, fmt.Errorf("attribute %q in %q", a, line)
		case twice:
			return e, fmt.Errorf("key %s twice in %q", key, line)
		case strings.ContainsFunc(value, func(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xA0 || r == '\u2028' || r == '\u2029' }):
			return e, fmt.Errorf("control character in %q", a)
		}
		e.keys = append(e.keys, key)
		e.values[key] = value
	}
	return e, nil
}

func mustParse(t require.TestingT, line []byte) event {
	e, err := parse(string(line))
	require.NoError(t, err)
	return e
}

func TestParseRefuses(t *testing.T) {
	for _, line := range []string{
		"", "LEEF:3.0|a|b|c|d|", "LEEF:1.0|a|b|c|", "LEEF:2.0|a|b|c|d|", "LEEF:2.0|a|b||d|^|", "LEEF:2.0|a|b|c|d|^|x",
		"LEEF:2.0|a|b|c|d|^|x=", "LEEF:2.0|a|b|c|d|^|x=1^x=2", "LEEF:2.0|a|b|c|d|^|x y=1", "LEEF:2.0|a|b|c|d|^|x=1^", "LEEF:1.0|a|b|c|d|x=\x01",
	} {
		_, err := parse(line)
		require.Error(t, err, line)
	}
	e, err := parse("LEEF:2.0|a|b|c|d|0x1F|x=1\x1fy=a=b")
	require.NoError(t, err)
	require.Equal(t, map[string]string{"x": "1", "y": "a=b"}, e.values)
}
