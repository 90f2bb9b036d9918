package scanner

import (
	"bytes"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// setTimes sets when it happened, and the window the query ran over. The two are
// independent: the alert may well lie outside its window.
func setTimes(r *record.Record, m *members, link *link) {
	var start, end record.Time
	if m.window >= 0 && r.Fields[m.window].Kind == record.Map {
		start, end = timeOf(r, r.Find(m.window, "start")), timeOf(r, r.Find(m.window, "end"))
	}
	r.SetTime(record.Start, start)
	r.SetTime(record.End, end)
	r.Time = timeOf(r, m.timestamp)
	for _, t := range [...]record.Time{end, link.triggered} {
		if r.Time.IsZero() {
			r.Time = t
		}
	}
	if m.timestamp >= 0 && r.Fields[m.timestamp].Kind != record.Null && timeOf(r, m.timestamp).IsZero() {
		r.Warn("timestamp", r.Fields[m.timestamp].Text)
	}
}

// timeOf reads the time at i: nanoseconds, milliseconds or seconds since 1970, as a
// number or as text, or RFC 3339. Zero where there is none, or one before 2010.
func timeOf(r *record.Record, i int) record.Time {
	if i < 0 {
		return record.Time{}
	}
	return readTime(r.Fields[i].Text)
}

func readTime(text []byte) record.Time {
	if t, ok := kit.ParseEpoch(text); ok {
		if t.Nanos < decade {
			return record.Time{}
		}
		return t
	}
	t, ok := kit.ParseTime(text)
	if !ok || t.Nanos < decade {
		return record.Time{}
	}
	return t
}

// link is what the link to Scanner's console says besides where to look.
type link struct {
	rule      []byte
	triggered record.Time
}

// readLink reads the query of the link at i.
func readLink(r *record.Record, i int) (l link) {
	url := scalar(r, i)
	at := bytes.IndexByte(url, '?')
	for at >= 0 && at < len(url) {
		pair := url[at+1:]
		next := bytes.IndexByte(pair, '&')
		if next >= 0 {
			pair, at = pair[:next], at+1+next
		} else {
			at = -1
		}
		name, value, _ := bytes.Cut(pair, record.Bytes("="))
		switch string(name) {
		case "detection_rule_id":
			l.rule = value
		case "triggered_at":
			if bytes.IndexByte(value, '%') >= 0 {
				value = r.End(appendPercent(r.Begin(len(value)), value))
			}
			l.triggered = readTime(value)
		}
	}
	return l
}

// appendPercent appends text with its %XX decoded (RFC 3986 §2.1).
func appendPercent(dst, text []byte) []byte {
	for i := 0; i < len(text); i++ {
		if text[i] == '%' && i+2 < len(text) && hex(text[i+1]) < 16 && hex(text[i+2]) < 16 {
			dst = append(dst, hex(text[i+1])<<4|hex(text[i+2]))
			i += 2
			continue
		}
		dst = append(dst, text[i])
	}
	return dst
}

// hex is the value of a hexadecimal digit; 16 of anything else.
func hex(c byte) byte {
	switch {
	case c-'0' <= 9:
		return c - '0'
	case lower(c)-'a' <= 'f'-'a':
		return lower(c) - 'a' + 10
	}
	return 16
}

// setTags sets the rule's tags, and the tactics and techniques of MITRE ATT&CK among
// them: tactics.ta0004.privilege_escalation, techniques.t1098.003_additional_cloud_roles.
func setTags(r *record.Record, at int) {
	if at < 0 {
		return
	}
	if r.Fields[at].Kind != record.List {
		r.SetSlot(record.CS2, "Tags", r.Fields[at].Text)
		return
	}
	items := r.Fields[at+1 : at+1+int(r.Fields[at].Size)]
	n := 0
	for i := range items {
		n += len(items[i].Text) + 1
	}
	tags := r.Begin(n)
	for i := range items {
		if text := items[i].Text; len(text) > 0 {
			tags = appendItem(tags, text)
		}
	}
	r.SetSlot(record.CS2, "Tags", r.End(tags))
	r.Set(record.ThreatTactic, attack(r, items, n, "tactics.ta", "TA", false))
	techniques := attack(r, items, n, "techniques.t", "T", true)
	r.Set(record.ThreatTechnique, techniques)
	r.SetSlot(record.CS3, "MitreTechniques", techniques)
}

func appendItem(dst, text []byte) []byte {
	if len(dst) > 0 {
		dst = append(dst, ',')
	}
	return append(dst, text...)
}

// attack joins the identifiers of ATT&CK in tags that begin with prefix: as, four digits
// and, of techniques, perhaps the number of a sub-technique. Each is listed once.
func attack(r *record.Record, tags []record.Field, room int, prefix, as string, subs bool) []byte {
	out := r.Begin(room)
	for i := range tags {
		tag := tags[i].Text
		if len(tag) < len(prefix)+4 || !sameFold(tag[:len(prefix)], prefix) || digits(tag[len(prefix):]) != 4 {
			continue
		}
		end := len(prefix) + 4
		if subs && end < len(tag) && tag[end] == '.' && digits(tag[end+1:]) == 3 {
			end += 4
		}
		number := tag[len(prefix):end]
		if listed(out, number, len(as)) {
			continue
		}
		out = append(appendItem(out, record.Bytes(as)), number...)
	}
	return r.End(out)
}

// listed reports whether a list has an item that ends, after skip octets, in number.
func listed(list, number []byte, skip int) bool {
	for len(list) > 0 {
		item := list
		if at := bytes.IndexByte(list, ','); at >= 0 {
			item, list = list[:at], list[at+1:]
		} else {
			list = nil
		}
		if bytes.Equal(item[skip:], number) {
			return true
		}
	}
	return false
}

// digits is how many digits b begins with.
func digits(b []byte) int {
	for i, c := range b {
		if c-'0' > 9 {
			return i
		}
	}
	return len(b)
}
