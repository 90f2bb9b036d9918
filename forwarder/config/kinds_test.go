package config_test

import (
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/config"
)

// The kinds of these tests: what real components look like, with every type of field.

type tlsKeys struct {
	Cert     string           `yaml:"cert" doc:"certificate chain"`
	Key      component.Secret `yaml:"key" doc:"private key"`
	ClientCA string           `yaml:"client_ca"`
}

func (k *tlsKeys) Check(r *component.Report) {
	if k.Cert != "" && k.Key.IsZero() {
		r.Error("key", "a certificate needs its key", "set key")
	}
}

type syslogKeys struct {
	Listen   []string       `yaml:"listen" required:"true" doc:"addresses such as udp://:514"`
	TLS      *tlsKeys       `yaml:"tls"`
	Allow    []netip.Prefix `yaml:"allow" doc:"networks that may send"`
	MaxEvent component.Size `yaml:"max_event" doc:"longest event"`
	Framing  string         `yaml:"framing" enum:"auto|lf|octet_counting"`
}

func (k *syslogKeys) Check(r *component.Report) {
	for i, s := range k.Listen {
		scheme, address, ok := strings.Cut(s, "://")
		path := "listen[" + strconv.Itoa(i) + "]"
		switch {
		case !ok || scheme != "udp" && scheme != "tcp" && scheme != "tls":
			r.Error(path, strconv.Quote(s)+" is not an address", "write udp://, tcp:// or tls:// before it")
		case scheme == "tls" && k.TLS == nil:
			r.Error(path, "tls:// needs a certificate", "set tls: {cert: …, key: …}")
		default:
			if _, _, err := net.SplitHostPort(address); err != nil {
				r.Error(path, strconv.Quote(s)+" has no port", "")
			}
		}
	}
	if len(k.Allow) > 2 {
		r.Warn("allow", "many networks", "")
	}
}

type level int

func (l *level) UnmarshalText(b []byte) error {
	switch string(b) {
	case "low":
		*l = 1
	case "high":
		*l = 2
	default:
		return errors.New(string(b) + " is no level; there are low and high")
	}
	return nil
}

func (l level) MarshalText() ([]byte, error) {
	return []byte([]string{"none", "low", "high"}[l]), nil
}

type authKeys struct {
	Type     string           `yaml:"type" enum:"none|bearer|basic" required:"true"`
	Token    component.Secret `yaml:"token"`
	Username string           `yaml:"username"`
	Password component.Secret `yaml:"password"`
}

func (k *authKeys) Check(r *component.Report) {
	if k.Type == "bearer" && k.Token.IsZero() {
		r.Error("token", "bearer needs a token", "")
	}
	if k.Password.Reveal() == "hunter2hunter2" {
		r.Warn("password", "the password "+k.Password.Reveal()+" is well known", "choose another than "+k.Password.Reveal())
	}
}

type webhookKeys struct {
	Listen  string                      `yaml:"listen" required:"true"`
	Path    string                      `yaml:"path"`
	Auth    authKeys                    `yaml:"auth"`
	Headers map[string]string           `yaml:"headers"`
	Secrets map[string]component.Secret `yaml:"signing_keys"`
	Rules   []ruleKeys                  `yaml:"rules"`
}

type ruleKeys struct {
	Name  string   `yaml:"name" required:"true"`
	Level level    `yaml:"level"`
	Codes []uint8  `yaml:"codes"`
	Ratio *float64 `yaml:"ratio"`
}

type pollKeys struct {
	Endpoint  Endpoint         `yaml:",inline"`
	ClientID  string           `yaml:"client_id"`
	AccessKey component.Secret `yaml:"access_key" required:"true"`
	Every     time.Duration    `yaml:"every"`
	Since     time.Duration    `yaml:"since"`
	Pages     int              `yaml:"pages"`
	Verify    bool             `yaml:"verify"`
	Proxy     netip.Addr       `yaml:"proxy"`
	Criteria  json.RawMessage  `yaml:"criteria"`
	Extra     any              `yaml:"extra"`
}

// Endpoint is exported for its tags.
type Endpoint struct {
	BaseURL string `yaml:"base_url"`
	Region  string `yaml:"region" enum:"us|eu"`
}

// Check wants one of two.
func (k *Endpoint) Check(r *component.Report) {
	switch {
	case k.BaseURL == "" && k.Region == "":
		r.Error("", "region or base_url must be said", "")
	case k.BaseURL != "" && !strings.HasPrefix(k.BaseURL, "http"):
		r.Error("base_url", strconv.Quote(k.BaseURL)+" is not a URL", "")
	}
}

type panicKeys struct {
	Boom string `yaml:"boom"`
}

func (k *panicKeys) Check(*component.Report) { panic("boom: " + k.Boom) }

type addressKeys struct {
	Address string `yaml:"address" required:"true" doc:"where events go"`
	Framing string `yaml:"framing" enum:"lf|octet_counting"`
	Timeout time.Duration
}

type fileKeys struct {
	Path string        `yaml:"path" required:"true"`
	Keep time.Duration `yaml:"keep"`
}

type slackKeys struct {
	URL   component.Secret `yaml:"url" required:"true"`
	Limit uint16           `yaml:"limit"`
}

func kinds() config.Kinds {
	return config.Kinds{
		Sources: map[string]config.Kind{
			"syslog":  {Doc: "syslog over UDP, TCP and TLS", Config: func() any { return &syslogKeys{MaxEvent: 1 << 20, Framing: "auto"} }},
			"webhook": {Doc: "HTTP requests", Config: func() any { return &webhookKeys{Path: "/"} }},
			"poll":    {Doc: "an API", Vendor: "auto", Config: func() any { return &pollKeys{Every: 5 * time.Minute, Verify: true} }},
			"broken":  {Doc: "panics", Config: func() any { return &panicKeys{} }},
			"bare":    {Doc: "has no keys of its own"},
		},
		Sinks: map[string]config.Kind{
			"syslog": {Doc: "syslog", Format: "rfc5424", Header: "rfc5424", Config: func() any { return &addressKeys{Timeout: 5 * time.Second} }},
			"file":   {Doc: "a file", Format: "json", Header: "none", Config: func() any { return &fileKeys{} }},
			"stdout": {Doc: "standard output", Header: "none", Config: func() any { return &struct{}{} }},
			"slack":  {Doc: "a channel", Format: "slack", Formats: []string{"slack"}, WantsWhen: true, Config: func() any { return &slackKeys{Limit: 20} }},
		},
		Vendors: []string{"skyhigh", "checkpoint", "cef", "json", "text", "auto"},
		Formats: []string{"rfc5424", "rfc3164", "cef", "leef", "json", "slack"},
		Profiles: []config.Profile{{Name: "qradar", Doc: "IBM QRadar", Settings: []config.Setting{
			{Key: "format", Value: "leef", Types: []string{"syslog", "file"}, Others: []string{"cef"}, Why: "it reads nothing else without a parser of its own"},
			{Key: "framing", Value: "lf", Why: "its TCP listener ends a message at a line feed"},
			{Key: "max_size", Value: "4096B"}, {Key: "time_digits", Value: "3"}, {Key: "header", Value: "rfc5424"}, {Key: "pipes", Value: "replace", Why: "it splits at pipes"},
		}}},
	}
}

// mapCheck stands for what only the tables of the program know.
func mapCheck(s *config.Sink, given func(string) bool, r *component.Report) {
	if _, ok := s.Form.Map["sUser"]; ok {
		r.Error("map.sUser", "there is no key sUser", "did you mean suser?")
	}
	if given("delimiter") && s.Format != "leef" {
		r.Warn("delimiter", "format "+s.Format+" has no delimiter", "")
	}
}

// condition takes `field op value`.
func condition(text string) (problem, hint string, offset int) {
	words := strings.Fields(text)
	if len(words) != 3 {
		return "a condition is field op value", "", 0
	}
	if i := strings.Index(text, words[1]); !strings.Contains(" = != >= <= ", " "+words[1]+" ") {
		return "unknown operator " + words[1], "one of = != >= <=", i
	}
	return "", "", 0
}
