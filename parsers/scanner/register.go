package scanner

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strconv"
	"strings"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/parsers/kit"
	"github.com/siemfwd/siemfwd/parsers/scanner/sinksapi"
)

// register makes sure that an account has an event sink that posts here.
var register = kit.Register{Config: func() any { return &keys{} }, Open: openRegistrar}

// keys are what a webhook source of this vendor has besides a webhook's keys.
type keys struct {
	Register *registration `yaml:"register" doc:"the event sink that Scanner shall have; it is made and kept through Scanner's API"`
}

type registration struct {
	BaseURL     string           `yaml:"base_url" required:"true" doc:"address of the API as the console shows it beside the API keys, such as https://api.us-east-1.scanner.dev"`
	TenantID    string           `yaml:"tenant_id" required:"true" doc:"UUID of the tenant, which is called team now"`
	APIKey      component.Secret `yaml:"api_key" required:"true" doc:"key that may manage event sinks"`
	URL         string           `yaml:"url" required:"true" doc:"what Scanner posts to: this webhook as it is seen from the internet"`
	Name        string           `yaml:"name" doc:"of the sink; default: siemfwd"`
	Description string           `yaml:"description" doc:"of the sink; a word that marks it as ours is added; default: Alerts for siemfwd."`
	Instance    string           `yaml:"instance" doc:"the end of that word, which tells our sink from those of others; the same on several hosts behind one url; default: HOST/SOURCE"`
	Adopt       bool             `yaml:"adopt" doc:"whether a webhook sink of the name that points elsewhere is taken over"`
}

// Check implements component.Checker.
func (g *registration) Check(r *component.Report) {
	if g.BaseURL != "" && !strings.Contains(g.BaseURL, "${") {
		switch problem, exposed := kit.CheckBaseURL(strings.TrimRight(g.BaseURL, "/")); {
		case problem != "":
			r.Error("base_url", problem, "such as https://api.us-east-1.scanner.dev")
		case exposed:
			r.Error("base_url", "is http: the key would travel in the clear", "write it with https")
		}
	}
	if g.URL != "" && !strings.Contains(g.URL, "${") {
		switch u, err := url.Parse(g.URL); {
		case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
			r.Error("url", "is not an address", "such as https://hooks.example.com/hooks/scanner")
		case u.Scheme == "http":
			r.Warn("url", "is http: alerts travel in the clear", "let a reverse proxy end TLS")
		}
	}
}

// openRegistrar implements kit.Register.
func openRegistrar(cfg any, owner string) (kit.Registrar, error) {
	c, ok := cfg.(*keys)
	if !ok || c.Register == nil {
		return nil, nil
	}
	g := *c.Register
	w := sinksapi.Wanted{TenantID: g.TenantID, Name: cmp.Or(g.Name, sinksapi.DefaultName), Description: cmp.Or(g.Description, sinksapi.DefaultDescription),
		URL: g.URL, Instance: sinksapi.InstanceOf(cmp.Or(g.Instance, owner)), Adopt: g.Adopt}
	conn := sinksapi.Config{BaseURL: g.BaseURL, Key: g.APIKey.Reveal()}
	if _, err := sinksapi.Open(conn); err != nil {
		return nil, err
	}
	return func(ctx context.Context, memo []byte) (said string, keep []byte, err error) {
		client, err := sinksapi.Open(conn)
		if err != nil {
			return "", nil, err
		}
		defer client.Close()
		var st sinksapi.State
		_ = json.Unmarshal(memo, &st) // a memo that cannot be read is none
		out, err := client.Ensure(ctx, w, st)
		if err != nil {
			return "", nil, classed(err)
		}
		keep, err = json.Marshal(out.State)
		return outcome(&out), keep, err
	}, nil
}

// outcome says what came of it. What was only found says the same every time.
func outcome(out *sinksapi.Outcome) string {
	said := "sink " + out.Sink.ID + " points here"
	if out.Did != "" {
		said = "sink " + out.Sink.ID + " was " + out.Did
	}
	if out.Headers {
		said += "; headers that were set by hand may be gone, look at them in the console"
	}
	if n := len(out.Duplicates); n > 0 {
		said += "; " + strconv.Itoa(n) + " more may be meant for the same, the first is " + out.Duplicates[0].ID
	}
	return said
}

// classed is an error of the API in the poller's words.
func classed(err error) error {
	var e *sinksapi.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Class {
	case sinksapi.Denied:
		return &kit.Denied{Reason: e.Error()}
	case sinksapi.Refused:
		return &kit.Bad{Reason: e.Error()}
	case sinksapi.Busy:
		return &kit.Throttled{For: e.After, Reason: e.Error()}
	}
	return err
}
