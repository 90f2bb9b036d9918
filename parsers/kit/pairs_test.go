package kit_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// pairs are a reader's pairs for the eye; text that belongs to none stands in <>.
func pairs(b string) string {
	var r record.Record
	var out []string
	loose := func(b []byte) {
		if len(b) > 0 {
			out = append(out, "<"+string(b)+">")
		}
	}
	p := kit.Pairs{Rest: []byte(b)}
	for p.Next() {
		loose(p.Loose)
		out = append(out, string(p.Key)+"→"+string(p.Text(&r)))
	}
	loose(p.Loose)
	return strings.Join(out, " ")
}

func TestPairs(t *testing.T) {
	for in, want := range map[string]string{
		``:                                    `",`[:0],
		`a=1 b=2`:                             `a→1 b→2`,
		`a=1,b=2,c=`:                          `a→1 b→2 c→`,
		`a=1, b=two words, c=3,`:              `a→1 b→two words c→3`,
		`a=1; b=x,y; c=3`:                     `a→1 b→x,y c→3`,
		`a=1|b=x y|c=3`:                       `a→1 b→x y c→3`,
		"a=1\tb=x y\tc=3":                     `a→1 b→x y c→3`,
		`msg=hello, world user=bob`:           `msg→hello, world user→bob`,
		`a="1 2" b="x=y, z=w" c=3`:            `a→1 2 b→x=y, z=w c→3`,
		`a="say \"hi\"" b="back\\slash"`:      `a→say "hi" b→back\slash`,
		`a="say ""hi""",b=2`:                  `a→say "hi" b→2`,
		`a='it is' b=2`:                       `a→it is b→2`,
		`a="C:\dir\" b=2`:                     `a→"C:\dir\" b→2`,
		`a="" b=''`:                           `a→ b→`,
		`a="open b=2`:                         `a→"open b→2`,
		`a="in "the" middle" b=2`:             `a→in "the" middle b→2`,
		`url=http://x/?q=1&r=2 user=bob`:      `url→http://x/?q=1&r=2 user→bob`,
		`a=1,url=http://x/?q=1;r=2,c=3`:       `a→1 url→http://x/?q=1;r=2 c→3`,
		`text before a=1 b="2" after c=3 end`: `<text before> a→1 b→2 <after> c→3 end`,
		`a="1" trailing`:                      `a→1 <trailing>`,
		`no pairs here`:                       `<no pairs here>`,
		`1=2 =3 a.b-c_d[0]=4`:                 `<1=2 =3> a.b-c_d[0]→4`,
		`date=2026-11-20 time=10:11:12 devname="FG 1" level="notice"`: `date→2026-11-20 time→10:11:12 devname→FG 1 level→notice`,
	} {
		assert.Equal(t, want, pairs(in), in)
	}
}

func kvKnown(key []byte) int {
	switch string(key) {
	case "status":
		return 1
	case "list":
		return 2
	}
	return 0
}

func kvList(id int, _ []byte) bool { return id == 2 }

func TestKV(t *testing.T) {
	read := func(b string) string {
		var out []string
		kv := kit.KV{Text: []byte(b), Known: kvKnown, List: kvList}
		for kv.Next() {
			s := string(kv.Key) + "→" + string(kit.AppendUndoubled(nil, kv.Value))
			if kv.Quoted {
				s += " q"
			}
			if kv.Quotes {
				s += " qq"
			}
			if kv.NoEquals {
				s += " ="
			}
			if kv.Unterminated {
				s += " …"
			}
			out = append(out, s)
		}
		if len(kv.Loose) > 0 {
			out = append(out, "<"+string(kv.Loose)+">")
		}
		return strings.Join(out, "|")
	}
	for in, want := range map[string]string{
		``:                            ``,
		`a=1`:                         `a→1`,
		`a=1,b=2`:                     `a→1|b→2`,
		` , a = 1 ,, b = 2 , `:        `a→1|b→2`,
		`a=one, two,b=2`:              `a→one, two|b→2`,
		`a=,b=`:                       `a→|b→`,
		`a="x, y=z",b=2`:              `a→x, y=z q|b→2`,
		`a="x ""y""",b=2`:             `a→x "y" q qq|b→2`,
		`list [1],a=2`:                `list→[1] =|a→2`,
		`a=1,list[1, b=2],c=3`:        `a→1|list→[1, b=2] =|c→3`,
		`a=[1, b=2],c={x=1, y=2},d=3`: `a→[1, b=2]|c→{x=1, y=2}|d→3`,
		`a=[[1], [2]],b=[open,c=3`:    `a→[[1], [2]]|b→[open|c→3`,
		`a="open,b=1,status=new`:      `a→open,b=1 q …|status→new`,
		`a="open,b="2",status=new`:    `a→open,b="2" q qq …|status→new`,
		`a=""0`:                       `a→"0 q qq …`,
		`junk status=new,b=2`:         `status→new|b→2|<junk>`,
		`junk b=2`:                    `<junk b=2>`,
		`junk, b=2`:                   `b→2|<junk>`,
	} {
		assert.Equal(t, want, read(in), in)
	}
}

// kvOrder expects one known key behind the other.
var kvOrder = [][2]kit.NextKey{{{Text: "status=", ID: 1}}, {{Text: "list=", ID: 2}, {Text: "status=", ID: 1}}, {{Text: "status=", ID: 1}}}

// The readers of pairs keep within the text and end, and the order of keys that is
// expected changes nothing.
func FuzzKV(f *testing.F) {
	for _, s := range []string{
		`activityNames [-1],status="a ""b"" c",list=[a, b],x={y=z}, u="open,status=1`, `a=1 b="x \" y" c='z'; d=e`, `junk, status=new`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		text := string(b)
		inside := func(part []byte) {
			require.Contains(t, text, string(part))
		}
		n := 0
		kv := kit.KV{Text: b, Known: kvKnown, List: kvList}
		ordered := kit.KV{Text: b, Known: kvKnown, List: kvList, Order: kvOrder}
		for ; kv.Next(); n++ {
			require.True(t, ordered.Next())
			require.Equal(t, []any{kv.Key, kv.ID, kv.Value, kv.Quoted, kv.Quotes, kv.NoEquals, kv.Unterminated},
				[]any{ordered.Key, ordered.ID, ordered.Value, ordered.Quoted, ordered.Quotes, ordered.NoEquals, ordered.Unterminated})
			require.True(t, kv.Quotes || !strings.Contains(string(kv.Value), `"`), "%q", kv.Value)
			inside(kv.Key)
			inside(kv.Value)
			require.NotEmpty(t, kv.Key)
			require.LessOrEqual(t, n, len(b))
		}
		require.False(t, ordered.Next())
		require.Equal(t, kv.Loose, ordered.Loose)
		inside(kv.Loose)
		n = 0
		var r record.Record
		for p := (kit.Pairs{Rest: b}); p.Next(); n++ {
			inside(p.Key)
			inside(p.Value)
			inside(p.Loose)
			require.LessOrEqual(t, len(p.Text(&r)), len(p.Value))
			require.LessOrEqual(t, n, len(b))
		}
	})
}

func TestCEF(t *testing.T) {
	var r record.Record
	read := func(b string) (out []string) {
		h := kit.ReadCEF(&r, []byte(b))
		for _, v := range [][]byte{h.Version, h.Vendor, h.Product, h.DeviceVersion, h.Class, h.Name, h.Severity} {
			out = append(out, string(v))
		}
		out = append(out, string(rune('0'+h.Fields)))
		for x := (kit.Extension{Rest: h.Extension}); x.Next(); {
			if len(x.Loose) > 0 {
				out = append(out, "<"+string(x.Loose)+">")
				x.Loose = nil
			}
			out = append(out, string(x.Key)+"→"+string(x.Text(&r)))
		}
		return out
	}
	assert.Equal(t, []string{"0", "v", "p", "1.0", "c", "n", "3", "7"}, read(`CEF:0|v|p|1.0|c|n|3|`))
	assert.Equal(t, []string{"1", "v", "p", "1.0", "c", "n", "Very-High", "7"}, read(`CEF: 1|v|p|1.0|c|n|Very-High`))
	assert.Equal(t, []string{"0", `v|w\x`, "p", "", "c", `a\b`, "3", "7", "src→1.2.3.4", "msg→a = b | c\nd \\ e\\x", "act→blocked it"},
		read(`CEF:0|v\|w\\x|p||c|a\b|3|src=1.2.3.4 msg=a \= b \| c\nd \\ e\x act=blocked it `))
	assert.Equal(t, []string{"0", "v", "p", "1", "c", "n", "3", "7", "request→http://x/?a=1&b=2", "cs1→", "cs1Label→x y", "ad.key[0]→z"},
		read(`CEF:0|v|p|1|c|n|3|request=http://x/?a=1&b=2 cs1= cs1Label=x y  ad.key[0]=z`))
	assert.Equal(t, []string{"0", "v", "p", "1", "c", "n", "3", "7", "<loose text>", "a→b"}, read(`CEF:0|v|p|1|c|n|3|loose text a=b`))
	assert.Equal(t, []string{"0", "v", "p", "", "", "", "", "3"}, read(`CEF:0|v|p`))
	assert.Equal(t, []string{"0", "v", "p", "1", "c", "n", "", "6"}, read(`CEF:0|v|p|1|c|n|`))
}

func TestLEEF(t *testing.T) {
	read := func(b string) (out []string) {
		h := kit.ReadLEEF([]byte(b))
		for _, v := range [][]byte{h.Version, h.Vendor, h.Product, h.DeviceVersion, h.EventID} {
			out = append(out, string(v))
		}
		out = append(out, string(rune('0'+h.Fields)))
		for a := h.All(); a.Next(); {
			if len(a.Loose) > 0 {
				out = append(out, "<"+string(a.Loose)+">")
				a.Loose = nil
			}
			out = append(out, string(a.Key)+"→"+string(a.Value))
		}
		return out
	}
	head := []string{"2.0", "v", "p", "1", "e", "5"}
	for _, d := range []string{"|^|a=1^b=x = y^c=3", "|x5E|a=1^b=x = y^c=3", "|0x5e|a=1^b=x = y^c=3", "||a=1\tb=x = y\tc=3", "|x09|a=1\tb=x = y\tc=3", "|a=1\tb=x = y\tc=3"} {
		assert.Equal(t, append(head, "a→1", "b→x = y", "c→3"), read("LEEF:2.0|v|p|1|e"+d), d)
	}
	head[0] = "1.0"
	assert.Equal(t, append(head, "a→1", "b→x y", "c→"), read("LEEF:1.0|v|p|1|e|a=1\tb=x y\tc="))
	assert.Equal(t, append(head, "a→1", "b→x y", "c→3"), read("LEEF:1.0|v|p|1|e|a=1 b=x y c=3"), "a relay made the tabs spaces")
	assert.Equal(t, append(head, "a→1", "b→x y", "c→3"), read("LEEF:1.0|v|p|1|e|a=1#011b=x y#011c=3"), "a relay wrote the tabs in octal")
	assert.Equal(t, append(head, "a→x\ty", "b→2"), read("LEEF:1.0|v|p|1|e|a=x\ty\t\tb=2\t"), "a tab in a value")
	assert.Equal(t, append(head, "<loose>", "a→1"), read("LEEF:1.0|v|p|1|e|loose\ta=1"))
	assert.Equal(t, head, read("LEEF:1.0|v|p|1|e|"))
	assert.Equal(t, []string{"1.0", "v", "p", "", "", "3"}, read("LEEF: 1.0|v|p"))
	var r record.Record
	assert.Equal(t, "a^b|c\td<e", string(kit.LEEFText(&r, []byte("a<caret>b<pipe>c<tab>d<e"))))
}

// The readers of CEF and LEEF keep within the text and end; undoing escapes makes
// nothing longer.
func FuzzCEF(f *testing.F) {
	for _, s := range []string{`CEF:0|v\|w|p|1|c|n|3|src=1.2.3.4 msg=a \= b\nc`, "LEEF:2.0|v|p|1|e|^|a=1^b=2", "LEEF:1.0|v|p|1|e|a=1\tb=2", "LEEF:2.0|v|p|1|e|=|a==b", "LEEF:1.0|v|p|1|e|a=1#011b=2"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		text := string(b)
		var r record.Record
		h := kit.ReadCEF(&r, b)
		require.Contains(t, text, string(h.Extension))
		n := 0
		for x := (kit.Extension{Rest: h.Extension}); x.Next(); n++ {
			require.Contains(t, text, string(x.Key))
			require.Contains(t, text, string(x.Value))
			require.LessOrEqual(t, len(x.Text(&r)), len(x.Value))
			require.LessOrEqual(t, n, len(b))
		}
		l := kit.ReadLEEF(b)
		n = 0
		for a := l.All(); a.Next(); n++ {
			require.Contains(t, text, string(a.Key))
			require.Contains(t, text, string(a.Value))
			require.LessOrEqual(t, len(kit.LEEFText(&r, a.Value)), len(a.Value))
			require.LessOrEqual(t, n, len(b))
		}
	})
}
