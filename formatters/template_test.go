package formatters_test

import (
	"encoding/json"
	"encoding/xml"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/formatters"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

func templateRecord(name, user, field string) *record.Record {
	r := &record.Record{Source: "s", Name: []byte(name), Severity: 7, Message: []byte(name), ID: []byte(user)}
	r.Set(record.UserName, []byte(user))
	r.Set(record.SrcPort, []byte("443"))
	r.Add([]byte("n"), record.Number, []byte("12345678901234567890"))
	r.Add([]byte("b"), record.Bool, []byte("true"))
	r.Add([]byte("t"), record.String, []byte(field))
	return r
}

func filled(t testing.TB, format, template, contentType string, r *record.Record) string {
	t.Helper()
	f, err := formatters.New(format, formatters.Options{Template: &formatters.Template{Text: template, ContentType: contentType}})
	require.NoError(t, err)
	out, err := f.Append([]byte("kept"), r)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(out), "kept"))
	return string(out[4:])
}

func TestTemplate(t *testing.T) {
	r := templateRecord(`a"b`, "bob & <co>", "x\ny")
	for _, c := range []struct{ contentType, template, want string }{
		{"", `{"t":"%%name%%!","s":%%severity%%,"sx":"S%%severity%%"}`, `{"t":"a\"b!","s":7,"sx":"S7"}`},
		{"", `{"u":%%user.name%%,"none":%%user.id%%,"e":"%%user.id%%","p":%%src.port%%}`, `{"u":"bob & <co>","none":null,"e":"","p":443}`},
		{"", `[%%fields.n%%,%%fields.b%%,%%fields.t%%,%% fields.x %%]`, `["12345678901234567890",true,"x\ny",null]`},
		{"application/vnd.api+json; charset=utf-8", `{"p":"100%%%% \" %%name%%"}`, `{"p":"100%% \" a\"b"}`},
		{"application/x-www-form-urlencoded", `a=%%name%%&b=%%user.name%%&c=1`, `a=a%22b&b=bob+%26+%3Cco%3E&c=1`},
		{"text/xml", `<a b="%%user.name%%"><![CDATA[%%name%%]]>%%fields.t%%</a>`, `<a b="bob &amp; &lt;co&gt;"><![CDATA[a&#34;b]]>x&#xA;y</a>`},
		{"text/plain", "%%name%%: %%fields.t%%", "a\"b: x\ny"},
	} {
		assert.Equal(t, c.want, filled(t, "json", c.template, c.contentType, r), c.template)
	}
	uid := string(r.AppendUID(nil))
	assert.Equal(t, `{"i":"`+uid+`"}`, filled(t, "json", `{"i":"%%uid%%"}`, "", r))
}

func TestTemplateWithAllOfTheEvent(t *testing.T) {
	r := templateRecord("n", "u", "t")
	f, err := formatters.New("json", formatters.Options{})
	require.NoError(t, err)
	whole, err := f.Append(nil, r)
	require.NoError(t, err)
	assert.Equal(t, `{"event":`+string(whole)+`}`, filled(t, "json", `{"event":%%event%%}`, "", r))
	var got struct{ Event, Again string }
	require.NoError(t, json.Unmarshal([]byte(filled(t, "json", `{"event":"%%event%%","again":"%%event%%"}`, "", r)), &got))
	assert.Equal(t, string(whole), got.Event)
	assert.Equal(t, string(whole), got.Again)
	require.NoError(t, json.Unmarshal([]byte(filled(t, "cef", `{"event":%%event%%}`, "", r)), &got))
	assert.True(t, strings.HasPrefix(got.Event, "CEF:0|"), got.Event)
}

func TestTemplatesThatCannotBe(t *testing.T) {
	for _, c := range []struct{ contentType, template, want string }{
		{"", `{"a":%%nonsense%%}`, `%%nonsense%%: unknown field "nonsense"`},
		{"", `{"a":"%%name"}`, "not closed"},
		{"", `{"%%name%%":1}`, "in a key"},
		{"", `{"a":[{"x%%name%%":1}]}`, "in a key"},
		{"", `{%%name%%:1}`, "in a key"},
		{"", `{"a":"\%%name%%"}`, "behind a backslash"},
		{"", `{"a":1`, "too early"},
		{"", `{"a":1}{"b":2}`, "behind its end"},
		{"", `{"a":"x" %%name%%}`, "it is no JSON"},
		{"", ``, "too early"},
		{"application/x-www-form-urlencoded", "%%name%%=1", "in a key"},
		{"application/x-www-form-urlencoded", "a=1\nb=2", "one line"},
		{"application/x-www-form-urlencoded", "a=%zz", "no form"},
		{"text/xml", "<%%name%%/>", "name of an element"},
		{"text/xml", `<a %%name%%="1"/>`, "name of an attribute"},
		{"text/xml", "<a><!-- %%name%% --></a>", "a comment"},
		{"text/xml", "<a><?x %%name%%?></a>", "an instruction"},
		{"text/xml", "<!DOCTYPE %%name%%><a/>", "a declaration"},
		{"text/xml", `<a xmlns="%%name%%"/>`, "a namespace"},
		{"text/xml", "<a>", "no XML"},
		{"text/xml", "<a/><b/>", "not one"},
		{"text/xml", "%%name%%", "outside of its element"},
		{"text/xml", `<?xml version="1.0" encoding="latin1"?><a/>`, "UTF-8"},
		{"text/html", "x", "text/html"},
		{";", "x", "no media type"},
	} {
		field, err := formatters.CheckTemplate(formatters.Template{Text: c.template, ContentType: c.contentType})
		require.ErrorContains(t, err, c.want, c.template)
		if c.contentType == "text/html" || c.contentType == ";" {
			assert.Equal(t, "content_type", field)
		}
		_, err = formatters.New("json", formatters.Options{Template: &formatters.Template{Text: c.template, ContentType: c.contentType}})
		assert.Error(t, err)
	}
}

func TestTemplateAllocatesNothing(t *testing.T) {
	r := templateRecord("name\n", "bob", "x")
	for contentType, text := range map[string]string{
		"": `{"a":"%%name%%","b":%%severity%%,"c":%%event%%,"d":%%user.name%%}`, "text/xml": "<a>%%name%%</a>",
		"text/plain": "%%name%%", "application/x-www-form-urlencoded": "a=%%name%%",
	} {
		f, err := formatters.New("json", formatters.Options{Template: &formatters.Template{Text: text, ContentType: contentType}})
		require.NoError(t, err)
		buf := make([]byte, 0, 8192)
		assert.Zero(t, testing.AllocsPerRun(50, func() { buf, _ = f.Append(buf[:0], r) }), contentType)
	}
}

// FuzzTemplate holds that no value leaves its place: the body has the members of the
// template and no others, and each has the value it was given.
func FuzzTemplate(f *testing.F) {
	f.Add("plain", "text", "")
	f.Add(`","evil":"x`, `"},{"b":1`, `%%user.name%%`)
	f.Add(`&evil=1`, `]]><evil/>`, "\x00\x1f\u2028\ufffe\xff")
	f.Add(`</a><b>`, `" c="`, "\\")
	f.Fuzz(func(t *testing.T, name, user, field string) {
		r := templateRecord(name, user, field)
		want := map[string]string{"n": name, "u": user, "f": field}
		for k, v := range want {
			want[k] = string([]rune(v))
		}

		var got map[string]string
		require.NoError(t, json.Unmarshal([]byte(filled(t, "json", `{"n":"%%name%%","u":"%%user.name%%","f":"%%fields.t%%"}`, "", r)), &got))
		require.Equal(t, want, got)

		var bare map[string]any
		require.NoError(t, json.Unmarshal([]byte(filled(t, "json", `{"n":%%name%%,"f":%%fields.t%%,"e":%%event%%}`, "", r)), &bare))
		require.Len(t, bare, 3)

		form, err := url.ParseQuery(filled(t, "json", "n=%%name%%&u=%%user.name%%&f=%%fields.t%%", "application/x-www-form-urlencoded", r))
		require.NoError(t, err)
		require.Len(t, form, 3)
		for k, v := range want {
			require.Equal(t, []string{v}, form[k])
		}

		var doc struct {
			U    string     `xml:"u,attr"`
			Attr []xml.Attr `xml:",any,attr"`
			N    string     `xml:"n"`
			F    string     `xml:"f"`
			Rest []struct{} `xml:",any"`
		}
		text := filled(t, "json", `<a u="%%user.name%%"><n>%%name%%</n><f>%%fields.t%%</f></a>`, "text/xml", r)
		require.NoError(t, xml.Unmarshal([]byte(text), &doc), text)
		require.Empty(t, doc.Attr)
		require.Empty(t, doc.Rest)
		legal := func(s string) string {
			return strings.Map(func(c rune) rune {
				if c < ' ' && c != '\t' && c != '\n' && c != '\r' || c == 0xFFFE || c == 0xFFFF {
					return '\uFFFD'
				}
				return c
			}, s)
		}
		require.Equal(t, []string{legal(want["n"]), legal(want["u"]), legal(want["f"])}, []string{doc.N, doc.U, doc.F})
	})
}
