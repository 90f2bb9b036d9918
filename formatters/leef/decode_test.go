package leef_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/formatters/strict"
)

func mustParse(t require.TestingT, line []byte) strict.LEEF {
	e, err := strict.ReadLEEF(string(line))
	require.NoError(t, err)
	return e
}

func TestParseRefuses(t *testing.T) {
	for _, line := range []string{
		"", "LEEF:3.0|a|b|c|d|", "LEEF:1.0|a|b|c|", "LEEF:2.0|a|b|c|d|", "LEEF:2.0|a|b||d|^|", "LEEF:2.0|a|b|c|d|^|x",
		"LEEF:2.0|a|b|c|d|^|x=", "LEEF:2.0|a|b|c|d|^|x=1^x=2", "LEEF:2.0|a|b|c|d|^|x y=1", "LEEF:2.0|a|b|c|d|^|x=1^", "LEEF:1.0|a|b|c|d|x=\x01",
	} {
		_, err := strict.ReadLEEF(line)
		require.Error(t, err, line)
	}
	e, err := strict.ReadLEEF("LEEF:2.0|a|b|c|d|0x1F|x=1\x1fy=a=b")
	require.NoError(t, err)
	require.Equal(t, map[string]string{"x": "1", "y": "a=b"}, e.Values)
}
