package beyondtrust

import (
	"net/http"

	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// hook takes every body: the product may not send an event again. It answers 200 and
// nothing else of the 200s, since it is not known which of them the product takes as a
// success. The answers are never written to.
var hook = kit.Hook{
	Read:    read,
	OK:      kit.Answer{Status: http.StatusOK, Body: `{"status":"ok"}`},
	Full:    kit.Answer{Status: http.StatusServiceUnavailable, Body: `{"error":"busy"}`},
	MaxBody: 1 << 20,
}

// read takes a body as one event, and refuses only one in which nothing stands.
func read(body []byte, add func(data []byte, key event.Key)) *kit.Answer {
	if nothing(body) {
		return &kit.Answer{Status: http.StatusBadRequest, Body: `{"error":"body is empty"}`, Reason: "body is empty"}
	}
	var r record.Record
	r.Raw = body
	_ = parse(&r, body) // never fails
	add(body, key(&r))
	return nil
}

// nothing reports whether a body holds only white space, NULs and a byte order mark.
func nothing(body []byte) bool {
	for _, c := range body {
		if c > ' ' && c != 0xEF && c != 0xBB && c != 0xBF && c != 0xFE && c != 0xFF {
			return false
		}
	}
	return true
}

// key is the start of the hash of the event's identity. Where the product gave no time,
// a second decision on a ticket could have the key of the first, and there is none.
func key(r *record.Record) (k event.Key) {
	if len(r.Identity) == 0 || r.Time.IsZero() {
		return k
	}
	return kit.KeyOf(r.Identity)
}
