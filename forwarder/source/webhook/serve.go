package webhook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/source/webhook/gate"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// Header values that are set often; nothing writes to them.
var (
	jsonType   = []string{"application/json"}
	closeValue = []string{"close"}
	retryValue = []string{"5"}
	// How long a sender that guesses is not listened to.
	limitValue = []string{strconv.Itoa(int(gate.RetryAfter.Seconds()))}
)

// ServeHTTP implements http.Handler.
func (l *listener) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	k := l.desks.get()
	defer l.desks.put(k)
	if l.conns.crowded() || l.old(req) {
		// Others wait for a connection, or the next one is to be made under the new
		// certificate: this one is not kept for a next request.
		w.Header()["Connection"] = closeValue
	}
	r, t, ended := l.route(req.URL.Path, k, w)
	switch {
	case r != nil:
		defer r.leave(k)
		defer r.guard(w, req)
		r.serve(w, req, k)
	case t != nil:
		defer t.routes[0].guard(w, req)
		l.serveToken(w, req, t)
	case ended:
		w.Header()["Retry-After"] = retryValue
		fail(w, http.StatusServiceUnavailable, "stopped for a moment")
	default:
		fail(w, http.StatusNotFound, "nothing is here")
	}
}

// serveToken lets a token endpoint answer whoever may send to one of its webhooks.
func (l *listener) serveToken(w http.ResponseWriter, req *http.Request, t *tokenPath) {
	var peer netip.Addr
	of := t.routes[0]
	allowed := false
	for _, r := range t.routes {
		if p := sender(req, r.cfg.Proxies).Addr(); r.allowed(p) {
			peer, allowed = p, true
			break
		}
	}
	if !allowed {
		of.env.Meter.Add("webhook_denied", 1)
		l.say(of, http.StatusForbidden, "address is not allowed", "", sender(req, of.cfg.Proxies).Addr())
		fail(w, http.StatusForbidden, "address is not allowed")
		return
	}
	o := t.Serve(w, req, peer, secure(req))
	for _, r := range t.routes {
		if r.env.Name == o.Source {
			of = r
		}
	}
	if o.Reason == "" {
		of.env.Meter.Add("webhook_tokens", 1)
		return
	}
	of.env.Meter.Add("webhook_denied", 1)
	l.say(of, o.Status, "no token was issued", o.Reason, peer)
}

// secure reports whether nobody can read a request on its way: it came over TLS or from
// this host.
func secure(req *http.Request) bool {
	return req.TLS != nil || address(req.RemoteAddr).Addr().IsLoopback()
}

// guard turns a panic into an answer that makes the sender come back.
func (r *route) guard(w http.ResponseWriter, req *http.Request) {
	if p := recover(); p != nil {
		r.env.Log.Error("failed on a request", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		w.Header()["Connection"] = closeValue
		if r.hook.Failed.Status != 0 {
			answer(w, &r.hook.Failed, http.StatusInternalServerError)
			return
		}
		fail(w, http.StatusInternalServerError, "failed on this request")
	}
}

// request is what is known of one request besides its body.
type request struct {
	w      http.ResponseWriter
	peer   netip.AddrPort // who sent it
	at     time.Time
	dedupe string   // id of the delivery; "": not known
	way    *kit.Way // nil: the hook's own
	query  string   // of the URL

	channel    guid // for acknowledgements
	hasChannel bool
}

func (r *route) serve(w http.ResponseWriter, req *http.Request, k *desk) {
	q := request{w: w, at: time.Now(), peer: sender(req, r.cfg.Proxies), way: r.ways[req.URL.Path], query: req.URL.RawQuery}
	if !r.admit(&q, req) {
		return
	}
	asks := q.way != nil && q.way.Acks && r.hook.Acks != nil
	if q.way != nil && q.way.Read == nil && !asks {
		r.tell(&q)
		return
	}
	if !r.open(&q, req, asks) {
		return
	}
	body, ok := r.receive(&q, req, k)
	if !ok {
		return
	}
	if asks {
		r.acknowledge(&q, body)
		return
	}
	bad := r.split(&q, k, body)
	if bad != nil && bad.Taken == 0 {
		k.batch.Reset()
	}
	if k.batch.Len() > 0 {
		if err := r.emit(k); err != nil {
			r.setBusy(true, err)
			r.env.Meter.Add("webhook_busy", 1)
			r.full(w)
			return
		}
		r.setBusy(false, nil)
	}
	if bad != nil {
		r.refuse(&q, body[min(bad.Taken, len(body)):], bad)
		return
	}
	if q.hasChannel {
		good := r.hook.Acks.Taken(r.channels.take(q.channel, q.at))
		answer(w, &good, http.StatusOK)
		return
	}
	if r.hook.Accepted != nil {
		good := r.hook.Accepted(body)
		answer(w, &good, http.StatusOK)
		return
	}
	answer(w, &r.hook.OK, http.StatusOK)
}

// receive reads the body. When it returns false it has answered, if there was anyone
// to answer.
func (r *route) receive(q *request, req *http.Request, k *desk) (body []byte, ok bool) {
	packed, known := encoding(req.Header)
	if !known {
		q.w.Header()["Accept-Encoding"] = []string{"gzip"}
		r.reject(q, http.StatusUnsupportedMediaType, "encoding is not gzip", "")
		return nil, false
	}
	if req.ContentLength > r.maxBody {
		r.tooLong(q, "body is too long", r.maxBody)
		drain(q.w, req)
		return nil, false
	}
	if err := k.read(req.Body, r.maxBody); err != nil {
		r.unread(q, err, "body is too long", r.maxBody)
		if errors.Is(err, errTooLong) {
			drain(q.w, req)
		}
		return nil, false
	}
	if !r.judged(q, r.gate.AdmitBody(req.Header, k.body, q.peer.Addr())) {
		return nil, false
	}
	if !packed {
		return k.body, true
	}
	body, err := k.inflate(r.maxInflated)
	switch {
	case err == nil:
		return body, true
	case errors.Is(err, errGzip):
		r.refuse(q, k.body, &kit.Answer{Status: http.StatusBadRequest, Body: errorBody(errGzip.Error()), Reason: errGzip.Error()})
	default:
		r.unread(q, err, "inflated body is too long", r.maxInflated)
	}
	return nil, false
}

// encoding reads Content-Encoding; known is false for all but gzip and none.
func encoding(h http.Header) (gzip, known bool) {
	v := h["Content-Encoding"]
	if len(v) == 0 {
		return false, true
	}
	switch v[0] {
	case "", "identity":
		return false, len(v) == 1
	case "gzip", "x-gzip", "GZIP":
		return true, len(v) == 1
	}
	return false, false
}

// unread answers for a body that was not read to its end.
func (r *route) unread(q *request, err error, tooLong string, most int64) {
	var timeout net.Error
	switch {
	case errors.Is(err, errTooLong):
		r.tooLong(q, tooLong, most)
	case errors.Is(err, errBusy):
		r.env.Meter.Add("webhook_busy", 1)
		r.say(q, http.StatusServiceUnavailable, errBusy.Error(), "")
		q.w.Header()["Connection"] = closeValue
		r.full(q.w)
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		q.w.Header()["Connection"] = closeValue
		if r.ctx.Err() != nil {
			r.full(q.w)
			return
		}
		r.reject(q, http.StatusRequestTimeout, "body came too slowly", "")
	default:
		// The sender went away, or does not speak HTTP: nobody listens.
		q.w.Header()["Connection"] = closeValue
		r.env.Meter.Add("webhook_broken", 1)
		fail(q.w, http.StatusBadRequest, "body could not be read")
	}
}

func (r *route) tooLong(q *request, reason string, most int64) {
	r.env.Meter.Add("webhook_too_long", 1)
	q.w.Header()["Connection"] = closeValue
	r.reject(q, http.StatusRequestEntityTooLarge, reason, "most is "+strconv.FormatInt(most, 10)+" octets")
}

// How much more of a body is read, and for how long, so that its sender comes to read
// the answer: a connection that is closed before is reset, and the answer lost.
const (
	mostDrained = 32 << 20
	drainFor    = 2 * time.Second
)

// drain sends the answer that was written and reads what the sender still sends.
func drain(w http.ResponseWriter, req *http.Request) {
	if req.Header.Get("Expect") != "" {
		return // it waits for leave to send
	}
	c := http.NewResponseController(w)
	if c.SetReadDeadline(time.Now().Add(drainFor)) != nil || c.Flush() != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, req.Body, mostDrained)
}

// emit makes the batch durable. While the log is full it gives up soon, so that the
// sender hears of it; a slow disk gets more time, since it may well have the events.
func (r *route) emit(k *desk) error {
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	defer r.watch(ctx, cancel, r.emitFor).Stop()
	return r.log.Emit(ctx, &k.batch)
}

// watch cancels a ctx when its time is up, or already when the log says that it is full.
func (r *route) watch(ctx context.Context, cancel context.CancelFunc, left time.Duration) *time.Timer {
	return time.AfterFunc(r.fullFor, func() {
		log, tells := r.log.(interface{ Full() bool })
		switch left -= r.fullFor; {
		case ctx.Err() != nil:
		case left <= 0 || !tells || log.Full():
			cancel()
		default:
			r.watch(ctx, cancel, left)
		}
	})
}

// refuse answers for a body, or the end of one, that no event can be made of, and keeps
// it.
func (r *route) refuse(q *request, body []byte, bad *kit.Answer) {
	r.env.Meter.Add("webhook_refused", 1)
	status := bad.Status
	if status == 0 {
		status = http.StatusBadRequest
	}
	r.say(q, status, "body is not understood", bad.Reason)
	if status == http.StatusBadRequest && len(body) > 0 {
		ctx, cancel := context.WithTimeout(r.ctx, r.fullFor)
		defer cancel()
		r.log.Refuse(ctx, event.Raw{Data: body, Time: q.at, Peer: q.peer, Size: len(body)}, bad.Reason)
	}
	answer(q.w, bad, http.StatusBadRequest)
}

// full tells the sender to come back.
func (r *route) full(w http.ResponseWriter) {
	if len(r.hook.Full.Header["Retry-After"]) == 0 {
		w.Header()["Retry-After"] = retryValue
	}
	answer(w, &r.hook.Full, http.StatusServiceUnavailable)
}

// reject answers with a status of HTTP's own, and logs it.
func (r *route) reject(q *request, status int, reason, detail string) {
	r.say(q, status, reason, detail)
	fail(q.w, status, reason)
}

func (r *route) say(q *request, status int, reason, detail string) {
	r.quiet.say(r.env.Log, q.at, status, reason, detail, q.peer.Addr())
}

// answer writes a vendor's answer below the headers that are set already; status stands
// for one it leaves open.
func answer(w http.ResponseWriter, a *kit.Answer, status int) {
	h := w.Header()
	for name, values := range a.Header {
		if _, own := h[name]; !own {
			h[name] = values
		}
	}
	if a.Status != 0 {
		status = a.Status
	}
	if a.Body != "" {
		h["Content-Type"] = jsonType
	}
	w.WriteHeader(status)
	if a.Body != "" {
		_, _ = io.WriteString(w, a.Body)
	}
}

func fail(w http.ResponseWriter, status int, reason string) {
	w.Header()["Content-Type"] = jsonType
	w.WriteHeader(status)
	_, _ = io.WriteString(w, errorBody(reason))
}

// errorBody is the JSON of an error whose text needs no escaping.
func errorBody(reason string) string { return `{"error":"` + reason + `"}` }
