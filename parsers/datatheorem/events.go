package datatheorem

import (
	"bytes"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// family is what an event is about.
type family uint8

const (
	other family = iota
	violation
	discovery // of an asset
	account
	note
	finding
	protect
)

// state is what happened, or what the event's subject now is.
type state uint8

const (
	unknown state = iota
	opened
	created
	discovered
	updated
	resolved
	accepted // won't fix, risk accepted, compensating control
	deleted
	failed
	successful
)

// split parts a type token at its first double underscore. A token without one has
// only the right part.
func split(typ []byte) (product, event []byte) {
	if i := bytes.Index(typ, record.Bytes("__")); i >= 0 {
		return typ[:i], typ[i+2:]
	}
	return nil, typ
}

// familyOf reads a token's words; half of the tokens are not published. known is false
// when only the shape of the data told the family, or nothing did.
func familyOf(product, event []byte, v *values) (f family, known bool) {
	switch {
	case has(event, "POLICY_VIOLATION"):
		return violation, true
	case has(event, "DISCOVERED"):
		return discovery, true
	case bytes.HasPrefix(event, record.Bytes("USER_")):
		return account, true
	case has(event, "NOTE_"):
		return note, true
	case has(event, "TARGET"), has(event, "FINDING"):
		return finding, true
	case bytes.HasSuffix(product, record.Bytes("PROTECT")):
		return protect, true
	case v.status != nil, v.ruleID != nil:
		return violation, false
	case v.login != nil:
		return account, false
	case v.asset.via != nil && v.asset.typ != nil:
		return discovery, false
	}
	return other, false
}

func stateOf(event []byte) state {
	switch {
	case has(event, "WONT_FIX"), has(event, "RISK_ACCEPTED"), has(event, "COMPENSATING_CONTROL"):
		return accepted
	case ends(event, "_OPENED"):
		return opened
	case ends(event, "_CREATED"):
		return created
	case ends(event, "_DISCOVERED"):
		return discovered
	case ends(event, "_UPDATED"):
		return updated
	case ends(event, "_RESOLVED"), ends(event, "_FIXED"):
		return resolved
	case ends(event, "_DELETED"):
		return deleted
	case ends(event, "_FAILED"):
		return failed
	case ends(event, "_SUCCESSFUL"):
		return successful
	}
	return unknown
}

func has(b []byte, word string) bool { return bytes.Contains(b, record.Bytes(word)) }

func ends(b []byte, word string) bool { return bytes.HasSuffix(b, record.Bytes(word)) }

// setEvent sets the header values and facts.
func setEvent(r *record.Record, typ []byte, v *values) {
	product, event := split(typ)
	if !v.affected {
		// Without an affected asset the event may be about an asset of its own.
		v.asset.read(r, 0, len(r.Fields))
	}
	f, known := familyOf(product, event, v)
	if !known && len(typ) > 0 {
		r.Warn("unknown_type", typ)
	}
	if f != discovery && !v.affected {
		v.asset = asset{}
	}
	s := stateOf(event)
	if f == violation {
		s = violationState(v.status, s)
	}
	if len(product) > 0 {
		r.Product, r.Category = productName(r, product), product
	}
	r.Class, r.Name = typ, eventName(r, f, s, event)
	r.Severity = severity(f, s, v)
	r.Action, r.Outcome = action(f, s), outcome(f, s, v)
	r.ID = v.uuid
	if len(r.ID) == 0 {
		r.ID = v.id
	}
	setFacts(r, f, s, v)
	setAsset(r, &v.asset)
	r.Message = message(r, f, v)
}

// violationState is the state a violation is in; its status outweighs the event's type.
func violationState(status []byte, s state) state {
	switch {
	case has(status, "WONT_FIX"):
		return accepted
	case string(status) == "RESOLVED":
		return resolved
	case string(status) == "OPEN":
		return opened
	}
	return s
}

func setFacts(r *record.Record, f family, s state, v *values) {
	if t, ok := kit.ParseTime(v.created); ok {
		r.SetTime(record.ObjectCreated, t)
	}
	if t, ok := kit.ParseTime(v.exceptionDate); ok && s == accepted {
		r.SetTime(record.End, t)
	}
	if f == account && (s == failed || s == successful || s == unknown) {
		r.Set(record.UserName, v.login)
	} else {
		r.Set(record.DstUser, v.login)
		r.Set(record.UserName, v.createdBy)
		r.Set(record.UserName, v.deletedBy)
		r.Set(record.UserName, v.updatedBy)
	}
	if kit.IsIP(v.ip) {
		r.Set(record.SrcIP, v.ip)
	}
	r.Set(record.PolicyName, v.policyName)
	r.Set(record.PolicyID, v.policyID)
	r.SetSlot(record.FlexString2, "PolicyName", v.policyName)
	r.Set(record.RuleID, v.ruleTypeID)
	r.SetSlot(record.FlexString1, "RuleTypeId", v.ruleTypeID)
	r.SetSlot(record.CS5, "Recommendation", v.recommendation)
	r.Set(record.Referrer, v.portalURL)
	r.Set(record.Reason, v.failedReason)
	r.Set(record.Reason, v.explanation)
	if f == finding {
		r.Set(record.RuleID, v.issueType)
		r.Set(record.RuleName, v.title)
		r.Set(record.ThreatCategory, v.category)
	}
}

func setAsset(r *record.Record, a *asset) {
	r.Set(record.ObjectID, a.id)
	r.Set(record.ObjectName, a.name)
	r.Set(record.ObjectType, a.typ)
	r.Set(record.URL, a.url)
	if kit.IsHostName(a.name) {
		r.Set(record.DstHost, a.name)
	} else {
		r.SetSlot(record.CS1, "AssetName", a.name)
	}
	r.SetSlot(record.CS2, "AssetType", a.typ)
	r.SetSlot(record.CS3, "DiscoveredVia", a.via)
	r.SetSlot(record.CS4, "AssetGroup", a.group)
	r.SetSlot(record.CS6, "AssetId", a.id)
}

// message is the first line of what the vendor describes, or else the event and whom
// or what it is about.
func message(r *record.Record, f family, v *values) []byte {
	if line := firstLine(v.description); len(line) > 0 {
		return line
	}
	if f == finding && len(v.title) > 0 {
		return v.title
	}
	about := v.asset.name
	if f == account {
		about = v.login
	}
	return r.Join(": ", r.Name, about)
}

func severity(f family, s state, v *values) int {
	switch f {
	case violation:
		return violationSeverity(s, v.relevance)
	case discovery:
		return 3
	case account:
		return accountSeverity(s)
	case note:
		return 1
	case finding:
		return findingSeverity(s, v)
	}
	return 5
}

func violationSeverity(s state, relevance []byte) int {
	switch s {
	case resolved:
		return 2
	case accepted:
		return 4
	}
	switch string(relevance) {
	case "URGENT":
		return 9
	case "IMPORTANT":
		return 6
	case "PROACTIVE":
		return 3
	}
	return 5
}

func accountSeverity(s state) int {
	switch s {
	case successful:
		return 1
	case created, updated:
		return 3
	case deleted:
		return 4
	}
	return 5
}

func findingSeverity(s state, v *values) int {
	switch s {
	case resolved:
		return 2
	case accepted:
		return 4
	}
	n := 5
	switch string(v.severity) {
	case "HIGH":
		n = 8
	case "MEDIUM":
		n = 5
	case "LOW":
		n = 3
	}
	if string(v.priority) == "P0" {
		n++
	}
	return n
}

func action(f family, s state) []byte {
	word := ""
	switch {
	case f == account && (s == failed || s == successful):
		word = "login"
	case f == violation && s == accepted:
		word = "wont_fix"
	default:
		word = stateWords[s]
	}
	return record.Bytes(word)
}

// stateWords are the actions; a failure and a success are outcomes.
var stateWords = [...]string{unknown: "", opened: "opened", created: "created", discovered: "discovered", updated: "updated",
	resolved: "resolved", accepted: "accepted", deleted: "deleted", failed: "", successful: ""}

// outcome is the subject's status in the vendor's words, or else what the type says.
func outcome(f family, s state, v *values) []byte {
	for _, status := range [...][]byte{v.status, v.currentStatus, v.aggregatedStatus} {
		if len(status) > 0 {
			return status
		}
	}
	word := ""
	switch s {
	case failed:
		word = "failure"
	case successful:
		word = "success"
	case opened, created, discovered:
		if f == violation || f == finding {
			word = "OPEN"
		}
	case resolved:
		word = "RESOLVED"
	case accepted:
		word = "ACCEPTED"
	}
	return record.Bytes(word)
}

// eventName is the event for a human, 128 characters at most.
func eventName(r *record.Record, f family, s state, event []byte) []byte {
	if f == violation {
		switch s {
		case opened:
			return record.Bytes("Policy violation opened")
		case resolved:
			return record.Bytes("Policy violation resolved")
		case accepted:
			return record.Bytes("Policy violation closed (won't fix)")
		}
	}
	if len(event) == 0 {
		return record.Bytes("Data Theorem event")
	}
	if len(event) > 128 {
		event = event[:128]
	}
	return words(r, event, false)
}

// words spells the part of a token in words, of which each begins with a capital or only
// the first.
func words(r *record.Record, token []byte, each bool) []byte {
	text := r.Begin(len(token))
	for i, c := range token {
		switch {
		case c == '_':
			c = ' '
		case i > 0 && !(each && token[i-1] == '_') && c-'A' <= 'Z'-'A':
			c |= 0x20
		}
		text = append(text, c)
	}
	return r.End(text)
}

// productName spells the left part of a token as the vendor writes its products.
func productName(r *record.Record, product []byte) []byte {
	switch string(product) {
	case "API_SECURE":
		return record.Bytes("API Secure")
	case "MOBILE_SECURE":
		return record.Bytes("Mobile Secure")
	case "API_PROTECT":
		return record.Bytes("API Protect")
	}
	if len(product) > 63 {
		product = product[:63]
	}
	return words(r, product, true)
}
