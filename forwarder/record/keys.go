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
	TenantID
	Replay // set by the forwarder: the event is sent again, by this replay

	numKeys
)

// KeyInfo is what one fact is called. CEF is empty where CEF has no place of its
// own for the fact; a vendor then gives it a custom slot (see Slot).
type KeyInfo struct {
	Name string // dotted; the first part is the object it stands under in JSON
	CEF  string // extension key
	LEEF string // attribute; one of its own where the format has no name for the fact
	ECS  string // path of the field; empty: it is a label
	OCSF string // path of the attribute, "[]" behind a list of one; empty: it has none
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
	Start:             {"start", "start", "startTime", "event.start", "finding_info.first_seen_time", FactTime},
	End:               {"end", "end", "endTime", "event.end", "finding_info.last_seen_time", FactTime},
	UserName:          {"user.name", "suser", "usrName", "user.name", "evidences[].actor.user.name", FactText},
	UserID:            {"user.id", "suid", "userId", "user.id", "evidences[].actor.user.uid", FactText},
	UserDomain:        {"user.domain", "sntdom", "domain", "user.domain", "evidences[].actor.user.domain", FactText},
	SrcIP:             {"src.ip", "src", "src", "source.ip", "evidences[].src_endpoint.ip", FactIP},
	SrcHost:           {"src.host", "shost", "srcHost", "source.domain", "evidences[].src_endpoint.hostname", FactText},
	SrcPort:           {"src.port", "spt", "srcPort", "source.port", "evidences[].src_endpoint.port", FactNumber},
	SrcMAC:            {"src.mac", "smac", "srcMAC", "source.mac", "evidences[].src_endpoint.mac", FactText},
	SrcUserPrivileges: {"user.privileges", "spriv", "role", "user.roles[]", "", FactText},
	DstUser:           {"dst.user", "duser", "dstUser", "destination.user.name", "", FactText},
	DstUserID:         {"dst.user_id", "duid", "dstUserId", "destination.user.id", "", FactText},
	DstIP:             {"dst.ip", "dst", "dst", "destination.ip", "evidences[].dst_endpoint.ip", FactIP},
	DstHost:           {"dst.host", "dhost", "dstHost", "destination.domain", "evidences[].dst_endpoint.hostname", FactText},
	DstPort:           {"dst.port", "dpt", "dstPort", "destination.port", "evidences[].dst_endpoint.port", FactNumber},
	DstMAC:            {"dst.mac", "dmac", "dstMAC", "destination.mac", "evidences[].dst_endpoint.mac", FactText},
	DeviceIP:          {"device.ip", "dvc", "deviceIp", "observer.ip", "", FactIP},
	DeviceHost:        {"device.host", "dvchost", "deviceHost", "observer.hostname", "", FactText},
	DeviceID:          {"device.id", "deviceExternalId", "deviceId", "observer.name", "", FactText},
	DeviceFacility:    {"device.facility", "deviceFacility", "deviceFacility", "", "", FactText},
	Service:           {"service", "destinationServiceName", "service", "service.name", "evidences[].dst_endpoint.svc_name", FactText},
	Protocol:          {"network.transport", "proto", "proto", "network.transport", "", FactText},
	App:               {"network.application", "app", "application", "network.protocol", "", FactText},
	FileName:          {"file.name", "fname", "fileName", "file.name", "evidences[].file.name", FactText},
	FilePath:          {"file.path", "filePath", "filePath", "file.path", "evidences[].file.path", FactText},
	FileSize:          {"file.size", "fsize", "fileSize", "file.size", "evidences[].file.size", FactNumber},
	FileHash:          {"file.hash", "fileHash", "fileHash", "file.hash", "evidences[].file.hashes", FactText},
	FileType:          {"file.type", "fileType", "fileType", "file.extension", "", FactText},
	FileID:            {"file.id", "fileId", "fileId", "file.inode", "", FactText},
	ProcessName:       {"process.name", "dproc", "processName", "process.name", "evidences[].process.name", FactText},
	ProcessID:         {"process.id", "dpid", "processId", "process.pid", "evidences[].process.pid", FactNumber},
	SrcProcessName:    {"src.process", "sproc", "srcProcessName", "process.parent.name", "evidences[].actor.process.name", FactText},
	SrcProcessID:      {"src.process_id", "spid", "srcProcessId", "process.parent.pid", "evidences[].actor.process.pid", FactNumber},
	PolicyName:        {"policy.name", "", "policy", "rule.ruleset", "", FactText},
	PolicyID:          {"policy.id", "", "policyId", "", "", FactText},
	RuleName:          {"rule.name", "", "ruleName", "rule.name", "finding_info.analytic.name", FactText},
	RuleID:            {"rule.id", "", "ruleId", "rule.id", "finding_info.analytic.uid", FactText},
	ObjectID:          {"object.id", "", "objectId", "", "resources[].uid", FactText},
	ObjectName:        {"object.name", "", "resource", "", "resources[].name", FactText},
	ObjectType:        {"object.type", "", "objectType", "", "resources[].type", FactText},
	ObjectCreated:     {"object.created", "start", "objectCreated", "", "finding_info.created_time", FactTime},
	ThreatName:        {"threat.name", "", "threatName", "", "", FactText},
	ThreatCategory:    {"threat.category", "", "threatCategory", "rule.category", "", FactText},
	ThreatTactic:      {"threat.tactic", "", "threatTactic", "threat.tactic", "finding_info.attacks", FactText},
	ThreatTechnique:   {"threat.technique", "", "threatTechnique", "threat.technique", "finding_info.attacks", FactText},
	Count:             {"count", "cnt", "eventCount", "", "count", FactNumber},
	BytesIn:           {"bytes.in", "in", "srcBytes", "source.bytes", "", FactNumber},
	BytesOut:          {"bytes.out", "out", "dstBytes", "destination.bytes", "", FactNumber},
	URL:               {"url", "request", "url", "url.original", "", FactText},
	Referrer:          {"referrer", "requestContext", "referrer", "http.request.referrer", "", FactText},
	UserAgent:         {"user_agent", "requestClientApplication", "userAgent", "user_agent.original", "", FactText},
	RequestMethod:     {"request_method", "requestMethod", "requestMethod", "http.request.method", "", FactText},
	Reason:            {"reason", "reason", "reason", "event.reason", "status_detail", FactText},
	TenantID:          {"tenant.id", "", "tenantId", "organization.id", "metadata.tenant_uid", FactText},
	Replay:            {"replay", "", "replay", "", "", FactText},
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
