package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/assert"
)

// scannerAPI starts an Event Sinks API for a script, which finds it where the command
// looks. It takes the key sk-c4n4ry.
func scannerAPI(env *testscript.Env) error {
	type object = map[string]any
	var mu sync.Mutex
	var sinks []object
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		answer := func(status int, v any) {
			w.WriteHeader(status)
			_ = json.NewEncoder(w).Encode(v)
		}
		if r.Header.Get("Authorization") != "Bearer sk-c4n4ry" {
			answer(401, object{"error": "unauthorized"})
			return
		}
		var in object
		_ = json.NewDecoder(r.Body).Decode(&in)
		set := func(s object) {
			for _, k := range []string{"tenant_id", "name", "description"} {
				if v, ok := in[k]; ok {
					s[k] = v
				}
			}
			if args, ok := in["event_sink_args"].(object); ok {
				for typ := range args {
					s["event_sink_type"], s["configuration"] = typ, args
				}
			}
			answer(200, object{"event_sink": s})
		}
		id := strings.TrimPrefix(r.URL.Path, "/v1/event_sink/")
		if id == r.URL.Path {
			if r.Method == http.MethodGet {
				answer(200, object{"data": object{"event_sinks": append([]object{}, sinks...)}, "pagination": nil})
				return
			}
			s := object{"id": fmt.Sprintf("sink-%d", len(sinks)+1), "created_at": "2026-01-02T03:04:05Z", "updated_at": "2026-01-02T03:04:05Z"}
			sinks = append(sinks, s)
			set(s)
			return
		}
		for i, s := range sinks {
			switch {
			case s["id"] != id:
			case r.Method == http.MethodDelete:
				sinks = append(sinks[:i:i], sinks[i+1:]...)
				answer(200, object{"id": id, "tenant_id": s["tenant_id"]})
				return
			default:
				set(s)
				return
			}
		}
		answer(404, object{"error": "not found"})
	}))
	env.Defer(server.Close)
	env.Setenv("SCANNER_BASE_URL", server.URL)
	return nil
}

func TestURLsAreShownWithoutWhatMayBeASecret(t *testing.T) {
	for url, want := range map[string]string{
		"https://h.example.com/hooks/c4n4ry": "https://h.example.com/…", "https://u:c4n4ry@h/": "https://h", "https://h?c4n4ry": "https://h",
		"c4n4ry": "…", "": "…",
	} {
		assert.Equal(t, want, (&sinksCommands{}).url(url))
	}
	assert.Equal(t, "https://h/x", (&sinksCommands{showURL: true}).url("https://h/x"))
}
