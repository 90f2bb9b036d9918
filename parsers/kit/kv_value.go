package kit

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// ends reports whether a value can end at at: at the end of the text, or before a
// separator and another pair, which is then found.
func (k *KV) ends(at int) bool {
	b := k.Text
	if at < len(b) && b[at] <= ' ' {
		at = skipWhite(b, at)
	}
	if at == len(b) {
		return true
	}
	if b[at] != ',' {
		return false
	}
	if at++; at < len(b) && (b[at] <= ' ' || b[at] == ',') {
		at = skipSeparators(b, at)
	}
	return at == len(b) || k.key(at)
}

// bare reads a value that ends before the next pair; with known, before the next
// whose key is known.
func (k *KV) bare(at int, known bool) {
	b := k.Text
	end := len(b)
	k.Quotes = false
	for i := at; ; {
		if i = commaOrQuote(b, i); i == len(b) {
			break
		}
		if b[i] == '"' {
			k.Quotes = true
			n := bytes.IndexByte(b[i:], ',')
			if n < 0 {
				break
			}
			i += n
		}
		n := i
		if i++; i < len(b) && (b[i] <= ' ' || b[i] == ',') {
			i = skipSeparators(b, i)
		}
		if i == len(b) || k.key(i) && (!known || k.next.id > 0) {
			end = n
			break
		}
		k.found = false
	}
	if k.Value = b[at:end:end]; end > at && (b[at] <= ' ' || b[end-1] <= ' ') {
		k.Value = trim(k.Value)
	}
}

// commaOrQuote is the offset of the first comma or quote in b from at on, or len(b).
func commaOrQuote(b []byte, at int) int {
	for ; at+8 <= len(b); at += 8 {
		x := binary.LittleEndian.Uint64(b[at:])
		comma, quote := x^(','*ones), x^('"'*ones)
		if m := ((comma-ones)&^comma | (quote-ones)&^quote) & high; m != 0 {
			return at + bits.TrailingZeros64(m)/8
		}
	}
	for at < len(b) && b[at] != ',' && b[at] != '"' {
		at++
	}
	return at
}

// quoted reads a value whose opening quote stands at at.
func (k *KV) quoted(at int) {
	b := k.Text
	k.Quoted = true
	i := at + 1
	for k.endless < mostEndless {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			k.gaveUp(len(b) - at)
			break
		}
		i += n
		if i+1 < len(b) && b[i+1] == '"' {
			k.Quotes = true
			i += 2
			continue
		}
		if k.ends(i + 1) {
			if k.Value = b[at+1 : i : i]; i > at+1 && (b[at+1] <= ' ' || b[i-1] <= ' ') {
				k.Value = trim(k.Value)
			}
			return
		}
		if opensNext(b[at+1 : i]) {
			k.gaveUp(i - at)
			break
		}
		k.Quotes = true
		i++
	}
	k.Unterminated = true
	k.bare(at+1, true)
}

func (k *KV) gaveUp(octets int) {
	if octets > farAway {
		k.endless++
	}
}

// opensNext reports whether b ends in ", key =", so that a quote behind it begins the
// next pair's value.
func opensNext(b []byte) bool {
	b = trimRight(b)
	if len(b) == 0 || b[len(b)-1] != '=' {
		return false
	}
	b = trimRight(b[:len(b)-1])
	n := len(b)
	for n > 0 && classes[b[n-1]]&classKey != 0 {
		n--
	}
	if n == len(b) || classes[b[n]]&classKeyStart == 0 {
		return false
	}
	b = trimRight(b[:n])
	return len(b) > 0 && b[len(b)-1] == ','
}

// bracketed reads a balanced list or map that another pair or the end follows.
func (k *KV) bracketed(at int, open byte) bool {
	if k.endless >= mostEndless {
		return false
	}
	b := k.Text
	end, depth := at, 0
	shut := open + 2 // '[' and ']', '{' and '}' are two apart
	for i := at; ; i++ {
		if i == len(b) {
			k.gaveUp(i - at)
			return false
		}
		if c := b[i]; c == open {
			depth++
		} else if c == shut {
			if depth--; depth == 0 {
				end = i + 1
				break
			}
		}
	}
	if !k.ends(end) {
		k.gaveUp(end - at)
		return false
	}
	k.Value = b[at:end:end]
	k.Quotes = bytes.IndexByte(k.Value, '"') >= 0
	return true
}

// AppendUndoubled appends text with its doubled quotes as single ones.
func AppendUndoubled(dst, text []byte) []byte {
	for {
		n := bytes.IndexByte(text, '"')
		if n < 0 {
			return append(dst, text...)
		}
		dst = append(dst, text[:n+1]...)
		if text = text[n+1:]; len(text) > 0 && text[0] == '"' {
			text = text[1:]
		}
	}
}

func skipWhite(b []byte, at int) int {
	for at < len(b) && isSpace(b[at]) {
		at++
	}
	return at
}

func skipSeparators(b []byte, at int) int {
	for at < len(b) && (b[at] == ',' || isSpace(b[at])) {
		at++
	}
	return at
}
