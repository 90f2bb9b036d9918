// Package scanner reads the detection alerts that Scanner.dev posts to a webhook: one
// JSON object for each alert, made of the rule's own texts, the query, the window it ran
// over and a table of what it found. A rule's alert template adds members of its own, and
// may leave out any of the usual ones: none is required.
//
// What a Scanner account sends to is set up through its Event Sinks API, which package
// sinksapi speaks.
package scanner

import (
	"embed"
	"errors"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

//go:embed samples/*.txtar
var samples embed.FS

//go:embed README.md
var readme string

// Vendor reads one alert at a time.
var Vendor = kit.Vendor{
	Name:     "scanner",
	Product:  "Scanner.dev",
	Doc:      "Scanner.dev detection alerts: webhooks, with custom templates",
	Parse:    parse,
	Detect:   detect,
	Shape:    kit.Body,
	Samples:  samples,
	Hook:     &hook,
	Register: &register,
	Readme:   readme,
}

// decade is 2010-01-01T00:00:00Z, in nanoseconds; what claims to be earlier is no time of
// an alert.
const decade = 1262304000 * 1e9

// errNoAlert is what parse returns for JSON that is no alert.
var errNoAlert = errors.New("alert is not an object")

func parse(r *record.Record, raw []byte) error {
	alert := unwrap(raw)
	if err := kit.JSON(r, nil, alert); err != nil {
		return err
	}
	if r.Fields[0].Kind != record.Map {
		r.Undo(0)
		return errNoAlert
	}
	// The members become the record's fields.
	n := copy(r.Fields, r.Fields[1:])
	r.Undo(n)
	dropPagerDuty(r)

	r.Vendor, r.Product, r.Version = record.Bytes("Scanner"), record.Bytes("Scanner Detections"), record.Bytes("1")
	if text, ok := testText(alert); ok {
		parseTest(r, text)
		return nil
	}
	r.Category = record.Bytes("Detection Alert")
	var m members
	m.read(r)
	link := readLink(r, m.link)
	setEvent(r, &m, &link)
	setTimes(r, &m, &link)
	setTags(r, m.tags)
	setRows(r, alert, m.table)
	if id := scalar(r, m.id); len(id) > 0 {
		r.Identity = r.End(appendIdentity(r.Begin(len(identityOf)+len(id)), id, nil))
	} else {
		r.Identity = r.End(appendIdentity(r.Begin(len(identityOf)+1+len(alert)), nil, alert))
	}
	return nil
}

// parseTest reads what the console's "Send Test Event" posts, as far as that is known.
func parseTest(r *record.Record, text []byte) {
	r.Test = true
	r.Class, r.Name = record.Bytes("test"), record.Bytes("Test event")
	r.Category = r.Class
	r.Message = kit.Unquote(r, text)
}

// identityOf begins what an alert's identity is made of.
const identityOf = "scanner|"

// appendIdentity appends what makes an alert this alert: its id, or without one all of
// its content.
func appendIdentity(dst, id, alert []byte) []byte {
	dst = append(dst, identityOf...)
	if len(id) > 0 {
		return append(dst, id...)
	}
	return kit.AppendCanonical(append(dst, '|'), alert)
}

// dropPagerDuty takes out the members that a template writes for PagerDuty alone.
func dropPagerDuty(r *record.Record) {
	const prefix = "@pagerduty."
	n := 0
	for i := 0; i < len(r.Fields); {
		next := i + 1 + int(r.Fields[i].Size)
		if name := r.Fields[i].Name; len(name) < len(prefix) || string(name[:len(prefix)]) != prefix {
			if n != i {
				copy(r.Fields[n:], r.Fields[i:next])
			}
			n += next - i
		}
		i = next
	}
	r.Undo(n)
}

// members are where the documented members of an alert stand among the record's fields;
// -1 where there is none. Of members with one name the first counts.
type members struct {
	id, rule, tenant         int
	severityID, severity     int
	name, title              int
	description, query, tags int
	window, timestamp        int
	staging, table, link     int
}

func (m *members) read(r *record.Record) {
	*m = members{-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1}
	for i := 0; i < len(r.Fields); i += 1 + int(r.Fields[i].Size) {
		if at := m.place(r.Fields[i].Name); at != nil && *at < 0 {
			*at = i
		}
	}
}

// place is where the member called name is noted, or nil.
func (m *members) place(name []byte) *int {
	switch string(name) {
	case "id":
		return &m.id
	case "detection_rule_id":
		return &m.rule
	case "tenant_id":
		return &m.tenant
	case "severity_id":
		return &m.severityID
	case "severity":
		return &m.severity
	case "name":
		return &m.name
	case "Name", "title", "Title":
		return &m.title
	case "description":
		return &m.description
	case "query_text":
		return &m.query
	case "tags":
		return &m.tags
	case "detected_in_time_range":
		return &m.window
	case "timestamp":
		return &m.timestamp
	case "staging":
		return &m.staging
	case "results_table":
		return &m.table
	case "View in Scanner":
		return &m.link
	}
	return nil
}

// scalar is the text of the scalar at i; nil where there is none.
func scalar(r *record.Record, i int) []byte {
	if i < 0 {
		return nil
	}
	return r.Fields[i].Text
}

// first is the first of texts that is not empty.
func first(texts ...[]byte) []byte {
	for _, t := range texts {
		if len(t) > 0 {
			return t
		}
	}
	return nil
}

// setEvent sets what the alert says of its rule.
func setEvent(r *record.Record, m *members, link *link) {
	rule := first(scalar(r, m.rule), link.rule)
	r.ID = scalar(r, m.id)
	r.Name = first(scalar(r, m.name), scalar(r, m.title), record.Bytes("Scanner detection"))
	r.Class = first(rule, r.Name)
	r.Severity = severity(r, scalar(r, m.severityID), scalar(r, m.severity))
	r.Message = first(scalar(r, m.description), r.Name)
	r.Set(record.RuleID, rule)
	r.Set(record.RuleName, r.Name)
	r.SetSlot(record.CS1, "Query", scalar(r, m.query))
	r.SetSlot(record.CS5, "Staging", scalar(r, m.staging))
	r.SetSlot(record.CS6, "TenantId", scalar(r, m.tenant))
	r.Set(record.URL, scalar(r, m.link))
}

// severity goes by the number where that is one of OCSF's, else by the word; an alert
// with neither is taken for a medium one.
func severity(r *record.Record, id, word []byte) int {
	switch string(id) {
	case "0":
		return 0
	case "1":
		return 1
	case "2":
		return 3
	case "3", "99":
		return 5
	case "4":
		return 8
	case "5":
		return 9
	case "6":
		return 10
	}
	if n, ok := severityOf(word); ok {
		return n
	}
	if len(id) > 0 || len(word) > 0 {
		r.Warn("unknown_severity", first(word, id))
	} else {
		r.Warn("missing_severity", nil)
	}
	return 5
}

// severityOf reads the words of the webhook, of the REST API and of rules as code.
func severityOf(word []byte) (n int, ok bool) {
	for _, s := range severities {
		if sameFold(word, s.word) {
			return s.n, true
		}
	}
	return 0, false
}

var severities = [...]struct {
	word string
	n    int
}{
	{"unknown", 0}, {"informational", 1}, {"information", 1}, {"low", 3}, {"medium", 5}, {"high", 8},
	{"critical", 9}, {"fatal", 10}, {"other", 5},
}

// sameFold reports whether text is word, which is in lower case, with its ASCII letters
// in any case.
func sameFold(text []byte, word string) bool {
	if len(text) != len(word) {
		return false
	}
	for i, c := range text {
		if lower(c) != word[i] {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if c-'A' <= 'Z'-'A' {
		return c | 0x20
	}
	return c
}
