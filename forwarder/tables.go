package forwarder

import (
	"fmt"

	"github.com/siemfwd/siemfwd/formatters"
	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/config"
	"github.com/siemfwd/siemfwd/forwarder/sink"
	sinkfile "github.com/siemfwd/siemfwd/forwarder/sink/file"
	"github.com/siemfwd/siemfwd/forwarder/sink/kafka"
	"github.com/siemfwd/siemfwd/forwarder/sink/pagerduty"
	"github.com/siemfwd/siemfwd/forwarder/sink/slack"
	"github.com/siemfwd/siemfwd/forwarder/sink/splunkhec"
	"github.com/siemfwd/siemfwd/forwarder/sink/stdout"
	sinksyslog "github.com/siemfwd/siemfwd/forwarder/sink/syslog"
	sinkwebhook "github.com/siemfwd/siemfwd/forwarder/sink/webhook"
	"github.com/siemfwd/siemfwd/forwarder/source"
	sourcefile "github.com/siemfwd/siemfwd/forwarder/source/file"
	"github.com/siemfwd/siemfwd/forwarder/source/poll"
	sourcesyslog "github.com/siemfwd/siemfwd/forwarder/source/syslog"
	"github.com/siemfwd/siemfwd/forwarder/source/webhook"
	"github.com/siemfwd/siemfwd/parsers"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// sourceKind is one word after `type:` of a source.
type sourceKind struct {
	component.Spec[source.Source]
	// vendor is config.Kind.VendorConfig.
	vendor func(v kit.Vendor) (cfg, own any)
	// build makes the source for a vendor; nil: Spec.Build, which needs no vendor.
	build func(c *config.Source, v kit.Vendor, env component.Env) (source.Source, error)
}

// make makes the source that a configuration describes.
func (k sourceKind) make(c *config.Source, v kit.Vendor, env component.Env) (source.Source, error) {
	if k.build == nil {
		return k.Build(c.Config, env)
	}
	return k.build(c, v, env)
}

// sinkKind is one word after `type:` of a sink.
type sinkKind struct {
	component.Spec[sink.Sink]
	format string // what `format:` is when it is not said
	header string // what `header:` is when it is not said
	keyed  bool   // Send needs Item.Key
	// envelope is what stands around the events that the sink's configuration asks for in
	// envelopes of Splunk's HEC; nil, or returning nil: they stand alone.
	envelope func(cfg any) *formatters.HEC
	// lineFeeds reports whether an event may hold line feeds; nil: it may not.
	lineFeeds func(cfg any) bool
	template  func(cfg any) *formatters.Template // body that the configuration gives; nil: none
	formats   []string                           // that the sink takes; nil: all
	people    bool                               // somebody reads every event: sending all of them is probably not meant
}

// sourceKinds is the table of ways in: one line each. Sources that share something (the
// webhooks of one address share a listener) do so when they are built from one table,
// so a forwarder keeps its own.
func sourceKinds() []sourceKind {
	hub := webhook.NewHub()
	return []sourceKind{
		{Spec: sourcesyslog.Spec()},
		{Spec: sourcefile.Spec()},
		{Spec: webhook.Spec(), vendor: func(v kit.Vendor) (cfg, own any) { return webhook.VendorConfig(v) },
			build: func(c *config.Source, v kit.Vendor, env component.Env) (source.Source, error) {
				src, err := hub.New(c.Config.(*webhook.Config), v.Hook, env)
				if err != nil {
					return nil, err
				}
				return webhook.Registered(src, v.Register, c.VendorConfig, env)
			}},
		{Spec: poll.Spec(), vendor: func(v kit.Vendor) (cfg, own any) { return poll.VendorConfig(v.Poll) },
			build: func(c *config.Source, v kit.Vendor, env component.Env) (source.Source, error) {
				return poll.New(c.Config.(*poll.Config), c.VendorConfig, v, env, poll.Options{})
			}},
	}
}

// sinkKinds is the table of ways out: one line each.
func sinkKinds() []sinkKind {
	return []sinkKind{
		{Spec: sinksyslog.Spec(), format: "rfc5424", header: "rfc5424",
			lineFeeds: func(cfg any) bool { return cfg.(*sinksyslog.Config).TakesLineFeeds() }},
		{Spec: sinkfile.Spec(), format: "json", header: "none"},
		{Spec: splunkhec.Spec(), format: "json", header: "none", envelope: hecEnvelope,
			lineFeeds: func(cfg any) bool { return hecEnvelope(cfg) != nil }},
		{Spec: kafka.Spec(), format: "json", header: "none", keyed: true, lineFeeds: func(any) bool { return true }},
		{Spec: sinkwebhook.Spec(checkTemplate), format: "json", keyed: true, lineFeeds: webhookLineFeeds, template: webhookTemplate},
		{Spec: slack.Spec(), format: "slack", formats: []string{"slack"}, people: true},
		{Spec: pagerduty.Spec(), format: "pagerduty", formats: []string{"pagerduty"}, people: true},
		{Spec: stdout.Spec(), format: "json", header: "none"},
	}
}

func hecEnvelope(cfg any) *formatters.HEC {
	c := cfg.(*splunkhec.Config)
	if !c.Envelopes() {
		return nil
	}
	return &formatters.HEC{Source: c.Source, SourceType: c.SourceType, Index: c.Index, Bare: !c.Fields}
}

func webhookTemplate(cfg any) *formatters.Template {
	c := cfg.(*sinkwebhook.Config)
	if c.Template == "" {
		return nil
	}
	return &formatters.Template{Text: c.Template, ContentType: c.ContentType}
}

func webhookLineFeeds(cfg any) bool { return cfg.(*sinkwebhook.Config).TakesLineFeeds() }

// checkTemplate is sinkwebhook.Spec's.
func checkTemplate(text, contentType string) (field string, err error) {
	return formatters.CheckTemplate(formatters.Template{Text: text, ContentType: contentType})
}

// Kinds are the words a configuration may use.
func Kinds() config.Kinds {
	k := config.Kinds{Sources: map[string]config.Kind{}, Sinks: map[string]config.Kind{}}
	for _, s := range sourceKinds() {
		kind := config.Kind{Doc: s.Doc, Config: s.Config}
		if s.vendor != nil {
			kind.VendorConfig = func(name string) (cfg, own any) {
				v, _ := parsers.ByName(name)
				return s.vendor(v)
			}
		}
		k.Sources[s.Name] = kind
	}
	for _, s := range sinkKinds() {
		k.Sinks[s.Name] = config.Kind{Doc: s.Doc, Config: s.Config, Format: s.format, Header: s.header, Formats: s.formats, WantsWhen: s.people}
	}
	for _, v := range parsers.All() {
		k.Vendors = append(k.Vendors, v.Name)
	}
	for _, f := range formatters.Names() {
		k.Formats = append(k.Formats, f.Name)
	}
	k.Profiles = Profiles()
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
