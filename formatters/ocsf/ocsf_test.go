package ocsf_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/formatters/ocsf"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

func sample() *record.Record {
	b := func(s string) []byte { return []byte(s) }
	r := &record.Record{
		Source: "src", Received: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Time: record.Unix(1700000000123456789, 9), Raw: b("raw"),
		Vendor: b("Acme"), Product: b("SaaS"), Version: b("2"), Class: b("c1"), Name: b("Name"), Severity: 8, Category: b("dlp"),
		Action: b("Quarantined"), Outcome: b("Opened"), ID: b("INC-1"), Message: b("m"), Identity: b("x"),
	}
	for k, v := range map[record.Key]string{
		record.SrcIP: "192.0.2.1", record.SrcPort: "443", record.DstHost: "box.example", record.UserName: "bob", record.UserDomain: "CORP",
		record.FilePath: `C:\tmp\a.exe`, record.FileHash: strings.Repeat("ab", 20), record.FileSize: "9007199254740993",
		record.ThreatTactic: "Persistence", record.ThreatTechnique: "T1098.003,T1078", record.PolicyName: "Cards", record.PolicyID: "7",
		record.ProcessName: "a.exe", record.ObjectID: "o1", record.TenantID: "t-9",
	} {
		r.Set(k, b(v))
	}
	r.SetTime(record.Start, record.Unix(1699999999000000000, 0))
	r.Add(b("score"), record.Number, b("1.5e3"))
	return r
}

func render(t *testing.T, o ocsf.Options, r *record.Record) string {
	t.Helper()
	f, err := ocsf.New(o)
	require.NoError(t, err)
	out, err := f.Append([]byte("kept"), r)
	require.NoError(t, err)
	require.True(t, json.Valid(out[4:]), string(out))
	return string(out[4:])
}

func TestEvent(t *testing.T) {
	uid := string(sample().AppendUID(nil))
	const head = `"activity_name":"Quarantined","severity_id":4,"severity":"High","time":1700000000123,"status_id":1,`
	info := func(extra string) string {
		return `"uid":"INC-1","title":"Name","desc":"m","types":["dlp"],"analytic":{"type_id":1,"uid":"7","name":"Cards"},"attacks":[{"tactic":{"name":"Persistence"}},` +
			`{"technique":{"uid":"T1098.003"}},{"technique":{"uid":"T1078"}}],"first_seen_time":1699999999000` + extra
	}
	metadata := `"product":{"name":"SaaS","vendor_name":"Acme","version":"2"},"event_code":"c1","uid":"` + uid + `","log_name":"src","logged_time":1767323045000`
	observables := `"observables":[{"name":"src","type_id":2,"type":"IP Address","value":"192.0.2.1"},{"name":"dst_host","type_id":1,"type":"Hostname","value":"box.example"},` +
		`{"name":"user","type_id":4,"type":"User Name","value":"bob"},{"name":"hash","type_id":8,"type":"Hash","value":"` + strings.Repeat("ab", 20) + `"},` +
		`{"name":"process","type_id":9,"type":"Process Name","value":"a.exe"},{"name":"resource","type_id":10,"type":"Resource UID","value":"o1"}]`
	assert.Equal(t, `{"class_uid":2004,"category_uid":2,"activity_id":99,"type_uid":200499,`+head+`"finding_info":{`+info("")+`},`+
		`"metadata":{"version":"1.4.0",`+metadata+`,"tenant_uid":"t-9"},"message":"m",`+
		`"evidences":[{"actor":{"user":{"name":"bob","domain":"CORP"}},"src_endpoint":{"ip":"192.0.2.1","port":443},"dst_endpoint":{"hostname":"box.example"},`+
		`"file":{"name":"a.exe","type_id":0,"path":"C:\\tmp\\a.exe","size":"9007199254740993","hashes":[{"algorithm_id":2,"algorithm":"SHA-1","value":"`+strings.Repeat("ab", 20)+`"}]},`+
		`"process":{"name":"a.exe"}}],"resources":[{"uid":"o1"}],`+observables+`,"raw_data":"raw","unmapped":{"score":1500}}`,
		render(t, ocsf.Options{Raw: true}, sample()))

	out := render(t, ocsf.Options{Version: "1.8", Incident: true}, sample())
	assert.True(t, strings.HasPrefix(out, `{"class_uid":2005,"category_uid":2,"activity_id":99,"type_uid":200599,`+head+`"finding_info_list":[{`+info("")+`}],"metadata":{"version":"1.8.0",`+
		metadata+`,"original_event_uid":"INC-1","profiles":["incident"],"tenant_uid":"t-9"},"assignee_group":{"name":"unassigned"},"message":"m",`), out)
	assert.NotContains(t, out, "evidences")
	assert.NotContains(t, out, "resources")
}

func TestWords(t *testing.T) {
	for _, c := range []struct{ action, outcome, want, incident string }{
		{"", "", `"activity_id":1,"type_uid":200401,"severity_id"`, `"status_id":1`},
		{"Closed", "Dismissed", `"activity_id":3,"type_uid":200403,`, `"status_id":99,"status":"Dismissed"`},
		{"update", "closed", `"activity_id":2,"type_uid":200402,`, `"status_id":5`},
		{"opened", "on hold", `"status_id":99,"status":"on hold"`, `"status_id":3`},
	} {
		r := &record.Record{Action: []byte(c.action), Outcome: []byte(c.outcome)}
		assert.Contains(t, render(t, ocsf.Options{}, r), c.want)
		assert.Contains(t, render(t, ocsf.Options{Incident: true}, r), c.incident)
	}
	for severity, want := range map[int]string{-1: `0,"severity":"Unknown"`, 0: `0,"severity":"Unknown"`, 1: `1,"severity":"Informational"`, 2: `1,`,
		3: `2,"severity":"Low"`, 5: `3,"severity":"Medium"`, 6: `3,`, 7: `4,"severity":"High"`, 9: `5,"severity":"Critical"`, 10: `5,`, 77: `5,`} {
		assert.Contains(t, render(t, ocsf.Options{}, &record.Record{Severity: severity}), `"severity_id":`+want)
	}
}

// What the schema requires is there for any record and any version.
func TestRequiredAttributes(t *testing.T) {
	empty := &record.Record{}
	for _, version := range []string{"", "1.1", "1.1.0", "1.2", "1.3", "1.4", "1.5", "1.6", "1.7", "1.8"} {
		for _, r := range []*record.Record{empty, sample()} {
			var e struct {
				Class    int                         `json:"class_uid"`
				Category int                         `json:"category_uid"`
				Activity *int                        `json:"activity_id"`
				Type     int                         `json:"type_uid"`
				Severity *int                        `json:"severity_id"`
				Time     *int64                      `json:"time"`
				Finding  struct{ UID, Title string } `json:"finding_info"`
				Metadata struct {
					Version  string
					Original string                             `json:"original_event_uid"`
					Product  struct{ Name, Vendor_name string } //nolint:revive // as it is spelt
				}
			}
			require.NoError(t, json.Unmarshal([]byte(render(t, ocsf.Options{Version: version}, r)), &e))
			assert.Equal(t, 2004, e.Class)
			assert.Equal(t, 2, e.Category)
			require.NotNil(t, e.Activity)
			require.NotNil(t, e.Severity)
			require.NotNil(t, e.Time)
			assert.Equal(t, 200400+*e.Activity, e.Type)
			assert.NotEmpty(t, e.Finding.UID)
			assert.NotEmpty(t, e.Finding.Title)
			assert.NotEmpty(t, e.Metadata.Product.Name)
			assert.NotEmpty(t, e.Metadata.Product.Vendor_name)
			if version != "" {
				assert.True(t, strings.HasPrefix(e.Metadata.Version, version))
			}
			assert.Equal(t, version == "1.8" && r != empty, e.Metadata.Original != "")
		}
	}
	for _, version := range []string{"1", "1.0", "1.9", "2.0", "x"} {
		_, err := ocsf.New(ocsf.Options{Version: version})
		assert.ErrorContains(t, err, "want 1.1 to 1.8")
	}
}

func TestWhatDoesNotFitIsLeftOut(t *testing.T) {
	f, err := ocsf.New(ocsf.Options{Raw: true})
	require.NoError(t, err)
	r := sample()
	full, err := f.Append(nil, r)
	require.NoError(t, err)
	fits, seen := 0, map[string]bool{}
	for limit := len(full); limit > 0; limit -= 5 {
		out, err := f.AppendMax([]byte("kept"), r, limit)
		require.Equal(t, "kept", string(out[:4]))
		if err != nil {
			require.Len(t, out, 4)
			continue
		}
		fits++
		require.LessOrEqual(t, len(out)-4, limit)
		require.True(t, json.Valid(out[4:]))
		require.Equal(t, limit < len(full), strings.Contains(string(out), `"labels":["truncated"]`))
		for _, part := range []string{`"raw_data"`, `"unmapped"`} {
			seen[part] = seen[part] || !strings.Contains(string(out), part)
		}
	}
	assert.Positive(t, fits)
	assert.True(t, seen[`"raw_data"`])
}
