package ecs_test

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/formatters/ecs"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

func sample() *record.Record {
	b := func(s string) []byte { return []byte(s) }
	r := &record.Record{
		Source: "src", Received: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Time: record.Unix(1700000000123456789, 9), Raw: b("raw\n"),
		Vendor: b("Acme"), Product: b("SaaS - Guard!"), Version: b("2"), Class: b("c1"), Name: b("Name"), Severity: 8, Category: b("dlp"),
		Action: b("blocked"), Outcome: b("Success"), ID: b("INC-1"), Host: b("fw1"), Message: b("what\u2028happened"), Identity: b("x"),
		Peer: netip.MustParseAddr("::ffff:192.0.2.9"),
	}
	for k, v := range map[record.Key]string{
		record.SrcIP: "192.0.2.1", record.DstHost: "box.example", record.UserName: "bob", record.DstUser: "ada", record.SrcUserPrivileges: "admin",
		record.FileName: "a.exe", record.FileHash: strings.Repeat("ab", 32), record.FileType: ".exe", record.FileSize: "12",
		record.ThreatTactic: "TA0003, Persistence", record.ThreatTechnique: "T1098.003;T1078,", record.PolicyName: "Cards", record.PolicyID: "7",
		record.Protocol: "TCP", record.URL: "https://x/", record.ProcessID: "007", record.ObjectID: "o1",
	} {
		r.Set(k, b(v))
	}
	r.SetTime(record.Start, record.Unix(1699999999000000000, 0))
	r.SetSlot(record.CS1, "Asset Type", b("api"))
	r.Open(b("user"), record.Map)
	r.Add(b("x.y"), record.String, b("deep"))
	r.Close()
	r.Add(b("policy_id"), record.Number, b("8"))
	r.Warn("guessed", nil)
	r.Warn("guessed", b("twice"))
	return r
}

func TestDocument(t *testing.T) {
	out, err := ecs.New(true).Append([]byte("kept"), sample())
	require.NoError(t, err)
	uid := string(sample().AppendUID(nil))
	assert.Equal(t, `kept{"@timestamp":"2023-11-14T22:13:20.123Z","ecs":{"version":"8.17.0"},"event":{"kind":"alert","category":["intrusion_detection"],"type":["info"],`+
		`"id":"INC-1","code":"c1","action":"blocked","outcome":"success","severity":8,"module":"saas_guard","dataset":"saas_guard.alert","created":"2026-01-02T03:04:05.000Z",`+
		`"original":"raw\n","start":"2023-11-14T22:13:19.000Z"},"message":"what\u2028happened","observer":{"vendor":"Acme","product":"SaaS - Guard!","version":"2",`+
		`"ip":"192.0.2.9","hostname":"fw1"},"source":{"address":"192.0.2.1","ip":"192.0.2.1"},"destination":{"address":"box.example","user":{"name":"ada"},"domain":"box.example"},`+
		`"user":{"name":"bob","roles":["admin"]},"network":{"transport":"tcp"},"file":{"name":"a.exe","size":12,"hash":{"sha256":"`+strings.Repeat("ab", 32)+`"},"extension":"exe"},`+
		`"rule":{"ruleset":"Cards","name":"Cards"},"threat":{"framework":"MITRE ATT&CK","tactic":{"id":["TA0003"],"name":["Persistence"]},"technique":{"id":["T1098.003","T1078"]}},`+
		`"url":{"original":"https://x/"},"related":{"ip":["192.0.2.1"],"hosts":["box.example"],"user":["bob","ada"],"hash":["`+strings.Repeat("ab", 32)+`"]},`+
		`"labels":{"siemfwd_uid":"`+uid+`","policy_id":"7","object_id":"o1","Asset Type":"api","user_x_y":"deep"},"tags":["guessed"]}`, string(out))
}

func TestLinesOfNoProductAreEvents(t *testing.T) {
	r := &record.Record{Received: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Vendor: []byte("Unknown"), Product: []byte("Syslog"), Message: []byte("m"),
		Syslog: record.Syslog{Present: true, Facility: 16, Severity: 6, App: []byte("sshd"), ProcID: []byte("7")}}
	out, err := ecs.New(false).Append(nil, r)
	require.NoError(t, err)
	assert.Contains(t, string(out), `"event":{"kind":"event","type":["info"],"id":"`+string(r.AppendUID(nil))+`","module":"syslog","dataset":"syslog.event",`)
	assert.Contains(t, string(out), `"log":{"syslog":{"facility":{"code":16},"severity":{"code":6},"appname":"sshd","procid":"7"}}`)
	assert.NotContains(t, string(out), "category")

	out, err = ecs.New(true).Append(nil, &record.Record{})
	require.NoError(t, err)
	assert.True(t, json.Valid(out), string(out))
}

func TestWhatIsTooLongIsCutOrLeftOut(t *testing.T) {
	r := sample()
	r.Set(record.URL, []byte(strings.Repeat("é", 20000)))
	f := ecs.New(true)
	out, err := f.Append(nil, r)
	require.NoError(t, err)
	var doc struct {
		URL   struct{ Original string }
		Tags  []string
		Event struct{ Original string }
	}
	require.NoError(t, json.Unmarshal(out, &doc))
	assert.Equal(t, strings.Repeat("é", 32766/2), doc.URL.Original)
	assert.Equal(t, []string{"guessed", "truncated"}, doc.Tags)
	assert.Equal(t, 1, r.Shortened)

	r = sample()
	full, err := f.Append(nil, r)
	require.NoError(t, err)
	seen := map[string]bool{}
	for limit := len(full); limit > 0; limit -= 5 {
		out, err := f.AppendMax([]byte("kept"), r, limit)
		require.Equal(t, "kept", string(out[:4]))
		if err != nil {
			require.Len(t, out, 4)
			continue
		}
		require.LessOrEqual(t, len(out)-4, limit)
		require.True(t, json.Valid(out[4:]))
		s := string(out)
		require.Equal(t, limit < len(full), strings.Contains(s, `"truncated"`))
		require.Equal(t, limit < len(full), r.Shortened > 0)
		for _, part := range []string{`"original":"raw`, `"labels"`} {
			seen[part] = seen[part] || !strings.Contains(s, part)
		}
	}
	assert.Len(t, seen, 2)
	assert.True(t, seen[`"original":"raw`] && seen[`"labels"`])
}
