package simulate

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// eventSinks is Scanner.dev's Event Sinks API. It keeps its sinks in memory.
type eventSinks struct {
	sinks []eventSink
	made  uint64
}

// eventSink is one sink as the API shows it.
type eventSink struct {
	ID            string   `json:"id"`
	TenantID      string   `json:"tenant_id"`
	Name          string   `json:"name"`
	Description   string   `json:"description"`
	Type          string   `json:"event_sink_type"`
	Configuration variants `json:"configuration"`
	CreatedAt     string   `json:"created_at"`
	UpdatedAt     string   `json:"updated_at"`
}

// variants are the members of a sink by its type. There is one type.
type variants map[string]map[string]string

// sinkRequest is the body of create and update.
type sinkRequest struct {
	ID          string   `json:"id"`
	TenantID    string   `json:"tenant_id"`
	Name        *string  `json:"name"`
	Description *string  `json:"description"`
	Args        variants `json:"event_sink_args"`
}

const sinksPath = "/v1/event_sink"

type object = map[string]any

func refused(why string) answer { return asJSON(http.StatusBadRequest, object{"error": why}) }

func (*eventSinks) kind(string) string { return "other" }

func (*eventSinks) login(*API, *http.Request, []byte) answer { return answer{} }

func (*eventSinks) page(*API, *http.Request, []byte) answer { return answer{} }

func (*eventSinks) stale() {}

func (*eventSinks) identity(*row) (id, version string) { return "", "" }

func (*eventSinks) allowed(_ *API, r *http.Request) bool {
	return r.Header.Get("Authorization") == "Bearer "+Secret
}

func (*eventSinks) denied() answer {
	return asJSON(http.StatusUnauthorized, object{"error": "unauthorized"})
}

func (*eventSinks) failure() answer {
	return asJSON(http.StatusOK, object{"error": "internal error"})
}

func (v *eventSinks) other(a *API, r *http.Request, body []byte) answer {
	rest, ok := strings.CutPrefix(r.URL.Path, sinksPath)
	if !ok || rest != "" && rest[0] != '/' {
		return asJSON(http.StatusNotFound, object{"error": "not found"})
	}
	id := strings.TrimPrefix(rest, "/")
	switch {
	case id == "" && r.Method == http.MethodGet:
		return v.list(a, r)
	case id == "" && r.Method == http.MethodPost:
		return v.create(a, body)
	case id == "":
		return asJSON(http.StatusMethodNotAllowed, object{"error": "method not allowed"})
	}
	i := slices.IndexFunc(v.sinks, func(s eventSink) bool { return s.ID == id })
	if i < 0 {
		return asJSON(http.StatusNotFound, object{"error": "not found"})
	}
	switch r.Method {
	case http.MethodGet:
		return v.wrapped(a, v.sinks[i])
	case http.MethodPut:
		return v.update(a, &v.sinks[i], body)
	case http.MethodDelete:
		gone := v.sinks[i]
		v.sinks = slices.Delete(v.sinks, i, i+1)
		return asJSON(http.StatusOK, object{"id": gone.ID, "tenant_id": gone.TenantID})
	}
	return asJSON(http.StatusMethodNotAllowed, object{"error": "method not allowed"})
}

func (*eventSinks) wrapped(a *API, s eventSink) answer {
	if a.o.Faults.Bare {
		return asJSON(http.StatusOK, s)
	}
	return asJSON(http.StatusOK, object{"event_sink": s})
}

func (v *eventSinks) list(a *API, r *http.Request) answer {
	q := r.URL.Query()
	if q.Get("tenant_id") == "" {
		return refused("tenant_id is required")
	}
	all := []eventSink{}
	for _, s := range v.sinks {
		if s.TenantID == q.Get("tenant_id") {
			all = append(all, s)
		}
	}
	if !a.o.Faults.SinkPages {
		return asJSON(http.StatusOK, object{"data": object{"event_sinks": all}, "pagination": nil})
	}
	from := 0
	if token := q.Get("pagination[page_token]"); token != "" {
		var err error
		// A token has to survive the way into a query.
		if from, err = strconv.Atoi(strings.TrimPrefix(token, "a+/= ")); err != nil || from < 0 || from > len(all) {
			return refused("page_token is not known")
		}
	}
	to := min(from+1, len(all))
	next := object{"next_page_token": nil}
	if to < len(all) {
		next["next_page_token"] = "a+/= " + strconv.Itoa(to)
	}
	return asJSON(http.StatusOK, object{"data": object{"event_sinks": all[from:to]}, "pagination": next})
}

func (v *eventSinks) create(a *API, body []byte) answer {
	var in sinkRequest
	if err := json.Unmarshal(body, &in); err != nil {
		return refused(err.Error())
	}
	if in.TenantID == "" || in.Name == nil || *in.Name == "" || in.Description == nil {
		return refused("tenant_id, name and description are required")
	}
	kind, why := in.Args.kind(true)
	if why != "" {
		return refused(why)
	}
	v.made++
	draw := rand.New(rand.NewPCG(a.o.Seed+3, v.made))
	now := a.now().Format(time.RFC3339)
	s := eventSink{TenantID: in.TenantID, Name: *in.Name, Description: *in.Description, Type: kind, Configuration: in.Args, CreatedAt: now, UpdatedAt: now,
		ID: fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", draw.Uint32(), draw.Uint32()>>16, draw.Uint32()>>20, draw.Uint32()>>20, draw.Uint64()>>16)}
	v.sinks = append(v.sinks, s)
	return v.wrapped(a, s)
}

func (v *eventSinks) update(a *API, s *eventSink, body []byte) answer {
	var in sinkRequest
	if err := json.Unmarshal(body, &in); err != nil {
		return refused(err.Error())
	}
	if in.ID != s.ID {
		return refused("id of body and path differ")
	}
	if in.Args != nil {
		kind, why := in.Args.kind(false)
		switch {
		case why != "":
			return refused(why)
		case kind != s.Type:
			return refused("the type of a sink cannot change")
		}
		args := maps.Clone(in.Args[kind])
		if id := s.Configuration[kind]["slack_integration_id"]; id != "" {
			args["slack_integration_id"] = id
		}
		s.Configuration = variants{kind: args}
	}
	if in.Name != nil {
		s.Name = *in.Name
	}
	if in.Description != nil {
		s.Description = *in.Description
	}
	s.UpdatedAt = a.now().Format(time.RFC3339)
	return v.wrapped(a, *s)
}

// kind is the one type that event_sink_args are of, or why they are of none.
func (args variants) kind(create bool) (kind, why string) {
	if len(args) != 1 {
		return "", "event_sink_args must have exactly one variant"
	}
	for kind = range args {
	}
	in := args[kind]
	var missing string
	switch {
	case kind == "Webhook" && in["url"] == "":
		missing = "url"
	case kind == "PagerDuty" && in["integration_key"] == "":
		missing = "integration_key"
	case kind == "Slack" && in["channel_id"] == "" && in["channel"] == "":
		missing = "channel_id"
	case kind == "Slack" && create && in["slack_integration_id"] == "":
		missing = "slack_integration_id"
	case kind != "Webhook" && kind != "PagerDuty" && kind != "Slack":
		return "", "event_sink_args: " + kind + " is not known"
	}
	if missing != "" {
		return "", missing + " is required"
	}
	return kind, ""
}
