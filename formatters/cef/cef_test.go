package cef_test

import (
	"net"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/siemfwd/siemfwd/formatters/cef"
	"github.com/siemfwd/siemfwd/formatters/strict"
)

// dictionary is the table the package's own was made from.
func dictionary(t *testing.T) []cef.Key {
	types := map[string]cef.Type{
		"string": cef.String, "integer": cef.Integer, "long": cef.Long, "double": cef.Double, "ipv4": cef.IPv4,
		"ipv6": cef.IPv6, "ip": cef.IP, "mac": cef.MAC, "timestamp": cef.Timestamp,
	}
	tsv, err := os.ReadFile("keys.tsv")
	require.NoError(t, err)
	var all []cef.Key
	for _, line := range strings.Split(strings.TrimSpace(string(tsv)), "\n")[1:] {
		col := strings.Split(line, "\t")
		limit, _ := strconv.Atoi(col[3])
		all = append(all, cef.Key{Name: col[0], Full: col[1], Type: types[col[2]], Max: limit, Consumer: col[5] == "consumer", V1: col[6] == "1.2"})
	}
	return all
}

func TestDictionaryIsUpToDate(t *testing.T) {
	all := dictionary(t)
	require.Len(t, all, 185)
	for _, want := range all {
		got, ok := cef.Lookup(want.Name)
		require.Truef(t, ok, "%s: run go generate ./formatters/cef", want.Name)
		assert.Equal(t, want.Name, got.Name)
		assert.Equal(t, want.Full, got.Full)
		assert.Equal(t, want.Type, got.Type, want.Name)
		assert.Equal(t, want.Max, got.Max, want.Name)
		assert.Equal(t, want.Consumer, got.Consumer, want.Name)
		assert.Equal(t, want.V1, got.V1, want.Name)
	}
	for _, name := range []string{"", "zzz", "Act", "act ", "cs7"} {
		_, ok := cef.Lookup(name)
		assert.False(t, ok, name)
	}
}

// mapped is what a receiver is to find where s was put in: every bad byte replaced,
// control characters as spaces, other programs' line ends as LF.
func mapped(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == 0x85 || r == '\u2028' || r == '\u2029':
			return '\n'
		case r == '\n' || r == '\r':
			return r
		case r < 0x20 || r >= 0x7f && r < 0xA0:
			return ' '
		}
		return r
	}, string([]rune(strings.TrimPrefix(s, "\uFEFF"))))
}

func cut(s string, limit int) string {
	r := []rune(strings.TrimLeft(s, " "))
	if limit > 0 && len(r) > limit {
		r = r[:limit]
	}
	return strings.TrimRight(string(r), " ")
}

var gaps = regexp.MustCompile(`[\n\r\t\x{85}\x{2028}\x{2029}]+`)

// heading is what a receiver is to find for a value of the header.
func heading(s string, limit int) string {
	s = gaps.ReplaceAllString(string([]rune(strings.TrimPrefix(s, "\uFEFF"))), " ")
	if s = cut(mapped(s), limit); s == "" {
		return "unknown"
	}
	return s
}

// hostile draws text that tries to get out of where it is put.
func hostile() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.StringN(0, 20, -1),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 20), func(b []byte) string { return string(b) }),
		rapid.StringOfN(rapid.RuneFrom([]rune("ab =\\|\n\r\t\x00\u0080\u0085\u2028\x7f")), 0, 12, -1),
		rapid.SampledFrom([]string{
			"", " ", "  padded  ", "ok|10|src=6.6.6.6", "x src=6.6.6.6 cs1Label=evil", `\`, `\\`, `a\=b`, "a=", "=",
			"\uFEFFx", "\u0080 x", " \t x", strings.Repeat("é", 2000), strings.Repeat(`|\=`, 700), "a" + strings.Repeat(" ", 70) + "b",
			"192.0.2.1", "2001:db8::1", "fe80::1%eth0", "::ffff:192.0.2.1", "5000000000", "-7", "007", "9223372036854775808",
			"1.5", "2.000", "1e3", "00-50-56-c0-00-08", "0050.56c0.0008", "1700000000123", "Nov 14 2023 22:13:20 UTC",
		}),
	)
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	// Keys of plain text, with their limits; the last two are not in the dictionary.
	limits := map[string]int{"act": 63, "msg": 1023, "cs1": 4000, "suser": 1023, "externalId": 40, "acmeKey": 0, "a1": 0}
	keys := []string{"act", "msg", "cs1", "suser", "externalId", "acmeKey", "a1"}
	rapid.Check(t, func(t *rapid.T) {
		s := func(label string) []byte { return []byte(hostile().Draw(t, label)) }
		e := cef.Event{
			Vendor: s("vendor"), Product: s("product"), Version: s("version"), Class: s("class"), Name: s("name"),
			Severity: rapid.IntRange(-2, 12).Draw(t, "severity"),
		}
		want := strict.CEF{
			Header: [5]string{
				heading(string(e.Vendor), 63), heading(string(e.Product), 63), heading(string(e.Version), 31),
				heading(string(e.Class), 1023), heading(string(e.Name), 512),
			},
			Severity: min(max(e.Severity, 0), 10), Values: map[string]string{},
		}
		for range rapid.IntRange(0, 8).Draw(t, "pairs") {
			key, value := rapid.SampledFrom(keys).Draw(t, "key"), s("value")
			e.Ext = append(e.Ext, cef.Pair{Key: []byte("-" + key + "_"), Value: value})
			if v := cut(mapped(string(value)), limits[key]); v != "" && want.Values[key] == "" {
				want.Keys, want.Values[key] = append(want.Keys, key), v
			}
		}
		got, err := strict.ReadCEF(cef.Append(nil, &e))
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}

func TestEveryKeyKeepsItsType(t *testing.T) {
	all := dictionary(t)
	rapid.Check(t, func(t *rapid.T) {
		var e cef.Event
		asked := map[string]bool{
			"c6a1": true, "c6a2": true, "c6a3": true, "c6a1Label": true, "c6a2Label": true, "c6a3Label": true,
			"cn1": true, "cn2": true, "cn3": true, "cn1Label": true, "cn2Label": true, "cn3Label": true,
		}
		for range rapid.IntRange(0, 12).Draw(t, "pairs") {
			k := rapid.SampledFrom(all).Draw(t, "key")
			asked[k.Name] = true
			e.Ext = append(e.Ext, cef.Pair{Key: []byte(k.Name), Value: []byte(hostile().Draw(t, "value"))})
		}
		got := mustParse(t, cef.Append(nil, &e))
		for _, key := range got.Keys {
			require.True(t, asked[key], "key %s came out of a value", key)
			v, k := got.Values[key], lookup(key)
			assert.False(t, k.Consumer, key)
			if slot, ok := strings.CutSuffix(key, "Label"); ok {
				assert.True(t, slices.Contains(got.Keys, slot), "%s without %s", key, slot)
			}
			assert.Truef(t, fits(k, v), "%s=%s", key, v)
		}
	})
}

func lookup(key string) cef.Key {
	k, _ := cef.Lookup(key)
	return k
}

// fits reports whether v is what receivers take for a key's type.
func fits(k cef.Key, v string) bool {
	ip, err := netip.ParseAddr(v)
	switch k.Type {
	case cef.Integer:
		n, err := strconv.ParseInt(v, 10, 32)
		return err == nil && strconv.FormatInt(n, 10) == v
	case cef.Long:
		n, err := strconv.ParseInt(v, 10, 64)
		return err == nil && strconv.FormatInt(n, 10) == v
	case cef.Double:
		_, err := strconv.ParseFloat(v, 64)
		return err == nil
	case cef.IPv4:
		return err == nil && ip.Is4()
	case cef.IPv6:
		return err == nil && ip.Is6() && ip.Zone() == ""
	case cef.IP:
		return err == nil
	case cef.MAC:
		_, err := net.ParseMAC(v)
		return err == nil && len(v) == 17 && strings.Count(v, ":") == 5
	}
	return k.Max == 0 || len([]rune(v)) <= k.Max
}

func TestPairs(t *testing.T) {
	for _, c := range []struct{ name, ext, want string }{
		{"IPv6 under IPv4 keys", "src 2001:db8::1;dst 2001:db8::2;dvc 2001:db8::3",
			"c6a2=2001:db8::1 c6a2Label=Source IPv6 Address c6a3=2001:db8::2 c6a3Label=Destination IPv6 Address c6a1=2001:db8::3 c6a1Label=Device IPv6 Address"},
		{"IPv6 whose slot is taken", "c6a2 2001:db8::9;c6a2Label mine;src 2001:db8::1", "c6a2=2001:db8::9 c6a2Label=mine"},
		{"mapped IPv4", "src ::FFFF:192.0.2.1", "src=192.0.2.1"},
		{"zone", "c6a1 fe80::1%eth0", "c6a1=fe80::1"},
		{"no address", "src unknown;dst fw1;destinationTranslatedAddress ::1;act x", "act=x"},
		{"wide integers", "in 5000000000;fsize 6000000000;cn2 7;cn2Label mine",
			"cn1=5000000000 cn1Label=bytesIn cn3=6000000000 cn3Label=fileSize cn2=7 cn2Label=mine"},
		{"no slot left for it", "cn1 1;cn2 2;cn3 3;in 5000000000", "cn1=1 cn2=2 cn3=3"},
		{"widest integer", "in 2147483647;out -2147483648", "in=2147483647 out=-2147483648"},
		{"zeros", "spt 0080;dpt 0;cn1 000;cn2 1.000;spid -0", "spt=80 dpt=0 cn1=0 cn2=1 spid=0"},
		{"no integer", "spt 80a;dpt 1.5;cnt 1e3;cn1 9223372036854775808;cn2 0x1;fsize -;spid --1", ""},
		{"doubles", "cfp1 1.50;cfp2 NaN;cfp3 -1e9", "cfp1=1.50 cfp3=-1e9"},
		{"hardware addresses", "smac 00-50-56-C0-00-08;dmac 0050.56c0.0008;dvcmac 00:50:56:c0:00", "smac=00:50:56:C0:00:08 dmac=00:50:56:c0:00:08"},
		{"times", "rt 1700000000123;start Nov 14 2023 22:13:20 UTC;end 0017", "rt=1700000000123 start=Nov 14 2023 22:13:20 UTC end=17"},
		{"label before its slot", "cs1Label name;cs1 v", "cs1Label=name cs1=v"},
		{"label of nothing", "cs1Label name;cs2 ;cs2Label other;act x", "act=x"},
		{"label of what does not fit", "cn1Label name;cn1 many", ""},
		{"consumers' keys", "rawEvent x;eventId 1;agt 192.0.2.1;act y", "act=y"},
		{"unknown keys", "adFoo 1;ad-Foo 2;__ 3;ad.Bar 4", "adFoo=1 adBar=4"},
		{"first that is not empty", "act ;act b;act c;x1  ;x1 y", "act=b x1=y"},
		{"unknown key with equals", "tag a=b", `tag=a\=b`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var e cef.Event
			for _, p := range strings.Split(c.ext, ";") {
				k, v, _ := strings.Cut(p, " ")
				e.Ext = append(e.Ext, cef.Pair{Key: []byte(k), Value: []byte(v)})
			}
			line := cef.Append(nil, &e)
			assert.Equal(t, "CEF:0|unknown|unknown|unknown|unknown|unknown|0|"+c.want, string(line))
			mustParse(t, line)
		})
	}
}

func TestEncoderAllocatesNothing(t *testing.T) {
	e := cef.Event{Vendor: []byte("a|b"), Name: []byte("x\r\ny"), Ext: []cef.Pair{
		{Key: []byte("src"), Value: []byte("2001:db8::1")}, {Key: []byte("in"), Value: []byte("5000000000")},
		{Key: []byte("cs1Label"), Value: []byte("name")}, {Key: []byte("cs1"), Value: []byte("a=b\n\xff")},
		{Key: []byte("a_very_long_key_that_is_not_in_the_dictionary_at_all"), Value: []byte("1")},
		{Key: []byte("spt"), Value: []byte("many")}, {Key: []byte("rt"), Value: []byte("1700000000123")},
	}}
	buf := make([]byte, 0, 1024)
	assert.Zero(t, testing.AllocsPerRun(100, func() { buf = cef.Append(buf[:0], &e) }))
}

func FuzzEncoder(f *testing.F) {
	f.Add("a|b", "name\n", 11, "src", "2001:db8::1", "cs1Label", "x src=6.6.6.6")
	f.Add("", " ", -1, "in", "5000000000", "in", "\xff\\")
	f.Fuzz(func(t *testing.T, vendor, name string, severity int, k1, v1, k2, v2 string) {
		line := cef.Append([]byte("kept"), &cef.Event{
			Vendor: []byte(vendor), Product: []byte(name), Version: []byte(vendor), Class: []byte(name), Name: []byte(name),
			Severity: severity, Ext: []cef.Pair{{[]byte(k1), []byte(v1)}, {[]byte(k2), []byte(v2)}},
		})
		require.Equal(t, "kept", string(line[:4]))
		e := mustParse(t, line[4:])
		require.LessOrEqual(t, len(e.Keys), 4)
		for _, key := range e.Keys {
			require.Truef(t, fits(lookup(key), e.Values[key]), "%s=%s", key, e.Values[key])
		}
	})
}
