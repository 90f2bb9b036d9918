package formatters_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/formatters"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

func TestCheckMap(t *testing.T) {
	for _, c := range []struct {
		format, version, key, value string
		want                        string // "": nothing; ends in a hint in brackets
	}{
		{"cef", "", "suser", "user.id", ""},
		{"cef", "", "cn1", "severity", ""},
		{"cef", "", "cn1", "fields.anything", ""},
		{"cef", "", "cn1", "17", ""},
		{"cef", "", "src", "192.0.2.1", ""},
		{"cef", "", "src", "observer.ip", ""},
		{"cef", "", "rt", "received", ""},
		{"cef", "", "deviceFacility", "EU West", ""},
		{"cef", "", "deviceFacility", "Production", ""},
		{"cef", "", "deviceFacility", `"prod"`, ""},
		{"cef", "1", "threatActor", "threat.name", ""},
		{"cef", "0", "threatActor", "threat.name", "warning: threatActor came with specification 1.2: readers of CEF:0 do not know it (write version: 1 if the receiver reads it)"},
		{"cef", "", "acmeThing", "id", "warning: CEF has no key acmeThing: most receivers keep it as additional data, some drop it (the slots cs1 to cs6 and cn1 to cn3 hold what has no key of its own)"},
		{"cef", "", "sUser", "user.name", "CEF has no key sUser (did you mean suser?)"},
		{"cef", "", "destinationServiceNam", "service", "CEF has no key destinationServiceNam (did you mean destinationServiceName?)"},
		{"cef", "", "s user", "user.name", `"s user" cannot be a key: keys are ASCII letters and digits ()`},
		{"cef", "", "rawEvent", "raw", "rawEvent belongs to whoever collects events: a receiver overwrites it or takes it for something else ()"},
		{"cef", "", "c6a2", "src.ip", "c6a2 is where an IPv6 address under src goes: map src ()"},
		{"cef", "", "suser", "usr.name", "no value is called usr.name (did you mean user.name?)"},
		{"cef", "", "suser", "scanner", `no value is called scanner (a vendor's own field is written fields.scanner; a text stands in quotes: '"scanner"')`},
		{"cef", "", "suser", "fields.", `no value is called fields. (write fields.NAME or fields.NAME.NAME; a text stands in quotes: '"fields."')`},
		{"cef", "", "suser", "", "there is no value (write the path of a value, such as user.name or fields.NAME)"},
		{"cef", "", "cn1", "user.name", "cn1 takes a whole number, which user.name is not ()"},
		{"cef", "", "cn1", "Many", `cn1 takes a whole number, which the text "Many" is not ()`},
		{"cef", "", "src", "src.host", "src takes an IP address, which src.host is not ()"},
		{"cef", "", "end", "id", "end takes a time, which id is not ()"},
		{"cef", "", "cs1Label", "Policy", "cs1Label is the label of cs1, which has no value here (add cs1: and the path of its value)"},
		{"leef", "", "usrName", "user.id", ""},
		{"leef", "", "acmeThing", "fields.x", ""},
		{"leef", "", "usrname", "user.id", "LEEF has no key usrname (did you mean usrName?)"},
		{"leef", "", "sev", "severity", "sev is made of the event's severity ()"},
		{"leef", "", "isLoginEvent", "fields.x", "isLoginEvent is reserved and has no meaning to QRadar yet ()"},
		{"leef", "", "srcPort", "src.ip", "srcPort takes a whole number, which src.ip is not ()"},
		{"json", "", "x", "y", "format json has no keys to map (map is for cef and leef; other formats show every value under its own name)"},
	} {
		var got []string
		for _, p := range formatters.CheckMap(c.format, c.version, map[string]string{c.key: c.value}) {
			s := fmt.Sprintf("%s (%s)", p.Text, p.Hint)
			if p.Warning {
				s = "warning: " + s
			}
			got = append(got, s)
		}
		assert.Equal(t, c.want, strings.Join(got, "; "), "%s: %s", c.key, c.value)
	}
	labels := formatters.CheckMap("cef", "", map[string]string{"cs1": "id", "cs1Label": "not a word", "cs2": "id", "cs2Label": "fields.x", "cs3": "id", "cs3Label": "Good_1"})
	require.Len(t, labels, 1)
	assert.Equal(t, "cs1Label", labels[0].Key)
	assert.Contains(t, labels[0].Text, "ASCII letters, digits and _")
	many := map[string]string{}
	for i := range 33 {
		many[fmt.Sprintf("acmeKey%d", i)] = "id"
	}
	_, err := formatters.New("leef", formatters.Options{Map: many})
	assert.ErrorContains(t, err, "33 keys are more than a sink can have")
}

func TestMap(t *testing.T) {
	var r record.Record
	skyhigh(&r)
	plain := render(t, "cef", formatters.Options{}, &r)
	out := render(t, "cef", formatters.Options{Map: map[string]string{
		"cs1": "fields.scanName", "cs1Label": "ScanName", "suser": "fields.none", "sourceServiceName": "source", "src": "'2001:db8::1'", "acmeTag": "prod=1", "msg": "id",
	}}, &r)
	assert.Contains(t, out, " cs1=On-demand cs1Label=ScanName ")
	assert.NotContains(t, out, "suser=")
	assert.Contains(t, out, " c6a2=2001:db8::1 c6a2Label=Source IPv6 Address ")
	assert.Contains(t, out, " acmeTag=prod\\=1 sourceServiceName=skyhigh-connector ")
	assert.True(t, strings.HasSuffix(out, " msg=DLP-771204"), out)
	assert.Equal(t, plain, render(t, "cef", formatters.Options{}, &r), "the record is as it was")

	out = render(t, "leef", formatters.Options{Header: "rfc5424", Map: map[string]string{"usrName": "fields.accountId", "acme": "a^b", "deviceHost": "fields.none"}}, &r)
	assert.Contains(t, out, "^usrName=dc960d72-efdf-4b89-adb8-4c78eb969c83^")
	assert.Contains(t, out, "^acme=a b^")
	assert.NotContains(t, out, "deviceHost")
	assert.Contains(t, out, " ec1.example.net siemfwd ", "the header is not mapped")
}

// A map can name any key, and still no key stands twice.
func TestNoKeyTwice(t *testing.T) {
	var r record.Record
	skyhigh(&r)
	r.Set(record.SrcIP, []byte("2001:db8::1"))
	r.Set(record.ThreatTechnique, []byte("T1078"))
	r.Set(record.FileSize, []byte("5000000000"))
	for _, format := range []string{"cef", "leef"} {
		base := render(t, format, formatters.Options{Version: map[string]string{"cef": "1"}[format]}, &r)
		names := map[string]bool{"acme": true}
		for _, k := range []string{
			"c6a1", "c6a4", "cn1", "cn2", "cn3", "frameworkName", "threatAttackID", "sourceServiceName", "dvcmac", "msg", "rt", "act", "request", "cs1", "dvchost", "deviceHost",
			"eventName", "policy", "usrName", "identSrc", "adTruncated",
		} {
			names[k] = true
		}
		for _, name := range slices.Sorted(maps.Keys(names)) {
			f, err := formatters.New(format, formatters.Options{Version: map[string]string{"cef": "1"}[format], Map: map[string]string{name: "fields.eventId"}})
			require.NoError(t, err, name)
			line, err := f.Append(nil, &r)
			require.NoError(t, err)
			sep := map[string]string{"cef": " ", "leef": "^"}[format]
			seen := strings.Count(strings.ReplaceAll(string(line), "|", sep), sep+name+"=")
			require.LessOrEqual(t, seen, 1, "%s in %s", name, line)
			require.NotEmpty(t, base)
		}
	}
}
