package simulate

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// checkPoint is the API of Harmony Email & Collaboration.
type checkPoint struct {
	walks  map[string]*walk // by scrollId
	opened int
}

// walk is a reading of one window: its rows were found when it began.
type walk struct {
	rows []*row
	at   int // of the next page
}

const (
	mostWalks = 64    // the oldest go
	mostRows  = 10000 // of one walk: it ends there without a word
)

func (*checkPoint) kind(path string) string {
	switch {
	case path == "/auth/external", path == "/v1.0/auth":
		return "login"
	case strings.HasSuffix(path, "/event/query"):
		return "page"
	}
	return "other"
}

func (v *checkPoint) login(a *API, r *http.Request, body []byte) answer {
	if r.URL.Path == "/v1.0/auth" {
		if _, err := checkDate(r); err != nil {
			return text(http.StatusInternalServerError, "")
		}
		if !v.signed(r, "") {
			return v.denied()
		}
		return text(http.StatusOK, a.newToken())
	}
	var in struct{ ClientID, AccessKey string }
	if err := json.Unmarshal(body, &in); err != nil || in.ClientID != ClientID || in.AccessKey != Secret || r.Method != http.MethodPost {
		return text(http.StatusUnauthorized, `{"success":false,"message":"Authentication failed"}`)
	}
	life := a.o.TokenLife
	return text(http.StatusOK, fmt.Sprintf(`{"success":true,"data":{"token":%q,"csrf":"00000000-1111-4222-8333-444444444444","expires":%q,"expiresIn":%g}}`,
		a.newToken(), a.now().Add(life).Format(http.TimeFormat), life.Seconds()))
}

var uuid4 = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func (v *checkPoint) allowed(a *API, r *http.Request) bool {
	if strings.HasPrefix(r.URL.Path, "/v1.0/") {
		return a.good(r.Header.Get("x-av-token")) && v.signed(r, r.URL.RequestURI())
	}
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return ok && a.good(token)
}

func checkDate(r *http.Request) (time.Time, error) {
	return time.Parse("2006-01-02T15:04:05.999999", r.Header.Get("x-av-date"))
}

// signed checks the signature of a request of the Smart API.
func (*checkPoint) signed(r *http.Request, request string) bool {
	h := r.Header
	sum := sha256.Sum256([]byte(base64.StdEncoding.EncodeToString([]byte(
		h.Get("x-av-req-id") + ClientID + h.Get("x-av-date") + request + Secret))))
	return h.Get("x-av-app-id") == ClientID && h.Get("x-av-sig") == hex.EncodeToString(sum[:])
}

func (*checkPoint) denied() answer {
	return text(http.StatusUnauthorized, `{"success":false,"message":"Token is not valid","forceLogout":true}`)
}

func (*checkPoint) failure() answer {
	return text(http.StatusOK, `{"responseEnvelope":{"responseCode":500,"responseTest":"Internal error","additionalText":""},"responseData":null}`)
}

func (v *checkPoint) stale() { clear(v.walks) }

// badID is the answer to a request whose x-av-req-id is none, or was used before.
func badID(a *API, r *http.Request) (answer, bool) {
	id := r.Header.Get("x-av-req-id")
	if !uuid4.MatchString(id) || a.ids[id] {
		return text(http.StatusBadRequest, `{"detail":"x-av-req-id is not a new UUID"}`), true
	}
	a.ids[id] = true
	return answer{}, false
}

// question is requestData.
type question struct {
	StartDate, EndDate      *time.Time
	EventTypes, EventStates []string
	Severities              []any
	SaaS                    []string `json:"saas"`
	ConfidenceIndicator     string
	Description             string
	EventIDs                []string `json:"eventIds"`
	ScrollID                string   `json:"scrollId"`
	PageSize                int      `json:"pageSize"`
}

func (v *checkPoint) page(a *API, r *http.Request, body []byte) answer {
	if said, bad := badID(a, r); bad {
		return said
	}
	var in struct {
		RequestData question `json:"requestData"`
	}
	q := &in.RequestData
	if err := json.Unmarshal(body, &in); err != nil || q.StartDate == nil {
		return text(http.StatusUnprocessableEntity, `{"detail":[{"loc":["body","requestData","startDate"],"msg":"Field required","type":"missing"}]}`)
	}
	id, w := q.ScrollID, v.walks[q.ScrollID]
	switch {
	case id == "":
		w = v.begin(a, q)
	case w == nil:
		return text(http.StatusBadRequest, `{"detail":"Invalid scroll"}`)
	}
	at := w.at
	if !a.o.Faults.StableScroll && id != "" {
		// Each page has its own scrollId, which can be used again.
		_, off, _ := strings.Cut(id, ".")
		at, _ = strconv.Atoi(off)
	}
	size := a.o.PageSize
	if q.PageSize > 0 {
		size = min(q.PageSize, 1000)
	}
	end := min(at+size, len(w.rows))
	page := w.rows[min(at, end):end]
	w.at = end
	return v.answerPage(a, r, w, id, page, end)
}

// answerPage writes a page, and the scrollId of what follows it.
func (v *checkPoint) answerPage(a *API, r *http.Request, w *walk, id string, page []*row, end int) answer {
	scroll := []byte("null")
	if end < len(w.rows) || a.o.Faults.EmptyEnd && len(page) > 0 {
		base, _, _ := strings.Cut(id, ".")
		if id == "" {
			v.opened++
			base = fmt.Sprintf("%08x", v.opened)
		}
		next := base
		if !a.o.Faults.StableScroll {
			next = base + "." + strconv.Itoa(end)
		}
		v.walks[next] = w
		delete(v.walks, fmt.Sprintf("%08x", v.opened-mostWalks))
		scroll = strconv.AppendQuote(nil, next)
	}
	b := fmt.Appendf(nil, `{"responseEnvelope":{"requestId":%q,"responseCode":200,"responseText":"","additionalText":"","recordsNumber":%d,"scrollId":%s},"responseData":[`,
		r.Header.Get("x-av-req-id"), len(w.rows), scroll)
	for i, e := range page {
		if i > 0 {
			b = append(b, ',')
		}
		e.handed = true
		b = v.event(b, e)
	}
	b = append(b, "]}"...)
	if len(page) == 0 && a.o.Faults.EmptyEnd {
		b = append(b[:len(b)-len("[]}")], "null}"...)
	}
	return answer{http.StatusOK, b}
}

// begin finds the rows of a walk.
func (v *checkPoint) begin(a *API, q *question) *walk {
	w := &walk{}
	now := a.now()
	to := now
	if q.EndDate != nil {
		to = *q.EndDate
	}
	n := len(a.calls)
	a.line.window(q.StartDate.UnixNano(), to.UnixNano(), now.UnixNano(), func(r *row) bool {
		if !q.wants(r) {
			return true
		}
		w.rows = append(w.rows, r)
		if a.twice(n, len(w.rows)) {
			w.rows = append(w.rows, r)
		}
		return true
	})
	if a.o.Faults.Unordered {
		rand.New(rand.NewPCG(a.o.Seed, uint64(n))).Shuffle(len(w.rows), func(i, j int) { w.rows[i], w.rows[j] = w.rows[j], w.rows[i] })
	}
	w.rows = w.rows[:min(len(w.rows), mostRows)]
	return w
}

// What the events are made of, in turn.
var (
	kinds  = [...]string{"phishing", "malware", "dlp", "suspicious_phishing", "anomaly", "malicious_url_click", "shadow_it"}
	apps   = [...]string{"office365_emails", "google_mail", "office365_emails", "ms_teams", "office365_onedrive"}
	states = [...]string{"new", "remediated"}
	people = [...]string{"dana.reed", "omar.haddad", "li.wei", "ana.sousa", "tom.berg", "mia.kato"}
)

func (q *question) wants(r *row) bool {
	has := func(list []string, word string) bool { return len(list) == 0 || slices.Contains(list, word) }
	if len(q.EventIDs) > 0 && !slices.Contains(q.EventIDs, eventID(r)) {
		return false
	}
	if len(q.Severities) > 0 && !slices.ContainsFunc(q.Severities, func(s any) bool { return isSeverity(s, int(r.event)%5+1) }) {
		return false
	}
	if q.ConfidenceIndicator != "" && q.ConfidenceIndicator != "malicious" || !strings.Contains(description(int(r.event)), q.Description) {
		return false
	}
	return has(q.EventTypes, kinds[int(r.event)%len(kinds)]) && has(q.SaaS, apps[int(r.event)%len(apps)]) && has(q.EventStates, states[r.state])
}

// isSeverity reports whether a filter, which may be a number, a digit or a word, is of a
// severity.
func isSeverity(filter any, n int) bool {
	words := [...]string{"lowest", "low", "medium", "high", "critical"}
	switch f := filter.(type) {
	case float64:
		return int(f) == n
	case string:
		return f == strconv.Itoa(n) || strings.EqualFold(f, words[n-1])
	}
	return false
}

func description(n int) string {
	return fmt.Sprintf("%s detected in an email from billing@pay-roll.example - 'Message %d' (%s@example.net's mailbox)", kinds[n%len(kinds)], n, people[n%len(people)])
}

func eventID(r *row) string { return fmt.Sprintf("%032x", uint64(r.event)+1) }

func (*checkPoint) identity(r *row) (id, version string) { return eventID(r), states[r.state] }

// event appends one event.
func (*checkPoint) event(b []byte, r *row) []byte {
	n := int(r.event)
	actions := "[]"
	if r.state > 0 {
		actions = fmt.Sprintf(`[{"actionType":"quarantine_email","createTime":%q,"relatedEntityId":%q}]`,
			time.Unix(0, r.from).UTC().Format("2006-01-02T15:04:05.000000Z"), eventID(r))
	}
	return fmt.Appendf(b, `{"eventId":%q,"customerId":"simulated","saas":%q,"entityId":"%032x","state":%q,"type":%q,"confidenceIndicator":"malicious",`+
		`"eventCreated":%q,"severity":"%d","description":%q,`+
		`"data":"","additionalData":null,"availableEventActions":null,"actions":%s,"senderAddress":"billing@pay-roll.example","entityLink":null}`,
		eventID(r), apps[n%len(apps)], n, states[r.state], kinds[n%len(kinds)],
		time.Unix(0, r.at).UTC().Format("2006-01-02T15:04:05.000000+00:00"), n%5+1, description(n), actions)
}

func (v *checkPoint) other(a *API, r *http.Request, _ []byte) answer {
	if said, bad := badID(a, r); bad {
		return said
	}
	if strings.HasSuffix(r.URL.Path, "/scopes") {
		return text(http.StatusOK, `{"responseEnvelope":{"responseCode":200},"responseData":["mt-prod:simulated"]}`)
	}
	_, id, ok := strings.Cut(r.URL.Path, "/event/")
	if !ok {
		return text(http.StatusNotFound, `{"detail":"Not Found"}`)
	}
	now := a.now().UnixNano()
	var found bytes.Buffer
	a.line.window(0, now, now, func(r *row) bool {
		if eventID(r) != id {
			return true
		}
		one := v.event(nil, r)
		if r.event%2 > 0 { // both are seen
			one = append(append([]byte("["), one...), ']')
		}
		found.Write(one)
		return false
	})
	if found.Len() == 0 {
		return text(http.StatusOK, `{"responseEnvelope":{"responseCode":404,"responseTest":"Event was not found","additionalText":""},"responseData":null}`)
	}
	return text(http.StatusOK, `{"responseEnvelope":{"responseCode":0,"responseTest":"Success","recordsNumber":1},"responseData":`+found.String()+`}`)
}
