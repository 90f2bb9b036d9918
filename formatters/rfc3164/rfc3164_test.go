package rfc3164_test

import (
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	leodido "github.com/leodido/go-syslog/v4/rfc3164"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/siemfwd/siemfwd/formatters/rfc3164"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

var at = record.Unix(1700000000123456789, 9)

// shape is the whole of the format as receivers read it.
var shape = regexp.MustCompile(`^<(0|[1-9][0-9]{0,2})>((?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) (?: [1-9]|[12][0-9]|3[01]) [0-9]{2}:[0-9]{2}:[0-9]{2}) ([!-9;-~]{1,255})(?: ([A-Za-z0-9_./-]{1,32})(?:\[([!-Z\\^-~]{1,128})\])?:)?(?: ([^\x00-\x08\x0a-\x1f\x7f]+))?$`)

func TestWhatIsWrittenIsRead(t *testing.T) {
	text := rapid.OneOf(
		rapid.StringN(0, 40, -1),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 40), func(b []byte) string { return string(b) }),
		rapid.SampledFrom([]string{"", "a b", "x: y", "[1]", "fe80::1", "\r\n<13>Jan  1 00:00:00 evil su: root", strings.Repeat("é", 300), "\uFEFF"}),
	)
	rapid.Check(t, func(t *rapid.T) {
		m := rfc3164.Message{
			Facility: rapid.IntRange(-1, 30).Draw(t, "facility"), Severity: rapid.IntRange(-1, 9).Draw(t, "severity"),
			Time: record.Unix(rapid.Int64().Draw(t, "time"), 9),
			Host: []byte(text.Draw(t, "host")), App: []byte(text.Draw(t, "app")),
			ProcID: []byte(text.Draw(t, "procid")), Msg: []byte(text.Draw(t, "msg")),
		}
		e := rfc3164.Encoder{Host: []byte("own"), NoTag: rapid.Bool().Draw(t, "no tag")}
		out := e.Append(nil, &m)
		require.Truef(t, utf8.Valid(out), "%q", out)
		got := shape.FindSubmatch(out)
		require.NotNilf(t, got, "%q", out)
		assert.Equal(t, m.Time.Go().Format(time.Stamp), string(got[2]))

		e.Max = rapid.IntRange(1, len(out)).Draw(t, "max")
		cut := e.Append(nil, &m)
		assert.True(t, strings.HasPrefix(string(out), string(cut)))
		assert.True(t, utf8.Valid(cut))
	})
}

func TestAnotherReaderAgrees(t *testing.T) {
	e := rfc3164.Encoder{Host: []byte("own")}
	out := e.Append(nil, &rfc3164.Message{
		Facility: 16, Severity: 3, Time: at, Host: []byte("fw1"), App: []byte("siemfwd"), ProcID: []byte("812"), Msg: []byte("a b"),
	})
	m, err := leodido.NewParser(leodido.WithYear(leodido.Year{YYYY: 2023})).Parse(out)
	require.NoErrorf(t, err, "%q", out)
	got := m.(*leodido.SyslogMessage)
	assert.Equal(t, uint8(131), *got.Priority)
	assert.Equal(t, "2023-11-14T22:13:20Z", got.Timestamp.Format(time.RFC3339))
	assert.Equal(t, "fw1", *got.Hostname)
	assert.Equal(t, "siemfwd", *got.Appname)
	assert.Equal(t, "812", *got.ProcID)
	assert.Equal(t, "a b", *got.Message)
}

func TestHost(t *testing.T) {
	for _, c := range []struct {
		host string
		e    rfc3164.Encoder
		want string
	}{
		{"fw1.example.com", rfc3164.Encoder{}, "fw1.example.com"},
		{"fw1.example.com", rfc3164.Encoder{ShortHost: true}, "fw1"},
		{".hidden", rfc3164.Encoder{ShortHost: true}, ".hidden"},
		{"192.0.2.7", rfc3164.Encoder{ShortHost: true}, "192.0.2.7"},
		{"::ffff:192.0.2.7", rfc3164.Encoder{ShortHost: true, IPv6Literal: true}, "::ffff:192.0.2.7"},
		{"2001:db8::1", rfc3164.Encoder{}, "2001-db8--1"},
		{"2001:db8::1", rfc3164.Encoder{IPv6Literal: true}, "2001:db8::1"},
		{"hôte:1 x", rfc3164.Encoder{}, "h_te-1_x"},
		{"", rfc3164.Encoder{Host: []byte("own")}, "own"},
		{"\uFEFF", rfc3164.Encoder{Host: []byte("own")}, "own"},
		{"", rfc3164.Encoder{}, "localhost"},
	} {
		c.e.NoTag = true
		out := c.e.Append(nil, &rfc3164.Message{Time: at, Host: []byte(c.host)})
		assert.Equalf(t, "<0>Nov 14 22:13:20 "+c.want, string(out), "%q %+v", c.host, c.e)
	}
}

func TestTagAndText(t *testing.T) {
	for _, c := range []struct {
		app, pid, msg string
		want          string
	}{
		{"su", "", "m", " su: m"}, {"su", "1", "m", " su[1]: m"}, {"su", "1", "", " su[1]:"},
		{"", "1", "m", " m"}, {"", "", "", ""}, {"my app:x", "", "m", " my_app_x: m"},
		{"naïve", "[9]", "m", " na_ve[_9_]: m"}, {"postfix/smtpd", "", "a\tb\nc", " postfix/smtpd: a\tb#012c"},
		{"su", "", "\uFEFFm", " su: m"},
	} {
		var e rfc3164.Encoder
		out := e.Append(nil, &rfc3164.Message{Time: at, Host: []byte("h"), App: []byte(c.app), ProcID: []byte(c.pid), Msg: []byte(c.msg)})
		assert.Equal(t, "<0>Nov 14 22:13:20 h"+c.want, string(out))
	}
	e := rfc3164.Encoder{Multiline: true}
	assert.Equal(t, "<0>Nov 14 22:13:20 h a\nb", string(e.Append(nil, &rfc3164.Message{Time: at, Host: []byte("h"), Msg: []byte("a\nb")})))
}

func TestEncoderAllocatesNothing(t *testing.T) {
	zone, err := time.LoadLocation("America/New_York")
	require.NoError(t, err)
	m := rfc3164.Message{Time: at, Host: []byte("2001:db8::1"), App: []byte("my app"), ProcID: []byte("1"), Msg: []byte("a\nb\xff")}
	e := rfc3164.Encoder{Zone: zone, ShortHost: true}
	buf := make([]byte, 0, 512)
	assert.Zero(t, testing.AllocsPerRun(100, func() { buf = e.Append(buf[:0], &m) }))
}

func render(t *testing.T, o rfc3164.Options, r *record.Record) string {
	t.Helper()
	f, err := rfc3164.New(o)
	require.NoError(t, err)
	out, err := f.Append(nil, r)
	require.NoError(t, err)
	return string(out)
}

func TestRecord(t *testing.T) {
	o := rfc3164.Options{Facility: 16, Host: "own", App: "siemfwd"}
	r := &record.Record{Time: at, Severity: 9, Message: []byte("hello")}
	assert.Equal(t, "<130>Nov 14 22:13:20 own siemfwd: hello", render(t, o, r))

	r.Syslog = record.Syslog{Present: true, Facility: 1, Severity: 6}
	r.Host = []byte("fw1")
	assert.Equal(t, "<130>Nov 14 22:13:20 fw1 siemfwd: hello", render(t, o, r), "a header without application: ours")
	r.Syslog.App, r.Syslog.ProcID = []byte("sshd"), []byte("812")
	assert.Equal(t, "<14>Nov 14 22:13:20 fw1 sshd[812]: hello", render(t, o, r), "a relayed message stays what it was")
	r.Syslog = record.Syslog{Present: true, V5424: true, Facility: 1, Severity: 6}
	assert.Equal(t, "<14>Nov 14 22:13:20 fw1 hello", render(t, o, r))

	r.Syslog = record.Syslog{}
	o.Zone, o.FixedHost, o.App = time.FixedZone("", -5*3600), "fixed", ""
	assert.Equal(t, "<130>Nov 14 17:13:20 fixed hello", render(t, o, r))

	r.Time, r.Received = record.Time{}, time.Date(2024, 2, 29, 1, 2, 3, 0, time.UTC)
	assert.Contains(t, render(t, o, r), ">Feb 28 20:02:03 ", "no event time: when it was received")
}

func TestHeader(t *testing.T) {
	f, err := rfc3164.New(rfc3164.Options{Facility: 16, Host: "own", Max: 40})
	require.NoError(t, err)
	out, left, err := f.AppendHeader([]byte("x"), &record.Record{Time: at})
	require.NoError(t, err)
	assert.Equal(t, "x<133>Nov 14 22:13:20 own ", string(out))
	assert.Equal(t, 40-len("<133>Nov 14 22:13:20 own "), left)
	f.Max = 10
	out, _, err = f.AppendHeader([]byte("x"), &record.Record{Time: at})
	assert.Error(t, err)
	assert.Equal(t, "x", string(out))
}

func TestNewRefuses(t *testing.T) {
	for name, o := range map[string]rfc3164.Options{
		"facility 24": {Facility: 24}, "size -1": {Max: -1}, `host "a b"`: {FixedHost: "a b"}, `app name "a:b"`: {App: "a:b"},
	} {
		_, err := rfc3164.New(o)
		assert.ErrorContains(t, err, name)
	}
}

func FuzzEncoder(f *testing.F) {
	f.Add("fw1.example.com", "siemfwd", "812", "text\nmore\xff", 0, int64(0))
	f.Add("2001:db8::1", "a b", "]", "\uFEFF", 30, int64(-1))
	f.Fuzz(func(t *testing.T, host, app, pid, msg string, limit int, nanos int64) {
		e := rfc3164.Encoder{Max: limit}
		out := e.Append(nil, &rfc3164.Message{
			Time: record.Unix(nanos, 9), Host: []byte(host), App: []byte(app), ProcID: []byte(pid), Msg: []byte(msg),
		})
		require.Truef(t, utf8.Valid(out), "%q", out)
		require.Truef(t, shape.Match(out), "%q", out)
	})
}
