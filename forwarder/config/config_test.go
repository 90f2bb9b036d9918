package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/config"
)

func parse(t *testing.T, text string, o config.Options) (*config.Config, config.Problems) {
	t.Helper()
	return config.Parse([]config.File{{Name: "siemfwd.yaml", Data: []byte(text)}}, kinds(), o)
}

func TestDefaults(t *testing.T) {
	c, ps := parse(t, someSource+someSink, config.Options{})
	require.Empty(t, ps)
	assert.Equal(t, "/var/lib/siemfwd", c.State)
	assert.Equal(t, "/var/lib/siemfwd/control.sock", c.Control)
	assert.Equal(t, 20*time.Second, c.Grace)
	assert.Equal(t, "127.0.0.1:9600", c.HTTP.Listen)
	assert.Equal(t, config.Defaults{Keep: 24 * time.Hour, Spool: 10 << 30, WhenFull: "block", Sync: "batch"}, c.Defaults)

	src := c.Sources[0]
	assert.Equal(t, config.Source{Name: "a", Type: "bare", Vendor: "text", Keep: 24 * time.Hour, Spool: 10 << 30, WhenFull: "block",
		Sync: "batch", Timezone: time.UTC, Pos: config.Pos{File: "siemfwd.yaml", Line: 2, Col: 3}}, src)
	assert.Equal(t, config.Sink{Name: "out", Type: "stdout", Format: "json", Header: "none", Facility: 16, Start: "newest", Raw: true,
		Form:     config.Form{IPv6: "strict", Labels: "as_is", Pipes: "keep", Times: "epoch_ms", Multiline: "escape", Overflow: "trim"},
		Timezone: time.UTC, Config: &struct{}{}, Pos: config.Pos{File: "siemfwd.yaml", Line: 4, Col: 3}}, c.Sinks[0])
	assert.True(t, c.Sinks[0].Reads("a"))

	c, ps = parse(t, "control: \"\"\nhttp: {listen: \"\"}\n"+someSource+someSink, config.Options{})
	require.Empty(t, ps)
	assert.Empty(t, c.Control)
	assert.Empty(t, c.HTTP.Listen)
}

// TestValues looks at what components get.
func TestValues(t *testing.T) {
	s := readScene(t, "testdata/good/everything.txtar")
	c, ps := config.Parse(s.files, kinds(), s.options)
	require.NoError(t, ps.Err())
	names := func() (out []string) {
		for _, s := range c.Sources {
			out = append(out, s.Name)
		}
		for _, s := range c.Sinks {
			out = append(out, s.Name)
		}
		return out
	}()
	assert.Equal(t, []string{"fw", "west", "hook", "api", "siem", "file", "chat"}, names, "in the order of the file")

	fw := c.Sources[0]
	assert.Equal(t, []any{400 * 24 * time.Hour, component.Size(64 << 20), "block", "batch", "Europe/Berlin"},
		[]any{fw.Keep, fw.Spool, fw.WhenFull, fw.Sync, fw.Timezone.String()})
	assert.Equal(t, &syslogKeys{
		Listen: []string{"udp://127.0.0.1:514", "tls://127.0.0.1:6514"},
		TLS: &tlsKeys{Cert: "/c.pem", ClientCA: "/ca.pem",
			Key: component.NewSecret("-----BEGIN KEY-----\nvery-secret-pem\n-----END KEY-----")},
		Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.17/32"),
			netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("::1/128")},
		MaxEvent: 65535, Framing: "octet_counting",
	}, fw.Config)
	require.Len(t, fw.Severity, 2)
	assert.Equal(t, 7, fw.Severity[0].Set)
	assert.Equal(t, "user.name != a", fw.Severity[0].When[1].Text)
	assert.Zero(t, fw.Severity[1].Set)
	west := c.Sources[1]
	_, offset := time.Now().In(west.Timezone).Zone()
	assert.Equal(t, []any{36 * time.Hour, component.Size(1536 << 20), "drop_newest", "os", -8 * 3600},
		[]any{west.Keep, west.Spool, west.WhenFull, west.Sync, offset}, "from defaults")

	ratio := 0.25
	assert.Equal(t, &webhookKeys{
		Listen: "127.0.0.1:8443", Path: "/hooks/json",
		Auth:    authKeys{Type: "basic", Username: "me", Password: component.NewSecret("very-secret-hook")},
		Headers: map[string]string{"X-Plain": "yes", "Authorization": "hunter2", "with: colon": " padded "},
		Secrets: map[string]component.Secret{"new": component.NewSecret("very-secret-signing")},
		Rules:   []ruleKeys{{Name: "a", Level: 2, Codes: []uint8{0, 255}, Ratio: &ratio}, {Name: "b"}},
	}, c.Sources[2].Config)

	api := c.Sources[3].Config.(*pollKeys)
	assert.Equal(t, "Bearer very-secret-key", api.AccessKey.Reveal())
	assert.Equal(t, []any{90 * time.Minute, 36 * time.Hour, -3, false, netip.MustParseAddr("127.0.0.1"), "1234567890123456789012"},
		[]any{api.Every, api.Since, api.Pages, api.Verify, api.Proxy, api.ClientID})
	assert.Equal(t, `{"b":[1,2.50,1e400,"0x10","0644","yes",true,null,"2026-01-02","12:30","very-secret-region",null],`+
		`"a":{"k e y":"<&>","token":"hunter2"},"":9007199254740993}`, string(api.Criteria), "keys in their order, numbers as written")
	assert.Equal(t, map[string]any{"b": []any{int64(1), 2.5, "on", true, nil, 18446744073709551616.0},
		"a": map[string]any{"c": "text", "password": "hunter2"}}, api.Extra)

	siem := c.Sinks[0]
	assert.Equal(t, []any{"cef", "rfc3164", 20, "forwarder", "mine@1234", []string{"fw", "hook"}, "oldest", false, component.Size(8 << 10)},
		[]any{siem.Format, siem.Header, siem.Facility, siem.Host, siem.SDID, siem.From, siem.Start, siem.Raw, siem.MaxSize})
	assert.True(t, siem.Reads("hook"))
	assert.False(t, siem.Reads("api"))
	assert.Equal(t, "severity >= 4", siem.When[0].Text)
	assert.Equal(t, "message = a:b", siem.When[1].Text)
	require.Len(t, siem.Drop, 2)
	assert.Equal(t, "outcome = resolved", siem.Drop[0][1].Text)
	assert.Equal(t, config.Pos{File: "siemfwd.yaml", Line: 71, Col: 26}, siem.Drop[0][1].Pos)
}

// TestDefaultsAreNotShared: what one source says is not the default of the next.
func TestDefaultsAreNotShared(t *testing.T) {
	type keys struct {
		TLS *tlsKeys `yaml:"tls"`
	}
	spec := component.Of("x", "", keys{TLS: &tlsKeys{ClientCA: "default"}}, func(*keys, component.Env) (int, error) { return 0, nil })
	k := config.Kinds{Sources: map[string]config.Kind{"x": {Config: spec.Config}}, Sinks: kinds().Sinks, Vendors: []string{"text"}, Formats: []string{"json"}}
	c, ps := config.Parse([]config.File{{Name: "c.yaml", Data: []byte(`
sources:
  a: {type: x, vendor: text, tls: {client_ca: mine}}
  b: {type: x, vendor: text}
` + someSink)}}, k, config.Options{})
	require.NoError(t, ps.Err())
	assert.Equal(t, &keys{TLS: &tlsKeys{ClientCA: "mine"}}, c.Sources[0].Config)
	assert.Equal(t, &keys{TLS: &tlsKeys{ClientCA: "default"}}, c.Sources[1].Config)
}

func TestUnits(t *testing.T) {
	load := func(duration, size string) (config.Defaults, error) {
		c, ps := parse(t, fmt.Sprintf("defaults: {keep: %q, spool: %q}\n", duration, size)+someSource+someSink, config.Options{})
		if ps.Err() != nil {
			return config.Defaults{}, ps.Err()
		}
		return c.Defaults, nil
	}
	for text, want := range map[string]time.Duration{
		"0s": 0, "1ms": time.Millisecond, "1500ms": 1500 * time.Millisecond, "90s": 90 * time.Second, "1h30m": 90 * time.Minute,
		"1.5h": 90 * time.Minute, "0.5d": 12 * time.Hour, "1d12h": 36 * time.Hour, "106751d": 106751 * 24 * time.Hour, "007s": 7 * time.Second,
	} {
		d, err := load(text, "1B")
		require.NoError(t, err, text)
		assert.Equal(t, want, d.Keep, text)
	}
	for _, text := range []string{"", "s", "30", "0", "1 h", "1h30", "-1s", "+1s", "1.s", ".5s", "1..5s", "1.2.3s", "1us", "1ns", "1w", "1y", "1M",
		"1H", "106752d", "99999999999999999999s", "106751d106751d", "1e3s", "1,5s", "30s ", "١s", "1h-30m"} {
		_, err := load(text, "1B")
		assert.Error(t, err, text)
	}
	for text, want := range map[string]component.Size{
		"1B": 1, "1KiB": 1 << 10, "64MiB": 64 << 20, "10GiB": 10 << 30, "1.5GiB": 1536 << 20, "0.1KiB": 102, "8589934591GiB": 8589934591 << 30,
	} {
		d, err := load("1s", text)
		require.NoError(t, err, text)
		assert.Equal(t, want, d.Spool, text)
	}
	for _, text := range []string{"", "0B", "1", "1b", "1kib", "1KB", "1K", "1k", "1TiB", "1 MiB", "-1B", "8589934592GiB", "MiB", "1e3B", "0x1B"} {
		_, err := load("1s", text)
		assert.Error(t, err, text)
	}
}

func TestPrintColor(t *testing.T) {
	_, ps := parse(t, someSource+"    vendr: x\n"+someSink+"    form: [a]\n", config.Options{})
	require.Len(t, ps, 1, "%v", ps)
	_, ps = parse(t, "state: x\n"+someSource+"  b:\n    type: bare\n\tvendor: x\n", config.Options{})
	require.NotEmpty(t, ps)
	_, ps = parse(t, "state: x\nstat: y\n"+someSource+someSink, config.Options{})
	var b bytes.Buffer
	require.NoError(t, ps.Print(&b, true))
	assert.Equal(t, "\x1b[1msiemfwd.yaml:1:8: \x1b[0m\x1b[33mwarning: \x1b[0mstate: the path is not absolute\n"+
		"     1 | state: x\n"+
		"       |        \x1b[33m^\x1b[0m\n"+
		"       = it depends on the folder siemfwd is started in\n"+
		"\x1b[1msiemfwd.yaml:2:1: \x1b[0munknown key \"stat\"\n"+
		"     2 | stat: y\n"+
		"       | \x1b[31m^^^^\x1b[0m\n"+
		"       = did you mean state?\n", b.String())
	assert.Equal(t, []int{1, 1, 0}, []int{ps.Count(config.Error), ps.Count(config.Warning), ps.Count(config.Note)})
	require.EqualError(t, ps.Err(), `siemfwd.yaml:2:1: unknown key "stat"`)
}

func TestPrintJSON(t *testing.T) {
	_, ps := parse(t, "stat: <y>\n"+someSource+someSink+"versio: 2\n", config.Options{})
	var b bytes.Buffer
	require.NoError(t, ps.PrintJSON(&b))
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	require.Len(t, lines, 2)
	assert.Equal(t, `{"severity":"error","file":"siemfwd.yaml","line":1,"col":1,"path":"stat","text":"unknown key \"stat\"",`+
		`"hint":"did you mean state?","excerpt":"stat: <y>"}`, lines[0])
	for _, line := range lines {
		assert.True(t, json.Valid([]byte(line)))
	}
	require.EqualError(t, ps.Err(), `siemfwd.yaml:1:1: unknown key "stat" (and 1 more)`)
	assert.NoError(t, config.Problems(nil).Err())
}

// TestManyProblems: what is reported is bounded, and says so.
func TestManyProblems(t *testing.T) {
	var b strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&b, "key%d: 1\n", i)
	}
	_, ps := parse(t, b.String()+someSource+someSink, config.Options{})
	require.Len(t, ps, 501)
	assert.Equal(t, "siemfwd.yaml: 1500 more of these are not shown", ps[500].String())
}

// TestLarge reads files that would take for ever if anything took time by the square of
// their size.
func TestLarge(t *testing.T) {
	many := func(format string) string {
		var b strings.Builder
		for i := 0; b.Len() < 1<<18; i++ {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	for name, text := range map[string]string{
		"secrets on one line":    "sources: {h: {type: webhook, auth: {token: [" + many("ä%d, ") + "]}}}\n",
		"${…} on one line":       "sources: {h: {type: poll, extra: [" + many("\"${env:A%d}\", ") + "]}}\n",
		"passwords on one line":  "x: [" + many("http://a:b%d@c, ") + "]\n",
		"comments on one line":   "state: " + many(" # token %d"),
		"sources":                "sources:\n" + many("  s%d: {type: sylog, vendr: x}\n"),
		"names":                  someSource + "sinks: {s: {type: stdout, format: json, from: [" + many("s%d, ") + "]}}\n",
		"broken, with secrets":   many("token: x%d\n") + "[",
		"one long word":          strings.Repeat("a", 1<<19) + ": 1\n",
		"one long line of words": strings.Repeat("a ", 1<<18),
	} {
		t.Run(name, func(t *testing.T) {
			c, ps := parse(t, text, config.Options{LookupEnv: func(s string) (string, bool) { return "value of " + s, true }})
			assert.Nil(t, c)
			require.Error(t, ps.Err())
			assert.Less(t, len(printed(t, ps)), 1<<20)
		})
	}
}

func TestDoc(t *testing.T) {
	var out strings.Builder
	for _, s := range config.Doc(kinds()) {
		fmt.Fprintf(&out, "[%s/%s] %s\n", s.In, s.Type, s.Doc)
		for _, k := range s.Keys {
			fmt.Fprintf(&out, "%s: %s", k.Key, k.Type)
			if k.Default != "" {
				out.WriteString(" = " + k.Default)
			}
			if k.Required {
				out.WriteString(", required")
			}
			if k.Enum != nil {
				out.WriteString(", one of " + strings.Join(k.Enum, "|"))
			}
			out.WriteString("\n")
		}
	}
	golden(t, "testdata/doc.golden", out.String())
}
