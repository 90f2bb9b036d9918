package skyhigh_test

import (
	stdjson "encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/formatters/json"
	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/skyhigh"
)

var received = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)

// read parses one event.
func read(t testing.TB, raw string) *record.Record {
	t.Helper()
	r := &record.Record{Source: "test", Received: received, Raw: []byte(raw)}
	require.NoError(t, skyhigh.Vendor.Parse(r, r.Raw))
	return r
}

// fields is the record's fields as JSON, in order.
func fields(t testing.TB, r *record.Record) string {
	t.Helper()
	b, err := json.Formatter{}.Append(nil, r)
	require.NoError(t, err)
	var out struct {
		Fields stdjson.RawMessage `json:"fields"`
	}
	require.NoError(t, stdjson.Unmarshal(b, &out), "%s", b)
	return string(out.Fields)
}

func warnings(r *record.Record) (out []string) {
	for _, w := range r.Warnings {
		out = append(out, strings.TrimSuffix(w.Kind+":"+string(w.Detail), ":"))
	}
	return out
}

func top(r *record.Record) (n int) {
	for i := 0; i < len(r.Fields); i += 1 + int(r.Fields[i].Size) {
		n++
	}
	return n
}

func TestLines(t *testing.T) {
	long := strings.Repeat("A", 8192)
	for _, c := range lines {
		t.Run(c.name, func(t *testing.T) {
			r := read(t, strings.ReplaceAll(c.line, "{A*8192}", long))
			assert.Equal(t, strings.ReplaceAll(c.fields, "{A*8192}", long), fields(t, r))
			assert.Equal(t, c.count, top(r))
			assert.Equal(t, c.warnings, warnings(r))
			assert.Equal(t, "Skyhigh Security", string(r.Vendor))
			assert.Equal(t, "Skyhigh CASB", string(r.Product))
			assert.Equal(t, "1.0", string(r.Version))
			assert.EqualValues(t, 1, r.Syslog.Facility)
			assert.EqualValues(t, 6, r.Syslog.Severity)
			assert.False(t, r.Syslog.V5424)
		})
	}
}

// Values in quotes, as one pair of a body that goes on.
func TestQuotes(t *testing.T) {
	for in, want := range map[string]string{
		`note="",status=new`:                    `{"note":null,"status":"new"}`,
		`note="a ""b""",status=new`:             `{"note":"a \"b\"","status":"new"}`,
		`note="""q"" x",status=new`:             `{"note":"\"q\" x","status":"new"}`,
		`note="x=""1"", y=2",status=new`:        `{"note":"x=\"1\", y=2","status":"new"}`,
		`note="he said "hi", ok",status=new`:    `{"note":"he said \"hi\", ok","status":"new"}`,
		`note="tail" ,  status=new`:             `{"note":"tail","status":"new"}`,
		`status=new,note="",`:                   `{"status":"new","note":null}`,
		`status=new,,note = "x" , , policyId=1`: `{"status":"new","note":"x","policyId":1}`,
		`status=new,note=""`:                    `{"status":"new","note":null}`,
		`status=new,note="  padded  "`:          `{"status":"new","note":"padded"}`,
	} {
		r := read(t, "<14>Mar  3 09:07:41 ec1 "+in)
		assert.Equal(t, want, fields(t, r), in)
		assert.Empty(t, r.Warnings, in)
	}
	r := read(t, `<14>Mar  3 09:07:41 ec1 policyName="no end at all`)
	assert.Equal(t, `{"policyName":"no end at all"}`, fields(t, r))
	assert.Equal(t, []string{"unterminated_quote:policyName"}, warnings(r))
}

func TestTyping(t *testing.T) {
	for in, want := range map[string]string{
		`a=`:                                `{"a":null}`,
		`a=N/A,b=NA,c=null,d=NOT AVAILABLE`: `{"a":null,"b":null,"c":null,"d":null}`,
		`a="NA",b=n/a`:                      `{"a":null,"b":"n/a"}`,
		`a=[]`:                              `{"a":[]}`,
		`a=[-1]`:                            `{"a":["-1"]}`,
		`a=[NO],b=[NA],c=[null, true, 1]`:   `{"a":["NO"],"b":["NA"],"c":["null","true","1"]}`,
		`a=[x,y]`:                           `{"a":["x","y"]}`,
		`a="[x,y, z]"`:                      `{"a":["x,y","z"]}`,
		`a="[""x, y"", ""z""]"`:             `{"a":["x, y","z"]}`,
		`a="[""x"", 1, null, true]"`:        `{"a":["x","1","null","true"]}`,
		`a="[odd "" quote, z]"`:             `{"a":["odd \" quote","z"]}`,
		`a={}`:                              `{"a":{}}`,
		`a="{""k"":1,""l"":[true]}"`:        `{"a":{"k":1,"l":[true]}}`,
		`a={k=v, k2=v2}`:                    `{"a":{"k":"v","k2":"v2"}}`,
		`a={no map}`:                        `{"a":"{no map}"}`,
		`a=true,b=false,c="true",d=True`:    `{"a":true,"b":false,"c":"true","d":"True"}`,
		`a=0,b=-1,c=007,d=1e5,e="12"`:       `{"a":0,"b":-1,"c":"007","d":"1e5","e":"12"}`,
		`a=123456789012345678`:              `{"a":123456789012345678}`,
		`a=1234567890123456789`:             `{"a":"1234567890123456789"}`,
		`a=1.50,b=-0.5,c=1.,d=.5,e=00.5`:    `{"a":1.50,"b":-0.5,"c":"1.","d":".5","e":"00.5"}`,
		`a=-,b=1-2,c=1.2.3`:                 `{"a":"-","b":"1-2","c":"1.2.3"}`,
		`a=2017-02-09T22:25:00.000Z`:        `{"a":"2017-02-09T22:25:00.000Z"}`,
		`a="Feb  9 2017 22:25:00 +0100"`:    `{"a":"2017-02-09T21:25:00.000Z"}`,
		`incidentId=DLP- 1,thresholdDuration=w eek ly`: `{"incidentId":"DLP-1","thresholdDuration":"weekly"}`,
		`informationFutureThing=x`:                     `{"futureThing":"x"}`,
		`information=x,informational=y`:                `{"information":"x","informational":"y"}`,
		`activityName=[A],response=[B],riskSeverity=low,userDisplayName=u,FileSize=7,hierarchy=/a`: `{"activityNames":["A"],"responses":["B"],"incidentRiskSeverity":"low","actorId":"u","contentItemSize":7,"contentItemHierarchy":"/a"}`,
	} {
		r := read(t, "<14>Mar  3 09:07:41 ec1 "+in)
		assert.Equal(t, want, fields(t, r), in)
		assert.Empty(t, r.Warnings, in)
	}
}

func TestWarnings(t *testing.T) {
	for _, c := range []struct {
		in, fields string
		warnings   []string
	}{
		{`activityNames [-1],status=new`, `{"activityNames":["-1"],"status":"new"}`, []string{"missing_equals:activityNames"}},
		{`timeCreated="May 17 2019 03:31:52.000 PDT"`, `{"timeCreated":"2019-05-17T03:31:52.000Z"}`, []string{"unknown_zone:timeCreated"}},
		{`policyName=a,informationPolicyName=a`, `{"policyName":"a"}`, nil},
		{`policyName=a,informationPolicyName=b,policy_name=c`, `{"policyName":"a","policyName_2":"b","policyName_3":"c"}`, []string{"duplicate_key:policyName", "duplicate_key:policyName"}},
		{`cities=[a, b],informationCities=[a, b]`, `{"cities":["a","b"]}`, nil},
		{`cities=[a, b],informationCities=[a, c]`, `{"cities":["a","b"],"cities_2":["a","c"]}`, []string{"duplicate_key:cities"}},
		{`x=1,y=2,x=3`, `{"x":1,"y":2,"x_2":3}`, []string{"duplicate_key:x"}},
		{`text before, incidentId=DLP-1`, `{"incidentId":"DLP-1","_unparsed":"text before"}`, []string{"unparsed_text"}},
		{`EC activityNames=[],incidentId=DLP-1`, `{"activityNames":[],"incidentId":"DLP-1","_unparsed":"EC"}`, []string{"unparsed_text"}},
	} {
		r := read(t, "<14>Mar  3 09:07:41 ec1 "+c.in)
		assert.Equal(t, c.fields, fields(t, r), c.in)
		assert.Equal(t, c.warnings, warnings(r), c.in)
	}
}

func TestHeaders(t *testing.T) {
	for _, c := range []struct{ in, host, id string }{
		{"<14>Mar  3 09:07:41 ec1 incidentId=A-1,status=new", "ec1", "A-1"},
		{"<14>Mar  3 09:07:41 incidentId=A-1,status=new", "", "A-1"},
		{"<14>Mar  3 09:07:41 activityNames [-1],incidentId=A-1", "", "A-1"},
		{"Mar  3 09:07:41 ec1 incidentId=A-1,status=new", "ec1", "A-1"},
		{"incidentId=A-1,status=new", "", "A-1"},
		{"activityNames [-1],incidentId=A-1", "", "A-1"},
		{"<14>1 2026-11-20T10:00:00Z ec1 - - - - incidentId=A-1,status=new", "ec1", "A-1"},
		{`<14>Mar  3 09:07:41 ec1 {"incidentId":"A-1"}`, "ec1", "A-1"},
		{" \n{\"incidentId\":\"A-1\"}\n", "", "A-1"},
	} {
		r := read(t, c.in)
		assert.Equal(t, c.host, string(r.Host), c.in)
		assert.Equal(t, c.id, string(r.ID), c.in)
		assert.NotContains(t, warnings(r), "unparsed_text", c.in)
	}
}

func TestUnparsed(t *testing.T) {
	for in, want := range map[string]string{
		"<14>Mar  3 09:07:41 ec1 Connector started": "Connector started",
		"<14>Mar  3 09:07:41 ec1 CEF:0|broken":      "CEF:0|broken",
		"<14>Mar  3 09:07:41 ec1 LEEF:1.0|broken":   "LEEF:1.0|broken",
		`{"incidentId":`:    `{"incidentId":`,
		`{"incidentId":"x"`: `{"incidentId":"x"`,
		"{}":                "{}",
		"":                  "",
	} {
		r := read(t, in)
		assert.Equal(t, want, string(r.Message), in)
		assert.Equal(t, []string{"unparsed:no incident"}, warnings(r), in)
		assert.Empty(t, r.Fields, in)
	}
	r := read(t, "<14>Mar  3 09:07:41 ec1 Connector started")
	assert.Equal(t, "2026-03-03T09:07:41Z", r.Time.Go().Format(time.RFC3339))
}

func TestFacts(t *testing.T) {
	r := read(t, lines[0].line)
	assert.Equal(t, "ANO-94483", string(r.ID))
	assert.Equal(t, "skyhigh|ANO-94483|2019-05-17T03:51:01.525Z", string(r.Identity))
	assert.Equal(t, "Alert.Access.AnomalousAccessLocation", string(r.Class))
	assert.Equal(t, "Anomalous Access Location", string(r.Name))
	assert.Equal(t, 10, r.Severity)
	assert.Equal(t, "Admin Login", string(r.Action))
	assert.Equal(t, "opened", string(r.Outcome))
	assert.Equal(t, "2019-05-17T03:51:01.525Z", r.Time.Go().Format(time.RFC3339Nano))
	assert.Equal(t, "2019-05-17T03:31:52Z", r.GetTime(record.Start).Go().Format(time.RFC3339Nano))
	assert.Equal(t, "80.64.104.97", string(r.Get(record.SrcIP)))
	assert.Equal(t, "Box", string(r.Get(record.Service)))
	assert.Equal(t, "EC-test00.app.qa.sjc.shn", string(r.Get(record.DeviceHost)))
	assert.Equal(t, map[string]string{
		"AnomalyCategory": "Access Anomalies", "SourceIPs": "80.64.104.97, 39.43.30.58, 14.12.145.139, 1.2.2.78, 2.148.4.85",
		"Countries": "NO, RU, JP, CN, PK", "AnomalyCause": "CUSTOMER BLACKLIST", "incidentId": "ANO-94483",
	}, slots(r))
	assert.Equal(t, "Alert.Access.AnomalousAccessLocation ANO-94483: Access Anomalies/CUSTOMER BLACKLIST on Box by tp_realtime_activity_enrichment_0_1558064392_19817@shn.com; status opened", string(r.Message))

	r = read(t, lines[1].line)
	assert.False(t, r.Has(record.UserName))
	assert.Equal(t, 3, r.Severity)
	assert.Equal(t, map[string]string{
		"PolicyName": "MFA for accounts with read permissions on subscription not enabled", "InstanceName": "Azure",
		"PolicyId": "405763", "incidentId": "AUD-2014",
	}, slots(r))
	assert.Equal(t, "Microsoft Azure", string(r.Get(record.FileName)))

	r = read(t, lines[3].line) // a threat by an address
	assert.Equal(t, "10.20.30.40", string(r.Get(record.SrcIP)))
	assert.False(t, r.Has(record.UserName))
	assert.Equal(t, "Initial Access, Impact", string(r.Get(record.ThreatTactic)))
	assert.Equal(t, "3", slots(r)["AnomalyCount"])
	assert.Equal(t, "Login, Download", slots(r)["Activities"])
	assert.Empty(t, r.Action)
}

func slots(r *record.Record) map[string]string {
	out := map[string]string{}
	for s, ok := r.NextSlot(0); ok; s, ok = r.NextSlot(s + 1) {
		label, text, _ := r.GetSlot(s)
		out[label] = string(text)
	}
	return out
}

func TestSeverity(t *testing.T) {
	for in, want := range map[string]int{
		"incidentRiskScore=10.0,incidentRiskSeverity=low": 10, "incidentRiskScore=6.5": 7, "incidentRiskScore=6.4": 6,
		"incidentRiskScore=9.96": 10, "incidentRiskScore=0.2": 1, "incidentRiskScore=0.0,incidentRiskSeverity=high": 9,
		"incidentRiskScore=-1,incidentRiskSeverity=info": 1, "incidentRiskScore=10.1,riskLevel=Low": 3,
		"incidentRiskScore=11,incidentRiskSeverity=MEDIUM": 6, "incidentRiskSeverity=strange": 5, "status=new": 5,
		"incidentRiskScore=100": 5, "incidentRiskScore=7": 7,
	} {
		assert.Equal(t, want, read(t, "<14>Mar  3 09:07:41 ec1 "+in).Severity, in)
	}
	assert.Equal(t, 3, read(t, "<14>Mar  3 09:07:41 ec1 CEF:0|Skyhigh Security|Skyhigh CASB|1|Dlp|Alert.Policy|3|incidentId=x").Severity)
	assert.Equal(t, 9, read(t, "<14>Mar  3 09:07:41 ec1 LEEF:1.0|Skyhigh Security|x|1|Anomaly|sev=3\triskSeverity=High").Severity)
	assert.Equal(t, 3, read(t, "<14>Mar  3 09:07:41 ec1 LEEF:1.0|Skyhigh Security|x|1|Anomaly|sev=3\tincidentId=x").Severity)
}

func TestActor(t *testing.T) {
	token := strings.Repeat("0aF9", 16)
	for in, want := range map[string][2]string{
		"actorId=a@b,actorIdType=USER":                            {"a@b", ""},
		"actorId=a@b,actorIdType=User":                            {"a@b", ""},
		"actorId=a@b":                                             {"a@b", ""},
		"actorId=192.0.2.1,actorIdType=IpAddress":                 {"", "192.0.2.1"},
		"actorId=192.0.2.1":                                       {"", "192.0.2.1"},
		"actorId=2001:db8::1,actorIdType=IP_ADDRESS":              {"", "2001:db8::1"},
		"actorId=hash,actorIdType=IP_ADDRESS,sourceIps=[1.2.3.4]": {"", "1.2.3.4"},
		"actorId=system:anonymous,actorIdType=USER":               {"", ""},
		"actorId=-1":       {"", ""},
		"actorId=" + token: {token, ""},
		"sourceIps=[0.0.0.0, none, 192.0.2.7, 192.0.2.8]": {"", "192.0.2.7"},
		`device="{""ip"":""198.51.100.7""}"`:              {"", "198.51.100.7"},
	} {
		r := read(t, "<14>Mar  3 09:07:41 ec1 "+in)
		assert.Equal(t, want, [2]string{string(r.Get(record.UserName)), string(r.Get(record.SrcIP))}, in)
		assert.Equal(t, in == "actorId="+token, r.Find(-1, "actorTokenised") >= 0, in)
	}
}

func TestNameAndMessage(t *testing.T) {
	for group, want := range map[string]string{
		"Alert.Access.AnomalousAccessLocation": "Anomalous Access Location", "Alert.Policy.Dlp": "Dlp", "Alert.Policy.EPOViolation": "EPO Violation",
		"threat.insiderThreat.highVolumeDataExfiltration": "High Volume Data Exfiltration", "Alert": "Alert", "Alert.Data.X2Y": "X2Y",
	} {
		assert.Equal(t, want, string(read(t, "<14>Mar  3 09:07:41 ec1 incidentGroup="+group).Name), group)
	}
	for in, want := range map[string]string{
		"incidentId=A-1":                    "A-1",
		"incidentGroup=G,incidentId=A-1":    "G A-1",
		"status=NEW":                        "status new",
		"policyName=P":                      "P",
		"anomalyCause=why":                  "why",
		"serviceNames=[a, b, a],actorId=u":  "on a, b by u",
		"incidentGroup=G,anomalyCause=why":  "G: why",
		"incidentId=A-1,serviceNames=[Box]": "A-1 on Box",
		"incidentId=A-1,policyName=P,anomalyCause=why,anomalyCategory=c": "A-1: P",
	} {
		assert.Equal(t, want, string(read(t, "<14>Mar  3 09:07:41 ec1 "+in).Message), in)
	}
}

func TestIdentity(t *testing.T) {
	assert.Empty(t, read(t, "<14>Mar  3 09:07:41 ec1 incidentId=A-1,status=new").Identity, "a later state would be taken for a repetition")
	line := read(t, lines[2].line)
	api := read(t, `{"incidentId":"DLP-771204","timeModified":"2025-03-03T09:01:12.004Z"}`)
	assert.Equal(t, line.AppendUID(nil), api.AppendUID(nil))
}

func TestCEF(t *testing.T) {
	r := read(t, `<14>Mar  3 09:07:41 ec1 CEF:0|Skyhigh Security|Skyhigh CASB|Anomalies.6.6.1.0|Data Transfer|Alert.Data|3|`+
		`flexString2Label=incidentId flexString2=SHW-1 cs4=[1.2.3.4, 5.6.7.8] cs4Label=sourceIps cs2=x cs2Label=Something Else cs3=lonely `+
		`cs6Label=Activity msg=a \= b\nc dvc=10.0.0.1 end=Mar 03 2025 09:01:12.004 UTC`)
	assert.Equal(t, `{"deviceVendor":"Skyhigh Security","deviceProduct":"Skyhigh CASB","deviceVersion":"Anomalies.6.6.1.0","incidentGroup":"Alert.Data.DataTransfer",`+
		`"incidentId":"SHW-1","sourceIps":["1.2.3.4","5.6.7.8"],"cs2":"x","cs2Label":"Something Else","msg":"a = b\nc","dvc":"10.0.0.1",`+
		`"timeModified":"2025-03-03T09:01:12.004Z","cs3":"lonely","cs6Label":"Activity"}`, fields(t, r))
	assert.Equal(t, "Data Transfer", string(r.Name))

	r = read(t, `CEF:0|"v"|p|1|a"b|c"d|3|note="x" y`)
	assert.Equal(t, `{"deviceVendor":"\"v\"","deviceProduct":"p","deviceVersion":"1","incidentGroup":"c\"d.a\"b","note":"\"x\" y"}`, fields(t, r))

	r = read(t, `<14>Mar  3 09:07:41 ec1 CEF:0|McAfee|MVISION Cloud|Dashboard Audit Logs.5.2|1002|User logged in|3|userInfoEmail=a@b.example description=Login from console tenantId=77`)
	assert.Equal(t, "1002", string(r.Class))
	assert.Equal(t, "User logged in", string(r.Name))
	assert.Equal(t, "Login from console", string(r.Message))
	assert.Equal(t, "a@b.example", string(r.Get(record.UserName)))
	assert.Equal(t, 3, r.Severity)
}

func TestLEEF(t *testing.T) {
	for _, sep := range []string{"\t", " ", "#011"} {
		r := read(t, "<14>Mar  3 09:07:41 ec1 LEEF:1.0|Skyhigh Security|Skyhigh Security Cloud|6.6|Anomaly|"+
			strings.Join([]string{"cat=Alert.Data.Data Transfer", "usrName=u@x", "dst=up.example", "userAction=a<pipe>b<caret><tab><x>", "incidentId=SHW-1"}, sep))
		assert.Equal(t, "Alert.Data.DataTransfer", string(r.Class), "%q", sep)
		assert.Equal(t, "up.example", string(r.Get(record.DstHost)), "%q", sep)
		assert.False(t, r.Has(record.DstIP))
		assert.Equal(t, "a|b^\t<x>", string(r.Text("userAction")), "%q", sep)
		assert.Equal(t, "SHW-1", string(r.ID), "%q", sep)
		assert.Contains(t, fields(t, r), `"userAction":"a|b^\t<x>"`)
	}
}

func TestAPI(t *testing.T) {
	object := read(t, `{"incidentId":"DLP-1","actorId":"N/A","information":{"policyId":90017,"policyName":"PCI cards","when":"May 17 2019 03:31:52 UTC"},"status":"NEW"}`)
	pairs := read(t, `{"incidentId":"DLP-1","actorId":"N/A","information":[{"key":"policyId","value":90017},{"key":"policyName","value":"PCI cards"},{"key":"when","value":"May 17 2019 03:31:52 UTC"}],"status":"NEW"}`)
	want := `{"incidentId":"DLP-1","actorId":null,"policyId":90017,"policyName":"PCI cards","when":"2019-05-17T03:31:52.000Z","status":"NEW"}`
	assert.Equal(t, want, fields(t, object))
	assert.Equal(t, want, fields(t, pairs))
	assert.Equal(t, string(object.Message), string(pairs.Message))
	odd := read(t, `{"information":[{"k":1},2],"policyName":"a","information":{"policyName":"b"}}`)
	assert.Equal(t, `{"information":{"k":1},"information_2":2,"policyName":"a","policyName_2":"b"}`, fields(t, odd))
	assert.Equal(t, `{"information":null}`, fields(t, read(t, `{"information":null}`)))
}

func TestDetect(t *testing.T) {
	for _, c := range lines {
		assert.True(t, skyhigh.Vendor.Detect([]byte(c.line)), c.name)
	}
	assert.True(t, skyhigh.Vendor.Detect([]byte(`<14>Mar  3 09:07:41 ec1 CEF:0|Skyhigh Security|Skyhigh CASB|1|Dlp|Alert.Policy|3|`)))
	assert.True(t, skyhigh.Vendor.Detect([]byte(`{"incidentGroup":"Alert.Policy.Dlp","incidentId":"DLP-1"}`)))
	assert.False(t, skyhigh.Vendor.Detect([]byte(`<14>Mar  3 09:07:41 h CEF:0|Other|Product|1|x|y|3|`)))
	assert.False(t, skyhigh.Vendor.Detect([]byte(`<14>Mar  3 09:07:41 h app: status=new`)))
}

// Hostile lines of 256 KiB: whatever cost more than their length would take minutes.
func TestHostileLines(t *testing.T) {
	for _, unit := range []string{
		",", `"`, `status="x,`, `status=""x,`, "a=[,", "a={,", "a", "a=1,", "status=a,", " ", `status="x"y,`, "=", "x1=1,x2=2,", "[a, ", `"[""x"",`,
	} {
		body := strings.Repeat(unit, (1<<18)/len(unit))
		for _, tail := range []string{"", `q="zz`, "]", `]"`} {
			r := read(t, "<14>Mar  3 09:07:41 ec1 status="+body+tail)
			assert.NotEmpty(t, r.Fields, unit)
			read(t, "<14>Mar  3 09:07:41 ec1 "+body+tail)
			read(t, "<14>Mar  3 09:07:41 ec1 LEEF:1.0|v|p|1|e|"+body+tail)
			read(t, "<14>Mar  3 09:07:41 ec1 CEF:0|v|p|1|c|n|3|"+body+tail)
		}
	}
}

func TestParseAllocatesNothing(t *testing.T) {
	for _, c := range lines {
		r, raw := &record.Record{}, []byte(c.line)
		parse := func() {
			r.Reset()
			r.Received = received
			_ = skyhigh.Vendor.Parse(r, raw)
		}
		parse()
		assert.Zero(t, testing.AllocsPerRun(50, parse), c.name)
	}
}

func BenchmarkParse(b *testing.B) {
	for _, i := range []int{0, 1, 2} {
		raw := []byte(lines[i].line)
		r := &record.Record{}
		b.Run(lines[i].name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				r.Reset()
				r.Received = received
				_ = skyhigh.Vendor.Parse(r, raw)
			}
		})
	}
}
