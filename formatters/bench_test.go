package formatters_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/formatters"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

// cases are the formats as sinks use them.
var cases = []struct {
	name, format string
	options      formatters.Options
}{
	{"rfc5424", "rfc5424", formatters.Options{}},
	{"rfc3164", "rfc3164", formatters.Options{}},
	{"cef", "cef", formatters.Options{}},
	{"cef behind rfc5424", "cef", formatters.Options{Header: "rfc5424"}},
	{"cef with everything", "cef", formatters.Options{Version: "1", PlainIPv6: true, SnakeLabels: true, PipeSafe: true, TextTime: true, VendorFields: true}},
	{"cef mapped", "cef", formatters.Options{Map: map[string]string{"cs1": "policy.name", "cs1Label": "PolicyName", "suser": "fields.actorId", "acmeTag": "Lab", "duser": "user.name"}}},
	{"leef", "leef", formatters.Options{}},
	{"leef mapped", "leef", formatters.Options{Map: map[string]string{"usrName": "fields.actorId", "acmeTag": "severity"}}},
	{"leef 1.0 behind rfc3164", "leef", formatters.Options{Header: "rfc3164", Version: "1.0"}},
	{"json", "json", formatters.Options{}},
	{"json with raw", "json", formatters.Options{Raw: true}},
	{"json behind rfc5424", "json", formatters.Options{Header: "rfc5424"}},
	{"ecs", "ecs", formatters.Options{}},
	{"ecs with raw", "ecs", formatters.Options{Raw: true}},
	{"ocsf", "ocsf", formatters.Options{}},
	{"ocsf 1.8 with raw", "ocsf", formatters.Options{Version: "1.8", Raw: true}},
	{"raw", "raw", formatters.Options{}},
	{"json for Splunk", "json", formatters.Options{HEC: &formatters.HEC{}}},
	{"cef for Splunk", "cef", formatters.Options{HEC: &formatters.HEC{SourceType: "{vendor}", Index: "main"}}},
}

func BenchmarkAppend(b *testing.B) {
	for _, c := range cases {
		b.Run(c.name, func(b *testing.B) {
			f, err := formatters.New(c.format, c.options)
			require.NoError(b, err)
			var r record.Record
			skyhigh(&r)
			buf, err := f.Append(nil, &r)
			require.NoError(b, err)
			b.SetBytes(int64(len(buf)))
			b.ReportAllocs()
			for b.Loop() {
				buf, _ = f.Append(buf[:0], &r)
			}
		})
	}
}
