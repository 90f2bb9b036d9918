package forwarder

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/formatters"
	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/config"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

const maskKey = "0123456789abcdef0123456789abcdef"

func hashOf(value string) string {
	h := hmac.New(sha256.New, []byte(maskKey))
	h.Write([]byte(strings.ToLower(value)))
	return hex.EncodeToString(h.Sum(nil))[:32]
}

func maskedBy(t *testing.T, f formatters.Formatter, fields ...string) formatters.Formatter {
	t.Helper()
	m, err := newMasker(&config.Mask{Fields: fields, Key: component.NewSecret(maskKey)}, f)
	require.NoError(t, err)
	return m
}

// who returns a value to be masked, and what of it must not be seen.
func who(rng *rand.Rand) (value, core string) {
	b := make([]byte, 8)
	for i := range b {
		b[i] = "ghijklmnopqrstuvwxyz"[rng.IntN(20)]
	}
	core = string(b)
	shapes := []string{"*", "*@example.com", `ACME\*`, `"*" (x)`, "* Müller", "Doe, *", "cn=*,ou=a|b", "*\tx", "<*>&", "日*本"}
	return strings.ReplaceAll(shapes[rng.IntN(len(shapes))], "*", core), core
}

// everywhere returns an event that has value in every place.
func everywhere(value string) *record.Record {
	in := func(format string) []byte { return []byte(strings.ReplaceAll(format, "%", value)) }
	quoted, _ := json.Marshal(value)
	r := &record.Record{Source: "in", Received: time.Unix(1767607200, 0), Severity: 5}
	r.Raw = in("raw of %")
	r.Vendor, r.Product = []byte("Acme"), []byte("Gate")
	r.ID, r.Class, r.Name = in("id-%"), in("login.%"), in("Login of %")
	r.Category, r.Action, r.Outcome, r.Host = in("c %"), in("a %"), in("o %"), in("h.%")
	r.Message = append(in("login of % from "), append(bytes.ToUpper(in("%")), append([]byte(` as {"user":`), append(quoted, '}')...)...)...)
	r.Peer = netip.MustParseAddr("192.0.2.1")
	r.Syslog = record.Syslog{Present: true, V5424: true, Facility: 4, Severity: 5, App: in("%"), ProcID: in("%"), MsgID: in("%"),
		SD: []byte(`[x@32473 u="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `]`, `\]`).Replace(value) + `"]`)}
	for k := range record.Keys {
		if record.Keys[k].Kind != record.FactTime {
			r.Set(record.Key(k), in("%"))
		}
	}
	for s := range record.Slots {
		r.SetSlot(record.Slot(s), "of "+value, in("%"))
	}
	r.Add([]byte("actor"), record.String, in("%"))
	r.Open(in("by %"), record.Map)
	r.Open([]byte("list"), record.List)
	r.Add(nil, record.String, in("x % y"))
	r.Close()
	r.Add([]byte("n"), record.Number, []byte("17"))
	r.Close()
	r.Warn("truncated", in("%"))
	return r
}

// every returns each format behind each header, in an envelope and out of it.
func every(t *testing.T) map[string]formatters.Formatter {
	all := map[string]formatters.Formatter{}
	add := func(name, format string, o formatters.Options) {
		o.Host, o.VendorFields = "relay", format == "cef"
		f, err := formatters.New(format, o)
		require.NoError(t, err)
		all[name] = f
	}
	for _, info := range formatters.Names() {
		if info.Name == "raw" {
			continue
		}
		headers := []string{""}
		if info.Headed {
			headers = []string{formatters.NoHeader, formatters.RFC3164, formatters.RFC5424}
		}
		for _, h := range headers {
			add(info.Name+"/"+h, info.Name, formatters.Options{Header: h})
			add(info.Name+"/"+h+"/max", info.Name, formatters.Options{Header: h, MaxSize: 4000})
		}
		add(info.Name+"/hec", info.Name, formatters.Options{HEC: &formatters.HEC{}})
	}
	add("cef1", "cef", formatters.Options{Version: "1", PlainIPv6: true, SnakeLabels: true, Map: map[string]string{"cs1": "user.name", "cs1Label": "Who"}})
	add("leef1", "leef", formatters.Options{Version: "1.0"})
	return all
}

func TestNoMaskedValueIsInAnyOutput(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for name, f := range every(t) {
		for _, path := range []string{"user.name", "src.ip", "fields.actor", "observer.host", "message"} {
			m := maskedBy(t, f, path)
			for range 20 {
				value, core := who(rng)
				r := everywhere(value)
				if path == "observer.host" {
					r.Host = []byte(value)
				}
				if path == "message" {
					r.Message = []byte(value)
				}
				out, err := m.Append(nil, r)
				require.NoError(t, err, name)
				assert.NotContains(t, strings.ToLower(string(out)), core, "%s masks %s, %q", name, path, value)
				if strings.HasPrefix(string(out), "{") {
					assert.True(t, json.Valid(out), "%s: %s", name, out)
				}
				assert.Equal(t, "raw of "+value, string(r.Raw), "the record stays as it is")
				assert.Equal(t, value, string(r.Get(record.UserName)))
				assert.Equal(t, value, string(r.Fields[0].Text))
			}
		}
	}
}

func TestAMaskedValueIsItsKeyedHash(t *testing.T) {
	f, err := formatters.New("json", formatters.Options{})
	require.NoError(t, err)
	m := maskedBy(t, f, "user.name", "fields.team")
	r := &record.Record{Source: "in", Name: []byte("Al"), Message: []byte("AL met Alan and jane@example.com of jane%40example.com")}
	r.Set(record.UserName, []byte("al"))
	r.Set(record.DstUser, []byte("ann"))
	r.Open([]byte("team"), record.List)
	r.Add(nil, record.String, []byte("jane@example.com"))
	r.Add(nil, record.Number, []byte("4711"))
	r.Close()
	r.Add([]byte("number"), record.Number, []byte("4711"))
	out, err := m.Append(nil, r)
	require.NoError(t, err)
	var got struct {
		Name, Message string
		User, Dst     map[string]string
		Fields        struct {
			Team   []string
			Number string
		}
	}
	require.NoError(t, json.Unmarshal(out, &got), string(out))
	al, jane, number := hashOf("al"), hashOf("jane@example.com"), hashOf("4711")
	assert.Equal(t, al, got.Name)
	assert.Equal(t, al, got.User["name"])
	assert.Equal(t, al+" met Alan and "+jane+" of "+jane, got.Message, "short values are whole words")
	assert.Equal(t, []string{jane, number}, got.Fields.Team)
	assert.Equal(t, number, got.Fields.Number)
	assert.NotContains(t, string(out), hashOf("ann"))

	r.Reset()
	r.Message = []byte("user=jane and what not")
	r.Warn("unparsed", []byte("JSON ends early"))
	out, err = m.Append(nil, r)
	require.NoError(t, err)
	assert.NotContains(t, string(out), "jane")
	assert.Contains(t, string(out), withheld)
}

func TestConditionsSeeWhatIsMasked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.yaml")
	require.NoError(t, os.WriteFile(path, []byte(`state: /tmp/siemfwd-test
sources:
  in: {type: syslog, vendor: json, listen: ["udp://127.0.0.1:0"]}
sinks:
  yes: {type: stdout, format: json, when: [fields.user = janedoe], mask: {fields: [fields.user], key: `+maskKey+`}}
  no: {type: stdout, format: json, when: [fields.user != janedoe], mask: {fields: [fields.user], key: `+maskKey+`}}
`), 0o600))
	cfg, problems := Load(path, Strict)
	require.NoError(t, problems.Err())
	all, err := Rehearse(cfg, &cfg.Sources[0], []byte(`{"user":"janedoe","text":"by JaneDoe"}`), time.Now(), "relay")
	require.NoError(t, err)
	require.Len(t, all, 2)
	assert.Empty(t, all[0].Why)
	assert.NotContains(t, strings.ToLower(string(all[0].Payload)), "janedoe")
	assert.Contains(t, string(all[0].Payload), hashOf("janedoe"))
	assert.NotContains(t, string(all[0].Payload), `"raw"`)
	assert.Contains(t, all[1].Why, "fields.user != janedoe does not hold")
	assert.Contains(t, all[1].Why, "c.yaml:6:")
}

func TestCheckMask(t *testing.T) {
	const stdout = "type: stdout\n"
	for _, c := range []struct{ keys, want string }{
		{stdout + "mask: {fields: [user.name, fields.actorEmail], key: " + maskKey + "}", ""},
		{stdout + `mask: {fields: [user.name], key: "${cred:k}"}`, ""},
		{stdout + "mask: {fields: [user.nam], key: " + maskKey + "}", "mask.fields[0]: unknown field \"user.nam\" (did you mean user.name?)"},
		{stdout + "mask: {fields: [user.name, start], key: " + maskKey + "}", "mask.fields[1]: start is no text: a hash cannot stand there"},
		{stdout + "mask: {fields: [raw], key: " + maskKey + "}", "mask.fields[0]: raw is not the event's own, or raw, and cannot be masked (name the values inside: user.name, fields.NAME)"},
		{stdout + "mask: {fields: [user.name], key: sh0rt}", "mask.key: it is shorter than 16 octets (openssl rand -hex 32)"},
		{stdout + "mask: {fields: [user.name]}", "mask: there is no key (key: ${cred:mask_key}: without one anybody could compute the hashes of names he guesses)"},
		{stdout + "mask: {key: " + maskKey + "}", "mask: there are no fields: nothing would be masked (fields: [user.name], or remove it)"},
		{stdout + "format: raw\nmask: {fields: [user.name], key: " + maskKey + "}", "format: raw goes out as it was received, so nothing in it can be masked (any other format, or remove mask)"},
		{stdout + "raw: true\nmask: {fields: [user.name], key: " + maskKey + "}", "warning: raw: what was received does not leave through a sink with mask (remove the line)"},
	} {
		_, problems := loadSink(t, c.keys)
		problems = slices.DeleteFunc(problems, func(s string) bool { return strings.Contains(s, "is a secret in plain text") })
		assert.Equal(t, c.want, strings.Join(problems, "\n"), c.keys)
	}
}
