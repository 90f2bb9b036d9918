package generic

import (
	"bytes"
	"net/http"

	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// hecWays are HEC's endpoints besides those of envelopes.
func hecWays() []kit.Way {
	healthy, sick := hecAnswer(http.StatusOK, 17, "HEC is healthy"), hecAnswer(http.StatusServiceUnavailable, 18, "HEC is unhealthy, queues are full")
	noAck := hecAnswer(http.StatusBadRequest, 14, "ACK is disabled")
	plain := func(body []byte, add func(data []byte, key event.Key)) *kit.Answer { return readRaw("", body, add) }
	return []kit.Way{
		{Path: "/raw", Read: plain, ReadQuery: readRaw},
		{Path: "/raw/1.0", Read: plain, ReadQuery: readRaw},
		{Path: "/ack", OK: noAck, Acks: true},
		{Path: "/health", Method: http.MethodGet, Open: true, OK: healthy, Full: sick},
		{Path: "/health/1.0", Method: http.MethodGet, Open: true, OK: healthy, Full: sick},
	}
}

// readRaw splits a raw body: JSON objects one after another, or else lines. What the
// query says of the events stands around them in an envelope; without that they are
// stored as they were sent.
func readRaw(query string, body []byte, add func(data []byte, key event.Key)) *kit.Answer {
	var meta hecMeta
	if bad := meta.readQuery(query, true); bad != nil {
		return bad
	}
	about, n := meta.any(), 0
	take := func(data []byte, object bool) {
		switch n++; {
		case !about:
			add(data, event.Key{})
		case meta.added <= mostRepeated:
			add(meta.wrap(data, object), event.Key{})
		}
	}
	text := bytes.TrimPrefix(body, record.Bytes("\uFEFF"))
	objects := true
	err := kit.SplitValues(text, func(v []byte) { objects = objects && v[0] == '{'; n++ })
	if err == nil && objects && n > 0 {
		_ = kit.SplitValues(text, func(v []byte) { take(v, true) })
		return meta.tooMuch()
	}
	n = 0
	for line := range bytes.SplitSeq(text, record.Bytes("\n")) {
		if line = bytes.TrimRight(line, "\r"); len(bytes.TrimSpace(line)) > 0 {
			take(line, false)
		}
	}
	if n == 0 {
		a := hecAnswer(http.StatusBadRequest, 5, "No data")
		a.Reason = "body is empty"
		return &a
	}
	return meta.tooMuch()
}

// parseBare reads an event that came without an envelope.
func parseBare(r *record.Record, raw []byte) error {
	switch text := bytes.TrimSpace(raw); {
	case len(text) == 0 || text[0] == '[':
		return errNoEnvelope
	case text[0] == '{':
		if err := kit.JSONMembers(r, text); err != nil {
			return err
		}
		readMembers(r, 0)
	}
	if len(r.Message) == 0 {
		r.Message = raw
	}
	fallback(r, "HEC", "hec")
	return nil
}
