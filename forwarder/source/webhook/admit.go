package webhook

import (
	"cmp"
	"net/http"

	"github.com/siemfwd/siemfwd/forwarder/source/webhook/gate"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// admit looks at everything but the body. When it returns false it has answered.
func (r *route) admit(q *request, req *http.Request) bool {
	method := cmp.Or(r.cfg.Method, http.MethodPost)
	if q.way != nil {
		method = cmp.Or(q.way.Method, http.MethodPost)
	}
	probe := r.cfg.Probes && q.way == nil && (req.Method == http.MethodGet || req.Method == http.MethodHead)
	switch {
	case req.Method != method && !probe:
		q.w.Header()["Allow"] = []string{method}
		r.reject(q, http.StatusMethodNotAllowed, "method is not "+method, "")
		return false
	case !r.allowed(q.peer.Addr()):
		r.env.Meter.Add("webhook_denied", 1)
		r.reject(q, http.StatusForbidden, "address is not allowed", "")
		return false
	case probe:
		q.w.WriteHeader(http.StatusOK)
		return false
	case q.way != nil && q.way.Open:
		return true
	}
	if r.hook.Query.Status != 0 && !r.cfg.Auth.Query && r.cfg.Auth.Type != "none" && gate.InQuery(req.URL) {
		r.env.Meter.Add("webhook_denied", 1)
		r.say(q, r.hook.Query.Status, "token stands in the URL, and auth does not say query: true", "")
		answer(q.w, &r.hook.Query, http.StatusBadRequest)
		return false
	}
	q.dedupe = delivery(req.Header, r.cfg.Dedupe)
	return r.judged(q, r.gate.Admit(req, q.peer.Addr()))
}

// tell answers on a way that takes no events.
func (r *route) tell(q *request) {
	if log, tells := r.log.(interface{ Full() bool }); tells && q.way.Full.Status != 0 && log.Full() {
		answer(q.w, &q.way.Full, http.StatusServiceUnavailable)
		return
	}
	answer(q.w, &q.way.OK, http.StatusOK)
}

// judged answers a request that the gate refuses.
func (r *route) judged(q *request, v gate.Verdict) bool {
	if v == gate.Admitted {
		return true
	}
	reason := v.Reason()
	if c := r.gate.Challenge(v); c != "" {
		q.w.Header()["Www-Authenticate"] = []string{c}
	}
	switch v {
	case gate.Unavailable:
		r.env.Meter.Add("webhook_busy", 1)
		r.say(q, http.StatusServiceUnavailable, reason, "")
		r.full(q.w)
		return false
	case gate.Limited:
		r.env.Meter.Add("webhook_denied", 1)
		q.w.Header()["Retry-After"] = limitValue
		r.reject(q, http.StatusTooManyRequests, reason, "")
		return false
	case gate.Insufficient:
		r.env.Meter.Add("webhook_denied", 1)
		r.reject(q, http.StatusForbidden, reason, "")
		return false
	}
	a := &r.hook.Denied
	switch v {
	case gate.Missing:
		a = or(&r.hook.Missing, a)
	case gate.Malformed:
		a = or(&r.hook.Malformed, a)
	}
	r.env.Meter.Add("webhook_denied", 1)
	status := cmp.Or(a.Status, http.StatusUnauthorized)
	r.say(q, status, reason, "")
	if status != http.StatusUnauthorized {
		delete(q.w.Header(), "Www-Authenticate")
	}
	answer(q.w, a, http.StatusUnauthorized)
	return false
}

// or is a, unless the vendor has not set it.
func or(a, otherwise *kit.Answer) *kit.Answer {
	if a.Status == 0 {
		return otherwise
	}
	return a
}
