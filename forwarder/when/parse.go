package when

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Parse understands one condition. The error is always an *Error.
func Parse(text string) (*Cond, error) {
	c, err := parse(text)
	if err != nil {
		return nil, err
	}
	return c, nil
}

func parse(text string) (*Cond, *Error) {
	at := skip(text, 0)
	end, err := fieldEnd(text, at)
	if err != nil {
		return nil, err
	}
	name, err := unquoteField(text, at, end)
	if err != nil {
		return nil, err
	}
	f, err := lookup(name)
	if err != nil {
		err.Offset = at
		err.Len = end - at
		return nil, err
	}
	c := &Cond{text: strings.TrimSpace(text), field: f}
	i := skip(text, end)
	if c.op, i, err = operator(text, i); err != nil {
		return nil, err
	}
	if c.op == exists || c.op == missing {
		return c, c.unary(at, end)
	}
	i = skip(text, i)
	value, quoted, err := readValue(text, i)
	if err != nil {
		return nil, err
	}
	c.want = value
	last := i + len(strings.TrimRight(text[i:], space))
	if err := c.compile(quoted); err != nil {
		err.Offset += i
		if err.Len == 0 {
			err.Len = last - i
		}
		return nil, err
	}
	return c, nil
}

const space = " \t\r\n"

func skip(s string, i int) int {
	for i < len(s) && strings.IndexByte(space, s[i]) >= 0 {
		i++
	}
	return i
}

const operators = "=!<>~"

// fieldEnd returns where the field that begins at s[i:] ends.
func fieldEnd(s string, i int) (int, *Error) {
	at := i
	for i < len(s) && strings.IndexByte(space+operators, s[i]) < 0 {
		if s[i] != '"' && s[i] != '\'' {
			i++
			continue
		}
		n := strings.IndexByte(s[i+1:], s[i])
		if n < 0 {
			return 0, &Error{Text: "the quote is not closed", Offset: i, Len: len(s) - i}
		}
		i += n + 2
	}
	if i == at {
		return 0, &Error{Text: "a field is missing", Hint: "a condition is field operator value, such as severity >= 4", Offset: at}
	}
	return i, nil
}

// unquoteField takes the quotes off the parts of a field's name.
func unquoteField(s string, from, to int) (string, *Error) {
	name := s[from:to]
	if !strings.ContainsAny(name, `"'`) {
		return name, nil
	}
	if !strings.HasPrefix(name, "fields.") {
		return "", &Error{Text: "the field is in quotes", Hint: "only the value may be quoted, and names of a vendor after fields.", Offset: from, Len: to - from}
	}
	var bare strings.Builder
	for name != "" {
		i := strings.IndexAny(name, `"'`)
		if i < 0 {
			break
		}
		n := i + 1 + strings.IndexByte(name[i+1:], name[i])
		bare.WriteString(name[:i])
		bare.WriteString(name[i+1 : n])
		name = name[n+1:]
	}
	return bare.String() + name, nil
}

// words are what people write instead of an operator.
var words = map[string]string{
	"is": "=", "eq": "=", "equals": "=", "not": "!=", "ne": "!=", "gt": ">", "gte": ">=", "ge": ">=", "lt": "<", "lte": "<=", "le": "<=",
	"contains": "~", "matches": "~", "like": "~", "in": "~ ^(a|b)$", "exist": "exists", "present": "exists", "absent": "missing",
	"==": "=", "===": "=", "=>": ">=", "=<": "<=", "<>": "!=", "=~": "~", "~=": "~", "!": "!=", "!==": "!=", "=!": "!=", "~~": "~", "<=>": "=",
}

// operator reads the operator at s[i:].
func operator(s string, i int) (o op, next int, err *Error) {
	next = i
	for next < len(s) && strings.IndexByte(operators, s[next]) >= 0 {
		next++
	}
	symbol := next > i
	if !symbol {
		for next < len(s) && strings.IndexByte(space+operators, s[next]) < 0 {
			next++
		}
	}
	switch s[i:next] {
	case "=":
		return equal, next, nil
	case "!=":
		return notEqual, next, nil
	case ">":
		return greater, next, nil
	case ">=":
		return greaterEqual, next, nil
	case "<":
		return less, next, nil
	case "<=":
		return lessEqual, next, nil
	case "~":
		return match, next, nil
	case "!~":
		return notMatch, next, nil
	case "exists", "missing":
		if rest := skip(s, next); rest < len(s) {
			return 0, 0, &Error{Text: s[i:next] + " takes no value", Offset: rest, Len: len(strings.TrimRight(s[rest:], space))}
		}
		if s[i] == 'e' {
			return exists, next, nil
		}
		return missing, next, nil
	}
	err = &Error{Text: "an operator is missing", Hint: "one of = != > >= < <= ~ !~ exists missing", Offset: i, Len: next - i}
	if next > i {
		err.Text = "unknown operator " + quote(s[i:next])
		if meant, ok := words[strings.ToLower(s[i:next])]; ok {
			err.Hint = "write " + meant
		}
	}
	return 0, 0, err
}

// readValue reads the value at s[i:], up to the end of s.
func readValue(s string, i int) (value string, quoted bool, err *Error) {
	value = strings.TrimRight(s[i:], space)
	if value == "" {
		return "", false, &Error{Text: "the value is missing", Hint: `write "" for empty`, Offset: i}
	}
	switch value[0] {
	case '\'':
		inner := strings.TrimSuffix(value[1:], "'")
		if len(inner) == len(value)-1 {
			return "", false, &Error{Text: "the quote is not closed", Offset: i, Len: len(value)}
		}
		bare := strings.ReplaceAll(inner, "''", "")
		if strings.Contains(bare, "'") {
			return "", false, &Error{Text: "there is text after the closing quote", Hint: "write '' for a quote inside quotes", Offset: i, Len: len(value)}
		}
		return strings.ReplaceAll(inner, "''", "'"), true, nil
	case '"':
		prefix, bad := strconv.QuotedPrefix(value)
		if bad != nil {
			return "", false, &Error{Text: "the quoted value is malformed", Hint: `close it with ", and write \\ for a backslash; in '…' a backslash is itself`, Offset: i, Len: len(value)}
		}
		if len(prefix) < len(value) {
			return "", false, &Error{Text: "there is text after the closing quote", Hint: `write \" for a quote inside quotes`, Offset: i + len(prefix), Len: len(value) - len(prefix)}
		}
		value, _ = strconv.Unquote(prefix)
		return value, true, nil
	}
	return value, false, joined(value, i)
}

// joined complains about a second condition in the value of the first.
func joined(value string, at int) *Error {
	for _, and := range []string{" and ", " AND ", " && ", " or ", " OR ", " || ", ", "} {
		n := strings.Index(value, and)
		if n < 0 {
			continue
		}
		if begins(value[n+len(and):]) {
			return &Error{Text: "these are two conditions", Hint: "write one condition per list entry: all entries of when must hold, and any list of drop drops; or quote the value", Offset: at + n, Len: len(value) - n}
		}
	}
	return nil
}

// begins reports whether s begins like a condition.
func begins(s string) bool {
	at := skip(s, 0)
	end, err := fieldEnd(s, at)
	if err != nil {
		return false
	}
	if _, err = lookup(s[at:end]); err != nil {
		return false
	}
	_, _, err = operator(s, skip(s, end))
	return err == nil
}

// unary checks exists and missing; from and to are where the field stands.
func (c *Cond) unary(from, to int) *Error {
	switch c.field.ref {
	case refSeverity:
		return &Error{Text: "severity is always there", Hint: "write severity = unknown or severity > unknown", Offset: from, Len: to - from}
	case refSource, refTime, refReceived:
		return &Error{Text: c.field.name + " is always there", Offset: from, Len: to - from}
	}
	return nil
}

// compile prepares the value for the field's type. Offsets are relative to the value.
func (c *Cond) compile(quoted bool) *Error {
	if c.op == match || c.op == notMatch {
		return c.compileRegexp()
	}
	if c.want == "" && (c.op == equal || c.op == notEqual) {
		if c.op == equal {
			c.op = missing
		} else {
			c.op = exists
		}
		return c.unary(0, 0)
	}
	switch c.field.kind {
	case kindSeverity:
		return c.compileSeverity()
	case kindTime:
		return c.compileTime()
	case kindIP:
		return c.compileIP()
	}
	c.num, c.isNum = parseNumber(c.want)
	ordered := c.op != equal && c.op != notEqual
	switch {
	case c.isNum:
		c.isNum = ordered || !quoted
		return nil
	case c.field.kind == kindNumber:
		return &Error{Text: c.field.name + " is a number"}
	case !ordered:
		return nil
	}
	if c.field.kind == kindAny && c.compileTime() == nil {
		c.isTime = true
		return nil
	}
	return &Error{Text: quote(c.want) + " has no order", Hint: "> >= < <= compare numbers and times; for text there are = and ~"}
}

func (c *Cond) compileRegexp() *Error {
	if c.field.kind == kindSeverity || c.field.kind == kindTime {
		return &Error{Text: c.field.name + " is not text", Hint: "compare it with = != > >= < <="}
	}
	re, err := regexp.Compile(c.want)
	if err != nil {
		text := strings.TrimPrefix(err.Error(), "error parsing regexp: ")
		return &Error{Text: "the regular expression is wrong: " + text, Hint: "RE2 syntax; quote the value to keep spaces at its ends"}
	}
	c.re = re
	return nil
}

// severities holds the words with the first and the last number of each; all of
// wherever a format wants words.
var severities = [...]struct {
	word   string
	lo, hi int
}{{"unknown", 0, 0}, {"informational", 1, 2}, {"low", 3, 4}, {"medium", 5, 6}, {"high", 7, 8}, {"critical", 9, 10}}

func (c *Cond) compileSeverity() *Error {
	lo, hi := -1, -1
	for _, s := range severities {
		if strings.EqualFold(s.word, c.want) {
			lo, hi = s.lo, s.hi
		}
	}
	if lo < 0 {
		n, err := strconv.Atoi(c.want)
		if err != nil || n < 0 || n > 10 {
			return &Error{Text: "unknown severity " + quote(c.want), Hint: "0 to 10, or unknown, informational, low, medium, high, critical"}
		}
		lo, hi = n, n
	}
	switch c.op {
	case greater:
		lo, hi = hi+1, 10
	case greaterEqual:
		hi = 10
	case less:
		lo, hi = 0, lo-1
	case lessEqual:
		lo = 0
	}
	if lo > hi {
		return &Error{Text: "no severity is " + opNames[c.op] + " " + c.want}
	}
	c.lo, c.hi = lo, hi
	return nil
}

var opNames = [...]string{equal: "=", notEqual: "!=", greater: ">", greaterEqual: ">=", less: "<", lessEqual: "<=", match: "~", notMatch: "!~", exists: "exists", missing: "missing"}

func (c *Cond) compileTime() *Error {
	t, err := time.Parse(time.RFC3339Nano, c.want)
	if err != nil {
		if t, err = time.Parse(time.DateOnly, c.want); err != nil {
			return &Error{Text: quote(c.want) + " is not a time", Hint: "write 2026-11-20T10:00:00Z or 2026-11-20"}
		}
	}
	if t.Year() < 1678 || t.Year() > 2261 {
		return &Error{Text: "the year of " + quote(c.want) + " is out of range"}
	}
	c.time = t.UnixNano()
	return nil
}

func (c *Cond) compileIP() *Error {
	if c.op != equal && c.op != notEqual {
		return &Error{Text: "addresses have no order", Hint: c.field.name + " = 10.0.0.0/8 takes a prefix"}
	}
	if a, err := netip.ParseAddr(c.want); err == nil && a.Zone() == "" {
		a = a.Unmap()
		c.net = netip.PrefixFrom(a, a.BitLen())
		return nil
	}
	p, err := netip.ParsePrefix(c.want)
	if err != nil {
		return &Error{Text: quote(c.want) + " is neither an address nor a prefix", Hint: "write 10.1.2.3 or 10.0.0.0/8"}
	}
	if p.Masked() != p {
		return &Error{Text: quote(c.want) + " has bits beyond its length", Hint: "write " + p.Masked().String()}
	}
	c.net = p
	return nil
}

// quote shows text of the user's, in full unless it is long.
func quote(s string) string {
	if len(s) > 60 {
		s = strings.ToValidUTF8(s[:60], "") + "…"
	}
	return strconv.Quote(s)
}
