package when

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/record"
)

// sample is an event with something in every kind of field.
func sample() *record.Record {
	r := new(record.Record)
	b := func(s string) []byte { return []byte(s) }
	r.Source, r.Received = "edge", time.Date(2026, 11, 20, 10, 0, 5, 0, time.UTC)
	r.Raw = b("<14>the raw line")
	r.Time = record.Unix(time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC).UnixNano(), 3)
	r.Vendor, r.Product, r.ID, r.Class = b("skyhigh"), b("CASB"), b("007"), b("incident.new")
	r.Name, r.Severity, r.Outcome, r.Message = b("Policy violation"), 5, b("resolved"), b("it's 5 o'clock")
	r.Host, r.Peer = b("connector-1"), netip.MustParseAddr("::ffff:192.0.2.7")
	r.Set(record.UserName, b("svc-backup"))
	r.Set(record.SrcIP, b("10.1.2.3"))
	r.Set(record.DstIP, b("2001:db8::1"))
	r.Set(record.DstPort, b("443"))
	r.SetTime(record.Start, record.Unix(time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC).UnixNano(), 0))
	r.Warn("missing_equals", b("activityNames"))
	r.Warn("year_guessed", nil)

	r.AddPlain(b("risk"), record.Number, b("70.0"))
	r.AddPlain(b("big"), record.Number, b("18446744073709551617"))
	r.AddPlain(b("code"), record.String, b("0042"))
	r.AddPlain(b("empty"), record.String, nil)
	r.AddPlain(b("nothing"), record.Null, nil)
	r.AddPlain(b("yes"), record.Bool, b("true"))
	r.AddPlain(b("seen"), record.String, b("2026-05-01T12:00:00.5+02:00"))
	r.AddPlain(b("User Name"), record.String, b("Jane"))
	r.AddPlain(b("flat.dotted"), record.String, b("found"))
	r.Open(b("tags"), record.List)
	r.AddPlain(nil, record.String, b("prod"))
	r.AddPlain(nil, record.String, b("eu"))
	r.Open(nil, record.List)
	r.AddPlain(nil, record.Number, b("7"))
	r.Close()
	r.Close()
	r.Open(b("none"), record.List)
	r.Close()
	r.Open(b("a"), record.Map)
	r.Open(b("items"), record.List)
	r.Open(nil, record.Map)
	r.AddPlain(b("k"), record.Number, b("1"))
	r.Close()
	r.Open(nil, record.Map)
	r.AddPlain(b("k"), record.Number, b("2"))
	r.AddPlain(b("deep"), record.String, b("x"))
	r.Close()
	r.Close()
	r.AddPlain(b("b"), record.String, b("leaf"))
	r.Close()
	return r
}

func TestMatch(t *testing.T) {
	for text, want := range map[string]bool{
		"vendor = skyhigh":             true,
		"vendor=skyhigh":               true,
		"  vendor  =  skyhigh  ":       true,
		"vendor = Skyhigh":             false,
		"vendor ~ (?i)SKY":             true,
		"vendor ~ ^high":               false,
		"vendor !~ ^high":              true,
		"vendor != skyhigh":            false,
		"vendor != okta":               true,
		"product = 'CASB'":             true,
		`name = "Policy violation"`:    true,
		"name = Policy violation":      true,
		"message = 'it''s 5 o''clock'": true,
		`message ~ "5 o'"`:             true,
		"source = edge":                true,
		"source != edge":               false,
		"raw ~ ^<14>":                  true,
		"class = incident.new":         true,
		"outcome = resolved":           true,
		"outcome missing":              false,
		"category missing":             true,
		"category exists":              false,
		"category != x":                true,
		"category !~ .":                true,
		`category = ""`:                true,
		`category != ""`:               false,
		`outcome != ''`:                true,

		// A number is compared as one unless the value is quoted or has leading zeros.
		"id = 007":   true,
		"id = 7":     false,
		`id = "007"`: true,
		"id > 1":     false,

		"severity = 5":           true,
		"severity = medium":      true,
		"severity = Medium":      true,
		"severity != medium":     false,
		"severity >= medium":     true,
		"severity > medium":      false,
		"severity > low":         true,
		"severity < high":        true,
		"severity <= medium":     true,
		"severity < medium":      false,
		"severity >= high":       false,
		"severity <= 4":          false,
		`severity = "5"`:         true,
		"severity != unknown":    true,
		"severity=informational": false,
		"severity = critical":    false,

		"time = 2026-11-20T10:00:00Z":             true,
		"time = 2026-11-20T11:00:00+01:00":        true,
		"time > 2026-11-20":                       true,
		"time < 2026-11-20":                       false,
		"time <= 2026-11-20T10:00:00.000Z":        true,
		"received > 2026-11-20T10:00:00Z":         true,
		"received != 2026-11-20T10:00:05Z":        false,
		"start < 2026-01-03":                      true,
		"start exists":                            true,
		"end exists":                              false,
		"end > 2000-01-01":                        false,
		"end missing":                             true,
		"observer.host = connector-1":             true,
		"observer.ip = 192.0.2.7":                 true,
		"observer.ip = ::ffff:192.0.2.7":          true,
		"observer.ip = 192.0.2.0/24":              true,
		"observer.ip != 192.0.2.0/24":             false,
		"observer.ip = 2001:db8::/32":             false,
		"observer.ip ~ ^192":                      true,
		"observer.ip exists":                      true,
		"user.name ~ ^svc-":                       true,
		"user.name !~ ^svc-":                      false,
		"user.id missing":                         true,
		"src.ip = 10.0.0.0/8":                     true,
		"src.ip = 10.1.2.3":                       true,
		"src.ip = 10.1.2.4":                       false,
		"src.ip != 10.0.0.0/8":                    false,
		"src.ip ~ ^10[.]":                         true,
		"src.ip exists":                           true,
		"dst.ip = 2001:0DB8:0:0::1":               true,
		"device.ip = 0.0.0.0/0":                   false,
		"device.ip != 0.0.0.0/0":                  true,
		"dst.port = 443":                          true,
		"dst.port >= 1024":                        false,
		"dst.port < 1024":                         true,
		"src.port < 1024":                         false,
		"warnings = missing_equals":               true,
		"warnings = missing_equals:activityNames": true,
		"warnings ~ ^year":                        true,
		"warnings = unparsed":                     false,
		"warnings != unparsed":                    true,
		"warnings exists":                         true,

		"fields.risk = 70":                      true,
		"fields.risk = 7e1":                     true,
		`fields.risk = "70"`:                    false,
		`fields.risk > "69"`:                    true,
		"fields.risk > 69.999":                  true,
		"fields.risk >= 70":                     true,
		"fields.risk < 70":                      false,
		"fields.risk <= 70.000":                 true,
		"fields.risk != 70":                     false,
		"fields.big = 18446744073709551617":     true,
		"fields.big = 18446744073709551616":     false,
		"fields.big > 18446744073709551616":     true,
		"fields.big < 1.8446744073709551618e19": true,
		"fields.code = 42":                      false,
		"fields.code = 0042":                    true,
		"fields.empty exists":                   false,
		"fields.empty = ''":                     true,
		"fields.nothing exists":                 false,
		"fields.nothing != x":                   true,
		"fields.none exists":                    false,
		"fields.none missing":                   true,
		"fields.yes = true":                     true,
		"fields.yes = True":                     false,
		"fields.seen > 2026-05-01":              true,
		"fields.seen > 2026-05-01T10:00:00Z":    true,
		"fields.seen < 2026-05-01T10:00:01Z":    true,
		"fields.code > 2026-05-01":              false,
		`fields."User Name" = Jane`:             true,
		`fields.'User Name' != Jane`:            false,
		"fields.flat.dotted = found":            true,
		"fields.tags = prod":                    true,
		"fields.tags = 7":                       true,
		"fields.tags > 6":                       true,
		"fields.tags > 7":                       false,
		"fields.tags = us":                      false,
		"fields.tags != prod":                   false,
		"fields.tags != us":                     true,
		"fields.tags ~ ^e":                      true,
		"fields.tags !~ ^e":                     false,
		"fields.tags exists":                    true,
		"fields.a exists":                       true,
		"fields.a = leaf":                       false,
		"fields.a.b = leaf":                     true,
		"fields.a.bb exists":                    false,
		"fields.a.b.c exists":                   false,
		"fields.a.items.k = 2":                  true,
		"fields.a.items.k = 3":                  false,
		"fields.a.items.deep = x":               true,
		"fields.a.items.k != 1":                 false,
		"fields.unknown.to.us missing":          true,
	} {
		t.Run(text, func(t *testing.T) {
			c, err := Parse(text)
			require.NoError(t, err)
			assert.Equal(t, want, c.Match(sample()))
			assert.Equal(t, strings.TrimSpace(text), c.String())
		})
	}
}

func TestMatchEmpty(t *testing.T) {
	r := new(record.Record)
	for _, name := range Fields() {
		for _, c := range []string{" exists", " = 1", " = 10.0.0.1", " = 2026-11-20", " ~ ."} {
			cond, err := Parse(name + c)
			if err != nil {
				continue // not for this type of field
			}
			assert.False(t, cond.Match(r), cond.String())
		}
	}
}

func TestSeverityWords(t *testing.T) {
	for n, word := range []string{"unknown", "informational", "informational", "low", "low", "medium", "medium", "high", "high", "critical", "critical"} {
		r := &record.Record{Severity: n}
		for _, s := range severities {
			c, err := Parse("severity = " + s.word)
			require.NoError(t, err)
			assert.Equal(t, s.word == word, c.Match(r), "%d = %s", n, s.word)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, c := range []struct {
		text, want, hint string
		offset, len      int
	}{
		{"", "a field is missing", "a condition is field operator value, such as severity >= 4", 0, 0},
		{"  >= 4", "a field is missing", "a condition is field operator value, such as severity >= 4", 2, 0},
		{"severty >= 4", `unknown field "severty"`, "did you mean severity?", 0, 7},
		{" Severity >= 4", `unknown field "Severity"`, "did you mean severity?", 1, 8},
		{"user.nme = x", `unknown field "user.nme"`, "did you mean user.name?", 0, 8},
		{"user = x", `unknown field "user"`, "did you mean user.name?", 0, 4},
		{"policy = x", `unknown field "policy"`, "did you mean policy.name or policy.id?", 0, 6},
		{"suser = x", `unknown field "suser"`, "did you mean user.name?", 0, 5},
		{"event_class = x", `unknown field "event_class"`, "did you mean class?", 0, 11},
		{"riskScore > 5", `unknown field "riskScore"`, "a vendor's own field is written fields.riskScore", 0, 9},
		{"fields = x", `unknown field "fields"`, "write fields.NAME", 0, 6},
		{"fields. = x", `field "fields." has an empty part`, "write fields.NAME or fields.NAME.NAME", 0, 7},
		{"fields.a..b = x", `field "fields.a..b" has an empty part`, "write fields.NAME or fields.NAME.NAME", 0, 11},
		{`"vendor" = x`, "the field is in quotes", "only the value may be quoted, and names of a vendor after fields.", 0, 8},
		{`fields."a = x`, "the quote is not closed", "", 7, 6},
		{"vendor", "an operator is missing", "one of = != > >= < <= ~ !~ exists missing", 6, 0},
		{"vendor == x", `unknown operator "=="`, "write =", 7, 2},
		{"vendor=~x", `unknown operator "=~"`, "write ~", 6, 2},
		{"severity => 4", `unknown operator "=>"`, "write >=", 9, 2},
		{"vendor is x", `unknown operator "is"`, "write =", 7, 2},
		{"vendor contains x", `unknown operator "contains"`, "write ~", 7, 8},
		{"vendor skyhigh", `unknown operator "skyhigh"`, "one of = != > >= < <= ~ !~ exists missing", 7, 7},
		{"vendor =", "the value is missing", `write "" for empty`, 8, 0},
		{"vendor =  ", "the value is missing", `write "" for empty`, 10, 0},
		{"vendor exists x ", "exists takes no value", "", 14, 1},
		{"severity exists", "severity is always there", "write severity = unknown or severity > unknown", 0, 8},
		{"source missing", "source is always there", "", 0, 6},
		{"vendor = 'x", "the quote is not closed", "", 9, 2},
		{"vendor = '", "the quote is not closed", "", 9, 1},
		{"vendor = 'x'y'", "there is text after the closing quote", "write '' for a quote inside quotes", 9, 5},
		{`vendor = "x`, "the quoted value is malformed", `close it with ", and write \\ for a backslash; in '…' a backslash is itself`, 9, 2},
		{`vendor = "a\d"`, "the quoted value is malformed", `close it with ", and write \\ for a backslash; in '…' a backslash is itself`, 9, 5},
		{`vendor = "x" y`, "there is text after the closing quote", `write \" for a quote inside quotes`, 12, 2},
		{"severity = hihg", `unknown severity "hihg"`, "0 to 10, or unknown, informational, low, medium, high, critical", 11, 4},
		{"severity >= 11", `unknown severity "11"`, "0 to 10, or unknown, informational, low, medium, high, critical", 12, 2},
		{"severity >= 4.5", `unknown severity "4.5"`, "0 to 10, or unknown, informational, low, medium, high, critical", 12, 3},
		{"severity > critical", "no severity is > critical", "", 11, 8},
		{"severity < 0", "no severity is < 0", "", 11, 1},
		{"severity ~ hi", "severity is not text", "compare it with = != > >= < <=", 11, 2},
		{"vendor ~ a(b", "the regular expression is wrong: missing closing ): `a(b`", "RE2 syntax; quote the value to keep spaces at its ends", 9, 3},
		{"vendor > zzz", `"zzz" has no order`, "> >= < <= compare numbers and times; for text there are = and ~", 9, 3},
		{"fields.x > 1,5", `"1,5" has no order`, "> >= < <= compare numbers and times; for text there are = and ~", 11, 3},
		{"dst.port = https", "dst.port is a number", "", 11, 5},
		{"src.ip = 10.1.2", `"10.1.2" is neither an address nor a prefix`, "write 10.1.2.3 or 10.0.0.0/8", 9, 6},
		{"src.ip = 10.1.2.3/8", `"10.1.2.3/8" has bits beyond its length`, "write 10.0.0.0/8", 9, 10},
		{"src.ip > 10.1.2.3", "addresses have no order", "src.ip = 10.0.0.0/8 takes a prefix", 9, 8},
		{"time > yesterday", `"yesterday" is not a time`, "write 2026-11-20T10:00:00Z or 2026-11-20", 7, 9},
		{"time > 0001-01-01", `the year of "0001-01-01" is out of range`, "", 7, 10},
		{"vendor = a and severity > 4", "these are two conditions", "write one condition per list entry: all entries of when must hold, and any list of drop drops; or quote the value", 10, 17},
		{"vendor = a && outcome = b or id exists", "these are two conditions", "write one condition per list entry: all entries of when must hold, and any list of drop drops; or quote the value", 10, 28},
		{"vendor = a, outcome = b", "these are two conditions", "write one condition per list entry: all entries of when must hold, and any list of drop drops; or quote the value", 10, 13},
	} {
		t.Run(c.text, func(t *testing.T) {
			cond, err := Parse(c.text)
			assert.Nil(t, cond)
			var e *Error
			require.ErrorAs(t, err, &e)
			assert.Equal(t, Error{c.want, c.hint, c.offset, c.len}, *e)
		})
	}
	for _, text := range []string{"name = salt and pepper", "name = this or that = x", "name = 'a and severity > 4'", "fields.url ~ a=b&c=d"} {
		_, err := Parse(text)
		assert.NoError(t, err, text)
	}
}

func TestDecide(t *testing.T) {
	parse := func(texts ...string) (list []*Cond) {
		for _, text := range texts {
			c, err := Parse(text)
			require.NoError(t, err)
			list = append(list, c)
		}
		return list
	}
	for name, c := range map[string]struct {
		filter Filter
		pass   bool
		by     Rule
		path   string
	}{
		"nothing":             {Filter{}, true, Rule{}, ""},
		"all hold":            {Filter{When: parse("severity >= 4", "vendor = skyhigh")}, true, Rule{}, ""},
		"first that does not": {Filter{When: parse("severity >= 4", "vendor = okta", "id = x")}, false, Rule{ByWhen, 1}, "when[1]"},
		"drop needs all":      {Filter{Drop: [][]*Cond{parse("vendor = skyhigh", "outcome = open")}}, true, Rule{}, ""},
		"any list drops":      {Filter{Drop: [][]*Cond{parse("vendor = okta"), parse("vendor = skyhigh", "outcome = resolved")}}, false, Rule{ByDrop, 1}, "drop[1]"},
		"empty list":          {Filter{Drop: [][]*Cond{{}}}, true, Rule{}, ""},
		"when goes first":     {Filter{When: parse("severity = 1"), Drop: [][]*Cond{parse("severity = 5")}}, false, Rule{ByWhen, 0}, "when[0]"},
	} {
		t.Run(name, func(t *testing.T) {
			pass, by := c.filter.Decide(sample())
			assert.Equal(t, c.pass, pass)
			assert.Equal(t, c.by, by)
			assert.Equal(t, c.path, by.String())
		})
	}
}

func TestAppendValue(t *testing.T) {
	for text, want := range map[string]string{
		"severity >= high":          "5 medium",
		"vendor = x":                "skyhigh",
		"source = x":                "edge",
		"category exists":           "",
		"time > 2026-01-01":         "2026-11-20T10:00:00.000Z",
		"received > 2026-01-01":     "2026-11-20T10:00:05.000Z",
		"start > 2026-01-01":        "2026-01-02T00:00:00.000Z",
		"end exists":                "",
		"observer.ip exists":        "192.0.2.7",
		"src.ip exists":             "10.1.2.3",
		"warnings exists":           "missing_equals:activityNames, year_guessed",
		"fields.tags = x":           "prod, eu, 7",
		"fields.a.items.k = 9":      "1, 2",
		"fields.a = 9":              "{…}",
		"fields.nothing exists":     "",
		"fields.flat.dotted exists": "found",
		"fields.zzz exists":         "",
	} {
		c, err := Parse(text)
		require.NoError(t, err)
		assert.Equal(t, "> "+want, string(c.AppendValue([]byte("> "), sample())), text)
	}
}

func TestFieldsAreKnown(t *testing.T) {
	names := Fields()
	for _, name := range names {
		f, err := lookup(name)
		require.Nil(t, err, name)
		assert.Equal(t, name, f.name)
	}
	for _, info := range record.Keys {
		assert.Contains(t, names, info.Name)
	}
	for _, known := range foreign {
		assert.Contains(t, names, known)
	}
}

func TestNoAllocation(t *testing.T) {
	r := sample()
	filter := Filter{}
	for _, text := range []string{
		"severity >= medium", "vendor = skyhigh", "user.name ~ ^svc-[a-z]+$", "src.ip = 10.0.0.0/8", "observer.ip = 192.0.2.0/24",
		"fields.a.items.k = 2.0", "fields.big > 18446744073709551616", "fields.seen > 2026-05-01", "time > 2026-01-01", "dst.port < 1024", "fields.x missing",
	} {
		c, err := Parse(text)
		require.NoError(t, err)
		filter.When = append(filter.When, c)
	}
	pass, by := filter.Decide(r)
	require.True(t, pass, by.String())
	assert.Zero(t, testing.AllocsPerRun(200, func() { filter.Decide(r) }))
}

func TestErrorIsAnError(t *testing.T) {
	_, err := Parse("severty = 1")
	assert.EqualError(t, err, `unknown field "severty"`)
	_, err = Parse("severity = 1")
	assert.True(t, err == nil, "a nil *Error must not become a non-nil error")
	assert.False(t, errors.Is(err, &Error{}))
}
