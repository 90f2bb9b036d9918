package forwarder

import (
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// Origin is what a record gets to know of where its event came from.
type Origin struct {
	Source   string
	Zone     *time.Location
	Position uint64
	Rules    *Rules // of the source; nil: none

	tickets *tickets // what is known of the source's tickets; nil: nothing
}

// ReadEvent fills r, which is reset, from one event. It cannot fail: what the vendor's
// parser cannot read goes on as text with a warning that begins with "unparsed". An
// error means that the parser itself broke (it panicked), and tells where.
func ReadEvent(r *record.Record, v kit.Vendor, raw event.Raw, o Origin) (broken error) {
	begin(r, raw, o)
	err, broken := guarded(r, v, raw.Data, o.tickets)
	if err != nil {
		r.Reset()
		begin(r, raw, o)
		asText(r, raw.Data, err)
	}
	o.Rules.apply(r)
	return broken
}

func begin(r *record.Record, raw event.Raw, o Origin) {
	r.Source, r.Zone, r.Position = o.Source, o.Zone, o.Position
	r.Received, r.Raw = raw.Time, raw.Data
	r.Peer = raw.Peer.Addr().Unmap()
	if raw.Cut() {
		r.Warn("truncated", appendInt(nil, raw.Size))
	}
}

// guarded runs a parser and completes what it read from the event's ticket; a panic is
// an error with the stack in broken.
func guarded(r *record.Record, v kit.Vendor, data []byte, t *tickets) (err, broken error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("parser failed")
			broken = fmt.Errorf("%s: %v\n%s", v.Name, p, debug.Stack())
		}
	}()
	if err := v.Parse(r, data); err != nil || t == nil {
		return err, nil
	}
	if key := v.Join.Needs(r); len(key) > 0 {
		if memo := t.find(key); memo != nil {
			v.Join.Apply(r, memo)
		}
	}
	return nil, nil
}

// asText makes r the record of an event nobody could read. A syslog header, where
// there is one, is still understood.
func asText(r *record.Record, data []byte, err error) {
	h := kit.ReadHeader(data, r.Received, r.Zone)
	r.Message, r.Host, r.Time = h.Body, h.Host, h.Time
	r.Warn("unparsed", record.Bytes(err.Error()))
}
