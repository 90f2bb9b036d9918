package beyondtrust

import (
	"strconv"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// kind is what an event is about and what happened.
type kind uint8

const (
	unknownKind kind = iota
	appCreated
	appDecision
	adminCreated
	adminDecision
)

// classes are the classes of events, and the marks in our templates.
var classes = [...]string{appCreated: "jit_app_created", appDecision: "jit_app_decision",
	adminCreated: "jit_admin_created", adminDecision: "jit_admin_decision"}

// titles are the kinds for a human.
var titles = [...]string{unknownKind: "EPM event", appCreated: "JIT application access requested", appDecision: "JIT application access decision",
	adminCreated: "JIT admin access requested", adminDecision: "JIT admin access decision"}

func (k kind) decision() bool { return k == appDecision || k == adminDecision }

func (k kind) admin() bool { return k == adminCreated || k == adminDecision }

func kindOf(admin, decided bool) kind {
	switch {
	case admin && decided:
		return adminDecision
	case admin:
		return adminCreated
	case decided:
		return appDecision
	}
	return appCreated
}

// classify tells what the event is. Our own mark says it, unless EventType shows that the
// template was pasted into the wrong webhook; then the words of EventType and what has a
// value, since the product documents one EventType for both of the admin events.
func (v *values) classify(r *record.Record) kind {
	typ := v.text[eventType]
	saysDecision, saysAdmin, saysApp := holds(typ, "decision"), holds(typ, "admin"), holds(typ, "urmnative")
	if k := v.marked; k != unknownKind {
		if !(saysDecision && !k.decision() || saysAdmin && !k.admin() || saysApp && k.admin()) {
			return k
		}
		r.Warn("wrong_template", typ)
	}
	decided := saysDecision || v.has(decision) || v.has(decisionTime) || v.has(startTime) && v.has(endTime)
	app := v.has(filePath) || v.has(applicationType) || v.has(workstyle) || v.has(sha256Hash)
	admin := v.has(computerID) || v.has(userID) || v.has(durationRequested) || v.has(startTime)
	switch {
	case saysAdmin:
		return kindOf(true, decided)
	case saysApp:
		return kindOf(false, decided)
	case app:
		return kindOf(false, decided)
	case admin:
		return kindOf(true, decided)
	case decided:
		return appDecision
	}
	return unknownKind
}

// settle sets everything but the fields that were sent.
func (v *values) settle(r *record.Record) {
	k := v.classify(r)
	r.Class, r.Name = record.Bytes(classes[k]), record.Bytes(titles[k])
	if k == unknownKind {
		if r.Class = v.text[eventType]; r.Class == nil {
			r.Class = record.Bytes("unknown")
		}
	}
	r.ID = v.text[requestID]
	r.Outcome, r.Action = outcome(k, v.text[decision]), actionOf(k, v.text[decision])
	if k.decision() {
		r.Name = r.Join(": ", r.Name, r.Outcome)
	}
	r.Severity = v.severity(k, r.Outcome)
	v.setTime(r, k)
	v.setFacts(r, k)
	v.setFile(r)
	v.setDuration(r)
	v.setGrant(r, k)
	if v.sample() {
		r.Test = true
		r.AddPlain(record.Bytes("sample"), record.Bool, record.Bytes("true"))
	} else {
		v.setIdentity(r, k)
		if k == unknownKind {
			r.Warn("unknown_event", v.text[eventType])
		}
	}
	setMessage(r)
}

// setMessage sums the event up.
func setMessage(r *record.Record) {
	r.Message = r.Join(": ", r.Name, r.Get(record.FilePath), r.Get(record.Reason))
}

// outcome is the decision, in the documentation's spelling where it is one of its words.
func outcome(k kind, text []byte) []byte {
	switch {
	case !k.decision():
		return nil
	case is(text, "approved"):
		return record.Bytes("Approved")
	case is(text, "denied"):
		return record.Bytes("Denied")
	}
	return text
}

func actionOf(k kind, text []byte) []byte {
	switch {
	case k == unknownKind:
		return nil
	case !k.decision():
		return record.Bytes("request")
	case is(text, "approved"):
		return record.Bytes("approve")
	case is(text, "denied"):
		return record.Bytes("deny")
	}
	return nil
}

func (v *values) severity(k kind, outcome []byte) int {
	denied := string(outcome) == "Denied"
	switch k {
	case appCreated:
		n := 5
		if no(v.text[trustedOwnership]) {
			n++
		}
		if yes(v.text[zoneIdentifier]) {
			n++
		}
		if badReputation(v.text[reputationScore]) {
			n += 2
		}
		return min(n, 8)
	case adminCreated:
		return 7
	case appDecision:
		if denied {
			return 3
		}
	case adminDecision:
		if denied {
			return 4
		}
		return 8
	}
	return 5
}

// badReputation reports whether a score says in a word that a file is bad. What numbers
// mean depends on where they come from, and is not documented.
func badReputation(score []byte) bool {
	for _, word := range [...]string{"malicious", "malware", "suspicious", "bad", "poor", "high risk", "known malicious"} {
		if is(score, word) {
			return true
		}
	}
	return false
}

// setTime takes the time of the decision, or when the ticket event was made.
func (v *values) setTime(r *record.Record, k kind) {
	if k.decision() {
		if t, ok := parseTime(v.text[decisionTime]); ok {
			r.Time, v.time = t, t
			return
		}
	}
	if t, ok := parseTime(v.text[timestamp]); ok {
		r.Time, v.time = t, t
	}
}

func (v *values) setFacts(r *record.Record, k kind) {
	r.SetSlot(record.CS1, "TicketNumber", v.text[ticketNumber])
	r.SetSlot(record.CS2, "TenantId", v.text[tenantID])
	setUser(r, either(v.text[user], v.text[userName]), v.text[userID])
	setHost(r, k, v.text[hostname], v.text[computerID])
	r.Set(record.DstUser, v.text[decisionBy])
	r.Set(record.DeviceFacility, v.text[workstyle])
	r.Set(record.URL, v.text[downloadSourceURL])
	r.Set(record.Reason, v.text[reason])
	for _, w := range [...]struct {
		key record.Key
		one variable
	}{{record.Start, startTime}, {record.End, endTime}} {
		if t, ok := parseTime(v.text[w.one]); ok {
			r.SetTime(w.key, t)
		}
	}
}

func either(a, b []byte) []byte {
	if a != nil {
		return a
	}
	return b
}

// setUser sets who asks; CORP\bob is bob of the domain CORP.
func setUser(r *record.Record, name, id []byte) {
	for i, c := range name {
		if c == '\\' && i > 0 && i+1 < len(name) {
			r.Set(record.UserDomain, name[:i:i])
			name = name[i+1:]
			break
		}
	}
	r.Set(record.UserName, name)
	r.Set(record.UserID, id)
}

// setHost sets the computer that access is asked for.
func setHost(r *record.Record, k kind, name, id []byte) {
	r.Set(record.SrcHost, name)
	if k.admin() {
		r.Set(record.DstHost, name)
	}
	r.SetSlot(record.CS6, "ComputerId", id)
}

func (v *values) setFile(r *record.Record) {
	setPath(r, v.text[filePath])
	r.Set(record.FileHash, either(v.text[sha256Hash], v.text[sha1Hash]))
	r.Set(record.SrcProcessName, v.text[parentProcess])
	r.SetSlot(record.CS3, "Publisher", v.text[publisher])
	if v.has(productName) {
		r.SetSlot(record.CS4, "Product", r.Join(" ", v.text[productName], v.text[productVersion]))
	}
	r.SetSlot(record.CS5, "CmdArgs", v.text[cmdArgs])
}

// setPath sets a file, which may be the class of a COM object instead.
func setPath(r *record.Record, path []byte) {
	r.Set(record.FilePath, path)
	if len(path) == 0 || path[0] == '{' {
		return
	}
	name := path
	for i, c := range path {
		if c == '\\' || c == '/' {
			name = path[i+1:]
		}
	}
	r.Set(record.FileName, name)
	r.Set(record.ProcessName, name)
}

// setDuration sets how long access is given and was asked for. The product may say it in
// words, such as Once.
func (v *values) setDuration(r *record.Record) {
	if text := v.text[duration]; text != nil {
		if n := number(text); n != nil {
			r.SetSlot(record.CN1, "DurationSeconds", n)
			r.AddPlain(record.Bytes("duration_s"), record.Number, n)
		} else {
			r.SetSlot(record.FlexString1, "DurationText", text)
		}
	}
	setRequested(r, v.text[durationRequested])
}

func setRequested(r *record.Record, text []byte) {
	switch n := number(text); {
	case text == nil:
	case n != nil:
		r.SetSlot(record.CN2, "DurationRequested", n)
	case !r.HasSlot(record.FlexString1):
		r.SetSlot(record.FlexString1, "DurationText", text)
	}
}

// setGrant notes when access that was given ends.
func (v *values) setGrant(r *record.Record, k kind) {
	if !k.decision() || string(r.Outcome) != "Approved" {
		return
	}
	end := r.GetTime(record.End)
	if end.IsZero() {
		n := number(v.text[duration])
		t, ok := parseTime(v.text[decisionTime])
		const most = 100 * 366 * 86400
		if n == nil || !ok || seconds(n) > most || t.Nanos > (1<<63-1)-most*1e9 {
			return
		}
		end = record.Unix(t.Nanos+seconds(n)*1e9, t.Digits)
	}
	kit.AddTime(r, record.Bytes("grant_end"), end)
}

// sample reports whether the body is what the product sends to try a webhook: it has no
// request id, or says next to nothing. A body with a request id and a time is a real
// event however little else it says: most variables are empty for most kinds of files.
func (v *values) sample() bool {
	if v.have.has(requestID) && !v.has(requestID) && !v.open || zeros(v.text[requestID]) {
		return true
	}
	if v.has(requestID) && !v.time.IsZero() {
		return false
	}
	all, blanks := v.count()
	return 2*blanks > all && (v.time.IsZero() || v.have.has(requestID))
}

// zeros reports whether text is a UUID of nothing but zeros.
func zeros(text []byte) bool {
	for _, c := range text {
		if c != '0' && c != '-' && c != '{' && c != '}' {
			return false
		}
	}
	return len(text) >= 32
}

// setIdentity makes the event's identity. Without the product's id there is none.
func (v *values) setIdentity(r *record.Record, k kind) {
	if !v.has(requestID) {
		return
	}
	when := v.text[timestamp]
	if k.decision() {
		when = either(v.text[decisionTime], when)
	}
	what := classes[k]
	if what == "" {
		what = kit.Text(r.Class)
	}
	id := r.Begin(64 + len(what) + len(v.text[tenantID]) + len(r.ID) + len(r.Outcome) + len(when))
	id = append(append(id, "epm|"...), what...)
	for _, part := range [...][]byte{v.text[tenantID], r.ID, r.Outcome, when} {
		id = append(append(id, '|'), part...)
	}
	r.Identity = r.End(id)
}

// appendSeconds appends the whole seconds from one time to another.
func appendSeconds(dst []byte, from, to record.Time) []byte {
	return strconv.AppendInt(dst, (to.Nanos-from.Nanos)/1e9, 10)
}
