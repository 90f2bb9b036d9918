package forwarder

import (
	"fmt"

	"github.com/siemfwd/siemfwd/formatters"
	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/config"
	"github.com/siemfwd/siemfwd/forwarder/sink"
	sinkfile "github.com/siemfwd/siemfwd/forwarder/sink/file"
	"github.com/siemfwd/siemfwd/forwarder/sink/stdout"
	sinksyslog "github.com/siemfwd/siemfwd/forwarder/sink/syslog"
	"github.com/siemfwd/siemfwd/forwarder/source"
	sourcesyslog "github.com/siemfwd/siemfwd/forwarder/source/syslog"
	"github.com/siemfwd/siemfwd/forwarder/source/webhook"
	"github.com/siemfwd/siemfwd/parsers"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// sourceKind is one word after `type:` of a source.
type sourceKind struct {
	component.Spec[source.Source]
	// build makes the source for a vendor; nil: Spec.Build, which needs no vendor.
	build func(cfg any, v kit.Vendor, env component.Env) (source.Source, error)
}

// sinkKind is one word after `type:` of a sink.
type sinkKind struct {
	component.Spec[sink.Sink]
	format string // what `format:` is when it is not said
	header string // what `header:` is when it is not said
	keyed  bool   // Send needs Item.Key
}

// sourceKinds is the table of ways in: one line each. Sources that share something (the
// webhooks of one address share a listener) do so when they are built from one table,
// so a forwarder keeps its own.
func sourceKinds() []sourceKind {
	hub := webhook.NewHub()
	return []sourceKind{
		{Spec: sourcesyslog.Spec()},
		{Spec: webhook.Spec(), build: func(cfg any, v kit.Vendor, env component.Env) (source.Source, error) {
			return hub.New(cfg.(*webhook.Config), v.Hook, env)
		}},
	}
}

// sinkKinds is the table of ways out: one line each.
func sinkKinds() []sinkKind {
	return []sinkKind{
		{Spec: sinksyslog.Spec(), format: "rfc5424", header: "rfc5424"},
		{Spec: sinkfile.Spec(), format: "json", header: "none"},
		{Spec: stdout.Spec(), format: "json", header: "none"},
	}
}

// Kinds are the words a configuration may use.
func Kinds() config.Kinds {
	k := config.Kinds{Sources: map[string]config.Kind{}, Sinks: map[string]config.Kind{}}
	for _, s := range sourceKinds() {
		k.Sources[s.Name] = config.Kind{Doc: s.Doc, Config: s.Config}
	}
	for _, s := range sinkKinds() {
		k.Sinks[s.Name] = config.Kind{Doc: s.Doc, Config: s.Config, Format: s.format, Header: s.header}
	}
	for _, v := range parsers.All() {
		k.Vendors = append(k.Vendors, v.Name)
	}
	for _, f := range formatters.Names() {
		k.Formats = append(k.Formats, f.Name)
	}
	return k
}

func findSource(name string, kinds []sourceKind) (sourceKind, error) {
	for _, k := range kinds {
		if k.Name == name {
			return k, nil
		}
	}
	return sourceKind{}, fmt.Errorf("type %q: no such kind of source", name)
}

func findSink(name string) (sinkKind, error) {
	for _, k := range sinkKinds() {
		if k.Name == name {
			return k, nil
		}
	}
	return sinkKind{}, fmt.Errorf("type %q: no such kind of sink", name)
}
