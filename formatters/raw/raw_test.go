package raw_test

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/formatters/raw"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

func TestRaw(t *testing.T) {
	const in = "\uFEFF<14>a\r\nb\x00c\td\xff\x1b é\r\n"
	for _, c := range []struct {
		name  string
		f     raw.Formatter
		in    string
		limit int
		want  string
	}{
		{"one line", raw.Formatter{}, in, 100, "\uFEFF<14>a#015#012b#000c\td\xff\x1b é"},
		{"every byte", raw.Formatter{Multiline: true}, in, 100, in},
		{"text", raw.Formatter{Text: true}, in, 100, "<14>a#015#012b#000c\td\uFFFD#033 é"},
		{"text of several lines", raw.Formatter{Text: true, Multiline: true}, in, 100, "<14>a#015\nb#000c\td\uFFFD#033 é"},
		{"nothing", raw.Formatter{}, "\n\r\n\x00", 100, ""},
		{"cut", raw.Formatter{}, "abcé", 4, "abc"},
		{"cut behind a line end", raw.Formatter{}, "a\nbé", 7, "a#012b"},
		{"cut in a line end", raw.Formatter{}, "a\nbc", 4, "a"},
		{"cut to nothing", raw.Formatter{}, "é", 1, ""},
		{"every byte, cut", raw.Formatter{Multiline: true}, "a\né", 3, "a\n"},
	} {
		out, err := c.f.AppendMax([]byte("> "), &record.Record{Raw: []byte(c.in)}, c.limit)
		require.NoError(t, err)
		assert.Equal(t, "> "+c.want, string(out), c.name)
	}
	out, err := raw.Formatter{}.Append(nil, &record.Record{Raw: []byte("x\ny")})
	require.NoError(t, err)
	assert.Equal(t, "x#012y", string(out))
}

func TestFormatterAllocatesNothing(t *testing.T) {
	r := &record.Record{Raw: []byte("a\nb\x00c\xff")}
	buf := make([]byte, 0, 100)
	for _, f := range []raw.Formatter{{}, {Multiline: true}, {Text: true}} {
		assert.Zero(t, testing.AllocsPerRun(100, func() { buf, _ = f.Append(buf[:0], r) }))
	}
}

func FuzzFormatter(f *testing.F) {
	f.Add([]byte("a\nb\xff"), 4)
	f.Fuzz(func(t *testing.T, in []byte, limit int) {
		limit = max(limit, 0)
		whole, _ := raw.Formatter{}.Append(nil, &record.Record{Raw: in})
		assert.False(t, bytes.ContainsAny(whole, "\n\r\x00"))
		cut, _ := raw.Formatter{}.AppendMax(nil, &record.Record{Raw: in}, limit)
		assert.LessOrEqual(t, len(cut), limit)
		assert.True(t, bytes.HasPrefix(whole, cut))
		text, _ := raw.Formatter{Text: true}.AppendMax(nil, &record.Record{Raw: in}, limit)
		assert.LessOrEqual(t, len(text), limit)
		assert.True(t, utf8.Valid(text))
		assert.False(t, strings.ContainsFunc(string(text), func(r rune) bool { return r < 0x20 && r != '\t' || r == 0x7f }))
	})
}

func TestWhatIsCutIsCounted(t *testing.T) {
	r := &record.Record{Raw: []byte("ab\nc\u00e9\n")}
	for _, f := range []raw.Formatter{{}, {Text: true}, {Multiline: true}} {
		full, err := f.Append(nil, r)
		require.NoError(t, err)
		require.Zero(t, r.Shortened)
		for limit := range len(full) + 2 {
			out, err := f.AppendMax(nil, r, limit)
			require.NoError(t, err)
			require.Equal(t, len(out) < len(full), r.Shortened > 0, "%+v in %d", f, limit)
		}
	}
}
