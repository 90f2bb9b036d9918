package simulate

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// envelope is one event as it is sent.
type envelope struct {
	Time       json.RawMessage `json:"time"`
	Host       *string         `json:"host"`
	Source     *string         `json:"source"`
	SourceType *string         `json:"sourcetype"`
	Index      *string         `json:"index"`
	Event      json.RawMessage `json:"event"`
	Fields     json.RawMessage `json:"fields"`
}

// events reads the events of a body up to the first that cannot be taken, which bad
// then names; bad has no status otherwise.
func (s *Splunk) events(raw bool, r *http.Request, body []byte) (events []SplunkEvent, bad said) {
	if raw {
		return s.lines(r, body)
	}
	fail := func(n int) ([]SplunkEvent, said) {
		bad := code(n)
		bad.number = len(events)
		return events, bad
	}
	last := SplunkEvent{}
	for dec := json.NewDecoder(bytes.NewReader(body)); ; {
		var in envelope
		switch err := dec.Decode(&in); {
		case errors.Is(err, io.EOF):
			return events, said{}
		case err != nil:
			return fail(6)
		}
		e, problem := s.event(&in, last)
		if problem >= 0 {
			return fail(problem)
		}
		last = SplunkEvent{Host: e.Host, Source: e.Source, SourceType: e.SourceType, Index: e.Index}
		events = append(events, e)
	}
}

// event understands an envelope. What it does not say is as in the one before.
func (s *Splunk) event(in *envelope, last SplunkEvent) (e SplunkEvent, problem int) {
	e = last
	for _, w := range []struct {
		from *string
		to   *string
	}{{in.Host, &e.Host}, {in.Source, &e.Source}, {in.SourceType, &e.SourceType}, {in.Index, &e.Index}} {
		if w.from != nil {
			*w.to = *w.from
		}
	}
	e.Time = strings.Trim(string(in.Time), `"`)
	if t, err := strconv.ParseFloat(e.Time, 64); e.Time != "" && (err != nil || t < 0) {
		return e, 6
	}
	switch e.Event = string(in.Event); e.Event {
	case "", "null":
		return e, 12
	case `""`, "{}":
		return e, 13
	}
	var flat bool
	if e.Fields, flat = flatFields(in.Fields); !flat {
		return e, 15
	}
	if !s.writable(e.Index) {
		return e, 7
	}
	if e.ID = e.Fields["event_id"]; e.ID == "" {
		e.ID = e.Event
	}
	return e, -1
}

// flatFields reads indexed fields: strings, and lists of strings, of which the first is
// returned.
func flatFields(text []byte) (fields map[string]string, ok bool) {
	if len(text) == 0 {
		return nil, true
	}
	var in map[string]json.RawMessage
	if json.Unmarshal(text, &in) != nil {
		return nil, false
	}
	fields = map[string]string{}
	for name, value := range in {
		var one string
		var list []string
		if json.Unmarshal(value, &one) != nil {
			if json.Unmarshal(value, &list) != nil || len(list) == 0 {
				return nil, false
			}
			one = list[0]
		}
		fields[name] = one
	}
	return fields, true
}

func (s *Splunk) writable(index string) bool {
	return index == "" || s.o.Indexes == nil || slices.Contains(s.o.Indexes, index)
}

// lines reads raw text: each line is an event.
func (s *Splunk) lines(r *http.Request, body []byte) (events []SplunkEvent, bad said) {
	q := r.URL.Query()
	e := SplunkEvent{Host: q.Get("host"), Source: q.Get("source"), SourceType: q.Get("sourcetype"), Index: q.Get("index")}
	if !s.writable(e.Index) {
		return nil, code(7)
	}
	for text := range strings.SplitSeq(string(body), "\n") {
		if strings.TrimSpace(text) != "" {
			e.ID, e.Event = text, text
			events = append(events, e)
		}
	}
	return events, said{}
}
