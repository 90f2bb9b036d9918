package checkpoint

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"net/http"
	"net/url"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// poll is how the API is read. It filters by the time an event was created and promises
// no order, and its sibling for entities stops near 10 000 rows without a word.
var poll = kit.Poll{
	Defaults: kit.PollDefaults{
		Every:    5 * time.Minute,
		Since:    24 * time.Hour,
		Overlap:  10 * time.Minute,
		Settle:   30 * time.Second,
		MaxPages: 1000,
		Ceiling:  9900,

		RequestsPerMinute: 60,
	},
	Config: func() any { return &Config{} },
	Open: func(cfg any) (*kit.API, error) {
		c, ok := cfg.(*Config)
		if !ok {
			return nil, fmt.Errorf("checkpoint: configuration is a %T", cfg)
		}
		return open(c)
	},
	Lookups: lookups(),
}

// api is the API of one tenant.
type api struct {
	prefix string // of the paths
	query  query
}

func open(c *Config) (*kit.API, error) {
	base := c.base()
	if base == "" {
		return nil, errors.New("checkpoint: neither region nor base_url is known")
	}
	k := credentials{c.ClientID, c.AccessKey.Reveal()}
	a := api{prefix: c.prefix(), query: newQuery(c)}
	auth, sign := k.bearer(), k.signBearer
	if c.signed() {
		auth, sign = k.handshake(), k.signRequest
	}
	return &kit.API{BaseURL: base, Auth: []kit.Step{auth}, Sign: sign, Page: a.page, Read: a.read,
		OneWay: true, // a scrollId may stay the same while its pages go by
	}, nil
}

// query is requestData. What is not set is not sent.
type query struct {
	Start               string            `json:"startDate"`
	End                 string            `json:"endDate"`
	EventTypes          []string          `json:"eventTypes,omitempty"`
	EventStates         []string          `json:"eventStates,omitempty"`
	Severities          []json.RawMessage `json:"severities,omitempty"`
	SaaS                []string          `json:"saas,omitempty"`
	EventIDs            []string          `json:"eventIds,omitempty"`
	ConfidenceIndicator string            `json:"confidenceIndicator,omitempty"`
	Description         string            `json:"description,omitempty"`
	Scopes              []string          `json:"scopes,omitempty"`
	PageSize            int               `json:"pageSize,omitempty"`
	Scroll              json.RawMessage   `json:"scrollId,omitempty"`
}

func newQuery(c *Config) query {
	f := &c.Filter
	return query{
		EventTypes: f.EventTypes, EventStates: f.EventStates, Severities: f.Severities, SaaS: f.SaaS, EventIDs: f.EventIDs,
		ConfidenceIndicator: f.ConfidenceIndicator, Description: f.Description, Scopes: c.Scopes, PageSize: c.PageSize,
	}
}

// page asks for the first page, or for the one behind cursor: the same question with
// the scrollId.
func (a api) page(w kit.Window, cur []byte) (kit.Request, error) {
	const layout = "2006-01-02T15:04:05.000Z"
	q := a.query
	q.Start, q.End = w.From.UTC().Format(layout), w.To.UTC().Format(layout)
	c, err := readCursor(cur)
	if err != nil {
		return kit.Request{}, err
	}
	q.Scroll = c.scroll
	body, err := json.Marshal(struct {
		Data query `json:"requestData"`
	}{q})
	return kit.Request{Method: http.MethodPost, Path: a.prefix + "/event/query", Header: kit.JSONHeader(), Body: body}, err
}

// mostRepeats is how often the page before may come again.
const mostRepeats = 2

// read reads a page. The walk ends with a page without scrollId or without events; a
// scrollId that stays the same is no end, for the API may keep it over all pages.
func (a api) read(_ kit.Window, cur []byte, status int, _ http.Header, body []byte, add func(kit.Row)) (kit.Next, error) {
	before, err := readCursor(cur)
	if err != nil {
		return kit.Next{}, err
	}
	scrolled := before.scroll != nil
	if status == http.StatusBadRequest && scrolled {
		return kit.Next{}, &kit.Stale{Reason: kit.StatusText(status, body)}
	}
	if err := kit.CheckStatus(status, body); err != nil {
		return kit.Next{}, err
	}
	page, err := readAnswer(body)
	if err != nil {
		return kit.Next{}, notAnswer(status, body, err)
	}
	if err := page.failure(scrolled); err != nil {
		return kit.Next{}, err
	}
	n, sum := rows(&page, add)
	next := kit.Next{Total: page.total}
	if n == 0 || page.scroll == nil {
		return next, nil
	}
	after := cursor{sum: sum, scroll: page.scroll}
	if scrolled && before.sum == sum {
		if after.repeats = before.repeats + 1; after.repeats == mostRepeats {
			return kit.Next{}, errors.New("the API hands out the same page again and again")
		}
	}
	next.Cursor, next.More = after.append(nil), true
	return next, nil
}

// notAnswer tells a refusal in the words of the portal from what is not JSON at all.
func notAnswer(status int, body []byte, err error) error {
	if ok, found := kit.Find(body, "success"); found && string(ok) == "false" {
		return &kit.Denied{Reason: kit.StatusText(status, body)}
	}
	return err
}

// rows adds the events of a page; sum is made of their identities.
func rows(page *answer, add func(kit.Row)) (n int, sum uint64) {
	var r record.Record
	h := fnv.New64a()
	page.each(func(raw []byte) {
		row := kit.Row{Raw: raw}
		var e event
		r.Reset()
		r.Raw = raw
		// What is no event goes on all the same, identified by its content.
		if err := e.read(&r, raw); err == nil {
			row.ID, row.Version, row.Time = bytes.Clone(e.id), bytes.Clone(e.version), e.created
		}
		n++
		_, _ = h.Write(raw)
		add(row)
	})
	return n, h.Sum64()
}

// cursor is where a walk stands: the scrollId, and what the page that gave it held.
type cursor struct {
	sum     uint64
	repeats byte
	scroll  []byte // JSON; nil before the first page
}

func (c cursor) append(dst []byte) []byte {
	dst = append(binary.BigEndian.AppendUint64(dst, c.sum), c.repeats)
	return append(dst, c.scroll...)
}

var errCursor = errors.New("cursor is not one of this API's")

func readCursor(b []byte) (c cursor, err error) {
	if len(b) == 0 {
		return c, nil
	}
	if len(b) < 10 {
		return c, errCursor
	}
	return cursor{binary.BigEndian.Uint64(b), b[8], b[9:]}, nil
}

// lookups are the questions for people: one event, and the tenants a key is for.
func lookups() []kit.Lookup {
	get := func(cfg any, path string) (kit.Request, error) {
		return kit.Request{Method: http.MethodGet, Path: cfg.(*Config).prefix() + path, Header: http.Header{"Accept": {"application/json"}}}, nil
	}
	return []kit.Lookup{
		{
			Name: "event", Doc: "one event as it is now", Arg: "ID",
			Request: func(cfg any, id string) (kit.Request, error) { return get(cfg, "/event/"+url.PathEscape(id)) },
			Read:    readLookup,
		},
		{
			Name: "scopes", Doc: "the tenants that the key is for",
			Request: func(cfg any, _ string) (kit.Request, error) { return get(cfg, "/scopes") },
			Read:    readLookup,
		},
	}
}

func readLookup(status int, _ http.Header, body []byte) (values [][]byte, err error) {
	if err := kit.CheckStatus(status, body); err != nil {
		return nil, err
	}
	a, err := readAnswer(body)
	if err != nil {
		return nil, notAnswer(status, body, err)
	}
	if err := a.failure(false); err != nil {
		return nil, err
	}
	a.each(func(value []byte) { values = append(values, value) })
	return values, nil
}
