package framing

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAppendLF(t *testing.T) {
	tests := []struct {
		msg, want string
		replaced  int
	}{
		{"ab", "ab\n", 0},
		{"ab\n", "ab\n", 0},
		{"a\nb", "a b\n", 1},
		{"\na\n\n", " a \n", 2},
		{"", "\n", 0},
	}
	for _, tt := range tests {
		out, replaced := AppendLF([]byte(">"), []byte(tt.msg))
		assert.Equal(t, ">"+tt.want, string(out), "%q", tt.msg)
		assert.Equal(t, tt.replaced, replaced, "%q", tt.msg)
	}
}

func TestAppendOctet(t *testing.T) {
	for msg, want := range map[string]string{
		"ab": "2 ab", "ab\n": "2 ab", "a\nb": "3 a\nb", "a ": "2 a ", "é": "2 é", "": "", "\n": "",
	} {
		assert.Equal(t, ">"+want, string(AppendOctet([]byte(">"), []byte(msg))), "%q", msg)
	}
}

func TestDatagram(t *testing.T) {
	tests := []struct {
		msg   string
		limit int
		want  string
		cut   bool
	}{
		{"abc", 3, "abc", false},
		{"abc\n", 3, "abc", false},
		{"abcd", 3, "abc", true},
		{"abé", 3, "ab", true},
		{"a🔥", 4, "a", true},
		{"a🔥", 5, "a🔥", false},
		{"🔥b", 4, "🔥", true},
		{"\x80\x80\x80\x80\x80", 4, "\x80\x80\x80\x80", true},
		{"a\nb", 8, "a\nb", false},
	}
	for _, tt := range tests {
		got, cut := Datagram([]byte(tt.msg), tt.limit)
		assert.Equal(t, tt.want, string(got), "%q", tt.msg)
		assert.Equal(t, tt.cut, cut, "%q", tt.msg)
	}
}

func TestTrimEnd(t *testing.T) {
	for datagram, want := range map[string]string{
		"a": "a", "a\n": "a", "a\r\n": "a", "a\x00": "a", "a\n\x00\n": "a", "\n": "", "": "", "a\nb\x00c ": "a\nb\x00c ",
	} {
		assert.Equal(t, want, string(TrimEnd([]byte(datagram))), "%q", datagram)
	}
}

// What the append functions write, a Reader reads back.
func FuzzAppend(f *testing.F) {
	f.Add([]byte("<13>1 - h a - - - hello"), []byte("a\nb"), uint8(4))
	f.Add([]byte("\n"), []byte("🔥🔥"), uint8(3))
	f.Fuzz(func(t *testing.T, a, b []byte, limit uint8) {
		stripped := func(msg []byte) []byte { return bytes.TrimSuffix(msg, []byte("\n")) }
		var counted []byte
		var want []message
		for _, msg := range [][]byte{a, b} {
			counted = AppendOctet(counted, msg)
			if s := stripped(msg); len(s) > 0 {
				want = append(want, message{string(s), len(s)})
			}
		}
		for _, mode := range []Mode{OctetCounting, Auto} {
			require.Equal(t, stream{messages: want}, decode(t, mode, len(a)+len(b)+1, counted, whole))
		}

		line, replaced := AppendLF(nil, a)
		require.Equal(t, bytes.Count(stripped(a), []byte("\n")), replaced)
		require.Equal(t, 1, bytes.Count(line, []byte("\n")))
		require.Equal(t, strings.ReplaceAll(string(stripped(a)), "\n", " ")+"\n", string(line))

		d, cut := Datagram(a, int(limit))
		require.True(t, bytes.HasPrefix(a, d))
		require.LessOrEqual(t, len(d), int(limit))
		require.Equal(t, len(stripped(a)) > int(limit), cut)
		if utf8.Valid(a) {
			require.True(t, utf8.Valid(d))
		}
		require.True(t, bytes.HasPrefix(a, TrimEnd(a)))
	})
}
