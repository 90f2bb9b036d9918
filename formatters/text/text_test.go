package text_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/siemfwd/siemfwd/formatters/text"
)

// stopsAt is Index, one byte at a time.
func stopsAt(s []byte, stops string) int {
	for i, c := range s {
		if c < 0x20 || c >= 0x7f || strings.IndexByte(stops, c) >= 0 {
			return i
		}
	}
	return len(s)
}

func TestIndexFindsEveryByteEverywhere(t *testing.T) {
	const stops = `"\]`
	set := text.StopAt('"', '\\', ']')
	for n := range 40 {
		for at := range n {
			for c := range 256 {
				s := bytes.Repeat([]byte{'a'}, n)
				s[at] = byte(c)
				require.Equalf(t, stopsAt(s, stops), text.Index(s, set), "%q", s)
			}
		}
		require.Equal(t, n, text.Index(bytes.Repeat([]byte{'~'}, n), set))
	}
	const mixed = " ~azAZ09\x00\x1f\x7f\x80\xff\"\\]#[^|!"
	r := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		s := make([]byte, r.IntN(30))
		for i := range s {
			s[i] = mixed[r.IntN(len(mixed))]
		}
		require.Equalf(t, stopsAt(s, stops), text.Index(s, set), "%q", s)
	}
	assert.Equal(t, 3, text.Index([]byte(`"\]`), text.Stops{}), "the empty set")
}

func TestAppendCleanCopiesOrLeavesAlone(t *testing.T) {
	set := text.StopAt('=', '\\', '\\')
	for n := range 40 {
		s := bytes.Repeat([]byte{'x'}, n)
		for _, room := range []int{0, 5, 200} {
			dst := append(make([]byte, 0, 3+room), "abc"...)
			got, ok := text.AppendClean(dst, "key=", s, set, ' ')
			require.True(t, ok)
			require.Equal(t, "abckey="+string(s)+" ", string(got))
			for at := range s {
				s[at] = '='
				got, ok = text.AppendClean(dst, "key=", s, set, ' ')
				require.False(t, ok)
				require.Equal(t, "abc", string(got))
				s[at] = 'x'
			}
		}
	}
}

func TestCutEndsOnRunes(t *testing.T) {
	for _, c := range []struct {
		in   string
		n    int
		want string
	}{
		{"abc", 3, "abc"}, {"abc", 2, "ab"}, {"abc", 0, ""}, {"abc", -1, ""},
		{"aé", 2, "a"}, {"aé", 3, "aé"}, {"日本", 5, "日"}, {"日本", 4, "日"}, {"日本", 2, ""},
		{"🔥x", 3, ""}, {"🔥x", 4, "🔥"}, {"\xff\xff\xff", 2, "\xff\xff"}, {"a\xe2\x82", 2, "a\xe2"},
		{"a\x80\x80\x80\x80", 3, "a\x80\x80"},
	} {
		assert.Equalf(t, c.want, string(text.Cut([]byte(c.in), c.n)), "%q cut to %d", c.in, c.n)
	}
}

func TestAppendLine(t *testing.T) {
	quotes := text.StopAt('"', '\\', ']')
	for _, c := range []struct {
		name, in string
		esc      text.Stops
		lf       bool
		limit    int
		want     string
	}{
		{"controls but TAB", "a\x00\t\r\n\x1b\x7fb", text.Stops{}, false, 100, "a#000\t#015#012#033#177b"},
		{"LF on demand", "a\r\nb", text.Stops{}, true, 100, "a#015\nb"},
		{"escapes", `a"\]b`, quotes, false, 100, `a\"\\\]b`},
		{"every bad byte", "\xed\xa0\x80\xe2\x82x\xff", text.Stops{}, false, 100, "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFDx\uFFFD"},
		{"C1 stays", "\u0085\u009f", text.Stops{}, false, 100, "\u0085\u009f"},
		{"cut in ASCII", "abcdef", text.Stops{}, false, 4, "abcd"},
		{"cut to nothing", "abcdef", text.Stops{}, false, 0, ""},
		{"no room at all", "abcdef", text.Stops{}, false, -3, ""},
		{"cut before a rune", "abé", text.Stops{}, false, 3, "ab"},
		{"cut before a replacement", "ab\ncd", text.Stops{}, false, 5, "ab"},
		{"cut before an escape", `ab"cd`, quotes, false, 3, "ab"},
		{"cut behind a replacement", "ab\ncd", text.Stops{}, false, 6, "ab#012"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := text.AppendLine([]byte("> "), []byte(c.in), c.esc, c.lf, c.limit)
			assert.Equal(t, "> "+c.want, string(got))
		})
	}
}

func TestAppendLineIsTheSameWithRoomAndWithout(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := []byte(rapid.StringOfN(rapid.RuneFrom([]rune("ab\n\t\"]é日🔥\x7f")), 0, 30, -1).Draw(t, "s"))
		whole := text.AppendLine(nil, s, text.StopAt('"', ']', ']'), false, text.NoLimit)
		limit := rapid.IntRange(0, len(whole)).Draw(t, "limit")
		cut := text.AppendLine(nil, s, text.StopAt('"', ']', ']'), false, limit)
		assert.LessOrEqual(t, len(cut), limit)
		assert.True(t, bytes.HasPrefix(whole, cut))
		assert.Greater(t, len(cut), limit-4, "at most one character is missing")
	})
}

func TestAppendName(t *testing.T) {
	legal := text.Printable("=")
	for in, want := range map[string]string{
		"fw1": "fw1", "my host": "my_host", "a=b": "a_b", "höst": "h_st", "日本x": "__x",
		"\uFEFFfw1": "fw1", "a\xff\xfeb": "a__b", "\xe2\x82x": "__x", "a\tb\n": "a_b_", "": "",
		"0123456789": "01234567", "日本日本日本日本日": "________",
	} {
		assert.Equalf(t, want, string(text.AppendName(nil, []byte(in), legal, 8)), "%q", in)
	}
}

func TestSyslogSeverity(t *testing.T) {
	var got []int
	for scale := -1; scale <= 11; scale++ {
		got = append(got, text.SyslogSeverity(scale))
	}
	assert.Equal(t, []int{5, 5, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 2}, got)
}

func TestAppendJSON(t *testing.T) {
	for in, want := range map[string]string{
		"":                           `""`,
		"plain":                      `"plain"`,
		`C:\x "q"`:                   `"C:\\x \"q\""`,
		"\b\f\n\r\t":                 `"\b\f\n\r\t"`,
		"a\x00b\x1bc\x7f":            `"a\u0000b\u001bc\u007f"`,
		"<a href='x'>&":              `"<a href='x'>&"`,
		"a\u2028b\u2029":             `"a\u2028b\u2029"`,
		"a\xc3(\xff":                 "\"a\uFFFD(\uFFFD\"",
		"日本 and \U0001F525 end":      "\"日本 and \U0001F525 end\"",
		"eight by\"te words of text": `"eight by\"te words of text"`,
	} {
		assert.Equalf(t, want, string(text.AppendJSON(nil, `"`, []byte(in))), "%q", in)
	}
	for _, c := range []struct{ in, want string }{{`"`, `\"`}, {"\x00", `\u0000`}, {"\xff", "\uFFFD"}, {"\u2028", `\u2028`}} {
		in := strings.Repeat(c.in, 1000)
		assert.Equal(t, "k:\""+strings.Repeat(c.want, 1000)+`"`, string(text.AppendJSON(nil, `k:"`, []byte(in))), "the room grows")
	}
}

func TestNumber(t *testing.T) {
	for in, want := range map[string][2]bool{
		"0": {true, true}, "-0": {true, true}, "12": {true, true}, "-9223372036854775809": {true, true},
		"1.5": {true, false}, "-1e9": {true, false}, "1E+9": {true, false}, "1.0e-2": {true, false},
		"": {}, "-": {}, "01": {}, "+1": {}, "1.": {}, ".5": {}, "1e": {}, "1e+": {}, "NaN": {}, "0x1": {}, "1 ": {}, "1,5": {},
	} {
		ok, integer := text.Number([]byte(in))
		assert.Equalf(t, want, [2]bool{ok, integer}, "%q", in)
	}
}

func TestAddresses(t *testing.T) {
	for _, s := range []string{
		"192.0.2.1", "0.0.0.0", "255.255.255.255", "::", "::1", "1::", "2001:db8::1", "1:2:3:4:5:6:7:8",
		"1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "::ffff:192.0.2.1", "1:2:3:4:5:6:192.0.2.1", "FE80::A",
	} {
		assert.Truef(t, text.IPv4([]byte(s)) != text.IPv6([]byte(s)), "%q", s)
	}
	for _, s := range []string{
		"", "1", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.4 ", "1..2.3", "1.2.3.", "fw1.example",
		":", ":::", "1:", ":1", "1:2", "1::2::3", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", "12345::", "g::", "::1.2.3",
		"1.2.3.4::", "fe80::1%eth0", "1:2:3:4:5:6:7:1.2.3.4", "::1:",
	} {
		assert.Falsef(t, text.IPv4([]byte(s)) || text.IPv6([]byte(s)), "%q", s)
	}
}

func FuzzAddresses(f *testing.F) {
	f.Add("192.0.2.1")
	f.Add("2001:db8::ffff:1.2.3.4")
	f.Add("1:2:3:4:5:6:7:8")
	f.Fuzz(func(t *testing.T, s string) {
		ip, err := netip.ParseAddr(s)
		valid := err == nil && ip.Zone() == ""
		assert.Equal(t, valid && ip.Is4(), text.IPv4([]byte(s)))
		assert.Equal(t, valid && ip.Is6(), text.IPv6([]byte(s)))
	})
}

func FuzzNumber(f *testing.F) {
	f.Add("-12.5e+3")
	f.Fuzz(func(t *testing.T, s string) {
		if strings.TrimSpace(s) != s {
			return
		}
		numeric := len(s) > 0 && strings.IndexByte("-0123456789", s[0]) >= 0
		ok, _ := text.Number([]byte(s))
		assert.Equal(t, numeric && json.Valid([]byte(s)), ok)
	})
}

func FuzzAppendJSON(f *testing.F) {
	f.Add([]byte("a\"b\\c\n\x00\x7f\u2028 é\xff"))
	f.Fuzz(func(t *testing.T, s []byte) {
		got := text.AppendJSON(nil, `"`, s)
		var back string
		require.NoError(t, json.Unmarshal(got, &back))
		assert.Equal(t, string([]rune(string(s))), back, "one U+FFFD for each bad byte")
		assert.True(t, utf8.Valid(got))
		for _, r := range string(got) {
			assert.True(t, r >= 0x20 && r != 0x7f && r != 0x2028 && r != 0x2029)
		}
	})
}

func FuzzAppendLine(f *testing.F) {
	f.Add([]byte("a\n\tb\xff\"é"), 7)
	f.Fuzz(func(t *testing.T, s []byte, limit int) {
		got := text.AppendLine(nil, s, text.StopAt('"', '\\', ']'), false, limit)
		assert.LessOrEqual(t, len(got), max(limit, 0))
		assert.True(t, utf8.Valid(got))
		for _, c := range got {
			assert.True(t, c >= 0x20 && c != 0x7f || c == '\t')
		}
	})
}
