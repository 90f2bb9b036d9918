package forwarder

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/config"
)

// Lookup asks the API of a polled source one of its vendor's questions, with the
// source's own credentials, and returns the values of the answer, each complete JSON.
// A running forwarder is not involved.
func Lookup(ctx context.Context, c *config.Source, name, arg string) ([][]byte, error) {
	kind, err := findSource(c.Type, sourceKinds())
	if err != nil {
		return nil, err
	}
	vendor, err := VendorOf(c)
	if err != nil {
		return nil, err
	}
	env := component.Env{Name: c.Name, Log: slog.New(slog.DiscardHandler), Meter: component.NoMeter{}}
	s, err := kind.make(c, vendor, env)
	if err != nil {
		return nil, err
	}
	asker, ok := s.(interface {
		Lookup(ctx context.Context, name, arg string) ([][]byte, error)
	})
	if !ok {
		return nil, fmt.Errorf("a source of type %s cannot be asked", c.Type)
	}
	return asker.Lookup(ctx, name, arg)
}
