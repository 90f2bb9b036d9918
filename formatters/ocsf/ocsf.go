// Package ocsf writes records as events of the Open Cybersecurity Schema Framework:
// Detection Finding (2004), or Incident Finding (2005). What the schema has no attribute
// for stands under unmapped.
package ocsf

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/siemfwd/siemfwd/formatters/object"
	"github.com/siemfwd/siemfwd/formatters/text"
	"github.com/siemfwd/siemfwd/formatters/tree"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

// versions of the schema that events may be written for, the first by default.
var versions = []string{"1.4.0", "1.1.0", "1.2.0", "1.3.0", "1.5.0", "1.6.0", "1.7.0", "1.8.0"}

// Options says how events are written. The zero Options is usable.
type Options struct {
	Version  string // of the schema, 1.1 to 1.8; "" is 1.4
	Incident bool   // Incident Finding instead of Detection Finding
	Raw      bool   // raw_data carries the event as it was received
}

// Formatter renders records as one line of JSON. It may be used by any number of
// goroutines.
type Formatter struct {
	full, bare, least *object.Plan // with raw_data, without, and without unmapped
}

// New checks o and returns a Formatter.
func New(o Options) (*Formatter, error) {
	version := o.Version
	if strings.Count(version, ".") == 1 {
		version += ".0"
	}
	if version == "" {
		version = versions[0]
	}
	if !slices.Contains(versions, version) {
		return nil, fmt.Errorf("version %q: want 1.1 to 1.8", o.Version)
	}
	f := &Formatter{bare: object.New(members(version, o.Incident, false, true)...), least: object.New(members(version, o.Incident, false, false)...)}
	f.full = f.bare
	if o.Raw {
		f.full = object.New(members(version, o.Incident, true, true)...)
	}
	return f, nil
}

// Append appends r. It never fails.
func (f *Formatter) Append(dst []byte, r *record.Record) ([]byte, error) {
	r.Shortened = 0
	return f.full.Append(dst, r), nil
}

var errNoRoom = errors.New("ocsf: event: longer than the largest message even without raw_data and unmapped")

// AppendMax appends r in at most limit octets. An event that is longer loses raw_data,
// then unmapped, which metadata.labels tells; when that is not enough it fails.
func (f *Formatter) AppendMax(dst []byte, r *record.Record, limit int) ([]byte, error) {
	base := len(dst)
	for i, p := range [...]*object.Plan{f.full, f.bare, f.least} {
		r.Shortened = i
		if dst = p.Append(dst[:base], r); len(dst)-base <= limit {
			return dst, nil
		}
	}
	r.Shortened = 0
	return dst[:base], errNoRoom
}

// members is the event, in its order.
func members(version string, incident, raw, unmapped bool) []object.Member {
	class, finding := "2004", "finding_info."
	if incident {
		class, finding = "2005", "finding_info_list[]."
	}
	m := []object.Member{
		{Path: "class_uid", Value: object.Const(class)},
		{Path: "category_uid", Value: object.Const("2")},
		{Path: "activity_id", Value: activityID("")},
		{Path: "type_uid", Value: activityID(class)},
		{Path: "activity_name", Value: activityName},
		{Path: "severity_id", Value: severityID},
		{Path: "severity", Value: severityName},
		{Path: "time", Value: eventTime},
		{Path: "status_id", Value: statusID(incident)},
		{Path: "status", Value: statusName(incident)},
		{Path: finding + "uid", Value: uid},
		{Path: finding + "title", Value: title},
		{Path: finding + "desc", Value: description},
		{Path: finding + "types[]", Value: object.Text(func(r *record.Record) []byte { return r.Category }, 0)},
		{Path: finding + "analytic.type_id", Value: analyticType},
		{Path: finding + "analytic.uid", Value: analytic(record.RuleID, record.PolicyID)},
		{Path: finding + "analytic.name", Value: analytic(record.RuleName, record.PolicyName)},
		{Path: finding + "attacks", Value: attacks},
		{Path: "metadata.version", Value: object.Const(`"` + version + `"`)},
		{Path: "metadata.product.name", Value: object.Text(func(r *record.Record) []byte { return either(r.Product, unknown) }, 0)},
		{Path: "metadata.product.vendor_name", Value: object.Text(func(r *record.Record) []byte { return either(r.Vendor, unknown) }, 0)},
		{Path: "metadata.product.version", Value: object.Text(func(r *record.Record) []byte { return r.Version }, 0)},
		{Path: "metadata.event_code", Value: object.Text(func(r *record.Record) []byte { return r.Class }, 0)},
		{Path: "metadata.uid", Value: ownUID},
		{Path: "metadata.log_name", Value: object.Text(func(r *record.Record) []byte { return record.Bytes(r.Source) }, 0)},
		{Path: "metadata.logged_time", Value: logged},
	}
	if version >= "1.8" {
		m = append(m, object.Member{Path: "metadata.original_event_uid", Value: object.Text(func(r *record.Record) []byte { return r.ID }, 0)})
	}
	if incident {
		m = append(m, object.Member{Path: "metadata.profiles", Value: object.Const(`["incident"]`)},
			object.Member{Path: "assignee_group.name", Value: object.Const(`"unassigned"`)})
	}
	m = append(m, object.Member{Path: "message", Value: object.Text(func(r *record.Record) []byte { return either(r.Message, r.Name) }, 0)})
	m = append(m, facts(finding, incident)...)
	m = append(m, object.Member{Path: "observables", Value: observables})
	if raw {
		m = append(m, object.Member{Path: "raw_data", Value: object.Text(func(r *record.Record) []byte { return r.Raw }, 0)})
	}
	if unmapped {
		m = append(m, object.Member{Path: "unmapped", Value: appendUnmapped})
	}
	return append(m, object.Member{Path: "metadata.labels", Value: labels})
}

// facts are the members of the one table of facts. An incident has findings and no
// evidence of its own.
func facts(finding string, incident bool) (m []object.Member) {
	for k := range record.Key(len(record.Keys)) {
		path := record.Keys[k].OCSF
		if incident && (strings.HasPrefix(path, "evidences") || strings.HasPrefix(path, "resources")) || path == "" {
			continue
		}
		path = strings.Replace(path, "finding_info.", finding, 1)
		switch k {
		case record.RuleName, record.RuleID, record.ThreatTactic, record.ThreatTechnique: // analytic and attacks
			continue
		case record.FileName:
			m = append(m, object.Member{Path: path, Value: fileName}, object.Member{Path: "evidences[].file.type_id", Value: fileType})
		case record.FilePath, record.FileSize:
			m = append(m, object.Member{Path: path, Value: ofFile(object.Fact(k, 0, appendTime))})
		case record.FileHash:
			m = append(m, object.Member{Path: path, Value: ofFile(hashes)})
		default:
			m = append(m, object.Member{Path: path, Value: object.Fact(k, 0, appendTime)})
		}
	}
	return m
}

// appendUnmapped appends every field the vendor sent.
func appendUnmapped(dst []byte, r *record.Record) []byte {
	if len(r.Fields) == 0 {
		return dst
	}
	return tree.Append(dst, r.Fields, '{', tree.Safe)
}

// labels tell that the event is not complete, and that it is sent again.
func labels(dst []byte, r *record.Record) []byte {
	replay := r.Get(record.Replay)
	switch {
	case r.Shortened == 0 && len(replay) == 0:
		return dst
	case len(replay) == 0:
		return append(dst, `["truncated"]`...)
	}
	dst = text.AppendJSON(append(dst, '['), `"replay:`, replay)
	if r.Shortened > 0 {
		dst = append(dst, `,"truncated"`...)
	}
	return append(dst, ']')
}
