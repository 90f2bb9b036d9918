package beyondtrust

import (
	"bytes"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// slashes says what the backslashes of a body mean. It is decided once for all of them.
type slashes uint8

const (
	escapes    slashes = iota // they are parts of escapes
	butQuotes                 // they stand for themselves, but before a quote they escape it
	themselves                // they stand for themselves
)

// readRepaired reads JSON that values have broken. Backslashes stand for themselves where
// literal says so, where one of them is no escape or stands at the end of a value, and
// where as an escape one would make a control character that cannot be. Where a quote
// stands without one, none of them escapes a quote either.
func readRepaired(r *record.Record, v *values, t *template, b []byte, literal bool) bool {
	mode := escapes
	if literal || !validEscapes(b) {
		mode = butQuotes
	}
	for {
		text, found, ok := repair(r, b, mode)
		switch {
		case !ok:
			return false
		case found.quotes && mode != themselves && bytes.IndexByte(b, '\\') >= 0:
			mode = themselves
			continue
		case found.ends && mode == escapes:
			mode = butQuotes
			continue
		case !readAgain(r, v, t, text):
			return false
		case mode == escapes && v.control && !escaped(b):
			mode = butQuotes
			continue
		}
		r.Warn("repaired", nil)
		return true
	}
}

// readAgain replaces the fields by those of a JSON text.
func readAgain(r *record.Record, v *values, t *template, text []byte) bool {
	if !kit.ValidJSON(text) || kit.JSON(empty(r), nil, text) != nil {
		return false
	}
	v.read(r, t)
	return true
}

// repair writes a JSON text again without what values that were not escaped have broken:
// quotes, backslashes and control characters in strings, values without quotes, values
// and placeholders that are not there, commas too many, an end that is missing. It does
// not check what it does not repair. The result is in the record's scratch.
func repair(r *record.Record, b []byte, mode slashes) (text []byte, f findings, ok bool) {
	p := repairer{b: b, mode: mode, out: r.Begin(len(b) + len(b)/4 + 64)}
	ok = p.run()
	return r.End(p.out), p.findings, ok
}

// findings are what was seen in strings.
type findings struct {
	quotes bool // a quote that was not escaped
	ends   bool // a backslash at the end
}

// maxNesting is how deep lists and objects may stand in each other.
const maxNesting = 32

type repairer struct {
	findings
	b, out []byte
	at     int
	mode   slashes
	open   [maxNesting]byte // what closes each open list or object
	depth  int
}

// run repairs one value after another; every turn takes at least one octet.
func (p *repairer) run() bool {
	for value := true; ; {
		p.at = skip(p.b, p.at)
		if p.at >= len(p.b) {
			return p.end(value)
		}
		switch c := p.b[p.at]; {
		case c == '{' || c == '[':
			if !value || p.depth == maxNesting {
				return false
			}
			p.open[p.depth] = c + 2 // '{'+2 is '}' and '['+2 is ']'
			p.depth++
			p.put(c)
			value = c == '['
		case c == '}' || c == ']':
			if p.depth == 0 || p.open[p.depth-1] != c {
				return false
			}
			p.null(value)
			p.depth--
			p.put(c)
			value = false
		case c == ',':
			if p.depth == 0 {
				return false
			}
			p.null(value)
			if p.at++; !p.last() {
				p.out = append(p.out, ',')
			}
			value = p.open[p.depth-1] == ']'
		case c == ':':
			p.put(c)
			value = true
		case !value:
			if c != '"' || !p.name() {
				return false
			}
		default:
			if !p.value(c) {
				return false
			}
			value = false
		}
	}
}

func (p *repairer) put(c byte) {
	p.out = append(p.out, c)
	p.at++
}

// end closes what is still open.
func (p *repairer) end(value bool) bool {
	p.null(value)
	for ; p.depth > 0; p.depth-- {
		p.out = append(p.out, p.open[p.depth-1])
	}
	return true
}

// null writes a value where one is missing.
func (p *repairer) null(value bool) {
	if n := len(p.out); value && n > 0 && p.out[n-1] == ':' {
		p.out = append(p.out, "null"...)
	}
}

// last reports whether nothing more comes before a bracket that closes.
func (p *repairer) last() bool {
	at := skip(p.b, p.at)
	return at >= len(p.b) || p.b[at] == '}' || p.b[at] == ']'
}

// name copies the name of a member.
func (p *repairer) name() bool {
	n := bytes.IndexByte(p.b[p.at+1:], '"')
	if n < 0 || bytes.IndexByte(p.b[p.at:p.at+1+n], '\\') >= 0 {
		return false
	}
	p.out = append(p.out, p.b[p.at:p.at+n+2]...)
	p.at += n + 2
	return true
}

func (p *repairer) value(c byte) bool {
	if c != '"' {
		return p.bare()
	}
	p.put(c)
	for p.at < len(p.b) {
		switch c := p.b[p.at]; {
		case c == '"':
			if p.closes(p.at + 1) {
				p.put(c)
				return true
			}
			p.quotes = true
			p.out = append(p.out, '\\', '"')
			p.at++
		case c == '\\':
			p.backslash()
		default:
			p.char(c)
		}
	}
	p.out = append(p.out, '"')
	return true
}

// char writes one octet of a string.
func (p *repairer) char(c byte) {
	const hex = "0123456789abcdef"
	if c >= ' ' {
		p.put(c)
		return
	}
	p.out = append(p.out, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
	p.at++
}

// backslash writes a backslash in a string and what belongs to it. One before a quote
// that ends the string stands for itself.
func (p *repairer) backslash() {
	next := byte(0)
	if p.at+1 < len(p.b) {
		next = p.b[p.at+1]
	}
	switch {
	case next == '"' && p.closes(p.at+2):
		p.ends = true
		p.out = append(p.out, '\\', '\\')
		p.at++
	case next == '"' && p.mode != themselves:
		p.out = append(p.out, '\\', '"')
		p.at += 2
	case p.mode == escapes:
		n := escape(p.b, p.at)
		if n == 0 {
			p.out = append(p.out, '\\')
			n = 1
		}
		p.out = append(p.out, p.b[p.at:p.at+n]...)
		p.at += n
	default:
		p.out = append(p.out, '\\', '\\')
		p.at++
	}
}

// closes reports whether a quote before at ends a string: the text ends there, or the
// next name or item begins.
func (p *repairer) closes(at int) bool {
	closed, commas, end := joint(p.b, at)
	switch {
	case end >= len(p.b):
		return true
	case commas == 0:
		return false
	case p.b[end] == '{' && (closed > 0 || p.inList()), p.b[end] == '"' && closed == 0 && p.inList():
		return true // the next item of a list
	}
	_, value := header(p.b, end)
	return value >= 0
}

func (p *repairer) inList() bool { return p.depth > 0 && p.open[p.depth-1] == ']' }

// bare writes a value that has no quotes: as it is when JSON wants none, null for a
// placeholder and for nothing, else as a string.
func (p *repairer) bare() bool {
	end := p.at
	for end < len(p.b) && p.b[end] != '\n' && p.b[end] != '\r' {
		if c := p.b[end]; c == ',' || c == '}' || c == ']' {
			if p.closes(end) {
				break
			}
			_, _, behind := joint(p.b, end)
			end = behind - 1
		}
		if end++; end > p.at+maxBare {
			return false
		}
	}
	text := trimRight(p.b[p.at:end])
	switch {
	case blank(text):
		p.out = append(p.out, "null"...)
	case scalar(text):
		p.out = append(p.out, text...)
	default:
		p.out = append(p.out, '"')
		for _, c := range text {
			if c == '"' || c == '\\' {
				p.out = append(p.out, '\\')
			}
			p.char(c)
		}
		p.out = append(p.out, '"')
	}
	p.at = end
	return true
}
