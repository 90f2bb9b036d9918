// Package kit is what a vendor's package is written with: what a vendor is, and the
// readers (syslog header, key=value, CEF, LEEF, JSON, times) they share.
package kit

import (
	"io/fs"
	"net/http"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

// Vendor is one product siemfwd can read: bytes in, record out. It holds no state
// and may be used by any number of goroutines.
type Vendor struct {
	Name    string // the word after `vendor:`
	Product string // for people
	Doc     string // one line for `siemfwd list`
	// Parse reads one event into r, which is reset and has Source, Received, Zone,
	// Peer and Raw set. It keeps raw's bytes in r and never writes to them. It does
	// not fail on what a vendor might send: an error means that nothing could be read,
	// and the event goes on as its text with the warning "unparsed".
	Parse func(r *record.Record, raw []byte) error
	// Detect reports whether raw looks like this vendor's, for `vendor: auto`.
	// Optional.
	Detect func(raw []byte) bool
	// Shape says how the events stand in a file or on standard input.
	Shape Shape
	// Samples holds samples/*.txtar, embedded: the vendor's tests, and what `demo`,
	// `send --sample` and the documentation use.
	Samples fs.FS
	// Hook says how the vendor packs its webhooks. Optional: without it a webhook's
	// body is one event.
	Hook *Hook
	// Poll says how the vendor's API is read. Optional: without it the vendor cannot be
	// polled.
	Poll *Poll
	// Register says how the vendor is told where to post its webhooks to. Optional:
	// without it somebody does that in the vendor's console.
	Register *Register
	// Options are for vendors that can be told how to read. Optional.
	Options *Options
	// Unpack takes apart a value that is no event but an answer of the vendor's API, for
	// those who have kept one: it calls add for every event in it and reports true. It
	// reports false, without a call, when value is anything else. Optional.
	Unpack func(value []byte, add func(event []byte)) bool
	// Join completes an event with what an earlier one said. Optional.
	Join *Join
	// Readme is the vendor's README.md, embedded: how to set it up, what arrives.
	Readme string
	// Guide writes what to enter in the vendor's console so that it sends to the given
	// webhooks; without any it shows what that looks like. Optional: without it Readme
	// does.
	Guide func(hooks []Webhook) string
}

// Options are a vendor's own keys under a webhook source, for what the vendor leaves to
// its users. A vendor has them or Register, whose keys stand in the same place.
type Options struct {
	// Config returns a pointer to a fresh struct of the keys with their defaults; see
	// component.Spec. The webhook's keys (listen, path, auth, …) stand beside them and
	// must not be among them.
	Config func() any
	// Apply returns v as a source has it. cfg is what Config returned, filled in and
	// checked. Apply does no I/O.
	Apply func(v Vendor, cfg any) (Vendor, error)
}

// Join is for vendors whose later events about a ticket (a case, a request) leave out
// what the event that opened it said. What opening events said is remembered per source,
// outside the vendor; it is lost where they are no longer on disk, so an event that is
// not completed is nothing unusual.
type Join struct {
	Keep time.Duration // how long a ticket is remembered, and its event kept on disk
	// Open returns the key of the ticket that an event opens, and what later events
	// about it need to know: a few hundred octets, in the vendor's own encoding. A nil
	// key: it opens none. The bytes do not point into raw.
	Open func(raw []byte) (key, memo []byte)
	// Needs returns the key of the ticket that a parsed event is about, or nil. It
	// lives as long as r's event.
	Needs func(r *record.Record) []byte
	// Apply completes r from the memo of its ticket, which it must not write to, but
	// may let r point into.
	Apply func(r *record.Record, memo []byte)
}

// Webhook is a webhook source of the configuration, as its sender has to be told of it.
// Instead of a secret it holds ${…}, where the configuration says one, or <secret>.
type Webhook struct {
	Name     string // of the source
	URL      string
	TokenURL string            // where the sender fetches its tokens; "" when it fetches none here
	Auth     map[string]string // the keys of auth that were said, type among them
	Headers  [][2]string       // names and values of headers that are asked for besides
}

// Shape is how events are separated outside of a listener.
type Shape uint8

// The shapes.
const (
	Lines  Shape = iota // one event a line
	Body                // the whole input is one webhook body
	Values              // one JSON value after another
)

// Hook is a vendor's way of packing webhooks.
type Hook struct {
	// Read checks one request's body and calls add for every event in it, in order,
	// with the sender's bytes of that event and the key that repeated deliveries share
	// (zero: none). A nil answer means that the body is good; otherwise nothing of it
	// is kept as an event and the sender gets the answer. Optional: without it every
	// non-empty body is one event.
	// What add is given is good until it returns.
	Read func(body []byte, add func(data []byte, key event.Key)) *Answer
	// ReadQuery takes Read's place for requests with a query in their URL, which may say
	// something of all events. Optional.
	ReadQuery func(query string, body []byte, add func(data []byte, key event.Key)) *Answer
	// OK answers a good body once it is durable; the zero Answer means 200 without body.
	OK Answer
	// Accepted is for an answer that repeats something of the body: it makes what is
	// sent in the place of OK, and keeps nothing of body. Optional.
	Accepted func(body []byte) Answer
	// Full answers while the spool takes nothing; the zero Answer means 503. Without a
	// Retry-After of its own it gets one.
	Full Answer
	// Denied answers a wrong or missing credential; the zero Answer means 401.
	Denied Answer
	// Missing answers a request without a credential, Malformed one whose credential
	// cannot be read. Optional: without them Denied does.
	Missing, Malformed Answer
	// Query answers a request with its token in the URL where the configuration does not
	// allow that. Optional: without it nobody looks there.
	Query Answer
	// Failed answers when the listener itself fails on a request; the zero Answer means 500.
	Failed Answer
	// Acks lets senders ask later whether what they sent is durable. Optional.
	Acks *Acks
	// Also holds what may stand behind the configured path: "/event" lets the same
	// events in there too.
	Also []string
	// Ways are paths behind the configured one where something else is taken or said.
	Ways []Way
	// MaxBody is the default for max_body; 0 means the listener's own default.
	MaxBody int64
}

// Way is a path behind that of a webhook.
type Way struct {
	Path   string // such as "/raw"
	Method string // POST when empty
	Open   bool   // no credential is asked for
	// Read is as that of Hook; what is good is answered with Hook's OK. Without it the
	// way takes no events, and whoever asks gets OK, or Full while the spool takes nothing.
	Read      func(body []byte, add func(data []byte, key event.Key)) *Answer
	ReadQuery func(query string, body []byte, add func(data []byte, key event.Key)) *Answer // as that of Hook
	Acks      bool                                                                          // whether Hook's Acks are asked for here; without any it is OK that answers
	OK, Full  Answer                                                                        // zero: Hook's
}

// Acks are acknowledgements in the manner of Splunk's HEC: senders open a channel, which
// is a GUID of theirs, get a number for each request on it, and ask by number. A number
// is given out when the events are durable, so that the answer is always yes: once, or
// more often where a sender asks for numbers in no order. Numbers begin at 0 on each
// channel, and again when the process starts.
type Acks struct {
	Header, Param string // header and query parameter that name the channel
	// Required is whether a request without channel, or with one that is no GUID, is
	// refused. Otherwise it is taken like any other and given no number.
	Required         bool
	Missing, Invalid Answer // to such a request or question
	Bad              Answer // to a question that cannot be read
	// Taken is the answer to a request whose events are durable.
	Taken func(id uint64) Answer
	// Ask reads a question.
	Ask func(body []byte) (ids []uint64, ok bool)
	// Reply is the body of the answer to it, durable being as long as ids.
	Reply func(ids []uint64, durable []bool) string
}

// Answer is what a sender is told.
type Answer struct {
	Status int
	Header http.Header
	Body   string // sent as application/json
	Reason string // for the log and the dead letters; no secrets
	// Taken is how many octets at the beginning of a refused body are good all the same:
	// the events added before are kept, once they are durable, and only the rest of the
	// body is refused. Only an answer of Read has it.
	Taken int
}
