package kit

import (
	"strconv"
	"unicode/utf8"

	"github.com/siemfwd/siemfwd/forwarder/record"
)

// Limits of a JSON text: how deep lists and objects may stand in each other, and how
// many values JSON and JSONMembers take from one text (a record's field is several
// times larger than the two octets that can make one).
const (
	MaxDepth  = 32
	MaxValues = 1 << 16
)

// JSONError says where a text stops being JSON (RFC 8259).
type JSONError struct {
	At   int    // offset of the first byte that does not fit
	Text string // what is wrong there
	// Cut says that the text ended too early: it may have been truncated on its way.
	Cut bool
}

// Error is the offset and what is wrong there.
func (e *JSONError) Error() string {
	return "json: byte " + strconv.Itoa(e.At) + ": " + e.Text
}

// JSON appends text, one complete JSON value, to r.Fields as a field called name
// with everything below it. Numbers keep their text; strings are slices of text
// unless they hold an escape, and are then decoded into r's scratch, a lone surrogate
// becoming U+FFFD. Repeated names are all kept, in order. A byte order mark and white
// space around the value are accepted; strings that are not UTF-8 are kept as they
// are, with the warning "utf8". On error, a *JSONError, r.Fields is as it was.
func JSON(r *record.Record, name, text []byte) error {
	j := jsonReader{b: text, r: r, fields: r.Fields, before: len(r.Fields)}
	at := j.value(j.start(), name, plainText(name), 0)
	return j.finish(at)
}

// JSONMembers is JSON for an object whose members are appended as fields of their
// own, without a field for the object.
func JSONMembers(r *record.Record, text []byte) error {
	j := jsonReader{b: text, r: r, fields: r.Fields, before: len(r.Fields)}
	at := j.start()
	if at >= len(text) || text[at] != '{' {
		j.fail(at, "an object was expected")
		return j.finish(-1)
	}
	return j.finish(j.object(at+1, 1))
}

// ValidJSON reports whether text is what JSON takes, but for a number of values over
// MaxValues. Unlike an error it allocates nothing, for those who can also do with less.
func ValidJSON(text []byte) bool {
	j := jsonReader{b: text}
	at := j.value(j.start(), nil, false, 0)
	return at >= 0 && skipSpace(text, at) == len(text)
}

// jsonReader reads one text. Its methods take the offset where something starts and
// return the offset behind it, or -1 after fail. Without a record it only checks.
type jsonReader struct {
	b      []byte
	r      *record.Record
	fields []record.Field
	before int // how many fields there were
	notUTF bool
	err    JSONError
}

func (j *jsonReader) start() int {
	at := 0
	if len(j.b) >= 3 && j.b[0] == 0xEF && j.b[1] == 0xBB && j.b[2] == 0xBF {
		at = 3
	}
	return skipSpace(j.b, at)
}

func (j *jsonReader) finish(at int) error {
	if at >= 0 {
		if at = skipSpace(j.b, at); at < len(j.b) {
			j.fail(at, "more text after the value")
			at = -1
		}
	}
	if at < 0 {
		err := j.err
		return &err
	}
	if j.notUTF {
		warnUTF8(j.r)
	}
	j.r.Fields = j.fields
	return nil
}

func (j *jsonReader) fail(at int, text string) int {
	j.err = JSONError{At: at, Text: text}
	if at >= len(j.b) {
		j.err = JSONError{At: len(j.b), Text: "the text ends too early", Cut: true}
	}
	return -1
}

func (j *jsonReader) value(at int, name []byte, plain bool, depth int) int {
	if at >= len(j.b) {
		return j.fail(at, "")
	}
	if len(j.fields)-j.before >= MaxValues {
		return j.fail(at, "more than "+strconv.Itoa(MaxValues)+" values")
	}
	switch c := j.b[at]; c {
	case '"':
		return j.text(at+1, name, plain)
	case '{', '[':
		return j.container(at, c, name, plain, depth)
	case 't':
		return j.literal(at, "true", record.Bool, name, plain)
	case 'f':
		return j.literal(at, "false", record.Bool, name, plain)
	case 'n':
		return j.literal(at, "null", record.Null, name, plain)
	}
	return j.number(at, name, plain)
}

func (j *jsonReader) container(at int, c byte, name []byte, plain bool, depth int) int {
	if depth == MaxDepth {
		return j.fail(at, "nested deeper than "+strconv.Itoa(MaxDepth))
	}
	kind := record.Map
	if c == '[' {
		kind = record.List
	}
	i := len(j.fields)
	if j.r != nil {
		j.fields = append(j.fields, record.Field{Name: name, Kind: kind, Plain: plain})
	}
	if c == '{' {
		at = j.object(at+1, depth+1)
	} else {
		at = j.list(at+1, depth+1)
	}
	if at >= 0 && j.r != nil {
		j.fields[i].Size = int32(len(j.fields) - i - 1)
	}
	return at
}

func (j *jsonReader) object(at, depth int) int {
	if at = skipSpace(j.b, at); at < len(j.b) && j.b[at] == '}' {
		return at + 1
	}
	for {
		if at >= len(j.b) || j.b[at] != '"' {
			return j.fail(at, "a name in quotes was expected")
		}
		name, flags, end := j.quoted(at + 1)
		if end < 0 {
			return -1
		}
		if at = skipSpace(j.b, end); at >= len(j.b) || j.b[at] != ':' {
			return j.fail(at, "a colon was expected")
		}
		at = j.value(skipSpace(j.b, at+1), name, flags&jsonPlain != 0, depth)
		if at < 0 {
			return -1
		}
		if at = skipSpace(j.b, at); at >= len(j.b) || j.b[at] != ',' {
			break
		}
		at = skipSpace(j.b, at+1)
	}
	if at >= len(j.b) || j.b[at] != '}' {
		return j.fail(at, "a comma or the end of the object was expected")
	}
	return at + 1
}

func (j *jsonReader) list(at, depth int) int {
	if at = skipSpace(j.b, at); at < len(j.b) && j.b[at] == ']' {
		return at + 1
	}
	for {
		if at = j.value(at, nil, true, depth); at < 0 {
			return -1
		}
		if at = skipSpace(j.b, at); at >= len(j.b) || j.b[at] != ',' {
			break
		}
		at = skipSpace(j.b, at+1)
	}
	if at >= len(j.b) || j.b[at] != ']' {
		return j.fail(at, "a comma or the end of the list was expected")
	}
	return at + 1
}

func (j *jsonReader) text(at int, name []byte, plain bool) int {
	text, flags, end := j.quoted(at)
	if end >= 0 && j.r != nil {
		j.fields = append(j.fields, record.Field{Name: name, Text: text, Kind: record.String, Plain: plain && flags&jsonPlain != 0})
	}
	return end
}

func (j *jsonReader) literal(at int, word string, kind record.Kind, name []byte, plain bool) int {
	end := at + len(word)
	if end > len(j.b) || string(j.b[at:end]) != word {
		for at < len(j.b) && j.b[at] == word[0] {
			at, word = at+1, word[1:]
		}
		return j.fail(at, "a value was expected")
	}
	if j.r != nil {
		f := record.Field{Name: name, Kind: kind, Plain: plain}
		if kind != record.Null {
			f.Text = j.b[at:end:end]
		}
		j.fields = append(j.fields, f)
	}
	return end
}

func (j *jsonReader) number(at int, name []byte, plain bool) int {
	b, end := j.b, at
	if b[end] == '-' {
		end++
	}
	digits := end
	end = skipDigits(b, end)
	if end == digits {
		if digits > at {
			return j.fail(end, "a digit was expected")
		}
		return j.fail(at, "a value was expected")
	}
	if b[digits] == '0' && end > digits+1 {
		return j.fail(digits+1, "a number begins with 0")
	}
	if end < len(b) && b[end] == '.' {
		digits = end + 1
		if end = skipDigits(b, digits); end == digits {
			return j.fail(end, "a digit was expected")
		}
	}
	if end < len(b) && b[end]|0x20 == 'e' {
		digits = end + 1
		if digits < len(b) && (b[digits] == '+' || b[digits] == '-') {
			digits++
		}
		if end = skipDigits(b, digits); end == digits {
			return j.fail(end, "a digit was expected")
		}
	}
	if j.r != nil {
		j.fields = append(j.fields, record.Field{Name: name, Text: b[at:end:end], Kind: record.Number, Plain: plain})
	}
	return end
}

// quoted reads the rest of a string, whose opening quote stands before at.
func (j *jsonReader) quoted(at int) (text []byte, flags uint8, end int) {
	end, flags = stringEnd(j.b, at)
	if flags&jsonBad != 0 {
		j.fail(end, "a string holds a control character or a wrong escape")
		return nil, 0, -1
	}
	text = j.b[at:end:end]
	if j.r == nil {
		return text, 0, end + 1
	}
	if flags&jsonEscaped != 0 {
		text = unescape(j.r, text)
		flags = 0
		if plainText(text) {
			flags = jsonPlain
		}
	} else if flags&jsonPlain == 0 && plainText(text) {
		flags |= jsonPlain
	}
	if flags&jsonPlain == 0 && !j.notUTF {
		j.notUTF = !utf8.Valid(text)
	}
	return text, flags, end + 1
}

func skipSpace(b []byte, at int) int {
	for at < len(b) && (b[at] == ' ' || b[at] == '\n' || b[at] == '\r' || b[at] == '\t') {
		at++
	}
	return at
}

func skipDigits(b []byte, at int) int {
	for at < len(b) && b[at]-'0' <= 9 {
		at++
	}
	return at
}
