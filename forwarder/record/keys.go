package record

// Key names one standard fact. Keys holds what each is called where.
type Key uint8

// The facts. Order is the order of the record's JSON and of structured data.
const (
	Start Key = iota
	End
	UserName
	UserID
	UserDomain
	SrcIP
	SrcHost
	SrcPort
	SrcMAC
	SrcUserPrivileges
	DstUser
	DstUserID
	DstIP
	DstHost
	DstPort
	DstMAC
	DeviceIP
	DeviceHost
	DeviceID
	DeviceFacility
	Service
	Protocol
	App
	FileName
	FilePath
	FileSize
	FileHash
	FileType
	FileID
	ProcessName
	ProcessID
	SrcProcessName
	SrcProcessID
	PolicyName
	PolicyID
	RuleName
	RuleID
	ObjectID
	ObjectName
	ObjectType
	ObjectCreated
	ThreatName
	ThreatCategory
	ThreatTactic
	ThreatTechnique
	Count
	BytesIn
	BytesOut
	URL
	Referrer
	UserAgent
	RequestMethod
	Reason

	numKeys
)

// KeyInfo is what one fact is called. CEF is empty where CEF has no place of its
// own for the fact; a vendor then gives it a custom slot (see Slot).
type KeyInfo struct {
	Name string // dotted; the first part is the object it stands under in JSON
	CEF  string // extension key
	Kind FactKind
}

// FactKind is the type of a fact's value.
type FactKind uint8

// The kinds of facts.
const (
	FactText   FactKind = iota
	FactNumber          // a decimal integer
	FactIP              // an IPv4 or IPv6 literal
	FactTime            // set and read as Time
)

// Keys is the one table of facts, indexed by Key.
var Keys = [numKeys]KeyInfo{
	Start:             {"start", "start", FactTime},
	End:               {"end", "end", FactTime},
	UserName:          {"user.name", "suser", FactText},
	UserID:            {"user.id", "suid", FactText},
	UserDomain:        {"user.domain", "sntdom", FactText},
	SrcIP:             {"src.ip", "src", FactIP},
	SrcHost:           {"src.host", "shost", FactText},
	SrcPort:           {"src.port", "spt", FactNumber},
	SrcMAC:            {"src.mac", "smac", FactText},
	SrcUserPrivileges: {"user.privileges", "spriv", FactText},
	DstUser:           {"dst.user", "duser", FactText},
	DstUserID:         {"dst.user_id", "duid", FactText},
	DstIP:             {"dst.ip", "dst", FactIP},
	DstHost:           {"dst.host", "dhost", FactText},
	DstPort:           {"dst.port", "dpt", FactNumber},
	DstMAC:            {"dst.mac", "dmac", FactText},
	DeviceIP:          {"device.ip", "dvc", FactIP},
	DeviceHost:        {"device.host", "dvchost", FactText},
	DeviceID:          {"device.id", "deviceExternalId", FactText},
	DeviceFacility:    {"device.facility", "deviceFacility", FactText},
	Service:           {"service", "destinationServiceName", FactText},
	Protocol:          {"network.transport", "proto", FactText},
	App:               {"network.application", "app", FactText},
	FileName:          {"file.name", "fname", FactText},
	FilePath:          {"file.path", "filePath", FactText},
	FileSize:          {"file.size", "fsize", FactNumber},
	FileHash:          {"file.hash", "fileHash", FactText},
	FileType:          {"file.type", "fileType", FactText},
	FileID:            {"file.id", "fileId", FactText},
	ProcessName:       {"process.name", "dproc", FactText},
	ProcessID:         {"process.id", "dpid", FactNumber},
	SrcProcessName:    {"src.process", "sproc", FactText},
	SrcProcessID:      {"src.process_id", "spid", FactNumber},
	PolicyName:        {"policy.name", "", FactText},
	PolicyID:          {"policy.id", "", FactText},
	RuleName:          {"rule.name", "", FactText},
	RuleID:            {"rule.id", "", FactText},
	ObjectID:          {"object.id", "", FactText},
	ObjectName:        {"object.name", "", FactText},
	ObjectType:        {"object.type", "", FactText},
	ObjectCreated:     {"object.created", "start", FactTime},
	ThreatName:        {"threat.name", "", FactText},
	ThreatCategory:    {"threat.category", "", FactText},
	ThreatTactic:      {"threat.tactic", "", FactText},
	ThreatTechnique:   {"threat.technique", "", FactText},
	Count:             {"count", "cnt", FactNumber},
	BytesIn:           {"bytes.in", "in", FactNumber},
	BytesOut:          {"bytes.out", "out", FactNumber},
	URL:               {"url", "request", FactText},
	Referrer:          {"referrer", "requestContext", FactText},
	UserAgent:         {"user_agent", "requestClientApplication", FactText},
	RequestMethod:     {"request_method", "requestMethod", FactText},
	Reason:            {"reason", "reason", FactText},
}

// Set gives a fact its text. Empty text sets nothing; a second Set replaces the first.
// Facts of kind FactTime are set with SetTime.
func (r *Record) Set(k Key, text []byte) {
	if len(text) == 0 {
		return
	}
	r.facts[k].text = text
	r.have[k/64] |= 1 << (k % 64)
}

// SetTime gives a fact of kind FactTime its value. A zero time sets nothing.
func (r *Record) SetTime(k Key, t Time) {
	if t.IsZero() {
		return
	}
	r.facts[k].time = t
	r.facts[k].text = nil
	r.have[k/64] |= 1 << (k % 64)
}

// Has reports whether the fact is known.
func (r *Record) Has(k Key) bool { return r.have[k/64]&(1<<(k%64)) != 0 }

// Get returns a fact's text; nil when it is not known or of kind FactTime.
func (r *Record) Get(k Key) []byte {
	if !r.Has(k) {
		return nil
	}
	return r.facts[k].text
}

// GetTime returns the value of a fact of kind FactTime; zero when it is not known.
func (r *Record) GetTime(k Key) Time {
	if !r.Has(k) {
		return Time{}
	}
	return r.facts[k].time
}

// Facts returns the set of known facts, for iterating without asking one by one:
//
//	for k, ok := set.Next(0); ok; k, ok = set.Next(k + 1) { … }
func (r *Record) Facts() FactSet { return r.have }

// FactSet is a set of keys.
type FactSet [(numKeys + 63) / 64]uint64
