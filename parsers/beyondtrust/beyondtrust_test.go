package beyondtrust

import (
	"bytes"
	"encoding/hex"
	stdjson "encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"

	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

var received = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// bodies are the samples' events.
func bodies(t testing.TB) map[string][]byte {
	entries, err := samples.ReadDir("samples")
	require.NoError(t, err)
	all := map[string][]byte{}
	for _, e := range entries {
		b, err := samples.ReadFile("samples/" + e.Name())
		require.NoError(t, err)
		for _, f := range txtar.Parse(b).Files {
			switch f.Name {
			case "raw":
				all[strings.TrimSuffix(e.Name(), ".txtar")] = bytes.TrimSuffix(f.Data, []byte("\n"))
			case "raw.hex":
				all[strings.TrimSuffix(e.Name(), ".txtar")], err = hex.DecodeString(strings.Join(strings.Fields(string(f.Data)), ""))
				require.NoError(t, err)
			}
		}
	}
	require.GreaterOrEqual(t, len(all), 8)
	return all
}

func parsed(t testing.TB, raw string) *record.Record {
	r := &record.Record{Raw: []byte(raw), Received: received, Source: "epm"}
	require.NoError(t, parse(r, r.Raw))
	return r
}

// warnings are the kinds of a record's warnings, but for that of an unknown event.
func warnings(r *record.Record) (kinds []string) {
	for _, w := range r.Warnings {
		if w.Kind != "unknown_event" {
			kinds = append(kinds, w.Kind)
		}
	}
	return kinds
}

// fields writes the record's fields in one line.
func fields(r *record.Record) string {
	var s strings.Builder
	var walk func(from, to int, named bool)
	walk = func(from, to int, named bool) {
		for i := from; i < to; i += 1 + int(r.Fields[i].Size) {
			f := &r.Fields[i]
			if i > from {
				s.WriteByte(',')
			}
			if named {
				s.WriteString(string(f.Name) + ":")
			}
			switch f.Kind {
			case record.Map:
				s.WriteByte('{')
				walk(i+1, i+1+int(f.Size), true)
				s.WriteByte('}')
			case record.List:
				s.WriteByte('[')
				walk(i+1, i+1+int(f.Size), false)
				s.WriteByte(']')
			case record.String:
				s.WriteString(`"` + string(f.Text) + `"`)
			case record.Null:
				s.WriteString("null")
			default:
				s.Write(f.Text)
			}
		}
	}
	walk(0, len(r.Fields), true)
	return s.String()
}

var placeholders = regexp.MustCompile(`%%(\w+)%%`)

// render fills a template as the product does, with or without escaping.
func render(template string, values map[string]string, escape bool) string {
	return placeholders.ReplaceAllStringFunc(template, func(p string) string {
		v := values[strings.Trim(p, "%")]
		if !escape {
			return v
		}
		var b bytes.Buffer
		e := stdjson.NewEncoder(&b)
		e.SetEscapeHTML(false)
		_ = e.Encode(v)
		return strings.TrimSuffix(strings.TrimSuffix(b.String(), "\n"), `"`)[1:]
	})
}

// request is what a request for a program may say, with everything that breaks JSON.
func request() map[string]string {
	return map[string]string{
		"EventType": "URM_Native_Ticket_Created", "RequestId": "5a1de3c4-0f57-4c55-a5a5-2a7f4f4b9d10", "TicketNumber": "EPM000042",
		"TenantId": "7d0b7e3e-1111-4222-8333-944455566677", "Timestamp": "20260301T101112Z", "User": `CORP\bob`, "Hostname": "WS-0042",
		"HostType": "Windows", "Workstyle": "Standard users", "ApplicationType": "Executable", "TrustedOwnership": "False", "BtZoneIdentifierExists": "True",
		"Sha256Hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "FilePathObjectId": `C:\temp\new\Setup "beta".exe`,
		"ParentProcess": `C:\Windows\explorer.exe`, "HostedFilePath": `\\nas\tools\`, "Publisher": `Bröd & "Söner" <AB>`, "ProductName": "Setup", "ProductVersion": "1.0",
		"CmdArgs": `"C:\temp\new\Setup "beta".exe" /quiet, /log "x"`, "Reason": "Need it for \"Project X\", see ticket:\n\t{\"a\": \"b\"}\\",
	}
}

// Whether the product escapes values is not known: both ways give the same record.
func TestEscapedAndUnescapedAreTheSame(t *testing.T) {
	for name, template := range map[string]string{
		"ours": appCreatedText, "the documentation's": strings.ReplaceAll(vendorExampleText, "%%HostName%%", "%%Hostname%%"),
		"ours in one line": strings.ReplaceAll(appCreatedText, "\n", ""), "ours with spaces": strings.ReplaceAll(appCreatedText, `":"`, `" : "`),
	} {
		t.Run(name, func(t *testing.T) {
			a, b := parsed(t, render(template, request(), true)), parsed(t, render(template, request(), false))
			assert.Equal(t, fields(a), fields(b))
			assert.Equal(t, a.AppendUID(nil), b.AppendUID(nil))
			assert.Empty(t, a.Warnings)
			assert.Empty(t, b.Warnings)
			assert.Equal(t, request()["CmdArgs"], string(b.Text("CmdArgs")))
			assert.Equal(t, request()["Reason"], string(b.Text("Reason")))
			assert.Equal(t, `\\nas\tools\`, string(b.Text("HostedFilePath")))
		})
	}
}

// Values with backslashes only that happen to be escapes decode without an error, and
// wrongly, unless what comes out is looked at.
func TestBackslashesThatLookLikeEscapes(t *testing.T) {
	for _, template := range []string{appDecisionText, `{"EventType":"%%EventType%%","RequestId":"%%RequestId%%","Decision":"%%Decision%%","DecisionPerformedByUser":"%%DecisionPerformedByUser%%"}`} {
		for _, who := range []string{`CORP\bob`, `CORP\norah`, `CORP\ralph`, `CORP\frank`, `CORP\tess`} {
			for _, escape := range []bool{true, false} {
				v := map[string]string{"EventType": "URM_NATIVE_DECISION_UPDATE", "RequestId": "1", "Decision": "Approved", "DecisionPerformedByUser": who, "Timestamp": "20260301T101112Z"}
				r := parsed(t, render(template, v, escape))
				assert.Equal(t, who, string(r.Get(record.DstUser)), "escape %v", escape)
			}
		}
	}
	// A line feed that was escaped stays one, when paths show that backslashes were.
	r := parsed(t, `{"EventType":"URM_Native_Ticket_Created","RequestId":"1","FilePathObjectId":"C:\\temp\\x.exe","CmdArgs":"-c \"a\nb\""}`)
	assert.Equal(t, "-c \"a\nb\"", string(r.Text("CmdArgs")))
	assert.Equal(t, `C:\temp\x.exe`, string(r.Text("FilePathObjectId")))
}

func TestClassification(t *testing.T) {
	for name, c := range map[string]struct{ body, class, action, outcome string }{
		"application":                {`{"EventType":"URM_Native_Ticket_Created","RequestId":"1"}`, "jit_app_created", "request", ""},
		"application decision":       {`{"EventType":"URM_NATIVE_DECISION_UPDATE","RequestId":"1","Decision":"Approved"}`, "jit_app_decision", "approve", "Approved"},
		"admin":                      {`{"EventType":"JIT_ADMIN_TICKET_CREATED","RequestId":"1","UserName":"bob"}`, "jit_admin_created", "request", ""},
		"admin decision, the quirk":  {`{"EventType":"JIT_ADMIN_TICKET_CREATED","RequestId":"1","Decision":"Denied"}`, "jit_admin_decision", "deny", "Denied"},
		"admin decision, blank":      {`{"EventType":"JIT_ADMIN_TICKET_CREATED","RequestId":"1","Decision":"%%Decision%%","DecisionTime":"","UserName":"x"}`, "jit_admin_created", "request", ""},
		"admin decision, no quirk":   {`{"EventType":"JIT_ADMIN_DECISION_UPDATED","RequestId":"1","Decision":"approved"}`, "jit_admin_decision", "approve", "Approved"},
		"any case":                   {`{"event_type":"jit-admin-decision-update","request id":"1","DECISION":"DENIED"}`, "jit_admin_decision", "deny", "Denied"},
		"shape: application":         {`{"RequestId":"1","Workstyle":"w"}`, "jit_app_created", "request", ""},
		"shape: application decided": {`{"RequestId":"1","Sha256Hash":"w","DecisionTime":"20260301T101112Z"}`, "jit_app_decision", "", ""},
		"shape: admin":               {`{"RequestId":"1","ComputerId":"w"}`, "jit_admin_created", "request", ""},
		"shape: admin decided":       {`{"RequestId":"1","StartTime":"20260301T101112Z","EndTime":"20260301T101112Z"}`, "jit_admin_decision", "", ""},
		"shape: decided":             {`{"RequestId":"1","Decision":"Postponed"}`, "jit_app_decision", "", "Postponed"},
		"nothing":                    {`{"RequestId":"1","Reason":"x"}`, "unknown", "", ""},
		"new":                        {`{"RequestId":"1","EventType":"LAPS_ROTATED"}`, "LAPS_ROTATED", "", ""},
		"mark":                       {`{"siemfwd":"epm/1","siemfwd_event":"jit_admin_decision","EventType":"JIT_ADMIN_TICKET_CREATED","RequestId":"1"}`, "jit_admin_decision", "", ""},
		"mark without format":        {`{"siemfwd_event":"jit_app_decision","EventType":"","RequestId":"1"}`, "jit_app_decision", "", ""},
		"mark, wrong webhook":        {`{"siemfwd_event":"jit_app_created","EventType":"URM_NATIVE_DECISION_UPDATE","RequestId":"1"}`, "jit_app_decision", "", ""},
		"mark behind a value":        {`{"Reason":"x","siemfwd_event":"jit_admin_decision","EventType":"URM_Native_Ticket_Created","RequestId":"1"}`, "jit_app_created", "request", ""},
		"mark in a form":             {`siemfwd_event=jit_admin_created&RequestId=1`, "jit_admin_created", "request", ""},
		"mark in XML":                {`<e><siemfwd_event>jit_admin_created</siemfwd_event><RequestId>1</RequestId></e>`, "jit_admin_created", "request", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := parsed(t, c.body)
			assert.Equal(t, c.class, string(r.Class))
			assert.Equal(t, c.action, string(r.Action))
			assert.Equal(t, c.outcome, string(r.Outcome))
			assert.NotEmpty(t, r.Name)
			assert.Equal(t, strings.Contains(name, "wrong"), strings.Contains(fmt.Sprint(warnings(r)), "wrong_template"))
		})
	}
}

func TestSeverities(t *testing.T) {
	app := `{"EventType":"URM_Native_Ticket_Created","RequestId":"1","Timestamp":"20260301T101112Z"`
	for body, want := range map[string]int{
		app + `}`:                            5,
		app + `,"TrustedOwnership":"False"}`: 6,
		app + `,"TrustedOwnership":"True"}`:  5,
		app + `,"BtZoneIdentifierExists":1}`: 6,
		app + `,"TrustedOwnership":false,"BtZoneIdentifierExists":"yes"}`:                         7,
		app + `,"ReputationScore":"Malicious"}`:                                                   7,
		app + `,"ReputationScore":"90"}`:                                                          5,
		app + `,"TrustedOwnership":"no","BtZoneIdentifierExists":true,"ReputationScore":"bad"}`:   8,
		`{"EventType":"JIT_ADMIN_TICKET_CREATED","RequestId":"1","Timestamp":"20260301T101112Z"}`: 7,
		`{"EventType":"URM_NATIVE_DECISION_UPDATE","RequestId":"1","Decision":"Approved"}`:        5,
		`{"EventType":"URM_NATIVE_DECISION_UPDATE","RequestId":"1","Decision":"Denied"}`:          3,
		`{"EventType":"JIT_ADMIN_TICKET_CREATED","RequestId":"1","Decision":"Approved"}`:          8,
		`{"EventType":"JIT_ADMIN_TICKET_CREATED","RequestId":"1","Decision":"Denied"}`:            4,
		`not a template`: 5,
	} {
		assert.Equal(t, want, parsed(t, body).Severity, body)
	}
}

func TestTimes(t *testing.T) {
	for in, want := range map[string]string{
		"20260301T101112Z": "2026-03-01T10:11:12Z", "20260301t101112z": "2026-03-01T10:11:12Z", "20260301T101112": "2026-03-01T10:11:12Z",
		"20260301T101112.250Z": "2026-03-01T10:11:12.25Z", "20260301T101112+0200": "2026-03-01T08:11:12Z", "20260301101112": "2026-03-01T10:11:12Z",
		"2026-03-01T10:11:12Z": "2026-03-01T10:11:12Z", "2026-03-01 10:11:12": "2026-03-01T10:11:12Z", "2026-03-01T10:11:12.1234567+01:00": "2026-03-01T09:11:12.1234567Z",
		"1772359872": "2026-03-01T10:11:12Z", "1772359872000": "2026-03-01T10:11:12Z",
		"20261301T101112Z": "", "20260301T1011": "", "yesterday": "", "20260301T101112Zulu": "", "99999999999999999999999": "",
	} {
		got, ok := parseTime([]byte(in))
		if want == "" {
			assert.False(t, ok, in)
			continue
		}
		require.True(t, ok, in)
		assert.Equal(t, want, got.Go().Format(time.RFC3339Nano), in)
	}
	r := parsed(t, `{"RequestId":"1","Decision":"Approved","Timestamp":"20260301T101112Z","DecisionTime":"soon","ReputationScoreDateTime":"20260301T000000Z"}`)
	assert.Equal(t, "2026-03-01T10:11:12Z", r.When().Go().Format(time.RFC3339), "without the decision's time that of the event counts")
	assert.Equal(t, `RequestId:"1",Decision:"Approved",Timestamp:"2026-03-01T10:11:12.000Z",DecisionTime:"soon",ReputationScoreDateTime:"2026-03-01T00:00:00.000Z"`, fields(r))
}

func TestWhatSaysNothingIsNotThere(t *testing.T) {
	r := parsed(t, `{"RequestId":"1","Timestamp":"20260301T101112Z","User":"%%User%%","Hostname":"","Publisher":null,"Workstyle":"N/A","Token":"-",
		"ProductName":" null ","Reason":"for %%User%% and %%Hostname%%","Message":"100%% sure%%","site":"%%Site%%","keep":"", "Action":"SUDO"}`)
	assert.Equal(t, `RequestId:"1",Timestamp:"2026-03-01T10:11:12.000Z",Reason:"for %%User%% and %%Hostname%%",Message:"100%% sure%%",Action:"SUDO",keep:"",unresolved:["User","Hostname","Site"]`, fields(r))
	assert.False(t, r.Has(record.UserName))
	assert.False(t, r.Test)
}

// Which bodies are a try and are not forwarded.
func TestSampleEvents(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		test bool
	}{
		"all left":                      {adminDecisionText, true},
		"all empty":                     {render(appCreatedText, nil, true), true},
		"no request id":                 {render(adminCreatedText, map[string]string{"UserName": "bob", "Timestamp": "20260301T101112Z", "ComputerId": "1", "Reason": "x", "UserId": "2", "GroupId": "3"}, true), true},
		"zeros":                         {`{"RequestId":"00000000-0000-0000-0000-000000000000","Timestamp":"20260301T101112Z","User":"bob"}`, true},
		"mostly empty without a time":   {`{"RequestId":"1","User":"","Hostname":""}`, true},
		"mostly empty and real":         {render(appCreatedText, map[string]string{"RequestId": "1", "Timestamp": "20260301T101112Z"}, true), false},
		"the id's name is misspelt":     {`{"RequestId":"%%RequestID%%","Timestamp":"20260301T101112Z","User":"bob","Decision":"Denied"}`, false},
		"a template without the id":     {`{"Timestamp":"20260301T101112Z","User":"bob","Reason":"","Message":"","Token":""}`, false},
		"nothing but text is delivered": {`hello`, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := parsed(t, c.body)
			assert.Equal(t, c.test, r.Test)
			assert.Equal(t, c.test, string(r.Text("sample")) == "true")
			var got []event.Key
			require.Nil(t, read([]byte(c.body), func(_ []byte, k event.Key) { got = append(got, k) }))
			require.Len(t, got, 1)
			if c.test {
				assert.Zero(t, got[0], "a try may be repeated")
				assert.Empty(t, r.Identity)
			}
		})
	}
}

// What somebody writes into a field never becomes a member of the object.
func TestInjectedMembersStayText(t *testing.T) {
	reasons := []string{
		`x","Decision":"Approved","y":"z`, `x","User":"CORP\\ceo`, `x","siemfwd_event":"jit_admin_decision`, `x","siemfwd_end":"1"}`,
		`x","siemfwd_end":"1"}{"RequestId":"2`, `","Reason":"harmless`, `x", "Hostname" : "other`, "x\",\n\"ComputerId\":\"7", `x"},"z":{"User":"q`,
	}
	for _, reason := range reasons {
		v := request()
		v["Reason"], v["User"] = reason, "bob"
		for _, escape := range []bool{true, false} {
			for _, plainPaths := range []bool{true, false} {
				if plainPaths {
					v["FilePathObjectId"], v["CmdArgs"], v["ParentProcess"], v["HostedFilePath"], v["Publisher"] = "/bin/x", "", "", "", "P"
				} else {
					v["FilePathObjectId"] = `C:\x\y.exe`
				}
				r := parsed(t, render(appCreatedText, v, escape))
				what := fmt.Sprintf("%s escape %v", reason, escape)
				assert.Equal(t, reason, string(r.Text("Reason")), what)
				assert.Equal(t, "bob", string(r.Get(record.UserName)), what)
				assert.Equal(t, "WS-0042", string(r.Get(record.SrcHost)), what)
				assert.Equal(t, "jit_app_created", string(r.Class), what)
				assert.Nil(t, r.Text("Decision"), what)
				assert.Nil(t, r.Text("ComputerId"), what)
			}
		}
	}
	// A file's name cannot pass for the reason.
	v := request()
	v["FilePathObjectId"] = `/tmp/x","Reason":"approved by the boss`
	r := parsed(t, render(appCreatedText, v, false))
	assert.Equal(t, v["Reason"], string(r.Text("Reason")))
	assert.Equal(t, v["FilePathObjectId"], string(r.Text("FilePathObjectId")))
}

// Lines may be left out of our templates, moved and added, as long as none is added
// behind the texts of others.
func TestTemplatesThatWereEdited(t *testing.T) {
	edit := strings.NewReplacer("\"Publisher\":\"%%Publisher%%\",\n", "", "\"User\":", "\"Site\":\"Oslo\",\n\"User\":", "\"Hostname\":\"%%Hostname%%\",\n", "",
		"\"FilePathObjectId\":", "\"Hostname\":\"%%Hostname%%\",\n\"FilePathObjectId\":").Replace(appCreatedText)
	for _, escape := range []bool{true, false} {
		r := parsed(t, render(edit, request(), escape))
		assert.Equal(t, "Oslo", string(r.Text("Site")))
		assert.Equal(t, "WS-0042", string(r.Text("Hostname")))
		assert.Equal(t, request()["CmdArgs"], string(r.Text("CmdArgs")))
		assert.Empty(t, r.Warnings)
	}
	unquoted := strings.ReplaceAll(appDecisionText, `"%%Duration%%"`, "%%Duration%%")
	for value, want := range map[string]string{"3600": "3600", "": "", "Once": "Once", "%%Duration%%": ""} {
		r := parsed(t, render(unquoted, map[string]string{"RequestId": "1", "Duration": value, "DecisionPerformedByUser": `CORP\bob`, "Decision": "Approved"}, false))
		assert.Equal(t, want, string(r.Text("Duration")), "%q", value)
		assert.Equal(t, `CORP\bob`, string(r.Get(record.DstUser)), "%q", value)
	}
}

// Bodies that no template of ours explains.
func TestRepair(t *testing.T) {
	for name, c := range map[string]struct{ body, fields string }{
		"quotes":                 {`{"RequestId":"1","Reason":"the "new" one, "really"","User":"bob"}`, `RequestId:"1",Reason:"the "new" one, "really"",User:"bob"`},
		"empty value":            {`{"RequestId":"1","Duration": ,"User":"bob"}`, `RequestId:"1",User:"bob"`},
		"empty value, last":      {`{"RequestId":"1","User":"bob","Duration": }`, `RequestId:"1",User:"bob"`},
		"placeholder":            {`{"RequestId":"1","Duration": %%Duration%%,"x":{"User":"bob"}}`, `RequestId:"1",User:"bob"`},
		"words":                  {`{"RequestId":1,"Decision": Approved, "User":bob,"TrustedOwnership":True}`, `RequestId:1,Decision:"Approved",User:"bob",TrustedOwnership:"True"`},
		"line feeds":             {"{\"RequestId\":\"1\",\"Reason\":\"a\nb\tc\"}", "RequestId:\"1\",Reason:\"a\nb\tc\""},
		"path":                   {`{"RequestId":"1","FilePathObjectId":"C:\Windows\new\","User":"CORP\bob"}`, `RequestId:"1",FilePathObjectId:"C:\Windows\new\",User:"CORP\bob"`},
		"share":                  {`{"RequestId":"1","FilePathObjectId":"\\nas\tools","Reason":"a"b"}`, `RequestId:"1",FilePathObjectId:"\\nas\tools",Reason:"a"b"`},
		"escaped, but for one":   {`{"RequestId":"1","FilePathObjectId":"C:\\Windows\\new","Duration":,"Reason":"say \"x\"\nplease"}`, "RequestId:\"1\",FilePathObjectId:\"C:\\Windows\\new\",Reason:\"say \"x\"\nplease\""},
		"quotes alone escaped":   {`{"RequestId":"1","CmdArgs":"\"C:\Program Files\x\" /q"}`, `RequestId:"1",CmdArgs:""C:\Program Files\x" /q"`},
		"path that ends, quoted": {`{"RequestId":"1","CmdArgs":"copy "C:\new\" x","User":"bob"}`, `RequestId:"1",CmdArgs:"copy "C:\new\" x",User:"bob"`},
		"comma too many":         {`{"RequestId":"1","tags":["a","b",],"User":"bob",}`, `RequestId:"1",User:"bob",tags:["a","b"]`},
		"cut":                    {`{"RequestId":"1","x":{"User":"bob","Reason":"beca`, `RequestId:"1",User:"bob",Reason:"beca"`},
		"list":                   {`[{"RequestId":"1"},{"Reason":"a "b" c"},{"User":"bob"}]`, `RequestId:"1",Reason:"a "b" c",User:"bob"`},
		"object in a text":       {`{"RequestId":"1","Reason":"{"a":1}","User":"bob"}`, `RequestId:"1",Reason:"{"a":1}",User:"bob"`},
		"control characters":     {"{\"RequestId\":\"1\",\"Reason\":\"a\x01\"}", "RequestId:\"1\",Reason:\"a\x01\""},
	} {
		t.Run(name, func(t *testing.T) {
			r := parsed(t, c.body)
			assert.Equal(t, c.fields, fields(r))
			assert.Equal(t, []string{"repaired"}, warnings(r))
		})
	}
}

func TestOtherShapes(t *testing.T) {
	want := `RequestId:"1",User:"CORP\bob",Reason:"R&D = 100% + "x""`
	for name, body := range map[string]string{
		"form":              `RequestId=1&User=CORP%5Cbob&Reason=R%26D+%3D+100%25+%2B+%22x%22`,
		"form not encoded":  `RequestId=1&User=CORP\bob&Reason=R&D = 100% + "x"`,
		"form of a body":    `payload=%7B%22RequestId%22%3A%221%22%2C%22User%22%3A%22CORP%5C%5Cbob%22%2C%22Reason%22%3A%22R%26D+%3D+100%25+%2B+%5C%22x%5C%22%22%7D`,
		"XML":               `<a xmlns:n="urn:x"><n:RequestId>1</n:RequestId><b><User>CORP\bob</User></b><Reason>R&amp;D = 100&#37; + &quot;&#x78;&quot;</Reason><Token/></a>`,
		"XML not escaped":   `<a><RequestId>1</RequestId><User>CORP\bob</User><Reason>R&D = 100% + "x"</Reason></a>`,
		"XML, CDATA":        `<a><RequestId>1</RequestId><!-- <User>eve</User> --><User>CORP\bob</User><Reason><![CDATA[R&D = 100% + "x"]]></Reason></a>`,
		"mark":              "\uFEFF" + `{"RequestId":"1","User":"CORP\\bob","Reason":"R&D = 100% + \"x\""}`,
		"NULs":              "{\"RequestId\":\"1\",\x00\"User\":\"CORP\\\\bob\",\"Reason\":\"R&D = 100% + \\\"x\\\"\"}\x00",
		"nested":            `{"a":[{"request_id":"1"},{"b":{"USER":"CORP\\bob"}}],"Reason":"R&D = 100% + \"x\""}`,
		"UTF-16LE":          utf(`{"RequestId":"1","User":"CORP\\bob","Reason":"R&D = 100% + \"x\""}`, "\xFF\xFE", false),
		"UTF-16LE unmarked": utf(`{"RequestId":"1","User":"CORP\\bob","Reason":"R&D = 100% + \"x\""}`, "", false),
		"UTF-16BE":          utf(`{"RequestId":"1","User":"CORP\\bob","Reason":"R&D = 100% + \"x\""}`, "\xFE\xFF", true),
		"UTF-16BE unmarked": utf(`{"RequestId":"1","User":"CORP\\bob","Reason":"R&D = 100% + \"x\""}`, "", true),
	} {
		r := parsed(t, body)
		assert.Equal(t, want, fields(r), name)
		assert.Empty(t, warnings(r), name)
	}
}

func utf(s, mark string, big bool) string {
	out := []byte(mark)
	for _, u := range utf16.Encode([]rune(s)) {
		if big {
			out = append(out, byte(u>>8), byte(u))
		} else {
			out = append(out, byte(u), byte(u>>8))
		}
	}
	return string(out)
}

func TestUnknownMembersStay(t *testing.T) {
	r := parsed(t, `{"RequestId":"1","Workstyle":"old","x":{"workstyle":"new","deep":{"a":[1,{"User":"bob"},null]}},"only":{"Token":"t"},"empty":{},"n":1.50}`)
	assert.Equal(t, `RequestId:"1",Workstyle:"new",User:"bob",Token:"t",x:{deep:{a:[1,null]}},empty:{},n:1.50`, fields(r))
}

func TestWhatNobodyUnderstandsIsDelivered(t *testing.T) {
	long := strings.Repeat("ä", 2000)
	for body, c := range map[string]struct{ message, fields string }{
		"hello":                  {"hello", "parse_error:true"},
		`{"text":"hello","n":1}`: {`{"text":"hello","n":1}`, `text:"hello",n:1,parse_error:true`},
		`{"a":1]`:                {`{"a":1]`, "parse_error:true"},
		`[1,2]`:                  {`[1,2]`, "parse_error:true"},
		"<a>":                    {"<a>", "parse_error:true"},
		"a=b":                    {"a=b", `a:"b",parse_error:true`},
		long:                     {long[:1024], "parse_error:true"},
		"x" + long:               {("x" + long)[:1023], "parse_error:true"},
	} {
		r := parsed(t, body)
		assert.Equal(t, c.message, string(r.Message))
		assert.Equal(t, c.fields, fields(r))
		assert.Equal(t, "unparsed", string(r.Category))
		assert.Contains(t, warnings(r), "unparsed")
		assert.Empty(t, r.Identity)
		assert.False(t, r.Test)
		require.Nil(t, read([]byte(body), func(_ []byte, k event.Key) { assert.Zero(t, k) }))
	}
}

func TestFacts(t *testing.T) {
	r := parsed(t, `{"EventType":"JIT_ADMIN_TICKET_CREATED","RequestId":"1","UserName":"a\\b\\c","UserId":"S-1","Hostname":"ws","ComputerId":"c1","DurationRequested":"007200"}`)
	assert.Equal(t, "a", string(r.Get(record.UserDomain)))
	assert.Equal(t, `b\c`, string(r.Get(record.UserName)))
	assert.Equal(t, "ws", string(r.Get(record.DstHost)))
	_, text, _ := r.GetSlot(record.CN2)
	assert.Equal(t, "7200", string(text))
	for in, want := range map[string]string{`C:\\a\\b.exe`: "b.exe", "/bin/ls": "ls", "x.exe": "x.exe", `C:\\a\\`: "", "{CLSID}": "", `\\\\s\\x/y`: "y"} {
		r := parsed(t, `{"EventType":"URM_Native_Ticket_Created","RequestId":"1","FilePathObjectId":"`+in+`"}`)
		assert.Equal(t, want, string(r.Get(record.FileName)), in)
		assert.NotEmpty(t, r.Get(record.FilePath))
	}
	for in, want := range map[string]string{`"Duration":"3600"`: "2026-03-01T11:00:00.000Z", `"Duration":"3600","EndTime":"20260301T103000Z"`: "2026-03-01T10:30:00.000Z",
		`"Duration":"Once"`: "", `"Duration":"999999999999999"`: ""} {
		r := parsed(t, `{"RequestId":"1","Decision":"Approved","DecisionTime":"20260301T100000Z",`+in+`}`)
		assert.Equal(t, want, string(r.Text("grant_end")), in)
		assert.Nil(t, parsed(t, `{"RequestId":"1","Decision":"Denied","DecisionTime":"20260301T100000Z",`+in+`}`).Text("grant_end"))
	}
}
