// Package control is how commands talk to a running forwarder: HTTP with JSON over a
// unix socket, whose file permissions are the access control.
package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// ErrNoForwarder means that nobody listens on the socket.
var ErrNoForwarder = errors.New("no forwarder is running")

// Service is what a forwarder answers. It is called by many goroutines.
type Service interface {
	Status() Status
}

// Server listens on the socket.
type Server struct {
	http *http.Server
	path string
	done chan struct{}
	end  context.CancelFunc // of everything that is being answered
}

// Listen serves s on a unix socket at path, which only the same user and group may
// use. A socket left behind by a forwarder that is gone is replaced; one that answers
// is an error. An empty path serves nothing and returns a Server whose Close does nothing.
func Listen(path string, log *slog.Logger, s Service) (*Server, error) {
	if path == "" {
		return &Server{}, nil
	}
	// sun_path holds 108 octets with its end (unix(7)).
	if len(path) > 107 {
		return nil, fmt.Errorf("%s: a socket's path may have 107 octets, this has %d; set control: to a shorter one", path, len(path))
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, err
	}
	if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
		_ = c.Close()
		return nil, fmt.Errorf("%s: another forwarder answers there", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o660); err != nil {
		_ = l.Close()
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) { answer(w, s.Status()) })
	if b, ok := s.(Backfiller); ok {
		mux.HandleFunc("POST /backfill", serveBackfill(b))
	}
	if q, ok := s.(Queuer); ok {
		mux.HandleFunc("GET /queue", serveQueue(q))
	}
	if d, ok := s.(Dumper); ok {
		mux.HandleFunc("POST /queue/dump", serveStream(d.DumpQueue, lastDumped))
	}
	if c, ok := s.(Clearer); ok {
		mux.HandleFunc("POST /queue/clear", servePost(c.ClearQueue))
	}
	if d, ok := s.(Dead); ok {
		mux.HandleFunc("POST /dead", servePost(d.DeadGroups))
		mux.HandleFunc("POST /dead/letters", serveStream(d.DeadLetters, lastLetter))
		mux.HandleFunc("POST /dead/clear", servePost(d.ClearDead))
	}
	if r, ok := s.(Retrier); ok {
		mux.HandleFunc("POST /dead/retry", serveStream(r.RetryDead, lastRetried))
	}
	if c, ok := s.(Checker); ok {
		mux.HandleFunc("POST /queue/check", serveStream(c.CheckQueue, lastChecked))
	}
	if t, ok := s.(Tapper); ok {
		mux.HandleFunc("POST /tap", serveStream(t.Tap, lastTapped))
	}
	if t, ok := s.(Tracer); ok {
		mux.HandleFunc("POST /trace", serveStream(t.Trace, lastTraced))
	}
	if r, ok := s.(Replayer); ok {
		mux.HandleFunc("POST /replay", serveStream(r.Replay, func(err error) Replayed {
			if err != nil {
				return Replayed{Error: err.Error()}
			}
			return Replayed{Done: true}
		}))
	}
	ctx, end := context.WithCancel(context.Background())
	srv := &Server{path: path, done: make(chan struct{}), end: end,
		http: &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}}
	go func() {
		defer close(srv.done)
		if err := srv.http.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
			log.Error("control socket", "err", err)
		}
	}()
	return srv, nil
}

// Close ends the service and removes the socket. Long answers end early; a client that
// does not read is not waited for longer than a second.
func (s *Server) Close() error {
	if s.http == nil {
		return nil
	}
	s.end()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = s.http.Close()
	}
	<-s.done
	return err
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v)
}

// Client talks to the forwarder at a socket.
type Client struct{ http *http.Client }

// NewClient returns a client of the forwarder that listens at path. It does not
// connect yet.
func NewClient(path string) *Client {
	return &Client{&http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", path)
		},
	}}}
}

// Status asks for the forwarder's status. The error wraps ErrNoForwarder when nobody
// listens.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var s Status
	return s, c.get(ctx, "/status", &s)
}

func (c *Client) get(ctx context.Context, path string, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://siemfwd"+path, nil)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return unreachable(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		return fmt.Errorf("control socket: %s: %s", resp.Status, text)
	}
	return json.NewDecoder(resp.Body).Decode(v)
}

// unreachable explains why a request got no answer.
func unreachable(err error) error {
	var no *net.OpError
	switch {
	case errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%w (asked at its control socket)", ErrNoForwarder)
	case errors.As(err, &no):
		return no
	}
	return err
}
