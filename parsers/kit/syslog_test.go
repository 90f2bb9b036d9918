package kit_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	rfc5424 "github.com/leodido/go-syslog/v4/rfc5424"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

var received = time.Date(2026, 11, 20, 10, 30, 0, 0, time.UTC)

// header is a Header for the eye.
type header struct {
	pri                 int // -1: none
	v5424               bool
	time                string
	host, app, pid, msg string
	sd, loose           string
	body                string
	badTime             bool
}

func TestReadHeader(t *testing.T) {
	none := -1
	for _, c := range []struct {
		in   string
		want header
	}{
		// RFC 5424.
		{`<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - ` + "\xEF\xBB\xBF" + `'su root' failed`,
			header{pri: 34, v5424: true, time: "2003-10-11T22:14:15.003Z", host: "mymachine.example.com", app: "su", msg: "ID47", body: "'su root' failed"}},
		{`<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time`,
			header{pri: 165, v5424: true, time: "2003-08-24T12:14:15.000003Z", host: "192.0.2.1", app: "myproc", pid: "8710", body: "%% It's time"}},
		{`<165>1 2003-10-11T22:14:15.003Z h evntslog - ID47 [exampleSDID@32473 iut="3" eventSource="Application"][examplePriority@32473 class="high"] text`,
			header{pri: 165, v5424: true, time: "2003-10-11T22:14:15.003Z", host: "h", app: "evntslog", msg: "ID47", sd: `[exampleSDID@32473 iut="3" eventSource="Application"][examplePriority@32473 class="high"]`, body: "text"}},
		{`<0>1 - - - - - -`, header{pri: 0, v5424: true}},
		{`<14>1 2026-11-20T10:11:12Z h a p m [x@1 k="a \] b \" c \\ d \n"] m[1]`,
			header{pri: 14, v5424: true, time: "2026-11-20T10:11:12Z", host: "h", app: "a", pid: "p", msg: "m", sd: `[x@1 k="a \] b \" c \\ d \n"]`, body: "m[1]"}},
		{`<14>1 2026-11-20T10:11:12Z h a p m [x@1]`,
			header{pri: 14, v5424: true, time: "2026-11-20T10:11:12Z", host: "h", app: "a", pid: "p", msg: "m", sd: `[x@1]`}},
		{`<14>1 2026-11-20T10:11:12Z h a p m [x@1 k="a ] b" l="say "hi" now"] body`,
			header{pri: 14, v5424: true, time: "2026-11-20T10:11:12Z", host: "h", app: "a", pid: "p", msg: "m", loose: `[x@1 k="a ] b" l="say "hi" now"]`, body: "body"}},
		{`<14>1 2026-11-20T10:11:12Z h a p m [x@1 k="never closed body`,
			header{pri: 14, v5424: true, time: "2026-11-20T10:11:12Z", host: "h", app: "a", pid: "p", msg: "m", body: `[x@1 k="never closed body`}},
		{`<14>1 2026-11-20T10:11:12Z h a p m CEF:0|a|b|c|d|e|3|`, // structured data forgotten
			header{pri: 14, v5424: true, time: "2026-11-20T10:11:12Z", host: "h", app: "a", pid: "p", msg: "m", body: "CEF:0|a|b|c|d|e|3|"}},
		{`<14>1 2026-02-30T10:11:12Z h a p m - body`,
			header{pri: 14, v5424: true, badTime: true, host: "h", app: "a", pid: "p", msg: "m", body: "body"}},
		{`<14>1 2026-11-20t10:11:12z h a p m - body`,
			header{pri: 14, v5424: true, time: "2026-11-20T10:11:12Z", host: "h", app: "a", pid: "p", msg: "m", body: "body"}},
		{`<14>1 2026-11-20T10:11:12Z h ` + strings.Repeat("a", 49) + ` - - - body`,
			header{pri: 14, time: "2026-11-20T10:11:12Z", host: "h", app: strings.Repeat("a", 49), body: "body"}},
		{`<14>1 2026-11-20T10:11:12Z h`, header{pri: 14, time: "2026-11-20T10:11:12Z", host: "h"}},
		{`<14>1 nothing of the kind`, header{pri: 14, body: "1 nothing of the kind"}},

		// RFC 3164.
		{`<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8`,
			header{pri: 34, time: "2026-10-11T22:14:15Z", host: "mymachine", app: "su", body: "'su root' failed for lonvick on /dev/pts/8"}},
		{`<13>Nov  2 10:11:12 10.0.0.99 app[4711]: text: more`,
			header{pri: 13, time: "2026-11-02T10:11:12Z", host: "10.0.0.99", app: "app", pid: "4711", body: "text: more"}},
		{`<13>Nov 20 10:11:12 h postfix/smtpd[12] connect`,
			header{pri: 13, time: "2026-11-20T10:11:12Z", host: "h", app: "postfix/smtpd", pid: "12", body: "connect"}},
		{`<13>Nov 20 10:11:12 h message without tag`, header{pri: 13, time: "2026-11-20T10:11:12Z", host: "h", body: "message without tag"}},
		{`<13>Nov 20 10:11:12 h http://example.net/ was seen`, header{pri: 13, time: "2026-11-20T10:11:12Z", host: "h", body: "http://example.net/ was seen"}},
		{`<13>Nov 20 10:11:12 app[1]: local, no host`, header{pri: 13, time: "2026-11-20T10:11:12Z", app: "app", pid: "1", body: "local, no host"}},
		{`<13>Nov 20 10:11:12 app: local, no host`, header{pri: 13, time: "2026-11-20T10:11:12Z", app: "app", body: "local, no host"}},
		{`<13>Nov 20 10:11:12 key=value other=value`, header{pri: 13, time: "2026-11-20T10:11:12Z", body: "key=value other=value"}},
		{`<14>Nov 20 10:11:12 h`, header{pri: 14, time: "2026-11-20T10:11:12Z", host: "h"}},
		{`<14>Nov 20 10:11:12 2001:db8::1 app: x`, header{pri: 14, time: "2026-11-20T10:11:12Z", host: "2001:db8::1", app: "app", body: "x"}},
		{`<14>Nov 20 10:11:12 fe80:: app: x`, header{pri: 14, time: "2026-11-20T10:11:12Z", host: "fe80::", app: "app", body: "x"}},
		{`<14>Nov 20 10:11:12 h {"a": 1}`, header{pri: 14, time: "2026-11-20T10:11:12Z", host: "h", body: `{"a": 1}`}},
		{`<14>Nov 20 10:11:12 h CEF:0|a|b|c|d|e|3|x=y`, header{pri: 14, time: "2026-11-20T10:11:12Z", host: "h", body: "CEF:0|a|b|c|d|e|3|x=y"}},
		{`<14>Nov 20 10:11:12 h CEF: 0|a|b|c|d|e|3|x=y`, header{pri: 14, time: "2026-11-20T10:11:12Z", host: "h", body: "CEF: 0|a|b|c|d|e|3|x=y"}},
		{`<14>Nov 20 10:11:12 CEF:0|a|b|c|d|e|3|x=y`, header{pri: 14, time: "2026-11-20T10:11:12Z", body: "CEF:0|a|b|c|d|e|3|x=y"}},
		{`<14>Nov 20 10:11:12 h app[7]: LEEF:1.0|a|b|c|d|x=y`, header{pri: 14, time: "2026-11-20T10:11:12Z", host: "h", app: "app", pid: "7", body: "LEEF:1.0|a|b|c|d|x=y"}},
		{"<14>Nov 20 10:11:12 h app: text\r\n\x00", header{pri: 14, time: "2026-11-20T10:11:12Z", host: "h", app: "app", body: "text"}},
		{`<14>Dec 31 23:59:59 h app: text`, header{pri: 14, time: "2025-12-31T23:59:59Z", host: "h", app: "app", body: "text"}},

		// What devices make of it.
		{`<13>2026-11-20T10:11:12Z h app: text`, header{pri: 13, time: "2026-11-20T10:11:12Z", host: "h", app: "app", body: "text"}},
		{`<13>2026-11-20T10:11:12.123456+02:00 h app[1]: text`, header{pri: 13, time: "2026-11-20T08:11:12.123456Z", host: "h", app: "app", pid: "1", body: "text"}},
		{`<13>Nov 20 10:11:12.042 h app: text`, header{pri: 13, time: "2026-11-20T10:11:12.042Z", host: "h", app: "app", body: "text"}},
		{`<13>Nov 20 2024 10:11:12 FW text here`, header{pri: 13, time: "2024-11-20T10:11:12Z", host: "FW", body: "text here"}},
		{`<13>Nov 20 10:11:12 2024 h app: text`, header{pri: 13, time: "2024-11-20T10:11:12Z", host: "h", app: "app", body: "text"}},
		{`<13>Nov 20 10:11:12 UTC h app: text`, header{pri: 13, time: "2026-11-20T10:11:12Z", host: "h", app: "app", body: "text"}},
		{`<13>Nov 20 10:11:12 +0200 h app: text`, header{pri: 13, time: "2026-11-20T08:11:12Z", host: "h", app: "app", body: "text"}},
		{`<189>237: Nov 20 2026 10:11:12: %SYS-5-CONFIG_I: Configured from console`, header{pri: 189, time: "2026-11-20T10:11:12Z", body: "%SYS-5-CONFIG_I: Configured from console"}},
		{`<189>000237: *Nov 20 10:11:12.123 CET: %SYS-5-CONFIG_I: Configured`, header{pri: 189, time: "2026-11-20T10:11:12.123Z", body: "%SYS-5-CONFIG_I: Configured"}},
		{`<189>237: R1: Nov 20 10:11:12: %SYS-5-CONFIG_I: Configured`, header{pri: 189, time: "2026-11-20T10:11:12Z", host: "R1", body: "%SYS-5-CONFIG_I: Configured"}},
		{`<166>Nov 20 2026 10:11:12 asa01 : %ASA-6-302013: Built`, header{pri: 166, time: "2026-11-20T10:11:12Z", host: "asa01", body: "%ASA-6-302013: Built"}},
		{`<166>Nov 20 2026 10:11:12 asa01: %ASA-6-302013: Built`, header{pri: 166, time: "2026-11-20T10:11:12Z", host: "asa01", body: "%ASA-6-302013: Built"}},
		{`<14>CEF:0|a|b|c|d|e|3|x=y`, header{pri: 14, body: "CEF:0|a|b|c|d|e|3|x=y"}},
		{`host CEF:0|a|b|c|d|e|3|x=y`, header{pri: none, host: "host", body: "CEF:0|a|b|c|d|e|3|x=y"}},
		{`<14>host LEEF:2.0|a|b|c|d|^|x=y`, header{pri: 14, host: "host", body: "LEEF:2.0|a|b|c|d|^|x=y"}},
		{`CEF:0|a|b|c|d|e|3|x=y`, header{pri: none, body: "CEF:0|a|b|c|d|e|3|x=y"}},
		{`Nov 20 10:11:12 h app: from a file`, header{pri: none, time: "2026-11-20T10:11:12Z", host: "h", app: "app", body: "from a file"}},
		{`2026-11-20T10:11:12Z h app: from a file`, header{pri: none, time: "2026-11-20T10:11:12Z", host: "h", app: "app", body: "from a file"}},
		{`<14>app[9]: no time`, header{pri: 14, app: "app", pid: "9", body: "no time"}},
		{`<14>just text`, header{pri: 14, body: "just text"}},
		{`just text`, header{pri: none, body: "just text"}},
		{`<14>`, header{pri: 14}},
		{`<192>Nov 20 10:11:12 h app: text`, header{pri: none, time: "2026-11-20T10:11:12Z", host: "h", app: "app", body: "text"}},
		{`<999>1 2026-11-20T10:11:12Z h a p m - body`, header{pri: none, body: "<999>1 2026-11-20T10:11:12Z h a p m - body"}},
		{`<999>text`, header{pri: none, body: "<999>text"}},
		{`<>text`, header{pri: none, body: "<>text"}},
		{`<1234>text`, header{pri: none, body: "<1234>text"}},
		{`<-1>text`, header{pri: none, body: "<-1>text"}},
		{``, header{pri: none}},
	} {
		h := kit.ReadHeader([]byte(c.in), received, nil)
		assert.Equal(t, c.want, eye(h), c.in)
	}
}

func eye(h kit.Header) header {
	out := header{
		pri: -1, v5424: h.V5424, host: string(h.Host), app: string(h.App), pid: string(h.ProcID), msg: string(h.MsgID),
		sd: string(h.SD), loose: string(h.LooseSD), body: string(h.Body), badTime: h.BadTime,
	}
	if h.Present {
		out.pri = int(h.Facility)*8 + int(h.Severity)
	}
	if !h.Time.IsZero() {
		out.time = h.Time.Go().Format(time.RFC3339Nano)
	}
	return out
}

func TestReadHeaderUntagged(t *testing.T) {
	for _, c := range []struct {
		in   string
		want header
	}{
		{`<14>Aug 15 16:58:16 EC-test00.app.qa.sjc.shn activityNames [-1],actorId=x`, header{pri: 14, time: "2026-08-15T16:58:16Z", host: "EC-test00.app.qa.sjc.shn", body: "activityNames [-1],actorId=x"}},
		{`<14>Mar  3 09:07:41 ec1 activityNames=[],actorId=N/A,serviceNames=[Box] url=x`, header{pri: 14, time: "2026-03-03T09:07:41Z", host: "ec1", body: "activityNames=[],actorId=N/A,serviceNames=[Box] url=x"}},
		{`<14>Mar  3 09:07:41 ec1 note: not a tag`, header{pri: 14, time: "2026-03-03T09:07:41Z", host: "ec1", body: "note: not a tag"}},
		{`<14>Mar  3 09:07:41 activityNames=[],actorId=N/A`, header{pri: 14, time: "2026-03-03T09:07:41Z", body: "activityNames=[],actorId=N/A"}},
		{`<14>Mar  3 09:07:41 ec1 CEF:0|a`, header{pri: 14, time: "2026-03-03T09:07:41Z", host: "ec1", body: "CEF:0|a"}},
	} {
		assert.Equal(t, c.want, eye(kit.ReadHeaderUntagged([]byte(c.in), received, nil)), c.in)
	}
}

func TestReadHeaderZone(t *testing.T) {
	zone := time.FixedZone("", 2*3600)
	for in, want := range map[string]string{
		"<13>Nov 20 10:11:12 h a: b":               "2026-11-20T08:11:12Z",
		"<13>Nov 20 2026 10:11:12 h a: b":          "2026-11-20T08:11:12Z",
		"<13>Nov 20 10:11:12 CET: %a-1-B: c":       "2026-11-20T08:11:12Z",
		"<13>2026-11-20T10:11:12 h a: b":           "2026-11-20T08:11:12Z",
		"<13>1 2026-11-20T10:11:12 h a - - - b":    "2026-11-20T08:11:12Z",
		"<13>Nov 20 10:11:12 UTC h a: b":           "2026-11-20T10:11:12Z",
		"<13>Nov 20 10:11:12 -0100 h a: b":         "2026-11-20T11:11:12Z",
		"<13>2026-11-20T10:11:12Z h a: b":          "2026-11-20T10:11:12Z",
		"<13>1 2026-11-20T10:11:12+01:00 h - - - ": "2026-11-20T09:11:12Z",
	} {
		assert.Equal(t, want, eye(kit.ReadHeader([]byte(in), received, zone)).time, in)
	}
}

func TestSD(t *testing.T) {
	var r record.Record
	read := func(b string) (out []string) {
		for sd := (kit.SD{Rest: []byte(b)}); sd.Next(); {
			if sd.Param {
				out = append(out, string(sd.Name)+"="+string(sd.Text(&r)))
			} else {
				out = append(out, "["+string(sd.Name))
			}
		}
		return out
	}
	assert.Equal(t, []string{"[a@1", "x=1", "y=", "[b", "[c", `z=q"\]n\n`}, read(`[a@1 x="1" y=""][b][c z="q\"\\\]n\n"]`))
	assert.Equal(t, []string{"[a@1", "x=1 ] 2", `y=say "hi" now`, "[b", "z=1"}, read(`[a@1  x="1 ] 2" y="say "hi" now" ][b z="1"]`))
	assert.Empty(t, read(""))
	assert.Equal(t, `[a@1 x="1 \] 2" y="say \"hi\" now"][b z="1"]`, string(kit.RepairSD(&r, []byte(`[a@1  x="1 ] 2" y="say "hi" now" ][b z="1"]`))))
	assert.Equal(t, "[a@1 x=\"l#012\uFFFD\\\\d\"]", string(kit.RepairSD(&r, []byte("[a@1 x=\"l\n\xff\\d\"]"))))
	assert.Nil(t, kit.RepairSD(&r, []byte("nothing")))
}

func TestReadHeaderAllocatesNothing(t *testing.T) {
	zone := time.FixedZone("", 3600)
	lines := [][]byte{
		[]byte(`<165>1 2003-10-11T22:14:15.003Z h evntslog - ID47 [x@1 a="b \] c"] text`),
		[]byte(`<165>1 2003-10-11T22:14:15.003Z h evntslog - ID47 [x@1 a="b ] c"] text`),
		[]byte(`<34>Oct 11 22:14:15 mymachine su: 'su root' failed`),
		[]byte(`<189>237: Nov 20 2026 10:11:12: %SYS-5-CONFIG_I: Configured`),
	}
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		for _, l := range lines {
			kit.ReadHeader(l, received, zone)
		}
	}))
}

// ReadHeader keeps within the line, loses no text behind the host, and reads what a
// strict RFC 5424 parser accepts in the same way.
func FuzzHeader(f *testing.F) {
	for _, s := range []string{
		`<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - text`,
		`<165>1 2003-10-11T22:14:15.003Z h evntslog - ID47 [x@1 iut="3" b="a \] \" \\ c"][e@1 class="high"] text`,
		`<14>1 2026-11-20T10:11:12Z h a p m [x@1 k="a ] b" l="say "hi" now"] body`,
		`<34>Oct 11 22:14:15 mymachine su[1]: 'su root' failed`, `<189>237: Nov 20 2026 10:11:12: %SYS-5-CONFIG_I: Configured`,
		`host CEF:0|a|b|c|d|e|3|x=y`, `<14>`, `<14>Nov 20 10:11:12 h`, `-1 x`,
	} {
		f.Add([]byte(s))
	}
	strict := rfc5424.NewParser()
	f.Fuzz(func(t *testing.T, b []byte) {
		h := kit.ReadHeader(b, received, time.UTC)
		for _, part := range [][]byte{h.Host, h.App, h.ProcID, h.MsgID, h.SD, h.LooseSD, h.Body} {
			require.True(t, bytes.Contains(b, part))
		}
		require.True(t, bytes.HasSuffix(bytes.TrimRight(b, "\r\n\x00"), h.Body))
		untagged := kit.ReadHeaderUntagged(b, received, nil)
		require.True(t, bytes.HasSuffix(bytes.TrimRight(b, "\r\n\x00"), untagged.Body))
		var r record.Record
		for sd := (kit.SD{Rest: h.LooseSD}); sd.Next(); {
			sd.Text(&r)
		}
		if fixed := kit.RepairSD(&r, h.LooseSD); fixed != nil {
			again := kit.ReadHeader(append([]byte("<14>1 - h a p m "), fixed...), received, nil)
			require.Equal(t, string(fixed), string(again.SD))
		}
		msg, err := strict.Parse(bytes.TrimRight(b, "\r\n\x00"))
		if err != nil || bytes.HasPrefix(b, []byte("<0")) && len(b) > 2 && b[2] != '>' {
			return
		}
		m := msg.(*rfc5424.SyslogMessage)
		if m.Version != 1 || m.Timestamp != nil && (m.Timestamp.Year() < 1700 || m.Timestamp.Year() > 2260) {
			return
		}
		require.True(t, h.V5424, "%q", b)
		require.Equal(t, *m.Priority, h.Facility*8+h.Severity)
		same := func(want *string, got []byte) {
			if want == nil {
				require.Empty(t, got)
			} else {
				require.Equal(t, *want, string(got))
			}
		}
		same(m.Hostname, h.Host)
		same(m.Appname, h.App)
		same(m.ProcID, h.ProcID)
		same(m.MsgID, h.MsgID)
		if m.Timestamp == nil {
			require.True(t, h.Time.IsZero())
		} else {
			require.Equal(t, m.Timestamp.UnixNano(), h.Time.Nanos)
		}
	})
}

func BenchmarkReadHeader(b *testing.B) {
	for name, text := range map[string]string{
		"5424":    `<165>1 2026-11-20T10:11:12.003Z web01.example.net evntslog 4711 ID47 [x@32473 iut="3" eventSource="Application"] ` + strings.Repeat("text ", 150),
		"3164":    `<34>Nov 20 10:11:12 web01.example.net su[4711]: ` + strings.Repeat("text ", 150),
		"skyhigh": `<14>Aug 15 16:58:16 EC-test00.app.qa.sjc.shn activityNames [-1],actorId=` + strings.Repeat("text ", 150),
	} {
		line := []byte(text)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				kit.ReadHeader(line, received, nil)
			}
		})
	}
}
