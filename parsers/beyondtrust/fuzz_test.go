package beyondtrust

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

// FuzzRead holds of any body that it is taken as one event with the sender's bytes,
// unless nothing stands in it, and that it becomes a record that can be delivered.
func FuzzRead(f *testing.F) {
	for _, b := range bodies(f) {
		f.Add(b)
	}
	for _, s := range []string{"", "{", `{"`, `{"siemfwd_event":"jit_app_created","Reason":"`, `[[[[`, `{"a":,}`, "<a><b></a>", "a=%", "\xff\xfe{\x00\xd8", `{"RequestId":"\u12"}`,
		`{"User":"%%`, `{"RequestId":"1","User":["a",{"Token":tru}]}`, `{"RequestId":"1",}}`, "&=&=", "<!--", "<![CDATA["} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		before := bytes.Clone(body)
		var got []event.Key
		a := read(body, func(data []byte, k event.Key) {
			require.Equal(t, before, data)
			got = append(got, k)
		})
		require.Equal(t, before, body)
		require.Equal(t, nothing(body), a != nil)
		if a != nil {
			require.Empty(t, got)
			return
		}
		require.Len(t, got, 1)
		r := &record.Record{Raw: body, Received: received}
		require.NoError(t, parse(r, body))
		require.NotEmpty(t, r.Name)
		require.NotEmpty(t, r.Class)
		require.True(t, r.Severity > 0 && r.Severity <= 8, r.Severity)
		require.False(t, r.Test && got[0] != event.Key{}, "a try may be repeated")
		if got[0] != (event.Key{}) {
			require.NotEmpty(t, r.ID)
		}
		require.LessOrEqual(t, len(r.Message), 2*len(body)+1024)
		detect(body)
		if key := ticketOf(r); key != nil {
			apply(r, body)
		}
		openTicket(body)
	})
}

// next is what would end a value in a body that was not escaped.
var next = regexp.MustCompile(`"[\s\]},]*"[^"]*"\s*:`)

// ambiguous reports whether values that were not escaped may also be read as escaped,
// or break off early, so that nobody can tell what was meant.
func ambiguous(values map[string]string) bool {
	slash, quote, valid := false, false, true
	for name, v := range values {
		if !utf8.ValidString(v) || strings.ContainsRune(v, 0) || next.MatchString(v) {
			return true
		}
		if clean.has(lookup([]byte(name))) && controlled([]byte(v)) {
			return true
		}
		slash = slash || strings.Contains(v, `\`)
		valid = valid && validEscapes([]byte(v))
		quote = quote || valid && bareQuote([]byte(v))
	}
	return slash && valid && !quote
}

// FuzzTwins holds that a body says the same whether the product escapes values or not.
func FuzzTwins(f *testing.F) {
	v := request()
	f.Add(uint8(0), v["User"], v["FilePathObjectId"], v["CmdArgs"], v["Reason"])
	f.Add(uint8(1), `a"b`, `\\nas\x\`, `",`, "\n\t\"")
	f.Add(uint8(2), `CORP\tess`, `C:\`, `" , "`, `"}`)
	f.Add(uint8(4), v["User"], `C:\new\`, `"a" b, "c`, "\n")
	f.Add(uint8(3), "", `%%x%%`, "N/A", `é\u00e9"`)
	templates := []string{appCreatedText, strings.ReplaceAll(appCreatedText, "\n", ""), vendorExampleText,
		strings.ReplaceAll(appCreatedText, "\"Publisher\":\"%%Publisher%%\",\n", ""),
		// Nobody's: its renderings are repaired.
		`{"Ticket":{"id":"%%RequestId%%","request_id":"%%RequestId%%","event_type":"%%EventType%%","user":"%%User%%"},"File Path Object Id":"%%FilePathObjectId%%", "Reason" : "%%Reason%%" ,"CMDARGS":"%%CmdArgs%%"}`}
	f.Fuzz(func(t *testing.T, n uint8, user, path, args, reason string) {
		values := request()
		values["User"], values["FilePathObjectId"], values["CmdArgs"], values["Reason"] = user, path, args, reason
		template := templates[int(n)%len(templates)]
		for name := range values {
			if !strings.Contains(template, "%%"+name+"%%") {
				delete(values, name)
			}
		}
		if ambiguous(values) {
			return
		}
		if strings.HasPrefix(template, `{"Ticket"`) && strings.Contains(path+" "+user+" "+args+" "+reason, `\"`) {
			return // may be a quote that was escaped
		}
		a, b := parsed(t, render(template, values, true)), parsed(t, render(template, values, false))
		require.Equal(t, fields(a), fields(b))
		require.Equal(t, a.AppendUID(nil), b.AppendUID(nil))
		require.Empty(t, warnings(a))
	})
}

func TestParsingAllocatesNothing(t *testing.T) {
	var r record.Record
	for name, b := range bodies(t) {
		once := func() {
			r.Reset()
			r.Raw, r.Received = b, received
			_ = parse(&r, b)
		}
		once()
		assert.Zero(t, testing.AllocsPerRun(50, once), name)
	}
}

// The time a body takes grows with its length and not faster: each of these would take
// minutes otherwise.
func TestHostileBodiesAreReadInLinearTime(t *testing.T) {
	const n = 1 << 18
	mark := `{"siemfwd":"epm/1","siemfwd_event":"jit_app_created","RequestId":"1","Reason":"`
	for _, unit := range []string{`"`, `",`, `"}`, `}`, `,`, `\`, `\"`, `" `, `","a":"`, `":`, `[`, `%%a`, `<`, `<a>`, `<!--`, `<![CDATA[`, `</a>`, `&a=`, `"a": ,`, `x,}`} {
		rest := strings.Repeat(unit, n/len(unit))
		for _, start := range []string{mark, "", "{", `{"RequestId":`, `{"RequestId":"1","User":"\x`, "a=", "<x>"} {
			r := parsed(t, start+rest)
			require.NotEmpty(t, r.Class)
		}
	}
}

func TestRead(t *testing.T) {
	for _, body := range []string{"", " \r\n\t", "\uFEFF", "\x00", "\xFF\xFE"} {
		a := read([]byte(body), func([]byte, event.Key) { t.Error("an event of nothing") })
		require.NotNil(t, a)
		assert.Equal(t, 400, a.Status)
		assert.NotEmpty(t, a.Reason)
	}
	assert.Equal(t, 200, hook.OK.Status)
	assert.Equal(t, `{"status":"ok"}`, hook.OK.Body)
	assert.EqualValues(t, 1<<20, hook.MaxBody)
}

// The key is the beginning of uid; what identifies an event is its kind, tenant, request,
// decision and time.
func TestIdentity(t *testing.T) {
	key := func(body string) (k event.Key, r *record.Record) {
		require.Nil(t, read([]byte(body), func(_ []byte, got event.Key) { k = got }))
		return k, parsed(t, body)
	}
	base := `{"EventType":"URM_NATIVE_DECISION_UPDATE","TenantId":"t","RequestId":"r","Decision":"approved","DecisionTime":"20260301T101900Z","Timestamp":"20260301T101901Z"}`
	k, r := key(base)
	assert.Equal(t, "epm|jit_app_decision|t|r|Approved|20260301T101900Z", string(r.Identity))
	assert.Equal(t, fmt.Sprintf("%x", k[:]), string(r.AppendUID(nil)[:32]))
	same, _ := key(strings.Replace(base, "101901Z", "101905Z", 1))
	assert.Equal(t, k, same, "when it was sent does not count")
	seen := map[event.Key]bool{k: true}
	for _, change := range [][2]string{{`"t"`, `"u"`}, {`"r"`, `"s"`}, {"approved", "Denied"}, {"101900Z", "101902Z"}, {"URM_NATIVE", "JIT_ADMIN"}} {
		k, _ := key(strings.Replace(base, change[0], change[1], 1))
		assert.False(t, seen[k], change)
		seen[k] = true
	}
	_, r = key(`{"EventType":"URM_Native_Ticket_Created","RequestId":"r","Timestamp":"20260301T101901Z"}`)
	assert.Equal(t, "epm|jit_app_created||r||20260301T101901Z", string(r.Identity))
	k, r = key(`{"EventType":"URM_NATIVE_DECISION_UPDATE","RequestId":"r","Decision":"Approved"}`)
	assert.Zero(t, k, "without a time nothing is dropped")
	assert.NotEmpty(t, r.Identity)
	k, r = key(`{"EventType":"URM_Native_Ticket_Created","Timestamp":"20260301T101901Z"}`)
	assert.Zero(t, k)
	assert.Empty(t, r.Identity)
}

func TestDecisionsAreJoinedToTheirRequests(t *testing.T) {
	v := request()
	v["User"] = `CORP\bob`
	id, memo := openTicket([]byte(render(appCreatedText, v, false)))
	require.Equal(t, v["RequestId"], string(id))
	assert.Less(t, len(memo), 512)
	decide := map[string]string{"EventType": "URM_NATIVE_DECISION_UPDATE", "RequestId": v["RequestId"], "TenantId": v["TenantId"], "Decision": "Approved",
		"DecisionTime": "20260301T101842Z", "Duration": "3600", "DecisionPerformedByUser": "alice"}
	r := parsed(t, render(appDecisionText, decide, true))
	require.Equal(t, id, ticketOf(r))
	apply(r, memo)
	assert.Equal(t, "bob", string(r.Get(record.UserName)))
	assert.Equal(t, "CORP", string(r.Get(record.UserDomain)))
	assert.Equal(t, "WS-0042", string(r.Get(record.SrcHost)))
	assert.False(t, r.Has(record.DstHost))
	assert.Equal(t, v["FilePathObjectId"], string(r.Get(record.FilePath)))
	assert.Equal(t, v["Sha256Hash"], string(r.Get(record.FileHash)))
	assert.Equal(t, "450", string(r.Text("decision_latency_s")))
	assert.Equal(t, `JIT application access decision: Approved: C:\temp\new\Setup "beta".exe`, string(r.Message))
	at := r.Find(-1, "ticket")
	require.GreaterOrEqual(t, at, 0)
	assert.Equal(t, `CORP\bob`, string(r.Fields[r.Find(at, "User")].Text))
	assert.Equal(t, "2026-03-01T10:11:12.000Z", string(r.Fields[r.Find(at, "Timestamp")].Text))
	assert.Nil(t, r.Text("User"), "what it did not say itself stands apart")

	other := parsed(t, render(appDecisionText, map[string]string{"RequestId": v["RequestId"], "TenantId": "another", "Decision": "Denied"}, true))
	apply(other, memo)
	assert.False(t, other.Has(record.UserName), "of another tenant")

	var again record.Record
	raw := []byte(render(appDecisionText, decide, true))
	once := func() {
		again.Reset()
		_ = parse(&again, raw)
		apply(&again, memo)
	}
	once()
	assert.Zero(t, testing.AllocsPerRun(50, once))

	adminBody := render(adminCreatedText, map[string]string{"EventType": "JIT_ADMIN_TICKET_CREATED", "RequestId": "7", "UserName": "eve", "UserId": "S-1", "ComputerId": "c", "DurationRequested": "60",
		"Timestamp": "20260301T101112Z", "Reason": "x", "TicketNumber": "1", "TenantId": "t"}, true)
	_, memo = openTicket([]byte(adminBody))
	r = parsed(t, `{"EventType":"JIT_ADMIN_TICKET_CREATED","RequestId":"7","Decision":"Denied","DecisionTime":"20260301T101112Z","Hostname":"own"}`)
	apply(r, memo)
	assert.Equal(t, "eve", string(r.Get(record.UserName)))
	assert.Equal(t, "own", string(r.Get(record.SrcHost)), "what it says itself stays")
	_, text, _ := r.GetSlot(record.CS6)
	assert.Equal(t, "c", string(text))
	_, text, _ = r.GetSlot(record.CN2)
	assert.Equal(t, "60", string(text))
	assert.Equal(t, "0", string(r.Text("decision_latency_s")))

	for _, body := range []string{render(appDecisionText, decide, true), appCreatedText, "text", `{"EventType":"URM_Native_Ticket_Created","Timestamp":"20260301T101112Z","User":"x"}`} {
		id, _ := openTicket([]byte(body))
		assert.Nil(t, id, body)
	}
	assert.Nil(t, ticketOf(parsed(t, adminBody)))
}

func TestDetect(t *testing.T) {
	all := bodies(t)
	for name, want := range map[string]bool{"app-created": true, "app-created-unescaped": true, "admin-decision": true, "vendor-template": true, "unquoted": true,
		"not-understood": false, "xml": false, "form": false} {
		assert.Equal(t, want, detect(all[name]), name)
	}
	for _, body := range []string{"", "{}", `{"event":{"type":"x"}}`, `{"EventType":"ADMIN"}`, `<14>EventType=URM_Native`} {
		assert.False(t, detect([]byte(body)), body)
	}
}

func BenchmarkParse(b *testing.B) {
	for _, escape := range []bool{true, false} {
		b.Run(fmt.Sprintf("escaped %v", escape), func(b *testing.B) {
			raw := []byte(render(appCreatedText, request(), escape))
			var r record.Record
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				r.Reset()
				_ = parse(&r, raw)
			}
		})
	}
}
