package leef_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/formatters/leef"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

func formatter(t *testing.T, o leef.Options) *leef.Formatter {
	t.Helper()
	f, err := leef.New(o)
	require.NoError(t, err)
	return f
}

func render(t *testing.T, f *leef.Formatter, r *record.Record) string {
	t.Helper()
	out, err := f.Append([]byte("kept"), r)
	require.NoError(t, err)
	require.Equal(t, "kept", string(out[:4]))
	mustParse(t, out[4:])
	return string(out[4:])
}

func sample() *record.Record {
	b := func(s string) []byte { return []byte(s) }
	r := &record.Record{
		Source: "src", Received: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Time: record.Unix(1700000000123456789, 9),
		Vendor: b("Acme"), Product: b("SaaS"), Version: b("1.0"), Class: b("incident.opened"), Name: b("Incident opened"),
		Severity: 8, Category: b("dlp"), Action: b("blocked"), Outcome: b("open"), ID: b("INC-1"), Host: b("fw1"), Message: b("a^b|c"),
	}
	for k, v := range map[record.Key]string{
		record.SrcIP: "2001:db8::1", record.DstIP: "not an address", record.UserName: "CORP\\bob", record.URL: "https://x/?a=b",
		record.ObjectName: "report.xlsx", record.PolicyName: "Cards", record.FileSize: "5000000000",
	} {
		r.Set(k, b(v))
	}
	r.SetTime(record.Start, record.Unix(1699999999000000000, 0))
	return r
}

func TestRecord(t *testing.T) {
	f := formatter(t, leef.Options{})
	r := sample()
	assert.Equal(t, `LEEF:2.0|Acme|SaaS|1.0|incident.opened|^|devTime=1700000000123^sev=8^cat=dlp^src=2001:db8::1^usrName=CORP\bob^policy=Cards^`+
		`action=blocked^outcome=open^externalId=INC-1^eventName=Incident opened^deviceHost=fw1^fileSize=5000000000^startTime=1699999999000^`+
		`resource=report.xlsx^url=https://x/?a=b^msg=a b|c`, render(t, f, r))
	assert.Zero(t, r.Shortened)

	r.Set(record.DeviceHost, []byte("device"))
	r.Set(record.SrcIP, []byte("fe80::1%eth0"))
	out := render(t, formatter(t, leef.Options{Version1: true, PipeSafe: true}), r)
	assert.True(t, strings.HasPrefix(out, "LEEF:1.0|Acme|SaaS|1.0|incident.opened|devTime=1700000000123\tsev=8\t"), out)
	assert.Contains(t, out, "\tdeviceHost=device\t")
	assert.Contains(t, out, "\tsrc=fe80::1\t")
	assert.True(t, strings.HasSuffix(out, "\tmsg=a^b/c"), out)
}

func TestTimesThatAreNotThirteenDigitsAreText(t *testing.T) {
	f := formatter(t, leef.Options{})
	const format = "^devTimeFormat=MMM dd yyyy HH:mm:ss.SSS z^sev="
	r := &record.Record{Time: record.Unix(999999999_999e6, 3)}
	assert.Contains(t, render(t, f, r), "|devTime=Sep 09 2001 01:46:39.999 GMT"+format)
	r.Time = record.Unix(1700000000123456789, 9)
	assert.Contains(t, render(t, f, r), "|devTime=1700000000123^sev=")
	f.TextTime = true
	assert.Contains(t, render(t, f, r), "|devTime=Nov 14 2023 22:13:20.123 GMT"+format)
}

func TestLabels(t *testing.T) {
	r := &record.Record{Received: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	r.Set(record.PolicyName, []byte("Cards"))
	r.Set(record.PolicyID, []byte("7"))
	for s, v := range map[record.Slot][2]string{
		record.CS1: {"PolicyName", "Cards"}, record.CN1: {"PolicyId", "8"}, record.CS2: {"src", "6.6.6.6"}, record.CS3: {"Asset Type", "api"},
		record.CS4: {"AssetType", "twice"}, record.CS5: {"^=|", "no letter"}, record.CS6: {"cs5", "a slot's name"}, record.CN2: {"RuleName", "r"},
		record.CN3: {"IsLoginEvent", "true"}, record.C6A1: {strings.Repeat("L", 70), "long"}, record.C6A4: {"Blank", " "},
	} {
		r.SetSlot(s, v[0], []byte(v[1]))
	}
	r.SetSlotTime(record.FlexDate1, "Seen", record.Unix(1700000000000000000, 0))
	assert.Equal(t, "LEEF:2.0|unknown|unknown|unknown|unknown|^|devTime=1767323045000^sev=1^policy=Cards^policyId=7^cn1=8^ruleName=r^cn3=true^"+
		"cs2=6.6.6.6^AssetType=api^cs4=twice^cs5=no letter^cs6=a slot's name^"+strings.Repeat("L", 70)+"=long^Seen=2023-11-14T22:13:20.000Z",
		render(t, formatter(t, leef.Options{}), r))
}

// Readers that look for TABs want to see several.
func TestFourAttributesAtLeast(t *testing.T) {
	f := formatter(t, leef.Options{Version1: true})
	r := &record.Record{Source: "s", Received: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	assert.Equal(t, []string{"devTime", "sev", "uid", "received"}, mustParse(t, []byte(render(t, f, r))).Keys)
	r.Message = []byte("m")
	assert.Equal(t, []string{"devTime", "sev", "uid", "received", "msg"}, mustParse(t, []byte(render(t, f, r))).Keys)
	r.Host = []byte("h")
	assert.Equal(t, []string{"devTime", "sev", "deviceHost", "msg"}, mustParse(t, []byte(render(t, f, r))).Keys)
}

func TestWhatDoesNotFitIsLeftOutAndSaidSo(t *testing.T) {
	f := formatter(t, leef.Options{})
	r := sample()
	r.Message = []byte(strings.Repeat("é^", 400))
	full := render(t, f, r)
	assert.NotContains(t, full, "truncated")
	for limit := len(full); limit > 0; limit-- {
		out, err := f.AppendMax([]byte("kept"), r, limit)
		require.Equal(t, "kept", string(out[:4]))
		if err != nil {
			require.Less(t, limit, 70)
			require.Zero(t, r.Shortened)
			continue
		}
		out = out[4:]
		require.LessOrEqual(t, len(out), limit)
		e := mustParse(t, out)
		require.Equal(t, limit < len(full), e.Values["truncated"] == "true", "%s", out)
		require.Equal(t, limit < len(full), r.Shortened > 0)
		if _, ok := e.Values["msg"]; limit < len(full) && ok {
			require.GreaterOrEqual(t, len(out), limit-4, "the message takes the room there is")
		}
	}
	r.Set(record.UserName, []byte(strings.Repeat("u", 256)))
	out := render(t, f, r)
	assert.Equal(t, 1, r.Shortened)
	assert.True(t, strings.HasSuffix(out, "^truncated=true"))
	r.Set(record.UserName, []byte("u"))
	render(t, f, r)
	assert.Zero(t, r.Shortened)
}
