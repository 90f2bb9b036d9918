package formatters_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	leodido "github.com/leodido/go-syslog/v4/rfc5424"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/formatters"
	"github.com/siemfwd/siemfwd/formatters/strict"
	"github.com/siemfwd/siemfwd/forwarder/framing"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

// payloads are 500 texts that try to get out of where they are put: separators, escapes,
// line ends of every kind, headers, bad UTF-8, what turns the direction of text, in all
// kinds of surroundings.
func payloads() []string {
	attacks := []string{
		"=", "|", `\`, "\n", "\r", "\r\n", "\x00", "\u2028", "\u2029", "\u0085", "]", `"`, "'", "\t", "^", "\x1f", "{", "}", ",",
		" src=1.2.3.4", "^src=1.2.3.4", "\tsrc=1.2.3.4", "|src=1.2.3.4", "\nsrc=1.2.3.4", "\u2028src=1.2.3.4", ` src\=1.2.3.4`, `\ src=1.2.3.4`, `\\ src=1.2.3.4`,
		"|10|src=6.6.6.6 ", `\|10|src=6.6.6.6 `, " cs1=x cs1Label=evil", "\n<13>1 - - - - - - second", "\r<13>Nov 14 22:13:20 h t: second", "\x00<13>second", "17 <13>1 - - - - - - ",
		"\n17 <13>1 - - - - - - x", "CEF:0|a|b|1|c|n|9|src=6.6.6.6", "\nCEF:0|a|b|1|c|n|9|", "LEEF:2.0|a|b|1|c|^|src=6.6.6.6", "\nLEEF:1.0|a|b|1|c|src=6",
		`"] [evil@1 a="b`, `\"] [evil@1 a="b`, `]`, `"]`, `","src":{"ip":"6.6.6.6"},"x":"`, `\","src":"6.6.6.6`, `"}` + "\n" + `{"second":"`, "\u200f", "\u202e", "\ufeff",
		"\xc0\xae", "\xc0\x8a", "\xe0\x80\x8a", "\xf0\x80\x80\x8a", "\xed\xa0\x80", "\xff", "\xc3", "\xe2\x80", "\x7f", "\x1b[2J", "\u0080", "${env:HOME}", "%0a", "#012", "&#10;",
		"-", "[", "- - -", "$(id)",
	}
	around := []string{"%s", "x%s", "%sx", "x%sx", `\%s`, `\\%s`, " %s ", "%[1]s%[1]s", "<13>1 %s", "a=b%s", "\"%s\"", "é%s🔥", "%s\\", "\xff%s"}
	var all []string
	for _, w := range around {
		for _, a := range attacks {
			all = append(all, fmt.Sprintf(w, a))
		}
	}
	slices.Sort(all)
	all = slices.Compact(all)
	// 500 of them, spread evenly.
	out := make([]string, 0, 500)
	for i := range 500 {
		out = append(out, all[i*len(all)/500])
	}
	return out
}

// places are where a payload is put.
var payloadPlaces = []struct {
	name string
	set  func(r *record.Record, v []byte)
}{
	{"title", func(r *record.Record, v []byte) { r.Name = v }},
	{"user", func(r *record.Record, v []byte) { r.Set(record.UserName, v) }},
	{"message", func(r *record.Record, v []byte) { r.Message = v }},
	{"class", func(r *record.Record, v []byte) { r.Class = v }},
	{"slot", func(r *record.Record, v []byte) { r.SetSlot(record.CS1, "PolicyText", v) }},
	{"field", func(r *record.Record, v []byte) {
		r.Fields = r.Fields[:0]
		r.Add([]byte("note"), record.String, v)
	}},
	{"raw", func(r *record.Record, v []byte) { r.Raw = v }},
	{"everything", func(r *record.Record, v []byte) {
		r.Name, r.Message, r.Class, r.Vendor, r.Product, r.Raw, r.Host, r.Action = v, v, v, v, v, v, v, v
		r.Set(record.UserName, v)
		r.Set(record.URL, v)
		r.SetSlot(record.CS1, "PolicyText", v)
	}},
}

func victim(r *record.Record) {
	r.Reset()
	b := func(s string) []byte { return []byte(s) }
	r.Source, r.Time, r.Severity, r.Raw, r.Identity = "s", record.Unix(1700000000123000000, 3), 5, b("raw"), b("i")
	r.Vendor, r.Product, r.Version, r.ID, r.Class, r.Name, r.Message, r.Host, r.Action = b("Acme"), b("SaaS"), b("1"), b("id"), b("c"), b("n"), b("m"), b("fw1"), b("act")
	r.Set(record.UserName, b("bob"))
	r.Set(record.SrcIP, b("192.0.2.1"))
	r.Set(record.URL, b("u"))
	r.SetSlot(record.CS1, "PolicyText", b("p"))
	r.Add(b("note"), record.String, b("x"))
}

// seen is what a strict reader finds in a message: its keys, and the values that no
// payload may touch.
func seen(t *testing.T, format, header string, out []byte) (keys map[string]bool, fixed string) {
	t.Helper()
	keys = map[string]bool{}
	body := out
	switch {
	case header == "rfc5424" || format == "rfc5424":
		m, err := strict.ReadSyslog(out)
		require.NoErrorf(t, err, "%q", out)
		_, err = leodido.NewParser().Parse(out)
		require.NoErrorf(t, err, "%q", out)
		fixed = fmt.Sprint(m.PRI, m.Time, m.App, m.ProcID)
		for _, e := range m.SD {
			for _, p := range e.Params {
				keys[e.ID+" "+p[0]] = true
			}
		}
		body = []byte(m.Msg)
	case header == "rfc3164" || format == "rfc3164":
		parts := strings.SplitN(string(out), " ", 5) // <PRI>Mmm dd time host rest
		require.Lenf(t, parts, 5, "%q", out)
		fixed = strings.Join(parts[:3], " ")
		body = []byte(parts[4])
		if format != "cef" && format != "leef" {
			tag, rest, ok := strings.Cut(parts[4], " ")
			require.Equalf(t, "siemfwd:", tag, "%q", out)
			if ok {
				body = []byte(rest)
			}
		}
	}
	switch format {
	case "cef":
		e, err := strict.ReadCEF(body)
		require.NoErrorf(t, err, "%q", out)
		for _, k := range e.Keys {
			keys[k] = true
		}
		fixed += fmt.Sprint(e.Severity, e.Values["src"], e.Values["rt"], e.Values["externalId"])
	case "leef":
		e, err := strict.ReadLEEF(string(body))
		require.NoErrorf(t, err, "%q", out)
		for _, k := range e.Keys {
			keys[k] = true
		}
		fixed += fmt.Sprint(e.Values["sev"], e.Values["src"], e.Values["devTime"], e.Values["externalId"])
	case "json", "ecs", "ocsf":
		object, err := parseJSON(body)
		require.NoErrorf(t, err, "%q", out)
		paths(object, "", keys)
		fixed += fmt.Sprint(member(object, "src", "ip"), member(object, "source", "ip"), member(object, "time"), member(object, "@timestamp"), member(object, "id"))
	}
	return keys, fixed
}

func paths(v any, path string, into map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for name, below := range v {
			paths(below, path+"."+name, into)
		}
	case []any:
		for _, item := range v {
			paths(item, path+"[]", into)
		}
	default:
		into[path] = true
	}
}

// No text in an event makes another key or another event, in any format behind any header
// in any framing.
func TestNoPayloadGetsOut(t *testing.T) {
	type way struct{ format, header string }
	ways := []way{{"rfc5424", ""}, {"rfc3164", ""}}
	for _, f := range []string{"cef", "leef", "json", "ecs", "ocsf", "raw"} {
		for _, h := range []string{"none", "rfc5424", "rfc3164"} {
			ways = append(ways, way{f, h})
		}
	}
	all := payloads()
	require.Len(t, all, 500)
	var r record.Record
	victim(&r)
	for _, w := range ways {
		for _, o := range variations(w.format) {
			o.Header, o.Raw, o.Host = w.header, true, "own"
			if w.header == "none" || w.format == "rfc5424" || w.format == "rfc3164" {
				o.Header = ""
			}
			f, err := formatters.New(w.format, o)
			require.NoError(t, err)
			victim(&r)
			good, err := f.Append(nil, &r)
			require.NoError(t, err)
			keys, fixed := seen(t, w.format, w.header, good)
			for n, place := range payloadPlaces {
				for i, p := range all {
					if n > 2 && i%5 != 0 {
						continue // all of them as titles, users and messages; of the rest a fifth
					}
					victim(&r)
					place.set(&r, []byte(p))
					out, err := f.Append(nil, &r)
					require.NoError(t, err)
					requireOneEvent(t, out, good, o.Multiline)
					if o.Multiline {
						continue // what a receiver makes of several lines is its own affair
					}
					got, same := seen(t, w.format, w.header, out)
					for k := range maps.Keys(got) {
						require.Truef(t, keys[k] || k == "tags" || strings.HasSuffix(k, "runcated"), "%s behind %q: %q as %s: key %s in %q", w.format, w.header, p, place.name, k, out)
					}
					if place.name != "everything" {
						require.Equalf(t, fixed, same, "%s behind %q: %q as %s: %q", w.format, w.header, p, place.name, out)
					}
				}
			}
		}
	}
}

// variations are the ways a format is written.
func variations(format string) []formatters.Options {
	switch format {
	case "cef":
		return []formatters.Options{{}, {PipeSafe: true, SnakeLabels: true, PlainIPv6: true, TextTime: true}}
	case "leef":
		return []formatters.Options{{}, {Version: "1.0"}, {PipeSafe: true}, {Delimiter: ";"}}
	case "rfc5424", "rfc3164", "raw":
		return []formatters.Options{{}, {Multiline: true}}
	}
	return []formatters.Options{{}}
}

// requireOneEvent holds that what was written is one message in every framing, and lets
// the next one be.
func requireOneEvent(t *testing.T, out, next []byte, multiline bool) {
	t.Helper()
	if !multiline {
		require.NotContains(t, string(out), "\n")
		stream, replaced := framing.AppendLF(nil, out)
		require.Zero(t, replaced)
		stream, _ = framing.AppendLF(stream, next)
		// A message that begins with digits and a space cannot be told from a counted one.
		got, err := frames(framing.LF, stream, len(stream))
		require.NoError(t, err)
		if len(framing.TrimEnd(out)) > 0 {
			require.Equal(t, []string{string(framing.TrimEnd(out)), string(next)}, got)
		}
		if len(out) > 0 && (out[0] == '<' || out[0] == '{' || out[0] == 'C' || out[0] == 'L') {
			got, err = frames(framing.Auto, stream, len(stream))
			require.NoError(t, err)
			require.Equal(t, []string{string(out), string(next)}, got)
		}
	}
	stream := framing.AppendOctet(framing.AppendOctet(nil, out), next)
	got, err := frames(framing.OctetCounting, stream, len(stream))
	require.NoError(t, err)
	require.Equal(t, string(next), got[len(got)-1])
	require.LessOrEqual(t, len(got), 2)
	relp := framing.AppendRELP(framing.AppendRELP(nil, 1, "syslog", out), 2, "syslog", next)
	reader := framing.RELPReader{Max: 1 << 20}
	var data []string
	for len(relp) > 0 {
		f, n, err := reader.Next(relp)
		require.NoError(t, err)
		data, relp = append(data, string(f.Data)), relp[n:]
	}
	require.Equal(t, []string{strings.TrimRight(string(out), "\n"), string(next)}, data)
}

// A reader that splits the CEF header at every "|", as SC4S does, and one that takes what
// follows the last "|" for the attributes of LEEF, find no other key under the profile
// that is for them.
func TestNoPayloadGetsOutToReadersThatSplitAtEveryPipe(t *testing.T) {
	var r record.Record
	cefFormat := must("cef", formatters.Options{PipeSafe: true})
	leefFormat := must("leef", formatters.Options{PipeSafe: true})
	naive := func(s, sep string) (keys []string) {
		for _, pair := range strings.Split(s, sep) {
			if key, _, ok := strings.Cut(pair, "="); ok && !strings.HasSuffix(key, `\`) {
				keys = append(keys, key)
			}
		}
		slices.Sort(keys)
		return keys
	}
	cefKeys := func(out []byte) []string { return naive(strings.SplitN(string(out), "|", 8)[7], " ") }
	leefKeys := func(out []byte) []string { return naive(string(out[strings.LastIndexByte(string(out), '|')+1:]), "^") }
	victim(&r)
	c, _ := cefFormat.Append(nil, &r)
	l, _ := leefFormat.Append(nil, &r)
	wantCEF, wantLEEF := cefKeys(c), leefKeys(l)
	for _, place := range payloadPlaces {
		for _, p := range payloads() {
			victim(&r)
			place.set(&r, []byte(p))
			c, err := cefFormat.Append(c[:0], &r)
			require.NoError(t, err)
			for _, k := range cefKeys(c) {
				require.Containsf(t, append(wantCEF, "adTruncated"), k, "%q as %s: %q", p, place.name, c)
			}
			l, err := leefFormat.Append(l[:0], &r)
			require.NoError(t, err)
			for _, k := range leefKeys(l) {
				require.Containsf(t, wantLEEF, k, "%q as %s: %q", p, place.name, l)
			}
		}
	}
}
