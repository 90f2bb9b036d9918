package skyhigh

import (
	"bytes"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// incident is one incident being read into a record.
type incident struct {
	r     *record.Record
	at    [numKeys]int32 // where the field of a known key stands in r.Fields, plus 1
	names kit.Names
	clean bool // the body is printable ASCII without backslash

	created, modified record.Time
	received          record.Time // of the syslog header: when it was sent, often hours later
	severity          int         // of a CEF or LEEF header
	audit             bool        // of the audit log: class and name are set
}

// finish makes the record's header values and facts from the fields.
func (in *incident) finish() {
	r := in.r
	r.ID = in.text(incidentID)
	switch {
	case !in.modified.IsZero():
		r.Time = in.modified
	case !in.created.IsZero():
		r.Time = in.created
	default:
		r.Time = in.received
	}
	r.SetTime(record.Start, in.created)
	r.SetTime(record.End, in.modified)
	group := in.text(incidentGroup)
	if !in.audit {
		r.Class, r.Category = group, group
		r.Name = spaced(r, group[bytes.LastIndexByte(group, '.')+1:])
	}
	r.Severity = in.risk()
	r.Outcome = lower(r, in.text(status))
	if r.Action = in.text(lastExecutedResponseLabel); len(r.Action) == 0 {
		r.Action = in.text(remediationResponse)
	}
	if len(r.Action) == 0 {
		r.Action = in.joined(responses)
	}
	actor := in.actor()
	in.facts()
	if !in.audit {
		in.message(group, actor)
	}
	if len(r.ID) > 0 && !in.modified.IsZero() {
		when := in.text(timeModified)
		b := append(r.Begin(len("skyhigh||")+len(r.ID)+len(when)), "skyhigh|"...)
		b = append(append(b, r.ID...), '|')
		r.Identity = r.End(append(b, when...))
	}
}

// field is the field of a key, nil when it was not sent.
func (in *incident) field(k key) *record.Field {
	if at := in.at[k]; at > 0 {
		return &in.r.Fields[at-1]
	}
	return nil
}

// text is the text of a scalar, nil when there is none that says anything.
func (in *incident) text(k key) []byte {
	f := in.field(k)
	if f == nil || f.Kind >= record.List || none(f.Text) {
		return nil
	}
	return f.Text
}

func none(v []byte) bool { return len(v) == 2 && v[0] == '-' && v[1] == '1' }
