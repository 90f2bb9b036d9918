package sinktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/sink"
	"github.com/siemfwd/siemfwd/forwarder/sink/web"
)

// HTTP is how the suite gets a sink over HTTP.
type HTTP struct {
	// New makes a sink whose receiver is at url, an http:// address without a path.
	New func(t *testing.T, url string) sink.Sink
	// Good answers a request the way a receiver does that takes all of it. Nil: 200
	// without a body.
	Good http.HandlerFunc
	// Payloads finds the payloads in a request that was taken, in order; none in one
	// that carries no events.
	Payloads func(t *testing.T, r *http.Request, body []byte) [][]byte
	// Secrets are what New configured and no error may show: token, path, password.
	Secrets []string
	// Classes are those of statuses that mean something else to this receiver than
	// web.ClassOf says.
	Classes map[int]web.Class
}

// RunHTTP runs the suite for sinks over HTTP, and Run.
func RunHTTP(t *testing.T, h HTTP) {
	if h.Good == nil {
		h.Good = func(http.ResponseWriter, *http.Request) {}
	}
	Run(t, Sink{New: h.takesAll, Stuck: h.stuck, Down: h.down, Secrets: h.Secrets})
	t.Run("statuses", h.statuses)
	t.Run("asked to wait", h.asked)
	t.Run("repeated secrets", h.repeats)
	t.Run("endless answer", h.endless)
	t.Run("hung up on", h.hungUp)
	t.Run("comes back", h.recovers)
	t.Run("closed many times at once", h.closes)
}

func serve(t *testing.T, f http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return s.URL
}

func (h HTTP) takesAll(t *testing.T) (sink.Sink, func() [][]byte) {
	var mu sync.Mutex
	var got [][]byte
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		list := h.Payloads(t, r, body)
		mu.Lock()
		got = append(got, list...)
		mu.Unlock()
		r.Body = io.NopCloser(bytes.NewReader(body))
		h.Good(w, r)
	})
	return h.New(t, url), func() [][]byte {
		mu.Lock()
		defer mu.Unlock()
		return append([][]byte(nil), got...)
	}
}

// stuck makes a receiver that reads and never answers.
func (h HTTP) stuck(t *testing.T) sink.Sink {
	return h.New(t, serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
}

func (h HTTP) down(t *testing.T) sink.Sink {
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	return h.New(t, s.URL)
}

// answers makes a sink whose receiver answers everything alike.
func (h HTTP) answers(t *testing.T, f http.HandlerFunc) sink.Sink {
	return h.New(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		f(w, r)
	}))
}

// one sends as many items as fit into one Send, but no more than two.
func (h HTTP) one(t *testing.T, to sink.Sink) error {
	t.Helper()
	return Sink{}.within(t, func() error { return to.Send(t.Context(), Items(within(to, 2))) })
}

// kind tells what a lane makes of an error: that the items are taken, refused, or to be
// sent again.
func kind(err error) string {
	var rejected *sink.Rejected
	var partial *sink.Partial
	switch {
	case err == nil:
		return "taken"
	case errors.As(err, &rejected), errors.As(err, &partial) && partial.Rejected != nil:
		return "refused"
	}
	return "again"
}

var kinds = map[web.Class]string{web.Taken: "taken", web.Later: "again", web.Shut: "again", web.TooLarge: "refused", web.Bad: "refused"}

func (h HTTP) statuses(t *testing.T) {
	for _, status := range []int{301, 302, 307, 308, 400, 401, 403, 404, 405, 407, 408, 409, 410, 413, 415, 422, 425, 429, 500, 501, 502, 503, 504, 507, 520} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			check(t)
			to := h.answers(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(status)
			})
			defer Sink{Secrets: h.Secrets}.close(t, to)
			class, own := h.Classes[status]
			if !own {
				class = web.ClassOf(status)
			}
			first := h.one(t, to)
			assert.Equal(t, kinds[class], kind(first), "%v", first)
			if first != nil {
				assert.Contains(t, first.Error(), fmt.Sprint(status), "what the receiver said")
				second := h.one(t, to)
				require.Equal(t, kind(first), kind(second))
				if kind(first) == "again" {
					assert.Equal(t, first.Error(), second.Error(), "the lane logs every new text once")
				}
			}
			Sink{Secrets: h.Secrets}.clean(t, first)
		})
	}
}

func (h HTTP) asked(t *testing.T) {
	for _, status := range []int{429, 503} {
		check(t)
		to := h.answers(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "17")
			w.WriteHeader(status)
		})
		defer Sink{Secrets: h.Secrets}.close(t, to)
		var busy *sink.Busy
		require.ErrorAs(t, h.one(t, to), &busy)
		assert.Equal(t, 17*time.Second, busy.For)
	}
}

// repeats has a receiver that says all it was told.
func (h HTTP) repeats(t *testing.T) {
	for _, status := range []int{400, 401, 500} {
		check(t)
		to := h.answers(t, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			_, _ = fmt.Fprintf(w, "no: %s %s %s", r.RequestURI, r.Header, strings.Join(h.Secrets, " "))
		})
		defer Sink{Secrets: h.Secrets}.close(t, to)
		err := h.one(t, to)
		require.Error(t, err)
		Sink{Secrets: h.Secrets}.clean(t, err)
	}
}

func (h HTTP) endless(t *testing.T) {
	check(t)
	to := h.answers(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		for chunk := bytes.Repeat([]byte("x"), 32<<10); r.Context().Err() == nil; {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	defer Sink{Secrets: h.Secrets}.close(t, to)
	err := h.one(t, to)
	assert.Equal(t, "again", kind(err))
	require.Error(t, err)
	assert.Less(t, len(err.Error()), 1000)
}

func (h HTTP) hungUp(t *testing.T) {
	check(t)
	to := h.answers(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	defer Sink{Secrets: h.Secrets}.close(t, to)
	first := h.one(t, to)
	assert.Equal(t, "again", kind(first))
	second := h.one(t, to)
	require.Error(t, second)
	assert.Equal(t, first.Error(), second.Error())
	Sink{Secrets: h.Secrets}.clean(t, first)
}

// recovers has a receiver that is well after some time.
func (h HTTP) recovers(t *testing.T) {
	check(t)
	var mu sync.Mutex
	left := 3
	to := h.answers(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if left--; left >= 0 {
			w.WriteHeader([]int{http.StatusServiceUnavailable, http.StatusUnauthorized, http.StatusBadGateway}[left])
			return
		}
		h.Good(w, r)
	})
	defer Sink{Secrets: h.Secrets}.close(t, to)
	failures := 0
	for ; failures < 5 && h.one(t, to) != nil; failures++ {
	}
	assert.Equal(t, 3, failures)
}

func (h HTTP) closes(t *testing.T) {
	check(t)
	to := h.stuck(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	sent := make(chan error, 1)
	go func() { sent <- to.Send(ctx, Items(1)) }()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { assert.NoError(t, to.Close()) })
	}
	all.Wait()
	select {
	case err := <-sent:
		require.Error(t, err)
		Sink{Secrets: h.Secrets}.clean(t, err)
	case <-time.After(patience):
		require.FailNow(t, "Send did not return")
	}
}
