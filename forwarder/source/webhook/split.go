package webhook

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"net/http"
	"net/textproto"

	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// mostPieces is how many events a body may be taken apart into here; one with more
// stays whole.
const mostPieces = 100_000

// split puts the events of a body into the batch.
func (r *route) split(q *request, k *desk, body []byte) *kit.Answer {
	k.batch.Reset()
	add := func(data []byte, key event.Key) {
		if key == (event.Key{}) && q.dedupe != "" {
			key = keyOf(q.dedupe, k.batch.Len())
		}
		k.batch.Add(event.Raw{Data: data, Time: q.at, Peer: q.peer, Key: key})
	}
	switch {
	case q.way != nil && q.query != "" && q.way.ReadQuery != nil:
		return q.way.ReadQuery(q.query, body, add)
	case q.way != nil:
		return q.way.Read(body, add)
	case q.query != "" && r.hook.ReadQuery != nil:
		return r.hook.ReadQuery(q.query, body, add)
	case r.hook.Read != nil:
		return r.hook.Read(body, add)
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return &kit.Answer{Status: http.StatusBadRequest, Body: errorBody("body is empty"), Reason: "body is empty"}
	}
	switch r.cfg.Split {
	case "none":
		add(body, event.Key{})
	case "lines":
		eachLine(body, func(line []byte) { add(line, event.Key{}) })
	default:
		pieces(body, func(piece []byte) { add(piece, event.Key{}) })
	}
	return nil
}

// pieces calls add for each JSON value of a body: an object, several of them with or
// without line ends between, or a list of them. What follows the last good one is one
// event as well; a body that is something else is one as a whole.
func pieces(body []byte, add func([]byte)) {
	text := bytes.TrimLeft(bytes.TrimPrefix(body, []byte("\uFEFF")), " \t\r\n")
	if len(text) == 0 || text[0] != '{' && text[0] != '[' {
		add(body)
		return
	}
	n, objects := 0, true
	err := kit.SplitValues(text, func(v []byte) {
		n++
		objects = objects && v[0] == '{'
	})
	switch {
	case n > mostPieces, err != nil && !(objects && n > 0):
		add(body)
	case err == nil:
		_ = kit.SplitValues(text, add)
	default:
		good := wellFormed(text)
		_ = kit.SplitValues(text[:good], add)
		add(bytes.TrimSpace(text[good:]))
	}
}

// wellFormed is how much of the beginning of a text is JSON values.
func wellFormed(text []byte) (good int) {
	for good < len(text) {
		end, err := kit.SkipValue(text, good)
		if err != nil {
			break
		}
		good = end
	}
	return good
}

// eachLine calls add for each line that is not empty.
func eachLine(body []byte, add func([]byte)) {
	if bytes.Count(body, []byte{'\n'}) > mostPieces {
		add(body)
		return
	}
	for line := range bytes.SplitSeq(body, []byte{'\n'}) {
		if line = bytes.TrimRight(line, "\r"); len(bytes.TrimSpace(line)) > 0 {
			add(line)
		}
	}
}

// delivery is the id in a header that identifies a delivery; "" when there is none, or
// more than one.
func delivery(h http.Header, name string) string {
	if name == "" {
		return ""
	}
	if v := h[textproto.CanonicalMIMEHeaderKey(name)]; len(v) == 1 {
		return v[0]
	}
	return ""
}

// keyOf is the key of an event of a delivery.
func keyOf(delivery string, i int) (key event.Key) {
	b := append(make([]byte, 0, len(delivery)+32), "webhook delivery\n"...)
	b = binary.BigEndian.AppendUint32(b, uint32(i))
	sum := sha256.Sum256(append(b, delivery...))
	copy(key[:], sum[:])
	return key
}
