package framing

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// relpText is a frame as the tests compare it.
type relpText struct {
	txnr          uint32
	command, data string
	size          int
}

// relpStream is what came out of one stream: its frames and the kind of its error.
type relpStream struct {
	frames []relpText
	kind   Kind
}

// decodeRELP runs a RELPReader as a connection does: pieces of the input go behind what
// is left in a buffer of Max+RELPOverhead octets.
func decodeRELP(t testing.TB, limit int, input []byte, piece func(off int) int) (s relpStream) {
	t.Helper()
	r := RELPReader{Max: limit}
	buf := make([]byte, 0, limit+RELPOverhead)
	used, off := 0, 0
	for off < len(input) {
		room := cap(buf) - len(buf)
		require.Positive(t, room, "the buffer is full and the reader does not go on")
		k := min(piece(off), room, len(input)-off)
		buf = append(buf, input[off:off+k]...)
		off += k
		for {
			f, n, err := r.Next(buf)
			require.LessOrEqual(t, n, len(buf))
			if err != nil {
				require.Empty(t, f)
				_, again, sticky := r.Next(buf)
				require.Zero(t, again)
				require.Equal(t, err, sticky)
				require.Equal(t, err, r.End(buf))
				s.kind = kindOf(t, err)
				return s
			}
			used += n
			if f.Command != nil {
				require.Equal(t, min(f.Size, limit), len(f.Data))
				s.frames = append(s.frames, relpText{f.TXNR, string(f.Command), string(f.Data), f.Size})
			}
			buf = buf[:copy(buf[:cap(buf)], buf[n:])]
			if f.Command == nil {
				break
			}
		}
		require.Equal(t, off, used+len(buf), "octets are used up twice or not at all")
	}
	if err := r.End(buf); err != nil {
		s.kind = kindOf(t, err)
	}
	return s
}

func TestRELPReader(t *testing.T) {
	const limit = 32
	long := strings.Repeat("x", 3*limit)
	letters := strings.Repeat("abcdefgH", 4)
	tests := []struct {
		name  string
		input string
		want  []relpText
		kind  Kind
	}{
		{"nothing", "", nil, ""},
		{"message", "2 syslog 5 <14>a\n", []relpText{{2, "syslog", "<14>a", 5}}, ""},
		{"two", "2 syslog 1 a\n3 syslog 3 b\nc\n", []relpText{{2, "syslog", "a", 1}, {3, "syslog", "b\nc", 3}}, ""},
		{"no data", "3 close 0\n", []relpText{{3, "close", "", 0}}, ""},
		{"no data, a space", "3 close 0 \n", []relpText{{3, "close", "", 0}}, ""},
		{"hint", "0 serverclose 0\n", []relpText{{0, "serverclose", "", 0}}, ""},
		{"answer", "1 rsp 6 200 OK\n", []relpText{{1, "rsp", "200 OK", 6}}, ""},
		{"any octets", "9 syslog 4 \x00\xff\n \n", []relpText{{9, "syslog", "\x00\xff\n ", 4}}, ""},
		{"last number", "999999999 syslog 1 a\n1 syslog 1 b\n", []relpText{{999999999, "syslog", "a", 1}, {1, "syslog", "b", 1}}, ""},
		{"leading zeros", "000000002 rsp 000000001 a\n", []relpText{{2, "rsp", "a", 1}}, ""},
		{"longest command", "1 " + letters + " 0\n", []relpText{{1, letters, "", 0}}, ""},
		{"command too long", "1 " + letters + "a 0\n", nil, BadFrame},
		{"command with a digit", "1 rsp2 0\n", nil, BadFrame},
		{"no command", "1  0\n", nil, BadFrame},
		{"no number", " rsp 0\n", nil, BadFrame},
		{"ten digits", "1000000000 rsp 0\n", nil, BadFrame},
		{"ten digits of length", "1 rsp 0000000001 a\n", nil, BadFrame},
		{"a line", "<14>hello\n", nil, BadFrame},
		{"octet counting", "5 <14>a", nil, BadFrame},
		{"LF before the frame", "\n1 rsp 0\n", nil, BadFrame},
		{"LF too early", "1 rsp 4 200\n2 rsp 0\n", nil, BadFrame},
		{"LF too late", "1 rsp 3 200 \n", nil, BadFrame},
		{"CR LF", "1 rsp 3 200\r\n", nil, BadFrame},
		{"length without data", "1 rsp 3\n", nil, BadFrame},
		{"no length", "1 rsp \n", nil, BadFrame},
		{"good, then bad", "1 rsp 1 a\nx", []relpText{{1, "rsp", "a", 1}}, BadFrame},
		{"limit", "1 syslog 32 " + long[:32] + "\n", []relpText{{1, "syslog", long[:32], 32}}, ""},
		{"limit + 1", "1 syslog 33 " + long[:33] + "\n2 rsp 0\n", []relpText{{1, "syslog", long[:32], 33}, {2, "rsp", "", 0}}, ""},
		{"three times the limit", "1 syslog 96 " + long + "\n2 rsp 0\n", []relpText{{1, "syslog", long[:32], 96}, {2, "rsp", "", 0}}, ""},
		{"three times the limit, no LF", "1 syslog 96 " + long + "x\n", nil, BadFrame},
		{"longest header", "999999999 " + letters + " 000000096 " + long + "\n", []relpText{{999999999, letters, long[:32], 96}}, ""},
		{"half a number", "12", nil, IncompleteFrame},
		{"half a command", "12 sys", nil, IncompleteFrame},
		{"half a length", "12 syslog 1", nil, IncompleteFrame},
		{"half the data", "12 syslog 10 abc", nil, IncompleteFrame},
		{"no LF", "12 syslog 3 abc", nil, IncompleteFrame},
		{"half of long data", "12 syslog 96 " + long[:60], nil, IncompleteFrame},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := relpStream{tt.want, tt.kind}
			for size := 1; size <= len(tt.input)+1; size++ {
				got := decodeRELP(t, limit, []byte(tt.input), func(int) int { return size })
				require.Equal(t, want, got, "in pieces of %d", size)
			}
		})
	}
}

func TestRELPErrorText(t *testing.T) {
	for input, want := range map[string]string{
		"<14>a\n":           `bad_frame: "<14>a\n"`,
		"1 rsp 3 200 OK\n":  `bad_frame: "1 rsp 3 200 OK\n"`,
		"12 syslog 10 abc":  `incomplete_frame: 3 of 10 octets: "12 syslog 10 abc"`,
		"12 sys":            `incomplete_frame: "12 sys"`,
		"1 syslog 80 abcde": `incomplete_frame: 5 of 80 octets: "abcd"`,
	} {
		r := RELPReader{Max: 4}
		if strings.Contains(want, "of 10") {
			r.Max = 40
		}
		_, n, err := r.Next([]byte(input))
		if err == nil {
			err = r.End([]byte(input)[n:])
		}
		require.EqualError(t, err, want)
	}
}

func TestAppendRELP(t *testing.T) {
	for _, tt := range []struct {
		txnr          uint32
		command, data string
		want          string
	}{
		{2, "syslog", "<13>1 - h a - - - hello", "2 syslog 23 <13>1 - h a - - - hello\n"},
		{3, "syslog", "a\nb", "3 syslog 3 a\nb\n"},
		{4, "syslog", "a\n", "4 syslog 1 a\n"},
		{5, "syslog", "", "5 syslog 0\n"},
		{999_999_999, "rsp", "200 OK", "999999999 rsp 6 200 OK\n"},
		{0, "serverclose", "", "0 serverclose 0\n"},
	} {
		assert.Equal(t, ">"+tt.want, string(AppendRELP([]byte(">"), tt.txnr, tt.command, []byte(tt.data))))
	}
}

func TestNextTXNR(t *testing.T) {
	assert.Equal(t, uint32(1), NextTXNR(0))
	assert.Equal(t, uint32(2), NextTXNR(1))
	assert.Equal(t, uint32(999_999_999), NextTXNR(999_999_998))
	assert.Equal(t, uint32(1), NextTXNR(999_999_999))
}

func TestRELPAllocatesNothing(t *testing.T) {
	message := bytes.Repeat([]byte("<14>Aug 15 16:58:16 host app: message "), 24)
	buf := make([]byte, 0, 64*(len(message)+RELPOverhead))
	found := 0
	assert.Zero(t, testing.AllocsPerRun(10, func() {
		buf = buf[:0]
		for txnr := range uint32(50) {
			buf = AppendRELP(buf, txnr+999_999_900, "syslog", message)
		}
		r := RELPReader{Max: 1 << 20}
		for b := buf; ; found++ {
			f, n, err := r.Next(b)
			if err != nil || f.Command == nil {
				break
			}
			b = b[n:]
		}
	}))
	assert.Equal(t, 11*50, found)
}

var relpShape = regexp.MustCompile(`^([0-9]{1,9}) ([A-Za-z]{1,32}) ([0-9]{1,9})( |\n)`)

// modelRELP reads a stream from its whole text, as the package's words describe it.
func modelRELP(limit int, in []byte) (s relpStream) {
	for len(in) > 0 {
		m := relpShape.FindSubmatch(in)
		if m == nil {
			s.kind = BadFrame
			for _, fill := range []string{"0 a 1 ", " a 1 ", "a 1 ", " 1 ", "1 ", " "} {
				if relpShape.Match(append(bytes.Clone(in), fill...)) {
					s.kind = IncompleteFrame
				}
			}
			return s
		}
		size, _ := strconv.Atoi(string(m[3]))
		txnr, _ := strconv.Atoi(string(m[1]))
		data := in[len(m[0]):]
		if m[4][0] == '\n' {
			if size > 0 {
				s.kind = BadFrame
				return s
			}
			data = in[len(m[0])-1:]
		}
		switch {
		case len(data) <= size:
			s.kind = IncompleteFrame
			return s
		case data[size] != '\n':
			s.kind = BadFrame
			return s
		}
		s.frames = append(s.frames, relpText{uint32(txnr), string(m[2]), string(data[:min(size, limit)]), size})
		in = data[size+1:]
	}
	return s
}

func FuzzRELPReader(f *testing.F) {
	for _, seed := range []string{
		"1 open 44 relp_version=0\nrelp_software=x\ncommands=syslog\n2 syslog 5 <14>a\n3 syslog 3 b\nc\n4 close 0\n",
		"1 rsp 6 200 OK\n2 rsp 9 500 never\n0 serverclose 0\n", "1 syslog 96 " + strings.Repeat("x", 96) + "\n",
		"999999999 " + strings.Repeat("a", 32) + " 999999999 x", "1  0\n", "0000000000 a 0\n", "1 a 0 \n1 a 3\n", "7 syslog 2 ab",
	} {
		f.Add([]byte(seed), uint8(20), uint16(3))
		f.Add([]byte(seed), uint8(90), uint16(1))
	}
	f.Fuzz(func(t *testing.T, input []byte, limit uint8, seed uint16) {
		most := int(limit) + 1
		want := modelRELP(most, input)
		require.Equal(t, want, decodeRELP(t, most, input, whole))
		piece := func(off int) int { return 1 + (off*int(seed)+int(seed>>3))%17 }
		require.Equal(t, want, decodeRELP(t, most, input, piece))
		var again []byte
		for _, f := range want.frames {
			again = AppendRELP(again, f.txnr, f.command, []byte(f.data+"\n"))
		}
		for i := range want.frames {
			want.frames[i].size = len(want.frames[i].data)
		}
		require.Equal(t, want.frames, decodeRELP(t, most, again, whole).frames)
	})
}

func BenchmarkRELP(b *testing.B) {
	message := []byte("<14>" + strings.Repeat("x", 896))
	var buf []byte
	for i := range uint32(256) {
		buf = AppendRELP(buf, 123_456+i, "syslog", message)
	}
	b.Run("read", func(b *testing.B) {
		b.SetBytes(int64(len(message)))
		b.ReportAllocs()
		r := RELPReader{Max: 1 << 20}
		rest := buf
		for b.Loop() {
			f, n, err := r.Next(rest)
			if err != nil || f.Command == nil {
				b.Fatal(fmt.Sprint("no frame: ", err))
			}
			if rest = rest[n:]; len(rest) == 0 {
				rest = buf
			}
		}
	})
	b.Run("append", func(b *testing.B) {
		b.SetBytes(int64(len(message)))
		b.ReportAllocs()
		out := make([]byte, 0, len(buf))
		for b.Loop() {
			out = AppendRELP(out[:0], 123_456, "syslog", message)
		}
	})
}
