package kit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/record"
)

// opened is the shape of a real webhook body: one envelope, long names, long strings.
const opened = `{"event":{"type":"API_SECURE__POLICY_VIOLATION_OPENED","data":{"uuid":"0b7c1c0e-5b7e-4f7e-9a55-0f3e7a1d2c11","affected_asset":{"uuid":"5f1c8d52-9b77-4a0a-8a44-7f5b4f0f6f10","name":"payments.example.net","portal_url":"https://www.securetheorem.com/api/inspect/assets/5f1c8d52-9b77-4a0a-8a44-7f5b4f0f6f10","date_created":"2025-11-02T09:15:00+00:00","discovered_via":"AMAZON_WEB_SERVICES","url":"https://payments.example.net/v2","hosted_on":"AMAZON_WEB_SERVICES","type":"RESTFUL_API","belongs_to_asset_group":{"name":"Payments BU","uuid":"a3f6e9b0-40f5-4a53-b7a9-0e6f6d1c9b22"},"cloud_console_url":"https://console.aws.example/apigateway"},"policy_violation_status":"OPEN","date_created":"2026-01-05T09:55:00.500000+00:00","relevance":"URGENT","description":"The API returns card data to callers that present no credential.\\n\\nAnyone on the internet can read it.","recommendation":"Require OAuth on every operation.","additional_information":null,"portal_url":"https://www.securetheorem.com/api/inspect/policy-violations/0b7c1c0e-5b7e-4f7e-9a55-0f3e7a1d2c11","policy_name":"PCI baseline","policy_uuid":"c9b0a6de-7d6b-4d9d-8a54-5a3b7b2c1d00","policy_portal_url":"https://www.securetheorem.com/api/policy/c9b0a6de-7d6b-4d9d-8a54-5a3b7b2c1d00","violated_policy_rule_uuid":"7e7b2c9a-13cf-4a9e-b0a2-cc52a5a9f101","violated_policy_rule_type_uuid":"2d6f2a64-0d43-5b7c-9a61-1a2b3c4d5e6f","exception_explanation":null,"exception_date_created":null},"version":1},"time":1767607200,"host":"securetheorem.com"}`

// render prints the fields from..to as JSON.
func render(r *record.Record, from, to int, named bool) string {
	var s strings.Builder
	for i := from; i < to; i += 1 + int(r.Fields[i].Size) {
		f := &r.Fields[i]
		if i > from {
			s.WriteByte(',')
		}
		if named {
			s.WriteString(strconv.Quote(string(f.Name)) + ":")
		}
		switch f.Kind {
		case record.Map:
			s.WriteString("{" + render(r, i+1, i+1+int(f.Size), true) + "}")
		case record.List:
			s.WriteString("[" + render(r, i+1, i+1+int(f.Size), false) + "]")
		case record.String:
			s.WriteString(strconv.Quote(string(f.Text)))
		case record.Null:
			s.WriteString("null")
		default:
			s.Write(f.Text)
		}
	}
	return s.String()
}

func TestJSON(t *testing.T) {
	deep := strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth)
	for in, want := range map[string]string{
		`{}`:                         `{}`,
		" \t\r\n[] \n":               `[]`,
		`{"a":{},"b":[],"c":[{}]}`:   `{"a":{},"b":[],"c":[{}]}`,
		"\uFEFF{\"a\":1}":            `{"a":1}`,
		`{"a":1,"a":2}`:              `{"a":1,"a":2}`,
		`{ "a" : [ 1 , -0.5e+10 ] }`: `{"a":[1,-0.5e+10]}`,
		`[0,-0,10,1E5,1.0,123456789012345678901234567890]`: `[0,-0,10,1E5,1.0,123456789012345678901234567890]`,
		`[true,false,null]`:                 `[true,false,null]`,
		`"\"\\\/\b\f\n\r\t"`:                `"\"\\/\b\f\n\r\t"`,
		`"\u00e9\u20AC\ud83D\ude00"`:        `"é€😀"`,
		`"\ud83d"`:                          `"` + "\uFFFD" + `"`,
		`"\ud83dx\ude00\ud83d\ud83d\ude00"`: `"` + "\uFFFDx\uFFFD\uFFFD😀" + `"`,
		`{"a\u0062":"12345678\\n"}`:         `{"ab":"12345678\\n"}`,
		"\"\x7fé€😀\"":                       `"\x7fé€😀"`,
		`"\u0000"`:                          `"\x00"`,
		deep:                                deep,
	} {
		t.Run(in, func(t *testing.T) {
			var r record.Record
			require.NoError(t, JSON(&r, nil, []byte(in)))
			assert.Equal(t, want, render(&r, 0, len(r.Fields), false))
			assert.Empty(t, r.Warnings)

			end, err := SkipValue([]byte(in), len(in)-len(strings.TrimPrefix(in, "\uFEFF")))
			require.NoError(t, err)
			assert.Equal(t, strings.TrimRight(in, " \n"), in[:end])
		})
	}
}

func TestJSONRefuses(t *testing.T) {
	for _, c := range []struct {
		in  string
		at  int
		cut bool
	}{
		{``, 0, true}, {` `, 1, true}, {"\uFEFF", 3, true}, {`{`, 1, true}, {`{"a`, 3, true}, {`{"a"`, 4, true},
		{`{"a":`, 5, true}, {`{"a":1`, 6, true}, {`{"a":1,`, 7, true}, {`[1`, 2, true}, {`[1,`, 3, true},
		{`"a\`, 3, true}, {`"a\u12`, 6, true}, {`tru`, 3, true}, {`-`, 1, true}, {`1.`, 2, true}, {`1e`, 2, true},
		{`1e+`, 3, true}, {`"12345678`, 9, true},
		{`{"a":1,}`, 7, false}, {`[1,]`, 3, false}, {`{a:1}`, 1, false}, {`{"a" 1}`, 5, false}, {`{"a":1 "b":2}`, 7, false},
		{`[1 2]`, 3, false}, {`[1}`, 2, false}, {`{"a":1]`, 6, false}, {`{} {}`, 3, false}, {`1 1`, 2, false},
		{`01`, 1, false}, {`-01`, 2, false}, {`.5`, 0, false}, {`+1`, 0, false}, {`1.e5`, 2, false}, {`NaN`, 0, false},
		{`trux`, 3, false}, {`True`, 0, false}, {`nulll`, 4, false}, {`'a'`, 0, false}, {"\"a\nb\"", 2, false},
		{"\"12345678\x1f\"", 9, false}, {`"\x"`, 2, false}, {`"\u12g4"`, 5, false}, {`"\` + "\n\"", 2, false}, {"\xff", 0, false}, {"[\u00a01]", 1, false},
		{strings.Repeat("[", MaxDepth+1) + strings.Repeat("]", MaxDepth+1), MaxDepth, false},
		{strings.Repeat(`{"a":`, MaxDepth+1) + "1" + strings.Repeat("}", MaxDepth+1), 5 * MaxDepth, false},
	} {
		t.Run(c.in, func(t *testing.T) {
			var r record.Record
			r.Add([]byte("before"), record.Bool, []byte("true"))
			err := JSON(&r, []byte("x"), []byte(c.in))
			var e *JSONError
			require.ErrorAs(t, err, &e)
			assert.Equal(t, c.at, e.At, e)
			assert.Equal(t, c.cut, e.Cut, e)
			assert.Contains(t, err.Error(), "byte "+strconv.Itoa(c.at))
			assert.Len(t, r.Fields, 1)
		})
	}
}

func TestJSONPlain(t *testing.T) {
	for in, want := range map[string]bool{
		`abc`: true, ``: true, `12345678`: true, `123456789é€😀 long enough`: true, `\u00e9`: true, `a\/b`: true,
		"a\x7f": false, "12345678\x7f": false, `\"`: false, `\\`: false, `\n`: false, "\u2028": false, "12345678\u2029": false,
		`\u2028`: false, "\u0085": false, "\xff": false, "12345678\xe2\x82": false, "\u00a0": true, "\xff12345678": false,
	} {
		var r record.Record
		require.NoError(t, JSON(&r, []byte("n"), []byte(`"`+in+`"`)))
		assert.Equal(t, want, r.Fields[0].Plain, "%q", in)
		r.Reset()
		require.NoError(t, JSONMembers(&r, []byte(`{"`+in+`":[1]}`)))
		assert.Equal(t, want, r.Fields[0].Plain, "name %q", in)
		assert.True(t, r.Fields[1].Plain)
		assert.Equal(t, want, plainText(r.Fields[0].Name))
	}
	var r record.Record
	require.NoError(t, JSON(&r, []byte("a\"b"), []byte(`true`)))
	assert.False(t, r.Fields[0].Plain)
}

func TestJSONNotUTF8(t *testing.T) {
	var r record.Record
	require.NoError(t, JSONMembers(&r, []byte("{\"a\":\"x\xffy\",\"b\":\"\xc3\"}")))
	assert.Equal(t, "x\xffy", string(r.Text("a")))
	assert.Equal(t, []record.Warning{{Kind: "utf8"}}, r.Warnings)
	require.NoError(t, JSON(&r, nil, []byte("\"\xff\"")))
	assert.Len(t, r.Warnings, 1, "said once")
	r.Reset()
	require.NoError(t, JSON(&r, nil, []byte(`"é\ud800"`)))
	assert.Empty(t, r.Warnings, "an escape is valid text")
}

func TestJSONMembers(t *testing.T) {
	var r record.Record
	require.NoError(t, JSONMembers(&r, []byte("\uFEFF {\"a\":{\"b\":[1,2]},\"c\":3} ")))
	assert.Equal(t, `"a":{"b":[1,2]},"c":3`, render(&r, 0, len(r.Fields), true))
	for _, in := range []string{`[]`, `1`, ``, `{} {}`, `{`, `{"a":1}}`} {
		assert.Error(t, JSONMembers(&r, []byte(in)), in)
	}
	assert.Len(t, r.Fields, 5)
}

func TestJSONLimitsValues(t *testing.T) {
	var r record.Record
	items := strings.Repeat(",0", MaxValues-2)
	require.NoError(t, JSON(&r, nil, []byte("[0"+items+"]")))
	assert.Len(t, r.Fields, MaxValues)
	r.Reset()
	err := JSON(&r, nil, []byte("[0,0"+items+"]"))
	require.ErrorContains(t, err, "more than")
	assert.Empty(t, r.Fields)
	_, err = SkipValue([]byte("[0,0"+items+"]"), 0)
	assert.NoError(t, err, "checking costs no memory")
}

func TestAppendCanonical(t *testing.T) {
	for in, want := range map[string]string{
		`{"b":1,"a":{"y":[1, {"q":2,"p":null}],"x":"z"}}`: `{"a":{"x":"z","y":[1,{"p":null,"q":2}]},"b":1}`,
		" {\"a\" : 2 ,\"a\" : 1} ":                        `{"a":2,"a":1}`,
		`[]`:                                              `[]`,
		`{}`:                                              `{}`,
		` 1.0`:                                            `1.0`,
		``:                                                ``,
	} {
		assert.Equal(t, want, string(AppendCanonical(nil, []byte(in))))
	}
	many := `{"z":{"b":1,"a":2}`
	for i := range sortable {
		many += `,"` + strconv.Itoa(sortable-i) + `":0`
	}
	got := string(AppendCanonical(nil, []byte(many+" }")))
	assert.Equal(t, strings.Replace(many, `{"b":1,"a":2}`, `{"a":2,"b":1}`, 1)+"}", got)

	dst, in := make([]byte, 0, 4096), []byte(opened)
	assert.Zero(t, testing.AllocsPerRun(100, func() { AppendCanonical(dst, in) }))
}

func TestJSONAllocatesNothing(t *testing.T) {
	var r record.Record
	in := []byte(opened)
	odd := []byte("{\"a\":\"x\\\"y\\u20ac\",\"\\u0061\":\"\xff\",\"l\":[1,{},[true,null]]}")
	path := []string{"event", "data", "violated_policy_rule_type_uuid"}
	n := 0
	count := func([]byte) { n++ }
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		r.Reset()
		_ = JSON(&r, nil, in)
		_ = JSONMembers(&r, odd)
		_, _ = Find(in, path...)
		_, _ = Find(in, "event", "type")
		_ = SplitValues(in, count)
		v, _ := Find(odd, "a")
		_ = Unquote(&r, v)
		_, _ = SkipValue(in, 0)
	}))
	assert.NotZero(t, n)
}

func TestSplitValues(t *testing.T) {
	for in, want := range map[string][]string{
		``: nil, " \n": nil, "\uFEFF": nil, `[]`: nil,
		`{"a":1}`: {`{"a":1}`}, "\uFEFF {\"a\":1}\r\n": {`{"a":1}`},
		`{"a":1}{"b":2}`: {`{"a":1}`, `{"b":2}`}, "{\"a\":1}\n{\"b\":2}\n\n": {`{"a":1}`, `{"b":2}`},
		` [ {"a":1} , {"b":[2]} ] `: {`{"a":1}`, `{"b":[2]}`}, `[{"a":1},2]`: {`[{"a":1},2]`}, `[[{}]]`: {`[[{}]]`},
		`[{}] {"x":1}`: {`{}`, `{"x":1}`}, `1 "a" null`: {`1`, `"a"`, `null`},
	} {
		var got []string
		require.NoError(t, SplitValues([]byte(in), func(v []byte) { got = append(got, string(v)) }), in)
		assert.Equal(t, want, got, in)
	}
	var got []string
	err := SplitValues([]byte(`{"a":1} {"b":`), func(v []byte) { got = append(got, string(v)) })
	var e *JSONError
	require.ErrorAs(t, err, &e)
	assert.True(t, e.Cut)
	assert.Equal(t, 13, e.At)
	assert.Equal(t, []string{`{"a":1}`}, got)
}

func TestIter(t *testing.T) {
	type pair struct{ name, value string }
	all := func(it Iter) (got []pair, err error) {
		for it.Next() {
			got = append(got, pair{string(it.Name), string(it.Value)})
		}
		return got, it.Err()
	}
	got, err := all(Members([]byte(` {"a" : 1 , "b\"":{"c":[]},"a":"x" } tail`)))
	require.NoError(t, err)
	assert.Equal(t, []pair{{"a", "1"}, {`b\"`, `{"c":[]}`}, {"a", `"x"`}}, got)
	got, err = all(Items([]byte(`[1,[2],{"x":3}]`)))
	require.NoError(t, err)
	assert.Equal(t, []pair{{"", "1"}, {"", "[2]"}, {"", `{"x":3}`}}, got)
	for in, n := range map[string]int{`{`: 0, `{"a":1,`: 1, `{"a":1,}`: 1, `{"a":1]`: 0, `{"a"}`: 0, `{"a":}`: 0, `[]`: 0, ``: 0, `{1:2}`: 0} {
		got, err = all(Members([]byte(in)))
		assert.Error(t, err, in)
		assert.Len(t, got, n, in)
	}
	got, err = all(Members([]byte(`{ }`)))
	assert.NoError(t, err)
	assert.Empty(t, got)

	m := Members([]byte(`{"ev\u0065nt":1}`))
	require.True(t, m.Next())
	assert.True(t, m.Is("event"))
	assert.False(t, m.Is("Event"))
	assert.False(t, m.Is(`ev\u0065nt!`))
}

func TestFindUnquote(t *testing.T) {
	in := []byte(`{"a":{"b":[1],"\u0062c":"x\n\"y\u00e9","b":2,"t":true,"n":null},"z":"plain"}`)
	var r record.Record
	v, ok := Find(in, "a", "b")
	require.True(t, ok)
	assert.Equal(t, `[1]`, string(v))
	assert.Equal(t, record.List, KindOf(v))
	assert.Nil(t, Unquote(&r, v))
	v, _ = Find(in, "a", "bc")
	assert.Equal(t, "x\n\"yé", string(Unquote(&r, v)))
	v, _ = Find(in, "z")
	assert.Equal(t, "plain", string(Unquote(&r, v)))
	v, _ = Find(in, "a", "t")
	assert.Equal(t, "true", string(Unquote(&r, v)))
	v, ok = Find(in, "a", "n")
	assert.True(t, ok)
	assert.Nil(t, Unquote(&r, v))
	for _, path := range [][]string{{"a", "x"}, {"z", "x"}, {"q"}, {"a", "b", "c"}} {
		_, ok = Find(in, path...)
		assert.False(t, ok, path)
	}
	v, ok = Find(in)
	assert.True(t, ok)
	assert.Equal(t, in, v)
}

// reference reads a text as encoding/json does, keeping numbers and order.
func reference(text []byte) (string, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var s strings.Builder
	var value func() error
	value = func() error {
		tok, err := d.Token()
		if err != nil {
			return err
		}
		switch v := tok.(type) {
		case json.Delim:
			s.WriteByte(byte(v))
			for i := 0; d.More(); i++ {
				if i > 0 {
					s.WriteByte(',')
				}
				if v == '{' {
					name, err := d.Token()
					if err != nil {
						return err
					}
					s.WriteString(strconv.Quote(name.(string)) + ":")
				}
				if err := value(); err != nil {
					return err
				}
			}
			s.WriteByte(byte(v) + 2)
			_, err = d.Token()
			return err
		case string:
			s.WriteString(strconv.Quote(v))
		case nil:
			s.WriteString("null")
		default:
			fmt.Fprint(&s, v)
		}
		return nil
	}
	if err := value(); err != nil {
		return "", err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return "", errors.New("more text")
	}
	return s.String(), nil
}

func depthOf(b []byte) int {
	depth, most, in := 0, 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case in && c == '\\':
			i++
		case c == '"':
			in = !in
		case !in && (c == '{' || c == '['):
			depth++
			most = max(most, depth)
		case !in && (c == '}' || c == ']'):
			depth--
		}
	}
	return most
}

// The same texts are accepted as by encoding/json, and give the same values; the
// tolerances are the byte order mark, the depth, and octets that are not UTF-8.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{opened, `[1,-2.5e+3,"a\u00e9\ud83d\ude00\n",true,null,{}]`, "\uFEFF{}", `{"a":1}{"b":2}`, `"\ud800\udc"`, "\"\xff\"", `[[[[]]]]`, "{\"a\":\"\x7f\u2028\"}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var r record.Record
		r.Reset()
		kept := bytes.Clone(text)
		err := JSON(&r, nil, text)
		require.Equal(t, kept, text)
		bare := bytes.TrimPrefix(text, []byte("\uFEFF"))
		valid := json.Valid(bare)
		if depthOf(bare) > MaxDepth {
			return
		}
		if valid != (err == nil) {
			t.Fatalf("encoding/json says %v, here %v: %q", valid, err, text)
		}
		_, skipErr := SkipValue(bare, 0)
		if err == nil {
			require.NoError(t, skipErr)
		}
		var parts int
		if err == nil {
			again := AppendCanonical(nil, bare)
			require.True(t, json.Valid(again), "%q", again)
			require.Equal(t, again, AppendCanonical(nil, again))
		}
		if splitErr := SplitValues(text, func(v []byte) {
			parts++
			require.True(t, json.Valid(v), "%q", v)
		}); err == nil {
			require.NoError(t, splitErr)
		}
		if err != nil {
			require.Empty(t, r.Fields)
			var e *JSONError
			require.ErrorAs(t, err, &e)
			require.LessOrEqual(t, e.At, len(text))
			require.Equal(t, e.At == len(text), e.Cut)
			return
		}
		for i := range r.Fields {
			f := &r.Fields[i]
			if f.Plain {
				for _, b := range [][]byte{f.Name, f.Text} {
					enc, _ := json.Marshal(string(b))
					if bytes.ContainsAny(b, "<>&") {
						continue // encoding/json escapes these for HTML
					}
					require.Equal(t, `"`+string(b)+`"`, string(enc))
				}
			}
		}
		if utf8.Valid(text) {
			want, refErr := reference(bare)
			require.NoError(t, refErr)
			require.Equal(t, want, render(&r, 0, len(r.Fields), false))
			require.Empty(t, r.Warnings)
		}
	})
}

func BenchmarkJSON(b *testing.B) {
	var r record.Record
	in := []byte(opened)
	b.Run("build", func(b *testing.B) {
		b.SetBytes(int64(len(in)))
		b.ReportAllocs()
		for b.Loop() {
			r.Reset()
			if err := JSON(&r, nil, in); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("skip", func(b *testing.B) {
		b.SetBytes(int64(len(in)))
		for b.Loop() {
			if _, err := SkipValue(in, 0); err != nil {
				b.Fatal(err)
			}
		}
	})
}
