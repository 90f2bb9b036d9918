package checkpoint

import (
	"bytes"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// template reads data, text with tokens in it, each a JSON object behind a "#":
//
//	… email from #{"entity_type": "google_user", "label": "promo@mailer.example"} - '#{…}' (#{…}'s mailbox)
//
// What cannot be read as a token stays text. Trying costs no more than the text is long,
// twice: a token may fail late, but where another begins in it, outside of a string, it
// has failed, and what begins in one of its strings fails where the next does.
func (f *finding) template(r *record.Record, data []byte) {
	open := record.Bytes("#{")
	if !bytes.Contains(data, open) {
		f.text = data
		return
	}
	// A label is never longer than its token, so that out does not grow and labels may
	// be slices of it.
	out := r.Begin(len(data))
	last := 0 // where the text since the last token begins in out
	for {
		at := bytes.Index(data, open)
		if at < 0 {
			break
		}
		out = append(out, data[:at]...)
		kind, label, end := readToken(data[at+1:])
		if end == 0 {
			out = append(out, open...)
			data = data[at+len(open):]
			continue
		}
		data = data[at+1+end:]
		start := len(out)
		out = kit.AppendUnquoted(out, label)
		f.token(kind, out[last:start], out[start:len(out):len(out)], data, len(bytes.TrimSpace(out[:start])) == 0)
		last = len(out)
	}
	f.text = r.End(append(out, data...))
}

// readToken reads the object that text begins with: the type of its entity, its label
// as a JSON value, and where it ends, which is 0 when it is none.
func readToken(text []byte) (kind, label []byte, end int) {
	var display []byte
	m := kit.Members(text)
	for m.Next() {
		switch {
		case m.Is("entity_type") && kit.KindOf(m.Value) == record.String:
			kind = m.Value[1 : len(m.Value)-1]
		case m.Is("label") && kit.KindOf(m.Value) != record.Null:
			label = m.Value
		case m.Is("display") && kit.KindOf(m.Value) == record.String:
			display = m.Value
		}
	}
	if label == nil {
		label = display
	}
	return kind, label, m.End()
}

// token takes what a token says: by the type of its entity, by the text between it and
// the token before, and by what follows. first is whether only space stands before it.
func (f *finding) token(kind, before, label, after []byte, first bool) {
	if unknown(label) {
		label = nil
	}
	switch {
	case hasSuffix(kind, "_user"):
		switch {
		case isMailbox(after):
			set(&f.recipient, label)
		case hasSuffix(before, "from "):
			set(&f.sender, label)
		case first && isDeed(after):
			set(&f.actor, label)
		}
	case hasSuffix(kind, "_email"):
		set(&f.subject, label)
	case hasSuffix(kind, "_scan"), hasSuffix(kind, "_dlp"):
		if f.engine == nil {
			f.engine, f.verdict = kind, label
		}
	}
}

// unknown reports whether a label says that there is none.
func unknown(label []byte) bool {
	return len(bytes.TrimSpace(label)) == 0 || string(label) == "<Unknown>"
}

// isMailbox reports whether what follows a name makes it the owner of a mailbox.
func isMailbox(after []byte) bool {
	return hasPrefix(after, "'s mailbox") || hasPrefix(after, "’s mailbox")
}

// isDeed reports whether what follows a name makes it whoever did something.
func isDeed(after []byte) bool {
	return hasPrefix(after, " performed") || hasPrefix(after, " is using") || hasPrefix(after, " reported")
}

func set(to *[]byte, text []byte) {
	if len(*to) == 0 {
		*to = text
	}
}

func hasPrefix(b []byte, s string) bool { return len(b) >= len(s) && string(b[:len(s)]) == s }
func hasSuffix(b []byte, s string) bool { return len(b) >= len(s) && string(b[len(b)-len(s):]) == s }
