// Package framing finds messages in a stream of syslog octets, and makes such
// streams: octet counting and non-transparent framing of RFC 6587, the datagrams of
// RFC 5426, and RELP. It is a leaf: it imports only the standard library.
package framing

import (
	"fmt"
	"strconv"
)

// Mode is how messages stand in a stream.
type Mode uint8

// The modes.
const (
	// Auto looks at every frame: 1 to 10 digits and a space start a counted one,
	// anything else is a line.
	Auto Mode = iota
	// LF ends each message with a line feed, or with a NUL (RFC 6587 3.4.2). A
	// carriage return before the line feed belongs to the trailer. Empty lines are no
	// messages.
	LF
	// OctetCounting puts the length in octets and a space before each message (RFC
	// 6587 3.4.1). Line feeds, carriage returns and NULs between two frames are
	// tolerated.
	OctetCounting
)

// String returns the configuration's word for the mode.
func (m Mode) String() string {
	switch m {
	case Auto:
		return "auto"
	case LF:
		return "lf"
	case OctetCounting:
		return "octet_counting"
	}
	return "mode " + strconv.Itoa(int(m))
}

// ParseMode returns the mode for the configuration's word.
func ParseMode(word string) (Mode, bool) {
	for m := Auto; m <= OctetCounting; m++ {
		if m.String() == word {
			return m, true
		}
	}
	return Auto, false
}

// Kind is one of the ways in which a stream can be wrong. It is an error, so
// that errors.Is finds it in an *Error.
type Kind string

// The kinds.
const (
	// FrameTooLarge is a counted frame longer than the reader's Max.
	FrameTooLarge Kind = "frame_too_large"
	// BadFrameLength is a length that RFC 6587 does not allow: a leading zero, more
	// than ten digits or, in mode OctetCounting, something other than digits.
	BadFrameLength Kind = "bad_frame_length"
	// IncompleteFrame is a stream that ends inside a counted frame, or a RELP frame.
	IncompleteFrame Kind = "incomplete_frame"
	// BadFrame is what is no RELP frame: its header cannot be read, or no line feed
	// follows its data.
	BadFrame Kind = "bad_frame"
)

// Error returns the kind's word.
func (k Kind) Error() string { return string(k) }

// Error tells what is wrong with a stream. Nothing behind it can be trusted: where the
// next frame starts is not known.
type Error struct {
	Kind Kind
	// Length is what the frame says its length is; 0 when that is no number.
	Length int64
	// Have is how many octets of the frame's message came; for IncompleteFrame.
	Have int
	// Sample is a copy of the first octets of the bad frame, at most 40.
	Sample []byte
}

// Error tells the kind and the figures, and shows the sample quoted.
func (e *Error) Error() string {
	switch {
	case e.Kind == FrameTooLarge:
		return fmt.Sprintf("%s: a frame of %d octets: %q", string(e.Kind), e.Length, e.Sample)
	case e.Kind == IncompleteFrame && e.Length > 0:
		return fmt.Sprintf("%s: %d of %d octets: %q", string(e.Kind), e.Have, e.Length, e.Sample)
	}
	return fmt.Sprintf("%s: %q", string(e.Kind), e.Sample)
}

// Unwrap returns the kind.
func (e *Error) Unwrap() error { return e.Kind }

func newError(kind Kind, frame []byte, length int64, have int) *Error {
	const sample = 40
	return &Error{Kind: kind, Length: length, Have: have, Sample: append([]byte(nil), frame[:min(len(frame), sample)]...)}
}
