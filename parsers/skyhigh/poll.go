package skyhigh

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// poll is how the Incidents API is read: in the order of timeModified, page after page
// from nextStartTime on. A page holds all incidents of its last instant, so that pages
// neither split nor repeat one.
var poll = kit.Poll{
	Defaults: kit.PollDefaults{
		Every:    5 * time.Minute,
		Since:    72 * time.Hour,
		Overlap:  2 * time.Minute,
		Settle:   30 * time.Second,
		MaxPages: 10000,
		Ordered:  true,

		RequestsPerMinute: 60,
	},
	Config: func() any { return &Config{AuthMode: authBasic, TokenHeader: "x-access-token", Limit: 500} },
	Open: func(cfg any) (*kit.API, error) {
		c, ok := cfg.(*Config)
		if !ok {
			return nil, fmt.Errorf("skyhigh: configuration is a %T", cfg)
		}
		return open(c)
	},
	Lookups: lookups(),
}

const operations = "/shnapi/rest/external/api/v1/"

// api is the API of one tenant.
type api struct {
	criteria Criteria
	limit    int
}

func open(c *Config) (*kit.API, error) {
	base := c.base()
	if base == "" {
		return nil, errors.New("skyhigh: neither region nor base_url is known")
	}
	a := api{criteria: c.Criteria, limit: c.Limit}
	steps, sign := c.login()
	return &kit.API{BaseURL: base, Auth: steps, Sign: sign, Page: a.page, Read: a.read}, nil
}

// instants is how the API wants times: milliseconds, in UTC.
const instants = "2006-01-02T15:04:05.000Z"

// page asks for the incidents of w from the cursor on, which is the nextStartTime of
// the page before.
func (a api) page(w kit.Window, cursor []byte) (kit.Request, error) {
	c := a.criteria
	from, to := w.From, w.To
	if t, ok := kit.ParseTime([]byte(c.StartTime)); ok && t.Go().After(from) {
		from = t.Go()
	}
	if t, ok := kit.ParseTime([]byte(c.EndTime)); ok && t.Go().Before(to) {
		to = t.Go()
	}
	if to.Before(from) {
		from = to
	}
	c.StartTime, c.EndTime = from.UTC().Format(instants), to.UTC().Format(instants)
	if len(cursor) > 0 {
		c.StartTime = string(cursor)
	}
	body, err := json.Marshal(c)
	return kit.Request{Method: http.MethodPost, Path: operations + "queryIncidents", Query: url.Values{"limit": {strconv.Itoa(a.limit)}},
		Header: kit.JSONHeader(), Body: body}, err
}

// read reads a page, bare or in the envelope of a framework.
func (a api) read(w kit.Window, cursor []byte, status int, _ http.Header, body []byte, add func(kit.Row)) (kit.Next, error) {
	if status == http.StatusNotFound {
		return kit.Next{}, nil // the API's word for no incident
	}
	if err := kit.CheckStatus(status, body); err != nil {
		return kit.Next{}, err
	}
	p, err := readPage(body)
	if err != nil {
		return kit.Next{}, err
	}
	n := 0
	items := kit.Items(p.incidents)
	for items.Next() {
		add(rowOf(items.Value))
		n++
	}
	if err := items.Err(); err != nil {
		return kit.Next{}, fmt.Errorf("incidents: %w", err)
	}
	return a.next(w, cursor, p, n)
}

// next is where the walk goes on: never back, and not behind an empty page.
func (a api) next(w kit.Window, cursor []byte, p page, n int) (kit.Next, error) {
	if p.nextStart == nil {
		return kit.Next{}, nil
	}
	at, ok := kit.ParseTime(p.nextStart)
	if !ok {
		return kit.Next{}, fmt.Errorf("responseInfo.nextStartTime %q is not a time", p.nextStart)
	}
	var next kit.Next
	now := w.From
	if t, ok := kit.ParseTime(cursor); ok {
		now = t.Go()
	}
	from := at.Go()
	if !from.After(now) {
		from = now.Truncate(time.Millisecond).Add(time.Millisecond)
		next.Note = "nextStartTime did not advance"
	}
	if n == 0 {
		return next, nil
	}
	next.From, next.More = from, from.Before(w.To)
	next.Cursor = []byte(from.UTC().Format(instants))
	return next, nil
}

// page is one answer. Its slices point into the body.
type page struct {
	incidents []byte // the JSON list
	nextStart []byte // nil: the window is exhausted
}

// readPage finds incidents and responseInfo, and what failed in spite of a good status.
func readPage(body []byte) (p page, err error) {
	value := bytes.TrimSpace(body)
	if inner, ok := kit.Find(value, "body"); ok && kit.KindOf(inner) == record.Map && isPage(inner) {
		if code, ok := kit.Find(value, "statusCodeValue"); ok {
			if n, err := strconv.Atoi(string(code)); err == nil && n >= 400 {
				return p, kit.CheckStatus(n, inner)
			}
		}
		value = inner
	}
	if kit.KindOf(value) != record.Map {
		return p, errors.New("the answer is not an object")
	}
	if _, err := kit.SkipValue(value, 0); err != nil {
		return p, err
	}
	if failure, ok := kit.Find(value, "responseInfo", "error"); ok && kit.KindOf(failure) != record.Null {
		return p, &kit.Bad{Reason: "responseInfo.error: " + kit.StatusText(0, failure)}
	}
	if next, ok := kit.Find(value, "responseInfo", "nextStartTime"); ok && kit.KindOf(next) == record.String {
		p.nextStart = kit.AppendUnquoted(nil, next)
	}
	list, ok := kit.Find(value, "incidents")
	switch {
	case !ok && !isPage(value):
		return p, errors.New("the answer has neither incidents nor responseInfo")
	case ok && kit.KindOf(list) == record.List:
		p.incidents = list
	default:
		p.incidents = []byte("[]")
	}
	return p, nil
}

// isPage reports whether an object is an answer to queryIncidents.
func isPage(object []byte) bool {
	if _, ok := kit.Find(object, "incidents"); ok {
		return true
	}
	_, ok := kit.Find(object, "responseInfo")
	return ok
}

// rowOf is one incident: every change of it has a timeModified of its own.
func rowOf(incident []byte) kit.Row {
	row := kit.Row{Raw: incident}
	if id, ok := kit.Find(incident, "incidentId"); ok {
		row.ID = kit.AppendUnquoted(nil, id)
	}
	if modified, ok := kit.Find(incident, "timeModified"); ok {
		row.Version = kit.AppendUnquoted(nil, modified)
		row.Time, _ = kit.ParseTime(row.Version)
	}
	return row
}

// unpack takes an answer of the API apart, for files of them.
func unpack(value []byte, add func(event []byte)) bool {
	object := value
	if inner, ok := kit.Find(value, "body"); ok && kit.KindOf(inner) == record.Map && isPage(inner) {
		object = inner
	}
	list, ok := kit.Find(object, "incidents")
	if !ok || kit.KindOf(list) != record.List {
		return false
	}
	for items := kit.Items(list); items.Next(); {
		add(items.Value)
	}
	return true
}

// lookups are the two questions that help to write criteria.
func lookups() []kit.Lookup {
	ask := func(operation string) func(any, string) (kit.Request, error) {
		return func(any, string) (kit.Request, error) {
			return kit.Request{Method: http.MethodPost, Path: operations + operation, Header: kit.JSONHeader(), Body: []byte("{}")}, nil
		}
	}
	return []kit.Lookup{
		{Name: "keys", Doc: "the keys of information, by type of incident", Request: ask("queryIncidentInformationKeys"), Read: readList},
		{Name: "groups", Doc: "the incident groups of the tenant", Request: ask("queryIncidentGroups"), Read: readList},
	}
}

// readList reads a list of values, bare or as body of the envelope.
func readList(status int, _ http.Header, body []byte) ([][]byte, error) {
	if err := kit.CheckStatus(status, body); err != nil {
		return nil, err
	}
	list := bytes.TrimSpace(body)
	if inner, ok := kit.Find(list, "body"); ok {
		list = inner
	}
	if kit.KindOf(list) != record.List {
		return nil, errors.New("the answer is not a list")
	}
	var all [][]byte
	items := kit.Items(list)
	for items.Next() {
		all = append(all, items.Value)
	}
	return all, items.Err()
}
