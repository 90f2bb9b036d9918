// Package leef writes IBM's Log Event Extended Format as QRadar reads it:
//
//	LEEF:2.0|vendor|product|version|event id|^|key=value^key=value
//	LEEF:1.0|vendor|product|version|event id|key=value<TAB>key=value
//
// The format has no escapes: what would end a value or the header is replaced. Each key
// is written once, the first value wins; an empty value is left out.
package leef

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/siemfwd/siemfwd/formatters/text"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

// Event is one event: the values of the header and the attributes.
type Event struct {
	Vendor, Product, Version, ID []byte // empty: "unknown"
	Attrs                        []Pair
}

// Pair is one attribute. Characters a key cannot have are left out of it.
type Pair struct{ Key, Value []byte }

// Options says how events are written.
type Options struct {
	Version1 bool // LEEF 1.0, whose attributes are separated by TAB
	// Delimiter stands between the attributes of LEEF 2.0: one character, no letter,
	// digit, "=", "|" or space. "" is "^".
	Delimiter string
	// Announced is how the header names the delimiter: itself, or x and its number in
	// hexadecimal. Nil: itself, or the number of a control character. A pointer to ""
	// leaves the field empty, which stands for TAB.
	Announced *string
	// PipeSafe writes "/" for "|" in values, for readers that look for the last one.
	PipeSafe bool
}

// Encoder writes events. It may be used by any number of goroutines.
type Encoder struct {
	version1  bool
	pipeSafe  bool
	delimiter rune
	between   []byte // the delimiter as it is written
	header    []byte // the header's last field, with its bar
	stops     text.Stops
}

// NewEncoder checks o and returns an Encoder.
func NewEncoder(o Options) (*Encoder, error) {
	if o.Version1 {
		if o.Delimiter != "" && o.Delimiter != "\t" {
			return nil, fmt.Errorf("delimiter %q: LEEF 1.0 has TAB and no other", o.Delimiter)
		}
		return newEncoder(o, '\t', nil), nil
	}
	if o.Delimiter == "" {
		o.Delimiter = "^"
	}
	d, size := utf8.DecodeRuneInString(o.Delimiter)
	if size != len(o.Delimiter) || d == utf8.RuneError || d == '=' || d == '|' || d == ' ' || d == '\r' || d == '\n' || d == 0 || d < 0x80 && alnum(byte(d)) {
		return nil, fmt.Errorf("delimiter %q: want one character that is no letter, digit, \"=\", \"|\", space or line end", o.Delimiter)
	}
	announced := o.Delimiter
	if d < 0x20 || d == 0x7f {
		announced = fmt.Sprintf("x%02X", d)
	}
	if o.Announced != nil {
		if !announces(*o.Announced, d) {
			return nil, fmt.Errorf("delimiter %q is not what %q announces", o.Delimiter, *o.Announced)
		}
		announced = *o.Announced
	}
	return newEncoder(o, d, []byte(announced+"|")), nil
}

func newEncoder(o Options, d rune, header []byte) *Encoder {
	e := &Encoder{
		version1: o.Version1, pipeSafe: o.PipeSafe, delimiter: d, between: utf8.AppendRune(nil, d), header: header,
	}
	stop, bar := byte('^'), byte('^')
	if d < utf8.RuneSelf {
		stop, bar = byte(d), byte(d)
	}
	if o.PipeSafe {
		bar = '|'
	}
	e.stops = text.StopAt(stop, bar, bar)
	return e
}

// announces reports whether a header field names the delimiter d.
func announces(field string, d rune) bool {
	if field == "" {
		return d == '\t'
	}
	if field == string(d) {
		return true
	}
	digits := field
	for _, prefix := range []string{"0x", "x"} {
		if len(field) > len(prefix) && field[:len(prefix)] == prefix {
			digits = field[len(prefix):]
			break
		}
	}
	n, err := strconv.ParseUint(digits, 16, 16)
	return err == nil && digits != field && len(digits) <= 4 && rune(n) == d
}

// Append appends e to dst and returns the extended slice. Attributes stand in the order
// of e.Attrs.
func (c *Encoder) Append(dst []byte, e *Event) []byte {
	dst = c.appendHeader(dst, e.Vendor, e.Product, e.Version, e.ID)
	start := len(dst)
	for i := range e.Attrs {
		dst = c.attr(dst, e.Attrs, i)
	}
	return c.end(dst, start)
}

// end takes off the delimiter behind the last attribute.
func (c *Encoder) end(dst []byte, start int) []byte {
	if len(dst) > start {
		return dst[:len(dst)-len(c.between)]
	}
	return dst
}

func (c *Encoder) appendHeader(dst, vendor, product, version, id []byte) []byte {
	if c.version1 {
		dst = append(dst, "LEEF:1.0|"...)
	} else {
		dst = append(dst, "LEEF:2.0|"...)
	}
	dst = appendField(dst, vendor, text.NoLimit)
	dst = appendField(dst, product, text.NoLimit)
	dst = appendField(dst, version, text.NoLimit)
	dst = appendField(dst, id, maxEventID)
	return append(dst, c.header...)
}

// attr appends attribute n with a delimiter, unless its key or value is empty or a value
// before it has the key.
func (c *Encoder) attr(dst []byte, attrs []Pair, n int) []byte {
	mark := len(dst)
	dst = appendKey(dst, attrs[n].Key)
	key := dst[mark:]
	if len(key) == 0 {
		return dst
	}
	for i := range n {
		if sameKey(key, attrs[i].Key) && c.shows(dst, key, attrs[i].Value) {
			return dst[:mark]
		}
	}
	a := attributeOf(key)
	dst = append(dst, '=')
	at := len(dst)
	if a.kind == severity {
		dst = appendSeverity(dst, attrs[n].Value)
	} else {
		dst, _ = c.appendValue(dst, attrs[n].Value, a.limit())
	}
	if len(dst) == at {
		return dst[:mark]
	}
	return append(dst, c.between...)
}

// shows reports whether anything is written of a value; it writes behind scratch.
func (c *Encoder) shows(scratch, key, v []byte) bool {
	if attributeOf(key).kind == severity {
		return len(appendSeverity(scratch, v)) > len(scratch)
	}
	out, _ := c.appendValue(scratch, v, text.NoLimit)
	return len(out) > len(scratch)
}

// appendSeverity appends a severity on the format's scale of 1 to 10; nothing for what is
// no number.
func appendSeverity(dst, v []byte) []byte {
	v = bytes.TrimSpace(v)
	if ok, _ := text.Number(v); !ok {
		return dst
	}
	n := 0
	for _, c := range v {
		if c-'0' > 9 || n > 10 { // "-", "." or an exponent
			break
		}
		n = n*10 + int(c-'0')
	}
	return strconv.AppendInt(dst, int64(min(max(n, 1), 10)), 10)
}

// appendKey appends what may stand in a key.
func appendKey(dst, key []byte) []byte {
	for _, c := range key {
		if alnum(c) {
			dst = append(dst, c)
		}
	}
	return dst
}

// sameKey reports whether raw is written as key.
func sameKey(key, raw []byte) bool {
	for _, c := range raw {
		if !alnum(c) {
			continue
		}
		if len(key) == 0 || key[0] != c {
			return false
		}
		key = key[1:]
	}
	return len(key) == 0
}

func alnum(c byte) bool { return c-'0' <= 9 || c|0x20-'a' <= 25 }

// constant is text of this program as bytes.
func constant(s string) []byte { return record.Bytes(s) }
