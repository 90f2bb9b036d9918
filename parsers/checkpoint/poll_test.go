package checkpoint

import (
	stdjson "encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/parsers/kit"
)

var window = kit.Window{From: time.Date(2025, 3, 3, 9, 0, 0, 0, time.UTC), To: time.Date(2025, 3, 3, 9, 10, 0, 0, time.UTC)}

// A walk finds every event once, however the API handles its scrollIds and its end, and
// asks for no page more than it must.
func TestWalk(t *testing.T) {
	for _, c := range []struct {
		mode             string
		events           int
		stable, emptyEnd bool
		pages            int
	}{
		{"bearer", 0, false, false, 1},
		{"bearer", 30, false, false, 1},
		{"bearer", 30, false, true, 2},
		{"bearer", 250, false, false, 3},
		{"bearer", 250, true, false, 3},
		{"bearer", 250, false, true, 4},
		{"bearer", 500, true, true, 6},
		{"signed", 250, true, true, 4},
		{"signed", 250, false, false, 3},
	} {
		t.Run(fmt.Sprintf("%s %d events stable=%v emptyEnd=%v", c.mode, c.events, c.stable, c.emptyEnd), func(t *testing.T) {
			m := newMock(t, c.events)
			m.stable, m.emptyEnd = c.stable, c.emptyEnd
			rows, pages, err := newClient(t, mockConfig(m, c.mode)).walk(window)
			require.NoError(t, err)
			assert.Equal(t, c.pages, pages)
			assert.Empty(t, m.broken)
			seen := map[string]bool{}
			for _, row := range rows {
				assert.False(t, seen[string(row.ID)], "%s twice", row.ID)
				seen[string(row.ID)] = true
				assert.NotEmpty(t, row.Version)
				at := row.Time.Go()
				assert.True(t, !at.Before(window.From) && at.Before(window.To))
				assert.True(t, stdjson.Valid(row.Raw))
			}
			assert.Len(t, seen, c.events)
		})
	}
}

func TestRequests(t *testing.T) {
	m := newMock(t, 150)
	c := mockConfig(m, "")
	c.Filter = Filter{
		EventTypes: []string{"phishing", "malware"}, EventStates: []string{"new"}, Severities: []stdjson.RawMessage{[]byte(`4`), []byte(`"High"`)},
		SaaS: []string{"office365_emails"}, EventIDs: []string{"e1"}, ConfidenceIndicator: "malicious", Description: `a "b"`,
	}
	c.Scopes, c.PageSize = []string{"farm:tenant"}, 20
	m.pageSize = 20
	rows, pages, err := newClient(t, c).walk(window)
	require.NoError(t, err)
	assert.Len(t, rows, 50)
	assert.Equal(t, 3, pages)
	const question = `{"requestData":{"startDate":"2025-03-03T09:00:00.000Z","endDate":"2025-03-03T09:10:00.000Z",` +
		`"eventTypes":["phishing","malware"],"eventStates":["new"],"severities":[4,"High"],"saas":["office365_emails"],"eventIds":["e1"],` +
		`"confidenceIndicator":"malicious","description":"a \"b\"","scopes":["farm:tenant"],"pageSize":20%s}}`
	assert.Equal(t, []string{
		fmt.Sprintf(question, ""), fmt.Sprintf(question, `,"scrollId":"scroll-1"`), fmt.Sprintf(question, `,"scrollId":"scroll-2"`),
	}, m.bodies)
	assert.Equal(t, []string{"POST /auth/external", "POST /app/hec-api/v1.0/event/query", "POST /app/hec-api/v1.0/event/query",
		"POST /app/hec-api/v1.0/event/query"}, m.paths)

	// Nothing that was not asked for.
	m.bodies = nil
	_, _, err = newClient(t, mockConfig(m, "")).walk(kit.Window{From: window.From.Add(1500 * time.Millisecond), To: window.From.Add(2 * time.Second)})
	require.NoError(t, err)
	assert.Equal(t, []string{`{"requestData":{"startDate":"2025-03-03T09:00:01.500Z","endDate":"2025-03-03T09:00:02.000Z"}}`}, m.bodies)
}

// page answers one question; cursor says whether it goes on from an earlier page.
func page(t testing.TB, cur []byte, status int, body string) (kit.Next, []kit.Row, error) {
	t.Helper()
	api, err := poll.Open(&Config{Region: "eu"})
	require.NoError(t, err)
	var rows []kit.Row
	next, err := api.Read(window, cur, status, http.Header{}, []byte(body), func(r kit.Row) { rows = append(rows, r) })
	return next, rows, err
}

var later = cursor{sum: 1, scroll: []byte(`"s"`)}.append(nil)

func TestAnswersThatFail(t *testing.T) {
	for _, c := range []struct {
		name   string
		cursor []byte
		status int
		body   string
		want   error // of this type; nil: any other
		says   string
	}{
		{"stale scrollId", later, 400, `{"detail":"Invalid scroll"}`, &kit.Stale{}, "Invalid scroll"},
		{"stale scrollId in the envelope", later, 200, `{"responseEnvelope":{"responseCode":400,"responseText":"Invalid scroll"},"responseData":null}`, &kit.Stale{}, "Invalid scroll"},
		{"no scope", nil, 400, `{"detail":"must provide a single scope"}`, &kit.Bad{}, "single scope"},
		{"missing field", nil, 422, `{"detail":[{"loc":["body","requestData","startDate"],"msg":"Field required","type":"missing"}]}`, &kit.Bad{}, "Field required"},
		{"missing field later", later, 422, `{"detail":[]}`, &kit.Bad{}, "422"},
		{"not found", nil, 404, `<html>`, &kit.Bad{}, "404"},
		{"no licence", nil, 403, `no`, &kit.Denied{}, "403"},
		{"no licence in the envelope", nil, 200, `{"responseEnvelope":{"responseCode":403,"responseTest":"No permission","additionalText":"for dlp"},"responseData":[]}`, &kit.Denied{}, "No permission for dlp"},
		{"no login in the envelope", nil, 200, `{"responseEnvelope":{"responseCode":"401"}}`, &kit.Denied{}, "401"},
		{"portal's refusal", nil, 200, `{"success":false,"message":"Token is not valid","forceLogout":true}`, &kit.Denied{}, "Token is not valid"},
		{"throttled in the envelope", nil, 200, `{"responseEnvelope":{"responseCode":429,"responseText":"slow down"}}`, &kit.Throttled{}, "slow down"},
		{"unknown code", nil, 200, `{"responseEnvelope":{"responseCode":7,"responseText":"odd"},"responseData":[{"eventId":"1"}]}`, &kit.Bad{}, "responseCode 7: odd"},
		{"failure in the envelope", nil, 200, `{"responseEnvelope":{"responseCode":500,"responseText":"oops"}}`, nil, "oops"},
		{"cut", nil, 200, `{"responseEnvelope":{"responseCode":200},"responseData":[{"eventId":"1"},{"eve`, nil, "too early"},
		{"cut behind the data", nil, 200, `{"responseData":[{"eventId":"1"}]`, nil, "too early"},
		{"empty", nil, 200, ``, nil, "too early"},
		{"no JSON", nil, 200, `<html>sign in</html>`, nil, "json"},
		{"another object", nil, 200, `{"tasks":[]}`, nil, "responseData"},
		{"a list", nil, 200, `[{"eventId":"1"}]`, nil, "json"},
		{"another cursor", []byte("x"), 200, `{"responseData":[]}`, nil, "cursor"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, rows, err := page(t, c.cursor, c.status, c.body)
			require.Error(t, err)
			assert.Empty(t, rows)
			assert.Contains(t, err.Error(), c.says)
			assert.NotContains(t, err.Error(), "\n")
			if c.want != nil {
				assert.IsType(t, c.want, err)
				return
			}
			for _, not := range []error{&kit.Stale{}, &kit.Bad{}, &kit.Denied{}, &kit.Throttled{}} {
				assert.NotEqual(t, fmt.Sprintf("%T", not), fmt.Sprintf("%T", err))
			}
		})
	}
}

func TestAnswersAsTheyCome(t *testing.T) {
	for _, c := range []struct {
		name, body string
		ids        []string
		more       bool
		total      int
	}{
		{"list", `{"responseEnvelope":{"responseCode":200,"scrollId":"s"},"responseData":[{"eventId":"1"},{"eventId":"2"}]}`, []string{"1", "2"}, true, 0},
		{"object", `{"responseEnvelope":{"responseCode":0,"responseTest":"Success","scrollId":"34234345454353343","totalRecordsNumber":137},"responseData":{"eventId":"1"}}`, []string{"1"}, true, 137},
		{"null", `{"responseEnvelope":{"responseCode":200,"scrollId":"s"},"responseData":null}`, nil, false, 0},
		{"absent", `{"responseEnvelope":{"scrollId":"s"}}`, nil, false, 0},
		{"empty page with scrollId", `{"responseEnvelope":{"responseCode":200,"scrollId":"s"},"responseData":[]}`, nil, false, 0},
		{"empty object", `{"responseEnvelope":{"responseCode":200,"scrollId":"s"},"responseData":{}}`, nil, false, 0},
		{"scrollId null", `{"responseEnvelope":{"responseCode":200,"scrollId":null,"recordsNumber":60},"responseData":[{"eventId":"1"}]}`, []string{"1"}, false, 0},
		{"scrollId empty", `{"responseEnvelope":{"responseCode":200,"scrollId":""},"responseData":[{"eventId":"1"}]}`, []string{"1"}, false, 0},
		{"scrollId absent", `{"responseEnvelope":{"totalRecordsNumber":"2"},"responseData":[{"eventId":"1"}]}`, []string{"1"}, false, 2},
		{"scrollId a number", `{"responseEnvelope":{"scrollId":17},"responseData":[{"eventId":"1"}]}`, []string{"1"}, true, 0},
		{"no envelope", `{"responseData":[{"eventId":"1"}]}`, []string{"1"}, false, 0},
		{"odd rows", `{"responseData":[null,{"no":"id"},"text",{"eventId":""},[]]}`, []string{"", "", "", ""}, false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			next, rows, err := page(t, nil, 200, c.body)
			require.NoError(t, err)
			var ids []string
			for _, r := range rows {
				ids = append(ids, string(r.ID))
			}
			assert.Equal(t, c.ids, ids)
			assert.Equal(t, c.more, next.More)
			assert.Equal(t, c.total, next.Total)
			if c.more {
				_, _, err = page(t, next.Cursor, 200, `{"responseData":[]}`)
				assert.NoError(t, err)
			}
		})
	}
}

func TestScrollIDIsSentAsItCame(t *testing.T) {
	api, err := poll.Open(&Config{Region: "eu"})
	require.NoError(t, err)
	for _, id := range []string{`17`, `"a\u0022b"`, `"5d1e"`} {
		next, _, err := page(t, nil, 200, `{"responseEnvelope":{"scrollId":`+id+`},"responseData":[{"eventId":"1"}]}`)
		require.NoError(t, err)
		r, err := api.Page(window, next.Cursor)
		require.NoError(t, err)
		assert.Contains(t, string(r.Body), `"scrollId":`+id+`}`)
	}
}

// An API that hands out one page over and over is not walked for ever; one that repeats
// a page once is.
func TestTheSamePageAgainAndAgain(t *testing.T) {
	const same = `{"responseEnvelope":{"scrollId":"s"},"responseData":[{"eventId":"1"}]}`
	var cur []byte
	for range mostRepeats {
		next, rows, err := page(t, cur, 200, same)
		require.NoError(t, err)
		require.Len(t, rows, 1)
		cur = next.Cursor
	}
	_, _, err := page(t, cur, 200, same)
	assert.ErrorContains(t, err, "same page")
	next, _, err := page(t, cur, 200, strings.Replace(same, `"1"`, `"2"`, 1))
	require.NoError(t, err)
	_, _, err = page(t, next.Cursor, 200, same)
	assert.NoError(t, err)
}

func TestRowsOfAnUpdatedEvent(t *testing.T) {
	before := sample(t, "phishing")
	after := strings.Replace(before, `"state":"remediated"`, `"state":"dismissed"`, 1)
	_, rows, err := page(t, nil, 200, `{"responseData":[`+before+`,`+after+`,`+strings.Replace(before, "Phishing attempt", "Attempt", 1)+`]}`)
	require.NoError(t, err)
	require.Len(t, rows, 3)
	assert.Equal(t, before, string(rows[0].Raw))
	assert.Equal(t, "5f0c1d2e3b4a49788695a4b3c2d1e0f1", string(rows[0].ID))
	assert.Equal(t, rows[0].ID, rows[1].ID)
	assert.NotEqual(t, rows[0].Version, rows[1].Version)
	assert.Equal(t, rows[0].Version, rows[2].Version, "other words are no new state")
	assert.Equal(t, time.Date(2025, 3, 3, 9, 2, 11, 482913000, time.UTC), rows[0].Time.Go())
}

func TestLookups(t *testing.T) {
	for _, mode := range []string{"bearer", "signed"} {
		m := newMock(t, 3)
		c := newClient(t, mockConfig(m, mode))
		got, err := c.lookup("event", fmt.Sprintf("%032x", 2))
		require.NoError(t, err)
		require.Len(t, got, 1)
		assert.Contains(t, string(got[0]), `"eventId":"00000000000000000000000000000002"`)
		_, err = c.lookup("event", "a/../b?c")
		assert.IsType(t, &kit.Bad{}, err)
		assert.ErrorContains(t, err, "Event was not found")
		assert.True(t, strings.HasSuffix(m.paths[len(m.paths)-1], "/event/a%2F..%2Fb%3Fc"), m.paths)
		got, err = c.lookup("scopes", "")
		require.NoError(t, err)
		assert.Equal(t, `"mt-prod:northwind" "mt-prod:contoso"`, string(got[0])+" "+string(got[1]))
		c.tokens = []string{"old"}
		if mode == "bearer" {
			_, err = c.lookup("scopes", "")
			assert.IsType(t, &kit.Denied{}, err)
			assert.Empty(t, m.broken)
		}
	}
}

// FuzzRead holds that no answer makes the reader panic, that rows lie within the body
// and that a walk which goes on can ask for its next page.
func FuzzRead(f *testing.F) {
	f.Add(200, []byte(`{"responseEnvelope":{"requestId":"d290f1ee-0000-4b01-90e6-d701748f0851","responseCode":200,"responseText":"","additionalText":"","recordsNumber":3,"scrollId":"9c41aa07b3e0"},"responseData":[`+sample(f, "phishing")+`,`+sample(f, "dlp")+`]}`), false)
	f.Add(200, []byte(`{"responseEnvelope":{"responseCode":403,"responseTest":"no"},"responseData":{"eventId":"1"}}`), true)
	f.Add(400, []byte(`{"detail":"Invalid scroll"}`), true)
	f.Add(200, []byte(`{"responseData":[{"eventId":"1"},null,5]}`), false)
	api, err := poll.Open(&Config{Region: "eu"})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, status int, body []byte, scrolled bool) {
		var cur []byte
		if scrolled {
			cur = later
		}
		rows := 0
		next, err := api.Read(window, cur, status, nil, body, func(r kit.Row) {
			rows++
			require.True(t, stdjson.Valid(r.Raw), "%q", r.Raw)
			require.Contains(t, string(body), string(r.Raw))
		})
		if err != nil {
			require.NotContains(t, err.Error(), "\n")
			return
		}
		require.False(t, next.More && rows == 0)
		require.Equal(t, next.More, len(next.Cursor) > 0)
		if next.More {
			r, err := api.Page(window, next.Cursor)
			require.NoError(t, err)
			require.True(t, stdjson.Valid(r.Body))
		}
	})
}
