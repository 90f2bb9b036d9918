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
	LEEF string // attribute; one of its own where the format has no name for the fact
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
	Start:             {"start", "start", "startTime", FactTime},
	End:               {"end", "end", "endTime", FactTime},
	UserName:          {"user.name", "suser", "usrName", FactText},
	UserID:            {"user.id", "suid", "userId", FactText},
	UserDomain:        {"user.domain", "sntdom", "domain", FactText},
	SrcIP:             {"src.ip", "src", "src", FactIP},
	SrcHost:           {"src.host", "shost", "srcHost", FactText},
	SrcPort:           {"src.port", "spt", "srcPort", FactNumber},
	SrcMAC:            {"src.mac", "smac", "srcMAC", FactText},
	SrcUserPrivileges: {"user.privileges", "spriv", "role", FactText},
	DstUser:           {"dst.user", "duser", "dstUser", FactText},
	DstUserID:         {"dst.user_id", "duid", "dstUserId", FactText},
	DstIP:             {"dst.ip", "dst", "dst", FactIP},
	DstHost:           {"dst.host", "dhost", "dstHost", FactText},
	DstPort:           {"dst.port", "dpt", "dstPort", FactNumber},
	DstMAC:            {"dst.mac", "dmac", "dstMAC", FactText},
	DeviceIP:          {"device.ip", "dvc", "deviceIp", FactIP},
	DeviceHost:        {"device.host", "dvchost", "deviceHost", FactText},
	DeviceID:          {"device.id", "deviceExternalId", "deviceId", FactText},
	DeviceFacility:    {"device.facility", "deviceFacility", "deviceFacility", FactText},
	Service:           {"service", "destinationServiceName", "service", FactText},
	Protocol:          {"network.transport", "proto", "proto", FactText},
	App:               {"network.application", "app", "application", FactText},
	FileName:          {"file.name", "fname", "fileName", FactText},
	FilePath:          {"file.path", "filePath", "filePath", FactText},
	FileSize:          {"file.size", "fsize", "fileSize", FactNumber},
	FileHash:          {"file.hash", "fileHash", "fileHash", FactText},
	FileType:          {"file.type", "fileType", "fileType", FactText},
	FileID:            {"file.id", "fileId", "fileId", FactText},
	ProcessName:       {"process.name", "dproc", "processName", FactText},
	ProcessID:         {"process.id", "dpid", "processId", FactNumber},
	SrcProcessName:    {"src.process", "sproc", "srcProcessName", FactText},
	SrcProcessID:      {"src.process_id", "spid", "srcProcessId", FactNumber},
	PolicyName:        {"policy.name", "", "policy", FactText},
	PolicyID:          {"policy.id", "", "policyId", FactText},
	RuleName:          {"rule.name", "", "ruleName", FactText},
	RuleID:            {"rule.id", "", "ruleId", FactText},
	ObjectID:          {"object.id", "", "objectId", FactText},
	ObjectName:        {"object.name", "", "resource", FactText},
	ObjectType:        {"object.type", "", "objectType", FactText},
	ObjectCreated:     {"object.created", "start", "objectCreated", FactTime},
	ThreatName:        {"threat.name", "", "threatName", FactText},
	ThreatCategory:    {"threat.category", "", "threatCategory", FactText},
	ThreatTactic:      {"threat.tactic", "", "threatTactic", FactText},
	ThreatTechnique:   {"threat.technique", "", "threatTechnique", FactText},
	Count:             {"count", "cnt", "eventCount", FactNumber},
	BytesIn:           {"bytes.in", "in", "srcBytes", FactNumber},
	BytesOut:          {"bytes.out", "out", "dstBytes", FactNumber},
	URL:               {"url", "request", "url", FactText},
	Referrer:          {"referrer", "requestContext", "referrer", FactText},
	UserAgent:         {"user_agent", "requestClientApplication", "userAgent", FactText},
	RequestMethod:     {"request_method", "requestMethod", "requestMethod", FactText},
	Reason:            {"reason", "reason", "reason", FactText},
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
