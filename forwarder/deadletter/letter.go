package deadletter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"time"
)

// Letter is one event that a receiver will never take, with what is needed to look
// into it and to send it again.
type Letter struct {
	// ID names the letter within its store, At is when it was put there. Both are set
	// by the store.
	ID uint64
	At time.Time

	Source   string // name of the source
	Sink     string // name of the sink; "-" for a body no event could be made of
	Reason   string // why it was refused, without secrets
	Answer   string // what the receiver answered, as far as it matters
	UID      string // the record's, in hexadecimal; empty when there is no record
	Attempts uint64 // Sends that were refused; 0 is not known

	First    time.Time      // when it was refused for the first time
	Received time.Time      // when it came from its source
	Peer     netip.AddrPort // who sent it; zero when there is no peer
	Index    uint64         // its index in the spool of its source; 0 is none
	Raw      []byte         // the event as received, whatever octets it holds
	Size     int            // octets the sender sent; at least len(Raw)
	Rendered []byte         // what the sink was given; nil when there is none
	Replay   string         // the replay that sent it; empty when there was none
}

// version begins every envelope. It changes only when old readers must not go on.
const version = 1

// The parts of an envelope. A part a reader does not know is passed over, so that
// parts can be added; numbers are never given a new meaning.
const (
	partSource   = 1
	partSink     = 2
	partReason   = 3
	partAnswer   = 4
	partUID      = 5
	partAttempts = 6
	partFirst    = 7
	partReceived = 8
	partIndex    = 9
	partSize     = 10
	partRaw      = 11
	partRendered = 12
	partReplay   = 13
)

// Append appends the letter's envelope: the version, then for each part that is not
// empty its number, its length and its content; numbers and lengths are unsigned
// varints (package encoding/binary), times are nanoseconds since 1970 as signed ones.
// ID, At and Peer are not in it: the log keeps them beside it.
func (l *Letter) Append(dst []byte) []byte {
	dst = append(dst, version)
	dst = appendText(dst, partSource, l.Source)
	dst = appendText(dst, partSink, l.Sink)
	dst = appendText(dst, partReason, l.Reason)
	dst = appendText(dst, partAnswer, l.Answer)
	dst = appendText(dst, partUID, l.UID)
	dst = appendNumber(dst, partAttempts, l.Attempts)
	dst = appendTime(dst, partFirst, l.First)
	dst = appendTime(dst, partReceived, l.Received)
	dst = appendNumber(dst, partIndex, l.Index)
	if l.Size > len(l.Raw) {
		dst = appendNumber(dst, partSize, uint64(l.Size))
	}
	dst = appendText(dst, partRaw, l.Raw)
	dst = appendText(dst, partRendered, l.Rendered)
	return appendText(dst, partReplay, l.Replay)
}

func appendText[T string | []byte](dst []byte, part uint64, text T) []byte {
	if len(text) == 0 {
		return dst
	}
	dst = binary.AppendUvarint(dst, part)
	dst = binary.AppendUvarint(dst, uint64(len(text)))
	return append(dst, text...)
}

func appendNumber(dst []byte, part, n uint64) []byte {
	if n == 0 {
		return dst
	}
	var b [binary.MaxVarintLen64]byte
	return appendText(dst, part, b[:binary.PutUvarint(b[:], n)])
}

func appendTime(dst []byte, part uint64, t time.Time) []byte {
	if t.IsZero() {
		return dst
	}
	var b [binary.MaxVarintLen64]byte
	return appendText(dst, part, b[:binary.PutVarint(b[:], t.UnixNano())])
}

// Decode reads an envelope. Raw and Rendered point into b. The error says what is
// wrong with b; it never depends on anything but b.
func Decode(b []byte) (Letter, error) {
	var l Letter
	if len(b) == 0 {
		return l, errors.New("empty")
	}
	if b[0] != version {
		return l, fmt.Errorf("version %d, this reads %d", b[0], version)
	}
	for b = b[1:]; len(b) > 0; {
		part, n := binary.Uvarint(b)
		if n <= 0 {
			return Letter{}, errors.New("a part without a number")
		}
		size, m := binary.Uvarint(b[n:])
		if m <= 0 || size > uint64(len(b)-n-m) {
			return Letter{}, fmt.Errorf("part %d reaches beyond the end", part)
		}
		at := n + m
		end := at + int(size)
		if err := l.set(part, b[at:end:end]); err != nil {
			return Letter{}, fmt.Errorf("part %d: %w", part, err)
		}
		b = b[end:]
	}
	l.Size = max(l.Size, len(l.Raw))
	return l, nil
}

func (l *Letter) set(part uint64, b []byte) (err error) {
	switch part {
	case partSource:
		l.Source = string(b)
	case partSink:
		l.Sink = string(b)
	case partReason:
		l.Reason = string(b)
	case partAnswer:
		l.Answer = string(b)
	case partUID:
		l.UID = string(b)
	case partAttempts:
		l.Attempts, err = number(b)
	case partFirst:
		l.First, err = moment(b)
	case partReceived:
		l.Received, err = moment(b)
	case partIndex:
		l.Index, err = number(b)
	case partSize:
		var n uint64
		n, err = number(b)
		l.Size = int(min(n, math.MaxInt))
	case partRaw:
		l.Raw = b
	case partRendered:
		l.Rendered = b
	case partReplay:
		l.Replay = string(b)
	}
	return err
}

var errNumber = errors.New("not a number")

func number(b []byte) (uint64, error) {
	v, n := binary.Uvarint(b)
	if n != len(b) || n == 0 {
		return 0, errNumber
	}
	return v, nil
}

func moment(b []byte) (time.Time, error) {
	v, n := binary.Varint(b)
	if n != len(b) || n == 0 {
		return time.Time{}, errNumber
	}
	return time.Unix(0, v).UTC(), nil
}
