package skyhigh

import (
	"bytes"
	"strings"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// facts sets what has a place in every format, and the custom slots of CEF.
func (in *incident) facts() {
	r := in.r
	services := in.joined(serviceNames)
	r.Set(record.Service, services)
	r.Set(record.DstHost, in.text(destinationHost))
	r.Set(record.DeviceID, in.text(instanceID))
	r.Set(record.FileName, in.text(contentItemName))
	r.Set(record.FilePath, in.text(contentItemHierarchy))
	r.Set(record.FileType, in.text(contentItemType))
	if f := in.field(contentItemSize); f != nil && positive(f.Text) {
		r.Set(record.FileSize, f.Text)
	}
	r.Set(record.ObjectID, in.text(contentItemID))
	policy, threat := in.text(policyName), in.text(threatCategory)
	r.Set(record.PolicyName, policy)
	r.Set(record.PolicyID, in.text(policyID))
	r.Set(record.ThreatCategory, threat)
	r.Set(record.ThreatTactic, in.joined(mitreTactic))
	r.Set(record.ThreatTechnique, in.joined(mitreTechnique))

	r.SetSlot(record.CS1, "PolicyName", policy)
	r.SetSlot(record.CS2, "Activities", in.joined(activityNames))
	if anomaly := in.text(anomalyCategory); len(anomaly) > 0 {
		r.SetSlot(record.CS3, "AnomalyCategory", anomaly)
	} else {
		r.SetSlot(record.CS3, "ThreatCategory", threat)
	}
	r.SetSlot(record.CS4, "SourceIPs", in.joined(sourceIPs))
	r.SetSlot(record.CS5, "Countries", in.joined(countries))
	r.SetSlot(record.CS6, "InstanceName", in.text(instanceName))
	in.number(record.CN1, "PolicyId", policyID)
	in.number(record.CN2, "TotalMatchCount", totalMatchCount)
	in.number(record.CN3, "AnomalyCount", anomalyCount)
	r.SetSlot(record.FlexString1, "AnomalyCause", in.text(anomalyCause))
	r.SetSlot(record.FlexString2, "incidentId", r.ID)
}

// number puts a count above 0 into a slot.
func (in *incident) number(s record.Slot, label string, k key) {
	if f := in.field(k); f != nil && positive(f.Text) {
		in.r.SetSlot(s, label, f.Text)
	}
}

// positive reports whether v is an integer above 0.
func positive(v []byte) bool {
	above := false
	for _, c := range v {
		if c-'0' > 9 {
			return false
		}
		above = above || c > '0'
	}
	return above && len(v) <= 18
}

// actor sets who it was, as user or as address, and returns it.
func (in *incident) actor() []byte {
	r := in.r
	actor, address := in.text(actorID), false
	if string(actor) == "system:anonymous" {
		actor = nil
	}
	if len(actor) > 0 {
		if kind := in.text(actorIDType); len(kind) > 0 {
			address = isAddressType(kind)
		} else {
			address = kit.IsIP(actor)
		}
	}
	switch {
	case len(actor) == 0:
	case !address:
		r.Set(record.UserName, actor)
		if isToken(actor) {
			r.AddPlain(record.Bytes("actorTokenised"), record.Bool, record.Bytes("true"))
		}
	case isAddress(actor):
		r.Set(record.SrcIP, actor)
	}
	if !r.Has(record.SrcIP) {
		r.Set(record.SrcIP, in.sourceIP())
	}
	return actor
}

// isAddressType reports whether actorIdType, which is IP_ADDRESS in requests and
// IpAddress in answers, says that the actor is an address.
func isAddressType(kind []byte) bool {
	const want = "IPADDRESS"
	n := 0
	for _, c := range kind {
		if c == '_' {
			continue
		}
		if n == len(want) || c&^0x20 != want[n] {
			return false
		}
		n++
	}
	return n == len(want)
}

// isToken reports whether actor is the hash that stands for a user when the tenant
// keeps names out of the cloud.
func isToken(actor []byte) bool {
	if len(actor) != 64 {
		return false
	}
	for _, c := range actor {
		if c-'0' > 9 && (c|0x20)-'a' > 'f'-'a' {
			return false
		}
	}
	return true
}

// sourceIP is the first address the incident came from that is one.
func (in *incident) sourceIP() []byte {
	all := in.items(sourceIPs)
	for i := 0; i < len(all) && i < mostJoined; i += 1 + int(all[i].Size) {
		if isAddress(all[i].Text) {
			return all[i].Text
		}
	}
	if ip := in.text(src); isAddress(ip) {
		return ip
	}
	if f := in.field(device); f != nil && f.Kind == record.Map {
		if at := in.r.Find(int(in.at[device])-1, "ip"); at >= 0 && isAddress(in.r.Fields[at].Text) {
			return in.r.Fields[at].Text
		}
	}
	return nil
}

func isAddress(text []byte) bool { return kit.IsIP(text) && string(text) != "0.0.0.0" }

// risk is the severity: of the score, else of the word, else of the CEF or LEEF
// header, else medium.
func (in *incident) risk() int {
	if f := in.field(incidentRiskScore); f != nil {
		if n, ok := score(f.Text); ok {
			return n
		}
	}
	word := in.text(incidentRiskSeverity)
	switch len(word) {
	case 3:
		if bytes.EqualFold(word, []byte("low")) {
			return 3
		}
	case 4:
		if bytes.EqualFold(word, []byte("high")) {
			return 9
		}
		if bytes.EqualFold(word, []byte("info")) {
			return 1
		}
	case 6:
		if bytes.EqualFold(word, []byte("medium")) {
			return 6
		}
	case 8:
		if bytes.EqualFold(word, []byte("critical")) {
			return 10
		}
	}
	if in.severity > 0 {
		return in.severity
	}
	return 5
}

// score reads a risk score above 0 and up to 10, rounded; what rounds to 0 is 1.
func score(v []byte) (int, bool) {
	whole, i := 0, 0
	for ; i < len(v) && v[i]-'0' <= 9 && whole <= 10; i++ {
		whole = whole*10 + int(v[i]-'0')
	}
	if i == 0 || whole > 10 {
		return 0, false
	}
	above, up := false, false
	if i < len(v) && v[i] == '.' {
		for j, c := range v[i+1:] {
			if c-'0' > 9 {
				return 0, false
			}
			above = above || c > '0'
			up = up || j == 0 && c >= '5'
		}
	} else if i < len(v) {
		return 0, false
	}
	if whole == 0 && !above || whole == 10 && above {
		return 0, false
	}
	if up {
		whole++
	}
	return max(1, whole), true
}

// message builds one line for people; parts that are not there are left out.
func (in *incident) message(group, actor []byte) {
	r := in.r
	what, why := r.Get(record.PolicyName), []byte(nil)
	if len(what) == 0 {
		what, why = in.text(anomalyCategory), in.text(anomalyCause)
	}
	services := r.Get(record.Service)
	b := r.Begin(len(group) + len(r.ID) + len(what) + len(why) + len(services) + len(actor) + len(r.Outcome) + 32)
	b = append(b, group...)
	b = part(b, " ", r.ID)
	b = part(b, ": ", what)
	if len(what) > 0 {
		b = part(b, "/", why)
	} else {
		b = part(b, ": ", why)
	}
	b = part(b, " on ", services)
	b = part(b, " by ", actor)
	if len(r.Outcome) > 0 {
		b = part(b, "; ", record.Bytes("status "))
		b = append(b, r.Outcome...)
	}
	r.Message = r.End(b)
}

// part appends text behind sep; of sep only words stand at the beginning.
func part(b []byte, sep string, text []byte) []byte {
	if len(text) == 0 {
		return b
	}
	if len(b) == 0 {
		sep = strings.TrimLeft(sep, " :;/")
	}
	return append(append(b, sep...), text...)
}

// spaced puts spaces between the words of a name in camel case.
func spaced(r *record.Record, name []byte) []byte {
	humps := 0
	for _, c := range name {
		if isUpper(c) {
			humps++
		}
	}
	if len(name) == 0 || humps == 1 && isUpper(name[0]) {
		return name
	}
	b := r.Begin(2 * len(name))
	for i, c := range name {
		switch {
		case i == 0 && isLower(c):
			c -= 'a' - 'A'
		case i > 0 && isUpper(c) && (isLower(name[i-1]) || isUpper(name[i-1]) && i+1 < len(name) && isLower(name[i+1])):
			b = append(b, ' ')
		}
		b = append(b, c)
	}
	return r.End(b)
}

func isUpper(c byte) bool { return c-'A' <= 'Z'-'A' }
func isLower(c byte) bool { return c-'a' <= 'z'-'a' }

// lower is v with ASCII letters in lower case.
func lower(r *record.Record, v []byte) []byte {
	for i, c := range v {
		if isUpper(c) {
			b := append(r.Begin(len(v)), v...)
			for ; i < len(b); i++ {
				if isUpper(b[i]) {
					b[i] += 'a' - 'A'
				}
			}
			return r.End(b)
		}
	}
	return v
}

// items are the items of a list, with what belongs to them, or the scalar that stands
// in its place.
func (in *incident) items(k key) []record.Field {
	f := in.field(k)
	switch {
	case f == nil || f.Kind == record.Map || f.Kind == record.Null:
		return nil
	case f.Kind == record.List:
		at := in.at[k]
		return in.r.Fields[at : at+f.Size]
	}
	at := in.at[k]
	return in.r.Fields[at-1 : at]
}

// mostJoined bounds how many items of a list are looked at for one line of text.
const mostJoined = 1024

// joined is a list for display: its distinct items with ", " between them.
func (in *incident) joined(k key) []byte {
	all := in.items(k)
	switch {
	case len(all) == 0:
		return nil
	case len(all) > mostJoined:
		all = all[:mostJoined]
	}
	size := 0
	for i := range all {
		size += len(all[i].Text) + 2
	}
	var only []byte
	b := in.r.Begin(size)
	for i := 0; i < len(all); i += 1 + int(all[i].Size) {
		text := all[i].Text
		switch {
		case len(text) == 0, none(text), k == sourceIPs && string(text) == "0.0.0.0", repeated(all, i):
			continue
		case len(b) > 0:
			only = nil
			b = append(b, ", "...)
		default:
			only = text
		}
		b = append(b, text...)
	}
	if only != nil {
		return only
	}
	return in.r.End(b)
}

func repeated(all []record.Field, i int) bool {
	text := all[i].Text
	for j := 0; j < i; j += 1 + int(all[j].Size) {
		if string(all[j].Text) == string(text) {
			return true
		}
	}
	return false
}
