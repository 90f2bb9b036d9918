package telemetry

import (
	"io"
	"log/slog"
	"net/http"
)

// Ready tells whether a forwarder does its work: its sources read and its spools can
// be written. A sink that is down does not count: then events wait on disk, as they
// should. why says what is missing, for people.
type Ready func() (ok bool, why string)

// Handler answers GET /metrics, /livez (always 200 while it is served) and /readyz
// (200, or 503 with the reason). Problems with a scrape are logged to log.
func Handler(r *Registry, ready Ready, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", r.metrics(log))
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if ok, why := ready(); !ok {
			say(w, http.StatusServiceUnavailable, "not ready: "+why)
			return
		}
		say(w, http.StatusOK, "ready")
	})
	return mux
}

func say(w http.ResponseWriter, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n")
}
