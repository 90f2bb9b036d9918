package framing

import (
	"bytes"
	"strconv"
)

// RELP puts each message into a frame with a number and a command, and has the receiver
// answer each frame under its number:
//
//	TXNR SP COMMAND SP DATALEN [SP DATA] LF
//
// TXNR counts a session's frames from 1 on; 0 is a hint, which nobody answers. COMMAND
// is up to 32 letters. TXNR and DATALEN have at most nine digits.

// RELPFrame is one frame. Command and Data are valid until the buffer they were found in
// changes or the RELPReader is used again.
type RELPFrame struct {
	TXNR    uint32
	Command []byte // nil: no frame
	Data    []byte
	// Size is how many octets of data the frame had. It is larger than len(Data) when
	// they were more than the reader's Max and were cut there.
	Size int
}

const (
	relpDigits  = 9
	relpCommand = 32
	relpHeader  = relpDigits + 1 + relpCommand + 1 + relpDigits + 1
	relpTXNRs   = 999_999_999 // the last
)

// RELPOverhead is how many octets a frame can have around its data. A buffer of
// Max+RELPOverhead octets always lets a RELPReader go on.
const RELPOverhead = relpHeader + 1

// NextTXNR returns the number of the frame that follows n: after 999 999 999 it is 1.
// librelp, up to 1.11 at least, expects ten digits there and ends the session.
func NextTXNR(n uint32) uint32 {
	if n >= relpTXNRs {
		return 1
	}
	return n + 1
}

// AppendRELP appends a frame. Command is up to 32 letters, data less than 1 000 000 000
// octets. A line feed at the end of data is left out, as with the other framings; those
// inside stay.
func AppendRELP(dst []byte, txnr uint32, command string, data []byte) []byte {
	data = trimLF(data)
	dst = strconv.AppendUint(dst, uint64(txnr), 10)
	dst = append(dst, ' ')
	dst = append(dst, command...)
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, int64(len(data)), 10)
	if len(data) > 0 {
		dst = append(dst, ' ')
		dst = append(dst, data...)
	}
	return append(dst, '\n')
}

// RELPReader takes RELP frames off the front of a buffer that its caller owns and fills.
// What it finds does not depend on how the stream was cut into pieces. It allocates
// nothing, but for data longer than Max and for errors.
//
// A RELPReader is for one direction of one connection and not safe for concurrent use.
type RELPReader struct {
	// Max is the most octets of data, and above zero. More are cut.
	Max int

	over *RELPFrame // whose data is longer: the first Max octets of it
	left int        // octets of that data that are to be skipped
	err  *Error
}

// Next finds the first frame in buf, whose first octet is the first one not used up so
// far. It returns the frame and how many octets of buf are used up with it.
//
// A RELPFrame without Command means that there is no whole frame in buf; n may still not
// be zero. The caller then drops n octets and calls again with more behind the rest.
// After an error, which is an *Error, the RELPReader returns only that.
func (r *RELPReader) Next(buf []byte) (f RELPFrame, n int, err error) {
	if r.err != nil {
		return RELPFrame{}, 0, r.err
	}
	if r.over == nil {
		if f, n = r.frame(buf); r.err != nil {
			return RELPFrame{}, 0, r.err
		}
		if r.over == nil {
			return f, n, nil
		}
	}
	f, k := r.skip(buf[n:])
	if r.err != nil {
		return RELPFrame{}, n, r.err
	}
	return f, n + k, nil
}

// End is called once, when the stream has ended and Next has found no more frames in
// buf, which is what is left. It returns an error when that is half a frame.
func (r *RELPReader) End(buf []byte) error {
	switch {
	case r.err != nil:
		return r.err
	case r.over != nil:
		return newError(IncompleteFrame, r.over.Data, int64(r.over.Size), r.over.Size-r.left)
	case len(buf) == 0:
		return nil
	}
	h, _ := relpHead(buf)
	return newError(IncompleteFrame, buf, int64(h.size), max(len(buf)-h.data, 0))
}

// frame takes a whole frame, or the header and the first Max octets of one that is
// longer.
func (r *RELPReader) frame(b []byte) (RELPFrame, int) {
	h, state := relpHead(b)
	switch {
	case state == relpBad:
		r.fail(BadFrame, b, 0)
		return RELPFrame{}, 0
	case state == relpMore:
		return RELPFrame{}, 0
	}
	f := RELPFrame{TXNR: h.txnr, Command: b[h.command:h.commandEnd:h.commandEnd], Size: h.size}
	if h.size > r.Max {
		if len(b) < h.data+r.Max {
			return RELPFrame{}, 0
		}
		r.over = &RELPFrame{f.TXNR, bytes.Clone(f.Command), bytes.Clone(b[h.data : h.data+r.Max]), h.size}
		r.left = h.size - r.Max
		return RELPFrame{}, h.data + r.Max
	}
	end := h.data + h.size
	if len(b) <= end {
		return RELPFrame{}, 0
	}
	if b[end] != '\n' {
		r.fail(BadFrame, b, h.size)
		return RELPFrame{}, 0
	}
	f.Data = b[h.data:end:end]
	return f, end + 1
}

// skip takes the rest of a frame that is longer than Max.
func (r *RELPReader) skip(b []byte) (RELPFrame, int) {
	k := min(r.left, len(b))
	r.left -= k
	switch {
	case k == len(b):
		return RELPFrame{}, k
	case b[k] != '\n':
		r.fail(BadFrame, r.over.Data, r.over.Size)
		return RELPFrame{}, 0
	}
	f := *r.over
	r.over = nil
	return f, k + 1
}

func (r *RELPReader) fail(kind Kind, frame []byte, length int) {
	r.err = newError(kind, frame, int64(length), 0)
}

// relpHeadFields is what stands before a frame's data. The data begins at offset data;
// without any, the trailer does.
type relpHeadFields struct {
	txnr                      uint32
	command, commandEnd, data int
	size                      int
}

type relpState uint8

const (
	relpMore  relpState = iota // the header does not end in the octets there are
	relpWhole                  // there is a header
	relpBad                    // it is none
)

func relpHead(b []byte) (h relpHeadFields, s relpState) {
	digits, number := relpNumber(b)
	if s = relpField(b, digits, relpDigits); s != relpWhole {
		return h, s
	}
	h.txnr, h.command = uint32(number), digits+1
	h.commandEnd = h.command
	for h.commandEnd < len(b) && h.commandEnd-h.command <= relpCommand && letter(b[h.commandEnd]) {
		h.commandEnd++
	}
	rest := b[h.command:]
	if s = relpField(rest, h.commandEnd-h.command, relpCommand); s != relpWhole {
		return h, s
	}
	rest = b[h.commandEnd+1:]
	digits, number = relpNumber(rest)
	end := h.commandEnd + 1 + digits
	if digits > 0 && digits <= relpDigits && number == 0 && end < len(b) && b[end] == '\n' {
		h.data = end
		return h, relpWhole
	}
	h.data = end + 1
	if s = relpField(rest, digits, relpDigits); s == relpWhole {
		h.size = number
	}
	return h, s
}

// relpField judges a field of n good octets at the start of b, of which it may have most,
// and which a space ends.
func relpField(b []byte, n, most int) relpState {
	switch {
	case n > most || n < len(b) && (n == 0 || b[n] != ' '):
		return relpBad
	case n == len(b):
		return relpMore
	}
	return relpWhole
}

// relpNumber counts the digits at the start of b, up to one more than there may be, and
// returns the number they are.
func relpNumber(b []byte) (digits, n int) {
	for digits < len(b) && digits <= relpDigits && b[digits]-'0' <= 9 {
		n = n*10 + int(b[digits]-'0')
		digits++
	}
	return digits, n
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
