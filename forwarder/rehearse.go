package forwarder

import (
	"fmt"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/config"
	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

// Outcome is what would become of one event at one sink.
type Outcome struct {
	Sink    string
	Payload []byte // as the sink would get it, without framing; nil: it would not
	Why     string // it would not be sent, with the place of the condition that decides
}

// Rehearse tells what every sink that reads a source would get of an event of it,
// received at the given time by a machine called host, in the order of the
// configuration. Nothing is stored or sent.
func Rehearse(cfg *config.Config, source *config.Source, raw []byte, received time.Time, host string) ([]Outcome, error) {
	vendor, rules, err := readingOf(source)
	if err != nil {
		return nil, err
	}
	var all []Outcome
	for i := range cfg.Sinks {
		sink := &cfg.Sinks[i]
		if !sink.Reads(source.Name) {
			continue
		}
		var r record.Record
		if err := ReadEvent(&r, vendor, event.Raw{Data: raw, Time: received, Size: len(raw)}, Origin{Source: source.Name, Zone: source.Timezone, Rules: rules}); err != nil {
			return nil, fmt.Errorf("parser: %w", err)
		}
		o := Outcome{Sink: sink.Name}
		if o.Why = Decide(sink, &r); r.Test {
			o.Why = "a sender's test"
		}
		if o.Why == "" {
			format, err := formatOf(sink, host)
			if err != nil {
				return nil, fmt.Errorf("sink %s: %w", sink.Name, err)
			}
			if o.Payload, err = format.Append(nil, &r); err != nil {
				o.Payload, o.Why = nil, fmt.Sprintf("cannot be rendered: %v", err)
			}
		}
		all = append(all, o)
	}
	return all, nil
}
