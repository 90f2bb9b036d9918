package formatters_test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/formatters/cef"
	"github.com/siemfwd/siemfwd/formatters/leef"
	"github.com/siemfwd/siemfwd/formatters/rfc3164"
	"github.com/siemfwd/siemfwd/formatters/rfc5424"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

const bundled = "testdata/formats.jsonl"

// vectors names the file of cases to run: the bundled one or $SIEMFWD_VECTORS.
func vectors() string {
	if file := os.Getenv("SIEMFWD_VECTORS"); file != "" {
		return file
	}
	return bundled
}

type vector struct {
	ID, Format, Rule string
	Record           json.RawMessage
	Options          json.RawMessage
	Expect           string `json:"expect_hex"`
	Repr             string `json:"expect_repr"`
}

// runners check one case. A format without an entry fails the test.
var runners = map[string]func(t *testing.T, v vector){
	"rfc5424":          expect(encode5424),
	"rfc3164":          expect(encode3164),
	"cef":              expect(encodeCEF),
	"leef":             expect(encodeLEEF),
	"splunk-hec-event": same(encodeHEC),
	"ecs-json":         same(encodeECS),
	"ocsf-json":        same(encodeOCSF),
	"framing":          expect(sendFrames),
	"framing-rx":       receiveFrames,
}

// expect compares what encode makes of a case with what the case says, byte for byte.
func expect(encode func(t *testing.T, v vector) []byte) func(t *testing.T, v vector) {
	return func(t *testing.T, v vector) {
		want, err := hex.DecodeString(v.Expect)
		require.NoError(t, err)
		require.Equal(t, string(want), string(encode(t, v)), v.Rule)
	}
}

func TestVectors(t *testing.T) {
	f, err := os.Open(vectors())
	require.NoError(t, err)
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 16<<20)
	ran := map[string]int{}
	for lines.Scan() {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var v vector
		require.NoError(t, json.Unmarshal(lines.Bytes(), &v))
		t.Run(v.ID, func(t *testing.T) {
			run := runners[v.Format]
			require.NotNilf(t, run, "unknown format %q", v.Format)
			run(t, v)
			ran[v.Format]++
		})
	}
	require.NoError(t, lines.Err())
	require.NotEmpty(t, ran, "no case was run")
	if vectors() == bundled {
		for format := range runners {
			require.NotZerof(t, ran[format], "no case of %s was run", format)
		}
	}
}

func decode(t *testing.T, raw json.RawMessage, into any) {
	t.Helper()
	if len(raw) == 0 || string(raw) == "null" {
		return
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(into))
}

// words is a text of a case: a string, a number as it is written, {"hex": …} for
// bytes, or null.
type words []byte

func (w *words) UnmarshalJSON(b []byte) error {
	switch b[0] {
	case '"':
		var s string
		err := json.Unmarshal(b, &s)
		*w = words(s)
		return err
	case '{':
		var h struct{ Hex string }
		if err := json.Unmarshal(b, &h); err != nil {
			return err
		}
		raw, err := hex.DecodeString(h.Hex)
		*w = raw
		return err
	case 'n':
		return nil
	}
	*w = bytes.Clone(b)
	return nil
}

// instant is a time of a case. A leap second is the end of the second before it.
type instant struct{ record.Time }

func (i *instant) UnmarshalJSON(b []byte) error {
	if string(b) == "null" || string(b) == `""` {
		return nil
	}
	s := strings.Trim(string(b), `"`)
	if at := strings.Index(s, ":60"); at == len("2016-12-31T23:59") {
		s = s[:at] + ":59.999999999" + strings.TrimLeft(s[at+3:], ".0123456789")
	}
	at, err := time.Parse(time.RFC3339Nano, s)
	i.Time = record.Unix(at.UnixNano(), 9)
	return err
}

// header is what both syslog formats read from a case.
type header struct {
	Facility, Severity       int
	Time                     instant
	Host, App, ProcID, MsgID words
	SD                       []element
	Msg                      words
}

// element is ["id", [["name", "value"], …]].
type element struct {
	id     words
	params [][2]words
}

func (e *element) UnmarshalJSON(b []byte) error {
	return json.Unmarshal(b, &[]any{&e.id, &e.params})
}

func encode5424(t *testing.T, v vector) []byte {
	var h header
	decode(t, v.Record, &h)
	o := struct {
		Digits    int
		BOM       bool
		Max       int
		Multiline any
	}{Digits: 3}
	decode(t, v.Options, &o)
	e := rfc5424.Encoder{
		Digits: o.Digits, BOM: o.BOM, Max: o.Max,
		Multiline: o.Multiline == true || o.Multiline == "preserve",
	}
	m := rfc5424.Message{
		Facility: h.Facility, Severity: h.Severity, Time: h.Time.Time,
		Host: h.Host, App: h.App, ProcID: h.ProcID, MsgID: h.MsgID, Msg: h.Msg,
	}
	for _, el := range h.SD {
		var params []rfc5424.Param
		for _, p := range el.params {
			params = append(params, rfc5424.Param{Name: p[0], Value: p[1]})
		}
		m.SD = append(m.SD, rfc5424.Element{ID: el.id, Params: params})
	}
	return e.Append(nil, &m)
}

func encode3164(t *testing.T, v vector) []byte {
	var h header
	decode(t, v.Record, &h)
	var o struct {
		TZ          string
		ShortHost   bool `json:"short_host"`
		NoTag       bool `json:"no_tag"`
		ISO         bool
		IPv6Literal bool `json:"ipv6_literal"`
		Max         int
		Multiline   any
	}
	decode(t, v.Options, &o)
	zone, err := time.LoadLocation(o.TZ)
	require.NoError(t, err)
	e := rfc3164.Encoder{
		Host: []byte("siemfwd-host"), Zone: zone, ShortHost: o.ShortHost, NoTag: o.NoTag,
		ISO: o.ISO, IPv6Literal: o.IPv6Literal, Max: o.Max,
		Multiline: o.Multiline == true || o.Multiline == "preserve",
	}
	return e.Append(nil, &rfc3164.Message{
		Facility: h.Facility, Severity: h.Severity, Time: h.Time.Time,
		Host: h.Host, App: h.App, ProcID: h.ProcID, Msg: h.Msg,
	})
}

func encodeCEF(t *testing.T, v vector) []byte {
	var r struct {
		Vendor, Product, DVersion, Name words
		ClassID                         words `json:"class_id"`
		Severity                        float64
		Ext                             [][2]words
	}
	decode(t, v.Record, &r)
	decode(t, v.Options, &struct{}{})
	e := cef.Event{
		Vendor: r.Vendor, Product: r.Product, Version: r.DVersion,
		Class: r.ClassID, Name: r.Name, Severity: int(r.Severity),
	}
	for _, p := range r.Ext {
		e.Ext = append(e.Ext, cef.Pair{Key: p[0], Value: p[1]})
	}
	return cef.Append(nil, &e)
}

func encodeLEEF(t *testing.T, v vector) []byte {
	var r struct {
		Vendor, Product, DVersion words
		EventID                   words `json:"event_id"`
		Attrs                     [][2]words
	}
	decode(t, v.Record, &r)
	var o struct {
		Version, Delim string
		Announced      *string `json:"delim_hdr"`
		PipeSafe       bool    `json:"pipe_safe"`
	}
	decode(t, v.Options, &o)
	enc, err := leef.NewEncoder(leef.Options{Version1: o.Version == "1.0", Delimiter: o.Delim, Announced: o.Announced, PipeSafe: o.PipeSafe})
	require.NoError(t, err)
	e := leef.Event{Vendor: r.Vendor, Product: r.Product, Version: r.DVersion, ID: r.EventID}
	for _, a := range r.Attrs {
		e.Attrs = append(e.Attrs, leef.Pair{Key: a[0], Value: a[1]})
	}
	return enc.Append(nil, &e)
}
