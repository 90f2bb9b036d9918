package forwarder

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/config"
	"github.com/siemfwd/siemfwd/forwarder/source"
)

// Connection is what came of trying one address of a component.
type Connection struct {
	Kind, Name string // "source" or "sink", and its name
	component.Probe
}

// Connect tries what a configuration names, each for as long as most: whether a source
// could listen or its API answers, whether a sink's receiver takes the connection and the
// credentials. It sends no event and needs no running forwarder; the addresses that one
// listens on are taken. A component that cannot be tried is left out. The answers come in
// the order of the configuration.
func Connect(ctx context.Context, cfg *config.Config, most time.Duration) []Connection {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	env := func(name string) component.Env {
		return component.Env{Name: name, Host: host, Log: slog.New(slog.DiscardHandler), Meter: component.NoMeter{}}
	}
	sinks := make([][]Connection, len(cfg.Sinks))
	var wait sync.WaitGroup
	for i := range cfg.Sinks {
		c := &cfg.Sinks[i]
		wait.Go(func() {
			kind, err := findSink(c.Type)
			if err != nil {
				return
			}
			s, err := kind.Build(c.Config, env(c.Name))
			if err == nil {
				defer s.Close()
			}
			sinks[i] = probe(ctx, most, "sink", c.Name, s, err)
		})
	}
	var all []Connection
	kinds := sourceKinds()
	for i := range cfg.Sources { // one after the other: webhooks share addresses
		c := &cfg.Sources[i]
		kind, err := findSource(c.Type, kinds)
		if err != nil {
			continue
		}
		var s source.Source
		vendor, err := VendorOf(c)
		if err == nil {
			s, err = kind.make(c, vendor, env(c.Name))
		}
		all = append(all, probe(ctx, most, "source", c.Name, s, err)...)
	}
	wait.Wait()
	for _, s := range sinks {
		all = append(all, s...)
	}
	return all
}

// probe asks one component, which could not even be made when err is not nil.
func probe(ctx context.Context, most time.Duration, kind, name string, c any, err error) []Connection {
	if err != nil {
		return []Connection{{kind, name, component.Probe{Err: err}}}
	}
	p, ok := c.(component.Prober)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	var all []Connection
	for _, one := range p.Probe(ctx) {
		all = append(all, Connection{kind, name, one})
	}
	return all
}
