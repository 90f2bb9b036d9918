package beyondtrust

import (
	"encoding/binary"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// join completes decisions, which name neither the user nor the computer nor the file,
// from the event of the request.
var join = kit.Join{Keep: 30 * 24 * time.Hour, Open: openTicket, Needs: ticketOf, Apply: apply}

// joined are the variables of a request that a decision on it gets.
var joined = [...]variable{tenantID, timestamp, user, userName, userID, hostname, computerID, filePath, sha256Hash, sha1Hash,
	publisher, productName, durationRequested}

// openTicket returns the values of joined, each behind its length (a varint).
func openTicket(raw []byte) (key, memo []byte) {
	var r record.Record
	r.Raw = raw
	if parse(&r, raw) != nil || r.Test || len(r.ID) == 0 {
		return nil, nil
	}
	if class := string(r.Class); class != classes[appCreated] && class != classes[adminCreated] {
		return nil, nil
	}
	for _, one := range joined {
		text := r.Text(names[one])
		memo = binary.AppendUvarint(memo, uint64(len(text)))
		memo = append(memo, text...)
	}
	return append([]byte(nil), r.ID...), memo
}

// ticketOf returns the request that a decision is about.
func ticketOf(r *record.Record) []byte {
	if class := string(r.Class); r.Test || class != classes[appDecision] && class != classes[adminDecision] {
		return nil
	}
	return r.ID
}

// apply adds what the decision does not say itself, and lists it in a field of its own.
func apply(r *record.Record, memo []byte) {
	var v values
	for _, one := range joined {
		n, size := binary.Uvarint(memo)
		if size <= 0 || n > uint64(len(memo)-size) {
			return
		}
		if text := memo[size : size+int(n) : size+int(n)]; n > 0 {
			v.text[one] = text
		}
		memo = memo[size+int(n):]
	}
	if t := r.Text(names[tenantID]); t != nil && v.has(tenantID) && string(t) != string(v.text[tenantID]) {
		return
	}
	k := appDecision
	if string(r.Class) == classes[adminDecision] {
		k = adminDecision
	}
	if !r.Has(record.UserName) {
		setUser(r, either(v.text[user], v.text[userName]), v.text[userID])
	}
	if !r.Has(record.SrcHost) {
		setHost(r, k, v.text[hostname], nil)
	}
	if !r.HasSlot(record.CS6) {
		setHost(r, k, nil, v.text[computerID])
	}
	if !r.Has(record.FilePath) {
		setPath(r, v.text[filePath])
		r.Set(record.FileHash, either(v.text[sha256Hash], v.text[sha1Hash]))
	}
	if !r.HasSlot(record.CN2) {
		setRequested(r, v.text[durationRequested])
	}
	listTicket(r, &v)
	setMessage(r)
}

// listTicket adds the field ticket, what was taken from the request, and how long the
// decision took.
func listTicket(r *record.Record, v *values) {
	r.Open(record.Bytes("ticket"), record.Map)
	for _, one := range joined[1:] {
		if v.has(one) {
			kit.AddText(r, record.Bytes(names[one]), v.text[one])
		}
	}
	r.Close()
	asked, ok := kit.ParseTime(v.text[timestamp])
	if decided, given := kit.ParseTime(r.Text(names[decisionTime])); ok && given && decided.Nanos >= asked.Nanos {
		b := appendSeconds(r.Begin(24), asked, decided)
		r.AddPlain(record.Bytes("decision_latency_s"), record.Number, r.End(b))
	}
}
