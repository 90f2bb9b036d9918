package checkpoint

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/config"
)

// kinds are a program that knows this vendor alone.
func kinds() config.Kinds {
	type keys struct{}
	return config.Kinds{
		Sources: map[string]config.Kind{"poll": {
			Config:       func() any { return &keys{} },
			VendorConfig: func(string) (cfg, own any) { return &keys{}, poll.Config() },
		}},
		Sinks:   map[string]config.Kind{"stdout": {}},
		Vendors: []string{"checkpoint"},
		Formats: []string{"json"},
	}
}

// load reads the keys of one source; problems are those a user would have to act on.
func load(t testing.TB, keys string) (c *Config, problems []string) {
	t.Helper()
	text := "sources:\n  harmony: {type: poll, vendor: checkpoint, client_id: id, access_key: \"${env:KEY}\", " + keys + "}\nsinks:\n  s: {type: stdout, format: json}\n"
	all, ps := config.Parse([]config.File{{Name: "t.yaml", Data: []byte(text)}}, kinds(), config.Options{
		LookupEnv: func(string) (string, bool) { return "the secret key", true },
	})
	for _, p := range ps {
		require.NotContains(t, p.Text+p.Hint, "the secret key")
		problems = append(problems, fmt.Sprintf("%v %s (%s)", p.Severity, p.Text, p.Hint))
	}
	if all != nil {
		c = all.Sources[0].VendorConfig.(*Config)
	}
	return c, problems
}

func TestRegions(t *testing.T) {
	for region, want := range map[string][2]string{
		"eu":        {"https://cloudinfra-gw.portal.checkpoint.com", "https://smart-api-production-1-eu.avanan.net"},
		"us":        {"https://cloudinfra-gw-us.portal.checkpoint.com", "https://smart-api-production-1-us.avanan.net"},
		"ca":        {"https://cloudinfra-gw.ca.portal.checkpoint.com", "https://smart-api-production-1-ca.avanan.net"},
		"canada":    {"https://cloudinfra-gw.ca.portal.checkpoint.com", "https://smart-api-production-1-ca.avanan.net"},
		"au":        {"https://cloudinfra-gw.ap.portal.checkpoint.com", "https://smart-api-production-5-ap.avanan.net"},
		"ap":        {"https://cloudinfra-gw.ap.portal.checkpoint.com", "https://smart-api-production-5-ap.avanan.net"},
		"australia": {"https://cloudinfra-gw.ap.portal.checkpoint.com", "https://smart-api-production-5-ap.avanan.net"},
		"uk":        {"https://cloudinfra-gw.uk.portal.checkpoint.com", "https://smart-api-production-1-euw2.avanan.net"},
		"uae":       {"https://cloudinfra-gw.me.portal.checkpoint.com", "https://smart-api-production-1-mec1.avanan.net"},
		"me":        {"https://cloudinfra-gw.me.portal.checkpoint.com", "https://smart-api-production-1-mec1.avanan.net"},
		"in":        {"https://cloudinfra-gw.in.portal.checkpoint.com", "https://smart-api-production-1-aps1.avanan.net"},
		"india":     {"https://cloudinfra-gw.in.portal.checkpoint.com", "https://smart-api-production-1-aps1.avanan.net"},
	} {
		for i, mode := range []string{"", "auth_mode: signed"} {
			c, problems := load(t, "region: "+region+", "+mode)
			require.Empty(t, problems, region)
			api, err := poll.Open(c)
			require.NoError(t, err)
			assert.Equal(t, want[i], api.BaseURL, region)
			r, err := api.Page(window, nil)
			require.NoError(t, err)
			assert.Equal(t, []string{"/app/hec-api/v1.0/event/query", "/v1.0/event/query"}[i], r.Path)
		}
	}
}

// The names a user may write are those of the table.
func TestEveryRegionHasASite(t *testing.T) {
	_, problems := load(t, "region: mars")
	require.Len(t, problems, 1)
	for _, s := range sites {
		for _, name := range strings.Fields(s.names) {
			assert.Contains(t, problems[0]+",", " "+strings.TrimSuffix(name, ")"), name)
		}
	}
}

func TestBaseURLs(t *testing.T) {
	for in, want := range map[string]struct {
		base   string
		signed bool
	}{
		"http://127.0.0.1:8080":                                        {"http://127.0.0.1:8080", false},
		"http://[::1]:8080/":                                           {"http://[::1]:8080", false},
		"https://cloudinfra-gw.portal.checkpoint.com/":                 {"https://cloudinfra-gw.portal.checkpoint.com", false},
		"https://cloudinfra-gw.xx.portal.checkpoint.com":               {"https://cloudinfra-gw.xx.portal.checkpoint.com", false},
		"https://cloudinfra-gw.portal.checkpoint.com/app/hec-api/v1.0": {"https://cloudinfra-gw.portal.checkpoint.com", false},
		"https://cloudinfra-gw.portal.checkpoint.com/app/hec-api/":     {"https://cloudinfra-gw.portal.checkpoint.com", false},
		"https://smart-api-production-9-xx.AVANAN.net/v1.0":            {"https://smart-api-production-9-xx.AVANAN.net", true},
		"https://cloudinfra-gw-us.portal.checkpoint.com/auth/external": {"https://cloudinfra-gw-us.portal.checkpoint.com", false},
		"https://proxy.example.net/harmony":                            {"https://proxy.example.net/harmony", false},
		"https://notavanan.net":                                        {"https://notavanan.net", false},
	} {
		c, problems := load(t, `base_url: "`+in+`"`)
		require.Empty(t, problems, in)
		assert.Equal(t, want.base, c.base(), in)
		assert.Equal(t, want.signed, c.signed(), in)
		c, problems = load(t, `auth_mode: signed, base_url: "`+in+`"`)
		require.Empty(t, problems, in)
		assert.True(t, c.signed(), in)
	}
}

func TestFilters(t *testing.T) {
	c, problems := load(t, `region: us, page_size: 50, scopes: ["mt-prod:a"], filter: {event_types: [phishing, malicious_url_click], event_states: [new, pending],
    severities: [1, "5", Highest, very low], saas: [office365_emails, box2], event_ids: [e1], confidence_indicator: malicious, description: invoice}`)
	require.Empty(t, problems)
	assert.Equal(t, "the secret key", c.AccessKey.Reveal())
	q := newQuery(c)
	assert.Equal(t, []string{"phishing", "malicious_url_click"}, q.EventTypes)
	assert.Equal(t, []string{"new", "pending"}, q.EventStates)
	assert.Equal(t, `[1 "5" "Highest" "very low"]`, fmt.Sprintf("%s", q.Severities))
	assert.Equal(t, []string{"office365_emails", "box2"}, q.SaaS)
	assert.Equal(t, []string{"e1"}, q.EventIDs)
	assert.Equal(t, "malicious", q.ConfidenceIndicator)
	assert.Equal(t, "invoice", q.Description)
	assert.Equal(t, []string{"mt-prod:a"}, q.Scopes)
	assert.Equal(t, 50, q.PageSize)
}

func TestProblems(t *testing.T) {
	for keys, want := range map[string]string{
		``:           "error sources.harmony.region: is missing (say where the tenant is: us, eu, ca, au, uk, uae or in; or give base_url)",
		`region: es`: "did you mean",
		`region: us, base_url: "https://a.example"`:        "warning sources.harmony.region: is not used",
		`base_url: "smart-api.example"`:                    "error sources.harmony.base_url: is not an address",
		`base_url: "https://u:p@a.example"`:                "error sources.harmony.base_url: holds credentials",
		`base_url: "http://a.example"`:                     "warning sources.harmony.base_url: sends the access key as clear text",
		`region: us, auth_mode: basic`:                     "auth_mode",
		`region: us, filter: {event_types: [fishing]}`:     "did you mean phishing?",
		`region: us, filter: {event_types: [Phishing]}`:    "did you mean phishing?",
		`region: us, filter: {event_states: [dismised]}`:   "did you mean dismissed?",
		`region: us, filter: {severities: [6]}`:            "error sources.harmony.filter.severities[0]: 6 is no severity (1 to 5, or",
		`region: us, filter: {severities: [1, bad]}`:       "error sources.harmony.filter.severities[1]: bad is no severity",
		`region: us, filter: {severities: [[1]]}`:          "is no severity",
		`region: us, filter: {saas: [office_365]}`:         `warning sources.harmony.filter.saas[0]: "office_365" has not been seen`,
		`region: us, filter: {confidence_indicator: sure}`: `warning sources.harmony.filter.confidence_indicator: "sure" has not been seen`,
		`region: us, filter: {event_ids: [""]}`:            "error sources.harmony.filter.event_ids[0]: is empty",
		`region: us, filter: {types: [phishing]}`:          "unknown key \"types\"",
		`region: us, scopes: [tenant]`:                     `error sources.harmony.scopes[0]: "tenant" is not FARM:TENANT`,
		`region: us, page_size: -1`:                        "error sources.harmony.page_size: is negative",
	} {
		_, problems := load(t, keys)
		if assert.Len(t, problems, 1, keys) {
			assert.Contains(t, problems[0], want, keys)
		}
	}
}

func TestOpenWithoutAnAddress(t *testing.T) {
	_, err := poll.Open(&Config{})
	assert.Error(t, err)
	_, err = poll.Open(5)
	assert.Error(t, err)
}
