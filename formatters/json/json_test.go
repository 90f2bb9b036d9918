package json_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	formatter "github.com/siemfwd/siemfwd/formatters/json"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

func render(t *testing.T, f formatter.Formatter, r *record.Record) string {
	t.Helper()
	out, err := f.Append([]byte("kept"), r)
	require.NoError(t, err)
	require.True(t, bytes.HasPrefix(out, []byte("kept")))
	return string(out[4:])
}

// keys lists the members of a JSON object in the order in which they stand.
func keys(t *testing.T, object string) (all []string) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(object))
	_, err := d.Token()
	require.NoError(t, err)
	for d.More() {
		key, err := d.Token()
		require.NoError(t, err)
		all = append(all, key.(string))
		var skip json.RawMessage
		require.NoError(t, d.Decode(&skip))
	}
	_, err = d.Token()
	require.NoError(t, err)
	_, err = d.Token()
	require.ErrorIs(t, err, io.EOF)
	return all
}

func full() *record.Record {
	text := func(s string) []byte { return []byte(s) }
	r := &record.Record{
		Source: "src", Received: time.Date(2026, 1, 2, 3, 4, 5, 6_000, time.UTC), Raw: text("raw\xff"),
		Time: record.Unix(1700000000120000000, 2), Vendor: text("v"), Product: text("p"), Version: text("1"),
		ID: text("id"), Class: text("c"), Name: text("n"), Severity: 7, Category: text("cat"), Action: text("act"),
		Outcome: text("out"), Message: text("msg"), Host: text("fw1"), Peer: netip.MustParseAddr("::ffff:192.0.2.1"),
		Identity: text("identity"),
	}
	for k := range record.Key(len(record.Keys)) {
		switch record.Keys[k].Kind {
		case record.FactTime:
			r.SetTime(k, record.Unix(1700000000123456000, 6))
		case record.FactNumber:
			r.Set(k, text("42"))
		default:
			r.Set(k, text(record.Keys[k].Name))
		}
	}
	r.Add(text("a"), record.String, text("b"))
	r.Warn("missing_equals", text(`a"b`))
	r.Warn("odd", nil)
	return r
}

func TestKeysStandInTheirOrder(t *testing.T) {
	out := render(t, formatter.Formatter{Raw: true}, full())
	assert.Equal(t, strings.Fields(`id uid time received source vendor product version class name severity category
		action outcome message observer start end user src dst device service network file process policy rule object
		threat count bytes url referrer user_agent request_method reason tenant replay fields warnings raw`), keys(t, out))
	var object map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(out), &object))
	assert.Equal(t, []string{"name", "id", "domain", "privileges"}, keys(t, string(object["user"])))
	assert.Equal(t, []string{"ip", "host", "port", "mac", "process", "process_id"}, keys(t, string(object["src"])))
	for key, want := range map[string]string{
		"time": `"2023-11-14T22:13:20.120Z"`, "received": `"2026-01-02T03:04:05.000006Z"`,
		"start": `"2023-11-14T22:13:20.123456Z"`, "severity": `7`, "count": `42`, "bytes": `{"in":42,"out":42}`,
		"observer": `{"host":"fw1","ip":"192.0.2.1"}`, "warnings": `["missing_equals:a\"b","odd"]`, "raw": "\"raw\uFFFD\"",
		"uid": `"` + string(full().AppendUID(nil)) + `"`,
	} {
		assert.Equal(t, want, string(object[key]), key)
	}
	assert.NotContains(t, render(t, formatter.Formatter{}, full()), `"raw"`)
}

func TestWhatIsEmptyIsLeftOut(t *testing.T) {
	r := &record.Record{Received: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	out := render(t, formatter.Formatter{Raw: true}, r)
	assert.Equal(t, []string{"uid", "time", "received", "severity"}, keys(t, out))
	assert.Contains(t, out, `"time":"2026-01-02T03:04:05.000Z","received":"2026-01-02T03:04:05.000Z"`)
	r.Peer = netip.MustParseAddr("2001:db8::1")
	assert.Contains(t, render(t, formatter.Formatter{}, r), `"observer":{"ip":"2001:db8::1"}`)
	r.Peer, r.Host = netip.Addr{}, []byte("h")
	assert.Contains(t, render(t, formatter.Formatter{}, r), `"observer":{"host":"h"}`)
	r.Set(record.SrcUserPrivileges, []byte("admin"))
	r.Set(record.SrcPort, []byte("080"))
	assert.Contains(t, render(t, formatter.Formatter{}, r), `"src":{"port":"080"},"user":{"privileges":"admin"}`)
}

func TestFieldsKeepTheirKindAndNesting(t *testing.T) {
	r := &record.Record{}
	n := func(s string) []byte { return []byte(s) }
	r.Add(n("big"), record.Number, n("123456789012345678901234567890.50"))
	r.AddPlain(n("yes"), record.Bool, n("true"))
	r.Add(n("none"), record.Null, nil)
	r.AddPlain(n("text"), record.String, nil)
	r.Open(n("list"), record.List)
	r.AddPlain(nil, record.Number, n("1e400"))
	r.Open(nil, record.Map)
	r.Add(n(`a"b`), record.String, n("x\u2028\n"))
	r.Open(n("empty"), record.List)
	r.Close()
	r.Close()
	r.Open(nil, record.Map)
	r.Close()
	r.AddPlain(nil, record.String, n("last"))
	r.Close()
	r.Add(n("not"), record.Number, n("NaN"))
	r.Add(n("nor"), record.Bool, n("True"))
	assert.Contains(t, render(t, formatter.Formatter{}, r),
		`"fields":{"big":123456789012345678901234567890.50,"yes":true,"none":null,"text":"",`+
			`"list":[1e400,{"a\"b":"x\u2028\n","empty":[]},{},"last"],"not":"NaN","nor":"True"}}`)
}

// tree draws fields and returns what a reader is to find.
func tree(t *rapid.T, r *record.Record, depth int, named bool) any {
	text := rapid.OneOf(
		rapid.StringN(0, 12, -1),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 12), func(b []byte) string { return string(b) }),
		rapid.SampledFrom([]string{`","x":"`, `"`, `\`, "</script>", "\u2028", "\x00\x7f"}),
	)
	members, items := map[string]any{}, []any{}
	for i := range rapid.IntRange(0, 4).Draw(t, "children") {
		var name []byte
		if named {
			// Names are made different: a map in Go has no others.
			name = append([]byte(text.Draw(t, "name")), byte('0'+i))
		}
		var v any
		switch kind := record.Kind(rapid.IntRange(0, 5).Draw(t, "kind")); {
		case kind == record.Null:
			r.Add(name, kind, nil)
		case kind == record.Bool:
			r.AddPlain(nil, kind, []byte("true"))
			r.Fields[len(r.Fields)-1].Name, r.Fields[len(r.Fields)-1].Plain = name, false
			v = true
		case kind == record.Number:
			s := rapid.StringMatching(`-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,5})?([eE][+-]?[0-9]{1,3})?`).Draw(t, "number")
			r.Add(name, kind, []byte(s))
			v = json.Number(s)
		case kind == record.String || depth == 0:
			s := text.Draw(t, "text")
			r.Add(name, record.String, []byte(s))
			v = string([]rune(s))
		default:
			r.Open(name, kind)
			v = tree(t, r, depth-1, kind == record.Map)
			r.Close()
		}
		members[string([]rune(string(name)))] = v
		items = append(items, v)
	}
	if named {
		return members
	}
	return items
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := &record.Record{}
		want := tree(t, r, 3, true)
		raw := rapid.SliceOf(rapid.Byte()).Draw(t, "raw")
		r.Raw, r.Message, r.Vendor = raw, raw, raw
		out, err := formatter.Formatter{Raw: true}.Append(nil, r)
		require.NoError(t, err)
		d := json.NewDecoder(bytes.NewReader(out))
		d.UseNumber()
		var got map[string]any
		require.NoError(t, d.Decode(&got))
		if len(r.Fields) > 0 {
			require.Equal(t, want, got["fields"])
		}
		if len(raw) > 0 {
			require.Equal(t, string([]rune(string(raw))), got["raw"])
			require.Equal(t, got["raw"], got["message"])
		}
	})
}

func TestAppendMax(t *testing.T) {
	r, f := full(), formatter.Formatter{Raw: true}
	whole := render(t, f, r)
	at := func(limit int) string {
		out, err := f.AppendMax([]byte("kept"), r, limit)
		require.NoError(t, err)
		require.LessOrEqual(t, len(out)-4, limit)
		require.True(t, json.Valid(out[4:]))
		return string(out[4:])
	}
	r.Raw = bytes.Repeat([]byte("raw "), 100)
	r.Fields[0].Text = bytes.Repeat([]byte("field "), 100)
	assert.Equal(t, render(t, f, r), at(1<<20))
	out := at(len(whole) + 800)
	assert.Contains(t, out, `"fields":{`)
	assert.Contains(t, out, `"warnings":["missing_equals:a\"b","odd","truncated:raw"]}`)
	out = at(len(whole) + 100)
	assert.NotContains(t, out, `"fields":{`)
	assert.Contains(t, out, `"odd","truncated:fields"]}`)
	got, err := f.AppendMax([]byte("kept"), r, 100)
	assert.Error(t, err)
	assert.Equal(t, "kept", string(got))
}

func TestAppendIndent(t *testing.T) {
	f := formatter.Formatter{Raw: true}
	out := string(f.AppendIndent([]byte("> "), full()))
	assert.True(t, strings.HasPrefix(out, "> {\n  \"id\": \"id\",\n  \"uid\": "))
	assert.JSONEq(t, render(t, f, full()), out[2:])
}

func TestFormatterAllocatesNothing(t *testing.T) {
	r, f := full(), formatter.Formatter{Raw: true}
	r.Message = []byte("quotes \" and \xff bad bytes, é and \n more")
	buf := make([]byte, 0, 8192)
	assert.Zero(t, testing.AllocsPerRun(100, func() { buf, _ = f.Append(buf[:0], r) }))
	assert.Zero(t, testing.AllocsPerRun(100, func() { buf, _ = f.AppendMax(buf[:0], r, 2000) }))
}

func FuzzFormatter(f *testing.F) {
	f.Add([]byte("message"), []byte("name"), []byte(`"],"x":1`), []byte("12"), uint8(2), 100)
	f.Fuzz(func(t *testing.T, message, name, text, more []byte, kind uint8, limit int) {
		r := &record.Record{Message: message, ID: more, Host: name, Raw: text}
		r.Add(name, record.Kind(kind%4), text)
		r.Open(more, record.List+record.Kind(kind/4%2))
		r.Add(text, record.Kind(kind%4), more)
		r.Close()
		r.Set(record.SrcPort, more)
		r.Set(record.URL, text)
		r.Warn("kind", message)
		out, err := formatter.Formatter{Raw: true}.AppendMax(nil, r, limit)
		if err != nil {
			require.Empty(t, out)
			return
		}
		require.LessOrEqual(t, len(out), limit)
		require.True(t, json.Valid(out))
		for _, r := range string(out) {
			require.True(t, r >= 0x20 && r != 0x7f && r != '\u2028' && r != '\u2029')
		}
	})
}
