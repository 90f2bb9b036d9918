package generic_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/formatters/cef"
	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/generic"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

var at = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)

func parse(t testing.TB, v kit.Vendor, raw string) *record.Record {
	t.Helper()
	r := &record.Record{Source: "test", Received: at, Raw: []byte(raw)}
	require.NoError(t, v.Parse(r, r.Raw), raw)
	return r
}

// What CEF can say of a record is the same after CEF was written and read again.
func TestCEFKeepsWhatHasAPlace(t *testing.T) {
	first := `CEF:0|Acme|Wall\|Guard|2.1|100|Blocked \\ twice|7|rt=1763633472123 start=1763633470000 end=1763633471000 externalId=e-1 ` +
		`src=10.0.0.1 shost=pc1 suser=zoë suid=1001 sntdom=CORP dst=198.51.100.7 dhost=web1 duser=root ` +
		`destinationServiceName=Box deviceExternalId=77 dvchost=fw1 fname=a b.txt filePath=/x fsize=10 fileHash=abc ` +
		`act=block outcome=failure cat=ips cnt=3 cn1=42 cn1Label=RuleNumber cs1=edge cs1Label=Zone cs2=a \= b cs2Label=Why ` +
		`flexString1=f flexString1Label=Flex deviceCustomDate1=1763633470000 deviceCustomDate1Label=Seen ` +
		`request=https://example.com/?a\=b requestContext=ref reason=policy msg=line one\nline two \\ end`
	r := parse(t, generic.CEF, first)
	out, err := cef.Formatter{}.Append(nil, r)
	require.NoError(t, err)
	again := parse(t, generic.CEF, string(out))
	for k := range record.Keys {
		key := record.Key(k)
		assert.Equal(t, string(r.Get(key)), string(again.Get(key)), record.Keys[k].Name)
		assert.Equal(t, r.GetTime(key).Nanos, again.GetTime(key).Nanos, record.Keys[k].Name)
	}
	for s := range record.Slots {
		label, text, when := r.GetSlot(record.Slot(s))
		label2, text2, when2 := again.GetSlot(record.Slot(s))
		assert.Equal(t, label+"="+string(text), label2+"="+string(text2))
		assert.Equal(t, when.Nanos, when2.Nanos)
	}
	for _, pair := range [][2][]byte{
		{r.Vendor, again.Vendor}, {r.Product, again.Product}, {r.Version, again.Version}, {r.Class, again.Class}, {r.Name, again.Name},
		{r.ID, again.ID}, {r.Action, again.Action}, {r.Outcome, again.Outcome}, {r.Category, again.Category}, {r.Message, again.Message},
	} {
		assert.NotEmpty(t, pair[0])
		assert.Equal(t, string(pair[0]), string(pair[1]))
	}
	assert.Equal(t, r.Severity, again.Severity)
	assert.Equal(t, r.Time.Nanos, again.Time.Nanos)
	pairs := strings.Count(strings.NewReplacer(`\=`, "").Replace(first), "=")
	assert.Equal(t, pairs, strings.Count(strings.NewReplacer(`\=`, "").Replace(string(out)), "="), "%s", out)
}

func TestCEFSeverity(t *testing.T) {
	for in, want := range map[string]int{
		"0": 0, "3": 3, "10": 10, "11": 10, "99999": 10, "Low": 3, "medium": 5, "HIGH": 8, "Very-High": 10, "Very High": 10, "Unknown": 0, "": 0, "x": 0,
	} {
		assert.Equal(t, want, parse(t, generic.CEF, "CEF:0|a|b|c|d|e|"+in+"|src=10.0.0.1").Severity, in)
	}
}

func TestCEFTime(t *testing.T) {
	for in, want := range map[string]string{
		"rt=1763633472123":                      "2025-11-20T10:11:12.123Z",
		"rt=Nov 20 2026 10:11:12.5 UTC":         "2026-11-20T10:11:12.5Z",
		"rt=Nov 20 10:11:12":                    "2026-11-20T10:11:12Z",
		"end=1763633472123 start=1763633470000": "2025-11-20T10:11:12.123Z",
		"start=1763633470000":                   "2025-11-20T10:11:10Z",
		"rt=yesterday":                          "2026-11-20T09:00:00Z",
		"suser=x":                               "2026-11-20T09:00:00Z",
		"rt=1763633472123 rt=1763633470000 end=1763633471000": "2025-11-20T10:11:12.123Z",
	} {
		r := parse(t, generic.CEF, "<14>Nov 20 09:00:00 h CEF:0|a|b|c|d|e|1|"+in)
		assert.Equal(t, want, r.Time.Go().Format(time.RFC3339Nano), in)
	}
}

func TestNotCEFOrLEEF(t *testing.T) {
	for _, raw := range []string{"", "<14>Nov 20 09:00:00 h text", "CEF:0|a|b", "LEEF:1.0|a", "SCEF:0|a|b|c|d|e|f|", "CEF:x|a|b|c|d|e|f|"} {
		r := &record.Record{Received: at}
		assert.Error(t, generic.CEF.Parse(r, []byte(raw)), raw)
		assert.Error(t, generic.LEEF.Parse(r, []byte(raw)), raw)
		assert.False(t, generic.CEF.Detect([]byte(raw)), raw)
		assert.False(t, generic.LEEF.Detect([]byte(raw)), raw)
	}
	assert.Error(t, generic.KV.Parse(&record.Record{Received: at}, []byte("<14>Nov 20 09:00:00 h no pair")))
}

func TestLEEFDelimiters(t *testing.T) {
	for _, raw := range []string{
		"LEEF:1.0|v|p|1|e|src=10.0.0.1\tusrName=a b\tcat=c", "LEEF:2.0|v|p|1|e|^|src=10.0.0.1^usrName=a b^cat=c",
		"LEEF:2.0|v|p|1|e|x5E|src=10.0.0.1^usrName=a b^cat=c", "h LEEF:1.0|v|p|1|e|src=10.0.0.1 usrName=a b cat=c",
	} {
		r := parse(t, generic.LEEF, raw)
		assert.Equal(t, "10.0.0.1", string(r.Get(record.SrcIP)), raw)
		assert.Equal(t, "a b", string(r.Get(record.UserName)), raw)
		assert.Equal(t, "c", string(r.Category), raw)
	}
}

func TestSyslogSeverityAndPassThrough(t *testing.T) {
	for sev, want := range []int{10, 10, 9, 8, 5, 3, 1, 0} {
		r := parse(t, generic.Syslog, "<"+string(rune('0'+sev))+">Nov 20 09:00:00 h app: text")
		assert.Equal(t, want, r.Severity)
		assert.False(t, r.Syslog.V5424)
	}
	r := parse(t, generic.Syslog, `<165>1 2026-11-20T10:11:12.123456Z h app 42 m [x@1 a="b \] c"] text`)
	assert.True(t, r.Syslog.V5424)
	assert.EqualValues(t, 20, r.Syslog.Facility)
	assert.EqualValues(t, 6, r.Time.Digits)
	assert.Equal(t, `[x@1 a="b \] c"]`, string(r.Syslog.SD))
	assert.Equal(t, "text", string(r.Message))
	r = parse(t, generic.Syslog, `<165>1 2026-11-20T10:11:12Z h app 42 m [x@1 a="b ] c"] text`)
	assert.Equal(t, `[x@1 a="b \] c"]`, string(r.Syslog.SD), "repaired")
	r = parse(t, generic.Syslog, `<165>1 2026-11-20T10:11:12Z h app 42 m [x@1 a="never closed text`)
	assert.Empty(t, r.Syslog.SD)
	assert.Equal(t, `[x@1 a="never closed text`, string(r.Message))
	assert.Equal(t, 0, parse(t, generic.Syslog, "no header at all").Severity)
}

func TestAuto(t *testing.T) {
	auto := generic.Auto(generic.CEF, generic.LEEF, generic.JSON, generic.KV)
	for raw, class := range map[string]string{
		"CEF:0|a|b|c|class|e|3|src=1.2.3.4":                "class",
		"<14>Nov 20 09:00:00 h LEEF:1.0|a|b|c|event|cat=x": "event",
		`{"type":"login","user":"ada"}`:                    "login",
		"<14>Nov 20 09:00:00 h a=1 b=2 c=3":                "kv",
		"<14>Nov 20 09:00:00 h sshd[1]: Accepted password": "sshd",
		"any text": "syslog",
		"":         "syslog",
	} {
		assert.Equal(t, class, string(parse(t, auto, raw).Class), raw)
	}
}

func BenchmarkGeneric(b *testing.B) {
	for name, c := range map[string]struct {
		v   kit.Vendor
		raw string
	}{
		"cef":    {generic.CEF, "<134>Nov 20 10:11:12 fw1 CEF:0|Acme|Wall|2.1|100|Blocked|7|rt=1763633472123 externalId=e-1 src=10.0.0.1 dst=198.51.100.7 spt=51515 dpt=443 proto=TCP suser=zoe act=blocked outcome=failure cs1=edge cs1Label=Zone cn1=42 cn1Label=RuleNumber request=https://example.com/ msg=blocked by rule 42"},
		"kv":     {generic.KV, `<189>date=2026-11-20 time=10:11:12 devname="fw-1" devid="FG100" logid="0000000013" type="traffic" level="notice" srcip=10.1.1.1 srcport=51515 dstip=198.51.100.7 dstport=443 proto=6 action="accept" policyid=7 sentbyte=1024 rcvdbyte=4096`},
		"syslog": {generic.Syslog, `<165>1 2026-11-20T10:11:12.123Z h app 42 m [x@1 a="b"] ` + strings.Repeat("text ", 100)},
	} {
		raw := []byte(c.raw)
		r := &record.Record{}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r.Reset()
				r.Received = at
				_ = c.v.Parse(r, raw)
			}
		})
	}
}
