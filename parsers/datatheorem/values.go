package datatheorem

import (
	"bytes"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// values are the members of data that the record's own places are filled from, nil
// where absent or null. None is required.
type values struct {
	uuid, id                      []byte
	status, currentStatus         []byte
	aggregatedStatus              []byte
	relevance, severity, priority []byte
	title, description            []byte
	recommendation                []byte
	created, exceptionDate        []byte
	portalURL                     []byte
	policyName, policyID          []byte
	ruleID, ruleTypeID, issueType []byte
	explanation, failedReason     []byte
	login, ip                     []byte
	createdBy, deletedBy          []byte
	updatedBy                     []byte
	category                      []byte
	asset                         asset
	affected                      bool // data.affected_asset is an object
}

// asset is an asset, affected or discovered.
type asset struct {
	id, name, typ, via, url, group []byte
}

func (v *values) read(r *record.Record) {
	for i := 0; i < len(r.Fields); i += 1 + int(r.Fields[i].Size) {
		f := &r.Fields[i]
		if f.Kind == record.Map && string(f.Name) == "affected_asset" && !v.affected {
			v.affected = true
			v.asset.read(r, i+1, i+1+int(f.Size))
		} else if len(f.Text) > 0 {
			if at := v.place(f.Name); at != nil && *at == nil {
				*at = f.Text
			}
		}
	}
}

// place is where the member called name is kept, or nil.
func (v *values) place(name []byte) *[]byte {
	switch string(name) {
	case "uuid":
		return &v.uuid
	case "id":
		return &v.id
	case "policy_violation_status":
		return &v.status
	case "current_status":
		return &v.currentStatus
	case "aggregated_status":
		return &v.aggregatedStatus
	case "relevance":
		return &v.relevance
	case "severity":
		return &v.severity
	case "priority":
		return &v.priority
	case "title":
		return &v.title
	case "description":
		return &v.description
	case "recommendation":
		return &v.recommendation
	case "date_created":
		return &v.created
	case "exception_date_created":
		return &v.exceptionDate
	case "portal_url":
		return &v.portalURL
	case "policy_name":
		return &v.policyName
	case "policy_uuid":
		return &v.policyID
	case "violated_policy_rule_uuid":
		return &v.ruleID
	case "violated_policy_rule_type_uuid":
		return &v.ruleTypeID
	case "issue_type_id":
		return &v.issueType
	case "exception_explanation":
		return &v.explanation
	case "auth_failed_reason":
		return &v.failedReason
	case "user_login_email":
		return &v.login
	case "ip_address":
		return &v.ip
	case "created_by":
		return &v.createdBy
	case "deleted_by":
		return &v.deletedBy
	case "updated_by":
		return &v.updatedBy
	case "category":
		return &v.category
	}
	return nil
}

// read takes the members that stand at fields from to end.
func (a *asset) read(r *record.Record, from, end int) {
	for i := from; i < end; i += 1 + int(r.Fields[i].Size) {
		f := &r.Fields[i]
		var at *[]byte
		text := f.Text
		switch string(f.Name) {
		case "uuid":
			at = &a.id
		case "name":
			at = &a.name
		case "type":
			at = &a.typ
		case "discovered_via":
			at = &a.via
		case "url":
			at = &a.url
		case "belongs_to_asset_group":
			at = &a.group
			if f.Kind == record.Map {
				text = member(r, i, "name").Text
			}
		}
		if at != nil && *at == nil && len(text) > 0 {
			*at = text
		}
	}
}

// normalizeTimes rewrites the vendor's dates, Python's isoformat with or without zone
// (then UTC), as RFC 3339 in UTC.
func normalizeTimes(r *record.Record) {
	for i := range r.Fields {
		f := &r.Fields[i]
		if f.Kind != record.String || len(f.Text) < len("2006-01-02T15:04:05") || f.Text[4] != '-' || !dateName(f.Name) {
			continue
		}
		if t, ok := kit.ParseTime(f.Text); ok {
			f.Text = kit.TimeText(r, t)
		}
	}
}

// dateName reports whether one of the words of a name is date.
func dateName(name []byte) bool {
	return bytes.HasPrefix(name, record.Bytes("date_")) || bytes.HasSuffix(name, record.Bytes("_date")) ||
		bytes.Contains(name, record.Bytes("_date_"))
}

// firstLine is the first line of text that is not blank. The vendor writes line breaks
// as the two characters \ and n, or as themselves.
func firstLine(text []byte) []byte {
	for len(text) > 0 {
		line, rest := text, []byte(nil)
		for i, c := range text {
			if c == '\n' || c == '\r' {
				line, rest = text[:i], text[i+1:]
				break
			}
			if c == '\\' && i+1 < len(text) && (text[i+1] == 'n' || text[i+1] == 'r') {
				line, rest = text[:i], text[i+2:]
				break
			}
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			return line
		}
		text = rest
	}
	return nil
}
