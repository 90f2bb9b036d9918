package checkpoint

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// Config is what a source is told besides the keys of the poller.
type Config struct {
	Region    string           `yaml:"region" enum:"eu|us|ca|canada|au|ap|australia|uk|uae|me|in|india" doc:"where the tenant is: eu · us · ca, canada · au, ap, australia · uk · uae, me · in, india"`
	BaseURL   string           `yaml:"base_url" doc:"address of the API, in place of region"`
	AuthMode  string           `yaml:"auth_mode" enum:"bearer|signed" doc:"bearer: an API key of Infinity Portal · signed: of the older Smart API; default: signed for hosts of avanan.net, else bearer"`
	ClientID  string           `yaml:"client_id" required:"true" doc:"client id of the API key; of the Smart API the application id"`
	AccessKey component.Secret `yaml:"access_key" required:"true" doc:"secret key of the API key"`
	Filter    Filter           `yaml:"filter" doc:"which events to ask for; default: all"`
	Scopes    []string         `yaml:"scopes" doc:"tenants to read with a key for several, each FARM:TENANT"`
	PageSize  int              `yaml:"page_size" doc:"events a page; the API does not promise to heed it; 0: what the API gives"`
}

// Filter is what the API is asked for; it filters itself.
type Filter struct {
	EventTypes          []string          `yaml:"event_types" enum:"phishing|suspicious_phishing|malware|suspicious_malware|spam|graymail|dlp|anomaly|shadow_it|alert|malicious_url|malicious_url_click" doc:"types of events"`
	EventStates         []string          `yaml:"event_states" enum:"new|detected|pending|remediated|dismissed|exception" doc:"states of events"`
	Severities          []json.RawMessage `yaml:"severities" doc:"1 (lowest) to 5 (highest), or words; sent as written: 4 is a number, \"4\" is text"`
	SaaS                []string          `yaml:"saas" doc:"platforms, such as office365_emails and google_mail"`
	EventIDs            []string          `yaml:"event_ids" doc:"ids of events"`
	ConfidenceIndicator string            `yaml:"confidence_indicator" doc:"how sure the engine is, such as malicious"`
	Description         string            `yaml:"description" doc:"text that the description holds"`
}

// site is one region: where its tenants' APIs are. Keys and data stay in their region.
type site struct {
	names          string // separated by spaces
	portal, legacy string
}

var sites = [...]site{
	{"eu", "https://cloudinfra-gw.portal.checkpoint.com", "https://smart-api-production-1-eu.avanan.net"},
	{"us", "https://cloudinfra-gw-us.portal.checkpoint.com", "https://smart-api-production-1-us.avanan.net"},
	{"ca canada", "https://cloudinfra-gw.ca.portal.checkpoint.com", "https://smart-api-production-1-ca.avanan.net"},
	{"au ap australia", "https://cloudinfra-gw.ap.portal.checkpoint.com", "https://smart-api-production-5-ap.avanan.net"},
	{"uk", "https://cloudinfra-gw.uk.portal.checkpoint.com", "https://smart-api-production-1-euw2.avanan.net"},
	{"uae me", "https://cloudinfra-gw.me.portal.checkpoint.com", "https://smart-api-production-1-mec1.avanan.net"},
	{"in india", "https://cloudinfra-gw.in.portal.checkpoint.com", "https://smart-api-production-1-aps1.avanan.net"},
}

// The words that have been seen; others are asked for all the same.
var (
	knownSaaS = []string{"office365_emails", "google_mail", "office365_onedrive", "office365_sharepoint", "google_drive",
		"ms_teams", "slack", "box2", "dropbox2"}
	knownConfidence = []string{"malicious", "suspicious", "detected", "malicious_url", "suspicious_phishing", "alert"}
	severityWords   = []string{"lowest", "very low", "very_low", "low", "medium", "high", "highest", "critical"}
)

// signed reports whether requests are signed.
func (c *Config) signed() bool {
	if c.AuthMode != "" {
		return c.AuthMode == "signed"
	}
	u, err := url.Parse(c.BaseURL)
	return err == nil && strings.HasSuffix("."+strings.ToLower(u.Hostname()), ".avanan.net")
}

// prefix is the start of the paths of data requests.
func (c *Config) prefix() string {
	if c.signed() {
		return "/v1.0"
	}
	return "/app/hec-api/v1.0"
}

// base is the address that the paths of the API follow.
func (c *Config) base() string {
	if c.BaseURL != "" {
		base := strings.TrimRight(c.BaseURL, "/")
		for _, path := range [...]string{"/auth/external", "/v1.0", "/app/hec-api"} { // as the portal and the manuals show it
			base = strings.TrimSuffix(base, path)
		}
		return base
	}
	for _, s := range sites {
		if slices.Contains(strings.Fields(s.names), c.Region) {
			if c.signed() {
				return s.legacy
			}
			return s.portal
		}
	}
	return ""
}

// Check implements component.Checker.
func (c *Config) Check(r *component.Report) {
	place := kit.Place{Region: c.Region, BaseURL: c.BaseURL, Regions: "us, eu, ca, au, uk, uae or in", Example: sites[1].portal, Secret: "access key"}
	place.Check(r)
	for i, s := range c.Scopes {
		if farm, tenant, ok := strings.Cut(s, ":"); !ok || farm == "" || tenant == "" {
			r.Error(item("scopes", i), strconv.Quote(s)+" is not FARM:TENANT", "")
		}
	}
	if c.PageSize < 0 {
		r.Error("page_size", "is negative", "")
	}
}

// Check implements component.Checker.
func (f *Filter) Check(r *component.Report) {
	for i, value := range f.Severities {
		if !isSeverity(value) {
			r.Error(item("severities", i), strings.Trim(string(value), `"`)+" is no severity", "1 to 5, or one of "+strings.Join(severityWords, ", "))
		}
	}
	for i, s := range f.SaaS {
		seen(r, item("saas", i), s, knownSaaS)
	}
	if f.ConfidenceIndicator != "" {
		seen(r, "confidence_indicator", f.ConfidenceIndicator, knownConfidence)
	}
	for i, id := range f.EventIDs {
		if id == "" {
			r.Error(item("event_ids", i), "is empty", "")
		}
	}
}

// isSeverity reports whether a JSON value is a number from 1 to 5, as number or text, or
// one of the words.
func isSeverity(value []byte) bool {
	text := string(kit.AppendUnquoted(nil, value))
	if len(text) == 1 && text[0] >= '1' && text[0] <= '5' {
		return true
	}
	return slices.Contains(severityWords, strings.ToLower(text))
}

// seen warns of a word that the API has not been seen to use: it may be new, or a slip.
func seen(r *component.Report, path, word string, known []string) {
	if !slices.Contains(known, word) {
		r.Warn(path, strconv.Quote(word)+" has not been seen there: if the API does not know it, no events come", "known: "+strings.Join(known, ", "))
	}
}

func item(list string, i int) string { return list + "[" + strconv.Itoa(i) + "]" }
