package generic

import (
	"bytes"
	"net/http"

	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// hecWays are HEC's endpoints besides those of envelopes. What the query of a raw
// request says of its events is not kept: they are stored as they were sent. There is
// no indexer acknowledgement, because an answer comes only when the events are durable.
func hecWays() []kit.Way {
	healthy, sick := hecAnswer(http.StatusOK, 17, "HEC is healthy"), hecAnswer(http.StatusServiceUnavailable, 18, "HEC is unhealthy, queues are full")
	noAck := hecAnswer(http.StatusBadRequest, 14, "ACK is disabled")
	return []kit.Way{
		{Path: "/raw", Read: readRaw},
		{Path: "/raw/1.0", Read: readRaw},
		{Path: "/ack", OK: noAck},
		{Path: "/health", Method: http.MethodGet, Open: true, OK: healthy, Full: sick},
		{Path: "/health/1.0", Method: http.MethodGet, Open: true, OK: healthy, Full: sick},
	}
}

// readRaw splits a raw body: JSON objects one after another, or else lines.
func readRaw(body []byte, add func(data []byte, key event.Key)) *kit.Answer {
	text := bytes.TrimPrefix(body, record.Bytes("\uFEFF"))
	objects, n := true, 0
	err := kit.SplitValues(text, func(v []byte) { objects = objects && v[0] == '{'; n++ })
	if err == nil && objects && n > 0 {
		_ = kit.SplitValues(text, func(v []byte) { add(v, event.Key{}) })
		return nil
	}
	n = 0
	for line := range bytes.SplitSeq(text, record.Bytes("\n")) {
		if line = bytes.TrimRight(line, "\r"); len(bytes.TrimSpace(line)) > 0 {
			add(line, event.Key{})
			n++
		}
	}
	if n == 0 {
		a := hecAnswer(http.StatusBadRequest, 5, "No data")
		a.Reason = "body is empty"
		return &a
	}
	return nil
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
