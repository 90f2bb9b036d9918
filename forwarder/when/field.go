package when

import (
	"slices"
	"strings"

	"github.com/siemfwd/siemfwd/forwarder/record"
)

// field is what the left side of a condition refers to.
type field struct {
	ref  ref
	kind kind
	key  record.Key // of refFact
	path string     // of refFields: names joined by dots
	name string     // as written
}

type ref uint8

const (
	refNone ref = iota
	refID
	refVendor
	refProduct
	refVersion
	refClass
	refName
	refSeverity
	refCategory
	refAction
	refOutcome
	refMessage
	refSource
	refTime
	refReceived
	refRaw
	refWarnings
	refHost
	refPeer
	refFact
	refFields
)

// kind is the type of a field's values, as far as it is known beforehand.
type kind uint8

const (
	kindText kind = iota
	kindAny       // the vendor's own: any type
	kindNumber
	kindIP
	kindTime
	kindSeverity
)

// headers are the fields that are not facts.
var headers = [...]struct {
	name string
	ref  ref
	kind kind
}{
	{"id", refID, kindText},
	{"vendor", refVendor, kindText},
	{"product", refProduct, kindText},
	{"version", refVersion, kindText},
	{"class", refClass, kindText},
	{"name", refName, kindText},
	{"severity", refSeverity, kindSeverity},
	{"category", refCategory, kindText},
	{"action", refAction, kindText},
	{"outcome", refOutcome, kindText},
	{"message", refMessage, kindText},
	{"source", refSource, kindText},
	{"time", refTime, kindTime},
	{"received", refReceived, kindTime},
	{"raw", refRaw, kindText},
	{"warnings", refWarnings, kindText},
	{"observer.host", refHost, kindText},
	{"observer.ip", refPeer, kindIP},
}

// Fields returns the names a condition may begin with, in the record's order, without
// the vendors' own (fields.NAME).
func Fields() []string {
	names := make([]string, 0, len(headers)+len(record.Keys))
	for _, h := range headers {
		names = append(names, h.name)
	}
	for _, k := range record.Keys {
		if !slices.Contains(names, k.Name) {
			names = append(names, k.Name)
		}
	}
	return names
}

// lookup finds what name refers to. The error's Offset is relative to name.
func lookup(name string) (field, *Error) {
	if path, ok := strings.CutPrefix(name, "fields."); ok {
		if path == "" || path[0] == '.' || path[len(path)-1] == '.' || strings.Contains(path, "..") {
			return field{}, &Error{Text: "field " + quote(name) + " has an empty part", Hint: "write fields.NAME or fields.NAME.NAME", Len: len(name)}
		}
		return field{ref: refFields, kind: kindAny, path: path, name: name}, nil
	}
	for _, h := range headers {
		if h.name == name {
			return field{ref: h.ref, kind: h.kind, name: name}, nil
		}
	}
	for k, info := range record.Keys {
		if info.Name == name {
			kinds := [...]kind{record.FactText: kindText, record.FactNumber: kindNumber, record.FactIP: kindIP, record.FactTime: kindTime}
			return field{ref: refFact, kind: kinds[info.Kind], key: record.Key(k), name: name}, nil
		}
	}
	return field{}, &Error{Text: "unknown field " + quote(name), Hint: suggest(name), Len: len(name)}
}

// suggest says what somebody who wrote name may have meant.
func suggest(name string) string {
	if name == "fields" {
		return "write fields.NAME"
	}
	if known, ok := foreign[strings.ToLower(name)]; ok {
		return "did you mean " + known + "?"
	}
	best, least := "", 3
	for _, known := range Fields() {
		if d := distance(strings.ToLower(name), known, least); d < least {
			best, least = known, d
		}
	}
	if best != "" {
		return "did you mean " + best + "?"
	}
	for _, k := range record.Keys {
		if k.CEF != "" && strings.EqualFold(k.CEF, name) {
			return "did you mean " + k.Name + "?"
		}
	}
	object := name + "."
	var members []string
	for _, known := range Fields() {
		if strings.HasPrefix(known, object) {
			members = append(members, known)
		}
	}
	if len(members) > 0 {
		return "did you mean " + strings.Join(members, " or ") + "?"
	}
	return "a vendor's own field is written fields." + name
}

// foreign holds what other systems call our fields.
var foreign = map[string]string{
	"event_class": "class", "event_id": "class", "signature": "class", "event": "name", "title": "name",
	"source_id": "id", "level": "severity", "priority": "severity", "msg": "message", "text": "message",
	"host": "observer.host", "hostname": "observer.host", "peer": "observer.ip", "timestamp": "time",
	"user": "user.name", "username": "user.name", "src_ip": "src.ip", "dst_ip": "dst.ip", "source.ip": "src.ip",
	"destination.ip": "dst.ip", "sink": "source", "status": "outcome", "type": "category", "cat": "category", "act": "action",
}

// distance is the number of inserted, deleted and replaced octets between a and b, or
// some number of at least most when it is not below most.
func distance(a, b string, most int) int {
	if d := len(a) - len(b); d >= most || -d >= most {
		return most
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := diagonal
			if a[i] != b[j] {
				d = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], d
		}
	}
	return row[len(b)]
}
