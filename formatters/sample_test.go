package formatters_test

import (
	"net/netip"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/record"
)

// skyhigh fills r with what a typical policy incident of Skyhigh comes to: 20 pairs of
// CEF, 35 fields.
func skyhigh(r *record.Record) {
	r.Reset()
	r.Source = "skyhigh-connector"
	r.Received = time.Date(2025, 3, 3, 9, 7, 41, 120_304_050, time.UTC)
	r.Raw = []byte(`<14>Mar  3 09:07:41 ec1.example.net activityNames="[Upload]",actorId=zoe@example.de,actorIdType=USER,incidentGroup=Alert.Policy.Dlp,incidentId=DLP-771204,incidentRiskScore=6.0,incidentRiskSeverity=medium,informationPolicyId=405763,informationPolicyName="Card numbers, outbound",contentItemName="Q1 draft.xlsx",instanceName=Box,responses="[Quarantine, Notify]",serviceNames=[Box],status=opened,timeCreated="Mar 03 2025 08:59:58.120 UTC",timeModified="Mar 03 2025 09:01:12.004 UTC"`)
	r.Time = record.Unix(1740992472004000000, 3)
	r.Vendor, r.Product, r.Version = []byte("Skyhigh Security"), []byte("Skyhigh CASB"), []byte("1.0")
	r.ID, r.Class, r.Name = []byte("DLP-771204"), []byte("Alert.Policy.Dlp"), []byte("Dlp")
	r.Identity = []byte("skyhigh\x00DLP-771204\x001740992472004")
	r.Severity = 6
	r.Category, r.Action, r.Outcome = []byte("Alert.Policy.Dlp"), []byte("Quarantine, Notify"), []byte("opened")
	r.Message = []byte("Alert.Policy.Dlp DLP-771204: Card numbers, outbound on Box by zoe@example.de; status opened")
	r.Host = []byte("ec1.example.net")
	r.Peer = netip.MustParseAddr("192.0.2.10")
	r.SetTime(record.Start, record.Unix(1740992398120000000, 3))
	r.SetTime(record.End, record.Unix(1740992472004000000, 3))
	for k, v := range map[record.Key]string{
		record.UserName: "zoe@example.de", record.SrcIP: "203.0.113.7", record.DstHost: "app.box.example",
		record.Service: "Box", record.DeviceID: "6840",
		record.FileName: "Q1 draft.xlsx", record.FilePath: "/Finance/2025/Q1 draft.xlsx",
		record.FileSize: "48213", record.FileType: "xlsx",
		record.PolicyName: "Card numbers, outbound", record.PolicyID: "405763",
	} {
		r.Set(k, []byte(v))
	}
	r.SetSlot(record.CS1, "PolicyName", []byte("Card numbers, outbound"))
	r.SetSlot(record.CS2, "Activities", []byte("Upload"))
	r.SetSlot(record.CS6, "InstanceName", []byte("Box"))
	r.SetSlot(record.CN1, "PolicyId", []byte("405763"))
	r.SetSlot(record.CN2, "TotalMatchCount", []byte("17"))
	skyhighFields(r)
}

func skyhighFields(r *record.Record) {
	list := func(name string, items ...string) {
		r.Open([]byte(name), record.List)
		for _, item := range items {
			r.AddPlain(nil, record.String, []byte(item))
		}
		r.Close()
	}
	list("activityNames", "Upload")
	for _, f := range [][2]string{
		{"actorId", "zoe@example.de"}, {"actorIdType", "USER"}, {"incidentGroup", "Alert.Policy.Dlp"},
		{"incidentId", "DLP-771204"}, {"incidentRiskSeverity", "medium"}, {"policyName", "Card numbers, outbound"},
		{"contentItemName", "Q1 draft.xlsx"}, {"contentItemHierarchy", "/Finance/2025/Q1 draft.xlsx"},
		{"contentItemType", "xlsx"}, {"contentItemId", "884213377"}, {"eventId", "55120093"},
		{"scanName", "On-demand"}, {"lastExecutedResponseLabel", "Quarantine"}, {"instanceName", "Box"},
		{"status", "opened"}, {"timeCreated", "2025-03-03T08:59:58.120Z"}, {"timeModified", "2025-03-03T09:01:12.004Z"},
		{"accountId", "dc960d72-efdf-4b89-adb8-4c78eb969c83"}, {"category", "DLP"}, {"source", "API"},
	} {
		r.AddPlain([]byte(f[0]), record.String, []byte(f[1]))
	}
	for _, f := range [][2]string{
		{"incidentRiskScore", "6.0"}, {"policyId", "405763"}, {"instanceId", "6840"},
		{"contentItemSize", "48213"}, {"totalMatchCount", "17"}, {"matchCount", "17"},
	} {
		r.AddPlain([]byte(f[0]), record.Number, []byte(f[1]))
	}
	r.AddPlain([]byte("isPartOfThreat"), record.Bool, []byte("false"))
	list("responses", "Quarantine", "Notify")
	list("serviceNames", "Box")
	r.Open([]byte("servicesAndAccountIds"), record.Map)
	r.AddPlain([]byte("Box"), record.String, nil)
	r.Close()
}
