package framing

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type message struct {
	text string
	size int
}

// stream is what came out of one stream: its messages and the kind of its error.
type stream struct {
	messages []message
	kind     Kind
}

// decode runs a Reader as a connection does: pieces of the input go behind what is left
// in a buffer of Max+Overhead octets. piece gives the size of the piece at an offset.
func decode(t testing.TB, mode Mode, limit int, input []byte, piece func(off int) int) stream {
	t.Helper()
	r := Reader{Mode: mode, Max: limit}
	buf := make([]byte, 0, limit+Overhead)
	var s stream
	add := func(f Frame) {
		require.LessOrEqual(t, len(f.Data), limit)
		require.GreaterOrEqual(t, f.Size, len(f.Data))
		if f.Size > len(f.Data) {
			require.Len(t, f.Data, limit)
		}
		s.messages = append(s.messages, message{string(f.Data), f.Size})
	}
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
			if f.Data != nil && f.Size == len(f.Data) {
				require.True(t, within(f.Data, buf[:n]), "a message that is not in the octets used up")
			}
			used += n
			if err != nil {
				require.Empty(t, f)
				again, k, sticky := r.Next(buf)
				require.Empty(t, again)
				require.Zero(t, k)
				require.Equal(t, err, sticky)
				s.kind = kindOf(t, err)
				return s
			}
			if f.Data != nil {
				add(f)
			}
			buf = buf[:copy(buf[:cap(buf)], buf[n:])]
			if f.Data == nil {
				break
			}
		}
		require.Equal(t, off, used+len(buf), "octets are used up twice or not at all")
	}
	f, err := r.End(buf)
	if err != nil {
		s.kind = kindOf(t, err)
		return s
	}
	if f.Data != nil {
		add(f)
	}
	return s
}

func kindOf(t testing.TB, err error) Kind {
	var e *Error
	require.ErrorAs(t, err, &e)
	require.ErrorIs(t, err, e.Kind)
	require.LessOrEqual(t, len(e.Sample), 40)
	require.True(t, strings.HasPrefix(err.Error(), string(e.Kind)+": "), err.Error())
	return e.Kind
}

// within reports whether sub is a part of the array behind b.
func within(sub, b []byte) bool {
	if len(sub) == 0 {
		return true
	}
	start := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	at := uintptr(unsafe.Pointer(unsafe.SliceData(sub)))
	return at >= start && at+uintptr(len(sub)) <= start+uintptr(len(b))
}

func whole(int) int { return 1 << 30 }

func TestReader(t *testing.T) {
	const limit = 32
	long := strings.Repeat("x", 3*limit)
	tests := []struct {
		name  string
		mode  Mode
		input string
		want  []message
		kind  Kind
	}{
		{"nothing", Auto, "", nil, ""},
		{"one line", Auto, "<14>a\n", []message{{"<14>a", 5}}, ""},
		{"PRI alone", Auto, "<14>\n", []message{{"<14>", 4}}, ""},
		{"empty lines are no messages", Auto, "\n\r\n\x00\nab\n\n\n", []message{{"ab", 2}}, ""},
		{"one CR belongs to the trailer", LF, "ab\r\r\n", []message{{"ab\r", 3}}, ""},
		{"a CR inside stays", LF, "a\rb\n", []message{{"a\rb", 3}}, ""},
		{"a CR before NUL stays", LF, "ab\r\x00", []message{{"ab\r", 3}}, ""},
		{"a CR at the end of the stream goes", LF, "ab\r", []message{{"ab", 2}}, ""},
		{"NUL in a line ends it", LF, "ab\x00cd\n", []message{{"ab", 2}, {"cd", 2}}, ""},
		{"NUL and LF end one line", LF, "ab\x00\ncd\x00\n", []message{{"ab", 2}, {"cd", 2}}, ""},
		{"spaces stay", LF, "  ab  \n", []message{{"  ab  ", 6}}, ""},
		{"not UTF-8", Auto, "\xff\xfe\n", []message{{"\xff\xfe", 2}}, ""},
		{"mixed", Auto, "2 abcd\n3 e\nf\nghi", []message{{"ab", 2}, {"cd", 2}, {"e\nf", 3}, {"ghi", 3}}, ""},
		{"counted NUL", Auto, "3 a\x00b1 \x00", []message{{"a\x00b", 3}, {"\x00", 1}}, ""},
		{"LF after a counted frame", OctetCounting, "1 a\n1 b\r\n1 c\x001 d\n", []message{{"a", 1}, {"b", 1}, {"c", 1}, {"d", 1}}, ""},
		{"date in auto", Auto, "2023-11-14 x\n", []message{{"2023-11-14 x", 12}}, ""},
		{"date in octet counting", OctetCounting, "2023-11-14 x\n", nil, BadFrameLength},
		{"digits and LF in auto", Auto, "123\n00\n", []message{{"123", 3}, {"00", 2}}, ""},
		{"digits at the end in auto", Auto, "0123", []message{{"0123", 4}}, ""},
		{"digits at the end in octet counting", OctetCounting, "12", nil, IncompleteFrame},
		{"head only", Auto, "12 ", nil, IncompleteFrame},
		{"half a frame after whole ones", Auto, "a\n1 b12 xyz", []message{{"a", 1}, {"b", 1}}, IncompleteFrame},
		{"zero", Auto, "0 ", nil, BadFrameLength},
		{"leading zero in octet counting", OctetCounting, "01 a", nil, BadFrameLength},
		{"time of day in auto", Auto, "05:22:10 up\n", []message{{"05:22:10 up", 11}}, ""},
		{"minus in auto is text", Auto, "-1 x\n", []message{{"-1 x", 4}}, ""},
		{"minus in octet counting", OctetCounting, "-1 x", nil, BadFrameLength},
		{"plus in octet counting", OctetCounting, "+1 x", nil, BadFrameLength},
		{"PRI in octet counting", OctetCounting, "<14>x\n", nil, BadFrameLength},
		{"ten digits", Auto, "9999999999 x", nil, FrameTooLarge},
		{"eleven digits", Auto, "99999999999 x", nil, BadFrameLength},
		{"eleven digits in octet counting", OctetCounting, "99999999999 x", nil, BadFrameLength},
		{"eleven digits at the end", Auto, "99999999999", nil, BadFrameLength},
		{"twenty-five digits", Auto, "9999999999999999999999999 x", nil, BadFrameLength},
		{"long number that is no length", Auto, "20231114221320.123 x\n", []message{{"20231114221320.123 x", 20}}, ""},
		{"limit counted", Auto, "32 " + long[:32], []message{{long[:32], 32}}, ""},
		{"limit counted + 1", Auto, "33 " + long[:33], nil, FrameTooLarge},
		{"limit - 1", Auto, long[:31] + "\n", []message{{long[:31], 31}}, ""},
		{"limit", Auto, long[:32] + "\r\n", []message{{long[:32], 32}}, ""},
		{"limit + 1", Auto, long[:33] + "\na\n", []message{{long[:32], 33}, {"a", 1}}, ""},
		{"limit + 1 with CR", LF, long[:33] + "\r\na\n", []message{{long[:32], 33}, {"a", 1}}, ""},
		{"three times the limit", Auto, long + "\na\n", []message{{long[:32], 96}, {"a", 1}}, ""},
		{"over the limit, NUL", Auto, long + "\x00a\n", []message{{long[:32], 96}, {"a", 1}}, ""},
		{"over the limit, end", Auto, long, []message{{long[:32], 96}}, ""},
		{"the rest is never an event", Auto, long + "5 hello<14>\nb\n", []message{{long[:32], 107}, {"b", 1}}, ""},
		{"digits over the limit", Auto, strings.Repeat("7", 40) + " x\nb\n", []message{{strings.Repeat("7", 32), 42}, {"b", 1}}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := stream{tt.want, tt.kind}
			for size := 1; size <= len(tt.input)+1; size++ {
				assert.Equal(t, want, decode(t, tt.mode, limit, []byte(tt.input), func(int) int { return size }), "in pieces of %d", size)
			}
			for at := range len(tt.input) {
				cut := func(off int) int {
					if off == 0 && at > 0 {
						return at
					}
					return len(tt.input)
				}
				assert.Equal(t, want, decode(t, tt.mode, limit, []byte(tt.input), cut), "split at %d", at)
			}
		})
	}
}

// A stream without an end to any line must not make the reader look at the same octets
// again and again. The count of steps is bounded by looking at how much it remembers.
func TestReaderRemembersWhatItLookedAt(t *testing.T) {
	for _, fill := range []string{"x", "7"} {
		r := Reader{Max: 1 << 20}
		buf := []byte(strings.Repeat(fill, 4096))
		_, n, err := r.Next(buf)
		require.NoError(t, err)
		require.Zero(t, n)
		if fill == "7" {
			assert.Equal(t, 4096, r.digits)
		} else {
			assert.Equal(t, [2]int{4096, 4096}, [2]int{r.lf, r.nul})
		}
	}
	// Many NULs, one LF far away: the LF is looked for once.
	r := Reader{Max: 1 << 20}
	buf := []byte(strings.Repeat("x\x00", 2048) + "\n")
	f, n, err := r.Next(buf)
	require.NoError(t, err)
	assert.Equal(t, Frame{Data: []byte("x"), Size: 1}, f)
	assert.Equal(t, 2, n)
	assert.Equal(t, 4096-2, r.lf)
}

func TestErrorText(t *testing.T) {
	for input, want := range map[string]string{
		"05 hello":     `bad_frame_length: "05 hello"`,
		"99999999 <1>": `frame_too_large: a frame of 99999999 octets: "99999999 <1>"`,
		"46 <13>x":     `incomplete_frame: 5 of 46 octets: "46 <13>x"`,
		"46 ":          `incomplete_frame: 0 of 46 octets: "46 "`,
	} {
		r := Reader{Max: 1 << 20}
		_, n, err := r.Next([]byte(input))
		if err == nil {
			_, err = r.End([]byte(input)[n:])
		}
		require.EqualError(t, err, want)
		var e *Error
		require.True(t, errors.As(err, &e))
	}
}

func TestParseMode(t *testing.T) {
	for _, m := range []Mode{Auto, LF, OctetCounting} {
		got, ok := ParseMode(m.String())
		assert.True(t, ok)
		assert.Equal(t, m, got)
	}
	_, ok := ParseMode("")
	assert.False(t, ok)
}

func TestReaderAllocatesNothing(t *testing.T) {
	line := strings.Repeat("<14>Aug 15 16:58:16 host app: message ", 24)
	for name, input := range map[string]string{
		"lf":      strings.Repeat(line+"\r\n", 50),
		"counted": strings.Repeat(fmt.Sprintf("%d %s", len(line), line), 50),
		"nul":     strings.Repeat(line+"\x00", 50),
	} {
		t.Run(name, func(t *testing.T) {
			buf := []byte(input)
			found := 0
			assert.Zero(t, testing.AllocsPerRun(10, func() {
				r := Reader{Max: 1 << 20}
				for b := buf; ; {
					f, n, err := r.Next(b)
					if err != nil || f.Data == nil {
						break
					}
					b = b[n:]
					found++
				}
			}))
			assert.Equal(t, 11*50, found)
		})
	}
}

// model reads a stream from its whole text, as the package's words describe it.
func model(mode Mode, limit int, in []byte) (s stream) {
	put := func(line []byte) {
		if len(line) > 0 {
			s.messages = append(s.messages, message{string(line[:min(limit, len(line))]), len(line)})
		}
	}
	for len(in) > 0 {
		digits := len(in) - len(bytes.TrimLeft(in, "0123456789"))
		tooMany := digits > max(limit, 11)
		space := digits < len(in) && in[digits] == ' '
		isCounted := mode == OctetCounting || mode == Auto && digits > 0 && !tooMany && (space || digits == len(in) && digits > 10)
		if mode == OctetCounting && bytes.IndexByte([]byte("\r\n\x00"), in[0]) >= 0 {
			in = in[1:]
			continue
		}
		if !isCounted {
			end := bytes.IndexAny(in, "\n\x00")
			if end < 0 {
				put(bytes.TrimSuffix(in, []byte("\r")))
				return s
			}
			if in[end] == '\n' {
				put(bytes.TrimSuffix(in[:end], []byte("\r")))
			} else {
				put(in[:end])
			}
			in = in[end+1:]
			continue
		}
		switch {
		case digits == 0 || digits > 10 || in[0] == '0' || !space && digits < len(in):
			s.kind = BadFrameLength
			return s
		case !space:
			s.kind = IncompleteFrame
			return s
		}
		var length int
		fmt.Sscan(string(in[:digits]), &length)
		switch {
		case length > limit:
			s.kind = FrameTooLarge
			return s
		case len(in) < digits+1+length:
			s.kind = IncompleteFrame
			return s
		}
		put(in[digits+1 : digits+1+length])
		in = in[digits+1+length:]
	}
	return s
}

func FuzzReader(f *testing.F) {
	for _, seed := range []string{
		"46 <13>1 2023-11-14T22:13:20.123Z h a - - - hello<13>1 - h a - - - x\n",
		"-1 x", "99999999999 x", "<14>", "<14>Nov 20 10:11:12 h", "05 hello", "2023-11-14 something\n",
		"a\x00b\r\n\r\n3 a\nb\n12", strings.Repeat("x", 100) + "\n7 ", strings.Repeat("1", 70), "\xff\x00\n1 \n",
	} {
		f.Add([]byte(seed), uint8(0), uint8(20), uint16(3))
		f.Add([]byte(seed), uint8(1), uint8(40), uint16(5))
		f.Add([]byte(seed), uint8(2), uint8(60), uint16(1))
	}
	f.Fuzz(func(t *testing.T, input []byte, mode, limit uint8, seed uint16) {
		m, most := Mode(mode%3), int(limit)+1
		want := model(m, most, input)
		require.Equal(t, want, decode(t, m, most, input, whole))
		piece := func(off int) int { return 1 + (off*int(seed)+int(seed>>3))%17 }
		require.Equal(t, want, decode(t, m, most, input, piece))
	})
}

func BenchmarkReader(b *testing.B) {
	line := "<14>" + strings.Repeat("x", 896)
	for name, one := range map[string]string{"lf": line + "\n", "counted": fmt.Sprintf("%d %s", len(line), line)} {
		b.Run(name, func(b *testing.B) {
			buf := []byte(strings.Repeat(one, 256))
			b.SetBytes(int64(len(one)))
			b.ReportAllocs()
			r := Reader{Max: 1 << 20}
			rest := buf
			for b.Loop() {
				f, n, err := r.Next(rest)
				if err != nil || f.Data == nil {
					b.Fatal("no message")
				}
				if rest = rest[n:]; len(rest) == 0 {
					rest = buf
				}
			}
		})
	}
}
