package rfc5424_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	leodido "github.com/leodido/go-syslog/v4/rfc5424"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/siemfwd/siemfwd/formatters/rfc5424"
	"github.com/siemfwd/siemfwd/formatters/strict"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

var at = record.Unix(1700000000123456789, 9)

// name is what becomes of s in a field that takes PRINTUSASCII without but.
func name(s, but string, limit int) string {
	var b strings.Builder
	for _, r := range strings.TrimPrefix(s, "\uFEFF") {
		if b.Len() == limit {
			break
		}
		if r < 33 || r > 126 || strings.ContainsRune(but, r) {
			r = '_'
		}
		b.WriteRune(r)
	}
	return b.String()
}

// line is what becomes of s in a text.
func line(s string, lf bool) string {
	var b strings.Builder
	for _, r := range strings.TrimPrefix(s, "\uFEFF") {
		if r < 0x20 && r != '\t' && (r != '\n' || !lf) || r == 0x7f {
			fmt.Fprintf(&b, "#%03o", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func id(s string) string {
	s = strings.TrimPrefix(s, "\uFEFF")
	if i := strings.LastIndexByte(s, '@'); i > 0 && len(s)-i < 32 {
		return name(s[:i], `= ]"`, 32-(len(s)-i)) + name("x"+s[i:], `= ]"`, 33)[1:]
	}
	return name(s, `= ]"`, 32)
}

// hostile draws text that tries to get out of where it is put.
func hostile() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.StringN(0, 20, -1),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 20), func(b []byte) string { return string(b) }),
		rapid.SampledFrom([]string{
			"", "-", `x"] evil`, `x\`, `\"]`, "a]b", "a\nb", "\r\n<13>1 - - - - - -", "\uFEFFx", "a b", "=",
			"é", "日本", "\xff", strings.Repeat("é", 150), strings.Repeat("h", 300), "name@32473", `"] [evil@1 a="b`,
			"averyveryverylongidentifiername123@32473", "n@" + strings.Repeat("7", 40), "\x7f\x00\x1b[31m",
		}),
	)
}

func draw(t *rapid.T) (*rfc5424.Message, strict.Syslog) {
	s := func(label string) string { return hostile().Draw(t, label) }
	host, app, proc, msgID, msg := s("host"), s("app"), s("procid"), s("msgid"), s("msg")
	nil5424 := func(v string) string {
		if v == "-" {
			return ""
		}
		return v
	}
	m := &rfc5424.Message{
		Facility: rapid.IntRange(-1, 30).Draw(t, "facility"), Severity: rapid.IntRange(-1, 9).Draw(t, "severity"),
		Host: []byte(host), App: []byte(app), ProcID: []byte(proc), MsgID: []byte(msgID), Msg: []byte(msg),
	}
	want := strict.Syslog{
		PRI:  min(max(m.Facility, 0), 23)*8 + min(max(m.Severity, 0), 7),
		Host: nil5424(name(host, "", 255)), App: nil5424(name(app, "", 48)),
		ProcID: nil5424(name(proc, "", 128)), MsgID: nil5424(name(msgID, "", 32)),
		Msg: line(msg, false), HasMsg: line(msg, false) != "",
	}
	if rapid.Bool().Draw(t, "timed") {
		m.Time, want.Time = at, "2023-11-14T22:13:20.123Z"
	}
	place := map[string]int{}
	for range rapid.IntRange(0, 3).Draw(t, "elements") {
		e := rfc5424.Element{ID: []byte(s("id"))}
		wid := id(string(e.ID))
		_, seen := place[wid]
		if !seen && wid != "" {
			place[wid] = len(want.SD)
			want.SD = append(want.SD, strict.Element{ID: wid})
		}
		for range rapid.IntRange(0, 3).Draw(t, "params") {
			p, v := s("name"), s("value")
			e.Params = append(e.Params, rfc5424.Param{Name: []byte(p), Value: []byte(v)})
			if n := name(p, `= ]"`, 32); n != "" && wid != "" {
				params := &want.SD[place[wid]].Params
				*params = append(*params, [2]string{n, line(v, false)})
			}
		}
		m.SD = append(m.SD, e)
	}
	return m, want
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	second := leodido.NewParser()
	rapid.Check(t, func(t *rapid.T) {
		m, want := draw(t)
		e := rfc5424.Encoder{Digits: 3}
		out := e.Append(nil, m)
		got, err := strict.ReadSyslog(out)
		require.NoError(t, err)
		require.Equal(t, want, got)

		other, err := second.Parse(out)
		require.NoErrorf(t, err, "%q", out)
		their := other.(*leodido.SyslogMessage)
		text := func(s *string) string {
			if s == nil {
				return ""
			}
			return *s
		}
		assert.Equal(t, want.PRI, int(*their.Priority))
		assert.Equal(t, want.Host, text(their.Hostname))
		assert.Equal(t, want.App, text(their.Appname))
		assert.Equal(t, want.ProcID, text(their.ProcID))
		assert.Equal(t, want.MsgID, text(their.MsgID))
		assert.Equal(t, want.Msg, text(their.Message))
		if len(want.SD) > 0 {
			assert.Len(t, *their.StructuredData, len(want.SD))
		}
	})
}

func TestMaxCutsTheTextOnly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, _ := draw(t)
		whole := (&rfc5424.Encoder{}).Append(nil, m)
		text := m.Msg
		m.Msg = nil
		bare := (&rfc5424.Encoder{}).Append(nil, m)
		m.Msg = text
		limit := rapid.IntRange(1, len(whole)+2).Draw(t, "max")
		cut := (&rfc5424.Encoder{Max: limit}).Append(nil, m)
		assert.LessOrEqual(t, len(cut), max(limit, len(bare)))
		assert.True(t, strings.HasPrefix(string(whole), string(cut)))
		assert.True(t, utf8.Valid(cut))
		_, err := strict.ReadSyslog(cut)
		assert.NoError(t, err)
	})
}

func TestAppendID(t *testing.T) {
	for in, want := range map[string]string{
		"siemfwd@32473": "siemfwd@32473", "origin": "origin", `a b=]"`: "a_b___", "@1": "@1", "": "",
		strings.Repeat("n", 40) + "@32473": strings.Repeat("n", 26) + "@32473",
		strings.Repeat("n", 40):            strings.Repeat("n", 32),
		"n@" + strings.Repeat("7", 40):     "n@" + strings.Repeat("7", 30),
		"n@" + strings.Repeat("7", 30):     "n@" + strings.Repeat("7", 30),
		"\uFEFFé@1":                        "_@1",
	} {
		assert.Equal(t, want, string(rfc5424.AppendID(nil, []byte(in))))
	}
}

func TestEncoderOptions(t *testing.T) {
	m := rfc5424.Message{Time: at, Msg: []byte("a\nb")}
	for _, c := range []struct {
		name string
		e    rfc5424.Encoder
		want string
	}{
		{"no digits", rfc5424.Encoder{}, "<0>1 2023-11-14T22:13:20Z - - - - - a#012b"},
		{"six digits at most", rfc5424.Encoder{Digits: 9}, "<0>1 2023-11-14T22:13:20.123456Z - - - - - a#012b"},
		{"multiline", rfc5424.Encoder{Multiline: true}, "<0>1 2023-11-14T22:13:20Z - - - - - a\nb"},
		{"BOM", rfc5424.Encoder{BOM: true}, "<0>1 2023-11-14T22:13:20Z - - - - - \uFEFFa#012b"},
		{"no room for text", rfc5424.Encoder{Max: 36}, "<0>1 2023-11-14T22:13:20Z - - - - -"},
		{"no room behind the BOM", rfc5424.Encoder{Max: 39, BOM: true}, "<0>1 2023-11-14T22:13:20Z - - - - -"},
		{"less than the header", rfc5424.Encoder{Max: 1}, "<0>1 2023-11-14T22:13:20Z - - - - -"},
	} {
		assert.Equal(t, c.want, string(c.e.Append(nil, &m)), c.name)
	}
}

func TestEncoderAllocatesNothing(t *testing.T) {
	m := rfc5424.Message{
		Time: at, Host: []byte("my host"), App: []byte("siemfwd"), MsgID: []byte("x"), Msg: []byte("a\nb\xff"),
		SD: []rfc5424.Element{
			{ID: []byte("a@1"), Params: []rfc5424.Param{{Name: []byte("n"), Value: []byte(`"\]`)}}},
			{ID: []byte("a@1")},
		},
	}
	e := rfc5424.Encoder{Digits: 3}
	buf := make([]byte, 0, 1024)
	assert.Zero(t, testing.AllocsPerRun(100, func() { buf = e.Append(buf[:0], &m) }))
}

func FuzzEncoder(f *testing.F) {
	f.Add("fw1", "app", "id@1", "name", `va"l]ue\`, "text\nmore\xff", 0)
	f.Add("\uFEFFh", "-", "averyveryverylongidentifiername123@32473", "=", "\x00", "", 480)
	f.Fuzz(func(t *testing.T, host, app, sd, param, value, msg string, limit int) {
		e := rfc5424.Encoder{Digits: 3, Max: limit}
		out := e.Append([]byte("kept"), &rfc5424.Message{
			Time: at, Host: []byte(host), App: []byte(app), ProcID: []byte(app), MsgID: []byte(host), Msg: []byte(msg),
			SD: []rfc5424.Element{{
				ID: []byte(sd), Params: []rfc5424.Param{{Name: []byte(param), Value: []byte(value)}},
			}},
		})
		require.True(t, strings.HasPrefix(string(out), "kept"))
		out = out[4:]
		require.True(t, utf8.Valid(out))
		for _, c := range out {
			require.True(t, c >= 0x20 && c != 0x7f || c == '\t', "control character")
		}
		_, err := strict.ReadSyslog(out)
		require.NoError(t, err)
	})
}
