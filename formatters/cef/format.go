package cef

import (
	"errors"

	"github.com/siemfwd/siemfwd/formatters/text"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

// Formatter renders records. Keys stand in one order for every vendor: times and
// identity, source, destination, device, file, process, what happened, custom slots
// each followed by its label, and the long ones last, so that a receiver that cuts
// loses least. Values that were cut, or left out for want of room, are counted in the
// record's Shortened and announced by the key adTruncated. The zero Formatter is the
// form most receivers read. It may be used by any number of goroutines.
type Formatter struct {
	Version1     bool // CEF:1, with the keys that came with specification 1.2
	PlainIPv6    bool // IPv6 addresses stand under src, dst and dvc, not in custom slots
	SnakeLabels  bool // labels as snake_case
	PipeSafe     bool // "/" for "|" in the header, and "'" for a quote that begins a value of it
	TextTime     bool // times as MMM dd yyyy HH:mm:ss.SSS UTC, not milliseconds since 1970
	VendorFields bool // every field of the vendor's that nothing else shows, as ad and its name
}

// Append appends r. It never fails.
func (f Formatter) Append(dst []byte, r *record.Record) ([]byte, error) {
	return f.AppendMax(dst, r, text.NoLimit)
}

// errNoRoom is the answer for a header over the largest message.
var errNoRoom = errors.New("cef: message: the header alone is longer than the largest message")

// places are facts that stand together, in their order.
type places struct {
	any record.FactSet // of all
	all []place
}

// place is one fact and the key it is written under.
type place struct {
	fact record.Key
	key  *Key
}

// The facts, in the order of the output, split where other values stand between them.
var (
	sourceFacts = placesOf(record.SrcIP, record.SrcHost, record.SrcPort, record.SrcMAC)
	userFacts   = placesOf(record.UserName, record.UserID, record.UserDomain, record.SrcUserPrivileges)
	targetFacts = placesOf(record.DstIP, record.DstHost, record.DstPort, record.DstMAC,
		record.DstUser, record.DstUserID)
	deviceFacts   = placesOf(record.Service, record.DeviceID, record.DeviceFacility, record.DeviceIP)
	protocolFacts = placesOf(record.Protocol, record.App)
	fileFacts     = placesOf(record.FileName, record.FilePath, record.FileSize, record.FileHash,
		record.FileType, record.FileID)
	processFacts = placesOf(record.SrcProcessName, record.SrcProcessID, record.ProcessName, record.ProcessID)
	countFacts   = placesOf(record.Count, record.BytesIn, record.BytesOut)
	requestFacts = placesOf(record.URL, record.Referrer, record.RequestMethod, record.UserAgent, record.Reason)
	// resourceFacts have a key only since specification 1.2.
	resourceFacts = placesUnder(map[record.Key]string{
		record.ObjectName: "reportedResourceName", record.ObjectID: "reportedResourceID", record.ObjectType: "reportedResourceType",
		record.ThreatTechnique: "threatAttackID",
	})
)

func placesUnder(keys map[record.Key]string) *places {
	p := &places{}
	for k := range record.Key(len(record.Keys)) {
		if name, ok := keys[k]; ok {
			p.any[k/64] |= 1 << (k % 64)
			p.all = append(p.all, place{k, key(name)})
		}
	}
	return p
}

func placesOf(facts ...record.Key) *places {
	p := &places{all: make([]place, len(facts))}
	for i, k := range facts {
		p.any[k/64] |= 1 << (k % 64)
		p.all[i] = place{k, key(record.Keys[k].CEF)}
	}
	return p
}

// key is the dictionary's entry for a name that stands in this program.
func key(name string) *Key { return &dictionary[index(name)] }

// keyReplay is a key of our own, as "ad" says.
var keyReplay = Key{Name: "adReplay", Type: String, lead: "adReplay="}

var (
	keyStart, keyEnd, keyRt = key("start"), key("end"), key("rt")
	keyID, keyHost          = key("externalId"), key("dvchost")
	keyAct, keyOutcome      = key("act"), key("outcome")
	keyCat, keyMsg          = key("cat"), key("msg")
	keyFramework            = key("frameworkName")
)

var attack = []byte("MITRE ATT&CK")

// customKeys holds, for each of the record's slots, its key and its label's.
var customKeys = func() (t [len(record.Slots)]struct{ value, label *Key }) {
	for i := range record.Slots {
		t[i].value, t[i].label = key(record.Slots[i].CEF), key(record.Slots[i].Label)
	}
	return t
}()

// truncated announces that values were cut or left out.
const truncated = "adTruncated=true"

// AppendMax appends r in at most limit octets: pairs that do not fit are left out, the
// message is cut. It fails when the header alone does not fit.
func (f Formatter) AppendMax(dst []byte, r *record.Record, limit int) ([]byte, error) {
	base := len(dst)
	r.Shortened = 0
	e := Event{
		Vendor: r.Vendor, Product: r.Product, Version: r.Version,
		Class: r.Class, Name: r.Name, Severity: r.Severity,
	}
	dst = f.appendHeader(dst, &e)
	if len(dst)-base > limit {
		return dst[:base], errNoRoom
	}
	start := len(dst)
	l := line{Formatter: f, begin: start, end: text.NoLimit, cut: e.cut()}
	if limit < text.NoLimit-base {
		l.end = base + limit
	}
	cut := l.cut
	if dst = l.pairs(dst, r); l.cut > 0 && len(dst)+len(truncated) > l.end {
		// Once more, with room for saying so.
		l = line{Formatter: f, begin: start, end: max(l.end-len(truncated)-1, start), cut: cut}
		dst = l.pairs(dst[:start], r)
		l.end = base + limit
	}
	if l.cut > 0 && len(dst)+len(truncated) <= l.end {
		dst = append(append(dst, truncated...), ' ')
	}
	if len(dst) > start {
		dst = dst[:len(dst)-1] // the SP behind the last pair
	}
	r.Shortened = l.cut
	return dst, nil
}

// pairs appends the extension, with a SP behind each pair.
func (l *line) pairs(dst []byte, r *record.Record) []byte {
	dst = l.times(dst, r)
	dst = l.pair(dst, keyID, r.ID)
	dst = l.facts(dst, r, sourceFacts)
	dst = l.facts(dst, r, userFacts)
	dst = l.facts(dst, r, targetFacts)
	dst = l.facts(dst, r, deviceFacts)
	if host := r.Get(record.DeviceHost); len(host) > 0 {
		dst = l.pair(dst, keyHost, host)
	} else {
		dst = l.pair(dst, keyHost, r.Host)
	}
	dst = l.facts(dst, r, protocolFacts)
	dst = l.facts(dst, r, fileFacts)
	dst = l.facts(dst, r, processFacts)
	dst = l.pair(dst, keyAct, r.Action)
	dst = l.pair(dst, keyOutcome, r.Outcome)
	dst = l.pair(dst, keyCat, r.Category)
	dst = l.facts(dst, r, countFacts)
	if l.Version1 {
		dst = l.facts(dst, r, resourceFacts)
		if r.Has(record.ThreatTechnique) {
			dst = l.pair(dst, keyFramework, attack)
		}
	}
	dst = l.slots(dst, r)
	if len(r.Extras) > 0 {
		dst = l.extras(dst, r)
	}
	dst = l.facts(dst, r, requestFacts)
	dst = l.pair(dst, &keyReplay, r.Get(record.Replay))
	dst = l.message(dst, r.Message)
	if l.VendorFields {
		dst = l.vendorFields(dst, r)
	}
	return dst
}
