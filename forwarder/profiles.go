package forwarder

import "github.com/siemfwd/siemfwd/forwarder/config"

// lineTypes are the types of sinks that send one event after another as text.
var lineTypes = []string{"syslog", "file", "stdout", "kafka"}

// profiles is the table of receivers: what each reads best. `siemfwd doc NAME` tells what
// to set up there.
var profiles = [...]config.Profile{
	{Name: "splunk", Doc: "Splunk, by Splunk Connect for Syslog or by HEC", Settings: []config.Setting{
		{Key: "format", Value: "json", Types: []string{"splunk_hec"}, Others: []string{"ecs", "ocsf", "cef", "leef", "raw"},
			Why: "search-time extraction reads JSON and CEF by itself"},
		{Key: "format", Value: "cef", Types: lineTypes, Others: []string{"leef", "rfc5424", "json"}, Why: "SC4S takes it apart without an add-on of your own"},
		{Key: "header", Value: "rfc5424", Types: []string{"syslog"}, Others: []string{"none"},
			Why: "SC4S guesses the zone of an rfc3164 time, and takes the event's own milliseconds from nowhere else"},
		{Key: "framing", Value: "lf", Others: []string{"octet_counting"}, Why: "SC4S counts octets on port 601 only"},
		{Key: "pipes", Value: "replace", Types: lineTypes, Why: "SC4S splits the header at every |, escaped or not: what follows one in a title would become fields"},
		{Key: "labels", Value: "snake_case", Why: "the labels become field names"},
		{Key: "ipv6", Value: "plain", Why: "the CIM wants every address under src and dest"},
		{Key: "max_size", Value: "64KiB", Types: []string{"syslog"}},
	}},
	{Name: "qradar", Doc: "IBM QRadar", Settings: []config.Setting{
		{Key: "format", Value: "leef", Types: lineTypes, Others: []string{"cef"}, Why: "other formats need an extension that takes them apart"},
		{Key: "header", Value: "rfc5424", Types: []string{"syslog"}, Others: []string{"rfc3164"},
			Why: "the host in the header is the log source identifier: without one every source is one log source"},
		{Key: "framing", Value: "lf", Others: []string{"octet_counting"}, Why: "its TCP listener ends an event at a line feed"},
		{Key: "time_digits", Value: "3", Types: []string{"syslog"}, Why: "QRadar reads a time with three fraction digits"},
		{Key: "times", Value: "epoch_ms", Why: "QRadar knows thirteen digits without a format"},
		{Key: "pipes", Value: "keep"},
		{Key: "max_size", Value: "4096B", Types: []string{"syslog"}},
		{Key: "overflow", Value: "trim", Why: "what QRadar cannot take in one piece shows up as a second event that it cannot read"},
	}},
	{Name: "sentinel", Doc: "Microsoft Sentinel, by the Azure Monitor Agent", Settings: []config.Setting{
		{Key: "format", Value: "cef", Types: lineTypes, Others: []string{"rfc3164", "rfc5424"}, Why: "CommonSecurityLog is made of CEF"},
		{Key: "header", Value: "rfc3164", Types: []string{"syslog"}, Why: "the agent knows CEF by the tag, which in an rfc5424 header would be siemfwd"},
		{Key: "framing", Value: "lf", Others: []string{"octet_counting"}, Why: "the rsyslog in front of the agent reads lines, unless it is told to count"},
		{Key: "ipv6", Value: "plain", Why: "SourceIP and DestinationIP take IPv6"},
		{Key: "times", Value: "epoch_ms"},
		{Key: "max_size", Value: "8KiB", Types: []string{"syslog"}},
	}},
	{Name: "arcsight", Doc: "ArcSight SmartConnector (syslog)", Settings: []config.Setting{
		{Key: "format", Value: "cef", Types: lineTypes, Why: "the connector reads CEF without a parser of its own"},
		{Key: "header", Value: "rfc3164", Types: []string{"syslog"}, Others: []string{"rfc5424"}, Why: "the connector's syslog headers are rfc3164 or rfc5424"},
		{Key: "framing", Value: "lf", Why: "the connector reads lines"},
		{Key: "ipv6", Value: "strict", Why: "src, dst and dvc take IPv4; an IPv6 address there is lost"},
		{Key: "times", Value: "epoch_ms"},
	}},
	{Name: "elastic", Doc: "Elastic Agent, Filebeat and Logstash", Settings: []config.Setting{
		{Key: "format", Value: "ecs", Types: lineTypes, Others: []string{"cef", "json"}, Why: "ecs needs no pipeline; cef is for the CEF integration"},
		{Key: "header", Value: "none", Types: []string{"syslog"}, Others: []string{"rfc5424"}, Why: "the ndjson parser reads a line that is JSON and nothing else"},
		{Key: "framing", Value: "lf", Others: []string{"octet_counting"}, Why: "the tcp input ends an event at a line feed, unless it is told framing: rfc6587"},
		{Key: "ipv6", Value: "plain", Why: "the decoder takes IPv6 under src and dst"},
		{Key: "times", Value: "epoch_ms"},
		{Key: "max_size", Value: "10MiB", Types: []string{"syslog"}},
	}},
}

// Profiles lists the receivers a sink may be written for.
func Profiles() []config.Profile { return profiles[:] }
