package framing

import "bytes"

// Overhead is how many octets of framing a message can have around it. A buffer of
// Max+Overhead octets always lets a Reader go on.
const Overhead = maxDigits + 2

const maxDigits = 10

// Frame is one message. Data is valid until the buffer it was found in changes or the
// Reader is used again.
type Frame struct {
	Data []byte
	// Size is how many octets the message had. It is larger than len(Data) when the
	// message was longer than the reader's Max and was cut there.
	Size int
}

// Reader takes messages off the front of a buffer that its caller owns and fills. What
// it finds does not depend on how the stream was cut into pieces. It allocates nothing,
// but for lines longer than Max and for errors.
//
// A Reader is for one stream and not safe for concurrent use.
type Reader struct {
	Mode Mode
	// Max is the longest message, in octets, and above zero. Longer lines are cut,
	// longer counted frames are an error.
	Max int

	// What is known of the first octets of the buffer: how many hold no LF, no NUL, and
	// how many are digits.
	lf, nul, digits int

	over   []byte // the first Max octets of a line that is longer
	size   int    // octets of that line so far
	lastCR bool   // its last octet so far is a CR

	err *Error
}

// Next finds the first message in buf, whose first octet is the first one not used up
// so far. It returns the message and how many octets of buf are used up with it.
//
// A Frame without Data means that there is no whole message in buf; n may still not be
// zero. The caller then drops n octets and calls again with more behind the rest. After
// an error, which is an *Error, the Reader returns only that.
func (r *Reader) Next(buf []byte) (f Frame, n int, err error) {
	if r.err != nil {
		return Frame{}, 0, r.err
	}
	for n < len(buf) {
		rest := buf[n:]
		var k int
		switch c := rest[0]; {
		case r.over != nil:
			f, k = r.skip(rest)
		case r.Mode == LF || r.Mode == Auto && (c < '0' || c > '9'):
			f, k = r.line(rest)
		case c == '\n' || c == '\r' || c == 0:
			k = 1
		default:
			f, k = r.counted(rest)
			if r.err != nil {
				return Frame{}, n, r.err
			}
		}
		if k == 0 {
			break
		}
		n += k
		r.lf, r.nul, r.digits = max(r.lf-k, 0), 0, 0
		if f.Data != nil {
			break
		}
	}
	return f, n, nil
}

// End is called once, when the stream has ended and Next has found no more messages in
// buf, which is what is left. A line whose trailer is missing is a message; a counted
// frame that is not complete is an error.
func (r *Reader) End(buf []byte) (Frame, error) {
	switch {
	case r.err != nil:
		return Frame{}, r.err
	case r.over != nil:
		return r.cut(r.lastCR), nil
	case len(buf) == 0:
		return Frame{}, nil
	}
	d, length := number(buf, len(buf))
	switch {
	case r.Mode == LF || d == 0:
	case r.Mode == Auto && d == len(buf) && (d <= maxDigits || d > r.longest()):
		// Digits and nothing else: no space, so it is a line.
	case r.Mode == Auto && d == len(buf):
		return Frame{}, r.fail(BadFrameLength, buf, 0, 0)
	case r.Mode == Auto && buf[d] != ' ':
	default:
		have := max(len(buf)-d-1, 0)
		return Frame{}, r.fail(IncompleteFrame, buf, length, have)
	}
	return r.message(trimCR(buf)), nil
}

// line takes a message that ends with LF or NUL.
func (r *Reader) line(b []byte) (Frame, int) {
	end, found := len(b), false
	if i := bytes.IndexByte(b[r.lf:], '\n'); i >= 0 {
		end, found = r.lf+i, true
	}
	r.lf = end
	if i := bytes.IndexByte(b[r.nul:end], 0); i >= 0 {
		i += r.nul
		return r.message(b[:i]), i + 1
	}
	r.nul = end
	switch {
	case found:
		return r.message(trimCR(b[:end])), end + 1
	case len(b) < r.Max+2: // a CR and an LF may still follow Max octets
		return Frame{}, 0
	}
	r.over = append([]byte{}, b[:r.Max]...)
	r.size, r.lastCR = len(b), b[len(b)-1] == '\r'
	return Frame{}, len(b)
}

// skip takes the rest of a line that is longer than Max.
func (r *Reader) skip(b []byte) (Frame, int) {
	end := len(b)
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		end = i
	}
	if i := bytes.IndexByte(b[:end], 0); i >= 0 {
		r.size += i
		return r.cut(false), i + 1
	}
	r.size += end
	if end > 0 {
		r.lastCR = b[end-1] == '\r'
	}
	if end == len(b) {
		return Frame{}, end
	}
	return r.cut(r.lastCR), end + 1
}

// cut returns the line that was longer than Max.
func (r *Reader) cut(cr bool) Frame {
	f := Frame{Data: r.over, Size: r.size}
	if cr {
		f.Size--
	}
	r.over = nil
	return f
}

// counted takes a message that follows its length, or a line that starts with digits.
func (r *Reader) counted(b []byte) (Frame, int) {
	d, length := number(b[r.digits:], r.longest()+1-r.digits)
	if r.digits > 0 {
		d, length = r.digits+d, 0 // past the longest length there is
	}
	if r.Mode == Auto {
		switch {
		case d > r.longest():
			return r.line(b)
		case d == len(b):
			if d > maxDigits {
				r.digits = d
			}
			return Frame{}, 0
		case b[d] != ' ':
			return r.line(b)
		}
	}
	switch {
	case d == 0 || d > maxDigits || b[0] == '0' || d < len(b) && b[d] != ' ':
		r.fail(BadFrameLength, b, 0, 0)
		return Frame{}, 0
	case d == len(b):
		return Frame{}, 0
	case length > int64(r.Max):
		r.fail(FrameTooLarge, b, length, 0)
		return Frame{}, 0
	}
	end := d + 1 + int(length)
	if len(b) < end {
		return Frame{}, 0
	}
	return Frame{Data: b[d+1 : end : end], Size: int(length)}, end
}

// longest is how many digits may stand at the start of a frame before mode Auto knows,
// without what follows them, that it is a line.
func (r *Reader) longest() int { return max(r.Max, maxDigits+1) }

// message makes a Frame of a line, cut at Max. An empty line is none.
func (r *Reader) message(line []byte) Frame {
	if len(line) == 0 {
		return Frame{}
	}
	n := min(len(line), r.Max)
	return Frame{Data: line[:n:n], Size: len(line)}
}

func (r *Reader) fail(kind Kind, frame []byte, length int64, have int) error {
	r.err = newError(kind, frame, length, have)
	return r.err
}

// number counts the digits at the start of b, at most limit, and returns the number that
// the first ten of them are.
func number(b []byte, limit int) (digits int, n int64) {
	for digits < len(b) && digits < limit && b[digits]-'0' <= 9 {
		if digits < maxDigits {
			n = n*10 + int64(b[digits]-'0')
		}
		digits++
	}
	return digits, n
}

func trimCR(line []byte) []byte {
	if n := len(line); n > 0 && line[n-1] == '\r' {
		return line[:n-1]
	}
	return line
}
