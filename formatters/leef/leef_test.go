package leef_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/siemfwd/siemfwd/formatters/leef"
)

func encoder(t require.TestingT, o leef.Options) *leef.Encoder {
	e, err := leef.NewEncoder(o)
	require.NoError(t, err)
	return e
}

func TestDelimiters(t *testing.T) {
	announced := func(s string) *string { return &s }
	e := leef.Event{Attrs: []leef.Pair{{Key: []byte("a"), Value: []byte("1^\t¦;x\x1f")}, {Key: []byte("b"), Value: []byte("2")}}}
	const head = "|unknown|unknown|unknown|unknown|"
	for _, c := range []struct {
		o    leef.Options
		want string
	}{
		{leef.Options{}, "LEEF:2.0" + head + "^|a=1  ¦;x ^b=2"},
		{leef.Options{Version1: true}, "LEEF:1.0" + head + "a=1^ ¦;x \tb=2"},
		{leef.Options{Delimiter: "\t"}, "LEEF:2.0" + head + "x09|a=1^ ¦;x \tb=2"},
		{leef.Options{Delimiter: "\t", Announced: announced("")}, "LEEF:2.0" + head + "|a=1^ ¦;x \tb=2"},
		{leef.Options{Delimiter: ";"}, "LEEF:2.0" + head + ";|a=1^ ¦ x ;b=2"},
		{leef.Options{Announced: announced("x5e")}, "LEEF:2.0" + head + "x5e|a=1  ¦;x ^b=2"},
		{leef.Options{Announced: announced("0x005E")}, "LEEF:2.0" + head + "0x005E|a=1  ¦;x ^b=2"},
		{leef.Options{Delimiter: "¦"}, "LEEF:2.0" + head + "¦|a=1^  ;x ¦b=2"},
	} {
		assert.Equal(t, c.want, string(encoder(t, c.o).Append(nil, &e)))
	}
	for _, o := range []leef.Options{
		{Delimiter: "a"}, {Delimiter: "="}, {Delimiter: "|"}, {Delimiter: " "}, {Delimiter: "^^"}, {Delimiter: "\n"}, {Delimiter: "\xff"},
		{Announced: announced("")}, {Announced: announced("x09")}, {Announced: announced("5E")}, {Version1: true, Delimiter: "^"},
	} {
		_, err := leef.NewEncoder(o)
		assert.ErrorContains(t, err, "delimiter", "%+v", o)
	}
}

func TestAttributes(t *testing.T) {
	for _, c := range []struct{ key, value, want string }{
		{"sev", "11", "sev=10"}, {"sev", "-3", "sev=1"}, {"sev", "7.9", "sev=7"}, {"sev", "high", ""}, {"sev", "99999999999999999999", "sev=10"},
		{"usrName", strings.Repeat("é", 300), "usrName=" + strings.Repeat("é", 255)},
		{"other", strings.Repeat("é", 300), "other=" + strings.Repeat("é", 300)},
		{"a", "x\r\n\ny", "a=x  y"}, {"a", "\u0085x\u2028", "a= x "}, {"a", " \n ", ""}, {"a", "\uFEFFx\uFEFF", "a=x\uFEFF"},
		{"a-b_c", "1", "abc=1"}, {"é", "1", ""}, {"a", "\xc3\x28", "a=\uFFFD("}, {"a", "a|b", "a=a|b"},
	} {
		e := leef.Event{Attrs: []leef.Pair{{Key: []byte(c.key), Value: []byte(c.value)}}}
		assert.Equal(t, "LEEF:2.0|unknown|unknown|unknown|unknown|^|"+c.want, string(encoder(t, leef.Options{}).Append(nil, &e)), c.key)
	}
	e := leef.Event{Attrs: []leef.Pair{{Key: []byte("m"), Value: []byte("a|b^c")}}}
	assert.Contains(t, string(encoder(t, leef.Options{PipeSafe: true}).Append(nil, &e)), "|m=a/b c")
	assert.NotEmpty(t, leef.Attributes())
	a, ok := leef.Lookup("usrName")
	assert.True(t, ok && a.Max == 255)
	_, ok = leef.Lookup("UsrName")
	assert.False(t, ok)
}

func TestHeader(t *testing.T) {
	for in, want := range map[string]string{
		"a|b": "a_b", " a ": "a", "a\r\n\tb": "a b", "\x01a\x01": "a", "\n": "unknown", "": "unknown", "\uFEFFa": "a", "a\u2028b": "a b", "a\xffb": "a\uFFFDb", "^": "^",
	} {
		e := leef.Event{Vendor: []byte(in), ID: []byte(in)}
		assert.Equal(t, "LEEF:2.0|"+want+"|unknown|unknown|"+want+"|^|", string(encoder(t, leef.Options{}).Append(nil, &e)), "%q", in)
	}
}

// mapped is what a reader is to find where s was put in.
func mapped(s, between string, pipeSafe bool, limit int) string {
	var b strings.Builder
	n := 0
	s = strings.TrimPrefix(string([]rune(s)), "\uFEFF")
	for _, r := range strings.ReplaceAll(s, "\r\n", "\n") {
		if n++; limit > 0 && n > limit {
			break
		}
		switch {
		case r < 0x20 || r >= 0x7f && r < 0xA0 || r == '\u2028' || r == '\u2029' || string(r) == between:
			r = ' '
		case r == '|' && pipeSafe:
			r = '/'
		}
		b.WriteRune(r)
	}
	if strings.Trim(b.String(), " ") == "" {
		return ""
	}
	return b.String()
}

// hostile draws text that tries to get out of where it is put.
func hostile() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.StringN(0, 20, -1),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 20), func(b []byte) string { return string(b) }),
		rapid.StringOfN(rapid.RuneFrom([]rune("ab =^|\n\r\t\x00\u0080\u0085\u2028\x7f¦;")), 0, 12, -1),
		rapid.SampledFrom([]string{
			"", " ", "x^src=6.6.6.6", "x\tsrc=6.6.6.6", "a=b", "=", "\uFEFFx", "LEEF:2.0|a|b|c|d|^|src=1", "\r\n", "\r\r\n\n",
			strings.Repeat("é", 300), strings.Repeat("^", 300), "x¦src=6.6.6.6",
		}),
	)
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	limits := map[string]int{"usrName": 255, "msg": 0, "cs1": 0, "src": 0}
	keys := []string{"usrName", "msg", "cs1", "src"}
	rapid.Check(t, func(t *rapid.T) {
		o := leef.Options{PipeSafe: rapid.Bool().Draw(t, "pipe safe"), Version1: rapid.Bool().Draw(t, "version 1")}
		if !o.Version1 {
			o.Delimiter = rapid.SampledFrom([]string{"^", ";", "\t", "¦", "\x1f"}).Draw(t, "delimiter")
		}
		between := o.Delimiter
		if o.Version1 {
			between = "\t"
		}
		e := leef.Event{Vendor: []byte(hostile().Draw(t, "vendor")), ID: []byte(hostile().Draw(t, "id"))}
		want := map[string]string{}
		var order []string
		for range rapid.IntRange(0, 6).Draw(t, "attributes") {
			key, v := rapid.SampledFrom(keys).Draw(t, "key"), hostile().Draw(t, "value")
			e.Attrs = append(e.Attrs, leef.Pair{Key: []byte(" " + key), Value: []byte(v)})
			if v = mapped(v, between, o.PipeSafe, limits[key]); v != "" && want[key] == "" {
				want[key], order = v, append(order, key)
			}
		}
		got := mustParse(t, encoder(t, o).Append(nil, &e))
		require.Equal(t, want, got.Values)
		require.Equal(t, order, got.Keys)
	})
}

func TestNothingAllocated(t *testing.T) {
	e := leef.Event{Vendor: []byte("a|b"), Attrs: []leef.Pair{{Key: []byte("msg"), Value: []byte("a\n^\xffé")}, {Key: []byte("sev"), Value: []byte("5")}}}
	enc, buf := encoder(t, leef.Options{}), make([]byte, 0, 1024)
	assert.Zero(t, testing.AllocsPerRun(100, func() { buf = enc.Append(buf[:0], &e) }))
}

func FuzzEncoder(f *testing.F) {
	f.Add("vendor", "id", "key", "value", "^")
	f.Add("a|b\n", "\xff", "src", "x^src=6.6.6.6\r\n", ";")
	f.Fuzz(func(t *testing.T, vendor, id, key, value, delimiter string) {
		enc, err := leef.NewEncoder(leef.Options{Delimiter: delimiter})
		if err != nil {
			return
		}
		e := leef.Event{Vendor: []byte(vendor), ID: []byte(id), Attrs: []leef.Pair{{Key: []byte(key), Value: []byte(value)}, {Key: []byte("z"), Value: []byte("last")}}}
		out := enc.Append([]byte("kept"), &e)
		require.True(t, strings.HasPrefix(string(out), "kept"))
		got := mustParse(t, out[4:])
		require.LessOrEqual(t, len(got.Keys), 2)
	})
}
