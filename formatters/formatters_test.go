package formatters_test

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	leodido "github.com/leodido/go-syslog/v4/rfc5424"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/formatters"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

func render(t *testing.T, format string, o formatters.Options, r *record.Record) string {
	t.Helper()
	f, err := formatters.New(format, o)
	require.NoError(t, err)
	out, err := f.Append([]byte("kept"), r)
	require.NoError(t, err)
	require.Equal(t, "kept", string(out[:4]))
	return string(out[4:])
}

func TestNames(t *testing.T) {
	var names, headed []string
	for _, info := range formatters.Names() {
		names = append(names, info.Name)
		assert.NotEmpty(t, info.Doc)
		if info.Headed {
			headed = append(headed, info.Name)
		}
		_, err := formatters.New(info.Name, formatters.Options{})
		assert.NoError(t, err)
	}
	assert.Equal(t, []string{"rfc5424", "rfc3164", "cef", "leef", "json", "ecs", "ocsf", "slack", "pagerduty", "raw"}, names)
	assert.Equal(t, []string{"cef", "leef", "json", "ecs", "ocsf"}, headed)
}

func TestNewRefuses(t *testing.T) {
	for _, c := range []struct {
		format string
		o      formatters.Options
		want   string
	}{
		{"cee", formatters.Options{}, `format "cee": unknown, want one of rfc5424, rfc3164, cef, leef, json, ecs, ocsf, slack, pagerduty, raw`},
		{"", formatters.Options{}, `format "": unknown`},
		{"rfc5424", formatters.Options{Header: "none"}, `header "none": format rfc5424 is a syslog message with its own header`},
		{"rfc3164", formatters.Options{Header: "rfc5424"}, `header "rfc5424": format rfc3164`},
		{"cef", formatters.Options{Header: "rfc"}, `header "rfc": unknown, want rfc5424, rfc3164 or none`},
		{"cef", formatters.Options{Header: "rfc5424", Facility: 24}, "header rfc5424: facility 24"},
		{"json", formatters.Options{Header: "rfc3164", FixedHost: "a b"}, `header rfc3164: host "a b"`},
		{"rfc5424", formatters.Options{SDID: "a b"}, `format rfc5424: sd id "a b"`},
		{"json", formatters.Options{MaxSize: -1}, "max size -1"},
		{"cef", formatters.Options{Version: "2"}, `format cef: version "2": want 0 or 1`},
		{"leef", formatters.Options{Version: "3"}, `format leef: version "3": want 2.0 or 1.0`},
		{"ocsf", formatters.Options{Version: "1.9"}, `format ocsf: version "1.9": want 1.1 to 1.8`},
		{"leef", formatters.Options{Delimiter: "="}, `format leef: delimiter "="`},
	} {
		_, err := formatters.New(c.format, c.o)
		assert.ErrorContains(t, err, c.want)
	}
}

func TestHeaders(t *testing.T) {
	r := &record.Record{
		Time: record.Unix(1700000000123456789, 9), Class: []byte("c"), Severity: 5, Message: []byte("m"),
		Raw: []byte("<13>raw\nline"), Host: []byte("fw1"),
	}
	const (
		body = "CEF:0|unknown|unknown|unknown|c|unknown|5|rt=1700000000123 dvchost=fw1 msg=m"
		head = "<132>1 2023-11-14T22:13:20.123Z fw1 siemfwd - c "
		bsd  = "<132>Nov 14 22:13:20 fw1 "
	)
	for _, c := range []struct {
		format string
		o      formatters.Options
		want   string
	}{
		{"rfc5424", formatters.Options{}, head + "- m"},
		{"rfc5424", formatters.Options{Header: "rfc5424"}, head + "- m"},
		{"rfc3164", formatters.Options{}, bsd + "siemfwd: m"},
		{"cef", formatters.Options{}, body},
		{"cef", formatters.Options{Header: "none"}, body},
		{"cef", formatters.Options{Header: "rfc5424"}, head + "- " + body},
		{"cef", formatters.Options{Header: "rfc3164"}, bsd + body},
		{"raw", formatters.Options{}, "<13>raw#012line"},
		{"raw", formatters.Options{Multiline: true}, "<13>raw\nline"},
		{"raw", formatters.Options{Header: "rfc5424"}, head + "- <13>raw#012line"},
		{"raw", formatters.Options{Header: "rfc3164", App: "own", FixedHost: "fixed", Facility: 1}, "<12>Nov 14 22:13:20 fixed own: <13>raw#012line"},
		{"rfc3164", formatters.Options{Zone: time.FixedZone("", 3600)}, "<132>Nov 14 23:13:20 fw1 siemfwd: m"},
	} {
		assert.Equalf(t, c.want, render(t, c.format, c.o, r), "%s %+v", c.format, c.o)
	}
	out := render(t, "json", formatters.Options{Header: "rfc3164"}, r)
	assert.True(t, strings.HasPrefix(out, bsd+`siemfwd: {"uid":"`), out)

	r.Host = nil
	assert.Contains(t, render(t, "cef", formatters.Options{Header: "rfc5424", Host: "own"}, r), "Z own siemfwd")
	r.Raw = nil
	assert.Equal(t, "<132>1 2023-11-14T22:13:20.123Z - siemfwd - c -", render(t, "raw", formatters.Options{Header: "rfc5424"}, r))
}

func TestABodyKeepsItsOwnHeader(t *testing.T) {
	var r record.Record
	skyhigh(&r)
	r.Syslog = record.Syslog{Present: true, V5424: true, Facility: 4, Severity: 1, App: []byte("sshd"), SD: []byte("[a@1]")}
	out := render(t, "cef", formatters.Options{Header: "rfc5424"}, &r)
	assert.True(t, strings.HasPrefix(out, "<132>1 2025-03-03T09:01:12.004Z ec1.example.net siemfwd - Alert.Policy.Dlp - CEF:0|"), out)
	out = render(t, "rfc5424", formatters.Options{}, &r)
	assert.True(t, strings.HasPrefix(out, "<33>1 2025-03-03T09:01:12.004Z ec1.example.net sshd - - [a@1] Alert"), out)
}

// set fills in facts and slots.
func set(r *record.Record, facts map[record.Key]string, slots map[record.Slot][2]string) {
	for k, v := range facts {
		r.Set(k, []byte(v))
	}
	for s, v := range slots {
		r.SetSlot(s, v[0], []byte(v[1]))
	}
}

// The lines that the fact sheets of two products give for their first samples.
func TestNormativeLines(t *testing.T) {
	b := func(s string) []byte { return []byte(s) }
	r := &record.Record{
		Vendor: b("Data Theorem"), Product: b("API Secure"), Version: b("1"), Class: b("API_SECURE__POLICY_VIOLATION_OPENED"),
		Name: b("Policy violation opened"), Severity: 9, Time: record.Unix(1767607200000e6, 0),
		ID: b("0b7c1c0e-5b7e-4f7e-9a55-0f3e7a1d2c11"), Category: b("API_SECURE"), Action: b("opened"), Outcome: b("OPEN"),
		Message: b("The API returns card data to callers that present no credential."),
	}
	r.SetTime(record.ObjectCreated, record.Unix(1767606900500e6, 3))
	set(r, map[record.Key]string{
		record.DstHost: "payments.example.net", record.URL: "https://payments.example.net/v2",
		record.Referrer: "https://www.securetheorem.com/api/inspect/policy-violations/0b7c1c0e-5b7e-4f7e-9a55-0f3e7a1d2c11",
	}, map[record.Slot][2]string{
		record.CS2: {"AssetType", "RESTFUL_API"}, record.CS3: {"DiscoveredVia", "AMAZON_WEB_SERVICES"},
		record.CS4: {"AssetGroup", "Payments BU"}, record.CS5: {"Recommendation", "Require OAuth on every operation."},
		record.CS6:         {"AssetId", "5f1c8d52-9b77-4a0a-8a44-7f5b4f0f6f10"},
		record.FlexString1: {"RuleTypeId", "2d6f2a64-0d43-5b7c-9a61-1a2b3c4d5e6f"}, record.FlexString2: {"PolicyName", "PCI baseline"},
	})
	assert.Equal(t, `CEF:0|Data Theorem|API Secure|1|API_SECURE__POLICY_VIOLATION_OPENED|Policy violation opened|9|rt=1767607200000 start=1767606900500 externalId=0b7c1c0e-5b7e-4f7e-9a55-0f3e7a1d2c11 dhost=payments.example.net act=opened outcome=OPEN cat=API_SECURE cs2=RESTFUL_API cs2Label=AssetType cs3=AMAZON_WEB_SERVICES cs3Label=DiscoveredVia cs4=Payments BU cs4Label=AssetGroup cs5=Require OAuth on every operation. cs5Label=Recommendation cs6=5f1c8d52-9b77-4a0a-8a44-7f5b4f0f6f10 cs6Label=AssetId flexString1=2d6f2a64-0d43-5b7c-9a61-1a2b3c4d5e6f flexString1Label=RuleTypeId flexString2=PCI baseline flexString2Label=PolicyName request=https://payments.example.net/v2 requestContext=https://www.securetheorem.com/api/inspect/policy-violations/0b7c1c0e-5b7e-4f7e-9a55-0f3e7a1d2c11 msg=The API returns card data to callers that present no credential.`,
		render(t, "cef", formatters.Options{}, r))

	r = &record.Record{
		Vendor: b("Scanner"), Product: b("Scanner Detections"), Version: b("1"), Class: b("3a6cf0de-1f0e-4a52-9a6d-2b7a6f0c1e22"),
		Name: b("Okta - API token created by unusual admin"), Severity: 8, Time: record.Unix(1768471205123e6, 3),
		ID: b("9d3f7c52-8f0b-4b8c-a0d7-0c6a1f2b3c44"), Category: b("Detection Alert"),
		Message: b("An API token was created by an admin who never did so before."),
	}
	r.SetTime(record.Start, record.Unix(1768470900000e6, 3))
	r.SetTime(record.End, record.Unix(1768471200000e6, 3))
	set(r, map[record.Key]string{
		record.SrcIP: "203.0.113.77", record.UserName: "dana@example.com", record.Count: "2",
		record.URL: "https://app.scanner.dev/redirect/detections_query/00000000-0000-0000-0000-0000000000aa?detection_rule_id=3a6cf0de-1f0e-4a52-9a6d-2b7a6f0c1e22&triggered_at=2026-01-15T10%3A00%3A05Z",
	}, map[record.Slot][2]string{
		record.CS1: {"Query", `@scnr.source_type="okta" eventType:"system.api_token.create" | groupbycount(actor.alternateId, client.ip)`},
		record.CS2: {"Tags", "tactics.ta0003.persistence,techniques.t1098.001_additional_cloud_credentials,source.okta"},
		record.CS3: {"MitreTechniques", "T1098.001"}, record.CS5: {"Staging", "false"},
		record.CS4: {"Row0", `{"actor.alternateId":"dana@example.com","client.ip":"203.0.113.77","@q.count":1}`},
		record.CS6: {"TenantId", "00000000-0000-0000-0000-0000000000aa"},
	})
	assert.Equal(t, `CEF:0|Scanner|Scanner Detections|1|3a6cf0de-1f0e-4a52-9a6d-2b7a6f0c1e22|Okta - API token created by unusual admin|8|rt=1768471205123 start=1768470900000 end=1768471200000 externalId=9d3f7c52-8f0b-4b8c-a0d7-0c6a1f2b3c44 src=203.0.113.77 suser=dana@example.com cat=Detection Alert cnt=2 cs1=@scnr.source_type\="okta" eventType:"system.api_token.create" | groupbycount(actor.alternateId, client.ip) cs1Label=Query cs2=tactics.ta0003.persistence,techniques.t1098.001_additional_cloud_credentials,source.okta cs2Label=Tags cs3=T1098.001 cs3Label=MitreTechniques cs4={"actor.alternateId":"dana@example.com","client.ip":"203.0.113.77","@q.count":1} cs4Label=Row0 cs5=false cs5Label=Staging cs6=00000000-0000-0000-0000-0000000000aa cs6Label=TenantId request=https://app.scanner.dev/redirect/detections_query/00000000-0000-0000-0000-0000000000aa?detection_rule_id\=3a6cf0de-1f0e-4a52-9a6d-2b7a6f0c1e22&triggered_at\=2026-01-15T10%3A00%3A05Z msg=An API token was created by an admin who never did so before.`,
		render(t, "cef", formatters.Options{}, r))
}

func TestAppendAllocatesNothing(t *testing.T) {
	var r record.Record
	skyhigh(&r)
	for _, c := range cases {
		for _, size := range []int{0, 1000} {
			o := c.options
			o.MaxSize = size
			f, err := formatters.New(c.format, o)
			require.NoError(t, err)
			buf := make([]byte, 0, 8192)
			assert.Zerof(t, testing.AllocsPerRun(100, func() { buf, err = f.Append(buf[:0], &r) }), "%s in %d", c.name, size)
		}
	}
}

func TestMaxSizeHolds(t *testing.T) {
	var r record.Record
	skyhigh(&r)
	for _, c := range cases {
		o := c.options
		if o.HEC != nil {
			continue // it bounds what is in the envelope, see TestEnvelope
		}
		full := render(t, c.format, o, &r)
		for size := 1; size <= len(full)+1; size += 7 {
			o.MaxSize = size
			f, err := formatters.New(c.format, o)
			require.NoError(t, err)
			out, err := f.Append([]byte("kept"), &r)
			require.Equal(t, "kept", string(out[:4]))
			if err != nil {
				require.Len(t, out, 4)
				continue
			}
			if c.format == "rfc5424" || c.format == "rfc3164" {
				// Their headers are never cut.
				require.LessOrEqual(t, len(out)-4, max(size, 80))
				continue
			}
			require.LessOrEqualf(t, len(out)-4, size, c.name)
		}
	}
}

func TestFormattersAreShared(t *testing.T) {
	for _, c := range cases {
		f, err := formatters.New(c.format, c.options)
		require.NoError(t, err)
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				var r record.Record
				skyhigh(&r)
				first, _ := f.Append(nil, &r)
				for range 20 {
					again, _ := f.Append(nil, &r)
					assert.Equal(t, string(first), string(again))
				}
			})
		}
		all.Wait()
	}
}

// FuzzFormats puts hostile text everywhere a vendor's words can stand and looks at
// every format.
func FuzzFormats(f *testing.F) {
	f.Add([]byte("plain"), []byte("192.0.2.1"), int64(1700000000000000000), 5, false)
	f.Add([]byte("a\nb|c=d\\e\"f]g\x00\xff\u2028"), []byte("2001:db8::1"), int64(-1), 11, true)
	f.Add([]byte("\uFEFF<13>1 - - - - - - x"), []byte("5000000000"), int64(0), -1, true)
	f.Fuzz(func(t *testing.T, text, value []byte, nanos int64, severity int, v5424 bool) {
		r := &record.Record{
			Source: string(text), Time: record.Unix(nanos, uint8(len(text)%10)), Severity: severity, Raw: text,
			Vendor: text, Product: value, Version: text, ID: value, Class: text, Name: text, Category: text,
			Action: value, Outcome: text, Message: text, Host: text,
		}
		r.Syslog = record.Syslog{Present: true, V5424: v5424, Facility: 3, Severity: 4, App: text, ProcID: value, MsgID: text}
		for k := range record.Key(len(record.Keys)) {
			if record.Keys[k].Kind == record.FactTime {
				r.SetTime(k, record.Unix(nanos, 3))
				continue
			}
			r.Set(k, value)
		}
		r.SetSlot(record.CS1, "Text", text)
		r.SetSlot(record.CN1, "Number", value)
		r.SetSlotTime(record.FlexDate1, "Date", record.Unix(nanos, 3))
		r.Add(text, record.String, value)
		r.Add(value, record.Number, text)
		r.Warn("fuzzed", text)
		parser := leodido.NewParser()
		for _, c := range cases {
			ff, err := formatters.New(c.format, c.options)
			require.NoError(t, err)
			out, err := ff.Append(nil, r)
			require.NoError(t, err)
			require.NotContains(t, string(out), "\n")
			if c.name == "raw" {
				continue
			}
			require.Truef(t, utf8.Valid(out), "%s: %q", c.name, out)
			require.NotContains(t, strings.Map(func(r rune) rune {
				if r < 0x20 && r != '\t' || r == 0x7f {
					return '\n'
				}
				return r
			}, string(out)), "\n", c.name)
			if strings.Contains(c.name, "5424") {
				_, err := parser.Parse(out)
				require.NoErrorf(t, err, "%s: %q", c.name, out)
			}
			if c.options.Header == "" && (c.format == "json" || c.format == "ecs" || c.format == "ocsf") {
				require.True(t, json.Valid(out))
			}
		}
	})
}

func TestEnvelope(t *testing.T) {
	var r record.Record
	skyhigh(&r)
	r.Set(record.BytesIn, []byte("9007199254740993"))
	r.Set(record.BytesOut, []byte("9007199254740991"))
	r.AddPlain([]byte("score"), record.Number, []byte("1.5e3"))
	o := formatters.Options{Host: "own", HEC: &formatters.HEC{}}
	out := render(t, "json", o, &r)
	assert.True(t, strings.HasPrefix(out, `{"time":1740992472.004,"host":"ec1.example.net","source":"siemfwd:skyhigh-connector","sourcetype":"_json","event":{"id":"DLP-771204",`), out)
	assert.True(t, strings.HasSuffix(out, `},"fields":{"event_id":"`+string(r.AppendUID(nil))+`","vendor":"Skyhigh Security","severity":"6"}}`), out)
	assert.Contains(t, out, `"bytes":{"in":"9007199254740993","out":9007199254740991}`)
	assert.Contains(t, out, `"score":1500`)

	r.Host = nil
	r.Swap(record.PlaceOf(record.BytesIn), record.Value{})
	o.HEC = &formatters.HEC{Source: "{source}", SourceType: "casb:{vendor}", Index: "{category}", Bare: true}
	out = render(t, "cef", o, &r)
	assert.True(t, strings.HasPrefix(out, `{"time":1740992472.004,"host":"own","source":"skyhigh-connector","sourcetype":"casb:skyhigh_security","index":"alert_policy_dlp","event":"CEF:0|Skyhigh Security|`), out)
	assert.True(t, strings.HasSuffix(out, ` by zoe@example.de; status opened"}`), out)

	o.FixedHost, o.Header = "fixed", "rfc5424"
	assert.Contains(t, render(t, "json", o, &r), `"host":"fixed","source":"skyhigh-connector","sourcetype":"casb:skyhigh_security","index":"alert_policy_dlp","event":"<132>1 2025-`, "behind a header it is text")

	o = formatters.Options{MaxSize: 300, HEC: &formatters.HEC{}}
	var envelope struct{ Event string }
	require.NoError(t, json.Unmarshal([]byte(render(t, "cef", o, &r)), &envelope))
	assert.LessOrEqual(t, len(envelope.Event), 300)
	assert.Greater(t, len(envelope.Event), 250)

	for _, f := range []string{"cef", "leef", "json", "ecs", "ocsf"} {
		assert.Contains(t, render(t, f, formatters.Options{HEC: &formatters.HEC{}}, &record.Record{}), `{"source":"siemfwd:","sourcetype":`, "no time, no time")
	}
	_, err := formatters.New("cef", formatters.Options{HEC: &formatters.HEC{Index: "a{b}"}})
	assert.ErrorContains(t, err, "index: {b}: want {source}")
	f, err := formatters.New("raw", formatters.Options{HEC: &formatters.HEC{}})
	require.NoError(t, err)
	left, err := f.Append([]byte("kept"), &record.Record{Raw: []byte(" \t")})
	assert.ErrorContains(t, err, "blank")
	assert.Equal(t, "kept", string(left))
}
