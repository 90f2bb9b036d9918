package forwarder

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/config"
	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

func loaded(t *testing.T, yaml string) *config.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "siemfwd.yaml")
	require.NoError(t, os.WriteFile(path, []byte(yaml), 0o600))
	cfg, problems := Load(path, Strict)
	require.NoError(t, problems.Err())
	return cfg
}

const ruled = `
sources:
  dt:
    type: webhook
    vendor: datatheorem
    listen: 127.0.0.1:18080
    path: /dt
    auth: {type: none}
    forward_tests: true
    severity:
      - {set: 10, when: [class = API_SECURE__POLICY_VIOLATION_OPENED, fields.relevance = URGENT]}
      - {set: 1, when: [action = login]}
      - {set: 2, when: [class = API_SECURE__POLICY_VIOLATION_OPENED]}
      - {set: 0, when: [warnings = unparsed]}
  epm:
    type: webhook
    vendor: beyondtrust
    listen: 127.0.0.1:18080
    path: /epm
    auth: {type: none}
    strict: true
    ticket_link: https://acme.example/jit/{n}/x
sinks:
  out: {type: stdout, format: cef}
`

func TestSeveritiesInPlaceOfTheVendors(t *testing.T) {
	cfg := loaded(t, ruled)
	rules, err := NewRules(&cfg.Sources[0])
	require.NoError(t, err)
	v, err := VendorOf(&cfg.Sources[0])
	require.NoError(t, err)
	opened := `{"event":{"type":"API_SECURE__POLICY_VIOLATION_OPENED","data":{"uuid":"0b7c1c0e-5b7e-4f7e-9a55-0f3e7a1d2c11","relevance":"URGENT"},"version":1},"time":1767607200}`
	for _, c := range []struct {
		raw       string
		want, own int
	}{
		{opened, 10, 9},
		{`{"event":{"type":"API_SECURE__POLICY_VIOLATION_OPENED","data":{"uuid":"1","relevance":"PROACTIVE"},"version":1},"time":1767607200}`, 2, 3},
		{`{"event":{"type":"MOBILE_SECURE__USER_LOGIN_FAILED","data":{"user_login_email":"m@example.com"},"version":1},"time":1767607200}`, 1, 5},
		{`{"event":{"type":"API_SECURE__POLICY_VIOLATION_RESOLVED","data":{"uuid":"1"},"version":1},"time":1767607200}`, 2, 2},
		{`no JSON`, 0, 0},
	} {
		var r record.Record
		raw := event.Raw{Data: []byte(c.raw), Time: time.Now(), Size: len(c.raw)}
		require.NoError(t, ReadEvent(&r, v, raw, Origin{Source: "dt", Rules: rules}))
		assert.Equal(t, c.want, r.Severity, c.raw)
		r.Reset()
		require.NoError(t, ReadEvent(&r, v, raw, Origin{Source: "dt"}))
		assert.Equal(t, c.own, r.Severity, c.raw)
	}
	var r record.Record
	raw := event.Raw{Data: []byte(opened), Time: time.Now(), Size: len(opened)}
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		r.Reset()
		_ = ReadEvent(&r, v, raw, Origin{Source: "dt", Rules: rules})
	}))
}

func TestTestsOfSendersAreForwardedWhenWanted(t *testing.T) {
	cfg := loaded(t, ruled)
	ping := event.Raw{Data: []byte(`{"event": "Hello, world!"}`), Time: time.Now(), Size: 26}
	for i, test := range []bool{false, true} {
		rules, err := NewRules(&cfg.Sources[i])
		require.NoError(t, err)
		v, err := VendorOf(&cfg.Sources[0])
		require.NoError(t, err)
		var r record.Record
		require.NoError(t, ReadEvent(&r, v, ping, Origin{Source: "dt", Rules: rules}))
		assert.Equal(t, test, r.Test)
	}
}

func TestVendorsAreToldByTheirKeys(t *testing.T) {
	cfg := loaded(t, ruled)
	v, err := VendorOf(&cfg.Sources[1])
	require.NoError(t, err)
	raw := event.Raw{Data: []byte(`{"siemfwd":"epm/1","siemfwd_event":"jit_app_created","RequestId":"5a1d","TicketNumber":"EPM000042","Timestamp":"20260301T101112Z","User":"bob"}`), Time: time.Now()}
	raw.Size = len(raw.Data)
	var r record.Record
	require.NoError(t, ReadEvent(&r, v, raw, Origin{Source: "epm"}))
	assert.Equal(t, "https://acme.example/jit/42/x", string(r.Get(record.Referrer)))
	refused := v.Hook.Read([]byte(`neither this nor that`), func([]byte, event.Key) { t.Error("it is no event") })
	require.NotNil(t, refused)
	assert.Equal(t, 400, refused.Status)

	cfg.Sources[1].Vendor = "nobody"
	_, err = VendorOf(&cfg.Sources[1])
	require.Error(t, err)
}
