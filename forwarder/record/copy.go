package record

import "net/netip"

// CopyTo makes dst the same event as r. What either is given afterwards the other does
// not see; values that r has already are shared, and are valid as long as r's.
func (r *Record) CopyTo(dst *Record) {
	scratch, fields, warnings, extras, open := dst.scratch, dst.Fields, dst.Warnings, dst.Extras, dst.open
	*dst = *r
	dst.scratch, dst.open = scratch[:0], open[:0]
	dst.Fields = append(fields[:0], r.Fields...)
	dst.Warnings = append(warnings[:0], r.Warnings...)
	dst.Extras = append(extras[:0], r.Extras...)
}

// Rewrite puts change(text) in the place of every text that came with the event: header
// values, facts, slots with their labels, names and texts of fields, details of warnings,
// and what a syslog header said. Vendor, Product and Version, which the parser knows, and
// times stay. change returns the slice it was given when it has nothing to change.
//
// A fact, slot or field that takes no text is not there any more, or is a text, when it
// was changed. Raw and Identity stay.
func (r *Record) Rewrite(change func(text []byte) []byte) {
	for _, p := range [...]*[]byte{&r.ID, &r.Class, &r.Name, &r.Category, &r.Action, &r.Outcome, &r.Message, &r.Host,
		&r.Syslog.App, &r.Syslog.ProcID, &r.Syslog.MsgID, &r.Syslog.SD} {
		*p = change(*p)
	}
	if r.Peer.IsValid() {
		b := r.End(r.Peer.AppendTo(r.Begin(48)))
		if changed(b, change(b)) {
			r.Peer = netip.Addr{}
		}
	}
	for i := range r.Warnings {
		r.Warnings[i].Detail = change(r.Warnings[i].Detail)
	}
	for i := range r.Fields {
		f := &r.Fields[i]
		name, text := change(f.Name), change(f.Text)
		if changed(f.Name, name) {
			f.Name = name
		}
		if changed(f.Text, text) {
			f.Text, f.Kind = text, String
		}
	}
	set := r.Facts()
	for k, ok := set.Next(0); ok; k, ok = set.Next(k + 1) {
		old := r.facts[k].text
		text := change(old)
		if !changed(old, text) {
			continue
		}
		r.facts[k].text = text
		if Keys[k].Kind != FactText {
			r.have[k/64] &^= 1 << (k % 64)
		}
	}
	for s, ok := r.NextSlot(0); ok; s, ok = r.NextSlot(s + 1) {
		v := &r.slots[s]
		if label := change(Bytes(v.label)); changed(Bytes(v.label), label) {
			v.label = string(label)
		}
		text := change(v.text)
		if !changed(v.text, text) {
			continue
		}
		v.text = text
		if s < CS1 || s > CS6 && s != FlexString1 && s != FlexString2 {
			r.slotted &^= 1 << s
		}
	}
}

func changed(old, now []byte) bool { return string(old) != string(now) }
