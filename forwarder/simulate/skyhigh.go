package simulate

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// skyhigh is the API for incidents.
type skyhigh struct{}

const (
	incidents    = "/shnapi/rest/external/api/v1/"
	oauth        = "/neo/neo-auth-service/oauth/token"
	mostIncident = 500 // of a page, whatever is asked for
	instants     = "2006-01-02T15:04:05.000Z"
)

func (*skyhigh) kind(path string) string {
	switch path {
	case incidents + "token", oauth:
		return "login"
	case incidents + "queryIncidents":
		return "page"
	}
	return "other"
}

func basic(r *http.Request) bool {
	user, password, ok := r.BasicAuth()
	return ok && user == User && password == Secret
}

func (v *skyhigh) login(a *API, r *http.Request, _ []byte) answer {
	h, q := r.Header, r.URL.Query()
	ok := false
	switch {
	case r.Method != http.MethodPost:
	case r.URL.Path == incidents+"token":
		ok = basic(r) && q.Get("grant_type") == "password" && q.Get("token_type") == "iam"
	case q.Get("grant_type") == "password":
		ok = h.Get("x-auth-username") == User && h.Get("x-auth-password") == Secret
	case q.Get("grant_type") == "iam_token":
		ok = a.good(h.Get("x-iam-token"))
	}
	if !ok {
		return text(http.StatusUnauthorized, `{"error":"invalid_grant"}`)
	}
	return text(http.StatusOK, fmt.Sprintf(`{"access_token":%q,"token_type":"bearer","refresh_token":"r","expires_in":%g,"scope":"read write"}`,
		a.newToken(), a.o.TokenLife.Seconds()))
}

func (*skyhigh) allowed(a *API, r *http.Request) bool {
	bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return basic(r) || a.good(r.Header.Get("x-access-token")) || ok && a.good(bearer)
}

func (*skyhigh) denied() answer {
	return text(http.StatusUnauthorized, `{"error":"invalid_token"}`)
}

func (*skyhigh) failure() answer {
	return text(http.StatusOK, `{"responseInfo":{"actualLimit":0,"error":{"code":500,"message":"try again","target":"","details":[]},"nextStartTime":null},"incidents":[]}`)
}

func (*skyhigh) stale() {}

func (v *skyhigh) page(a *API, r *http.Request, body []byte) answer {
	var q criteria
	if err := json.Unmarshal(body, &q); err != nil || r.Method != http.MethodPost {
		return text(http.StatusBadRequest, `{"code":400,"message":"malformed criteria"}`)
	}
	now := a.now()
	from, ferr := when(q.StartTime, now)
	to, terr := when(q.EndTime, now)
	if ferr != nil || terr != nil {
		return text(http.StatusBadRequest, `{"code":400,"message":"not a time","target":"startTime,endTime"}`)
	}
	limit := min(a.o.PageSize, mostIncident)
	if n, err := strconv.Atoi(r.URL.Query().Get("limit")); err == nil && n > 0 {
		limit = min(n, mostIncident)
	}
	var rows []*row
	more := false
	a.line.window(from.UnixNano(), to.UnixNano(), now.UnixNano(), func(r *row) bool {
		// The incidents of the last instant come all, whatever the limit.
		if !q.wants(r) {
			return true
		}
		if more = len(rows) >= limit && rows[len(rows)-1].at != r.at; more {
			return false
		}
		rows = append(rows, r)
		return true
	})
	if len(rows) == 0 && a.o.Faults.NotFound {
		return text(http.StatusNotFound, `{"code":404,"message":"no data"}`)
	}
	return v.answerPage(a, rows, more, from)
}

// criteria is the part of a question that is heeded.
type criteria struct {
	StartTime, EndTime     string
	ActorIDs, ServiceNames []string
	IncidentCriteria       struct {
		Categories []struct{ IncidentType, Category string }
		Fields     map[string][]string
	}
}

func (q *criteria) wants(r *row) bool {
	n := int(r.event)
	has := func(list []string, word string) bool { return len(list) == 0 || slices.Contains(list, word) }
	kind := q.IncidentCriteria.Categories
	return has(q.ActorIDs, people[n%len(people)]+"@example.net") && has(q.ServiceNames, services[n%len(services)]) &&
		has(q.IncidentCriteria.Fields["status"], progress[r.state]) &&
		(len(kind) == 0 || slices.ContainsFunc(kind, func(c struct{ IncidentType, Category string }) bool {
			want := strings.TrimSuffix(c.IncidentType+"."+c.Category, ".") + "."
			return strings.HasPrefix(groups[n%len(groups)]+".", want)
		}))
}

// when reads a time; without zone it is UTC.
func when(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return now, nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t, err = time.Parse("2006-01-02T15:04:05.999999999", text)
	}
	return t, err
}

func (v *skyhigh) answerPage(a *API, rows []*row, more bool, from time.Time) answer {
	f := &a.o.Faults
	next := from
	if len(rows) > 0 {
		next = time.Unix(0, rows[len(rows)-1].at).Add(time.Millisecond)
	}
	start := "null"
	if more || f.Endless || f.EmptyEnd && len(rows) > 0 {
		layout := instants
		if f.NoZone {
			layout = strings.TrimSuffix(instants, "Z")
		}
		start = strconv.Quote(next.UTC().Format(layout))
	}
	b := fmt.Appendf(nil, `{"responseInfo":{"actualLimit":%d,"apiElapsedMillis":7,"error":null,"nextOffset":null,"nextStartTime":%s,"source":"https://www.example.net/"},"incidents":[`,
		len(rows), start)
	n := len(a.calls)
	for i, r := range rows {
		if i > 0 {
			b = append(b, ',')
		}
		r.handed = true
		b = v.incident(b, r, f.Pairs)
		if a.twice(n, i) {
			b = v.incident(append(b, ','), r, f.Pairs)
		}
	}
	b = append(b, "]}"...)
	if !f.Bare {
		b = fmt.Appendf(nil, `{"headers":{},"body":%s,"statusCode":"OK","statusCodeValue":200}`, b)
	}
	return answer{http.StatusOK, b}
}

// What the incidents are made of, in turn.
var (
	groups   = [...]string{"Alert.Policy.Dlp", "Alert.Access.AnomalousAccessLocation", "Threat.CompromisedAccount.BruteForceLogin", "Alert.Policy.Audit"}
	prefixes = [...]string{"DLP", "ANO", "THR", "AUD"}
	services = [...]string{"Microsoft Office 365 and OneDrive", "Google Drive", "Slack", "Box", "Salesforce"}
	risks    = [...]string{"low", "medium", "high"}
	progress = [...]string{"new", "resolved"}
)

func incidentID(r *row) string {
	return fmt.Sprintf("%s-%d", prefixes[int(r.event)%len(prefixes)], 700001+r.event)
}

func (*skyhigh) identity(r *row) (id, version string) {
	return incidentID(r), time.Unix(0, r.at).UTC().Format(instants)
}

// incident appends one incident.
func (*skyhigh) incident(b []byte, r *row, pairs bool) []byte {
	n := int(r.event)
	information := fmt.Sprintf(`{"policyId":90017,"policyName":"PCI cards","contentItemName":"Report %d.xlsx","totalMatchCount":%d}`, n, n%50)
	if pairs {
		information = fmt.Sprintf(`[{"key":"policyId","value":90017},{"key":"policyName","value":"PCI cards"},{"key":"contentItemName","value":"Report %d.xlsx"},{"key":"totalMatchCount","value":%d}]`, n, n%50)
	}
	modified := time.Unix(0, r.at).UTC().Format(instants)
	return fmt.Appendf(b, `{"activityNames":[],"actorId":"%s@example.net","actorIdType":"USER","incidentGroup":%q,"incidentGroupId":null,"incidentId":%q,`+
		`"incidentRiskScore":%d.0,"incidentRiskSeverity":%q,"incidentRiskSeverityId":%d,"information":%s,"instanceId":6841,"instanceName":"Default",`+
		`"responses":["Quarantine"],"serviceNames":[%q],"significantlyUpdatedAt":%q,"status":%q,"timeCreated":%q,"timeModified":%q}`,
		people[n%len(people)], groups[n%len(groups)], incidentID(r), 3*(n%3)+3, risks[n%3], n%3, information,
		services[n%len(services)], modified, progress[r.state], time.Unix(0, r.created).UTC().Format(instants), modified)
}

func (*skyhigh) other(_ *API, r *http.Request, _ []byte) answer {
	switch r.URL.Path {
	case incidents + "queryIncidentGroups":
		list, _ := json.Marshal(groups)
		return answer{http.StatusOK, list}
	case incidents + "queryIncidentInformationKeys":
		return text(http.StatusOK, `[{"type":"Alert.Policy.Dlp","informationKeys":{"policyName":"name of the policy","totalMatchCount":"number of matches"}}]`)
	}
	return text(http.StatusNotFound, `{"code":404,"message":"not found"}`)
}
