package ocsf

import (
	"bytes"

	"github.com/siemfwd/siemfwd/formatters/object"
	"github.com/siemfwd/siemfwd/formatters/text"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

var unknown = []byte("unknown")

func either(a, b []byte) []byte {
	if len(a) > 0 {
		return a
	}
	return b
}

// appendTime appends a time in milliseconds since 1970.
func appendTime(dst []byte, t record.Time) []byte {
	if t.IsZero() {
		return dst
	}
	return object.AppendInt(dst, t.Millis())
}

func eventTime(dst []byte, r *record.Record) []byte {
	if t := r.When(); !t.IsZero() {
		return appendTime(dst, t)
	}
	return append(dst, '0') // the schema wants one
}

func logged(dst []byte, r *record.Record) []byte { return appendTime(dst, record.At(r.Received)) }

// word is one of a vendor's words and the number it stands for.
type word struct {
	text   string
	number int64
}

const other = 99

// activities are what happened to the finding; what is not here is other.
var activities = []word{
	{"create", 1}, {"created", 1}, {"open", 1}, {"opened", 1}, {"new", 1}, {"update", 2}, {"updated", 2}, {"modified", 2},
	{"close", 3}, {"closed", 3}, {"resolve", 3}, {"resolved", 3},
}

// statuses are those of a finding. An incident has the same numbers for the first two,
// and others behind.
var (
	statuses = []word{
		{"new", 1}, {"open", 1}, {"opened", 1}, {"in progress", 2}, {"in_progress", 2}, {"pending", 2}, {"suppressed", 3},
		{"dismissed", 3}, {"resolved", 4}, {"closed", 4}, {"fixed", 4}, {"remediated", 4},
	}
	incidentStatuses = []word{
		{"new", 1}, {"open", 1}, {"opened", 1}, {"in progress", 2}, {"in_progress", 2}, {"pending", 2}, {"on hold", 3},
		{"on_hold", 3}, {"resolved", 4}, {"fixed", 4}, {"remediated", 4}, {"closed", 5},
	}
)

func number(words []word, s []byte) int64 {
	for i := range words {
		if bytes.EqualFold(s, record.Bytes(words[i].text)) {
			return words[i].number
		}
	}
	return other
}

// activity is the number of what happened; what says nothing is a creation.
func activity(r *record.Record) int64 {
	if len(r.Action) == 0 {
		return 1
	}
	return number(activities, r.Action)
}

// activityID appends the number of the activity, behind a class as the type has it.
func activityID(class string) object.Value {
	return func(dst []byte, r *record.Record) []byte {
		n := activity(r)
		if dst = append(dst, class...); class != "" && n < 10 {
			dst = append(dst, '0')
		}
		return object.AppendInt(dst, n)
	}
}

func activityName(dst []byte, r *record.Record) []byte {
	if activity(r) != other {
		return dst
	}
	return object.AppendText(dst, r, r.Action, 0)
}

// statusID appends the number of the status; an incident always has one.
func statusID(incident bool) object.Value {
	return func(dst []byte, r *record.Record) []byte {
		switch {
		case len(r.Outcome) > 0:
			return object.AppendInt(dst, number(statusesOf(incident), r.Outcome))
		case incident:
			return append(dst, '1')
		}
		return dst
	}
}

func statusName(incident bool) object.Value {
	return func(dst []byte, r *record.Record) []byte {
		if len(r.Outcome) == 0 || number(statusesOf(incident), r.Outcome) != other {
			return dst
		}
		return object.AppendText(dst, r, r.Outcome, 0)
	}
}

func statusesOf(incident bool) []word {
	if incident {
		return incidentStatuses
	}
	return statuses
}

// severities holds the schema's words, two steps of the record's scale for each.
var severities = [...]string{"Unknown", "Informational", "Low", "Medium", "High", "Critical"}

func severity(r *record.Record) int64 { return int64(min(max(r.Severity, 0), 10)+1) / 2 }

func severityID(dst []byte, r *record.Record) []byte { return object.AppendInt(dst, severity(r)) }

func severityName(dst []byte, r *record.Record) []byte {
	return append(append(append(dst, '"'), severities[severity(r)]...), '"')
}

func ownUID(dst []byte, r *record.Record) []byte { return append(r.AppendUID(append(dst, '"')), '"') }

// uid appends the vendor's id, or our own where there is none.
func uid(dst []byte, r *record.Record) []byte {
	if len(r.ID) > 0 {
		return object.AppendText(dst, r, r.ID, 0)
	}
	return ownUID(dst, r)
}

func title(dst []byte, r *record.Record) []byte {
	return object.AppendText(dst, r, either(either(r.Name, r.Message), unknown), 0)
}

// description appends the message, where the title does not say it, or the reason.
func description(dst []byte, r *record.Record) []byte {
	v := either(r.Message, r.Get(record.Reason))
	if bytes.Equal(v, r.Name) {
		return dst
	}
	return object.AppendText(dst, r, v, 0)
}

// ruled reports whether the record names a rule; without one, its policy is the rule.
func ruled(r *record.Record) bool { return r.Has(record.RuleID) || r.Has(record.RuleName) }

func analytic(rule, policy record.Key) object.Value {
	return func(dst []byte, r *record.Record) []byte {
		if ruled(r) {
			return object.AppendText(dst, r, r.Get(rule), 0)
		}
		return object.AppendText(dst, r, r.Get(policy), 0)
	}
}

// analyticType appends that the analytic is a rule.
func analyticType(dst []byte, r *record.Record) []byte {
	if !ruled(r) && !r.Has(record.PolicyID) && !r.Has(record.PolicyName) {
		return dst
	}
	return append(dst, '1')
}

// attacks appends a list of one object for each tactic and technique.
func attacks(dst []byte, r *record.Record) []byte {
	mark := len(dst)
	dst = attack(dst, mark, r, record.ThreatTactic, `{"tactic":{"`, "TA")
	dst = attack(dst, mark, r, record.ThreatTechnique, `{"technique":{"`, "T")
	if len(dst) > mark {
		dst = append(dst, ']')
	}
	return dst
}

func attack(dst []byte, mark int, r *record.Record, k record.Key, open, prefix string) []byte {
	for rest := r.Get(k); len(rest) > 0; {
		word := rest
		if i := bytes.IndexAny(rest, ",;"); i >= 0 {
			word, rest = rest[:i], rest[i+1:]
		} else {
			rest = nil
		}
		if word = bytes.TrimSpace(word); len(word) == 0 {
			continue
		}
		if len(dst) > mark {
			dst = append(dst, ',')
		} else {
			dst = append(dst, '[')
		}
		lead := `name":"`
		if digits, found := bytes.CutPrefix(word, record.Bytes(prefix)); found && len(digits) > 0 && digits[0]-'0' <= 9 {
			lead = `uid":"`
		}
		dst = append(text.AppendJSON(append(dst, open...), lead, word), "}}"...)
	}
	return dst
}

// fileName appends the file's name, or the last part of its path: a file has to have one.
func fileName(dst []byte, r *record.Record) []byte {
	name := r.Get(record.FileName)
	if len(name) == 0 {
		name = r.Get(record.FilePath)
		name = name[bytes.LastIndexAny(name, `/\`)+1:]
	}
	return object.AppendText(dst, r, name, 0)
}

// ofFile leaves a member out where the file has no name.
func ofFile(v object.Value) object.Value {
	return func(dst []byte, r *record.Record) []byte {
		mark := len(dst)
		if dst = fileName(dst, r); len(dst) == mark {
			return dst
		}
		return v(dst[:mark], r)
	}
}

// fileType appends that the kind of the file is not known.
func fileType(dst []byte, r *record.Record) []byte {
	return ofFile(func(dst []byte, _ *record.Record) []byte { return append(dst, '0') })(dst, r)
}

// hashes appends a list of the file's hash, with the number of its algorithm.
func hashes(dst []byte, r *record.Record) []byte {
	v := r.Get(record.FileHash)
	if len(v) == 0 {
		return dst
	}
	lead := `[{"algorithm_id":99,"algorithm":"Other","value":"`
	if hexadecimal(v) {
		switch len(v) {
		case 32:
			lead = `[{"algorithm_id":1,"algorithm":"MD5","value":"`
		case 40:
			lead = `[{"algorithm_id":2,"algorithm":"SHA-1","value":"`
		case 64:
			lead = `[{"algorithm_id":3,"algorithm":"SHA-256","value":"`
		case 128:
			lead = `[{"algorithm_id":4,"algorithm":"SHA-512","value":"`
		}
	}
	return append(text.AppendJSON(dst, lead, v), "}]"...)
}

func hexadecimal(v []byte) bool {
	for _, c := range v {
		if c-'0' > 9 && c|0x20-'a' > 5 {
			return false
		}
	}
	return true
}

// observable is a fact that analysts pivot on.
type observable struct {
	fact record.Key
	lead string
}

var observed = []observable{
	{record.SrcIP, `{"name":"src","type_id":2,"type":"IP Address","value":"`},
	{record.DstIP, `{"name":"dst","type_id":2,"type":"IP Address","value":"`},
	{record.SrcHost, `{"name":"src_host","type_id":1,"type":"Hostname","value":"`},
	{record.DstHost, `{"name":"dst_host","type_id":1,"type":"Hostname","value":"`},
	{record.UserName, `{"name":"user","type_id":4,"type":"User Name","value":"`},
	{record.DstUser, `{"name":"dst_user","type_id":4,"type":"User Name","value":"`},
	{record.URL, `{"name":"url","type_id":6,"type":"URL String","value":"`},
	{record.FileName, `{"name":"file","type_id":7,"type":"File Name","value":"`},
	{record.FileHash, `{"name":"hash","type_id":8,"type":"Hash","value":"`},
	{record.ProcessName, `{"name":"process","type_id":9,"type":"Process Name","value":"`},
	{record.ObjectID, `{"name":"resource","type_id":10,"type":"Resource UID","value":"`},
}

func observables(dst []byte, r *record.Record) []byte {
	mark := len(dst)
	for i := range observed {
		o := &observed[i]
		v := r.Get(o.fact)
		if record.Keys[o.fact].Kind == record.FactIP {
			v = object.IP(v)
		}
		if len(v) == 0 {
			continue
		}
		if len(dst) > mark {
			dst = append(dst, ',')
		} else {
			dst = append(dst, '[')
		}
		dst = append(text.AppendJSON(dst, o.lead, v), '}')
	}
	if len(dst) > mark {
		dst = append(dst, ']')
	}
	return dst
}
