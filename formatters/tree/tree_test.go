package tree_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/siemfwd/siemfwd/formatters/tree"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

func safe(s string) string { return string(tree.Safe.Append(nil, []byte(s))) }

func TestSafeNumbers(t *testing.T) {
	for in, want := range map[string]string{
		"0": "0", "-0": "-0", "17": "17", "1.50": "1.50",
		"9007199254740991": "9007199254740991", "9007199254740992": `"9007199254740992"`, "-9007199254740991": "-9007199254740991",
		"-9223372036854775808": `"-9223372036854775808"`, "123456789012345678901234567890.5": "123456789012345678901234567890.5",
		"1e20": "100000000000000000000", "1E+20": "100000000000000000000", "1e21": "1e21", "-12.5e1": "-125", "1.5e3": "1500", "1.2345e2": "123.45",
		"1e-3": "0.001", "-1.50e-2": "-0.015", "0e5": "0", "-0.00E-9": "0", "1e400": `"1e400"`, "1e-400": "1e-400",
		"0.00001e5": "1", "100e-2": "1", "1e99999999999999999999": `"1e99999999999999999999"`,
	} {
		assert.Equal(t, want, safe(in), in)
		assert.Equal(t, in, string(tree.AsSent.Append(nil, []byte(in))))
	}
}

// What is written out is the same number.
func TestSafeNumbersKeepTheirValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.StringMatching(`-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,8})?([eE][+-]?[0-9]{1,2})?`).Draw(t, "number")
		out := safe(in)
		require.True(t, json.Valid([]byte(out)), "%s: %s", in, out)
		plain := strings.Trim(out, `"`)
		want, ok := new(big.Rat).SetString(in)
		require.True(t, ok)
		got, ok := new(big.Rat).SetString(plain)
		require.True(t, ok, "%s: %s", in, out)
		require.Zero(t, want.Cmp(got), "%s: %s", in, out)
	})
}

func build(t *testing.T, object string) []record.Field {
	t.Helper()
	var r record.Record
	d := json.NewDecoder(strings.NewReader(object))
	d.UseNumber()
	_, err := d.Token()
	require.NoError(t, err)
	add(t, &r, d, true)
	return r.Fields
}

func add(t *testing.T, r *record.Record, d *json.Decoder, named bool) {
	for d.More() {
		var name []byte
		if named {
			key, err := d.Token()
			require.NoError(t, err)
			name = []byte(key.(string))
		}
		v, err := d.Token()
		require.NoError(t, err)
		switch v := v.(type) {
		case json.Delim:
			kind := record.List
			if v == '{' {
				kind = record.Map
			}
			r.Open(name, kind)
			add(t, r, d, kind == record.Map)
			r.Close()
		case nil:
			r.Add(name, record.Null, nil)
		case string:
			r.Add(name, record.String, []byte(v))
		case json.Number:
			r.Add(name, record.Number, []byte(v))
		default:
			r.Add(name, record.Bool, fmt.Append(nil, v))
		}
	}
	_, err := d.Token()
	require.NoError(t, err)
}

func TestFlat(t *testing.T) {
	in := `{"user":{"name":"bob","id":7,"x.y":{"z":true}},"none":null,"empty":"","list":["a",2,null,"",{"b":[1e2]},[1,[]]],` +
		`"nothing":[null,{},""],"map":{},"a":{"b":1},"a.b":2,"":"nameless"," ":"blank","user.name":"second"}`
	flat := tree.Flat{Joint: '.'}
	out, cut := flat.Append([]byte("kept"), `,"fields":`, build(t, in))
	assert.False(t, cut)
	assert.Equal(t, `kept,"fields":{"user.name":"bob","user.id":"7","user.x.y.z":"true","list":["a","2","{\"b\":[100]}","[1,[]]"],"a.b":"1","_":"nameless"}`, string(out))

	labels := tree.Flat{Joint: '_', Dot: '_', Max: 5}
	out, cut = labels.Append(nil, "", build(t, `{"a.b..c":"1234é6","a":{"b.":["too long for it"]}}`))
	assert.True(t, cut)
	assert.Equal(t, `{"a_b__c":"1234","a_b_":["too l"]}`, string(out))

	out, _ = flat.Append([]byte("kept"), `,"fields":`, build(t, `{"a":null,"b":[],"c":{"d":""}}`))
	assert.Equal(t, "kept", string(out), "no value, no object")
}

func TestFlatHoldsWithMuchAndDeep(t *testing.T) {
	var r record.Record
	for i := range 1000 {
		r.Add(fmt.Appendf(nil, "f%d", i), record.String, []byte("v"))
	}
	flat := tree.Flat{Joint: '.'}
	out, cut := flat.Append(nil, "", r.Fields)
	assert.True(t, cut)
	var got map[string]string
	require.NoError(t, json.Unmarshal(out, &got))
	assert.Len(t, got, 512)

	r.Reset()
	for range 200 {
		r.Open([]byte("d"), record.Map)
	}
	r.Add([]byte("leaf"), record.String, []byte("v"))
	for range 200 {
		r.Close()
	}
	out, _ = flat.Append(nil, "", r.Fields)
	require.NoError(t, json.Unmarshal(out, &got))
	assert.Contains(t, string(out), `leaf`)

	fields := build(t, `{"user":{"name":"bob","list":["a",{"b":1}]}}`)
	buf := make([]byte, 0, 1024)
	assert.Zero(t, testing.AllocsPerRun(100, func() { buf, _ = flat.Append(buf[:0], "", fields) }))
}

// Whatever the names and values are, the object is JSON, flat, and names nothing twice.
func FuzzFlat(f *testing.F) {
	f.Add(`{"a":{"b":1},"a.b":2}`, uint8(0))
	f.Add(`{"\u0000":["\ud800",1e400],"_":"x","":{"":{"":1}}}`, uint8(3))
	f.Fuzz(func(t *testing.T, object string, limit uint8) {
		if !json.Valid([]byte(object)) || !strings.HasPrefix(strings.TrimSpace(object), "{") {
			return
		}
		flat := tree.Flat{Joint: '_', Dot: '_', Max: int(limit)}
		out, _ := flat.Append(nil, "", build(t, object))
		if len(out) == 0 {
			return
		}
		require.True(t, utf8.Valid(out))
		d := json.NewDecoder(strings.NewReader(string(out)))
		_, err := d.Token()
		require.NoError(t, err)
		seen := map[string]bool{}
		for d.More() {
			key, err := d.Token()
			require.NoError(t, err)
			require.False(t, seen[key.(string)], "%q twice", key)
			seen[key.(string)] = true
			var v any
			require.NoError(t, d.Decode(&v))
			switch v := v.(type) {
			case string:
			case []any:
				for _, item := range v {
					require.IsType(t, "", item)
				}
			default:
				t.Fatalf("%T", v)
			}
		}
	})
}
