package kit

import (
	"bytes"

	"github.com/siemfwd/siemfwd/forwarder/record"
)

// Pairs goes through key=value pairs as most products write them, separated by white
// space, commas, semicolons or pipes; the first separator tells which. A value in single
// or double quotes may hold anything, quotes with a backslash before them or doubled;
// any other value runs to the separator before the next key and its "=".
//
//	for p := (kit.Pairs{Rest: body}); p.Next(); { … p.Key, p.Text(r) … }
type Pairs struct {
	Rest []byte
	Key  []byte
	// Value is trimmed; in quotes, with its escapes.
	Value []byte
	// Quoted says that the value stood in quotes, Escaped that Text differs from it.
	Quoted, Escaped bool
	// Loose is text before this pair, or after a false Next behind the last, that is
	// in no pair.
	Loose []byte

	key     int // length of the key at the front of Rest, which "=" follows
	before  []byte
	begun   bool
	quote   byte // around the value
	sep     byte // 0: not known yet, ' ': white space
	endless int  // searches for a closing quote that went far in vain
}

// Next moves to the next pair.
func (p *Pairs) Next() bool {
	if !p.begun {
		p.begun = true
		p.seek(p.Rest)
	}
	p.Loose = p.before
	if p.before = nil; p.key == 0 {
		return false
	}
	p.Key = p.Rest[:p.key:p.key]
	b := p.Rest[p.key+1:]
	p.Quoted, p.Escaped = false, false
	if len(b) > 0 && (b[0] == '"' || b[0] == '\'') && p.quoted(b) {
		return true
	}
	start, key := p.nextKey(b)
	p.Value = trimSeparators(b[:start], p.sep)
	p.Rest, p.key = b[start:], key
	return true
}

// seek makes the first key in b the next one; what stands before it is loose.
func (p *Pairs) seek(b []byte) {
	at := 0
	for at < len(b) && isSeparator(b[at]) {
		at++
	}
	if p.sep == 0 && at > 0 && p.begun && p.Key != nil {
		p.sep = separator(b[:at])
	}
	start, key := p.nextKey(b[at:])
	p.before = trimSeparators(b[at:at+start], p.sep)
	p.Rest, p.key = b[at+start:], key
}

// quoted reads the value whose opening quote is b[0]; false when it does not end. The
// quote that ends it has the end of the text or another pair behind it, or, when there
// is none before the next pair's quote, at least a separator.
func (p *Pairs) quoted(b []byte) bool {
	p.quote = b[0]
	end := 0
	i := 1
	for p.endless < mostEndless {
		n := bytes.IndexByte(b[i:], p.quote)
		if n < 0 {
			break
		}
		i += n
		slash := i
		for slash > 1 && b[slash-1] == '\\' {
			slash--
		}
		switch {
		case (i-slash)%2 != 0:
			i++
			continue
		case i+1 == len(b) || isSeparator(b[i+1]):
			if pairFollows(b[i+1:]) {
				return p.closed(b, i)
			}
			if end == 0 {
				end = i
			}
			i++
			continue
		case b[i+1] == p.quote:
			i += 2
			continue
		case !opensValue(b[1:i]):
			i++
			continue
		}
		break
	}
	if i > farAway {
		p.endless++
	}
	return end > 0 && p.closed(b, end)
}

func (p *Pairs) closed(b []byte, end int) bool {
	p.Value, p.Quoted = b[1:end:end], true
	p.Escaped = bytes.IndexByte(p.Value, '\\') >= 0 || bytes.IndexByte(p.Value, p.quote) >= 0
	p.seek(b[end+1:])
	return true
}

// pairFollows reports whether b is separators with a key or nothing behind them.
func pairFollows(b []byte) bool {
	at := 0
	for at < len(b) && isSeparator(b[at]) {
		at++
	}
	start := at
	for at < len(b) && classes[b[at]]&classExt != 0 {
		at++
	}
	return at == len(b) && start == at || at > start && at < len(b) && b[at] == '='
}

// opensValue reports whether b ends in a separator, a key and "=".
func opensValue(b []byte) bool {
	at := len(b) - 1
	if at < 0 || b[at] != '=' {
		return false
	}
	start := at
	for start > 0 && classes[b[start-1]]&classExt != 0 {
		start--
	}
	return start < at && start > 0 && isSeparator(b[start-1])
}

// nextKey finds the first key in b, at its front or behind a separator; without one
// start is len(b).
func (p *Pairs) nextKey(b []byte) (start, key int) {
	for i := 0; ; i++ {
		n := bytes.IndexByte(b[i:], '=')
		if n < 0 {
			return len(b), 0
		}
		i += n
		start = i
		for start > 0 && classes[b[start-1]]&classExt != 0 {
			start--
		}
		if start == i || classes[b[start]]&classKeyStart == 0 {
			continue
		}
		if start == 0 {
			return 0, i
		}
		if c := b[start-1]; isSeparator(c) {
			at := start - 1
			for at > 0 && isSeparator(b[at-1]) {
				at--
			}
			sep := separator(b[at:start])
			if p.sep == 0 {
				p.sep = sep
			}
			if p.sep == ' ' || p.sep == sep {
				return start, i - start
			}
		}
	}
}

// separator is the mark among separators, or ' ' for white space alone.
func separator(b []byte) byte {
	for _, c := range b {
		if !isSpace(c) {
			return c
		}
	}
	return ' '
}

func isSeparator(c byte) bool { return isSpace(c) || c == ',' || c == ';' || c == '|' }

// trimSeparators takes white space off both ends, and sep off the end.
func trimSeparators(b []byte, sep byte) []byte {
	b = trim(b)
	for sep != ' ' && len(b) > 0 && b[len(b)-1] == sep {
		b = trimRight(b[:len(b)-1])
	}
	return b
}

// Text is Value with its escapes undone: a slice of the event, or of r's scratch.
func (p *Pairs) Text(r *record.Record) []byte {
	if !p.Escaped {
		return p.Value
	}
	v := p.Value
	out := r.Begin(len(v))
	for i := 0; i < len(v); i++ {
		if c := v[i]; i+1 < len(v) && (c == p.quote && v[i+1] == c || c == '\\' && (v[i+1] == p.quote || v[i+1] == c)) {
			i++
		}
		out = append(out, v[i])
	}
	return r.End(out)
}
