// Package ecs writes records as documents of the Elastic Common Schema. What the schema
// has no field for stands under labels, flat, as the schema wants it.
package ecs

import (
	"bytes"
	"errors"
	"slices"

	"github.com/siemfwd/siemfwd/formatters/object"
	"github.com/siemfwd/siemfwd/formatters/text"
	"github.com/siemfwd/siemfwd/formatters/tree"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

// Version is the version of the schema that documents name.
const Version = "8.17.0"

// Formatter renders records as one line of JSON. It may be used by any number of
// goroutines.
type Formatter struct {
	full, bare, least *object.Plan // with event.original, without, and without labels
}

// New returns a Formatter; raw says whether event.original carries the event as it was
// received.
func New(raw bool) *Formatter {
	f := &Formatter{bare: object.New(members(false, true)...), least: object.New(members(false, false)...)}
	f.full = f.bare
	if raw {
		f.full = object.New(members(true, true)...)
	}
	return f
}

// Append appends r. It never fails.
func (f *Formatter) Append(dst []byte, r *record.Record) ([]byte, error) {
	r.Shortened = 0
	return f.full.Append(dst, r), nil
}

var errNoRoom = errors.New("ecs: document: longer than the largest message even without event.original and labels")

// AppendMax appends r in at most limit octets. A document that is longer loses
// event.original, then labels, which its tags tell; when that is not enough it fails.
func (f *Formatter) AppendMax(dst []byte, r *record.Record, limit int) ([]byte, error) {
	base := len(dst)
	r.Shortened = 0
	for i, p := range [...]*object.Plan{f.full, f.bare, f.least} {
		r.Shortened = i
		if dst = p.Append(dst[:base], r); len(dst)-base <= limit {
			return dst, nil
		}
	}
	r.Shortened = 0
	return dst[:base], errNoRoom
}

// members is the document, in its order.
func members(raw, labels bool) []object.Member {
	m := []object.Member{
		{Path: "@timestamp", Value: timestamp},
		{Path: "ecs.version", Value: object.Const(`"` + Version + `"`)},
		{Path: "event.kind", Value: kind},
		{Path: "event.category", Value: category},
		{Path: "event.type", Value: object.Const(`["info"]`)},
		{Path: "event.id", Value: id},
		{Path: "event.code", Value: object.Text(func(r *record.Record) []byte { return r.Class }, object.Keyword)},
		{Path: "event.action", Value: object.Text(func(r *record.Record) []byte { return r.Action }, object.Keyword)},
		{Path: "event.outcome", Value: outcome},
		{Path: "event.severity", Value: severity},
		{Path: "event.module", Value: module},
		{Path: "event.dataset", Value: dataset},
		{Path: "event.created", Value: created},
		{Path: "message", Value: message},
		{Path: "observer.vendor", Value: object.Text(func(r *record.Record) []byte { return r.Vendor }, object.Keyword)},
		{Path: "observer.product", Value: object.Text(func(r *record.Record) []byte { return r.Product }, object.Keyword)},
		{Path: "observer.version", Value: object.Text(func(r *record.Record) []byte { return r.Version }, object.Keyword)},
		{Path: "source.address", Value: address(record.SrcIP, record.SrcHost)},
		{Path: "destination.address", Value: address(record.DstIP, record.DstHost)},
	}
	if raw {
		m = append(m, object.Member{Path: "event.original", Value: object.Text(func(r *record.Record) []byte { return r.Raw }, 0)})
	}
	for k := range record.Key(len(record.Keys)) {
		path := record.Keys[k].ECS
		if v, ok := special[k]; ok {
			m = append(m, v...)
		} else if path != "" {
			m = append(m, object.Member{Path: path, Value: object.Fact(k, object.Keyword, appendTime)})
		}
	}
	m = append(m,
		object.Member{Path: "related.ip", Value: related(record.SrcIP, record.DstIP)},
		object.Member{Path: "related.hosts", Value: related(record.SrcHost, record.DstHost)},
		object.Member{Path: "related.user", Value: related(record.UserName, record.DstUser)},
		object.Member{Path: "related.hash", Value: related(record.FileHash)},
	)
	m = append(m, syslog...)
	if labels {
		m = append(m, object.Member{Path: "labels", Value: appendLabels})
	}
	return append(m, object.Member{Path: "tags", Value: tags})
}

// special are the facts whose place depends on their value, or on another.
var special = map[record.Key][]object.Member{
	record.DeviceIP: {{Path: "observer.ip", Value: observerIP}},
	record.DeviceHost: {{Path: "observer.hostname", Value: func(dst []byte, r *record.Record) []byte {
		return object.AppendText(dst, r, either(r.Get(record.DeviceHost), r.Host), object.Keyword)
	}}},
	record.Protocol: {{Path: "network.transport", Value: lower(record.Protocol)}},
	record.App:      {{Path: "network.protocol", Value: lower(record.App)}},
	record.RuleName: {{Path: "rule.name", Value: func(dst []byte, r *record.Record) []byte {
		return object.AppendText(dst, r, either(r.Get(record.RuleName), r.Get(record.PolicyName)), object.Keyword)
	}}},
	record.FileHash: {
		{Path: "file.hash.md5", Value: hash(32)}, {Path: "file.hash.sha1", Value: hash(40)},
		{Path: "file.hash.sha256", Value: hash(64)}, {Path: "file.hash.sha512", Value: hash(128)},
	},
	record.FileType: {
		{Path: "file.extension", Value: fileType(false)}, {Path: "file.mime_type", Value: fileType(true)},
	},
	record.ThreatTactic: {
		{Path: "threat.framework", Value: framework},
		{Path: "threat.tactic.id", Value: attack(record.ThreatTactic, "TA", true)},
		{Path: "threat.tactic.name", Value: attack(record.ThreatTactic, "TA", false)},
	},
	record.ThreatTechnique: {
		{Path: "threat.technique.id", Value: attack(record.ThreatTechnique, "T", true)},
		{Path: "threat.technique.name", Value: attack(record.ThreatTechnique, "T", false)},
	},
}

// syslog is what the header said, where the event came by syslog.
var syslog = []object.Member{
	{Path: "log.syslog.facility.code", Value: func(dst []byte, r *record.Record) []byte {
		if !r.Syslog.Present {
			return dst
		}
		return object.AppendInt(dst, int64(r.Syslog.Facility))
	}},
	{Path: "log.syslog.severity.code", Value: func(dst []byte, r *record.Record) []byte {
		if !r.Syslog.Present {
			return dst
		}
		return object.AppendInt(dst, int64(r.Syslog.Severity))
	}},
	{Path: "log.syslog.appname", Value: object.Text(func(r *record.Record) []byte { return r.Syslog.App }, object.Keyword)},
	{Path: "log.syslog.procid", Value: object.Text(func(r *record.Record) []byte { return r.Syslog.ProcID }, object.Keyword)},
	{Path: "log.syslog.msgid", Value: object.Text(func(r *record.Record) []byte { return r.Syslog.MsgID }, object.Keyword)},
}

var flat = tree.Flat{Joint: '_', Dot: '_', Max: object.Keyword}

// unplaced are the facts that the schema has no field for, with their labels' names.
var unplaced = func() (all []fact) {
	for k := range record.Key(len(record.Keys)) {
		if _, ok := special[k]; !ok && record.Keys[k].ECS == "" {
			all = append(all, fact{k, string(bytes.ReplaceAll([]byte(record.Keys[k].Name), []byte("."), []byte("_")))})
		}
	}
	return all
}()

type fact struct {
	key  record.Key
	name string
}

// appendLabels appends the uid, the facts without a field, the custom values under their
// labels, and every field the vendor sent.
func appendLabels(dst []byte, r *record.Record) []byte {
	var pairs [maxLabels]tree.Pair
	var uid [64]byte
	n := 1
	pairs[0] = tree.Pair{Name: "siemfwd_uid", Value: r.AppendUID(uid[:0])}
	for i := range unplaced {
		if v := r.Get(unplaced[i].key); len(v) > 0 {
			pairs[n] = tree.Pair{Name: unplaced[i].name, Value: v}
			n++
		}
	}
	for s, ok := r.NextSlot(0); ok; s, ok = r.NextSlot(s + 1) {
		if label, v, _ := r.GetSlot(s); len(v) > 0 {
			pairs[n] = tree.Pair{Name: label, Value: v}
			n++
		}
	}
	dst, cut := flat.Append(dst, "", r.Fields, pairs[:n]...)
	if cut {
		r.Shortened++
	}
	return dst
}

const maxLabels = 1 + len(record.Keys) + len(record.Slots)

// tags are the kinds of the parser's warnings, each once, and "truncated".
func tags(dst []byte, r *record.Record) []byte {
	mark := len(dst)
	add := func(dst []byte, tag string) []byte {
		if len(dst) > mark {
			dst = append(dst, ',')
		} else {
			dst = append(dst, '[')
		}
		return text.AppendJSON(dst, `"`, record.Bytes(tag))
	}
	for i := range r.Warnings {
		kind := r.Warnings[i].Kind
		if !slices.ContainsFunc(r.Warnings[:i], func(w record.Warning) bool { return w.Kind == kind }) {
			dst = add(dst, kind)
		}
	}
	if r.Shortened > 0 {
		dst = add(dst, "truncated")
	}
	if len(dst) > mark {
		dst = append(dst, ']')
	}
	return dst
}
