package webhook

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/parsers/datatheorem"
)

func TestSplit(t *testing.T) {
	many := strings.Repeat(`{}`, mostPieces+1)
	deep := strings.Repeat("[", 100) + strings.Repeat("]", 100)
	for _, c := range []struct {
		split, body string
		want        []string
	}{
		{"", `{"a":1}`, []string{`{"a":1}`}},
		{"auto", "\uFEFF {\"a\":1} \n", []string{`{"a":1}`}},
		{"auto", `[{"a":1}, {"b":2}]`, []string{`{"a":1}`, `{"b":2}`}},
		{"auto", "{\"a\":1}\r\n\r\n{\"b\":2}\n", []string{`{"a":1}`, `{"b":2}`}},
		{"auto", `{"a":1}{"b":2} [{"c":3}]`, []string{`{"a":1}`, `{"b":2}`, `{"c":3}`}},
		{"auto", `[1,2]`, []string{`[1,2]`}},
		{"auto", `[{"a":1},2]`, []string{`[{"a":1},2]`}},
		{"auto", `[]`, nil},
		{"auto", "{\"a\":1}\n{\"b\":", []string{`{"a":1}`, `{"b":`}},
		{"auto", "[{\"a\":1},{\"b\":2}]\n and more \n", []string{`{"a":1}`, `{"b":2}`, "and more"}},
		{"auto", `[{"a":1},{"b":`, []string{`[{"a":1},{"b":`}},
		{"auto", `[2026] text`, []string{`[2026] text`}},
		{"auto", `{not JSON} {"a":1}`, []string{`{not JSON} {"a":1}`}},
		{"auto", "<13>line\n<14>line\n", []string{"<13>line\n<14>line\n"}},
		{"auto", `"text"`, []string{`"text"`}},
		{"auto", `12 13`, []string{`12 13`}},
		{"auto", many, []string{many}},
		{"auto", deep, []string{deep}},
		{"none", `[{"a":1},{"b":2}]`, []string{`[{"a":1},{"b":2}]`}},
		{"lines", "one\r\ntwo\n \n\nthree", []string{"one", "two", "three"}},
		{"lines", `[{"a":1},{"b":2}]`, []string{`[{"a":1},{"b":2}]`}},
	} {
		r := start(t, NewHub(), nil, func(cfg *Config) { cfg.Split = c.split })
		assert.Equal(t, 200, r.post(c.body).status)
		assert.Equal(t, c.want, r.texts(), "%.40q", c.body)
		assert.Equal(t, 400, r.post(" \r\n").status)
	}
}

// Whatever is sent stays: pieces hold the body's octets, in order, but for white space
// and what stands between the items of a list.
func FuzzPieces(f *testing.F) {
	for _, s := range []string{`{"a":1}{"b":2}`, `[{"a":1},{}] x`, "{\"a\":\n", "[1] {\"a\":2}", "\uFEFF{}", "text", "{}\xff"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		at, n := 0, 0
		pieces(body, func(p []byte) {
			i := bytes.Index(body[at:], p)
			require.GreaterOrEqual(t, i, 0)
			between := bytes.Trim(bytes.TrimPrefix(body[at:at+i], []byte("\uFEFF")), " \t\r\n[],\v\f\u0085\u00A0")
			require.Empty(t, between)
			at += i + len(p)
			n++
		})
		if n == 0 {
			require.Empty(t, bytes.Trim(body, "\uFEFF \t\r\n[]"))
		}
	})
}

func TestDedupe(t *testing.T) {
	r := start(t, NewHub(), nil, func(c *Config) { c.Dedupe = "x-github-delivery" })
	for range 3 {
		assert.Equal(t, 200, r.post(`[{"a":1},{"a":1}]`, "X-GitHub-Delivery", "one").status)
	}
	assert.Equal(t, []string{`{"a":1}`, `{"a":1}`}, r.texts(), "two events of one delivery are two")
	assert.Equal(t, 4, r.dupes)
	r.post(`{"a":1}`, "X-GitHub-Delivery", "two")
	r.post(`{"a":1}`)
	r.post(`{"a":1}`)
	assert.Len(t, r.texts(), 5, "without an id nothing is known of a delivery")

	vendor := start(t, NewHub(), datatheorem.Vendor.Hook, func(c *Config) { c.Dedupe = "X-Id" })
	vendor.post(envelope(1), "X-Id", "a")
	vendor.post(envelope(1), "X-Id", "b")
	assert.Len(t, vendor.texts(), 1, "the vendor knows better")
}
