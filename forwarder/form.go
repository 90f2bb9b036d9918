package forwarder

import (
	"fmt"
	"slices"
	"strings"

	"github.com/siemfwd/siemfwd/formatters"
	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/config"
)

// FormatterOf makes the formatter of a sink, as a lane would; host is this machine's name.
func FormatterOf(c *config.Sink, host string) (formatters.Formatter, error) {
	return formatters.New(c.Format, formatOptions(c, host))
}

// formatOptions turns a sink's common keys into what a formatter is made with.
func formatOptions(c *config.Sink, host string) formatters.Options {
	header := c.Header
	for _, f := range formatters.Names() {
		if f.Name == c.Format && !f.Headed {
			header = "" // the format is a header itself, or goes out as it came
		}
	}
	o := formatters.Options{
		Header: header, Facility: c.Facility, Host: host, FixedHost: c.Host, SDID: c.SDID, App: "siemfwd", Raw: c.Raw && !c.Mask.On(),
		MaxSize: int(c.MaxSize), Refuse: c.Form.Overflow == "dead_letter", Multiline: c.Form.Multiline == "preserve",
		Zone: c.Timezone, TimeDigits: c.TimeDigits, Version: c.Form.Version, Delimiter: c.Form.Delimiter,
		PipeSafe: c.Form.Pipes == "replace", TextTime: c.Form.Times == "text", PlainIPv6: c.Form.IPv6 == "plain",
		SnakeLabels: c.Form.Labels == "snake_case", VendorFields: c.Form.VendorFields, Map: c.Form.Map,
	}
	k, err := findSink(c.Type)
	if err == nil && k.envelope != nil {
		o.HEC = k.envelope(c.Config)
	}
	if err == nil && k.template != nil {
		o.Template = k.template(c.Config)
	}
	return o
}

// heeds tells which formats heed a key; others do not know what it is about.
var heeds = []struct {
	key     string
	formats []string
}{
	{"version", []string{"cef", "leef", "ocsf"}}, {"delimiter", []string{"leef"}}, {"ipv6", []string{"cef"}}, {"labels", []string{"cef"}},
	{"pipes", []string{"cef", "leef"}}, {"times", []string{"cef", "leef"}}, {"vendor_fields", []string{"cef"}},
	{"multiline", []string{"rfc5424", "rfc3164", "raw"}}, {"map", []string{"cef", "leef"}},
}

// checkSink holds how a sink's events are written against what the formats can.
func checkSink(s *config.Sink, given func(key string) bool, r *component.Report) {
	for _, h := range heeds {
		if given(h.key) && h.key != "map" && !slices.Contains(h.formats, s.Format) {
			r.Warn(h.key, "format "+s.Format+" does not heed it", "it is for "+strings.Join(h.formats, ", "))
		}
	}
	try := func(key string, o formatters.Options) {
		if _, err := formatters.New(s.Format, o); err != nil && given(key) {
			r.Error(key, strings.TrimPrefix(err.Error(), "format "+s.Format+": "), "")
		}
	}
	try("version", formatters.Options{Version: s.Form.Version})
	if leef := s.Form.Version; leef != "1.0" && leef != "1" {
		try("delimiter", formatters.Options{Delimiter: s.Form.Delimiter})
	} else if given("delimiter") {
		r.Error("delimiter", "LEEF 1.0 has TAB between attributes and nothing else", "")
	}
	for _, p := range formatters.CheckMap(s.Format, s.Form.Version, s.Form.Map) {
		path := "map"
		if p.Key != "" {
			path += "." + p.Key
		}
		if p.Warning {
			r.Warn(path, p.Text, p.Hint)
		} else {
			r.Error(path, p.Text, p.Hint)
		}
	}
	checkProfile(s, r)
	checkSize(s, given, r)
	checkMask(s, given, r)
	checkTimes(s, given, r)
	if k, err := findSink(s.Type); err == nil && s.Form.Multiline == "preserve" && (k.lineFeeds == nil || !k.lineFeeds(s.Config)) {
		r.Error("multiline", "a line feed ends a message here, so none can be inside", "framing: octet_counting, if the receiver counts; or multiline: escape")
	}
}

// checkProfile warns of what a receiver cannot read although the format is right.
func checkProfile(s *config.Sink, r *component.Report) {
	if s.Format == "cef" && s.Form.Version == "1" && slices.Contains([]string{"qradar", "splunk", "sentinel"}, s.Form.Profile) {
		r.Warn("version", "profile "+s.Form.Profile+" is for CEF:0: it looks for these letters", "remove the line")
	}
	if s.Form.Profile == "qradar" && strings.Contains(s.Host, ":") {
		r.Warn("host", "QRadar does not take an IPv6 address for a log source identifier", "a name, or an IPv4 address")
	}
}

func checkSize(s *config.Sink, given func(key string) bool, r *component.Report) {
	const least = 480 // every receiver takes as much: RFC 5424 section 6.1
	switch {
	case s.MaxSize > 0 && s.MaxSize < least:
		r.Warn("max_size", fmt.Sprintf("%s is little: most of an event will be missing", s.MaxSize), fmt.Sprintf("%dB and more is what every syslog receiver takes", least))
	case s.MaxSize == 0 && given("overflow") && s.Form.Overflow == "dead_letter":
		r.Warn("overflow", "there is no max_size: nothing is too long", "")
	}
}

func checkTimes(s *config.Sink, given func(key string) bool, r *component.Report) {
	if d := s.TimeDigits; d != nil && (*d < 0 || *d > 6) {
		r.Error("time_digits", fmt.Sprintf("%d is not from 0 to 6", *d), "")
	}
	header := s.Header
	if s.Format == "rfc5424" || s.Format == "rfc3164" {
		header = s.Format
	}
	if given("time_digits") && header != "rfc5424" {
		r.Warn("time_digits", "there is no rfc5424 header", "")
	}
	if given("timezone") && header != "rfc3164" {
		r.Warn("timezone", "there is no rfc3164 header: other times are in UTC and say so", "")
	}
}
