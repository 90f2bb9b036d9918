package webhook

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/siemfwd/siemfwd/parsers/beyondtrust"
	"github.com/siemfwd/siemfwd/parsers/scanner"
)

// A vendor's answer may repeat what was taken; the answers to alerts, over HTTP.
func TestAcceptedAnswersWithTheIDs(t *testing.T) {
	r := start(t, NewHub(), scanner.Vendor.Hook, nil)
	const alert = `{"id":"a-1","name":"x","severity_id":4}`
	for _, c := range []struct {
		name, body string
		headers    []string
		status     int
		answer     string
		events     int
		refused    bool
	}{
		{"good", alert, nil, 200, `{"status":"accepted","id":"a-1"}`, 1, false},
		{"again", alert, nil, 200, `{"status":"accepted","id":"a-1"}`, 0, false},
		{"no id", `{"Title":"x"}`, nil, 200, `{"status":"accepted"}`, 1, false},
		{"list", `[{"id":"a-2"},{"id":3},{"x":1}]`, nil, 200, `{"status":"accepted","ids":["a-2",3,null]}`, 3, false},
		{"envelope", `{"event":{"id":"a-4"},"time":1}`, nil, 200, `{"status":"accepted","id":"a-4"}`, 1, false},
		{"wrong secret", alert, []string{"Authorization", "Bearer nope"}, 401, `{"error":"unauthorized"}`, 0, false},
		{"no JSON", "hello", nil, 400, `{"error":"body is not JSON"}`, 0, true},
		{"scalars", "[1,2]", nil, 400, `{"error":"alert is not an object"}`, 0, true},
		{"too long", strings.Repeat(" ", 5<<20+1), nil, 413, `{"error":"body is too long"}`, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			before, refused := len(r.texts()), len(r.refused)
			got := r.post(c.body, c.headers...)
			assert.Equal(t, c.status, got.status)
			assert.Equal(t, c.answer, got.body)
			assert.Equal(t, "application/json", got.header.Get("Content-Type"))
			assert.Len(t, r.texts(), before+c.events)
			assert.Len(t, r.refused, refused+map[bool]int{true: 1}[c.refused])
		})
	}
}

// Whatever a product's template made of its values, the answer is 200 and the event is
// kept: the product may not send it again.
func TestTemplatesAreTakenAsTheyCome(t *testing.T) {
	const unescaped = `{"siemfwd":"epm/1","siemfwd_event":"jit_app_created","EventType":"URM_Native_Ticket_Created","RequestId":"5a1de3c4-0f57-4c55-a5a5-2a7f4f4b9d10","TicketNumber":"EPM000042","Timestamp":"20260301T101112Z","User":"CORP\bob","FilePathObjectId":"C:\temp\new\Setup "beta".exe","Reason":"Need it for "Project X", see ticket","siemfwd_end":"1"}`
	const ok = `{"status":"ok"}`
	utf16 := "\xff\xfe"
	for _, c := range `{"RequestId":"7","User":"bob"}` {
		utf16 += string([]byte{byte(c), 0})
	}
	r := start(t, NewHub(), beyondtrust.Vendor.Hook, nil)
	for _, c := range []struct {
		name, body string
		headers    []string
		status     int
		answer     string
		events     int
	}{
		{"unescaped", unescaped, nil, 200, ok, 1},
		{"again", unescaped, nil, 200, ok, 0},
		{"escaped", `{"RequestId":"1","Timestamp":"20260301T101112Z","User":"CORP\\bob","Reason":"a \"b\""}`, nil, 200, ok, 1},
		{"empty unquoted", `{"RequestId":"2","Duration": ,"Timestamp":"20260301T101112Z"}`, nil, 200, ok, 1},
		{"placeholder left unquoted", `{"RequestId":"3","Duration": %%Duration%%}`, nil, 200, ok, 1},
		{"raw line feed", "{\"RequestId\":\"4\",\"Reason\":\"a\nb\"}", nil, 200, ok, 1},
		{"form", `RequestId=5&EventType=URM_NATIVE_DECISION_UPDATE&Decision=Denied`, []string{"Content-Type", "application/x-www-form-urlencoded"}, 200, ok, 1},
		{"XML", `<a><RequestId>6</RequestId></a>`, []string{"Content-Type", "application/xml"}, 200, ok, 1},
		{"UTF-16", utf16, nil, 200, ok, 1},
		{"sample event", `{"RequestId":"%%RequestId%%","User":"%%User%%"}`, nil, 200, ok, 1},
		{"nobody understands it", `hello`, nil, 200, ok, 1},
		{"cut", unescaped[:150], nil, 200, ok, 1},
		{"nothing", " \r\n", nil, 400, `{"error":"body is empty"}`, 0},
		{"1 MiB and one", `{"RequestId":"8","Reason":"` + strings.Repeat("x", 1<<20-28) + `"}`, nil, 413, `{"error":"body is too long"}`, 0},
		{"wrong credential", unescaped, []string{"Authorization", "Bearer nope"}, 401, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := len(r.texts())
			got := r.post(c.body, c.headers...)
			assert.Equal(t, c.status, got.status)
			assert.Equal(t, c.answer, got.body)
			assert.Len(t, r.texts(), before+c.events)
		})
	}
	assert.Equal(t, 405, r.do("GET", r.url, "").status)
}
