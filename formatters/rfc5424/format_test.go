package rfc5424_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/formatters/rfc5424"
	"github.com/siemfwd/siemfwd/formatters/strict"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

var options = rfc5424.Options{Facility: 16, Host: "own", App: "siemfwd", SDID: "siemfwd@32473"}

func render(t *testing.T, o rfc5424.Options, r *record.Record) string {
	t.Helper()
	f, err := rfc5424.New(o)
	require.NoError(t, err)
	out, err := f.Append(nil, r)
	require.NoError(t, err)
	_, err = strict.ReadSyslog(out)
	require.NoError(t, err)
	return string(out)
}

func TestRecord(t *testing.T) {
	r := &record.Record{
		Time: at, Severity: 8, Class: []byte("POLICY VIOLATION with a name that is long"),
		Message: []byte("first\nsecond"),
	}
	const head = "<131>1 2023-11-14T22:13:20.123Z own siemfwd - POLICY_VIOLATION_with_a_name_tha "
	assert.Equal(t, head+"- first#012second", render(t, options, r), "no facts, no element")

	r.Set(record.UserName, []byte(`CORP\"bob"]`))
	r.SetTime(record.Start, record.Unix(1700000000000000000, 0))
	r.Set(record.SrcIP, []byte("192.0.2.1"))
	const facts = `[siemfwd@32473 start="2023-11-14T22:13:20.000Z" user.name="CORP\\\"bob\"\]" src.ip="192.0.2.1"]`
	assert.Equal(t, head+facts+" first#012second", render(t, options, r))

	o := options
	o.SDID = "-"
	assert.Equal(t, head+"- first#012second", render(t, o, r), "facts switched off")
	o = options
	o.Multiline = true
	assert.Equal(t, head+facts+" first\nsecond", render(t, o, r))

	r.Host = []byte("fw1")
	assert.Contains(t, render(t, options, r), "Z fw1 siemfwd")
	o.FixedHost = "fixed"
	assert.Contains(t, render(t, o, r), "Z fixed siemfwd")

	r.Time, r.Received = record.Time{}, time.Date(2024, 2, 29, 1, 2, 3, 999_999_999, time.UTC)
	assert.Contains(t, render(t, options, r), "1 2024-02-29T01:02:03.999Z fw1", "no event time: when it was received")
}

func TestRecordFromRFC5424IsWrittenAgain(t *testing.T) {
	r := &record.Record{
		Time: record.Unix(1700000000123456000, 6), Severity: 10, Class: []byte("class"),
		Host: []byte("fw1"), Message: []byte("hello"), Received: time.Now(),
		Syslog: record.Syslog{
			Present: true, V5424: true, Facility: 0, Severity: 7,
			App: []byte("sshd"), ProcID: []byte("812"), MsgID: []byte("ID47"),
			SD: []byte(`[a@1 x="1\]"][b@2]`),
		},
	}
	r.Set(record.UserName, []byte("bob"))
	assert.Equal(t, `<7>1 2023-11-14T22:13:20.123456Z fw1 sshd 812 ID47 [a@1 x="1\]"][b@2] hello`, render(t, options, r))

	r.Time = record.Unix(1700000000000000000, 0)
	assert.Contains(t, render(t, options, r), " 2023-11-14T22:13:20Z ", "digits as given")
	r.Time = record.Unix(1700000000123456789, 9)
	assert.Contains(t, render(t, options, r), " 2023-11-14T22:13:20.123456Z ", "but six at most")

	three := options
	digits := 3
	three.Digits = &digits
	assert.Contains(t, render(t, three, r), " 2023-11-14T22:13:20.123Z ", "or as many as the receiver wants")

	r.Syslog.SD = []byte("[a@1 x=\"1\n<13>1 2\xff\"]")
	assert.Contains(t, render(t, options, r), "[a@1 x=\"1#012<13>1 2\uFFFD\"] hello", "no line end gets through")

	r.Time, r.Host = record.Time{}, nil
	r.Syslog = record.Syslog{Present: true, V5424: true, Facility: 1, Severity: 6}
	assert.Equal(t, "<14>1 - - - - - - hello", render(t, options, r), "what was not there is not there again")
}

func TestWhatDoesNotFitIsLeftOutAndSaidSo(t *testing.T) {
	r := &record.Record{Time: at, Message: []byte(strings.Repeat("m", 200))}
	r.Set(record.UserName, []byte("bob"))
	r.Set(record.URL, []byte("https://example.net/"+strings.Repeat("u", 500)))
	r.Set(record.Reason, []byte("why"))
	render(t, options, r)
	assert.Zero(t, r.Shortened)
	o := options
	o.Max = 200
	out := render(t, o, r)
	assert.Len(t, out, 200)
	assert.Contains(t, out, `[siemfwd@32473 truncated="true" user.name="bob" reason="why"] mmm`)
	assert.Equal(t, 2, r.Shortened, "the URL and the text")
	o.Max = 90
	out = render(t, o, r)
	assert.LessOrEqual(t, len(out), 90)
	assert.Contains(t, out, `[siemfwd@32473 truncated="true"] mmm`)
	o.Max = 65
	assert.Contains(t, render(t, o, r), " - - mmm", "no parameter fits: no element")
	o.Max = 900
	out = render(t, o, r)
	assert.NotContains(t, out, "truncated")
	assert.Zero(t, r.Shortened)
	o.SDID, o.Max = "-", 100
	assert.Contains(t, render(t, o, r), " - - mmm")
	assert.Equal(t, 1, r.Shortened)
}

func TestHeader(t *testing.T) {
	r := &record.Record{Time: at, Class: []byte("c")}
	r.Set(record.UserName, []byte("bob"))
	f, err := rfc5424.New(options)
	require.NoError(t, err)
	out, left, err := f.AppendHeader([]byte("x"), r)
	require.NoError(t, err)
	assert.Equal(t, "x<133>1 2023-11-14T22:13:20.123Z own siemfwd - c - ", string(out))
	assert.Greater(t, left, 1<<40)

	o := options
	o.Max = len(out) - 1 + 7
	f, err = rfc5424.New(o)
	require.NoError(t, err)
	_, left, err = f.AppendHeader(nil, r)
	require.NoError(t, err)
	assert.Equal(t, 7, left)

	f.Max = 10
	out, _, err = f.AppendHeader([]byte("x"), r)
	assert.Error(t, err)
	assert.Equal(t, "x", string(out))
}

func TestNewRefuses(t *testing.T) {
	for name, change := range map[string]func(*rfc5424.Options){
		"facility 24": func(o *rfc5424.Options) { o.Facility = 24 },
		"size -1":     func(o *rfc5424.Options) { o.Max = -1 },
		"digits 7":    func(o *rfc5424.Options) { seven := 7; o.Digits = &seven },
		`host "a b"`:  func(o *rfc5424.Options) { o.FixedHost = "a b" },
		`app name`:    func(o *rfc5424.Options) { o.App = strings.Repeat("a", 49) },
		`sd id "a=b"`: func(o *rfc5424.Options) { o.SDID = "a=b" },
	} {
		o := options
		change(&o)
		_, err := rfc5424.New(o)
		assert.ErrorContains(t, err, name)
	}
}

func TestEveryFactIsALegalName(t *testing.T) {
	for _, k := range record.Keys {
		assert.Equal(t, k.Name, name(k.Name, `= ]"`, 32))
	}
}
