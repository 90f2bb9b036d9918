// Package when is the small language of a sink's `when:` and `drop:`: one condition
// is `field op value`, and nothing more.
//
//	severity >= high
//	source = skyhigh-connector
//	src.ip = 10.0.0.0/8
//	user.name !~ ^svc-
//	fields.information.riskScore > 70
//	policy.name missing
//
// # Fields
//
// The header values of the record (id vendor product version class name severity
// category action outcome message source time received raw warnings), observer.host
// and observer.ip, the standard facts by their names in record.Keys (user.name,
// src.ip, …), and whatever the vendor sent as fields.NAME, to any depth. A path
// through a list goes through each of its items. A vendor's name with spaces or
// operators in it is quoted: fields."User Name".
//
// # Operators
//
//   - = equal. As numbers when both sides are JSON numbers, exactly, whatever their
//     length; otherwise octet by octet. A quoted value is always text. On an address
//     the value may be a prefix. On a list: some item is equal.
//   - > >= < <= order of numbers, of instants (RFC 3339 or a date, UTC) and of
//     severities. What cannot be compared does not match. On a list: some item.
//   - ~ some part of the text matches the regular expression (RE2; ^ and $ anchor,
//     (?i) ignores case). On a list: of some item.
//   - != and !~ are true exactly when = and ~ are not: also for an absent field, and
//     on a list when no item is equal or matches.
//   - exists, missing: there is a value, or not. Null and what is empty are missing;
//     so `= ""` is missing and `!= ""` is exists.
//
// severity takes 0 to 10 or the words unknown, informational, low, medium, high and
// critical; a word is its whole range, so that `severity > low` begins at medium.
package when

import (
	"net/netip"
	"regexp"
	"strconv"

	"github.com/siemfwd/siemfwd/forwarder/record"
)

// Cond is one condition. It holds no state that Match changes and may be used by any
// number of goroutines, each with its own record.
type Cond struct {
	text  string
	field field
	op    op

	want string         // text, ready to compare; "" for unary operators
	num  number         // of want, when isNum
	re   *regexp.Regexp // of ~ and !~
	net  netip.Prefix   // of addresses, with = and !=
	time int64          // of instants, nanoseconds since 1970
	lo   int            // of severities: the range, both ends included
	hi   int

	isNum  bool
	isTime bool
}

// op is what a condition asks for, without its negation.
type op uint8

const (
	equal op = iota
	notEqual
	greater
	greaterEqual
	less
	lessEqual
	match
	notMatch
	exists
	missing
)

// String returns the condition as it was written.
func (c *Cond) String() string { return c.text }

// Filter decides whether a sink takes an event. The zero Filter takes everything.
type Filter struct {
	When []*Cond   // all must hold
	Drop [][]*Cond // one list of which all hold drops; an empty list drops nothing
}

// Decide reports whether r passes and, when it does not, which rule decided: the first
// condition of When that does not hold, otherwise the first list of Drop that does.
// It allocates nothing.
func (f *Filter) Decide(r *record.Record) (pass bool, by Rule) {
	for i, c := range f.When {
		if !c.Match(r) {
			return false, Rule{ByWhen, i}
		}
	}
	for i, list := range f.Drop {
		if len(list) > 0 && all(list, r) {
			return false, Rule{ByDrop, i}
		}
	}
	return true, Rule{}
}

func all(list []*Cond, r *record.Record) bool {
	for _, c := range list {
		if !c.Match(r) {
			return false
		}
	}
	return true
}

// Rule names the rule that kept an event from a sink. The zero Rule is none.
type Rule struct {
	By    By
	Index int // into Filter.When or Filter.Drop
}

// By is the kind of a rule.
type By uint8

// The kinds of rules.
const (
	ByNone By = iota
	ByWhen    // a condition of When did not hold
	ByDrop    // a list of Drop held
)

// String returns the rule's path within the sink's configuration: when[0], drop[2], or
// nothing.
func (r Rule) String() string {
	switch r.By {
	case ByWhen:
		return "when[" + strconv.Itoa(r.Index) + "]"
	case ByDrop:
		return "drop[" + strconv.Itoa(r.Index) + "]"
	default:
		return ""
	}
}

// Error is why a condition could not be understood.
type Error struct {
	Text   string
	Hint   string // what to do; may be empty
	Offset int    // in octets, where in the condition the mistake is
	Len    int    // of the mistake, in octets; 0 when something is missing there
}

// Error returns the text without the hint.
func (e *Error) Error() string { return e.Text }
