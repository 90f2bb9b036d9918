package beyondtrust

import (
	"bytes"
	"strconv"
	"unicode/utf8"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// readXML reads the elements of an XML body that hold nothing but text; namespaces,
// attributes and comments do not count. What was not escaped in a value is part of it as
// long as it does not look like an element.
func readXML(r *record.Record, v *values, b []byte) (reason string) {
	x := xmlReader{r: r, b: b}
	x.run()
	v.read(r, nil)
	v.markedBy(v.text[markEvent])
	return ""
}

type xmlReader struct {
	r       *record.Record
	b       []byte
	open    [maxNesting]element
	depth   int
	endless [2]bool // that no CDATA section, no comment ends any more
}

// element is one whose end was not seen.
type element struct {
	name   []byte
	text   int  // where its content begins
	parent bool // it holds elements
}

func (x *xmlReader) run() {
	for at := 0; at < len(x.b) && len(x.r.Fields) < kit.MaxValues; {
		n := bytes.IndexByte(x.b[at:], '<')
		if n < 0 {
			return
		}
		at += n
		rest := x.b[at:]
		switch {
		case bytes.HasPrefix(rest, record.Bytes("<![CDATA[")):
			at += x.behind(0, rest, "]]>")
		case bytes.HasPrefix(rest, record.Bytes("<!--")):
			at += x.behind(1, rest, "-->")
		case bytes.HasPrefix(rest, record.Bytes("</")):
			at += x.close(rest, at)
		default:
			at += x.start(rest, at)
		}
	}
}

// behind is the offset behind the first end in b, or behind b's first octet when there is
// none.
func (x *xmlReader) behind(which int, b []byte, end string) int {
	if !x.endless[which] {
		if i := bytes.Index(b, record.Bytes(end)); i >= 0 {
			return i + len(end)
		}
		x.endless[which] = true
	}
	return 1
}

// tagName is the name at the start of b without its prefix, and where it ends.
func tagName(b []byte) (name []byte, end int) {
	start := 0
	for end < len(b) && end <= maxName && (nameByte(b[end]) && b[end] != ' ' || b[end] == ':') {
		if b[end] == ':' {
			start = end + 1
		}
		end++
	}
	return b[start:end:end], end
}

// start reads the tag that begins rest, at offset at, and returns its length.
func (x *xmlReader) start(rest []byte, at int) int {
	name, end := tagName(rest[1:])
	if len(name) == 0 {
		return 1
	}
	n := bytes.IndexAny(rest[1+end:min(len(rest), 1024)], "<>")
	if n < 0 || rest[1+end+n] != '>' {
		return 1
	}
	length := 1 + end + n + 1
	if rest[length-2] == '/' || x.depth == maxNesting {
		return length
	}
	x.open[x.depth] = element{name: name, text: at + length}
	x.depth++
	return length
}

// close reads the end tag that begins rest, at offset at, and returns its length. Tags
// within the element that were not closed are part of its text.
func (x *xmlReader) close(rest []byte, at int) int {
	name, end := tagName(rest[2:])
	length := 2 + end + 1
	if len(name) == 0 || length > len(rest) || rest[length-1] != '>' {
		return 1
	}
	for i := x.depth - 1; i >= 0; i-- {
		e := &x.open[i]
		if !bytes.Equal(e.name, name) {
			continue
		}
		if !e.parent {
			kit.AddText(x.r, e.name, x.text(x.b[e.text:at:at]))
		}
		if x.depth = i; i > 0 {
			x.open[i-1].parent = true
		}
		break
	}
	return length
}

// text is the content of an element: CDATA without its frame, or with entities undone.
func (x *xmlReader) text(b []byte) []byte {
	if t := bytes.TrimSpace(b); bytes.HasPrefix(t, record.Bytes("<![CDATA[")) && bytes.HasSuffix(t, record.Bytes("]]>")) {
		return t[len("<![CDATA[") : len(t)-len("]]>")]
	}
	if bytes.IndexByte(b, '&') < 0 {
		return b
	}
	out := x.r.Begin(len(b))
	for at := 0; at < len(b); at++ {
		if b[at] == '&' {
			if c, n := entity(b[at:]); n > 0 {
				out = utf8.AppendRune(out, c)
				at += n - 1
				continue
			}
		}
		out = append(out, b[at])
	}
	return x.r.End(out)
}

// entity reads one of XML's five entities or a character reference; n is 0 for anything
// else. What it stands for is never longer.
func entity(b []byte) (c rune, n int) {
	end := bytes.IndexByte(b[:min(len(b), 12)], ';')
	if end < 2 {
		return 0, 0
	}
	switch name := b[1:end]; string(name) {
	case "lt":
		return '<', end + 1
	case "gt":
		return '>', end + 1
	case "amp":
		return '&', end + 1
	case "quot":
		return '"', end + 1
	case "apos":
		return '\'', end + 1
	default:
		if name[0] != '#' || len(name) < 2 {
			return 0, 0
		}
		base := 10
		if name = name[1:]; name[0]|0x20 == 'x' {
			base, name = 16, name[1:]
		}
		code, err := strconv.ParseUint(kit.Text(name), base, 32)
		if err != nil || code > utf8.MaxRune {
			return 0, 0
		}
		return rune(code), end + 1
	}
}
