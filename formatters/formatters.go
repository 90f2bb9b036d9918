// Package formatters holds the table of formats: how a record looks to a SIEM.
package formatters

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/siemfwd/siemfwd/formatters/cef"
	"github.com/siemfwd/siemfwd/formatters/ecs"
	"github.com/siemfwd/siemfwd/formatters/hec"
	"github.com/siemfwd/siemfwd/formatters/json"
	"github.com/siemfwd/siemfwd/formatters/leef"
	"github.com/siemfwd/siemfwd/formatters/mapping"
	"github.com/siemfwd/siemfwd/formatters/ocsf"
	"github.com/siemfwd/siemfwd/formatters/pagerduty"
	"github.com/siemfwd/siemfwd/formatters/raw"
	"github.com/siemfwd/siemfwd/formatters/rfc3164"
	"github.com/siemfwd/siemfwd/formatters/rfc5424"
	"github.com/siemfwd/siemfwd/formatters/slack"
	"github.com/siemfwd/siemfwd/formatters/tree"
	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/forwarder/when"
)

// Formatter renders records. It holds no state that a call changes and may be used
// by any number of goroutines.
type Formatter interface {
	// Append appends the rendered record to dst, without framing, and returns the
	// extended slice. It allocates nothing beyond growing dst. An error means that
	// this record can never be rendered; dst is then returned as it was.
	Append(dst []byte, r *record.Record) ([]byte, error)
}

// The syslog headers a body can stand behind.
const (
	NoHeader = "none"
	RFC3164  = "rfc3164"
	RFC5424  = "rfc5424"
)

// DefaultSDID is the SD-ID of facts unless another is asked for. Its enterprise number
// is the one reserved for documentation (RFC 5612).
const DefaultSDID = "siemfwd@32473"

// Options says how a format is rendered. The zero Options is usable.
type Options struct {
	// Header is the syslog header in front of a cef, json or raw body. "" is NoHeader:
	// a sink's default is for its caller to fill in (see Info.Headed). The formats
	// rfc5424 and rfc3164 have their own and take no other.
	Header string
	// Facility is 1 to 23; 0, which is the kernel's, stands for 16 (local0).
	Facility int
	// Host is this daemon's host name, for records that name no host.
	Host string
	// FixedHost is the host name of every message, whatever the record says.
	FixedHost string
	SDID      string // SD-ID of rfc5424; "" is DefaultSDID, "-" sends no facts
	App       string // APP-NAME or TAG; "" is "siemfwd"
	Raw       bool   // json carries raw
	// Multiline lets LF through in rfc5424, rfc3164 and raw; only for framings that
	// count octets.
	Multiline bool
	// MaxSize bounds the event in octets, header included; 0 means no bound. Text is
	// cut at its end, cef loses pairs, json loses raw and fields.
	MaxSize int
	// Refuse makes an event over MaxSize fail with ErrTooLong instead of being shortened.
	Refuse bool
	Zone   *time.Location // of rfc3164 timestamps; nil is UTC
	// TimeDigits are the fraction digits of rfc5424 timestamps, 0 to 6; nil is 3, and for a
	// message that is passed on as many as it came with.
	TimeDigits *int
	// Version is that of the format, where it has several: cef 0 (default) or 1, leef 2.0
	// (default) or 1.0, ocsf 1.1 to 1.8 (1.4 by default).
	Version string
	// Delimiter stands between the attributes of LEEF 2.0; "" is "^".
	Delimiter string
	// PipeSafe writes "/" for "|" where readers would take the event apart: in the header
	// of cef, in the values of leef.
	PipeSafe bool
	TextTime bool // cef, leef: times as text, not milliseconds since 1970
	// PlainIPv6 lets IPv6 addresses stand under cef's src, dst and dvc instead of the
	// custom slots that are reserved for them.
	PlainIPv6   bool
	SnakeLabels bool // cef: PolicyName as policy_name in the labels of custom slots
	// VendorFields adds every field the vendor sent that nothing else in a cef event
	// shows, under ad and its name.
	VendorFields bool
	// Map says what stands under keys of cef and leef: the path of a value, or a text; see
	// CheckMap.
	Map map[string]string
	// HEC puts each event into an envelope of Splunk's HTTP Event Collector: one line of
	// JSON, of which a request holds any number one after another. A json event stands
	// in it as an object, with numbers Splunk can hold, every other as a string. MaxSize
	// then bounds the event, not the envelope.
	HEC *HEC
	// Template puts each event into a text of the configuration's. MaxSize then bounds the
	// event that stands for %%event%% in it, not the whole.
	Template *Template
}

// HEC says what stands in the envelope of Splunk's HTTP Event Collector. Its Host,
// FixedHost and JSON are set by New; a SourceType of "" is the format's own.
type HEC = hec.Options

// Info is one format, for people.
type Info struct {
	Name, Doc string
	// Headed says that a syslog sink puts its default header in front of the format,
	// by setting Options.Header, where the configuration names none.
	Headed bool
}

// format is an entry of the table: header is set for formats that are a header
// themselves, body for those that may stand behind one.
type format struct {
	Info
	header     func(o Options) (header, error)
	body       func(o Options, headed bool) (body, error)
	sourceType string // what Splunk calls it
	object     bool   // what it renders is a JSON object
	tagged     bool   // receivers of rfc3164 take its first word for the TAG
}

// table lists every format.
var table = [...]format{
	{
		Info:   Info{RFC5424, "syslog message with the facts as structured data (RFC 5424)", false},
		header: func(o Options) (header, error) { return new5424(o) }, sourceType: "syslog",
	},
	{
		Info:   Info{RFC3164, "syslog message the old way (RFC 3164)", false},
		header: func(o Options) (header, error) { return new3164(o, o.App) }, sourceType: "syslog",
	},
	{
		Info: Info{"cef", "ArcSight Common Event Format, CEF:0 or CEF:1", true},
		body: newCEF, sourceType: "cef", tagged: true,
	},
	{
		Info: Info{"leef", "IBM Log Event Extended Format, LEEF:2.0 or 1.0", true},
		body: newLEEF, sourceType: "leef", tagged: true,
	},
	{
		Info:       Info{"json", "the whole record as one line of JSON", true},
		body:       func(o Options, _ bool) (body, error) { return json.Formatter{Raw: o.Raw, Numbers: numbers(o)}, nil },
		sourceType: "_json", object: true,
	},
	{
		Info: Info{"ecs", "Elastic Common Schema " + ecs.Version + ", one line of JSON", true},
		body: func(o Options, _ bool) (body, error) { return ecs.New(o.Raw), nil }, sourceType: "_json", object: true,
	},
	{
		Info:       Info{"ocsf", "OCSF Detection Finding (2004), schema 1.1 to 1.8, one line of JSON", true},
		body:       func(o Options, _ bool) (body, error) { return ocsf.New(ocsf.Options{Version: o.Version, Raw: o.Raw}) },
		sourceType: "_json", object: true,
	},
	{
		Info: Info{"slack", "message of Slack, one line of JSON; for the sink of that name", false},
		body: func(Options, bool) (body, error) { return slack.Formatter{}, nil }, object: true,
	},
	{
		Info: Info{"pagerduty", "event of PagerDuty's Events API v2, one line of JSON; for the sink of that name", false},
		body: func(o Options, _ bool) (body, error) {
			return pagerduty.New(json.Formatter{Numbers: tree.Safe}, o.Host), nil
		}, object: true,
	},
	{
		Info: Info{"raw", "what was received, unchanged", false},
		body: func(o Options, headed bool) (body, error) {
			return raw.Formatter{Multiline: o.Multiline, Text: headed}, nil
		},
	},
}

// Names lists the formats.
func Names() []Info {
	all := make([]Info, len(table))
	for i := range table {
		all[i] = table[i].Info
	}
	return all
}

// New returns the formatter called name.
func New(name string, o Options) (Formatter, error) {
	for i := range table {
		if table[i].Name == name {
			return whole(&table[i], withDefaults(o))
		}
	}
	names := make([]string, len(table))
	for i := range table {
		names[i] = table[i].Name
	}
	return nil, fmt.Errorf("format %q: unknown, want one of %s", name, strings.Join(names, ", "))
}

// ErrTooLong is the answer for an event over the largest size, where it is not to be
// shortened.
var ErrTooLong = errors.New("longer than max_size, and overflow is dead_letter")

// whole builds a format with what stands around it.
func whole(t *format, o Options) (Formatter, error) {
	limit := o.MaxSize
	if o.Refuse && limit > 0 {
		o.MaxSize = 0
	}
	f, err := build(t, o)
	if err != nil {
		return nil, err
	}
	if o.Refuse && limit > 0 {
		f = strict{f, limit}
	}
	switch {
	case o.Template != nil:
		return filled(f, o, t.object)
	case o.HEC != nil:
		return envelope(t, f, o)
	}
	return f, nil
}

// numbers is how numbers stand in JSON: Splunk holds them as doubles.
func numbers(o Options) tree.Numbers {
	if o.HEC != nil {
		return tree.Safe
	}
	return tree.AsSent
}

func envelope(f *format, inner Formatter, o Options) (Formatter, error) {
	e := *o.HEC
	e.Host, e.FixedHost = o.Host, o.FixedHost
	e.JSON = f.object && (o.Header == "" || o.Header == NoHeader)
	if e.SourceType == "" {
		e.SourceType = f.sourceType
	}
	w, err := hec.New(inner, e)
	if err != nil {
		return nil, fmt.Errorf("envelope: %w", err)
	}
	return w, nil
}

func withDefaults(o Options) Options {
	if o.Facility == 0 {
		o.Facility = 16
	}
	if o.SDID == "" {
		o.SDID = DefaultSDID
	}
	if o.App == "" {
		o.App = "siemfwd"
	}
	return o
}

func build(f *format, o Options) (Formatter, error) {
	if o.MaxSize < 0 {
		return nil, fmt.Errorf("max size %d: want a positive number of bytes", o.MaxSize)
	}
	if f.header != nil {
		if o.Header != "" && o.Header != f.Name {
			return nil, fmt.Errorf("header %q: format %s is a syslog message with its own header, leave header out", o.Header, f.Name)
		}
		h, err := f.header(o)
		if err != nil {
			return nil, fmt.Errorf("format %s: %w", f.Name, err)
		}
		return h, nil
	}
	b, err := f.body(o, o.Header != "" && o.Header != NoHeader)
	if err == nil && len(o.Map) > 0 {
		b, err = withMap(f.Name, b, o.Map)
	}
	if err != nil {
		return nil, fmt.Errorf("format %s: %w", f.Name, err)
	}
	var h header
	switch o.Header {
	case "", NoHeader:
		if o.MaxSize > 0 {
			return bounded{b, o.MaxSize}, nil
		}
		return b, nil
	case RFC5424:
		h, err = new5424(o)
	case RFC3164:
		app := o.App
		if f.tagged {
			app = ""
		}
		h, err = new3164(o, app)
	default:
		return nil, fmt.Errorf("header %q: unknown, want %s, %s or %s", o.Header, RFC5424, RFC3164, NoHeader)
	}
	if err != nil {
		return nil, fmt.Errorf("header %s: %w", o.Header, err)
	}
	return headed{h, b}, nil
}

func newCEF(o Options, _ bool) (body, error) {
	f := cef.Formatter{
		PlainIPv6: o.PlainIPv6, SnakeLabels: o.SnakeLabels, PipeSafe: o.PipeSafe, TextTime: o.TextTime, VendorFields: o.VendorFields,
	}
	switch o.Version {
	case "", "0":
	case "1":
		f.Version1 = true
	default:
		return nil, fmt.Errorf("version %q: want 0 or 1", o.Version)
	}
	return f, nil
}

func newLEEF(o Options, _ bool) (body, error) {
	lo := leef.Options{Delimiter: o.Delimiter, PipeSafe: o.PipeSafe}
	switch o.Version {
	case "", "2", "2.0":
	case "1", "1.0":
		lo.Version1 = true
	default:
		return nil, fmt.Errorf("version %q: want 2.0 or 1.0", o.Version)
	}
	f, err := leef.New(lo)
	if err != nil {
		return nil, err
	}
	f.TextTime = o.TextTime
	return f, nil
}

func new5424(o Options) (*rfc5424.Formatter, error) {
	return rfc5424.New(rfc5424.Options{
		Facility: o.Facility, Host: o.Host, FixedHost: o.FixedHost,
		App: o.App, SDID: o.SDID, Multiline: o.Multiline, Max: o.MaxSize, Digits: o.TimeDigits,
	})
}

func new3164(o Options, app string) (*rfc3164.Formatter, error) {
	return rfc3164.New(rfc3164.Options{
		Facility: o.Facility, Host: o.Host, FixedHost: o.FixedHost,
		App: app, Zone: o.Zone, Multiline: o.Multiline, Max: o.MaxSize,
	})
}

// cefKeys is the dictionary of CEF as a map is checked against it.
func cefKeys() []mapping.Key {
	types := map[cef.Type]when.Type{
		cef.Integer: when.Number, cef.Long: when.Number, cef.IPv4: when.IP, cef.IPv6: when.IP, cef.IP: when.IP, cef.Timestamp: when.Time,
	}
	var all []mapping.Key
	for _, k := range cef.Keys() {
		m := mapping.Key{Name: k.Name, Type: types[k.Type]}
		switch {
		case k.Consumer:
			m.Never = "belongs to whoever collects events: a receiver overwrites it or takes it for something else"
		case k.Name == "c6a2" || k.Name == "c6a2Label":
			m.Never = "is where an IPv6 address under src goes: map src"
		case k.Name == "c6a3" || k.Name == "c6a3Label":
			m.Never = "is where an IPv6 address under dst goes: map dst"
		case k.V1:
			m.Needs = "1"
		}
		all = append(all, m)
	}
	return all
}

// leefKeys are the predefined attributes of LEEF as a map is checked against them.
func leefKeys() []mapping.Key {
	var all []mapping.Key
	for _, a := range leef.Attributes() {
		m := mapping.Key{Name: a.Name, Type: leefTypes[a.Name]}
		switch {
		case a.Reserved:
			m.Never = "is reserved and has no meaning to QRadar yet"
		case a.Name == "sev":
			m.Never = "is made of the event's severity"
		case a.Name == "devTimeFormat":
			m.Never = "goes with devTime, which is in milliseconds"
		}
		all = append(all, m)
	}
	return all
}
