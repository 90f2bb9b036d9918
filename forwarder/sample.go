package forwarder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/config"
	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/forwarder/sink"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// Sent is what SendSample did.
type Sent struct {
	Payload []byte // what was handed to the sink, without framing
	Took    time.Duration
}

// SendSample renders one event as the sink's configuration says and makes one attempt
// to send it through a sink of its own. Conditions of the sink are not asked.
func SendSample(ctx context.Context, c *config.Sink, v kit.Vendor, raw []byte) (Sent, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	format, err := formatOf(c, host)
	if err != nil {
		return Sent{}, err
	}
	kind, err := findSink(c.Type)
	if err != nil {
		return Sent{}, err
	}
	s, err := kind.Build(c.Config, component.Env{Name: c.Name, Host: host, Log: slog.New(slog.DiscardHandler), Meter: component.NoMeter{}})
	if err != nil {
		return Sent{}, err
	}
	var r record.Record
	began := time.Now()
	if err := ReadEvent(&r, v, event.Raw{Data: raw, Time: began, Size: len(raw)}, Origin{Source: "sample"}); err != nil {
		return Sent{}, fmt.Errorf("parser: %w", err)
	}
	payload, err := format.Append(nil, &r)
	if err != nil {
		return Sent{}, err
	}
	began = time.Now()
	err = sendOne(ctx, s, sink.Item{Payload: payload, Key: r.AppendUID(nil), Source: "sample", Time: r.When().Go()})
	took := time.Since(began)
	if cerr := s.Close(); err == nil && cerr != nil {
		err = cerr
	}
	return Sent{Payload: payload, Took: took}, err
}

// sendOne sends one item and waits, where the sink learns of it later, until the receiver
// has it for good.
func sendOne(ctx context.Context, s sink.Sink, item sink.Item) error {
	c, later := s.(sink.Confirmer)
	if err := s.Send(ctx, []sink.Item{item}); err != nil || !later {
		return err
	}
	c.Settle(ctx)
	p := c.Progress()
	switch {
	case p.Confirmed > 0 || p.Before > 0:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("sent, and not confirmed: %w", ctx.Err())
	case p.Ended != nil:
		return fmt.Errorf("sent, and not confirmed: %w", p.Ended)
	}
	return errors.New("sent, and not confirmed")
}
