package splunkhec

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/siemfwd/siemfwd/forwarder/sink/web"
)

// verdict is what a reply means for the events of a request.
type verdict uint8

const (
	taken     verdict = iota
	later             // the same again
	shut              // nothing from us is taken until somebody mends something
	tooLarge          // fewer at once
	badEvent          // that event is never taken
	badIndex          // its index is none that the token may write to
	badFields         // its indexed fields are not taken
	noChannel         // a channel, or another one, is wanted
	noAck             // the token has no indexer acknowledgement
)

// verdicts are the reply codes of Splunk's HEC, 0 to 27.
var verdicts = [...]verdict{
	0:  taken,     // Success
	1:  shut,      // Token disabled
	2:  shut,      // Token is required
	3:  shut,      // Invalid authorization
	4:  shut,      // Invalid token
	5:  badEvent,  // No data
	6:  badEvent,  // Invalid data format
	7:  badIndex,  // Incorrect index
	8:  later,     // Internal server error
	9:  later,     // Server is busy
	10: noChannel, // Data channel is missing
	11: noChannel, // Invalid data channel
	12: badEvent,  // Event field is required
	13: badEvent,  // Event field cannot be blank
	14: noAck,     // ACK is disabled
	15: badFields, // Error in handling indexed fields
	16: shut,      // Query string authorization is not enabled
	17: taken,     // HEC is healthy
	18: later,     // HEC is unhealthy, queues are full
	19: later,     // HEC is unhealthy, ack service unavailable
	20: later,     // HEC is unhealthy, queues are full, ack service unavailable
	21: shut,      // Invalid token
	22: shut,      // Token disabled
	23: later,     // Server is shutting down
	24: taken,     // Queue is approaching capacity
	25: taken,     // Ack is approaching capacity
	26: later,     // Queue at capacity
	27: later,     // Ack at capacity
}

// reply is an answer of HEC, understood.
type reply struct {
	verdict verdict
	code    int    // -1: none
	words   string // for people
	known   bool   // it is HEC's JSON, complete
	full    bool   // the receiver is near what it can take, or there
	number  int    // of the first envelope that was not processed; -1: not said
	id      int64  // of the acknowledgement to come
	hasID   bool
}

// wire is the JSON of a reply.
type wire struct {
	Text   string `json:"text"`
	Code   *int   `json:"code"`
	AckID  *int64 `json:"ackId"`
	Number *int   `json:"invalid-event-number"`
}

// readReply understands an answer to n envelopes. c makes it fit for people.
func readReply(c *web.Client, a *web.Answer, n int) reply {
	r := reply{code: -1, number: -1, words: c.Words(a)}
	var w wire
	if !a.Cut && json.Unmarshal(a.Body, &w) == nil && w.Code != nil {
		r.known, r.code = true, *w.Code
		r.words = strconv.Itoa(a.Status)
		if name := http.StatusText(a.Status); name != "" && a.Status >= 400 {
			r.words += " " + name
		}
		r.words = fmt.Sprintf("%s: %s (code %d)", r.words, line(w.Text), r.code)
		if w.AckID != nil && *w.AckID >= 0 {
			r.id, r.hasID = *w.AckID, true
		}
		if w.Number != nil && *w.Number >= 0 && *w.Number < n {
			r.number = *w.Number
		}
	}
	r.full = r.code == 24 || r.code == 25 || r.code == 26 || r.code == 27 || r.code == 9
	r.verdict = ofClass[web.ClassOf(a.Status)]
	// The code says more than the status, and is believed where it says less good.
	if r.code > 0 && r.code < len(verdicts) && verdicts[r.code] != taken && r.verdict != later && r.verdict != tooLarge {
		r.verdict = verdicts[r.code]
	}
	return r
}

// ofClass are the verdicts where there is no code.
var ofClass = map[web.Class]verdict{web.Taken: taken, web.Later: later, web.Shut: shut, web.TooLarge: tooLarge, web.Bad: badEvent}

// line makes a receiver's text one short line.
func line(text string) string {
	const most = 200
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f && r <= 0x9f || r == 0x2028 || r == 0x2029 }), " ")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// readAcks understands the answer to a question for acknowledgements: the ids that are
// confirmed. It is nil and false when the answer is none.
func readAcks(body []byte) (confirmed []int64, ok bool) {
	var w struct {
		Acks map[string]bool `json:"acks"`
	}
	if json.Unmarshal(body, &w) != nil || w.Acks == nil {
		return nil, false
	}
	for text, yes := range w.Acks {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, false
		}
		if yes {
			confirmed = append(confirmed, id)
		}
	}
	return confirmed, true
}
