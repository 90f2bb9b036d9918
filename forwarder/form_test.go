package forwarder

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/formatters"
	"github.com/siemfwd/siemfwd/forwarder/config"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

// loadSink reads a configuration with one sink, whose keys are given.
func loadSink(t *testing.T, keys string) (*config.Config, []string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "c.yaml")
	text := "state: /tmp/siemfwd-test\nsources:\n  in: {type: syslog, vendor: auto, listen: [\"udp://127.0.0.1:0\"]}\nsinks:\n  out:\n"
	for line := range strings.Lines(strings.TrimSpace(keys)) {
		text += "    " + strings.TrimRight(line, "\n") + "\n"
	}
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	cfg, problems := Load(path, Lenient)
	var all []string
	for _, p := range problems {
		s := strings.Replace(p.Text, "sinks.out.", "", 1)
		if p.Severity != config.Error {
			s = "warning: " + s
		}
		if p.Hint != "" {
			s += " (" + p.Hint + ")"
		}
		if !strings.Contains(s, "structured data under the number for examples") && !strings.Contains(s, "not checked: ${") {
			all = append(all, s)
		}
	}
	return cfg, all
}

func TestCheckSink(t *testing.T) {
	const tcp = "type: syslog\naddress: tcp://127.0.0.1:514\n"
	for _, c := range []struct{ keys, want string }{
		{tcp + "format: leef\nversion: 1.0", ""},
		{tcp + "format: cef\nversion: 1", ""},
		{tcp + "format: ocsf\nversion: 1.8", ""},
		{tcp + "format: cef\nversion: 3", `version: version "3": want 0 or 1`},
		{tcp + "format: ocsf\nversion: 2.0", `version: version "2.0": want 1.1 to 1.8`},
		{tcp + "format: leef\ndelimiter: '='", `delimiter: delimiter "=": want one character that is no letter, digit, "=", "|", space or line end`},
		{tcp + "format: leef\nversion: 1.0\ndelimiter: ';'", "delimiter: LEEF 1.0 has TAB between attributes and nothing else"},
		{tcp + "format: json\nversion: 1", "warning: version: format json does not heed it (it is for cef, leef, ocsf)"},
		{tcp + "format: leef\nvendor_fields: true", "warning: vendor_fields: format leef does not heed it (it is for cef)"},
		{tcp + "format: cef\nmap: {sUser: user.id, cs1Label: X}", "map.sUser: CEF has no key sUser (did you mean suser?)\n" +
			"map.cs1Label: cs1Label is the label of cs1, which has no value here (add cs1: and the path of its value)"},
		{tcp + "format: json\nmap: {suser: user.id}", "map: format json has no keys to map (map is for cef and leef; other formats show every value under its own name)"},
		{tcp + "multiline: preserve", "multiline: a line feed ends a message here, so none can be inside (framing: octet_counting, if the receiver counts; or multiline: escape)"},
		{tcp + "multiline: preserve\nframing: octet_counting", ""},
		{"type: syslog\naddress: tls://127.0.0.1:6514\nmultiline: preserve", ""},
		{"type: stdout\nformat: raw\nmultiline: preserve", "multiline: a line feed ends a message here, so none can be inside (framing: octet_counting, if the receiver counts; or multiline: escape)"},
		{tcp + "max_size: 200B", "warning: max_size: 200B is little: most of an event will be missing (480B and more is what every syslog receiver takes)"},
		{tcp + "overflow: dead_letter", "warning: overflow: there is no max_size: nothing is too long"},
		{tcp + "time_digits: 9", "time_digits: 9 is not from 0 to 6"},
		{tcp + "format: cef\nheader: rfc3164\ntime_digits: 3", "warning: time_digits: there is no rfc5424 header"},
		{tcp + "timezone: Europe/Berlin", "warning: timezone: there is no rfc3164 header: other times are in UTC and say so"},
		{tcp + "format: cef\nheader: rfc3164\ntimezone: Europe/Berlin", ""},
		{tcp + "profile: qradar", ""},
		{tcp + "profile: qradar\nformat: cef\nversion: 1", "warning: version: profile qradar is for CEF:0: it looks for these letters (remove the line)"},
		{tcp + "profile: qradar\nhost: '2001:db8::1'", "warning: host: QRadar does not take an IPv6 address for a log source identifier (a name, or an IPv4 address)"},
		{tcp + "profile: sentinel\nheader: rfc5424", "warning: header: profile sentinel is for rfc3164: the agent knows CEF by the tag, which in an rfc5424 header would be siemfwd (remove the line to have rfc3164)"},
		{tcp + "profile: arcsight\nipv6: plain", "warning: ipv6: profile arcsight is for strict: src, dst and dvc take IPv4; an IPv6 address there is lost (remove the line to have strict)"},
		{tcp + "profile: splnk", "unknown profile \"splnk\" in sinks.out (did you mean splunk?)"},
		{"type: splunk_hec\nurl: https://127.0.0.1:8088\ntoken: ${cred:t}\nprofile: splunk", ""},
	} {
		_, got := loadSink(t, c.keys)
		assert.Equal(t, c.want, strings.Join(got, "\n"), c.keys)
	}
}

// What a profile comes to, byte for byte.
func TestProfiles(t *testing.T) {
	r := &record.Record{
		Vendor: []byte("Acme"), Product: []byte("a|b"), Version: []byte("1"), Class: []byte("c1"), Name: []byte("n"), Severity: 8, Host: []byte("fw1"),
		Time: record.Unix(1700000000123456789, 9), Message: []byte("m"), Identity: []byte("x"),
	}
	r.Set(record.SrcIP, []byte("2001:db8::1"))
	r.SetSlot(record.CS1, "PolicyName", []byte("Cards"))
	const head = "<131>1 2023-11-14T22:13:20.123Z fw1 siemfwd - c1 - "
	for name, want := range map[string]string{
		"splunk":   head + `CEF:0|Acme|a/b|1|c1|n|8|rt=1700000000123 src=2001:db8::1 dvchost=fw1 cs1=Cards cs1Label=policy_name msg=m`,
		"qradar":   head + `LEEF:2.0|Acme|a_b|1|c1|^|devTime=1700000000123^sev=8^src=2001:db8::1^eventName=n^deviceHost=fw1^policy=Cards^msg=m`,
		"sentinel": `<131>Nov 14 22:13:20 fw1 CEF:0|Acme|a\|b|1|c1|n|8|rt=1700000000123 src=2001:db8::1 dvchost=fw1 cs1=Cards cs1Label=PolicyName msg=m`,
		"arcsight": `<131>Nov 14 22:13:20 fw1 CEF:0|Acme|a\|b|1|c1|n|8|rt=1700000000123 c6a2=2001:db8::1 c6a2Label=Source IPv6 Address dvchost=fw1 cs1=Cards cs1Label=PolicyName msg=m`,
		"elastic":  `{"@timestamp":"2023-11-14T22:13:20.123Z",`,
	} {
		cfg, problems := loadSink(t, "type: syslog\naddress: tcp://127.0.0.1:514\nprofile: "+name)
		require.Empty(t, problems, name)
		s := &cfg.Sinks[0]
		f, err := formatters.New(s.Format, formatOptions(s, "own"))
		require.NoError(t, err)
		out, err := f.Append(nil, r)
		require.NoError(t, err)
		if strings.HasPrefix(want, "{") {
			assert.True(t, strings.HasPrefix(string(out), want), string(out))
			continue
		}
		assert.Equal(t, want, string(out), name)
	}
	require.Len(t, Profiles(), 5)

	cfg, _ := loadSink(t, "type: syslog\naddress: tcp://127.0.0.1:514\nprofile: qradar")
	r.Message = []byte(strings.Repeat("m", 8000))
	f, err := formatters.New("leef", formatOptions(&cfg.Sinks[0], "own"))
	require.NoError(t, err)
	out, err := f.Append(nil, r)
	require.NoError(t, err)
	assert.Len(t, out, 4096)
	assert.True(t, strings.HasSuffix(string(out), "^truncated=true"))
}

// The keys of a sink reach the formatter.
func TestFormatOptions(t *testing.T) {
	cfg, problems := loadSink(t, `
type: syslog
address: tls://127.0.0.1:6514
format: rfc3164
multiline: preserve
timezone: Europe/Berlin
max_size: 480B
overflow: dead_letter
host: fixed`)
	require.Empty(t, problems)
	f, err := formatters.New("rfc3164", formatOptions(&cfg.Sinks[0], "own"))
	require.NoError(t, err)
	r := &record.Record{Time: record.Unix(1700000000000000000, 0), Message: []byte("a\nb"), Received: time.Now()}
	out, err := f.Append(nil, r)
	require.NoError(t, err)
	assert.Equal(t, "<133>Nov 14 23:13:20 fixed siemfwd: a\nb", string(out))
	r.Message = []byte(strings.Repeat("m", 500))
	_, err = f.Append(nil, r)
	assert.ErrorIs(t, err, formatters.ErrTooLong)
}
