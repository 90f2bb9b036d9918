package cef_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/formatters/strict"
)

func mustParse(t require.TestingT, line []byte) strict.CEF {
	if h, ok := t.(interface{ Helper() }); ok {
		h.Helper()
	}
	e, err := strict.ReadCEF(line)
	require.NoError(t, err)
	return e
}

func TestTheReaderIsStrict(t *testing.T) {
	for _, line := range []string{
		"CEF:2|a|b|1|c|n|5|", "CEF:0|a|b|1|c|n|5", "CEF:0|a|b|1||n|5|", "CEF:0|a|b|1|c|n|11|", "CEF:0|a|b|1|c|n|05|",
		`CEF:0|a|b|1|c\=|n|5|`, "CEF:0|a|b|1|c|n|5|x", "CEF:0|a|b|1|c|n|5|a=1 a=2", "CEF:0|a|b|1|c|n|5|a= b=2",
		`CEF:0|a|b|1|c|n|5|a=\t`, `CEF:0|a|b|1|c|n|5|a=x\`, "CEF:0|a|b|1|c|n|5|a=x==", "CEF:0|a|b|1|c|n|5|a=1  b=2",
		"CEF:0|a|b|1|c|n|5|a=1\t", "CEF:0|a|b|1|c|n|5|a=\u2028", "CEF:0|a|b|1|c|n|5| a=1", "CEF:0|a|b|1|c|n|5|a=\xff",
	} {
		_, err := strict.ReadCEF([]byte(line))
		require.Errorf(t, err, "%q", line)
	}
	e := mustParse(t, []byte(`CEF:0|a\||b\\|1|c|n|5|a=x | y\=1\\ b=2`))
	require.Equal(t, [5]string{"a|", `b\`, "1", "c", "n"}, e.Header)
	require.Equal(t, map[string]string{"a": `x | y=1\`, "b": "2"}, e.Values)
}
