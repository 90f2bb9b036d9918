package kit_test

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/parsers/kit"
)

func TestReadSamples(t *testing.T) {
	fs := fstest.MapFS{
		"samples/b.txtar": {Data: []byte("What it shows.\nMore.\n-- raw --\none line\n-- record --\n{}\n")},
		"samples/a.txtar": {Data: []byte("Octets.\n-- raw.hex --\n00 ff\n0d0A\n")},
		"samples/c.md":    {Data: []byte("no sample")},
	}
	all, err := kit.ReadSamples(kit.Vendor{Name: "v", Samples: fs})
	require.NoError(t, err)
	require.Len(t, all, 2)
	assert.Equal(t, kit.Sample{Name: "a", Comment: "Octets.", Raw: []byte{0, 0xff, '\r', '\n'}, Sections: map[string]string{}}, all[0])
	assert.Equal(t, kit.Sample{Name: "b", Comment: "What it shows.", Raw: []byte("one line"), Sections: map[string]string{"record": "{}\n"}}, all[1])

	for _, bad := range []string{"no event\n-- record --\n{}\n", "odd\n-- raw.hex --\n0\n"} {
		_, err = kit.ReadSamples(kit.Vendor{Name: "v", Samples: fstest.MapFS{"samples/x.txtar": {Data: []byte(bad)}}})
		assert.ErrorContains(t, err, "v: samples/x.txtar: ")
	}
	all, err = kit.ReadSamples(kit.Vendor{Name: "v"})
	assert.NoError(t, err)
	assert.Empty(t, all)
}

func TestWords(t *testing.T) {
	words := map[string]int{"": 1, "a": 2, "b": 3}
	for i := range 500 {
		words[string(rune('a'+i%26))+string(rune('a'+i/26))] = i + 10
	}
	w := kit.NewWords(words)
	for text, want := range words {
		got, ok := w.Find([]byte(text))
		if text == "" {
			assert.False(t, ok)
			continue
		}
		assert.True(t, ok, text)
		assert.Equal(t, want, got, text)
	}
	for _, text := range []string{"A", "zzz", "ab ", "\x00"} {
		_, ok := w.Find([]byte(text))
		assert.False(t, ok, text)
	}
	var none kit.Words[int]
	_, ok := none.Find([]byte("a"))
	assert.False(t, ok)
}
